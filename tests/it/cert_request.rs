//! `kaspi cert request`: what openssl reads in what it writes, and what the bank's part makes of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::cert_kit::{Bank, OWNER, refused, tree};
use super::cli_kit::run_in;
use super::kit::has_program;

const FULL: [&str; 14] = [
    "cert",
    "request",
    "--bin",
    OWNER,
    "--common-name",
    "pay.example.kz",
    "--organization",
    "TOO Flowers & Co.",
    "--state",
    "Almaty",
    "--locality",
    "Almaty",
    "--email",
    "it@example.kz",
];

fn openssl(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "openssl {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_reads_as_the_bank_asks() {
    if !has_program("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let words = [&FULL[..], &["--generate-password", "--out", "new"]].concat();
    let ran = run_in(here, &words).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err, "");

    let text = openssl(
        here,
        &["req", "-in", "new/request.csr", "-noout", "-text", "-verify"],
    );
    let told = |label: &str| {
        let line = text.lines().skip_while(|line| !line.contains(label)).nth(1);
        line.unwrap_or_else(|| panic!("no {label} in {text}"))
            .trim()
            .to_owned()
    };
    assert_eq!(
        told("X509v3 Key Usage"),
        "Digital Signature, Non Repudiation, Key Encipherment, Data Encipherment"
    );
    assert_eq!(told("X509v3 Extended Key Usage"), "TLS Web Client Authentication");
    assert!(text.contains("Public-Key: (2048 bit)"), "{text}");
    assert!(
        text.contains("Signature Algorithm: sha256WithRSAEncryption"),
        "{text}"
    );
    let subject = openssl(
        here,
        &[
            "req",
            "-in",
            "new/request.csr",
            "-noout",
            "-subject",
            "-nameopt",
            "RFC2253,-dn_rev",
        ],
    );
    // OU and the extras are blank.
    assert_eq!(
        subject.trim(),
        "subject=C=KZ,ST=Almaty,L=Almaty,O=TOO Flowers & Co.,CN=pay.example.kz,emailAddress=it@example.kz"
    );

    let open = ["pkey", "-in", "new/private.key", "-passin", "file:new/password"];
    let public = openssl(here, &[&open[..], &["-pubout"]].concat());
    assert_eq!(
        public,
        openssl(here, &["req", "-in", "new/request.csr", "-noout", "-pubkey"])
    );
    let parsed = openssl(here, &["asn1parse", "-in", "new/private.key"]);
    for scheme in ["PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc"] {
        assert!(parsed.contains(scheme), "{parsed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_lies_there_under_its_password_alone() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let words = [&FULL[..], &["--generate-password", "--out", "new", "-vv"]].concat();
    let ran = run_in(here, &words).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let files = tree(here);
    let names: Vec<_> = files.iter().map(|(name, _)| name.to_str().unwrap()).collect();
    assert_eq!(names, ["new/password", "new/private.key", "new/request.csr"]);
    let password = String::from_utf8(files[0].1.clone()).unwrap();
    assert!(password.trim().len() >= 32);
    assert!(!format!("{ran:?}").contains(password.trim()));
    for (name, bytes) in &files {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            !text.contains("BEGIN PRIVATE KEY") && !text.contains("BEGIN RSA"),
            "{text}"
        );
        let mode = fs::metadata(here.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{}", name.display());
    }
    assert!(files[1].1.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));

    // Nothing is written over, not one file of the three.
    for name in names {
        for other in &files {
            let _ = fs::remove_file(here.join(&other.0));
        }
        fs::write(here.join(name), "mine").unwrap();
        let ran = run_in(here, &[&words[..], &["-o", "json"]].concat()).await;
        let (code, kind, message) = refused(&ran);
        assert_eq!((code, kind.as_str()), (3, "file_exists"));
        assert_eq!(message, format!("`{name}` exists"));
        assert_eq!(tree(here), [(Path::new(name).to_owned(), b"mine".to_vec())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_before_a_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("short.password"), "seven77\n").unwrap();
    let with = |option: &str, value: &'static str| -> Vec<&'static str> {
        let mut words = FULL.to_vec();
        let at = words.iter().position(|word| *word == option).unwrap();
        words[at + 1] = value;
        words.extend(["--generate-password", "--out", "new", "-o", "json"]);
        words
    };
    let asked = [&FULL[..], &["--out", "new", "-o", "json"]].concat();
    let short = [&asked[..], &["--password-file", "short.password"]].concat();
    let mut nobody = asked.clone();
    nobody.drain(2..4);
    for (words, code, kind) in [
        (with("--organization", "ТОО Цветы"), 2, "not_latin"),
        (with("--common-name", "https://pay.example.kz"), 2, "not_a_host"),
        (with("--locality", ""), 2, "name_length"),
        (with("--email", "it"), 2, "not_an_email"),
        (nobody, 2, "no_bin"),
    ] {
        let (seen_code, seen, message) = refused(&run_in(here, &words).await);
        assert_eq!((seen_code, seen.as_str()), (code, kind), "{message}");
        assert!(!here.join("new").exists());
    }
    for (words, kind) in [(asked, "no_terminal"), (short, "short_password")] {
        let (code, seen, message) = refused(&run_in(here, &words).await);
        assert_eq!((code, seen.as_str()), (2, kind), "{message}");
        assert!(!here.join("new").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bank_signs_installs() {
    let bank = Bank::open().await;
    let words = [&FULL[..], &["--generate-password", "--out", "new"]].concat();
    assert_eq!(bank.run(&words).await.code, 0);
    let ran = bank
        .run(&["sandbox", "sign", "--dir", ".", "--bin", OWNER, "new/request.csr"])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    fs::write(bank.scene.path("new/certificate.cer"), &ran.out).unwrap();
    let ran = bank
        .run(&[
            "cert",
            "install",
            "--bin",
            OWNER,
            "--cert",
            "new/certificate.cer",
            "--key",
            "new/private.key",
            "--password-file",
            "new/password",
            "-o",
            "json",
        ])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["certificate_sha256"], bank.in_use(OWNER).await);

    // Nobody signs for no organisation at all, or what is no request.
    let ran = bank
        .run(&["sandbox", "sign", "--dir", ".", "new/request.csr"])
        .await;
    assert_ne!(ran.code, 0);
    let ran = bank
        .run(&[
            "sandbox",
            "sign",
            "--dir",
            ".",
            "--bin",
            OWNER,
            "new/certificate.cer",
        ])
        .await;
    assert_ne!(ran.code, 0);
    assert_eq!(ran.out, "");
}
