//! What is asked of the journal before an operation may be sent, and what it answers.

use std::time::Duration;

use super::record::{OperationKind, OperationRecord, OperationRoute};
use crate::base::{Amount, Bin, OperationId, PaymentId, PhoneNumber, TradePointId};

/// An operation that is about to be made.
#[derive(Clone, Debug)]
pub(in crate::payments) struct NewOperation {
    pub(in crate::payments) id: OperationId,
    pub(in crate::payments) kind: OperationKind,
    pub(in crate::payments) bin: Bin,
    pub(in crate::payments) trade_point: Option<TradePointId>,
    pub(in crate::payments) route: OperationRoute,
    /// On whose behalf; keys of two callers never meet.
    pub(in crate::payments) caller: String,
    pub(in crate::payments) key: Key,
    /// SHA-256 of the request, BIN included, in lower-case hex.
    pub(in crate::payments) digest: String,
    pub(in crate::payments) amount: Option<Amount>,
    /// The payment that it is about; none where it makes one.
    pub(in crate::payments) payment_id: Option<PaymentId>,
    /// Stored masked.
    pub(in crate::payments) phone: Option<PhoneNumber>,
}

/// Under which key.
#[derive(Clone, Debug)]
pub(in crate::payments) enum Key {
    /// Always a new operation.
    None,
    /// The caller's own, kept for ever.
    Given(String),
    /// Made of the request, for the gateway's old contracts.
    Derived {
        /// The key itself.
        key: String,
        /// Under which BINs to look; the operation's own is always among them.
        bins: Vec<Bin>,
        /// How long an answered operation is still the same one.
        window: Duration,
    },
}

/// What the journal says about a new operation. Only with `New` and `Again` may anything be sent.
#[derive(Clone, Debug)]
pub(in crate::payments) enum Begun {
    /// It stands in the journal as `recorded`.
    New(OperationRecord),
    /// One of the same key and request was not sent; it is `recorded` anew, under its first id.
    Again(OperationRecord),
    /// There is one of the same key and request, in any state: running, over, or unknown.
    Existing(OperationRecord),
    /// There is one of the same key, for another request.
    Conflict(OperationRecord),
    /// There is a refund of the same derived key, answered within the window.
    Echo(OperationRecord),
}
