//! On whose behalf, and under which key, an operation runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::{Bin, Explain, Fault};

/// On whose behalf, and under which key, an operation runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Who asks.
    pub caller: Caller,
    /// What makes a second request the same operation.
    pub key: RequestKey,
}

impl Origin {
    /// On behalf of whoever embeds the library, under a key of theirs.
    #[must_use]
    pub fn keyed(key: IdempotencyKey) -> Self {
        Self {
            caller: Caller::library(),
            key: RequestKey::Given(key),
        }
    }
}

/// Who asks: the name of a gateway token, `cli`, or `library`. Idempotency keys are each caller's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller(String);

/// What makes a second request the same operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RequestKey {
    /// Nothing: each request is an operation of its own.
    #[default]
    None,
    /// A key that the caller chose. Kept for ever.
    Given(IdempotencyKey),
    /// One derived from the request, for the gateway's old contracts, whose callers repeat requests and
    /// know no keys.
    Derived {
        /// How long an answered request counts as the same one; zero for not at all.
        window: Duration,
        /// Under which BINs to look for the first one where the request names none.
        bins: Vec<Bin>,
    },
}

/// A key that a caller chose for one operation: 1 to 255 visible characters.
///
/// ```
/// use kaspi_direct::payments::IdempotencyKey;
///
/// let key: IdempotencyKey = "order-17".parse()?;
/// assert_eq!(key.as_str(), "order-17");
/// assert!("".parse::<IdempotencyKey>().is_err());
/// # Ok::<(), kaspi_direct::payments::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Why a text is no idempotency key, or no name of a caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Too short or too long.
    #[error("{what} has 1 to {limit} characters, this one has {characters}")]
    Length {
        /// What it was to be.
        what: &'static str,
        /// How many characters it may have.
        limit: usize,
        /// How many it has.
        characters: usize,
    },
    /// A blank or a control character.
    #[error("{what} has visible characters only, character {position} of this one is `{}`", character.escape_default())]
    Character {
        /// What it was to be.
        what: &'static str,
        /// Which character it is, counted from 1.
        position: usize,
        /// The character.
        character: char,
    },
}

impl Caller {
    /// Whoever embeds the library.
    #[must_use]
    pub fn library() -> Self {
        Self("library".to_owned())
    }

    /// The `kaspi` program.
    #[must_use]
    pub fn cli() -> Self {
        Self("cli".to_owned())
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Caller {
    fn default() -> Self {
        Self::library()
    }
}

impl FromStr for Caller {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        printable("the name of a caller", text, 100, true).map(Self)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Caller {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl IdempotencyKey {
    /// The key itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        printable("an idempotency key", text, 255, false).map(Self)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Explain for KeyError {
    fn kind(&self) -> &'static str {
        "bad_idempotency_key"
    }

    fn fault(&self) -> Fault {
        Fault::Caller
    }

    fn hint(&self) -> Option<String> {
        Some("take the number of your order, or a UUID".to_owned())
    }

    fn delivery(&self) -> Option<crate::base::Delivery> {
        Some(crate::base::Delivery::NotSent)
    }
}

/// Two texts that look the same must be the same, so nothing is trimmed and nothing is folded.
fn printable(what: &'static str, text: &str, limit: usize, blanks: bool) -> Result<String, KeyError> {
    let characters = text.chars().count();
    if characters == 0 || characters > limit {
        return Err(KeyError::Length {
            what,
            limit,
            characters,
        });
    }
    let wrong = |character: char| {
        character.is_control() || character.is_whitespace() && !(blanks && character == ' ')
    };
    match text.chars().enumerate().find(|(_, character)| wrong(*character)) {
        Some((index, character)) => Err(KeyError::Character {
            what,
            position: index + 1,
            character,
        }),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_and_of_some_length() {
        for text in ["a", "order-17", "заказ-17", "🌷", &"k".repeat(255)] {
            assert_eq!(text.parse::<IdempotencyKey>().unwrap().as_str(), text);
        }
        for (text, message) in [
            (
                String::new(),
                "an idempotency key has 1 to 255 characters, this one has 0",
            ),
            (
                "k".repeat(300),
                "an idempotency key has 1 to 255 characters, this one has 300",
            ),
            (
                "order\u{0}17".to_owned(),
                "an idempotency key has visible characters only, character 6 of this one is `\\u{0}`",
            ),
            (
                "order 17".to_owned(),
                "an idempotency key has visible characters only, character 6 of this one is ` `",
            ),
        ] {
            let error = text.parse::<IdempotencyKey>().unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.kind()),
                (message, "bad_idempotency_key")
            );
        }
    }

    #[test]
    fn callers_have_names() {
        assert_eq!(Origin::default().caller.as_str(), "library");
        assert_eq!(
            "shop-backend".parse::<Caller>().unwrap().to_string(),
            "shop-backend"
        );
        assert!("x".repeat(101).parse::<Caller>().is_err());
    }
}
