//! When a payment is asked for, and for how long. Pure: it is told the time, it never looks.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::{PaymentState, PollTiming, StatusWord};

/// How a payment is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A QR or link payment: at the interval, and until the time-outs, that Kaspi's answer named.
    Polled(PollTiming),
    /// A phone invoice: growing gaps from 15 s to 3 min, for the 24 h that an invoice lives.
    ///
    /// The bank forbids to poll phone invoices on a timer (official document 4.6). This is sparser than
    /// what integrators do, and it is never the default.
    Sparse,
}

/// A phone invoice lives this long (official document 4.6).
const INVOICE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// One watched payment's timetable.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    created: Instant,
    /// `ExpireDate`, on our own clock.
    expires: Option<Instant>,
    /// When somebody was first seen to have scanned the code or opened the link.
    activated: Option<Instant>,
    /// Whether the one question after the end has been asked.
    asked_after_end: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask at this moment.
    AskAt(Instant),
    /// Nothing more will come.
    Over,
}

impl Schedule {
    pub(super) fn new(pace: Pace, created: Instant, expires_in: Option<Duration>) -> Self {
        Self {
            pace: sane(pace),
            created,
            // an end before the first question is a clock that is wrong, not a code that is dead
            expires: expires_in
                .filter(|left| *left >= Duration::from_secs(10))
                .map(|left| created + left.min(INVOICE_LIFE)),
            activated: None,
            asked_after_end: false,
        }
    }

    /// Takes note of an answer. True where nothing can follow it.
    pub(super) fn note(&mut self, status: &StatusWord, now: Instant) -> bool {
        if status.as_str() != "QrTokenCreated" && status.as_str() != "Creating" {
            self.activated.get_or_insert(now);
        }
        matches!(status.state(), PaymentState::Paid | PaymentState::Failed)
    }

    /// The next question. The one after the end is asked once: a payment may be confirmed late.
    pub(super) fn next(&mut self, now: Instant) -> Step {
        let end = self.end();
        let gap = match self.pace {
            Pace::Polled(timing) => timing.interval,
            Pace::Sparse => (now.duration_since(self.created) / 10)
                .clamp(Duration::from_secs(15), Duration::from_secs(180)),
        };
        let at = now + gap;
        if at < end {
            return Step::AskAt(at);
        }
        if self.asked_after_end {
            return Step::Over;
        }
        self.asked_after_end = true;
        Step::AskAt(end.max(now))
    }

    fn end(&self) -> Instant {
        let end = match (self.pace, self.activated) {
            (Pace::Polled(timing), None) => self.created + timing.activation,
            (Pace::Polled(timing), Some(activated)) => activated + timing.confirmation,
            (Pace::Sparse, _) => self.created + INVOICE_LIFE,
        };
        self.expires.map_or(end, |expires| end.min(expires))
    }
}

/// Whoever embeds the library may put any timing together: none makes us ask without a pause, or count
/// further than a clock can.
fn sane(pace: Pace) -> Pace {
    let Pace::Polled(mut timing) = pace else {
        return pace;
    };
    timing.interval = timing.interval.clamp(Duration::from_millis(10), INVOICE_LIFE);
    timing.activation = timing.activation.min(INVOICE_LIFE);
    timing.confirmation = timing.confirmation.min(INVOICE_LIFE);
    Pace::Polled(timing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    /// Asks until it is over; answers by the time since creation. Gives the times of the questions.
    fn run(mut schedule: Schedule, start: Instant, answer: impl Fn(u64) -> &'static str) -> Vec<u64> {
        let mut now = start;
        let mut asked = Vec::new();
        while let Step::AskAt(at) = schedule.next(now) {
            now = at;
            let age = now.duration_since(start).as_secs();
            asked.push(age);
            if schedule.note(&StatusWord::new(answer(age)), now) {
                break;
            }
        }
        asked
    }

    #[test]
    fn a_code_that_nobody_scans_is_asked_for_at_the_interval_and_once_after_the_end() {
        let start = Instant::now();
        let asked = run(
            Schedule::new(Pace::Polled(PollTiming::default()), start, None),
            start,
            |_| "QrTokenCreated",
        );
        assert_eq!(asked.first(), Some(&5));
        assert_eq!(asked.len(), 36, "{asked:?}");
        assert_eq!(asked[35], 180);
    }

    #[test]
    fn a_scan_starts_the_time_for_confirmation() {
        let start = Instant::now();
        let answer = |age| if age < 100 { "QrTokenCreated" } else { "Wait" };
        let asked = run(
            Schedule::new(Pace::Polled(PollTiming::default()), start, None),
            start,
            answer,
        );
        assert_eq!(asked.last(), Some(&165));
    }

    #[test]
    fn an_unknown_status_ends_nothing() {
        let start = Instant::now();
        let answer = |age| match age {
            0..20 => "SomethingNew",
            20..40 => "Wait",
            _ => "Processed",
        };
        let asked = run(
            Schedule::new(Pace::Polled(PollTiming::default()), start, None),
            start,
            answer,
        );
        assert_eq!(asked.last(), Some(&40));
    }

    #[test]
    fn the_expire_date_is_the_hard_end() {
        let start = Instant::now();
        let asked = run(
            Schedule::new(Pace::Polled(PollTiming::default()), start, Some(seconds(62))),
            start,
            |_| "QrTokenCreated",
        );
        assert_eq!(asked.last(), Some(&62));
        let absurd = Schedule::new(Pace::Polled(PollTiming::default()), start, Some(seconds(1)));
        assert_eq!(run(absurd, start, |_| "QrTokenCreated").last(), Some(&180));
    }

    #[test]
    fn invoices_are_asked_for_ever_more_rarely() {
        let start = Instant::now();
        let asked = run(
            Schedule::new(Pace::Sparse, start, None),
            start,
            |_| "RemotePaymentCreated",
        );
        let gaps: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!((asked[0], gaps[0]), (15, 15));
        assert!(
            gaps[..gaps.len() - 1]
                .windows(2)
                .all(|pair| pair[0] <= pair[1] + 1),
            "{gaps:?}"
        );
        assert_eq!(gaps.iter().max(), Some(&180));
        assert_eq!(asked.last(), Some(&86_400));
        assert!(asked.len() < 600, "{}", asked.len());
    }

    #[test]
    fn absurd_timings_are_bounded() {
        let start = Instant::now();
        let timing = PollTiming {
            interval: Duration::ZERO,
            activation: Duration::MAX,
            confirmation: Duration::MAX,
        };
        let mut schedule = Schedule::new(Pace::Polled(timing), start, Some(Duration::MAX));
        assert_eq!(
            schedule.next(start),
            Step::AskAt(start + Duration::from_millis(10))
        );
        schedule.note(&StatusWord::new("Wait"), start);
        assert_eq!(
            schedule.next(start),
            Step::AskAt(start + Duration::from_millis(10))
        );
    }
}
