//! `kaspi sandbox` as a process of its own, asked by our program and by an independent TLS client.

use std::path::Path;
use std::process::Command;

use kaspi_direct::api::KaspiTime;
use serde_json::{Value, json};

use super::cli_kit::{Running, Scene, kaspi, run_in};
use super::kit::{FLOWERS, GIFTS, has_program};

fn run_sandbox(folder: &Path, more: &[&str]) -> Running {
    Running::start(&[&["sandbox", "run", "--dir", "bank"], more].concat(), folder)
}

fn curl(arguments: &[&str]) -> Value {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "curl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_the_same_answers_as_our_client() {
    if !has_program("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let ran = run_in(here, &["sandbox", "init", "bank", "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json(), json!({ "dir": "bank", "config": "bank/kaspi.toml" }));
    let running = run_sandbox(here, &[]);
    let listen = running.ready["listen"].as_str().unwrap().to_owned();
    let control = running.ready["control"].as_str().unwrap().to_owned();
    assert_eq!(running.ready["config"], "bank/kaspi.toml");
    let config = std::fs::read_to_string(here.join("bank/kaspi.toml")).unwrap();
    assert!(config.contains(&format!("https://{listen}/r3")), "{config}");

    let own = here.join("bank/certs").join(FLOWERS);
    let file = |name: &str| own.join(name).display().to_string();
    let password = std::fs::read_to_string(own.join("password")).unwrap();
    let merchant = std::fs::read_to_string(own.join("merchant.toml")).unwrap();
    let token = merchant
        .lines()
        .find_map(|line| line.strip_prefix("device_token = "))
        .unwrap()
        .trim_matches('"')
        .to_owned();
    let (certificate, key) = (file("certificate.cer"), file("private.key"));
    let chain = here.join("bank/kbs_chain.pem").display().to_string();
    let as_shop = [
        "--cert",
        &certificate,
        "--key",
        &key,
        "--pass",
        password.trim_end(),
        "--cacert",
        &chain,
    ];
    let asked = |path: &str| curl(&[&as_shop[..], &[&format!("https://{listen}/r3{path}")]].concat());
    let ours = async |words: &[&str]| {
        let ran = run_in(
            here,
            &[
                &["--config", "bank/kaspi.toml", "-o", "json", "--bin", FLOWERS],
                words,
            ]
            .concat(),
        )
        .await;
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()
    };

    let theirs = asked(&format!("/v01/partner/tradepoints/{FLOWERS}"));
    let points = ours(&["tradepoints"]).await;
    assert_eq!(theirs["StatusCode"], 0);
    assert_eq!(
        theirs["Data"],
        json!([{
            "TradePointId": points[0]["trade_point_id"], "TradePointName": points[0]["trade_point_name"],
        }])
    );

    let created = ours(&[
        "payment",
        "create",
        "--phone",
        "77000000001",
        "--amount",
        "100.50",
        "--message",
        "Заказ",
    ])
    .await;
    let id = created["payment_id"].to_string();
    curl(&["-X", "POST", &format!("http://{control}/payments/{id}/pay")]);
    let status = ours(&["payment", "status", &id]).await;
    let theirs = asked(&format!("/v02/payment/status/{id}"));
    assert_eq!(theirs["Data"]["Status"], "Processed");
    assert_eq!(theirs["Data"]["Status"], status["status"]);
    assert_eq!(theirs["Data"]["StoreName"], status["store_name"]);
    assert_eq!(theirs["Data"]["TransactionId"], status["transaction_id"]);
    assert_eq!(theirs["Data"]["Amount"].as_f64(), Some(100.5));
    assert_eq!(status["amount"], "100.50");

    let details = ours(&["payment", "details", &id]).await;
    let theirs = asked(&format!(
        "/v01/payment/details?QrPaymentId={id}&DeviceToken={token}"
    ));
    assert_eq!(theirs["Data"]["QrPaymentId"], details["payment_id"]);
    assert_eq!(theirs["Data"]["TotalAmount"].as_f64(), Some(100.5));
    // the bank writes Almaty's time without saying so; we say so
    let date = KaspiTime::new(theirs["Data"]["TransactionDate"].as_str().unwrap());
    assert_eq!(details["transaction_date"], serde_json::to_value(date).unwrap());
    assert!(details["transaction_date"].as_str().unwrap().ends_with("+05:00"));
    assert_eq!(details["available_return_amount"], "100.50");

    // and without a certificate it is told so
    let nobody = curl(&[
        "--cacert",
        &chain,
        &format!("https://{listen}/r3/v01/partner/tradepoints/{FLOWERS}"),
    ]);
    assert_eq!(nobody["StatusCode"], -10_000);

    let rows = curl(&[&format!("http://{control}/requests")]);
    let fingerprints: std::collections::BTreeSet<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["client_cert_sha256"].as_str())
        .collect();
    assert_eq!(fingerprints.len(), 1, "curl's certificate is ours");
    assert_eq!(running.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_sandbox_refuses_nobody_in_particular_and_init_keeps_its_hands_off() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let ran = run_in(here, &["sandbox", "init", "bank", "--bin", GIFTS]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let again = run_in(here, &["sandbox", "init", "bank", "-o", "json"]).await;
    assert_eq!(again.code, 3, "{again:?}");
    assert_eq!(again.json()["error"]["kind"], "sandbox_not_empty");
    let nowhere = run_in(here, &["sandbox", "run", "--dir", "none", "-o", "json"]).await;
    assert_eq!(nowhere.code, 3, "{nowhere:?}");

    let running = run_sandbox(here, &["--strict"]);
    let ran = run_in(here, &["--config", "bank/kaspi.toml", "tradepoints"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    if has_program("curl") {
        let chain = here.join("bank/kbs_chain.pem").display().to_string();
        let url = format!(
            "https://{}/r3/v01/health/ping",
            running.ready["listen"].as_str().unwrap()
        );
        let output = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--noproxy",
                "*",
                "--cacert",
                &chain,
                &url,
            ])
            .output()
            .unwrap();
        assert!(!output.status.success());
    }
    assert_eq!(running.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_never_was_is_not_waited_for() {
    let scene = Scene::start().await;
    let ran = scene
        .run(&["payment", "watch", "12800000774", "--bin", GIFTS, "-o", "json"])
        .await;
    assert_eq!(ran.code, 5, "{ran:?}");
    assert_eq!(ran.json()["error"]["kind"], "payment_not_found");
    assert_eq!(ran.json()["error"]["code"], -1601);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_told_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_in(folder.path(), &["sandbox", "init", "bank", "--bin", GIFTS]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = [
        "sandbox", "run", "--dir", "bank", "--listen", &address, "-o", "json",
    ];
    let ran = run_in(folder.path(), &arguments).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let message = ran.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with(&format!(
            "cannot listen on `{address}` for Kaspi: Address already in use"
        )),
        "{message}"
    );
}

/// A payment's number is not lost because a disk is full, and nobody is told that the payment failed.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_goes_to_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = kaspi(
        &["sandbox", "init", "bank", "--bin", GIFTS, "-o", "json"],
        folder.path(),
    )
    .stdout(full)
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.starts_with("error: the result cannot be written to standard output: No space left"),
        "{told}"
    );
    assert!(
        told.ends_with("{\"config\":\"bank/kaspi.toml\",\"dir\":\"bank\"}\n"),
        "{told}"
    );
}
