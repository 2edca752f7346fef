//! Making one connection: TCP (or proxy), then TLS, each within its own time limit.

use std::cell::Cell;
use std::error::Error;
use std::future::{Future, Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::classify;
use super::connection::{Connection, Refusals, Tally};
use super::error::Phase;
use super::proxy::Way;
use super::tls::ASKED;
use crate::config::Timeouts;

type BoxError = Box<dyn Error + Send + Sync>;

/// Makes the connections of one generation.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    way: Way,
    tls: Arc<ClientConfig>,
    limits: Timeouts,
    refusals: Arc<Refusals>,
    tally: Arc<Tally>,
}

/// Why there is no connection. Nothing of a request has been sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no TCP connection: {source}")]
    Tcp { proxied: bool, source: BoxError },
    #[error("the TLS handshake failed: {source}")]
    Tls { source: BoxError },
    #[error("no end of the {phase} within {limit:?}")]
    TimedOut {
        phase: Phase,
        limit: std::time::Duration,
    },
    #[error("the server asked for no client certificate")]
    NotAsked,
}

impl Connector {
    pub(super) fn new(
        way: Way,
        tls: ClientConfig,
        limits: Timeouts,
        refusals: Arc<Refusals>,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            way,
            tls: Arc::new(tls),
            limits,
            refusals,
            tally,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Connection>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Connection>, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Self {
            mut way,
            tls,
            limits,
            refusals,
            tally,
        } = self.clone();
        Box::pin(async move {
            let tcp = timeout(limits.connect, way.connect(to.clone()))
                .await
                .map_err(|_| ConnectError::TimedOut {
                    phase: Phase::Connect,
                    limit: limits.connect,
                })?
                .map_err(|source| {
                    // the connector has the same limit for each address, and may be the first to notice
                    if classify::timed_out(source.as_ref()) {
                        return ConnectError::TimedOut {
                            phase: Phase::Connect,
                            limit: limits.connect,
                        };
                    }
                    ConnectError::Tcp {
                        proxied: way.is_proxied(),
                        source,
                    }
                })?;
            ASKED
                .scope(
                    Cell::new(false),
                    handshake(tcp, to, tls, limits, refusals, &tally),
                )
                .await
        })
    }
}

async fn handshake(
    tcp: TokioIo<TcpStream>,
    to: Uri,
    tls: Arc<ClientConfig>,
    limits: Timeouts,
    refusals: Arc<Refusals>,
    tally: &Arc<Tally>,
) -> Result<TokioIo<Connection>, ConnectError> {
    let mut https = HttpsConnector::from((Established(Some(tcp)), tls));
    let stream = timeout(limits.tls, https.call(to))
        .await
        .map_err(|_| ConnectError::TimedOut {
            phase: Phase::Tls,
            limit: limits.tls,
        })?
        .map_err(|source| ConnectError::Tls { source })?;
    let connection = Connection::new(stream, refusals, tally).ok_or_else(|| ConnectError::Tls {
        source: "the address is not https".into(),
    })?;
    // a resumed session was asked when it was new: `AskedSessions` keeps no other
    if connection.facts().resumed || ASKED.with(Cell::get) {
        Ok(TokioIo::new(connection))
    } else {
        Err(ConnectError::NotAsked)
    }
}

/// Hands a connection that is already there to hyper-rustls, so that TLS has a time limit of its own.
pub(super) struct Established<T>(pub(super) Option<T>);

impl<T> Service<Uri> for Established<T> {
    type Response = T;
    type Error = io::Error;
    type Future = Ready<Result<T, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(
            self.0
                .take()
                .ok_or_else(|| io::Error::other("the connection was already used")),
        )
    }
}
