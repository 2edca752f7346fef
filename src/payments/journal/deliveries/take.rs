//! Deliveries whose turn it is: what one process has taken, no other takes.

use std::time::Duration;

use super::read::{DELIVERY, delivery};
use super::record::DueDelivery;
use crate::base::Bin;
use crate::payments::journal::events;
use crate::payments::journal::known::after;
use crate::payments::journal::sql::args;
use crate::payments::journal::step::{Step, StepError, Tx};

/// Far longer than a receiver may take; a lease that its own process forgot is free after that.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);

/// Which endpoints have something that may be sent now.
pub(super) struct Due;

impl Step for Due {
    type Output = Vec<(Bin, String)>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<(Bin, String)>, StepError> {
        let sql = "SELECT bin, endpoint FROM webhook_deliveries WHERE state = 'waiting' AND next_at <= $1 \
                   AND (owner IS NULL OR taken_at < $2) GROUP BY bin, endpoint ORDER BY MIN(next_at)";
        let rows = tx.conn.rows(sql, &args![tx.now, forgotten(tx.now)]).await?;
        rows.iter()
            .map(|row| Ok((super::read::bin(row)?, row.text("endpoint")?)))
            .collect()
    }
}

/// Takes deliveries of one endpoint. One waits while an earlier one of its payment does.
pub(super) struct Take {
    pub(super) bin: Bin,
    pub(super) endpoint: String,
    pub(super) limit: usize,
}

impl Step for Take {
    type Output = Vec<DueDelivery>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<DueDelivery>, StepError> {
        let sql = format!(
            "UPDATE webhook_deliveries SET owner = $1, taken_at = $2, first_at = COALESCE(first_at, $2) WHERE seq IN \
             (SELECT d.seq FROM webhook_deliveries d WHERE d.state = 'waiting' AND d.bin = $4 AND d.endpoint = $5 \
             AND d.next_at <= $2 AND (d.owner IS NULL OR d.taken_at < $3) AND NOT EXISTS \
             (SELECT 1 FROM webhook_deliveries e WHERE e.state = 'waiting' AND e.bin = d.bin \
             AND e.endpoint = d.endpoint AND e.payment_id = d.payment_id AND e.event < d.event) \
             ORDER BY d.next_at, d.seq LIMIT $6{}) RETURNING {DELIVERY}",
            tx.conn.skip_locked()
        );
        let args = args![
            tx.me.to_string(),
            tx.now,
            forgotten(tx.now),
            self.bin.to_string(),
            self.endpoint.as_str(),
            i64::try_from(self.limit).unwrap_or(i64::MAX),
        ];
        let rows = tx.conn.rows(&sql, &args).await?;
        let mut taken = rows.iter().map(delivery).collect::<Result<Vec<_>, _>>()?;
        taken.sort_by_key(|delivery| delivery.seq);
        let mut due = Vec::with_capacity(taken.len());
        for delivery in taken {
            let sql = format!("SELECT {} FROM events WHERE position = $1", events::EVENT);
            let row = tx.conn.row(&sql, &args![delivery.event]).await?.ok_or_else(|| {
                StepError::Unreadable(format!("event {} of a delivery is not there", delivery.event))
            })?;
            let event = events::event(&row)?;
            due.push(DueDelivery { delivery, event });
        }
        Ok(due)
    }
}

fn forgotten(now: i64) -> i64 {
    now.saturating_sub(after(0, FORGOTTEN))
}
