//! A way to the server that is as long as one wants it: a proxy that holds bytes back.
//!
//! It cannot hold back the TCP handshake, which the operating system makes for it; so the first bytes of
//! a connection are held for a round trip more.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::child::{Child, Core};
use crate::load::{heard, say};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The server's port on this machine.
    pub(crate) to: u16,
    pub(crate) round_trip_ms: u64,
}

/// Such a way, while it lasts.
pub(crate) struct Way {
    _child: Child,
    pub(crate) port: u16,
}

impl Way {
    pub(crate) fn open(job: Job) -> Self {
        let (child, ready) = Child::role("way", &job, Core::Server);
        Self {
            _child: child,
            port: ready["port"].as_u64().unwrap() as u16,
        }
    }
}

pub(crate) async fn run(job: Job) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((here, _)) = listener.accept().await {
            tokio::spawn(carry(here, job));
        }
    });
    tokio::task::spawn_blocking(move || {
        say(&serde_json::json!({"port": port}));
        while heard().is_some() {}
    })
    .await
    .unwrap();
}

async fn carry(here: TcpStream, job: Job) {
    let connected = Instant::now() + Duration::from_millis(job.round_trip_ms);
    let there = TcpStream::connect(("127.0.0.1", job.to)).await.unwrap();
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    let half = Duration::from_micros(job.round_trip_ms * 500);
    let (from_here, to_here) = here.into_split();
    let (from_there, to_there) = there.into_split();
    tokio::spawn(later(from_there, to_here, half, Instant::now()));
    later(from_here, to_there, half, connected).await;
}

/// Carries bytes one way; each arrives `delay` after it came, and none was sent before `not_before`.
async fn later(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration, not_before: Instant) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((at, bytes)) = receiver.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let at = Instant::now().max(not_before) + delay;
        if sender.send((at, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
}
