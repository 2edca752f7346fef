//! A careful look at the server with one identity: what it is, and what it says to us.
//!
//! Calls go through pools, which hide the steps of a connection; the doctor wants each by itself. The
//! steps here use the same name lookup, proxy, TLS policy and time limits as calls do, and remember
//! beside them what a call forgets. They judge nothing, and they believe no one whom a call would not.
//!
//! ```no_run
//! # use std::sync::Arc;
//! use kaspi_direct::base::SystemClock;
//! use kaspi_direct::transport::probe::Probe;
//! # async fn look(
//! #     settings: &kaspi_direct::config::KaspiSettings,
//! #     identity: &kaspi_direct::identity::Identity,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let roots = kaspi_direct::identity::trust_roots(&settings.trust)?.roots;
//! let probe = Probe::new(settings, roots, Arc::new(SystemClock));
//! let lookup = probe.look_up().await;
//! let (reach, reached) = probe.reach(&lookup).await;
//! println!("{lookup:?} {reach:?}");
//! if let Some(reached) = reached {
//!     let (handshake, session) = probe.shake_hands(reached, identity).await?;
//!     println!("{handshake:?}");
//!     if let Some(mut session) = session {
//!         println!("{:?}", session.get("/v01/health/ping", &http::HeaderMap::new()).await);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod ask;
mod facts;
mod old;
mod reach;
mod records;
mod shake;
mod tap;
mod witness;

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use rustls::{RootCertStore, SupportedProtocolVersion};

pub use ask::Session;
pub use facts::{
    Agreed, Answer, Attempt, BodyKind, CertificateRequest, Distrust, Ended, Exchange, ExchangeFailure,
    FirstBytes, Handshake, Kept, Lookup, LookupFailure, Outdated, ProxyFailure, Reach, ReachFailure,
    SecondLook, SecondLookReason, TcpFailure, TlsFailure,
};
pub use reach::Reached;
pub(super) use witness::{WatchedResolver, WatchedVerifier, Witness};

use super::{TlsVersion, tls};
use crate::base::Clock;
use crate::config::{KaspiSettings, KeyExchange};
use crate::identity::Identity;
use shake::{Offer, Shaken};

/// The most of an answer's body that is kept, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The most issuers of a server's list that are kept.
pub const MAX_ISSUERS: usize = 100;

/// Looks at the server that the settings name, step by step.
///
/// Each step has the time limit that a call has for it: name lookup and TCP `connect_timeout` each, the
/// proxy's answer the same once more, TLS `tls_timeout`, an answer `first_byte_timeout` and
/// `request_timeout`.
#[derive(Clone)]
pub struct Probe {
    settings: KaspiSettings,
    roots: Arc<RootCertStore>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("base_url", &self.settings.base_url)
            .finish_non_exhaustive()
    }
}

impl Probe {
    /// A probe of the configured server that believes these roots. Sends nothing.
    #[must_use]
    pub fn new(settings: &KaspiSettings, roots: Arc<RootCertStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings: settings.clone(),
            roots,
            clock,
        }
    }

    /// Looks up the name of Kaspi's server, or of the proxy where one is configured.
    pub async fn look_up(&self) -> Lookup {
        reach::look_up(&self.settings).await
    }

    /// Connects to the addresses found, and asks the proxy to let us through where one is configured.
    /// Nothing is said to Kaspi yet.
    pub async fn reach(&self, lookup: &Lookup) -> (Reach, Option<Reached>) {
        reach::reach(&self.settings, lookup).await
    }

    /// TLS with an identity, on a connection that was reached, as configured. The session is there where
    /// the handshake ended well, whether or not the server asked for our certificate.
    ///
    /// # Errors
    ///
    /// There can be no TLS configuration with this identity; nothing was sent.
    pub async fn shake_hands(
        &self,
        reached: Reached,
        identity: &Identity,
    ) -> Result<(Handshake, Option<Session>), rustls::Error> {
        let offer = self.offer(identity, self.settings.key_exchange, tls::VERSIONS)?;
        Ok(self.shake_with(reached, offer).await)
    }

    /// Whether the server takes a second request on the session's connection, and whether a second
    /// connection can resume the session. Ask after a first answer; the first connection is closed before
    /// the second is made, for servers that serve one at a time.
    pub async fn keeps(
        &self,
        mut session: Session,
        path_and_query: &str,
        headers: &HeaderMap,
    ) -> (Kept, Kept) {
        let kept = match session.get(path_and_query, headers).await.outcome {
            Ok(_) => Kept::Yes,
            Err(ExchangeFailure::Ended(_)) => Kept::No,
            Err(_) => Kept::Unknown,
        };
        let offer = session.offer.clone();
        drop(session);
        let Some(reached) = self.reach_again().await else {
            return (kept, Kept::Unknown);
        };
        let (again, _) = shake::shake_hands(&self.settings, reached, offer).await;
        let resumed = match again.outcome {
            Ok(agreed) if agreed.resumed => Kept::Yes,
            Ok(_) => Kept::No,
            Err(_) => Kept::Unknown,
        };
        (kept, resumed)
    }

    /// The further look that a handshake gives reason for: with the classic key exchange where the server
    /// did not survive the hybrid one, with TLS 1.2 alone where it asked for no certificate over TLS 1.3.
    /// Take it once the first session is dropped, for servers that serve one connection at a time.
    ///
    /// # Errors
    ///
    /// As [`shake_hands`](Self::shake_hands).
    pub async fn second_look(
        &self,
        first: &Handshake,
        identity: &Identity,
        path_and_query: &str,
        headers: &HeaderMap,
    ) -> Result<Option<SecondLook>, rustls::Error> {
        match reason(first) {
            Some(reason) => self
                .look(reason, identity, path_and_query, headers)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// A look at the server otherwise than configured, on a connection of its own: reach, handshake, one
    /// request.
    ///
    /// # Errors
    ///
    /// As [`shake_hands`](Self::shake_hands).
    pub async fn look(
        &self,
        reason: SecondLookReason,
        identity: &Identity,
        path_and_query: &str,
        headers: &HeaderMap,
    ) -> Result<SecondLook, rustls::Error> {
        let offer = match reason {
            SecondLookReason::KeyExchange(key_exchange) => {
                self.offer(identity, key_exchange, tls::VERSIONS)?
            }
            SecondLookReason::Tls12 => {
                self.offer(identity, self.settings.key_exchange, &[&rustls::version::TLS12])?
            }
        };
        let mut look = SecondLook {
            reason,
            handshake: None,
            exchange: None,
        };
        if let Some(reached) = self.reach_again().await {
            let (handshake, session) = self.shake_with(reached, offer).await;
            look.handshake = Some(handshake);
            if let Some(mut session) = session {
                look.exchange = Some(session.get(path_and_query, headers).await);
            }
        }
        Ok(look)
    }

    /// What a server agrees to that refused our hello: an old version of TLS, or TLS 1.2 with cipher suites
    /// that we do not offer. `None` where the handshake gives no reason to ask.
    pub async fn outdated(&self, handshake: &Handshake) -> Option<Outdated> {
        const TLS_1_2: u16 = 0x0303;
        match (&handshake.outcome, &handshake.first) {
            (Err(_), FirstBytes::ServerHello { version, .. }) if *version < TLS_1_2 => {
                return Some(Outdated::Version(*version));
            }
            (Err(TlsFailure::TheyRefused(_)), FirstBytes::Alert(_))
            | (Err(TlsFailure::Ended(_)), FirstBytes::Nothing) => {}
            _ => return None,
        }
        let reached = self.reach_again().await?;
        Some(old::outdated(&self.settings, reached).await)
    }

    fn offer(
        &self,
        identity: &Identity,
        key_exchange: KeyExchange,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Offer, rustls::Error> {
        let witness = Arc::<Witness>::default();
        let tls = tls::watched_config(identity, &self.roots, key_exchange, versions, &witness)?;
        Ok(Offer {
            tls: Arc::new(tls),
            key_exchange,
            witness,
        })
    }

    async fn shake_with(&self, reached: Reached, offer: Offer) -> (Handshake, Option<Session>) {
        let (handshake, shaken) = shake::shake_hands(&self.settings, reached, offer).await;
        let session = match shaken {
            Some(shaken) => Some(self.session(shaken).await),
            None => None,
        };
        (handshake, session)
    }

    async fn session(&self, shaken: Shaken) -> Session {
        Session::start(
            shaken,
            self.settings.base_url.clone(),
            self.settings.timeouts,
            Arc::clone(&self.clock),
        )
        .await
    }

    async fn reach_again(&self) -> Option<Reached> {
        let lookup = self.look_up().await;
        self.reach(&lookup).await.1
    }
}

fn reason(first: &Handshake) -> Option<SecondLookReason> {
    match &first.outcome {
        Err(_) if first.key_exchange == KeyExchange::Hybrid => {
            let said_hello = matches!(
                first.first,
                FirstBytes::ServerHello { .. } | FirstBytes::NotTls(_)
            );
            (!said_hello).then_some(SecondLookReason::KeyExchange(KeyExchange::Classic))
        }
        Ok(agreed) if first.request.is_none() && agreed.version == TlsVersion::V1_3 && !agreed.resumed => {
            Some(SecondLookReason::Tls12)
        }
        _ => None,
    }
}
