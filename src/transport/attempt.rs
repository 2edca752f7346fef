//! One attempt: one request, one answer, within our own time limits.
//!
//! The limits are ours because nobody else's hold: a connect limit does not cover a handshake that
//! the server refuses late, and on TLS 1.3 a request on such a connection can hang for ever.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::InvalidUri;
use http::{Request as HttpRequest, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::ConnectionState;
use super::error::{Error, Failure, Phase};
use super::pool::{Open, Pool};
use super::{MAX_ANSWER_BYTES, Reply, Request, classify};
use crate::base::Delivery;
use crate::config::Timeouts;

/// How long a request is still waited for once its connection has ended with an alert: hyper usually
/// reports the alert at once, and then nothing is gained by being quicker.
const AFTER_ALERT: Duration = Duration::from_millis(250);

pub(super) async fn send(pool: &Pool, request: Request) -> Result<Reply, Error> {
    let started = Instant::now();
    let outfit = pool.outfit();
    let (target, limits) = (outfit.target.as_str(), outfit.limits);
    let mut request = http_request(&outfit.base_url, request)?;
    let mut captured = capture_connection(&mut request);

    let pool = pool.open();
    let answer = pool.client.request(request);
    let (head, state) = head(answer, &mut captured, started, pool, (limits, target)).await?;

    let (parts, body) = head.into_parts();
    let body = timeout_at(
        started + limits.total,
        Limited::new(body, MAX_ANSWER_BYTES).collect(),
    )
    .await
    .map_err(|_| {
        Error::timed_out(Phase::Total, limits.total, Delivery::Unknown, target)
            .on(state.as_ref().map(|state| state.facts.clone()))
    })?
    .map_err(|error| classify::body(error, state.as_ref(), target))?
    .to_bytes();
    pool.note_answer();
    Ok(Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
        connection: state.map(|state| state.facts.clone()),
    })
}

fn http_request(base: &Uri, request: Request) -> Result<HttpRequest<Full<Bytes>>, Error> {
    let unusable = |error: http::Error| {
        Error::new(
            Failure::BadRequest,
            Delivery::NotSent,
            format!("the request cannot be written: {error}"),
        )
        .caused_by(error)
    };
    let prefix = base.path().trim_end_matches('/');
    let mut below = String::with_capacity(prefix.len() + request.path_and_query.len());
    below.push_str(prefix);
    below.push_str(&request.path_and_query);
    // scheme and authority have been checked with the configuration, and are shared by all requests
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(
        below
            .try_into()
            .map_err(|error: InvalidUri| unusable(error.into()))?,
    );
    let mut http = HttpRequest::new(Full::new(request.body));
    *http.method_mut() = request.method;
    *http.uri_mut() = Uri::from_parts(parts).map_err(|error| unusable(error.into()))?;
    *http.headers_mut() = request.headers;
    Ok(http)
}

/// Waits for the head of the answer: until it comes, the request fails, or a limit runs out.
async fn head(
    answer: impl Future<Output = Result<Response<Incoming>, hyper_util::client::legacy::Error>>,
    captured: &mut CaptureConnection,
    started: Instant,
    pool: &Open,
    (limits, target): (Timeouts, &str),
) -> Result<(Response<Incoming>, Option<Arc<ConnectionState>>), Error> {
    let mut state = None;
    let ended = tokio::select! {
        biased;
        answered = answer => Ended::Answered(answered),
        () = refused(captured, &mut state) => Ended::Alerted,
        () = tokio::time::sleep_until(started + limits.first_byte.min(limits.total)) => Ended::TimedOut,
    };
    // `answer` has been dropped: what is captured now is final, nothing can start the request any more.
    // A connection is captured once, so one that was seen before is still the one.
    let state = state.or_else(|| state_of(captured));
    match ended {
        Ended::Answered(Ok(response)) => Ok((response, state)),
        Ended::Answered(Err(error)) => {
            let elsewhere = pool.refusals.since(started);
            Err(classify::request(error, state.as_ref(), elsewhere, target))
        }
        Ended::Alerted | Ended::TimedOut => Err(given_up(state, limits, target)),
    }
}

enum Ended {
    Answered(Result<Response<Incoming>, hyper_util::client::legacy::Error>),
    Alerted,
    TimedOut,
}

fn given_up(state: Option<Arc<ConnectionState>>, limits: Timeouts, target: &str) -> Error {
    let facts = state.as_ref().map(|state| state.facts.clone());
    if let Some((state, alert)) = state.as_ref().and_then(|state| Some((state, state.alert()?))) {
        if !alert.is_about_our_certificate() {
            let message = format!("`{target}` ended the connection with the TLS alert {alert}");
            return Error::new(Failure::Closed, Delivery::Unknown, message)
                .with_alert(Some(alert))
                .on(facts);
        }
        let delivery = if state.has_answered() {
            Delivery::Unknown
        } else {
            Delivery::NotSent
        };
        return classify::identity_refused(alert, delivery, target).on(facts);
    }
    let (phase, limit) = if limits.first_byte < limits.total {
        (Phase::FirstByte, limits.first_byte)
    } else {
        (Phase::Total, limits.total)
    };
    // a request that never got a connection cannot have left
    let delivery = if state.is_none() {
        Delivery::NotSent
    } else {
        Delivery::Unknown
    };
    Error::timed_out(phase, limit, delivery, target).on(facts)
}

/// Ends once the request's connection has been ended by an alert; never, where it is not.
async fn refused(captured: &mut CaptureConnection, state: &mut Option<Arc<ConnectionState>>) {
    *state = captured
        .wait_for_connection_metadata()
        .await
        .as_ref()
        .and_then(extract);
    match state {
        Some(state) => {
            state.alerted().await;
            sleep(AFTER_ALERT).await;
        }
        None => std::future::pending().await,
    }
}

fn state_of(captured: &CaptureConnection) -> Option<Arc<ConnectionState>> {
    captured.connection_metadata().as_ref().and_then(extract)
}

fn extract(connected: &hyper_util::client::legacy::connect::Connected) -> Option<Arc<ConnectionState>> {
    let mut extras = http::Extensions::new();
    connected.get_extras(&mut extras);
    extras.remove::<Arc<ConnectionState>>()
}
