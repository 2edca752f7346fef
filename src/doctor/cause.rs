//! Causes: what each is called, how it reads, and what is done about it.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use super::{Cause, StageId, Verdict};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The stable word for programs.
    pub id: &'static str,
    /// The stage that finds it; a few can be found by an earlier one too.
    pub stage: StageId,
    /// `fail` where it stands in the way, else `warn`.
    pub severity: Verdict,
    /// The line in a report, with names in braces for what differs.
    pub line: &'static str,
    /// What it means.
    pub means: &'static str,
    /// What to do, with names in braces too.
    pub cure: &'static str,
}

impl Cause {
    /// The stable word for programs.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.entry().id
    }

    /// The cause of a word: that of the table, or the kind of an error that has a row there.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.id() == id)
    }

    /// Whether a line of a report is one that the table announces.
    ///
    /// ```
    /// use kaspi_direct::doctor::Cause;
    ///
    /// assert!(Cause::WrongPassword.announces("wrong password: `a.key` (PBES2) is not opened by file `password`"));
    /// assert!(!Cause::WrongPassword.announces("the key does not open"));
    /// ```
    #[must_use]
    pub fn announces(self, line: &str) -> bool {
        let mut parts = fixed_parts(self.entry().line);
        let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
            return false;
        };
        let mut last = "";
        for part in parts {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = rest.get(at + part.len()..).unwrap_or_default();
            last = part;
        }
        rest.is_empty() || last.is_empty() || line.ends_with(last)
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// A text of the table with its names replaced. A name without a value stays as it is, in its braces.
pub(super) fn filled(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            text.push('{');
            rest = after;
            continue;
        };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => text.push_str(&value.to_string()),
            None => text.push_str(&format!("{{{name}}}")),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

/// What stands between the names of a template.
fn fixed_parts(template: &str) -> impl Iterator<Item = &str> {
    let mut parts = template.split('{');
    let first = parts.next();
    first
        .into_iter()
        .chain(parts.map(|part| part.split_once('}').map_or("", |(_, fixed)| fixed)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_filled_in() {
        assert_eq!(filled("`{a}` and {b}", &[("a", &1), ("b", &"x")]), "`1` and x");
        assert_eq!(filled("{unknown} {", &[]), "{unknown} {");
    }

    #[test]
    fn a_line_is_told_from_another() {
        let cause = Cause::CertificateExpired;
        let line = "certificate `a.cer` expired 3 days ago: valid until 2026-01-01T00:00:00Z, now it is 2026-01-04T00:00:00Z";
        assert!(cause.announces(line));
        assert!(!Cause::ExpiresSoon.announces(line));
    }

    #[test]
    fn ids_are_words_and_each_is_there_once() {
        let mut seen = HashSet::new();
        for cause in Cause::ALL {
            let entry = cause.entry();
            assert!(
                entry
                    .id
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'),
                "{}",
                entry.id
            );
            assert!(seen.insert(entry.id), "{} is there twice", entry.id);
            assert!(
                matches!(entry.severity, Verdict::Warn | Verdict::Fail),
                "{}",
                entry.id
            );
            assert!(!entry.cure.is_empty() && !entry.means.is_empty(), "{}", entry.id);
            assert_eq!(Cause::of_id(entry.id), Some(*cause));
        }
        assert!(seen.len() > 80, "{}", seen.len());
    }
}
