//! Trying the passwords that there are, and telling which one opened.

use std::path::Path;

use crate::base::Bin;
use crate::config::{IDENTITY_VARIABLE, PasswordOrigin, PasswordSource};

use super::IdentityError;

/// Why one password did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is the wrong one, or the data is damaged: nobody can tell the two apart.
    Wrong,
    /// The form wants text, and the password is none.
    NotUtf8,
}

/// Every password there is for an identity, and whose identity it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyring<'a> {
    pub(super) owner: Option<Bin>,
    pub(super) passwords: &'a [PasswordSource],
}

impl Keyring<'_> {
    /// Tries every password in order; gives what the first fitting one opened, and where it was found.
    pub(super) fn open<T>(
        &self,
        path: &Path,
        scheme: &str,
        attempt: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<(T, PasswordOrigin), IdentityError> {
        let mut tried = Vec::new();
        for source in self.passwords {
            match attempt(source.password.expose()) {
                Ok(opened) => return Ok((opened, source.origin.clone())),
                Err(failure) => tried.push((source, failure)),
            }
        }
        Err(match tried.as_slice() {
            [] => IdentityError::NoPassword {
                path: path.to_owned(),
                scheme: scheme.to_owned(),
                places: self.places(path),
            },
            [(source, Failure::NotUtf8)] => IdentityError::PasswordEncoding {
                path: path.to_owned(),
                scheme: scheme.to_owned(),
                origin: source.origin.to_string(),
            },
            tried => IdentityError::WrongPassword {
                path: path.to_owned(),
                scheme: scheme.to_owned(),
                tried: list(tried),
            },
        })
    }

    /// The three places where a password is looked for (see the documentation of the configuration).
    fn places(&self, path: &Path) -> String {
        let bin = self
            .owner
            .map_or_else(|| "<BIN>".to_owned(), |bin| bin.to_string());
        if path
            .as_os_str()
            .as_encoded_bytes()
            .starts_with(IDENTITY_VARIABLE.as_bytes())
        {
            return format!("the environment variable `KASPI_PASSWORD_{bin}`");
        }
        format!(
            "the file `{}`, the credential `$CREDENTIALS_DIRECTORY/kaspi_{bin}.password` \
             or the environment variable `KASPI_PASSWORD_{bin}`",
            path.with_file_name("password").display()
        )
    }
}

fn list(tried: &[(&PasswordSource, Failure)]) -> String {
    let places: Vec<String> = tried
        .iter()
        .map(|(source, failure)| {
            let remark = remark(source.password.expose(), *failure);
            format!("{}{remark}", source.origin)
        })
        .collect();
    format!("the password from {}", places.join(" or from "))
}

/// What can be said about a wrong password without giving it away.
fn remark(password: &[u8], failure: Failure) -> &'static str {
    if password.is_empty() {
        " (which is empty)"
    } else if failure == Failure::NotUtf8 {
        " (which is not UTF-8)"
    } else if password.trim_ascii().len() < password.len() {
        " (which begins or ends with white space)"
    } else if password.starts_with(b"\xef\xbb\xbf") {
        " (which begins with a byte order mark)"
    } else {
        ""
    }
}
