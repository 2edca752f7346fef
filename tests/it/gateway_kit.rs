//! A gateway in this process, in front of a simulated Kaspi, and a client that sends any bytes at all.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::config::Environment;
use kaspi_direct::gateway::{Gateway, Patience};
use kaspi_direct::sandbox::CustomerStep;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::cli_kit::Scene;
use super::kit::{FLOWERS, GIFTS, in_time};

/// The tokens of the scenes that have some.
pub const SHOP: &str = "kd_test_shop_0123456789abcdef";
pub const READER: &str = "kd_test_reader_0123456789abcdef";
pub const BOTH: &str = "kd_test_both_0123456789abcdef";
pub const ADMIN: &str = "kd_test_admin_0123456789abcdef";

/// A gateway that serves.
pub struct Served {
    pub scene: Scene,
    pub app: App,
    pub gateway: Gateway,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<bool>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(given, _)| given == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "`{name}` twice in {self:?}");
        value
    }

    pub fn is_replay(&self) -> bool {
        self.header("idempotency-replayed") == Some("true")
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self {
            status,
            headers,
            body: body.to_owned(),
        })
    }
}

/// `[[gateway.token]]` lines.
pub fn token(name: &str, token: &str, bins: &[&str], verbs: &[&str]) -> String {
    let hash = Sha256::digest(token.as_bytes())
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
    format!(
        "\n[[gateway.token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nbins = {bins:?}\nverbs = {verbs:?}\n"
    )
}

/// A token for one shop, one that only reads, one for both shops, one for operators.
pub fn tokens() -> String {
    [
        token("shop", SHOP, &[FLOWERS], &["create", "refund", "read"]),
        token("reader", READER, &[FLOWERS], &["read"]),
        token("both", BOTH, &[FLOWERS, GIFTS], &["create", "refund", "read"]),
        token("admin", ADMIN, &[FLOWERS], &["admin"]),
    ]
    .concat()
}

impl Served {
    /// Without tokens, as `kaspi serve --sandbox` is.
    pub async fn open() -> Self {
        Self::with("", Patience::default()).await
    }

    pub async fn guarded() -> Self {
        Self::with(&tokens(), Patience::default()).await
    }

    pub async fn with(more: &str, patience: Patience) -> Self {
        let scene = Scene::start().await;
        add_lines(&scene, more);
        Self::over(scene, patience).await
    }

    pub async fn over(scene: Scene, patience: Patience) -> Self {
        let app = App::open(&scene.path("kaspi.toml"), &Environment::default()).unwrap();
        let gateway = app.gateway(patience).unwrap();
        Self::of(scene, app, gateway).await
    }

    /// A gateway that the test has made.
    pub async fn of(scene: Scene, app: App, gateway: Gateway) -> Self {
        let listening = gateway
            .listen(Some("127.0.0.1:0".parse().unwrap()))
            .await
            .unwrap();
        let address = listening.address();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(listening.serve(async {
            let _ = stopped.await;
        }));
        Self {
            scene,
            app,
            gateway,
            address,
            stop: Some(stop),
            serving: Some(serving),
        }
    }

    /// Begins to stop; gives what tells whether everything came to its end.
    pub fn begin_stop(&mut self) -> JoinHandle<bool> {
        self.stop.take().unwrap().send(()).unwrap();
        self.serving.take().unwrap()
    }

    pub async fn send(&self, bytes: &[u8]) -> Reply {
        in_time(exchange(self.address, bytes)).await
    }

    pub async fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Reply {
        let bytes = request(self.address, method, target, headers, body);
        self.send(&bytes).await
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, &[], None).await
    }

    pub async fn post(&self, target: &str, body: &Value) -> Reply {
        self.post_with(target, &[], body).await
    }

    pub async fn post_with(&self, target: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.ask("POST", target, &all, Some(&body.to_string())).await
    }

    /// An invoice over the backend's contract: its id.
    pub async fn invoice(&self, headers: &[(&str, &str)], body: &Value) -> String {
        let reply = self.post_with("/api/v1/kaspi/create", headers, body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["external_id"].as_str().unwrap().to_owned()
    }

    /// The customer pays.
    pub fn pay(&self, id: &str) {
        let id = id.parse().unwrap();
        self.scene.sandbox.customer(id, CustomerStep::Pay).unwrap();
    }

    /// How often Kaspi was asked for something.
    pub fn asked(&self, path: &str) -> usize {
        let rows = self.scene.sandbox.requests();
        rows.iter().filter(|row| row.path.contains(path)).count()
    }

    /// Waits until Kaspi has been asked for something so often.
    pub async fn until_asked(&self, path: &str, times: usize) {
        in_time(async {
            while self.asked(path) < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// Adds lines to the scene's configuration.
pub fn add_lines(scene: &Scene, more: &str) {
    let file = scene.path("kaspi.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n{more}")).unwrap();
}

pub fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        let _ = write!(head, "host: {address}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if let Some(body) = body {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    format!("{head}\r\n{}", body.unwrap_or_default()).into_bytes()
}

/// Sends bytes and reads to the end.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // a gateway that refuses in the middle of a body may not read the rest
    let _ = stream.write_all(bytes).await;
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got).await;
    Reply::read(&got).unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(&got)))
}

/// Answers, without what differs between runs.
#[derive(Default)]
pub struct Golden {
    text: String,
    names: Vec<(String, &'static str)>,
}

impl Golden {
    pub fn name(&mut self, value: impl ToString, name: &'static str) {
        self.names.push((value.to_string(), name));
    }

    pub fn add(&mut self, what: &str, reply: &Reply) {
        let _ = writeln!(self.text, "{what}\n  {}", reply.status);
        for name in ["allow", "retry-after", "idempotency-replayed", "www-authenticate"] {
            if let Some(value) = reply.header(name) {
                let _ = writeln!(self.text, "  {name}: {value}");
            }
        }
        let _ = writeln!(self.text, "  {}\n", reply.body);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
    }

    pub fn finish(&self) -> String {
        let mut text = self.text.clone();
        for (value, name) in &self.names {
            text = text.replace(value, name);
        }
        super::cli_kit::redacted(&text)
    }
}
