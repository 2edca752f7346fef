//! A working set that serves for long: it looks after its files and tells how it stands.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::App;
#[cfg(feature = "journal")]
use super::OpenError;
use super::live::{LiveError, LiveServer};
#[cfg(feature = "journal")]
use super::notices::Notices;
use super::warm::Warmth;
#[cfg(feature = "journal")]
use super::webhooks::Telling;
use crate::base::{Explain, Fault};
#[cfg(feature = "journal")]
use crate::payments::{JournalError, Keeper, Serving};
use crate::registry::Rotation;

/// What a program that runs for long needs beside its [`App`]: rotation, SIGHUP, the state socket,
/// connections kept ready.
///
/// Services that take calls stand beside it: they are given [`app`](Self::app) and end before
/// [`stop`](Self::stop).
#[derive(Debug)]
pub struct Service {
    app: Arc<App>,
    rotation: Arc<Rotation>,
    live: LiveServer,
    warmth: Option<Warmth>,
    #[cfg(feature = "journal")]
    books: Books,
}

/// What it holds of the journal: the right to serve, where it could be had, and those who look after payments and notices.
#[cfg(feature = "journal")]
#[derive(Debug)]
struct Books {
    serving: Option<Serving>,
    keeper: Keeper,
    notices: Notices,
    telling: Telling,
}

/// Why a program cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The live state cannot be offered; another process may be doing so.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// Another gateway works with the journal.
    #[cfg(feature = "journal")]
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The way to the receivers of webhooks cannot be set up.
    #[cfg(feature = "journal")]
    #[error(transparent)]
    Webhooks(#[from] OpenError),
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
    /// Another process serves with the same state folder or the same SQLite journal, or the folder cannot
    /// be used. A journal that cannot be used is no error: what moves no money goes on without.
    pub async fn start(app: App, listen: &[SocketAddr]) -> Result<Self, ServeError> {
        let app = Arc::new(app);
        let rotation = Arc::new(app.begin_rotation());
        rotation.rescan_on_hangup().map_err(ServeError::Signals)?;
        // before anything is waited for, so that of two programs the second ends at once
        let live = app.serve_live_state(&rotation, listen)?;
        #[cfg(feature = "journal")]
        let books = books(&app).await?;
        let warmth = app.keep_warm();
        rotation.started().await;
        Ok(Self {
            app,
            rotation,
            live,
            warmth,
            #[cfg(feature = "journal")]
            books,
        })
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

    /// Leaves the payments and the merchants' folders alone, closes the journal and the state socket, and
    /// frees the state folder.
    pub async fn stop(self) {
        drop(self.warmth);
        #[cfg(feature = "journal")]
        {
            drop(self.books.notices);
            self.books.keeper.stop().await;
            self.books.telling.stop().await;
            drop(self.books.serving);
            self.app.payments().journal().close().await;
        }
        drop(self.live);
        drop(self.rotation);
    }
}

/// Takes the right to serve, and begins to look after the payments.
#[cfg(feature = "journal")]
async fn books(app: &App) -> Result<Books, ServeError> {
    let serving = match app.payments().journal().claim_serving().await {
        Ok(serving) => Some(serving),
        Err(error @ JournalError::AlreadyServed { .. }) => return Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "no money is moved until the journal can be used");
            None
        }
    };
    Ok(Books {
        serving,
        telling: app.tell_events().await?,
        keeper: app.keep_payments(),
        notices: app.tell_notices(),
    })
}

impl ServeError {
    /// The error of another room that it passes on.
    fn passed_on(&self) -> Option<&dyn Explain> {
        match self {
            Self::Live(error) => Some(error),
            #[cfg(feature = "journal")]
            Self::Journal(error) => Some(error),
            #[cfg(feature = "journal")]
            Self::Webhooks(error) => Some(error),
            Self::Signals(_) => None,
        }
    }
}

impl Explain for ServeError {
    fn kind(&self) -> &'static str {
        self.passed_on().map_or("io", Explain::kind)
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        self.passed_on()?.hint()
    }
}
