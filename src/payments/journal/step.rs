//! One step: what happens to the journal in one transaction, written once for both databases.

use std::future::Future;

use super::JournalError;
use super::record::OwnerId;
use super::sql::Conn;

/// Something that is done in one transaction. May be run again from the start, where a transaction
/// fails for a reason that passes.
pub(super) trait Step: Send + Sync + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// Whether it may write events down.
    const TELLS: bool = false;

    /// Does it.
    fn run(&self, tx: &mut Tx<'_>) -> impl Future<Output = Result<Self::Output, StepError>> + Send;
}

/// A transaction, and what a step has to know besides.
pub(super) struct Tx<'c> {
    pub(super) conn: Conn<'c>,
    /// The journal's time, in microseconds since the Unix epoch.
    pub(super) now: i64,
    /// This process; nil for a process that only reads.
    pub(super) me: OwnerId,
    /// The same in words, for histories.
    pub(super) who: String,
    /// Where this transaction numbers new operations.
    pub(super) lane: String,
    /// The greatest number of an operation that this machine has seen.
    pub(super) floor: i64,
    /// 1 at first. Later, the transaction before may have been committed without our knowing it.
    pub(super) attempt: u32,
}

/// Why a step failed.
#[derive(Debug)]
pub(super) enum StepError {
    /// The database said no.
    Sql(sqlx::Error),
    /// A row holds what it cannot hold.
    Unreadable(String),
    /// The journal is older than what was seen of it.
    Behind(String),
    /// The step itself said no.
    Refused(JournalError),
}

impl From<sqlx::Error> for StepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}
