//! What happened, as it is told to those who want to know: events.
//!
//! Never a phone number, a name, a token or a payload: whoever wants more asks for the payment.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::words::words;
use crate::base::{Bin, OperationId, PaymentId};

words! {
    /// What an event tells of.
    pub enum EventKind {
        /// A payment was made.
        PaymentCreated = "payment.created",
        /// Kaspi says another status of a payment than before.
        PaymentStatusChanged = "payment.status_changed",
        /// Money of a payment was paid back.
        PaymentRefunded = "payment.refunded",
        /// Nobody knows whether an operation happened.
        OperationUnknown = "operation.unknown",
        /// An operation that was unknown is settled.
        OperationResolved = "operation.resolved",
        /// A BIN acts with another certificate from now on.
        IdentityRotated = "identity.rotated",
        /// A certificate ends soon.
        CertificateDue = "certificate.due",
    }
}

/// An event, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Its place: later events have greater ones, and none is ever put before one that was read.
    pub position: i64,
    /// When it happened, by the journal's clock.
    pub at: OffsetDateTime,
    /// Whom it is about.
    pub bin: Bin,
    /// The payment that it is about.
    pub payment_id: Option<PaymentId>,
    /// The operation that brought it about.
    pub operation_id: Option<OperationId>,
    /// What happened.
    pub facts: EventFacts,
}

/// What happened. Amounts are tenge with two decimals, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum EventFacts {
    /// A payment was made.
    #[serde(rename = "payment.created")]
    PaymentCreated {
        /// `invoice`, `qr` or `link`.
        kind: String,
        /// What the customer is to pay.
        amount: Option<String>,
    },
    /// Kaspi says another status of a payment than before.
    #[serde(rename = "payment.status_changed")]
    PaymentStatusChanged {
        /// What it said before; none where it had not said anything.
        from: Option<String>,
        /// What it says now, in Kaspi's word.
        to: String,
        /// What that means: `pending`, `paid`, `failed` or `unknown`.
        state: String,
        /// What the customer was to pay.
        amount: Option<String>,
        /// It was paid after it had been given up here, or had failed.
        late: bool,
    },
    /// Money of a payment was paid back.
    #[serde(rename = "payment.refunded")]
    PaymentRefunded {
        /// How much.
        amount: Option<String>,
        /// What is left of the payment, as far as it was known when the refund was asked for.
        rest: Option<String>,
        /// Kaspi's number of the refund; none where the refund was inferred.
        return_operation_id: Option<i64>,
        /// Kaspi's details show it, the answer was lost.
        inferred: bool,
    },
    /// Nobody knows whether an operation happened.
    #[serde(rename = "operation.unknown")]
    OperationUnknown {
        /// What it was to do: `create`, `qr`, `link`, `refund` or `cancel`.
        kind: String,
        /// The amount of it.
        amount: Option<String>,
        /// Why it is not known: the error's kind.
        reason: Option<String>,
    },
    /// An operation that was unknown is settled.
    #[serde(rename = "operation.resolved")]
    OperationResolved {
        /// What it was to do: `create`, `qr`, `link`, `refund` or `cancel`.
        kind: String,
        /// The amount of it.
        amount: Option<String>,
        /// What became of it: `accepted`, `refused`, `not_sent` or `not_made`.
        outcome: String,
        /// Kaspi's details show it, nobody said so.
        inferred: bool,
    },
    /// A BIN acts with another certificate from now on.
    #[serde(rename = "identity.rotated")]
    IdentityRotated {
        /// Whose identity it is: the BIN of its folder.
        identity: String,
        /// SHA-256 of the certificate, lower-case hexadecimal.
        certificate_sha256: String,
        /// The end of its life, RFC 3339.
        not_after: String,
    },
    /// A certificate ends soon.
    #[serde(rename = "certificate.due")]
    CertificateDue {
        /// Whose identity it is: the BIN of its folder.
        identity: String,
        /// SHA-256 of the certificate, lower-case hexadecimal.
        certificate_sha256: String,
        /// The end of its life, RFC 3339.
        not_after: String,
        /// Whole days until then; negative where it is over.
        days_left: i64,
    },
}

/// An event that the journal does not see by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Whom it is about.
    pub bin: Bin,
    /// What happened.
    pub facts: EventFacts,
    /// What it is known by: told once for each BIN, kind and mark, whoever tells it and however often.
    pub mark: String,
}

/// Which events are wanted. Empty lists mean all.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Those after this place.
    pub after: i64,
    /// Of these BINs.
    pub bins: Vec<Bin>,
    /// Of these kinds.
    pub kinds: Vec<EventKind>,
    /// How many at most: 1 to 1,000; 0 stands for 100.
    pub limit: usize,
}

impl EventFacts {
    /// Which kind of event it is.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self {
            Self::PaymentCreated { .. } => EventKind::PaymentCreated,
            Self::PaymentStatusChanged { .. } => EventKind::PaymentStatusChanged,
            Self::PaymentRefunded { .. } => EventKind::PaymentRefunded,
            Self::OperationUnknown { .. } => EventKind::OperationUnknown,
            Self::OperationResolved { .. } => EventKind::OperationResolved,
            Self::IdentityRotated { .. } => EventKind::IdentityRotated,
            Self::CertificateDue { .. } => EventKind::CertificateDue,
        }
    }
}

impl Event {
    /// Which kind of event it is.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.facts.kind()
    }
}

/// As it is told: one object, the same in the event stream and in a webhook.
impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Told<'e> {
            id: i64,
            #[serde(serialize_with = "super::record::rfc3339")]
            at: OffsetDateTime,
            bin: Bin,
            payment_id: Option<PaymentId>,
            operation_id: Option<OperationId>,
            #[serde(flatten)]
            facts: &'e EventFacts,
        }
        Told {
            id: self.position,
            at: self.at,
            bin: self.bin,
            payment_id: self.payment_id,
            operation_id: self.operation_id,
            facts: &self.facts,
        }
        .serialize(serializer)
    }
}
