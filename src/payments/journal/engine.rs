//! The two databases behind one door.

use std::path::Path;
use std::sync::Arc;

use super::JournalError;
use super::mark::Mark;
#[cfg(feature = "postgres")]
use super::postgres::Postgres;
use super::record::OwnerId;
use super::sqlite::Sqlite;
use super::step::Step;
use crate::base::Clock;

/// An open store.
#[derive(Debug)]
pub(super) enum Engine {
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(Box<Postgres>),
}

/// What every transaction of this process has in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) me: OwnerId,
    /// This process in words, for histories.
    pub(super) who: String,
    pub(super) mark: Option<Arc<Mark>>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Common {
    pub(super) fn floor(&self) -> i64 {
        self.mark.as_ref().map_or(0, |mark| mark.seen())
    }
}

impl Engine {
    /// Runs a step in a transaction that is durable once this returns.
    pub(super) async fn write<S: Step>(&self, step: S) -> Result<S::Output, JournalError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(step).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres.write(step).await,
        }
    }

    /// Runs a step that only reads, and sees one state of the books.
    pub(super) async fn read<S: Step>(&self, step: S) -> Result<S::Output, JournalError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read(step).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres.read(step).await,
        }
    }

    /// Writes down that this process takes part, holding a lock that dies with it.
    pub(super) async fn enter(&self) -> Result<(), JournalError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.enter().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres.enter().await,
        }
    }

    /// The processes that took part and are gone.
    pub(super) async fn gone(&self) -> Result<Vec<OwnerId>, JournalError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.gone().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres.gone().await,
        }
    }

    /// A gone process has been settled: nothing of it is needed any more.
    pub(super) fn forget(&self, owner: OwnerId) {
        match self {
            Self::Sqlite(sqlite) => sqlite.forget(owner),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {}
        }
    }

    /// Why no operation may begin at this moment, though the store is open.
    pub(super) async fn hindrance(&self) -> Option<JournalError> {
        match self {
            Self::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres.hindrance().await,
        }
    }

    /// Copies the whole journal into a file.
    pub(super) async fn backup(&self, file: &Path) -> Result<(), JournalError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.backup(file).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Err(JournalError::Backup {
                file: file.to_owned(),
                problem: "the journal is in PostgreSQL, whose own `pg_dump` copies it while it is used"
                    .to_owned(),
                source: None,
            }),
        }
    }

    /// Whether nothing can be written through it any more, though it could once.
    pub(super) fn is_dead(&self) -> bool {
        match self {
            Self::Sqlite(sqlite) => sqlite.is_dead(),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => false,
        }
    }

    /// Ends all connections, after what was asked for has been done.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres.close().await,
        }
    }
}
