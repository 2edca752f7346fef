//! BIN: the 12-digit number of the organisation that gets the money.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// A Kazakhstan business identification number (БИН), or the individual one (ИИН) of a sole trader.
///
/// Twelve digits, checked once; inside the program a malformed one cannot exist. The control digit
/// is *not* part of the check, because an organisation with an odd number must be able to trade:
/// ask [`Bin::has_valid_control_digit`].
///
/// ```
/// use kaspi_direct::base::Bin;
///
/// let bin: Bin = "891027350515".parse()?;
/// assert!(bin.has_valid_control_digit());
/// assert_eq!(bin.to_string(), "891027350515");
/// assert!("89102735051".parse::<Bin>().is_err());
/// # Ok::<(), kaspi_direct::base::BinError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bin(u64);

/// Why a text is not a BIN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BinError {
    /// Not twelve characters.
    #[error("a BIN has 12 digits, `{given}` has {length} characters")]
    Length {
        /// What was given.
        given: String,
        /// Its length in characters.
        length: usize,
    },
    /// Something else than a digit 0-9.
    #[error("a BIN has digits only, `{given}` has `{character}`")]
    NotADigit {
        /// What was given.
        given: String,
        /// The first character that is no digit.
        character: char,
    },
}

impl Bin {
    /// Reads twelve digits.
    ///
    /// # Errors
    ///
    /// Anything else than exactly twelve ASCII digits; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, BinError> {
        let length = text.chars().count();
        if length != 12 {
            return Err(BinError::Length {
                given: shortened(text),
                length,
            });
        }
        let mut number = 0_u64;
        for character in text.chars() {
            let digit = character.to_digit(10).ok_or_else(|| BinError::NotADigit {
                given: shortened(text),
                character,
            })?;
            number = number * 10 + u64::from(digit);
        }
        Ok(Self(number))
    }

    /// Whether the 12th digit is the one that the first eleven call for.
    ///
    /// The rule is a weighted sum modulo 11, with a second set of weights where the first gives 10
    /// (public rule of the national registers of identification numbers).
    #[must_use]
    pub fn has_valid_control_digit(self) -> bool {
        const FIRST: [u64; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        const SECOND: [u64; 11] = [3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2];
        let control = match self.weighted_sum(FIRST) % 11 {
            10 => self.weighted_sum(SECOND) % 11,
            sum => sum,
        };
        control == self.0 % 10
    }

    fn weighted_sum(self, weights: [u64; 11]) -> u64 {
        let mut rest = self.0 / 10;
        let mut sum = 0;
        for weight in weights.into_iter().rev() {
            sum += weight * (rest % 10);
            rest /= 10;
        }
        sum
    }
}

/// A wrong value is quoted in errors, but a pasted page is not.
impl Bin {
    /// As text, in ASCII.
    fn digits(self) -> [u8; 12] {
        let mut rest = self.0;
        let mut digits = [b'0'; 12];
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        digits
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(24).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

impl fmt::Display for Bin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.digits()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Bin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bin({self})")
    }
}

impl FromStr for Bin {
    type Err = BinError;

    fn from_str(text: &str) -> Result<Self, BinError> {
        Self::parse(text)
    }
}

impl Serialize for Bin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.digits()).map_err(ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Bin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_not_twelve_ascii_digits() {
        for (text, message) in [
            (
                "89102735051",
                "a BIN has 12 digits, `89102735051` has 11 characters",
            ),
            (
                "8910273505150",
                "a BIN has 12 digits, `8910273505150` has 13 characters",
            ),
            ("", "a BIN has 12 digits, `` has 0 characters"),
            ("89102735051a", "a BIN has digits only, `89102735051a` has `a`"),
            ("89102735051５", "a BIN has digits only, `89102735051５` has `５`"),
            (" 91027350515", "a BIN has digits only, ` 91027350515` has ` `"),
        ] {
            assert_eq!(Bin::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn control_digit() {
        for (text, valid) in [
            ("891027350515", true),
            ("210440028324", true),
            ("891027350516", false),
            ("210440028320", false),
            ("000000000000", true),
        ] {
            assert_eq!(
                Bin::parse(text).unwrap().has_valid_control_digit(),
                valid,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn at_most_one_control_digit_fits(stem in 0_u64..100_000_000_000) {
            let fitting = (0..10)
                .filter(|digit| Bin(stem * 10 + digit).has_valid_control_digit())
                .count();
            prop_assert!(fitting <= 1);
        }

        #[test]
        fn prints_what_it_read(number in 0_u64..1_000_000_000_000) {
            let text = format!("{number:012}");
            prop_assert_eq!(Bin::parse(&text).unwrap().to_string(), text);
        }
    }
}
