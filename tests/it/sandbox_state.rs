//! A sandbox with a state file: what it told anybody is still so after it was killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use kaspi_direct::sandbox::pki::{Authority, Issued, KeyKind};
use kaspi_direct::sandbox::{CustomerStep, Options, Sandbox, SandboxError, layout};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::cli_kit::{Running, run_in};
use super::kit::in_time;
use super::sandbox_caller::{Connection, FLOWER_POINT, FLOWER_TOKEN, FLOWERS, Scene, scene_with};

/// A sandbox over the folder `bank`.
const RUN: &[&str] = &["sandbox", "run", "--dir", "bank"];

async fn remembering(file: &Path, authority: Option<&Authority>) -> Scene {
    scene_with(|options| {
        options.state = Some(file.to_owned());
        if let Some(authority) = authority {
            options.authority = authority.clone();
        }
    })
    .await
}

/// What the bank said it had done, and what it was asked for.
#[derive(Default)]
struct Told {
    invoices: Vec<i64>,
    paid: Vec<i64>,
    refunds: BTreeMap<i64, usize>,
    asked_invoices: usize,
    asked_refunds: BTreeMap<i64, usize>,
}

struct Load {
    told: Mutex<Told>,
    enough: Notify,
}

impl Load {
    fn change(&self, change: impl FnOnce(&mut Told)) {
        let mut told = self.told.lock().unwrap();
        change(&mut told);
        if told.invoices.len() >= 150 && told.refunds.len() >= 40 {
            self.enough.notify_one();
        }
    }
}

/// Asks until nobody answers any more.
async fn ask(
    load: Arc<Load>,
    kaspi: SocketAddr,
    control: SocketAddr,
    tls: rustls::ClientConfig,
    token: String,
) {
    let Ok(mut bank) = Connection::open(kaspi, Arc::new(tls)).await else {
        return;
    };
    loop {
        load.change(|told| told.asked_invoices += 1);
        let invoice = json!({"OrganizationBin": FLOWERS, "DeviceToken": token, "Amount": 10,
                             "PhoneNumber": "77000000000", "Comment": "Заказ"});
        let Ok(answer) = bank.send("POST", "/r3/v01/remote/create", Some(invoice)).await else {
            return;
        };
        let id = answer.json()["Data"]["QrPaymentId"].as_i64().unwrap();
        load.change(|told| told.invoices.push(id));
        if id % 3 == 0 {
            continue;
        }
        if post(control, &format!("/payments/{id}/pay")).await.is_none() {
            return;
        }
        load.change(|told| told.paid.push(id));
        for _ in 0..id % 3 {
            load.change(|told| *told.asked_refunds.entry(id).or_default() += 1);
            let refund =
                json!({"OrganizationBin": FLOWERS, "DeviceToken": token, "QrPaymentId": id, "Amount": 1});
            let Ok(answer) = bank.send("POST", "/r3/v01/payment/return", Some(refund)).await else {
                return;
            };
            assert_eq!(answer.code(), 0);
            load.change(|told| *told.refunds.entry(id).or_default() += 1);
        }
    }
}

/// The flower shop of a folder, as a caller that shares nothing with our client.
struct Shop {
    authority: Authority,
    issued: Issued,
    token: String,
}

impl Shop {
    fn of(dir: &Path) -> Self {
        let authority = Authority::load(&dir.join("sandbox")).unwrap();
        let merchant: toml::Table =
            std::fs::read_to_string(dir.join(format!("certs/{FLOWERS}/merchant.toml")))
                .unwrap()
                .parse()
                .unwrap();
        Self {
            issued: authority.client(&[FLOWERS]).unwrap(),
            authority,
            token: merchant["device_token"].as_str().unwrap().to_owned(),
        }
    }

    fn tls(&self) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        for anchor in self.authority.anchors() {
            roots.add(anchor).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![self.issued.certificate_der().clone()], self.issued.key())
            .unwrap()
    }
}

async fn control(address: SocketAddr, method: &str, path: &str) -> Option<Value> {
    let stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.ok()?;
    tokio::spawn(connection);
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.ok()?;
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

async fn post(address: SocketAddr, path: &str) -> Option<Value> {
    control(address, "POST", path).await
}

fn address(ready: &Value, name: &str) -> SocketAddr {
    ready[name].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_it_forgets_nothing_that_it_told() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let fast = layout::Init {
        keys: KeyKind::P256,
        ..layout::Init::default()
    };
    layout::init(&here.join("bank"), &fast).unwrap();
    let shop = Shop::of(&here.join("bank"));

    let mut before: BTreeMap<i64, Value> = BTreeMap::new();
    for round in 0..2 {
        let running = Running::start(&[RUN, &["--state", "bank.state"]].concat(), here);
        let (kaspi, plain) = (
            address(&running.ready, "listen"),
            address(&running.ready, "control"),
        );
        let load = Arc::new(Load {
            told: Mutex::default(),
            enough: Notify::new(),
        });
        let callers: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn(ask(
                    Arc::clone(&load),
                    kaspi,
                    plain,
                    shop.tls(),
                    shop.token.clone(),
                ))
            })
            .collect();
        in_time(load.enough.notified()).await;
        running.kill();
        for caller in callers {
            in_time(caller).await.unwrap();
        }

        let again = Running::start(&[RUN, &["--state", "bank.state"]].concat(), here);
        let rows = control(address(&again.ready, "control"), "GET", "/payments")
            .await
            .unwrap();
        let after: BTreeMap<i64, Value> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["payment_id"].as_i64().unwrap(), row.clone()))
            .collect();
        let told = load.told.lock().unwrap();
        for id in &told.invoices {
            assert!(after.contains_key(id), "round {round}: invoice {id} is gone");
        }
        for id in &told.paid {
            assert_eq!(after[id]["status"], "Processed", "round {round}");
        }
        for (id, times) in &told.refunds {
            let refunded = after[id]["refunded"].as_str().unwrap();
            let refunded: usize = refunded.strip_suffix(".00").unwrap().parse().unwrap();
            let most = told.asked_refunds[id];
            assert!(
                *times <= refunded && refunded <= most,
                "round {round}: {id}: told {times}, asked {most}, {refunded} in the file"
            );
        }
        // No more than was asked for, and what an earlier life knew as it was.
        let new = after.keys().filter(|id| !before.contains_key(id)).count();
        assert!(told.invoices.len() <= new && new <= told.asked_invoices);
        for (id, row) in &before {
            assert_eq!(after[id], *row);
        }
        before = after;
        drop(again);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_the_bank_knows_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.state");
    let first = remembering(&file, None).await;
    let device = json!({"OrganizationBin": FLOWERS, "DeviceId": "till-2", "TradePointId": FLOWER_POINT});
    let token = first.post("/r3/v01/device/register", device.clone()).await["Data"]["DeviceToken"].clone();
    let deleted = first
        .post(
            "/r3/v01/device/delete",
            json!({"OrganizationBin": FLOWERS, "DeviceToken": "321"}),
        )
        .await;
    assert_eq!(deleted["StatusCode"], 0);
    let paid = first.invoice(100.5).await;
    let open = first.invoice(7.0).await;
    first.sandbox.customer(paid, CustomerStep::Pay).unwrap();
    assert_eq!(first.refund(paid, json!(0.5)).await, 0);
    first
        .control("POST", "/trade-points/385717", json!({"enabled": false}))
        .await;
    first
        .control("POST", "/clock/advance", json!({"seconds": 3600}))
        .await;
    let known = first.sandbox.payments();
    let authority = first.authority.clone();
    first.sandbox.shutdown().await;

    let second = remembering(&file, Some(&authority)).await;
    assert_eq!(second.sandbox.payments(), known);
    assert_eq!(
        second.post("/r3/v01/device/register", device).await["Data"]["DeviceToken"],
        token
    );
    let qr = |token: &str| json!({"OrganizationBin": FLOWERS, "DeviceToken": token, "Amount": 1});
    let with_deleted = second.post("/r3/v01/qr/create", qr("321")).await;
    assert_eq!(with_deleted["StatusCode"], -1502);
    let at_the_stall = second.post("/r3/v01/qr/create", qr("stall-token")).await;
    assert_eq!(at_the_stall["StatusCode"], 990_000_018);
    assert!(second.invoice(1.0).await > open, "ids go on");
    // An hour was added already, so 23 more end an invoice's day.
    assert_eq!(second.status(open).await, "RemotePaymentCreated");
    second
        .control("POST", "/clock/advance", json!({"seconds": 23 * 3600}))
        .await;
    assert_eq!(second.status(open).await, "Error");
    second.sandbox.shutdown().await;

    let third = remembering(&file, Some(&authority)).await;
    assert_eq!(third.status(open).await, "Error");
    let last = third.invoice(1.0).await;
    third.control("POST", "/reset", Value::Null).await;
    third.sandbox.shutdown().await;
    let fourth = remembering(&file, Some(&authority)).await;
    assert_eq!(fourth.sandbox.payments(), Vec::<Value>::new());
    assert!(
        fourth.invoice(1.0).await > last,
        "not even a reset gives an id out twice"
    );
    let again = fourth.post("/r3/v01/qr/create", qr(FLOWER_TOKEN)).await;
    assert_eq!(again["StatusCode"], 0);
}

/// A sandbox that is dropped, not shut down, lets its file go by itself.
#[tokio::test(flavor = "multi_thread")]
async fn one_file_has_one_sandbox_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.state");
    let first = remembering(&file, None).await;
    let id = first.invoice(1.0).await;
    let mut options = Options::new(first.authority.clone());
    options.state = Some(file.clone());
    let refused = Sandbox::start(options).await.unwrap_err();
    assert!(matches!(refused, SandboxError::StateInUse { .. }), "{refused}");
    let authority = first.authority.clone();
    drop(first);
    let second = remembering(&file, Some(&authority)).await;
    assert_eq!(second.status(id).await, "RemotePaymentCreated");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let ran = run_in(here, &["sandbox", "init", "bank"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let other = here.join("other.state");
    remembering(&other, None).await.sandbox.shutdown().await;
    let running = Running::start(&[RUN, &["--state", "own.state"]].concat(), here);
    assert_eq!(running.stop(), Some(0));
    let mut damaged = std::fs::read(here.join("own.state")).unwrap();
    damaged[100] ^= 1;
    std::fs::write(here.join("damaged.state"), damaged).unwrap();

    for (name, kind) in [
        ("other.state", "sandbox_foreign_state"),
        ("bank/kaspi.toml", "sandbox_broken_state"),
        ("damaged.state", "sandbox_broken_state"),
        ("bank", "sandbox_file"),
    ] {
        let before = std::fs::read(here.join(name)).ok();
        let ran = run_in(
            here,
            &["sandbox", "run", "--dir", "bank", "--state", name, "-o", "json"],
        )
        .await;
        assert_eq!(ran.code, 3, "{name}: {ran:?}");
        assert_eq!(ran.json()["error"]["kind"], kind, "{name}: {ran:?}");
        assert_eq!(std::fs::read(here.join(name)).ok(), before, "{name}");
    }
    let leftovers: Vec<_> = std::fs::read_dir(here)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().ends_with(".new"))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

/// A disk that is full, which a limit on the size of files is as good as.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let fast = layout::Init {
        keys: KeyKind::P256,
        ..layout::Init::default()
    };
    layout::init(&here.join("bank"), &fast).unwrap();
    let shop = Shop::of(&here.join("bank"));
    let mut limited = std::process::Command::new("sh");
    limited
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 16; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_kaspi"),
        ])
        .args(["sandbox", "run", "--dir", "bank", "--state", "bank.state"])
        .current_dir(here)
        .stdin(std::process::Stdio::null());
    let running = Running::of(limited);
    let mut bank = Connection::open(address(&running.ready, "listen"), Arc::new(shop.tls()))
        .await
        .unwrap();
    let mut told = Vec::new();
    loop {
        let invoice = json!({"OrganizationBin": FLOWERS, "DeviceToken": shop.token, "Amount": 10,
                             "PhoneNumber": "77000000000", "Comment": "x".repeat(1000)});
        match bank.send("POST", "/r3/v01/remote/create", Some(invoice)).await {
            Ok(answer) if answer.status == 200 => {
                told.push(answer.json()["Data"]["QrPaymentId"].as_i64().unwrap());
            }
            Ok(answer) => {
                assert_eq!(answer.status, 500);
                break;
            }
            Err(_) => break,
        }
        assert!(told.len() < 1000, "16 blocks hold no thousand invoices");
    }
    assert!(!told.is_empty());
    let code = in_time(tokio::task::spawn_blocking(|| running.ended()))
        .await
        .unwrap();
    assert_eq!(code, Some(3));

    let again = Running::start(&[RUN, &["--state", "bank.state"]].concat(), here);
    let rows = control(address(&again.ready, "control"), "GET", "/payments")
        .await
        .unwrap();
    for id in told {
        assert!(
            rows.as_array().unwrap().iter().any(|row| row["payment_id"] == id),
            "{id} is gone"
        );
    }
}
