//! Money in answers.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::base::{Amount, Balance};

/// Tenge as a JSON number with at least one decimal, as Python writes a float. Written from the whole
/// tiyn: no float comes between.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Tenge(Box<RawValue>);

impl Tenge {
    fn of_tiyn(tiyn: u64) -> Self {
        let (whole, rest) = (tiyn / 100, tiyn % 100);
        let text = if rest % 10 == 0 {
            format!("{whole}.{}", rest / 10)
        } else {
            format!("{whole}.{rest:02}")
        };
        Self(RawValue::from_string(text).unwrap_or_default())
    }
}

impl From<Amount> for Tenge {
    fn from(amount: Amount) -> Self {
        Self::of_tiyn(amount.tiyn())
    }
}

impl From<Balance> for Tenge {
    fn from(balance: Balance) -> Self {
        Self::of_tiyn(balance.tiyn())
    }
}

impl Serialize for Tenge {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenge_are_written_as_python_writes_floats() {
        for (text, written) in [
            ("500", "500.0"),
            ("500.5", "500.5"),
            ("500.05", "500.05"),
            ("0.01", "0.01"),
            ("9999999999999.99", "9999999999999.99"),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!(serde_json::to_string(&Tenge::from(amount)).unwrap(), written);
        }
    }
}
