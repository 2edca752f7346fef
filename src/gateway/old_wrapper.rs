//! `/api/v2/paymentkaspi`: the PHP wrapper's contract, money over GET, for callers who cannot change.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use super::call::{Call, Contract};
use super::hall::Hall;
use super::input::{Fields, Given};
use super::problem::Problem;
use super::schema::{Wrapped, WrappedAnswer, WrappedFailure, WrappedLink, WrappedRefund, WrappedStanding};
use super::{Device, books, input, page};
use crate::base::{Bin, ExternalId, TradePointId};
use crate::config::Verb;
use crate::payments::{NewPayment, NewPurchase, NewRefund};

/// Every parameter of the contract. One that another call needs does no harm, one that none knows may be
/// a slip that changes whose money it is.
const KNOWN: &[&str] = &[
    "access_token",
    "phone",
    "amount",
    "message",
    "organizationBin",
    "externalId",
    "deviceToken",
];

/// Send a customer an invoice
#[utoipa::path(
    get,
    path = "/api/v2/paymentkaspi/create",
    tag = "old wrapper",
    params(
        ("access_token" = Option<String>, Query, description = "The caller's token"),
        ("phone" = String, Query),
        ("amount" = String, Query, description = "Tenge, such as `100.0`"),
        ("message" = Option<String>, Query, description = "What the customer reads"),
        ("organizationBin" = Option<String>, Query),
        ("deviceToken" = Option<String>, Query, description = "One of the merchant's own; it chooses the trade point"),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "`status: true`, or a refusal with `status: false`", body = WrappedAnswer<WrappedStanding>),
        (status = 401, body = WrappedFailure), (status = 403, body = WrappedFailure),
        (status = 408, body = WrappedFailure), (status = 413, body = WrappedFailure),
        (status = 429, body = WrappedFailure), (status = 503, body = WrappedFailure, description = "Not sent: it may be sent again"),
    )
)]
pub(super) async fn create(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::old_wrapper(created(&hall, request).await)
}

async fn created(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::OldWrapper, Verb::Create).await?;
    let mut fields = call.query(KNOWN);
    let phone = fields.required("phone", input::phone);
    let amount = fields.required("amount", input::amount);
    let message = fields.optional("message", input::text).unwrap_or_default();
    let (named, device) = organisation(&mut fields);
    let (phone, amount) = fields.all(phone.zip(amount))?;
    let bin = call.bin_for_new(hall, named)?;
    let new = NewPayment {
        bin: Some(bin),
        trade_point: trade_point(hall, bin, device.as_deref())?,
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
    let body = Wrapped::good(WrappedStanding {
        external_id: done.payment_id,
        status: done.status.as_str().to_owned(),
    });
    Ok(page::made(&call, done.operation_id, done.replayed, &body))
}

/// How a payment stands
#[utoipa::path(
    get,
    path = "/api/v2/paymentkaspi/status",
    tag = "old wrapper",
    params(
        ("access_token" = Option<String>, Query),
        ("externalId" = String, Query, description = "Kaspi's number of the payment"),
        ("organizationBin" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "`status: true`, or a refusal with `status: false`", body = WrappedAnswer<WrappedStanding>),
        (status = 401, body = WrappedFailure), (status = 403, body = WrappedFailure),
        (status = 408, body = WrappedFailure), (status = 413, body = WrappedFailure),
        (status = 429, body = WrappedFailure), (status = 503, body = WrappedFailure),
    )
)]
pub(super) async fn status(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::old_wrapper(standing(&hall, request).await)
}

async fn standing(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::OldWrapper, Verb::Read).await?;
    let mut fields = call.query(KNOWN);
    let payment = fields.required("externalId", input::payment);
    let (named, device) = organisation(&mut fields);
    let payment = fields.all(payment)?;
    let reader = books::bin_for_reading(hall, &call, payment, named).await?;
    trade_point(hall, reader.bin, device.as_deref())?;
    let _turn = hall.turn(&call.visitor, Some(reader.bin)).await?;
    let asked = hall.payments.status(Some(reader.bin), payment).await;
    let known = asked.map_err(|error| reader.failed(error))?;
    let body = Wrapped::good(WrappedStanding {
        external_id: payment,
        status: known.status.status.as_str().to_owned(),
    });
    let mut response = page::answer(&body);
    super::backend::tell_age(&mut response, &known);
    Ok(response)
}

/// Pay money back, whole or in part
#[utoipa::path(
    get,
    path = "/api/v2/paymentkaspi/refund",
    tag = "old wrapper",
    params(
        ("access_token" = Option<String>, Query),
        ("externalId" = String, Query, description = "Kaspi's number of the payment"),
        ("amount" = String, Query, description = "Tenge, such as `100.0`"),
        ("organizationBin" = Option<String>, Query),
        ("deviceToken" = Option<String>, Query, description = "One of the merchant's own"),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "`status: true`, or a refusal with `status: false`", body = WrappedAnswer<WrappedRefund>),
        (status = 401, body = WrappedFailure), (status = 403, body = WrappedFailure),
        (status = 408, body = WrappedFailure), (status = 413, body = WrappedFailure),
        (status = 429, body = WrappedFailure), (status = 503, body = WrappedFailure, description = "Not sent: it may be sent again"),
    )
)]
pub(super) async fn refund(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::old_wrapper(refunded(&hall, request).await)
}

async fn refunded(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::OldWrapper, Verb::Refund).await?;
    let mut fields = call.query(KNOWN);
    let payment = fields.required("externalId", input::payment);
    let amount = fields.required("amount", input::amount);
    let (named, device) = organisation(&mut fields);
    let (payment_id, amount) = fields.all(payment.zip(amount))?;
    let bin = books::bin_of_payment(hall, &call, payment_id, named).await?;
    if let Some(bin) = bin {
        // whose it is; a payment's refund uses the device that made it
        trade_point(hall, bin, device.as_deref())?;
    }
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
    let body = Wrapped::good(WrappedRefund {
        external_id: done.payment_id,
        return_operation_id: done.return_operation_id,
        refunded_amount: done.amount.into(),
    });
    Ok(page::made(&call, done.operation_id, done.replayed, &body))
}

/// Make a payment link
#[utoipa::path(
    get,
    path = "/api/v2/paymentkaspi/create-link",
    tag = "old wrapper",
    params(
        ("access_token" = Option<String>, Query),
        ("amount" = String, Query, description = "Tenge, such as `100.0`"),
        ("message" = Option<String>, Query, description = "Kept by Kaspi as the order's number; customers do not see it"),
        ("organizationBin" = Option<String>, Query),
        ("deviceToken" = Option<String>, Query, description = "One of the merchant's own; it chooses the trade point"),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "`status: true`, or a refusal with `status: false`", body = WrappedAnswer<WrappedLink>),
        (status = 401, body = WrappedFailure), (status = 403, body = WrappedFailure),
        (status = 408, body = WrappedFailure), (status = 413, body = WrappedFailure),
        (status = 429, body = WrappedFailure), (status = 503, body = WrappedFailure, description = "Not sent: it may be sent again"),
    )
)]
pub(super) async fn create_link(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::old_wrapper(linked(&hall, request).await)
}

async fn linked(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::OldWrapper, Verb::Create).await?;
    let mut fields = call.query(KNOWN);
    let amount = fields.required("amount", input::amount);
    let message = fields.optional("message", input::text).unwrap_or_default();
    let (named, device) = organisation(&mut fields);
    let amount = fields.all(amount)?;
    let bin = call.bin_for_new(hall, named)?;
    let new = NewPurchase {
        bin: Some(bin),
        trade_point: trade_point(hall, bin, device.as_deref())?,
        amount,
        external_id: order_number(&message),
        origin: call.origin(hall, named).await?,
    };
    let turn = hall.turn(&call.visitor, Some(bin)).await?;
    let payments = hall.payments.clone();
    let done = hall
        .carry_out(turn, async move { payments.create_link(new).await })
        .await?;
    call.notes.bin(done.bin);
    let body = Wrapped::good(WrappedLink {
        payment_link: done.link.payment_link,
        payment_id: done.link.payment_id,
        expire_date: done.link.expire_date.map(|date| date.as_text().to_owned()),
    });
    Ok(page::made(&call, done.operation_id, done.replayed, &body))
}

/// `organizationBin` and `deviceToken`. An empty token is none: Python's clients write `None` so. An empty
/// BIN is an error: the wrapper took its default one for it, and that may be somebody else.
fn organisation(fields: &mut Fields) -> (Option<Bin>, Option<String>) {
    let named = fields.optional("organizationBin", input::bin);
    let device = fields.optional("deviceToken", |given: &Given| input::text(given));
    (named, device.filter(|token| !token.is_empty()))
}

/// The trade point of a device token, which must be one of the merchant's own.
fn trade_point(hall: &Hall, bin: Bin, device: Option<&str>) -> Result<Option<TradePointId>, Problem> {
    let Some(token) = device else { return Ok(None) };
    match hall.surroundings.device(bin, token) {
        Device::Own(trade_point) => Ok(trade_point),
        Device::Foreign => Err(Problem::ForeignDevice(bin)),
    }
}

/// A link has no comment at Kaspi. The message becomes the order's number, which tells two orders of one
/// amount apart; one that is too long for it is cut, and told apart by its hash.
fn order_number(message: &str) -> Option<ExternalId> {
    const LONGEST: usize = 100;
    let line: String = message
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    let line = line.trim();
    if line.chars().count() <= LONGEST {
        return line.parse().ok();
    }
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(message.as_bytes()));
    let mark: String = hash.chars().take(16).collect();
    let head: String = line.chars().take(LONGEST - 17).collect();
    format!("{head} {mark}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_order_numbers_that_differ() {
        assert_eq!(order_number(" Заказ 17\n").unwrap().as_str(), "Заказ 17");
        assert_eq!(order_number(""), None);
        let (one, other) = ("я".repeat(200) + "1", "я".repeat(200) + "2");
        let (one, other) = (order_number(&one).unwrap(), order_number(&other).unwrap());
        assert_eq!(one.as_str().chars().count(), 100);
        assert_ne!(one, other);
    }
}
