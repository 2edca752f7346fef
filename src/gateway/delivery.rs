//! Whether an answer has reached its caller: on that hangs what a repetition means (contracts without
//! idempotency keys).
//!
//! An answer counts as delivered once the connection has taken its last byte, and not before: a caller
//! who hangs up while his call is under way closes the connection, which drops the answer unwritten.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::base::OperationId;
use crate::payments::Payments;

/// How long a repetition waits for deliveries to be written down.
const PATIENCE: Duration = Duration::from_secs(2);

/// The deliveries that are being written down.
#[derive(Clone, Debug)]
pub(super) struct Deliveries(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    payments: Payments,
    pending: Mutex<HashSet<OperationId>>,
    changed: Notify,
}

impl Deliveries {
    pub(super) fn new(payments: Payments) -> Self {
        Self(Arc::new(Inner {
            payments,
            pending: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// The answer to an operation is on its way to a caller who is there.
    pub(super) fn delivered(&self, operation: OperationId) {
        self.0.pending().insert(operation);
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            super::books::delivered(&inner.payments, operation).await;
            inner.pending().remove(&operation);
            inner.changed.notify_waiters();
        });
    }

    /// Waits until what has been delivered so far is written down, so that a call that follows an answer
    /// at once finds it so.
    pub(super) async fn written(&self) {
        let awaited: Vec<OperationId> = self.0.pending().iter().copied().collect();
        if awaited.is_empty() {
            return;
        }
        let all_written = async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if awaited
                    .iter()
                    .all(|operation| !self.0.pending().contains(operation))
                {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, all_written).await;
    }
}

impl Inner {
    fn pending(&self) -> std::sync::MutexGuard<'_, HashSet<OperationId>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
