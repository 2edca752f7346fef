//! Spans of the gateway's calls, told to an OpenTelemetry collector over OTLP and HTTP.
//!
//! They wait in a bounded queue and are sent by a thread of their own: a collector that is slow or gone
//! costs spans, never a call.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanLimits,
};
use tokio::runtime::Handle;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::base::{Explain, Fault, TRACE};
use crate::config::TelemetrySettings;
use crate::identity::{IdentityError, trust_roots};
use crate::outbound::{self, Call, Limits, Outbound, Reach};

/// Spans that wait; further ones are dropped.
const QUEUE: usize = 2048;
/// Spans in one message.
const BATCH: usize = 512;
/// How long spans wait for others to go with.
const DELAY: Duration = Duration::from_secs(1);
/// One message to the collector.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells spans, until it is stopped.
pub struct Telemetry(SdkTracerProvider);

/// Why no spans can be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The collector's certificate authorities cannot be used.
    #[error(transparent)]
    Trust(#[from] IdentityError),
    /// The way to the collector cannot be set up.
    #[error(transparent)]
    Outbound(#[from] outbound::Error),
    /// The exporter cannot be set up.
    #[error("spans cannot be told to the collector at `{host}`: {source}")]
    Exporter {
        /// Its host.
        host: String,
        /// Why.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
}

impl Telemetry {
    /// Begins. To be called within the runtime that the messages are to be sent on.
    ///
    /// # Errors
    ///
    /// The collector's certificate authorities or its address cannot be used. Whether the collector is there
    /// is not asked.
    pub fn start(settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
        let roots = trust_roots(&settings.trust)?.roots;
        let limits = Limits {
            connect: PATIENCE,
            total: PATIENCE,
            ..Limits::default()
        };
        let client = Collector {
            outbound: Outbound::new(roots, limits, Reach::Anywhere)?,
            runtime: Handle::current(),
        };
        let base = settings.endpoint.to_string();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", base.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|source| TelemetryError::Exporter {
                host: settings.endpoint.host().unwrap_or_default().to_owned(),
                source,
            })?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        // what the caller has decided for his trace holds for ours
        let sampler = Sampler::TraceIdRatioBased(f64::from(settings.sample_percent) / 100.0);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(
                BatchSpanProcessor::builder(exporter)
                    .with_batch_config(batches)
                    .build(),
            )
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_span_limits(SpanLimits::default())
            .with_resource(
                Resource::builder_empty()
                    .with_service_name(settings.service_name.clone())
                    .with_attribute(opentelemetry::KeyValue::new(
                        "service.version",
                        env!("CARGO_PKG_VERSION"),
                    ))
                    .build(),
            )
            .build();
        Ok(Self(provider))
    }

    /// The layer of the log through which it hears of spans.
    #[must_use]
    pub fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("kaspi-direct"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(filter_fn(|told| told.is_span() && told.target() == TRACE))
            .boxed()
    }

    /// Sends what waits, within a bound, and ends.
    pub async fn stop(self) {
        let provider = self.0;
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(PATIENCE)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "some spans were not told to the collector");
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// The way to the collector.
#[derive(Debug)]
struct Collector {
    outbound: Outbound,
    /// The exporter's thread is none of the runtime's.
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut call = Call::post(parts.uri, body);
        call.headers = parts.headers;
        let outbound = self.outbound.clone();
        let answer = self
            .runtime
            .spawn(async move { outbound.send(call).await })
            .await??;
        let mut response = Response::new(answer.body);
        *response.status_mut() = http::StatusCode::from_u16(answer.status)?;
        *response.headers_mut() = HeaderMap::clone(&answer.headers);
        Ok(response)
    }
}

impl TelemetryError {
    fn passed_on(&self) -> Option<&dyn Explain> {
        match self {
            Self::Trust(error) => Some(error),
            Self::Outbound(error) => Some(error),
            Self::Exporter { .. } => None,
        }
    }
}

impl Explain for TelemetryError {
    fn kind(&self) -> &'static str {
        self.passed_on().map_or("telemetry", Explain::kind)
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        match self.passed_on() {
            Some(error) => error.hint(),
            None => Some("look at `telemetry.otlp_endpoint` in the configuration".to_owned()),
        }
    }
}
