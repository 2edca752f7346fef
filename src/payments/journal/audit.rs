//! The history of each operation: append only, each step with the hash of the one before.
//!
//! It shows that somebody changed the books, it does not keep him from it: who may write the database
//! and knows this file can write a new history. Copy the journal elsewhere to be safe from him.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::record::{HistoryStep, OperationRecord, OperationState};
use super::row::{Operation, tiyn};
use super::sql::{Row, args};
use super::step::{StepError, Tx};

/// What happens to an operation, and on whose account.
pub(super) struct Change<'a> {
    pub(super) to: OperationState,
    pub(super) who: &'a str,
    pub(super) why: &'a str,
}

/// What is hashed: unambiguous, and the same on every machine.
struct Link<'a> {
    operation: &'a str,
    step: i64,
    at: i64,
    from: Option<OperationState>,
    to: OperationState,
    who: &'a str,
    why: &'a str,
    facts: &'a str,
}

impl Link<'_> {
    /// SHA-256 over the hash before and every field, each with its length in front.
    fn hash(&self, before: &str) -> String {
        let mut digest = Sha256::new();
        for field in [
            before,
            self.operation,
            &self.step.to_string(),
            &self.at.to_string(),
            self.from.map_or("", OperationState::as_str),
            self.to.as_str(),
            self.who,
            self.why,
            self.facts,
        ] {
            digest.update(field.len().to_be_bytes());
            digest.update(field.as_bytes());
        }
        hex(&digest.finalize())
    }
}

/// What never changes about an operation.
fn identity(record: &OperationRecord) -> Value {
    json!({
        "amount": record.amount.map(|amount| amount.tiyn()),
        "bin": record.bin,
        "caller": record.caller,
        "digest": record.digest,
        "key": record.key,
        "key_kind": record.key_kind,
        "kind": record.kind,
        "phone": record.phone,
        "route": record.route,
        "trade_point": record.trade_point,
        // of an operation that makes a payment this is an outcome, not an identity
        "payment_id": record.payment_id.filter(|_| !record.kind.makes_payment()),
    })
}

/// What a later step adds: the outcome, as far as it counts.
fn outcome(record: &OperationRecord) -> Value {
    json!({
        "answer": record.answer.as_ref().and_then(|answer| serde_json::to_string(answer).ok()).map(|text| sha256(&text)),
        "code": record.failure.as_ref().and_then(|failure| failure.code),
        "failure": record.failure.as_ref().map(|failure| &failure.kind),
        "inferred": record.inferred,
        "payment_id": record.payment_id,
        "rest_before": record.rest_before.map(|rest| rest.tiyn()),
        "return_operation_id": record.return_operation_id,
    })
}

/// Writes a new operation down with the first step of its history. `operation.steps` and `head` are set.
pub(super) async fn insert(
    tx: &mut Tx<'_>,
    operation: &mut Operation,
    lane_no: i64,
    who: &str,
) -> Result<(), StepError> {
    let record = &operation.record;
    let id = record.id.to_string();
    let facts = identity(record).to_string();
    let link = Link {
        operation: &id,
        step: 1,
        at: tx.now,
        from: None,
        to: record.state,
        who,
        why: "asked for",
        facts: &facts,
    };
    let hash = link.hash("");
    operation.steps = 1;
    operation.head.clone_from(&hash);
    let record = &operation.record;
    let row = args![
        id.as_str(),
        tx.lane.as_str(),
        lane_no,
        record.kind.as_str(),
        record.state.as_str(),
        record.bin.to_string(),
        record.trade_point.map(|id| id.get()),
        record.route.as_str(),
        record.caller.as_str(),
        record.key.clone(),
        record.key_kind.map(|kind| kind.as_str().to_owned()),
        operation.key_live,
        record.digest.as_str(),
        record.amount.map(|amount| tiyn(amount.tiyn())),
        record.payment_id.map(|id| id.get()),
        record.phone.clone(),
        record.owner.to_string(),
        tx.now,
        hash.as_str(),
    ];
    let step = args![
        id.as_str(),
        tx.now,
        record.state.as_str(),
        who,
        "asked for",
        facts.as_str(),
        hash.as_str()
    ];
    tx.conn
        .run_both(
            (
                "INSERT INTO operations (id, lane, lane_no, kind, state, bin, trade_point, route, caller, key, key_kind, \
                 key_live, digest, amount, payment_id, phone, owner, recorded_at, inferred, checks, steps, head) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 0, 0, 1, $19)",
                &row,
            ),
            (
                "INSERT INTO history (operation, step, at, from_state, to_state, who, why, facts, hash) \
                 VALUES ($1, 1, $2, NULL, $3, $4, $5, $6, $7)",
                &step,
            ),
        )
        .await?;
    Ok(())
}

/// Moves an operation to another state, with a step in its history. What else is new about it stands in
/// `operation.record` already.
pub(super) async fn advance(
    tx: &mut Tx<'_>,
    operation: &mut Operation,
    change: Change<'_>,
) -> Result<(), StepError> {
    let from = operation.record.state;
    operation.record.state = change.to;
    let record = &operation.record;
    let id = record.id.to_string();
    let facts = outcome(record).to_string();
    let step = operation.steps + 1;
    let link = Link {
        operation: &id,
        step,
        at: tx.now,
        from: Some(from),
        to: change.to,
        who: change.who,
        why: change.why,
        facts: &facts,
    };
    let hash = link.hash(&operation.head);
    let time = |at: Option<time::OffsetDateTime>| at.map(super::row::micros);
    let text = |value: Option<serde_json::Result<String>>| {
        value
            .transpose()
            .map_err(|error| StepError::Unreadable(error.to_string()))
    };
    let row = args![
        id.as_str(),
        change.to.as_str(),
        operation.key_live,
        record.payment_id.map(|id| id.get()),
        text(record.answer.as_ref().map(serde_json::to_string))?,
        text(record.failure.as_ref().map(serde_json::to_string))?,
        record.owner.to_string(),
        time(record.sent_at),
        time(record.settled_at),
        time(record.delivered_at),
        record.inferred,
        record.rest_before.map(|rest| tiyn(rest.tiyn())),
        operation.next_check_at,
        step,
        hash.as_str(),
        operation.steps,
    ];
    let told = args![
        id.as_str(),
        step,
        tx.now,
        from.as_str(),
        change.to.as_str(),
        change.who,
        change.why,
        facts.as_str(),
        hash.as_str()
    ];
    tx.conn
        .run_both(
            (
                "UPDATE operations SET state = $2, key_live = $3, payment_id = $4, answer = $5, failure = $6, owner = $7, \
                 sent_at = $8, settled_at = $9, delivered_at = $10, inferred = $11, rest_before = $12, next_check_at = $13, \
                 steps = $14, head = $15, check_owner = NULL, check_taken_at = NULL WHERE id = $1 AND steps = $16",
                &row,
            ),
            (
                "INSERT INTO history (operation, step, at, from_state, to_state, who, why, facts, hash) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                &told,
            ),
        )
        .await?;
    operation.steps = step;
    operation.head = hash;
    Ok(())
}

/// The columns that [`step`] needs.
pub(super) const STEP: &str = "operation, step, at, from_state, to_state, who, why, facts, hash";

/// One step, as it stands there.
pub(super) fn step(row: &Row) -> Result<HistoryStep, StepError> {
    let state = |text: &str| {
        OperationState::of_word(text)
            .ok_or_else(|| StepError::Unreadable(format!("a step leads to `{}`", text.escape_debug())))
    };
    Ok(HistoryStep {
        step: u32::try_from(row.int("step")?).unwrap_or(u32::MAX),
        at: super::row::time_at(row.int("at")?)?,
        from: row
            .optional_text("from_state")?
            .map(|text| state(&text))
            .transpose()?,
        to: state(&row.text("to_state")?)?,
        who: row.text("who")?,
        why: row.text("why")?,
        facts: row.text("facts")?,
        hash: row.text("hash")?,
    })
}

/// The first thing that does not fit between an operation and its history: the step, and what is wrong.
pub(super) fn mismatch(operation: &Operation, history: &[HistoryStep]) -> Option<(Option<u32>, String)> {
    let record = &operation.record;
    let id = record.id.to_string();
    let mut before = String::new();
    let mut state = None;
    for (number, step) in (1_u32..).zip(history) {
        let at = Some(step.step);
        if step.step != number {
            return Some((
                Some(number),
                format!("step {number} is missing, the next one there is {}", step.step),
            ));
        }
        if step.from != state {
            return Some((
                at,
                format!(
                    "it comes from `{}`, and the step before led to `{}`",
                    step.from.map_or("nothing", OperationState::as_str),
                    state.map_or("nothing", OperationState::as_str)
                ),
            ));
        }
        let link = Link {
            operation: &id,
            step: i64::from(number),
            at: super::row::micros(step.at),
            from: step.from,
            to: step.to,
            who: &step.who,
            why: &step.why,
            facts: &step.facts,
        };
        let hash = link.hash(&before);
        if hash != step.hash {
            return Some((
                at,
                format!("its hash is `{}`, and its content has `{hash}`", step.hash),
            ));
        }
        before = hash;
        state = Some(step.to);
    }
    let steps = i64::try_from(history.len()).unwrap_or(i64::MAX);
    if steps != operation.steps || before != operation.head {
        return Some((
            None,
            format!(
                "its history has {steps} steps, and {} were written",
                operation.steps
            ),
        ));
    }
    if state != Some(record.state) {
        return Some((
            None,
            format!(
                "it stands as `{}`, and its history ends with `{}`",
                record.state,
                state.map_or("nothing", OperationState::as_str)
            ),
        ));
    }
    let told = |step: Option<&HistoryStep>, now: Value| {
        let then = step.and_then(|step| serde_json::from_str::<Value>(&step.facts).ok());
        let differs = then.as_ref() != Some(&now);
        differs.then(|| {
            (
                step.map(|step| step.step),
                format!("the row says {now}, and its history {}", then.unwrap_or_default()),
            )
        })
    };
    told(history.first(), identity(record)).or_else(|| match history.len() {
        0 | 1 => None,
        _ => told(history.last(), outcome(record)),
    })
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
