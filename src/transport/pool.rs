//! The connection pool of one generation. It dies with the generation: no idle connection outlives it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::sign::CertifiedKey;
use tokio::time::Instant;

use super::connect::Connector;
use super::connection::{Refusals, Tally, WireCounts};
use super::proxy::Way;
use super::tls;
use crate::config::{KaspiSettings, Timeouts};

/// Unused connections kept; more than any BIN has calls in flight.
const MAX_IDLE: usize = 128;

/// The connections of one generation of one identity.
pub struct Pool {
    outfit: Arc<Outfit>,
    key: Arc<CertifiedKey>,
    resumes: bool,
    /// Made for the first call: of thousands of organisations most are idle, and what they do not need
    /// takes no room.
    open: OnceLock<Box<Open>>,
}

/// What the pools of all generations have in common.
pub(super) struct Outfit {
    pub(super) base_url: Uri,
    /// Host and port of it, for messages.
    pub(super) target: String,
    pub(super) limits: Timeouts,
    settings: KaspiSettings,
    way: Way,
    /// Without an identity and without a ticket store: each generation has its own.
    tls: ClientConfig,
}

/// A pool that calls have been made over.
pub(super) struct Open {
    pub(super) client: Client<Connector, Full<Bytes>>,
    pub(super) refusals: Arc<Refusals>,
    tally: Arc<Tally>,
    answered: Mutex<Option<Instant>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("base_url", &self.outfit.base_url)
            .finish_non_exhaustive()
    }
}

impl Outfit {
    pub(super) fn new(settings: &KaspiSettings, way: Way, tls: ClientConfig) -> Self {
        let authority = settings.base_url.authority();
        Self {
            base_url: settings.base_url.clone(),
            target: authority.map(ToString::to_string).unwrap_or_default(),
            limits: settings.timeouts,
            settings: settings.clone(),
            way,
            tls,
        }
    }
}

impl Pool {
    /// The pool of one identity. Where it does not resume, every connection is a full handshake.
    pub(super) fn new(outfit: &Arc<Outfit>, key: Arc<CertifiedKey>, resumes: bool) -> Self {
        Self {
            outfit: Arc::clone(outfit),
            key,
            resumes,
            open: OnceLock::new(),
        }
    }

    pub(super) fn outfit(&self) -> &Outfit {
        &self.outfit
    }

    /// The pool, made if it has not been.
    pub(super) fn open(&self) -> &Open {
        self.open
            .get_or_init(|| Box::new(Open::new(&self.outfit, &self.key, self.resumes)))
    }

    /// When an answer last came.
    pub(super) fn last_answer(&self) -> Option<Instant> {
        let open = self.open.get()?;
        *open.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has gone over the wire so far.
    pub(super) fn counts(&self) -> WireCounts {
        self.open
            .get()
            .map(|open| open.tally.counts())
            .unwrap_or_default()
    }
}

impl Open {
    fn new(outfit: &Outfit, key: &Arc<CertifiedKey>, resumes: bool) -> Self {
        let refusals = Arc::<Refusals>::default();
        let tally = Arc::<Tally>::default();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(outfit.settings.idle_timeout)
            .pool_max_idle_per_host(MAX_IDLE)
            .pool_timer(TokioTimer::new())
            // whether to send again is for those who know what the request does
            .retry_canceled_requests(false)
            .build(Connector::new(
                outfit.way.clone(),
                tls::for_identity(&outfit.tls, Arc::clone(key), resumes),
                outfit.limits,
                Arc::clone(&refusals),
                Arc::clone(&tally),
            ));
        Self {
            client,
            refusals,
            tally,
            answered: Mutex::default(),
        }
    }

    /// Takes note of an answer that has come whole.
    pub(super) fn note_answer(&self) {
        self.tally.answered();
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}
