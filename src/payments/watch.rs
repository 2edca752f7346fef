//! Watching one payment until nothing more can come.

use std::time::Duration;

use futures_util::Stream;
use tokio::time::{Instant, sleep_until};

use super::Payments;
use super::schedule::{Pace, Schedule, Step};
use crate::api::{self, PaymentStatus, StatusWord};
use crate::base::{Bin, PaymentId};

/// Watches one payment. Ask it with [`next`](Self::next), or take it as a stream.
#[derive(Debug)]
pub struct Watch {
    payments: Payments,
    bin: Bin,
    payment: PaymentId,
    schedule: Schedule,
    next: Step,
    last: Option<StatusWord>,
    end: Option<WatchEnd>,
    over: bool,
}

/// What a watch has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchEvent {
    /// The status is another than before; the first answer always is.
    Changed(PaymentStatus),
    /// One question got no answer. The watch goes on.
    Trouble(api::Error),
    /// The watch is over.
    Ended(WatchEnd),
}

/// How a watch ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchEnd {
    /// Nothing can follow this status.
    Final(StatusWord),
    /// Kaspi's time-outs have passed, and a last question too. Not the same as a failure: a payment
    /// can still be confirmed late, so ask again before its goods are given to somebody else.
    TimedOut {
        /// The last status that was seen, if any was.
        last: Option<StatusWord>,
    },
    /// Asking makes no sense until somebody does something, such as putting a valid certificate there.
    Refused(api::Error),
}

impl Watch {
    pub(super) fn new(
        payments: Payments,
        bin: Bin,
        payment: PaymentId,
        pace: Pace,
        expires_in: Option<Duration>,
    ) -> Self {
        let now = Instant::now();
        Self {
            payments,
            bin,
            payment,
            schedule: Schedule::new(pace, now, expires_in),
            next: Step::AskAt(now),
            last: None,
            end: None,
            over: false,
        }
    }

    /// Waits for the next thing to tell; none once the watch has ended.
    ///
    /// May be dropped and called again: nothing is lost but the question under way.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(end) = self.end.take() {
                self.over = true;
                return Some(WatchEvent::Ended(end));
            }
            if self.over {
                return None;
            }
            let Step::AskAt(at) = self.next else {
                self.end = Some(WatchEnd::TimedOut {
                    last: self.last.clone(),
                });
                continue;
            };
            sleep_until(at).await;
            let answered = self.ask().await;
            let now = Instant::now();
            match answered {
                Ok(status) => {
                    if let Some(event) = self.noted(status, now) {
                        return Some(event);
                    }
                }
                Err(error) if error.may_pass() => {
                    self.next = self.schedule.next(now);
                    return Some(WatchEvent::Trouble(error));
                }
                Err(error) => self.end = Some(WatchEnd::Refused(error)),
            }
        }
    }

    /// The watch as a stream of the same events.
    pub fn into_stream(self) -> impl Stream<Item = WatchEvent> + Send {
        futures_util::stream::unfold(self, |mut watch| async move {
            let event = watch.next().await?;
            Some((event, watch))
        })
    }

    /// Looks the BIN up for each question: a watch may outlast the certificate that it began with.
    async fn ask(&self) -> Result<PaymentStatus, api::Error> {
        let session = self.payments.api.session(Some(self.bin))?;
        let status = session.payment_status(self.payment).await?;
        self.payments.note(self.payment, &status).await;
        Ok(status)
    }

    fn noted(&mut self, status: PaymentStatus, now: Instant) -> Option<WatchEvent> {
        if self.schedule.note(&status.status, now) {
            // told as a change first; the end follows without another question
            self.end = Some(WatchEnd::Final(status.status.clone()));
        } else {
            self.next = self.schedule.next(now);
        }
        let changed = self.last.as_ref() != Some(&status.status);
        self.last = Some(status.status.clone());
        changed.then_some(WatchEvent::Changed(status))
    }
}
