//! `kaspi payment`: invoices by phone number.

use serde::Serialize;
use serde_json::json;

use super::args::Payment;
use super::context::Context;
use super::failure::Failure;
use super::report::Paint;
use super::watch;
use crate::api::{KaspiTime, PaymentState, PaymentStatus, PollTiming};
use crate::base::{Balance, Bin, PaymentId, PhoneNumber};
use crate::payments::{NewCancel, NewPayment, NewRefund, Pace, Payments};

pub(super) async fn run(command: Payment, context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let outcome = act(command, app.payments(), context).await;
    app.payments().journal().close().await;
    outcome
}

async fn act(command: Payment, payments: &Payments, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        Payment::Create {
            phone,
            amount,
            message,
            trade_point,
            key,
        } => {
            let phone = PhoneNumber::parse(&phone).map_err(|error| Failure::wrong_use(&error))?;
            let new = NewPayment {
                bin: context.bin(),
                trade_point,
                phone,
                amount,
                message,
                origin: key.origin()?,
            };
            let created = payments.create(new).await?;
            let json = json!({
                "payment_id": created.payment_id, "bin": created.bin, "amount": created.amount,
                "status": created.status, "operation_id": created.operation_id, "replayed": created.replayed,
            });
            context.report.result(
                |paint| {
                    format!(
                        "{} payment {} of {} tenge for BIN {}, sent to {phone}; status {}\n{}",
                        done(paint, "created", created.replayed),
                        paint.strong(created.payment_id),
                        created.amount,
                        created.bin,
                        created.status,
                        paint.faint(format!("operation {}", created.operation_id)),
                    )
                },
                &json,
            );
        }
        Payment::Status { payment } => {
            let known = payments.check(context.bin(), payment).await?;
            let (bin, status) = (known.bin, known.status);
            let json = StatusJson::of(payment, bin, &status);
            context.report.result(
                |paint| {
                    let word = match status.status.state() {
                        PaymentState::Paid => paint.good(&status.status),
                        PaymentState::Failed => paint.bad(&status.status),
                        PaymentState::Pending => paint.strong(&status.status),
                        PaymentState::Unknown => {
                            paint.warning(format!("{} (not a documented status)", status.status))
                        }
                    };
                    let amount = status
                        .amount
                        .map(|amount| format!(", {amount} tenge"))
                        .unwrap_or_default();
                    format!("payment {payment} (asked over BIN {bin}): {word}{amount}")
                },
                &json,
            );
        }
        Payment::Watch { payment, sparse } => {
            let pace = if sparse {
                Pace::Sparse
            } else {
                Pace::Polled(PollTiming::default())
            };
            let known = payments.known_payment(payment).await.ok().flatten();
            let is_known = known.is_some();
            let bin = context.bin().or_else(|| known.map(|known| known.bin));
            let watch = payments.watch(bin, payment, pace, None)?;
            return watch::follow(watch, payment, sparse, is_known, context).await;
        }
        Payment::Cancel {
            payment,
            trade_point,
            key,
        } => {
            let new = NewCancel {
                bin: context.bin(),
                trade_point,
                payment_id: payment,
                origin: key.origin()?,
            };
            let canceled = payments.cancel(new).await?;
            let json = json!({
                "payment_id": payment, "bin": canceled.bin, "status": canceled.status,
                "operation_id": canceled.operation_id, "replayed": canceled.replayed,
            });
            context.report.result(
                |paint| {
                    format!(
                        "{} invoice {payment} of BIN {}; status {}\n{}",
                        done(paint, "canceled", canceled.replayed),
                        canceled.bin,
                        canceled.status,
                        paint.faint(format!("operation {}", canceled.operation_id)),
                    )
                },
                &json,
            );
        }
        Payment::Details { payment, trade_point } => {
            let details = payments.details(context.bin(), trade_point, payment).await?;
            let json = DetailsJson {
                payment_id: details.payment_id,
                total_amount: details.total_amount,
                available_return_amount: details.available_return_amount,
                transaction_date: details.transaction_date.clone(),
            };
            context.report.result(
                |paint| {
                    let date = details
                        .transaction_date
                        .as_ref()
                        .map_or("an unknown date", KaspiTime::as_text);
                    format!(
                        "payment {}: {} tenge paid on {date}, {} tenge left to refund",
                        details.payment_id,
                        details.total_amount,
                        paint.strong(details.available_return_amount),
                    )
                },
                &json,
            );
        }
        Payment::Refund {
            payment,
            amount,
            trade_point,
            key,
        } => {
            let new = NewRefund {
                bin: context.bin(),
                trade_point,
                payment_id: payment,
                amount,
                origin: key.origin()?,
            };
            let refunded = payments.refund(new).await?;
            let json = json!({
                "payment_id": refunded.payment_id, "bin": refunded.bin, "amount": refunded.amount,
                "return_operation_id": refunded.return_operation_id, "operation_id": refunded.operation_id,
                "inferred": refunded.inferred, "replayed": refunded.replayed,
            });
            context.report.result(
                |paint| {
                    let number = match refunded.return_operation_id {
                        Some(number) => format!("Kaspi's return operation {}", paint.strong(number)),
                        None => "Kaspi's answer was lost, its details show the refund".to_owned(),
                    };
                    format!(
                        "{} {} tenge of payment {} by BIN {}; {number}\n{}",
                        done(paint, "refunded", refunded.replayed),
                        refunded.amount,
                        refunded.payment_id,
                        refunded.bin,
                        paint.faint(format!("operation {}", refunded.operation_id)),
                    )
                },
                &json,
            );
        }
    }
    Ok(())
}

/// What was done before, under the same key, is told so.
fn done(paint: &Paint, word: &str, replayed: bool) -> String {
    if replayed {
        paint.warning(format!("was {word} before:"))
    } else {
        paint.good(word)
    }
}

#[derive(Serialize)]
struct DetailsJson {
    payment_id: PaymentId,
    total_amount: Balance,
    available_return_amount: Balance,
    transaction_date: Option<KaspiTime>,
}

#[derive(Serialize)]
struct StatusJson<'a> {
    payment_id: PaymentId,
    bin: Bin,
    status: &'a str,
    state: &'static str,
    amount: Option<Balance>,
    transaction_id: Option<&'a str>,
    product_type: Option<&'a str>,
    loan_offer_name: Option<&'a str>,
    loan_term: Option<i64>,
    is_offer: Option<bool>,
    store_name: Option<&'a str>,
    address: Option<&'a str>,
    city: Option<&'a str>,
}

impl<'a> StatusJson<'a> {
    fn of(payment_id: PaymentId, bin: Bin, status: &'a PaymentStatus) -> Self {
        Self {
            payment_id,
            bin,
            status: status.status.as_str(),
            state: match status.status.state() {
                PaymentState::Pending => "pending",
                PaymentState::Paid => "paid",
                PaymentState::Failed => "failed",
                PaymentState::Unknown => "unknown",
            },
            amount: status.amount,
            transaction_id: status.transaction_id.as_deref(),
            product_type: status.product_type.as_deref(),
            loan_offer_name: status.loan_offer_name.as_deref(),
            loan_term: status.loan_term,
            is_offer: status.is_offer,
            store_name: status.store_name.as_deref(),
            address: status.address.as_deref(),
            city: status.city.as_deref(),
        }
    }
}
