//! The one place that speaks TLS without a client certificate.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use super::Error;

/// TLS 1.2 and 1.3, the server verified against these roots, HTTP/1.1, and nobody in particular calling.
pub(super) fn anonymous(roots: Arc<RootCertStore>) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(Error::tls_setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // What could be replayed by whoever recorded it is no way for a call that moves money.
    config.enable_early_data = false;
    Ok(config)
}
