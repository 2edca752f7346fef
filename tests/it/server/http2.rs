//! HTTP/2 by hyper.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{Act, Guest, Request, Wire};

pub(super) async fn serve_http2(wire: Wire, guest: Guest) {
    let over = Arc::clone(&guest.over);
    let farewell = Arc::clone(&guest.farewell);
    let shared = Arc::clone(&guest.shared);
    let service = service_fn(move |request: http::Request<Incoming>| serve_one(request, guest.clone()));
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(wire), service);
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            ended = &mut connection => {
                if ended.is_ok() {
                    shared.note(|seen| seen.goodbyes += 1);
                }
                return;
            }
            () = farewell.notified() => connection.as_mut().graceful_shutdown(),
            () = over.notified() => return,
        }
    }
}

async fn serve_one(
    request: http::Request<Incoming>,
    guest: Guest,
) -> Result<http::Response<Flow>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return std::future::pending().await;
    };
    let target = parts.uri.path_and_query().unwrap().to_string();
    let shared = Arc::clone(&guest.shared);
    shared.note(|seen| {
        seen.requests.push(Request {
            connection: guest.number,
            certificate: guest.certificate.clone(),
            method: parts.method.to_string(),
            target: target.clone(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: body.to_bytes().to_vec(),
        });
    });
    let end = |reset: bool| {
        guest.reset.store(reset, Ordering::Release);
        guest.over.notify_one();
    };
    let (status, flow) = match shared.next(&target) {
        Act::Answer(status, text) => (status, Flow::Whole(Some(text.into()))),
        Act::Held(gate, text) => {
            gate.notified().await;
            (200, Flow::Whole(Some(text.into())))
        }
        Act::AnswerAndClose(text) => {
            guest.farewell.notify_one();
            (200, Flow::Whole(Some(text.into())))
        }
        Act::Raw(_) | Act::EndlessHead | Act::ResetMidRequest => {
            panic!("over HTTP/1.1 only")
        }
        Act::ResetAfterRequest | Act::ResetUnread => {
            end(true);
            return std::future::pending().await;
        }
        Act::CloseAfterRequest => {
            end(false);
            return std::future::pending().await;
        }
        Act::Silence => return std::future::pending().await,
        Act::ResetMidAnswer => (
            200,
            Flow::Broken(Some("{\"StatusCode\":0".into()), true, guest.clone()),
        ),
        Act::CloseMidAnswer => (
            200,
            Flow::Broken(Some("{\"StatusCode\":0".into()), false, guest.clone()),
        ),
        Act::Drip(every) => (200, Flow::Drip(tokio::time::interval(every))),
        Act::EndlessBody => (200, Flow::Endless),
    };
    if matches!(flow, Flow::Whole(_)) {
        shared.note(|seen| seen.answers += 1);
    }
    let mut response = http::Response::builder().status(status);
    if status == 302 {
        response = response.header("location", "/r3/v01/health/ping");
    }
    Ok(response.body(flow).unwrap())
}

/// The body of an answer over HTTP/2.
enum Flow {
    Whole(Option<Bytes>),
    Broken(Option<Bytes>, bool, Guest),
    Drip(tokio::time::Interval),
    Endless,
}

impl Body for Flow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Broken(bytes, reset, guest) => match bytes.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => {
                    guest.reset.store(*reset, Ordering::Release);
                    guest.over.notify_one();
                    Poll::Pending
                }
            },
            Self::Drip(interval) => interval
                .poll_tick(cx)
                .map(|_| Some(Ok(Frame::data(Bytes::from_static(b" "))))),
            Self::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 16 * 1024]))))),
        }
    }
}
