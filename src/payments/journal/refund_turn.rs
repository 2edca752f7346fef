//! One refund of a payment at a time: in this process by a mutex, across processes by a row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep, timeout};

use super::sql::args;
use super::step::{Step, StepError, Tx};
use super::{Journal, JournalError};
use crate::base::{OperationId, PaymentId};

/// The right of one refund to be the only one of its payment that is under way, in all processes.
///
/// Given back when it is dropped. While its refund may be on its way the row stays: the outcome takes
/// it away.
#[derive(Debug)]
pub(in crate::payments) struct RefundTurn {
    journal: Journal,
    operation: OperationId,
    here: Option<OwnedMutexGuard<()>>,
}

/// The payments that are being refunded here.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<PaymentId, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    fn of(&self, payment: PaymentId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&payment).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(payment, Arc::downgrade(&turn));
        turn
    }
}

impl Journal {
    /// Waits for the turn of a refund of this payment, in all processes; `None` after `wait`.
    pub(in crate::payments) async fn refund_turn(
        &self,
        payment: PaymentId,
        operation: OperationId,
        wait: Duration,
    ) -> Result<Option<RefundTurn>, JournalError> {
        let until = Instant::now() + wait;
        let Ok(here) = timeout(wait, self.turns().of(payment).lock_owned()).await else {
            return Ok(None);
        };
        // from here on dropping it takes back what may have been written
        let turn = RefundTurn {
            journal: self.clone(),
            operation,
            here: Some(here),
        };
        let mut pause = Duration::from_millis(5);
        loop {
            if self.write(Lock { payment, operation }).await? {
                return Ok(Some(turn));
            }
            // held elsewhere: perhaps by a process that is gone
            if self.settle_orphans().await? == 0 {
                if Instant::now() >= until {
                    return Ok(None);
                }
                sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
                pause = (pause * 2).min(Duration::from_millis(250));
            }
        }
    }
}

impl Drop for RefundTurn {
    fn drop(&mut self) {
        let (journal, operation, here) = (self.journal.clone(), self.operation, self.here.take());
        // outside of a runtime the row stays until the outcome is written, or this process is gone
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = journal.write(super::course::Unlock(operation)).await {
                    tracing::warn!(%operation, %error, "a refund's turn could not be given back");
                }
                drop(here);
            });
        }
    }
}

/// Takes the row, or finds that another refund holds it.
struct Lock {
    payment: PaymentId,
    operation: OperationId,
}

impl Step for Lock {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StepError> {
        let operation = self.operation.to_string();
        tx.conn
            .run(
                "INSERT INTO refund_locks (payment_id, operation, owner, at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (payment_id) DO NOTHING",
                &args![self.payment.get(), operation.as_str(), tx.me.to_string(), tx.now],
            )
            .await?;
        let held = tx
            .conn
            .row(
                "SELECT operation FROM refund_locks WHERE payment_id = $1",
                &args![self.payment.get()],
            )
            .await?;
        let holder = held.map(|row| row.text("operation")).transpose()?;
        Ok(holder.as_deref() == Some(operation.as_str()))
    }
}
