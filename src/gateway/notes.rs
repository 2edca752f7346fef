//! What is learnt about a call while it is answered: for the log, the metrics and the delivery.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::base::{Bin, OperationId};

/// What is learnt about one call.
#[derive(Debug, Default)]
pub(super) struct Notes {
    route: OnceLock<String>,
    caller: OnceLock<String>,
    bin: Mutex<Option<Bin>>,
    operation: OnceLock<OperationId>,
    problem: OnceLock<&'static str>,
    outcome: OnceLock<&'static str>,
    settles: AtomicBool,
}

impl Notes {
    pub(super) fn route(&self, pattern: &str) {
        let _ = self.route.set(pattern.to_owned());
    }

    pub(super) fn caller(&self, name: &str) {
        let _ = self.caller.set(name.to_owned());
    }

    /// For whom it is. The last word holds: a repetition that names no BIN may turn out to be another's.
    pub(super) fn bin(&self, bin: Bin) {
        *self.bin.lock().unwrap_or_else(PoisonError::into_inner) = Some(bin);
    }

    pub(super) fn operation(&self, operation: OperationId) {
        let _ = self.operation.set(operation);
    }

    /// Why it was not answered as asked.
    pub(super) fn problem(&self, kind: &'static str) {
        let _ = self.problem.set(kind);
    }

    /// What became of the operation: `accepted`, `refused`, `not_sent`, `unknown`, `replayed`.
    pub(super) fn outcome(&self, word: &'static str) {
        let _ = self.outcome.set(word);
    }

    /// The answer settles its operation once the caller has it.
    pub(super) fn settles(&self) {
        self.settles.store(true, Ordering::Relaxed);
    }

    pub(super) fn told_route(&self) -> Option<&str> {
        self.route.get().map(String::as_str)
    }

    pub(super) fn told_caller(&self) -> Option<&str> {
        self.caller.get().map(String::as_str)
    }

    pub(super) fn told_bin(&self) -> Option<Bin> {
        *self.bin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn told_operation(&self) -> Option<OperationId> {
        self.operation.get().copied()
    }

    pub(super) fn told_problem(&self) -> Option<&'static str> {
        self.problem.get().copied()
    }

    pub(super) fn told_outcome(&self) -> Option<&'static str> {
        self.outcome.get().copied()
    }

    /// The operation that the answer settles.
    pub(super) fn to_settle(&self) -> Option<OperationId> {
        self.told_operation()
            .filter(|_| self.settles.load(Ordering::Relaxed))
    }
}
