//! Numbers and names that Kaspi, or we, give to things.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// Why a text is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not a whole number above zero that fits 64 bits.
    #[error("a {what} is a whole number above zero of at most 19 digits, `{given}` is not")]
    NotANumber {
        /// Which id was asked for.
        what: &'static str,
        /// What was given.
        given: String,
    },
    /// A device id with other characters than Kaspi takes.
    #[error("a device id has 1 to 100 Latin letters, digits, `-` and `_`, `{given}` does not")]
    DeviceId {
        /// What was given.
        given: String,
    },
    /// An order number that is empty, too long, or not printable.
    #[error("an external id has 1 to 100 printable characters, this one does not")]
    ExternalId,
    /// Not an operation id of ours.
    #[error("an operation id is a UUID, `{given}` is not")]
    OperationId {
        /// What was given.
        given: String,
    },
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// Takes a number above zero.
            ///
            /// # Errors
            ///
            /// Zero or less.
            pub fn new(number: i64) -> Result<Self, IdError> {
                if number > 0 {
                    Ok(Self(number))
                } else {
                    Err(IdError::NotANumber { what: $what, given: number.to_string() })
                }
            }

            /// The number itself.
            #[must_use]
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let wrong = || IdError::NotANumber { what: $what, given: text.chars().take(40).collect() };
                if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(wrong());
                }
                text.parse().ok().filter(|number| *number > 0).map(Self).ok_or_else(wrong)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(self.0)
            }
        }
    };
}

number_id! {
    /// One payment at Kaspi: `QrPaymentId`, `PaymentId` or `externalId`, one number under three names.
    ///
    /// Live ids are over 2^32 and sometimes come as text.
    PaymentId, "payment id"
}
number_id! {
    /// One refund at Kaspi: `ReturnOperationId`.
    ReturnOperationId, "return operation id"
}
number_id! {
    /// A place of business as the bank knows it: `TradePointId`.
    TradePointId, "trade point id"
}

/// The name a device is registered under: `DeviceId` (official document 4.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct DeviceId(String);

impl DeviceId {
    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = !text.is_empty()
            && text.len() <= 100
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::DeviceId {
                given: text.chars().take(40).collect(),
            })
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Our own number of an order, as QR and link payments carry it: `ExternalId` (official document 4.3.1).
///
/// Kaspi neither checks that it is used once nor answers questions about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ExternalId(String);

impl ExternalId {
    /// The number itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExternalId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits =
            !text.trim().is_empty() && text.chars().count() <= 100 && !text.chars().any(char::is_control);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::ExternalId)
        }
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Our own name for one money-moving operation, the same through all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct OperationId(Uuid);

impl OperationId {
    /// A new id. Ids made later sort later.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The eight characters that stand in a payment's comment, so that a person can find it.
    ///
    /// They are the random end of the id, not its beginning, which is the time.
    #[must_use]
    pub fn short(self) -> String {
        let text = self.0.simple().to_string();
        text.chars().skip(24).collect()
    }
}

impl Default for OperationId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for OperationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::parse_str(text).map(Self).map_err(|_| IdError::OperationId {
            given: text.chars().take(40).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payment_ids() {
        assert_eq!("12800000774".parse::<PaymentId>().unwrap().get(), 12_800_000_774);
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "1.0",
            "9223372036854775808",
            "1234567890123456789012345678901234567890",
            "x",
        ] {
            let error = text.parse::<PaymentId>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!("a payment id is a whole number above zero of at most 19 digits, `{text}` is not")
            );
        }
    }

    #[test]
    fn device_ids() {
        assert!("kassa-1_A".parse::<DeviceId>().is_ok());
        for text in ["", "касса", "a b", "a/b"] {
            assert!(text.parse::<DeviceId>().is_err(), "{text}");
        }
    }

    #[test]
    fn operation_ids_are_short_and_distinct() {
        let (one, other) = (OperationId::new(), OperationId::new());
        assert_eq!(one.short().len(), 8);
        assert_ne!(one.short(), other.short());
        assert_eq!(one.to_string().parse::<OperationId>().unwrap(), one);
    }
}
