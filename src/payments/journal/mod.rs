//! The journal: every operation is written down before it is sent, and its outcome after.
//!
//! One `Journal` stands for one store, SQLite or PostgreSQL. It is opened at the first need; while it
//! cannot be opened, whatever needs it fails with the reason, and the rest of the program goes on.

mod error;
mod filter;
mod new;
mod record;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::api::PaymentStatus;
use crate::base::{Balance, Bin, Clock, OperationId, PaymentId, Secret};

pub use error::{Cause, JournalError};
pub use filter::{Cursor, Filter, Page, PaymentFilter};
pub(in crate::payments) use new::{Begun, Key, NewOperation};
pub use record::{
    Answer, Failure, HistoryStep, KeyKind, OperationKind, OperationRecord, OperationRoute, OperationState,
    OwnerId, PaymentKind, PaymentRecord, PaymentSource, PurchaseAnswer, Resolution, WatchPlan,
};
pub(in crate::payments) use record::{NewKnownPayment, NextLook, Noted, Outcome};

/// Where a journal is kept.
#[derive(Clone, Debug)]
pub enum Store {
    /// In an SQLite file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database; the whole URL, which may hold a password.
    Postgres(Secret),
}

/// What a journal is opened with.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Where it is kept.
    pub store: Store,
    /// The folder on this machine that remembers how far the journal had come. Made where it is missing.
    pub state_dir: PathBuf,
    /// What operations are dated by with SQLite; with PostgreSQL it is the server's clock.
    pub clock: Arc<dyn Clock>,
    /// How long to wait for another program's lock, and for a connection.
    pub patience: Duration,
}

/// How a journal is.
#[derive(Clone, Debug)]
pub enum JournalState {
    /// Nothing has needed it yet.
    NotOpened,
    /// It works.
    Open,
    /// It cannot be used for money: why. Opened again by itself as soon as that can be done.
    Unavailable(JournalError),
    /// It is older than what this machine has written to it: money waits for `after_restore`.
    Behind(JournalError),
}

/// The journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    options: Arc<JournalOptions>,
}

/// What [`Journal::verify`] found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// How many operations were looked at.
    pub operations: u64,
    /// How many steps of their histories.
    pub steps: u64,
    /// What does not fit; empty where everything does. The first comes first.
    pub broken: Vec<BrokenLink>,
}

/// A place where the history was changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BrokenLink {
    /// The operation, where it is known.
    pub operation_id: Option<OperationId>,
    /// The step of its history.
    pub step: Option<u32>,
    /// What does not fit.
    pub problem: String,
}

/// How much is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownOperations {
    /// How many operations.
    pub count: u64,
    /// When the oldest of them was recorded.
    pub oldest: Option<OffsetDateTime>,
    /// How long ago that was, by the journal's clock.
    pub oldest_age: Option<Duration>,
}

/// The right of one refund to be the only one of its payment that is under way, in all processes.
/// Given back by [`Journal::finish`] of the operation, and when this is dropped.
#[derive(Debug)]
pub(in crate::payments) struct RefundTurn {}

/// The right to be the one gateway at an SQLite journal; given back when dropped.
#[derive(Debug)]
pub struct Serving {}

/// A payment whose turn it is to be asked for, leased to this process until `note_status`.
#[derive(Clone, Debug)]
pub(in crate::payments) struct DueLook {
    pub(in crate::payments) payment: PaymentRecord,
    /// How old it is, by the journal's clock.
    pub(in crate::payments) age: Duration,
    /// How long ago it was first seen scanned or opened.
    pub(in crate::payments) activated: Option<Duration>,
}

/// An operation whose unknown outcome may be asked for now, leased to this process until
/// `checked`, `settle` or `release_check`.
#[derive(Clone, Debug)]
pub(in crate::payments) struct DueCheck {
    pub(in crate::payments) operation: OperationRecord,
    /// Since it was sent, by the journal's clock.
    pub(in crate::payments) age: Duration,
    /// Since the first question was answered.
    pub(in crate::payments) since_first_check: Option<Duration>,
}

impl Journal {
    /// A handle. Touches nothing.
    #[must_use]
    pub fn new(options: JournalOptions) -> Self {
        Self {
            options: Arc::new(options),
        }
    }

    /// Opens it, if that has not been done: makes or migrates the store, takes an owner's lock, settles
    /// what dead processes left. Every other method does this by itself.
    ///
    /// # Errors
    ///
    /// It cannot be used for money. What can be read is read nevertheless.
    pub async fn open(&self) -> Result<(), JournalError> {
        Err(self.unbuilt())
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> JournalState {
        JournalState::NotOpened
    }

    /// Whether there can be something in it: a read does not make the file of a journal.
    pub(in crate::payments) fn exists(&self) -> bool {
        match &self.options.store {
            Store::Sqlite(file) => file.exists(),
            Store::Postgres(_) => true,
        }
    }

    /// Its place for messages: the file, or the URL without user and password.
    #[must_use]
    pub fn place(&self) -> String {
        String::new()
    }

    /// Ends this process's ownership, after what is under way has been written.
    pub async fn close(&self) {}

    /// Takes the right to serve: on SQLite one gateway at a time; on PostgreSQL always given.
    ///
    /// # Errors
    ///
    /// Another process serves (`journal_served`), or the journal cannot be used.
    pub async fn claim_serving(&self) -> Result<Serving, JournalError> {
        Err(self.unbuilt())
    }

    // ---- the course of an operation

    /// Writes an operation down, or finds the one that its key stands for. Durable when it returns.
    pub(in crate::payments) async fn begin(&self, new: NewOperation) -> Result<Begun, JournalError> {
        let _ = new;
        Err(self.unbuilt())
    }

    /// Marks it as about to be sent. Durable when it returns. `false`: it is not ours to send (somebody
    /// settled it because we seemed dead); nothing may be sent then.
    pub(in crate::payments) async fn sent(
        &self,
        id: OperationId,
        rest_before: Option<Balance>,
    ) -> Result<bool, JournalError> {
        let _ = (id, rest_before);
        Err(self.unbuilt())
    }

    /// Writes an outcome down, from `recorded` or `sent`, or late from `unknown`; gives the record as it
    /// stands afterwards, which differs from the outcome where somebody else had settled it. Makes the
    /// payment's row where one was made, releases the refund's turn. Where the store fails, it goes on
    /// trying in the background, as long as this process lives.
    pub(in crate::payments) async fn finish(
        &self,
        id: OperationId,
        outcome: Outcome,
    ) -> Result<OperationRecord, JournalError> {
        let _ = (id, outcome);
        Err(self.unbuilt())
    }

    /// The outcome has been handed to a caller who was still there.
    pub(in crate::payments) async fn delivered(&self, id: OperationId) -> Result<(), JournalError> {
        let _ = id;
        Err(self.unbuilt())
    }

    /// Waits until an operation is no longer running, here or in another process, and gives it as it
    /// stands then; `None` where it still runs after `wait`.
    pub(in crate::payments) async fn settled(
        &self,
        id: OperationId,
        wait: Duration,
    ) -> Result<Option<OperationRecord>, JournalError> {
        let _ = (id, wait);
        Err(self.unbuilt())
    }

    /// Settles what dead processes left: `recorded` becomes `not_sent`, `sent` becomes `unknown`; their
    /// locks and leases are free again. Gives how many operations it settled.
    pub(in crate::payments) async fn settle_orphans(&self) -> Result<u64, JournalError> {
        Err(self.unbuilt())
    }

    /// Settles an operation whose outcome is unknown. `who` is a person or `reconcile`. `inferred` marks
    /// what Kaspi did not answer but its details show.
    pub(in crate::payments) async fn settle(
        &self,
        id: OperationId,
        resolution: Resolution,
        inferred: bool,
        who: &str,
        why: &str,
    ) -> Result<OperationRecord, JournalError> {
        let _ = (id, resolution, inferred, who, why);
        Err(self.unbuilt())
    }

    // ---- refunds

    /// Waits for the turn of a refund of this payment, in all processes; `None` after `wait`.
    pub(in crate::payments) async fn refund_turn(
        &self,
        payment: PaymentId,
        operation: OperationId,
        wait: Duration,
    ) -> Result<Option<RefundTurn>, JournalError> {
        let _ = (payment, operation, wait);
        Err(self.unbuilt())
    }

    /// The refunds of a payment, in order.
    pub(in crate::payments) async fn refunds_of(
        &self,
        payment: PaymentId,
    ) -> Result<Vec<OperationRecord>, JournalError> {
        let _ = payment;
        Err(self.unbuilt())
    }

    // ---- payments

    /// What is known of a payment.
    pub(in crate::payments) async fn payment(
        &self,
        id: PaymentId,
    ) -> Result<Option<PaymentRecord>, JournalError> {
        let _ = id;
        Err(self.unbuilt())
    }

    /// Puts payments in that were not made here. One that is there already is left as it is; gives for
    /// each, in order, the record that stands afterwards.
    pub(in crate::payments) async fn add_payments(
        &self,
        payments: Vec<NewKnownPayment>,
    ) -> Result<Vec<PaymentRecord>, JournalError> {
        let _ = payments;
        Err(self.unbuilt())
    }

    /// Takes down what Kaspi said about a payment. A final status is never left; a late `Processed` is
    /// kept and flagged. `activated` marks a QR code or link as scanned or opened. Ends a look's lease.
    pub(in crate::payments) async fn note_status(
        &self,
        id: PaymentId,
        status: &PaymentStatus,
        next: NextLook,
    ) -> Result<Noted, JournalError> {
        let _ = (id, status, next);
        Err(self.unbuilt())
    }

    /// Begins or ends watching a payment.
    pub(in crate::payments) async fn plan_looks(
        &self,
        id: PaymentId,
        plan: Option<WatchPlan>,
        next: NextLook,
    ) -> Result<(), JournalError> {
        let _ = (id, plan, next);
        Err(self.unbuilt())
    }

    /// The watched payments whose turn it is, each leased to this process alone.
    pub(in crate::payments) async fn due_looks(&self, limit: usize) -> Result<Vec<DueLook>, JournalError> {
        let _ = limit;
        Err(self.unbuilt())
    }

    // ---- unknown outcomes

    /// Unknown operations that may be asked about now, each leased to this process alone.
    pub(in crate::payments) async fn due_checks(
        &self,
        kinds: &[OperationKind],
        limit: usize,
    ) -> Result<Vec<DueCheck>, JournalError> {
        let _ = (kinds, limit);
        Err(self.unbuilt())
    }

    /// One operation out of turn: leased like the above, whenever its next question would be. `None`
    /// where it is not unknown, or another process asks about it at this moment.
    pub(in crate::payments) async fn check_now(
        &self,
        id: OperationId,
    ) -> Result<Option<DueCheck>, JournalError> {
        let _ = id;
        Err(self.unbuilt())
    }

    /// A question about it was answered and did not settle it. Ask again after `next`; never where it is
    /// none: a person has to settle it. Where `counts` is false the question had no answer.
    pub(in crate::payments) async fn checked(
        &self,
        id: OperationId,
        counts: bool,
        next: Option<Duration>,
    ) -> Result<(), JournalError> {
        let _ = (id, counts, next);
        Err(self.unbuilt())
    }

    // ---- reading

    /// One operation.
    pub(in crate::payments) async fn operation(
        &self,
        id: OperationId,
    ) -> Result<Option<OperationRecord>, JournalError> {
        let _ = id;
        Err(self.unbuilt())
    }

    /// The steps of one operation, in order.
    pub(in crate::payments) async fn history(
        &self,
        id: OperationId,
    ) -> Result<Vec<HistoryStep>, JournalError> {
        let _ = id;
        Err(self.unbuilt())
    }

    /// Operations, the latest first. An export walks the pages.
    pub(in crate::payments) async fn operations(
        &self,
        filter: &Filter,
    ) -> Result<Page<OperationRecord>, JournalError> {
        let _ = filter;
        Err(self.unbuilt())
    }

    /// Payments, the latest first.
    pub(in crate::payments) async fn payments(
        &self,
        filter: &PaymentFilter,
    ) -> Result<Page<PaymentRecord>, JournalError> {
        let _ = filter;
        Err(self.unbuilt())
    }

    /// How many outcomes are unknown, and since when.
    pub(in crate::payments) async fn unknown_operations(
        &self,
        bins: &[Bin],
    ) -> Result<UnknownOperations, JournalError> {
        let _ = bins;
        Err(self.unbuilt())
    }

    /// The time by the journal's clock.
    pub(in crate::payments) async fn now(&self) -> Result<OffsetDateTime, JournalError> {
        Err(self.unbuilt())
    }

    // ---- care

    /// Walks all histories and compares them with the operations.
    ///
    /// # Errors
    ///
    /// It cannot be read. What does not fit is no error: it stands in what is given back.
    pub async fn verify(&self) -> Result<Verified, JournalError> {
        Err(self.unbuilt())
    }

    /// Copies the journal into a new file while it is used.
    ///
    /// # Errors
    ///
    /// The file exists, it cannot be written, or the journal is in PostgreSQL, whose own `pg_dump` does this.
    pub async fn backup(&self, file: &Path) -> Result<(), JournalError> {
        let _ = file;
        Err(self.unbuilt())
    }

    /// Declares an old copy, put back on purpose, to be the journal from now on. To be called once the
    /// bank's details have been read again.
    pub(in crate::payments) async fn after_restore(&self, who: &str) -> Result<(), JournalError> {
        let _ = who;
        Err(self.unbuilt())
    }

    fn unbuilt(&self) -> JournalError {
        JournalError::Unavailable {
            place: self.place(),
            problem: "not built yet".to_owned(),
            source: None,
        }
    }
}
