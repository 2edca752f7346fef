//! HTTPS towards callers, and certificates of callers.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::GatewayError;
use crate::config::GatewayTls;

/// Reads certificate, key and authorities. Called again when they have changed.
pub(super) fn server_config(settings: &GatewayTls) -> Result<Arc<ServerConfig>, GatewayError> {
    let chain = certificates("tls_certificate", &settings.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes("tls_key", &settings.key)?)
        .map_err(|error| unusable("tls_key", &settings.key, error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ClientCertVerifier> = match &settings.client_ca {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates("client_ca", file)? {
                roots
                    .add(authority)
                    .map_err(|error| unusable("client_ca", file, error))?;
            }
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| unusable("client_ca", file, error))?
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("tls_certificate", &settings.certificate, error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| unusable("tls_key", &settings.key, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(setting: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, GatewayError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes(setting, file)?)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(setting, file, error))?;
    if found.is_empty() {
        return Err(unusable(setting, file, "it holds no certificate"));
    }
    Ok(found)
}

fn bytes(setting: &'static str, file: &Path) -> Result<Vec<u8>, GatewayError> {
    std::fs::read(file).map_err(|error| unusable(setting, file, error))
}

fn unusable(setting: &'static str, file: &Path, problem: impl ToString) -> GatewayError {
    GatewayError::Tls {
        setting,
        file: file.to_owned(),
        problem: problem.to_string(),
    }
}
