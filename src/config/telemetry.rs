//! `[telemetry]`: from words to meaning.

use std::path::Path;

use http::Uri;

use super::raw::RawTelemetry;
use super::setting::Located;
use super::settings::{path, printable_name};
use super::{ConfigError, TrustSettings, gateway, read, url};

const EXAMPLE: &str = "write the collector's address, as in `http://127.0.0.1:4318`";

/// Where spans of the gateway's calls are told: the `[telemetry]` section.
#[derive(Clone, Debug)]
pub struct TelemetrySettings {
    /// The collector's base address, without `/v1/traces` and without a slash at its end (`otlp_endpoint`).
    pub endpoint: Uri,
    /// What the program calls itself there (`service_name`).
    pub service_name: String,
    /// Of a hundred calls that come without a decision of their caller's, how many are told
    /// (`sample_percent`).
    pub sample_percent: u8,
    /// Whose signature on the collector's certificate is believed: the public roots, and those of
    /// `extra_ca_file`.
    pub trust: TrustSettings,
}

/// `[telemetry]`. A program that cannot tell anything says so, instead of leaving it to be found out.
pub(super) fn settings(
    file: &Path,
    section: &Located<RawTelemetry>,
) -> Result<TelemetrySettings, ConfigError> {
    if !cfg!(feature = "telemetry") {
        return Err(ConfigError::Invalid {
            setting: section.setting.clone(),
            given: None,
            problem: "this program was built without the feature `telemetry`".to_owned(),
            hint: Some("take the section out, or build the program with `--features telemetry`"),
        });
    }
    let raw = &section.value;
    let endpoint = raw.otlp_endpoint.as_ref().ok_or_else(|| ConfigError::Missing {
        setting: gateway::below(&section.setting, "otlp_endpoint"),
        hint: EXAMPLE,
    })?;
    Ok(TelemetrySettings {
        endpoint: url::base_in_clear_too(endpoint, EXAMPLE)?,
        service_name: match &raw.service_name {
            Some(given) => printable_name(given)?,
            None => "kaspi".to_owned(),
        },
        sample_percent: match &raw.sample_percent {
            Some(given) => u8::try_from(gateway::whole(given, 0..=100)?).unwrap_or(100),
            None => 100,
        },
        trust: TrustSettings {
            extra_ca_file: match &raw.extra_ca_file {
                Some(given) => {
                    let named = path(file, given)?;
                    read::must_be_there(&named, &given.setting)?;
                    Some(named)
                }
                None => None,
            },
            only_extra_ca: false,
        },
    })
}
