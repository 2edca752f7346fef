//! Days that are being compared with the bank's details. It takes a while, so it goes on by itself while
//! pages ask how far it is. What was found is kept here, not in the journal: the bank can be asked again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use time::{Date, OffsetDateTime};

use super::desk::told;
use super::entry::Entry;
use crate::base::Bin;
use crate::payments::{DayComparison, Payments};

/// As many are kept; the oldest that is over goes first.
const KEPT: usize = 50;

/// All of them.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Comparisons(Mutex<BTreeMap<(Bin, Date), Comparison>>);

/// One BIN's day.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    pub(super) began: OffsetDateTime,
    pub(super) stands: Stands,
}

/// How far it is.
#[derive(Clone, Debug)]
pub(super) enum Stands {
    /// So many of so many.
    Running(usize, usize),
    Over(DayComparison),
    /// Why it ended before its end.
    Failed(String),
}

impl Comparisons {
    /// How one stands; none where nobody has asked.
    pub(super) fn of(&self, bin: Bin, day: Date) -> Option<Comparison> {
        self.lock().get(&(bin, day)).cloned()
    }

    /// Begins one, unless a day of the same BIN is being compared already: the bank is not asked twice as
    /// fast for being asked twice. Gives the day that is under way.
    pub(super) fn begin(
        self: &Arc<Self>,
        payments: Payments,
        bin: Bin,
        day: Date,
        now: OffsetDateTime,
        entry: Entry,
    ) -> Date {
        let mut all = self.lock();
        let under_way = all
            .iter()
            .find(|((of, _), one)| *of == bin && matches!(one.stands, Stands::Running(..)));
        if let Some(((_, day), _)) = under_way {
            return *day;
        }
        all.insert(
            (bin, day),
            Comparison {
                began: now,
                stands: Stands::Running(0, 0),
            },
        );
        forget_the_oldest(&mut all);
        drop(all);
        let comparisons = Arc::clone(self);
        tokio::spawn(async move {
            let progress = |done, of| comparisons.note(bin, day, Stands::Running(done, of));
            let compared = match entry.begun().await {
                Ok(()) => {
                    let compared = payments.compare_day(bin, day, &progress).await;
                    entry.ended(told(&compared)).await;
                    compared
                }
                // what cannot be written down is not done
                Err(error) => Err(error),
            };
            let stands = match compared {
                Ok(found) => Stands::Over(found),
                Err(error) => {
                    tracing::warn!(%bin, %day, %error, "a day could not be compared with the bank's details");
                    Stands::Failed(error.to_string())
                }
            };
            comparisons.note(bin, day, stands);
        });
        day
    }

    fn note(&self, bin: Bin, day: Date, stands: Stands) {
        if let Some(one) = self.lock().get_mut(&(bin, day)) {
            one.stands = stands;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Bin, Date), Comparison>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_the_oldest(all: &mut BTreeMap<(Bin, Date), Comparison>) {
    while all.len() > KEPT {
        let oldest = all
            .iter()
            .filter(|(_, one)| !matches!(one.stands, Stands::Running(..)))
            .min_by_key(|(_, one)| one.began)
            .map(|(key, _)| *key);
        let Some(oldest) = oldest else { return };
        all.remove(&oldest);
    }
}
