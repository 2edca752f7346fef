//! `kaspi init`: from the bank's files to a configuration that the doctor finds healthy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cert_kit::{refused, tree};
use super::cli_kit::run_in;
use super::init_kit::{Letter, PASSWORD, after, mode, reached_the_bank};
use super::kit::{FLOWERS, GIFTS, has_program};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_and_an_encrypted_key_become_a_working_configuration() {
    let letter = Letter::arrives().await;
    let ran = letter
        .init(&["--password-file", "own.password", "--name", "Flower \"shop\""])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = ran.json();
    assert_eq!(told["config"], "shop/kaspi.toml");
    assert_eq!(told["bin"], FLOWERS);
    reached_the_bank(&told["doctor"]);
    let next: Vec<&str> = told["next"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["command"].as_str().unwrap())
        .collect();
    assert!(next.contains(&"kaspi tradepoints"), "{next:?}");
    assert!(
        next.iter().any(|step| step.starts_with("kaspi device register ")),
        "{next:?}"
    );
    assert!(!format!("{ran:?}").contains(PASSWORD));

    let shop = letter.folder.join("shop");
    let folder = shop.join("certs").join(FLOWERS);
    assert_eq!(
        fs::read_to_string(folder.join("password")).unwrap(),
        format!("{PASSWORD}\n")
    );
    for secret in ["private.key", "password"] {
        assert_eq!(mode(&folder.join(secret)), 0o600, "{secret}");
    }
    let names: Vec<PathBuf> = tree(&shop).into_iter().map(|(name, _)| name).collect();
    let expected = ["certificate.cer", "merchant.toml", "password", "private.key"]
        .map(|name| Path::new("certs").join(FLOWERS).join(name));
    let rest = ["bank_ca.pem", "kaspi.toml"].map(PathBuf::from);
    assert_eq!(names, [&rest[..1], &expected[..], &rest[1..]].concat());
    for (name, bytes) in tree(&shop) {
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            !text.contains("BEGIN PRIVATE KEY") && !text.contains("BEGIN RSA"),
            "{name:?}"
        );
    }

    // what it says comes next, done as it says
    let sequel = ["tradepoints", "-o", "json"];
    let listed = after(&letter, &sequel).await;
    assert_eq!(listed[0]["trade_point_id"], 385_716);
    let register = next
        .iter()
        .find(|step| step.starts_with("kaspi device register "))
        .unwrap();
    let words = register.replace("ID", "385716");
    let words: Vec<&str> = words.split(' ').skip(1).collect();
    let ran = run_in(
        &letter.folder,
        &[&words[..], &["--config", "shop/kaspi.toml"]].concat(),
    )
    .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines = next.iter().find(|step| step.starts_with("printf ")).unwrap();
    let appended = Command::new("sh")
        .args(["-c", &lines.replace("ID", "385716")])
        .current_dir(&letter.folder)
        .status()
        .unwrap();
    assert!(appended.success());
    let report = after(&letter, &["doctor", "-o", "json"]).await;
    assert_eq!(report["verdict"], "pass", "{report}");
    let shown = after(&letter, &["merchants", "list", "-o", "json"]).await;
    assert_eq!(shown[0]["name"], "Flower \"shop\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pfx_with_a_device_token_needs_nothing_more() {
    if !has_program("openssl") {
        return;
    }
    let letter = Letter::arrives().await;
    // openssl takes the second line where both name one file
    fs::write(letter.folder.join("pfx.password"), PASSWORD).unwrap();
    let made = Command::new("openssl")
        .args([
            "pkcs12",
            "-export",
            "-inkey",
            "letter/own.key",
            "-in",
            "letter/bank.cer",
        ])
        .args([
            "-passin",
            "file:own.password",
            "-passout",
            "file:pfx.password",
            "-out",
            "letter/bank.pfx",
        ])
        .current_dir(&letter.folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    letter.remove("bank.cer");
    letter.remove("own.key");
    let token = letter.scene.path("certs").join(FLOWERS).join("merchant.toml");
    let token = fs::read_to_string(token).unwrap();
    let token = token
        .split("device_token = \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    fs::write(letter.folder.join("device"), format!("{token}\n")).unwrap();
    let ran = letter
        .init(&[
            "--password-file",
            "own.password",
            "--trade-point",
            "385716",
            "--device-token-file",
            "device",
        ])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["doctor"]["verdict"], "pass", "{ran:?}");
    assert!(!format!("{ran:?}").contains(&token));
    assert_eq!(
        mode(
            &letter
                .folder
                .join("shop/certs")
                .join(FLOWERS)
                .join("device.token")
        ),
        0o600
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_key_is_kept_under_a_new_password() {
    let letter = Letter::arrives().await;
    let issued = letter.authority.client(&[FLOWERS]).unwrap();
    letter.put("bank.cer", issued.certificate_pem());
    letter.put("own.key", issued.key_pem());
    let ran = letter.init(&[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    reached_the_bank(&ran.json()["doctor"]);
    let folder = letter.folder.join("shop/certs").join(FLOWERS);
    let key = fs::read_to_string(folder.join("private.key")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{key}");
    let password = fs::read_to_string(folder.join("password")).unwrap();
    assert!(password.trim().len() >= 32 && !format!("{ran:?}").contains(password.trim()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_before_anything_is_written() {
    let letter = Letter::arrives().await;
    let other = letter.authority.client(&[GIFTS]).unwrap();
    fs::write(letter.folder.join("wrong.password"), "another one\n").unwrap();
    fs::create_dir(letter.folder.join("empty")).unwrap();
    let stranger = letter.folder.join("stranger.key");
    fs::write(&stranger, other.encrypted_key_pem(PASSWORD).unwrap()).unwrap();
    let stranger = stranger.to_str().unwrap();

    for (more, code, kind, named) in [
        (
            &["--password-file", "wrong.password"][..],
            3,
            "wrong_password",
            "wrong.password",
        ),
        (&[], 3, "no_password", "own.key"),
        (
            &["--key", stranger, "--password-file", "own.password"],
            3,
            "key_mismatch",
            "stranger.key",
        ),
        (&["--base-url", "http://bank.example"], 2, "usage", "--base-url"),
        (&["--password-file", "absent"], 3, "file_missing", "absent"),
        (&["--config", "shop/kaspi.toml"], 2, "usage", "--config"),
    ] {
        let ran = letter.init(more).await;
        let (seen_code, seen, message) = refused(&ran);
        assert_eq!((seen_code, seen.as_str()), (code, kind), "{more:?}: {message}");
        assert!(message.contains(named), "{more:?}: {message}");
        assert!(!letter.written(), "{more:?}");
    }
    // the address is looked at too where it is the only one given
    let bad = [
        "init", "letter", "--yes", "--dir", "shop", "--bin", FLOWERS, "-o", "json",
    ];
    let bad = [
        &bad[..],
        &[
            "--base-url",
            "http://bank.example",
            "--password-file",
            "own.password",
        ],
    ]
    .concat();
    let (code, _, message) = refused(&run_in(&letter.folder, &bad).await);
    assert_eq!(code, 3, "{message}");
    assert!(
        message.contains("--base-url") && message.contains("https"),
        "{message}"
    );
    assert!(!letter.written());

    let nothing = run_in(
        &letter.folder,
        &["init", "empty", "--yes", "--bin", FLOWERS, "-o", "json"],
    )
    .await;
    assert_eq!((nothing.code, refused(&nothing).1.as_str()), (3, "nothing_found"));
    letter.remove("own.key");
    let keyless = letter.init(&[]).await;
    let (_, kind, message) = refused(&keyless);
    assert_eq!(kind, "nothing_found");
    // each file is told by what is in it
    assert!(
        message.contains("bank.cer`: a certificate (") && message.contains("a certificate authority ("),
        "{message}"
    );
    let hint = keyless.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("--key"), "{hint}");

    letter.put("one.key", other.key_pem());
    letter.put("two.key", letter.authority.client(&[FLOWERS]).unwrap().key_pem());
    assert_eq!(refused(&letter.init(&[]).await).1, "several_found");
    let unnamed = run_in(
        &letter.folder,
        &letter.words(&[
            "-o",
            "json",
            "--cert",
            "letter/bank.cer",
            "--key",
            "stranger.key",
            "--password-file",
            "own.password",
        ]),
    )
    .await;
    assert_eq!(refused(&unnamed).1, "key_mismatch");
    assert!(!letter.written());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_there_stays_as_it_is() {
    let letter = Letter::arrives().await;
    let files = ["--password-file", "own.password", "--no-doctor"];
    assert_eq!(letter.init(&files).await.code, 0);
    let shop = letter.folder.join("shop");
    let before = tree(&shop);
    let again = letter.init(&files).await;
    let (code, kind, message) = refused(&again);
    assert_eq!((code, kind.as_str()), (3, "layout_exists"), "{message}");
    assert!(message.contains("shop/kaspi.toml"), "{message}");
    // also where only the folder of the organisation is left
    fs::remove_file(shop.join("kaspi.toml")).unwrap();
    let (_, kind, message) = refused(&letter.init(&files).await);
    assert_eq!(kind, "layout_exists");
    assert!(message.contains(&format!("certs/{FLOWERS}")), "{message}");
    fs::write(
        shop.join("kaspi.toml"),
        &before
            .iter()
            .find(|(name, _)| name == Path::new("kaspi.toml"))
            .unwrap()
            .1,
    )
    .unwrap();
    assert_eq!(tree(&shop), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_does_not_answer_leaves_the_files_and_the_next_step() {
    let letter = Letter::arrives().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}/r3", nobody.local_addr().unwrap());
    drop(nobody);
    let words = ["init", "letter", "--yes", "--dir", "shop", "--bin", FLOWERS];
    let words = [
        &words[..],
        &["--base-url", &address, "--password-file", "own.password"],
    ]
    .concat();
    let ran = run_in(&letter.folder, &words).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(letter.written());
    assert!(
        ran.out.contains("nothing_listens") || ran.out.contains("nothing listens"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("\nnext\n") && ran.out.contains("  kaspi doctor\n"),
        "{}",
        ran.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_without_a_terminal() {
    let letter = Letter::arrives().await;
    let ran = run_in(&letter.folder, &["init", "letter", "-o", "json"]).await;
    assert_eq!((ran.code, refused(&ran).1.as_str()), (2, "no_terminal"));
    let ran = run_in(
        &letter.folder,
        &letter.words(&["-o", "json", "--password-file", "own.password"]),
    )
    .await;
    assert_eq!((ran.code, refused(&ran).1.as_str()), (2, "no_bin"));
    assert!(!letter.written());
}
