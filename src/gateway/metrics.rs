//! What `/metrics` tells, in Prometheus' format.
//!
//! Labels are route patterns, configured BINs and words of ours: their number is bounded, and no phone
//! number and no payment id is among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::StatusCode;
use metrics::{Key, Label, Level, Metadata, Recorder as _, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::notes::Notes;
use crate::base::Bin;

const META: Metadata<'static> = Metadata::new("kaspi_direct::gateway", Level::INFO, None);

/// Bounds of the latency histogram, in seconds: from an answer out of the journal to the time limit.
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0,
];

/// How often samples are put into their buckets when nobody asks for them.
const UPKEEP: Duration = Duration::from_secs(5);

/// Counters that grow with the calls.
pub(super) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    connections: Arc<AtomicI64>,
}

/// Values as they stand at one moment. Made anew for each question, so that a BIN that is gone is gone
/// here too.
pub(super) struct Gauges(PrometheusRecorder);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // only an empty list is refused
        let recorder = builder
            .set_buckets(BUCKETS)
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        let metrics = Self {
            handle: recorder.handle(),
            recorder,
            connections: Arc::default(),
        };
        metrics.recorder.describe_counter(
            "kaspi_gateway_requests_total".into(),
            Some(Unit::Count),
            "Requests by route, BIN and HTTP status; status 0: the caller hung up".into(),
        );
        metrics.recorder.describe_histogram(
            "kaspi_gateway_request_seconds".into(),
            Some(Unit::Seconds),
            "How long requests took".into(),
        );
        metrics.recorder.describe_counter(
            "kaspi_operations_total".into(),
            Some(Unit::Count),
            "Operations that move money, by route, BIN and outcome".into(),
        );
        metrics
    }

    /// Counts one request.
    pub(super) fn request(
        &self,
        notes: &Notes,
        route: &str,
        status: Option<StatusCode>,
        took: Duration,
        is_configured: impl FnOnce(Bin) -> bool,
    ) {
        let bin = notes
            .told_bin()
            .filter(|bin| is_configured(*bin))
            .map_or_else(String::new, |bin| bin.to_string());
        let route = Label::new("route", route.to_owned());
        let bin = Label::new("bin", bin);
        let code = status.map_or(0, |status| status.as_u16()).to_string();
        let key = Key::from_parts(
            "kaspi_gateway_requests_total",
            vec![route.clone(), bin.clone(), Label::new("status", code)],
        );
        self.recorder.register_counter(&key, &META).increment(1);
        let key = Key::from_parts("kaspi_gateway_request_seconds", vec![route.clone(), bin.clone()]);
        self.recorder
            .register_histogram(&key, &META)
            .record(took.as_secs_f64());
        if let Some(outcome) = notes.told_outcome() {
            let key = Key::from_parts(
                "kaspi_operations_total",
                vec![route, bin, Label::new("outcome", outcome)],
            );
            self.recorder.register_counter(&key, &META).increment(1);
        }
    }

    /// Counts a connection until the mark is dropped.
    pub(super) fn connection(&self) -> Open {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.connections))
    }

    /// How many connections are open.
    pub(super) fn open_connections(&self) -> i64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// The counters, without those of BINs that the one who asks may not see.
    pub(super) fn render(&self, may_see: impl Fn(Bin) -> bool) -> String {
        let whole = self.handle.render();
        let lines = whole.split_inclusive('\n');
        lines.filter(|line| told_bin(line).is_none_or(&may_see)).collect()
    }

    /// Keeps samples from piling up where nobody asks.
    pub(super) async fn keep_up(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.handle.run_upkeep();
        }
    }
}

/// The BIN that a sample is of. Route patterns and words of ours, the other labels, hold no such text.
fn told_bin(line: &str) -> Option<Bin> {
    let (_, rest) = line.split_once("bin=\"")?;
    let (bin, _) = rest.split_once('"')?;
    bin.parse().ok()
}

/// One open connection.
pub(super) struct Open(Arc<AtomicI64>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gauges {
    pub(super) fn new() -> Self {
        Self(PrometheusBuilder::new().build_recorder())
    }

    /// One value of a gauge.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody reads the sixteenth digit of a gauge"
    )]
    pub(super) fn set(&self, name: &'static str, help: &'static str, labels: Vec<Label>, value: i64) {
        self.0.describe_gauge(name.into(), None, help.into());
        let key = Key::from_parts(name, labels);
        self.0.register_gauge(&key, &META).set(value as f64);
    }

    /// One value of a counter that is kept elsewhere.
    pub(super) fn count(&self, name: &'static str, help: &'static str, labels: Vec<Label>, value: u64) {
        self.0.describe_counter(name.into(), None, help.into());
        let key = Key::from_parts(name, labels);
        self.0.register_counter(&key, &META).absolute(value);
    }

    pub(super) fn render(&self) -> String {
        self.0.handle().render()
    }
}
