//! The first hour: whatever goes wrong says what to do next.

use std::fs;
use std::path::Path;

use super::cert_kit::refused;
use super::cli_kit::run_in;
use super::init_kit::Letter;
use super::kit::{FLOWERS, GIFTS};

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_the_first_hour_carries_its_next_step() {
    let letter = Letter::arrives().await;
    let here = &letter.folder;
    let made = run_in(here, &["sandbox", "init", "bank"]).await;
    assert_eq!(made.code, 0, "{made:?}");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().to_string();
    let nobody = {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap()
    };
    assert_eq!(letter.init(&["--password-file", "own.password"]).await.code, 0);
    let shop = fs::read_to_string(here.join("shop/kaspi.toml")).unwrap();
    let away = shop.replace(&letter.address, &format!("https://{nobody}/r3"));
    fs::write(here.join("shop/away.toml"), away).unwrap();
    let folder = here.join("shop/certs").join(FLOWERS);
    let invoice = [
        "payment",
        "create",
        "--phone",
        "+77000000000",
        "--amount",
        "100",
        "--message",
        "x",
    ];
    let pay = |token: &str| {
        fs::write(folder.join("device.token"), token).unwrap();
        let text = "trade_point_id = 385716\ndevice_token_file = \"device.token\"\n";
        fs::write(folder.join("merchant.toml"), text).unwrap();
    };
    let config = ["--config", "shop/kaspi.toml"];
    let mut cases: Vec<(Vec<&str>, &str, &str)> = vec![
        // no configuration at all, a name that is wrong, a sandbox that nobody has started
        (vec!["ping"], "config_not_found", "kaspi init"),
        (vec!["serve"], "config_not_found", "kaspi init"),
        (
            vec!["ping", "--config", "no.toml"],
            "config_not_found",
            "kaspi init",
        ),
        (
            vec!["ping", "--config", "bank/kaspi.toml"],
            "invalid_value",
            "kaspi sandbox run --dir",
        ),
        (
            vec!["sandbox", "run", "--dir", "nowhere"],
            "sandbox_file",
            "kaspi sandbox init",
        ),
        (
            vec!["sandbox", "run", "--dir", "bank", "--listen", &busy],
            "sandbox_listen",
            "port 0",
        ),
        // nobody listens, or somebody else does
        (
            vec!["ping", "--config", "shop/away.toml"],
            "connect",
            "kaspi sandbox run --dir",
        ),
        // the wrong organisation
        (vec!["ping", "--bin", GIFTS], "unknown_bin", ""),
        (vec!["ping", "--bin", "891027350516"], "mistyped_bin", "digits"),
        (vec!["token", "new", "--name", "shop"], "usage", "--bin"),
        (invoice.to_vec(), "no_device_token", "kaspi device register"),
    ];
    for case in &mut cases[7..] {
        if case.0[0] != "token" {
            case.0.extend(config);
        }
    }
    for (words, kind, next) in cases {
        says_what_to_do(here, &words, kind, next).await;
    }
    let invoice = [&invoice[..], &config].concat();
    pay("a-token-that-is-wrong");
    says_what_to_do(here, &invoice, "device_not_found", "kaspi device register").await;
    let ping = [&["ping"][..], &config].concat();
    fs::write(folder.join("password"), "wrong example\n").unwrap();
    says_what_to_do(here, &ping, "wrong_password", "openssl pkey").await;
    fs::remove_file(folder.join("password")).unwrap();
    says_what_to_do(here, &ping, "no_password", "KASPI_PASSWORD_891027350515").await;
    fs::write(
        folder.join("private.key"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF",
    )
    .unwrap();
    says_what_to_do(here, &ping, "broken_pem", "copy the file again").await;
    fs::remove_file(folder.join("private.key")).unwrap();
    says_what_to_do(here, &ping, "no_private_key", "private key").await;
}

async fn says_what_to_do(folder: &Path, words: &[&str], kind: &str, next: &str) {
    let ran = run_in(folder, &[words, &["-o", "json"]].concat()).await;
    let (code, seen, message) = refused(&ran);
    assert_ne!(code, 0, "{words:?}");
    assert_eq!(seen, kind, "{words:?}: {message}");
    let hint = ran.json()["error"]["hint"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        !hint.is_empty() && hint.contains(next),
        "{words:?}: {message}: {hint}"
    );
}
