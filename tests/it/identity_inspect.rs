//! `inspect`: any file to a list for programs.

use kaspi_direct::identity::{IdentityError, inspect};
use serde_json::Value;

use crate::identity_kit::{Authority, Folder, NOW, has_legacy_openssl, password_file};

fn shown(folder: &Folder, name: &str, passwords: &[&str]) -> Vec<Value> {
    let passwords: Vec<_> = passwords.iter().map(password_file).collect();
    let items = inspect(&folder.path(name), &passwords, NOW).unwrap();
    match serde_json::to_value(items).unwrap() {
        Value::Array(items) => items,
        other => panic!("{other}"),
    }
}

fn kinds(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_certificate() {
    let folder = Folder::new();
    let issued = Authority::root("Test Root").client(|_| {});
    let file = folder.write("certificate.cer", &issued.certificate);
    folder.write("certificate.der", &issued.der);
    let items = shown(&folder, "certificate.cer", &[]);
    let item = items[0].as_object().unwrap();
    let names: Vec<&str> = item.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "bins",
            "ca",
            "days_left",
            "extended_key_usage",
            "file",
            "issuer",
            "key",
            "key_usage",
            "kind",
            "not_after",
            "not_before",
            "public_key_sha256",
            "serial",
            "sha256",
            "signature",
            "subject",
            "subject_alt_names"
        ]
    );
    assert_eq!(item["file"], file.to_str().unwrap());
    assert_eq!(item["kind"], "certificate");
    assert_eq!(
        item["subject"],
        "CN=Test Flower Shop, serialNumber=BIN891027350515"
    );
    assert_eq!(item["issuer"], "CN=Test Root");
    assert_eq!(item["not_before"], "2025-06-15T12:00:00Z");
    assert_eq!(item["not_after"], "2027-06-15T12:00:00Z");
    assert_eq!(item["days_left"], 365);
    assert_eq!(item["key"], "ECDSA P-256");
    assert_eq!(item["bins"], serde_json::json!(["891027350515"]));
    let der = shown(&folder, "certificate.der", &[]);
    assert_eq!(der[0]["sha256"], item["sha256"]);
}

#[test]
fn key_and_certificate_show_the_same_public_key() {
    let folder = Folder::new();
    let issued = Authority::root("Test Root").client(|_| {});
    folder.write("all.pem", format!("{}{}", issued.key, issued.certificate));
    let items = shown(&folder, "all.pem", &[]);
    assert_eq!(kinds(&items), ["pkcs8", "certificate"]);
    assert_eq!(items[0]["public_key_sha256"], items[1]["public_key_sha256"]);
    assert_eq!(items[0]["key"], "ECDSA P-256");
}

#[test]
fn what_cannot_be_used_is_shown_with_a_hint() {
    let folder = Folder::new();
    folder.write("page.cer", "<html></html>");
    folder.write("store.jks", b"\xfe\xed\xfe\xed\0\0\0\x02");
    for (name, kind) in [("page.cer", "html"), ("store.jks", "jks")] {
        let items = shown(&folder, name, &[]);
        assert_eq!(kinds(&items), [kind]);
        assert!(items[0]["hint"].is_string(), "{name}");
    }
    folder.write("empty", "");
    let error = inspect(&folder.path("empty"), &[], NOW).unwrap_err();
    assert!(matches!(error, IdentityError::Empty { .. }), "{error}");
}

#[test]
fn encrypted_files_show_how_and_open_with_a_password() {
    if !has_legacy_openssl() {
        return;
    }
    let folder = Folder::new();
    let issued = Authority::root("Test Root").client(|_| {});
    folder.write("certificate.cer", &issued.certificate);
    folder.write("private.key", &issued.key);
    folder.write("pw", "right");
    folder.openssl("pkcs8 -topk8 -in private.key -v2 des3 -passout file:pw -out pbes2.key");
    folder.openssl("ec -in private.key -aes128 -passout file:pw -out traditional.key");
    folder.openssl(
        "pkcs12 -export -legacy -inkey private.key -in certificate.cer -passout file:pw -out all.p12",
    );
    for (name, kind, encryption) in [
        (
            "pbes2.key",
            "encrypted_pkcs8",
            "PBES2, PBKDF2-HMAC-SHA256 2048 rounds, DES-EDE3-CBC",
        ),
        (
            "traditional.key",
            "openssl_encrypted",
            "openssl traditional, MD5, AES-128-CBC",
        ),
        (
            "all.p12",
            "pkcs12",
            "PKCS#12, PBES1, SHA1 2048 rounds, RC2-40-CBC; PBES1, SHA1 2048 rounds, DES-EDE3-CBC, MAC SHA1 2048 rounds",
        ),
    ] {
        let closed = shown(&folder, name, &[]);
        assert_eq!(kinds(&closed), [kind]);
        assert_eq!(closed[0]["encryption"], encryption, "{name}");
        assert!(closed[0].get("key").is_none(), "{name}");
        let error = inspect(&folder.path(name), &[password_file("wrong")], NOW).unwrap_err();
        assert!(matches!(error, IdentityError::WrongPassword { .. }), "{error}");
        let open = shown(&folder, name, &["right"]);
        assert_eq!(open.last().unwrap()["key"], "ECDSA P-256", "{name}");
    }
    let open = shown(&folder, "all.p12", &["right"]);
    assert_eq!(kinds(&open), ["pkcs12", "certificate", "pkcs8"]);
    assert_eq!(open[1]["public_key_sha256"], open[2]["public_key_sha256"]);
}
