//! `kaspi cert convert`: files of any form to the standard layout.

use serde_json::json;

use super::args::Convert;
use super::error::CertError;
use super::output::OutFolder;
use super::secret;
use crate::base::{Clock, Password, SystemClock};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::config::{
    CERTIFICATE_FILE, PASSWORD_FILE, PRIVATE_KEY_FILE, PasswordOrigin, PasswordSource, read_password_file,
};
use crate::identity::{Gathered, IdentityError, gather, generate_password, inspect};

pub(super) fn run(wanted: &Convert, context: &Context<'_>) -> Result<(), Failure> {
    let names = [CERTIFICATE_FILE, PRIVATE_KEY_FILE, PASSWORD_FILE];
    let out = OutFolder::prepare(&wanted.out, &names)?;
    let mut passwords = match &wanted.password_file {
        Some(file) => vec![read_password_file(file)?],
        None => Vec::new(),
    };
    let gathered = match gather(&wanted.files, &passwords) {
        Err(IdentityError::NoPassword { path, .. }) if secret::can_ask() => {
            let prompt = format!("password of {}: ", path.display());
            passwords.push(secret::ask_present(&prompt, HINT)?);
            gather(&wanted.files, &passwords)?
        }
        other => other?,
    };
    for warning in gathered.warnings() {
        context.report.warning(warning);
    }
    let now = SystemClock.now();
    let days_left = gathered.facts().days_left(now);
    if days_left < 0 {
        context
            .report
            .warning(format!("the certificate expired {} days ago", -days_left));
    }

    let password = new_password(wanted.generate_password, &gathered, passwords)?;
    let certificate = out.write(CERTIFICATE_FILE, gathered.certificate_pem().as_bytes())?;
    let password_file = out.write(PASSWORD_FILE, &secret::line(&password))?;
    let key = out.write(
        PRIVATE_KEY_FILE,
        gathered.encrypted_key_pem(&password)?.as_bytes(),
    )?;
    out.finish();

    let source = PasswordSource {
        origin: PasswordOrigin::File(password_file.clone()),
        password,
    };
    let read_back = inspect(&key, &[source], now)?;
    let public = read_back
        .first()
        .and_then(|item| item.private_key.as_ref()?.public_key_sha256.as_deref());
    if public != Some(gathered.facts().public_key_sha256.as_str()) {
        return Err(CertError::NotReadBack { path: key }.into());
    }

    let facts = gathered.facts();
    let json = json!({
        "certificate": certificate,
        "private_key": key,
        "password_file": password_file,
        "certificates": gathered.certificates(),
        "subject": facts.subject,
        "certificate_sha256": facts.sha256,
        "days_left": days_left,
    });
    context.report.result(
        |paint| {
            let written = paint.good("written");
            format!(
                "{written} {}  {} certificate(s), {}\n{written} {}  {}, under a password\n{written} {}",
                certificate.display(),
                gathered.certificates(),
                facts.subject,
                key.display(),
                facts.key,
                password_file.display(),
            )
        },
        &json,
    );
    Ok(())
}

const HINT: &str = "name a file with `--password-file`, or add `--generate-password`";

/// A new one if asked for; else the one that opened the key; for a plain key the one from the file, or
/// one that a person makes up.
fn new_password(
    generate: bool,
    gathered: &Gathered,
    passwords: Vec<PasswordSource>,
) -> Result<Password, Failure> {
    if generate {
        return Ok(generate_password()?);
    }
    let was_open = gathered.opened_with().is_none();
    match passwords
        .into_iter()
        .find(|source| was_open || Some(&source.origin) == gathered.opened_with())
    {
        Some(source) if was_open => secret::long_enough(source.password),
        Some(source) => Ok(source.password),
        None => secret::ask_new(HINT),
    }
}
