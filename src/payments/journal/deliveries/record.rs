//! What is known of deliveries, and which of them are wanted.

use std::time::Duration;

use time::OffsetDateTime;

use crate::base::{Bin, PaymentId};
use crate::payments::journal::words::words;
use crate::payments::{Cursor, Event};

words! {
    /// How a delivery stands.
    pub enum DeliveryState {
        /// It is to be sent, for the first time or again.
        Waiting = "waiting",
        /// Its receiver has taken it.
        Delivered = "delivered",
        /// It was given up. A person may have it sent again.
        Dead = "dead",
    }
}

/// One event at one endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WebhookDelivery {
    /// Its number in the journal.
    pub seq: i64,
    /// What the receiver knows it by (`webhook-id`): the same for every attempt.
    pub id: String,
    /// The organisation.
    pub bin: Bin,
    /// The endpoint's name, unique in its BIN.
    pub endpoint: String,
    /// The event's place in the stream of events.
    pub event: i64,
    /// The event's kind.
    pub kind: String,
    /// The payment that it is about.
    pub payment_id: Option<PaymentId>,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: u32,
    /// How often since the beginning, or since a person last had it sent again.
    pub tries: u32,
    /// When the event came to be delivered.
    pub created_at: OffsetDateTime,
    /// When it is sent next, where it waits.
    pub next_at: Option<OffsetDateTime>,
    /// When it was taken, or given up.
    pub settled_at: Option<OffsetDateTime>,
    /// Why the last attempt that failed did: a kind of error, or `http_status`.
    pub last_failure: Option<String>,
}

/// One attempt. What was sent and answered is not kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it began, by the journal's clock.
    pub at: OffsetDateTime,
    /// The HTTP status that came.
    pub status: Option<u16>,
    /// Why it failed: a kind of error, or `http_status`; none where it was taken.
    pub failure: Option<String>,
    /// How long it took.
    pub duration: Duration,
}

/// A delivery whose turn it is, leased to this process until its attempt is noted.
#[derive(Clone, Debug)]
pub struct DueDelivery {
    /// What is known of it.
    pub delivery: WebhookDelivery,
    /// What is told.
    pub event: Event,
}

/// An endpoint that wants events of a BIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The organisation.
    pub bin: Bin,
    /// The endpoint's name, unique in its BIN.
    pub endpoint: String,
    /// Which kinds of events it wants; empty for all.
    pub kinds: Vec<&'static str>,
}

impl Subscription {
    /// What the journal calls the endpoint.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.bin, self.endpoint)
    }

    pub(super) fn wants(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// How an endpoint has been served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EndpointState {
    /// The organisation.
    pub bin: Bin,
    /// The endpoint's name.
    pub endpoint: String,
    /// Since when it is told of events.
    pub since: OffsetDateTime,
    /// How many deliveries wait.
    pub waiting: u64,
    /// How many were given up.
    pub dead: u64,
    /// Since when the oldest of those that wait has been waiting.
    pub oldest_waiting: Option<OffsetDateTime>,
    /// When it last took one.
    pub last_success: Option<OffsetDateTime>,
    /// When an attempt last failed.
    pub last_failure_at: Option<OffsetDateTime>,
    /// Why that one did.
    pub last_failure: Option<String>,
}

/// Which deliveries are wanted. Empty lists and `None` stand for any.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Of these BINs.
    pub bins: Vec<Bin>,
    /// In these states.
    pub states: Vec<DeliveryState>,
    /// At the endpoint of this name.
    pub endpoint: Option<String>,
    /// About this payment.
    pub payment: Option<PaymentId>,
    /// How many at once; 0 for 100, at most 1000.
    pub limit: usize,
    /// Where the page before ended ([`Page::next`](crate::payments::Page::next)).
    pub cursor: Option<Cursor>,
}
