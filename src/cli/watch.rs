//! Following a payment: every change a line, the end a verdict.

use serde_json::{Value, json};

use super::context::Context;
use super::failure::Failure;
use crate::api::PaymentState;
use crate::base::{Explain as _, PaymentId};
use crate::payments::{Watch, WatchEnd, WatchEvent};

/// Follows a payment to its end. Exit code 0 if it was paid, 1 if not.
///
/// `may_poll` is false where nobody knows what kind of payment it is: a phone invoice is then asked
/// for once, because the bank forbids to poll those. `is_known` is whether the payment was made here: Kaspi
/// may not know one yet that it has just made, and any other does not exist.
pub(super) async fn follow(
    mut watch: Watch,
    payment: PaymentId,
    may_poll: bool,
    is_known: bool,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let mut changes: Vec<Value> = Vec::new();
    while let Some(event) = watch.next().await {
        match event {
            WatchEvent::Changed(status) => {
                context
                    .report
                    .progress(format!("payment {payment}: {}", status.status));
                changes.push(json!(status.status));
                if !may_poll && status.status.as_str() == "RemotePaymentCreated" {
                    return Err(Failure::said_no_because(
                        format!(
                            "payment {payment} is a phone invoice that waits, and the bank forbids to poll those"
                        ),
                        "ask with `kaspi payment status` when there is a reason to, or watch it in growing gaps with `--sparse`",
                    ));
                }
            }
            WatchEvent::Trouble(error)
                if !is_known && changes.is_empty() && error.kind() == "payment_not_found" =>
            {
                return Err(error.into());
            }
            WatchEvent::Trouble(error) => context.report.warning(format!("{error}; asking again")),
            WatchEvent::Ended(end) => return ended(end, payment, &changes, context),
        }
    }
    Ok(())
}

fn ended(end: WatchEnd, payment: PaymentId, changes: &[Value], context: &Context<'_>) -> Result<(), Failure> {
    let (word, paid) = match end {
        WatchEnd::Final(status) => {
            let paid = status.state() == PaymentState::Paid;
            (status.as_str().to_owned(), paid)
        }
        WatchEnd::TimedOut { last: Some(status) } => (format!("timed out as {status}"), false),
        WatchEnd::TimedOut { last: None } => ("timed out, without an answer".to_owned(), false),
        WatchEnd::Refused(error) => return Err(error.into()),
    };
    let json = json!({ "payment_id": payment, "paid": paid, "end": word, "statuses": changes });
    context.report.result(
        |paint| {
            let verdict = if paid {
                paint.good("paid")
            } else {
                paint.bad("not paid")
            };
            format!("payment {payment}: {verdict} ({word})")
        },
        &json,
    );
    if paid {
        Ok(())
    } else {
        Err(Failure::said_no(format!("payment {payment} was not paid")))
    }
}
