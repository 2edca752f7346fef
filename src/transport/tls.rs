//! The TLS policy: the only file that makes a `ClientConfig`.
//!
//! Each generation of an identity gets a configuration of its own: its own certificate resolver and
//! its own small ticket store. Swapping the certificate inside a shared resolver would not be a
//! rotation, because a resumed session goes on showing the server the old certificate.

use std::cell::Cell;
use std::sync::Arc;

use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, ResolvesClientCert, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue, WebPkiServerVerifier,
};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    ClientConfig, NamedGroup, RootCertStore, SignatureAlgorithm, SignatureScheme, SupportedProtocolVersion,
};

use super::probe::{WatchedResolver, WatchedVerifier, Witness};
use crate::config::KeyExchange;
use crate::identity::Identity;

/// Session tickets kept for one identity. There is one server name, so few are ever of use, and
/// rustls' own default of 256 costs 14 kB for each identity.
const TICKETS: usize = 8;

tokio::task_local! {
    /// Whether the server has asked for a client certificate in the handshake under way.
    pub(super) static ASKED: Cell<bool>;
}

/// The versions that calls offer.
pub(super) const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The cryptography that all generations use.
pub(super) fn provider(key_exchange: KeyExchange) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: groups(key_exchange),
        ..aws_lc_rs::default_provider()
    })
}

/// What the configurations of all generations have in common: whom they trust, what they offer. Nobody's
/// certificate is in it.
pub(super) fn common_config(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)?
        .with_root_certificates(Arc::clone(roots))
        .with_client_cert_resolver(Arc::new(Nobody));
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // replayable by whoever recorded it: never for calls that move money
    config.enable_early_data = false;
    Ok(config)
}

/// The configuration of one generation: with its identity and a ticket store of its own. Without
/// resumption, for the trial of an identity, the server judges the certificate each time.
pub(super) fn for_identity(common: &ClientConfig, key: Arc<CertifiedKey>, resumes: bool) -> ClientConfig {
    let mut config = common.clone();
    config.client_auth_cert_resolver = Arc::new(OneIdentity(key));
    config.resumption = if resumes {
        Resumption::store(Arc::new(AskedSessions(ClientSessionMemoryCache::new(TICKETS))))
    } else {
        Resumption::disabled()
    };
    config
}

/// The same for a look at the server, with the versions of TLS that it is to be offered: what the
/// server shows and asks for is remembered by `witness`, and judged as ever.
pub(super) fn watched_config(
    identity: &Identity,
    roots: &Arc<RootCertStore>,
    key_exchange: KeyExchange,
    versions: &[&'static SupportedProtocolVersion],
    witness: &Arc<Witness>,
) -> Result<ClientConfig, rustls::Error> {
    let common = common_config(roots, &provider(key_exchange), versions)?;
    let mut config = for_identity(&common, identity.certified_key(), true);
    let judge =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(config.crypto_provider()))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
    config
        .dangerous()
        .set_certificate_verifier(Arc::new(WatchedVerifier::new(judge, witness)));
    let resolver = Arc::clone(&config.client_auth_cert_resolver);
    config.client_auth_cert_resolver = Arc::new(WatchedResolver::new(resolver, witness));
    Ok(config)
}

fn groups(key_exchange: KeyExchange) -> Vec<&'static dyn SupportedKxGroup> {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    match key_exchange {
        KeyExchange::Classic => vec![X25519, SECP256R1, SECP384R1],
        KeyExchange::Hybrid => vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1],
    }
}

/// Holds the place of an identity. It says that there is one, and has none to give: a handshake over it
/// ends like one in which nobody was asked for, and the connection is given up.
#[derive(Debug)]
struct Nobody;

impl ResolvesClientCert for Nobody {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Gives the one identity to every server that asks, whatever issuers the server lists: its answer
/// says more than its list. Notes that it was asked.
#[derive(Debug)]
struct OneIdentity(Arc<CertifiedKey>);

impl ResolvesClientCert for OneIdentity {
    fn resolve(&self, _issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let _ = ASKED.try_with(|asked| asked.set(true));
        if self.0.key.choose_scheme(schemes).is_some() {
            return Some(Arc::clone(&self.0));
        }
        let never_anonymous = NeverAnonymousKey(Arc::clone(&self.0.key));
        Some(Arc::new(CertifiedKey::new(
            self.0.cert.clone(),
            Arc::new(never_anonymous),
        )))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A key that fails the handshake where the server takes none of its signature schemes.
///
/// rustls would go on without a certificate, and Kaspi may let such a handshake pass, so that a lost
/// identity would look like a refusal by the bank.
#[derive(Debug)]
struct NeverAnonymousKey(Arc<dyn SigningKey>);

impl SigningKey for NeverAnonymousKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.0.choose_scheme(offered).or_else(|| {
            Some(Box::new(NoCommonScheme {
                offered: offered.to_vec(),
            }))
        })
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[derive(Debug)]
struct NoCommonScheme {
    offered: Vec<SignatureScheme>,
}

impl Signer for NoCommonScheme {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Err(rustls::Error::General(format!(
            "the server takes no signature that our key can make, only {:?}",
            self.offered
        )))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::RSA_PSS_SHA256
    }
}

/// A ticket store that keeps no session in which the server did not ask who we are.
///
/// Such a connection is given up; a ticket from it would bring the next one up resumed, where a
/// server never asks, and the check would be blind.
#[derive(Debug)]
struct AskedSessions(ClientSessionMemoryCache);

fn session_is_ours() -> bool {
    // tickets that come later than the handshake are read outside of it, on connections that passed
    ASKED.try_with(Cell::get).unwrap_or(true)
}

impl ClientSessionStore for AskedSessions {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
        if session_is_ours() {
            self.0.set_tls12_session(server, value);
        }
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.0.remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, value: Tls13ClientSessionValue) {
        if session_is_ours() {
            self.0.insert_tls13_ticket(server, value);
        }
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(server)
    }
}
