//! `kaspi.toml`: from words to meaning.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::load as read_toml;
use super::error::{backticked, shown};
use super::raw::{RawFile, RawKaspi};
use super::read::{self, SECRET_LIMIT};
use super::setting::Located;
use super::{
    Config, ConfigError, ConfigWarning, Environment, KaspiSettings, KeyExchange, ProxyAuth, ProxySettings,
    Setting, StatusVersion, Timeouts, TrustSettings, duration, gateway, suggestion, telemetry, url,
    variables, webhooks,
};
use crate::base::{Bin, Password, PhoneFormat};

const CREDENTIALS_VARIABLE: &str = "KASPI_PROXY_CREDENTIALS";
const SHORTEST: Duration = Duration::from_millis(100);

/// Reads and checks `kaspi.toml`. The merchants' folders are not looked at: see [`scan`](super::scan()).
///
/// # Errors
///
/// The file cannot be read, is not TOML, has an unknown key or a value that cannot be used; the
/// error names file, line, key and value.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("kaspi.toml");
/// # std::fs::write(&file, "[kaspi]\nbase_url = 'https://qrapi-cert-ip.kaspi.kz/r3'\n")?;
/// use kaspi_direct::config::{self, Environment};
///
/// let config = config::load(&file, &Environment::of_process())?;
/// assert_eq!(config.kaspi.base_url.host(), Some("qrapi-cert-ip.kaspi.kz"));
/// assert_eq!(config.certs_dir, folder.path().join("certs"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load(file: &Path, environment: &Environment) -> Result<Config, ConfigError> {
    let file: PathBuf = environment.working_dir().join(file).components().collect();
    let (raw, exposure) =
        read_toml::<RawFile>(&file, RawFile::FIELDS)?.ok_or_else(|| ConfigError::Unreadable {
            file: file.clone(),
            setting: None,
            source: io::ErrorKind::NotFound.into(),
        })?;
    let mut warnings = Vec::new();
    let default_bin = raw.default_bin.as_ref().map(bin).transpose()?;
    if let Some(bin) = default_bin.filter(|bin| !bin.has_valid_control_digit()) {
        warnings.push(ConfigWarning::ControlDigit { bin });
    }
    let certs_dir = match &raw.certs_dir {
        Some(given) => path(&file, given)?,
        None => beside(&file, "certs"),
    };
    let state_dir = match &raw.state_dir {
        Some(given) => path(&file, given)?,
        None => beside(&file, "state"),
    };
    let kaspi = kaspi(
        &file,
        raw.kaspi.map(|section| section.value).unwrap_or_default(),
        environment,
        &mut warnings,
    )?;
    let gateway = gateway::settings(
        &file,
        raw.gateway.map(|section| section.value).unwrap_or_default(),
        environment,
    )?;
    let wrapper = raw
        .wrapper
        .map(|section| gateway::wrapper(&file, &section, &mut warnings))
        .transpose()?;
    let (journal, holds_password) = gateway::journal(
        &file,
        raw.journal.map(|section| section.value).unwrap_or_default(),
        environment,
    )?;
    let webhooks = webhooks::settings(
        &file,
        raw.webhooks.map(|section| section.value).unwrap_or_default(),
    )?;
    let telemetry = raw
        .telemetry
        .map(|section| telemetry::settings(&file, &section))
        .transpose()?;
    if holds_password {
        warnings.extend(exposure);
    }
    Ok(Config {
        file,
        default_bin,
        certs_dir,
        state_dir,
        kaspi,
        gateway,
        wrapper,
        journal,
        webhooks,
        telemetry,
        warnings,
    })
}

/// A BIN as a value.
pub(super) fn bin(given: &Located<String>) -> Result<Bin, ConfigError> {
    Bin::parse(&given.value).map_err(|error| ConfigError::Invalid {
        setting: given.setting.clone(),
        given: Some(shown(&given.value)),
        problem: error.to_string(),
        hint: None,
    })
}

/// A path as a value, relative to the file that names it.
pub(super) fn path(file: &Path, given: &Located<String>) -> Result<PathBuf, ConfigError> {
    if given.value.is_empty() {
        return Err(ConfigError::Invalid {
            setting: given.setting.clone(),
            given: Some(String::new()),
            problem: "a path is not empty".to_owned(),
            hint: None,
        });
    }
    Ok(beside(file, &given.value))
}

/// One word of a few.
pub(super) fn choice<T: Copy>(
    given: &Located<String>,
    allowed: &[(&'static str, T)],
) -> Result<T, ConfigError> {
    if let Some((_, meaning)) = allowed.iter().find(|(word, _)| *word == given.value) {
        return Ok(*meaning);
    }
    let words: Vec<&'static str> = allowed.iter().map(|(word, _)| *word).collect();
    let mut problem = match words.split_last() {
        Some((last, others)) => format!("allowed is {} or `{last}`", backticked(others)),
        None => "nothing is allowed".to_owned(),
    };
    if let Some(word) = suggestion::nearest(&given.value, &words) {
        problem.push_str(&format!("; did you mean `{word}`?"));
    }
    Err(ConfigError::Invalid {
        setting: given.setting.clone(),
        given: Some(shown(&given.value)),
        problem,
        hint: None,
    })
}

/// What a path means that stands in `file`.
pub(super) fn beside(file: &Path, relative: impl AsRef<Path>) -> PathBuf {
    let whole = file.parent().unwrap_or(Path::new("")).join(relative);
    whole.components().collect()
}

fn kaspi(
    file: &Path,
    raw: RawKaspi,
    environment: &Environment,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<KaspiSettings, ConfigError> {
    let base_url = raw.base_url.as_ref().ok_or_else(|| ConfigError::Missing {
        setting: Setting::new(file, "kaspi.base_url", None),
        hint: "the bank's letter names it; production is `https://qrapi-cert-ip.kaspi.kz/r3`",
    })?;
    Ok(KaspiSettings {
        base_url: url::base(base_url, url::KASPI_EXAMPLE)?,
        trust: trust(file, &raw)?,
        timeouts: timeouts(&raw)?,
        idle_timeout: match &raw.idle_timeout {
            Some(given) => duration::within(given, SHORTEST..=Duration::from_secs(600))?,
            None => Duration::from_secs(50),
        },
        status_version: match &raw.status_version {
            Some(given) => choice(given, &[("v01", StatusVersion::V01), ("v02", StatusVersion::V02)])?,
            None => StatusVersion::default(),
        },
        phone_format: match &raw.phone_format {
            Some(given) => choice(given, &[("77", PhoneFormat::Seven), ("87", PhoneFormat::Eight)])?,
            None => PhoneFormat::default(),
        },
        key_exchange: match &raw.key_exchange {
            Some(given) => choice(
                given,
                &[("classic", KeyExchange::Classic), ("hybrid", KeyExchange::Hybrid)],
            )?,
            None => KeyExchange::default(),
        },
        warm: raw.warm.as_ref().is_none_or(|given| given.value),
        proxy: proxy(file, &raw, environment, warnings)?,
    })
}

fn trust(file: &Path, raw: &RawKaspi) -> Result<TrustSettings, ConfigError> {
    let extra_ca_file = match &raw.extra_ca_file {
        Some(given) => {
            let named = path(file, given)?;
            read::must_be_there(&named, &given.setting)?;
            Some(named)
        }
        None => None,
    };
    let only_extra_ca = raw.only_extra_ca.as_ref().filter(|given| given.value);
    if let (Some(given), None) = (only_extra_ca, &extra_ca_file) {
        return Err(ConfigError::Invalid {
            setting: given.setting.clone(),
            given: Some("true".to_owned()),
            problem: "without `extra_ca_file` no server would be trusted".to_owned(),
            hint: Some("name the bank's chain with `extra_ca_file`, or drop `only_extra_ca`"),
        });
    }
    Ok(TrustSettings {
        extra_ca_file,
        only_extra_ca: only_extra_ca.is_some(),
    })
}

fn timeouts(raw: &RawKaspi) -> Result<Timeouts, ConfigError> {
    let total = match &raw.request_timeout {
        Some(given) => duration::within(given, SHORTEST..=Duration::from_secs(300))?,
        None => Duration::from_secs(20),
    };
    // A default gives way to a short `request_timeout`; what was written down does not.
    let phase = |given: &Option<Located<String>>, longest: Duration, default: Duration| match given {
        Some(given) => {
            let limit = duration::within(given, SHORTEST..=longest)?;
            if limit > total {
                return Err(ConfigError::Invalid {
                    setting: given.setting.clone(),
                    given: Some(shown(&given.value)),
                    problem: format!(
                        "that is longer than the whole attempt, `request_timeout`, which is `{}`",
                        duration::text(total)
                    ),
                    hint: None,
                });
            }
            Ok(limit)
        }
        None => Ok(default.min(total)),
    };
    let (short, minute) = (Duration::from_secs(5), Duration::from_secs(60));
    Ok(Timeouts {
        connect: phase(&raw.connect_timeout, minute, short)?,
        tls: phase(&raw.tls_timeout, minute, short)?,
        first_byte: phase(&raw.first_byte_timeout, Duration::from_secs(300), total)?,
        total,
    })
}

fn proxy(
    file: &Path,
    raw: &RawKaspi,
    environment: &Environment,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Option<ProxySettings>, ConfigError> {
    let Some(given) = &raw.proxy else {
        return match &raw.proxy_credentials_file {
            Some(given) => Err(ConfigError::Invalid {
                setting: given.setting.clone(),
                given: Some(shown(&given.value)),
                problem: "there is no `proxy` to show them to".to_owned(),
                hint: None,
            }),
            None => Ok(None),
        };
    };
    let address = url::proxy(given)?;
    let auth = match (&raw.proxy_credentials_file, environment.get(CREDENTIALS_VARIABLE)) {
        (Some(given), Some(_)) => {
            return Err(ConfigError::Conflict {
                setting: given.setting.clone(),
                other: variables::setting(CREDENTIALS_VARIABLE).to_string(),
            });
        }
        (Some(given), None) => Some(proxy_auth(file, given, warnings)?),
        (None, Some(given)) => {
            Some(
                user_and_password(given.as_bytes()).map_err(|problem| ConfigError::Invalid {
                    setting: variables::setting(CREDENTIALS_VARIABLE),
                    given: None,
                    problem: format!("it holds {problem}"),
                    hint: Some("write it as `user:password`"),
                })?,
            )
        }
        (None, None) => None,
    };
    Ok(Some(ProxySettings {
        scheme: address.scheme,
        host: address.host,
        port: address.port,
        auth,
    }))
}

fn proxy_auth(
    file: &Path,
    given: &Located<String>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<ProxyAuth, ConfigError> {
    let named = path(file, given)?;
    let contents = read::named(&named, SECRET_LIMIT, &given.setting)?;
    warnings.extend(contents.exposure(&named));
    let refuse = |problem: &str| ConfigError::Invalid {
        setting: given.setting.clone(),
        given: Some(shown(&given.value)),
        problem: problem.to_owned(),
        hint: Some("the file holds one line, `user:password`"),
    };
    user_and_password(&contents.bytes).map_err(|problem| refuse(&format!("the file holds {problem}")))
}

/// `user:password`; where it is something else, what that is.
fn user_and_password(bytes: &[u8]) -> Result<ProxyAuth, &'static str> {
    let line = read::without_newline(bytes);
    if line.iter().any(u8::is_ascii_control) {
        return Err("more than one line");
    }
    let mut parts = line.splitn(2, |byte| *byte == b':');
    let user = parts.next().and_then(|user| std::str::from_utf8(user).ok());
    match (user, parts.next()) {
        (Some(user), Some(password)) if !user.is_empty() => Ok(ProxyAuth {
            user: user.to_owned(),
            password: Password::new(password.to_vec()),
        }),
        _ => Err("no user name before a `:`"),
    }
}

/// A name that people read.
pub(super) fn printable_name(given: &Located<String>) -> Result<String, ConfigError> {
    let name = given.value.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(ConfigError::Invalid {
            setting: given.setting.clone(),
            given: Some(shown(&given.value)),
            problem: "a name is not empty and has no control characters".to_owned(),
            hint: None,
        });
    }
    Ok(name.to_owned())
}
