//! A TLS server that misbehaves exactly as told, and counts what arrived.
//!
//! It speaks HTTP/1.1 by hand, so that it can stop at any byte, and HTTP/2 by hyper.

mod http1;
mod http2;
mod tls;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use kaspi_direct::sandbox::pki::{Authority, sha256_hex};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::kit::in_time;
use http1::serve_http1;
use http2::serve_http2;
pub use tls::server_config;

/// What the server does with a request, or with the connection it comes over.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers.
    Answer(u16, String),
    /// Answers with these bytes, whatever they are, and closes. HTTP/1.1 only.
    Raw(Vec<u8>),
    /// Resets the connection right after the handshake.
    ResetUnread,
    /// Resets it after the first byte of the request. HTTP/1.1 only.
    ResetMidRequest,
    /// Resets it after the whole request.
    ResetAfterRequest,
    /// Closes it after the whole request, in good order.
    CloseAfterRequest,
    /// Answers, and closes when the answer has left.
    AnswerAndClose(String),
    /// Resets it in the middle of an answer's body.
    ResetMidAnswer,
    /// Closes it in the middle of an answer's body.
    CloseMidAnswer,
    /// Reads the request and never answers.
    Silence,
    /// Sends the head of an answer, then a byte of its body every so often, for ever.
    Drip(Duration),
    /// Sends a body without end.
    EndlessBody,
    /// Sends header lines without end. HTTP/1.1 only.
    EndlessHead,
    /// Answers once the gate is open.
    Held(Arc<Notify>, String),
}

/// What the server demands of clients.
#[derive(Clone)]
pub enum Auth {
    /// A certificate that leads to one of these.
    Of(Vec<CertificateDer<'static>>),
    /// Nothing.
    None,
    /// The same, and a signature of a kind that no client here can make.
    Ed448(Vec<CertificateDer<'static>>),
}

/// What the server is like.
#[derive(Clone)]
pub struct Setup {
    pub tls13: bool,
    pub http2: bool,
    pub auth: Auth,
    /// Says nothing at all, not even in TLS.
    pub mute: bool,
    /// Reads on after it has refused a client, as servers do that close in good order.
    pub polite: bool,
    pub listen: SocketAddr,
}

impl Setup {
    /// HTTP/1.1 over TLS 1.3, for clients of this authority.
    pub fn of(authority: &Authority) -> Self {
        Self {
            tls13: true,
            http2: false,
            auth: Auth::Of(authority.anchors().to_vec()),
            mute: false,
            polite: true,
            listen: ([127, 0, 0, 1], 0).into(),
        }
    }

    /// The same over each version of TLS.
    pub fn both(authority: &Authority) -> [Self; 2] {
        [false, true].map(|tls13| Self {
            tls13,
            ..Self::of(authority)
        })
    }

    /// The same over each version of TLS and of HTTP.
    pub fn all(authority: &Authority) -> Vec<Self> {
        let mut all = Vec::new();
        for setup in Self::both(authority) {
            all.push(Self {
                http2: true,
                ..setup.clone()
            });
            all.push(setup);
        }
        all
    }

    /// For the text of a failed assertion.
    pub fn name(&self) -> String {
        format!(
            "TLS 1.{}, HTTP/{}",
            if self.tls13 { 3 } else { 2 },
            if self.http2 { "2" } else { "1.1" }
        )
    }
}

/// What the server has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// TCP connections.
    pub accepted: usize,
    /// Handshakes that ended well.
    pub handshakes: Vec<Handshake>,
    /// Why others did not.
    pub refused: Vec<String>,
    /// Connections that are over, whoever ended them.
    pub ended: usize,
    /// Connections on which the client said goodbye.
    pub goodbyes: usize,
    /// Bytes of requests, whole or not. HTTP/1.1 only.
    pub bytes: usize,
    /// Requests that were read whole.
    pub requests: Vec<Request>,
    /// Answers that were written whole.
    pub answers: usize,
}

#[derive(Clone, Debug)]
pub struct Handshake {
    pub version: ProtocolVersion,
    pub resumed: bool,
    pub certificate: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Request {
    /// Number of the connection, from 0.
    pub connection: usize,
    pub certificate: Option<String>,
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A running server. Ends when dropped.
pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    seen: watch::Receiver<Seen>,
    _tasks: JoinSet<()>,
}

struct Shared {
    seen: watch::Sender<Seen>,
    script: Mutex<VecDeque<Act>>,
    http2: bool,
    polite: bool,
}

impl Server {
    /// A server of this authority, with a certificate of its own.
    pub async fn start(authority: &Authority, setup: Setup) -> Self {
        let certificate = authority.server().unwrap();
        Self::start_as(certificate.chain(), certificate.key(), setup).await
    }

    /// A server with this certificate.
    pub async fn start_as(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        setup: Setup,
    ) -> Self {
        let listener = TcpListener::bind(setup.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server_config(chain, key, &setup)));
        let (sender, seen) = watch::channel(Seen::default());
        let shared = Arc::new(Shared {
            seen: sender,
            script: Mutex::default(),
            http2: setup.http2,
            polite: setup.polite,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor, Arc::clone(&shared), setup.mute));
        Self {
            address,
            shared,
            seen,
            _tasks: tasks,
        }
    }

    /// Says what is done with the next requests, in their order. Without a word: answered as Kaspi would.
    pub fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.shared.script.lock().unwrap().extend(acts);
    }

    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until the server has seen something.
    pub async fn until(&self, what: impl FnMut(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.clone();
        in_time(seen.wait_for(what)).await.unwrap().clone()
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>, mute: bool) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            continue;
        };
        let number = shared.note(|seen| {
            seen.accepted += 1;
            seen.accepted - 1
        });
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            if mute {
                let mut tcp = tcp;
                while tcp.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
            } else {
                connection(tcp, acceptor, number, &shared).await;
            }
            shared.note(|seen| seen.ended += 1);
        });
    }
}

async fn connection(tcp: TcpStream, acceptor: TlsAcceptor, number: usize, shared: &Arc<Shared>) {
    let tls = match acceptor.accept(tcp).into_fallible().await {
        Ok(tls) => tls,
        Err((error, mut tcp)) => {
            shared.note(|seen| seen.refused.push(error.to_string()));
            if shared.polite {
                let _ = tcp.shutdown().await;
                while tcp.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
            }
            return;
        }
    };
    let (_, session) = tls.get_ref();
    let handshake = Handshake {
        version: session.protocol_version().unwrap(),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        certificate: session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| sha256_hex(leaf)),
    };
    let certificate = handshake.certificate.clone();
    shared.note(|seen| seen.handshakes.push(handshake));
    let wire = Wire {
        tls,
        reset: Arc::default(),
    };
    let guest = Guest {
        number,
        certificate,
        shared: Arc::clone(shared),
        reset: Arc::clone(&wire.reset),
        over: Arc::default(),
        farewell: Arc::default(),
    };
    if shared.next_is_reset_unread() {
        wire.reset.store(true, Ordering::Release);
        return;
    }
    if shared.http2 {
        serve_http2(wire, guest).await;
    } else {
        let _ = serve_http1(wire, guest).await;
    }
}

impl Shared {
    fn note<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let mut result = None;
        self.seen.send_modify(|seen| result = Some(change(seen)));
        result.unwrap()
    }

    fn next_is_reset_unread(&self) -> bool {
        let mut script = self.script.lock().unwrap();
        let is = matches!(script.front(), Some(Act::ResetUnread));
        if is {
            script.pop_front();
        }
        is
    }

    fn next(&self, target: &str) -> Act {
        let told = self.script.lock().unwrap().pop_front();
        told.unwrap_or_else(|| Act::Answer(200, as_kaspi(target)))
    }
}

/// What Kaspi answers, in short.
pub fn as_kaspi(target: &str) -> String {
    let data = if target.contains("/remote/create") {
        r#"{"QrPaymentId":15}"#
    } else if target.contains("/payment/return") {
        r#"{"ReturnOperationId":15}"#
    } else if target.contains("/partner/tradepoints") {
        r#"[{"TradePointId":1,"TradePointName":"One"}]"#
    } else if target.contains("/payment/status") {
        r#"{"Status":"Wait"}"#
    } else {
        "null"
    };
    format!(r#"{{"StatusCode":0,"Message":"OK","Data":{data}}}"#)
}

/// One client's connection.
#[derive(Clone)]
struct Guest {
    number: usize,
    certificate: Option<String>,
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
    over: Arc<Notify>,
    /// Over HTTP/2: the answers under way are the last.
    farewell: Arc<Notify>,
}

/// A TLS connection that is reset rather than closed when dropped, where that was asked for.
struct Wire {
    tls: TlsStream<TcpStream>,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Acquire) {
            self.tls.get_ref().0.set_zero_linger().unwrap();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
