//! What may be paid back, and what became of a refund whose answer was lost. Pure: it is told what was
//! seen, it asks nobody.

use std::time::Duration;

use crate::base::{Amount, Balance};

/// How often, and over how long, what is left must be unchanged before a refund counts as not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many times it is read.
    pub reads: u32,
    /// From the first of them to the last, at least.
    pub over: Duration,
}

impl Default for Patience {
    /// Three times in ten minutes.
    fn default() -> Self {
        Self {
            reads: 3,
            over: Duration::from_secs(600),
        }
    }
}

impl Patience {
    /// How long to wait between two reads.
    pub(super) fn gap(self) -> Duration {
        self.over / self.reads.saturating_sub(1).max(1)
    }
}

/// What was seen of a payment since a refund's answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reads {
    /// How many reads found what was left before the refund.
    pub(super) unchanged: u32,
    /// How long ago the first of them was made.
    pub(super) since: Duration,
}

/// What became of a refund whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What is left has fallen by exactly the amount.
    Made,
    /// It has not changed, often and long enough.
    NotMade,
    /// It has not changed yet.
    Wait,
    /// It is something else: another refund came between. Only a person can tell.
    Person,
}

/// Judges one more read. `before` is what was left when the refund was sent, `earlier` the reads since
/// that found it unchanged; this one is not among them.
pub(super) fn judge(
    before: Balance,
    amount: Amount,
    left: Balance,
    earlier: Option<Reads>,
    patience: Patience,
) -> Verdict {
    if before.tiyn().checked_sub(amount.tiyn()) == Some(left.tiyn()) {
        return Verdict::Made;
    }
    if left != before {
        return Verdict::Person;
    }
    if unchanged_for_good(earlier, patience) {
        Verdict::NotMade
    } else {
        Verdict::Wait
    }
}

/// Whether one more read that found nothing changed is the last that is needed.
pub(super) fn unchanged_for_good(earlier: Option<Reads>, patience: Patience) -> bool {
    match earlier {
        Some(earlier) => earlier.unchanged + 1 >= patience.reads && earlier.since >= patience.over,
        None => patience.reads <= 1,
    }
}

/// What may still be paid back: what the bank says is left, less our own refunds that nobody has settled.
pub(super) fn allowed(left: Balance, unsettled: impl IntoIterator<Item = Amount>) -> Balance {
    let open = unsettled
        .into_iter()
        .fold(0_u64, |sum, amount| sum.saturating_add(amount.tiyn()));
    // a balance that is smaller than a valid one is valid
    Balance::from_tiyn(left.tiyn().saturating_sub(open)).unwrap_or(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenge(text: &str) -> Balance {
        Balance::parse(text).unwrap()
    }

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn seen(unchanged: u32, seconds: u64) -> Option<Reads> {
        Some(Reads {
            unchanged,
            since: Duration::from_secs(seconds),
        })
    }

    #[test]
    fn a_lost_refund_is_judged_by_what_is_left() {
        use Verdict::{Made, NotMade, Person, Wait};
        for (left, earlier, verdict) in [
            ("70", None, Made),
            ("70", seen(2, 600), Made),
            ("100", None, Wait),
            ("100", seen(1, 300), Wait),
            ("100", seen(2, 599), Wait),
            ("100", seen(1, 6000), Wait),
            ("100", seen(2, 600), NotMade),
            ("99.99", None, Person),
            ("40", None, Person),
            ("0", seen(2, 600), Person),
            ("130", None, Person),
        ] {
            let found = judge(
                tenge("100"),
                amount("30"),
                tenge(left),
                earlier,
                Patience::default(),
            );
            assert_eq!(found, verdict, "{left} left, {earlier:?}");
        }
    }

    #[test]
    fn more_than_everything_was_never_made() {
        let found = judge(tenge("10"), amount("30"), tenge("0"), None, Patience::default());
        assert_eq!(found, Verdict::Person);
    }

    #[test]
    fn what_is_unsettled_is_not_paid_back_again() {
        let open = [amount("30"), amount("20.01")];
        assert_eq!(allowed(tenge("100"), open), tenge("49.99"));
        assert_eq!(allowed(tenge("10"), open), tenge("0"));
        assert_eq!(allowed(tenge("10"), []), tenge("10"));
    }

    #[test]
    fn ten_minutes_hold_three_reads() {
        assert_eq!(Patience::default().gap(), Duration::from_secs(300));
    }
}
