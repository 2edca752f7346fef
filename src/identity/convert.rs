//! Any files with a certificate and its key, to the standard layout: a chain in PEM, and the key in
//! PKCS#8 under a password. The plain key is never written.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use super::check::{self, Order};
use super::encrypt::{self, KeyWriteError};
use super::finding::Finding;
use super::key::PlainKey;
use super::pem;
use super::read;
use super::unlock::Keyring;
use super::{Facts, Form, IdentityError, material, pkcs12};
use crate::base::Password;
use crate::config::{PasswordOrigin, PasswordSource};

/// A certificate with its chain and its key, gathered from files of any form.
pub struct Gathered {
    chain: Vec<CertificateDer<'static>>,
    key: PlainKey,
    facts: Facts,
    opened_with: Option<PasswordOrigin>,
    warnings: Vec<Finding>,
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered")
            .field("sha256", &self.facts.sha256)
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// Gathers one identity from files that hold it together, in any order. Dates and usages are not
/// judged: what is expired can be converted too.
///
/// # Errors
///
/// A file cannot be read or opened; there is no key, or more than one; no certificate belongs to it.
pub fn gather(files: &[PathBuf], passwords: &[PasswordSource]) -> Result<Gathered, IdentityError> {
    let mut heap = Heap::default();
    let keyring = Keyring {
        owner: None,
        passwords,
    };
    for file in files {
        heap.add(file, &keyring)?;
    }
    heap.finish()
}

impl Gathered {
    /// What the certificate says.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// How many certificates the chain has, the own one included.
    #[must_use]
    pub fn certificates(&self) -> usize {
        self.chain.len()
    }

    /// Where the password was found that opened the key; `None` where it needed none.
    #[must_use]
    pub fn opened_with(&self) -> Option<&PasswordOrigin> {
        self.opened_with.as_ref()
    }

    /// What is odd about the files, such as a root, which is left out.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// The chain in PEM, the own certificate first.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.chain
            .iter()
            .map(|der| encrypt::pem_text("CERTIFICATE", der))
            .collect()
    }

    /// The key as `ENCRYPTED PRIVATE KEY` in PEM.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn encrypted_key_pem(&self, password: &Password) -> Result<String, KeyWriteError> {
        encrypt::encrypted_pem(&self.key, password)
    }
}

/// What the files held so far, each with its file.
#[derive(Default)]
struct Heap {
    files: Vec<PathBuf>,
    certificates: Vec<(CertificateDer<'static>, PathBuf)>,
    keys: Vec<(PlainKey, Option<PasswordOrigin>, PathBuf)>,
}

impl Heap {
    fn add(&mut self, path: &Path, keyring: &Keyring<'_>) -> Result<(), IdentityError> {
        self.files.push(path.to_owned());
        let contents = read::read(path, "file")?;
        let bytes = &contents.bytes;
        match material::form_of(bytes, path)? {
            Form::Pkcs12 => {
                let (archive, origin) = pkcs12::open(bytes, path, keyring)?;
                for der in archive.certificates {
                    self.certificates.push((der, path.to_owned()));
                }
                for key in archive.keys {
                    let key = PlainKey::new(key.der).ok_or_else(|| IdentityError::Malformed {
                        path: path.to_owned(),
                        what: Form::Pkcs8.name().to_owned(),
                        reason: "the key inside is no PKCS#8".to_owned(),
                    })?;
                    self.keys.push((key, origin.clone(), path.to_owned()));
                }
                Ok(())
            }
            Form::Pem => self.add_pem(bytes, path, keyring),
            Form::Certificate => {
                self.certificates
                    .push((CertificateDer::from(bytes.to_vec()), path.to_owned()));
                Ok(())
            }
            form if form.is_private_key() => {
                let (key, origin) = material::der_key(form, bytes, path, keyring)?;
                self.keys.push((key, origin, path.to_owned()));
                Ok(())
            }
            form => Err(material::wrong_form(
                form,
                "a certificate, a private key or PKCS#12",
                path,
            )),
        }
    }

    fn add_pem(&mut self, bytes: &[u8], path: &Path, keyring: &Keyring<'_>) -> Result<(), IdentityError> {
        let before = self.certificates.len() + self.keys.len();
        let blocks = pem::blocks(bytes, path)?;
        for block in &blocks {
            material::check_block(block, path)?;
            let form = block.form();
            if form == Form::Certificate {
                let der = CertificateDer::from(block.der.to_vec());
                self.certificates.push((der, path.to_owned()));
            } else if form.is_private_key() {
                let (key, origin) = match &block.dek_info {
                    Some(header) => material::traditional(header, block, path, keyring)?,
                    None => material::der_key(form, &block.der, path, keyring)?,
                };
                self.keys.push((key, origin, path.to_owned()));
            }
        }
        match blocks.first() {
            Some(first) if self.certificates.len() + self.keys.len() == before => Err(material::wrong_form(
                first.form(),
                "a certificate, a private key or PKCS#12",
                path,
            )),
            _ => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Gathered, IdentityError> {
        let file = self.files.first().cloned().unwrap_or_default();
        // the same key may lie in two of the files
        self.keys.dedup_by(|one, other| one.0.der == other.0.der);
        let found = if self.certificates.is_empty() {
            "private keys alone"
        } else {
            "certificates alone"
        };
        if self.certificates.is_empty() {
            return Err(IdentityError::NoCertificate {
                path: file,
                found: found.to_owned(),
            });
        }
        if self.keys.len() > 1 {
            let names = self
                .keys
                .iter()
                .map(|(.., path)| format!("`{}`", path.display()))
                .collect();
            return Err(IdentityError::SeveralKeys { path: file, names });
        }
        let (key, opened_with, key_file) = self.keys.pop().ok_or_else(|| IdentityError::NoKey {
            path: file.clone(),
            found: found.to_owned(),
        })?;
        let spki = key
            .signing_key(&key_file)?
            .public_key()
            .map(|spki| spki.to_vec())
            .unwrap_or_default();
        let certificate_file = self.certificates.first().map_or(file, |(_, path)| path.clone());
        let certificates = self.certificates.into_iter().map(|(der, _)| der).collect();
        let parsed = check::parse(certificates, &certificate_file)?;
        let mut warnings = Vec::new();
        let chain = check::chain(
            &parsed,
            &spki,
            Order::Any,
            &certificate_file,
            &key_file,
            &mut warnings,
        )?;
        let facts = chain.first().map(|leaf| leaf.read.facts.clone()).ok_or_else(|| {
            IdentityError::NoCertificate {
                path: certificate_file,
                found: "nothing".to_owned(),
            }
        })?;
        Ok(Gathered {
            chain: chain.into_iter().map(|parsed| parsed.der).collect(),
            key,
            facts,
            opened_with,
            warnings,
        })
    }
}
