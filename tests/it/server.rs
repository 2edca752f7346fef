//! A TLS server that misbehaves exactly as told, and counts what arrived.
//!
//! It speaks HTTP/1.1 by hand, so that it can stop at any byte, and HTTP/2 by hyper.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kaspi_direct::sandbox::pki::{Authority, sha256_hex};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::kit::in_time;

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

pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    setup: &Setup,
) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let version = if setup.tls13 {
        &rustls::version::TLS13
    } else {
        &rustls::version::TLS12
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let verifier = |anchors: &[CertificateDer<'static>]| {
        let mut roots = RootCertStore::empty();
        for anchor in anchors {
            roots.add(anchor.clone()).unwrap();
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap()
    };
    let builder = match &setup.auth {
        Auth::Of(anchors) => builder.with_client_cert_verifier(verifier(anchors)),
        Auth::None => builder.with_no_client_auth(),
        Auth::Ed448(anchors) => builder.with_client_cert_verifier(Arc::new(OnlyEd448(verifier(anchors)))),
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![if setup.http2 {
        b"h2".to_vec()
    } else {
        b"http/1.1".to_vec()
    }];
    config
}

/// Takes no signature but Ed448, and a client without a certificate with pleasure.
#[derive(Debug)]
struct OnlyEd448(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for OnlyEd448 {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED448]
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
    } else if target.contains("/remote/client-info") {
        r#"{"ClientName":"Somebody"}"#
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
}

async fn serve_http1(mut wire: Wire, guest: Guest) -> io::Result<()> {
    let shared = &guest.shared;
    loop {
        let mut read = Vec::new();
        let mut byte = [0];
        if wire.read(&mut byte).await? == 0 {
            shared.note(|seen| seen.goodbyes += 1);
            return Ok(());
        }
        read.extend_from_slice(&byte);
        shared.note(|seen| seen.bytes += 1);
        let mid_request = {
            let mut script = shared.script.lock().unwrap();
            let is = matches!(script.front(), Some(Act::ResetMidRequest));
            if is {
                script.pop_front();
            }
            is
        };
        if mid_request {
            guest.reset.store(true, Ordering::Release);
            return Ok(());
        }

        let head_ends = loop {
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            read_more(&mut wire, &mut read, shared).await?;
        };
        let head = String::from_utf8(read[..head_ends].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap().split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .map_or(0, |(_, length)| length.parse().unwrap());
        while read.len() < head_ends + length {
            read_more(&mut wire, &mut read, shared).await?;
        }
        let target = target.to_owned();
        shared.note(|seen| {
            seen.requests.push(Request {
                connection: guest.number,
                certificate: guest.certificate.clone(),
                method: method.to_owned(),
                target: target.clone(),
                headers,
                body: read[head_ends..].to_vec(),
            });
        });

        const PARTLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"StatusCode\":0";
        let stays = match shared.next(&target) {
            Act::Answer(status, body) => {
                wire.write_all(&answer(status, &body)).await?;
                true
            }
            Act::Held(gate, body) => {
                let mut byte = [0];
                tokio::select! {
                    () = gate.notified() => {}
                    // whoever waits for an answer says nothing, and does not go
                    _ = wire.read(&mut byte) => return Ok(()),
                }
                wire.write_all(&answer(200, &body)).await?;
                true
            }
            Act::AnswerAndClose(body) => {
                wire.write_all(&answer(200, &body)).await?;
                wire.shutdown().await?;
                false
            }
            Act::Raw(bytes) => {
                wire.write_all(&bytes).await?;
                wire.shutdown().await?;
                false
            }
            Act::CloseAfterRequest => {
                wire.shutdown().await?;
                return Ok(());
            }
            Act::ResetAfterRequest | Act::ResetUnread | Act::ResetMidRequest => {
                guest.reset.store(true, Ordering::Release);
                return Ok(());
            }
            Act::ResetMidAnswer => {
                wire.write_all(PARTLY).await?;
                wire.flush().await?;
                guest.reset.store(true, Ordering::Release);
                return Ok(());
            }
            Act::CloseMidAnswer => {
                wire.write_all(PARTLY).await?;
                wire.shutdown().await?;
                return Ok(());
            }
            Act::Silence => {
                while wire.read(&mut [0; 1024]).await? > 0 {}
                return Ok(());
            }
            Act::Drip(every) => {
                wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
                    .await?;
                loop {
                    wire.flush().await?;
                    tokio::time::sleep(every).await;
                    wire.write_all(b" ").await?;
                }
            }
            Act::EndlessBody => {
                wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
                    .await?;
                loop {
                    wire.write_all(&[b' '; 16 * 1024]).await?;
                }
            }
            Act::EndlessHead => {
                wire.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                for number in 0_u64.. {
                    wire.write_all(format!("X-{number}: {number}\r\n").as_bytes())
                        .await?;
                }
                return Ok(());
            }
        };
        wire.flush().await?;
        shared.note(|seen| seen.answers += 1);
        if !stays {
            return Ok(());
        }
    }
}

async fn read_more(wire: &mut Wire, read: &mut Vec<u8>, shared: &Shared) -> io::Result<()> {
    let more = wire.read_buf(read).await?;
    if more == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    shared.note(|seen| seen.bytes += more);
    Ok(())
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    let extra = match status {
        302 => "Location: /r3/v01/health/ping\r\n",
        _ => "",
    };
    format!(
        "HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn serve_http2(wire: Wire, guest: Guest) {
    let over = Arc::clone(&guest.over);
    let shared = Arc::clone(&guest.shared);
    let service = service_fn(move |request: http::Request<Incoming>| serve_one(request, guest.clone()));
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(wire), service);
    tokio::select! {
        ended = connection => if ended.is_ok() {
            shared.note(|seen| seen.goodbyes += 1);
        },
        () = over.notified() => {}
    }
}

async fn serve_one(
    request: http::Request<Incoming>,
    guest: Guest,
) -> Result<http::Response<Flow>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return std::future::pending().await;
    };
    let target = parts.uri.path_and_query().unwrap().to_string();
    let shared = Arc::clone(&guest.shared);
    shared.note(|seen| {
        seen.requests.push(Request {
            connection: guest.number,
            certificate: guest.certificate.clone(),
            method: parts.method.to_string(),
            target: target.clone(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: body.to_bytes().to_vec(),
        });
    });
    let end = |reset: bool| {
        guest.reset.store(reset, Ordering::Release);
        guest.over.notify_one();
    };
    let (status, flow) = match shared.next(&target) {
        Act::Answer(status, text) => (status, Flow::Whole(Some(text.into()))),
        Act::Held(gate, text) => {
            gate.notified().await;
            (200, Flow::Whole(Some(text.into())))
        }
        Act::AnswerAndClose(_) | Act::Raw(_) | Act::EndlessHead | Act::ResetMidRequest => {
            panic!("HTTP/1.1 only")
        }
        Act::ResetAfterRequest | Act::ResetUnread => {
            end(true);
            return std::future::pending().await;
        }
        Act::CloseAfterRequest => {
            end(false);
            return std::future::pending().await;
        }
        Act::Silence => return std::future::pending().await,
        Act::ResetMidAnswer => (
            200,
            Flow::Broken(Some("{\"StatusCode\":0".into()), true, guest.clone()),
        ),
        Act::CloseMidAnswer => (
            200,
            Flow::Broken(Some("{\"StatusCode\":0".into()), false, guest.clone()),
        ),
        Act::Drip(every) => (200, Flow::Drip(tokio::time::interval(every))),
        Act::EndlessBody => (200, Flow::Endless),
    };
    if matches!(flow, Flow::Whole(_)) {
        shared.note(|seen| seen.answers += 1);
    }
    let mut response = http::Response::builder().status(status);
    if status == 302 {
        response = response.header("location", "/r3/v01/health/ping");
    }
    Ok(response.body(flow).unwrap())
}

/// The body of an answer over HTTP/2.
enum Flow {
    Whole(Option<Bytes>),
    Broken(Option<Bytes>, bool, Guest),
    Drip(tokio::time::Interval),
    Endless,
}

impl Body for Flow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Broken(bytes, reset, guest) => match bytes.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => {
                    guest.reset.store(*reset, Ordering::Release);
                    guest.over.notify_one();
                    Poll::Pending
                }
            },
            Self::Drip(interval) => interval
                .poll_tick(cx)
                .map(|_| Some(Ok(Frame::data(Bytes::from_static(b" "))))),
            Self::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 16 * 1024]))))),
        }
    }
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
