//! A bank that is a process of its own (`kaspi sandbox run`), a journal in one store or the other, and what
//! must hold between the two, whatever was killed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{OperationId, SystemClock};
use kaspi_direct::config::Environment;
use kaspi_direct::payments::{
    Filter, Found, OperationKind, OperationRecord, OperationState, PaymentsSettings,
};
use kaspi_direct::sandbox::layout::{Init, init};
use kaspi_direct::sandbox::pki::KeyKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::kit::in_time;
use super::money_kit::Books;
use super::worker::{Order, Outcome, Worker, hasty};

pub const CREATE: &str = "/r3/v01/remote/create";
pub const RETURN: &str = "/r3/v01/payment/return";

/// The call that an operation sends.
pub fn path_of(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Create => CREATE,
        OperationKind::Qr => "/r3/v01/qr/create",
        OperationKind::Link => "/r3/v01/qr/create-link",
        OperationKind::Refund => RETURN,
        OperationKind::Cancel => "/r3/v01/remote/cancel",
    }
}

pub struct World {
    folder: TempDir,
    bank: Child,
    control: SocketAddr,
}

impl World {
    /// None where the store is not to be had on this machine; a line has said so then.
    pub async fn open(books: Books) -> Option<Self> {
        let url = match books {
            Books::Sqlite => "sqlite://kaspi.db".to_owned(),
            Books::Postgres => tokio::task::spawn_blocking(super::postgres::database)
                .await
                .unwrap()?,
        };
        Some(Self::at(&url))
    }

    /// One whose journal is at a URL.
    pub fn at(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Init {
            keys: KeyKind::P256,
            ..Init::default()
        };
        init(folder.path(), &layout).unwrap();
        // ends with this program, however that ends: the pipe into it is closed then
        let mut bank = Command::new("sh")
            .args([
                "-c",
                r#""$@" & trap '' HUP INT TERM; cat >/dev/null; kill -9 $!"#,
                "sh",
                env!("CARGO_BIN_EXE_kaspi"),
            ])
            .args([
                "sandbox",
                "run",
                "--dir",
                ".",
                "--listen",
                "127.0.0.1:0",
                "--control",
                "127.0.0.1:0",
            ])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(bank.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let world = Self {
            folder,
            bank,
            control: ready["control"].as_str().unwrap().parse().unwrap(),
        };
        let mut config = std::fs::read_to_string(world.config()).unwrap();
        config.push_str(&format!("\n[journal]\nurl = \"{url}\"\n"));
        std::fs::write(world.config(), config).unwrap();
        world
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("kaspi.toml")
    }

    /// The next process: this one, with nothing that the last one had.
    pub fn app(&self) -> App {
        self.app_with(|_| {})
    }

    pub fn app_with(&self, change: impl FnOnce(&mut PaymentsSettings)) -> App {
        let mut settings = PaymentsSettings::default();
        hasty(&mut settings);
        change(&mut settings);
        App::open_patiently(
            &self.config(),
            &Environment::default(),
            Arc::new(SystemClock),
            settings,
        )
        .unwrap()
    }

    pub fn worker(&self) -> Worker {
        Worker::start(&self.config())
    }

    // ---- the bank

    /// Where the bank's control API is.
    pub fn bank_control(&self) -> SocketAddr {
        self.control
    }

    /// One call of the bank's control API.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let mut stream = TcpStream::connect(self.control).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.control,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    pub fn arm(&self, fault: &str, path: &str, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap();
        self.control(
            "POST",
            "/faults",
            &json!({"fault": fault, "path": path, "delay_ms": delay}),
        );
    }

    pub fn disarm(&self) {
        self.control("DELETE", "/faults", &Value::Null);
    }

    /// Waits until a fault has found its request: then the bank has it.
    pub fn until_struck(&self) {
        self.until("a request comes to the bank", || {
            self.control("GET", "/faults", &Value::Null) == json!([])
        });
    }

    pub fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let since = std::time::Instant::now();
        while !condition() {
            assert!(
                since.elapsed() < super::kit::PATIENCE,
                "it never happens that {what}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn pay(&self, payment: i64) {
        self.control("POST", &format!("/payments/{payment}/pay"), &Value::Null);
    }

    /// What the bank has: the truth.
    pub fn payments(&self) -> Vec<Value> {
        match self.control("GET", "/payments", &Value::Null) {
            Value::Array(rows) => rows,
            other => panic!("{other}"),
        }
    }

    pub fn payment(&self, id: i64) -> Value {
        self.control("GET", &format!("/payments/{id}"), &Value::Null)
    }

    /// What the bank has paid back of a payment, in tiyn.
    pub fn refunded(&self, payment: i64) -> i64 {
        tiyn(&self.payment(payment)["refunded"])
    }

    /// The payments that were made under a key.
    pub fn made(&self, key: &str) -> Vec<i64> {
        self.payments()
            .iter()
            .filter(|row| key_of(row) == key)
            .map(|row| row["payment_id"].as_i64().unwrap())
            .collect()
    }

    /// How many requests have come to the bank for a call.
    pub fn asked(&self, path: &str) -> usize {
        let rows = self.control("GET", "/requests", &Value::Null);
        let rows = rows.as_array().unwrap().iter();
        rows.filter(|row| row["path"].as_str().unwrap().trim_end_matches('/') == path)
            .count()
    }

    /// How many requests that move money have come to the bank.
    fn money_requests(&self) -> usize {
        let Value::Array(rows) = self.control("GET", "/requests", &Value::Null) else {
            panic!("no list of requests")
        };
        let moves = [
            "/remote/create",
            "/remote/cancel",
            "/qr/create",
            "/qr/create-link",
            "/payment/return",
        ];
        rows.iter()
            .filter(|row| {
                let path = row["path"].as_str().unwrap().trim_end_matches('/');
                moves.iter().any(|end| path.ends_with(end))
            })
            .count()
    }

    /// An invoice that the customer has paid.
    pub async fn paid(&self, app: &App, key: &str, amount: &str) -> i64 {
        let payment = self.unpaid(app, key, amount).await;
        self.pay(payment);
        payment
    }

    pub async fn unpaid(&self, app: &App, key: &str, amount: &str) -> i64 {
        let order = Order::new(OperationKind::Create, key, amount);
        let outcome = in_time(order.run(app)).await;
        outcome.payment().unwrap_or_else(|| panic!("{outcome:?}"))
    }

    // ---- what must hold

    /// Asks Kaspi until nothing is left that asking can settle, and until nothing runs any more.
    pub async fn settle(&self, app: &App) {
        in_time(async {
            loop {
                let report = app.payments().reconcile().await.unwrap();
                let waits = report
                    .operations
                    .iter()
                    .any(|looked| matches!(looked.found, Found::Waits | Found::Busy | Found::NoAnswer));
                if !waits && running(app).await.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        })
        .await;
    }

    /// What holds after any crash, once everything is settled. `told` are the outcomes that callers got.
    pub async fn holds(&self, app: &App, told: &[(Order, Outcome)]) {
        let operations = operations(app).await;
        let verified = app.payments().journal().verify().await.unwrap();
        assert_eq!(verified.broken, []);
        assert_eq!(verified.operations, u64::try_from(operations.len()).unwrap());
        let by_id: HashMap<OperationId, &OperationRecord> =
            operations.iter().map(|record| (record.id, record)).collect();
        let rows = self.payments();

        // one key, one payment; and whatever the bank has, the journal knows
        let mut keys = HashMap::new();
        for row in &rows {
            let key = key_of(row);
            let twice = keys.insert((row["kind"].to_string(), key.clone()), row["payment_id"].clone());
            assert_eq!(twice, None, "two payments for the key `{key}`: {row}");
            let mut known = operations
                .iter()
                .filter(|record| record.kind.makes_payment() && record.key.as_deref() == Some(key.as_str()));
            let record = known
                .next()
                .unwrap_or_else(|| panic!("not in the journal: {row}"));
            match record.state {
                OperationState::Accepted => {
                    assert_eq!(record.payment_id.unwrap().get(), row["payment_id"], "{record:?}");
                }
                OperationState::Unknown => {}
                _ => panic!("the bank has {row}, and the journal {record:?}"),
            }
            if let Some(comment) = row["comment"].as_str() {
                assert!(comment.ends_with(&format!("#{}", record.id.short())), "{comment}");
            }
            assert!(tiyn(&row["refunded"]) <= tiyn(&row["amount"]), "{row}");
        }

        // what is accepted is there; what is not, is not
        for record in &operations {
            let row = record
                .payment_id
                .and_then(|id| rows.iter().find(|row| row["payment_id"] == id.get()));
            match record.state {
                OperationState::Recorded | OperationState::Sent => panic!("it still runs: {record:?}"),
                OperationState::Accepted => {
                    let row = row.unwrap_or_else(|| panic!("the bank has no such payment: {record:?}"));
                    if record.kind == OperationKind::Cancel {
                        assert_eq!(row["status"], "RemotePaymentCanceled", "{record:?}");
                    }
                }
                OperationState::Unknown => assert!(record.kind.makes_payment(), "not settled: {record:?}"),
                OperationState::Refused | OperationState::NotSent | OperationState::NotMade => {}
            }
        }
        for row in &rows {
            let by_journal: u64 = operations
                .iter()
                .filter(|record| {
                    record.kind == OperationKind::Refund && record.state == OperationState::Accepted
                })
                .filter(|record| row["payment_id"] == record.payment_id.unwrap().get())
                .map(|record| record.amount.unwrap().tiyn())
                .sum();
            assert_eq!(
                by_journal,
                u64::try_from(tiyn(&row["refunded"])).unwrap(),
                "{row}"
            );
        }

        // each request was preceded by a durable `sent` of its own
        let mut sent = 0;
        for record in &operations {
            let history = app.payments().history(record.id).await.unwrap();
            sent += history
                .iter()
                .filter(|step| step.to == OperationState::Sent)
                .count();
        }
        let requests = self.money_requests();
        assert!(
            requests <= sent,
            "{requests} requests, and {sent} operations that were sent"
        );

        // and nobody was told anything else
        for (order, outcome) in told {
            let Some(id) = outcome.operation() else { continue };
            if !outcome.accepted()
                && !["unknown_outcome", "refused_before", "not_made"].contains(&outcome.kind())
            {
                continue;
            }
            let record = by_id
                .get(&id.parse::<OperationId>().unwrap())
                .unwrap_or_else(|| panic!("told {outcome:?}, and the journal forgot it"));
            if outcome.accepted() {
                assert_eq!(
                    record.state,
                    OperationState::Accepted,
                    "told {outcome:?} of {order:?}"
                );
                if record.kind.makes_payment() {
                    assert_eq!(record.payment_id.map(|id| id.get()), outcome.payment());
                }
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.bank.stdin.take());
        let _ = self.bank.wait();
    }
}

/// Every operation of the journal.
pub async fn operations(app: &App) -> Vec<OperationRecord> {
    let mut filter = Filter {
        limit: 1000,
        ..Filter::default()
    };
    let mut all = Vec::new();
    loop {
        let page = app.payments().operations(&filter).await.unwrap();
        all.extend(page.items);
        match page.next {
            Some(cursor) => filter.cursor = Some(cursor),
            None => return all,
        }
    }
}

/// The operation of a key.
pub async fn operation(app: &App, kind: OperationKind, key: &str) -> Option<OperationRecord> {
    let filter = Filter {
        kinds: vec![kind],
        key: Some(key.to_owned()),
        ..Filter::default()
    };
    let page = app.payments().operations(&filter).await.unwrap();
    assert!(page.items.len() < 2, "{:?}", page.items);
    page.items.into_iter().next()
}

async fn running(app: &App) -> Vec<OperationRecord> {
    let filter = Filter {
        states: vec![OperationState::Recorded, OperationState::Sent],
        ..Filter::default()
    };
    app.payments().operations(&filter).await.unwrap().items
}

/// Waits until the journal says how the operation of a dead process stands: PostgreSQL takes a moment to
/// notice that a client has gone.
pub async fn settled(app: &App, kind: OperationKind, key: &str) -> Option<OperationRecord> {
    in_time(async {
        loop {
            app.payments().reconcile().await.unwrap();
            match operation(app, kind, key).await {
                Some(record) if matches!(record.state, OperationState::Recorded | OperationState::Sent) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                record => return record,
            }
        }
    })
    .await
}

/// The key under which a payment was made: workers write it where the bank keeps it.
fn key_of(row: &Value) -> String {
    match row["comment"].as_str() {
        Some(comment) => comment.rsplit_once(" #").unwrap().0.to_owned(),
        None => row["external_id"].as_str().unwrap().to_owned(),
    }
}

pub fn tiyn(amount: &Value) -> i64 {
    amount.as_str().unwrap().replace('.', "").parse().unwrap()
}
