//! `kaspi webhook listen`: a receiver for developers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::args::Secrets;
use crate::base::{Explain as _, SystemClock};
use crate::cli::failure::Failure;
use crate::cli::report::{Paint, Report};
use crate::webhooks::{Judge, Received, listen};

pub(super) async fn run(address: SocketAddr, named: &Secrets, report: &Report) -> Result<(), Failure> {
    let judge = Judge {
        secrets: super::secrets(named)?,
        tolerance: Duration::from_secs(named.tolerance),
        clock: Arc::new(SystemClock),
    };
    let failed = |error| Failure::from_io(format!("`{address}` cannot be listened on"), error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    report.result(
        |paint| format!("{}  http://{bound}", paint.good("ready")),
        &json!({ "listen": bound }),
    );
    let (sender, mut received) = mpsc::channel(64);
    let listening = tokio::spawn(listen(listener, judge, sender));
    loop {
        tokio::select! {
            Some(request) = received.recv() => {
                report.result(|paint| line(&request, paint), &object(&request));
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    drop(received);
    // it ends by itself once nobody wants requests any more
    let _ = listening.await;
    Ok(())
}

fn line(request: &Received, paint: &Paint) -> String {
    let id = if request.id.is_empty() {
        "no webhook-id"
    } else {
        &request.id
    };
    let body = String::from_utf8_lossy(&request.body);
    match &request.verdict {
        Ok(()) => format!("{}  {id}  {body}", paint.good("ok ")),
        Err(unverified) => format!(
            "{}  {id}  {}  {body}",
            paint.bad("BAD"),
            paint.warning(unverified)
        ),
    }
    .replace('\n', " ")
}

fn object(request: &Received) -> Value {
    let body: Value = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&request.body).into_owned()));
    json!({
        "id": request.id,
        "timestamp": request.timestamp,
        "verified": request.verdict.is_ok(),
        "problem": request.verdict.as_ref().err().map(|unverified| json!({
            "kind": unverified.kind(),
            "message": unverified.to_string(),
        })),
        "body": body,
    })
}
