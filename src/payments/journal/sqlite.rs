//! The journal in an SQLite file.
//!
//! One connection writes. Steps that wait for it are taken together into one transaction, so that many
//! callers share one sync of the disk; a few more connections read beside it.

mod files;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::engine::Common;
use super::fault::Place;
use super::owner::{Enter, Others};
use super::process::Process;
use super::record::OwnerId;
use super::row::micros;
use super::sql::Conn;
use super::step::{Step, Tx};
use super::{JournalError, schema};
pub(super) use files::ServeLock;
use files::{OwnerLock, Owners};
use writer::{Job, Pending, Writer};

/// Steps that wait for the writer; beyond that their callers do.
const QUEUE: usize = 1024;

/// Between two attempts to open a file that another process is making.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Sqlite {
    place: Place,
    path: PathBuf,
    common: Common,
    owners: Owners,
    /// None where the file can only be read.
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<tokio::task::JoinHandle<()>>>,
    readers: SqlitePool,
    entered: Mutex<Option<OwnerLock>>,
}

impl Sqlite {
    /// Opens the file for writing; makes it where it is missing.
    pub(super) async fn open(place: &Place, path: &Path, common: &Common) -> Result<Self, JournalError> {
        let owners = Owners::beside(path);
        owners.refuse_foreign(place)?;
        files::make(place, path)?;
        let connection = first_connection(path, place).await?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(place.clone(), path, common.clone(), connection, queue);
        Ok(Self {
            place: place.clone(),
            path: path.to_owned(),
            common: common.clone(),
            owners,
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(tokio::spawn(writer.run()))),
            readers: readers(place, options(path, place)),
            entered: Mutex::default(),
        })
    }

    /// Opens the file for reading alone.
    pub(super) async fn open_to_read(
        place: &Place,
        path: &Path,
        common: &Common,
    ) -> Result<Self, JournalError> {
        let mut readers = readers(place, options(path, place));
        if let Err(error) = first_read(&readers).await {
            // SQLite makes files beside it for every reader; with no log beside it the file is whole
            // without them, as on a disk that cannot be written
            if !files::is_whole(path) {
                return Err(place.explain_sql(error));
            }
            readers = self::readers(place, options(path, place).immutable(true));
            first_read(&readers)
                .await
                .map_err(|error| place.explain_sql(error))?;
        }
        Ok(Self {
            place: place.clone(),
            path: path.to_owned(),
            common: common.clone(),
            owners: Owners::beside(path),
            jobs: Mutex::default(),
            writer: Mutex::default(),
            readers,
            entered: Mutex::default(),
        })
    }

    pub(super) async fn write<S: Step>(&self, step: S) -> Result<S::Output, JournalError> {
        let (reply, answer) = oneshot::channel();
        let ended = || JournalError::Unavailable {
            place: self.place.name.clone(),
            problem: "its writer has ended".to_owned(),
            source: None,
        };
        let jobs = files::unpoisoned(&self.jobs).clone().ok_or_else(ended)?;
        jobs.send(Box::new(Pending::new(step, reply)))
            .await
            .map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    pub(super) async fn read<S: Step>(&self, step: S) -> Result<S::Output, JournalError> {
        let explain = |error| self.place.explain_sql(error);
        let mut transaction = self.readers.begin().await.map_err(explain)?;
        let mut tx = Tx {
            conn: Conn::Sqlite(&mut transaction),
            now: micros(self.common.clock.now()),
            me: self.common.me,
            who: self.common.who.clone(),
            lane: String::new(),
            floor: 0,
            attempt: 1,
        };
        let read = step.run(&mut tx).await.map_err(|error| self.place.explain(error));
        // it only read: there is nothing that a failed end could lose
        let _ = transaction.rollback().await;
        read
    }

    pub(super) async fn enter(&self) -> Result<(), JournalError> {
        if files::unpoisoned(&self.entered).is_some() {
            return Ok(());
        }
        self.owners.refuse_foreign(&self.place)?;
        let lock = self.owners.lock(&self.place, self.common.me)?;
        self.write(Enter {
            process: Process::this(),
            lock_key: 0,
        })
        .await?;
        *files::unpoisoned(&self.entered) = Some(lock);
        Ok(())
    }

    pub(super) async fn gone(&self) -> Result<Vec<OwnerId>, JournalError> {
        let others = self.read(Others).await?;
        Ok(others
            .into_iter()
            .filter(|owner| self.owners.is_gone(*owner))
            .collect())
    }

    pub(super) fn forget(&self, owner: OwnerId) {
        self.owners.forget(owner);
    }

    /// The writer ends where another file has taken the place of ours, and with its runtime.
    pub(super) fn is_dead(&self) -> bool {
        files::unpoisoned(&self.jobs)
            .as_ref()
            .is_some_and(mpsc::Sender::is_closed)
    }

    /// Copies the whole file while it is used.
    pub(super) async fn backup(&self, file: &Path) -> Result<(), JournalError> {
        files::back_up(&self.place, &self.path, file).await
    }

    pub(super) async fn close(&self) {
        drop(files::unpoisoned(&self.jobs).take());
        let writer = files::unpoisoned(&self.writer).take();
        if let Some(writer) = writer {
            let _ = writer.await;
        }
        self.readers.close().await;
        files::unpoisoned(&self.entered).take();
    }
}

/// Takes the right to be the one gateway at a file.
pub(super) async fn claim_serving(name: &str, path: &Path) -> Result<ServeLock, JournalError> {
    let place = Place {
        name: name.to_owned(),
        patience: Duration::ZERO,
    };
    let owners = Owners::beside(path);
    owners.refuse_foreign(&place)?;
    owners.claim_serving(&place).await
}

fn options(path: &Path, place: &Place) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(place.patience)
        .disable_statement_logging()
}

fn readers(place: &Place, options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(place.patience)
        .connect_lazy_with(options.read_only(true))
}

async fn first_read(readers: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("SELECT COUNT(*) FROM epochs")
        .execute(readers)
        .await
        .map(|_| ())
}

/// The connection that will write, on a file that has its form and its schema.
///
/// SQLite's busy handler does not wait while a file is turned to WAL (two that try at once would wait
/// for each other), so that of two processes at a new file one hears at once that it is locked.
async fn first_connection(path: &Path, place: &Place) -> Result<SqliteConnection, JournalError> {
    let until = Instant::now() + place.patience;
    loop {
        match prepared_connection(path, place).await {
            Err(JournalError::Locked { .. }) if Instant::now() < until => sleep(BUSY_PAUSE).await,
            ended => return ended,
        }
    }
}

async fn prepared_connection(path: &Path, place: &Place) -> Result<SqliteConnection, JournalError> {
    let mut connection = options(path, place)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .connect()
        .await
        .map_err(|error| place.explain_sql(error))?;
    prepare(place, &mut connection).await?;
    Ok(connection)
}

/// The schema, in a transaction that is alone from its start.
async fn prepare(place: &Place, connection: &mut SqliteConnection) -> Result<(), JournalError> {
    let explain = |error| place.explain_sql(error);
    let mut alone = connection.begin_with("BEGIN IMMEDIATE").await.map_err(explain)?;
    schema::migrate_sqlite(place, &mut alone).await?;
    alone.commit().await.map_err(explain)
}
