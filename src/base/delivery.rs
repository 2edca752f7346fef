//! What is known about a request that failed.

use std::fmt;

use serde::Serialize;

/// What is known about a request that did not end well.
///
/// This is the word that decides whether money may be asked for again: only a request that was
/// [`NotSent`](Self::NotSent) may be repeated without looking first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Kaspi's application never got it: nothing happened there.
    NotSent,
    /// Kaspi answered no: nothing happened there.
    Refused,
    /// It may have happened, or not.
    Unknown,
}

impl Delivery {
    /// The word as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
