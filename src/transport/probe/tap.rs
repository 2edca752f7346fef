//! A TCP connection that remembers how it went: what came first, how much was sent, how it ended.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::facts::Ended;
use super::records::Records;

/// The most that is kept of what came first, in bytes.
const KEPT: usize = 4096;

/// A TCP connection with a record of it.
pub(super) struct Tap {
    tcp: TcpStream,
    tape: Tape,
}

/// The record, which outlives the connection. Holds nothing of what was sent: the proxy's password is
/// among it.
#[derive(Clone, Default)]
pub(super) struct Tape(Arc<Mutex<Recorded>>);

#[derive(Default)]
pub(super) struct Recorded {
    /// What came first, at most [`KEPT`] bytes.
    pub(super) head: Vec<u8>,
    /// The TLS records that came.
    pub(super) records: Records,
    /// Bytes sent before the first one came.
    pub(super) opening_bytes: usize,
    /// How the way from the server to us ended.
    pub(super) ended: Option<Ended>,
}

impl Tape {
    /// Forgets what the proxy said: what follows is from the server.
    pub(super) fn rewind(&self) {
        *self.lock() = Recorded::default();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &io::Error) {
        self.lock().ended.get_or_insert_with(|| Ended::of(error));
    }
}

impl Ended {
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Self::Reset
            }
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl Recorded {
    fn received(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(room));
        self.records.take(bytes);
    }

    fn sent(&mut self, length: usize) {
        if self.head.is_empty() {
            self.opening_bytes += length;
        }
    }
}

impl Tap {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            tape: Tape::default(),
        }
    }

    pub(super) fn tape(&self) -> &Tape {
        &self.tape
    }

    fn has_written(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(length)) => self.tape.lock().sent(*length),
            Poll::Ready(Err(error)) => self.tape.failed(error),
            Poll::Pending => {}
        }
        polled
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

impl Connection for Tap {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let room = buffer.remaining();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        match &polled {
            Poll::Ready(Ok(())) => match buffer.filled().get(before..) {
                Some([]) | None if room > 0 => {
                    self.tape.lock().ended.get_or_insert(Ended::Closed);
                }
                Some(new) => self.tape.lock().received(new),
                None => {}
            },
            Poll::Ready(Err(error)) => self.tape.failed(error),
            Poll::Pending => {}
        }
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.has_written(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.tcp).poll_write_vectored(cx, buffers);
        self.has_written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}
