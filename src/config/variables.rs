//! What hosts without files give as variables: identities, device tokens, the port.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::error::shown;
use super::{ConfigError, Environment, Setting};
use crate::base::{Bin, DeviceToken};

/// How the name of a variable with an identity begins; the BIN follows.
pub const IDENTITY_VARIABLE: &str = "KASPI_IDENTITY_";
const DEVICE_TOKEN_VARIABLE: &str = "KASPI_DEVICE_TOKEN_";

/// An identity that stands in a variable: one file that holds certificate and key. Read once, at the
/// start, so it cannot change while the program runs.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityVariable {
    name: String,
    bytes: Arc<Zeroizing<Vec<u8>>>,
}

impl IdentityVariable {
    /// The variable, such as `KASPI_IDENTITY_891027350515`. Errors name it where they would name a file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that it holds, to be opened and nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for IdentityVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityVariable({})", self.name)
    }
}

/// A variable, as errors name it.
pub(super) fn setting(name: impl Into<String>) -> Setting {
    Setting::new(Path::new("the environment"), name, None)
}

/// Every variable with an identity, and whose it is; why not, where its name does not say.
pub(super) fn identities(environment: &Environment) -> Vec<(String, Result<Bin, ConfigError>)> {
    environment
        .ends_of(IDENTITY_VARIABLE)
        .map(|end| {
            let name = format!("{IDENTITY_VARIABLE}{end}");
            let bin = Bin::parse(&end).map_err(|source| ConfigError::Invalid {
                setting: setting(shown(&name)),
                given: None,
                problem: format!("its name ends with no BIN: {source}"),
                hint: Some("name it `KASPI_IDENTITY_` and the twelve digits of the BIN"),
            });
            (name, bin)
        })
        .collect()
}

/// The identity of `bin`, where a variable holds one.
pub(super) fn identity(bin: Bin, environment: &Environment) -> Result<Option<IdentityVariable>, ConfigError> {
    let name = format!("{IDENTITY_VARIABLE}{bin}");
    let Some(given) = environment.get(&name) else {
        return Ok(None);
    };
    // `base64` breaks its lines, and people paste what it prints
    let mut text = Zeroizing::new(Vec::with_capacity(given.len()));
    text.extend(given.as_bytes().iter().filter(|byte| !byte.is_ascii_whitespace()));
    let bytes = data_encoding::BASE64
        .decode(&text)
        .map_err(|_| ConfigError::Invalid {
            setting: setting(&name),
            given: None,
            problem: "it is not base64".to_owned(),
            hint: Some("write what `base64 -w0 identity.p12` prints"),
        })?;
    Ok(Some(IdentityVariable {
        name,
        bytes: Arc::new(Zeroizing::new(bytes)),
    }))
}

/// The device token of `bin`, where a variable holds one.
pub(super) fn device_token(
    bin: Bin,
    environment: &Environment,
) -> Result<Option<(DeviceToken, Setting)>, ConfigError> {
    let name = format!("{DEVICE_TOKEN_VARIABLE}{bin}");
    let Some(given) = environment.get(&name) else {
        return Ok(None);
    };
    let setting = setting(name);
    let token = given
        .to_str()
        .ok_or_else(|| "it is not UTF-8 text".to_owned())
        .and_then(|text| DeviceToken::parse(text).map_err(|error| error.to_string()));
    match token {
        Ok(token) => Ok(Some((token, setting))),
        Err(problem) => Err(ConfigError::Invalid {
            setting,
            given: None,
            problem,
            hint: None,
        }),
    }
}

/// Every address of this machine, on the port that a host gives in `PORT`.
pub(super) fn port(environment: &Environment) -> Result<Option<SocketAddr>, ConfigError> {
    let Some(given) = environment.get("PORT") else {
        return Ok(None);
    };
    let text = given.to_string_lossy();
    match text.parse::<u16>() {
        Ok(port) => Ok(Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))),
        Err(_) => Err(ConfigError::Invalid {
            setting: setting("PORT"),
            given: Some(shown(&text)),
            problem: "a port is a whole number up to 65535".to_owned(),
            hint: Some("unset it, or write `gateway.listen`, which goes before it"),
        }),
    }
}
