//! One value that a caller sent, and what it is read as.

use serde_json::value::RawValue;

use super::Wrong;
use crate::base::{Amount, AmountError, Bin, ExternalId, PaymentId, PhoneNumber, TradePointId};

/// A value as the caller wrote it.
#[derive(Clone, Debug)]
pub(in crate::gateway) enum Given {
    /// JSON's `null`.
    Null,
    /// A text.
    Text(String),
    /// A number, in the digits that were sent: no float comes between.
    Number(String),
    /// Something that no field takes.
    Other(&'static str),
}

impl Given {
    pub(super) fn of_json(raw: &RawValue) -> Self {
        let text = raw.get().trim();
        match text.bytes().next() {
            Some(b'"') => match serde_json::from_str(text) {
                Ok(text) => Self::Text(text),
                Err(_) => Self::Other("a text that is no Unicode"),
            },
            Some(b'-' | b'0'..=b'9') => Self::Number(text.to_owned()),
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Other("true or false"),
            Some(b'[') => Self::Other("a list"),
            _ => Self::Other("an object"),
        }
    }

    /// The characters of a text or of a number.
    fn characters(&self) -> Result<&str, Wrong> {
        match self {
            Self::Text(text) | Self::Number(text) => Ok(text),
            Self::Null => Err((
                "string_type",
                "Input should be a valid string, not null".to_owned(),
            )),
            Self::Other(what) => Err((
                "string_type",
                format!("Input should be a valid string, not {what}"),
            )),
        }
    }
}

/// A line of text; a number is taken as its digits.
pub(in crate::gateway) fn text(given: &Given) -> Result<String, Wrong> {
    given.characters().map(str::to_owned)
}

/// Money in tenge: an integer, a decimal number, or a text of one.
pub(in crate::gateway) fn amount(given: &Given) -> Result<Amount, Wrong> {
    let text = match given {
        Given::Text(text) | Given::Number(text) => text,
        Given::Null | Given::Other(_) => {
            return Err(("float_type", "Input should be a valid number".to_owned()));
        }
    };
    Amount::parse(text).map_err(|error| {
        let kind = match error {
            AmountError::Negative { .. } | AmountError::Zero => "greater_than",
            AmountError::NotANumber { .. } => "float_parsing",
            _ => "value_error",
        };
        (kind, error.to_string())
    })
}

/// A customer's phone number; the error never repeats it.
pub(in crate::gateway) fn phone(given: &Given) -> Result<PhoneNumber, Wrong> {
    let text = given.characters()?;
    PhoneNumber::parse(text).map_err(|error| ("value_error", error.to_string()))
}

/// An organisation.
pub(in crate::gateway) fn bin(given: &Given) -> Result<Bin, Wrong> {
    let text = given.characters()?;
    Bin::parse(text).map_err(|error| ("value_error", error.to_string()))
}

/// Kaspi's number of a payment.
pub(in crate::gateway) fn payment(given: &Given) -> Result<PaymentId, Wrong> {
    let text = given.characters()?;
    text.parse::<PaymentId>()
        .map_err(|error| ("value_error", error.to_string()))
}

/// One of the merchant's trade points.
pub(in crate::gateway) fn trade_point(given: &Given) -> Result<TradePointId, Wrong> {
    let text = given.characters()?;
    text.parse::<TradePointId>()
        .map_err(|error| ("value_error", error.to_string()))
}

/// The caller's own number of an order.
pub(in crate::gateway) fn external_id(given: &Given) -> Result<ExternalId, Wrong> {
    let text = given.characters()?;
    text.parse::<ExternalId>()
        .map_err(|error| ("value_error", error.to_string()))
}
