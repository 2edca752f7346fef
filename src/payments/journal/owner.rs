//! Processes in the table of owners, and where they stand in the journal's history of epochs.

use uuid::Uuid;

use super::mark::Position;
use super::process::Process;
use super::record::OwnerId;
use super::sql::args;
use super::step::{Step, StepError, Tx};

/// Enters this process, or changes the key of its lock.
pub(super) struct Enter {
    pub(super) process: Process,
    /// The number of its advisory lock; 0 where a lock file stands for it.
    pub(super) lock_key: i64,
}

impl Step for Enter {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StepError> {
        let args = args![
            tx.me.to_string(),
            self.lock_key,
            self.process.host.as_str(),
            i64::from(self.process.pid),
            self.process.user.as_str(),
            tx.now,
        ];
        tx.conn
            .run(
                "INSERT INTO owners (id, lock_key, host, pid, account, started_at) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (id) DO UPDATE SET lock_key = excluded.lock_key",
                &args,
            )
            .await?;
        Ok(())
    }
}

/// The processes that take part, or died over it; but for this one.
pub(super) struct Others;

impl Step for Others {
    type Output = Vec<OwnerId>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<OwnerId>, StepError> {
        let rows = tx
            .conn
            .rows("SELECT id FROM owners WHERE id <> $1", &args![tx.me.to_string()])
            .await?;
        let id = |text: String| {
            text.parse()
                .map(OwnerId)
                .map_err(|_| StepError::Unreadable(format!("an owner is `{}`", text.escape_debug())))
        };
        rows.iter().map(|row| id(row.text("id")?)).collect()
    }
}

/// Where the journal stands: its epochs, the present one last, and the greatest number of an operation.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) epochs: Vec<Uuid>,
    pub(super) seq: i64,
}

impl Standing {
    /// The mark that fits.
    pub(super) fn position(&self) -> Option<Position> {
        self.epochs.last().map(|epoch| Position {
            epoch: *epoch,
            seq: self.seq,
        })
    }

    /// Why the journal is older than a mark; none where it is not.
    pub(super) fn behind(&self, mark: Position) -> Option<String> {
        if !self.epochs.contains(&mark.epoch) {
            return Some(format!(
                "this machine knows it in epoch `{}` with operations up to number {}, and that epoch is not in it",
                mark.epoch, mark.seq
            ));
        }
        // a restore that somebody declared since then ended the mark's epoch
        if self.epochs.last() == Some(&mark.epoch) && self.seq < mark.seq {
            return Some(format!(
                "its last operation has number {}, and this machine has seen number {}",
                self.seq, mark.seq
            ));
        }
        None
    }
}

/// Asks where the journal stands; a new one gets its first epoch.
pub(super) struct Stand;

impl Step for Stand {
    type Output = Standing;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Standing, StepError> {
        let standing = standing(tx).await?;
        if !standing.epochs.is_empty() {
            return Ok(standing);
        }
        let epoch = Uuid::new_v4();
        let who = tx.who.clone();
        tx.conn
            .run(
                "INSERT INTO epochs (number, epoch, at, who) VALUES (1, $1, $2, $3)",
                &args![epoch.to_string(), tx.now, who],
            )
            .await?;
        Ok(Standing {
            epochs: vec![epoch],
            seq: standing.seq,
        })
    }
}

/// Begins an epoch: what stands in the journal is all there is. New operations get numbers above any
/// that this machine has seen.
pub(super) struct NewEpoch {
    pub(super) who: String,
    pub(super) above: i64,
}

impl Step for NewEpoch {
    type Output = Standing;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Standing, StepError> {
        let before = standing(tx).await?;
        let number = i64::try_from(before.epochs.len())
            .unwrap_or(i64::MAX)
            .saturating_add(1);
        let args = args![number, Uuid::new_v4().to_string(), tx.now, self.who.as_str()];
        tx.conn
            .run(
                "INSERT INTO epochs (number, epoch, at, who) VALUES ($1, $2, $3, $4)",
                &args,
            )
            .await?;
        let above = args![self.above.max(before.seq).max(1)];
        if tx.conn.is_sqlite() {
            let moved = tx
                .conn
                .run(
                    "UPDATE sqlite_sequence SET seq = MAX(seq, $1) WHERE name = 'operations'",
                    &above,
                )
                .await?;
            if moved == 0 {
                tx.conn
                    .run(
                        "INSERT INTO sqlite_sequence (name, seq) VALUES ('operations', $1)",
                        &above,
                    )
                    .await?;
            }
        } else {
            let sql = "SELECT setval(pg_get_serial_sequence('operations', 'seq'), GREATEST($1, nextval(pg_get_serial_sequence('operations', 'seq')))) AS seq";
            tx.conn.row(sql, &above).await?;
        }
        standing(tx).await
    }
}

async fn standing(tx: &mut Tx<'_>) -> Result<Standing, StepError> {
    let mut epochs = Vec::new();
    for row in tx
        .conn
        .rows("SELECT epoch FROM epochs ORDER BY number", &[])
        .await?
    {
        let text = row.text("epoch")?;
        let epoch = text
            .parse()
            .map_err(|_| StepError::Unreadable(format!("an epoch is `{}`", text.escape_debug())))?;
        epochs.push(epoch);
    }
    let last = tx.conn.row("SELECT MAX(seq) AS seq FROM operations", &[]).await?;
    let seq = last.map(|row| row.optional_int("seq")).transpose()?.flatten();
    Ok(Standing {
        epochs,
        seq: seq.unwrap_or(0),
    })
}
