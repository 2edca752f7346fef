//! A connection that remembers what its failures mean.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::BytesMut;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection as HyperConnection};
use hyper_util::rt::TokioIo;
use rustls::{HandshakeKind, ProtocolVersion};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::classify;
use super::doorbell::Doorbell;
use super::error::Alert;

/// What is known about a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConnectionFacts {
    /// Version of TLS.
    pub tls_version: TlsVersion,
    /// Whether an earlier session was resumed, rather than certificates exchanged anew.
    pub resumed: bool,
    /// Whether HTTP/2 was agreed on, rather than HTTP/1.1.
    pub http2: bool,
}

/// Version of TLS that a connection uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "TLSv1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "TLSv1.3")]
    V1_3,
}

/// What has gone over the wire with one generation.
#[derive(Debug, Default)]
pub(super) struct Tally {
    full: AtomicU64,
    resumed: AtomicU64,
    open: AtomicU64,
    answers: AtomicU64,
}

/// What has gone over the wire with one generation, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireCounts {
    /// Handshakes in which certificates were exchanged.
    pub full_handshakes: u64,
    /// Handshakes that resumed an earlier session.
    pub resumed_handshakes: u64,
    /// Connections that are open.
    pub open_connections: u64,
    /// Answers that came whole.
    pub answers: u64,
}

impl Tally {
    pub(super) fn counts(&self) -> WireCounts {
        WireCounts {
            full_handshakes: self.full.load(Ordering::Relaxed),
            resumed_handshakes: self.resumed.load(Ordering::Relaxed),
            open_connections: self.open.load(Ordering::Relaxed),
            answers: self.answers.load(Ordering::Relaxed),
        }
    }

    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    fn opened(self: &Arc<Self>, facts: &ConnectionFacts) -> Open {
        let kind = if facts.resumed { &self.resumed } else { &self.full };
        kind.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }
}

/// One open connection, as it is counted.
struct Open(Arc<Tally>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What outlives the connection itself: asked when a request on it has failed.
#[derive(Debug)]
pub(super) struct ConnectionState {
    pub(super) facts: ConnectionFacts,
    answered: AtomicBool,
    /// Whether a request waits at the door: none of it has been taken for writing.
    at_door: AtomicBool,
    alert: Mutex<Option<Alert>>,
    alerted: Notify,
    refusals: Arc<Refusals>,
}

/// The last time that the server refused the certificate of one generation, on whatever connection.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Option<(Instant, Alert)>>);

impl Refusals {
    fn note(&self, alert: Alert) {
        if alert.is_about_our_certificate() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), alert));
        }
    }

    pub(super) fn since(&self, moment: Instant) -> Option<Alert> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(at, _)| *at >= moment).map(|(_, alert)| alert)
    }
}

impl ConnectionState {
    /// Whether any byte of an answer has come, to this request or an earlier one.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    /// Whether the last request never got past the look at the door: none of it can have left.
    ///
    /// Asked of a connection that is dead. On a living one the write may follow at any moment.
    pub(super) fn died_at_door(&self) -> bool {
        self.at_door.load(Ordering::Acquire)
    }

    /// The alert that ended the connection, if one did.
    pub(super) fn alert(&self) -> Option<Alert> {
        *self.alert.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until an alert has come.
    pub(super) async fn alerted(&self) {
        loop {
            let notified = self.alerted.notified();
            if self.alert().is_some() {
                return;
            }
            notified.await;
        }
    }

    fn note(&self, error: &io::Error) {
        if let Some(alert) = classify::received_alert(error) {
            *self.alert.lock().unwrap_or_else(PoisonError::into_inner) = Some(alert);
            self.refusals.note(alert);
            self.alerted.notify_waiters();
        }
    }
}

/// What hyper-rustls makes of a TCP connection.
type Tls = TlsStream<TokioIo<TokioIo<TcpStream>>>;

/// A TLS connection to Kaspi.
pub(super) struct Connection {
    tls: Tls,
    state: Arc<ConnectionState>,
    /// A write has failed so, and it is not known yet whether an alert says why.
    broken: Option<io::Error>,
    /// What was read while looking for that alert.
    read_ahead: BytesMut,
    turn: Turn,
    /// The look at the door before a request leaves on a connection that was used before.
    doorbell: Doorbell,
    _open: Open,
}

/// Whose turn it is to speak, as far as HTTP/1.1 has turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// A request is on its way, or none was made yet.
    Asking,
    /// A request has left whole.
    Asked,
    /// Of its answer something has come. What is written next begins another request.
    Answering,
}

impl Connection {
    /// None where the stream is not encrypted.
    pub(super) fn new(
        stream: MaybeHttpsStream<TokioIo<TcpStream>>,
        refusals: Arc<Refusals>,
        tally: &Arc<Tally>,
    ) -> Option<Self> {
        let MaybeHttpsStream::Https(tls) = stream else {
            return None;
        };
        let tls = tls.into_inner();
        let (_, session) = tls.get_ref();
        let facts = ConnectionFacts {
            tls_version: match session.protocol_version()? {
                ProtocolVersion::TLSv1_3 => TlsVersion::V1_3,
                _ => TlsVersion::V1_2,
            },
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            http2: session.alpn_protocol() == Some(b"h2"),
        };
        let state = ConnectionState {
            answered: AtomicBool::new(false),
            at_door: AtomicBool::new(false),
            alert: Mutex::new(None),
            alerted: Notify::new(),
            refusals,
            facts,
        };
        Some(Self {
            tls,
            _open: tally.opened(&state.facts),
            state: Arc::new(state),
            broken: None,
            read_ahead: BytesMut::new(),
            turn: Turn::Asking,
            doorbell: Doorbell::default(),
        })
    }

    pub(super) fn facts(&self) -> &ConnectionFacts {
        &self.state.facts
    }

    /// Takes a write: on a connection that was used before, not before a look whether the server has
    /// closed it meanwhile. A request that leaves on a closed connection is one whose outcome is unknown.
    fn write<N>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut Tls>, &mut Context<'_>) -> Poll<io::Result<N>>,
    ) -> Poll<io::Result<N>> {
        if let Some(failed) = self.broken.take() {
            return self.written(cx, Poll::Ready(Err(failed)));
        }
        if self.turn == Turn::Answering && !self.state.facts.http2 {
            self.state.at_door.store(true, Ordering::Release);
            match self.doorbell.ring(self.tls.get_ref().0.inner().inner(), cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(gone)) => return Poll::Ready(Err(gone)),
                Poll::Pending => return Poll::Pending,
            }
            self.state.at_door.store(false, Ordering::Release);
        }
        self.turn = Turn::Asking;
        let polled = write(Pin::new(&mut self.tls), cx);
        self.written(cx, polled)
    }

    /// Takes note of bytes that came.
    fn has_read(&mut self) {
        self.state.answered.store(true, Ordering::Release);
        if self.turn == Turn::Asked {
            self.turn = Turn::Answering;
        }
    }

    /// What a write came to. One that failed may have an alert waiting to be read: a server that refuses
    /// us late closes at once, and our next bytes meet a closed door before we have read why.
    fn written<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let Poll::Ready(Err(failed)) = polled else {
            return polled;
        };
        self.state.note(&failed);
        if self.state.alert().is_some() || self.state.has_answered() {
            return Poll::Ready(Err(failed));
        }
        let mut bytes = [0; 1024];
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut self.tls).poll_read(cx, &mut buffer) {
            // both ways of the connection are dead, so its end is about to be read
            Poll::Pending => {
                self.broken = Some(failed);
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                self.read_ahead.extend_from_slice(buffer.filled());
                Poll::Ready(Err(failed))
            }
            Poll::Ready(Err(reason)) => {
                self.state.note(&reason);
                let explained = self.state.alert().is_some();
                Poll::Ready(Err(if explained { reason } else { failed }))
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl HyperConnection for Connection {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(Arc::clone(&self.state));
        if self.state.facts.http2 {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read_ahead.is_empty() {
            let fits = self.read_ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.read_ahead.split_to(fits));
            self.has_read();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.tls).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.has_read();
        }
        if let Poll::Ready(Err(error)) = &polled {
            self.state.note(error);
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, |tls, cx| tls.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match self.broken.take() {
            Some(failed) => Poll::Ready(Err(failed)),
            None => Pin::new(&mut self.tls).poll_flush(cx),
        };
        if matches!(polled, Poll::Ready(Ok(()))) && self.turn == Turn::Asking {
            self.turn = Turn::Asked;
        }
        self.written(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |tls, cx| tls.poll_write_vectored(cx, buffers))
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}
