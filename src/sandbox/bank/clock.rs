//! The bank's clock: the wall clock plus whatever the control API added.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::{format_description, offset};

/// The wall clock. The sandbox has its own reading of it, since it shares nothing with the client.
#[expect(clippy::disallowed_methods, reason = "`base::clock` belongs to the client")]
pub(in crate::sandbox) fn wall() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A clock that only ever goes forward, by itself or because it is told to.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sandbox) struct BankClock {
    ahead: Duration,
}

impl BankClock {
    pub(in crate::sandbox) fn now(&self) -> OffsetDateTime {
        let wall = wall();
        wall.checked_add(self.ahead.try_into().unwrap_or(time::Duration::ZERO))
            .unwrap_or(wall)
    }

    /// How far it is ahead of the wall clock, in milliseconds.
    pub(in crate::sandbox) fn ahead_ms(&self) -> u64 {
        u64::try_from(self.ahead.as_millis()).unwrap_or(u64::MAX)
    }

    pub(in crate::sandbox) fn set_ahead_ms(&mut self, ahead: u64) {
        self.ahead = Duration::from_millis(ahead);
    }

    /// Goes forward, unless that would leave the calendar of a bank (a hundred years).
    pub(in crate::sandbox) fn advance(&mut self, by: Duration) -> bool {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        match self.ahead.checked_add(by) {
            Some(ahead) if ahead <= CENTURY => {
                self.ahead = ahead;
                true
            }
            _ => false,
        }
    }
}

/// How a date is written. The documents disagree, and so did the answers people saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum DateStyle {
    /// `2025-10-22T17:10:50.717+05:00`: `ExpireDate` as seen in production.
    Offset,
    /// `2021-11-03T11:55:14.166`, Almaty time: `TransactionDate` of r3 as seen live.
    Local,
    /// One of the stranger ones, by number.
    Odd(u32),
}

/// Writes a date in one of the ways that were seen.
pub(in crate::sandbox) fn date(at: OffsetDateTime, style: DateStyle) -> String {
    const OFFSET: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]+05:00");
    const LOCAL: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]");
    const HOUR_OFFSET: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+06");
    const UNPADDED: &[BorrowedFormatItem<'_>] = format_description!(
        "[year]-[month padding:none]-[day padding:none]T[hour]:[minute]:[second].[subsecond digits:3]+06:00"
    );
    const SEVEN: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]");

    let almaty = at.to_offset(offset!(+5));
    let older = at.to_offset(offset!(+6));
    let text = match style {
        DateStyle::Offset => almaty.format(OFFSET),
        DateStyle::Local => almaty.format(LOCAL),
        DateStyle::Odd(number) => match number % 4 {
            0 => older.format(HOUR_OFFSET),
            1 => older.format(UNPADDED),
            2 => almaty.format(SEVEN),
            _ => Ok("0001-01-01T00:00:00".to_owned()),
        },
    };
    text.unwrap_or_default()
}

/// RFC 3339 in UTC with milliseconds, for the control API.
pub(in crate::sandbox) fn rfc3339(at: OffsetDateTime) -> String {
    const UTC: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    at.to_offset(offset!(UTC)).format(UTC).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn dates_are_written_as_they_were_seen() {
        let at = datetime!(2021-11-03 05:55:14.166 UTC);
        for (style, text) in [
            (DateStyle::Offset, "2021-11-03T10:55:14.166+05:00"),
            (DateStyle::Local, "2021-11-03T10:55:14.166"),
            (DateStyle::Odd(0), "2021-11-03T11:55:14+06"),
            (DateStyle::Odd(1), "2021-11-3T11:55:14.166+06:00"),
            (DateStyle::Odd(2), "2021-11-03T10:55:14.1660000"),
            (DateStyle::Odd(3), "0001-01-01T00:00:00"),
            (DateStyle::Odd(4), "2021-11-03T11:55:14+06"),
        ] {
            assert_eq!(date(at, style), text);
        }
        assert_eq!(rfc3339(at), "2021-11-03T05:55:14.166Z");
    }

    #[test]
    fn the_clock_does_not_leave_the_calendar() {
        let mut clock = BankClock::default();
        let before = clock.now();
        assert!(clock.advance(Duration::from_secs(86_400)));
        assert!(clock.now() - before >= time::Duration::DAY);
        assert!(!clock.advance(Duration::MAX));
        assert!(clock.now().year() < before.year() + 100);
    }
}
