//! What operators read when files are not as they should be, word for word.

use std::fmt::Write as _;
use std::path::PathBuf;

use kaspi_direct::base::{Explain, Fault, chain_text};
use kaspi_direct::config::{IdentitySpec, TrustSettings};
use kaspi_direct::identity::{self, IdentityError, Severity};
use p12_keystore::{KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use time::Duration;

use crate::identity_kit::{
    Authority, Folder, Issued, NOW, examine, has_legacy_openssl, load, pair, password_file,
    password_variable, single,
};

/// Messages and hints of many cases, in one text.
struct Page<'a> {
    folder: &'a Folder,
    text: String,
}

impl<'a> Page<'a> {
    fn new(folder: &'a Folder) -> Self {
        Self {
            folder,
            text: String::new(),
        }
    }

    fn refused(&mut self, case: &str, spec: &IdentitySpec) {
        match load(spec) {
            Ok(_) => panic!("{case}: it loads"),
            Err(error) => self.note(case, &error),
        }
    }

    fn note(&mut self, case: &str, error: &IdentityError) {
        assert_eq!(error.fault(), Fault::Operator, "{case}");
        assert_eq!(error.delivery(), None, "{case}");
        let message = self.folder.redacted(&chain_text(error));
        let hint = self.folder.redacted(&error.hint().unwrap_or_default());
        writeln!(
            self.text,
            "{case}\n  {}: {message}\n  hint: {hint}\n",
            error.kind()
        )
        .unwrap();
    }
}

fn written(folder: &Folder, issued: &Issued) -> (PathBuf, PathBuf) {
    (
        folder.write("certificate.cer", &issued.certificate),
        folder.write("private.key", &issued.key),
    )
}

fn der_of(pem: &str) -> Vec<u8> {
    pem::parse(pem).unwrap().into_contents()
}

#[test]
fn refusals() {
    let folder = Folder::new();
    let mut page = Page::new(&folder);
    let authority = Authority::root("Test Root");
    let good = authority.client(|_| {});
    let (certificate, key) = written(&folder, &good);
    let key_der = der_of(&good.key);

    let gone = folder.path("absent");
    page.refused("certificate missing", &pair(gone.clone(), key.clone(), &[]));
    page.refused("key missing", &pair(certificate.clone(), gone.clone(), &[]));
    page.refused("identity file missing", &single(gone, &[]));
    std::fs::create_dir(folder.path("folder")).unwrap();
    page.refused("a folder", &pair(certificate.clone(), folder.path("folder"), &[]));

    let long_der = [good.der.as_slice(), b"more"].concat();
    let truncated_pem = &good.certificate.as_bytes()[..300];
    let utf16: Vec<u8> = good
        .certificate
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let bare: String = good
        .certificate
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let two_in_block = pem::encode(&pem::Pem::new("CERTIFICATE", long_der.clone()));
    let short_in_block = pem::encode(&pem::Pem::new("CERTIFICATE", &good.der[..100]));
    let broken_inside = {
        let mut der = good.der.clone();
        // The version of the certificate, which is 2 (RFC 5280) in this place.
        assert_eq!(der[8..13], [0xa0, 0x03, 0x02, 0x01, 0x02]);
        der[10] = 0x04;
        der
    };
    for (case, bytes) in [
        ("certificate empty", b"".to_vec()),
        ("certificate of white space", b"\xef\xbb\xbf\r\n \n".to_vec()),
        ("certificate too large", vec![b'x'; 1024 * 1024 + 1]),
        ("certificate cut off, PEM", truncated_pem.to_vec()),
        ("certificate cut off, DER", good.der[..200].to_vec()),
        (
            "certificate cut off inside its block",
            short_in_block.into_bytes(),
        ),
        ("certificate followed by garbage", long_der),
        (
            "certificate followed by garbage inside its block",
            two_in_block.into_bytes(),
        ),
        (
            "binary after the last block",
            [good.certificate.as_bytes(), b"\x00\x01\x02"].concat(),
        ),
        ("certificate damaged", broken_inside),
        (
            "base64 damaged",
            good.certificate.replacen("MII", "M!!", 1).into_bytes(),
        ),
        (
            "another end line",
            good.certificate
                .replace("END CERTIFICATE", "END PRIVATE KEY")
                .into_bytes(),
        ),
        ("a web page", b"<!DOCTYPE html><title>Sign in</title>".to_vec()),
        ("UTF-16", utf16),
        (
            "UTF-16 with its mark",
            "\u{feff}-----BEGIN"
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect(),
        ),
        ("base64 alone", bare.into_bytes()),
        (
            "Java keystore",
            b"\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x01".to_vec(),
        ),
        ("indefinite lengths", b"\x30\x80\x02\x01\x03\x00\x00".to_vec()),
        ("nonsense", b"what is this".to_vec()),
        (
            "a key instead of a certificate, PEM",
            good.key.clone().into_bytes(),
        ),
        ("a key instead of a certificate, DER", key_der.clone()),
    ] {
        let file = folder.write("other.cer", bytes);
        page.refused(case, &pair(file, key.clone(), &[]));
    }

    let block = |label: &str, bytes: &[u8]| pem::encode(&pem::Pem::new(label, bytes)).into_bytes();
    // Put together here, so that no scan for secrets takes it for one.
    let label = "RSA PRIVATE KEY";
    let unexplained =
        format!("-----BEGIN {label}-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END {label}-----\n");
    let two_keys = format!("{}{}", good.key, authority.client(|_| {}).key).into_bytes();
    for (case, bytes) in [
        ("key empty", b"".to_vec()),
        ("key cut off, PEM", good.key.as_bytes()[..100].to_vec()),
        ("key cut off, DER", key_der[..60].to_vec()),
        ("key followed by garbage", [key_der.as_slice(), b"\n"].concat()),
        ("key damaged", {
            let mut der = key_der.clone();
            let last = der.len() - 1;
            der[last] ^= 1;
            der
        }),
        (
            "a certificate instead of a key, PEM",
            good.certificate.clone().into_bytes(),
        ),
        ("a certificate instead of a key, DER", good.der.clone()),
        ("two keys", two_keys),
        (
            "OpenSSH key",
            block("OPENSSH PRIVATE KEY", b"openssh-key-v1\0none"),
        ),
        (
            "PuTTY key",
            b"PuTTY-User-Key-File-3: ssh-rsa\r\nEncryption: none\r\n".to_vec(),
        ),
        (
            "OpenSSH public key",
            b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ shop".to_vec(),
        ),
        (
            "curve parameters alone",
            block("EC PARAMETERS", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"),
        ),
        ("an unknown block", block("SHOP SECRETS", b"\x30\x03\x02\x01\x00")),
        ("encrypted without saying how", unexplained.into_bytes()),
    ] {
        let file = folder.write("other.key", bytes);
        page.refused(case, &pair(certificate.clone(), file, &[]));
    }

    let other = folder.write("other.key", authority.client(|_| {}).key);
    page.refused(
        "key of another certificate",
        &pair(certificate.clone(), other, &[]),
    );
    page.refused("one file with a certificate alone", &single(certificate, &[]));
    page.refused(
        "one file with a DER key alone",
        &single(folder.write("one", &key_der), &[]),
    );
    insta::assert_snapshot!(page.text);
}

#[test]
fn refusals_by_date_and_usage() {
    let folder = Folder::new();
    let mut page = Page::new(&folder);
    let authority = Authority::root("Test Root");
    type Change = fn(&mut rcgen::CertificateParams);
    let changes: [(&str, Change); 6] = [
        ("expired today", |params| {
            params.not_after = NOW - Duration::hours(3)
        }),
        ("expired long ago", |params| {
            params.not_after = NOW - Duration::days(40)
        }),
        ("not valid yet", |params| {
            params.not_before = NOW + Duration::minutes(10)
        }),
        ("for servers only", |params| {
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::EmailProtection,
            ];
        }),
        ("for encryption only", |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]
        }),
        ("several at once", |params| {
            params.not_after = NOW - Duration::days(1);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
    ];
    for (case, change) in changes {
        let issued = authority.client(change);
        let (certificate, key) = written(&folder, &issued);
        let examination = examine(&pair(certificate, key, &[]));
        page.note(case, examination.outcome.as_ref().unwrap_err());
        // A refused identity shows its dates all the same.
        let facts = examination.facts.unwrap();
        assert_eq!(facts.bins[0].to_string(), "891027350515", "{case}");
        let errors = examination
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count();
        assert_eq!(errors, if case == "several at once" { 2 } else { 1 }, "{case}");
    }
    insta::assert_snapshot!(page.text);
}

#[test]
fn dates_are_limits() {
    let folder = Folder::new();
    let issued = Authority::root("Test Root").client(|_| {});
    let (certificate, key) = written(&folder, &issued);
    let identity = load(&pair(certificate, key, &[])).unwrap();
    let facts = identity.facts();
    let second = Duration::seconds(1);
    identity.check_valid_at(facts.not_before).unwrap();
    identity.check_valid_at(facts.not_after).unwrap();
    let error = identity.check_valid_at(facts.not_before - second).unwrap_err();
    assert!(matches!(error, IdentityError::NotYetValid { .. }), "{error}");
    let error = identity.check_valid_at(facts.not_after + second).unwrap_err();
    assert!(matches!(error, IdentityError::Expired { .. }), "{error}");
    assert_eq!(facts.days_left(NOW), 365);
    assert_eq!(facts.days_left(facts.not_after + second), -1);
}

#[test]
fn chains() {
    let folder = Folder::new();
    let root = Authority::root("Test Root");
    let middle = root.intermediate("Test Middle");
    let last = middle.intermediate("Test Last");
    let stranger = Authority::root("Stranger").intermediate("Stranger Middle");
    let leaf = last.client(|_| {});
    let key = folder.write("private.key", &leaf.key);
    let [leaf, last, middle, root, stranger] = [
        leaf.certificate,
        last.pem(),
        middle.pem(),
        root.pem(),
        stranger.pem(),
    ];
    let mut page = Page::new(&folder);
    for (case, certificates, sent) in [
        ("alone", vec![&leaf], 1),
        ("whole", vec![&leaf, &last, &middle], 3),
        ("with root", vec![&leaf, &last, &middle, &root], 3),
        ("leaf twice", vec![&leaf, &leaf, &last], 2),
        ("middle twice", vec![&leaf, &last, &middle, &last], 3),
        ("issuer missing", vec![&leaf, &middle], 1),
        ("stranger", vec![&leaf, &stranger, &last], 0),
        ("stranger behind", vec![&leaf, &last, &stranger], 2),
        ("leaf last", vec![&middle, &last, &leaf], 0),
        ("shuffled", vec![&leaf, &middle, &last], 0),
    ] {
        let text: String = certificates.into_iter().map(String::as_str).collect();
        let file = folder.write("certificate.cer", text);
        let examination = examine(&pair(file, key.clone(), &[]));
        match &examination.outcome {
            Ok(identity) => {
                assert_eq!(identity.chain().len(), sent, "{case}");
                writeln!(page.text, "{case}").unwrap();
                for warning in identity.warnings() {
                    assert_eq!(warning.severity, Severity::Warning);
                    let message = folder.redacted(&warning.message);
                    let hint = warning.hint.as_deref().unwrap_or_default();
                    writeln!(page.text, "  {}: {message}\n  hint: {hint}", warning.kind).unwrap();
                }
                page.text.push('\n');
            }
            Err(error) => {
                assert_eq!(sent, 0, "{case}: {error}");
                page.note(case, error);
            }
        }
    }
    insta::assert_snapshot!(page.text);
}

#[test]
fn warnings() {
    let folder = Folder::new();
    let authority = Authority::root("Test Root");
    let issued = authority.client(|params| {
        params.not_after = NOW + Duration::days(20);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    });
    let (certificate, key) = written(&folder, &issued);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for (mode, warned) in [
            (0o600, false),
            (0o400, false),
            (0o440, false),
            (0o640, false),
            (0o644, true),
            (0o660, true),
            (0o604, true),
        ] {
            std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
            let identity = load(&pair(certificate.clone(), key.clone(), &[])).unwrap();
            let found = identity
                .warnings()
                .iter()
                .any(|warning| warning.kind == "key_file_mode");
            assert_eq!(found, warned, "{mode:o}");
        }
    }
    let identity = load(&pair(certificate, key, &[])).unwrap();
    let text: String = identity
        .warnings()
        .iter()
        .map(|warning| {
            let message = folder.redacted(&warning.message);
            let hint = folder.redacted(warning.hint.as_deref().unwrap_or_default());
            format!("{}: {message}\n  hint: {hint}\n", warning.kind)
        })
        .collect();
    #[cfg(unix)]
    insta::assert_snapshot!(text);
}

#[test]
fn refusals_of_what_openssl_writes() {
    if !has_legacy_openssl() {
        return;
    }
    let folder = Folder::new();
    let mut page = Page::new(&folder);
    folder.write("pw", "right");
    let issued = Authority::root("Test Root").client(|_| {});
    let (certificate, key) = written(&folder, &issued);

    folder.openssl("pkcs8 -topk8 -in private.key -v2 des3 -passout file:pw -out pbes2.key");
    folder.openssl("pkcs8 -topk8 -in private.key -v1 PBE-SHA1-3DES -passout file:pw -out pbes1.key");
    folder.openssl("ec -in private.key -aes256 -passout file:pw -out traditional.key");
    folder.openssl("pkcs12 -export -inkey private.key -in certificate.cer -passout file:pw -out all.p12");
    let empty = password_file("");
    let spaced = password_variable("right ");
    let binary = password_file(b"\xff\xfe");
    let identity_of = |name: &str, passwords: &[_]| match name {
        "all.p12" => single(folder.path(name), passwords),
        name => pair(certificate.clone(), folder.path(name), passwords),
    };
    for name in ["pbes2.key", "pbes1.key", "traditional.key", "all.p12"] {
        page.refused(&format!("{name}: no password"), &identity_of(name, &[]));
        page.refused(
            &format!("{name}: wrong passwords"),
            &identity_of(name, &[empty.clone(), binary.clone(), spaced.clone()]),
        );
        page.refused(
            &format!("{name}: a password that is no text"),
            &identity_of(name, std::slice::from_ref(&binary)),
        );
    }
    page.refused(
        "PKCS#12 as a key",
        &pair(certificate.clone(), folder.path("all.p12"), &[]),
    );

    let legacy = "-provider legacy -provider default";
    folder.openssl(&format!(
        "pkcs8 -topk8 -in private.key -v1 PBE-MD5-DES -passout file:pw -out md5.key {legacy}"
    ));
    folder.openssl(&format!(
        "pkcs8 -topk8 -in private.key -v1 PBE-SHA1-RC2-40 -passout file:pw -out rc2.key {legacy}"
    ));
    folder.openssl(&format!(
        "pkcs8 -topk8 -in private.key -v2 des -passout file:pw -out des.key {legacy}"
    ));
    folder.openssl("pkcs8 -topk8 -in private.key -v2 camellia-256-cbc -passout file:pw -out camellia.key");
    folder.openssl("ec -in private.key -camellia256 -passout file:pw -out camellia-traditional.key");
    let right = [password_file("right")];
    for name in [
        "md5.key",
        "rc2.key",
        "des.key",
        "camellia.key",
        "camellia-traditional.key",
    ] {
        page.refused(name, &pair(certificate.clone(), folder.path(name), &right));
    }

    folder.openssl("genpkey -algorithm ED25519 -out ed25519.key");
    folder.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa1024.key");
    folder.openssl("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out pss.key");
    folder.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.key");
    folder.openssl("ecparam -name secp256k1 -genkey -noout -out secp256k1.key");
    folder.openssl("ecparam -name prime256v1 -genkey -noout -param_enc explicit -out explicit.key");
    folder.openssl("genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out dsa.pem");
    folder.openssl("genpkey -paramfile dsa.pem -out dsa.key");
    folder.openssl("dsa -in dsa.key -out dsa-traditional.key");
    folder.openssl("pkey -in private.key -pubout -out public.key");
    for name in [
        "ed25519.key",
        "rsa1024.key",
        "pss.key",
        "p521.key",
        "secp256k1.key",
        "explicit.key",
        "dsa.key",
        "dsa-traditional.key",
        "public.key",
    ] {
        page.refused(name, &pair(certificate.clone(), folder.path(name), &[]));
    }

    folder.openssl("req -new -key private.key -subj /CN=Shop -out request.csr");
    folder.openssl("crl2pkcs7 -nocrl -certfile certificate.cer -out chain.p7b");
    folder.openssl("crl2pkcs7 -nocrl -certfile certificate.cer -outform DER -out chain.p7c");
    folder.openssl("x509 -in certificate.cer -trustout -addtrust clientAuth -out trusted.cer");
    for name in ["request.csr", "chain.p7b", "chain.p7c", "trusted.cer"] {
        page.refused(name, &pair(folder.path(name), key.clone(), &[]));
    }

    folder.openssl("pkcs12 -export -nokeys -in certificate.cer -passout file:pw -out nokeys.p12");
    folder.openssl("pkcs12 -export -nocerts -inkey private.key -passout file:pw -out nocerts.p12");
    folder.openssl(&format!(
        "pkcs12 -export -keypbe PBE-SHA1-RC4-128 -inkey private.key -in certificate.cer -passout file:pw -out rc4.p12 {legacy}"
    ));
    for name in ["nokeys.p12", "nocerts.p12", "rc4.p12"] {
        page.refused(name, &single(folder.path(name), &right));
    }
    insta::assert_snapshot!(page.text);
}

#[test]
fn two_keys_in_pkcs12_are_refused_by_name() {
    let folder = Folder::new();
    let authority = Authority::root("Test Root");
    let mut store = KeyStore::new();
    for name in ["old", "new"] {
        let issued = authority.client(|_| {});
        let chain = PrivateKeyChain::new(
            name,
            PrivateKey::from_der(&der_of(&issued.key)).unwrap(),
            [p12_keystore::Certificate::from_der(&issued.der).unwrap()],
        );
        store.add_entry(name, KeyStoreEntry::PrivateKeyChain(chain));
    }
    let file = folder.write("identity.p12", store.writer("right").write().unwrap());
    let mut page = Page::new(&folder);
    page.refused("two keys", &single(file, &[password_file("right")]));
    insta::assert_snapshot!(page.text);
}

#[test]
fn trust() {
    let folder = Folder::new();
    let authority = Authority::root("Test Root");
    let settings = |file: PathBuf, only| TrustSettings {
        extra_ca_file: Some(file),
        only_extra_ca: only,
    };
    let public = identity::trust_roots(&TrustSettings::default()).unwrap();
    assert!(public.roots.len() > 50);
    let bundle = format!(
        "{}{}",
        authority.pem(),
        authority.intermediate("Test Middle").pem()
    );
    for (bytes, extra) in [(bundle.into_bytes(), 2), (authority.der(), 1)] {
        let file = folder.write("ca.pem", bytes);
        let alone = identity::trust_roots(&settings(file.clone(), true)).unwrap();
        assert_eq!((alone.roots.len(), alone.extra), (extra, extra));
        assert_eq!(alone.warnings, []);
        let both = identity::trust_roots(&settings(file, false)).unwrap();
        assert_eq!(both.roots.len(), public.roots.len() + extra);
    }

    let client = authority.client(|_| {});
    let leaf = folder.write("leaf.pem", &client.certificate);
    let odd = identity::trust_roots(&settings(leaf, false)).unwrap();
    assert_eq!(odd.warnings.len(), 1);
    assert_eq!(odd.warnings[0].kind, "not_a_ca");

    let mut page = Page::new(&folder);
    let nothing = TrustSettings {
        extra_ca_file: None,
        only_extra_ca: true,
    };
    page.note("nothing to trust", &identity::trust_roots(&nothing).unwrap_err());
    for (case, bytes) in [
        ("empty", Vec::new()),
        ("a key", client.key.into_bytes()),
        ("a page", b"<html>".to_vec()),
    ] {
        let file = folder.write("ca.pem", bytes);
        page.note(case, &identity::trust_roots(&settings(file, true)).unwrap_err());
    }
    let absent = settings(folder.path("absent"), false);
    page.note("absent", &identity::trust_roots(&absent).unwrap_err());
    insta::assert_snapshot!(page.text);
}
