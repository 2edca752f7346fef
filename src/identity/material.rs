//! Bytes of a file to certificates and to a key, whatever the form.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::base::shell_word;
use crate::config::PasswordOrigin;

use super::key::PlainKey;
use super::openssl_pem::{DekError, DekInfo};
use super::pem::{self, Block};
use super::scheme::{Scheme, SchemeError};
use super::unlock::{Failure, Keyring};
use super::{Form, IdentityError, der, sniff};

/// A key, and where the password was found that opened it.
pub(super) type Opened = (PlainKey, Option<PasswordOrigin>);

const CERTIFICATE: &str = "a certificate in PEM or DER";
const KEY: &str = "a private key in PEM or DER";

/// Every certificate in a PEM or DER file, in the file's order; at least one.
pub(super) fn certificates(bytes: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let form = form_of(bytes, path)?;
    match form {
        Form::Certificate => Ok(vec![CertificateDer::from(bytes.to_vec())]),
        Form::Pem => {
            let blocks = pem::blocks(bytes, path)?;
            let mut found = Vec::new();
            for block in blocks.iter().filter(|block| block.form() == Form::Certificate) {
                check_block(block, path)?;
                found.push(CertificateDer::from(block.der.to_vec()));
            }
            if found.is_empty() {
                return Err(no_certificate(&blocks, path));
            }
            Ok(found)
        }
        form if form.is_private_key() => Err(IdentityError::NoCertificate {
            path: path.to_owned(),
            found: form.name().to_owned(),
        }),
        form => Err(wrong_form(form, CERTIFICATE, path)),
    }
}

/// PKCS#12 that GnuTLS has written as PEM, which is then the only block.
pub(super) fn pkcs12_block(bytes: &[u8], path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityError> {
    if form_of(bytes, path)? != Form::Pem {
        return Ok(None);
    }
    let mut blocks = pem::blocks(bytes, path)?;
    match (blocks.pop(), blocks.is_empty()) {
        (Some(block), true) if block.form() == Form::Pkcs12 => {
            check_block(&block, path)?;
            Ok(Some(block.der))
        }
        _ => Ok(None),
    }
}

/// The private key in a PEM or DER file.
pub(super) fn key(bytes: &[u8], path: &Path, keyring: &Keyring<'_>) -> Result<Opened, IdentityError> {
    match form_of(bytes, path)? {
        Form::Pem => {
            let blocks = pem::blocks(bytes, path)?;
            let keys: Vec<&Block> = blocks
                .iter()
                .filter(|block| block.form().is_private_key())
                .collect();
            match keys.as_slice() {
                [] => Err(no_key(&blocks, path)),
                [block] => {
                    check_block(block, path)?;
                    match &block.dek_info {
                        Some(header) => traditional(header, block, path, keyring),
                        None => der_key(block.form(), &block.der, path, keyring),
                    }
                }
                several => Err(IdentityError::SeveralKeys {
                    path: path.to_owned(),
                    names: several.iter().map(|block| format!("`{}`", block.label)).collect(),
                }),
            }
        }
        Form::Certificate => Err(IdentityError::NoKey {
            path: path.to_owned(),
            found: Form::Certificate.name().to_owned(),
        }),
        form if form.is_private_key() => der_key(form, bytes, path, keyring),
        form => Err(wrong_form(form, KEY, path)),
    }
}

/// How a key is encrypted, in words; `None` for a plain one.
pub(super) fn describe_encryption(
    form: Form,
    bytes: &[u8],
    dek_info: Option<&str>,
    path: &Path,
) -> Result<Option<String>, IdentityError> {
    match (form, dek_info) {
        (Form::OpensslEncrypted, Some(header)) => read_dek(header, path).map(|info| Some(info.describe())),
        (Form::EncryptedPkcs8, _) => {
            let (scheme, _) = encrypted_pkcs8(bytes, path)?;
            Ok(Some(scheme.describe()))
        }
        _ => Ok(None),
    }
}

/// The form of a file, once its length is what its DER says.
pub(super) fn form_of(bytes: &[u8], path: &Path) -> Result<Form, IdentityError> {
    let form = sniff::file(bytes);
    let looks_like_der = bytes.first() == Some(&0x30);
    if looks_like_der {
        check_extent(bytes, form, "its DER", path)?;
    }
    match form {
        Form::Empty => Err(IdentityError::Empty {
            path: path.to_owned(),
        }),
        form => Ok(form),
    }
}

/// Checks that a block holds one DER value, whole.
pub(super) fn check_block(block: &Block, path: &Path) -> Result<(), IdentityError> {
    if block.dek_info.is_some() {
        return Ok(());
    }
    let what = format!("PEM block `{}`", block.label);
    check_extent(&block.der, block.form(), &what, path)
}

fn check_extent(bytes: &[u8], form: Form, what: &str, path: &Path) -> Result<(), IdentityError> {
    let what = match form {
        Form::Unknown => what.to_owned(),
        form => form.name().to_owned(),
    };
    match der::extent(bytes) {
        der::Extent::Exact | der::Extent::Indefinite => Ok(()),
        der::Extent::Short { expected } => Err(IdentityError::Truncated {
            path: path.to_owned(),
            what,
            expected,
            actual: der::count(bytes.len()),
        }),
        der::Extent::Long { extra } if form != Form::Unknown => Err(IdentityError::TrailingData {
            path: path.to_owned(),
            what,
            extra,
        }),
        der::Extent::Long { .. } | der::Extent::Other => Ok(()),
    }
}

pub(super) fn der_key(
    form: Form,
    bytes: &[u8],
    path: &Path,
    keyring: &Keyring<'_>,
) -> Result<Opened, IdentityError> {
    if form == Form::EncryptedPkcs8 {
        let (scheme, data) = encrypted_pkcs8(bytes, path)?;
        let (key, origin) = keyring.open(path, &scheme.describe(), |password| {
            PlainKey::new(scheme.decrypt(password, data)?).ok_or(Failure::Wrong)
        })?;
        return Ok((key, Some(origin)));
    }
    let key = PlainKey::new(Zeroizing::new(bytes.to_vec())).ok_or_else(|| IdentityError::Malformed {
        path: path.to_owned(),
        what: form.name().to_owned(),
        reason: "it is no DER of that form".to_owned(),
    })?;
    Ok((key, None))
}

pub(super) fn traditional(
    header: &str,
    block: &Block,
    path: &Path,
    keyring: &Keyring<'_>,
) -> Result<Opened, IdentityError> {
    let info = read_dek(header, path)?;
    let (key, origin) = keyring.open(path, &info.describe(), |password| {
        PlainKey::new(info.decrypt(password, &block.der)?).ok_or(Failure::Wrong)
    })?;
    Ok((key, Some(origin)))
}

fn encrypted_pkcs8<'a>(bytes: &'a [u8], path: &Path) -> Result<(Scheme, &'a [u8]), IdentityError> {
    let malformed = |reason: String| IdentityError::Malformed {
        path: path.to_owned(),
        what: Form::EncryptedPkcs8.name().to_owned(),
        reason,
    };
    let parts = der::outermost(bytes).unwrap_or_default();
    let [algorithm, data] = parts.as_slice() else {
        return Err(malformed("it is no DER of that form".to_owned()));
    };
    let scheme = Scheme::read(*algorithm).map_err(|error| match error {
        SchemeError::Unsupported(scheme) => unsupported(scheme, path),
        SchemeError::TooCostly(excess) => IdentityError::TooCostly {
            path: path.to_owned(),
            asked: excess.asked,
            limit: excess.limit,
        },
        SchemeError::Malformed(reason) => malformed(reason),
    })?;
    Ok((scheme, data.value()))
}

fn read_dek(header: &str, path: &Path) -> Result<DekInfo, IdentityError> {
    DekInfo::read(header).map_err(|error| match error {
        DekError::Unsupported(cipher) => unsupported(cipher, path),
        DekError::Malformed => IdentityError::BrokenPem {
            path: path.to_owned(),
            label: "PRIVATE KEY".to_owned(),
            reason: "has a `DEK-Info` that is not of the form `CIPHER,HEX`".to_owned(),
        },
    })
}

fn unsupported(scheme: String, path: &Path) -> IdentityError {
    let advice = format!(
        "encrypt it anew: `openssl pkey -provider legacy -provider default -in {} -aes256 -out new.key`",
        shell_word(path)
    );
    IdentityError::UnsupportedEncryption {
        path: path.to_owned(),
        scheme,
        advice,
    }
}

/// For a whole file, which is DER where it could be that or PEM; see [`explain_absence`] for PEM.
pub(super) fn wrong_form(form: Form, wanted: &'static str, path: &Path) -> IdentityError {
    let shown = shell_word(path);
    let advice = match form {
        Form::Pkcs12 => Some(format!(
            "name it as the whole identity (`identity.p12`), or take it apart: \
             `openssl pkcs12 -in {shown} -clcerts -nokeys -out certificate.cer` \
             and `openssl pkcs12 -in {shown} -nocerts -out private.key`"
        )),
        Form::Pkcs7 => Some(format!(
            "take the certificates out: `openssl pkcs7 -inform DER -in {shown} -print_certs -out new.cer`"
        )),
        form => form.conversion(&shown),
    };
    IdentityError::WrongForm {
        path: path.to_owned(),
        wanted,
        found: form.name().to_owned(),
        advice,
    }
}

fn no_certificate(blocks: &[Block], path: &Path) -> IdentityError {
    explain_absence(blocks, CERTIFICATE, path).unwrap_or_else(|| IdentityError::NoCertificate {
        path: path.to_owned(),
        found: listed(blocks),
    })
}

fn no_key(blocks: &[Block], path: &Path) -> IdentityError {
    explain_absence(blocks, KEY, path).unwrap_or_else(|| IdentityError::NoKey {
        path: path.to_owned(),
        found: listed(blocks),
    })
}

/// A block that could be converted into what is missing says more than its absence.
fn explain_absence(blocks: &[Block], wanted: &'static str, path: &Path) -> Option<IdentityError> {
    let telling = blocks
        .iter()
        .map(Block::form)
        .find(|form| !form.is_private_key() && *form != Form::Certificate && *form != Form::Unknown)?;
    Some(IdentityError::WrongForm {
        path: path.to_owned(),
        wanted,
        found: format!("{} in PEM", telling.name()),
        advice: telling.conversion(&shell_word(path)),
    })
}

fn listed(blocks: &[Block]) -> String {
    let labels: Vec<String> = blocks.iter().map(|block| format!("`{}`", block.label)).collect();
    format!("PEM block {}", labels.join(", "))
}
