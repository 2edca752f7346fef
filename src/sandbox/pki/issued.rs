//! A certificate together with its key, in the forms that operators and tests need.

use std::fmt;

use pem::{EncodeConfig, LineEnding, Pem};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::sha256_hex;
use crate::sandbox::error::SandboxError;

/// A certificate, its issuer's certificate and its private key.
pub struct Issued {
    certificate: CertificateDer<'static>,
    issuer: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Issued {
    pub(super) fn new(
        certificate: CertificateDer<'static>,
        issuer: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        Self {
            certificate,
            issuer,
            key,
        }
    }

    /// The certificate alone.
    #[must_use]
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate alone, as PEM: the form in which the bank sends it.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem_text("CERTIFICATE", &self.certificate)
    }

    /// The certificate and the intermediate that signed it.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone(), self.issuer.clone()]
    }

    /// The certificate and the intermediate that signed it, as PEM, leaf first.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        pem_text("CERTIFICATE", &self.certificate) + &pem_text("CERTIFICATE", &self.issuer)
    }

    /// The private key, PKCS#8.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// The private key, PKCS#8, as PEM without a password.
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem_text("PRIVATE KEY", self.key.secret_der())
    }

    /// The private key as `ENCRYPTED PRIVATE KEY`: PKCS#8 with PBES2, PBKDF2-HMAC-SHA256 and
    /// AES-256-CBC, as a present `openssl pkcs8 -topk8` writes it.
    ///
    /// # Errors
    ///
    /// When the cipher refuses, which it has no cause to.
    pub fn encrypted_key_pem(&self, password: &str) -> Result<String, SandboxError> {
        const ROUNDS: u32 = 10_000;
        let failed = |error: &dyn fmt::Display| SandboxError::Certificate {
            what: "an encrypted key".to_owned(),
            source: error.to_string().into(),
        };
        let salt = uuid::Uuid::new_v4().into_bytes();
        let iv = uuid::Uuid::new_v4().into_bytes();
        let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv)
            .map_err(|error| failed(&error))?;
        let encrypted = PrivateKeyInfoRef::try_from(self.key.secret_der())
            .and_then(|key| key.encrypt_with_params(parameters, password))
            .map_err(|error| failed(&error))?;
        Ok(pem_text("ENCRYPTED PRIVATE KEY", encrypted.as_bytes()))
    }

    /// Lower-case hex of the SHA-256 of the certificate, as `GET /requests` shows it.
    #[must_use]
    pub fn sha256(&self) -> String {
        sha256_hex(&self.certificate)
    }
}

/// The key stays out.
impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("sha256", &self.sha256())
            .finish_non_exhaustive()
    }
}

pub(super) fn pem_text(tag: &str, der: &[u8]) -> String {
    pem::encode_config(
        &Pem::new(tag, der),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    )
}
