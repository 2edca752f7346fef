//! A certificate authority in the shape of the bank's, made afresh for each sandbox.
//!
//! Two levels, `kbs-root-ca` over `KBS-CA`, and client certificates in the profile of the bank's own
//! test sample: RSA 2048, the four key usages of the bank's CSR instructions, clientAuth alone, no
//! subject alternative name, five years. One thing differs on purpose: the declared BINs stand in
//! the subject (`OU=BIN891027350515`), where the bank keeps them in its books. So a renewed
//! certificate, or one for another BIN, is recognised without telling the sandbox.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::bank::clock::wall;
use super::error::SandboxError;
use super::files::{self, Mode};

mod issued;
mod subject;

pub use issued::Issued;
pub use subject::declared_bins;
pub(super) use subject::is_bin;

const ROOT: &str = "kbs_root_ca";
const ISSUING: &str = "kbs_ca";
const YEAR: Duration = Duration::days(365);

/// What kind of key is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits, as the bank asks for.
    #[default]
    Rsa2048,
    /// ECDSA on P-256: made in no time, for tests.
    P256,
}

/// A two-level certificate authority like the bank's, with its keys.
///
/// ```
/// use kaspi_direct::sandbox::pki::{Authority, KeyKind, declared_bins};
///
/// let authority = Authority::generate(KeyKind::P256)?;
/// let shop = authority.client(&["891027350515"])?;
/// assert_eq!(declared_bins(shop.certificate_der()), ["891027350515"]);
/// # Ok::<(), kaspi_direct::sandbox::SandboxError>(())
/// ```
#[derive(Clone)]
pub struct Authority {
    tiers: Arc<Tiers>,
    keys: KeyKind,
}

struct Tiers {
    root: Tier,
    issuing: Tier,
}

struct Tier {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes root, intermediate and their keys.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn generate(keys: KeyKind) -> Result<Self, SandboxError> {
        let made = |what: &'static str| SandboxError::certificate::<rcgen::Error>(what);

        // Every authority has a name of its own, or a certificate of another sandbox would look like
        // one of ours with a broken signature, instead of one whose issuer is not known.
        let id = uuid::Uuid::new_v4().simple().to_string();
        let organisation = format!("Sandbox {}", id.get(..8).unwrap_or(&id));

        let root_key = new_key(keys)?;
        let root_params =
            authority_params(&organisation, "kbs-root-ca", 15, BasicConstraints::Constrained(1));
        let root = root_params
            .self_signed(&root_key)
            .map_err(made("the root certificate"))?;
        let root = Tier::new(root.der().clone(), root_key)?;

        let issuing_key = new_key(keys)?;
        let issuing_params = authority_params(&organisation, "KBS-CA", 10, BasicConstraints::Constrained(0));
        let issuing = issuing_params
            .signed_by(&issuing_key, &root.issuer)
            .map_err(made("the intermediate certificate"))?;
        let issuing = Tier::new(issuing.der().clone(), issuing_key)?;

        Ok(Self {
            tiers: Arc::new(Tiers { root, issuing }),
            keys,
        })
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// A file that is missing, or does not hold what its name says.
    pub fn load(folder: &Path) -> Result<Self, SandboxError> {
        let root = Tier::load(folder, ROOT)?;
        let issuing = Tier::load(folder, ISSUING)?;
        let keys = match issuing.issuer.key().algorithm() {
            algorithm if *algorithm == rcgen::PKCS_ECDSA_P256_SHA256 => KeyKind::P256,
            _ => KeyKind::Rsa2048,
        };
        Ok(Self {
            tiers: Arc::new(Tiers { root, issuing }),
            keys,
        })
    }

    /// Writes certificates and keys to a folder, the keys readable by their owner alone.
    ///
    /// # Errors
    ///
    /// Whatever the system says about the files.
    pub fn save(&self, folder: &Path) -> Result<(), SandboxError> {
        files::create_folder(folder, Mode::Private)?;
        self.tiers.root.save(folder, ROOT)?;
        self.tiers.issuing.save(folder, ISSUING)
    }

    /// A client certificate that is declared for these BINs, with its key.
    ///
    /// # Errors
    ///
    /// A BIN that does not have 12 digits.
    pub fn client(&self, bins: &[&str]) -> Result<Issued, SandboxError> {
        let now = wall();
        self.issue_client(bins, now - Duration::DAY, now + YEAR * 5, CLIENT)
    }

    /// A client certificate whose five years ended yesterday.
    ///
    /// # Errors
    ///
    /// A BIN that does not have 12 digits.
    pub fn expired_client(&self, bins: &[&str]) -> Result<Issued, SandboxError> {
        let yesterday = wall() - Duration::DAY;
        self.issue_client(bins, yesterday - YEAR * 5, yesterday, CLIENT)
    }

    /// A client certificate that is valid from tomorrow.
    ///
    /// # Errors
    ///
    /// A BIN that does not have 12 digits.
    pub fn not_yet_valid_client(&self, bins: &[&str]) -> Result<Issued, SandboxError> {
        let tomorrow = wall() + Duration::DAY;
        self.issue_client(bins, tomorrow, tomorrow + YEAR * 5, CLIENT)
    }

    /// A client certificate that may be used by servers only (serverAuth without clientAuth).
    ///
    /// # Errors
    ///
    /// A BIN that does not have 12 digits.
    pub fn server_only_client(&self, bins: &[&str]) -> Result<Issued, SandboxError> {
        let now = wall();
        self.issue_client(bins, now - Duration::DAY, now + YEAR * 5, SERVER)
    }

    /// A client certificate for the time from `not_before` to `not_after`.
    ///
    /// # Errors
    ///
    /// A BIN that does not have 12 digits.
    pub fn client_valid(
        &self,
        bins: &[&str],
        not_before: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> Result<Issued, SandboxError> {
        self.issue_client(bins, not_before, not_after, CLIENT)
    }

    /// Signs somebody's certificate request, as the bank does: the key stays with who asked.
    /// Subject and usages are ours, whatever the request says. Gives the certificate as PEM.
    ///
    /// # Errors
    ///
    /// A BIN that does not have 12 digits, a request that cannot be read or whose signature is wrong.
    pub fn sign_request(&self, request_pem: &str, bins: &[&str]) -> Result<String, SandboxError> {
        let mut request = rcgen::CertificateSigningRequestParams::from_pem(request_pem)
            .map_err(SandboxError::certificate("a certificate from the request"))?;
        let now = wall();
        request.params = client_params(bins, now - Duration::DAY, now + YEAR * 5, CLIENT)?;
        let certificate = request
            .signed_by(&self.tiers.issuing.issuer)
            .map_err(SandboxError::certificate("a certificate from the request"))?;
        Ok(issued::pem_text("CERTIFICATE", certificate.der()))
    }

    /// A server certificate for `localhost`, `127.0.0.1` and `::1`.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn server(&self) -> Result<Issued, SandboxError> {
        let now = wall();
        let key = new_key(self.keys)?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CountryName, country());
        name.push(DnType::OrganizationName, "Sandbox");
        name.push(DnType::CommonName, "localhost");
        let mut params = leaf_params(name, now - Duration::DAY, now + YEAR * 5, SERVER);
        params.subject_alt_names = vec![
            SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()),
            SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into()),
        ];
        if let Ok(localhost) = "localhost".try_into() {
            params.subject_alt_names.push(SanType::DnsName(localhost));
        }
        self.sign(params, key, "the server certificate")
    }

    /// Root and intermediate as PEM: what the operator's `extra_ca_file` holds.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        let [root, issuing] = self.anchors();
        issued::pem_text("CERTIFICATE", &issuing) + &issued::pem_text("CERTIFICATE", &root)
    }

    /// Root and intermediate.
    ///
    /// Both are trust anchors of the sandbox: clients that send their leaf alone must get through.
    #[must_use]
    pub fn anchors(&self) -> [CertificateDer<'static>; 2] {
        [
            self.tiers.root.certificate.clone(),
            self.tiers.issuing.certificate.clone(),
        ]
    }

    fn issue_client(
        &self,
        bins: &[&str],
        not_before: OffsetDateTime,
        not_after: OffsetDateTime,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Issued, SandboxError> {
        let key = new_key(self.keys)?;
        let params = client_params(bins, not_before, not_after, usage)?;
        self.sign(params, key, "a client certificate")
    }

    fn sign(
        &self,
        params: CertificateParams,
        key: KeyPair,
        what: &'static str,
    ) -> Result<Issued, SandboxError> {
        let certificate: Certificate = params
            .signed_by(&key, &self.tiers.issuing.issuer)
            .map_err(SandboxError::certificate(what))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Issued::new(
            certificate.der().clone(),
            self.tiers.issuing.certificate.clone(),
            key,
        ))
    }
}

/// Keys never reach a log; the root's fingerprint tells authorities apart.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("root_sha256", &sha256_hex(&self.tiers.root.certificate))
            .field("keys", &self.keys)
            .finish()
    }
}

impl Tier {
    fn new(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, SandboxError> {
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(SandboxError::certificate("an issuer from its certificate"))?;
        Ok(Self { certificate, issuer })
    }

    fn load(folder: &Path, name: &str) -> Result<Self, SandboxError> {
        let certificate_path = folder.join(format!("{name}.crt"));
        let text = files::read(&certificate_path)?;
        let certificate = pem::parse(&text).map_err(|error| SandboxError::Content {
            path: certificate_path,
            reason: error.to_string(),
        })?;

        let key_path = folder.join(format!("{name}.key"));
        let text = files::read(&key_path)?;
        let key = KeyPair::from_pem(&text).map_err(|error| SandboxError::Content {
            path: key_path,
            reason: error.to_string(),
        })?;
        Self::new(CertificateDer::from(certificate.into_contents()), key)
    }

    fn save(&self, folder: &Path, name: &str) -> Result<(), SandboxError> {
        files::write(
            &folder.join(format!("{name}.crt")),
            &issued::pem_text("CERTIFICATE", &self.certificate),
            Mode::Public,
        )?;
        files::write(
            &folder.join(format!("{name}.key")),
            &issued::pem_text("PRIVATE KEY", self.issuer.key().serialized_der()),
            Mode::Private,
        )
    }
}

/// A certificate chain and its key.
pub(super) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a certificate chain and its plain key, as `init` writes them for the server.
pub(super) fn load_pair(certificate: &Path, key: &Path) -> Result<Pair, SandboxError> {
    let broken = |path: &Path, reason: String| SandboxError::Content {
        path: path.to_owned(),
        reason,
    };
    let text = fs::read(certificate).map_err(SandboxError::file("read", certificate))?;
    let chain: Vec<_> = pem::parse_many(text)
        .map_err(|error| broken(certificate, error.to_string()))?
        .into_iter()
        .filter(|part| part.tag() == "CERTIFICATE")
        .map(|part| CertificateDer::from(part.into_contents()))
        .collect();
    if chain.is_empty() {
        return Err(broken(certificate, "holds no certificate".to_owned()));
    }
    let text = files::read(key)?;
    let key_part = pem::parse(text).map_err(|error| broken(key, error.to_string()))?;
    if key_part.tag() != "PRIVATE KEY" {
        return Err(broken(
            key,
            format!("a `PRIVATE KEY` is needed, it holds a `{}`", key_part.tag()),
        ));
    }
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key_part.into_contents()));
    Ok((chain, key))
}

/// Lower-case hex of the SHA-256 of a certificate's DER form.
#[must_use]
pub fn sha256_hex(der: &[u8]) -> String {
    use fmt::Write as _;
    Sha256::digest(der)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

const CLIENT: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ClientAuth;
const SERVER: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ServerAuth;

fn new_key(kind: KeyKind) -> Result<KeyPair, SandboxError> {
    let algorithm = match kind {
        KeyKind::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
        KeyKind::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
    };
    KeyPair::generate_for(algorithm).map_err(SandboxError::certificate("a key"))
}

fn authority_params(
    organisation: &str,
    name: &str,
    years: i32,
    constraint: BasicConstraints,
) -> CertificateParams {
    let now = wall();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, country());
    subject.push(DnType::OrganizationName, organisation);
    subject.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.not_before = now - Duration::days(2);
    params.not_after = now + YEAR * years;
    params.serial_number = Some(random_serial());
    params.distinguished_name = subject;
    params.is_ca = IsCa::Ca(constraint);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    params.use_authority_key_identifier_extension = true;
    params
}

/// The bank's CSR instructions: C, ST, L, O in Latin letters, CN a host name; the OU is ours.
fn client_params(
    bins: &[&str],
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    usage: ExtendedKeyUsagePurpose,
) -> Result<CertificateParams, SandboxError> {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, country());
    subject.push(DnType::StateOrProvinceName, "Almaty");
    subject.push(DnType::LocalityName, "Almaty");
    subject.push(DnType::OrganizationName, "Sandbox Shop");
    if !bins.is_empty() {
        subject.push(DnType::OrganizationalUnitName, subject::unit(bins)?);
    }
    subject.push(DnType::CommonName, "shop.example");
    Ok(leaf_params(subject, not_before, not_after, usage))
}

fn leaf_params(
    subject: DistinguishedName,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    usage: ExtendedKeyUsagePurpose,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = not_before;
    params.not_after = not_after;
    params.serial_number = Some(random_serial());
    params.distinguished_name = subject;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::ContentCommitment,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::DataEncipherment,
    ];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params
}

fn country() -> DnValue {
    "KZ".try_into()
        .map_or_else(|_| DnValue::Utf8String("KZ".to_owned()), DnValue::PrintableString)
}

/// Sixteen random bytes, positive and never zero by the fixed bits of a version 4 UUID.
fn random_serial() -> SerialNumber {
    let mut bytes = *uuid::Uuid::new_v4().as_bytes();
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    SerialNumber::from_slice(&bytes)
}

#[cfg(test)]
mod tests;
