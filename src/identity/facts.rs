//! What a certificate says about itself, for people and for programs.

use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use crate::base::Bin;

use super::key::KeyKind;
use super::{IdentityError, error};

/// The printable content of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Facts {
    /// Whose it is, as a distinguished name.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// SHA-256 of the DER certificate, lower-case hex.
    pub sha256: String,
    /// First moment of validity.
    #[serde(
        serialize_with = "rfc3339",
        deserialize_with = "time::serde::rfc3339::deserialize"
    )]
    pub not_before: OffsetDateTime,
    /// Last moment of validity.
    #[serde(
        serialize_with = "rfc3339",
        deserialize_with = "time::serde::rfc3339::deserialize"
    )]
    pub not_after: OffsetDateTime,
    /// Kind and size of the key, such as `RSA 2048`.
    pub key: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo), lower-case hex.
    pub public_key_sha256: String,
    /// The issuer's signature algorithm, such as `sha256WithRSAEncryption`.
    pub signature: String,
    /// Key usages by their RFC 5280 names; `None` where the certificate does not limit them.
    pub key_usage: Option<Vec<String>>,
    /// Extended key usages by their RFC 5280 names; `None` where the certificate does not limit them.
    pub extended_key_usage: Option<Vec<String>>,
    /// Alternative names. The bank's certificates have none.
    pub subject_alt_names: Vec<String>,
    /// Every number of twelve digits in the subject.
    pub bins: Vec<Bin>,
    /// Whether it may issue others.
    pub ca: bool,
}

impl Facts {
    /// Whole days until it expires, rounded down: negative once it has.
    ///
    /// ```
    /// # fn expiring(facts: &kaspi_direct::identity::Facts, clock: &dyn kaspi_direct::base::Clock) -> bool {
    /// facts.days_left(clock.now()) < 30
    /// # }
    /// ```
    #[must_use]
    pub fn days_left(&self, now: OffsetDateTime) -> i64 {
        const DAY: i64 = 24 * 60 * 60;
        (self.not_after - now).whole_seconds().div_euclid(DAY)
    }
}

/// A parsed certificate: what is printed of it, and what only the checks look at.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) facts: Facts,
    pub(super) raw_subject: Vec<u8>,
    pub(super) raw_issuer: Vec<u8>,
    pub(super) spki: Vec<u8>,
    pub(super) any_usage: bool,
    pub(super) client_auth: bool,
    pub(super) digital_signature: bool,
}

impl Read {
    pub(super) fn is_self_issued(&self) -> bool {
        self.raw_subject == self.raw_issuer
    }
}

/// Parses one certificate; the error names the file and, in a chain, the place.
pub(super) fn read(der: &[u8], path: &Path, place: usize) -> Result<Read, IdentityError> {
    let what = || format!("certificate number {place}");
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| IdentityError::Malformed {
        path: path.to_owned(),
        what: what(),
        reason: error.to_string(),
    })?;
    if !rest.is_empty() {
        return Err(IdentityError::TrailingData {
            path: path.to_owned(),
            what: what(),
            extra: super::der::count(rest.len()),
        });
    }
    if certificate.signature_algorithm != certificate.tbs_certificate.signature {
        return Err(IdentityError::Malformed {
            path: path.to_owned(),
            what: what(),
            reason: "it names two different signature algorithms".to_owned(),
        });
    }
    Ok(describe(der, &certificate))
}

/// Lower-case hex of SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn describe(der: &[u8], certificate: &X509Certificate<'_>) -> Read {
    let usage = certificate.key_usage().ok().flatten().map(|usage| usage.value);
    let extended = certificate
        .extended_key_usage()
        .ok()
        .flatten()
        .map(|usage| usage.value);
    let spki = certificate.public_key();
    let subject = printable(certificate.subject());
    let facts = Facts {
        bins: bins(&subject),
        subject,
        issuer: printable(certificate.issuer()),
        serial: hex(certificate.raw_serial()),
        sha256: sha256(der),
        not_before: certificate.validity().not_before.to_datetime(),
        not_after: certificate.validity().not_after.to_datetime(),
        key: key_kind(spki).describe(),
        public_key_sha256: sha256(spki.raw),
        signature: signature_name(&certificate.signature_algorithm.algorithm.to_id_string()),
        key_usage: usage.map(key_usages),
        extended_key_usage: extended.map(extended_key_usages),
        subject_alt_names: alternative_names(certificate),
        ca: certificate.is_ca(),
    };
    Read {
        facts,
        raw_subject: certificate.subject().as_raw().to_vec(),
        raw_issuer: certificate.issuer().as_raw().to_vec(),
        spki: spki.raw.to_vec(),
        any_usage: extended.is_none_or(|usage| usage.any),
        client_auth: extended.is_none_or(|usage| usage.client_auth),
        digital_signature: usage.is_none_or(KeyUsage::digital_signature),
    }
}

/// A name on one line, safe for a terminal.
pub(super) fn printable(name: &X509Name<'_>) -> String {
    name.to_string()
        .chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

/// Runs of exactly twelve digits: `BIN891027350515`, `IIN…`, or the number alone.
fn bins(subject: &str) -> Vec<Bin> {
    let mut found: Vec<Bin> = subject
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|run| Bin::parse(run).ok())
        .collect();
    let mut seen = Vec::new();
    found.retain(|bin| {
        let new = !seen.contains(bin);
        seen.push(*bin);
        new
    });
    found
}

fn key_kind(spki: &SubjectPublicKeyInfo<'_>) -> KeyKind {
    let algorithm = spki.algorithm.algorithm.to_id_string();
    let curve = spki
        .algorithm
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.as_oid().ok())
        .map(|oid| oid.to_id_string());
    match spki.parsed() {
        Ok(PublicKey::RSA(key)) => KeyKind::of(&algorithm, None, Some(key.modulus)),
        _ => KeyKind::of(&algorithm, curve.as_deref(), None),
    }
}

fn key_usages(usage: &KeyUsage) -> Vec<String> {
    let names = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ];
    chosen(&names)
}

fn extended_key_usages(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let names = [
        (usage.any, "anyExtendedKeyUsage"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let mut usages = chosen(&names);
    usages.extend(usage.other.iter().map(|oid| oid.to_id_string()));
    usages
}

fn chosen(names: &[(bool, &str)]) -> Vec<String> {
    names
        .iter()
        .filter(|(present, _)| *present)
        .map(|(_, name)| (*name).to_owned())
        .collect()
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    names
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => format!("DNS:{name}"),
            GeneralName::RFC822Name(name) => format!("email:{name}"),
            GeneralName::URI(name) => format!("URI:{name}"),
            GeneralName::DirectoryName(name) => format!("dirName:{}", printable(name)),
            GeneralName::IPAddress(bytes) => format!("IP:{}", address(bytes)),
            _ => "other".to_owned(),
        })
        .map(|name| name.chars().filter(|character| !character.is_control()).collect())
        .collect()
}

fn address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        std::net::Ipv4Addr::from(four).to_string()
    } else if let Ok(sixteen) = <[u8; 16]>::try_from(bytes) {
        std::net::Ipv6Addr::from(sixteen).to_string()
    } else {
        hex(bytes)
    }
}

fn signature_name(oid: &str) -> String {
    match oid {
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "Ed25519",
        other => other,
    }
    .to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn rfc3339<S: Serializer>(moment: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&error::date(*moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_numbers_of_twelve_digits() {
        let found =
            bins("CN=Shop 7, serialNumber=BIN891027350515, OU=1234567890123, O=210440028324, L=891027350515");
        let found: Vec<String> = found.iter().map(Bin::to_string).collect();
        assert_eq!(found, ["891027350515", "210440028324"]);
    }

    #[test]
    fn digests_in_hex() {
        // FIPS 180-4, the empty message.
        assert_eq!(
            sha256(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
