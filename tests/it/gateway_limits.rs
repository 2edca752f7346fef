//! Callers who ask for too much or are too slow, and a gateway that stops.

use std::time::Duration;

use kaspi_direct::gateway::Patience;
use kaspi_direct::payments::{Filter, OperationState};
use kaspi_direct::sandbox::{Fault, FaultKind};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::gateway_kit::{SHOP, Served, exchange, request, tokens};
use super::kit::in_time;

const CREATE: &str = "/r3/v01/remote/create";

fn impatient() -> Patience {
    Patience {
        head: Duration::from_millis(300),
        body: Duration::from_millis(300),
        ..Patience::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_100_mib_is_refused_and_not_kept() {
    let served = Served::open().await;
    let head = |length: &str| {
        format!(
            "POST /api/v1/kaspi/create HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{length}\r\n\r\n",
            served.address
        )
    };
    let mut announced = head(&format!("content-length: {}", 100 << 20)).into_bytes();
    announced.resize(announced.len() + (100 << 20), b' ');
    let reply = served.send(&announced).await;
    assert_eq!(reply.status, 413, "{reply:?}");
    assert_eq!(reply.json()["detail"], "a request body has at most 65536 bytes");

    let mut chunked = head("transfer-encoding: chunked").into_bytes();
    for _ in 0..100 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.resize(chunked.len() + 0x10_0000, b' ');
        chunked.extend_from_slice(b"\r\n");
    }
    assert_eq!(served.send(&chunked).await.status, 413);

    let old = format!(
        "GET /api/v2/paymentkaspi/create/?phone=77000000001&amount=5 HTTP/1.1\r\nhost: {}\r\ncontent-length: 70000\r\n\r\n",
        served.address
    );
    let reply = served.send(old.as_bytes()).await;
    assert_eq!((reply.status, &reply.json()["status"]), (413, &json!(false)));
    assert_eq!(served.scene.sandbox.requests().len(), 0, "something was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_boundless_heads_are_not_waited_for() {
    let served = Served::with("", impatient()).await;
    // a head that never ends
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"POST /api/v1/kaspi/create HT").await.unwrap();
    let mut got = Vec::new();
    in_time(stream.read_to_end(&mut got)).await.unwrap();
    assert!(got.is_empty(), "{}", String::from_utf8_lossy(&got));

    // a body that never comes
    let bytes = request(
        served.address,
        "POST",
        "/api/v1/kaspi/create",
        &[("content-type", "application/json"), ("content-length", "50")],
        None,
    );
    let reply = served.send(&bytes).await;
    assert_eq!(reply.status, 408, "{reply:?}");

    // headers without end
    let long = "x".repeat(100_000);
    let reply = served.ask("GET", "/healthz", &[("x-long", &long)], None).await;
    assert_eq!(reply.status, 431, "{reply:?}");
    let many: Vec<(String, String)> = (0..200).map(|at| (format!("x-{at}"), "1".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(served.ask("GET", "/healthz", &many, None).await.status, 431);
    // and it goes on
    assert_eq!(served.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_asks_too_often_is_told_when_to_come_back() {
    let lines = format!("[gateway]\ntoken_rate = 1\n{}", tokens());
    let served = Served::with(&lines, Patience::default()).await;
    let asked: Vec<_> = futures_util::future::join_all((0..5).map(|_| {
        let served = &served;
        async move {
            served
                .ask(
                    "GET",
                    &format!("/api/v2/paymentkaspi/status/?externalId=17&access_token={SHOP}"),
                    &[],
                    None,
                )
                .await
        }
    }))
    .await;
    let refused: Vec<_> = asked.iter().filter(|reply| reply.status == 429).collect();
    assert!(!refused.is_empty(), "{asked:?}");
    for reply in refused {
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert_eq!(reply.json()["status"], false);
        assert!(reply.json()["data"]["errors"]["RATE_LIMITED"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_calls_under_way_and_for_those_nobody_waits_for() {
    let mut served = Served::open().await;
    let slow = Fault::new(FaultKind::Delay)
        .on(CREATE)
        .times(2)
        .delayed(Duration::from_millis(600));
    served.scene.sandbox.arm(slow).await;
    let body =
        |message: &str| json!({"phone": "77000000001", "amount": 1500, "message": message}).to_string();
    let json_type = [("content-type", "application/json")];
    let call = |message: &str| {
        let body = body(message);
        request(
            served.address,
            "POST",
            "/api/v1/kaspi/create",
            &json_type,
            Some(&body),
        )
    };
    // one caller waits, the other has gone
    let (waited, gone) = (call("Order 17"), call("Order 18"));
    let address = served.address;
    let waiting = tokio::spawn(async move { exchange(address, &waited).await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&gone).await.unwrap();
    served.until_asked(CREATE, 2).await;
    drop(stream);
    let stopped = served.begin_stop();
    let reply = in_time(waiting).await.unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(in_time(stopped).await.unwrap(), "it did not come to its end");
    assert!(TcpStream::connect(address).await.is_err(), "it still listens");

    let operations = served
        .app
        .payments()
        .operations(&Filter::default())
        .await
        .unwrap()
        .items;
    assert_eq!(operations.len(), 2);
    for operation in operations {
        assert_eq!(operation.state, OperationState::Accepted, "{operation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_banks_says_when_to_come_back() {
    let served = Served::open().await;
    let ask = || served.get("/api/v1/kaspi/client-info?phone=%2B77000000001");
    for _ in 0..50 {
        assert_eq!(ask().await.status, 200);
    }
    let reply = ask().await;
    assert_eq!(reply.status, 429, "{reply:?}");
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{reply:?}");
    assert_eq!(served.asked("client-info"), 50);
}
