//! How the gateway itself stands: for probes, for Prometheus, for operators.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use metrics::Label;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Visitor;
use super::call::{Call, Contract};
use super::hall::Hall;
use super::metrics::Gauges;
use super::problem::Problem;
use super::schema::{Failed, Merchant};
use super::{native, page};
use crate::base::{Bin, Explain as _, chain_text};
use crate::config::Verb;
use crate::payments::JournalState;
use crate::registry::status::MerchantState;

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    /// `ok`.
    status: &'static str,
}

/// Whether at least one BIN can be served.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// At least one BIN is served, and money calls can be recorded.
    ready: bool,
    /// How the journal is.
    journal: JournalHealth,
    merchants: Vec<ReadyMerchant>,
}

/// How the journal is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JournalHealth {
    /// `open`, `not_opened`, `unavailable` or `behind`.
    state: &'static str,
    /// The kind of what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

/// How the books stand.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Books {
    #[serde(flatten)]
    journal: JournalHealth,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Operations whose outcome is unknown; null where the journal cannot be read.
    unknown_operations: Option<u64>,
    /// Seconds since the oldest of them.
    oldest_unknown_seconds: Option<u64>,
}

/// Whether one BIN can be served.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadyMerchant {
    #[schema(value_type = String)]
    bin: Bin,
    /// `ready`, `inactive` or `broken`.
    state: &'static str,
    /// The kind of what is wrong; `/status` has the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

/// How everything stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    version: &'static str,
    /// Seconds since the gateway was started.
    uptime: u64,
    open_connections: i64,
    journal: Books,
    merchants: Vec<Merchant>,
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = Alive)))]
pub(super) async fn alive() -> Response {
    page::answer(&Alive { status: "ok" })
}

/// Whether at least one organisation can be served, and which cannot
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses((status = 200, body = Ready), (status = 503, body = Ready))
)]
pub(super) async fn ready(State(hall): State<Arc<Hall>>) -> Response {
    let merchants: Vec<ReadyMerchant> = hall
        .surroundings
        .merchants()
        .into_iter()
        .map(|merchant| ReadyMerchant {
            bin: merchant.bin,
            state: merchant.state.as_str(),
            problem: merchant.problem.as_ref().map(|problem| problem.kind()),
        })
        .collect();
    let journal = journal(&hall);
    let ready = matches!(journal.state, "open" | "not_opened")
        && merchants
            .iter()
            .any(|merchant| merchant.state == MerchantState::Ready.as_str());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    page::json(
        status,
        &Ready {
            ready,
            journal,
            merchants,
        },
    )
}

fn journal(hall: &Hall) -> JournalHealth {
    let (state, problem) = match hall.payments.journal_state() {
        JournalState::NotOpened => ("not_opened", None),
        JournalState::Open => ("open", None),
        JournalState::Unavailable(error) => ("unavailable", Some(error.kind())),
        JournalState::Behind(error) => ("behind", Some(error.kind())),
    };
    JournalHealth { state, problem }
}

async fn books(hall: &Hall, visitor: &Visitor) -> Books {
    let message = match hall.payments.journal_state() {
        JournalState::Unavailable(error) | JournalState::Behind(error) => Some(chain_text(&error)),
        JournalState::NotOpened | JournalState::Open => None,
    };
    let unknown = hall
        .payments
        .unknown_operations(visitor.bins().unwrap_or_default())
        .await
        .ok();
    Books {
        journal: journal(hall),
        message,
        unknown_operations: unknown.as_ref().map(|unknown| unknown.count),
        oldest_unknown_seconds: unknown
            .and_then(|unknown| unknown.oldest_age)
            .map(|age| age.as_secs()),
    }
}

/// How everything stands
///
/// Needs a token with the verb `admin`, where there are tokens.
#[utoipa::path(
    get,
    path = "/status",
    tag = "operation",
    responses((status = 200, body = Status), (status = 401, body = Failed), (status = 403, body = Failed))
)]
pub(super) async fn status(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::native(standing(&hall, request).await)
}

async fn standing(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Admin).await?;
    Ok(page::answer(&Status {
        version: env!("CARGO_PKG_VERSION"),
        uptime: hall.started.elapsed().as_secs(),
        open_connections: hall.metrics.open_connections(),
        journal: books(hall, &call.visitor).await,
        merchants: hall
            .surroundings
            .merchants()
            .into_iter()
            .filter(|merchant| call.visitor.may_for(merchant.bin))
            .map(native::row)
            .collect(),
    }))
}

/// Numbers for Prometheus
///
/// Needs a token with the verb `admin`, where there are tokens.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses((status = 200, content_type = "text/plain", body = String), (status = 401, body = Failed), (status = 403, body = Failed))
)]
pub(super) async fn metrics(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    page::native(numbers(&hall, request).await)
}

async fn numbers(hall: &Hall, request: Request) -> Result<Response, Problem> {
    let call = Call::open(hall, request, Contract::Native, Verb::Admin).await?;
    let gauges = Gauges::new();
    gather(hall, &call.visitor, &gauges);
    gather_books(&books(hall, &call.visitor).await, &gauges);
    let mut response = Response::new(Body::from(format!(
        "{}{}",
        hall.metrics.render(|bin| call.visitor.may_for(bin)),
        gauges.render()
    )));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    Ok(response)
}

fn gather_books(books: &Books, gauges: &Gauges) {
    let works = matches!(books.journal.state, "open" | "not_opened");
    let help = "Whether money calls can be recorded";
    gauges.set("kaspi_journal_ready", help, Vec::new(), i64::from(works));
    let unknown = books
        .unknown_operations
        .and_then(|count| i64::try_from(count).ok());
    if let Some(count) = unknown {
        let help = "Operations whose outcome is unknown";
        gauges.set("kaspi_unknown_operations", help, Vec::new(), count);
        let age = books.oldest_unknown_seconds.unwrap_or_default();
        let help = "Seconds since the oldest operation whose outcome is unknown; 0 where there is none";
        let age = i64::try_from(age).unwrap_or(i64::MAX);
        gauges.set("kaspi_unknown_operation_oldest_seconds", help, Vec::new(), age);
    }
}

fn gather(hall: &Hall, visitor: &Visitor, gauges: &Gauges) {
    let of = |bin: Bin| vec![Label::new("bin", bin.to_string())];
    gauges.set(
        "kaspi_gateway_connections",
        "Connections of callers that are open",
        Vec::new(),
        hall.metrics.open_connections(),
    );
    gauges.set(
        "kaspi_gateway_event_streams",
        "Event streams that are open",
        Vec::new(),
        i64::try_from(hall.streams.open()).unwrap_or(i64::MAX),
    );
    for merchant in hall.surroundings.merchants() {
        if !visitor.may_for(merchant.bin) {
            continue;
        }
        let ready = i64::from(merchant.state == MerchantState::Ready);
        gauges.set(
            "kaspi_merchant_ready",
            "Whether the BIN is served",
            of(merchant.bin),
            ready,
        );
        if let Some(days) = merchant.days_left {
            let help = "Whole days until the certificate expires";
            gauges.set("kaspi_certificate_days_left", help, of(merchant.bin), days);
        }
        if let Some(generation) = merchant.generation.and_then(|number| i64::try_from(number).ok()) {
            let help = "The generation of the identity that serves";
            gauges.set("kaspi_identity_generation", help, of(merchant.bin), generation);
        }
    }
    for traffic in hall.surroundings.traffic() {
        if !visitor.may_for(traffic.bin) {
            continue;
        }
        let handshakes = [
            ("full", traffic.full_handshakes),
            ("resumed", traffic.resumed_handshakes),
        ];
        for (kind, count) in handshakes {
            let mut labels = of(traffic.bin);
            labels.push(Label::new("kind", kind));
            let help = "TLS handshakes with Kaspi by the identity that serves the BIN";
            gauges.count("kaspi_handshakes_total", help, labels, count);
        }
        let open = i64::try_from(traffic.open_connections).unwrap_or(i64::MAX);
        let help = "Connections to Kaspi of the identity that serves the BIN";
        gauges.set("kaspi_pool_connections", help, of(traffic.bin), open);
    }
}
