//! The connection pool of one generation. It dies with the generation: no idle connection outlives it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::time::Instant;

use super::connect::Connector;
use super::connection::{Refusals, Tally, WireCounts};
use super::proxy::{ProxyError, Way};
use crate::config::{KaspiSettings, Timeouts};

/// Unused connections kept; more than any BIN has calls in flight.
const MAX_IDLE: usize = 128;

/// The connections of one generation of one identity.
pub struct Pool {
    pub(super) client: Client<Connector, Full<Bytes>>,
    pub(super) base_url: Uri,
    /// Host and port of it, for messages.
    pub(super) target: String,
    pub(super) limits: Timeouts,
    pub(super) refusals: Arc<Refusals>,
    tally: Arc<Tally>,
    answered: Mutex<Option<Instant>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(tls: ClientConfig, settings: &KaspiSettings) -> Result<Self, ProxyError> {
        let limits = settings.timeouts;
        let way = Way::new(settings.proxy.as_ref(), limits.connect)?;
        let refusals = Arc::<Refusals>::default();
        let tally = Arc::<Tally>::default();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(settings.idle_timeout)
            .pool_max_idle_per_host(MAX_IDLE)
            .pool_timer(TokioTimer::new())
            // whether to send again is for those who know what the request does
            .retry_canceled_requests(false)
            .build(Connector::new(
                way,
                tls,
                limits,
                Arc::clone(&refusals),
                Arc::clone(&tally),
            ));
        Ok(Self {
            client,
            target: settings
                .base_url
                .authority()
                .map(ToString::to_string)
                .unwrap_or_default(),
            base_url: settings.base_url.clone(),
            limits,
            refusals,
            tally,
            answered: Mutex::default(),
        })
    }

    /// Takes note of an answer that has come whole.
    pub(super) fn note_answer(&self) {
        self.tally.answered();
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// When an answer last came.
    pub(super) fn last_answer(&self) -> Option<Instant> {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has gone over the wire so far.
    pub(super) fn counts(&self) -> WireCounts {
        self.tally.counts()
    }
}
