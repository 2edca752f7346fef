//! Whether the server has closed a kept connection, asked of the operating system at the last moment.
//!
//! Between the server's closing and our noticing there is a gap: the end stands in the socket's buffer,
//! and nobody has read it yet. A request that leaves in that gap is lost in a way that cannot be told
//! from a request that was carried out. A look at the buffer itself costs less than a microsecond.

use std::fmt;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::task::yield_now;

/// How often unread bytes are waited for to be read. They are session tickets, or the server's goodbye;
/// either is read as soon as the runtime has looked at its sockets.
const PATIENCE: u32 = 3;

/// Rings before a request leaves.
#[derive(Default)]
pub(super) struct Doorbell {
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    rung: u32,
}

impl Doorbell {
    /// Ready and well where the connection is open and nothing waits to be read on it.
    pub(super) fn ring(&mut self, tcp: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            match SockRef::from(tcp).peek(&mut [MaybeUninit::uninit(); 1]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.rung = 0;
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(Err(error)),
                Ok(0) => return Poll::Ready(Err(gone("closed by the server while it was idle"))),
                Ok(_) if self.rung >= PATIENCE => {
                    return Poll::Ready(Err(gone("used by the server while it was idle")));
                }
                Ok(_) => {
                    self.rung += 1;
                    self.waiting = Some(Box::pin(yield_now()));
                }
            }
        }
    }
}

fn gone(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, why)
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorbell")
            .field("rung", &self.rung)
            .finish_non_exhaustive()
    }
}
