//! `GET /api/v1/kaspi/payments`: what the journal knows, in pages.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};

use super::call::{Call, Contract};
use super::hall::Hall;
use super::input::{self, Given, Wrong};
use super::page;
use super::problem::Problem;
use super::schema::{Failed, KnownPayment, KnownPayments};
use crate::config::Verb;
use crate::payments::{PaymentFilter, PaymentKind, PaymentRecord};

/// Payments that the journal knows, the latest first
#[utoipa::path(
    get,
    path = "/api/v1/kaspi/payments",
    tag = "payments",
    params(
        ("organization_bin" = Option<String>, Query, description = "Of this organisation; without it of all that the token may act for"),
        ("state" = Option<String>, Query, description = "`pending`, `paid`, `failed` or `unknown`"),
        ("kind" = Option<String>, Query, description = "`invoice`, `qr`, `link` or `other`"),
        ("from" = Option<String>, Query, description = "Made at this moment or later: RFC 3339, or a day in UTC such as `2026-11-23`"),
        ("until" = Option<String>, Query, description = "Made before this moment; the same forms"),
        ("limit" = Option<u32>, Query, description = "1 to 1000 [default: 100]"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, body = KnownPayments), (status = 401, body = Failed), (status = 403, body = Failed),
        (status = 408, body = Failed), (status = 413, body = Failed), (status = 422, body = Failed), (status = 429, body = Failed), (status = 503, body = Failed, description = "The journal cannot be read"),
    )
)]
pub(super) async fn payments(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::native(listed(&hall, request).await)
}

async fn listed(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Read).await?;
    let mut fields = call.query(&[
        "organization_bin",
        "state",
        "kind",
        "from",
        "until",
        "limit",
        "cursor",
    ]);
    let named = fields.optional("organization_bin", input::bin);
    let filter = PaymentFilter {
        states: fields.optional("state", word).into_iter().collect(),
        kinds: fields.optional("kind", kind).into_iter().collect(),
        from: fields.optional("from", moment),
        until: fields.optional("until", moment),
        limit: fields.optional("limit", limit).unwrap_or_default(),
        cursor: fields.optional("cursor", word),
        ..PaymentFilter::default()
    };
    fields.finish()?;
    let bins = match (call.named(hall, named)?, call.visitor.bins()) {
        (Some(bin), _) => vec![bin],
        (None, Some(own)) => own.to_vec(),
        // every one
        (None, None) => Vec::new(),
    };
    let _turn = hall.turn(&call.visitor, named).await?;
    let page = hall
        .payments
        .known_payments(&PaymentFilter { bins, ..filter })
        .await?;
    Ok(page::answer(&KnownPayments {
        payments: page.items.into_iter().map(row).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}

fn row(payment: PaymentRecord) -> KnownPayment {
    let told = |at: OffsetDateTime| at.format(&Rfc3339).ok();
    KnownPayment {
        external_id: payment.payment_id.to_string(),
        organization_bin: payment.bin,
        trade_point_id: payment.trade_point,
        kind: payment.kind.as_str(),
        amount: payment.amount.map(Into::into),
        state: payment.status.as_ref().map(|status| status.state().as_str()),
        status: payment.status.map(|status| status.as_str().to_owned()),
        status_at: payment.status_at.and_then(told),
        source: payment.source.as_str(),
        operation_id: payment.operation_id,
        created_at: told(payment.created_at),
        expires_at: payment.expires_at.and_then(told),
        late: payment.late,
    }
}

/// One word of a kind that has its own list.
fn word<T: FromStr<Err: Display>>(given: &Given) -> Result<T, Wrong> {
    input::text(given)?
        .parse()
        .map_err(|error: T::Err| ("value_error", error.to_string()))
}

fn kind(given: &Given) -> Result<PaymentKind, Wrong> {
    PaymentKind::of_word(&input::text(given)?).ok_or_else(|| {
        let known: Vec<String> = PaymentKind::ALL.iter().map(|kind| format!("`{kind}`")).collect();
        ("enum", format!("Input should be one of {}", known.join(", ")))
    })
}

fn limit(given: &Given) -> Result<usize, Wrong> {
    let text = input::text(given)?;
    text.parse()
        .ok()
        .filter(|limit| (1..=1000).contains(limit))
        .ok_or_else(|| ("value_error", "a page has 1 to 1000 payments".to_owned()))
}

/// A moment, or the beginning of a day in UTC.
fn moment(given: &Given) -> Result<OffsetDateTime, Wrong> {
    let text = input::text(given)?;
    // a `+` that was not encoded has become a blank
    let text = text.replace(' ', "+");
    let day = time::macros::format_description!("[year]-[month]-[day]");
    OffsetDateTime::parse(&text, &Rfc3339)
        .or_else(|_| Date::parse(&text, day).map(|date| date.midnight().assume_utc()))
        .map_err(|_| {
            (
                "datetime_parsing",
                "a moment is RFC 3339, such as `2026-11-23T10:00:00+05:00`, or a day, such as `2026-11-23`"
                    .to_owned(),
            )
        })
}
