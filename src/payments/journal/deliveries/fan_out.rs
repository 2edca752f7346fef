//! From events to deliveries.
//!
//! Each endpoint has a place of its own in the stream of events, so that one whose settings another
//! process does not have yet loses nothing.

use std::collections::HashMap;

use uuid::Uuid;

use super::record::Subscription;
use crate::payments::journal::lease::among;
use crate::payments::journal::sql::args;
use crate::payments::journal::step::{Step, StepError, Tx};

/// How many events become deliveries in one transaction.
const AT_ONCE: usize = 500;

/// Takes down endpoints that are new: they are told of what happens from now on.
pub(super) struct Enlist(pub(super) Vec<Subscription>);

impl Step for Enlist {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StepError> {
        let known: Vec<String> = tx
            .conn
            .rows("SELECT id FROM webhook_endpoints", &[])
            .await?
            .iter()
            .map(|row| row.text("id"))
            .collect::<Result<_, _>>()?;
        for new in self.0.iter().filter(|wanted| !known.contains(&wanted.id())) {
            let args = args![new.id(), new.bin.to_string(), new.endpoint.as_str(), tx.now];
            tx.conn
                .run(
                    "INSERT INTO webhook_endpoints (id, bin, name, position, since) \
                     SELECT $1, $2, $3, COALESCE(MAX(position), 0), $4 FROM events WHERE 1 = 1 \
                     ON CONFLICT (id) DO NOTHING",
                    &args,
                )
                .await?;
        }
        Ok(())
    }
}

/// Makes deliveries of the events that have come since the last time.
pub(super) struct FanOut(pub(super) Vec<Subscription>);

/// What came of it.
pub(super) struct Fanned {
    /// Whether there may be further events to look at.
    pub(super) more: bool,
}

impl Step for FanOut {
    type Output = Fanned;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Fanned, StepError> {
        let wanted: HashMap<String, &Subscription> = self.0.iter().map(|one| (one.id(), one)).collect();
        if wanted.is_empty() {
            return Ok(Fanned { more: false });
        }
        let mut args = Vec::new();
        let among = among(&mut args, "w.id", wanted.keys().cloned());
        // an endpoint that another process is serving at this moment is passed over
        let locked = if tx.conn.is_sqlite() {
            ""
        } else {
            " FOR UPDATE OF w SKIP LOCKED"
        };
        let sql = format!(
            "SELECT w.id AS id, e.position AS position, e.kind AS kind, e.payment_id AS payment_id \
             FROM webhook_endpoints w JOIN events e ON e.bin = w.bin AND e.position > w.position \
             WHERE 1 = 1{among} ORDER BY e.position LIMIT {AT_ONCE}{locked}"
        );
        let rows = tx.conn.rows(&sql, &args).await?;
        let mut reached: HashMap<String, i64> = HashMap::new();
        for row in &rows {
            let (id, position, kind) = (row.text("id")?, row.int("position")?, row.text("kind")?);
            if let Some(endpoint) = wanted.get(&id).filter(|endpoint| endpoint.wants(&kind)) {
                let args = args![
                    format!("msg_{}", Uuid::now_v7().simple()),
                    endpoint.bin.to_string(),
                    endpoint.endpoint.as_str(),
                    position,
                    kind,
                    row.optional_int("payment_id")?,
                    tx.now,
                ];
                tx.conn
                    .run(
                        "INSERT INTO webhook_deliveries \
                         (id, bin, endpoint, event, kind, payment_id, state, attempts, tries, created_at, next_at) \
                         VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, 0, $7, $7) \
                         ON CONFLICT (bin, endpoint, event) DO NOTHING",
                        &args,
                    )
                    .await?;
            }
            reached.insert(id, position);
        }
        for (id, position) in reached {
            tx.conn
                .run(
                    "UPDATE webhook_endpoints SET position = $2 WHERE id = $1 AND position < $2",
                    &args![id, position],
                )
                .await?;
        }
        Ok(Fanned {
            more: rows.len() == AT_ONCE,
        })
    }
}
