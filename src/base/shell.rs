//! Words of commands that a person is told to paste into a shell.

use std::borrow::Cow;
use std::path::Path;

/// A path as one word of a POSIX shell's command: in single quotes where it needs them.
///
/// ```
/// use std::path::Path;
/// use kaspi_direct::base::shell_word;
///
/// assert_eq!(shell_word(Path::new("/etc/kaspi/private.key")), "/etc/kaspi/private.key");
/// assert_eq!(shell_word(Path::new("my key")), "'my key'");
/// ```
#[must_use]
pub fn shell_word(path: &Path) -> String {
    let text: Cow<'_, str> = path.to_string_lossy();
    let plain = |character: char| character.is_alphanumeric() || "_-./:=@%+,".contains(character);
    if text.starts_with('-') {
        return shell_word(&Path::new(".").join(path));
    }
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        for (path, word) in [
            ("certs/891027350515/private.key", "certs/891027350515/private.key"),
            ("ключ.key", "ключ.key"),
            ("my key", "'my key'"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("-in", "./-in"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
