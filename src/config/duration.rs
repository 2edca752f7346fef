//! Lengths of time as text: `500ms`, `5s`, `1m`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::ConfigError;
use super::error::shown;
use super::setting::Located;

/// Reads a length of time that must lie within `range`.
pub(super) fn within(
    given: &Located<String>,
    range: RangeInclusive<Duration>,
) -> Result<Duration, ConfigError> {
    let invalid = |problem| ConfigError::Invalid {
        setting: given.setting.clone(),
        given: Some(shown(&given.value)),
        problem,
        hint: None,
    };
    let duration = parse(&given.value).ok_or_else(|| {
        invalid("a length of time is a whole number and `ms`, `s` or `m`, as in `5s`".to_owned())
    })?;
    if range.contains(&duration) {
        Ok(duration)
    } else {
        Err(invalid(format!(
            "allowed is {} to {}",
            text(*range.start()),
            text(*range.end())
        )))
    }
}

/// A length of time as the files have it, in the largest unit that fits.
pub(super) fn text(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (number, millis) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1_000)
    } else {
        (text.strip_suffix('m')?, 60_000)
    };
    let number = number.trim_end();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_three_units_and_nothing_else() {
        for (given, millis) in [
            ("5s", Some(5_000)),
            ("500ms", Some(500)),
            ("1m", Some(60_000)),
            ("20 s", Some(20_000)),
            ("0s", Some(0)),
            ("5", None),
            ("s", None),
            ("", None),
            ("-5s", None),
            ("+5s", None),
            ("1.5s", None),
            ("5h", None),
            ("5S", None),
            ("99999999999999999999s", None),
            ("18446744073709551615m", None),
        ] {
            assert_eq!(parse(given), millis.map(Duration::from_millis), "{given}");
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(millis in 0_u64..10_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&text(duration)), Some(duration));
        }

        #[test]
        fn never_panics(given in ".*") {
            let _ = parse(&given);
        }
    }
}
