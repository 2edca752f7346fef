//! The table of causes.

use serde::{Serialize, Serializer};

/// Something that a stage can find. The table: what it is called, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// None of the passwords opens the key.
    WrongPassword,
}

impl Cause {
    /// The stable word.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
