//! From a request to an answer: the routes, what holds for all of them, the log.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, Span};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::hall::Hall;
use super::notes::Notes;
use super::page::{self, FailedBecause};
use super::{admin, backend, docs, events, health, list, native, old_wrapper, trace};
use crate::base::OperationId;

/// Where a call comes from.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    Tcp(SocketAddr),
    Unix,
}

/// On a response: the operation that it settles once it has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settles(pub(super) OperationId);

/// On a response: it has no end of its own, so that nobody waits for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endless;

/// Answers requests. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Service {
    hall: Arc<Hall>,
    router: Router,
}

impl Service {
    pub(super) fn new(hall: &Arc<Hall>) -> Self {
        let (contracts, document) = contracts().with_state(Arc::clone(hall)).split_for_parts();
        let router = contracts
            .merge(docs::router(document))
            .merge(admin::router(Arc::clone(hall)))
            .route_layer(from_fn(note_route))
            .fallback(async || page::plain(StatusCode::NOT_FOUND, "Not Found"))
            .layer(CatchPanicLayer::custom(|_| {
                tracing::error!("a call was given up: a fault of this program");
                page::plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }));
        Self {
            hall: Arc::clone(hall),
            router,
        }
    }

    pub(super) fn hall(&self) -> &Hall {
        &self.hall
    }

    /// Answers one request.
    pub(super) async fn answer(&self, mut request: Request, peer: Peer) -> Response {
        let notes = Arc::new(Notes::default());
        let mut line = LogLine::new(&request, peer, Arc::clone(&notes), Arc::clone(&self.hall));
        request.extensions_mut().insert(Arc::clone(&notes));
        if is_api(request.uri()) {
            drop_trailing_slash(request.uri_mut());
            // money moves over GET here, and axum takes a HEAD for one
            if request.method() == Method::HEAD {
                *request.method_mut() = Method::OPTIONS;
            }
        }
        let handled = self.router.clone().oneshot(request);
        let mut response = match handled.instrument(line.span.clone()).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response = not_allowed(&response);
        }
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        let failed = response.extensions().get::<FailedBecause>();
        let open = failed.is_some_and(|failed| failed.open);
        if let Some(failed) = failed {
            notes.problem(failed.kind);
            if let Some(operation) = failed.operation {
                notes.operation(operation);
                if let Some(outcome) = failed.outcome {
                    notes.outcome(outcome.as_str());
                }
            }
        }
        if let Some(operation) = notes.to_settle().filter(|_| !open) {
            response.extensions_mut().insert(Settles(operation));
        }
        line.answered = Some(response.status());
        response
    }
}

/// What `/openapi.json` says.
pub(super) fn document() -> OpenApi {
    contracts().into_openapi()
}

fn contracts() -> OpenApiRouter<Arc<Hall>> {
    OpenApiRouter::with_openapi(docs::Document::openapi())
        .routes(routes!(backend::create))
        .routes(routes!(backend::status))
        .routes(routes!(backend::refund))
        .routes(routes!(native::link))
        .routes(routes!(native::qr))
        .routes(routes!(native::cancel))
        .routes(routes!(native::details))
        .routes(routes!(native::check))
        .routes(routes!(native::client_info, native::client_info_by_query))
        .routes(routes!(native::merchants))
        .routes(routes!(list::payments))
        .routes(routes!(events::events))
        .routes(routes!(old_wrapper::create))
        .routes(routes!(old_wrapper::status))
        .routes(routes!(old_wrapper::refund))
        .routes(routes!(old_wrapper::create_link))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::status))
        .routes(routes!(health::metrics))
}

/// The route's pattern, for log and metrics: the path itself may hold anything.
async fn note_route(request: Request, next: Next) -> Response {
    if let (Some(notes), Some(path)) = (
        request.extensions().get::<Arc<Notes>>(),
        request.extensions().get::<MatchedPath>(),
    ) {
        notes.route(path.as_str());
    }
    next.run(request).await
}

fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

/// Both forms of each path are served, without a redirect: not every client repeats a POST on one.
fn drop_trailing_slash(uri: &mut Uri) {
    let Some(path) = uri.path().strip_suffix('/') else {
        return;
    };
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    if let Ok(shorter) = whole.parse::<PathAndQuery>() {
        parts.path_and_query = Some(shorter);
        if let Ok(shorter) = Uri::from_parts(parts) {
            *uri = shorter;
        }
    }
}

/// axum's own answer names HEAD wherever GET is allowed, and has no body.
fn not_allowed(response: &Response<Body>) -> Response {
    let mut told = page::plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    let allowed = response
        .headers()
        .get(header::ALLOW)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|method| !method.is_empty() && *method != "HEAD")
        .collect::<Vec<_>>()
        .join(", ");
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        told.headers_mut().insert(header::ALLOW, allowed);
    }
    told
}

/// One line of the access log, written when the call is over, also where the caller has hung up.
struct LogLine {
    method: Method,
    peer: Peer,
    began: Instant,
    notes: Arc<Notes>,
    hall: Arc<Hall>,
    answered: Option<StatusCode>,
    span: Span,
}

impl LogLine {
    fn new(request: &Request, peer: Peer, notes: Arc<Notes>, hall: Arc<Hall>) -> Self {
        Self {
            method: request.method().clone(),
            peer,
            began: Instant::now(),
            notes,
            hall,
            answered: None,
            span: trace::span(request),
        }
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let notes = &self.notes;
        let route = notes.told_route().unwrap_or("none");
        self.hall
            .metrics
            .request(notes, route, self.answered, took, |bin| {
                self.hall.surroundings.is_configured(bin)
            });
        trace::end(&self.span, self.method.as_str(), route, notes, self.answered);
        let status = self.answered.map(|status| status.as_u16());
        tracing::info!(
            target: "kaspi::access",
            method = %self.method,
            route,
            status,
            ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            caller = notes.told_caller(),
            bin = notes.told_bin().map(tracing::field::display),
            operation = notes.told_operation().map(tracing::field::display),
            outcome = notes.told_outcome(),
            problem = notes.told_problem(),
            peer = %self.peer,
            trace = trace::trace_id(&self.span),
            "{}",
            if status.is_some() { "answered" } else { "the caller hung up" }
        );
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.ip().fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}
