//! The course of an operation after it was written down: sent, over, told to its caller.

use super::audit::{self, Change};
use super::begin::find;
use super::error::JournalError;
use super::events;
use super::known;
use super::record::{OperationKind, OperationRecord, OperationState, Outcome, OwnerId, Resolution};
use super::row::{Operation, time_at};
use super::sql::args;
use super::step::{Step, StepError, Tx};
use super::{Answer, Failure};
use crate::base::{Balance, OperationId};

/// Marks an operation as about to be sent.
pub(super) struct Sent {
    pub(super) id: OperationId,
    pub(super) rest_before: Option<Balance>,
}

impl Step for Sent {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StepError> {
        let mut operation = one(tx, self.id).await?;
        let record = &mut operation.record;
        if record.owner != tx.me {
            return Ok(false);
        }
        if record.state != OperationState::Recorded {
            // only its own task asks, once: then it was this very step, whose commit was not heard of
            return Ok(record.state == OperationState::Sent && tx.attempt > 1);
        }
        record.sent_at = Some(time_at(tx.now)?);
        record.rest_before = self.rest_before;
        let (to, who) = (OperationState::Sent, tx.who.clone());
        audit::advance(
            tx,
            &mut operation,
            Change {
                to,
                who: &who,
                why: "about to be sent",
            },
        )
        .await?;
        Ok(true)
    }
}

/// Writes an outcome down.
pub(super) struct Finish {
    pub(super) id: OperationId,
    pub(super) outcome: Outcome,
}

impl Step for Finish {
    type Output = OperationRecord;
    const TELLS: bool = true;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<OperationRecord, StepError> {
        let mut operation = one(tx, self.id).await?;
        let from = operation.record.state;
        let to = match &self.outcome {
            Outcome::Accepted(_) => OperationState::Accepted,
            Outcome::Refused(_) => OperationState::Refused,
            Outcome::NotSent(_) => OperationState::NotSent,
            Outcome::Unknown(_) => OperationState::Unknown,
        };
        let late = from == OperationState::Unknown && to != OperationState::Unknown;
        if operation.record.owner == tx.me && (from.is_running() || late) {
            let why = match &self.outcome {
                Outcome::Accepted(answer) => {
                    accept(&mut operation, Some(answer.clone()));
                    "Kaspi did it"
                }
                Outcome::Refused(failure) => fail(&mut operation, failure, "Kaspi refused it"),
                Outcome::NotSent(failure) => fail(&mut operation, failure, "it did not reach Kaspi"),
                Outcome::Unknown(failure) => {
                    fail(&mut operation, failure, "nobody knows whether it happened")
                }
            };
            settle(tx, &mut operation, to, why).await?;
        }
        unlock_refund(tx, self.id).await?;
        Ok(operation.record)
    }
}

/// The outcome has been told to its caller. What has none yet cannot have been told: whoever heard that it
/// is under way, or that nobody knows, is to hear the end too when he asks again.
pub(super) struct Delivered(pub(super) OperationId);

impl Step for Delivered {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StepError> {
        let args = args![self.0.to_string(), tx.now];
        tx.conn
            .run(
                "UPDATE operations SET delivered_at = $2 WHERE id = $1 AND delivered_at IS NULL \
                 AND state NOT IN ('recorded', 'sent', 'unknown')",
                &args,
            )
            .await?;
        Ok(())
    }
}

/// Settles an operation whose outcome is unknown.
pub(super) struct Settle {
    pub(super) id: OperationId,
    pub(super) resolution: Resolution,
    pub(super) inferred: bool,
    pub(super) who: String,
    pub(super) why: String,
    pub(super) place: String,
}

impl Step for Settle {
    type Output = OperationRecord;
    const TELLS: bool = true;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<OperationRecord, StepError> {
        let Some(mut operation) = find(tx, "id = $1", &args![self.id.to_string()]).await?.pop() else {
            let (id, place) = (self.id, self.place.clone());
            return Err(StepError::Refused(JournalError::NoSuchOperation { place, id }));
        };
        if operation.record.state != OperationState::Unknown {
            let (id, state) = (self.id, operation.record.state);
            return Err(StepError::Refused(JournalError::NotUnknown { id, state }));
        }
        let to = match &self.resolution {
            Resolution::NotMade => OperationState::NotMade,
            Resolution::Accepted { .. } => OperationState::Accepted,
        };
        if let Resolution::Accepted {
            payment_id,
            return_operation_id,
        } = &self.resolution
        {
            let kind = operation.record.kind;
            let problem = match (payment_id, return_operation_id) {
                (Some(id), _) if !kind.makes_payment() && operation.record.payment_id != Some(*id) => Some(
                    format!("it made no payment, and payment `{id}` is not the one that it is about"),
                ),
                (_, Some(id)) if kind != OperationKind::Refund => {
                    Some(format!("it has no return operation such as `{id}`"))
                }
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(StepError::Refused(JournalError::BadResolution {
                    id: self.id,
                    kind,
                    problem,
                }));
            }
            let answer = match kind {
                OperationKind::Create => payment_id.map(|id| Answer::Invoice { payment_id: id.get() }),
                OperationKind::Refund => Some(Answer::Refund {
                    return_operation_id: return_operation_id.map(|id| id.get()),
                }),
                OperationKind::Cancel => Some(Answer::Cancel {
                    status: "RemotePaymentCanceled".to_owned(),
                }),
                // the code or link itself is lost: nobody can be shown it any more
                OperationKind::Qr | OperationKind::Link => None,
            };
            accept(&mut operation, answer);
            if kind.makes_payment() {
                operation.record.payment_id = *payment_id;
            }
        }
        operation.record.inferred = self.inferred;
        let (who, why) = (self.who.clone(), self.why.clone());
        settle_by(
            tx,
            &mut operation,
            Change {
                to,
                who: &who,
                why: &why,
            },
        )
        .await?;
        Ok(operation.record)
    }
}

/// Settles what a dead process left, and gives back what it held.
pub(super) struct SettleOwner(pub(super) OwnerId);

impl Step for SettleOwner {
    type Output = Vec<OperationId>;
    const TELLS: bool = true;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<OperationId>, StepError> {
        let owner = self.0.to_string();
        let left = find(
            tx,
            "state IN ('recorded', 'sent') AND owner = $1",
            &args![owner.as_str()],
        )
        .await?;
        let mut settled = Vec::with_capacity(left.len());
        for mut operation in left {
            let (to, why) = match operation.record.state {
                OperationState::Recorded => (OperationState::NotSent, "its process ended before it was sent"),
                _ => (
                    OperationState::Unknown,
                    "its process ended before it had an answer",
                ),
            };
            operation.record.failure = Some(Failure {
                kind: "process_ended".to_owned(),
                message: why.to_owned(),
                hint: None,
                code: None,
            });
            settle(tx, &mut operation, to, why).await?;
            settled.push(operation.record.id);
        }
        let args = args![owner.as_str()];
        tx.conn
            .run("DELETE FROM refund_locks WHERE owner = $1", &args)
            .await?;
        tx.conn
            .run(
                "UPDATE operations SET check_owner = NULL WHERE state = 'unknown' AND check_owner = $1",
                &args,
            )
            .await?;
        tx.conn
            .run(
                "UPDATE payments SET look_owner = NULL WHERE look_owner = $1",
                &args,
            )
            .await?;
        tx.conn
            .run(
                "UPDATE webhook_deliveries SET owner = NULL, taken_at = NULL WHERE owner = $1",
                &args,
            )
            .await?;
        // what it did stands in the histories, in words
        tx.conn.run("DELETE FROM owners WHERE id = $1", &args).await?;
        Ok(settled)
    }
}

/// Frees the way for other refunds of the payment, unless this one may be on its way.
pub(super) struct Unlock(pub(super) OperationId);

impl Step for Unlock {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StepError> {
        tx.conn
            .run(
                "DELETE FROM refund_locks WHERE operation = $1 AND NOT EXISTS \
                 (SELECT 1 FROM operations WHERE id = $1 AND state = 'sent')",
                &args![self.0.to_string()],
            )
            .await?;
        Ok(())
    }
}

async fn unlock_refund(tx: &mut Tx<'_>, id: OperationId) -> Result<(), StepError> {
    tx.conn
        .run(
            "DELETE FROM refund_locks WHERE operation = $1",
            &args![id.to_string()],
        )
        .await?;
    Ok(())
}

async fn one(tx: &mut Tx<'_>, id: OperationId) -> Result<Operation, StepError> {
    find(tx, "id = $1", &args![id.to_string()])
        .await?
        .pop()
        .ok_or_else(|| {
            StepError::Behind(format!(
                "the operation `{id}`, which this process wrote, is not in it"
            ))
        })
}

fn accept(operation: &mut Operation, answer: Option<Answer>) {
    let record = &mut operation.record;
    if let Some(made) = answer.as_ref().and_then(Answer::payment_id) {
        record.payment_id = Some(made);
    }
    record.return_operation_id = answer.as_ref().and_then(Answer::return_operation_id);
    record.answer = answer;
    record.failure = None;
}

fn fail(operation: &mut Operation, failure: &Failure, why: &'static str) -> &'static str {
    operation.record.failure = Some(failure.clone());
    why
}

async fn settle(
    tx: &mut Tx<'_>,
    operation: &mut Operation,
    to: OperationState,
    why: &str,
) -> Result<(), StepError> {
    let who = tx.who.clone();
    settle_by(tx, operation, Change { to, who: &who, why }).await
}

async fn settle_by(tx: &mut Tx<'_>, operation: &mut Operation, change: Change<'_>) -> Result<(), StepError> {
    operation.record.settled_at = Some(time_at(tx.now)?);
    // whatever was told before was not this
    operation.record.delivered_at = None;
    operation.next_check_at = (change.to == OperationState::Unknown).then_some(tx.now);
    let (from, accepted) = (operation.record.state, change.to == OperationState::Accepted);
    audit::advance(tx, operation, change).await?;
    events::settled(tx, &operation.record, from).await?;
    if accepted {
        known::made(tx, &operation.record).await?;
    }
    Ok(())
}
