//! How often a phone invoice may be asked for.
//!
//! The bank forbids timed polling of phone invoices (official document 4.6), and callers of today do
//! poll. So a question reaches Kaspi at most once in a gap that grows with the invoice's age, and under
//! a cap for each BIN; in between, the last answer is given again, with its age.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::{PaymentKind, PaymentRecord};
use crate::api::PaymentStatus;
use crate::base::{Bin, PaymentId};

/// Invoices that are remembered; the oldest is forgotten first, and then asked for like any payment.
const REMEMBERED: usize = 100_000;

/// Questions about phone invoices that one BIN may send in a minute.
const CAP: usize = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// The invoices that this process has made, and what is known of them.
#[derive(Debug, Default)]
pub(super) struct InvoiceGate(Mutex<Invoices>);

#[derive(Debug, Default)]
struct Invoices {
    known: HashMap<PaymentId, Invoice>,
    in_order: VecDeque<PaymentId>,
    asked: HashMap<Bin, VecDeque<Instant>>,
}

#[derive(Debug)]
struct Invoice {
    bin: Bin,
    made: Instant,
    asked: Instant,
    last: Option<(Instant, PaymentStatus)>,
}

/// Whether a question goes out.
#[derive(Debug)]
pub(super) enum Gate {
    /// It does.
    Ask,
    /// It does not: this is the last answer, and how old it is.
    Known(Box<PaymentStatus>, Duration),
}

impl InvoiceGate {
    /// Remembers a new invoice.
    pub(super) fn made(&self, bin: Bin, payment: PaymentId) {
        let now = Instant::now();
        let mut invoices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        invoices.known.insert(
            payment,
            Invoice {
                bin,
                made: now,
                asked: now,
                last: None,
            },
        );
        invoices.in_order.push_back(payment);
        if invoices.in_order.len() > REMEMBERED
            && let Some(oldest) = invoices.in_order.pop_front()
        {
            invoices.known.remove(&oldest);
        }
    }

    /// Takes up an invoice that another process, or this one before it was started anew, has made.
    pub(super) fn recall(&self, known: &PaymentRecord, wall: OffsetDateTime) {
        if known.kind != PaymentKind::Invoice || self.knows(known.payment_id) {
            return;
        }
        let now = Instant::now();
        // before the machine was started there is no `Instant`; a later one only makes us ask more often
        let ago = |at: OffsetDateTime| {
            let age = Duration::try_from(wall - at).unwrap_or_default();
            now.checked_sub(age).unwrap_or(now)
        };
        self.made(known.bin, known.payment_id);
        let mut invoices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(invoice) = invoices.known.get_mut(&known.payment_id) {
            invoice.made = ago(known.created_at);
            invoice.last = known
                .status_at
                .zip(known.status.clone())
                .map(|(at, status)| (ago(at), PaymentStatus::of_word(status)));
            invoice.asked = invoice.last.as_ref().map_or(invoice.made, |(at, _)| *at);
        }
    }

    fn knows(&self, payment: PaymentId) -> bool {
        let invoices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        invoices.known.contains_key(&payment)
    }

    /// Decides about one question. A payment that is not known here is always asked for.
    pub(super) fn decide(&self, payment: PaymentId) -> Gate {
        self.judge(payment, gap)
    }

    /// The same where money hangs on the answer: no gap, but the cap.
    pub(super) fn decide_at_once(&self, payment: PaymentId) -> Gate {
        self.judge(payment, |_| Duration::ZERO)
    }

    fn judge(&self, payment: PaymentId, gap: impl Fn(Duration) -> Duration) -> Gate {
        let now = Instant::now();
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let invoices = &mut *guard;
        let Some(invoice) = invoices.known.get_mut(&payment) else {
            return Gate::Ask;
        };
        // without an answer there is nothing to give instead
        let Some((answered, status)) = &invoice.last else {
            return Gate::Ask;
        };
        let known = || Gate::Known(Box::new(status.clone()), now.duration_since(*answered));
        if status.status.is_final()
            || now.duration_since(invoice.asked) < gap(now.duration_since(invoice.made))
        {
            return known();
        }
        let asked = asked_lately(&mut invoices.asked, invoice.bin, now);
        if asked.len() >= CAP {
            return known();
        }
        asked.push_back(now);
        invoice.asked = now;
        Gate::Ask
    }

    /// Decides about a question that nobody has put but a timetable of ours: within the same gap, and
    /// within half of the cap, so that the other half is left to callers.
    ///
    /// # Errors
    ///
    /// It is not its turn: this is how long to wait.
    pub(super) fn turn(&self, payment: PaymentId) -> Result<(), Duration> {
        let now = Instant::now();
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let invoices = &mut *guard;
        let Some(invoice) = invoices.known.get_mut(&payment) else {
            return Ok(());
        };
        let gap = gap(now.duration_since(invoice.made));
        let rest = gap.saturating_sub(now.duration_since(invoice.asked));
        if !rest.is_zero() {
            return Err(rest);
        }
        let asked = asked_lately(&mut invoices.asked, invoice.bin, now);
        if let Some(first) = asked.front().filter(|_| asked.len() >= CAP / 2) {
            return Err(MINUTE.saturating_sub(now.duration_since(*first)));
        }
        asked.push_back(now);
        invoice.asked = now;
        Ok(())
    }

    /// Remembers an answer.
    pub(super) fn answered(&self, payment: PaymentId, status: &PaymentStatus) {
        let mut invoices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(invoice) = invoices.known.get_mut(&payment) {
            invoice.last = Some((Instant::now(), status.clone()));
        }
    }
}

/// The questions of the last minute for one BIN.
fn asked_lately(
    asked: &mut HashMap<Bin, VecDeque<Instant>>,
    bin: Bin,
    now: Instant,
) -> &mut VecDeque<Instant> {
    let asked = asked.entry(bin).or_default();
    while asked
        .front()
        .is_some_and(|first| now.duration_since(*first) >= MINUTE)
    {
        asked.pop_front();
    }
    asked
}

/// 5 s for a fresh invoice, 3 min for an old one.
fn gap(age: Duration) -> Duration {
    (age / 20).clamp(Duration::from_secs(5), Duration::from_secs(180))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::StatusWord;

    fn payment(number: i64) -> PaymentId {
        PaymentId::new(number).unwrap()
    }

    fn bin() -> Bin {
        Bin::parse("891027350515").unwrap()
    }

    fn asks(gate: &InvoiceGate, number: i64) -> bool {
        matches!(gate.decide(payment(number)), Gate::Ask)
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_polls_reaches_kaspi_ever_more_rarely() {
        let gate = InvoiceGate::default();
        gate.made(bin(), payment(1));
        assert!(asks(&gate, 1), "nothing is known yet");
        let waiting = PaymentStatus::of_word(StatusWord::new("RemotePaymentCreated"));
        gate.answered(payment(1), &waiting);
        let mut questions = 0;
        for _ in 0..24 * 60 * 60 {
            tokio::time::advance(Duration::from_secs(1)).await;
            if asks(&gate, 1) {
                questions += 1;
                gate.answered(payment(1), &waiting);
            }
        }
        assert!(
            (480..620).contains(&questions),
            "{questions} questions in a day of polling each second"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn between_questions_the_last_answer_is_given_with_its_age() {
        let gate = InvoiceGate::default();
        gate.made(bin(), payment(1));
        gate.answered(payment(1), &PaymentStatus::of_word(StatusWord::new("Wait")));
        tokio::time::advance(Duration::from_secs(3)).await;
        match gate.decide(payment(1)) {
            Gate::Known(status, age) => {
                assert_eq!((status.status.as_str(), age), ("Wait", Duration::from_secs(3)));
            }
            Gate::Ask => panic!("asked within the gap"),
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(asks(&gate, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn where_money_hangs_on_it_the_gap_does_not_hold_but_the_cap_does() {
        let gate = InvoiceGate::default();
        gate.made(bin(), payment(1));
        gate.answered(payment(1), &PaymentStatus::of_word(StatusWord::new("Wait")));
        assert!(!asks(&gate, 1));
        let at_once = || matches!(gate.decide_at_once(payment(1)), Gate::Ask);
        assert_eq!((0..2 * CAP).filter(|_| at_once()).count(), CAP);
        gate.answered(payment(1), &PaymentStatus::of_word(StatusWord::new("Processed")));
        tokio::time::advance(MINUTE).await;
        assert!(!at_once(), "what is final is known");
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_answer_is_never_asked_for_again() {
        let gate = InvoiceGate::default();
        gate.made(bin(), payment(1));
        gate.answered(payment(1), &PaymentStatus::of_word(StatusWord::new("Processed")));
        tokio::time::advance(Duration::from_secs(100_000)).await;
        assert!(!asks(&gate, 1));
        assert!(asks(&gate, 2), "a payment of another process is asked for");
    }

    #[tokio::test(start_paused = true)]
    async fn one_bin_has_a_cap() {
        let gate = InvoiceGate::default();
        for number in 1..=200 {
            gate.made(bin(), payment(number));
            gate.answered(payment(number), &PaymentStatus::of_word(StatusWord::new("Wait")));
        }
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!((1..=200).filter(|number| asks(&gate, *number)).count(), CAP);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timetable_keeps_to_the_gap_and_leaves_callers_half_of_the_cap() {
        let gate = InvoiceGate::default();
        for number in 1..=200 {
            gate.made(bin(), payment(number));
            gate.answered(payment(number), &PaymentStatus::of_word(StatusWord::new("Wait")));
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(gate.turn(payment(1)), Err(Duration::from_secs(3)));
        tokio::time::advance(Duration::from_secs(28)).await;
        let turns: Vec<_> = (1..=200).map(|number| gate.turn(payment(number))).collect();
        assert_eq!(turns.iter().filter(|turn| turn.is_ok()).count(), CAP / 2);
        assert_eq!(turns[199], Err(MINUTE), "once the first of the minute is over");
        let callers = (100..=200).filter(|number| asks(&gate, *number)).count();
        assert_eq!(callers, CAP / 2);
        tokio::time::advance(MINUTE).await;
        assert_eq!(gate.turn(payment(200)), Ok(()), "its turn comes");
    }
}
