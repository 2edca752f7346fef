//! `kaspi serve`: keeps every identity ready, until it is told to stop.

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::context::Context;
use super::failure::Failure;
use crate::app::Service;

pub(super) async fn run(context: &Context<'_>) -> Result<(), Failure> {
    // asked for before the ready line, so that a signal sent right after it is not lost
    let mut terminate = listen_to(SignalKind::terminate())?;
    let mut interrupt = listen_to(SignalKind::interrupt())?;
    let app = context.open()?;
    // The HTTP contracts go in here: bind first, name the address in place of `&[]` and in the ready
    // line, serve `service.app()` below until a signal comes, and let the calls end before `stop`.
    let service = Service::start(app, &[]).await?;
    let socket = service.state_socket();
    context.report.result(
        |paint| {
            let ready = paint.good("ready");
            format!(
                "{ready}  no address is listened on yet\n  state socket  {}",
                socket.display()
            )
        },
        &json!({ "listen": null, "state_socket": socket }),
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    service.stop();
    Ok(())
}

fn listen_to(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::from_io("signals cannot be listened to", error))
}
