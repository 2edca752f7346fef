//! `GET /api/v1/kaspi/events`: what happens, told as it happens (server-sent events).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, header};

use super::call::{Call, Contract};
use super::hall::Hall;
use super::input::{self, Complaint, Given, Wrong};
use super::problem::Problem;
use super::schema::Failed;
use super::service::Endless;
use super::streams::Wanted;
use super::{page, telling};
use crate::config::Verb;
use crate::payments::EventKind;

/// What happens, told as it happens
///
/// Server-sent events, until the caller hangs up. `id` is the event's place, `event` its kind, `data` one JSON object. Whoever
/// gives the last id that he got as `Last-Event-ID` misses none; without one the stream begins now.
#[utoipa::path(
    get,
    path = "/api/v1/kaspi/events",
    tag = "payments",
    params(
        ("organization_bin" = Option<String>, Query, description = "Of this organisation; without it of all that the token may act for"),
        ("type" = Option<String>, Query, description = "Only these kinds, with commas between them, such as `payment.status_changed,payment.refunded`"),
        ("last_event_id" = Option<String>, Query, description = "For callers that cannot set the header, which counts where both are given; `0` begins with the first event of all"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last id that came: the stream goes on after it"),
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = String), (status = 401, body = Failed), (status = 403, body = Failed),
        (status = 408, body = Failed), (status = 413, body = Failed), (status = 422, body = Failed),
        (status = 429, body = Failed, description = "The token has as many streams as it may have"),
        (status = 503, body = Failed, description = "The gateway has as many streams as it may have, or the journal cannot be read"),
    )
)]
pub(super) async fn events(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let mut response = page::native(opened(&hall, request).await);
    if !response.status().is_success() {
        // a crowd that is turned away must not keep its connections
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn opened(hall: &Arc<Hall>, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Read).await?;
    let mut fields = call.query(&["organization_bin", "type", "last_event_id"]);
    let named = fields.optional("organization_bin", input::bin);
    let kinds = fields.optional("type", kinds).unwrap_or_default();
    let in_query = fields.optional("last_event_id", |given| place(&input::text(given)?));
    fields.finish()?;
    let in_header = call.header(HEADER)?.map(|text| place(&text)).transpose();
    // a browser that comes back repeats its first address, and tells in the header how far it has come
    let (asked, whence) = match in_header.map_err(|wrong| complaint("header", HEADER, wrong))? {
        Some(place) => (Some(place), ("header", HEADER)),
        None => (in_query, ("query", "last_event_id")),
    };
    let bins = match (call.named(hall, named)?, call.visitor.bins()) {
        (Some(bin), _) => vec![bin],
        (None, Some(own)) => own.to_vec(),
        // every one
        (None, None) => Vec::new(),
    };
    let seat = hall.streams.seat(call.visitor.name(), &hall.settings().limits)?;
    let newest = hall.payments.newest_event().await?;
    let after = asked.unwrap_or(newest);
    if after > newest {
        let why = format!("the last event is `{newest}`, so `{after}` is none of this journal's");
        return Err(complaint(whence.0, whence.1, ("value_error", why)));
    }
    let body = telling::begin(hall, seat, call.visitor, Wanted { bins, kinds }, after);
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    // nginx would collect the answer before it passes it on
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.extensions_mut().insert(Endless);
    Ok(response)
}

const HEADER: &str = "last-event-id";

fn complaint(place: &'static str, name: &'static str, wrong: Wrong) -> Problem {
    Problem::Input(vec![Complaint::about(place, name, wrong)])
}

fn place(text: &str) -> Result<i64, Wrong> {
    text.parse().ok().filter(|place| *place >= 0).ok_or_else(|| {
        let why = "an event's id is a whole number, as the stream gave it; `0` stands for the beginning";
        ("int_parsing", why.to_owned())
    })
}

fn kinds(given: &Given) -> Result<Vec<EventKind>, Wrong> {
    input::text(given)?
        .split(',')
        .map(|word| {
            EventKind::of_word(word.trim()).ok_or_else(|| {
                let known: Vec<String> = EventKind::ALL.iter().map(|kind| format!("`{kind}`")).collect();
                ("enum", format!("Input should be of {}", known.join(", ")))
            })
        })
        .collect()
}
