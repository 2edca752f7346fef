//! The declared BINs in a certificate's subject.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::sandbox::error::SandboxError;

const MARK: &str = "BIN";

/// The subject's unit: `BIN891027350515 BIN210440028324`.
pub(super) fn unit(bins: &[&str]) -> Result<String, SandboxError> {
    let mut words = Vec::with_capacity(bins.len());
    for bin in bins {
        if !is_bin(bin) {
            return Err(SandboxError::Bin {
                given: (*bin).to_owned(),
            });
        }
        words.push(format!("{MARK}{bin}"));
    }
    Ok(words.join(" "))
}

/// The BINs that a certificate's subject declares, in the order they stand there.
///
/// A BIN counts as a word `BIN` + 12 digits in any attribute of the subject. A certificate that
/// cannot be read declares none.
#[must_use]
pub fn declared_bins(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    parsed
        .subject()
        .iter_attributes()
        .filter_map(|attribute| attribute.as_str().ok())
        .flat_map(|value| value.split([' ', ',', ';']))
        .filter_map(|word| word.strip_prefix(MARK))
        .filter(|digits| is_bin(digits))
        .map(str::to_owned)
        .collect()
}

/// Twelve digits. The control digit is not asked for: the bank knows what it registered.
pub(in crate::sandbox) fn is_bin(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
