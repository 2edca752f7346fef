//! The journal: every operation is written down before it is sent, and its outcome after.
//!
//! One `Journal` stands for one store, SQLite or PostgreSQL. It is opened at the first need; while it
//! cannot be opened, whatever needs it fails with the reason, and the rest of the program goes on.

mod audit;
mod begin;
mod course;
mod deliveries;
mod derived;
mod engine;
mod error;
mod event;
mod events;
mod fault;
mod filter;
mod handle;
mod known;
mod lease;
mod mark;
mod new;
mod opened;
mod owner;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod read;
mod record;
mod refund_turn;
mod row;
mod running;
mod schema;
mod sql;
mod sqlite;
mod step;
mod tally;
mod trail;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::base::{Clock, OperationId, Secret};

pub(in crate::payments) use deliveries::{AttemptNote, Next};
pub use deliveries::{
    DeliveryAttempt, DeliveryFilter, DeliveryState, DueDelivery, EndpointState, Subscription, WebhookDelivery,
};
pub use error::{Cause, JournalError};
pub use event::{Event, EventFacts, EventFilter, EventKind, NewEvent};
pub use filter::{Cursor, Filter, Page, PaymentFilter};
pub use handle::{Journal, Serving};
pub(in crate::payments) use new::{Begun, Key, NewOperation};
pub use record::{
    Answer, Failure, HistoryStep, KeyKind, OperationKind, OperationRecord, OperationRoute, OperationState,
    OwnerId, PaymentKind, PaymentRecord, PaymentSource, PurchaseAnswer, Resolution, WatchPlan,
};
pub(in crate::payments) use record::{NewKnownPayment, NextLook, Noted, Outcome};
pub(in crate::payments) use refund_turn::RefundTurn;
pub(in crate::payments) use tally::{Heap, OperationHeap, Tallies, Window};
pub use trail::{NewTrailLine, TrailLine};

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

/// Who runs this process, `name@host`: nobody is asked, and no variable is believed.
#[must_use]
pub fn this_person() -> String {
    process::Process::this().person()
}

#[cfg(test)]
mod tests;
