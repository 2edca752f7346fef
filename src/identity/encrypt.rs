//! Writing keys: PKCS#8 under a password, and passwords that nobody has to think of.

use std::fmt;

use pem::{EncodeConfig, LineEnding, Pem};
use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Encode, Tag, Tagged};
use pkcs8::pkcs5::pbes2;
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::key::PlainKey;
use super::{Form, der};
use crate::base::{Explain, Fault, Password};

/// Rounds of PBKDF2. A guess at the password costs some ten milliseconds, and so does every start of
/// the program, once for each identity.
const ROUNDS: u32 = 100_000;

/// Why a key could not be made or put under a password.
#[derive(Debug, thiserror::Error)]
#[error("a private key cannot be {attempt}: {reason}")]
pub struct KeyWriteError {
    attempt: &'static str,
    reason: String,
}

impl KeyWriteError {
    pub(super) fn new(attempt: &'static str, reason: impl fmt::Display) -> Self {
        Self {
            attempt,
            reason: reason.to_string(),
        }
    }
}

impl Explain for KeyWriteError {
    fn kind(&self) -> &'static str {
        "key_not_written"
    }

    fn fault(&self) -> Fault {
        Fault::Us
    }
}

/// A new password with 192 random bits, as 32 letters, digits, `-` and `_`.
///
/// # Errors
///
/// When the system gives no randomness.
pub fn generate_password() -> Result<Password, KeyWriteError> {
    let random = random::<24>()?;
    let text = Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(random.as_slice()));
    Ok(Password::new(text.as_bytes().to_vec()))
}

/// The key as `ENCRYPTED PRIVATE KEY` in PEM: PKCS#8, PBES2, PBKDF2 with HMAC-SHA256, AES-256-CBC, which
/// every openssl since 1.1 reads.
pub(super) fn encrypted_pem(key: &PlainKey, password: &Password) -> Result<String, KeyWriteError> {
    let failed = |error: &dyn fmt::Display| KeyWriteError::new("encrypted", error);
    let salt = random::<16>()?;
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &*salt, *random::<16>()?)
        .map_err(|error| failed(&error))?;
    let plain = pkcs8(key).ok_or_else(|| failed(&"it is of a form without a place in PKCS#8"))?;
    let encrypted = PrivateKeyInfoRef::try_from(plain.as_slice())
        .and_then(|key| key.encrypt_with_params(parameters, password.expose()))
        .map_err(|error| failed(&error))?;
    Ok(pem_text("ENCRYPTED PRIVATE KEY", encrypted.as_bytes()))
}

/// One PEM block, its lines ended as Unix ends them.
pub(super) fn pem_text(label: &str, der: &[u8]) -> String {
    pem::encode_config(
        &Pem::new(label, der),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    )
}

/// The key in PKCS#8, whatever plain form it has.
fn pkcs8(key: &PlainKey) -> Option<Zeroizing<Vec<u8>>> {
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    let curve;
    let (oid, parameters) = match key.form {
        Form::Pkcs8 => return Some(key.der.clone()),
        Form::Pkcs1 => (RSA, AnyRef::NULL),
        Form::Sec1 => {
            curve = curve_of(&key.der)?;
            (EC, AnyRef::from(&curve))
        }
        _ => return None,
    };
    let algorithm = AlgorithmIdentifierRef {
        oid,
        parameters: Some(parameters),
    };
    let inner = OctetStringRef::new(&key.der).ok()?;
    PrivateKeyInfoRef::new(algorithm, inner)
        .to_der()
        .ok()
        .map(Zeroizing::new)
}

/// SEC1 names the curve inside, as `[0]`; PKCS#8 outside.
fn curve_of(sec1: &[u8]) -> Option<ObjectIdentifier> {
    der::outermost(sec1)?
        .into_iter()
        .find(|part| matches!(part.tag(), Tag::ContextSpecific { number, .. } if number.value() == 0))
        .and_then(der::inside)?
        .first()
        .copied()
        .and_then(der::oid)
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyWriteError> {
    let mut bytes = Zeroizing::new([0; N]);
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(bytes.as_mut_slice())
        .map_err(|_| KeyWriteError::new("made", "the system gives no randomness"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_passwords_differ_and_are_one_plain_word() {
        let (one, other) = (generate_password().unwrap(), generate_password().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 32);
        assert!(
            one.expose()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        );
    }
}
