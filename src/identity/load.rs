//! Files to an identity.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use time::OffsetDateTime;

use crate::base::Clock;
use crate::config::{IdentityFiles, IdentitySpec, PasswordOrigin};

use super::check::{self, Order, Parsed};
use super::finding::Finding;
use super::key::PlainKey;
use super::read::{self, Contents};
use super::stamp::{Stamp, Stamper};
use super::unlock::Keyring;
use super::{Facts, Form, Identity, IdentityError, facts, material, pkcs12};

/// Everything that can be said about the files of an identity, usable or not.
#[derive(Debug)]
#[non_exhaustive]
pub struct Examination {
    /// What the certificate says, wherever it could be read: also where the identity is refused.
    pub facts: Option<Facts>,
    /// Every finding, errors first.
    pub findings: Vec<Finding>,
    /// The identity, or the first error.
    pub outcome: Result<Identity, IdentityError>,
    /// What the files held as they were read for this.
    pub stamp: Stamp,
    /// What each certificate says, in the order of the file, also where the identity is refused.
    pub certificates: Vec<Facts>,
    /// The key, once it was opened, also where the identity is refused.
    pub opened: Option<OpenedKey>,
}

/// What can be said about a private key that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedKey {
    /// Where the password was found; `None` where it needed none.
    pub with: Option<PasswordOrigin>,
    /// SHA-256 of its public half (SubjectPublicKeyInfo), lower-case hex.
    pub public_key_sha256: String,
}

/// Loads an identity.
///
/// # Errors
///
/// The first thing that stands in the way; the error names the file. See [`examine`] for the rest.
pub fn load(spec: &IdentitySpec, clock: &dyn Clock) -> Result<Identity, IdentityError> {
    examine(spec, clock).outcome
}

/// Loads an identity and keeps what was learnt on the way: a list of merchants shows the dates of an
/// expired certificate too.
#[must_use]
pub fn examine(spec: &IdentitySpec, clock: &dyn Clock) -> Examination {
    let mut draft = Draft::new(spec);
    let now = clock.now();
    let outcome = match &spec.files {
        IdentityFiles::Pair {
            certificate,
            private_key,
        } => draft.pair(spec, certificate, private_key, now),
        IdentityFiles::Single(path) => draft
            .read(path, "identity file")
            .and_then(|contents| draft.single(spec, &contents, path, now)),
        IdentityFiles::Variable(variable) => {
            let contents = Ok(read::of_variable(variable));
            draft.stamper.add(&contents);
            contents.and_then(|contents| draft.single(spec, &contents, Path::new(variable.name()), now))
        }
    };
    draft.finish(outcome)
}

/// What is known so far.
struct Draft {
    facts: Option<Facts>,
    warnings: Vec<Finding>,
    /// Errors beyond the one that ends the load.
    further: Vec<IdentityError>,
    stamper: Stamper,
    certificates: Vec<Facts>,
    opened: Option<OpenedKey>,
}

/// A key that has been opened.
struct Opened {
    key: Arc<dyn SigningKey>,
    origin: Option<PasswordOrigin>,
}

impl Draft {
    fn new(spec: &IdentitySpec) -> Self {
        Self {
            facts: None,
            warnings: Vec::new(),
            further: Vec::new(),
            stamper: Stamper::new(spec),
            certificates: Vec::new(),
            opened: None,
        }
    }

    /// Reads a file, once: what is judged is what is stamped.
    fn read(&mut self, path: &Path, role: &'static str) -> Result<Contents, IdentityError> {
        let read = read::read(path, role);
        self.stamper.add(&read);
        read
    }

    fn pair(
        &mut self,
        spec: &IdentitySpec,
        certificate: &Path,
        private_key: &Path,
        now: OffsetDateTime,
    ) -> Result<Identity, IdentityError> {
        let certificates = self
            .read(certificate, "certificate")
            .and_then(|contents| material::certificates(&contents.bytes, certificate));
        let parsed = self.parse(certificates, certificate);
        let key = self.read(private_key, "private key").and_then(|contents| {
            check::mode(private_key, contents.mode, &mut self.warnings);
            open_key(&contents, private_key, &keyring(spec))
        });
        self.combine(spec, parsed, key, Order::Given, (certificate, private_key), now)
    }

    fn single(
        &mut self,
        spec: &IdentitySpec,
        contents: &Contents,
        path: &Path,
        now: OffsetDateTime,
    ) -> Result<Identity, IdentityError> {
        check::mode(path, contents.mode, &mut self.warnings);
        match material::form_of(&contents.bytes, path)? {
            Form::Pkcs12 => self.pkcs12(spec, &contents.bytes, path, now),
            Form::Pem | Form::Certificate => {
                if let Some(archive) = material::pkcs12_block(&contents.bytes, path)? {
                    return self.pkcs12(spec, &archive, path, now);
                }
                let parsed = self.parse(material::certificates(&contents.bytes, path), path);
                let key = open_key(contents, path, &keyring(spec));
                self.combine(spec, parsed, key, Order::Given, (path, path), now)
            }
            form if form.is_private_key() => Err(IdentityError::NoCertificate {
                path: path.to_owned(),
                found: form.name().to_owned(),
            }),
            form => Err(material::wrong_form(
                form,
                "a certificate and its private key, in one PEM or PKCS#12",
                path,
            )),
        }
    }

    fn pkcs12(
        &mut self,
        spec: &IdentitySpec,
        bytes: &[u8],
        path: &Path,
        now: OffsetDateTime,
    ) -> Result<Identity, IdentityError> {
        let (archive, origin) = pkcs12::open(bytes, path, &keyring(spec))?;
        let certificates = match archive.certificates {
            none if none.is_empty() => Err(IdentityError::NoCertificate {
                path: path.to_owned(),
                found: "PKCS#12 with private keys alone".to_owned(),
            }),
            some => Ok(some),
        };
        let parsed = self.parse(certificates, path);
        let mut names = Vec::new();
        let mut keys = Vec::new();
        for key in archive.keys {
            names.push(key.name);
            keys.push(key.der);
        }
        let key = match (keys.pop(), keys.is_empty()) {
            (Some(der), true) => usable(der, path).map(|key| Opened { key, origin }),
            (Some(_), false) => Err(IdentityError::SeveralKeys {
                path: path.to_owned(),
                names,
            }),
            (None, _) => Err(IdentityError::NoKey {
                path: path.to_owned(),
                found: "PKCS#12 with certificates alone".to_owned(),
            }),
        };
        self.combine(spec, parsed, key, Order::Any, (path, path), now)
    }

    fn parse(
        &mut self,
        certificates: Result<Vec<CertificateDer<'static>>, IdentityError>,
        path: &Path,
    ) -> Result<Vec<Parsed>, IdentityError> {
        let parsed = check::parse(certificates?, path)?;
        self.facts = probable_leaf(&parsed).map(|leaf| leaf.read.facts.clone());
        self.certificates = parsed.iter().map(|parsed| parsed.read.facts.clone()).collect();
        Ok(parsed)
    }

    /// Both halves, or what is wrong with each of them.
    fn combine(
        &mut self,
        spec: &IdentitySpec,
        parsed: Result<Vec<Parsed>, IdentityError>,
        key: Result<Opened, IdentityError>,
        order: Order,
        (certificate, private_key): (&Path, &Path),
        now: OffsetDateTime,
    ) -> Result<Identity, IdentityError> {
        if let Ok(opened) = &key {
            self.opened = Some(OpenedKey {
                with: opened.origin.clone(),
                public_key_sha256: facts::sha256(&spki_of(opened)),
            });
        }
        let (parsed, opened) = match (parsed, key) {
            (Ok(parsed), Ok(opened)) => (parsed, opened),
            (Err(error), Ok(_)) => return Err(error),
            (Err(error), Err(second)) => {
                self.further.push(second);
                return Err(error);
            }
            (Ok(parsed), Err(error)) => {
                if let Some(leaf) = probable_leaf(&parsed) {
                    self.further = check::leaf(&leaf.read, certificate, now, &mut self.warnings);
                }
                return Err(error);
            }
        };
        let spki = spki_of(&opened);
        let chain = check::chain(
            &parsed,
            &spki,
            order,
            certificate,
            private_key,
            &mut self.warnings,
        );
        let leaf = match &chain {
            Ok(chain) => chain.first(),
            Err(_) => probable_leaf(&parsed),
        };
        if let Some(leaf) = leaf {
            self.facts = Some(leaf.read.facts.clone());
            self.further = check::leaf(&leaf.read, certificate, now, &mut self.warnings);
        }
        let chain = chain?;
        if !self.further.is_empty() {
            return Err(self.further.remove(0));
        }
        let facts = self.facts.clone().ok_or_else(|| IdentityError::NoCertificate {
            path: certificate.to_owned(),
            found: "nothing".to_owned(),
        })?;
        Ok(Identity {
            owner: spec.owner,
            certificate: certificate.to_owned(),
            certified: Arc::new(CertifiedKey::new(
                chain.into_iter().map(|parsed| parsed.der).collect(),
                opened.key,
            )),
            facts,
            opened_with: opened.origin,
            warnings: self.warnings.clone(),
        })
    }

    fn finish(self, outcome: Result<Identity, IdentityError>) -> Examination {
        let mut findings: Vec<Finding> = outcome.as_ref().err().map(Finding::error).into_iter().collect();
        findings.extend(self.further.iter().map(Finding::error));
        findings.extend(self.warnings);
        Examination {
            stamp: self.stamper.finish(),
            facts: self.facts,
            certificates: self.certificates,
            opened: self.opened,
            findings,
            outcome,
        }
    }
}

/// The public half of a key, DER.
fn spki_of(opened: &Opened) -> Vec<u8> {
    opened
        .key
        .public_key()
        .map(|spki| spki.to_vec())
        .unwrap_or_default()
}

fn keyring(spec: &IdentitySpec) -> Keyring<'_> {
    Keyring {
        owner: Some(spec.owner),
        passwords: &spec.passwords,
    }
}

fn open_key(contents: &Contents, path: &Path, keyring: &Keyring<'_>) -> Result<Opened, IdentityError> {
    let (key, origin) = material::key(&contents.bytes, path, keyring)?;
    let key = key.signing_key(path)?;
    Ok(Opened { key, origin })
}

fn usable(der: zeroize::Zeroizing<Vec<u8>>, path: &Path) -> Result<Arc<dyn SigningKey>, IdentityError> {
    PlainKey::new(der)
        .ok_or_else(|| IdentityError::Malformed {
            path: path.to_owned(),
            what: Form::Pkcs8.name().to_owned(),
            reason: "the key inside is no PKCS#8".to_owned(),
        })?
        .signing_key(path)
}

/// The certificate that is most likely meant while the key is not known.
fn probable_leaf(parsed: &[Parsed]) -> Option<&Parsed> {
    parsed
        .iter()
        .find(|candidate| !candidate.read.facts.ca)
        .or_else(|| parsed.first())
}
