//! One suite for both stores. Each test has a journal of its own; two handles are two processes as far
//! as the journal can tell, since each holds a lock of its own.
#![allow(clippy::disallowed_methods)]

mod events;
mod keys;
mod outcomes;
mod payments;
#[path = "../../../../tests/it/postgres.rs"]
#[allow(unreachable_pub, missing_docs, missing_debug_implementations)]
mod postgres;
mod postgres_faults;
mod reading;
mod refunds;
mod restored;
mod sqlite_faults;
mod sums;
mod tampered;

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use time::OffsetDateTime;

use super::*;
use crate::base::{Bin, PaymentId};

/// Runs each test on both stores.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::super::in_time(super::$name(super::super::Place::sqlite())).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(place) = super::super::Place::postgres() {
                    super::super::in_time(super::$name(place)).await;
                }
            })*
        }
    };
}
pub(super) use on_both;

const FLOWERS: &str = "891027350515";
const GIFTS: &str = "210440028324";

/// Where a test's journal is.
pub(super) struct Place {
    folder: TempDir,
    store: Store,
    clock: Arc<TestClock>,
}

/// A clock that tests move. PostgreSQL has its own.
#[derive(Debug)]
pub(super) struct TestClock(Mutex<OffsetDateTime>);

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }
}

impl Place {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Sqlite(folder.path().join("kaspi.db"));
        Self::new(folder, store)
    }

    pub(super) fn postgres() -> Option<Self> {
        let url = postgres::database()?;
        Some(Self::at(&url))
    }

    pub(super) fn at(url: &str) -> Self {
        Self::new(tempfile::tempdir().unwrap(), Store::Postgres(Secret::new(url)))
    }

    fn new(folder: TempDir, store: Store) -> Self {
        let clock = Arc::new(TestClock(Mutex::new(
            time::macros::datetime!(2026-03-01 12:00 UTC),
        )));
        Self { folder, store, clock }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The SQLite file.
    pub(super) fn file(&self) -> PathBuf {
        self.path("kaspi.db")
    }

    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self.store, Store::Sqlite(_))
    }

    /// Another process. On a busy machine a commit takes its time.
    pub(super) fn journal(&self) -> Journal {
        self.journal_with("state", Duration::from_secs(60))
    }

    pub(super) fn journal_with(&self, state: &str, patience: Duration) -> Journal {
        Journal::new(JournalOptions {
            store: self.store.clone(),
            state_dir: self.path(state),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            patience,
        })
    }

    /// Runs a statement behind the journal's back. Gives the first column of the first row, as text.
    pub(super) async fn sql(&self, statement: &str) -> String {
        match &self.store {
            Store::Sqlite(path) => sqlite_sql(path, statement).await,
            Store::Postgres(url) => postgres::sql(url.expose(), statement).trim().to_owned(),
        }
    }
}

pub(super) async fn sqlite_sql(path: &std::path::Path, statement: &str) -> String {
    use sqlx::{ConnectOptions as _, Connection as _, Row as _};
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap();
    let rows = sqlx::raw_sql(statement).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.first()
        .map_or_else(String::new, |row| match row.try_get::<String, _>(0) {
            Ok(text) => text,
            Err(_) => row.get::<i64, _>(0).to_string(),
        })
}

/// Fails a test that hangs.
pub(super) async fn in_time<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), test)
        .await
        .expect("the test hangs")
}

pub(super) fn bin(text: &str) -> Bin {
    text.parse().unwrap()
}

pub(super) fn payment(number: i64) -> PaymentId {
    PaymentId::new(number).unwrap()
}

/// An invoice of 1500 tenge.
pub(super) fn invoice() -> NewOperation {
    NewOperation {
        id: OperationId::new(),
        kind: OperationKind::Create,
        bin: bin(FLOWERS),
        trade_point: Some(crate::base::TradePointId::new(385_716).unwrap()),
        route: OperationRoute::Direct,
        caller: "shop".to_owned(),
        key: Key::None,
        digest: "aa".repeat(32),
        amount: Some("1500".parse().unwrap()),
        payment_id: None,
        phone: Some("+7 701 000 15 45".parse().unwrap()),
    }
}

/// A refund of 100 tenge.
pub(super) fn refund(of: i64) -> NewOperation {
    NewOperation {
        kind: OperationKind::Refund,
        payment_id: Some(payment(of)),
        amount: Some("100".parse().unwrap()),
        phone: None,
        ..invoice()
    }
}

impl NewOperation {
    pub(super) fn under(self, key: &str) -> Self {
        Self {
            key: Key::Given(key.to_owned()),
            ..self
        }
    }

    pub(super) fn derived(self, key: &str, bins: &[&str], window: Duration) -> Self {
        let bins = bins.iter().map(|text| bin(text)).collect();
        Self {
            key: Key::Derived {
                key: key.to_owned(),
                bins,
                window,
            },
            ..self
        }
    }
}

impl Begun {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Again(_) => "again",
            Self::Existing(_) => "existing",
            Self::Conflict(_) => "conflict",
            Self::Echo(_) => "echo",
        }
    }

    pub(super) fn record(&self) -> &OperationRecord {
        match self {
            Self::New(record)
            | Self::Again(record)
            | Self::Existing(record)
            | Self::Conflict(record)
            | Self::Echo(record) => record,
        }
    }
}

pub(super) fn made(number: i64) -> Outcome {
    Outcome::Accepted(Answer::Invoice { payment_id: number })
}

pub(super) fn paid_back(number: i64) -> Outcome {
    Outcome::Accepted(Answer::Refund {
        return_operation_id: Some(number),
    })
}

pub(super) fn why(kind: &str) -> Failure {
    Failure {
        kind: kind.to_owned(),
        message: format!("it was {kind}"),
        hint: None,
        code: Some(-1),
    }
}

/// Begins an operation and marks it as sent.
pub(super) async fn send(journal: &Journal, new: NewOperation) -> OperationId {
    let begun = journal.begin(new).await.unwrap();
    assert!(matches!(begun, Begun::New(_) | Begun::Again(_)), "{begun:?}");
    let id = begun.record().id;
    assert!(journal.sent(id, None).await.unwrap());
    id
}

/// Brings an operation to its end.
pub(super) async fn end(journal: &Journal, new: NewOperation, outcome: Outcome) -> OperationRecord {
    let id = send(journal, new).await;
    journal.finish(id, outcome).await.unwrap()
}

pub(super) async fn state_of(journal: &Journal, id: OperationId) -> OperationState {
    journal.operation(id).await.unwrap().unwrap().state
}

/// Everything fits.
pub(super) async fn assert_verified(journal: &Journal) {
    let verified = journal.verify().await.unwrap();
    assert_eq!(verified.broken, [], "after {} operations", verified.operations);
}
