//! Damaged and hostile files: an error each time, never a panic, never hours of work.

use std::path::PathBuf;

use kaspi_direct::config::IdentitySpec;
use kaspi_direct::identity::{self, IdentityError, inspect};
use proptest::prelude::*;

use crate::identity_kit::{Authority, Folder, NOW, has_legacy_openssl, load, pair, password_file, single};

/// A file of some form, and how it is named in a configuration.
struct Sample {
    name: &'static str,
    bytes: Vec<u8>,
    spec: fn(&Folder, PathBuf) -> IdentitySpec,
}

fn as_certificate(folder: &Folder, file: PathBuf) -> IdentitySpec {
    pair(file, folder.path("private.key"), &[])
}

fn as_key(folder: &Folder, file: PathBuf) -> IdentitySpec {
    pair(folder.path("certificate.cer"), file, &[password_file("right")])
}

fn as_both(_: &Folder, file: PathBuf) -> IdentitySpec {
    single(file, &[password_file("right")])
}

/// Forms that need no other program.
fn plain_samples(folder: &Folder) -> Vec<Sample> {
    let issued = Authority::root("Test Root").client(|_| {});
    folder.write("certificate.cer", &issued.certificate);
    folder.write("private.key", &issued.key);
    let sample = |name, bytes: &[u8], spec| Sample {
        name,
        bytes: bytes.to_vec(),
        spec,
    };
    let key_der = pem::parse(&issued.key).unwrap().into_contents();
    let both = format!("{}{}", issued.key, issued.certificate);
    vec![
        sample("certificate, PEM", issued.certificate.as_bytes(), as_certificate),
        sample("certificate, DER", &issued.der, as_certificate),
        sample("PKCS#8, PEM", issued.key.as_bytes(), as_key),
        sample("PKCS#8, DER", &key_der, as_key),
        sample("both in one PEM", both.as_bytes(), as_both),
    ]
}

/// Forms that `openssl` writes, with few rounds, since each is opened a thousand times; call after [`plain_samples`].
fn openssl_samples(folder: &Folder) -> Vec<Sample> {
    folder.write("pw", "right");
    let mut samples = Vec::new();
    for (name, words, spec) in [
        (
            "SEC1, PEM",
            "ec -in private.key",
            as_key as fn(&Folder, PathBuf) -> IdentitySpec,
        ),
        ("SEC1, DER", "ec -in private.key -outform DER", as_key),
        (
            "traditional",
            "ec -in private.key -aes256 -passout file:pw",
            as_key,
        ),
        (
            "PBES2, PEM",
            "pkcs8 -topk8 -in private.key -v2 des3 -iter 20 -passout file:pw",
            as_key,
        ),
        (
            "PBES2, DER",
            "pkcs8 -topk8 -in private.key -iter 20 -passout file:pw -outform DER",
            as_key,
        ),
        (
            "scrypt, DER",
            "pkcs8 -topk8 -in private.key -scrypt -scrypt_N 64 -scrypt_r 8 -scrypt_p 1 -passout file:pw -outform DER",
            as_key,
        ),
        (
            "PBES1, DER",
            "pkcs8 -topk8 -in private.key -v1 PBE-SHA1-3DES -iter 20 -passout file:pw -outform DER",
            as_key,
        ),
        (
            "PKCS#12",
            "pkcs12 -export -iter 20 -inkey private.key -in certificate.cer -passout file:pw",
            as_both,
        ),
        (
            "PKCS#12, legacy",
            "pkcs12 -export -legacy -iter 20 -inkey private.key -in certificate.cer -passout file:pw",
            as_both,
        ),
        (
            "PKCS#12, no MAC",
            "pkcs12 -export -nomac -iter 20 -inkey private.key -in certificate.cer -passout file:pw",
            as_both,
        ),
    ] {
        folder.openssl(&format!("{words} -out sample"));
        samples.push(Sample {
            name,
            bytes: folder.read("sample"),
            spec,
        });
    }
    samples
}

fn assert_refused_at_every_length(folder: &Folder, samples: &[Sample]) {
    for sample in samples {
        let whole = folder.write("whole", &sample.bytes);
        load(&(sample.spec)(folder, whole)).unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        for length in 0..sample.bytes.len() {
            let file = folder.write("short", &sample.bytes[..length]);
            match load(&(sample.spec)(folder, file.clone())) {
                Ok(_) => assert!(
                    sample.bytes[length..].iter().all(u8::is_ascii_whitespace),
                    "{}: loads with {length} of {} bytes",
                    sample.name,
                    sample.bytes.len()
                ),
                Err(error) => {
                    let named = error.path().unwrap();
                    assert_eq!(named, file, "{} at {length}: {error}", sample.name);
                }
            }
        }
    }
}

#[test]
fn cut_off_at_every_byte() {
    let folder = Folder::new();
    assert_refused_at_every_length(&folder, &plain_samples(&folder));
}

#[test]
fn what_openssl_wrote_cut_off_at_every_byte() {
    if !has_legacy_openssl() {
        return;
    }
    let folder = Folder::new();
    plain_samples(&folder);
    assert_refused_at_every_length(&folder, &openssl_samples(&folder));
}

/// Every byte changed once: what still loads must have the key that it had.
#[test]
fn changed_at_every_byte() {
    let folder = Folder::new();
    let mut samples = plain_samples(&folder);
    if has_legacy_openssl() {
        samples.extend(openssl_samples(&folder));
    }
    let whole = load(&as_key(&folder, folder.path("private.key"))).unwrap();
    let public_key = whole.facts().public_key_sha256.clone();
    for sample in &samples {
        for offset in 0..sample.bytes.len() {
            let mut bytes = sample.bytes.clone();
            bytes[offset] ^= 0x81;
            let file = folder.write("changed", bytes);
            if let Ok(identity) = load(&(sample.spec)(&folder, file.clone())) {
                // Nobody checks the issuer's signature here; the server does.
                assert_eq!(
                    identity.facts().public_key_sha256,
                    public_key,
                    "{} at {offset}",
                    sample.name
                );
            }
            inspect(&file, &[], NOW).ok();
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        never_loads(&bytes);
    }

    #[test]
    fn any_der(head in 0x00_u8..0x84, bytes in proptest::collection::vec(0_u8..0x40, 0..120)) {
        never_loads(&[&[0x30, head][..], &bytes].concat());
    }

    #[test]
    fn any_text(lines in proptest::collection::vec(
        "-----BEGIN (CERTIFICATE|(EC )?PRIVATE KEY)-----|-----END [A-Z ]{0,12}-----|Proc-Type: 4,ENCRYPTED|DEK-Info: [A-Z0-9-]{0,12},[0-9A-F]{0,33}|[A-Za-z0-9+/]{0,64}={0,2}|.{0,8}",
        0..12,
    )) {
        never_loads(lines.join("\n").as_bytes());
    }
}

fn never_loads(bytes: &[u8]) {
    let folder = Folder::new();
    let file = folder.write("file", bytes);
    let passwords = [password_file("right")];
    load(&pair(file.clone(), file.clone(), &passwords)).unwrap_err();
    load(&single(file.clone(), &passwords)).unwrap_err();
    inspect(&file, &passwords, NOW).ok();
    let settings = kaspi_direct::config::TrustSettings {
        extra_ca_file: Some(file),
        only_extra_ca: true,
    };
    identity::trust_roots(&settings).unwrap_err();
}

/// Tag, length, value.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let mut der = vec![tag];
    match u8::try_from(value.len()).unwrap() {
        length @ 0..=0x7f => der.push(length),
        length => der.extend([0x81, length]),
    }
    der.extend(value);
    der
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

const PBES2: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const SCRYPT: &[u8] = b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x04\x0b";
const SHA1_3DES: &[u8] = b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03";
const SHA1: &[u8] = b"\x06\x05\x2b\x0e\x03\x02\x1a";
const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const DES_EDE3: &[u8] = b"\x06\x08\x2a\x86\x48\x86\xf7\x0d\x03\x07";
/// 2^31 - 1, and a number that no machine word holds.
const MANY: &[u8] = b"\x02\x04\x7f\xff\xff\xff";
const HUGE: &[u8] = b"\x02\x0a\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff";

fn pbes2(kdf: &[u8], kdf_parameters: &[&[u8]], iv: &[u8]) -> Vec<u8> {
    let kdf = sequence(&[kdf, &sequence(kdf_parameters)]);
    let cipher = sequence(&[DES_EDE3, &tlv(4, &[iv])]);
    let scheme = sequence(&[PBES2, &sequence(&[&kdf, &cipher])]);
    sequence(&[&scheme, &tlv(4, &[&[7; 32]])])
}

fn pkcs12_mac(rounds: &[u8]) -> Vec<u8> {
    let content = tlv(0xa0, &[&tlv(4, &[&sequence(&[])])]);
    let digest = sequence(&[&sequence(&[SHA1, b"\x05\x00"]), &tlv(4, &[&[7; 20]])]);
    let mac = sequence(&[&digest, &tlv(4, &[&[1; 8]]), rounds]);
    sequence(&[b"\x02\x01\x03", &sequence(&[DATA, &content]), &mac])
}

fn refusal(bytes: Vec<u8>) -> IdentityError {
    let folder = Folder::new();
    plain_samples(&folder);
    let file = folder.write("hostile", bytes);
    let error = load(&as_key(&folder, file.clone())).unwrap_err();
    match error {
        // PKCS#12 is not for the key's place, but for both.
        IdentityError::WrongForm { .. } => load(&as_both(&folder, file)).unwrap_err(),
        error => error,
    }
}

/// Were the figures not looked at first, each of these would run for hours.
#[test]
fn absurd_costs_are_refused_before_any_work() {
    let salt = tlv(4, &[&[1; 8]]);
    for (case, bytes, asked_for) in [
        (
            "PBKDF2",
            pbes2(PBKDF2, &[&salt, MANY], &[2; 8]),
            "2147483647 PBKDF2 rounds",
        ),
        (
            "PBKDF2, huge",
            pbes2(PBKDF2, &[&salt, HUGE], &[2; 8]),
            "18446744073709551615 PBKDF2 rounds",
        ),
        (
            "scrypt memory",
            pbes2(
                SCRYPT,
                &[
                    &salt,
                    b"\x02\x04\x40\x00\x00\x00",
                    b"\x02\x01\x08",
                    b"\x02\x01\x01",
                ],
                &[2; 8],
            ),
            "1099511627776 bytes to be filled by scrypt",
        ),
        (
            "scrypt lanes",
            pbes2(
                SCRYPT,
                &[&salt, b"\x02\x02\x40\x00", b"\x02\x01\x08", b"\x02\x02\x7f\xff"],
                &[2; 8],
            ),
            "549739036672 bytes to be filled by scrypt",
        ),
        (
            "PBES1",
            sequence(&[
                &sequence(&[SHA1_3DES, &sequence(&[&salt, MANY])]),
                &tlv(4, &[&[7; 32]]),
            ]),
            "2147483647 PKCS#12 derivation rounds",
        ),
        ("PKCS#12 MAC", pkcs12_mac(MANY), "2147483647 PKCS#12 MAC rounds"),
        (
            "PKCS#12 MAC, huge",
            pkcs12_mac(HUGE),
            "18446744073709551615 PKCS#12 MAC rounds",
        ),
    ] {
        match refusal(bytes) {
            IdentityError::TooCostly { asked, .. } => assert_eq!(asked, asked_for, "{case}"),
            other => panic!("{case}: {other}"),
        }
    }
}

/// A library underneath slices the vector without looking, and copies salts into a fixed array.
#[test]
fn parameters_of_a_wrong_length_are_refused() {
    let few = b"\x02\x01\x01";
    let salt = tlv(4, &[&[1; 8]]);
    for (case, bytes) in [
        ("short vector", pbes2(PBKDF2, &[&salt, few], &[2; 4])),
        ("long vector", pbes2(PBKDF2, &[&salt, few], &[2; 9])),
        ("long salt", pbes2(PBKDF2, &[&tlv(4, &[&[1; 33]]), few], &[2; 8])),
        (
            "negative rounds",
            pbes2(PBKDF2, &[&salt, b"\x02\x01\x80"], &[2; 8]),
        ),
        ("no salt", pbes2(PBKDF2, &[], &[2; 8])),
        (
            "PBES1 without salt",
            sequence(&[
                &sequence(&[SHA1_3DES, &sequence(&[&tlv(4, &[]), few])]),
                &tlv(4, &[&[7; 32]]),
            ]),
        ),
    ] {
        let error = refusal(bytes);
        assert!(
            matches!(
                error,
                IdentityError::Malformed { .. }
                    | IdentityError::UnsupportedEncryption { .. }
                    | IdentityError::TooCostly { .. }
            ),
            "{case}: {error}"
        );
    }
}
