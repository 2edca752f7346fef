//! `/api/v1/kaspi`: our own calls beside the backend's three.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::call::{Call, Contract};
use super::hall::Hall;
use super::problem::Problem;
use super::schema::{
    CancelBody, Checked, Client, ClientBody, Details, Failed, Link, Merchant, Merchants, PurchaseBody, Qr,
    Standing,
};
use super::{books, input, page};
use crate::base::chain_text;
use crate::config::{Route, Verb};
use crate::payments::{NewCancel, NewPurchase};
use crate::registry::status::MerchantStatus;

/// Make a payment link
#[utoipa::path(
    post,
    path = "/api/v1/kaspi/link",
    tag = "payments",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters; without it each call makes another link")),
    request_body = PurchaseBody,
    responses(
        (status = 200, body = Link), (status = 400, body = Failed), (status = 401, body = Failed),
        (status = 403, body = Failed), (status = 409, body = Failed), (status = 408, body = Failed), (status = 413, body = Failed), (status = 422, body = Failed),
        (status = 429, body = Failed), (status = 503, body = Failed), (status = 504, body = Failed),
    )
)]
pub(super) async fn link(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::native(linked(&hall, request).await)
}

async fn linked(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Create).await?;
    let new = purchase(hall, &call).await?;
    let turn = hall.turn(&call.visitor, new.bin).await?;
    let payments = hall.payments.clone();
    let done = hall
        .carry_out(turn, async move { payments.create_link(new).await })
        .await?;
    let body = Link {
        success: true,
        external_id: done.link.payment_id.to_string(),
        organization_bin: done.bin,
        payment_link: done.link.payment_link,
        payment_id: done.link.payment_id,
        expire_date: done.link.expire_date.map(|date| date.as_text().to_owned()),
        payment_methods: done.link.payment_methods,
        polling_interval: done.link.timing.interval.as_secs(),
        operation_id: done.operation_id,
        error: None,
    };
    Ok(page::made(&call, done.operation_id, done.replayed, &body))
}

/// Make a QR code
#[utoipa::path(
    post,
    path = "/api/v1/kaspi/qr",
    tag = "payments",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters; without it each call makes another code")),
    request_body = PurchaseBody,
    responses(
        (status = 200, body = Qr), (status = 400, body = Failed), (status = 401, body = Failed),
        (status = 403, body = Failed), (status = 409, body = Failed), (status = 408, body = Failed), (status = 413, body = Failed), (status = 422, body = Failed),
        (status = 429, body = Failed), (status = 503, body = Failed), (status = 504, body = Failed),
    )
)]
pub(super) async fn qr(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::native(qr_made(&hall, request).await)
}

async fn qr_made(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Create).await?;
    let new = purchase(hall, &call).await?;
    let turn = hall.turn(&call.visitor, new.bin).await?;
    let payments = hall.payments.clone();
    let done = hall
        .carry_out(turn, async move { payments.create_qr(new).await })
        .await?;
    let body = Qr {
        success: true,
        external_id: done.qr.payment_id.to_string(),
        organization_bin: done.bin,
        qr_token: done.qr.qr_token,
        payment_id: done.qr.payment_id,
        expire_date: done.qr.expire_date.map(|date| date.as_text().to_owned()),
        payment_methods: done.qr.payment_methods,
        polling_interval: done.qr.timing.interval.as_secs(),
        operation_id: done.operation_id,
        error: None,
    };
    Ok(page::made(&call, done.operation_id, done.replayed, &body))
}

async fn purchase(hall: &Hall, call: &Call) -> Result<NewPurchase, Problem> {
    let mut fields = call.body(&["amount", "external_id", "organization_bin", "trade_point_id"])?;
    let amount = fields.required("amount", input::amount);
    let external_id = fields.optional("external_id", input::external_id);
    let named = fields.optional("organization_bin", input::bin);
    let trade_point = fields.optional("trade_point_id", input::trade_point);
    let amount = fields.all(amount)?;
    Ok(NewPurchase {
        bin: Some(call.bin_for_new(hall, named)?),
        trade_point,
        amount,
        external_id,
        origin: call.origin(hall, named).await?,
    })
}

/// Take an unpaid invoice back
#[utoipa::path(
    post,
    path = "/api/v1/kaspi/cancel",
    tag = "payments",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters")),
    request_body = CancelBody,
    responses(
        (status = 200, body = Standing), (status = 400, body = Failed), (status = 401, body = Failed),
        (status = 403, body = Failed), (status = 404, body = Failed), (status = 409, body = Failed), (status = 408, body = Failed), (status = 413, body = Failed),
        (status = 422, body = Failed), (status = 429, body = Failed), (status = 503, body = Failed), (status = 504, body = Failed),
    )
)]
pub(super) async fn cancel(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::native(canceled(&hall, request).await)
}

async fn canceled(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Create).await?;
    let mut fields = call.body(&["external_id", "organization_bin"])?;
    let payment = fields.required("external_id", input::payment);
    let named = fields.optional("organization_bin", input::bin);
    let payment = fields.all(payment)?;
    let bin = books::bin_of_payment(hall, &call, payment, named).await?;
    let new = NewCancel {
        bin,
        trade_point: None,
        payment_id: payment,
        origin: call.origin(hall, named).await?,
    };
    let turn = hall.turn(&call.visitor, bin).await?;
    let payments = hall.payments.clone();
    let done = hall
        .carry_out(turn, async move { payments.cancel(new).await })
        .await?;
    let body = Standing::new(done.payment_id, done.status.as_str());
    Ok(page::made(&call, done.operation_id, done.replayed, &body))
}

/// What was paid, and what is left to refund
#[utoipa::path(
    get,
    path = "/api/v1/kaspi/details/{external_id}",
    tag = "payments",
    params(
        ("external_id" = String, Path, description = "Kaspi's number of the payment"),
        ("organization_bin" = Option<String>, Query),
    ),
    responses(
        (status = 200, body = Details), (status = 400, body = Failed), (status = 401, body = Failed),
        (status = 403, body = Failed), (status = 404, body = Failed), (status = 409, body = Failed),
        (status = 408, body = Failed), (status = 413, body = Failed), (status = 422, body = Failed), (status = 429, body = Failed), (status = 503, body = Failed),
    )
)]
pub(super) async fn details(
    State(hall): State<Arc<Hall>>,
    Path(external_id): Path<String>,
    request: Request,
) -> Response {
    page::native(detailed(&hall, &external_id, request).await)
}

async fn detailed(hall: &Hall, external_id: &str, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Read).await?;
    let mut fields = call.query(&["organization_bin"]);
    let named = fields.optional("organization_bin", input::bin);
    fields.finish()?;
    let payment = call.payment_in_path(external_id)?;
    let reader = books::bin_for_reading(hall, &call, payment, named).await?;
    let _turn = hall.turn(&call.visitor, Some(reader.bin)).await?;
    let asked = hall.payments.details(Some(reader.bin), None, payment).await;
    let details = asked.map_err(|error| reader.failed(error))?;
    Ok(page::answer(&Details {
        success: true,
        external_id: payment.to_string(),
        total_amount: details.total_amount.into(),
        available_return_amount: details.available_return_amount.into(),
        transaction_date: details.transaction_date.map(|date| date.as_text().to_owned()),
        error: None,
    }))
}

/// Ask Kaspi now how a payment stands
///
/// For a person who wants to know. Programs ask `status`, which keeps to the bank's rule.
#[utoipa::path(
    get,
    path = "/api/v1/kaspi/check/{external_id}",
    tag = "payments",
    params(
        ("external_id" = String, Path, description = "Kaspi's number of the payment"),
        ("organization_bin" = Option<String>, Query),
    ),
    responses(
        (status = 200, body = Checked), (status = 400, body = Failed), (status = 401, body = Failed),
        (status = 403, body = Failed), (status = 404, body = Failed), (status = 409, body = Failed),
        (status = 408, body = Failed), (status = 413, body = Failed), (status = 422, body = Failed), (status = 429, body = Failed), (status = 503, body = Failed),
    )
)]
pub(super) async fn check(
    State(hall): State<Arc<Hall>>,
    Path(external_id): Path<String>,
    request: Request,
) -> Response {
    page::native(checked(&hall, &external_id, request).await)
}

async fn checked(hall: &Hall, external_id: &str, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Read).await?;
    let mut fields = call.query(&["organization_bin"]);
    let named = fields.optional("organization_bin", input::bin);
    fields.finish()?;
    let payment = call.payment_in_path(external_id)?;
    let reader = books::bin_for_reading(hall, &call, payment, named).await?;
    let _turn = hall.turn(&call.visitor, Some(reader.bin)).await?;
    let asked = hall.payments.check(Some(reader.bin), payment).await;
    let known = asked.map_err(|error| reader.failed(error))?;
    Ok(page::answer(&Checked {
        success: true,
        external_id: payment.to_string(),
        organization_bin: known.bin,
        status: known.status.status.as_str().to_owned(),
        state: known.status.status.state().as_str(),
        amount: known.status.amount.map(Into::into),
        product_type: known.status.product_type,
        error: None,
    }))
}

/// Whether a phone number can get an invoice, and whose it is
///
/// The bank allows 50 questions a minute for each device. The name is a person's: do not store it.
#[utoipa::path(
    post,
    path = "/api/v1/kaspi/client-info",
    tag = "payments",
    request_body = ClientBody,
    responses(
        (status = 200, body = Client), (status = 400, body = Failed), (status = 401, body = Failed),
        (status = 403, body = Failed), (status = 408, body = Failed), (status = 413, body = Failed), (status = 422, body = Failed),
        (status = 429, body = Failed), (status = 503, body = Failed),
    )
)]
pub(super) async fn client_info(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::native(client(&hall, request, Asked::InBody).await)
}

/// The same, with the number in the query
///
/// A query stands in the logs of whatever is in between: `POST` is better.
#[utoipa::path(
    get,
    path = "/api/v1/kaspi/client-info",
    tag = "payments",
    params(
        ("phone" = String, Query, description = "+7, 7 or 8 and ten digits"),
        ("organization_bin" = Option<String>, Query),
    ),
    responses(
        (status = 200, body = Client), (status = 400, body = Failed), (status = 401, body = Failed),
        (status = 403, body = Failed), (status = 408, body = Failed), (status = 413, body = Failed), (status = 422, body = Failed),
        (status = 429, body = Failed), (status = 503, body = Failed),
    )
)]
pub(super) async fn client_info_by_query(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::native(client(&hall, request, Asked::InQuery).await)
}

enum Asked {
    InBody,
    InQuery,
}

async fn client(hall: &Hall, request: Request, asked: Asked) -> Result<Response, Problem> {
    const KNOWN: &[&str] = &["phone", "organization_bin"];
    let call = Call::open(hall, request, Contract::Native, Verb::Read).await?;
    let mut fields = match asked {
        Asked::InBody => call.body(KNOWN)?,
        Asked::InQuery => call.query(KNOWN),
    };
    let phone = fields.required("phone", input::phone);
    let named = fields.optional("organization_bin", input::bin);
    let phone = fields.all(phone)?;
    let bin = call.bin_for_new(hall, named)?;
    let _turn = hall.turn(&call.visitor, Some(bin)).await?;
    let info = hall.payments.client_info(Some(bin), None, phone).await?;
    Ok(page::answer(&Client {
        success: true,
        client_name: info.name.expose().to_owned(),
        error: None,
    }))
}

/// The organisations that the caller may act for, and how each stands
#[utoipa::path(
    get,
    path = "/api/v1/kaspi/merchants",
    tag = "payments",
    responses((status = 200, body = Merchants), (status = 401, body = Failed), (status = 403, body = Failed), (status = 408, body = Failed), (status = 413, body = Failed), (status = 422, body = Failed), (status = 429, body = Failed))
)]
pub(super) async fn merchants(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::native(listed(&hall, request).await)
}

async fn listed(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Read).await?;
    call.query(&[]).finish()?;
    let merchants = hall
        .surroundings
        .merchants()
        .into_iter()
        .filter(|merchant| call.visitor.may_for(merchant.bin))
        .map(row)
        .collect();
    Ok(page::answer(&Merchants { merchants }))
}

/// One merchant as `merchants` and `/status` tell it.
pub(super) fn row(merchant: MerchantStatus) -> Merchant {
    Merchant {
        bin: merchant.bin,
        name: merchant.name,
        state: merchant.state.as_str(),
        problem: merchant.problem.map(|problem| chain_text(problem.as_ref())),
        identity: merchant.identity,
        not_after: merchant.facts.as_ref().and_then(|facts| {
            facts
                .not_after
                .format(&time::format_description::well_known::Rfc3339)
                .ok()
        }),
        certificate_sha256: merchant.facts.map(|facts| facts.sha256),
        days_left: merchant.days_left,
        generation: merchant.generation,
        route: merchant.route.map(|route| match route {
            Route::Direct => "direct",
            Route::Wrapper => "wrapper",
        }),
        trade_points: merchant
            .trade_points
            .into_iter()
            .filter_map(|(id, _)| id)
            .collect(),
    }
}
