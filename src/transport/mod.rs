//! Requests on the wire: one TLS configuration and one connection pool for each identity generation.
//!
//! A [`Channel`] is one BIN's way to Kaspi, pinned for the length of a call. What it cannot do is
//! leave over another identity: the pool hangs on the generation, and the generation on the BIN.
//! A failure says what is known about the request ([`Error::delivery`]) and which TLS alert came
//! ([`Error::tls_alert`]).

mod attempt;
mod classify;
mod connect;
mod connection;
mod doorbell;
mod error;
mod pool;
pub mod probe;
mod proxy;
mod resolver;
mod tls;

use std::collections::HashSet;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

pub use connection::{ConnectionFacts, TlsVersion, WireCounts};
pub(crate) use error::IDENTITY_REFUSED_HINT;
pub use error::{Alert, Error, Failure, Phase, RefusedBy};
use pool::Outfit;
pub use pool::Pool;
use proxy::Way;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field};

use crate::base::{Bin, Clock, DeviceToken, Explain, TRACE, TradePointId};
use crate::config::{Config, KaspiSettings, MerchantFolder, Route};
use crate::identity::{Identity, IdentityError};
use crate::registry::{Pinned, Provision, ProvisionError, Registry, Rotor};

/// The greatest answer that is read, in bytes. Kaspi's answers are a few hundred.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Every BIN's way to Kaspi.
pub struct Transport {
    registry: Arc<Registry<Pool>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("registry", &self.registry)
            .finish()
    }
}

impl Transport {
    /// Seats every BIN. Identities are opened from then on, each with a TLS configuration and a pool of its
    /// own. Nothing is sent.
    ///
    /// Beside the transport comes what takes up changed files later on; see
    /// [`Rotation`](crate::registry::Rotation).
    ///
    /// # Errors
    ///
    /// The file of trusted certificate authorities cannot be used. A broken BIN is no error here:
    /// calls for it fail with the reason.
    pub fn open(
        config: &Config,
        folders: &[MerchantFolder],
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Rotor<Pool>), IdentityError> {
        let outfitter = Arc::new(Outfitter::new(&config.kaspi)?);
        let rotor = Rotor::load(config, folders, outfitter, clock);
        let registry = Arc::clone(rotor.registry());
        Ok((Self { registry }, rotor))
    }

    /// Who is configured, and how each stands.
    #[must_use]
    pub fn registry(&self) -> &Registry<Pool> {
        &self.registry
    }

    /// The BIN that is meant where none is named.
    #[cfg(feature = "journal")]
    pub(crate) fn default_bin(&self) -> Result<Bin, Error> {
        self.registry.bin_or_default(None).map_err(Error::unroutable)
    }

    /// The way to Kaspi of one BIN, or of `default_bin` where none is named. Takes no lock, sends nothing.
    ///
    /// # Errors
    ///
    /// The BIN is unknown, switched off or broken; the reason is the source of the error.
    pub fn channel(&self, bin: Option<Bin>) -> Result<Channel, Error> {
        let pinned = self
            .registry
            .bin_or_default(bin)
            .and_then(|bin| self.registry.pin(bin))
            .map_err(Error::unroutable)?;
        Ok(Channel { pinned })
    }

    /// One way for each generation that serves a BIN whose operations go straight to Kaspi. Opens no key.
    pub(crate) fn direct_ways(&self) -> Vec<Channel> {
        let mut keys = HashSet::new();
        let pinned = self.registry.bins().into_iter().filter_map(|bin| {
            let pinned = self.registry.pin_opened(bin)?;
            Some(Channel { pinned })
        });
        pinned
            .filter(|way| way.is_direct() && keys.insert(way.generation_key()))
            .collect()
    }

    /// What has gone over the wire with the generation that serves a BIN, if one does.
    #[must_use]
    pub fn wire_counts(&self, bin: Bin) -> Option<WireCounts> {
        let pinned = self.registry.pin(bin).ok()?;
        Some(pinned.generation.kit.counts())
    }
}

/// Makes the pool of each generation.
struct Outfitter(Result<Arc<Outfit>, Arc<dyn StdError + Send + Sync>>);

impl Outfitter {
    fn new(settings: &KaspiSettings) -> Result<Self, IdentityError> {
        let trust = crate::identity::trust_roots(&settings.trust)?;
        for warning in &trust.warnings {
            tracing::warn!("{warning}");
        }
        Ok(Self(outfit(settings, &trust.roots).map_err(Arc::from)))
    }

    fn pool(&self, identity: &Identity, resumes: bool) -> Result<Pool, ProvisionError> {
        let outfit = self.0.as_ref().map_err(Arc::clone)?;
        Ok(Pool::new(outfit, identity.certified_key(), resumes))
    }
}

/// What all pools have in common, or why none can be made with these settings.
fn outfit(
    settings: &KaspiSettings,
    roots: &Arc<rustls::RootCertStore>,
) -> Result<Arc<Outfit>, ProvisionError> {
    let way = Way::new(settings.proxy.as_ref(), settings.timeouts.connect)?;
    let tls = tls::common_config(roots, &tls::provider(settings.key_exchange), tls::VERSIONS)?;
    Ok(Arc::new(Outfit::new(settings, way, tls)))
}

impl Provision for Outfitter {
    type Kit = Pool;

    fn provision(&self, identity: &Arc<Identity>) -> Result<Pool, ProvisionError> {
        self.pool(identity, true)
    }

    fn provision_for_trial(&self, identity: &Arc<Identity>) -> Result<Pool, ProvisionError> {
        self.pool(identity, false)
    }
}

/// One BIN's way to Kaspi, pinned to one merchant and one generation of its identity.
#[derive(Clone, Debug)]
pub struct Channel {
    pinned: Pinned<Pool>,
}

/// A request, relative to the configured base address.
///
/// `Debug` shows neither query nor body: tokens and phone numbers stand there.
#[derive(Clone)]
pub struct Request {
    /// GET or POST.
    pub method: Method,
    /// Path below the base address, with a slash in front, and the query; already percent-encoded.
    pub path_and_query: String,
    /// Headers beside `Host`, which is filled in.
    pub headers: HeaderMap,
    /// Body; empty for GET.
    pub body: Bytes,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &path)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An answer, whatever its status. Redirects are answers like any other: they are never followed.
///
/// `Debug` does not show the body: it may hold a token or a person's name.
#[derive(Clone)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// Answer headers.
    pub headers: HeaderMap,
    /// Answer body, at most [`MAX_ANSWER_BYTES`].
    pub body: Bytes,
    /// The connection that it came over.
    pub connection: Option<ConnectionFacts>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

impl Channel {
    /// A way that is pinned already: the trial of an identity that nobody can look up yet.
    pub(crate) fn pinned(pinned: Pinned<Pool>) -> Self {
        Self { pinned }
    }

    /// Whose money this way is for.
    #[must_use]
    pub fn bin(&self) -> Bin {
        self.pinned.merchant.bin
    }

    /// The name that the operator gave the BIN.
    #[must_use]
    pub fn merchant_name(&self) -> &str {
        &self.pinned.merchant.name
    }

    /// The device token of a trade point, or of the default one; none where no device is registered.
    #[must_use]
    pub fn device_token(&self, trade_point: Option<TradePointId>) -> Option<&DeviceToken> {
        let merchant = &self.pinned.merchant;
        match trade_point {
            Some(id) => merchant.trade_point(id),
            None => merchant.default_trade_point(),
        }
        .and_then(|point| point.device_token.as_ref())
    }

    /// The number of a trade point, or of the default one, where it has one.
    #[must_use]
    pub fn trade_point_id(&self, trade_point: Option<TradePointId>) -> Option<TradePointId> {
        trade_point.or_else(|| self.pinned.merchant.default_trade_point()?.id)
    }

    /// Whether the merchant's operations go straight to Kaspi, rather than through the old wrapper.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.pinned.merchant.route == Route::Direct
    }

    /// Name or address of the server that calls go to.
    #[must_use]
    pub fn host(&self) -> &str {
        let outfit = self.pinned.generation.kit.outfit();
        outfit.base_url.host().unwrap_or_default()
    }

    /// Whether the merchant has a trade point of this number.
    #[must_use]
    pub fn has_trade_point(&self, id: TradePointId) -> bool {
        self.pinned.merchant.trade_point(id).is_some()
    }

    /// SHA-256 of the certificate that calls leave with: lower-case hex of the DER form.
    #[must_use]
    pub fn certificate_sha256(&self) -> &str {
        self.pinned.generation.identity.fingerprint()
    }

    /// Number of the identity generation: 1 for the one loaded at start.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.pinned.generation.number
    }

    /// What tells its generation from every other: the BIN whose folder holds the identity, and the number.
    pub(crate) fn generation_key(&self) -> (Bin, u64) {
        let generation = &self.pinned.generation;
        (generation.identity.owner(), generation.number)
    }

    /// When an answer last came over its generation, and so left a connection in the pool.
    pub(crate) fn last_answer(&self) -> Option<Instant> {
        self.pinned.generation.kit.last_answer()
    }

    /// Sends one request once, and reads the whole answer. Never repeats by itself.
    ///
    /// # Errors
    ///
    /// No answer, or only part of one. [`Error::delivery`] tells whether Kaspi can have got the request.
    pub async fn send(&self, request: Request) -> Result<Reply, Error> {
        let span = self.span(&request);
        let answered = attempt::send(&self.pinned.generation.kit, request)
            .instrument(span.clone())
            .await;
        if !span.is_disabled() {
            note_end(&span, &answered);
        }
        answered
    }

    /// The query of a request holds tokens and phone numbers, and a path may end with one of many numbers.
    fn span(&self, request: &Request) -> Span {
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let path = path.trim_end_matches(|character: char| character.is_ascii_digit());
        tracing::info_span!(
            target: TRACE,
            "kaspi",
            otel.kind = "client",
            otel.status_code = field::Empty,
            http.request.method = request.method.as_str(),
            url.path = path,
            http.response.status_code = field::Empty,
            server.address = self.host(),
            kaspi.bin = %self.bin(),
            kaspi.generation = self.generation(),
            kaspi.delivery = field::Empty,
            error.type = field::Empty,
        )
    }
}

fn note_end(span: &Span, answered: &Result<Reply, Error>) {
    match answered {
        Ok(reply) => {
            span.record("http.response.status_code", reply.status);
        }
        Err(error) => {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", error.kind());
            if let Some(delivery) = Explain::delivery(error) {
                span.record("kaspi.delivery", field::display(delivery));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_query_and_no_body() {
        let request = Request {
            method: Method::GET,
            path_and_query: "/v01/remote/client-info?phoneNumber=77000000000&deviceToken=secret".to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"secret"),
        };
        assert_eq!(
            format!("{request:?}"),
            r#"Request { method: GET, path: "/v01/remote/client-info", body_bytes: 6, .. }"#
        );
        let reply = Reply {
            status: 200,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"secret"),
            connection: None,
        };
        assert_eq!(
            format!("{reply:?}"),
            "Reply { status: 200, body_bytes: 6, connection: None, .. }"
        );
    }
}
