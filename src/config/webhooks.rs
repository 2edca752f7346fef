//! Who is told of a BIN's payments: `[webhooks]` in `kaspi.toml`, `[[webhook]]` in `merchant.toml`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;

use super::error::shown;
use super::raw::{Hidden, RawMerchant, RawWebhook, RawWebhooks};
use super::read::{self, SECRET_LIMIT};
use super::setting::Located;
use super::settings::{choice, path, printable_name};
use super::{ConfigError, ConfigWarning, Setting, TrustSettings, duration, url};
use crate::base::WebhookSecret;

/// The events that a webhook may choose among, in the words of the journal.
pub const WEBHOOK_EVENTS: &[&str] = &[
    "payment.created",
    "payment.status_changed",
    "payment.refunded",
    "operation.unknown",
    "operation.resolved",
    "identity.rotated",
    "certificate.due",
];

/// What holds for every webhook: the `[webhooks]` section.
#[derive(Clone, Debug)]
pub struct WebhooksSettings {
    /// Which addresses may be called besides those of the public internet (`allow_private`).
    pub allow_private: Vec<PrivateAddress>,
    /// How long a receiver may take, from the name look-up to the end of its answer.
    pub timeout: Duration,
    /// Whose signature on a receiver's certificate is believed, beside the public roots.
    pub trust: TrustSettings,
}

impl Default for WebhooksSettings {
    fn default() -> Self {
        Self {
            allow_private: Vec::new(),
            timeout: Duration::from_secs(15),
            trust: TrustSettings::default(),
        }
    }
}

/// An address that is not of the public internet and may be called nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateAddress {
    /// Whatever a host name leads to, as it stands in the URL; in small letters.
    Host(String),
    /// An address, or all that begin alike.
    Network {
        /// The first of them.
        address: IpAddr,
        /// How many bits they have in common.
        bits: u8,
    },
}

impl PrivateAddress {
    /// Whether it allows this address, to which this host led.
    #[must_use]
    pub fn covers(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Self::Host(name) => name.eq_ignore_ascii_case(host),
            Self::Network {
                address: network,
                bits,
            } => match (network, address) {
                (IpAddr::V4(network), IpAddr::V4(address)) => {
                    same_beginning(&network.octets(), &address.octets(), *bits)
                }
                (IpAddr::V6(network), IpAddr::V6(address)) => {
                    same_beginning(&network.octets(), &address.octets(), *bits)
                }
                _ => false,
            },
        }
    }
}

fn same_beginning(one: &[u8], other: &[u8], bits: u8) -> bool {
    let mut left = u32::from(bits);
    one.iter().zip(other).all(|(one, other)| {
        let here = left.min(8);
        left -= here;
        here == 0 || (one ^ other) >> (8 - here) == 0
    })
}

/// One receiver of a BIN's events.
#[derive(Clone)]
pub struct WebhookSpec {
    /// Its name, unique in its BIN; the host where none is given.
    pub name: String,
    /// Where events go. Its path and query may hold a token, so no `Debug` and no error shows them.
    pub url: Uri,
    /// What is signed with.
    pub secret: WebhookSecret,
    /// What is signed with besides, while the receiver changes from one secret to the next.
    pub previous_secret: Option<WebhookSecret>,
    /// Which events it wants; empty for all.
    pub events: Vec<&'static str>,
}

impl WebhookSpec {
    /// Whether it wants events of this kind.
    #[must_use]
    pub fn wants(&self, event: &str) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }
}

impl PartialEq for WebhookSpec {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |secret: &Option<WebhookSecret>| secret.as_ref().map(|secret| secret.expose().to_vec());
        self.name == other.name
            && self.url == other.url
            && self.events == other.events
            && self.secret.expose() == other.secret.expose()
            && bytes(&self.previous_secret) == bytes(&other.previous_secret)
    }
}

impl fmt::Debug for WebhookSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSpec")
            .field("name", &self.name)
            .field("host", &self.url.host())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// `[webhooks]`.
pub(super) fn settings(file: &Path, raw: RawWebhooks) -> Result<WebhooksSettings, ConfigError> {
    let default = WebhooksSettings::default();
    Ok(WebhooksSettings {
        allow_private: raw
            .allow_private
            .iter()
            .flat_map(|list| &list.value)
            .map(private_address)
            .collect::<Result<_, _>>()?,
        timeout: match &raw.timeout {
            Some(given) => duration::within(given, Duration::from_millis(100)..=Duration::from_secs(60))?,
            None => default.timeout,
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

/// Whether merchant.toml itself holds a secret of a webhook.
pub(super) fn holds_secret(raw: &RawMerchant) -> bool {
    let held = |webhook: &RawWebhook| webhook.secret.is_some() || webhook.previous_secret.is_some();
    list(raw).iter().any(|given| held(&given.value))
}

/// All webhooks of a merchant, in the order of the file.
pub(super) fn read(
    file: &Path,
    raw: &RawMerchant,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Vec<WebhookSpec>, ConfigError> {
    let mut webhooks: Vec<WebhookSpec> = Vec::new();
    for given in list(raw) {
        let webhook = one(file, given, warnings)?;
        if webhooks.iter().any(|earlier| earlier.name == webhook.name) {
            return Err(ConfigError::Invalid {
                setting: below(&given.setting, "name"),
                given: Some(shown(&webhook.name)),
                problem: "another webhook of this BIN has this name".to_owned(),
                hint: Some("give each a `name` of its own; without one it has the name of its host"),
            });
        }
        webhooks.push(webhook);
    }
    Ok(webhooks)
}

/// Reads a webhook's secret from a file that a person names on the command line.
///
/// # Errors
///
/// The file is not there, is no plain file, cannot be read, or holds no such secret.
pub fn read_webhook_secret_file(file: &Path) -> Result<WebhookSecret, ConfigError> {
    let setting = Setting::new(Path::new("the command line"), "--secret-file".to_owned(), None);
    let contents = read::named(file, SECRET_LIMIT, &setting)?;
    parsed(&contents.bytes)
        .map_err(|problem| unusable(&setting, Some(shown(&file.to_string_lossy())), problem))
}

fn list(raw: &RawMerchant) -> &[Located<RawWebhook>] {
    raw.webhook
        .as_ref()
        .map(|list| list.value.as_slice())
        .unwrap_or_default()
}

fn one(
    file: &Path,
    given: &Located<RawWebhook>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<WebhookSpec, ConfigError> {
    let raw = &given.value;
    let missing = |key, hint| ConfigError::Missing {
        setting: below(&given.setting, key),
        hint,
    };
    let address = raw.url.as_ref().ok_or_else(|| {
        missing(
            "url",
            "write where events go, as in `url = \"https://shop.example/kaspi/events\"`",
        )
    })?;
    let url = url::webhook(address)?;
    let mut secret = |literal: &Option<Located<Hidden>>, named: &Option<Located<String>>| {
        secret(file, literal.as_ref(), named.as_ref(), warnings)
    };
    let current = secret(&raw.secret, &raw.secret_file)?.ok_or_else(|| {
        missing(
            "secret_file",
            "make one with `kaspi webhook secret new`, and name its file",
        )
    })?;
    let previous_secret = secret(&raw.previous_secret, &raw.previous_secret_file)?;
    let mut events = Vec::new();
    for given in raw.events.iter().flat_map(|list| &list.value) {
        let words: Vec<(&'static str, &'static str)> =
            WEBHOOK_EVENTS.iter().map(|word| (*word, *word)).collect();
        events.push(choice(given, &words)?);
    }
    Ok(WebhookSpec {
        name: match &raw.name {
            Some(given) => printable_name(given)?,
            None => url.host().unwrap_or_default().to_owned(),
        },
        url,
        secret: current,
        previous_secret,
        events,
    })
}

fn secret(
    file: &Path,
    literal: Option<&Located<Hidden>>,
    named: Option<&Located<String>>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Option<WebhookSecret>, ConfigError> {
    match (literal, named) {
        (Some(literal), Some(named)) => Err(ConfigError::Conflict {
            setting: literal.setting.clone(),
            other: named.setting.to_string(),
        }),
        (Some(literal), None) => parsed(literal.value.expose().as_bytes())
            .map(Some)
            .map_err(|problem| unusable(&literal.setting, None, problem)),
        (None, Some(named)) => {
            let secret_file: PathBuf = path(file, named)?;
            let contents = read::named(&secret_file, SECRET_LIMIT, &named.setting)?;
            warnings.extend(contents.exposure(&secret_file));
            parsed(&contents.bytes)
                .map(Some)
                .map_err(|problem| unusable(&named.setting, Some(shown(&named.value)), problem))
        }
        (None, None) => Ok(None),
    }
}

fn parsed(bytes: &[u8]) -> Result<WebhookSecret, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    WebhookSecret::parse(text).map_err(|error| error.to_string())
}

fn unusable(setting: &Setting, given: Option<String>, problem: String) -> ConfigError {
    ConfigError::Invalid {
        setting: setting.clone(),
        given,
        problem,
        hint: Some("`kaspi webhook secret new` makes one"),
    }
}

fn private_address(given: &Located<String>) -> Result<PrivateAddress, ConfigError> {
    let refuse = |problem: &str| {
        Err(ConfigError::Invalid {
            setting: given.setting.clone(),
            given: Some(shown(&given.value)),
            problem: problem.to_owned(),
            hint: Some(
                "write a network as in `10.0.0.0/8`, an address, or a host name as it stands in the URL",
            ),
        })
    };
    let text = given.value.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        let address = address.to_canonical();
        return Ok(PrivateAddress::Network {
            address,
            bits: width(address),
        });
    }
    if let Some((address, bits)) = text.split_once('/') {
        let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u8>()) else {
            return refuse("this is no network");
        };
        if bits > width(address) {
            return refuse("a network has at most as many bits as its addresses");
        }
        if !is_first(address, bits) {
            return refuse("the address has bits beyond those that the network has in common");
        }
        return Ok(PrivateAddress::Network { address, bits });
    }
    let is_host = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if !is_host {
        return refuse("this is neither a network, nor an address, nor a host name");
    }
    Ok(PrivateAddress::Host(text.to_ascii_lowercase()))
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Whether every bit behind the first `bits` is zero.
fn is_first(address: IpAddr, bits: u8) -> bool {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut common = u32::from(bits);
    octets.iter().all(|octet| {
        let here = common.min(8);
        common -= here;
        here == 8 || octet << here == 0
    })
}

fn below(section: &Setting, key: &str) -> Setting {
    Setting::new(section.file(), format!("{}.{key}", section.key()), section.line())
}
