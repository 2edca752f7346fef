//! What the tests of identities share: a folder, certificates with a chosen defect, and `openssl`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kaspi_direct::base::{Bin, Clock, FixedClock, Password, SystemClock};
use kaspi_direct::config::{IdentityFiles, IdentitySpec, PasswordOrigin, PasswordSource};
use kaspi_direct::identity::{self, Examination, Identity, IdentityError};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

pub const OWNER: &str = "891027350515";

/// The moment at which certificates made by [`Authority`] are in the middle of their life.
pub const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);

/// A folder of files.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        private(&path);
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs `openssl` here; its words are split at spaces. Panics with its output when it fails.
    pub fn openssl(&self, words: &str) {
        let output = Command::new("openssl")
            .args(words.split(' '))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "openssl {words}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A text without what differs between runs.
    pub fn redacted(&self, text: &str) -> String {
        let text = text.replace(&self.0.path().display().to_string(), "DIR");
        // Signatures and serial numbers make a certificate a byte longer or shorter.
        let text = match text.split_once(" should have ") {
            Some((before, after)) => {
                let after = after.trim_start_matches(|character: char| character.is_ascii_digit());
                format!("{before} should have N{after}")
            }
            None => text,
        };
        let words: Vec<String> = text
            .split(' ')
            .map(|word| {
                let digits = word.trim_matches(|character: char| !character.is_ascii_hexdigit());
                if digits.len() == 64 && digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
                    word.replace(digits, "SHA256")
                } else {
                    word.to_owned()
                }
            })
            .collect();
        words.join(" ")
    }
}

fn private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    }
}

/// Whether `openssl` is there. Where it is not, the test says so and is skipped, or fails if it must not be.
pub fn has_openssl() -> bool {
    present("openssl is not installed", &["version"])
}

/// Whether `openssl` has its provider of old ciphers, which some systems package apart.
pub fn has_legacy_openssl() -> bool {
    has_openssl()
        && present(
            "openssl has no legacy provider",
            &["list", "-providers", "-provider", "legacy"],
        )
}

fn present(otherwise: &str, words: &[&str]) -> bool {
    let found = Command::new("openssl")
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        assert!(
            std::env::var_os("KASPI_TESTS_NO_SKIP").is_none(),
            "{otherwise}, and KASPI_TESTS_NO_SKIP is set"
        );
        println!("skipped: {otherwise}");
    }
    found
}

pub fn password_file(text: impl AsRef<[u8]>) -> PasswordSource {
    PasswordSource {
        origin: PasswordOrigin::File("password".into()),
        password: Password::new(text.as_ref().to_vec()),
    }
}

pub fn password_variable(text: impl AsRef<[u8]>) -> PasswordSource {
    PasswordSource {
        origin: PasswordOrigin::Environment("KASPI_PASSWORD_891027350515".to_owned()),
        password: Password::new(text.as_ref().to_vec()),
    }
}

pub fn pair(certificate: PathBuf, private_key: PathBuf, passwords: &[PasswordSource]) -> IdentitySpec {
    spec(
        IdentityFiles::Pair {
            certificate,
            private_key,
        },
        passwords,
    )
}

pub fn single(path: PathBuf, passwords: &[PasswordSource]) -> IdentitySpec {
    spec(IdentityFiles::Single(path), passwords)
}

fn spec(files: IdentityFiles, passwords: &[PasswordSource]) -> IdentitySpec {
    IdentitySpec {
        owner: Bin::parse(OWNER).unwrap(),
        files,
        passwords: passwords.to_vec(),
    }
}

/// Loads at this machine's time, for certificates that `openssl` made.
pub fn load_today(spec: &IdentitySpec) -> Result<Identity, IdentityError> {
    identity::load(spec, &SystemClock)
}

/// Loads at [`NOW`], for certificates that [`Authority`] made.
pub fn load(spec: &IdentitySpec) -> Result<Identity, IdentityError> {
    examine(spec).outcome
}

pub fn examine(spec: &IdentitySpec) -> Examination {
    let clock: &dyn Clock = &FixedClock(NOW);
    identity::examine(spec, clock)
}

/// A certificate authority of one test.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: rcgen::Certificate,
}

/// A certificate and its key, in PEM.
pub struct Issued {
    pub certificate: String,
    pub der: Vec<u8>,
    pub key: String,
}

impl Authority {
    pub fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(name);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            params,
            key,
            certificate,
        }
    }

    pub fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(name);
        let certificate = params.signed_by(&key, &self.issuer()).unwrap();
        Self {
            params,
            key,
            certificate,
        }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// A client certificate as the bank issues them, changed by `change`.
    pub fn client(&self, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = client_params();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer()).unwrap();
        Issued {
            certificate: certificate.pem(),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
        }
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

fn client_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Test Flower Shop");
    params
        .distinguished_name
        .push(DnType::CustomDnType(vec![2, 5, 4, 5]), format!("BIN{OWNER}"));
    params.not_before = NOW - Duration::days(365);
    params.not_after = NOW + Duration::days(365);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn ca_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = NOW - Duration::days(1000);
    params.not_after = NOW + Duration::days(3000);
    params
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
