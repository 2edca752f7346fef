//! Peers that are other programs: reqwest in a package of its own, PHP, Python, curl.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::{Job, Kind};
use crate::child::{Child, Core, has, pinned};
use crate::{load, world};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches");

/// A server beside the peer, which ends with it.
pub(crate) struct Beside {
    process: Process,
    pub(crate) port: u16,
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The package `benches/peers`, built when it is first wanted: the product does not depend on reqwest.
pub(super) fn reqwest(job: &Job) -> Result<Child, String> {
    let manifest = Path::new(HERE).join("peers/Cargo.toml");
    let target = report_folder().join("peers");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let built = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet"])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| error.to_string())?;
    if !built.success() {
        return Err("`benches/peers` cannot be built here".to_owned());
    }
    let program = target.join("release/reqwest-peer").display().to_string();
    let each = if job.kind == Kind::ReqwestEach {
        "each"
    } else {
        "kept"
    };
    let folder = job.folder.display().to_string();
    let url = url(job);
    Ok(Child::start(Core::Peers, &program, &[each, &folder, &url, &body()]).0)
}

pub(super) fn httpx(job: &Job) -> Result<Child, String> {
    let python = "python3";
    let there = has(python)
        && Command::new(python)
            .args(["-c", "import httpx"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !there {
        return Err("`httpx` for Python is not installed".to_owned());
    }
    let script = format!("{HERE}/side_by_side/peers/httpx_peer.py");
    let folder = job.folder.display().to_string();
    Ok(Child::start(Core::Peers, python, &[&script, &folder, &url(job), &body()]).0)
}

/// PHP's own server with the script that makes one call for each request.
pub(crate) fn php_server(job: &Job) -> Result<Beside, String> {
    let there = has("php")
        && Command::new("php")
            .args(["-r", "exit(function_exists('curl_init') ? 0 : 1);"])
            .status()
            .is_ok_and(|status| status.success());
    if !there {
        return Err("`php` with its curl extension is not installed".to_owned());
    }
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|error| error.to_string())?
        .port();
    let process = pinned(Core::Peers, "php")
        .args(["-S", &format!("127.0.0.1:{port}")])
        .arg(format!("{HERE}/side_by_side/peers/php_peer.php"))
        .env("PEER_FOLDER", &job.folder)
        .env("PEER_URL", url(job))
        .env("PEER_PASSWORD", world::PASSWORD)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let beside = Beside { process, port };
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::yield_now();
    }
    Ok(beside)
}

/// The rounds of a peer whose work is done by another process: PHP's server, our gateway, or curl.
pub(super) async fn run(job: Job) {
    if job.kind == Kind::Curl {
        let (folder, url) = (job.folder.clone(), url(&job));
        return load::serve(move |_| {
            let (folder, url) = (folder.clone(), url.clone());
            async move {
                tokio::task::spawn_blocking(move || curl(&folder, &url))
                    .await
                    .unwrap()
            }
        })
        .await;
    }
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let (path, order) = match job.kind {
        Kind::Php => ("/", body()),
        _ => ("/api/v1/kaspi/create", order()),
    };
    let uri = format!("http://127.0.0.1:{}{path}", job.port);
    let order = Bytes::from(order);
    load::serve(move |_| {
        let (client, uri, order) = (client.clone(), uri.clone(), order.clone());
        async move {
            let request = Request::post(uri)
                .header(header::CONTENT_TYPE, "application/json")
                // each is an operation of its own
                .header("idempotency-key", format!("{:032x}", fastrand::u128(..)))
                .body(Full::new(order))
                .map_err(|error| error.to_string())?;
            let answer = client.request(request).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let text = answer
                .into_body()
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_bytes();
            let said = String::from_utf8_lossy(&text);
            if status.is_success() && said.contains("\"success\":true") && said.contains("22345678901") {
                Ok(())
            } else {
                Err(format!("{status}: {said}"))
            }
        }
    })
    .await;
}

fn curl(folder: &Path, url: &str) -> Result<(), String> {
    let output = Command::new("curl")
        .args(["--silent", "--fail", "--noproxy", "*", "--cacert"])
        .arg(folder.join("chain.pem"))
        .arg("--cert")
        .arg(folder.join("client.pem"))
        .arg("--key")
        .arg(folder.join("client-encrypted.key"))
        .args(["--pass", world::PASSWORD])
        .args([
            "--header",
            "Content-Type: application/json",
            "--data",
            &body(),
            url,
        ])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.contains("QrPaymentId")
        .then_some(())
        .ok_or_else(|| format!("{}: {text}", output.status))
}

fn url(job: &Job) -> String {
    format!("https://127.0.0.1:{}/r3/v01/remote/create", job.port)
}

/// What the gateway is asked for; it fills in the rest itself.
fn order() -> String {
    serde_json::json!({
        "phone": "77000000001",
        "amount": 1500.5,
        "message": "Order 17",
        "organization_bin": world::bins(1)[0].to_string(),
    })
    .to_string()
}

fn body() -> String {
    serde_json::json!({
        "OrganizationBin": world::bins(1)[0].to_string(),
        "Amount": 1500.5,
        "PhoneNumber": "77000000001",
        "DeviceToken": world::TOKEN,
        "Comment": "Order 17",
    })
    .to_string()
}

fn report_folder() -> PathBuf {
    crate::report::folder()
}
