//! Whether a failed attempt is followed by another. One pure function decides.

use std::time::Duration;

use super::Effect;
use crate::base::Delivery;

/// Attempts made of one call, the first included.
const MAX_ATTEMPTS: u32 = 3;

/// The first pause before another attempt; it doubles each time, and a part of it is left to chance.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// What the call does at Kaspi.
    pub effect: Effect,
    /// What is known about the attempt.
    pub delivery: Delivery,
    /// Whether the same attempt may succeed a moment later without anybody doing something.
    pub may_pass: bool,
    /// How many attempts there have been, this one included.
    pub made: u32,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The failure is the result.
    Stop,
    /// Another attempt after a pause of at least half and at most the whole of this.
    Again(Duration),
}

/// Decides whether a failed attempt is followed by another.
///
/// A read may always be repeated, device registration too: it gives the same token again (official
/// document 4.2.3). What moves money is repeated only if it was certainly not sent.
///
/// ```
/// use kaspi_direct::api::{Attempt, Effect, Next, next};
/// use kaspi_direct::base::Delivery;
///
/// let lost = Attempt { effect: Effect::Writes, delivery: Delivery::Unknown, may_pass: true, made: 1 };
/// assert_eq!(next(lost), Next::Stop);
/// ```
#[must_use]
pub fn next(attempt: Attempt) -> Next {
    if !attempt.may_pass || attempt.made >= MAX_ATTEMPTS {
        return Next::Stop;
    }
    match (attempt.effect, attempt.delivery) {
        (Effect::Writes, Delivery::Refused | Delivery::Unknown) => Next::Stop,
        (Effect::Writes, Delivery::NotSent) | (Effect::Reads | Effect::SameAgain, _) => {
            Next::Again(FIRST_PAUSE * 2_u32.pow(attempt.made.saturating_sub(1)))
        }
    }
}

/// A pause between half and the whole of the given one, so that callers do not march in step.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use Delivery::{NotSent, Refused, Unknown};
        use Effect::{Reads, SameAgain, Writes};
        let again = |milliseconds| Next::Again(Duration::from_millis(milliseconds));
        for (effect, delivery, may_pass, made, expected) in [
            (Reads, NotSent, true, 1, again(200)),
            (Reads, Unknown, true, 1, again(200)),
            (Reads, Refused, true, 2, again(400)),
            (Reads, Unknown, true, 3, Next::Stop),
            (Reads, Refused, false, 1, Next::Stop),
            (SameAgain, NotSent, true, 1, again(200)),
            (SameAgain, Unknown, true, 2, again(400)),
            (SameAgain, Refused, false, 1, Next::Stop),
            (Writes, NotSent, true, 1, again(200)),
            (Writes, NotSent, true, 2, again(400)),
            (Writes, NotSent, true, 3, Next::Stop),
            (Writes, NotSent, false, 1, Next::Stop),
            (Writes, Unknown, true, 1, Next::Stop),
            (Writes, Refused, true, 1, Next::Stop),
        ] {
            let attempt = Attempt {
                effect,
                delivery,
                may_pass,
                made,
            };
            assert_eq!(next(attempt), expected, "{attempt:?}");
        }
    }
}
