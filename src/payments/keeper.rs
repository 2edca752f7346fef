//! What a long-running program does for its payments by itself: settles what dead processes left, asks
//! about what is unknown, and watches QR and link payments to their end.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::journal::{DueLook, NextLook};
use super::reconcile::ASKABLE;
use super::{PaymentKind, PaymentRecord, Payments, WatchPlan};
use crate::api::StatusWord;
use crate::base::PaymentId;

/// How many payments are asked for at a time, and how many unknown outcomes beside them.
const AT_ONCE: usize = 16;

/// Between two looks for processes that have ended.
const ORPHANS: Duration = Duration::from_secs(5);

/// The longest pause after a journal that cannot be opened.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An invoice lives this long (official document 4.6), and nothing lives longer.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// An invoice may be paid as long as it lives, whatever its customer does.
const INVOICE: WatchPlan = WatchPlan {
    interval_s: 15,
    activation_s: LIFE.as_secs(),
    confirmation_s: LIFE.as_secs(),
    activated_at: None,
};

/// Looks after the payments of the journal for as long as it is held. Several may work on one journal: each
/// takes what no other has taken.
#[derive(Debug)]
pub struct Keeper {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Ends it, after the questions under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // a panic in it has been reported by the runtime
        let _ = self.task.await;
    }
}

impl Payments {
    /// Begins to look after the payments. For programs that run on; a command has no use for it.
    #[must_use]
    pub fn keep(&self) -> Keeper {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(keep(self.clone(), stopped));
        Keeper { stop, task }
    }

    /// Begins to ask for everything that is due now. A question that hangs keeps no other from its time.
    async fn round(&self, looks: &mut JoinSet<()>, checks: &mut JoinSet<()>) {
        match self
            .journal
            .due_looks(self.settings.ask_for_invoices, room(looks))
            .await
        {
            Ok(due) => {
                for look in due {
                    let payments = self.clone();
                    looks.spawn(async move { payments.look(look).await });
                }
            }
            Err(error) => tracing::warn!(%error, "watched payments could not be read"),
        }
        match self.journal.due_checks(ASKABLE, room(checks)).await {
            Ok(due) => {
                for check in due {
                    let payments = self.clone();
                    checks.spawn(async move {
                        let operation = check.operation.id;
                        if let Err(error) = payments.check_due(check).await {
                            tracing::warn!(%operation, %error, "an unknown outcome could not be looked at");
                        }
                    });
                }
            }
            Err(error) => tracing::warn!(%error, "unknown outcomes could not be read"),
        }
    }

    /// Watches an invoice that has just been made, where invoices are watched at all.
    pub(super) async fn watch_invoice(&self, id: PaymentId) {
        if !self.settings.ask_for_invoices {
            return;
        }
        let next = NextLook::In(invoice_gap(Duration::ZERO));
        if let Err(error) = self.journal.plan_looks(id, Some(INVOICE), next).await {
            tracing::warn!(payment = %id, %error, "an invoice will not be asked for before the next start");
        }
    }

    /// Takes up the invoices that were made while nobody watched any.
    async fn watch_open_invoices(&self) {
        if let Err(error) = self.journal.plan_invoices(INVOICE, LIFE).await {
            tracing::warn!(%error, "the invoices of before will not be asked for");
        }
    }

    /// Asks for one watched payment, and says when it is asked for again.
    async fn look(&self, look: DueLook) {
        let payment = &look.payment;
        let id = payment.payment_id;
        if payment.kind == PaymentKind::Invoice {
            self.invoices.recall(payment, self.clock.now());
            if let Err(wait) = self.invoices.turn(id) {
                let next = NextLook::In(jittered(wait, look.age));
                if let Err(error) = self.journal.plan_looks(id, payment.watch, next).await {
                    tracing::warn!(payment = %id, %error, "an invoice's next look could not be written down");
                }
                return;
            }
        }
        let answered = match self.reading_session(Some(payment.bin), None, Some(payment)) {
            Ok(session) => self.status_of(&session, id).await,
            Err(error) => Err(error),
        };
        let written = match answered {
            Ok(status) => {
                let next = next_look(&look, Some(&status.status));
                self.invoices.answered(id, &status);
                self.journal.note_status(id, &status, next).await.map(|noted| {
                    if noted.late {
                        tracing::warn!(payment = %id, "paid after it had been given up: a person has to look");
                    }
                    if noted.changed {
                        tracing::info!(payment = %id, status = %status.status, "a payment's status has changed");
                    }
                })
            }
            Err(error) => {
                tracing::debug!(payment = %id, %error, "a watched payment could not be asked for");
                let next = next_look(&look, None);
                self.journal.plan_looks(id, payment.watch, next).await
            }
        };
        if let Err(error) = written {
            tracing::warn!(payment = %id, %error, "a watched payment's status could not be written down");
        }
    }
}

async fn keep(payments: Payments, mut stopped: watch::Receiver<bool>) {
    let mut pause = payments.settings.round;
    let mut orphans_at = Instant::now();
    let mut invoices_of_before = payments.settings.ask_for_invoices;
    let (mut looks, mut checks) = (JoinSet::new(), JoinSet::new());
    loop {
        match payments.journal.open().await {
            Ok(()) => {
                pause = payments.settings.round;
                if Instant::now() >= orphans_at {
                    orphans_at = Instant::now() + ORPHANS;
                    settle_orphans(&payments).await;
                }
                if std::mem::take(&mut invoices_of_before) {
                    payments.watch_open_invoices().await;
                }
                payments.round(&mut looks, &mut checks).await;
            }
            Err(error) => {
                tracing::warn!(%error, ?pause, "the journal cannot be used; another attempt follows");
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            // an error means that nobody holds the keeper any more
            _ = stopped.changed() => break,
        }
    }
    while looks.join_next().await.is_some() {}
    while checks.join_next().await.is_some() {}
}

/// How many questions more may be under way.
fn room(asked: &mut JoinSet<()>) -> usize {
    while asked.try_join_next().is_some() {}
    AT_ONCE.saturating_sub(asked.len())
}

async fn settle_orphans(payments: &Payments) {
    match payments.journal.settle_orphans().await {
        Ok(0) => {}
        Ok(count) => tracing::warn!(count, "operations of processes that have ended were settled"),
        Err(error) => tracing::warn!(%error, "operations of processes that have ended could not be settled"),
    }
}

/// When a payment is asked for again. `status` is what Kaspi has just said; none where it said nothing.
fn next_look(look: &DueLook, status: Option<&StatusWord>) -> NextLook {
    let payment = &look.payment;
    if status.is_some_and(StatusWord::is_final) || look.age >= LIFE {
        return NextLook::Never;
    }
    let Some(plan) = payment.watch else {
        return NextLook::Never;
    };
    let gap = gap(payment.kind, plan, look.age);
    let seen_now = status.filter(|status| !matches!(status.as_str(), "QrTokenCreated" | "Creating"));
    let activated = look.activated.or_else(|| seen_now.map(|_| Duration::ZERO));
    let end = end(payment, plan, look.age, activated);
    if look.age < end {
        return NextLook::In(gap.min(end - look.age));
    }
    match status {
        // the one question after the end has been answered: a payment may be confirmed late, but is not
        // waited for any more
        Some(_) => NextLook::Never,
        None => NextLook::In(gap.max(look.age / 10).min(Duration::from_secs(180))),
    }
}

fn gap(kind: PaymentKind, plan: WatchPlan, age: Duration) -> Duration {
    match kind {
        PaymentKind::Invoice => jittered(invoice_gap(age), age),
        PaymentKind::Qr | PaymentKind::Link | PaymentKind::Other => {
            Duration::from_secs(plan.interval_s.max(1))
        }
    }
}

/// The bank forbids to poll invoices on a timer (official document 4.6): ever more rarely, where somebody
/// has asked for it at all.
fn invoice_gap(age: Duration) -> Duration {
    (age / 10).clamp(Duration::from_secs(15), Duration::from_secs(180))
}

/// Up to a fifth longer, so that invoices that were made together are not asked for together. The journal's
/// clock counts microseconds, which are chance enough.
fn jittered(gap: Duration, age: Duration) -> Duration {
    gap + gap * (age.subsec_micros() % 200) / 1000
}

/// The age at which it cannot be paid any more.
fn end(payment: &PaymentRecord, plan: WatchPlan, age: Duration, activated: Option<Duration>) -> Duration {
    let end = match activated {
        Some(ago) => age.saturating_sub(ago) + Duration::from_secs(plan.confirmation_s),
        None => Duration::from_secs(plan.activation_s),
    };
    let life = payment
        .expires_at
        .and_then(|at: OffsetDateTime| Duration::try_from(at - payment.created_at).ok())
        // an end before the first question is a clock that is wrong, not a code that is dead
        .filter(|life| *life >= Duration::from_secs(10));
    life.map_or(end, |life| end.min(life)).min(LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invoices_are_asked_for_ever_more_rarely_and_not_in_step() {
        let (mut age, mut gaps) = (Duration::ZERO, Vec::new());
        while age < LIFE {
            let gap = jittered(invoice_gap(age), age);
            gaps.push(gap);
            age += gap + Duration::from_micros(137);
        }
        let within = Duration::from_secs(15)..=Duration::from_secs(216);
        assert!(gaps.iter().all(|gap| within.contains(gap)), "{gaps:?}");
        assert!((350..500).contains(&gaps.len()), "{}", gaps.len());
        let late: std::collections::HashSet<_> = gaps[gaps.len() - 50..].iter().collect();
        assert!(late.len() > 10, "{late:?}");
    }
}
