//! The Kaspi side: accepts, shakes hands, reads requests, lets faults strike, answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::HandshakeKind;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::bank::codes::Code;
use super::core::Core;
use super::faults::{FaultKind, Strike};
use super::http::{Answer, Content, Request};
use super::log::RequestRow;
use super::pki::{declared_bins, sha256_hex};
use super::routes::{self, Call, Context};
use super::state::Lost;
use super::tls::{self, TlsConfigs};
use super::wire::{Line, Wire};

/// Connections at one time; further ones wait to be accepted.
pub(super) const MOST_CONNECTIONS: u32 = 4096;
const HANDSHAKE: Duration = Duration::from_secs(10);
const BODY: Duration = Duration::from_secs(30);
const BODY_BYTES: usize = 1024 * 1024;

/// Who is at the other end of a connection.
struct Caller {
    certificate: Option<Certificate>,
    tls_version: &'static str,
    resumed: bool,
}

struct Certificate {
    sha256: Arc<str>,
    bins: Vec<String>,
}

/// Serves until `stop` says so.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Arc<TlsConfigs>,
    core: Arc<Core>,
    permits: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let numbers = AtomicU64::new(0);
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, permit)) = accepted else {
            continue;
        };
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (tls, core, mut stop) = (Arc::clone(&tls), Arc::clone(&core), stop.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let line = Arc::new(Line::default());
            tokio::select! {
                () = connection(stream, number, &line, &tls, &core) => {}
                // The handle is gone, or shutdown ran out of patience.
                _ = stop.wait_for(|_| false) => {}
            }
            core.connections().closed(number);
        });
    }
}

type Accepted = (TcpStream, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> Option<Accepted> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(_) => {
            // Out of descriptors, most likely: one breath instead of a busy loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        }
    }
}

async fn connection(stream: TcpStream, number: u64, line: &Arc<Line>, tls: &TlsConfigs, core: &Arc<Core>) {
    // Small answers must not wait for an acknowledgement; if the system refuses they are only slower.
    let _ = stream.set_nodelay(true);
    let wire = Wire::new(stream, Arc::clone(line));
    let Ok(Some(stream)) = tokio::time::timeout(HANDSHAKE, handshake(wire, tls, core)).await else {
        return;
    };
    let caller = Arc::new(caller(&stream));
    let mut rounds = core.connections().rounds();
    core.connections().opened(number, line);

    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (line, caller, core) = (Arc::clone(line), Arc::clone(&caller), Arc::clone(core));
        async move {
            let _busy = line.begin();
            Ok::<_, Infallible>(respond(request, &line, &caller, &core).await)
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(120))
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256);
    let serving = server.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let mut draining = false;
    loop {
        tokio::select! {
            // What ends a connection badly is the caller's affair: the log has its requests.
            _ = serving.as_mut() => return,
            () = line.reset_wanted() => return,
            _ = rounds.changed(), if !draining => {
                draining = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn handshake(wire: Wire, tls: &TlsConfigs, core: &Core) -> Option<TlsStream<Wire>> {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), wire)
        .await
        .ok()?;
    // Only now, so that a port scan does not use a fault up.
    let refuse = core.books().faults.for_handshake();
    let config = if refuse { &tls.refusing } else { &tls.usual };
    match hello.into_stream(Arc::clone(config)).into_fallible().await {
        Ok(stream) => Some(stream),
        Err((_, mut wire)) => {
            // The alert is sent. Closing with unread bytes would turn into a reset that overtakes it.
            let _ = wire.shutdown().await;
            let mut rest = [0; 1024];
            while wire.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            None
        }
    }
}

fn caller(stream: &TlsStream<Wire>) -> Caller {
    let (_, session) = stream.get_ref();
    Caller {
        certificate: session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| Certificate {
                sha256: sha256_hex(leaf).into(),
                bins: declared_bins(leaf),
            }),
        tls_version: tls::version_name(session.protocol_version()),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}

async fn respond(
    request: hyper::Request<Incoming>,
    line: &Line,
    caller: &Caller,
    core: &Core,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(BODY, Limited::new(body, BODY_BYTES).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => {
            let answer = Answer::framework(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large.");
            return write(&answer, None);
        }
        Err(_) => {
            let answer = Answer::framework(StatusCode::REQUEST_TIMEOUT, "The request body did not arrive.");
            return write(&answer, None);
        }
    };
    let request = Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body,
    };
    answer(&request, line, caller, core).await
}

/// Logs the request, lets a fault strike if one waits, carries the request out.
async fn answer(request: &Request, line: &Line, caller: &Caller, core: &Core) -> Response<Full<Bytes>> {
    let call = Call::new(request);
    let (row, strike) = {
        let mut books = core.books();
        let strike = books.faults.for_request(&request.path);
        let row = RequestRow {
            at: books.bank.clock.now(),
            method: request.method.as_str().into(),
            path: request.path.as_str().into(),
            bin: call.bin().map(Into::into),
            client_cert_sha256: caller
                .certificate
                .as_ref()
                .map(|certificate| Arc::clone(&certificate.sha256)),
            tls_version: caller.tls_version,
            resumed: caller.resumed,
            status_code: None,
            http_status: None,
            fault: strike.map(|strike| strike.kind.as_str()),
        };
        (books.log.push(row), strike)
    };

    let mut answer = match strike {
        Some(strike) if strike.kind.strikes_before() => struck_before(strike, &request.path),
        _ => {
            learn_if_needed(&call, core).await;
            let mut books = core.books();
            let mut context = Context {
                caller: caller
                    .certificate
                    .as_ref()
                    .map(|certificate| certificate.bins.as_slice()),
                option_names: core.option_names,
                odd_date: strike
                    .filter(|strike| strike.kind == FaultKind::OddDate)
                    .map(|strike| strike.odd_date),
                bank: &mut books.bank,
            };
            call.answer(&mut context)
        }
    };
    if let Err(Lost(reason)) = core.saved().await {
        answer = Answer::framework(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("The sandbox cannot write its state: {reason}."),
        );
    }
    let kind = strike.map(|strike| strike.kind);
    struck_after(kind, &request.path, &mut answer);

    if let Some(strike) = strike
        && !strike.delay.is_zero()
    {
        tokio::time::sleep(strike.delay).await;
    }
    if matches!(
        kind,
        Some(FaultKind::ResetBeforeCommit | FaultKind::ResetAfterCommit)
    ) {
        line.reset();
        // The connection goes, and this with it.
        return std::future::pending().await;
    }
    let response = shaped(kind, &answer, request);
    let code = match kind {
        Some(FaultKind::EmptyBody | FaultKind::TruncatedJson) => None,
        _ => answer.code(),
    };
    core.books().log.finish(row, response.status().as_u16(), code);
    response
}

/// A sandbox that stands on a folder looks there before it says that it does not know somebody.
async fn learn_if_needed(call: &Call, core: &Core) {
    if core.folder.is_none() {
        return;
    }
    let (bin, token) = (call.bin(), call.token());
    let known = {
        let bank = &core.books().bank;
        bin.is_none_or(|bin| bank.knows_bin(&bin)) && token.is_none_or(|token| bank.knows_token(&token))
    };
    if !known {
        core.reread_folder().await;
    }
}

fn struck_before(strike: Strike, path: &str) -> Answer {
    match strike.kind {
        FaultKind::RefundRetry => routes::refused(path, Code::RefundFailed),
        FaultKind::UnavailableBeforeCommit => routes::refused(path, Code::Unavailable),
        _ => Answer::bad_gateway(),
    }
}

fn struck_after(kind: Option<FaultKind>, path: &str, answer: &mut Answer) {
    match kind {
        Some(FaultKind::UnavailableAfterCommit) => *answer = routes::refused(path, Code::Unavailable),
        Some(FaultKind::UnknownStatus) => {
            if let Content::Json(envelope) = &mut answer.content
                && let Some(status) = envelope.pointer_mut("/Data/Status")
            {
                *status = Value::from("UnderReview");
            }
        }
        _ => {}
    }
}

fn shaped(kind: Option<FaultKind>, answer: &Answer, request: &Request) -> Response<Full<Bytes>> {
    let mut response = match kind {
        Some(FaultKind::EmptyBody) => write(answer, Some(Bytes::new())),
        Some(FaultKind::TruncatedJson) => {
            let whole = answer.bytes();
            let half = whole.slice(..whole.len() / 2);
            write(answer, Some(half))
        }
        // HTTP/2 has no layer below that would leave the body of an answer to HEAD out.
        _ if request.method == Method::HEAD => write(answer, Some(Bytes::new())),
        _ => write(answer, None),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(allowed) = Call::allowed(request)
        && let Ok(value) = HeaderValue::from_str(allowed.as_str())
    {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

fn write(answer: &Answer, body: Option<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.unwrap_or_else(|| answer.bytes())));
    *response.status_mut() = answer.status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type()));
    response
}
