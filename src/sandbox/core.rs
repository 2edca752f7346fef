//! What the Kaspi server, the control API and the handle share: books, faults, log, one lock.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::bank::Bank;
use super::faults::{Fault, FaultKind, Faults};
use super::layout;
use super::log::RequestLog;
use super::options::OptionNames;
use super::wire::Line;

/// Everything behind the one lock.
pub(super) struct Books {
    pub(super) bank: Bank,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
}

pub(super) struct Core {
    books: Mutex<Books>,
    pub(super) folder: Option<PathBuf>,
    pub(super) option_names: OptionNames,
    connections: Connections,
}

impl Core {
    pub(super) fn new(bank: Bank, folder: Option<PathBuf>, option_names: OptionNames) -> Self {
        Self {
            books: Mutex::new(Books {
                bank,
                faults: Faults::default(),
                log: RequestLog::default(),
            }),
            folder,
            option_names,
            connections: Connections::default(),
        }
    }

    /// The books. Never held across an await.
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        // No change is made in steps that a panic could leave half done.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
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
