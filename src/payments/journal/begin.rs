//! Writing an operation down, or finding the one that its key stands for: in one transaction, so that
//! of two equal requests one comes first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::audit::{self, Change};
use super::derived::{Verdict, judge};
use super::new::{Begun, Key, NewOperation};
use super::record::{KeyKind, OperationRecord, OperationState};
use super::row::{OPERATION, Operation, time_at};
use super::sql::{Arg, args};
use super::step::{Step, StepError, Tx};
use crate::api::StatusWord;
use crate::base::OperationId;

/// Begins an operation.
pub(super) struct Begin {
    pub(super) new: NewOperation,
    /// What may stand in the journal although its commit failed.
    pub(super) trace: Arc<Trace>,
}

/// What a step has done, for whoever has to clear up after a commit that was not heard of.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The operation that is taken up again.
    taken: OnceLock<OperationId>,
    /// Only the commit was left to be done.
    complete: AtomicBool,
}

impl Trace {
    /// The operations that may have been written.
    pub(super) fn left(&self, new: OperationId) -> Vec<OperationId> {
        match self.complete.load(Ordering::SeqCst) {
            true => [Some(new), self.taken.get().copied()]
                .into_iter()
                .flatten()
                .collect(),
            false => Vec::new(),
        }
    }
}

impl Step for Begin {
    type Output = Begun;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Begun, StepError> {
        if tx.attempt > 1
            && let Some(begun) = self.made_before(tx).await?
        {
            return Ok(begun);
        }
        let found = match &self.new.key {
            Key::None => None,
            Key::Given(key) => self.under_given_key(tx, key).await?,
            Key::Derived { key, .. } => self.under_derived_key(tx, key).await?,
        };
        let begun = match found {
            Some(begun) => begun,
            None => Begun::New(self.insert(tx).await?),
        };
        self.trace.complete.store(true, Ordering::SeqCst);
        Ok(begun)
    }
}

impl Begin {
    /// What this very step did in a transaction whose commit was not heard of.
    async fn made_before(&self, tx: &mut Tx<'_>) -> Result<Option<Begun>, StepError> {
        let ours = |found: Option<Operation>, me| {
            found
                .map(|found| found.record)
                .filter(|record| record.state == OperationState::Recorded && record.owner == me)
        };
        let found = find(tx, "id = $1", &args![self.new.id.to_string()]).await?.pop();
        if let Some(made) = ours(found, tx.me) {
            return Ok(Some(Begun::New(made)));
        }
        let Some(taken) = self.trace.taken.get() else {
            return Ok(None);
        };
        let found = find(tx, "id = $1", &args![taken.to_string()]).await?.pop();
        Ok(ours(found, tx.me).map(Begun::Again))
    }

    async fn under_given_key(&self, tx: &mut Tx<'_>, key: &str) -> Result<Option<Begun>, StepError> {
        let args = args![self.new.caller.as_str(), self.new.kind.as_str(), key];
        let found = find(
            tx,
            "key_kind = 'given' AND caller = $1 AND kind = $2 AND key = $3",
            &args,
        )
        .await?
        .pop();
        Ok(match found {
            None => None,
            Some(found) if found.record.digest != self.new.digest => Some(Begun::Conflict(found.record)),
            Some(found) => Some(self.again_or_existing(tx, found).await?),
        })
    }

    async fn under_derived_key(&self, tx: &mut Tx<'_>, key: &str) -> Result<Option<Begun>, StepError> {
        let Key::Derived { bins, window, .. } = &self.new.key else {
            return Ok(None);
        };
        let args = args![self.new.caller.as_str(), self.new.kind.as_str(), key];
        let live = find(
            tx,
            "key_kind = 'derived' AND key_live = 1 AND caller = $1 AND kind = $2 AND key = $3",
            &args,
        )
        .await?;
        for found in live {
            if found.record.bin != self.new.bin && !bins.contains(&found.record.bin) {
                continue;
            }
            let status = status_of(tx, &found.record).await?;
            // not sent, and asked for anew at another trade point: that one is meant now
            let elsewhere = found.record.state == OperationState::NotSent
                && found.record.bin == self.new.bin
                && found.record.trade_point != self.new.trade_point;
            let verdict = if elsewhere {
                Verdict::Another
            } else {
                judge(&found.record, status.as_ref(), *window, time_at(tx.now)?)
            };
            match verdict {
                Verdict::Same => return self.again_or_existing(tx, found).await.map(Some),
                Verdict::Echo => return Ok(Some(Begun::Echo(found.record))),
                Verdict::Another => {
                    let args = args![found.record.id.to_string()];
                    tx.conn
                        .run("UPDATE operations SET key_live = 0 WHERE id = $1", &args)
                        .await?;
                }
            }
        }
        Ok(None)
    }

    /// One that was not sent is taken up again, under its first id: its mark stands in no invoice.
    async fn again_or_existing(&self, tx: &mut Tx<'_>, mut found: Operation) -> Result<Begun, StepError> {
        if found.record.state != OperationState::NotSent {
            return Ok(Begun::Existing(found.record));
        }
        // once only, also where the transaction is run again
        let _ = self.trace.taken.set(found.record.id);
        found.record.owner = tx.me;
        found.record.failure = None;
        found.record.settled_at = None;
        found.record.delivered_at = None;
        let (to, who) = (OperationState::Recorded, tx.who.clone());
        audit::advance(
            tx,
            &mut found,
            Change {
                to,
                who: &who,
                why: "asked for again",
            },
        )
        .await?;
        Ok(Begun::Again(found.record))
    }

    async fn insert(&self, tx: &mut Tx<'_>) -> Result<OperationRecord, StepError> {
        let new = &self.new;
        let (key, key_kind) = match &new.key {
            Key::None => (None, None),
            Key::Given(key) => (Some(key.clone()), Some(KeyKind::Given)),
            Key::Derived { key, .. } => (Some(key.clone()), Some(KeyKind::Derived)),
        };
        let lane = tx
            .conn
            .row(
                "INSERT INTO lanes (lane, last) VALUES ($1, 1) \
                 ON CONFLICT (lane) DO UPDATE SET last = lanes.last + 1 RETURNING last",
                &args![tx.lane.as_str()],
            )
            .await?;
        let lane_no = lane.map_or(Ok(0), |row| row.int("last"))?;
        let record = OperationRecord {
            id: new.id,
            seq: 0,
            kind: new.kind,
            state: OperationState::Recorded,
            bin: new.bin,
            trade_point: new.trade_point,
            route: new.route,
            caller: new.caller.clone(),
            key,
            key_kind,
            digest: new.digest.clone(),
            amount: new.amount,
            payment_id: new.payment_id,
            phone: new.phone.map(|phone| phone.to_string()),
            answer: None,
            return_operation_id: None,
            failure: None,
            owner: tx.me,
            recorded_at: time_at(tx.now)?,
            sent_at: None,
            settled_at: None,
            delivered_at: None,
            inferred: false,
            rest_before: None,
            checks: 0,
            first_checked_at: None,
        };
        let mut operation = Operation {
            key_live: key_kind == Some(KeyKind::Derived),
            record,
            next_check_at: None,
            steps: 0,
            head: String::new(),
        };
        let who = tx.who.clone();
        audit::insert(tx, &mut operation, lane_no, &who).await?;
        let seq = tx
            .conn
            .row(
                "SELECT seq FROM operations WHERE id = $1",
                &args![new.id.to_string()],
            )
            .await?;
        operation.record.seq = seq.map_or(Ok(0), |row| row.int("seq"))?;
        if operation.record.seq <= tx.floor {
            return Err(StepError::Behind(format!(
                "a new operation got the number {}, and number {} has been given before",
                operation.record.seq, tx.floor
            )));
        }
        Ok(operation.record)
    }
}

/// The operations that a condition names, the latest first, held until the transaction ends.
pub(super) async fn find(
    tx: &mut Tx<'_>,
    condition: &str,
    args: &[Arg],
) -> Result<Vec<Operation>, StepError> {
    let lock = tx.conn.for_update();
    let sql = format!("SELECT {OPERATION} FROM operations WHERE {condition} ORDER BY seq DESC{lock}");
    let rows = tx.conn.rows(&sql, args).await?;
    rows.iter().map(Operation::read).collect()
}

/// Kaspi's last word about the payment that an operation made.
async fn status_of(tx: &mut Tx<'_>, record: &OperationRecord) -> Result<Option<StatusWord>, StepError> {
    let Some(payment) = record.payment_id.filter(|_| record.kind.makes_payment()) else {
        return Ok(None);
    };
    let row = tx
        .conn
        .row(
            "SELECT status FROM payments WHERE payment_id = $1",
            &args![payment.get()],
        )
        .await?;
    let status = row.map(|row| row.optional_text("status")).transpose()?;
    Ok(status.flatten().map(StatusWord::new))
}
