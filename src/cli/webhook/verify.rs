//! `kaspi webhook verify`: whether a request is to be believed, and why not.

use std::io::Read as _;
use std::time::Duration;

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::args::Secrets;
use crate::base::{Clock as _, SystemClock};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::report::Report;
use crate::webhooks::{Signed, verify};

/// The longest body that is read, in bytes.
const BODY: u64 = 16 * 1024 * 1024;

pub(super) fn run(
    named: &Secrets,
    id: &str,
    timestamp: &str,
    signature: &str,
    report: &Report,
) -> Result<(), Failure> {
    let secrets = super::secrets(named)?;
    let mut body = Vec::new();
    std::io::stdin()
        .lock()
        .take(BODY)
        .read_to_end(&mut body)
        .map_err(|error| Failure::from_io("the body cannot be read", error))?;
    let signed = Signed {
        id: id.trim(),
        timestamp: timestamp.trim(),
        signature: signature.trim(),
        body: &body,
    };
    let tolerance = Duration::from_secs(named.tolerance);
    match verify(&secrets, &signed, SystemClock.now(), tolerance) {
        Ok(at) => {
            let at = at.format(&Rfc3339).unwrap_or_default();
            report.result(
                |paint| format!("{} signed at {at}, {} bytes", paint.good("verified"), body.len()),
                &json!({ "verified": true, "signed_at": at, "bytes": body.len() }),
            );
            Ok(())
        }
        Err(unverified) => Err(Failure {
            error: Box::new(unverified),
            exit: Exit::SaidNo,
            told: false,
        }),
    }
}
