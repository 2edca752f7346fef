//! reqwest with an identity: one client kept, or a client for each call.

#[path = "../../side_by_side/load.rs"]
mod load;

use std::error::Error;

use reqwest::{Certificate, Client, Identity};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    status_code: i64,
    data: Option<Created>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    qr_payment_id: i64,
}

/// The files as they were read once; parsing them is part of making a client.
#[derive(Clone)]
struct Files {
    chain: Vec<u8>,
    identity: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [how, folder, url, body] = arguments.as_slice() else {
        return Err("kept|each FOLDER URL BODY".into());
    };
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| "a provider is installed")?;
    let files = Files {
        chain: std::fs::read(format!("{folder}/chain.pem"))?,
        identity: std::fs::read(format!("{folder}/client-both.pem"))?,
    };
    let body: Value = serde_json::from_str(body)?;
    let (each, url) = (how == "each", url.clone());
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(async move {
            let task = tokio::spawn(async move {
                let kept = client(&files).expect("a client");
                load::serve(move |_| {
                    let (kept, files, url, body) = (kept.clone(), files.clone(), url.clone(), body.clone());
                    async move {
                        let client = if each { client(&files) } else { Ok(kept) };
                        let client = client.map_err(|error| error.to_string())?;
                        call(&client, &url, &body)
                            .await
                            .map_err(|error| format!("{error:?}"))
                    }
                })
                .await;
            });
            task.await
        })?;
    Ok(())
}

fn client(files: &Files) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .use_rustls_tls()
        .no_proxy()
        .tls_built_in_root_certs(false)
        .identity(Identity::from_pem(&files.identity)?);
    for anchor in Certificate::from_pem_bundle(&files.chain)? {
        builder = builder.add_root_certificate(anchor);
    }
    builder.build()
}

async fn call(client: &Client, url: &str, body: &Value) -> Result<(), Box<dyn Error + Send + Sync>> {
    let answer: Envelope = client.post(url).json(body).send().await?.json().await?;
    match answer.data {
        Some(created) if answer.status_code == 0 && created.qr_payment_id > 0 => Ok(()),
        _ => Err("not created".into()),
    }
}
