//! `kaspi cert request`: a key, and the request for its certificate.

use std::path::PathBuf;

use serde_json::json;

use super::args::Request;
use super::merchant;
use super::output::OutFolder;
use super::secret;
use crate::base::Password;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::config::{PASSWORD_FILE, PRIVATE_KEY_FILE, read_password_file};
use crate::identity::{Names, Subject, generate_password, request};

const REQUEST_FILE: &str = "request.csr";

/// Where the bank takes requests, from the address that the agreement names (official document, appendix 1).
const MAIL_TO: &str = "cert.request@kaspi.kz";

pub(super) fn run(wanted: Request, context: &Context<'_>) -> Result<(), Failure> {
    let bin = merchant::named(context)?;
    if !bin.has_valid_control_digit() {
        context.report.warning(format!(
            "the control digit of BIN `{bin}` does not fit its other digits"
        ));
    }
    let subject = Subject::new(Names {
        common_name: wanted.common_name,
        organization: wanted.organization,
        state: wanted.state,
        locality: wanted.locality,
        email: wanted.email,
    })?;
    let absent: Vec<&str> = [
        ("--state", &subject.names().state),
        ("--locality", &subject.names().locality),
        ("--email", &subject.names().email),
    ]
    .into_iter()
    .filter_map(|(option, given)| given.is_none().then_some(option))
    .collect();
    if !absent.is_empty() {
        context.report.warning(format!(
            "the bank's instructions ask for {} too",
            absent.join(", ")
        ));
    }

    let mut names = vec![PRIVATE_KEY_FILE, REQUEST_FILE];
    if wanted.generate_password {
        names.push(PASSWORD_FILE);
    }
    let out = OutFolder::prepare(&wanted.out, &names)?;
    let password = password(wanted.generate_password, wanted.password_file.as_ref())?;
    let made = request(&subject, &password)?;
    // the password first: a key without it would be lost
    let generated = wanted
        .generate_password
        .then(|| out.write(PASSWORD_FILE, &secret::line(&password)))
        .transpose()?;
    let key = out.write(PRIVATE_KEY_FILE, made.encrypted_key_pem.as_bytes())?;
    let request = out.write(REQUEST_FILE, made.request_pem.as_bytes())?;
    out.finish();

    let password_file = generated.or(wanted.password_file);
    let json = json!({
        "bin": bin,
        "private_key": key,
        "request": request,
        "password_file": password_file,
        "mail_to": MAIL_TO,
    });
    context.report.result(
        |paint| {
            let password_option = password_file
                .as_ref()
                .map(|file| format!(" --password-file {}", file.display()))
                .unwrap_or_default();
            let written = paint.good("written");
            let mut lines = vec![
                format!("{written} {}  RSA 2048, under a password", key.display()),
                format!("{written} {}", request.display()),
            ];
            if wanted.generate_password {
                lines.extend(
                    password_file
                        .iter()
                        .map(|file| format!("{written} {}", file.display())),
                );
            }
            lines.extend([
                String::new(),
                format!(
                    "next: mail {} to {MAIL_TO}, from the address that the agreement with the bank names,",
                    request.display()
                ),
                format!("      for BIN {bin}; neither the key nor its password, ever"),
                "then, when the certificate has come:".to_owned(),
                format!(
                    "      kaspi cert install --bin {bin} --cert certificate.cer --key {}{password_option}",
                    key.display()
                ),
            ]);
            lines.join("\n")
        },
        &json,
    );
    Ok(())
}

fn password(generate: bool, file: Option<&PathBuf>) -> Result<Password, Failure> {
    const HINT: &str = "add `--generate-password`, or name a file with `--password-file`";
    match file {
        _ if generate => Ok(generate_password()?),
        Some(file) => secret::long_enough(read_password_file(file)?.password),
        None => secret::ask_new(HINT),
    }
}
