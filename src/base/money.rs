//! Money in whole tiyn (1/100 tenge). No float ever holds an amount.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Money to be asked for or given back: more than zero, in whole tiyn.
///
/// ```
/// use kaspi_direct::base::Amount;
///
/// let amount: Amount = "1500.5".parse()?;
/// assert_eq!(amount.tiyn(), 150_050);
/// assert_eq!(amount.to_string(), "1500.50");
/// assert!("10.005".parse::<Amount>().is_err());
/// # Ok::<(), kaspi_direct::base::AmountError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

/// Money that is there, such as what can still be refunded: zero or more, in whole tiyn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Balance(u64);

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// Not a decimal number at all.
    #[error("`{given}` is not an amount of money: a number such as 1500 or 1500.50 is expected")]
    NotANumber {
        /// What was given.
        given: String,
    },
    /// Less than zero.
    #[error("an amount must be more than zero, `{given}` is negative")]
    Negative {
        /// What was given.
        given: String,
    },
    /// Zero where money has to move.
    #[error("an amount must be more than zero")]
    Zero,
    /// Parts of a tiyn.
    #[error("an amount has at most 2 decimals (whole tiyn), `{given}` has more")]
    TooManyDecimals {
        /// What was given.
        given: String,
    },
    /// More than the wire can carry exactly.
    #[error("`{given}` tenge is more than the greatest amount, {}", Balance(MAX_TIYN))]
    TooLarge {
        /// What was given.
        given: String,
    },
}

/// Kaspi's API takes amounts as JSON numbers, which most readers hold in a double: 15 digits are
/// the most that every reader gets back exactly.
const MAX_TIYN: u64 = 999_999_999_999_999;

impl Amount {
    /// An amount of whole tiyn.
    ///
    /// # Errors
    ///
    /// Zero, or more than 15 digits.
    pub fn from_tiyn(tiyn: u64) -> Result<Self, AmountError> {
        Balance::from_tiyn(tiyn)?.try_into()
    }

    /// Reads tenge: an integer or a decimal number with at most two decimals that are not zero.
    ///
    /// # Errors
    ///
    /// Anything that is not a number above zero in whole tiyn.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        Balance::parse(text)?.try_into()
    }

    /// Whole tiyn.
    #[must_use]
    pub fn tiyn(self) -> u64 {
        self.0
    }
}

impl Balance {
    /// A balance of whole tiyn.
    ///
    /// # Errors
    ///
    /// More than 15 digits.
    pub fn from_tiyn(tiyn: u64) -> Result<Self, AmountError> {
        if tiyn > MAX_TIYN {
            return Err(AmountError::TooLarge {
                given: (tiyn / 100).to_string(),
            });
        }
        Ok(Self(tiyn))
    }

    /// Reads tenge, zero included.
    ///
    /// # Errors
    ///
    /// Anything that is not a number of whole tiyn, zero or more.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        Self::from_tiyn(tiyn_from_decimal(text.trim())?)
            .map_err(|_| AmountError::TooLarge { given: quoted(text) })
    }

    /// Whole tiyn.
    #[must_use]
    pub fn tiyn(self) -> u64 {
        self.0
    }
}

/// `[+-]digits[.digits][e[+-]digits]` to tiyn, exactly.
fn tiyn_from_decimal(text: &str) -> Result<u64, AmountError> {
    let not_a_number = || AmountError::NotANumber { given: quoted(text) };
    let too_large = || AmountError::TooLarge { given: quoted(text) };

    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_from(exponent).ok_or_else(not_a_number)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_a_number());
    }
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    if negative {
        return Err(AmountError::Negative { given: quoted(text) });
    }

    // digits * 10^(exponent - len(fraction)) tenge, times 100 for tiyn
    let fraction_length = i64::try_from(fraction.len()).map_err(|_| too_large())?;
    let scale = exponent.saturating_sub(fraction_length).saturating_add(2);
    let (kept, zeros) = if scale >= 0 {
        (significant, usize::try_from(scale).map_err(|_| too_large())?)
    } else {
        let cut = usize::try_from(scale.unsigned_abs()).unwrap_or(usize::MAX);
        let kept = significant
            .len()
            .checked_sub(cut)
            .and_then(|at| significant.split_at_checked(at));
        match kept {
            Some((kept, dropped)) if dropped.bytes().all(|byte| byte == b'0') => (kept, 0),
            _ => return Err(AmountError::TooManyDecimals { given: quoted(text) }),
        }
    };
    if kept.len().saturating_add(zeros) > 18 {
        return Err(too_large());
    }
    let mut tiyn: u64 = kept.parse().map_err(|_| too_large())?;
    for _ in 0..zeros {
        tiyn *= 10;
    }
    Ok(tiyn)
}

fn exponent_from(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // an exponent too long for an integer is as good as the greatest one: out of range either way
    Some(sign * digits.parse::<i64>().unwrap_or(i64::MAX))
}

/// A wrong value is quoted in errors, but a pasted page is not.
fn quoted(text: &str) -> String {
    text.chars().take(32).collect()
}

impl TryFrom<Balance> for Amount {
    type Error = AmountError;

    fn try_from(balance: Balance) -> Result<Self, AmountError> {
        if balance.0 == 0 {
            Err(AmountError::Zero)
        } else {
            Ok(Self(balance.0))
        }
    }
}

impl From<Amount> for Balance {
    fn from(amount: Amount) -> Self {
        Self(amount.0)
    }
}

/// As many digits as there can be, and the point.
const DECIMAL: usize = 21;

impl Balance {
    /// Tenge with two decimals. Fills the buffer from its end.
    fn decimal(self, buffer: &mut [u8; DECIMAL]) -> &str {
        let mut rest = self.0;
        let mut start = DECIMAL;
        for (place, byte) in buffer.iter_mut().rev().enumerate() {
            *byte = b'.';
            if place != 2 {
                *byte = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                rest /= 10;
            }
            start -= 1;
            if rest == 0 && place > 2 {
                break;
            }
        }
        let text = buffer.get(start..).unwrap_or_default();
        str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.decimal(&mut [0; DECIMAL]))
    }
}

impl Amount {
    /// Does something with the text that is shown for it, which is copied nowhere.
    pub(crate) fn with_text<T>(self, with: impl FnOnce(&str) -> T) -> T {
        with(Balance::from(self).decimal(&mut [0; DECIMAL]))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Balance::from(*self).fmt(f)
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse(text)
    }
}

impl FromStr for Balance {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse(text)
    }
}

/// Tenge with two decimals, as a text: the form of our own JSON, not of Kaspi's.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Tenge with two decimals, as a text: the form of our own JSON, not of Kaspi's.
impl Serialize for Balance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_and_json_write() {
        for (text, tiyn) in [
            ("1", 100),
            ("100.0", 10_000),
            ("0.01", 1),
            ("1500.50", 150_050),
            ("1500.500", 150_050),
            (".5", 50),
            ("5.", 500),
            ("1e2", 10_000),
            ("2.0E+2", 20_000),
            ("1250e-2", 1_250),
            ("+7", 700),
            (" 7 ", 700),
            ("9999999999999.99", MAX_TIYN),
        ] {
            assert_eq!(Amount::parse(text).unwrap().tiyn(), tiyn, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for (text, message) in [
            ("0", "an amount must be more than zero"),
            ("-0.00", "an amount must be more than zero"),
            ("0e999999999999999999999", "an amount must be more than zero"),
            ("-5", "an amount must be more than zero, `-5` is negative"),
            (
                "1.005",
                "an amount has at most 2 decimals (whole tiyn), `1.005` has more",
            ),
            (
                "1e-3",
                "an amount has at most 2 decimals (whole tiyn), `1e-3` has more",
            ),
            (
                "1e400",
                "`1e400` tenge is more than the greatest amount, 9999999999999.99",
            ),
            (
                "1e99999999999999999999",
                "`1e99999999999999999999` tenge is more than the greatest amount, 9999999999999.99",
            ),
            (
                "10000000000000",
                "`10000000000000` tenge is more than the greatest amount, 9999999999999.99",
            ),
            (
                "NaN",
                "`NaN` is not an amount of money: a number such as 1500 or 1500.50 is expected",
            ),
            (
                "inf",
                "`inf` is not an amount of money: a number such as 1500 or 1500.50 is expected",
            ),
            (
                "",
                "`` is not an amount of money: a number such as 1500 or 1500.50 is expected",
            ),
            (
                ".",
                "`.` is not an amount of money: a number such as 1500 or 1500.50 is expected",
            ),
            (
                "1,5",
                "`1,5` is not an amount of money: a number such as 1500 or 1500.50 is expected",
            ),
            (
                "1e",
                "`1e` is not an amount of money: a number such as 1500 or 1500.50 is expected",
            ),
            (
                "--1",
                "`--1` is not an amount of money: a number such as 1500 or 1500.50 is expected",
            ),
        ] {
            assert_eq!(Amount::parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn nothing_left_is_a_balance_but_no_amount() {
        assert_eq!(Balance::parse("0.0").unwrap().to_string(), "0.00");
        assert_eq!(Amount::try_from(Balance::default()), Err(AmountError::Zero));
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(tiyn in 1..=MAX_TIYN) {
            let amount = Amount::from_tiyn(tiyn).unwrap();
            prop_assert_eq!(amount.to_string(), format!("{}.{:02}", tiyn / 100, tiyn % 100));
            prop_assert_eq!(Amount::parse(&amount.to_string()).unwrap(), amount);
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = Amount::parse(&text);
        }

        #[test]
        fn never_panics_on_numberlike(text in "[-+]?[0-9]{0,30}\\.?[0-9]{0,30}([eE][-+]?[0-9]{0,25})?") {
            let _ = Amount::parse(&text);
        }
    }
}
