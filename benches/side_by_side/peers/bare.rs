//! The least that a call over mutual TLS can be in Rust: what ours is measured against.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

use super::Job;
use crate::{load, world};

pub(crate) type BareClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "OrganizationBin")]
    organization_bin: &'a str,
    #[serde(rename = "Amount")]
    amount: f64,
    #[serde(rename = "PhoneNumber")]
    phone_number: &'a str,
    #[serde(rename = "DeviceToken")]
    device_token: &'a str,
    #[serde(rename = "Comment")]
    comment: &'a str,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "StatusCode")]
    status_code: i64,
    #[serde(rename = "Data")]
    data: Option<Created>,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "QrPaymentId")]
    qr_payment_id: i64,
}

pub(super) async fn run(job: Job) {
    let client = client(
        Shared::new(&job.folder).config(&job.folder.join("client.pem"), &job.folder.join("client.key")),
    );
    let url = format!("https://127.0.0.1:{}/r3/v01/remote/create", job.port);
    let bin = world::bins(1)[0].to_string();
    load::serve(move |_| {
        let (client, url, bin) = (client.clone(), url.clone(), bin.clone());
        async move { call(&client, &url, &bin).await.map_err(|error| error.to_string()) }
    })
    .await;
}

pub(crate) async fn call(
    client: &BareClient,
    url: &str,
    bin: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let body = serde_json::to_vec(&Body {
        organization_bin: bin,
        amount: 1500.5,
        phone_number: "77000000001",
        device_token: world::TOKEN,
        comment: "Order 17",
    })?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "bare/0.1.0")
        // Kaspi wants one, another for each call
        .header("x-request-id", format!("{:032x}", fastrand::u128(..)))
        .body(Full::new(Bytes::from(body)))?;
    let answer = client
        .request(request)
        .await?
        .into_body()
        .collect()
        .await?
        .to_bytes();
    let envelope: Envelope = serde_json::from_slice(&answer)?;
    match envelope.data {
        Some(created) if envelope.status_code == 0 && created.qr_payment_id > 0 => Ok(()),
        _ => Err("not created".into()),
    }
}

/// What several configurations need not each have for themselves.
pub(crate) struct Shared {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl Shared {
    pub(crate) fn new(folder: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        for anchor in certificates(&folder.join("chain.pem")) {
            roots.add(anchor).unwrap();
        }
        Self {
            roots: Arc::new(roots),
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        }
    }

    pub(crate) fn config(&self, certificate: &Path, key: &Path) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(
                certificates(certificate),
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap();
        config.resumption = Resumption::in_memory_sessions(8);
        config
    }
}

pub(crate) fn client(config: ClientConfig) -> BareClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .wrap_connector(tcp);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new());
    builder.build(https)
}

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}
