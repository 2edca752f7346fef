//! `kaspi cert convert`: files of any form, read back by openssl.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kaspi_direct::sandbox::pki::{Authority, Issued, KeyKind};

use super::cert_kit::{refused, tree};
use super::cli_kit::{Ran, run_in};
use super::identity_kit::Folder;
use super::kit::has_program;

/// A certificate with its chain, its plain key and a password, as files to convert from.
fn workshop(kind: KeyKind) -> (Folder, Authority, Issued) {
    let folder = Folder::new();
    let authority = Authority::generate(kind).unwrap();
    let issued = authority.client(&["891027350515"]).unwrap();
    folder.write("own.cer", issued.certificate_pem());
    folder.write("bank.pem", authority.chain_pem());
    folder.write("plain.key", issued.key_pem());
    folder.write("password", "made-up example\n");
    (folder, authority, issued)
}

async fn convert(folder: &Folder, words: &str) -> Ran {
    let words: Vec<&str> = ["cert", "convert", "-o", "json"]
        .into_iter()
        .chain(words.split(' '))
        .collect();
    run_in(&folder.path(""), &words).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_becomes_the_standard_layout() {
    if !has_program("openssl") {
        return;
    }
    let (folder, _, issued) = workshop(KeyKind::Rsa2048);
    let make = |words: &str| folder.openssl(words);
    make(
        "pkcs12 -export -inkey plain.key -in own.cer -certfile bank.pem -passout file:password -out modern.pfx",
    );
    make(
        "pkcs12 -export -legacy -inkey plain.key -in own.cer -certfile bank.pem -passout file:password -out legacy.p12",
    );
    make("x509 -in own.cer -outform DER -out own.der");
    make("rsa -traditional -in plain.key -out pkcs1.key");
    make("rsa -traditional -in plain.key -outform DER -out pkcs1.der");
    make("rsa -traditional -aes256 -in plain.key -passout file:password -out old.key");
    make("pkcs8 -topk8 -v1 PBE-SHA1-3DES -in plain.key -passout file:password -out pbes1.key");
    let joined = [
        folder.read("bank.pem"),
        folder.read("pbes1.key"),
        folder.read("own.cer"),
    ]
    .concat();
    folder.write("all.pem", joined);

    for (number, (files, certificates)) in [
        ("modern.pfx", 2),
        ("legacy.p12", 2),
        ("own.der pkcs1.der", 1),
        ("pkcs1.key own.cer", 1),
        ("own.cer old.key", 1),
        // in a muddle, with the root
        ("bank.pem own.der pbes1.key", 2),
        ("all.pem", 2),
        ("plain.key own.cer", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out-{number}");
        let ran = convert(&folder, &format!("{files} --password-file password --out {out}")).await;
        assert_eq!(ran.code, 0, "{files}: {ran:?}");
        assert_eq!(ran.json()["certificate_sha256"], issued.sha256(), "{files}");
        assert_eq!(ran.json()["certificates"], certificates, "{files}");

        let chain = String::from_utf8(folder.read(&format!("{out}/certificate.cer"))).unwrap();
        assert!(chain.starts_with(&issued.certificate_pem()), "{files}: {chain}");
        assert_eq!(
            chain.matches("BEGIN CERTIFICATE").count(),
            certificates,
            "{files}"
        );
        assert_eq!(folder.read(&format!("{out}/password")), b"made-up example\n");
        make(&format!(
            "pkey -in {out}/private.key -passin file:password -out opened-{number}.key"
        ));
        assert_eq!(
            String::from_utf8(folder.read(&format!("opened-{number}.key"))).unwrap(),
            issued.key_pem(),
            "{files}"
        );
        for (name, bytes) in tree(&folder.path(&out)) {
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                !text.contains("BEGIN PRIVATE KEY") && !text.contains("BEGIN RSA"),
                "{files}"
            );
            let mode = fs::metadata(folder.path(&out).join(&name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o7777, 0o600, "{}", name.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn elliptic_curve_keys_too_and_a_new_password_where_one_is_asked_for() {
    if !has_program("openssl") {
        return;
    }
    let (folder, _, issued) = workshop(KeyKind::P256);
    folder.openssl("ec -in plain.key -out sec1.key");
    folder.openssl("ec -in plain.key -aes128 -passout file:password -out old.key");
    for (number, files) in ["sec1.key own.cer", "old.key own.cer"].into_iter().enumerate() {
        let out = format!("out-{number}");
        let words = format!("{files} --password-file password --generate-password --out {out}");
        let ran = convert(&folder, &words).await;
        assert_eq!(ran.code, 0, "{files}: {ran:?}");
        let password = String::from_utf8(folder.read(&format!("{out}/password"))).unwrap();
        assert_ne!(password.trim(), "made-up example");
        assert!(!format!("{ran:?}").contains(password.trim()));
        folder.openssl(&format!(
            "pkey -in {out}/private.key -passin file:{out}/password -pubout -out {out}.pub"
        ));
        folder.openssl(&format!("x509 -in own.cer -noout -pubkey -out {out}.expected"));
        assert_eq!(
            folder.read(&format!("{out}.pub")),
            folder.read(&format!("{out}.expected"))
        );
        assert_eq!(ran.json()["certificate_sha256"], issued.sha256());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_make_an_identity_is_refused_and_nothing_is_written() {
    let (folder, authority, issued) = workshop(KeyKind::P256);
    let other = authority.client(&["210440028324"]).unwrap();
    folder.write("other.key", other.key_pem());
    folder.write("locked.key", issued.encrypted_key_pem("another one").unwrap());
    folder.write("empty", "");
    folder.write("page.html", "<!DOCTYPE html><html></html>");
    folder.write("short", "seven77\n");
    for (words, code, kind) in [
        ("own.cer bank.pem --password-file password", 3, "no_private_key"),
        ("plain.key --password-file password", 3, "no_certificate"),
        (
            "own.cer plain.key other.key --password-file password",
            3,
            "several_private_keys",
        ),
        ("own.cer other.key --password-file password", 3, "key_mismatch"),
        ("own.cer locked.key --password-file password", 3, "wrong_password"),
        ("own.cer locked.key", 3, "no_password"),
        ("own.cer plain.key empty", 3, "file_empty"),
        ("own.cer plain.key page.html", 3, "wrong_form"),
        ("own.cer plain.key absent", 3, "file_missing"),
        // a plain key needs a password, and there is nobody to ask
        ("own.cer plain.key", 2, "no_terminal"),
        ("own.cer plain.key --password-file short", 2, "short_password"),
    ] {
        let ran = convert(&folder, &format!("{words} --out out")).await;
        let (seen_code, seen, message) = refused(&ran);
        assert_eq!((seen_code, seen.as_str()), (code, kind), "{words}: {message}");
        assert!(!folder.path("out").exists(), "{words}");
    }
    fs::create_dir(folder.path("out")).unwrap();
    folder.write("out/certificate.cer", "mine");
    let ran = convert(&folder, "own.cer plain.key --generate-password --out out").await;
    assert_eq!(refused(&ran).1, "file_exists");
    assert_eq!(folder.read("out/certificate.cer"), b"mine");
}
