//! A customer's phone number: personal data, masked wherever it is shown.

use std::fmt;
use std::str::FromStr;

/// A Kazakhstan phone number: country code 7 and ten digits.
///
/// Shown masked (`7701***1545`), in `Debug` too; the full number goes only into a request to Kaspi.
///
/// ```
/// use kaspi_direct::base::{PhoneFormat, PhoneNumber};
///
/// let phone: PhoneNumber = "+7 (701) 000-15-45".parse()?;
/// assert_eq!(phone.to_string(), "7701***1545");
/// assert_eq!(phone.for_kaspi(PhoneFormat::Eight), "87010001545");
/// # Ok::<(), kaspi_direct::base::PhoneError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PhoneNumber(u64);

/// How Kaspi is given a phone number: the official document shows `87…`, production traffic `77…`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PhoneFormat {
    /// `7` and ten digits (`77010001545`).
    #[default]
    Seven,
    /// `8` and ten digits (`87010001545`).
    Eight,
}

/// Why a text is not a phone number. Never quotes the text: a mistyped number is personal data too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// Too few or too many digits.
    #[error("a phone number is +7, 7 or 8 and ten digits, this one has {digits} digits")]
    Length {
        /// How many digits were given.
        digits: usize,
    },
    /// Neither `+7` nor `7` nor `8` in front.
    #[error("a phone number starts with +7, 7 or 8, this one does not")]
    Prefix,
    /// A character other than digits, spaces, dashes and brackets.
    #[error("a phone number has digits, spaces, dashes and brackets, this one has other characters")]
    Character,
}

const SUBSCRIBER: u64 = 10_000_000_000;

impl PhoneNumber {
    /// Reads `+7`, `7` or `8` and ten digits; spaces, dashes and brackets may stand between.
    ///
    /// # Errors
    ///
    /// Anything else; the error does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let trimmed = text.trim();
        let (plus, rest) = match trimmed.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, trimmed),
        };
        let mut digits = Vec::with_capacity(11);
        for character in rest.chars() {
            match character {
                ' ' | '-' | '(' | ')' | '\u{a0}' => {}
                _ => digits.push(character.to_digit(10).ok_or(PhoneError::Character)?),
            }
        }
        if digits.len() != 11 {
            return Err(PhoneError::Length { digits: digits.len() });
        }
        match (plus, digits.first()) {
            (_, Some(7)) | (false, Some(8)) => {}
            _ => return Err(PhoneError::Prefix),
        }
        let number = digits
            .into_iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit));
        Ok(Self(number % SUBSCRIBER))
    }

    /// The full number as Kaspi is to get it. For the request only: it must not be logged.
    #[must_use]
    pub fn for_kaspi(self, format: PhoneFormat) -> String {
        String::from_utf8_lossy(&self.digits_for_kaspi(format)).into_owned()
    }

    /// The same without an allocation, in ASCII.
    pub(crate) fn digits_for_kaspi(self, format: PhoneFormat) -> [u8; 11] {
        let prefix = match format {
            PhoneFormat::Seven => b'7',
            PhoneFormat::Eight => b'8',
        };
        let mut rest = self.0;
        let mut digits = [prefix; 11];
        for digit in digits.iter_mut().skip(1).rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        digits
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "7{:03}***{:04}", self.0 / 10_000_000, self.0 % 10_000)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({self})")
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneError;

    fn from_str(text: &str) -> Result<Self, PhoneError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_prefixes() {
        for text in [
            "+77010001545",
            "77010001545",
            "87010001545",
            "+7 (701) 000-15-45",
            " 8-701-000 15 45 ",
        ] {
            let phone = PhoneNumber::parse(text).unwrap();
            assert_eq!(phone.for_kaspi(PhoneFormat::Seven), "77010001545", "{text}");
            assert_eq!(phone.for_kaspi(PhoneFormat::Eight), "87010001545", "{text}");
            assert_eq!(
                format!("{phone} {phone:?}"),
                "7701***1545 PhoneNumber(7701***1545)"
            );
        }
    }

    #[test]
    fn refuses_the_rest_without_repeating_it() {
        for (text, message) in [
            (
                "7701000154",
                "a phone number is +7, 7 or 8 and ten digits, this one has 10 digits",
            ),
            (
                "",
                "a phone number is +7, 7 or 8 and ten digits, this one has 0 digits",
            ),
            (
                "+87010001545",
                "a phone number starts with +7, 7 or 8, this one does not",
            ),
            (
                "97010001545",
                "a phone number starts with +7, 7 or 8, this one does not",
            ),
            (
                "7701000154x",
                "a phone number has digits, spaces, dashes and brackets, this one has other characters",
            ),
        ] {
            assert_eq!(PhoneNumber::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn leading_zeros_survive() {
        assert_eq!(
            PhoneNumber::parse("70000000001")
                .unwrap()
                .for_kaspi(PhoneFormat::Seven),
            "70000000001"
        );
    }
}
