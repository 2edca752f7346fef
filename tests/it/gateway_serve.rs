//! `kaspi serve` as a process: the printed lines, HTTPS, the unix socket, the log.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::cli_kit::{Running, Scene, kaspi};
use super::gateway_kit::{SHOP, add_lines, tokens};
use super::kit::{FLOWERS, has_program};

fn curl(folder: &Path, line: &str) -> String {
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .current_dir(folder)
        .env("NO_PROXY", "*")
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_lines_that_serve_prints_work() {
    if !has_program("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = kaspi(&["serve", "--sandbox", "--listen", "127.0.0.1:0"], folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let last = line.starts_with("Everything else");
        lines.push(line);
        if last {
            break;
        }
    }
    let commands: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("  curl"))
        .collect();
    assert_eq!(commands.len(), 8, "{lines:?}");
    let pay = commands[7];
    let mut ids = Vec::new();
    for command in &commands[..7] {
        let id = ids.last().map_or("ID", String::as_str);
        let command = command.replace("ID", id);
        if command.contains("/refund") {
            curl(folder.path(), &format!("curl{}", pay.replace("ID", id)));
        }
        let said = curl(folder.path(), &format!("curl{command}"));
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        let good = answer["success"] == true || answer["status"] == true;
        assert!(good, "{command}: {answer}");
        if command.contains("/create") {
            let id = answer["external_id"].as_str().map(str::to_owned);
            ids.push(id.unwrap_or_else(|| answer["data"]["externalId"].to_string()));
        }
    }
    assert_eq!(ids.len(), 3);
    let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_show_a_certificate_or_come_over_the_unix_socket() {
    if !has_program("curl") {
        return;
    }
    let scene = Scene::start().await;
    let authority = super::kit::authority();
    let server = authority.server().unwrap();
    let caller = authority.client(&[FLOWERS]).unwrap();
    for (file, text) in [
        ("gate.crt", server.chain_pem()),
        ("gate.key", server.key_pem()),
        ("callers.pem", authority.chain_pem()),
        ("caller.crt", caller.chain_pem()),
        ("caller.key", caller.key_pem()),
    ] {
        std::fs::write(scene.path(file), text).unwrap();
    }
    add_lines(
        &scene,
        &format!(
            "[gateway]\ntls_certificate = \"gate.crt\"\ntls_key = \"gate.key\"\nclient_ca = \"callers.pem\"\nunix_socket = \"gate.sock\"\n{}",
            tokens()
        ),
    );
    let folder = scene.path("");
    let running = Running::start(&["serve", "-o", "json", "--listen", "127.0.0.1:0"], &folder);
    let address = running.ready["listen"].as_str().unwrap().to_owned();
    let ask = move |line: String| {
        let folder = folder.clone();
        async move {
            tokio::task::spawn_blocking(move || {
                let output = Command::new("sh")
                    .args(["-c", &line])
                    .current_dir(folder)
                    .output()
                    .unwrap();
                (output.status.success(), String::from_utf8(output.stdout).unwrap())
            })
            .await
            .unwrap()
        }
    };
    let common = format!("curl -s --noproxy '*' --cacert callers.pem -H 'X-API-Key: {SHOP}'");
    let merchants = format!("https://{address}/api/v1/kaspi/merchants");
    let (_, said) = ask(format!(
        "{common} --cert caller.crt --key caller.key -w '\\n%{{http_version}}' {merchants}"
    ))
    .await;
    let (body, version) = said.rsplit_once('\n').unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["merchants"][0]["bin"], FLOWERS);
    assert_eq!(version, "2");
    let (_, said) = ask(format!(
        "{common} --http1.1 --cert caller.crt --key caller.key {merchants}"
    ))
    .await;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), body);
    // without a certificate, and without TLS
    assert!(!ask(format!("{common} {merchants}")).await.0);
    assert!(!ask(format!("{common} http://{address}/healthz")).await.0);

    let (_, said) = ask(format!(
        "{common} --unix-socket gate.sock http://localhost/api/v1/kaspi/merchants"
    ))
    .await;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), body);
    let secret = format!("http://localhost/api/v2/paymentkaspi/status/?externalId=17&access_token={SHOP}");
    ask(format!("curl -s --unix-socket gate.sock '{secret}'")).await;
    ask(format!(
        "curl -s --unix-socket gate.sock 'http://localhost/{SHOP}?{SHOP}={SHOP}'"
    ))
    .await;

    let log = running.said();
    assert!(
        log.contains("\"caller\":\"shop\"") && log.contains("\"peer\":\"unix\""),
        "{log}"
    );
    assert!(!log.contains(SHOP), "{log}");
    assert_eq!(running.stop(), Some(0));
    assert!(!scene.path("gate.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_told() {
    let scene = Scene::start().await;
    let path = scene.path("notify.sock");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let mut command = kaspi(
        &["serve", "-o", "json", "--listen", "127.0.0.1:0"],
        &scene.path(""),
    );
    command.env("NOTIFY_SOCKET", &path);
    let running = Running::of(command);
    let mut buffer = [0; 256];
    let length = super::kit::in_time(socket.recv(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[..length], b"READY=1\n");
    assert_eq!(running.stop(), Some(0));
    let length = super::kit::in_time(socket.recv(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[..length], b"STOPPING=1\n");
}
