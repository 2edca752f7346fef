//! Who gets through the sandbox's door.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kaspi_direct::sandbox::pki::{Authority, Issued, KeyKind};
use kaspi_direct::sandbox::{ClientAuth, Fault, FaultKind, HttpVersions, SandboxError, TlsVersions};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::sandbox_caller::{Connection, FLOWERS, GIFTS, Scene, refusal, scene, scene_with};

const PING: &str = "/r3/v01/health/ping";

/// The code of a ping, or everything that is known of why there was none.
async fn ping(scene: &Scene, identity: Option<&Issued>) -> Result<i64, String> {
    let config = Arc::new(scene.config(identity));
    let mut caller = Connection::open(scene.sandbox.address(), config)
        .await
        .map_err(|error| format!("{error:?}"))?;
    match caller.send("GET", PING, None).await {
        Ok(reply) => Ok(reply.code()),
        Err(error) => Err(format!("{error:?}")),
    }
}

#[tokio::test]
async fn without_a_certificate_the_application_answers() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let scene = scene_with(|options| options.tls = versions).await;
        assert_eq!(ping(&scene, None).await, Ok(-10_000));
        assert_eq!(ping(&scene, Some(&scene.flowers)).await, Ok(0));
        let rows = scene.sandbox.requests();
        assert_eq!(rows[0].client_cert_sha256, None);
        assert_eq!(
            rows[1].client_cert_sha256.as_deref(),
            Some(scene.flowers.sha256().as_str())
        );
        let expected = if versions == TlsVersions::Tls12 {
            "TLSv1.2"
        } else {
            "TLSv1.3"
        };
        assert!(rows.iter().all(|row| row.tls_version == expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_server_refuses_the_handshake_without_a_certificate() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let scene = scene_with(|options| {
            options.tls = versions;
            options.client_auth = ClientAuth::Strict;
        })
        .await;
        let config = Arc::new(scene.config(None));
        let text = refusal(scene.sandbox.address(), config).await;
        assert!(text.contains("AlertReceived"), "{versions:?}: {text}");
        assert!(scene.sandbox.requests().is_empty());
        assert_eq!(ping(&scene, Some(&scene.flowers)).await, Ok(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_certificates_end_in_their_own_alerts() {
    let foreign = Authority::generate(KeyKind::P256).unwrap();
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let scene = scene_with(|options| options.tls = versions).await;
        let own = &scene.authority;
        for (identity, alert) in [
            (own.expired_client(&[FLOWERS]).unwrap(), "CertificateExpired"),
            (
                own.not_yet_valid_client(&[FLOWERS]).unwrap(),
                "CertificateExpired",
            ),
            (
                own.server_only_client(&[FLOWERS]).unwrap(),
                "UnsupportedCertificate",
            ),
            (foreign.client(&[FLOWERS]).unwrap(), "UnknownCA"),
        ] {
            let config = Arc::new(scene.config(Some(&identity)));
            let text = refusal(scene.sandbox.address(), config).await;
            assert!(text.contains(alert), "{versions:?} {alert}: {text}");
        }
        assert!(scene.sandbox.requests().is_empty());
    }
}

#[tokio::test]
async fn sessions_are_resumed_and_say_so() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let scene = scene_with(|options| options.tls = versions).await;
        let config = Arc::new(scene.config(Some(&scene.flowers)));
        for _ in 0..2 {
            let mut caller = Connection::open(scene.sandbox.address(), config.clone())
                .await
                .unwrap();
            assert_eq!(caller.send("GET", PING, None).await.unwrap().code(), 0);
        }
        let rows = scene.sandbox.requests();
        assert_eq!([rows[0].resumed, rows[1].resumed], [false, true]);
        assert_eq!(rows[0].client_cert_sha256, rows[1].client_cert_sha256);
    }
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_agreed_on() {
    for (http, offered, agreed) in [
        (HttpVersions::Both, vec!["h2", "http/1.1"], Some("h2")),
        (HttpVersions::Both, vec!["http/1.1"], Some("http/1.1")),
        (HttpVersions::Http1, vec!["h2", "http/1.1"], Some("http/1.1")),
    ] {
        let scene = scene_with(|options| options.http = http).await;
        let mut config = scene.config(Some(&scene.flowers));
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(scene.sandbox.address()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(protocol.as_deref(), agreed.map(str::as_bytes));
        if agreed != Some("h2") {
            continue;
        }
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::get(format!("https://127.0.0.1{PING}"))
            .body(Full::new(Bytes::new()))
            .unwrap();
        let reply = sender.send_request(request).await.unwrap();
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["StatusCode"], 0);

        // over HTTP/2 a body here would be an error of the protocol, and end the connection
        let request = hyper::Request::head(format!("https://127.0.0.1{PING}"))
            .body(Full::new(Bytes::new()))
            .unwrap();
        let reply = sender.send_request(request).await.unwrap();
        assert_eq!(reply.status(), 405);
        assert!(reply.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

/// The point of the whole program, seen from the server: each BIN with its own certificate.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_which_certificate_made_which_call() {
    let scene = scene().await;
    let mut flowers = scene.connect(Some(&scene.flowers)).await;
    let mut gifts = scene.connect(Some(&scene.gifts)).await;
    for _ in 0..100 {
        for (caller, bin) in [(&mut flowers, FLOWERS), (&mut gifts, GIFTS)] {
            let path = format!("/r3/v01/partner/tradepoints/{bin}/");
            assert_eq!(caller.send("GET", &path, None).await.unwrap().code(), 0);
        }
    }
    let rows = scene.sandbox.requests();
    assert_eq!(rows.len(), 200);
    for row in rows {
        let expected = if row.bin.as_deref() == Some(FLOWERS) {
            &scene.flowers
        } else {
            &scene.gifts
        };
        assert_eq!(
            row.client_cert_sha256.as_deref(),
            Some(expected.sha256().as_str())
        );
    }
}

#[tokio::test]
async fn shutting_down_lets_a_request_finish() {
    let scene = scene().await;
    scene
        .sandbox
        .arm(Fault::new(FaultKind::Delay).delayed(Duration::from_millis(300)))
        .await;
    let mut caller = scene.connect(Some(&scene.flowers)).await;
    let answering = tokio::spawn(async move { caller.send("GET", PING, None).await });
    while scene.sandbox.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    let (address, control) = (scene.sandbox.address(), scene.sandbox.control_address());
    scene.sandbox.shutdown().await;
    assert_eq!(answering.await.unwrap().unwrap().code(), 0);
    assert!(TcpStream::connect(address).await.is_err());
    assert!(TcpStream::connect(control).await.is_err());
}

#[tokio::test]
async fn the_control_api_stays_on_this_machine() {
    let authority = Authority::generate(KeyKind::P256).unwrap();
    let mut options = kaspi_direct::sandbox::Options::new(authority);
    options.control = "0.0.0.0:0".parse().unwrap();
    let error = kaspi_direct::sandbox::Sandbox::start(options).await.unwrap_err();
    assert!(matches!(error, SandboxError::PublicControl { .. }));
    assert_eq!(
        error.to_string(),
        "the control API listens on loopback only, `0.0.0.0:0` is not a loopback address"
    );
}
