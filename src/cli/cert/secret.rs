//! Passwords: made, or asked for at the terminal without an echo.

use std::io::IsTerminal;

use zeroize::Zeroizing;

use super::error::CertError;
use crate::base::Password;
use crate::cli::failure::Failure;
use crate::config::{PasswordOrigin, PasswordSource};

/// The least length of a password that a person makes up, in characters.
const LEAST: usize = 8;

/// A line for the file `password`.
pub(in crate::cli) fn line(password: &Password) -> Zeroizing<Vec<u8>> {
    let mut line = Zeroizing::new(Vec::with_capacity(password.expose().len() + 1));
    line.extend_from_slice(password.expose());
    line.push(b'\n');
    line
}

/// A password that may protect a new key: long enough for a person's, from a file too.
pub(in crate::cli) fn long_enough(password: Password) -> Result<Password, Failure> {
    let length = String::from_utf8_lossy(password.expose()).chars().count();
    if length < LEAST {
        return Err(CertError::ShortPassword { length, least: LEAST }.into());
    }
    Ok(password)
}

/// Asks for a password that is to be, twice.
pub(super) fn ask_new(hint: &'static str) -> Result<Password, Failure> {
    let first = long_enough(ask("password for the private key: ", hint)?)?;
    let second = ask("the same again: ", hint)?;
    if first.expose() != second.expose() {
        return Err(CertError::PasswordsDiffer.into());
    }
    Ok(first)
}

/// Asks for a password that there is.
pub(in crate::cli) fn ask_present(prompt: &str, hint: &'static str) -> Result<PasswordSource, Failure> {
    Ok(PasswordSource {
        origin: PasswordOrigin::Typed,
        password: ask(prompt, hint)?,
    })
}

/// Whether there is somebody to ask.
pub(super) fn can_ask() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks for a secret that may wait: an empty line is none.
pub(in crate::cli) fn ask_or_nothing(prompt: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let typed = rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|error| Failure::from_io("it cannot be read from the terminal", error))?;
    Ok(Some(typed).filter(|typed| !typed.trim().is_empty()))
}

fn ask(prompt: &str, hint: &'static str) -> Result<Password, Failure> {
    if !can_ask() {
        return Err(CertError::NoTerminal { hint }.into());
    }
    let typed = rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|error| Failure::from_io("the password cannot be read from the terminal", error))?;
    Ok(Password::new(typed.as_bytes().to_vec()))
}
