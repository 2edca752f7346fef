//! What a service manager is told: ready, stopping, alive. Without one, nothing is told.

use sd_notify::NotifyState;
use tokio::task::JoinHandle;

/// Tells that the program is alive, as often as the service manager wants to hear it.
#[derive(Debug)]
pub(super) struct Watchdog(Option<JoinHandle<()>>);

/// Calls are taken from now on.
pub(super) fn ready() -> Watchdog {
    tell(&[NotifyState::Ready]);
    let every = sd_notify::watchdog_enabled();
    Watchdog(every.map(|limit| {
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(limit / 2).await;
                tell(&[NotifyState::Watchdog]);
            }
        })
    }))
}

/// No further calls are taken.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
