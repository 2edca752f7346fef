//! The server that all peers call: mutual TLS, Kaspi's envelope, and as little else as there can be.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{HandshakeKind, RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::child::{Child, Core};
use crate::load::{heard, say};

/// Which server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Holds `chain.pem`, `server.pem` and `server.key`.
    pub(crate) folder: PathBuf,
    pub(crate) tls12: bool,
    /// Whether a connection may carry more than one call.
    pub(crate) keeps: bool,
    /// Whether a session may be resumed.
    pub(crate) resumes: bool,
}

#[derive(Serialize, Deserialize)]
enum Order {
    Count,
    HangUp,
}

/// What has happened since the last count.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) full: u64,
    pub(crate) resumed: u64,
    pub(crate) calls: u64,
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(job: &Job) -> Self {
        let (child, ready) = Child::role("server", job, Core::Server);
        let port = ready["port"].as_u64().unwrap() as u16;
        Self { child, port }
    }

    /// What has happened since this was asked the last time.
    pub(crate) fn count(&mut self) -> Counts {
        self.child.ask(&Order::Count)
    }

    /// Closes every connection, as a server does with those that were idle for long.
    pub(crate) fn hang_up(&mut self) {
        let _: Counts = self.child.ask(&Order::HangUp);
    }
}

#[derive(Default)]
struct Counters {
    full: AtomicU64,
    resumed: AtomicU64,
    calls: AtomicU64,
}

pub(crate) async fn run(job: Job) {
    let acceptor = TlsAcceptor::from(Arc::new(config(&job)));
    let counters = Arc::new(Counters::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (hang_up, hung_up) = watch::channel(());
    tokio::spawn({
        let counters = Arc::clone(&counters);
        async move {
            loop {
                let Ok((tcp, _)) = listener.accept().await else {
                    continue;
                };
                let (acceptor, counters) = (acceptor.clone(), Arc::clone(&counters));
                tokio::spawn(connection(tcp, acceptor, counters, hung_up.clone(), job.keeps));
            }
        }
    });
    // the thread that waits for a line is not the one that serves
    let orders = tokio::task::spawn_blocking(move || {
        say(&serde_json::json!({"port": port}));
        while let Some(line) = heard() {
            if let Order::HangUp = serde_json::from_str(&line).unwrap() {
                hang_up.send_replace(());
            }
            let taken = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
            let counts = Counts {
                full: taken(&counters.full),
                resumed: taken(&counters.resumed),
                calls: taken(&counters.calls),
            };
            say(&serde_json::to_value(counts).unwrap());
        }
    });
    orders.await.unwrap();
}

async fn connection(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    counters: Arc<Counters>,
    mut hung_up: watch::Receiver<()>,
    keeps: bool,
) {
    let _ = tcp.set_nodelay(true);
    let Ok(tls) = acceptor.accept(tcp).await else {
        return;
    };
    match tls.get_ref().1.handshake_kind() {
        Some(HandshakeKind::Resumed) => counters.resumed.fetch_add(1, Ordering::Relaxed),
        _ => counters.full.fetch_add(1, Ordering::Relaxed),
    };
    let service = service_fn(move |request| {
        counters.calls.fetch_add(1, Ordering::Relaxed);
        answer(request)
    });
    let serving = http1::Builder::new()
        .keep_alive(keeps)
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(tls), service);
    tokio::pin!(serving);
    hung_up.mark_unchanged();
    tokio::select! {
        _ = &mut serving => {}
        _ = hung_up.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    const CREATED: &[u8] = br#"{"StatusCode":0,"Message":"OK","Data":{"QrPaymentId":22345678901}}"#;
    const POINTS: &[u8] =
        br#"{"StatusCode":0,"Message":"OK","Data":[{"TradePointId":385716,"TradePointName":"Shop"}]}"#;
    let body = if request.uri().path().contains("/partner/tradepoints/") {
        POINTS
    } else {
        CREATED
    };
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

fn config(job: &Job) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    for anchor in certificates(job.folder.join("chain.pem")) {
        roots.add(anchor).unwrap();
    }
    let versions: &[&SupportedProtocolVersion] = if job.tls12 {
        &[&rustls::version::TLS12]
    } else {
        &[&rustls::version::TLS13]
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            certificates(job.folder.join("server.pem")),
            PrivateKeyDer::from_pem_file(job.folder.join("server.key")).unwrap(),
        )
        .unwrap();
    if job.resumes {
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn certificates(file: PathBuf) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}
