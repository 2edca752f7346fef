//! Every form of certificate and key that `openssl` writes and an operator may have.

use kaspi_direct::config::PasswordOrigin;
use kaspi_direct::identity::{Identity, IdentityError};

use crate::identity_kit::{
    Folder, has_legacy_openssl, has_openssl, load_today, pair, password_file, password_variable, single,
};

const PASSWORD: &str = "correct-horse-Пароль";

/// A key of one kind with a certificate for it, as `base.pem` and `certificate.cer`.
fn folder(algorithm: &str) -> Folder {
    let folder = Folder::new();
    folder.write("password", PASSWORD);
    folder.write(
        "leaf.cnf",
        "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\n[dn]\nCN=Test Shop\nserialNumber=BIN891027350515\n\
         [ext]\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=clientAuth\n",
    );
    folder.openssl(&format!("genpkey -algorithm {algorithm} -out base.pem"));
    folder.openssl("req -new -x509 -config leaf.cnf -key base.pem -days 400 -out certificate.cer");
    folder.openssl("x509 -in certificate.cer -outform DER -out certificate.der");
    folder
}

fn fingerprint(folder: &Folder) -> String {
    folder.openssl("dgst -sha256 -r -out fingerprint certificate.der");
    let line = String::from_utf8(folder.read("fingerprint")).unwrap();
    line.split(' ').next().unwrap().to_owned()
}

fn assert_is(identity: Result<Identity, IdentityError>, fingerprint: &str, encrypted: bool, form: &str) {
    let identity = identity.unwrap_or_else(|error| panic!("{form}: {error}"));
    assert_eq!(identity.fingerprint(), fingerprint, "{form}");
    assert_eq!(identity.chain().len(), 1, "{form}");
    let origin = encrypted.then(|| PasswordOrigin::File("password".into()));
    assert_eq!(identity.opened_with(), origin.as_ref(), "{form}");
    assert_eq!(identity.warnings(), [], "{form}");
    // rustls' own opinion, apart from ours.
    identity
        .certified_key()
        .keys_match()
        .unwrap_or_else(|error| panic!("{form}: {error}"));
}

/// How `openssl` is to write the key: its words, and whether the result is encrypted.
fn forms(rsa: bool) -> Vec<(String, bool)> {
    let mut forms = Vec::new();
    for outform in ["PEM", "DER"] {
        forms.push((format!("pkcs8 -topk8 -nocrypt -outform {outform}"), false));
        let mut encrypted = |words: &str| {
            let words = format!("pkcs8 -topk8 {words} -passout file:password -outform {outform}");
            forms.push((words, true));
        };
        for cipher in ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"] {
            for prf in ["hmacWithSHA1", "hmacWithSHA256", "hmacWithSHA512"] {
                encrypted(&format!("-v2 {cipher} -v2prf {prf}"));
            }
            encrypted(&format!("-scrypt -v2 {cipher}"));
        }
        encrypted("-v2 aes-256-cbc -iter 600000");
        encrypted("-v1 PBE-SHA1-3DES");
        let traditional = if rsa { "rsa -traditional" } else { "ec" };
        forms.push((format!("{traditional} -outform {outform}"), false));
    }
    for cipher in ["aes128", "aes192", "aes256", "des3"] {
        let traditional = if rsa { "rsa -traditional" } else { "ec" };
        forms.push((format!("{traditional} -{cipher} -passout file:password"), true));
    }
    forms
}

fn every_key_form(algorithm: &str) {
    if !has_openssl() {
        return;
    }
    let folder = folder(algorithm);
    let fingerprint = fingerprint(&folder);
    for (words, encrypted) in forms(algorithm.starts_with("RSA")) {
        folder.openssl(&format!("{words} -in base.pem -out private.key"));
        let spec = pair(
            folder.path("certificate.cer"),
            folder.path("private.key"),
            &[password_file(PASSWORD)],
        );
        assert_is(load_today(&spec), &fingerprint, encrypted, &words);
    }
}

#[test]
fn rsa_2048_in_every_form() {
    every_key_form("RSA -pkeyopt rsa_keygen_bits:2048");
}

#[test]
fn p256_in_every_form() {
    every_key_form("EC -pkeyopt ec_paramgen_curve:P-256");
}

#[test]
fn p384_in_every_form() {
    every_key_form("EC -pkeyopt ec_paramgen_curve:P-384");
}

#[test]
fn rsa_3072_and_4096() {
    if !has_openssl() {
        return;
    }
    for bits in [3072, 4096] {
        let folder = folder(&format!("RSA -pkeyopt rsa_keygen_bits:{bits}"));
        let spec = pair(folder.path("certificate.der"), folder.path("base.pem"), &[]);
        let identity = load_today(&spec).unwrap();
        assert_eq!(identity.facts().key, format!("RSA {bits}"));
    }
}

/// The key that `openssl req -newkey` writes by default, as the bank's instructions lead to it.
#[test]
fn the_key_of_openssl_req() {
    if !has_openssl() {
        return;
    }
    let folder = folder("RSA -pkeyopt rsa_keygen_bits:2048");
    folder.openssl(
        "req -new -x509 -config leaf.cnf -newkey rsa:2048 -keyout private.key -passout file:password \
         -days 400 -out certificate.cer",
    );
    let text = String::from_utf8(folder.read("private.key")).unwrap();
    assert_eq!(pem::parse(text).unwrap().tag(), "ENCRYPTED PRIVATE KEY");
    let passwords = [password_file(PASSWORD)];
    load_today(&pair(
        folder.path("certificate.cer"),
        folder.path("private.key"),
        &passwords,
    ))
    .unwrap();
}

#[test]
fn certificates_in_every_form() {
    if !has_openssl() {
        return;
    }
    let folder = folder("EC -pkeyopt ec_paramgen_curve:P-256");
    let fingerprint = fingerprint(&folder);
    let pem = String::from_utf8(folder.read("certificate.cer")).unwrap();
    folder.openssl("x509 -in certificate.cer -text -out text.cer");
    for (form, bytes) in [
        ("PEM", pem.clone().into_bytes()),
        ("DER", folder.read("certificate.der")),
        ("openssl x509 -text", folder.read("text.cer")),
        ("byte order mark", format!("\u{feff}{pem}").into_bytes()),
        ("CRLF", pem.replace('\n', "\r\n").into_bytes()),
        ("CR", pem.replace('\n', "\r").into_bytes()),
        ("indented", pem.replace('\n', "\n    ").into_bytes()),
        ("no last line break", pem.trim_end().as_bytes().to_vec()),
        (
            "text round it",
            format!("Сертификат\n\n{pem}\nhave a nice day\n").into_bytes(),
        ),
        (
            "old label",
            pem.replace("CERTIFICATE", "X509 CERTIFICATE").into_bytes(),
        ),
    ] {
        let certificate = folder.write("certificate.crt", bytes);
        let spec = pair(certificate, folder.path("base.pem"), &[]);
        assert_is(load_today(&spec), &fingerprint, false, form);
    }
}

#[test]
fn encrypted_pem_survives_windows() {
    if !has_openssl() {
        return;
    }
    let folder = folder("RSA -pkeyopt rsa_keygen_bits:2048");
    let fingerprint = fingerprint(&folder);
    for words in ["rsa -traditional -aes256", "pkcs8 -topk8 -v2 des3"] {
        folder.openssl(&format!(
            "{words} -in base.pem -out private.key -passout file:password"
        ));
        let pem = String::from_utf8(folder.read("private.key")).unwrap();
        let windows = format!("\u{feff}{}", pem.replace('\n', "\r\n"));
        let key = folder.write("windows.key", windows);
        let spec = pair(folder.path("certificate.cer"), key, &[password_file(PASSWORD)]);
        assert_is(load_today(&spec), &fingerprint, true, words);
    }
}

#[test]
fn both_in_one_pem() {
    if !has_openssl() {
        return;
    }
    let folder = folder("EC -pkeyopt ec_paramgen_curve:P-256");
    let fingerprint = fingerprint(&folder);
    folder.openssl("pkcs8 -topk8 -in base.pem -out private.key -passout file:password");
    let certificate = folder.read("certificate.cer");
    for (form, key, encrypted) in [("plain", "base.pem", false), ("encrypted", "private.key", true)] {
        let key = folder.read(key);
        for (order, bytes) in [
            ("certificate first", [certificate.clone(), key.clone()].concat()),
            ("key first", [key.clone(), certificate.clone()].concat()),
        ] {
            let file = folder.write("all.pem", bytes);
            let identity = load_today(&single(file.clone(), &[password_file(PASSWORD)]));
            assert_is(identity, &fingerprint, encrypted, &format!("{form}, {order}"));
            // Named twice it serves as both.
            let identity = load_today(&pair(file.clone(), file, &[password_file(PASSWORD)]));
            assert_is(
                identity,
                &fingerprint,
                encrypted,
                &format!("{form}, {order}, twice"),
            );
        }
    }
}

#[test]
fn pkcs12_in_every_form() {
    if !has_legacy_openssl() {
        return;
    }
    for algorithm in [
        "RSA -pkeyopt rsa_keygen_bits:2048",
        "EC -pkeyopt ec_paramgen_curve:P-256",
        "EC -pkeyopt ec_paramgen_curve:P-384",
    ] {
        let folder = folder(algorithm);
        let fingerprint = fingerprint(&folder);
        for words in [
            "",
            " -legacy",
            " -name 1",
            " -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg SHA1",
            " -keypbe AES-128-CBC -certpbe AES-256-CBC -macalg SHA512",
            " -keypbe DES-EDE3-CBC -certpbe AES-192-CBC",
            " -certpbe NONE",
            " -nomac",
            " -iter 100000",
        ] {
            folder.openssl(&format!(
                "pkcs12 -export{words} -inkey base.pem -in certificate.cer -passout file:password -out identity.p12"
            ));
            let file = folder.write("identity.pfx", folder.read("identity.p12"));
            let spec = single(file, &[password_file(PASSWORD)]);
            assert_is(
                load_today(&spec),
                &fingerprint,
                true,
                &format!("{algorithm}{words}"),
            );
        }
    }
}

#[test]
fn pkcs12_with_an_empty_password_needs_none() {
    if !has_openssl() {
        return;
    }
    let folder = folder("EC -pkeyopt ec_paramgen_curve:P-256");
    let fingerprint = fingerprint(&folder);
    folder.openssl("pkcs12 -export -inkey base.pem -in certificate.cer -passout pass: -out empty.p12");
    let file = folder.write("identity.p12", folder.read("empty.p12"));
    assert_is(
        load_today(&single(file.clone(), &[])),
        &fingerprint,
        false,
        "no password",
    );
    let passwords = [password_file("")];
    assert_is(
        load_today(&single(file.clone(), &passwords)),
        &fingerprint,
        true,
        "an empty one",
    );
    let error = load_today(&single(file, &[password_file("other")])).unwrap_err();
    assert!(matches!(error, IdentityError::WrongPassword { .. }), "{error}");
}

/// A bag has no order: the leaf is found by its key, its issuers by name.
#[test]
fn pkcs12_with_a_chain() {
    if !has_openssl() {
        return;
    }
    let folder = folder("EC -pkeyopt ec_paramgen_curve:P-256");
    folder.write(
        "ca.cnf",
        "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\n[dn]\nCN=Test CA\n\
         [ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n",
    );
    folder.openssl(
        "req -new -x509 -config ca.cnf -newkey rsa:2048 -nodes -keyout root.key -days 400 -out root.cer",
    );
    folder.openssl("req -new -config leaf.cnf -subj /CN=Middle -key root.key -out middle.csr");
    folder.openssl(
        "x509 -req -in middle.csr -CA root.cer -CAkey root.key -extfile ca.cnf -extensions ext -days 400 -out middle.cer",
    );
    folder.openssl("req -new -config leaf.cnf -key base.pem -out leaf.csr");
    folder.openssl(
        "x509 -req -in leaf.csr -CA middle.cer -CAkey root.key -extfile leaf.cnf -extensions ext -days 400 -out leaf.cer",
    );
    let shuffled = ["root.cer", "leaf.cer", "middle.cer"]
        .map(|name| folder.read(name))
        .concat();
    folder.write("shuffled.pem", shuffled);
    folder
        .openssl("pkcs12 -export -inkey base.pem -in shuffled.pem -passout file:password -out identity.p12");
    let file = folder.write("identity.pfx", folder.read("identity.p12"));
    let identity = load_today(&single(file, &[password_file(PASSWORD)])).unwrap();
    let subjects: Vec<&str> = identity.warnings().iter().map(|warning| warning.kind).collect();
    assert_eq!(subjects, ["root_in_chain"]);
    assert_eq!(identity.chain().len(), 2);
    assert_eq!(identity.facts().issuer, "CN=Middle");
}

#[test]
fn every_password_is_tried_and_the_fitting_one_reported() {
    if !has_openssl() {
        return;
    }
    let folder = folder("EC -pkeyopt ec_paramgen_curve:P-256");
    folder.openssl("pkcs8 -topk8 -in base.pem -out private.key -passout file:password");
    folder.openssl(
        "pkcs12 -export -inkey base.pem -in certificate.cer -passout file:password -out identity.p12",
    );
    let passwords = [
        password_file("stale"),
        password_file(b"\xff\xfe not text"),
        password_variable(PASSWORD),
    ];
    let p12 = folder.write("identity.pfx", folder.read("identity.p12"));
    for spec in [
        pair(
            folder.path("certificate.cer"),
            folder.path("private.key"),
            &passwords,
        ),
        single(p12, &passwords),
    ] {
        let identity = load_today(&spec).unwrap();
        assert_eq!(
            identity.opened_with(),
            Some(&PasswordOrigin::Environment(
                "KASPI_PASSWORD_891027350515".to_owned()
            ))
        );
        assert!(!format!("{identity:?}").contains(PASSWORD));
    }
}

#[test]
fn facts_are_what_openssl_says() {
    if !has_openssl() {
        return;
    }
    let folder = folder("RSA -pkeyopt rsa_keygen_bits:2048");
    let identity = load_today(&pair(
        folder.path("certificate.cer"),
        folder.path("base.pem"),
        &[],
    ))
    .unwrap();
    folder.openssl("x509 -in certificate.cer -noout -serial -out serial");
    let serial = String::from_utf8(folder.read("serial")).unwrap();
    let facts = identity.facts();
    assert_eq!(
        facts.serial,
        serial.trim().trim_start_matches("serial=").to_lowercase()
    );
    assert_eq!(facts.subject, "CN=Test Shop, serialNumber=BIN891027350515");
    assert_eq!(facts.bins.len(), 1);
    assert_eq!(facts.bins[0].to_string(), "891027350515");
    assert_eq!(facts.signature, "sha256WithRSAEncryption");
    assert_eq!(
        facts.key_usage.as_deref().unwrap(),
        ["digitalSignature", "keyEncipherment"]
    );
    assert_eq!(facts.extended_key_usage.as_deref().unwrap(), ["clientAuth"]);
    assert_eq!((facts.not_after - facts.not_before).whole_days(), 400);
}

/// `certtool --to-p12` writes PEM unless told otherwise.
#[test]
fn pkcs12_as_pem() {
    if !has_openssl() {
        return;
    }
    let folder = folder("EC -pkeyopt ec_paramgen_curve:P-256");
    folder.openssl(
        "pkcs12 -export -inkey base.pem -in certificate.cer -passout file:password -out identity.der",
    );
    folder.openssl("base64 -in identity.der -out identity.b64");
    let text = String::from_utf8(folder.read("identity.b64")).unwrap();
    let file = folder.write(
        "identity.p12",
        format!("-----BEGIN PKCS12-----\n{text}-----END PKCS12-----\n"),
    );
    let fingerprint = fingerprint(&folder);
    let identity = load_today(&single(file, &[password_file(PASSWORD)]));
    assert_is(identity, &fingerprint, true, "PKCS#12 in PEM");
}
