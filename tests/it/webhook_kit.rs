//! A receiver of webhooks that behaves as badly as it is told to, and a worker that sends to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Bin, Clock, PaymentId, WebhookSecret};
use kaspi_direct::config::{PrivateAddress, WebhookSpec};
use kaspi_direct::outbound::{Limits, Outbound, Reach};
use kaspi_direct::payments::{DeliveryFilter, DeliveryState, WebhookDelivery};
use kaspi_direct::sandbox::CustomerStep;
use kaspi_direct::webhooks::{Receivers, Webhooks};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::kit::{bin, in_time, invoice};
use super::money_kit::Shop;

/// What a receiver does with a request that it has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Answer(u16),
    /// 302 to somewhere else.
    Redirect(String),
    /// Never answers.
    Hang,
    /// 200 and a gibibyte.
    Gibibyte,
    /// Closes in the middle of the head.
    BreakHead,
    /// Closes in the middle of the body of a 200.
    BreakBody,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub headers: HashMap<String, String>,
    pub target: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    pub fn payment(&self) -> i64 {
        self.json()["payment_id"].as_i64().unwrap()
    }
}

#[derive(Default)]
struct Inner {
    seen: Mutex<Vec<Seen>>,
    act: Mutex<Option<Act>>,
    /// For what holds a word, something else than for the rest.
    special: Mutex<Option<(String, Act)>>,
    written: AtomicU64,
}

/// A receiver in this process.
pub struct Receiver {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        *inner.act.lock().unwrap() = Some(act);
        let shared = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let inner = Arc::clone(&shared);
                tokio::spawn(async move {
                    // whoever calls may go away at any time
                    let _ = serve(stream, &inner).await;
                });
            }
        });
        Self { address, inner, task }
    }

    pub fn will(&self, act: Act) {
        *self.inner.act.lock().unwrap() = Some(act);
    }

    /// What it does with requests whose body holds a word.
    pub fn will_for(&self, word: &str, act: Option<Act>) {
        *self.inner.special.lock().unwrap() = act.map(|act| (word.to_owned(), act));
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// How many bytes of a gibibyte it could write.
    pub fn written(&self) -> u64 {
        self.inner.written.load(Ordering::Relaxed)
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?key=made-up", self.address)
    }

    pub async fn until(&self, what: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        in_time(async {
            loop {
                let seen = self.seen();
                if what(&seen) {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, inner: &Inner) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let target = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let body = bytes[head + 4..].to_vec();
    let special = inner.special.lock().unwrap().clone();
    let act = special
        .filter(|(word, _)| String::from_utf8_lossy(&body).contains(word))
        .map(|(_, act)| act)
        .or_else(|| inner.act.lock().unwrap().clone())
        .unwrap();
    inner.seen.lock().unwrap().push(Seen {
        headers,
        target,
        body,
    });
    match act {
        Act::Answer(status) => {
            let answer = format!("HTTP/1.1 {status} Made Up\r\ncontent-length: 4\r\n\r\nmade");
            stream.write_all(answer.as_bytes()).await?;
        }
        Act::Redirect(to) => {
            let answer = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
        }
        Act::Hang => std::future::pending::<()>().await,
        Act::Gibibyte => {
            let size = 1_u64 << 30;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let chunk = vec![b'x'; 64 * 1024];
            for _ in 0..size / 65536 {
                stream.write_all(&chunk).await?;
                inner.written.fetch_add(65536, Ordering::Relaxed);
            }
        }
        Act::BreakHead => stream.write_all(b"HTTP/1.1 200 O").await?,
        Act::BreakBody => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                .await?;
        }
    }
    stream.shutdown().await
}

/// The endpoints of a test.
#[derive(Debug)]
pub struct Book {
    endpoints: Mutex<Vec<(Bin, Arc<[WebhookSpec]>)>>,
    outbound: Outbound,
}

impl Book {
    /// Those of this machine may be called.
    pub fn new(endpoints: Vec<(&str, Vec<WebhookSpec>)>) -> Arc<Self> {
        let local = PrivateAddress::Network {
            address: "127.0.0.0".parse().unwrap(),
            bits: 8,
        };
        Self::reaching(Reach::PublicAnd([local].into()), endpoints)
    }

    pub fn reaching(reach: Reach, endpoints: Vec<(&str, Vec<WebhookSpec>)>) -> Arc<Self> {
        let limits = Limits {
            total: Duration::from_secs(30),
            answer: kaspi_direct::webhooks::ANSWER,
            ..Limits::default()
        };
        let book = Self {
            endpoints: Mutex::default(),
            outbound: Outbound::new(Outbound::public_roots(), limits, reach).unwrap(),
        };
        book.set(endpoints);
        Arc::new(book)
    }

    pub fn set(&self, endpoints: Vec<(&str, Vec<WebhookSpec>)>) {
        *self.endpoints.lock().unwrap() = endpoints
            .into_iter()
            .map(|(bin_text, specs)| (bin(bin_text), specs.into()))
            .collect();
    }
}

impl Receivers for Book {
    fn endpoints(&self) -> Vec<(Bin, Arc<[WebhookSpec]>)> {
        self.endpoints.lock().unwrap().clone()
    }

    fn outbound(&self) -> Outbound {
        self.outbound.clone()
    }
}

pub fn secret(byte: u8) -> WebhookSecret {
    WebhookSecret::from_bytes(&[byte; 32]).unwrap()
}

/// An endpoint that wants everything.
pub fn endpoint(name: &str, url: &str) -> WebhookSpec {
    WebhookSpec {
        name: name.to_owned(),
        url: url.parse().unwrap(),
        secret: secret(7),
        previous_secret: None,
        events: Vec::new(),
    }
}

/// A worker that looks often.
pub async fn tell(app: &App, clock: Arc<dyn Clock>, book: &Arc<Book>) -> Webhooks {
    let receivers: Arc<dyn Receivers> = Arc::clone(book) as _;
    in_time(Webhooks::start_with(
        app.payments().clone(),
        clock,
        receivers,
        Duration::from_millis(20),
    ))
    .await
}

/// An invoice, sent.
pub async fn created(app: &App, bin_text: &str) -> PaymentId {
    in_time(app.payments().create(invoice(bin_text)))
        .await
        .unwrap()
        .payment_id
}

/// The customer pays, and somebody looks.
pub async fn pays(shop: &Shop, app: &App, payment: PaymentId) {
    shop.sandbox.customer(payment.get(), CustomerStep::Pay).unwrap();
    in_time(app.payments().check(None, payment)).await.unwrap();
}

pub async fn deliveries(app: &App) -> Vec<WebhookDelivery> {
    let filter = DeliveryFilter {
        limit: 1000,
        ..DeliveryFilter::default()
    };
    let mut found = app.payments().deliveries(&filter).await.unwrap().items;
    found.reverse();
    found
}

/// Waits until every delivery is in one of these states, and there are so many.
pub async fn until_all(app: &App, count: usize, states: &[DeliveryState]) -> Vec<WebhookDelivery> {
    in_time(async {
        loop {
            let found = deliveries(app).await;
            if found.len() == count && found.iter().all(|delivery| states.contains(&delivery.state)) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}
