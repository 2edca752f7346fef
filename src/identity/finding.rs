//! What a check found, as it is reported.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::IdentityError;
use crate::base::Explain;

/// Whether a finding stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The identity works; somebody should look at it.
    Warning,
    /// The identity is not loaded.
    Error,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Whether it stands in the way.
    pub severity: Severity,
    /// A stable word for programs.
    pub kind: &'static str,
    /// What was found.
    pub message: String,
    /// One thing to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The file that it is about, where it is about one.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

impl Finding {
    pub(super) fn warning(kind: &'static str, message: String, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            kind,
            message,
            hint: Some(hint.into()),
            file: None,
        }
    }

    pub(super) fn error(error: &IdentityError) -> Self {
        Self {
            severity: Severity::Error,
            kind: error.kind(),
            message: crate::base::chain_text(error),
            hint: error.hint(),
            file: error.path().map(Path::to_owned),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
