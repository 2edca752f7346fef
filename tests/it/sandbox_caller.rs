//! A small caller of the sandbox, made of rustls and hyper alone: it must not share a mistake with
//! the client of the crate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use kaspi_direct::sandbox::pki::{Authority, Issued, KeyKind};
use kaspi_direct::sandbox::{Merchant, Options, Sandbox, TradePoint};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub const FLOWERS: &str = "891027350515";
pub const GIFTS: &str = "210440028324";
pub const FLOWER_POINT: i64 = 385716;
pub const FLOWER_TOKEN: &str = "flower-token";
pub const GIFT_TOKEN: &str = "gift-token";
/// A token of digits, as the documents show it for the remote calls.
pub const NUMBER_TOKEN: &str = "321";

/// A sandbox with two shops, and what is needed to call it.
pub struct Scene {
    pub sandbox: Sandbox,
    pub authority: Authority,
    pub flowers: Issued,
    pub gifts: Issued,
}

pub async fn scene() -> Scene {
    scene_with(|_| {}).await
}

pub async fn scene_with(change: impl FnOnce(&mut Options)) -> Scene {
    let authority = Authority::generate(KeyKind::P256).unwrap();
    let mut options = Options::new(authority.clone());
    options.merchants = vec![
        Merchant::new(FLOWERS, "Flower shop")
            .with_trade_point(
                TradePoint::new(FLOWER_POINT, "Flower shop")
                    .with_token(FLOWER_TOKEN)
                    .with_token(NUMBER_TOKEN),
            )
            .with_trade_point(TradePoint::new(385717, "Flower stall").with_token("stall-token")),
        Merchant::new(GIFTS, "Gift shop")
            .with_trade_point(TradePoint::new(400001, "Gift shop").with_token(GIFT_TOKEN)),
    ];
    change(&mut options);
    let authority = options.authority.clone();
    Scene {
        sandbox: Sandbox::start(options).await.unwrap(),
        flowers: authority.client(&[FLOWERS]).unwrap(),
        gifts: authority.client(&[GIFTS]).unwrap(),
        authority,
    }
}

impl Scene {
    /// A configuration that trusts this sandbox, with this identity or none.
    pub fn config(&self, identity: Option<&Issued>) -> ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        for anchor in self.authority.anchors() {
            roots.add(anchor).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            Some(identity) => builder
                .with_client_auth_cert(vec![identity.certificate_der().clone()], identity.key())
                .unwrap(),
            None => builder.with_no_client_auth(),
        }
    }

    pub async fn connect(&self, identity: Option<&Issued>) -> Connection {
        Connection::open(self.sandbox.address(), Arc::new(self.config(identity)))
            .await
            .unwrap()
    }

    /// One POST of the flower shop.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.connect(Some(&self.flowers))
            .await
            .send("POST", path, Some(body))
            .await
            .unwrap()
            .json()
    }

    /// One GET of the flower shop.
    pub async fn get(&self, path: &str) -> Value {
        self.connect(Some(&self.flowers))
            .await
            .send("GET", path, None)
            .await
            .unwrap()
            .json()
    }

    pub async fn invoice(&self, amount: f64) -> i64 {
        let answer = self
            .post(
                "/r3/v01/remote/create",
                json!({"OrganizationBin": FLOWERS, "DeviceToken": FLOWER_TOKEN, "Amount": amount,
                       "PhoneNumber": "77000000000"}),
            )
            .await;
        answer["Data"]["QrPaymentId"].as_i64().unwrap()
    }

    pub async fn code(&self, amount: f64) -> i64 {
        let answer = self
            .post(
                "/r3/v01/qr/create",
                json!({"OrganizationBin": FLOWERS, "DeviceToken": FLOWER_TOKEN, "Amount": amount}),
            )
            .await;
        answer["Data"]["QrPaymentId"].as_i64().unwrap()
    }

    pub async fn refund(&self, id: i64, amount: Value) -> i64 {
        let answer = self
            .post(
                "/r3/v01/payment/return",
                json!({"OrganizationBin": FLOWERS, "DeviceToken": FLOWER_TOKEN, "QrPaymentId": id,
                       "Amount": amount}),
            )
            .await;
        answer["StatusCode"].as_i64().unwrap()
    }

    pub async fn control(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let stream = TcpStream::connect(self.sandbox.control_address()).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut connection = Connection { sender };
        let body = (!body.is_null()).then_some(body);
        let answer = connection.send(method, path, body).await.unwrap();
        (answer.status, answer.json())
    }

    pub async fn status(&self, id: i64) -> String {
        let answer = self.get(&format!("/r3/v01/payment/status/{id}")).await;
        answer["Data"]["Status"].as_str().unwrap().to_owned()
    }
}

/// One connection, used call after call.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    pub allow: Option<String>,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn code(&self) -> i64 {
        self.json()["StatusCode"].as_i64().unwrap()
    }
}

/// How the server refuses a client, read from the TLS stream itself: hyper may swallow the alert.
pub async fn refusal(address: SocketAddr, config: Arc<ClientConfig>) -> String {
    use tokio::io::AsyncReadExt;
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let error = match TlsConnector::from(config).connect(name, stream).await {
        Err(error) => error,
        // On TLS 1.3 the client is done before the server has judged it.
        Ok(mut stream) => stream.read_u8().await.unwrap_err(),
    };
    format!("{error:?}")
}

impl Connection {
    pub async fn open(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Reply, hyper::Error> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send_text(method, path, body).await
    }

    pub async fn send_text(
        &mut self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Reply, hyper::Error> {
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        // A refused certificate may leave a request hanging for ever; a test must not.
        let sent = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            let header = |name: &str| {
                head.headers
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
            };
            Ok(Reply {
                status: head.status.as_u16(),
                content_type: header("content-type").unwrap_or_default(),
                allow: header("allow"),
                body: body.collect().await?.to_bytes(),
            })
        };
        tokio::time::timeout(Duration::from_secs(30), sent)
            .await
            .expect("an answer within 30 s")
    }
}
