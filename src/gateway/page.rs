//! How answers and problems are written in each contract.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::call::Call;
use super::input::Complaint;
use super::problem::{Problem, Told};
use super::schema::{ErrorObject, Failed, WrappedErrors, WrappedFailure};
use crate::base::{Delivery, OperationId};

/// What a response says to the log and the metrics; it goes no further.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedBecause {
    pub(super) kind: &'static str,
    pub(super) operation: Option<OperationId>,
    pub(super) outcome: Option<Delivery>,
    /// The operation has no end yet, as far as the caller was told.
    pub(super) open: bool,
}

/// A good answer.
pub(super) fn answer(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

/// A good answer to a call that moves money.
pub(super) fn made(call: &Call, operation: OperationId, replayed: bool, body: &impl Serialize) -> Response {
    call.notes.operation(operation);
    call.notes.outcome(if replayed { "replayed" } else { "accepted" });
    let mut response = answer(body);
    name_operation(&mut response, operation);
    if replayed {
        name_replay(&mut response);
    }
    response
}

/// A problem in the contract of the backend, FastAPI's way.
pub(super) fn backend(outcome: Result<Response, Problem>) -> Response {
    outcome.unwrap_or_else(|problem| detail(&problem, false))
}

/// A problem in our own calls: the same, and the error for programs beside it.
pub(super) fn native(outcome: Result<Response, Problem>) -> Response {
    outcome.unwrap_or_else(|problem| detail(&problem, true))
}

/// A problem in the contract of the old wrapper.
///
/// Its callers repeat a call on every 4xx and 5xx. So what a repetition cannot change is HTTP 200 with
/// `status: false`; an HTTP status of its own has what may pass and sent nothing, what never reached the
/// contract (size, time), and what must be seen by whoever sets a caller up (the token).
pub(super) fn old_wrapper(outcome: Result<Response, Problem>) -> Response {
    outcome.unwrap_or_else(|problem| {
        let told = problem.told();
        let unknown = problem.delivery() == Some(Delivery::Unknown);
        let status = match told.status {
            _ if unknown || matches!(problem, Problem::ForeignBin(_)) => StatusCode::OK,
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS => told.status,
            _ if problem.may_pass() || told.kind == "in_flight" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        let code = match (unknown, problem.code()) {
            (true, _) => "OUTCOME_UNKNOWN".to_owned(),
            (false, Some(code)) => code.to_string(),
            (false, None) => told.kind.to_ascii_uppercase(),
        };
        let body = WrappedFailure {
            status: false,
            data: WrappedErrors {
                errors: [(code, told.text.clone())].into(),
            },
            error: told.text.clone(),
            http_code: status.as_u16(),
        };
        finish(json(status, &body), &problem, &told)
    })
}

/// What is told of a request that belongs to no contract or breaks HTTP's rules, in FastAPI's words.
pub(super) fn plain(status: StatusCode, text: &str) -> Response {
    json(status, &json!({ "detail": text }))
}

/// JSON with a status.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let (status, bytes) = match serde_json::to_vec(body) {
        Ok(bytes) => (status, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            let text = br#"{"detail":"the answer cannot be written"}"#;
            (StatusCode::INTERNAL_SERVER_ERROR, text.to_vec())
        }
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn detail(problem: &Problem, for_programs: bool) -> Response {
    let told = problem.told();
    let detail = match problem {
        Problem::Input(complaints) => json!(complaints),
        // bad input that `payments` has found
        _ if told.status == StatusCode::UNPROCESSABLE_ENTITY => {
            let name = match told.kind {
                "message_too_long" => "message",
                "no_trade_point" => "trade_point_id",
                _ => "organization_bin",
            };
            json!([Complaint::about("body", name, ("value_error", told.text.clone()))])
        }
        _ => json!(told.text),
    };
    let error = for_programs.then(|| ErrorObject {
        kind: told.kind,
        message: told.text.clone(),
        hint: problem.hint(),
        delivery: problem.delivery().map(Delivery::as_str),
        code: problem.code(),
        operation_id: problem.operation(),
    });
    finish(json(told.status, &Failed { detail, error }), problem, &told)
}

fn finish(mut response: Response, problem: &Problem, told: &Told) -> Response {
    let headers = response.headers_mut();
    if let Some(wait) = told.retry_after {
        // whole seconds, rounded up, so that whoever comes back is not too early
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if told.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if matches!(problem, Problem::TooLarge { .. } | Problem::TooSlow) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(operation) = problem.operation() {
        name_operation(&mut response, operation);
    }
    if problem.is_replay() {
        name_replay(&mut response);
    }
    response.extensions_mut().insert(FailedBecause {
        kind: told.kind,
        operation: problem.operation(),
        outcome: problem.delivery(),
        open: problem.leaves_open(),
    });
    response
}

/// The journal answered: nothing was sent for this call.
fn name_replay(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
}

/// Our name for the operation, by which a person finds it in the journal and in the Kaspi Pay app.
fn name_operation(response: &mut Response, operation: OperationId) {
    if let Ok(value) = HeaderValue::from_str(&operation.to_string()) {
        response.headers_mut().insert("kaspi-operation-id", value);
    }
}
