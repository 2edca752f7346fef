//! The server's side of mutual TLS.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};

use super::error::SandboxError;
use super::options::{ClientAuth, HttpVersions, TlsVersions};
use super::pki::{Authority, Pair};

/// The two ways to meet a caller.
#[derive(Debug)]
pub(super) struct TlsConfigs {
    pub(super) usual: Arc<ServerConfig>,
    /// Refuses every certificate with an alert. It resumes nothing, or a ticket would slip through.
    pub(super) refusing: Arc<ServerConfig>,
}

/// What the server's TLS is like.
pub(super) struct Wanted<'a> {
    pub(super) authority: &'a Authority,
    pub(super) server: Pair,
    pub(super) client_auth: ClientAuth,
    pub(super) versions: TlsVersions,
    pub(super) http: HttpVersions,
}

impl TlsConfigs {
    pub(super) fn new(wanted: Wanted<'_>) -> Result<Self, SandboxError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = verifier(wanted.authority, wanted.client_auth, &provider)?;
        let refusing = Arc::new(RefuseAll(Arc::clone(&verifier)));
        let versions: &[&SupportedProtocolVersion] = match wanted.versions {
            TlsVersions::Both => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersions::Tls12 => &[&rustls::version::TLS12],
            TlsVersions::Tls13 => &[&rustls::version::TLS13],
        };
        let protocols: &[&[u8]] = match wanted.http {
            HttpVersions::Both => &[b"h2", b"http/1.1"],
            HttpVersions::Http1 => &[b"http/1.1"],
            HttpVersions::Http2 => &[b"h2"],
        };

        let (chain, key) = wanted.server;
        let config = |verifier: Arc<dyn ClientCertVerifier>| -> Result<ServerConfig, SandboxError> {
            let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(versions)
                .map_err(SandboxError::tls("the server"))?
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain.clone(), key.clone_key())
                .map_err(SandboxError::tls("the server"))?;
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Ok(config)
        };

        let mut usual = config(verifier)?;
        usual.session_storage = ServerSessionMemoryCache::new(4096);
        usual.ticketer =
            rustls::crypto::aws_lc_rs::Ticketer::new().map_err(SandboxError::tls("session tickets"))?;
        let mut refusing = config(refusing)?;
        refusing.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        refusing.send_tls13_tickets = 0;
        Ok(Self {
            usual: Arc::new(usual),
            refusing: Arc::new(refusing),
        })
    }
}

/// The version as the request log names it.
pub(super) fn version_name(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "unknown",
    }
}

fn verifier(
    authority: &Authority,
    client_auth: ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, SandboxError> {
    let mut roots = RootCertStore::empty();
    for anchor in authority.anchors() {
        roots
            .add(anchor)
            .map_err(SandboxError::tls("client certificates"))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = match client_auth {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        ClientAuth::Strict => builder,
    };
    builder.build().map_err(SandboxError::tls("client certificates"))
}

/// Asks for a certificate and refuses whatever comes, as a bank does that has withdrawn its trust.
#[derive(Debug)]
struct RefuseAll(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for RefuseAll {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
