//! A working set that serves for long: it looks after its files and tells how it stands.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::App;
use super::live::{LiveError, LiveServer};
use crate::base::{Explain, Fault};
use crate::registry::Rotation;

/// What a program that runs for long needs beside its [`App`]: rotation, SIGHUP, the state socket.
///
/// Services that take calls stand beside it: they are given [`app`](Self::app) and end before
/// [`stop`](Self::stop).
#[derive(Debug)]
pub struct Service {
    app: Arc<App>,
    rotation: Arc<Rotation>,
    live: LiveServer,
}

/// Why a program cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The live state cannot be offered; another process may be doing so.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The system refuses a handler of a signal.
    #[error("signals cannot be listened to: {0}")]
    Signals(#[source] std::io::Error),
}

impl Service {
    /// Starts to look after the merchants' folders and to offer the live state in the configuration's
    /// `state_dir`. From then on SIGHUP reads the folders again. `listen` are addresses on which the
    /// program takes calls, bound already; they are told whoever asks for the state.
    ///
    /// # Errors
    ///
    /// Another process serves with the same state folder, or the folder cannot be used.
    pub async fn start(app: App, listen: &[SocketAddr]) -> Result<Self, ServeError> {
        let app = Arc::new(app);
        let rotation = Arc::new(app.begin_rotation());
        rotation.rescan_on_hangup().map_err(ServeError::Signals)?;
        // before anything is waited for, so that of two programs the second ends at once
        let live = app.serve_live_state(&rotation, listen)?;
        rotation.started().await;
        Ok(Self { app, rotation, live })
    }

    /// The working set.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The looking after its folders.
    #[must_use]
    pub fn rotation(&self) -> &Arc<Rotation> {
        &self.rotation
    }

    /// Where the live state is told.
    #[must_use]
    pub fn state_socket(&self) -> &Path {
        self.live.socket()
    }

    /// Closes the state socket, frees the state folder, and leaves the merchants' folders alone.
    pub fn stop(self) {
        drop(self.live);
        drop(self.rotation);
    }
}

impl Explain for ServeError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Live(error) => error.kind(),
            Self::Signals(_) => "io",
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Live(error) => error.hint(),
            Self::Signals(_) => None,
        }
    }
}
