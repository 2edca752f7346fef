//! Where a setting stands: file, key, line. Every error about a value carries one.

use std::fmt;
use std::path::{Path, PathBuf};

/// A key in a file, as errors name it: `` `kaspi.base_url` in /etc/kaspi/kaspi.toml line 3 ``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    file: PathBuf,
    key: String,
    line: Option<usize>,
}

impl Setting {
    pub(super) fn new(file: &Path, key: impl Into<String>, line: Option<usize>) -> Self {
        Self(Box::new(Inner {
            file: file.to_owned(),
            key: key.into(),
            line,
        }))
    }

    /// The file it stands in.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.0.file
    }

    /// The key with its section, such as `kaspi.base_url`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// File and line, as errors name them.
    pub(super) fn place(&self) -> String {
        let file = self.0.file.display();
        match self.0.line {
            Some(line) => format!("{file} line {line}"),
            None => file.to_string(),
        }
    }

    /// The line, counted from 1; absent for a key that is missing.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in {}", self.0.key, self.place())
    }
}

/// A value with the place it was read from.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) setting: Setting,
}
