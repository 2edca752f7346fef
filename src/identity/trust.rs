//! Roots that the bank's server certificate may lead to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::config::TrustSettings;

use super::finding::Finding;
use super::{IdentityError, encrypt, facts, material, read};

/// Whom to believe, and what is odd about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrustRoots {
    /// The roots, for the verifier.
    pub roots: Arc<RootCertStore>,
    /// How many of them come from the operator's file.
    pub extra: usize,
    /// What is odd though it works.
    pub warnings: Vec<Finding>,
}

/// Reads the roots that `[kaspi]` names: the public ones and those of `extra_ca_file`, or those alone.
///
/// # Errors
///
/// The file cannot be read, holds no certificate or one that cannot serve as a root; or nothing at all
/// would be trusted.
pub fn trust_roots(settings: &TrustSettings) -> Result<TrustRoots, IdentityError> {
    let mut store = RootCertStore::empty();
    if !settings.only_extra_ca {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let mut warnings = Vec::new();
    let mut extra = 0;
    if let Some(path) = &settings.extra_ca_file {
        for certificate in extra_roots(path, &mut warnings)? {
            store.add(certificate).map_err(|error| IdentityError::Malformed {
                path: path.clone(),
                what: format!("certificate number {}", extra + 1),
                reason: error.to_string(),
            })?;
            extra += 1;
        }
    }
    if store.is_empty() {
        return Err(IdentityError::NoRoots);
    }
    Ok(TrustRoots {
        roots: Arc::new(store),
        extra,
        warnings,
    })
}

/// The certificates of these files one after the other, in PEM: what `extra_ca_file` may hold.
///
/// # Errors
///
/// A file cannot be read, or holds no certificate.
pub fn authorities_pem(files: &[PathBuf]) -> Result<String, IdentityError> {
    let mut text = String::new();
    for path in files {
        let contents = read::read(path, "file")?;
        for certificate in material::certificates(&contents.bytes, path)? {
            text.push_str(&encrypt::pem_text("CERTIFICATE", &certificate));
        }
    }
    Ok(text)
}

fn extra_roots(
    path: &Path,
    warnings: &mut Vec<Finding>,
) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let contents = read::read(path, "extra_ca_file")?;
    let certificates = material::certificates(&contents.bytes, path)?;
    for (index, certificate) in certificates.iter().enumerate() {
        let read = facts::read(certificate, path, index + 1)?;
        if !read.facts.ca {
            warnings.push(Finding::warning(
                "not_a_ca",
                format!(
                    "`{}`: certificate number {} (`{}`) is not that of a certificate authority",
                    path.display(),
                    index + 1,
                    read.facts.subject
                ),
                "`extra_ca_file` is for the bank's root and intermediate certificates; \
                 put those there, not the server's own",
            ));
        }
    }
    Ok(certificates)
}
