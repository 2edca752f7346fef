//! Password-based encryption of keys, as an `AlgorithmIdentifier` names it.
//!
//! PBES2 is undone by `pkcs8`; the one PKCS#12-style scheme that keys are met in (SHA-1 and 3DES) by
//! `pkcs12`'s derivation and `des`. The rest is named and refused.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use pkcs8::pkcs5::pbes2;
use pkcs12::kdf::{Pkcs12KeyType, derive_key};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::kdf::{self, Excess};
use super::{der, unlock::Failure};

/// A scheme that can be undone, with everything but the password.
pub(super) enum Scheme {
    Pbes2(pbes2::Parameters),
    Pbes1TripleDes { salt: Vec<u8>, rounds: i32 },
}

/// Why a scheme cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SchemeError {
    /// Known or unknown, but not supported.
    Unsupported(String),
    /// It would take too long.
    TooCostly(Excess),
    /// Parameters that make no sense.
    Malformed(String),
}

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const SCRYPT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.4.11");
const PBE_SHA1_3DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const PBE_SHA1_RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");

/// Longest salt that the libraries hold.
const SALT_LIMIT: usize = 32;

impl Scheme {
    /// Reads and checks an `AlgorithmIdentifier`. Nothing is derived here.
    pub(super) fn read(value: AnyRef<'_>) -> Result<Self, SchemeError> {
        let (oid, parameters) = der::algorithm(value).ok_or_else(|| malformed("the algorithm"))?;
        let parameters = || parameters.ok_or_else(|| malformed("the parameters"));
        match oid {
            PBES2 => pbes2(parameters()?).map(Self::Pbes2),
            PBE_SHA1_3DES => {
                let (salt, rounds) = pbes1(parameters()?)?;
                Ok(Self::Pbes1TripleDes { salt, rounds })
            }
            other => Err(SchemeError::Unsupported(name(other))),
        }
    }

    /// The scheme in words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Pbes2(parameters) => format!(
                "PBES2, {}, {}",
                describe_kdf(&parameters.kdf),
                name(parameters.encryption.oid())
            ),
            Self::Pbes1TripleDes { rounds, .. } => format!("PBES1, SHA1 {rounds} rounds, DES-EDE3-CBC"),
        }
    }

    /// Undoes it. Success proves nothing yet: a wrong password leaves valid padding once in 256 times.
    pub(super) fn decrypt(&self, password: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        match self {
            Self::Pbes2(parameters) => {
                let mut buffer = Zeroizing::new(data.to_vec());
                let length = parameters
                    .decrypt_in_place(password, &mut buffer)
                    .map_err(|_| Failure::Wrong)?
                    .len();
                buffer.truncate(length);
                Ok(buffer)
            }
            Self::Pbes1TripleDes { salt, rounds } => {
                let password = utf16(password).ok_or(Failure::NotUtf8)?;
                let derive =
                    |kind, length| Zeroizing::new(derive_key::<Sha1>(&password, salt, kind, *rounds, length));
                let key = derive(Pkcs12KeyType::EncryptionKey, 24);
                let iv = derive(Pkcs12KeyType::Iv, 8);
                decrypt_cbc::<des::TdesEde3>(&key, &iv, data)
            }
        }
    }
}

/// CBC with PKCS#7 padding, in memory that is wiped.
pub(super) fn decrypt_cbc<C>(key: &[u8], iv: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure>
where
    C: cbc::cipher::BlockCipherDecrypt + cbc::cipher::KeyInit,
{
    let mut buffer = Zeroizing::new(data.to_vec());
    let length = cbc::Decryptor::<C>::new_from_slices(key, iv)
        .map_err(|_| Failure::Wrong)?
        .decrypt_padded::<Pkcs7>(&mut buffer)
        .map_err(|_| Failure::Wrong)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Checks what a PKCS#12 file asks for in one of its parts and gives the rounds; certificates there may
/// be in RC2, which keys alone may not.
pub(super) fn check_pkcs12_part(value: AnyRef<'_>) -> Result<(u64, String), SchemeError> {
    let (oid, parameters) = der::algorithm(value).ok_or_else(|| malformed("the algorithm"))?;
    if oid == PBE_SHA1_RC2_40 {
        let (_, rounds) = pbes1(parameters.ok_or_else(|| malformed("the parameters"))?)?;
        return Ok((
            u64::try_from(rounds).unwrap_or(0),
            format!("PBES1, SHA1 {rounds} rounds, RC2-40-CBC"),
        ));
    }
    let scheme = Scheme::read(value)?;
    let rounds = match &scheme {
        Scheme::Pbes2(parameters) => parameters
            .kdf
            .pbkdf2()
            .map_or(0, |kdf| u64::from(kdf.iteration_count)),
        Scheme::Pbes1TripleDes { rounds, .. } => u64::try_from(*rounds).unwrap_or(0),
    };
    Ok((rounds, scheme.describe()))
}

/// What the PKCS#12 derivation takes: UTF-16, big end first, with two zero bytes behind.
fn utf16(password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(password).ok()?;
    let mut units = Zeroizing::new(Vec::with_capacity(2 * password.len() + 2));
    units.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    units.extend([0, 0]);
    Some(units)
}

fn pbes2(value: AnyRef<'_>) -> Result<pbes2::Parameters, SchemeError> {
    let parts = der::inside(value).ok_or_else(|| malformed("the PBES2 parameters"))?;
    let [kdf, cipher] = parts.as_slice() else {
        return Err(malformed("the PBES2 parameters"));
    };
    let (kdf, kdf_parameters) = der::algorithm(*kdf).ok_or_else(|| malformed("the derivation"))?;
    let numbers = kdf_parameters
        .and_then(der::inside)
        .ok_or_else(|| malformed("the derivation's parameters"))?;
    let number = |index: usize| numbers.get(index).copied().and_then(der::integer);
    // A number too large for 64 bits is no better than the largest one.
    match kdf {
        PBKDF2 => kdf::rounds("PBKDF2", number(1).unwrap_or(u64::MAX), kdf::PBKDF2_ROUNDS),
        SCRYPT => kdf::scrypt(
            number(1).unwrap_or(u64::MAX),
            number(2).unwrap_or(u64::MAX),
            number(3).unwrap_or(u64::MAX),
        ),
        other => return Err(SchemeError::Unsupported(format!("PBES2, {}", name(other)))),
    }
    .map_err(SchemeError::TooCostly)?;
    let salt = numbers.first().map_or(0, |salt| salt.value().len());
    if salt > SALT_LIMIT {
        return Err(SchemeError::Unsupported(format!(
            "a salt of {salt} bytes, where at most {SALT_LIMIT} are read"
        )));
    }
    let (cipher, iv) = der::algorithm(*cipher).ok_or_else(|| malformed("the cipher"))?;
    let Some(iv_length) = iv_length(cipher) else {
        return Err(SchemeError::Unsupported(format!("PBES2, {}", name(cipher))));
    };
    // The library would slice a short one without asking.
    let iv = iv.and_then(|iv| iv.decode_as::<&OctetStringRef>().ok());
    if iv.map(|iv| iv.as_bytes().len()) != Some(iv_length) {
        return Err(malformed("the initialisation vector"));
    }
    pbes2::Parameters::try_from(value).map_err(|error| match error.kind() {
        pkcs8::der::ErrorKind::OidUnknown { oid } => {
            SchemeError::Unsupported(format!("PBES2, {}", name(oid)))
        }
        _ => SchemeError::Malformed(error.to_string()),
    })
}

fn pbes1(parameters: AnyRef<'_>) -> Result<(Vec<u8>, i32), SchemeError> {
    let parts = der::inside(parameters).ok_or_else(|| malformed("the PBES1 parameters"))?;
    let [salt, rounds] = parts.as_slice() else {
        return Err(malformed("the PBES1 parameters"));
    };
    let salt = salt
        .decode_as::<&OctetStringRef>()
        .map_err(|_| malformed("the salt"))?
        .as_bytes();
    if salt.is_empty() || salt.len() > 1024 {
        return Err(malformed("the salt"));
    }
    let rounds = der::integer(*rounds).unwrap_or(u64::MAX);
    kdf::rounds("PKCS#12 derivation", rounds, kdf::PKCS12_ROUNDS).map_err(SchemeError::TooCostly)?;
    let rounds = i32::try_from(rounds).map_err(|_| malformed("the rounds"))?;
    Ok((salt.to_vec(), rounds))
}

fn malformed(what: &str) -> SchemeError {
    SchemeError::Malformed(format!("{what} of the encryption cannot be read"))
}

fn iv_length(cipher: ObjectIdentifier) -> Option<usize> {
    match cipher {
        pbes2::AES_128_CBC_OID | pbes2::AES_192_CBC_OID | pbes2::AES_256_CBC_OID => Some(16),
        pbes2::AES_128_GCM_OID | pbes2::AES_256_GCM_OID => Some(12),
        pbes2::DES_EDE3_CBC_OID => Some(8),
        _ => None,
    }
}

fn describe_kdf(kdf: &pbes2::Kdf) -> String {
    match kdf {
        pbes2::Kdf::Pbkdf2(parameters) => format!(
            "PBKDF2-{} {} rounds",
            name(parameters.prf.oid()),
            parameters.iteration_count
        ),
        pbes2::Kdf::Scrypt(parameters) => format!(
            "scrypt N={} r={} p={}",
            parameters.cost_parameter, parameters.block_size, parameters.parallelization
        ),
        _ => "an unknown derivation".to_owned(),
    }
}

/// Names of what is met in key files; the number itself for the rest.
pub(super) fn name(oid: ObjectIdentifier) -> String {
    const NAMES: &[(&str, &str)] = &[
        ("1.2.840.113549.1.5.1", "PBES1 MD2 and DES"),
        ("1.2.840.113549.1.5.3", "PBES1 MD5 and DES"),
        ("1.2.840.113549.1.5.4", "PBES1 MD2 and RC2"),
        ("1.2.840.113549.1.5.6", "PBES1 MD5 and RC2"),
        ("1.2.840.113549.1.5.10", "PBES1 SHA1 and DES"),
        ("1.2.840.113549.1.5.11", "PBES1 SHA1 and RC2"),
        ("1.2.840.113549.1.12.1.1", "PBES1 SHA1 and RC4-128"),
        ("1.2.840.113549.1.12.1.2", "PBES1 SHA1 and RC4-40"),
        ("1.2.840.113549.1.12.1.4", "PBES1 SHA1 and two-key 3DES"),
        ("1.2.840.113549.1.12.1.5", "PBES1 SHA1 and RC2-128"),
        ("1.2.840.113549.1.12.1.6", "PBES1 SHA1 and RC2-40"),
        ("1.2.840.113549.2.7", "HMAC-SHA1"),
        ("1.2.840.113549.2.8", "HMAC-SHA224"),
        ("1.2.840.113549.2.9", "HMAC-SHA256"),
        ("1.2.840.113549.2.10", "HMAC-SHA384"),
        ("1.2.840.113549.2.11", "HMAC-SHA512"),
        ("1.2.840.113549.2.12", "HMAC-SHA512-224"),
        ("1.2.840.113549.2.13", "HMAC-SHA512-256"),
        ("1.2.840.113549.3.2", "RC2-CBC"),
        ("1.2.840.113549.3.7", "DES-EDE3-CBC"),
        ("1.3.14.3.2.7", "DES-CBC"),
        ("2.16.840.1.101.3.4.1.2", "AES-128-CBC"),
        ("2.16.840.1.101.3.4.1.6", "AES-128-GCM"),
        ("2.16.840.1.101.3.4.1.22", "AES-192-CBC"),
        ("2.16.840.1.101.3.4.1.42", "AES-256-CBC"),
        ("2.16.840.1.101.3.4.1.46", "AES-256-GCM"),
        ("1.2.392.200011.61.1.1.1.2", "CAMELLIA-128-CBC"),
        ("1.2.392.200011.61.1.1.1.4", "CAMELLIA-256-CBC"),
        ("1.3.14.3.2.26", "SHA1"),
        ("2.16.840.1.101.3.4.2.1", "SHA256"),
        ("2.16.840.1.101.3.4.2.2", "SHA384"),
        ("2.16.840.1.101.3.4.2.3", "SHA512"),
        ("2.16.840.1.101.3.4.2.4", "SHA224"),
        ("1.2.840.113549.1.5.14", "PBMAC1"),
    ];
    let dotted = oid.to_string();
    NAMES
        .iter()
        .find(|(number, _)| *number == dotted)
        .map_or_else(|| format!("algorithm {dotted}"), |(_, name)| (*name).to_owned())
}
