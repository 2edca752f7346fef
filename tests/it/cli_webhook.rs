//! `kaspi webhook` as a developer and an operator use it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::cli_kit::{Ran, Running, Scene, kaspi, run_in};
use super::gateway_kit::add_lines;
use super::kit::{FLOWERS, has_program};
use super::webhook_kit::{Act, Receiver};

/// Signs with Python's own hmac: `id.timestamp.body`.
const SIGNER: &str = "\
import base64, hashlib, hmac, sys
key = base64.b64decode(open(sys.argv[1]).read().strip().removeprefix('whsec_'))
signed = f'{sys.argv[2]}.{sys.argv[3]}.'.encode() + sys.stdin.buffer.read()
print('v1,' + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode(), end='')";

async fn secret_file(folder: &Path, name: &str) -> String {
    let ran = run_in(folder, &["webhook", "secret", "new"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let secret = ran.out.trim().to_owned();
    assert!(secret.starts_with("whsec_"), "no secret was printed");
    std::fs::write(folder.join(name), &secret).unwrap();
    secret
}

fn with_input(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_says_why() {
    if !has_program("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (one, other) = (secret_file(path, "one").await, secret_file(path, "other").await);
    assert_ne!(one, other);
    let body = "{\"text\":\"Қала\"}\n".as_bytes();
    let sign = |timestamp: i64| {
        let mut python = Command::new("python3");
        python
            .args(["-c", SIGNER, "one", "msg_1", &timestamp.to_string()])
            .current_dir(path);
        with_input(&mut python, body).out
    };
    let verify = |file: &str, timestamp: i64, signature: &str, body: &[u8], more: &[&str]| {
        let timestamp = timestamp.to_string();
        let mut arguments = vec![
            "webhook",
            "verify",
            "-o",
            "json",
            "--secret-file",
            file,
            "--id",
            "msg_1",
            "--timestamp",
            &timestamp,
            "--signature",
            signature,
        ];
        arguments.extend(more);
        with_input(&mut kaspi(&arguments, path), body)
    };
    let at = now();
    let signature = sign(at);
    let right = verify("one", at, &signature, body, &[]);
    assert_eq!(
        (right.code, &right.json()["verified"]),
        (0, &Value::Bool(true)),
        "{right:?}"
    );
    // the receiver has the new secret already, the sender signs with the old one still
    assert_eq!(
        verify("other", at, &signature, body, &["--secret-file", "one"]).code,
        0
    );
    let old = at - 4000;
    let refused = [
        (
            verify("other", at, &signature, body, &[]),
            "webhook_wrong_signature",
        ),
        (
            verify("one", at, &signature, b"{}", &[]),
            "webhook_wrong_signature",
        ),
        (verify("one", old, &sign(old), body, &[]), "webhook_too_old"),
        (verify("one", at, "v2,abc", body, &[]), "webhook_no_signature"),
    ];
    for (ran, kind) in refused {
        assert_eq!(
            (ran.code, &ran.json()["error"]["kind"]),
            (1, &Value::from(kind)),
            "{ran:?}"
        );
        assert!(ran.json()["error"]["hint"].is_string());
        assert!(!format!("{ran:?}").contains("whsec_"));
    }
    assert_eq!(
        verify("one", old, &sign(old), body, &["--tolerance", "10000"]).code,
        0
    );
    let absent = verify("absent", at, &signature, body, &[]);
    assert_eq!(
        (absent.code, &absent.json()["error"]["kind"]),
        (3, &Value::from("file_missing"))
    );
}

/// A BIN's webhook at this address, signed with the secret in `webhook.secret`.
fn webhook(scene: &Scene, name: &str, url: &str) {
    let folder = format!("certs/{FLOWERS}");
    let file = scene.path(&format!("{folder}/merchant.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = format!(
        "\n[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret_file = \"../../webhook.secret\"\n"
    );
    std::fs::write(&file, format!("{text}{lines}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_receives_what_test_sends() {
    let scene = Scene::start().await;
    let folder = scene.path("");
    let secret = secret_file(&folder, "webhook.secret").await;
    secret_file(&folder, "other.secret").await;
    let listen = |secret: &str| {
        let arguments = [
            "webhook",
            "listen",
            "-o",
            "json",
            "--listen",
            "127.0.0.1:0",
            "--secret-file",
            secret,
        ];
        Running::start(&arguments, &folder)
    };
    let (right, wrong) = (listen("webhook.secret"), listen("other.secret"));
    let url = |listening: &Running| format!("http://{}/hook", listening.ready["listen"].as_str().unwrap());
    webhook(&scene, "right", &url(&right));
    webhook(&scene, "wrong", &url(&wrong));
    // nothing of this machine is called unless that is allowed
    let refused = scene
        .run(&["webhook", "test", "--bin", FLOWERS, "-o", "json"])
        .await;
    assert_eq!(refused.code, 1, "{refused:?}");
    for row in refused.json()["webhooks"].as_array().unwrap() {
        assert_eq!(row["failure"], "outbound_refused_address");
    }
    add_lines(&scene, "[webhooks]\nallow_private = [\"127.0.0.1\"]\n");
    let sent = scene
        .run(&["webhook", "test", "--bin", FLOWERS, "-o", "json"])
        .await;
    assert_eq!(sent.code, 1, "{sent:?}");
    let rows = sent.json();
    assert_eq!(
        (&rows["webhooks"][0]["taken"], &rows["webhooks"][0]["status"]),
        (&Value::Bool(true), &Value::from(204))
    );
    assert_eq!(
        (&rows["webhooks"][1]["failure"], &rows["webhooks"][1]["status"]),
        (&Value::from("http_status"), &Value::from(401))
    );
    let one = scene
        .run(&["webhook", "test", "--bin", FLOWERS, "--name", "right"])
        .await;
    assert_eq!(one.code, 0, "{one:?}");
    let none = scene
        .run(&["webhook", "test", "--bin", FLOWERS, "--name", "absent"])
        .await;
    assert_eq!(none.code, 1, "{none:?}");
    for text in [&refused, &sent, &one, &none] {
        assert!(!format!("{text:?}").contains(&secret));
    }
    let told = right.next_line();
    assert_eq!(
        (&told["verified"], &told["body"]["type"]),
        (&Value::Bool(true), &Value::from("webhook.test"))
    );
    let told = wrong.next_line();
    assert_eq!(
        (&told["verified"], &told["problem"]["kind"]),
        (&Value::Bool(false), &Value::from("webhook_wrong_signature"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_listed_and_sent_again() {
    let scene = Scene::start().await;
    let folder = scene.path("");
    secret_file(&folder, "webhook.secret").await;
    add_lines(&scene, "[webhooks]\nallow_private = [\"127.0.0.1\"]\n");
    let receiver = Receiver::start(Act::Answer(410)).await;
    webhook(&scene, "shop", &receiver.url());
    let serving = Running::start(&["serve", "--listen", "127.0.0.1:0", "-o", "json"], &folder);
    let invoice = [
        "payment",
        "create",
        "--bin",
        FLOWERS,
        "--phone",
        "+77000000000",
        "--amount",
        "100",
        "--message",
        "x",
    ];
    assert_eq!(scene.run(&invoice).await.code, 0);
    receiver.until(|seen| seen.len() == 1).await;
    let row = loop {
        let listed = scene.run(&["webhook", "list", "-o", "json"]).await.json();
        let row = listed["webhooks"][0].clone();
        if row["dead"] == 1 {
            break row;
        }
    };
    assert_eq!(row["name"], "shop");
    assert_eq!(row["host"], receiver.address.to_string());
    assert_eq!(
        (&row["waiting"], &row["last_failure"]),
        (&Value::from(0), &Value::from("http_status"))
    );
    let log = scene
        .run(&[
            "webhook", "log", "--bin", FLOWERS, "--state", "dead", "-o", "json",
        ])
        .await
        .json();
    let delivery = &log["deliveries"][0];
    assert_eq!(delivery["type"], "payment.created");
    assert_eq!(delivery["attempts"][0]["status"], 410);
    let text = scene.run(&["webhook", "log"]).await;
    assert!(
        text.out.contains("HTTP 410") && !text.out.contains("made-up"),
        "{}",
        text.out
    );
    receiver.will(Act::Answer(200));
    let resent = scene
        .run(&["webhook", "resend", "--all-dead", "--bin", FLOWERS])
        .await;
    assert_eq!(resent.code, 0, "{resent:?}");
    let seen = receiver.until(|seen| seen.len() == 2).await;
    assert_eq!(seen[0].id(), seen[1].id());
    assert_eq!(seen[0].id(), delivery["id"].as_str().unwrap());
    let none = scene.run(&["webhook", "resend", "msg_absent"]).await;
    assert_eq!(none.code, 1, "{none:?}");
    assert_eq!(serving.stop(), Some(0));
}

/// What `[webhooks]` allows, and a secret that is changed, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_takes_up_changed_settings() {
    let scene = Scene::start().await;
    let folder = scene.path("");
    secret_file(&folder, "webhook.secret").await;
    secret_file(&folder, "next.secret").await;
    let receiver = Receiver::start(Act::Answer(200)).await;
    webhook(&scene, "shop", &receiver.url());
    let serving = Running::start(&["serve", "--listen", "127.0.0.1:0", "-o", "json"], &folder);
    let invoice = [
        "payment",
        "create",
        "--bin",
        FLOWERS,
        "--phone",
        "+77000000000",
        "--amount",
        "100",
        "--message",
        "x",
    ];
    assert_eq!(scene.run(&invoice).await.code, 0);
    loop {
        let log = scene.run(&["webhook", "log", "-o", "json"]).await.json();
        let attempt = &log["deliveries"][0]["attempts"][0];
        if !attempt.is_null() {
            assert_eq!(attempt["failure"], "outbound_refused_address");
            break;
        }
    }
    assert_eq!(receiver.seen().len(), 0);
    add_lines(&scene, "[webhooks]\nallow_private = [\"127.0.0.1\"]\n");
    let seen = receiver.until(|seen| !seen.is_empty()).await;
    let signatures =
        |request: &super::webhook_kit::Seen| request.header("webhook-signature").split(' ').count();
    assert_eq!(signatures(&seen[0]), 1);
    let file = scene.path(&format!("certs/{FLOWERS}/merchant.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let both = text.replace(
        "secret_file = \"../../webhook.secret\"",
        "secret_file = \"../../next.secret\"\nprevious_secret_file = \"../../webhook.secret\"",
    );
    std::fs::write(&file, both).unwrap();
    let mut told = seen.len();
    loop {
        assert_eq!(scene.run(&invoice).await.code, 0);
        told += 1;
        let seen = receiver.until(|seen| seen.len() >= told).await;
        if signatures(seen.last().unwrap()) == 2 {
            break;
        }
    }
    assert_eq!(serving.stop(), Some(0));
}
