//! What stands in the journal: operations, and the payments that came of them.
//!
//! Never a full phone number, a name, a device token or a payload.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::words::words;
use crate::api::StatusWord;
use crate::base::{Amount, Balance, Bin, Delivery, OperationId, PaymentId, ReturnOperationId, TradePointId};

words! {
    /// What an operation does.
    pub enum OperationKind {
        /// Sends a customer an invoice.
        Create = "create",
        /// Makes a QR code.
        Qr = "qr",
        /// Makes a link.
        Link = "link",
        /// Pays money back.
        Refund = "refund",
        /// Takes an invoice back.
        Cancel = "cancel",
    }
}

words! {
    /// How an operation stands: `recorded -> sent -> accepted | refused | not_sent | unknown`, and
    /// `unknown -> accepted | not_made` later.
    pub enum OperationState {
        /// Written down; nothing has been sent.
        Recorded = "recorded",
        /// It may be on its way.
        Sent = "sent",
        /// Kaspi did it.
        Accepted = "accepted",
        /// Kaspi answered no: nothing happened.
        Refused = "refused",
        /// Kaspi never got it. The same key sends it anew.
        NotSent = "not_sent",
        /// It may have happened, or not.
        Unknown = "unknown",
        /// It was unknown, and then found not to have happened.
        NotMade = "not_made",
    }
}

words! {
    /// Which way an operation went. Never changes once recorded.
    pub enum OperationRoute {
        /// To Kaspi.
        Direct = "direct",
        /// Through the old PHP wrapper.
        Wrapper = "wrapper",
    }
}

words! {
    /// Where a key of an operation came from.
    pub enum KeyKind {
        /// The caller's own; it names the operation for ever.
        Given = "given",
        /// Made of the request, for contracts without a key; it is let go once the operation is over.
        Derived = "derived",
    }
}

words! {
    /// How a payment was asked for.
    pub enum PaymentKind {
        /// An invoice to a phone number.
        Invoice = "invoice",
        /// A QR code.
        Qr = "qr",
        /// A link.
        Link = "link",
        /// Not known: the payment was adopted or imported.
        Other = "other",
    }
}

words! {
    /// How the journal came to know a payment.
    pub enum PaymentSource {
        /// An operation here made it.
        Made = "made",
        /// Kaspi's details, asked with the BIN's token, proved whose it is.
        Adopted = "adopted",
        /// It was read from a list.
        Imported = "imported",
    }
}

impl OperationKind {
    /// Whether it asks a customer for money.
    #[must_use]
    pub fn makes_payment(self) -> bool {
        matches!(self, Self::Create | Self::Qr | Self::Link)
    }
}

impl OperationState {
    /// Whether its process is still at work on it, or died over it.
    #[must_use]
    pub fn is_running(self) -> bool {
        matches!(self, Self::Recorded | Self::Sent)
    }
}

/// One operation, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OperationRecord {
    /// Our name for it.
    #[serde(rename = "operation_id")]
    pub id: OperationId,
    /// Its place in the journal; later operations have greater ones, with gaps.
    pub seq: i64,
    /// What it does.
    pub kind: OperationKind,
    /// How it stands.
    pub state: OperationState,
    /// The organisation.
    pub bin: Bin,
    /// The trade point whose device token it used.
    pub trade_point: Option<TradePointId>,
    /// Which way it went.
    pub route: OperationRoute,
    /// On whose behalf: a gateway token's name, `cli`, `library`.
    pub caller: String,
    /// Its idempotency key.
    pub key: Option<String>,
    /// Where the key came from.
    pub key_kind: Option<KeyKind>,
    /// SHA-256 of the request, in lower-case hex: a key names one request only.
    #[serde(skip)]
    pub digest: String,
    /// How much money; none for a cancellation.
    pub amount: Option<Amount>,
    /// The payment: made by it, or the one that it is about.
    pub payment_id: Option<PaymentId>,
    /// The customer, masked: `7701***1545`.
    pub phone: Option<String>,
    /// What Kaspi answered, where it did it.
    #[serde(skip)]
    pub answer: Option<Answer>,
    /// Kaspi's number of the refund.
    pub return_operation_id: Option<ReturnOperationId>,
    /// Why it did not end as asked.
    pub failure: Option<Failure>,
    /// The process that runs it, or ran it.
    #[serde(skip)]
    pub owner: OwnerId,
    /// When it was written down.
    #[serde(serialize_with = "rfc3339")]
    pub recorded_at: OffsetDateTime,
    /// When it was about to be sent, for the last time.
    #[serde(serialize_with = "optional_rfc3339")]
    pub sent_at: Option<OffsetDateTime>,
    /// When its outcome was written down.
    #[serde(serialize_with = "optional_rfc3339")]
    pub settled_at: Option<OffsetDateTime>,
    /// When its outcome had been handed to a caller who was still there.
    #[serde(serialize_with = "optional_rfc3339")]
    pub delivered_at: Option<OffsetDateTime>,
    /// Accepted by inference from Kaspi's details, not by an answer.
    pub inferred: bool,
    /// What was left of the payment when a refund was about to be sent.
    pub rest_before: Option<Balance>,
    /// How often Kaspi has been asked about its unknown outcome without finding it done.
    pub checks: u32,
    /// When the first of these questions was answered.
    #[serde(serialize_with = "optional_rfc3339")]
    pub first_checked_at: Option<OffsetDateTime>,
}

/// One step of an operation, as the audit keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HistoryStep {
    /// 1 for the first.
    pub step: u32,
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub at: OffsetDateTime,
    /// The state before; none for the first step.
    pub from: Option<OperationState>,
    /// The state after.
    pub to: OperationState,
    /// Which process, or which person.
    pub who: String,
    /// Why.
    pub why: String,
    /// What was recorded with it, as canonical JSON.
    pub facts: String,
    /// SHA-256 over all of the above and the hash before, in lower-case hex.
    pub hash: String,
}

/// What Kaspi answered, as far as a repeated call needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Answer {
    /// To an invoice.
    Invoice {
        /// `QrPaymentId`.
        payment_id: i64,
    },
    /// To a QR code.
    Qr {
        /// `QrPaymentId`.
        payment_id: i64,
        /// `QrToken`.
        qr_token: String,
        /// What QR codes and links have in common.
        #[serde(flatten)]
        purchase: PurchaseAnswer,
    },
    /// To a link.
    Link {
        /// `PaymentId`.
        payment_id: i64,
        /// `PaymentLink`.
        payment_link: String,
        /// What QR codes and links have in common.
        #[serde(flatten)]
        purchase: PurchaseAnswer,
    },
    /// To a refund.
    Refund {
        /// `ReturnOperationId`; none where the refund was inferred.
        return_operation_id: Option<i64>,
    },
    /// To a cancellation.
    Cancel {
        /// The status that Kaspi named.
        status: String,
    },
}

/// What the answers to QR codes and links have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseAnswer {
    /// `ExpireDate` as Kaspi wrote it.
    pub expire_date: Option<String>,
    /// `PaymentMethods`.
    pub payment_methods: Vec<String>,
    /// `StatusPollingInterval`, in seconds.
    pub interval_s: u64,
    /// The time until somebody scans or opens, in seconds.
    pub activation_s: u64,
    /// From there until the customer has paid, in seconds.
    pub confirmation_s: u64,
}

impl Answer {
    /// The payment that it made.
    #[must_use]
    pub fn payment_id(&self) -> Option<PaymentId> {
        match self {
            Self::Invoice { payment_id } | Self::Qr { payment_id, .. } | Self::Link { payment_id, .. } => {
                PaymentId::new(*payment_id).ok()
            }
            Self::Refund { .. } | Self::Cancel { .. } => None,
        }
    }

    /// The refund that it made.
    #[must_use]
    pub fn return_operation_id(&self) -> Option<ReturnOperationId> {
        match self {
            Self::Refund { return_operation_id } => {
                return_operation_id.and_then(|id| ReturnOperationId::new(id).ok())
            }
            _ => None,
        }
    }
}

/// Why an operation did not end as asked: an error's answers, kept so that they can be given again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's kind.
    pub kind: String,
    /// Its message; safe to show, as every message of ours.
    pub message: String,
    /// Its hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Kaspi's `StatusCode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
}

impl Failure {
    /// Takes down an error, with what caused it.
    #[must_use]
    pub fn of<E: crate::base::Explain + 'static>(error: &E) -> Self {
        Self {
            kind: error.kind().to_owned(),
            message: crate::base::chain_text(error),
            hint: error.hint(),
            code: error.code(),
        }
    }
}

/// A process that writes to the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(pub(super) uuid::Uuid);

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One payment that the journal knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PaymentRecord {
    /// Kaspi's number.
    pub payment_id: PaymentId,
    /// The BIN that made it.
    pub bin: Bin,
    /// The trade point that made it: its refunds use that one's device token.
    pub trade_point: Option<TradePointId>,
    /// How it was asked for.
    pub kind: PaymentKind,
    /// What the customer is to pay; none where it was imported without.
    pub amount: Option<Amount>,
    /// Kaspi's last word.
    pub status: Option<StatusWord>,
    /// When Kaspi said so.
    #[serde(serialize_with = "optional_rfc3339")]
    pub status_at: Option<OffsetDateTime>,
    /// How the journal came to know it.
    pub source: PaymentSource,
    /// The operation that made it.
    pub operation_id: Option<OperationId>,
    /// When it was made, or became known here.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: OffsetDateTime,
    /// After this moment it cannot be paid any more, as far as Kaspi said.
    #[serde(serialize_with = "optional_rfc3339")]
    pub expires_at: Option<OffsetDateTime>,
    /// It was paid after it had been given up here.
    pub late: bool,
    /// How it is asked for on a timer; none where it is not.
    #[serde(skip)]
    pub watch: Option<WatchPlan>,
}

/// How a QR or link payment is asked for: Kaspi's own intervals, and what has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchPlan {
    /// Between two questions, in seconds.
    pub interval_s: u64,
    /// From creation until somebody scans or opens, in seconds.
    pub activation_s: u64,
    /// From there until the customer has paid, in seconds.
    pub confirmation_s: u64,
    /// Seconds since the Unix epoch when it was first seen scanned or opened.
    #[serde(default)]
    pub activated_at: Option<i64>,
}

/// How an operation ended.
#[derive(Clone, Debug)]
pub(in crate::payments) enum Outcome {
    /// Kaspi did it.
    Accepted(Answer),
    /// Kaspi answered no.
    Refused(Failure),
    /// Kaspi never got it.
    NotSent(Failure),
    /// It may have happened, or not.
    Unknown(Failure),
}

impl Outcome {
    /// The outcome that a delivery stands for.
    pub(in crate::payments) fn of_failure(delivery: Option<Delivery>, failure: Failure) -> Self {
        match delivery {
            Some(Delivery::NotSent) => Self::NotSent(failure),
            Some(Delivery::Refused) => Self::Refused(failure),
            Some(Delivery::Unknown) | None => Self::Unknown(failure),
        }
    }
}

/// What became of an operation whose outcome was unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It happened.
    Accepted {
        /// The payment that it made, where it was to make one and the number is known.
        payment_id: Option<PaymentId>,
        /// Kaspi's number of the refund, where it was one and the number is known.
        return_operation_id: Option<ReturnOperationId>,
    },
    /// It did not happen.
    NotMade,
}

/// A payment to be put into the journal.
#[derive(Clone, Debug)]
pub(in crate::payments) struct NewKnownPayment {
    pub(in crate::payments) payment_id: PaymentId,
    pub(in crate::payments) bin: Bin,
    pub(in crate::payments) trade_point: Option<TradePointId>,
    pub(in crate::payments) amount: Option<Amount>,
    pub(in crate::payments) source: PaymentSource,
    pub(in crate::payments) created_at: Option<OffsetDateTime>,
}

/// What the journal did with a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::payments) struct Noted {
    /// The payment as it stands now; none where the journal does not know it.
    pub(in crate::payments) payment: Option<PaymentRecord>,
    /// The status is another than before.
    pub(in crate::payments) changed: bool,
    /// It says paid of a payment that had been given up, or had failed: for a person to see.
    pub(in crate::payments) late: bool,
}

/// When a watched payment is to be asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::payments) enum NextLook {
    /// As it is.
    Keep,
    /// After this time.
    In(Duration),
    /// No more.
    Never,
}

pub(super) fn rfc3339<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = at.format(&Rfc3339).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

#[expect(clippy::ref_option, reason = "the shape that serde asks for")]
fn optional_rfc3339<S: Serializer>(at: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc3339(at, serializer),
        None => serializer.serialize_none(),
    }
}
