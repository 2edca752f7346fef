//! A connection that remembers what its failures mean.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::BytesMut;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection as HyperConnection};
use hyper_util::rt::TokioIo;
use rustls::{HandshakeKind, ProtocolVersion};
use serde::Serialize;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::classify;
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

/// What outlives the connection itself: asked when a request on it has failed.
#[derive(Debug)]
pub(super) struct ConnectionState {
    pub(super) facts: ConnectionFacts,
    answered: AtomicBool,
    stale: AtomicBool,
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

    /// Whether the other side had left before the last request on it began; then none of that was written.
    pub(super) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
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
    pub(super) fn new(stream: MaybeHttpsStream<TokioIo<TcpStream>>, refusals: Arc<Refusals>) -> Option<Self> {
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
            facts,
            answered: AtomicBool::new(false),
            stale: AtomicBool::new(false),
            alert: Mutex::new(None),
            alerted: Notify::new(),
            refusals,
        };
        Some(Self {
            tls,
            state: Arc::new(state),
            broken: None,
            read_ahead: BytesMut::new(),
            turn: Turn::Asking,
        })
    }

    pub(super) fn facts(&self) -> &ConnectionFacts {
        &self.state.facts
    }

    /// Fails the first write of a request over a connection that the other side has left meanwhile.
    ///
    /// Its goodbye may lie in the system's buffer with nobody having been woken for it yet. Written now,
    /// the request would be lost, and nobody could say whether it had been read.
    fn begin(&mut self) -> io::Result<()> {
        let begins = self.turn == Turn::Answering && !self.state.facts.http2;
        self.turn = Turn::Asking;
        if !begins {
            return Ok(());
        }
        let tcp = self.tls.get_ref().0.inner().inner();
        match SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]) {
            Err(nothing) if nothing.kind() == io::ErrorKind::WouldBlock => Ok(()),
            // an idle connection has nothing to say but goodbye
            _ => {
                self.state.stale.store(true, Ordering::Release);
                Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "it was closed while it was idle, so nothing was sent over it",
                ))
            }
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
            self.state.answered.store(true, Ordering::Release);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.tls).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.state.answered.store(true, Ordering::Release);
            if self.turn == Turn::Asked {
                self.turn = Turn::Answering;
            }
        }
        if let Poll::Ready(Err(error)) = &polled {
            self.state.note(error);
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = match self.broken.take() {
            Some(failed) => Poll::Ready(Err(failed)),
            None => match self.begin() {
                Ok(()) => Pin::new(&mut self.tls).poll_write(cx, bytes),
                Err(stale) => Poll::Ready(Err(stale)),
            },
        };
        self.written(cx, polled)
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
        let polled = match self.broken.take() {
            Some(failed) => Poll::Ready(Err(failed)),
            None => match self.begin() {
                Ok(()) => Pin::new(&mut self.tls).poll_write_vectored(cx, buffers),
                Err(stale) => Poll::Ready(Err(stale)),
            },
        };
        self.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}
