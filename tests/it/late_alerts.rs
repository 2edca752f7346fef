//! An alert about our certificate on a connection that has carried an answer before: nobody can say
//! whether the request that met it was looked at.
//!
//! No server library sends such an alert on demand, so the server here takes its session's keys over and
//! writes the record itself (RFC 8446, section 5.2).

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use kaspi_direct::base::{Delivery, Explain};
use kaspi_direct::sandbox::pki::Authority;
use rustls::server::WebPkiClientVerifier;
use rustls::{ConnectionTrafficSecrets, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::kit::{FLOWERS, Operator, create};
use super::server::as_kaspi;

const UNKNOWN_CA: u8 = 48;

fn acceptor(authority: &Authority) -> TlsAcceptor {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.suite() == rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);
    let provider = Arc::new(provider);
    let mut roots = RootCertStore::empty();
    for anchor in authority.anchors() {
        roots.add(anchor).unwrap();
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let issued = authority.server().unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(issued.chain(), issued.key())
        .unwrap();
    config.enable_secret_extraction = true;
    TlsAcceptor::from(Arc::new(config))
}

/// Reads one request: its head, and as much body as it says.
async fn read_request(stream: &mut TlsStream<TcpStream>) {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4096];
        let read = stream.read(&mut some).await.unwrap();
        assert_ne!(read, 0, "the request is cut off");
        bytes.extend_from_slice(&some[..read]);
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        if body.len() >= length.parse::<usize>().unwrap() {
            return;
        }
    }
}

/// Ends a session with a fatal alert, as a server does whose bank has just forgotten a certificate.
async fn send_alert(stream: TlsStream<TcpStream>, alert: u8) {
    let (mut tcp, session) = stream.into_inner();
    let (sequence, secrets) = session.dangerous_extract_secrets().unwrap().tx;
    let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else {
        panic!("another suite was agreed on");
    };
    let mut nonce = <[u8; 12]>::try_from(iv.as_ref()).unwrap();
    for (byte, count) in nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()) {
        *byte ^= count;
    }
    // fatal, the alert, and the record's real type behind them
    let mut record = vec![2, alert, 21];
    let header = [23, 3, 3, 0, 19];
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(header),
        &mut record,
    )
    .unwrap();
    tcp.write_all(&[header.as_slice(), &record].concat())
        .await
        .unwrap();
    tcp.shutdown().await.unwrap();
    // the client ends it too
    let _ = tcp.read_to_end(&mut Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_on_a_connection_that_was_used_before_leaves_the_outcome_open() {
    let operator = Operator::of_two();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = operator.open(listener.local_addr().unwrap(), "");
    let acceptor = acceptor(&operator.authority);
    let server = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(tcp).await.unwrap();
        read_request(&mut stream).await;
        let body = as_kaspi("/remote/create");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        read_request(&mut stream).await;
        send_alert(stream, UNKNOWN_CA).await;
        // nobody comes again: what may have happened is not sent twice
        listener
    });
    create(&app, FLOWERS).await.unwrap();
    let error = create(&app, FLOWERS).await.unwrap_err();
    assert_eq!(error.kind(), "certificate_refused", "{error:?}");
    assert_eq!(error.delivery(), Some(Delivery::Unknown), "{error:?}");
    assert!(error.to_string().contains("unknown_ca (48)"), "{error}");

    let listener = server.await.unwrap();
    drop(app);
    let another =
        std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx).is_ready())).await;
    assert!(!another, "another connection was made");
}
