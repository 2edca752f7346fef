//! One BIN's day beside the bank's details, where a person asks for it. Every payment is a question to Kaspi,
//! so there is an end to how many are asked about, and a pause between two.

use std::time::Duration;

use serde::Serialize;
use time::Date;
use tokio::time::MissedTickBehavior;

use super::{Difference, Error, PaymentFilter, PaymentRecord, Payments, day_bounds};
use crate::api::PaymentState;
use crate::base::Bin;

/// At most as many payments of one day are compared with the bank's details at once.
pub const DAY_LIMIT: usize = 500;

/// Between two payments: no more than five a second, of the many calls that Kaspi takes from a shop.
const PAUSE: Duration = Duration::from_millis(200);

/// What comparing a day with the bank's details has found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DayComparison {
    /// The organisation.
    pub bin: Bin,
    /// The day in Almaty, UTC+5.
    pub day: Date,
    /// How many payments were compared with Kaspi's details.
    pub compared: u64,
    /// How many were asked about and are not paid, so that there are no details to compare.
    pub unpaid: u64,
    /// Whether the day has more than [`DAY_LIMIT`], of which the earliest were left out.
    pub left_out: bool,
    /// Those on which Kaspi and the journal do not agree.
    pub differences: Vec<Difference>,
}

impl Payments {
    /// Asks Kaspi about every payment that one BIN made on a day, or that was found paid on it, and says
    /// where the journal differs. One that the journal has not seen paid is asked for its status first, which
    /// the journal then keeps. `progress` is told how many are done, of how many.
    ///
    /// # Errors
    ///
    /// The journal cannot be used, or Kaspi cannot be reached.
    pub async fn compare_day(
        &self,
        bin: Bin,
        day: Date,
        progress: &(dyn Fn(usize, usize) + Send + Sync),
    ) -> Result<DayComparison, Error> {
        let (payments, left_out) = self.of_day(bin, day).await?;
        let mut found = DayComparison {
            bin,
            day,
            compared: 0,
            unpaid: 0,
            left_out,
            differences: Vec::new(),
        };
        let mut pause = tokio::time::interval(PAUSE);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        progress(0, payments.len());
        for (done, payment) in payments.iter().enumerate() {
            pause.tick().await;
            if self.is_paid(payment).await? {
                found.compared += 1;
                found.differences.extend(self.compared(payment).await?);
            } else {
                found.unpaid += 1;
            }
            progress(done + 1, payments.len());
        }
        Ok(found)
    }

    /// Payments made on the day, then older ones that were found paid on it; the latest first.
    async fn of_day(&self, bin: Bin, day: Date) -> Result<(Vec<PaymentRecord>, bool), Error> {
        let (from, until) = day_bounds(day, day);
        let made = PaymentFilter {
            bins: vec![bin],
            from: Some(from),
            until: Some(until),
            limit: 1000,
            ..PaymentFilter::default()
        };
        let paid = PaymentFilter {
            from: None,
            until: Some(from),
            paid_from: Some(from),
            paid_until: Some(until),
            ..made.clone()
        };
        let mut payments = Vec::new();
        for mut filter in [made, paid] {
            loop {
                let page = self.journal.payments(&filter).await.map_err(Error::books)?;
                payments.extend(page.items.into_iter().filter(can_be_paid));
                if payments.len() > DAY_LIMIT {
                    payments.truncate(DAY_LIMIT);
                    return Ok((payments, true));
                }
                match page.next {
                    Some(cursor) => filter.cursor = Some(cursor),
                    None => break,
                }
            }
        }
        Ok((payments, false))
    }

    async fn is_paid(&self, payment: &PaymentRecord) -> Result<bool, Error> {
        if payment.status.as_ref().is_some_and(|status| status.is_final()) {
            return Ok(true);
        }
        let known = self.status_at_once(payment.bin, payment.payment_id).await;
        match known {
            Ok(known) => Ok(known.status.status.state() == PaymentState::Paid),
            // the details will say the same, and why
            Err(Error::Kaspi { source, .. }) if source.transport().is_none_or(|error| !error.may_pass()) => {
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}

/// What failed for good has no details, unless money came in after all.
fn can_be_paid(payment: &PaymentRecord) -> bool {
    let failed = payment
        .status
        .as_ref()
        .is_some_and(|status| status.state() == PaymentState::Failed);
    payment.late || !failed
}
