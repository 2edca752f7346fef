//! What this process is working on, so that whoever asks for the same waits without asking the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::base::OperationId;

#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<OperationId, watch::Sender<()>>>);

impl Running {
    pub(super) fn began(&self, id: OperationId) {
        self.map().entry(id).or_insert_with(|| watch::Sender::new(()));
    }

    /// Wakes whoever waits for it.
    pub(super) fn ended(&self, id: OperationId) {
        self.map().remove(&id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map().is_empty()
    }

    /// Closed once the operation has ended; none where it does not run here.
    pub(super) fn end_of(&self, id: OperationId) -> Option<watch::Receiver<()>> {
        self.map().get(&id).map(watch::Sender::subscribe)
    }

    fn map(&self) -> MutexGuard<'_, HashMap<OperationId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
