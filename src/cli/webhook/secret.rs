//! `kaspi webhook secret new`.

use serde_json::json;
use zeroize::Zeroizing;

use crate::base::{Explain, Fault, WebhookSecret, WebhookSecretError};
use crate::cli::failure::Failure;
use crate::cli::report::Report;

pub(super) fn new(report: &Report) -> Result<(), Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(bytes.as_mut_slice())
        .map_err(|_| NotMade::NoRandomness)?;
    let secret = WebhookSecret::from_bytes(bytes.as_slice()).map_err(NotMade::Length)?;
    let written = secret.written();
    report.result(|_| written.to_string(), &json!({ "secret": written.as_str() }));
    Ok(())
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    #[error("the system gives no randomness")]
    NoRandomness,
    #[error(transparent)]
    Length(WebhookSecretError),
}

impl Explain for NotMade {
    fn kind(&self) -> &'static str {
        "no_randomness"
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }
}
