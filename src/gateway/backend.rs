//! `/api/v1/kaspi`: the three calls of the backend, as its callers know them.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::HeaderValue;

use super::call::{Call, Contract};
use super::hall::Hall;
use super::problem::Problem;
use super::schema::{CreateBody, Failed, PaidBack, RefundBody, Standing};
use super::{books, input, page};
use crate::config::Verb;
use crate::payments::{KnownStatus, NewPayment, NewRefund};

/// Send a customer an invoice
///
/// A repetition while the first call is under way, in doubt, or unanswered gets its answer; so does one
/// within `echo_window` of an answer while the invoice is unpaid. `Idempotency-Key` takes the place of
/// all that.
#[utoipa::path(
    post,
    path = "/api/v1/kaspi/create",
    tag = "backend",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters")),
    request_body = CreateBody,
    responses(
        (status = 200, body = Standing),
        (status = 400, body = Failed, description = "Refused by Kaspi or by a rule of ours"),
        (status = 401, body = Failed, description = "No token, or nobody's"),
        (status = 403, body = Failed, description = "The token may not do this, or not for this BIN"),
        (status = 409, body = Failed, description = "The key stands for another request, or its request is under way"),
        (status = 408, body = Failed, description = "The body did not arrive"),
        (status = 413, body = Failed, description = "The body is too large"),
        (status = 422, body = Failed, description = "Bad input"),
        (status = 429, body = Failed, description = "Too often"),
        (status = 503, body = Failed, description = "Not sent: it may be sent again"),
        (status = 504, body = Failed, description = "Unknown: look before asking again"),
    )
)]
pub(super) async fn create(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::backend(created(&hall, request).await)
}

async fn created(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Backend, Verb::Create).await?;
    let mut fields = call.body(&["phone", "amount", "message", "organization_bin"])?;
    let phone = fields.required("phone", input::phone);
    let amount = fields.required("amount", input::amount);
    let message = fields.required("message", input::text);
    let named = fields.optional("organization_bin", input::bin);
    let ((phone, amount), message) = fields.all(phone.zip(amount).zip(message))?;
    let bin = call.bin_for_new(hall, named)?;
    let new = NewPayment {
        bin: Some(bin),
        trade_point: None,
        phone,
        amount,
        message,
        origin: call.origin(hall, named).await?,
    };
    let turn = hall.turn(&call.visitor, Some(bin)).await?;
    let payments = hall.payments.clone();
    let done = hall
        .carry_out(turn, async move { payments.create(new).await })
        .await?;
    call.notes.bin(done.bin);
    let body = Standing::new(done.payment_id, done.status.as_str());
    Ok(page::made(&call, done.operation_id, done.replayed, &body))
}

/// How a payment stands
///
/// The bank forbids to poll phone invoices: Kaspi is asked in growing gaps, and in between the last
/// answer is given, with its age in the header `Age`.
#[utoipa::path(
    get,
    path = "/api/v1/kaspi/status/{external_id}",
    tag = "backend",
    params(
        ("external_id" = String, Path, description = "Kaspi's number of the payment"),
        ("organization_bin" = Option<String>, Query, description = "The organisation, where the journal does not know the payment"),
    ),
    responses(
        (status = 200, body = Standing),
        (status = 400, body = Failed, description = "Refused by Kaspi"),
        (status = 401, body = Failed),
        (status = 403, body = Failed),
        (status = 404, body = Failed, description = "No such payment"),
        (status = 409, body = Failed, description = "`Bad BIN`: another BIN made it"),
        (status = 408, body = Failed, description = "A body that did not arrive"),
        (status = 413, body = Failed, description = "A body that is too large"),
        (status = 422, body = Failed, description = "Bad input"),
        (status = 429, body = Failed, description = "Too often"),
        (status = 503, body = Failed, description = "No answer from Kaspi"),
    )
)]
pub(super) async fn status(
    State(hall): State<Arc<Hall>>,
    Path(external_id): Path<String>,
    request: Request,
) -> Response {
    page::backend(standing(&hall, &external_id, request).await)
}

async fn standing(hall: &Hall, external_id: &str, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Backend, Verb::Read).await?;
    let mut fields = call.query(&["organization_bin"]);
    let named = fields.optional("organization_bin", input::bin);
    fields.finish()?;
    let payment = call.payment_in_path(external_id)?;
    let reader = books::bin_for_reading(hall, &call, payment, named).await?;
    let _turn = hall.turn(&call.visitor, Some(reader.bin)).await?;
    let asked = hall.payments.status(Some(reader.bin), payment).await;
    let known = asked.map_err(|error| reader.failed(error))?;
    let mut response = page::answer(&Standing::new(payment, known.status.status.as_str()));
    tell_age(&mut response, &known);
    Ok(response)
}

/// Says how old a status is.
pub(super) fn tell_age(response: &mut Response, known: &KnownStatus) {
    response
        .headers_mut()
        .insert(http::header::AGE, HeaderValue::from(known.age.as_secs()));
}

/// Pay money back, whole or in part
///
/// More than is left is 400 with `Insufficient funds`; another BIN's payment is 409 with `Bad BIN`; both
/// before Kaspi is asked to pay back.
#[utoipa::path(
    post,
    path = "/api/v1/kaspi/refund",
    tag = "backend",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters")),
    request_body = RefundBody,
    responses(
        (status = 200, body = PaidBack),
        (status = 400, body = Failed, description = "Refused by Kaspi or by a rule of ours, such as `Insufficient funds`"),
        (status = 401, body = Failed),
        (status = 403, body = Failed),
        (status = 404, body = Failed, description = "No such payment, or one that the journal does not know and that names no BIN"),
        (status = 409, body = Failed, description = "`Bad BIN`, or the key stands for another request"),
        (status = 408, body = Failed),
        (status = 413, body = Failed),
        (status = 422, body = Failed, description = "Bad input"),
        (status = 429, body = Failed),
        (status = 503, body = Failed, description = "Not sent: it may be sent again"),
        (status = 504, body = Failed, description = "Unknown: look before asking again"),
    )
)]
pub(super) async fn refund(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::backend(refunded(&hall, request).await)
}

async fn refunded(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Backend, Verb::Refund).await?;
    let mut fields = call.body(&["external_id", "amount", "organization_bin"])?;
    let payment = fields.required("external_id", input::payment);
    let amount = fields.required("amount", input::amount);
    let named = fields.optional("organization_bin", input::bin);
    let (payment_id, amount) = fields.all(payment.zip(amount))?;
    let bin = books::bin_of_payment(hall, &call, payment_id, named).await?;
    let new = NewRefund {
        bin,
        trade_point: None,
        payment_id,
        amount,
        origin: call.origin(hall, named).await?,
    };
    let turn = hall.turn(&call.visitor, bin).await?;
    let payments = hall.payments.clone();
    let done = hall
        .carry_out(turn, async move { payments.refund(new).await })
        .await?;
    let body = PaidBack {
        success: true,
        external_id: done.payment_id.to_string(),
        refunded_amount: done.amount.into(),
        error: None,
    };
    Ok(page::made(&call, done.operation_id, done.replayed, &body))
}
