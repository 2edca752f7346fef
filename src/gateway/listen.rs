//! Where callers connect: TCP, with TLS or without, and a unix socket.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::connection::{self, Http, Stream};
use super::service::Peer;
use super::{Gateway, GatewayError};
use crate::config::{GatewaySettings, ListenFrom};

/// A gateway with its sockets. Callers who connect before [`serve`](Self::serve) wait.
#[derive(Debug)]
pub struct Listening {
    gateway: Gateway,
    tcp: TcpListener,
    address: SocketAddr,
    unix: Option<(UnixListener, SocketFile)>,
}

/// Removed when the gateway goes.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // a next start takes a stale one away too
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Gateway {
    /// Opens the sockets: the configured ones, or another TCP address.
    ///
    /// # Errors
    ///
    /// An address or the unix socket cannot be listened on; or the address can be reached by others and
    /// no token is configured.
    pub async fn listen(&self, address: Option<SocketAddr>) -> Result<Listening, GatewayError> {
        let settings = self.hall.settings();
        let wanted = address.unwrap_or(settings.listen);
        if self.hall.door.is_open() && !wanted.ip().is_loopback() {
            let named_by = match (address, settings.listen_from) {
                (Some(_), _) => "`--listen`",
                (None, ListenFrom::Port) => "`PORT`",
                (None, _) => "`gateway.listen`",
            };
            return Err(GatewayError::OpenToTheNetwork {
                named_by,
                listen: wanted,
            });
        }
        let failed = |source| GatewayError::Listen {
            address: wanted.to_string(),
            source,
        };
        let tcp = match TcpListener::bind(wanted).await {
            // `[::]` takes both kinds of callers; where the system has no IPv6, there is one kind
            Err(source) if address.is_none() && is_every_address(&settings, &source) => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, wanted.port())).await
            }
            bound => bound,
        }
        .map_err(failed)?;
        let bound = tcp.local_addr().map_err(failed)?;
        let unix = match &settings.unix_socket {
            Some(path) => {
                let listener = unix_listener(path).await.map_err(|source| GatewayError::Listen {
                    address: path.display().to_string(),
                    source,
                })?;
                Some((listener, SocketFile(path.clone())))
            }
            None => None,
        };
        Ok(Listening {
            gateway: self.clone(),
            tcp,
            address: bound,
            unix,
        })
    }
}

impl Listening {
    /// The TCP address, with the port that was found where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether callers must speak HTTPS there.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.gateway.hall.tls.load().is_some()
    }

    /// Serves until `stop` resolves. Then nothing new is accepted, and calls under way come to their
    /// end: also those whose callers have hung up, as long as [`Patience::stop`](super::Patience) lasts.
    /// Gives false where some had not ended by then.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> bool {
        let hall = Arc::clone(&self.gateway.hall);
        let most = hall.settings().limits.max_connections;
        let permits = Arc::new(Semaphore::new(most));
        let (tell, told) = watch::channel(false);
        let upkeep = tokio::spawn({
            let hall = Arc::clone(&hall);
            async move { hall.metrics.keep_up().await }
        });
        hall.streams.let_in();
        let feeding = tokio::spawn({
            let hall = Arc::clone(&hall);
            async move { hall.streams.feed().await }
        });
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.accept(&permits) => accepted,
            };
            match accepted {
                Ok((socket, permit)) => {
                    let (gateway, stop) = (self.gateway.clone(), told.clone());
                    tokio::spawn(async move {
                        gateway.welcome(socket, stop).await;
                        drop(permit);
                    });
                }
                // out of descriptors, most likely: one breath instead of a busy loop
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        drop(self.tcp);
        drop(self.unix);
        tell.send_replace(true);
        hall.streams.end_all();
        let until = Instant::now() + hall.patience.stop;
        let all = u32::try_from(most).unwrap_or(u32::MAX);
        let closed = timeout_at(until, permits.acquire_many(all)).await.is_ok();
        let rested = timeout_at(until, hall.at_rest()).await.is_ok();
        hall.deliveries.written().await;
        upkeep.abort();
        feeding.abort();
        closed && rested
    }

    async fn accept(&self, permits: &Arc<Semaphore>) -> io::Result<(Socket, OwnedSemaphorePermit)> {
        let permit = Arc::clone(permits)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let socket = tokio::select! {
            tcp = self.tcp.accept() => tcp.map(|(stream, peer)| Socket::Tcp(stream, peer))?,
            unix = accept_unix(self.unix.as_ref()) => Socket::Unix(unix?),
        };
        Ok((socket, permit))
    }
}

/// Whether `PORT` alone says where, and the system knows no IPv6.
fn is_every_address(settings: &GatewaySettings, source: &io::Error) -> bool {
    settings.listen_from == ListenFrom::Port
        && !matches!(
            source.kind(),
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
        )
}

enum Socket {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Gateway {
    async fn welcome(&self, socket: Socket, stop: watch::Receiver<bool>) {
        let (stream, http, peer): (Box<dyn Stream>, Http, Peer) = match socket {
            Socket::Unix(stream) => (Box::new(stream), Http::One, Peer::Unix),
            Socket::Tcp(stream, peer) => {
                // small answers must not wait for an acknowledgement; if refused they are only slower
                let _ = stream.set_nodelay(true);
                match self.hall.tls.load_full() {
                    None => (Box::new(stream), Http::One, Peer::Tcp(peer)),
                    Some(tls) => {
                        let handshake = TlsAcceptor::from(tls).accept(stream);
                        let Ok(Ok(stream)) = timeout(self.hall.patience.head, handshake).await else {
                            tracing::debug!(%peer, "a TLS handshake failed");
                            return;
                        };
                        let http = match stream.get_ref().1.alpn_protocol() {
                            Some(b"h2") => Http::Two,
                            _ => Http::One,
                        };
                        (Box::new(stream), http, Peer::Tcp(peer))
                    }
                }
            }
        };
        let _open = self.hall.metrics.connection();
        connection::serve(stream, http, peer, self.service.clone(), stop).await;
    }
}

async fn accept_unix(unix: Option<&(UnixListener, SocketFile)>) -> io::Result<UnixStream> {
    match unix {
        Some((listener, _)) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

/// A socket file of a program that is gone is taken away; one that answers is left alone.
async fn unix_listener(path: &Path) -> io::Result<UnixListener> {
    if let Ok(facts) = std::fs::symlink_metadata(path) {
        if !facts.file_type().is_socket() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something that is no socket is there",
            ));
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // the group may be let in by the folder; others never
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}
