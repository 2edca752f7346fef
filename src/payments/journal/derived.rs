//! When a request without a key is the same request again.
//!
//! Two contracts of the gateway have no idempotency key, and their callers retry. Their key is made of
//! the request, and it has to be let go some time: a customer may well buy the same thing twice.

use std::time::Duration;

use time::OffsetDateTime;

use super::record::{OperationKind, OperationRecord, OperationState};
use crate::api::{PaymentState, StatusWord};

/// An invoice lives this long (official document 4.6); after it a lost answer cannot matter any more.
const INVOICE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the operation found under a derived key is to a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same one: it is taken up, or its answer given.
    Same,
    /// A refund that was answered a moment ago.
    Echo,
    /// Another one: the old key is let go.
    Another,
}

/// Judges by the operation's state, its age, and what is known of the payment that it made.
pub(super) fn judge(
    found: &OperationRecord,
    payment: Option<&StatusWord>,
    window: Duration,
    now: OffsetDateTime,
) -> Verdict {
    let within = |since: OffsetDateTime, limit: Duration| {
        // a clock that was set back makes it young, not old: no second invoice for that
        now - since < time::Duration::try_from(limit).unwrap_or(time::Duration::MAX)
    };
    match (found.state, found.delivered_at) {
        (OperationState::Recorded | OperationState::Sent | OperationState::NotSent, _) => Verdict::Same,
        (OperationState::NotMade, _) => Verdict::Another,
        (OperationState::Unknown, _) | (_, None) => {
            if found.kind == OperationKind::Refund || within(found.recorded_at, INVOICE_LIFE) {
                Verdict::Same
            } else {
                Verdict::Another
            }
        }
        (OperationState::Refused, Some(_)) => Verdict::Another,
        (OperationState::Accepted, Some(delivered)) => {
            let settled = payment
                .is_some_and(|status| matches!(status.state(), PaymentState::Paid | PaymentState::Failed));
            match found.kind {
                _ if !within(delivered, window) => Verdict::Another,
                OperationKind::Refund => Verdict::Echo,
                _ if settled => Verdict::Another,
                _ => Verdict::Same,
            }
        }
    }
}
