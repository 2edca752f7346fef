//! A private key in clear, and what kind it is.

use std::path::Path;
use std::sync::Arc;

use pkcs8::der::Tagged;
use pkcs8::der::asn1::{AnyRef, ObjectIdentifier};
use pkcs8::der::{Decode, Tag};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use super::{Form, IdentityError, der};

/// A key that no password protects any more. Wiped when dropped.
pub(super) struct PlainKey {
    pub(super) form: Form,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// Kind and size of a key, private or public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa { bits: usize },
    P256,
    P384,
    Other(String),
}

impl KeyKind {
    /// Whether TLS with the bank can use it (design of this crate: RSA 2048 to 4096, P-256, P-384).
    pub(super) fn is_accepted(&self) -> bool {
        match self {
            Self::Rsa { bits } => (2048..=4096).contains(bits),
            Self::P256 | Self::P384 => true,
            Self::Other(_) => false,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Rsa { bits } => format!("RSA {bits}"),
            Self::P256 => "ECDSA P-256".to_owned(),
            Self::P384 => "ECDSA P-384".to_owned(),
            Self::Other(name) => name.clone(),
        }
    }

    /// From the object identifiers of an algorithm and of its parameters, and from an RSA modulus.
    pub(super) fn of(algorithm: &str, curve: Option<&str>, modulus: Option<&[u8]>) -> Self {
        match (algorithm, curve, modulus) {
            ("1.2.840.113549.1.1.1", _, Some(modulus)) => Self::Rsa { bits: bits(modulus) },
            ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7"), _) => Self::P256,
            ("1.2.840.10045.2.1", Some("1.3.132.0.34"), _) => Self::P384,
            ("1.2.840.10045.2.1", Some("1.3.132.0.35"), _) => Self::other("ECDSA P-521"),
            ("1.2.840.10045.2.1", Some("1.3.132.0.10"), _) => Self::other("ECDSA secp256k1"),
            ("1.2.840.10045.2.1", Some(curve), _) => Self::Other(format!("ECDSA on curve {curve}")),
            ("1.2.840.10045.2.1", None, _) => Self::other("ECDSA on a curve without a name"),
            ("1.2.840.113549.1.1.10", ..) => Self::other("RSASSA-PSS"),
            ("1.2.840.10040.4.1", ..) => Self::other("DSA"),
            ("1.3.101.112", ..) => Self::other("Ed25519"),
            ("1.3.101.113", ..) => Self::other("Ed448"),
            ("1.3.101.110" | "1.3.101.111", ..) => Self::other("X25519 or X448, which cannot sign"),
            // The arc of Kazakhstan: keys of the national certification centre.
            (gost, ..) if gost.starts_with("1.2.398.3.10.") => {
                Self::other("GOST (national certification centre)")
            }
            (other, ..) => Self::Other(format!("algorithm {other}")),
        }
    }

    fn other(name: &str) -> Self {
        Self::Other(name.to_owned())
    }
}

impl PlainKey {
    /// Takes DER whose form is a plain private key; `None` for everything else.
    pub(super) fn new(der: Zeroizing<Vec<u8>>) -> Option<Self> {
        if der::extent(&der) != der::Extent::Exact {
            return None;
        }
        let form = super::sniff::der(&der);
        matches!(form, Form::Pkcs8 | Form::Pkcs1 | Form::Sec1).then_some(Self { form, der })
    }

    /// Kind and size.
    pub(super) fn kind(&self) -> KeyKind {
        let kind = match self.form {
            Form::Pkcs1 => Some(rsa(&self.der)),
            Form::Sec1 => sec1(&self.der),
            _ => pkcs8(&self.der),
        };
        kind.unwrap_or_else(|| KeyKind::other("unknown"))
    }

    /// The key as rustls signs with it.
    pub(super) fn signing_key(&self, path: &Path) -> Result<Arc<dyn SigningKey>, IdentityError> {
        let kind = self.kind();
        if !kind.is_accepted() {
            return Err(IdentityError::UnsupportedKey {
                path: path.to_owned(),
                found: kind.describe(),
            });
        }
        let bytes = self.der.as_slice();
        let der = match self.form {
            Form::Pkcs1 => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(bytes)),
            Form::Sec1 => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(bytes)),
            _ => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(bytes)),
        };
        rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).map_err(|_| IdentityError::Malformed {
            path: path.to_owned(),
            what: self.form.name().to_owned(),
            reason: format!("the numbers in it are no {} key", kind.describe()),
        })
    }
}

fn pkcs8(der: &[u8]) -> Option<KeyKind> {
    let parts = der::outermost(der)?;
    let (algorithm, parameters) = der::algorithm(*parts.get(1)?)?;
    let curve = parameters.and_then(der::oid).map(|oid| oid.to_string());
    let inner = parts.get(2)?.value();
    if algorithm == ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1") {
        return Some(rsa(inner));
    }
    Some(KeyKind::of(&algorithm.to_string(), curve.as_deref(), None))
}

fn rsa(der: &[u8]) -> KeyKind {
    let modulus = der::outermost(der).and_then(|parts| parts.get(1).map(|modulus| modulus.value()));
    KeyKind::Rsa {
        bits: modulus.map_or(0, bits),
    }
}

fn sec1(der: &[u8]) -> Option<KeyKind> {
    let parts = der::outermost(der)?;
    let curve = parts
        .iter()
        .find(|part| matches!(part.tag(), Tag::ContextSpecific { number, .. } if number.value() == 0))
        .and_then(|part| AnyRef::from_der(part.value()).ok())
        .and_then(der::oid)
        .map(|oid| oid.to_string());
    Some(KeyKind::of("1.2.840.10045.2.1", curve.as_deref(), None))
}

fn bits(modulus: &[u8]) -> usize {
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    match modulus.get(zeros) {
        Some(first) => (modulus.len() - zeros) * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_bits() {
        assert_eq!(bits(&[0, 0x80, 0]), 16);
        assert_eq!(bits(&[0x7f, 0xff]), 15);
        assert_eq!(bits(&[0, 0]), 0);
        assert_eq!(bits(&[]), 0);
    }

    #[test]
    fn limits() {
        for (bits, accepted) in [
            (1024, false),
            (2047, false),
            (2048, true),
            (4096, true),
            (4097, false),
        ] {
            assert_eq!(KeyKind::Rsa { bits }.is_accepted(), accepted, "{bits}");
        }
    }
}
