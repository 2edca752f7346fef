//! What all calls share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::access::{Door, Visitor, is_loopback_host};
use super::admin::{Comparisons, Diagnoses, Sessions};
use super::delivery::Deliveries;
use super::limits::{Limits, Turn};
use super::metrics::Metrics;
use super::problem::Problem;
use super::streams::Streams;
use super::{GatewayError, Patience, Surroundings, tls};
use crate::base::Bin;
use crate::config::GatewaySettings;
use crate::payments::{self, Payments};

/// What all calls share.
#[derive(Debug)]
pub(super) struct Hall {
    pub(super) payments: Payments,
    pub(super) surroundings: Arc<dyn Surroundings>,
    pub(super) door: Door,
    limits: ArcSwap<Limits>,
    /// Shown to callers; none where `listen` speaks plain HTTP.
    pub(super) tls: ArcSwapOption<ServerConfig>,
    pub(super) metrics: Metrics,
    pub(super) deliveries: Deliveries,
    pub(super) comparisons: Arc<Comparisons>,
    pub(super) diagnoses: Arc<Diagnoses>,
    pub(super) sessions: Sessions,
    /// Kaspi's address is this machine: no real money moves.
    pub(super) sandboxed: bool,
    pub(super) streams: Streams,
    pub(super) patience: Patience,
    pub(super) started: Instant,
    settings: ArcSwap<GatewaySettings>,
    under_way: Arc<watch::Sender<usize>>,
}

impl Hall {
    pub(super) fn new(
        settings: &GatewaySettings,
        kaspi_host: &str,
        payments: Payments,
        surroundings: Arc<dyn Surroundings>,
        patience: Patience,
    ) -> Result<Self, GatewayError> {
        Ok(Self {
            deliveries: Deliveries::new(payments.clone()),
            streams: Streams::new(payments.clone()),
            payments,
            comparisons: Arc::default(),
            diagnoses: Arc::default(),
            sessions: Sessions::default(),
            sandboxed: is_loopback_host(kaspi_host),
            surroundings,
            door: Door::new(&settings.tokens),
            limits: ArcSwap::from_pointee(Limits::new(settings.limits)),
            tls: ArcSwapOption::new(settings.tls.as_ref().map(tls::server_config).transpose()?),
            metrics: Metrics::new(),
            patience,
            started: Instant::now(),
            settings: ArcSwap::from_pointee(settings.clone()),
            under_way: Arc::default(),
        })
    }

    pub(super) fn reload(&self, settings: &GatewaySettings) -> Result<(), GatewayError> {
        let tls = settings.tls.as_ref().map(tls::server_config).transpose()?;
        self.tls.store(tls);
        self.door.reload(&settings.tokens);
        self.streams.look_at_tokens();
        let before = self.settings.swap(Arc::new(settings.clone()));
        // counts begin anew with other limits; with the same ones they go on
        if before.limits != settings.limits {
            self.limits.store(Arc::new(Limits::new(settings.limits)));
        }
        Ok(())
    }

    pub(super) fn limits(&self) -> Arc<Limits> {
        self.limits.load_full()
    }

    /// How long an answered call of a contract without keys counts as the same one.
    pub(super) fn echo_window(&self) -> Duration {
        self.settings.load().echo_window
    }

    pub(super) fn settings(&self) -> Arc<GatewaySettings> {
        self.settings.load_full()
    }

    /// A call's turn for one BIN. One that nobody has configured is refused by `payments`, with the
    /// reason; it only gets no count of its own here.
    pub(super) async fn turn(&self, visitor: &Visitor, bin: Option<Bin>) -> Result<Turn, Problem> {
        let counted = bin.filter(|bin| self.surroundings.is_configured(*bin));
        self.limits().turn(visitor.name(), counted).await
    }

    /// Carries something out to its end, also where the caller hangs up meanwhile; its turn is taken
    /// until then, and a stop waits for it.
    pub(super) async fn carry_out<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl Future<Output = Result<T, payments::Error>> + Send + 'static,
    ) -> Result<T, Problem> {
        let mark = UnderWay::new(&self.under_way);
        let whole = async move {
            let outcome = work.await;
            drop((turn, mark));
            outcome
        };
        let task = tokio::spawn(whole.in_current_span());
        match task.await {
            Ok(outcome) => outcome.map_err(Problem::Payment),
            Err(error) => {
                tracing::error!(%error, "a call ended without a result");
                Err(Problem::Lost)
            }
        }
    }

    /// Waits until nothing is under way any more.
    pub(super) async fn at_rest(&self) {
        let mut count = self.under_way.subscribe();
        // the sender stands beside
        let _ = count.wait_for(|count| *count == 0).await;
    }
}

/// One call under way.
struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
