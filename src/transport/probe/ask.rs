//! The fourth step: a request, and what comes back. On TLS 1.3 this is where a server says what it
//! thinks of our certificate.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::MAX_BODY_BYTES;
use super::facts::{Answer, BodyKind, Ended, Exchange, ExchangeFailure};
use super::records::printable;
use super::shake::{Offer, Shaken, Stream, remaining};
use super::tap::Tape;
use crate::base::Clock;
use crate::config::Timeouts;
use crate::transport::classify;

/// A connection that requests can be made on, one after the other.
pub struct Session {
    sender: Result<Sender, String>,
    driver: Option<AbortHandle>,
    tape: Tape,
    heard: Heard,
    pub(super) offer: Offer,
    base_url: Uri,
    limits: Timeouts,
    clock: Arc<dyn Clock>,
}

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

impl Session {
    pub(super) async fn start(
        shaken: Shaken,
        base_url: Uri,
        limits: Timeouts,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let Shaken { stream, tape, offer } = shaken;
        let heard = Heard::default();
        let http2 = is_http2(&stream);
        let stream = Listening {
            stream,
            heard: heard.clone(),
        };
        let (sender, driver) = begin(stream, http2).await;
        Self {
            sender,
            driver,
            tape,
            heard,
            offer,
            base_url,
            limits,
            clock,
        }
    }

    /// Makes one GET request below the base address and reads the answer, within the time limits of a
    /// call. A second one on the same session shows whether the server keeps connections.
    pub async fn get(&mut self, path_and_query: &str, headers: &HeaderMap) -> Exchange {
        let path = format!("{}{path_and_query}", self.base_url.path().trim_end_matches('/'));
        let started = Instant::now();
        let outcome = self.exchange(&path, headers, started).await;
        Exchange {
            path,
            took: started.elapsed(),
            renegotiation: self.tape.lock().records.renegotiation_on_tls12(),
            outcome,
        }
    }

    async fn exchange(
        &mut self,
        path: &str,
        headers: &HeaderMap,
        started: Instant,
    ) -> Result<Answer, ExchangeFailure> {
        let head_limit = self.limits.first_byte.min(self.limits.total);
        let http2 = matches!(self.sender, Ok(Sender::Http2(_)));
        let heard = self.heard.clone();
        let answered = tokio::select! {
            biased;
            answered = timeout(head_limit, self.send(path, headers)) => answered,
            // a request that the server refuses late may hang for ever in hyper
            refusal = heard.wait() => return Err(refusal),
        };
        let response = match answered {
            Err(_) => return Err(ExchangeFailure::TimedOut(head_limit)),
            Ok(Err(error)) => return Err(self.failure(&error)),
            Ok(Ok(response)) => response,
        };
        let at = self.clock.now();
        let (parts, body) = response.into_parts();
        let (body, whole) = match timeout(remaining(started, self.limits.total), read(body)).await {
            Err(_) => return Err(ExchangeFailure::TimedOut(self.limits.total)),
            Ok(Err(error)) => return Err(self.failure(&error.into())),
            Ok(Ok(read)) => read,
        };
        let text = |name: HeaderName| text(&parts.headers, &name);
        Ok(Answer {
            status: parts.status.as_u16(),
            http2,
            date: parts.headers.get(header::DATE).and_then(date),
            at,
            server: text(header::SERVER),
            keep_alive: match (
                text(header::CONNECTION),
                text(HeaderName::from_static("keep-alive")),
            ) {
                (Some(connection), Some(keep)) => Some(format!("{connection}; {keep}")),
                (connection, keep) => connection.or(keep),
            },
            location: text(header::LOCATION),
            content_type: text(header::CONTENT_TYPE),
            kind: kind(&body),
            body,
            whole,
        })
    }

    async fn send(&mut self, path: &str, headers: &HeaderMap) -> Result<Response<Incoming>, SendError> {
        let authority = self
            .base_url
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        let sender = self
            .sender
            .as_mut()
            .map_err(|why| SendError::Unusable(why.clone()))?;
        let uri = match sender {
            // origin form, and the host in a header of its own
            Sender::Http1(_) => path.to_owned(),
            Sender::Http2(_) => format!("https://{authority}{path}"),
        };
        let mut request = Request::get(uri)
            .body(Empty::new())
            .map_err(|error| SendError::Unusable(error.to_string()))?;
        *request.headers_mut() = headers.clone();
        match sender {
            Sender::Http1(sender) => {
                if let Ok(host) = HeaderValue::try_from(authority) {
                    request.headers_mut().insert(header::HOST, host);
                }
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
        }
    }

    /// What the server said on the connection tells more than what became of the request.
    fn failure(&self, error: &SendError) -> ExchangeFailure {
        if let Some(refusal) = self.heard.refusal() {
            return refusal;
        }
        match error {
            SendError::Unusable(why) => ExchangeFailure::NotHttp(why.clone()),
            SendError::Hyper(error) if error.is_parse() => ExchangeFailure::NotHttp(classify::deepest(error)),
            SendError::Hyper(_) => {
                ExchangeFailure::Ended(self.tape.lock().ended.clone().unwrap_or(Ended::Closed))
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("{0}")]
    Unusable(String),
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
}

fn is_http2(stream: &Stream) -> bool {
    match stream {
        Stream::Https(tls) => tls.inner().get_ref().1.alpn_protocol() == Some(b"h2"),
        Stream::Http(_) => false,
    }
}

async fn begin(stream: Listening, http2: bool) -> (Result<Sender, String>, Option<AbortHandle>) {
    if http2 {
        let started = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .handshake(stream)
            .await;
        return match started {
            Ok((sender, connection)) => (
                Ok(Sender::Http2(sender)),
                Some(tokio::spawn(connection).abort_handle()),
            ),
            Err(error) => (Err(error.to_string()), None),
        };
    }
    match http1::handshake(stream).await {
        Ok((sender, connection)) => (
            Ok(Sender::Http1(sender)),
            Some(tokio::spawn(connection).abort_handle()),
        ),
        Err(error) => (Err(error.to_string()), None),
    }
}

/// As much of a body as is kept, and whether that is all of it.
async fn read(mut body: Incoming) -> Result<(Bytes, bool), hyper::Error> {
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let Some(data) = frame.data_ref() else { continue };
        let room = MAX_BODY_BYTES - kept.len();
        kept.extend_from_slice(data.get(..room).unwrap_or(data));
        if data.len() > room {
            return Ok((kept.freeze(), false));
        }
    }
    Ok((kept.freeze(), true))
}

fn kind(body: &[u8]) -> BodyKind {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match body.trim_ascii_start() {
        [] => BodyKind::Empty,
        [b'{' | b'[', ..] => BodyKind::Json,
        [b'<', ..] => BodyKind::Html,
        _ => BodyKind::Other,
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| printable(value.as_bytes()))
}

/// RFC 9110, section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, which is a date of RFC 2822 too.
fn date(value: &HeaderValue) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.to_str().ok()?.trim(), &Rfc2822).ok()
}

/// The last word of TLS on a connection, from whichever of hyper's calls it came out of.
#[derive(Clone, Default)]
struct Heard(Arc<Word>);

#[derive(Default)]
struct Word {
    said: Mutex<Option<ExchangeFailure>>,
    heard: Notify,
}

impl Heard {
    fn note(&self, error: &io::Error) {
        let word = if let Some(alert) = classify::received_alert(error) {
            ExchangeFailure::TheyRefused(alert)
        } else if let Some(local) = classify::local_refusal(error) {
            match local {
                rustls::Error::InappropriateHandshakeMessage {
                    got_type: rustls::HandshakeType::CertificateRequest,
                    ..
                } => ExchangeFailure::AskedLate,
                local => ExchangeFailure::WeRefused(local.to_string()),
            }
        } else {
            return;
        };
        self.said().get_or_insert(word);
        self.0.heard.notify_waiters();
    }

    fn refusal(&self) -> Option<ExchangeFailure> {
        self.said().clone()
    }

    /// Waits until the connection has been refused.
    async fn wait(&self) -> ExchangeFailure {
        loop {
            let mut heard = pin!(self.0.heard.notified());
            heard.as_mut().enable();
            if let Some(refusal) = self.refusal() {
                return refusal;
            }
            heard.await;
        }
    }

    fn said(&self) -> MutexGuard<'_, Option<ExchangeFailure>> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream on which writing never fails: a server that refuses us late closes at once, our bytes meet a
/// closed door, and hyper would give up before it has read why. What ends the connection is read.
struct Listening {
    stream: Stream,
    heard: Heard,
}

impl Listening {
    fn written<T>(&self, polled: Poll<io::Result<T>>, instead: T) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(Err(error)) => {
                self.heard.note(&error);
                Poll::Ready(Ok(instead))
            }
            polled => polled,
        }
    }
}

impl Read for Listening {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Err(error)) = &polled {
            self.heard.note(error);
        }
        polled
    }
}

impl Write for Listening {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(polled, bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(polled, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn tells_bodies_by_their_beginning() {
        assert_eq!(kind(b""), BodyKind::Empty);
        assert_eq!(kind(b" \r\n"), BodyKind::Empty);
        assert_eq!(kind(b" {\"StatusCode\": 0}"), BodyKind::Json);
        assert_eq!(kind(b"\xef\xbb\xbf{}"), BodyKind::Json);
        assert_eq!(kind(b"\n<!doctype html>"), BodyKind::Html);
        assert_eq!(kind(b"OK"), BodyKind::Other);
    }

    #[test]
    fn reads_the_servers_clock() {
        let read = |text: &str| date(&HeaderValue::from_str(text).unwrap());
        assert_eq!(
            read("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(datetime!(1994-11-06 08:49:37 UTC))
        );
        assert_eq!(read("yesterday"), None);
    }
}
