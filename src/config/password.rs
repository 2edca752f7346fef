//! Passwords of a merchant's key: from a file, a systemd credential, the environment, in this order.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::merchant::MERCHANT_FILE;
use super::read::{self, Contents, SECRET_LIMIT};
use super::setting::Located;
use super::settings::path;
use super::{ConfigError, ConfigWarning, Environment, PasswordOrigin, PasswordSource, Setting};
use crate::base::{Bin, Password};

/// The usual name of the file with a key's password.
pub const PASSWORD_FILE: &str = "password";

/// Every password there is for `bin`. Which of them opens the key is found out where it is opened.
///
/// `material` is the folder of the identity's files; what merchant.toml names is relative to `folder`.
pub(super) fn gather(
    folder: &Path,
    material: &Path,
    bin: Bin,
    password_file: Option<&Located<String>>,
    environment: &Environment,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Vec<PasswordSource>, ConfigError> {
    let mut found = Vec::new();
    let mut keep = |contents: &Contents, file: PathBuf, origin: fn(PathBuf) -> PasswordOrigin| {
        warnings.extend(contents.exposure(&file));
        found.push(source(origin(file), &contents.bytes));
    };

    if let Some(given) = password_file {
        let file = path(&folder.join(MERCHANT_FILE), given)?;
        keep(
            &read::named(&file, SECRET_LIMIT, &given.setting)?,
            file,
            PasswordOrigin::File,
        );
    } else {
        let file = material.join(PASSWORD_FILE);
        if let Some(contents) = read::optional(&file, SECRET_LIMIT, None)? {
            keep(&contents, file, PasswordOrigin::File);
        }
    }

    if let Some(credentials) = environment.get("CREDENTIALS_DIRECTORY") {
        let file = Path::new(credentials).join(format!("kaspi_{bin}.password"));
        if let Some(contents) = read::optional(&file, SECRET_LIMIT, None)? {
            keep(&contents, file, PasswordOrigin::Credential);
        }
    }

    let variable = format!("KASPI_PASSWORD_{bin}");
    if let Some(value) = environment.get(&variable).map(OsStrExt::as_bytes) {
        if u64::try_from(value.len()).unwrap_or(u64::MAX) > SECRET_LIMIT {
            return Err(ConfigError::Invalid {
                setting: Setting::new(Path::new("the environment"), variable, None),
                given: None,
                problem: format!("it has more than {SECRET_LIMIT} bytes"),
                hint: None,
            });
        }
        found.push(source(PasswordOrigin::Environment(variable), value));
    }
    Ok(found)
}

/// Reads a password from a file that a person names on the command line.
///
/// One newline at its end is not part of the password.
///
/// # Errors
///
/// The file is not there, is no plain file, cannot be read, or holds more than a password.
pub fn read_password_file(file: &Path) -> Result<PasswordSource, ConfigError> {
    let setting = Setting::new(Path::new("the command line"), "--password-file".to_owned(), None);
    let contents = read::named(file, SECRET_LIMIT, &setting)?;
    Ok(source(PasswordOrigin::File(file.to_owned()), &contents.bytes))
}

fn source(origin: PasswordOrigin, bytes: &[u8]) -> PasswordSource {
    PasswordSource {
        origin,
        password: Password::new(read::without_newline(bytes).to_vec()),
    }
}
