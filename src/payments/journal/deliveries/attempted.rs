//! What came of an attempt.

use std::time::Duration;

use crate::payments::journal::known::after;
use crate::payments::journal::sql::args;
use crate::payments::journal::step::{Step, StepError, Tx};

/// For so long an event is sent again.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What came of one attempt.
#[derive(Clone, Debug)]
pub(in crate::payments) struct AttemptNote {
    pub(in crate::payments) seq: i64,
    pub(in crate::payments) status: Option<u16>,
    /// None where it was taken.
    pub(in crate::payments) failure: Option<String>,
    pub(in crate::payments) duration: Duration,
    pub(in crate::payments) next: Next,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::payments) enum Next {
    /// It was taken.
    Nothing,
    /// It is sent again after this, unless it has been tried for a day.
    Again(Duration),
    /// It is given up.
    GiveUp,
}

impl Step for AttemptNote {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StepError> {
        let lock = tx.conn.for_update();
        let sql =
            format!("SELECT attempts, first_at, state, owner FROM webhook_deliveries WHERE seq = $1{lock}");
        let Some(row) = tx.conn.row(&sql, &args![self.seq]).await? else {
            return Ok(());
        };
        let attempt = row.int("attempts")?.saturating_add(1);
        let began = tx.now.saturating_sub(after(0, self.duration));
        tx.conn
            .run(
                "INSERT INTO webhook_attempts (delivery, attempt, at, status, failure, duration_us) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
                &args![
                    self.seq,
                    attempt,
                    began,
                    self.status.map(i64::from),
                    self.failure.clone(),
                    after(0, self.duration),
                ],
            )
            .await?;
        let ours = row.optional_text("owner")?.as_deref() == Some(tx.me.to_string().as_str());
        let waits = row.text("state")? == "waiting";
        let first = row.optional_int("first_at")?.unwrap_or(began);
        let (state, next_at) = match self.next {
            Next::Nothing => ("delivered", None),
            // our lease was taken for forgotten, and whoever has it now decides
            _ if !ours || !waits => {
                return count(tx, self.seq, attempt).await;
            }
            Next::Again(gap) if tx.now.saturating_sub(first) < after(0, LIFE) => {
                ("waiting", Some(after(tx.now, gap)))
            }
            Next::Again(_) | Next::GiveUp => ("dead", None),
        };
        tx.conn
            .run(
                "UPDATE webhook_deliveries SET attempts = $2, tries = tries + 1, state = $3, \
                 next_at = COALESCE($4, next_at), settled_at = CASE WHEN $3 = 'waiting' THEN NULL ELSE $5 END, \
                 last_failure = COALESCE($6, last_failure), \
                 last_failure_at = CASE WHEN $6 IS NULL THEN last_failure_at ELSE $5 END, \
                 owner = NULL, taken_at = NULL WHERE seq = $1",
                &args![self.seq, attempt, state, next_at, tx.now, self.failure.clone()],
            )
            .await?;
        Ok(())
    }
}

async fn count(tx: &mut Tx<'_>, seq: i64, attempts: i64) -> Result<(), StepError> {
    tx.conn
        .run(
            "UPDATE webhook_deliveries SET attempts = $2 WHERE seq = $1",
            &args![seq, attempts],
        )
        .await?;
    Ok(())
}

/// A person has a delivery sent again, whatever became of it.
pub(super) struct Resend {
    pub(super) id: String,
    /// Only while no more attempts have been made than these.
    pub(super) attempts: Option<u32>,
}

impl Step for Resend {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StepError> {
        let changed = tx
            .conn
            .run(
                "UPDATE webhook_deliveries SET state = 'waiting', tries = 0, first_at = NULL, next_at = $2, \
                 settled_at = NULL WHERE id = $1 AND attempts = COALESCE($3, attempts)",
                &args![self.id.as_str(), tx.now, self.attempts.map(i64::from)],
            )
            .await?;
        Ok(changed > 0)
    }
}

/// The same for everything that was given up at one endpoint, or at all of a BIN.
pub(super) struct ResendDead {
    pub(super) bin: crate::base::Bin,
    pub(super) endpoint: Option<String>,
}

impl Step for ResendDead {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64, StepError> {
        let mut args = args![self.bin.to_string(), tx.now].to_vec();
        let endpoint =
            crate::payments::journal::lease::among(&mut args, "endpoint", self.endpoint.iter().cloned());
        let sql = format!(
            "UPDATE webhook_deliveries SET state = 'waiting', tries = 0, first_at = NULL, next_at = $2, \
             settled_at = NULL WHERE bin = $1 AND state = 'dead'{endpoint}"
        );
        Ok(tx.conn.run(&sql, &args).await?)
    }
}
