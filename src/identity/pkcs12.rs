//! PKCS#12: certificates and a key under one password.
//!
//! `p12-keystore` opens it. Before that the figures that stand in clear are checked here, so that the
//! library is never asked for more work than `kdf` allows, nor given parameters that it trusts too much.
//! Its own buffers are not wiped when it drops them; what is taken out of them here is.

use std::path::Path;

use p12_keystore::{Pkcs12Archive, error::Error};
use pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use pkcs8::der::{Decode, Tag, Tagged};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::base::shell_word;
use crate::config::PasswordOrigin;

use super::kdf::{self, Excess};
use super::scheme::{self, SchemeError};
use super::unlock::{Failure, Keyring};
use super::{IdentityError, der};

/// What is in it, before anything is chosen.
pub(super) struct Archive {
    pub(super) keys: Vec<NamedKey>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// A private key in PKCS#8 and the name it has in the file.
pub(super) struct NamedKey {
    pub(super) name: String,
    pub(super) der: Zeroizing<Vec<u8>>,
}

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const SHROUDED_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");

/// Says how the file is protected, and refuses what asks for too much.
pub(super) fn describe(bytes: &[u8], path: &Path) -> Result<String, IdentityError> {
    survey(bytes).map_err(|error| refusal(error, path))
}

/// Opens it with the passwords there are; with an empty one where there are none.
pub(super) fn open(
    bytes: &[u8],
    path: &Path,
    keyring: &Keyring<'_>,
) -> Result<(Archive, Option<PasswordOrigin>), IdentityError> {
    let description = describe(bytes, path)?;
    if keyring.passwords.is_empty()
        && let Ok(archive) = attempt(bytes, b"")
    {
        return archive
            .map(|archive| (archive, None))
            .map_err(|error| refusal(error, path));
    }
    let (archive, origin) = keyring.open(path, &description, |password| attempt(bytes, password))?;
    archive
        .map(|archive| (archive, Some(origin)))
        .map_err(|error| refusal(error, path))
}

/// The outer failure is the password's, the inner one the file's: it shows once the password fits.
fn attempt(bytes: &[u8], password: &[u8]) -> Result<Result<Archive, SchemeError>, Failure> {
    let password = std::str::from_utf8(password).map_err(|_| Failure::NotUtf8)?;
    let archive = match Pkcs12Archive::from_pkcs12(bytes, password) {
        Ok(archive) => archive,
        Err(Error::UnsupportedEncryptionScheme) => {
            let scheme = "a scheme that PKCS#12 files seldom have".to_owned();
            return Ok(Err(SchemeError::Unsupported(scheme)));
        }
        Err(Error::UnsupportedCertificateType) => {
            let reason = "it holds a certificate that is not X.509".to_owned();
            return Ok(Err(SchemeError::Malformed(reason)));
        }
        // Without a MAC a wrong password shows as bad padding, or as nonsense where DER should be.
        Err(_) => return Err(Failure::Wrong),
    };
    let keys = archive
        .keys
        .iter()
        .enumerate()
        .map(|(index, bag)| NamedKey {
            name: bag.friendly_name.as_ref().map_or_else(
                || format!("number {}", index + 1),
                |name| format!("`{}`", printable(name)),
            ),
            der: Zeroizing::new(bag.key.as_der().to_vec()),
        })
        .collect();
    let certificates = archive
        .certs
        .iter()
        .map(|bag| CertificateDer::from(bag.cert.as_der().to_vec()))
        .collect();
    Ok(Ok(Archive { keys, certificates }))
}

fn printable(name: &str) -> String {
    name.chars()
        .filter(|character| !character.is_control())
        .take(60)
        .collect()
}

/// Walks through everything that is readable without a password.
fn survey(bytes: &[u8]) -> Result<String, SchemeError> {
    let parts = der::outermost(bytes).ok_or_else(|| malformed("the file"))?;
    let content = parts.get(1).copied().ok_or_else(|| malformed("the file"))?;
    let (kind, content) = content_info(content)?;
    match kind {
        DATA => {}
        SIGNED_DATA => {
            return Err(SchemeError::Unsupported(
                "a public key (PKCS#12 in public-key mode)".to_owned(),
            ));
        }
        other => return Err(SchemeError::Unsupported(scheme::name(other))),
    }
    let safes = octets(content)?;
    let mut total = 0;
    let mut described = Vec::new();
    let mut note = |(rounds, text): (u64, String)| {
        total += rounds;
        if !described.contains(&text) {
            described.push(text);
        }
    };
    for safe in der::outermost(safes).ok_or_else(|| malformed("the safes"))? {
        let (kind, content) = content_info(safe)?;
        match kind {
            DATA => {
                for bag in der::outermost(octets(content)?).ok_or_else(|| malformed("the bags"))? {
                    if let Some(algorithm) = shrouded_algorithm(bag) {
                        note(scheme::check_pkcs12_part(algorithm)?);
                    }
                }
            }
            ENCRYPTED_DATA => {
                let algorithm =
                    encrypted_algorithm(content).ok_or_else(|| malformed("the encrypted part"))?;
                note(scheme::check_pkcs12_part(algorithm)?);
            }
            other => return Err(SchemeError::Unsupported(scheme::name(other))),
        }
    }
    let mac = match parts.get(2) {
        Some(mac) => {
            let (rounds, text) = check_mac(*mac)?;
            total += rounds;
            text
        }
        None => "no MAC".to_owned(),
    };
    kdf::rounds("derivation", total, kdf::PKCS12_FILE_ROUNDS).map_err(SchemeError::TooCostly)?;
    if described.is_empty() {
        described.push("not encrypted".to_owned());
    }
    Ok(format!("PKCS#12, {}, {mac}", described.join("; ")))
}

/// `ContentInfo`: a type and, in `[0]`, the content.
fn content_info(value: AnyRef<'_>) -> Result<(ObjectIdentifier, AnyRef<'_>), SchemeError> {
    let parts = der::inside(value).unwrap_or_default();
    match parts.as_slice() {
        [kind, content] => der::oid(*kind)
            .zip(AnyRef::from_der(content.value()).ok())
            .ok_or_else(|| malformed("a part")),
        _ => Err(malformed("a part")),
    }
}

fn octets(value: AnyRef<'_>) -> Result<&[u8], SchemeError> {
    if value.tag() == Tag::OctetString {
        Ok(value.value())
    } else {
        Err(malformed("a part"))
    }
}

/// The algorithm of a key bag that is encrypted by itself; `None` for every other bag.
fn shrouded_algorithm(bag: AnyRef<'_>) -> Option<AnyRef<'_>> {
    let parts = der::inside(bag)?;
    let kind = der::oid(*parts.first()?)?;
    if kind != SHROUDED_KEY {
        return None;
    }
    let key = AnyRef::from_der(parts.get(1)?.value()).ok()?;
    der::inside(key)?.first().copied()
}

/// The algorithm of a whole encrypted part.
fn encrypted_algorithm(content: AnyRef<'_>) -> Option<AnyRef<'_>> {
    let parts = der::inside(content)?;
    der::inside(*parts.get(1)?)?.get(1).copied()
}

fn check_mac(mac: AnyRef<'_>) -> Result<(u64, String), SchemeError> {
    let parts = der::inside(mac).unwrap_or_default();
    let (Some(digest), Some(salt)) = (parts.first(), parts.get(1)) else {
        return Err(malformed("the MAC"));
    };
    let algorithm = der::inside(*digest)
        .unwrap_or_default()
        .first()
        .and_then(|value| der::algorithm(*value))
        .map(|(oid, _)| oid)
        .ok_or_else(|| malformed("the MAC"))?;
    let name = scheme::name(algorithm);
    if !name.starts_with("SHA") {
        return Err(SchemeError::Unsupported(format!("a MAC of kind {name}")));
    }
    salt.decode_as::<&OctetStringRef>()
        .map_err(|_| malformed("the MAC's salt"))?;
    let rounds = parts
        .get(2)
        .map_or(1, |rounds| der::integer(*rounds).unwrap_or(u64::MAX));
    kdf::rounds("PKCS#12 MAC", rounds, kdf::PKCS12_ROUNDS).map_err(SchemeError::TooCostly)?;
    Ok((rounds, format!("MAC {name} {rounds} rounds")))
}

fn malformed(what: &str) -> SchemeError {
    SchemeError::Malformed(format!("{what} inside it cannot be read"))
}

fn refusal(error: SchemeError, path: &Path) -> IdentityError {
    match error {
        SchemeError::Unsupported(scheme) => {
            let shown = shell_word(path);
            let advice = format!(
                "write it anew: `openssl pkcs12 -in {shown} -legacy -nodes -out all.pem`, \
                 then `openssl pkcs12 -export -in all.pem -out identity.p12`"
            );
            IdentityError::UnsupportedEncryption {
                path: path.to_owned(),
                scheme,
                advice,
            }
        }
        SchemeError::TooCostly(Excess { asked, limit }) => IdentityError::TooCostly {
            path: path.to_owned(),
            asked,
            limit,
        },
        SchemeError::Malformed(reason) => IdentityError::Malformed {
            path: path.to_owned(),
            what: "PKCS#12".to_owned(),
            reason,
        },
    }
}
