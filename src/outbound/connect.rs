//! One connection: name, address, TCP, TLS.

use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tower_service::Service;

use super::{Error, Reach};

/// Where a call goes, as far as it may be told.
#[derive(Clone, Debug)]
pub(super) struct Target {
    uri: Uri,
    host: String,
    port: u16,
    plain: bool,
}

impl Target {
    pub(super) fn of(uri: &Uri) -> Result<Self, Error> {
        let authority = uri
            .authority()
            .ok_or_else(|| Error::bad_address("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(Error::bad_address("a user name and password do not stand in it"));
        }
        let (plain, usual) = match uri.scheme_str() {
            Some("https") => (false, 443),
            Some("http") => (true, 80),
            _ => return Err(Error::bad_address("it starts with neither `https` nor `http`")),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            // Path and query stay behind: nothing that may be a secret gets near an error.
            uri: Uri::builder()
                .scheme(if plain { "http" } else { "https" })
                .authority(authority.clone())
                .path_and_query("/")
                .build()
                .map_err(|_| Error::bad_address("it cannot be written"))?,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(usual),
            plain,
        })
    }

    /// Host, and port where it is not the usual one.
    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map_or("", http::uri::Authority::as_str)
    }
}

pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to the first address that answers, among those that may be connected to.
///
/// Each gets its share of the time, so that one that is silent does not stand before one that answers.
pub(super) async fn open(
    target: &Target,
    tls: &Arc<ClientConfig>,
    reach: &Reach,
    until: Instant,
) -> Result<Stream, Error> {
    let mut refused: Option<IpAddr> = None;
    let mut failed: Option<io::Error> = None;
    let addresses = addresses(target).await?;
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let ip = address.ip().to_canonical();
        let share = until.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
        if !reach.allows(&target.host, ip, target.plain) {
            refused = Some(ip);
            continue;
        }
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small requests must not wait for an acknowledgement; otherwise they are only slower.
                let _ = stream.set_nodelay(true);
                return secured(stream, target, tls).await;
            }
            Ok(Err(error)) => failed = Some(error),
            Err(_) => failed = Some(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(match (failed, refused) {
        (Some(error), _) => Error::connect(target, error),
        (None, Some(address)) => Error::refused_address(target, address, reach.rule(target.plain)),
        (None, None) => Error::resolve(target, io::Error::other("the name has no address")),
    })
}

async fn addresses(target: &Target) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(literal) = target.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(literal, target.port)]);
    }
    let found = lookup_host((target.host.as_str(), target.port))
        .await
        .map_err(|error| Error::resolve(target, error))?;
    Ok(found.collect())
}

async fn secured(stream: TcpStream, target: &Target, tls: &Arc<ClientConfig>) -> Result<Stream, Error> {
    let established = Established(Some(TokioIo::new(stream)));
    let mut https = HttpsConnector::from((established, Arc::clone(tls)));
    https
        .call(target.uri.clone())
        .await
        .map_err(|error| Error::tls(target, error))
}

/// Hands a connection that is already there to hyper-rustls: its address has been looked at.
struct Established(Option<TokioIo<TcpStream>>);

impl Service<Uri> for Established {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Ready<Result<TokioIo<TcpStream>, io::Error>>;

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
