//! Why a command did not end well.

use std::io;
use std::path::Path;

use super::exit::Exit;
use crate::base::{Explain, Fault};

/// Why a command did not end well, whatever room it comes from.
pub(super) struct Failure {
    pub(super) error: Box<dyn Explain + Send + Sync>,
    pub(super) exit: Exit,
    /// Whether the command has printed its report itself, so that only the exit code is left to give.
    pub(super) told: bool,
}

impl<E: Explain + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: Exit::of(&error),
            error: Box::new(error),
            told: false,
        }
    }
}

impl Failure {
    pub(super) fn from_io(what: impl Into<String>, source: io::Error) -> Self {
        Plain {
            what: format!("{}: {source}", what.into()),
            kind: "io",
            source: Some(Box::new(source)),
            hint: None,
        }
        .into()
    }

    /// An argument that cannot be used; the error must not repeat a person's data.
    pub(super) fn wrong_use(error: &impl std::error::Error) -> Self {
        let plain = Plain {
            what: error.to_string(),
            kind: "usage",
            source: None,
            hint: None,
        };
        Self {
            error: Box::new(plain),
            exit: Exit::Usage,
            told: false,
        }
    }

    /// An operation said no, and there is something else to do.
    pub(super) fn said_no_because(what: impl Into<String>, hint: impl Into<String>) -> Self {
        let plain = Plain {
            what: what.into(),
            kind: "said_no",
            source: None,
            hint: Some(hint.into()),
        };
        Self {
            error: Box::new(plain),
            exit: Exit::SaidNo,
            told: false,
        }
    }

    /// A file that a command is to make is there already.
    pub(super) fn file_exists(file: &Path) -> Self {
        Plain {
            what: format!("`{}` exists already", file.display()),
            kind: "file_exists",
            source: None,
            hint: Some("name another file, or move this one away".to_owned()),
        }
        .into()
    }

    /// A check or operation said no, and its report, which stands on standard output, tells why.
    pub(super) fn said_no(what: impl Into<String>) -> Self {
        let plain = Plain {
            what: what.into(),
            kind: "said_no",
            source: None,
            hint: None,
        };
        Self {
            error: Box::new(plain),
            exit: Exit::SaidNo,
            told: true,
        }
    }
}

/// A failure of a command itself.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Plain {
    what: String,
    kind: &'static str,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Explain for Plain {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}
