//! The span of a call, for a collector: what the access log says, and whose trace the call belongs to.

use axum::extract::Request;
use http::StatusCode;
use tracing::{Span, field};

use super::notes::Notes;
use crate::base::TRACE;

/// The span of a call, which belongs to its caller's trace where it came with one.
pub(super) fn span(request: &Request) -> Span {
    let span = tracing::info_span!(
        target: TRACE,
        "call",
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = request.method().as_str(),
        http.route = field::Empty,
        http.response.status_code = field::Empty,
        kaspi.caller = field::Empty,
        kaspi.bin = field::Empty,
        kaspi.operation_id = field::Empty,
        kaspi.outcome = field::Empty,
        error.type = field::Empty,
    );
    #[cfg(feature = "telemetry")]
    if !span.is_disabled() {
        adopt(&span, request.headers());
    }
    span
}

/// Puts the span into the trace that the headers `traceparent` and `tracestate` name (W3C Trace Context).
#[cfg(feature = "telemetry")]
fn adopt(span: &Span, headers: &http::HeaderMap) {
    use opentelemetry::propagation::TextMapPropagator as _;
    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    let theirs = opentelemetry_sdk::propagation::TraceContextPropagator::new()
        .extract(&opentelemetry_http::HeaderExtractor(headers));
    if theirs.span().span_context().is_valid() {
        // it fails only where nobody is told of the span
        let _ = span.set_parent(theirs);
    }
}

/// Takes down how the call ended.
pub(super) fn end(span: &Span, method: &str, route: &str, notes: &Notes, answered: Option<StatusCode>) {
    if span.is_disabled() {
        return;
    }
    rename(span, format!("{method} {route}"));
    span.record("http.route", route);
    if let Some(status) = answered {
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
    }
    if let Some(caller) = notes.told_caller() {
        span.record("kaspi.caller", caller);
    }
    if let Some(bin) = notes.told_bin() {
        span.record("kaspi.bin", field::display(bin));
    }
    if let Some(operation) = notes.told_operation() {
        span.record("kaspi.operation_id", field::display(operation));
    }
    if let Some(outcome) = notes.told_outcome() {
        span.record("kaspi.outcome", outcome);
    }
    if let Some(problem) = notes.told_problem() {
        span.record("error.type", problem);
    }
}

/// The route is known only once the call has been handled.
#[cfg(feature = "telemetry")]
fn rename(span: &Span, name: String) {
    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    span.context().span().update_name(name);
}

#[cfg(not(feature = "telemetry"))]
fn rename(_: &Span, _: String) {}

/// The number of the caller's or our own trace, for the log.
#[cfg(feature = "telemetry")]
pub(super) fn trace_id(span: &Span) -> Option<String> {
    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let known = context.span().span_context().clone();
    known.is_valid().then(|| known.trace_id().to_string())
}

/// Without a collector there is none.
#[cfg(not(feature = "telemetry"))]
pub(super) fn trace_id(_: &Span) -> Option<String> {
    None
}
