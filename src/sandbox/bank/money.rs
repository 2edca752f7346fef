//! Amounts in whole tiyn, read from the number's text: no float is ever compared.

use serde_json::Value;

/// More than any purchase: a billion tenge.
const MOST_TIYN: i64 = 100_000_000_000;

/// Reads a JSON number of tenge as tiyn.
///
/// Gives nothing where the amount is not above zero, is finer than a tiyn, or is absurdly large:
/// all of that is the bank's "wrong amount". The text must be a JSON number.
pub(in crate::sandbox) fn tiyn(number: &str) -> Option<i64> {
    if number.starts_with('-') {
        return None;
    }
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    // value = digits * 10^-places, and in tiyn two places fewer
    let mut places = i32::try_from(fraction.len())
        .ok()?
        .checked_sub(exponent)?
        .checked_sub(2)?;
    while places > 0 && digits.ends_with('0') {
        digits.pop();
        places -= 1;
    }
    if places > 0 {
        return None;
    }
    for _ in 0..places.unsigned_abs().min(20) {
        digits.push('0');
    }
    if places < -20 {
        return None;
    }
    let tiyn: i64 = digits.parse().ok()?;
    (tiyn > 0 && tiyn <= MOST_TIYN).then_some(tiyn)
}

/// An amount as text with two decimals: `100.00`.
pub(in crate::sandbox) fn text(tiyn: i64) -> String {
    format!("{}.{:02}", tiyn / 100, tiyn % 100)
}

/// An amount as the bank writes it: a JSON double.
pub(in crate::sandbox) fn double(tiyn: i64) -> Value {
    text(tiyn).parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (number, expected) in [
            ("100", Some(10_000)),
            ("100.0", Some(10_000)),
            ("100.00", Some(10_000)),
            ("100.10", Some(10_010)),
            ("0.01", Some(1)),
            ("0.29", Some(29)),
            ("1.005", None),
            ("1.000", Some(100)),
            ("0.001", None),
            ("1e2", Some(10_000)),
            ("1.5E1", Some(1_500)),
            ("12345e-3", None),
            ("12340e-3", Some(1_234)),
            ("0", None),
            ("-0", None),
            ("0.00", None),
            ("-1", None),
            ("1e400", None),
            ("1e-400", None),
            ("1e99999999999", None),
            ("0e2147483647", None),
            ("1000000000", Some(MOST_TIYN)),
            ("1000000000.01", None),
        ] {
            assert_eq!(tiyn(number), expected, "{number}");
        }
    }

    #[test]
    fn amounts_are_written_as_doubles() {
        assert_eq!(double(20_000).to_string(), "200.0");
        assert_eq!(double(1_010).to_string(), "10.1");
        assert_eq!(text(10_005), "100.05");
    }
}
