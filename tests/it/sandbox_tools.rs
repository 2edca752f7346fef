//! The sandbox under tools that are not ours: curl and openssl.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use kaspi_direct::sandbox::layout::{Init, init};
use kaspi_direct::sandbox::pki::KeyKind;
use kaspi_direct::sandbox::{Options, Sandbox, TlsVersions};
use serde_json::{Value, json};

use super::kit::has_program;

const FLOWERS: &str = "891027350515";
const GIFTS: &str = "210440028324";

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap())
        .await
        .unwrap()
}

fn curl(folder: &Path, bin: &str) -> Command {
    let own = folder.join("certs").join(bin);
    let password = fs::read_to_string(own.join("password")).unwrap();
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"])
        .arg("--cert")
        .arg(own.join("certificate.cer"))
        .arg("--key")
        .arg(own.join("private.key"))
        .args(["--pass", password.trim()])
        .arg("--cacert")
        .arg(folder.join("kbs_chain.pem"))
        .args(["--header", "Content-Type: application/json"]);
    command
}

/// The answer of one curl call.
async fn call(mut command: Command, url: &str, body: Option<Value>) -> Value {
    if let Some(body) = body {
        command.arg("--data").arg(body.to_string());
    }
    command.arg(url);
    let output = run(command).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
}

fn merchant(folder: &Path, bin: &str) -> toml::Table {
    fs::read_to_string(folder.join("certs").join(bin).join("merchant.toml"))
        .unwrap()
        .parse()
        .unwrap()
}

/// The bank's own kind of key, so RSA: this is the folder as an operator gets it.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &Init::default()).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_makes_a_payment_from_the_folder_alone() {
    if !has_program("curl") {
        return;
    }
    let folder = filled();
    let dir = folder.path();
    let before = fs::read_to_string(dir.join("kaspi.toml")).unwrap();
    let sandbox = Sandbox::start(Options::from_dir(dir).unwrap()).await.unwrap();

    // The address is in the configuration, and nothing else changed.
    let after = fs::read_to_string(dir.join("kaspi.toml")).unwrap();
    assert_eq!(
        after,
        before.replace("https://127.0.0.1:0/r3", &sandbox.base_url())
    );
    let config: toml::Table = after.parse().unwrap();
    let base = config["kaspi"]["base_url"].as_str().unwrap().to_owned();
    let control = format!("http://{}", sandbox.control_address());

    let shop = merchant(dir, FLOWERS);
    let token = shop["device_token"].as_str().unwrap();
    let points = call(
        curl(dir, FLOWERS),
        &format!("{base}/v01/partner/tradepoints/{FLOWERS}"),
        None,
    )
    .await;
    assert_eq!(
        points["Data"],
        json!([{"TradePointId": shop["trade_point_id"].as_integer(), "TradePointName": "Flower shop"}])
    );
    let created = call(
        curl(dir, FLOWERS),
        &format!("{base}/v01/remote/create/"),
        Some(
            json!({"OrganizationBin": FLOWERS, "DeviceToken": token, "Amount": 100.5,
                    "PhoneNumber": "77000000000", "Comment": "Заказ 1"}),
        ),
    )
    .await;
    assert_eq!(created["StatusCode"], 0, "{created}");
    let id = created["Data"]["QrPaymentId"].as_i64().unwrap();

    let mut pay = Command::new("curl");
    pay.args(["--silent", "--noproxy", "*", "--request", "POST"]);
    let paid = call(pay, &format!("{control}/payments/{id}/pay"), None).await;
    assert_eq!(paid["status"], "Processed");
    let status = call(
        curl(dir, FLOWERS),
        &format!("{base}/v02/payment/status/{id}"),
        None,
    )
    .await;
    assert_eq!(status["Data"]["Status"], "Processed");
    assert_eq!(status["Data"]["Amount"], 100.5);

    // The other shop cannot pay it back, nor can anybody without a certificate see it.
    let gift_token = merchant(dir, GIFTS)["device_token"].as_str().unwrap().to_owned();
    let refused = call(
        curl(dir, GIFTS),
        &format!("{base}/v01/payment/return"),
        Some(json!({"OrganizationBin": GIFTS, "DeviceToken": gift_token, "QrPaymentId": id, "Amount": 1})),
    )
    .await;
    assert_eq!(refused["StatusCode"], -99_000_003);
    let mut anonymous = Command::new("curl");
    anonymous
        .args(["--silent", "--noproxy", "*", "--cacert"])
        .arg(dir.join("kbs_chain.pem"));
    let refused = call(anonymous, &format!("{base}/v01/health/ping"), None).await;
    assert_eq!(refused["StatusCode"], -10_000);

    let mut requests = Command::new("curl");
    requests.args(["--silent", "--noproxy", "*"]);
    let rows = call(requests, &format!("{control}/requests"), None).await;
    assert_eq!(rows.as_array().unwrap().len(), 5);
    assert_eq!(rows[0]["path"], format!("/r3/v01/partner/tradepoints/{FLOWERS}"));
    assert_ne!(rows[0]["client_cert_sha256"], rows[3]["client_cert_sha256"]);
    assert_eq!(rows[4]["client_cert_sha256"], Value::Null);
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_satisfy_a_strict_openssl() {
    if !has_program("openssl") {
        return;
    }
    let folder = filled();
    let dir = folder.path();
    let mut checks = vec![(dir.join("sandbox/server.crt"), "sslserver")];
    for bin in [FLOWERS, GIFTS] {
        checks.push((dir.join("certs").join(bin).join("certificate.cer"), "sslclient"));
    }
    for (certificate, purpose) in checks {
        let mut verify = Command::new("openssl");
        verify
            .args([
                "verify",
                "-x509_strict",
                "-check_ss_sig",
                "-purpose",
                purpose,
                "-CAfile",
            ])
            .arg(dir.join("kbs_chain.pem"))
            .arg(&certificate);
        let output = run(verify).await;
        assert!(output.status.success(), "{output:?}");
    }
    // A client's certificate is no server's.
    let mut verify = Command::new("openssl");
    verify
        .args(["verify", "-purpose", "sslserver", "-CAfile"])
        .arg(dir.join("kbs_chain.pem"))
        .arg(dir.join("certs").join(FLOWERS).join("certificate.cer"));
    assert!(!run(verify).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_shakes_hands_in_both_versions() {
    if !has_program("openssl") {
        return;
    }
    let folder = filled();
    let dir = folder.path();
    for (versions, flag, name) in [
        (TlsVersions::Tls12, "-tls1_2", "TLSv1.2"),
        (TlsVersions::Tls13, "-tls1_3", "TLSv1.3"),
    ] {
        let mut options = Options::from_dir(dir).unwrap();
        options.tls = versions;
        let sandbox = Sandbox::start(options).await.unwrap();
        let mut client = Command::new("openssl");
        client
            .args(["s_client", flag, "-verify_return_error", "-CAfile"])
            .arg(dir.join("kbs_chain.pem"))
            .args(["-verify_hostname", "localhost", "-connect"])
            .arg(sandbox.address().to_string());
        let output = run(client).await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("Verify return code: 0 (ok)"), "{text}");
        assert!(text.contains(name), "{text}");
        // Both levels are named as acceptable issuers, so that clients that send their leaf find it.
        for issuer in ["CN = KBS-CA", "CN = kbs-root-ca"] {
            assert!(text.contains(issuer), "{text}");
        }
    }
}

/// What the bank does on renewal, and what an operator does for a new shop.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_sandbox_takes_renewed_certificates_and_new_folders() {
    if !has_program("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let fast = Init {
        keys: KeyKind::P256,
        ..Init::default()
    };
    init(&first, &fast).unwrap();
    let sandbox = Sandbox::start(Options::from_dir(&first).unwrap()).await.unwrap();

    let new_bin = "123456789012";
    let further = Init {
        bins: vec![FLOWERS.to_owned(), new_bin.to_owned()],
        ca: Some(first.clone()),
        keys: KeyKind::P256,
    };
    init(&second, &further).unwrap();
    let copy = |bin: &str, files: &[&str]| {
        let target = first.join("certs").join(bin);
        fs::create_dir_all(&target).unwrap();
        for file in files {
            fs::copy(second.join("certs").join(bin).join(file), target.join(file)).unwrap();
        }
    };
    copy(FLOWERS, &["certificate.cer", "private.key", "password"]);
    copy(
        new_bin,
        &["certificate.cer", "private.key", "password", "merchant.toml"],
    );
    for bin in [FLOWERS, new_bin] {
        let answer = call(
            curl(&first, bin),
            &format!("{}/v01/partner/tradepoints/{bin}", sandbox.base_url()),
            None,
        )
        .await;
        assert_eq!(answer["StatusCode"], 0, "{bin}: {answer}");
        let token = merchant(&first, bin)["device_token"].as_str().unwrap().to_owned();
        let answer = call(
            curl(&first, bin),
            &format!("{}/v01/remote/create", sandbox.base_url()),
            Some(json!({"OrganizationBin": bin, "DeviceToken": token, "Amount": 1, "PhoneNumber": "77000000000"})),
        )
        .await;
        assert_eq!(answer["StatusCode"], 0, "{bin}: {answer}");
    }
}
