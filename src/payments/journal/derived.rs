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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::base::OperationId;
    use crate::payments::journal::record::{OperationRoute, OwnerId};

    const BEGAN: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
    const WINDOW: Duration = Duration::from_secs(30);

    fn found(kind: OperationKind, state: OperationState, delivered: bool) -> OperationRecord {
        OperationRecord {
            id: OperationId::new(),
            seq: 1,
            kind,
            state,
            bin: "891027350515".parse().unwrap(),
            trade_point: None,
            route: OperationRoute::Direct,
            caller: "shop".to_owned(),
            key: None,
            key_kind: None,
            digest: String::new(),
            amount: None,
            payment_id: None,
            phone: None,
            answer: None,
            return_operation_id: None,
            failure: None,
            owner: OwnerId(uuid::Uuid::nil()),
            recorded_at: BEGAN,
            sent_at: None,
            settled_at: None,
            delivered_at: delivered.then_some(BEGAN),
            inferred: false,
            rest_before: None,
            checks: 0,
            first_checked_at: None,
        }
    }

    #[test]
    fn when_a_request_is_the_same_again() {
        use OperationKind::{Create, Refund};
        use OperationState::{Accepted, NotMade, NotSent, Recorded, Refused, Sent, Unknown};
        use Verdict::{Another, Echo, Same};
        const DAY: i64 = 24 * 60 * 60;
        for (kind, state, delivered, status, age, expected) in [
            (Create, Recorded, false, None, 5 * DAY, Same),
            (Create, Sent, false, None, 5 * DAY, Same),
            (Create, NotSent, true, None, 5 * DAY, Same),
            (Create, NotMade, true, None, 1, Another),
            // in doubt: an invoice as long as it lives, a refund for ever
            (Create, Unknown, true, None, DAY - 1, Same),
            (Create, Unknown, true, None, DAY, Another),
            (Refund, Unknown, true, None, 100 * DAY, Same),
            (Create, Accepted, false, Some("Processed"), DAY - 1, Same),
            (Create, Accepted, false, None, DAY, Another),
            (Refund, Accepted, false, None, 100 * DAY, Same),
            (Refund, Refused, false, None, 100 * DAY, Same),
            // answered
            (Create, Refused, true, None, 1, Another),
            (Create, Accepted, true, None, 29, Same),
            (Create, Accepted, true, Some("RemotePaymentCreated"), 29, Same),
            (Create, Accepted, true, Some("SomethingNew"), 29, Same),
            (Create, Accepted, true, Some("Processed"), 29, Another),
            (Create, Accepted, true, Some("RemotePaymentRejected"), 29, Another),
            (Create, Accepted, true, None, 30, Another),
            (Refund, Accepted, true, None, 29, Echo),
            (Refund, Accepted, true, None, 30, Another),
            // a clock that was set back
            (Create, Accepted, true, None, -3600, Same),
        ] {
            let status = status.map(StatusWord::new);
            let now = BEGAN + time::Duration::seconds(age);
            let verdict = judge(&found(kind, state, delivered), status.as_ref(), WINDOW, now);
            assert_eq!(
                verdict, expected,
                "{kind} {state} delivered={delivered} {status:?} after {age} s"
            );
        }
        let off = judge(&found(Create, Accepted, true), None, Duration::ZERO, BEGAN);
        assert_eq!(off, Another, "a window of nothing is off");
    }
}
