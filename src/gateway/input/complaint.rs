//! What is wrong with what a caller sent, in FastAPI's shape.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// One thing that is wrong with what a caller sent: `{"loc": [...], "msg": "...", "type": "..."}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Complaint {
    place: &'static str,
    pub(in crate::gateway) name: Option<String>,
    pub(super) at: Option<usize>,
    pub(in crate::gateway) msg: String,
    kind: &'static str,
}

/// Why one value cannot be used.
pub(in crate::gateway) type Wrong = (&'static str, String);

impl Complaint {
    pub(super) fn new(place: &'static str, name: Option<&str>, (kind, msg): Wrong) -> Self {
        Self {
            place,
            name: name.map(quoted),
            at: None,
            msg,
            kind,
        }
    }

    /// A complaint about one named value.
    pub(in crate::gateway) fn about(place: &'static str, name: &str, wrong: Wrong) -> Self {
        Self::new(place, Some(name), wrong)
    }
}

impl Serialize for Complaint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        #[serde(untagged)]
        enum Step<'a> {
            Word(&'a str),
            At(usize),
        }
        let mut loc = vec![Step::Word(self.place)];
        loc.extend(self.name.as_deref().map(Step::Word));
        loc.extend(self.at.map(Step::At));
        let mut object = serializer.serialize_struct("Complaint", 3)?;
        object.serialize_field("loc", &loc)?;
        object.serialize_field("msg", &self.msg)?;
        object.serialize_field("type", self.kind)?;
        object.end()
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "`{name}`: {}", self.msg),
            None => f.write_str(&self.msg),
        }
    }
}

/// A wrong name is quoted in errors, but a pasted page is not, and nothing that a terminal obeys.
fn quoted(name: &str) -> String {
    name.chars()
        .take(40)
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}
