//! What the Kaspi server, the control API and the handle share: books, faults, log, one lock.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::bank::Bank;
use super::error::SandboxError;
use super::faults::{Fault, FaultKind, Faults};
use super::layout;
use super::log::RequestLog;
use super::options::OptionNames;
use super::state::{Lost, Saved, Writer};
use super::wire::Line;

/// Everything behind the one lock.
pub(super) struct Books {
    pub(super) bank: Bank,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
    state: Option<Writer>,
}

/// The books while somebody has them. What changed goes to the state file's writer, in order,
/// when they are given back: no change can be forgotten.
pub(super) struct Holding<'a>(MutexGuard<'a, Books>);

pub(super) struct Core {
    books: Mutex<Books>,
    /// Whether there is a state file, or was one until the sandbox ended.
    remembers: bool,
    pub(super) folder: Option<PathBuf>,
    pub(super) option_names: OptionNames,
    connections: Connections,
}

impl Core {
    pub(super) fn new(
        bank: Bank,
        folder: Option<PathBuf>,
        option_names: OptionNames,
        state: Option<Writer>,
    ) -> Self {
        Self {
            remembers: state.is_some(),
            books: Mutex::new(Books {
                bank,
                faults: Faults::default(),
                log: RequestLog::default(),
                state,
            }),
            folder,
            option_names,
            connections: Connections::default(),
        }
    }

    /// The books. Never held across an await.
    pub(super) fn books(&self) -> Holding<'_> {
        // No change is made in steps that a panic could leave half done.
        Holding(self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until all that happened so far is in the state file, where there is one. An answer
    /// that left earlier could tell of something that a kill makes undone.
    pub(super) async fn saved(&self) -> Result<(), Lost> {
        match self.so_far() {
            Some((_, saved)) => saved.wait().await,
            None if self.remembers => Err(Lost("it has ended".into())),
            None => Ok(()),
        }
    }

    /// Waits until the state cannot be written any more: for ever, where there is no file.
    pub(super) async fn state_lost(&self) -> SandboxError {
        match self.so_far() {
            Some((path, saved)) => {
                let Lost(reason) = saved.loss().await;
                SandboxError::StateLost {
                    path,
                    reason: reason.to_string(),
                }
            }
            None => std::future::pending().await,
        }
    }

    /// Ends the state file's writer, after which nothing is answered.
    pub(super) fn close_state(&self) -> Option<Writer> {
        self.books().0.state.take()
    }

    fn so_far(&self) -> Option<(PathBuf, Saved)> {
        let books = self.books();
        let writer = books.state.as_ref()?;
        Some((writer.path().to_owned(), writer.so_far()))
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Arms a fault. One that refuses handshakes also closes idle connections, and is in force
    /// once this returns; a connection that is answering closes after its answer.
    pub(super) async fn arm(&self, fault: Fault) {
        let refuses_handshakes = fault.kind == FaultKind::TlsAlert;
        self.books().faults.arm(fault);
        if refuses_handshakes {
            self.connections.close_idle().await;
        }
    }

    /// Reads the merchant folders again. A folder that cannot be read right now changes nothing.
    pub(super) async fn reread_folder(&self) {
        let Some(folder) = self.folder.clone() else {
            return;
        };
        let read = tokio::task::spawn_blocking(move || layout::merchants(&folder)).await;
        if let Ok(Ok(merchants)) = read {
            self.books().bank.learn_all(merchants);
        }
    }
}

impl Deref for Holding<'_> {
    type Target = Books;

    fn deref(&self) -> &Books {
        &self.0
    }
}

impl DerefMut for Holding<'_> {
    fn deref_mut(&mut self) -> &mut Books {
        &mut self.0
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        let books = &mut *self.0;
        if let Some(writer) = &mut books.state
            && let Some(change) = books.bank.unsaved()
        {
            writer.queue(&change);
        }
    }
}

/// The open connections.
pub(super) struct Connections {
    open: Mutex<HashMap<u64, Arc<Line>>>,
    closed: Notify,
    /// Counts up when connections are to finish what they do and close.
    round: watch::Sender<u64>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            closed: Notify::new(),
            round: watch::Sender::new(0),
        }
    }
}

impl Connections {
    pub(super) fn opened(&self, number: u64, line: &Arc<Line>) {
        self.open().insert(number, Arc::clone(line));
    }

    pub(super) fn closed(&self, number: u64) {
        self.open().remove(&number);
        self.closed.notify_waiters();
    }

    /// Changes when connections are to finish what they do and close.
    pub(super) fn rounds(&self) -> watch::Receiver<u64> {
        self.round.subscribe()
    }

    /// Lets every connection close as soon as it is idle.
    pub(super) fn drain(&self) {
        self.round.send_modify(|round| *round += 1);
    }

    /// Closes what is idle now, and waits for that, but not for ever.
    async fn close_idle(&self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let before: Vec<u64> = self.open().keys().copied().collect();
        self.drain();
        let gone = async {
            loop {
                let closed = self.closed.notified();
                tokio::pin!(closed);
                // Registered before looking, or a close in between would be missed.
                closed.as_mut().enable();
                if !self.any_idle(&before) {
                    return;
                }
                closed.await;
            }
        };
        // A connection that does not go has a stuck peer; its next handshake is refused all the same.
        let _ = tokio::time::timeout(PATIENCE, gone).await;
    }

    fn any_idle(&self, numbers: &[u64]) -> bool {
        let open = self.open();
        numbers
            .iter()
            .any(|number| open.get(number).is_some_and(|line| !line.is_busy()))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Line>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
