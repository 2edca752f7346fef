//! Reading deliveries.

use std::time::Duration;

use super::record::{DeliveryAttempt, DeliveryFilter, DeliveryState, EndpointState, WebhookDelivery};
use crate::base::{Bin, PaymentId};
use crate::payments::Page;
use crate::payments::journal::filter::page_size;
use crate::payments::journal::lease::among;
use crate::payments::journal::read::{compared, page, paged};
use crate::payments::journal::row::{number, optional_time, parsed, time_at, word};
use crate::payments::journal::sql::{Row, args};
use crate::payments::journal::step::{Step, StepError, Tx};

/// The columns that [`delivery`] needs.
pub(super) const DELIVERY: &str = "seq, id, bin, endpoint, event, kind, payment_id, state, attempts, tries, created_at, \
     next_at, settled_at, last_failure";

pub(super) fn bin(row: &Row) -> Result<Bin, StepError> {
    parsed(row, "bin")
}

pub(super) fn delivery(row: &Row) -> Result<WebhookDelivery, StepError> {
    let state = word(row, "state", DeliveryState::of_word)?;
    Ok(WebhookDelivery {
        seq: row.int("seq")?,
        id: row.text("id")?,
        bin: bin(row)?,
        endpoint: row.text("endpoint")?,
        event: row.int("event")?,
        kind: row.text("kind")?,
        payment_id: number(row, "payment_id", PaymentId::new)?,
        state,
        attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        tries: u32::try_from(row.int("tries")?).unwrap_or(u32::MAX),
        created_at: time_at(row.int("created_at")?)?,
        next_at: match state {
            DeliveryState::Waiting => Some(time_at(row.int("next_at")?)?),
            DeliveryState::Delivered | DeliveryState::Dead => None,
        },
        settled_at: optional_time(row, "settled_at")?,
        last_failure: row.optional_text("last_failure")?,
    })
}

/// Some deliveries, the latest first.
pub(super) struct Deliveries(pub(super) DeliveryFilter);

impl Step for Deliveries {
    type Output = Page<WebhookDelivery>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Page<WebhookDelivery>, StepError> {
        let filter = &self.0;
        let mut args = Vec::new();
        let mut wanted = among(&mut args, "bin", filter.bins.iter().map(Bin::to_string));
        let states = filter.states.iter().map(|state| state.as_str().to_owned());
        wanted += &among(&mut args, "state", states);
        wanted += &among(&mut args, "endpoint", filter.endpoint.iter().cloned());
        wanted += &compared(&mut args, "payment_id =", filter.payment.map(PaymentId::get));
        let size = page_size(filter.limit);
        let sql = paged(
            "webhook_deliveries",
            DELIVERY,
            wanted,
            &mut args,
            filter.cursor,
            size,
        );
        let rows = tx.conn.rows(&sql, &args).await?;
        let read = |row| delivery(row).map(|found| (found.seq, found));
        page(rows.iter().map(read).collect::<Result<_, _>>()?, size)
    }
}

/// One delivery.
pub(super) struct OneDelivery(pub(super) String);

impl Step for OneDelivery {
    type Output = Option<WebhookDelivery>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<WebhookDelivery>, StepError> {
        let sql = format!("SELECT {DELIVERY} FROM webhook_deliveries WHERE id = $1");
        let row = tx.conn.row(&sql, &args![self.0.as_str()]).await?;
        row.as_ref().map(delivery).transpose()
    }
}

/// The attempts of one delivery, in order.
pub(super) struct Attempts(pub(super) i64);

impl Step for Attempts {
    type Output = Vec<DeliveryAttempt>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<DeliveryAttempt>, StepError> {
        let sql = "SELECT attempt, at, status, failure, duration_us FROM webhook_attempts \
                   WHERE delivery = $1 ORDER BY attempt";
        let rows = tx.conn.rows(sql, &args![self.0]).await?;
        rows.iter()
            .map(|row| {
                Ok(DeliveryAttempt {
                    attempt: u32::try_from(row.int("attempt")?).unwrap_or(u32::MAX),
                    at: time_at(row.int("at")?)?,
                    status: row
                        .optional_int("status")?
                        .and_then(|status| u16::try_from(status).ok()),
                    failure: row.optional_text("failure")?,
                    duration: Duration::from_micros(
                        u64::try_from(row.int("duration_us")?).unwrap_or_default(),
                    ),
                })
            })
            .collect()
    }
}

/// How every endpoint that was ever told of events has been served.
pub(super) struct Endpoints;

impl Step for Endpoints {
    type Output = Vec<EndpointState>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<EndpointState>, StepError> {
        let sql = "SELECT w.bin AS bin, w.name AS endpoint, w.since AS since, \
                   COALESCE(SUM(CASE WHEN d.state = 'waiting' THEN 1 ELSE 0 END), 0) AS waiting, \
                   COALESCE(SUM(CASE WHEN d.state = 'dead' THEN 1 ELSE 0 END), 0) AS dead, \
                   MIN(CASE WHEN d.state = 'waiting' THEN d.created_at END) AS oldest, \
                   MAX(CASE WHEN d.state = 'delivered' THEN d.settled_at END) AS success, \
                   MAX(d.last_failure_at) AS failed_at \
                   FROM webhook_endpoints w \
                   LEFT JOIN webhook_deliveries d ON d.bin = w.bin AND d.endpoint = w.name \
                   GROUP BY w.bin, w.name, w.since ORDER BY w.bin, w.name";
        let rows = tx.conn.rows(sql, &[]).await?;
        let mut states = Vec::with_capacity(rows.len());
        for row in &rows {
            let (bin, endpoint) = (bin(row)?, row.text("endpoint")?);
            let failed_at = row.optional_int("failed_at")?;
            let failure = match failed_at {
                Some(at) => {
                    let sql = "SELECT last_failure FROM webhook_deliveries \
                               WHERE bin = $1 AND endpoint = $2 AND last_failure_at = $3 LIMIT 1";
                    let args = args![bin.to_string(), endpoint.as_str(), at];
                    let row = tx.conn.row(sql, &args).await?;
                    row.map(|row| row.optional_text("last_failure"))
                        .transpose()?
                        .flatten()
                }
                None => None,
            };
            states.push(EndpointState {
                since: time_at(row.int("since")?)?,
                waiting: u64::try_from(row.int("waiting")?).unwrap_or_default(),
                dead: u64::try_from(row.int("dead")?).unwrap_or_default(),
                oldest_waiting: optional_time(row, "oldest")?,
                last_success: optional_time(row, "success")?,
                last_failure_at: failed_at.map(time_at).transpose()?,
                last_failure: failure,
                bin,
                endpoint,
            });
        }
        Ok(states)
    }
}
