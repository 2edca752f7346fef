//! Whose certificate a call leaves with, as nginx tells it: two organisations, one process, thousands of
//! calls that are under way at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::cli_kit::Running;
use super::doctor_kit::nginx_with;
use super::kit::{FLOWERS, GIFTS, Operator, PATIENCE, has_program, token};
use super::rotation_kit::until;

const CALLERS: usize = 12;
const ROUNDS: usize = 100;

/// Reads the body, so that it can be written down, and has a neighbour answer.
const FRONT: &str = "ssl_client_certificate clients.pem; ssl_verify_client on; ssl_verify_depth 3; \
    keepalive_requests 300; client_body_buffer_size 16k; access_log calls.log calls; \
    location / { proxy_pass http://unix:back.sock; }";

/// Every payment is new, and large enough for every refund.
const BACK: &str = r#"
    log_format calls escape=json '{"dn":"$ssl_client_s_dn","print":"$ssl_client_fingerprint","uri":"$uri","args":"$args","body":"$request_body"}';
    server {
        listen unix:back.sock;
        default_type application/json;
        location / {
            return 200 '{"StatusCode":0,"Message":"OK","Data":{"QrPaymentId":17${connection},"ReturnOperationId":18${connection},"Status":"Processed"}}';
        }
        location /r3/v01/payment/details {
            return 200 '{"StatusCode":0,"Message":"OK","Data":{"QrPaymentId":$arg_qrpaymentid,"TotalAmount":900000.0,"AvailableReturnAmount":900000.0,"TransactionDate":"2026-01-10T10:00:00.000+05:00"}}';
        }
    }"#;

/// A caller that keeps its connection.
struct Caller {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Caller {
    async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            host: address.to_owned(),
        }
    }

    async fn ask(&mut self, method: Method, target: &str, body: Option<Value>) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::from(body.map_or_else(String::new, |body| body.to_string())))
            .unwrap();
        self.sender.ready().await.unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert_eq!(status, StatusCode::OK, "{target}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// One invoice over each of the contracts, and a refund of one of them now and then.
    async fn round(&mut self, number: usize, round: usize) -> [(String, &'static str); 2] {
        let bin = [FLOWERS, GIFTS][(number + round) % 2];
        let other = [GIFTS, FLOWERS][(number + round) % 2];
        let made = json!({"phone": 77_000_000_001_u64, "amount": 1500.5, "message": format!("{bin} {number} {round}"), "organization_bin": bin});
        let made = self.ask(Method::POST, "/api/v1/kaspi/create", Some(made)).await;
        assert_eq!(made["success"], true, "{made}");
        let target = format!(
            "/api/v2/paymentkaspi/create/?phone=77000000002&amount=100.0&message={other}+{number}+{round}&organizationBin={other}"
        );
        let wrapped = self.ask(Method::GET, &target, None).await;
        assert_eq!(wrapped["status"], true, "{wrapped}");
        let id = made["external_id"].as_str().unwrap().to_owned();
        if round.is_multiple_of(4) {
            // no BIN is given: the journal knows whose payment it is
            let back = json!({"external_id": id, "amount": 10.25});
            let back = self.ask(Method::POST, "/api/v1/kaspi/refund", Some(back)).await;
            assert_eq!(back["success"], true, "{back}");
        }
        [(id, bin), (wrapped["data"]["externalId"].to_string(), other)]
    }
}

fn calls(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        // what keeps a connection ready is for no BIN
        .filter(|call| call["uri"] != "/r3/v01/health/ping")
        .collect()
}

/// Whose a payment is, as its caller knows it.
type Made = BTreeMap<String, &'static str>;

/// The BIN that a call is for: in its body, behind the device token of its query, or whose payment it is about.
fn bin_of(call: &Value, made: &Made) -> &'static str {
    if let Some(payment) = call["uri"]
        .as_str()
        .unwrap()
        .strip_prefix("/r3/v02/payment/status/")
    {
        return made[payment];
    }
    let (args, body) = (call["args"].as_str().unwrap(), call["body"].as_str().unwrap());
    let named: Vec<&'static str> = if body.is_empty() {
        let of_token = |bin: &&str| args.contains(&token(bin));
        [FLOWERS, GIFTS].into_iter().filter(of_token).collect()
    } else {
        let body: Value = serde_json::from_str(body).unwrap();
        for bin in [FLOWERS, GIFTS] {
            let is_its = body["OrganizationBin"] == bin;
            assert_eq!(body["DeviceToken"] == token(bin), is_its, "{body}");
            if let Some(message) = body["Comment"].as_str() {
                assert_eq!(message.starts_with(bin), is_its, "{body}");
            }
        }
        let of_body = |bin: &&str| body["OrganizationBin"] == *bin;
        [FLOWERS, GIFTS].into_iter().filter(of_body).collect()
    };
    assert_eq!(named.len(), 1, "{call}");
    named[0]
}

async fn load(address: &str) -> Made {
    let callers = (0..CALLERS).map(|number| {
        let address = address.to_owned();
        tokio::spawn(async move {
            let mut caller = Caller::connect(&address).await;
            let mut made = Vec::new();
            for round in 0..ROUNDS {
                made.extend(caller.round(number, round).await);
            }
            made
        })
    });
    let mut made = Made::new();
    for caller in callers.collect::<Vec<_>>() {
        made.extend(caller.await.unwrap());
    }
    assert_eq!(made.len(), 2 * CALLERS * ROUNDS);
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_leaves_with_the_certificate_of_its_own_bin() {
    if !has_program("nginx") {
        return;
    }
    let operator = Operator::of_two();
    let folder = operator.path("nginx");
    let at = |text: &str| {
        text.replace("back.sock", &folder.join("back.sock").display().to_string())
            .replace("calls.log", &folder.join("calls.log").display().to_string())
    };
    let (_nginx, kaspi): (_, SocketAddr) = nginx_with(&operator, &at(FRONT), &at(BACK));
    operator.configure(kaspi, "");
    let gateway = Running::start(
        &["serve", "-o", "json", "--listen", "127.0.0.1:0"],
        &operator.path(""),
    );
    let address = gateway.ready["listen"].as_str().unwrap().to_owned();
    let made = tokio::time::timeout(PATIENCE * 5, load(&address))
        .await
        .expect("the calls end");

    // nginx writes a line after the answer has left
    let log = folder.join("calls.log");
    let of_path = |calls: &[Value], path: &str| calls.iter().filter(|call| call["uri"] == path).count();
    let refunds = CALLERS * ROUNDS / 4;
    until(|| of_path(&calls(&log), "/r3/v01/payment/return") >= refunds).await;
    until(|| of_path(&calls(&log), "/r3/v01/remote/create") >= 2 * CALLERS * ROUNDS).await;
    let calls = calls(&log);
    assert_eq!(of_path(&calls, "/r3/v01/payment/return"), refunds);
    assert_eq!(of_path(&calls, "/r3/v01/remote/create"), 2 * CALLERS * ROUNDS);

    let mut prints: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for call in &calls {
        let name = call["dn"].as_str().unwrap();
        for bin in [FLOWERS, GIFTS] {
            assert_eq!(name.contains(bin), bin_of(call, &made) == bin, "{call}");
        }
        let print = call["print"].as_str().unwrap();
        prints.entry(bin_of(call, &made)).or_default().insert(print);
    }
    assert_eq!(prints.len(), 2);
    assert!(prints.values().all(|prints| prints.len() == 1), "{prints:?}");
    assert!(prints[FLOWERS].is_disjoint(&prints[GIFTS]));
    assert_eq!(gateway.stop(), Some(0));
}
