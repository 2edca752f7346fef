//! The wall clock, behind a trait so that dates can be tested.

use std::fmt;

use time::OffsetDateTime;

/// Tells the time of day. Expiry of certificates is judged by it.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A clock that stands still, for tests of dates.
///
/// ```
/// use kaspi_direct::base::{Clock, FixedClock};
/// use time::OffsetDateTime;
///
/// let clock = FixedClock(OffsetDateTime::UNIX_EPOCH);
/// assert_eq!(clock.now().year(), 1970);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub OffsetDateTime);

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        self.0
    }
}
