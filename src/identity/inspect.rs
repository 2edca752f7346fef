//! What is in a file, whoever's it is. Needs no configuration.

use std::path::Path;

use serde::Serialize;
use time::OffsetDateTime;

use crate::base::shell_word;
use crate::config::PasswordSource;

use super::facts::{self, Facts};
use super::key::PlainKey;
use super::pem::{self, Block};
use super::unlock::Keyring;
use super::{Form, IdentityError, material, pkcs12, read};

/// One thing in a file: a certificate, a key, or whatever else it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inspected {
    /// The file, as it was named.
    pub file: String,
    /// What it is.
    pub kind: Form,
    /// What it says, for a certificate.
    #[serde(flatten)]
    pub certificate: Option<Facts>,
    /// Whole days until it expires, for a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// Kind, size and public half, for a private key that is open.
    #[serde(flatten)]
    pub private_key: Option<KeyFacts>,
    /// How it is encrypted, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// How to make something usable of it, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What can be said about a private key without giving it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyFacts {
    /// Kind and size, such as `RSA 2048`.
    pub key: String,
    /// SHA-256 of its public half (SubjectPublicKeyInfo), lower-case hex: the certificate's must be
    /// the same. Absent for a kind of key that cannot be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key_sha256: Option<String>,
}

/// Looks into a file and tells what is there, in the file's order.
///
/// An encrypted key for which there is no password is shown with its encryption.
///
/// # Errors
///
/// The file cannot be read, is cut off, damaged or empty, or none of the given passwords opens it.
pub fn inspect(
    path: &Path,
    passwords: &[PasswordSource],
    now: OffsetDateTime,
) -> Result<Vec<Inspected>, IdentityError> {
    let contents = read::read(path, "file")?;
    let bytes = &contents.bytes;
    let viewer = Viewer {
        path,
        keyring: Keyring {
            owner: None,
            passwords,
        },
        now,
    };
    match material::form_of(bytes, path)? {
        Form::Pem => {
            if let Some(archive) = material::pkcs12_block(bytes, path)? {
                return viewer.pkcs12(&archive);
            }
            let blocks = pem::blocks(bytes, path)?;
            let places = 1..;
            blocks
                .iter()
                .zip(places)
                .map(|(block, place)| viewer.block(block, place))
                .collect()
        }
        Form::Pkcs12 => viewer.pkcs12(bytes),
        Form::Certificate => Ok(vec![viewer.certificate(bytes, 1)?]),
        form if form.is_private_key() => Ok(vec![viewer.key(form, bytes)?]),
        form => Ok(vec![viewer.other(form)]),
    }
}

struct Viewer<'a> {
    path: &'a Path,
    keyring: Keyring<'a>,
    now: OffsetDateTime,
}

impl Viewer<'_> {
    fn block(&self, block: &Block, place: usize) -> Result<Inspected, IdentityError> {
        material::check_block(block, self.path)?;
        match block.form() {
            Form::Certificate => self.certificate(&block.der, place),
            Form::OpensslEncrypted => self.traditional(block),
            form if form.is_private_key() => self.key(form, &block.der),
            form => Ok(self.other(form)),
        }
    }

    fn certificate(&self, der: &[u8], place: usize) -> Result<Inspected, IdentityError> {
        let facts = facts::read(der, self.path, place)?.facts;
        Ok(Inspected {
            days_left: Some(facts.days_left(self.now)),
            certificate: Some(facts),
            ..self.bare(Form::Certificate)
        })
    }

    fn key(&self, form: Form, bytes: &[u8]) -> Result<Inspected, IdentityError> {
        let encryption = material::describe_encryption(form, bytes, None, self.path)?;
        let mut shown = Inspected {
            encryption,
            ..self.bare(form)
        };
        if shown.encryption.is_none() || !self.keyring.passwords.is_empty() {
            let (key, _) = material::der_key(form, bytes, self.path, &self.keyring)?;
            shown.private_key = Some(describe_key(&key, self.path));
        }
        Ok(shown)
    }

    fn traditional(&self, block: &Block) -> Result<Inspected, IdentityError> {
        let header = block.dek_info.as_deref();
        let encryption =
            material::describe_encryption(Form::OpensslEncrypted, &block.der, header, self.path)?;
        let mut shown = Inspected {
            encryption,
            ..self.bare(Form::OpensslEncrypted)
        };
        if let Some(header) = header.filter(|_| !self.keyring.passwords.is_empty()) {
            let (key, _) = material::traditional(header, block, self.path, &self.keyring)?;
            shown.private_key = Some(describe_key(&key, self.path));
        }
        Ok(shown)
    }

    fn pkcs12(&self, bytes: &[u8]) -> Result<Vec<Inspected>, IdentityError> {
        let mut shown = vec![Inspected {
            encryption: Some(pkcs12::describe(bytes, self.path)?),
            ..self.bare(Form::Pkcs12)
        }];
        let archive = match pkcs12::open(bytes, self.path, &self.keyring) {
            Ok((archive, _)) => archive,
            Err(IdentityError::NoPassword { .. }) => return Ok(shown),
            Err(error) => return Err(error),
        };
        for (index, certificate) in archive.certificates.iter().enumerate() {
            shown.push(self.certificate(certificate, index + 1)?);
        }
        for key in archive.keys {
            let key = PlainKey::new(key.der).map(|key| describe_key(&key, self.path));
            shown.push(Inspected {
                private_key: key,
                ..self.bare(Form::Pkcs8)
            });
        }
        Ok(shown)
    }

    fn other(&self, form: Form) -> Inspected {
        Inspected {
            hint: form.conversion(&shell_word(self.path)),
            ..self.bare(form)
        }
    }

    fn bare(&self, kind: Form) -> Inspected {
        Inspected {
            file: self.path.display().to_string(),
            kind,
            certificate: None,
            days_left: None,
            private_key: None,
            encryption: None,
            hint: None,
        }
    }
}

fn describe_key(key: &PlainKey, path: &Path) -> KeyFacts {
    let public = key
        .signing_key(path)
        .ok()
        .and_then(|signing| signing.public_key().map(|spki| facts::sha256(&spki)));
    KeyFacts {
        key: key.kind().describe(),
        public_key_sha256: public,
    }
}
