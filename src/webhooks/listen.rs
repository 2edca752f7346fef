//! A receiver for developers: takes deliveries, checks their signatures, and hands them on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::signature::{ID_HEADER, SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER, Unverified, verify};
use crate::base::{Clock, WebhookSecret};

/// The longest body that is taken, in bytes.
const BODY: usize = 1024 * 1024;
/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many connections there are at a time.
const CONNECTIONS: usize = 64;

/// A request that came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received {
    /// Its `webhook-id`; empty where it had none.
    pub id: String,
    /// Its `webhook-timestamp`; empty where it had none.
    pub timestamp: String,
    /// Its body.
    pub body: Bytes,
    /// Whether it is to be believed.
    pub verdict: Result<(), Unverified>,
}

/// How requests are judged.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The secrets, one of which a request has to be signed with.
    pub secrets: Vec<WebhookSecret>,
    /// How far its time may be from now.
    pub tolerance: Duration,
    /// What tells now.
    pub clock: Arc<dyn Clock>,
}

/// Takes requests until nobody wants them any more. One that verifies is answered with 204, another with
/// 401.
pub async fn listen(listener: TcpListener, judge: Judge, wanted: mpsc::Sender<Received>) {
    let judge = Arc::new(judge);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let stream = tokio::select! {
            () = wanted.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // too many open files, most often
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (judge, wanted) = (Arc::clone(&judge), wanted.clone());
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(request, &judge, &wanted));
            // what ends a connection badly is the sender's affair
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            drop(place);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    judge: &Judge,
    wanted: &mpsc::Sender<Received>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "webhooks come with POST\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        return Ok(response);
    }
    let (head, body) = request.into_parts();
    let Ok(read) = timeout(PATIENCE, Limited::new(body, BODY).collect()).await else {
        return Ok(plain(StatusCode::REQUEST_TIMEOUT, "the body did not come\n"));
    };
    let Ok(body) = read.map(http_body_util::Collected::to_bytes) else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n"));
    };
    let received = judged(&head.headers, body, judge);
    let response = match &received.verdict {
        Ok(()) => plain(StatusCode::NO_CONTENT, ""),
        Err(unverified) => plain(StatusCode::UNAUTHORIZED, &format!("{unverified}\n")),
    };
    // taken only where somebody was there to see it
    match wanted.send(received).await {
        Ok(()) => Ok(response),
        Err(_) => Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "nobody listens\n")),
    }
}

fn judged(headers: &HeaderMap, body: Bytes, judge: &Judge) -> Received {
    let header = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (id, timestamp, signature) = (
        header(ID_HEADER),
        header(TIMESTAMP_HEADER),
        header(SIGNATURE_HEADER),
    );
    let signed = Signed {
        id: &id,
        timestamp: &timestamp,
        signature: &signature,
        body: &body,
    };
    let verdict = verify(&judge.secrets, &signed, judge.clock.now(), judge.tolerance).map(|_| ());
    Received {
        id,
        timestamp,
        body,
        verdict,
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
