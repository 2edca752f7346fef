//! Faults and the rest of the control API.

use std::time::Duration;

use kaspi_direct::sandbox::{CustomerStep, Fault, FaultKind};
use serde_json::{Value, json};

use crate::sandbox_caller::{Connection, FLOWER_TOKEN, FLOWERS, Reply, Scene, refusal, scene};

const CREATE: &str = "/r3/v01/remote/create";

fn invoice() -> Value {
    json!({"OrganizationBin": FLOWERS, "DeviceToken": FLOWER_TOKEN, "Amount": 100, "PhoneNumber": "77000000000"})
}

async fn struck(scene: &Scene, fault: Fault) -> Result<Reply, hyper::Error> {
    scene.sandbox.arm(fault).await;
    let mut caller = scene.connect(Some(&scene.flowers)).await;
    caller.send("POST", CREATE, Some(invoice())).await
}

/// Looks for a reset through the whole chain of causes.
fn is_reset(error: &hyper::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionReset
        {
            return true;
        }
        next = error.source();
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_come_before_or_after_the_deed() {
    let scene = scene().await;
    let error = struck(&scene, Fault::new(FaultKind::ResetBeforeCommit).on(CREATE))
        .await
        .unwrap_err();
    assert!(is_reset(&error), "{error:?}");
    assert_eq!(scene.sandbox.payments().len(), 0);

    let error = struck(
        &scene,
        Fault::new(FaultKind::ResetAfterCommit).on("/r3/v01/remote/create/"),
    )
    .await
    .unwrap_err();
    assert!(is_reset(&error), "{error:?}");
    assert_eq!(scene.sandbox.payments().len(), 1);

    let rows = scene.sandbox.requests();
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .all(|row| row.status_code.is_none() && row.http_status.is_none())
    );
    assert_eq!(rows[1].fault, Some("reset_after_commit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_ends_every_stream_of_an_http_2_connection() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let scene = scene().await;
    let mut config = scene.config(Some(&scene.flowers));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = tokio::net::TcpStream::connect(scene.sandbox.address())
        .await
        .unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut send = |body: Value| {
        let request = hyper::Request::post(format!("https://localhost{CREATE}"))
            .body(Full::new(hyper::body::Bytes::from(body.to_string())))
            .unwrap();
        let sent = sender.send_request(request);
        async move { Ok::<_, hyper::Error>(sent.await?.into_body().collect().await?.to_bytes()) }
    };
    assert!(send(invoice()).await.is_ok());
    scene.sandbox.arm(Fault::new(FaultKind::ResetAfterCommit)).await;
    send(invoice()).await.unwrap_err();
    assert_eq!(scene.sandbox.payments().len(), 2);
    send(invoice()).await.unwrap_err();
    assert_eq!(scene.sandbox.payments().len(), 2);
    scene.sandbox.shutdown().await;
}

#[tokio::test]
async fn answers_that_are_wrong_in_every_way() {
    let scene = scene().await;
    let mut made = 0;
    for (kind, status, commits) in [
        (FaultKind::Html502, 502, false),
        (FaultKind::EmptyBody, 200, true),
        (FaultKind::TruncatedJson, 200, true),
        (FaultKind::UnavailableBeforeCommit, 200, false),
        (FaultKind::UnavailableAfterCommit, 200, true),
        (FaultKind::RefundRetry, 200, false),
    ] {
        let reply = struck(&scene, Fault::new(kind).on(CREATE)).await.unwrap();
        made += usize::from(commits);
        assert_eq!(reply.status, status, "{kind:?}");
        assert_eq!(scene.sandbox.payments().len(), made, "{kind:?}");
        match kind {
            FaultKind::Html502 => assert!(reply.content_type.starts_with("text/html")),
            FaultKind::EmptyBody => assert!(reply.body.is_empty()),
            FaultKind::TruncatedJson => {
                assert!(!reply.body.is_empty());
                assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
            }
            FaultKind::RefundRetry => assert_eq!(reply.code(), -99_000_006),
            _ => assert_eq!(reply.code(), -999),
        }
    }
    // All of them are used up.
    let mut caller = scene.connect(Some(&scene.flowers)).await;
    assert_eq!(
        caller.send("POST", CREATE, Some(invoice())).await.unwrap().code(),
        0
    );
    let codes: Vec<_> = scene
        .sandbox
        .requests()
        .iter()
        .map(|row| row.status_code)
        .collect();
    assert_eq!(
        codes,
        [
            None,
            None,
            None,
            Some(-999),
            Some(-999),
            Some(-99_000_006),
            Some(0)
        ]
    );
}

#[tokio::test]
async fn a_delay_comes_after_the_deed() {
    let scene = scene().await;
    scene
        .sandbox
        .arm(
            Fault::new(FaultKind::Delay)
                .on(CREATE)
                .delayed(Duration::from_secs(600)),
        )
        .await;
    let mut caller = scene.connect(Some(&scene.flowers)).await;
    let waiting = tokio::spawn(async move { caller.send("POST", CREATE, Some(invoice())).await });
    // The deed is done while the answer is still held back.
    while scene.sandbox.payments().is_empty() {
        assert!(!waiting.is_finished());
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.sandbox.requests()[0].http_status, None);
    waiting.abort();
}

#[tokio::test]
async fn words_and_dates_nobody_documented() {
    let scene = scene().await;
    let id = scene.invoice(100.0).await;
    scene.sandbox.customer(id, CustomerStep::Pay).unwrap();
    scene
        .sandbox
        .arm(Fault::new(FaultKind::UnknownStatus).on("/r3/v01/payment/status/*"))
        .await;
    assert_eq!(scene.status(id).await, "UnderReview");
    assert_eq!(scene.status(id).await, "Processed");

    scene
        .sandbox
        .arm(
            Fault::new(FaultKind::OddDate)
                .on("/r3/v01/payment/details")
                .times(4),
        )
        .await;
    let path = format!("/r3/v01/payment/details?QrPaymentId={id}&DeviceToken={FLOWER_TOKEN}");
    let mut dates = Vec::new();
    for _ in 0..4 {
        dates.push(
            scene.get(&path).await["Data"]["TransactionDate"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert!(dates[0].ends_with("+06"), "{dates:?}");
    assert!(dates[1].ends_with("+06:00"), "{dates:?}");
    assert_eq!(dates[2].len(), "2021-12-08T11:35:48.1566667".len(), "{dates:?}");
    assert_eq!(dates[3], "0001-01-01T00:00:00");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_closes_idle_connections_and_refuses_the_next_handshakes() {
    use kaspi_direct::sandbox::TlsVersions;
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let scene = crate::sandbox_caller::scene_with(|options| options.tls = versions).await;
        let config = std::sync::Arc::new(scene.config(Some(&scene.flowers)));
        let address = scene.sandbox.address();
        let mut idle = Connection::open(address, config.clone()).await.unwrap();
        assert_eq!(
            idle.send("GET", "/r3/v01/health/ping", None)
                .await
                .unwrap()
                .code(),
            0
        );

        scene.sandbox.arm(Fault::new(FaultKind::TlsAlert).times(2)).await;
        assert!(idle.send("GET", "/r3/v01/health/ping", None).await.is_err());
        for _ in 0..2 {
            // A ticket of before must not help: the same configuration would resume.
            let text = refusal(address, config.clone()).await;
            assert!(text.contains("UnknownCA"), "{versions:?}: {text}");
        }
        let mut again = Connection::open(address, config).await.unwrap();
        assert_eq!(
            again
                .send("GET", "/r3/v01/health/ping", None)
                .await
                .unwrap()
                .code(),
            0
        );
        assert_eq!(scene.sandbox.requests().len(), 2);
    }
}

#[tokio::test]
async fn the_control_api_does_what_customers_do() {
    let scene = scene().await;
    let id = scene.code(100.0).await;
    let (status, row) = scene
        .control("POST", &format!("/payments/{id}/scan"), Value::Null)
        .await;
    assert_eq!((status, &row["status"]), (200, &json!("Wait")));
    let (status, row) = scene
        .control("POST", &format!("/payments/{id}/pay"), Value::Null)
        .await;
    assert_eq!((status, &row["status"]), (200, &json!("Processed")));
    assert_eq!(row["payment_id"], id);

    let (status, error) = scene
        .control("POST", &format!("/payments/{id}/reject"), Value::Null)
        .await;
    assert_eq!(status, 409);
    assert_eq!(
        error,
        json!({"error": {"kind": "wrong_status",
            "message": format!("payment {id} is `Processed`, from which `reject` does not follow")}})
    );
    assert_eq!(scene.control("POST", "/payments/1/pay", Value::Null).await.0, 404);
    assert_eq!(
        scene
            .control("POST", &format!("/payments/{id}/steal"), Value::Null)
            .await
            .0,
        404
    );
    for (step, end) in [("reject", "Error"), ("expire", "Error")] {
        let id = scene.invoice(1.0).await;
        let (_, row) = scene
            .control("POST", &format!("/payments/{id}/{step}"), Value::Null)
            .await;
        assert_eq!(row["status"], end);
    }
    let (_, rows) = scene.control("GET", "/payments", Value::Null).await;
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let row = rows[0].as_object().unwrap();
    for key in [
        "payment_id",
        "bin",
        "kind",
        "amount",
        "refunded",
        "status",
        "phone",
        "comment",
    ] {
        assert!(row.contains_key(key), "{key}");
    }
    assert_eq!(rows[0]["amount"], "100.00");

    let (_, requests) = scene.control("GET", "/requests", Value::Null).await;
    let row = requests[0].as_object().unwrap();
    for key in [
        "at",
        "method",
        "path",
        "bin",
        "client_cert_sha256",
        "tls_version",
        "resumed",
        "status_code",
    ] {
        assert!(row.contains_key(key), "{key}");
    }
    assert_eq!(requests[0]["client_cert_sha256"], scene.flowers.sha256());
    assert_eq!(requests[0]["bin"], FLOWERS);
    assert_eq!(requests[0]["status_code"], 0);
    assert_eq!(requests[0]["tls_version"], "TLSv1.3");

    let (status, _) = scene.control("POST", "/reset", Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(scene.control("GET", "/payments", Value::Null).await.1, json!([]));
    assert_eq!(scene.control("GET", "/requests", Value::Null).await.1, json!([]));
    assert!(scene.code(1.0).await > id, "ids go on after a reset");
}

#[tokio::test]
async fn the_control_api_says_what_is_wrong() {
    let scene = scene().await;
    for (path, body, message) in [
        ("/faults", json!({}), "`fault` is missing"),
        (
            "/faults",
            json!({"fault": "delay", "path": CREATE}),
            "`delay_ms` is missing",
        ),
        (
            "/faults",
            json!({"fault": "empty_body", "path": "/r3/v01/remote/creat"}),
            "`path` is `/r3/v01/remote/creat`, which no call has; a `*` at the end stands for anything",
        ),
        (
            "/faults",
            json!({"fault": "empty_body", "count": 2}),
            "`count` is not known; there can be `path`, `fault`, `times`, `delay_ms`",
        ),
        (
            "/faults",
            json!({"fault": "empty_body", "times": -1}),
            "`times` is `-1`, it must be a whole number from 0 to 1000000",
        ),
        ("/clock/advance", json!({}), "`seconds` is missing"),
        (
            "/clock/advance",
            json!({"seconds": u64::MAX}),
            "`seconds` is 18446744073709551615, which goes beyond a hundred years in all",
        ),
    ] {
        let (status, error) = scene.control("POST", path, body).await;
        assert_eq!((status, &error["error"]["message"]), (422, &json!(message)));
    }
    let (status, error) = scene
        .control("POST", "/faults", json!({"fault": "explode"}))
        .await;
    assert_eq!(status, 422);
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("`fault` is `explode`, it can be `delay`, `reset_before_commit`")
    );
    assert_eq!(scene.control("GET", "/faults", Value::Null).await.1, json!([]));

    let armed = json!({"path": CREATE, "fault": "reset_after_commit", "times": 1, "delay_ms": 5});
    let (status, faults) = scene.control("POST", "/faults", armed.clone()).await;
    assert_eq!((status, &faults), (200, &json!([armed])));
    assert_eq!(scene.control("DELETE", "/faults", Value::Null).await.1, json!([]));
    assert_eq!(scene.control("GET", "/nothing", Value::Null).await.0, 404);
}
