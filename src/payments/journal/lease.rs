//! Work in the background, shared out among processes: what one has taken, no other takes.
//!
//! A lease belongs to a process and is free again when that is gone; no clock of a host counts, only the
//! journal's own. One that its own process forgot is free after a while.

use std::time::Duration;

use super::known::after;
use super::record::OperationKind;
use super::row::{OPERATION, Operation, PAYMENT, payment, time_at};
use super::sql::{Arg, args};
use super::step::{Step, StepError, Tx};
use super::{DueCheck, DueLook};
use crate::base::OperationId;

/// Far longer than a question to Kaspi takes.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);

/// Takes watched payments whose turn it is; phone invoices only where they are wanted.
pub(super) struct TakeLooks {
    pub(super) invoices: bool,
    pub(super) limit: usize,
}

impl Step for TakeLooks {
    type Output = Vec<DueLook>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<DueLook>, StepError> {
        let kinds = if self.invoices {
            ""
        } else {
            "AND kind <> 'invoice' "
        };
        let sql = format!(
            "UPDATE payments SET look_owner = $1, look_taken_at = $2 WHERE payment_id IN \
             (SELECT payment_id FROM payments WHERE next_look_at <= $2 AND watch IS NOT NULL {kinds}\
             AND (look_owner IS NULL OR look_taken_at < $3) ORDER BY next_look_at LIMIT $4{}) RETURNING {PAYMENT}",
            tx.conn.skip_locked()
        );
        let rows = tx.conn.rows(&sql, &taking(tx, self.limit)).await?;
        let now = time_at(tx.now)?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let payment = payment(row)?.record;
            let activated = payment.watch.and_then(|watch| watch.activated_at);
            due.push(DueLook {
                age: elapsed(payment.created_at, now),
                activated: activated
                    .map(|at| time_at(at.saturating_mul(1_000_000)))
                    .transpose()?
                    .map(|at| elapsed(at, now)),
                payment,
            });
        }
        Ok(due)
    }
}

/// Takes unknown operations that may be asked about now.
pub(super) struct TakeChecks {
    pub(super) kinds: Vec<OperationKind>,
    pub(super) limit: usize,
}

impl Step for TakeChecks {
    type Output = Vec<DueCheck>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<DueCheck>, StepError> {
        let mut args = taking(tx, self.limit).to_vec();
        let kinds = among(
            &mut args,
            "kind",
            self.kinds.iter().map(|kind| kind.as_str().to_owned()),
        );
        let sql = format!(
            "UPDATE operations SET check_owner = $1, check_taken_at = $2 WHERE id IN \
             (SELECT id FROM operations WHERE state = 'unknown' AND next_check_at <= $2 \
             AND (check_owner IS NULL OR check_taken_at < $3){kinds} ORDER BY next_check_at LIMIT $4{}) RETURNING {OPERATION}",
            tx.conn.skip_locked()
        );
        let rows = tx.conn.rows(&sql, &args).await?;
        rows.iter().map(|row| due_check(row, tx.now)).collect()
    }
}

/// Takes one unknown operation, whenever its turn would be.
pub(super) struct TakeCheck(pub(super) OperationId);

impl Step for TakeCheck {
    type Output = Option<DueCheck>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<DueCheck>, StepError> {
        let sql = format!(
            "UPDATE operations SET check_owner = $1, check_taken_at = $2 WHERE id = $4 AND state = 'unknown' \
             AND (check_owner IS NULL OR check_taken_at < $3) RETURNING {OPERATION}"
        );
        let mut args = taking(tx, 0);
        if let Some(last) = args.last_mut() {
            *last = Arg::from(self.0.to_string());
        }
        let rows = tx.conn.rows(&sql, &args).await?;
        rows.first().map(|row| due_check(row, tx.now)).transpose()
    }
}

/// A question about an unknown operation is over, and did not settle it.
pub(super) struct Checked {
    pub(super) id: OperationId,
    pub(super) counts: bool,
    pub(super) next: Option<Duration>,
}

impl Step for Checked {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StepError> {
        let next = self.next.map(|gap| after(tx.now, gap));
        let args = args![self.id.to_string(), self.counts, tx.now, next];
        tx.conn
            .run(
                "UPDATE operations SET checks = checks + $2, \
                 first_checked_at = CASE WHEN $2 = 1 THEN COALESCE(first_checked_at, $3) ELSE first_checked_at END, \
                 next_check_at = $4, check_owner = NULL, check_taken_at = NULL WHERE id = $1 AND state = 'unknown'",
                &args,
            )
            .await?;
        Ok(())
    }
}

/// `AND column IN (...)`, or nothing where every value is wanted.
pub(super) fn among(args: &mut Vec<Arg>, column: &str, values: impl Iterator<Item = String>) -> String {
    let mut places = Vec::new();
    for value in values {
        args.push(Arg::from(value));
        places.push(format!("${}", args.len()));
    }
    match places.is_empty() {
        true => String::new(),
        false => format!(" AND {column} IN ({})", places.join(", ")),
    }
}

/// Who, now, since when a lease is forgotten, how many.
fn taking(tx: &Tx<'_>, limit: usize) -> [Arg; 4] {
    let forgotten = tx.now.saturating_sub(after(0, FORGOTTEN));
    args![
        tx.me.to_string(),
        tx.now,
        forgotten,
        i64::try_from(limit).unwrap_or(i64::MAX)
    ]
}

fn due_check(row: &super::sql::Row, now: i64) -> Result<DueCheck, StepError> {
    let operation = Operation::read(row)?.record;
    let now = time_at(now)?;
    Ok(DueCheck {
        age: elapsed(operation.sent_at.unwrap_or(operation.recorded_at), now),
        since_first_check: operation.first_checked_at.map(|at| elapsed(at, now)),
        operation,
    })
}

/// Nothing, where a clock was set back.
pub(super) fn elapsed(since: time::OffsetDateTime, now: time::OffsetDateTime) -> Duration {
    Duration::try_from(now - since).unwrap_or_default()
}
