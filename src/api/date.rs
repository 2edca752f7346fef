//! Kaspi's dates, in all the shapes that have been seen.

use serde::{Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::macros::{date, offset};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// A moment as Kaspi wrote it. A date that cannot be read is kept as text: no payment fails for it.
///
/// ```
/// use kaspi_direct::api::KaspiTime;
///
/// let date = KaspiTime::new("2021-11-3T11:55:14.166+06:00");
/// assert_eq!(date.at().unwrap().unix_timestamp(), 1_635_918_914);
/// assert!(KaspiTime::new("soon").at().is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KaspiTime {
    text: String,
    at: Option<OffsetDateTime>,
}

impl KaspiTime {
    /// Takes Kaspi's text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let at = parse(text.trim());
        Self { text, at }
    }

    /// The moment, where the text could be read.
    #[must_use]
    pub fn at(&self) -> Option<OffsetDateTime> {
        self.at
    }

    /// The text as it came.
    #[must_use]
    pub fn as_text(&self) -> &str {
        &self.text
    }
}

/// RFC 3339 where the date could be read, Kaspi's text where not.
impl Serialize for KaspiTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.at.and_then(|at| at.format(&Rfc3339).ok()) {
            Some(text) => serializer.serialize_str(&text),
            None => serializer.serialize_str(&self.text),
        }
    }
}

fn parse(text: &str) -> Option<OffsetDateTime> {
    let (date, rest) = text.split_once(['T', ' '])?;
    let local_date = parse_date(date)?;
    let zone = rest.find(['+', '-', 'Z', 'z']);
    let (time, zone) = match zone {
        Some(at) => rest.split_at_checked(at).map(|(time, zone)| (time, Some(zone)))?,
        None => (rest, None),
    };
    let local = PrimitiveDateTime::new(local_date, parse_time(time)?);
    let offset = match zone {
        Some(zone) => parse_offset(zone)?,
        None => almaty(local_date),
    };
    Some(local.assume_offset(offset))
}

/// `2021-11-3`: month and day may have one digit.
fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year = parts.next()?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    if parts.next().is_some() {
        return None;
    }
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

/// `11:55`, `11:55:14` or `11:55:14.1664567`.
fn parse_time(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    let seconds = parts.next().unwrap_or("0");
    if parts.next().is_some() {
        return None;
    }
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanosecond: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Time::from_hms_nano(hour, minute, second.parse().ok()?, nanosecond).ok()
}

/// `Z`, `+06`, `+05:00` or `+0500`.
fn parse_offset(text: &str) -> Option<UtcOffset> {
    if text.eq_ignore_ascii_case("z") {
        return Some(UtcOffset::UTC);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        4 => digits.split_at_checked(2)?,
        _ => return None,
    };
    UtcOffset::from_hms(
        sign * hours.parse::<i8>().ok()?,
        sign * minutes.parse::<i8>().ok()?,
        0,
    )
    .ok()
}

/// No offset means local time in Almaty: +05 since 1 March 2024, +06 before.
fn almaty(date: Date) -> UtcOffset {
    if date >= date!(2024 - 03 - 01) {
        offset!(+5)
    } else {
        offset!(+6)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_shape_seen() {
        for (text, expected) in [
            ("2020-01-16T10:30:00+06", "2020-01-16T10:30:00+06:00"),
            ("2025-10-22T17:10:50.717+05:00", "2025-10-22T17:10:50.717+05:00"),
            ("2021-11-3T11:55:14.166+06:00", "2021-11-03T11:55:14.166+06:00"),
            ("2021-12-08T11:35:48.1566667", "2021-12-08T11:35:48.1566667+06:00"),
            ("2026-01-05T09:00:00", "2026-01-05T09:00:00+05:00"),
            ("2026-01-05 09:00", "2026-01-05T09:00:00+05:00"),
            ("2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z"),
            ("2026-1-5T09:00:00+0500", "2026-01-05T09:00:00+05:00"),
        ] {
            let at = KaspiTime::new(text).at().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(at.format(&Rfc3339).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_kept() {
        for text in [
            "",
            "soon",
            "2026-13-01T00:00:00",
            "2026-01-05",
            "2026-01-05T25:00:00",
            "05.01.2026 09:00:00",
            "2026-01-05T09:00:00+99",
        ] {
            let date = KaspiTime::new(text);
            assert_eq!((date.at(), date.as_text()), (None, text));
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = KaspiTime::new(text);
        }

        #[test]
        fn never_panics_on_datelike(text in "[0-9]{1,6}-[0-9]{0,3}-[0-9]{0,3}[T ][0-9:.]{0,20}[-+Z]?[0-9:]{0,6}") {
            let _ = KaspiTime::new(text);
        }
    }
}
