//! `kaspi serve`: the gateway, and every identity ready behind it, until it is told to stop.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::args::Serve;
use super::context::Context;
use super::failure::Failure;
use super::report::Paint;
#[cfg(feature = "sandbox")]
use super::serve_sandbox::Stage;
use super::systemd;
#[cfg(feature = "telemetry")]
use crate::app::Telemetry;
use crate::app::{App, Service};
use crate::gateway::Patience;

pub(super) async fn run(options: Serve, context: &Context<'_>) -> Result<(), Failure> {
    #[cfg(feature = "sandbox")]
    if options.sandbox {
        let stage = Stage::set().await?;
        let app = stage.open(context)?;
        let served = serve(app, options.listen, context, |ready| stage.tell(ready)).await;
        stage.clear().await;
        return served;
    }
    let app = context.open()?;
    serve(app, options.listen, context, |_| {}).await
}

/// What is told once calls are taken.
pub(super) struct Ready {
    /// Where, as the beginning of a URL.
    pub(super) url: String,
    /// Further lines for people.
    pub(super) text: String,
    /// The line for programs.
    pub(super) json: Map<String, Value>,
}

async fn serve(
    app: App,
    listen: Option<SocketAddr>,
    context: &Context<'_>,
    add: impl FnOnce(&mut Ready),
) -> Result<(), Failure> {
    #[cfg(feature = "telemetry")]
    let telemetry = app
        .config()
        .telemetry
        .as_ref()
        .map(Telemetry::start)
        .transpose()?;
    #[cfg(feature = "telemetry")]
    let spans = telemetry.as_ref().map(Telemetry::layer);
    #[cfg(not(feature = "telemetry"))]
    let spans = None;
    context.report.start_service_log(app.config().gateway.log, spans);
    // asked for before the ready line, so that a signal sent right after it is not lost
    let mut signals = Signals::new()?;
    let gateway = app.gateway(Patience::default())?;
    let listening = gateway.listen(listen).await?;
    let address = listening.address();
    let scheme = if listening.is_https() { "https" } else { "http" };
    let unix_socket = app.config().gateway.unix_socket.clone();
    let service = Service::start(app, &[address]).await?;
    let following = service.app().follow_gateway_settings(&gateway);

    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(listening.serve(async {
        // also where the sender is gone
        let _ = stopped.await;
    }));
    let watchdog = systemd::ready();
    let mut ready = Ready {
        url: format!("{scheme}://{address}"),
        text: String::new(),
        json: Map::new(),
    };
    ready.json.insert("listen".to_owned(), json!(address));
    if let Some(socket) = &unix_socket {
        ready.json.insert("unix_socket".to_owned(), json!(socket));
        ready
            .text
            .push_str(&format!("\n  unix socket   {}", socket.display()));
    }
    let state_socket = service.state_socket();
    ready.json.insert("state_socket".to_owned(), json!(state_socket));
    ready
        .text
        .push_str(&format!("\n  state socket  {}", state_socket.display()));
    add(&mut ready);
    context
        .report
        .result(|paint| shown(paint, &ready), &Value::Object(ready.json.clone()));

    signals.next().await;
    systemd::stopping();
    tracing::info!("stopping: calls under way come to their end first");
    let _ = stop.send(());
    let ended = tokio::select! {
        ended = &mut serving => ended.unwrap_or(false),
        () = signals.next() => false,
    };
    drop((watchdog, following));
    service.stop().await;
    #[cfg(feature = "telemetry")]
    if let Some(telemetry) = telemetry {
        telemetry.stop().await;
    }
    if ended {
        Ok(())
    } else {
        Err(Failure::said_no_because(
            "calls under way were not waited for",
            "their outcome is unknown until the next start has settled them: see `kaspi journal list`",
        ))
    }
}

fn shown(paint: &Paint, ready: &Ready) -> String {
    format!("{}  {}{}", paint.good("ready"), ready.url, ready.text)
}

/// The signals that end a program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            terminate: listen_to(SignalKind::terminate())?,
            interrupt: listen_to(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn listen_to(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::from_io("signals cannot be listened to", error))
}
