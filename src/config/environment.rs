//! What the process was started with: variables and working directory.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// The environment, read once; the only door to it.
///
/// Tests make their own with [`Environment::from_pairs`], so that none has to change the process.
///
/// ```
/// use kaspi_direct::config::Environment;
///
/// let environment = Environment::from_pairs([("KASPI_CONFIG", "/etc/kaspi/kaspi.toml")]);
/// assert_eq!(environment.get("KASPI_CONFIG").unwrap(), "/etc/kaspi/kaspi.toml");
/// assert!(environment.get("HOME").is_none());
/// ```
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    working_dir: PathBuf,
}

impl Environment {
    /// That of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            // A deleted working directory is no reason to stop: absolute paths work without one.
            working_dir: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// One with these variables and no other, and no working directory.
    pub fn from_pairs<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self {
            variables: pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            working_dir: PathBuf::new(),
        }
    }

    /// The same, started in `folder`.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.working_dir = folder.into();
        self
    }

    /// A variable. One that is set but empty counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// What follows `beginning` in the names of variables that are set and begin so, in order.
    pub(super) fn ends_of<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = String> + 'a {
        self.variables
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(move |(name, _)| Some(name.to_string_lossy().strip_prefix(beginning)?.to_owned()))
    }

    /// Where the process was started.
    #[must_use]
    pub fn working_dir(&self) -> &Path {
        &self.working_dir
    }
}

/// Names only: a value may be a password.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("names", &self.variables.keys())
            .field("working_dir", &self.working_dir)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_only() {
        let environment = Environment::from_pairs([("KASPI_PASSWORD_891027350515", "planted")]);
        let text = format!("{environment:?}");
        assert!(
            text.contains("KASPI_PASSWORD_891027350515") && !text.contains("planted"),
            "{text}"
        );
    }

    #[test]
    fn set_but_empty_is_not_set() {
        assert!(
            Environment::from_pairs([("KASPI_CONFIG", "")])
                .get("KASPI_CONFIG")
                .is_none()
        );
    }
}
