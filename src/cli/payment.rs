//! `kaspi payment`: invoices by phone number.

use serde::Serialize;
use serde_json::json;

use super::args::Payment;
use super::context::Context;
use super::failure::Failure;
use super::watch;
use crate::api::{KaspiTime, PaymentState, PaymentStatus, PollTiming};
use crate::base::{Balance, Bin, PaymentId, PhoneNumber};
use crate::payments::{NewPayment, NewRefund, Pace};

pub(super) async fn run(command: Payment, context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let payments = app.payments();
    match command {
        Payment::Create {
            phone,
            amount,
            message,
            trade_point,
        } => {
            let phone = PhoneNumber::parse(&phone).map_err(|error| Failure::wrong_use(&error))?;
            let new = NewPayment {
                bin: context.bin(),
                trade_point,
                phone,
                amount,
                message,
            };
            let created = payments.create(new).await?;
            let json = json!({
                "payment_id": created.payment_id, "bin": created.bin, "amount": created.amount,
                "status": created.status, "operation_id": created.operation_id,
            });
            context.report.result(
                |paint| {
                    format!(
                        "{} payment {} of {} tenge for BIN {}, sent to {phone}; status {}\n{}",
                        paint.good("created"),
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
            let watch = payments.watch(context.bin(), payment, pace, None)?;
            return watch::follow(watch, payment, sparse, context).await;
        }
        Payment::Cancel { payment, trade_point } => {
            let canceled = payments.cancel(context.bin(), trade_point, payment).await?;
            let json = json!({
                "payment_id": payment, "bin": canceled.bin, "status": canceled.status,
                "operation_id": canceled.operation_id,
            });
            context.report.result(
                |paint| {
                    format!(
                        "{} invoice {payment} of BIN {}; status {}\n{}",
                        paint.good("canceled"),
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
        } => {
            let new = NewRefund {
                bin: context.bin(),
                trade_point,
                payment_id: payment,
                amount,
            };
            let refunded = payments.refund(new).await?;
            let json = json!({
                "payment_id": refunded.payment_id, "bin": refunded.bin, "amount": refunded.amount,
                "return_operation_id": refunded.return_operation_id, "operation_id": refunded.operation_id,
            });
            context.report.result(
                |paint| {
                    format!(
                        "{} {} tenge of payment {} by BIN {}; Kaspi's return operation {}\n{}",
                        paint.good("refunded"),
                        refunded.amount,
                        refunded.payment_id,
                        refunded.bin,
                        paint.strong(refunded.return_operation_id),
                        paint.faint(format!("operation {}", refunded.operation_id)),
                    )
                },
                &json,
            );
        }
    }
    Ok(())
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
