//! Spans of calls at a collector of our own: whose trace, whose child, and nothing that is nobody's business.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;

use super::cli_kit::{Running, Scene};
use super::gateway_kit::{SHOP, add_lines, exchange, request, tokens};
use super::kit::{FLOWERS, in_time};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A path, and the body that was sent to it.
type Told = (String, Vec<u8>);

/// Takes what it is told, and keeps it as it came.
struct Collector {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Told>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bodies = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = read(stream);
                kept.lock().unwrap().extend(told);
            }
        });
        Self { address, bodies }
    }

    fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap();
        let messages = bodies.iter().map(|(path, body)| {
            assert_eq!(path, "/v1/traces");
            ExportTraceServiceRequest::decode(body.as_slice()).unwrap()
        });
        messages
            .flat_map(|message| message.resource_spans)
            .flat_map(|of| {
                let resource = of.resource.unwrap();
                assert!(
                    resource
                        .attributes
                        .iter()
                        .any(|one| one.key == "service.name" && format!("{:?}", one.value).contains("till"))
                );
                of.scope_spans
            })
            .flat_map(|of| of.spans)
            .collect()
    }

    fn bytes(&self) -> Vec<u8> {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().flat_map(|(_, body)| body.clone()).collect()
    }
}

fn read(mut stream: TcpStream) -> Option<Told> {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let taken = stream.read(&mut buffer).ok()?;
        got.extend_from_slice(&buffer[..taken]);
        let end = got.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else { continue };
        let head = String::from_utf8_lossy(&got[..end]).to_ascii_lowercase();
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))?
            .parse()
            .ok()?;
        if got.len() >= end + 4 + length {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .ok()?;
            let path = head.split(' ').nth(1)?.to_owned();
            return Some((path, got.split_off(end + 4)));
        }
        if taken == 0 {
            return None;
        }
    }
}

fn text(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|one| one.key == key);
    let value = found
        .and_then(|one| one.value.clone())
        .and_then(|value| value.value);
    match value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{key}: {other:?} in {span:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn configure(scene: &Scene, collector: SocketAddr) {
    let telemetry =
        format!("[telemetry]\notlp_endpoint = \"http://{collector}/\"\nservice_name = \"till\"\n");
    add_lines(scene, &format!("{telemetry}{}", tokens()));
}

fn serve(scene: &Scene) -> (Running, SocketAddr) {
    let running = Running::start(
        &["serve", "-o", "json", "--listen", "127.0.0.1:0"],
        &scene.path(""),
    );
    let address = running.ready["listen"].as_str().unwrap().parse().unwrap();
    (running, address)
}

fn create(address: SocketAddr, more: &[(&str, &str)]) -> Vec<u8> {
    let body = json!({"phone": "+77000000000", "amount": 1500, "message": "Order seventeen"}).to_string();
    let mut headers = vec![("content-type", "application/json"), ("x-api-key", SHOP)];
    headers.extend(more);
    request(address, "POST", "/api/v1/kaspi/create", &headers, Some(&body))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_told_with_its_parts_in_its_callers_trace() {
    let scene = Scene::start().await;
    let collector = Collector::start();
    configure(&scene, collector.address);
    let (running, address) = serve(&scene);
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let made = in_time(exchange(address, &create(address, &[("traceparent", &parent)]))).await;
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.json()["external_id"].as_str().unwrap().to_owned();
    let status = format!("/api/v2/paymentkaspi/status/?externalId={id}&access_token={SHOP}");
    let asked = in_time(exchange(address, &request(address, "GET", &status, &[], None))).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let log = running.said();
    assert_eq!(running.stop(), Some(0));

    let spans = collector.spans();
    let named = |name: &str| {
        let mut found = spans.iter().filter(|span| span.name == name);
        let span = found.next().unwrap_or_else(|| panic!("no `{name}` in {spans:?}"));
        (span, found.count())
    };
    let (call, _) = named("POST /api/v1/kaspi/create");
    assert_eq!(hex(&call.trace_id), TRACE);
    assert_eq!(hex(&call.parent_span_id), PARENT);
    assert_eq!(text(call, "kaspi.bin"), FLOWERS);
    assert_eq!(text(call, "kaspi.caller"), "shop");
    assert_eq!(text(call, "http.response.status_code"), "200");
    assert!(log.contains(&text(call, "kaspi.operation_id")), "{log}");
    assert!(log.contains(TRACE), "{log}");
    let of_the_call: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
    let mut parts = Vec::new();
    for span in of_the_call {
        if span.span_id != call.span_id {
            assert_eq!(span.parent_span_id, call.span_id, "{span:?}");
            parts.push(span.name.as_str());
        }
    }
    parts.sort_unstable();
    assert_eq!(
        parts,
        ["journal.begin", "journal.finish", "journal.sent", "kaspi"]
    );
    let (other, _) = named("GET /api/v2/paymentkaspi/status");
    assert_ne!(hex(&other.trace_id), TRACE);
    let of_kaspi = spans.iter().filter(|span| span.name == "kaspi");
    // what keeps connections ready is told too, and belongs to nobody's call
    let paths: Vec<String> = of_kaspi
        .map(|span| text(span, "url.path"))
        .filter(|path| path != "/v01/health/ping")
        .collect();
    assert_eq!(paths, ["/v01/remote/create", "/v02/payment/status/"]);

    // what was told, to the last byte
    let bytes = collector.bytes();
    let told = String::from_utf8_lossy(&bytes);
    let token = std::fs::read_to_string(scene.path("certs").join(FLOWERS).join("merchant.toml")).unwrap();
    let token = token
        .split("device_token = \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    for secret in [SHOP, token, "77000000000", "Order seventeen"] {
        assert!(!told.contains(secret), "`{secret}` is told");
    }
    // and the bank hears of no trace
    let rows = format!("{:?}", scene.sandbox.requests());
    assert!(!rows.contains(TRACE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_harms_no_call_and_no_stop() {
    let scene = Scene::start().await;
    // takes connections, and says nothing
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    configure(&scene, silent.local_addr().unwrap());
    let (running, address) = serve(&scene);
    for _ in 0..5 {
        let made = in_time(exchange(address, &create(address, &[]))).await;
        assert_eq!(made.status, 200, "{made:?}");
    }
    let stopped = tokio::task::spawn_blocking(|| running.stop());
    assert_eq!(in_time(stopped).await.unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_not_to_be_told_of_holds() {
    let scene = Scene::start().await;
    let collector = Collector::start();
    configure(&scene, collector.address);
    let (running, address) = serve(&scene);
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    let made = in_time(exchange(
        address,
        &create(address, &[("traceparent", &unsampled)]),
    ))
    .await;
    assert_eq!(made.status, 200, "{made:?}");
    let broken = in_time(exchange(
        address,
        &create(address, &[("traceparent", "nonsense")]),
    ))
    .await;
    assert_eq!(broken.status, 200, "{broken:?}");
    assert_eq!(running.stop(), Some(0));
    let traces: Vec<String> = collector.spans().iter().map(|span| hex(&span.trace_id)).collect();
    assert!(
        !traces.is_empty() && !traces.contains(&TRACE.to_owned()),
        "{traces:?}"
    );
}
