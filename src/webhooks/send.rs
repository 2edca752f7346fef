//! One attempt: signed, sent once, judged by its status alone.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signatures};
use crate::base::{Explain as _, chain_text};
use crate::config::WebhookSpec;
use crate::outbound::{Call, Outbound};

/// The most that is read of an answer, in bytes; nothing hangs on it.
pub const ANSWER: usize = 4 * 1024;

/// The status by which a receiver says that it wants this event no more.
const GONE: u16 = 410;

/// What came of an attempt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The HTTP status that came.
    pub status: Option<u16>,
    /// Why it was not taken.
    pub failure: Option<NotTaken>,
    /// How long it took.
    pub duration: Duration,
    /// The beginning of the answer, as far as it is text.
    pub answer: String,
}

/// Why an event was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotTaken {
    /// A kind of error, or `http_status`.
    pub kind: &'static str,
    /// The same for people. Names the host and nothing else of the address.
    pub message: String,
    /// One thing to do about it.
    pub hint: Option<String>,
}

impl Outcome {
    /// An event that cannot be written as JSON, so that nothing was sent.
    pub(super) fn unwritten(error: &serde_json::Error) -> Self {
        Self {
            status: None,
            failure: Some(NotTaken {
                kind: "event_unwritable",
                message: format!("the event cannot be written: {error}"),
                hint: None,
            }),
            duration: Duration::ZERO,
            answer: String::new(),
        }
    }

    /// Whether it makes sense to send it again.
    pub(super) fn is_final(&self) -> bool {
        self.failure.is_none() || self.status == Some(GONE)
    }
}

/// Sends one event to one endpoint, once. `now` is the time of the attempt.
pub async fn send(
    outbound: &Outbound,
    endpoint: &WebhookSpec,
    id: &str,
    body: Bytes,
    now: OffsetDateTime,
) -> Outcome {
    let began = Instant::now();
    let timestamp = now.unix_timestamp();
    let secrets = std::iter::once(&endpoint.secret).chain(&endpoint.previous_secret);
    let signature = signatures(secrets, id, timestamp, &body);
    let mut call = Call::post(endpoint.url.clone(), body)
        .with(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .with(HeaderName::from_static(TIMESTAMP_HEADER), timestamp.into());
    for (name, value) in [(ID_HEADER, id), (SIGNATURE_HEADER, signature.as_str())] {
        // both are made here, of letters that a header may have
        if let Ok(value) = HeaderValue::from_str(value) {
            call = call.with(HeaderName::from_static(name), value);
        }
    }
    let answered = outbound.send_for_status(call).await;
    let duration = began.elapsed();
    match answered {
        Ok(answer) => Outcome {
            status: Some(answer.status),
            failure: refusal(answer.status),
            duration,
            answer: String::from_utf8_lossy(&answer.body).into_owned(),
        },
        Err(error) => Outcome {
            status: None,
            failure: Some(NotTaken {
                kind: error.kind(),
                message: chain_text(&error),
                hint: error.hint(),
            }),
            duration,
            answer: String::new(),
        },
    }
}

fn refusal(status: u16) -> Option<NotTaken> {
    let hint = match status {
        200..=299 => return None,
        300..=399 => "a redirect is never followed: configure the address that it leads to",
        401 | 403 => "the receiver wants to know who calls: it can check the signature",
        GONE => {
            "the receiver says that it wants no such events any more: remove the webhook, or choose its `events`"
        }
        _ => "the receiver's own log tells why",
    };
    Some(NotTaken {
        kind: "http_status",
        message: format!("the receiver answered with HTTP status {status}"),
        hint: Some(hint.to_owned()),
    })
}
