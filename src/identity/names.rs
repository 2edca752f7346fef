//! What is said in a handshake, made readable: the other side's certificates, and names of issuers.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use super::facts::{self, Facts};

/// What a certificate says that somebody sent; `None` where it cannot be read.
#[must_use]
pub fn certificate_facts(der: &[u8]) -> Option<Facts> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(facts::describe(der, &certificate).facts)
}

/// A distinguished name in DER, as text on one line; `None` where it cannot be read.
#[must_use]
pub fn distinguished_name(der: &[u8]) -> Option<String> {
    let (_, name) = X509Name::from_der(der).ok()?;
    Some(facts::printable(&name))
}

/// The issuer of each certificate of a chain, as its distinguished name in DER.
#[must_use]
pub fn issuers(chain: &[CertificateDer<'_>]) -> Vec<Vec<u8>> {
    chain
        .iter()
        .filter_map(|der| X509Certificate::from_der(der).ok())
        .map(|(_, certificate)| certificate.issuer().as_raw().to_vec())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "sandbox")]
    use crate::sandbox::pki::{Authority, KeyKind};

    #[cfg(feature = "sandbox")]
    #[test]
    fn a_chain_names_its_issuers() {
        let authority = Authority::generate(KeyKind::P256).unwrap();
        let anchors = authority.anchors();
        let issuers = issuers(&anchors);
        assert_eq!(issuers.len(), anchors.len());
        for (anchor, issuer) in anchors.iter().zip(&issuers) {
            let facts = certificate_facts(anchor).unwrap();
            assert_eq!(distinguished_name(issuer).unwrap(), facts.issuer);
        }
    }

    #[test]
    fn what_is_no_der_is_no_name() {
        assert!(certificate_facts(b"\x30\x03\x02\x01").is_none());
        assert!(distinguished_name(b"CN=x").is_none());
        assert!(issuers(&[CertificateDer::from(b"x".to_vec())]).is_empty());
    }
}
