//! Receiver and gateway are killed and started again while payments change; two gateways share a journal.
//! The receiver is a program of Python's standard library, which checks every signature by itself.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kaspi_direct::app::App;
use kaspi_direct::payments::DeliveryState;
use serde_json::Value;

use super::cli_kit::{Running, kaspi};
use super::kit::{FLOWERS, has_program};
use super::money_kit::{Books, Shop};
use super::webhook_kit::{created, pays, secret};

/// Longer than two thousand deliveries take on a busy machine.
const LONG: Duration = Duration::from_secs(600);

/// Writes a line for each request before it answers: its id, whether the signature is right, its body.
const RECEIVER: &str = r#"
import base64, hashlib, hmac, http.server, json, os, sys, time
port, log, secret = sys.argv[1:]
key = base64.b64decode(open(secret).read().strip().removeprefix('whsec_'))
log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        ident, stamp = self.headers['webhook-id'], self.headers['webhook-timestamp']
        code = hmac.new(key, f'{ident}.{stamp}.'.encode() + body, hashlib.sha256).digest()
        wanted = 'v1,' + base64.b64encode(code).decode()
        given = self.headers['webhook-signature'].split(' ')
        good = any(hmac.compare_digest(wanted, one) for one in given) and abs(time.time() - int(stamp)) <= 300
        line = json.dumps({'id': ident, 'good': good, 'body': json.loads(body)}) + '\n'
        os.write(log, line.encode())
        self.send_response(204 if good else 401)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', int(port)), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// The receiver's process.
struct Python {
    child: Child,
    port: u16,
}

impl Python {
    fn start(folder: &Path, port: u16) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", RECEIVER, &port.to_string(), "received", "webhook.secret"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().parse().unwrap();
        Self { child, port }
    }

    /// As `kill -9` does.
    fn kill(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Stage {
    shop: Arc<Shop>,
    folder: PathBuf,
    receiver: Option<Python>,
    /// Makes the payments, and dies in no test.
    app: Arc<App>,
}

impl Stage {
    async fn set(books: Books) -> Option<Self> {
        if !has_program("python3") {
            return None;
        }
        let shop = Shop::open(books).await?;
        let folder = shop.operator.path("");
        shop.operator
            .write("webhook.secret", secret(7).written().as_bytes());
        let receiver = Python::start(&folder, 0);
        let text = std::fs::read_to_string(shop.operator.path("kaspi.toml")).unwrap();
        let allowed = format!("{text}\n[webhooks]\nallow_private = [\"127.0.0.0/8\"]\n");
        shop.operator.write("kaspi.toml", allowed);
        shop.operator.describe(
            FLOWERS,
            &format!(
                "[[webhook]]\nname = \"shop\"\nurl = \"http://127.0.0.1:{}/\"\nsecret_file = \"../../webhook.secret\"",
                receiver.port
            ),
        );
        let app = Arc::new(shop.app());
        Some(Self {
            shop: Arc::new(shop),
            folder,
            receiver: Some(receiver),
            app,
        })
    }

    /// A gateway with a state folder of its own, told of what happens from now on.
    async fn gateway(&self, state: &str) -> Running {
        let text = std::fs::read_to_string(self.folder.join("kaspi.toml")).unwrap();
        let file = format!("{state}.toml");
        self.shop
            .operator
            .write(&file, format!("state_dir = \"{state}\"\n{text}"));
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || {
            let arguments = [
                "serve",
                "--config",
                &file,
                "--listen",
                "127.0.0.1:0",
                "-o",
                "json",
            ];
            Running::of(kaspi(&arguments, &folder))
        })
        .await
        .unwrap()
    }

    fn restart_receiver(&mut self) {
        let port = self.receiver.take().unwrap().kill();
        self.receiver = Some(Python::start(&self.folder, port));
    }

    /// What came, in order.
    fn received(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("received")).unwrap_or_default();
        // the last line may be half of one, where its writer was killed
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Begins to make payments that are paid: so many on each of several tasks.
    fn pay(&self, tasks: usize, of_each: usize) -> Vec<tokio::task::JoinHandle<Vec<i64>>> {
        (0..tasks)
            .map(|_| {
                let (shop, app) = (Arc::clone(&self.shop), Arc::clone(&self.app));
                tokio::spawn(async move {
                    let mut made = Vec::new();
                    for _ in 0..of_each {
                        let payment = created(&app, FLOWERS).await;
                        pays(&shop, &app, payment).await;
                        made.push(payment.get());
                    }
                    made
                })
            })
            .collect()
    }

    async fn until_received(&self, count: usize) {
        self.until("it is received", async || self.received().len() >= count)
            .await;
    }

    /// Waits until so many deliveries have been made in all, and none waits.
    async fn until_delivered(&self, count: usize) {
        self.until("it is delivered", async || {
            let state = self.app.payments().webhook_endpoints().await.unwrap();
            let ids: std::collections::HashSet<String> = self
                .received()
                .iter()
                .map(|line| line["id"].as_str().unwrap().to_owned())
                .collect();
            ids.len() == count && state[0].waiting == 0
        })
        .await;
    }

    async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + LONG;
        while !condition().await {
            assert!(
                Instant::now() < deadline,
                "never: {what}; {} lines",
                self.received().len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every change of these payments came, in order for each, with a signature that Python found right.
    fn holds(&self, payments: &[i64]) {
        let mut of_each: HashMap<i64, Vec<(i64, String)>> = HashMap::new();
        for line in self.received() {
            assert_eq!(line["good"], true, "{line}");
            let body = &line["body"];
            of_each
                .entry(body["payment_id"].as_i64().unwrap())
                .or_default()
                .push((
                    body["id"].as_i64().unwrap(),
                    body["type"].as_str().unwrap().to_owned(),
                ));
        }
        assert_eq!(of_each.len(), payments.len());
        for payment in payments {
            let came = &of_each[payment];
            assert!(
                came.is_sorted_by_key(|(position, _)| *position),
                "{payment}: {came:?}"
            );
            let mut kinds: Vec<&str> = came.iter().map(|(_, kind)| kind.as_str()).collect();
            kinds.dedup();
            assert_eq!(kinds, ["payment.created", "payment.status_changed"], "{payment}");
        }
    }
}

async fn made(tasks: Vec<tokio::task::JoinHandle<Vec<i64>>>) -> Vec<i64> {
    let mut made = Vec::new();
    for task in tasks {
        made.extend(task.await.unwrap());
    }
    made
}

async fn a_thousand_payments(books: Books) {
    let Some(mut stage) = Stage::set(books).await else {
        return;
    };
    let mut gateway = stage.gateway("state-a").await;
    let paying = stage.pay(8, 125);
    let mut deaths = 0;
    for mark in (150..1950).step_by(300) {
        stage.until_received(mark).await;
        match deaths % 3 {
            0 => {
                gateway.kill();
                gateway = stage.gateway("state-a").await;
            }
            1 => stage.restart_receiver(),
            _ => {
                let port = stage.receiver.take().unwrap().kill();
                gateway.kill();
                gateway = stage.gateway("state-a").await;
                stage.receiver = Some(Python::start(&stage.folder, port));
            }
        }
        deaths += 1;
    }
    let payments = made(paying).await;
    assert_eq!(payments.len(), 1000);
    stage.until_delivered(2000).await;
    stage.holds(&payments);
    println!(
        "{deaths} deaths, {} requests for 2000 events",
        stage.received().len()
    );
    assert_eq!(gateway.stop(), Some(0));
    let dead = stage.app.payments().webhook_endpoints().await.unwrap();
    assert_eq!(dead[0].dead, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_payments_change_while_receiver_and_gateway_die() {
    a_thousand_payments(Books::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_payments_change_while_receiver_and_gateway_die_on_postgres() {
    a_thousand_payments(Books::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_send_each_event_once_and_one_takes_over_from_the_other() {
    let Some(stage) = Stage::set(Books::Postgres).await else {
        return;
    };
    let (first, second) = (stage.gateway("state-a").await, stage.gateway("state-b").await);
    let mut payments = made(stage.pay(4, 50)).await;
    stage.until_delivered(400).await;
    let lines = stage.received();
    assert_eq!(lines.len(), 400, "in normal running nothing is sent by both");
    // one dies in the middle of its work: the other has all of it
    let paying = stage.pay(4, 50);
    stage.until_received(500).await;
    first.kill();
    payments.extend(made(paying).await);
    stage.until_delivered(800).await;
    stage.holds(&payments);
    let found = super::webhook_kit::deliveries(&stage.app).await;
    assert!(
        found
            .iter()
            .all(|delivery| delivery.state == DeliveryState::Delivered)
    );
    assert_eq!(second.stop(), Some(0));
}
