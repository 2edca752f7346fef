//! `[gateway]`, `[wrapper]` and `[journal]`: from words to meaning.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::error::shown;
use super::raw::{Hidden, RawGateway, RawJournal, RawToken, RawWrapper};
use super::read::{self, SECRET_LIMIT};
use super::setting::Located;
use super::settings::{beside, bin, choice, path, printable_name};
use super::{
    ConfigError, ConfigWarning, Environment, GatewayLimits, GatewaySettings, GatewayTls, GatewayToken,
    JournalSettings, JournalUrl, ListenFrom, LogFormat, Setting, TokenHash, TrustSettings, Verb,
    WrapperSettings, duration, url, variables,
};
use crate::base::Secret;

const VERBS: [(&str, Verb); 4] = [
    ("create", Verb::Create),
    ("refund", Verb::Refund),
    ("read", Verb::Read),
    ("admin", Verb::Admin),
];
const WRAPPER_EXAMPLE: &str =
    "write the old wrapper's address, as in `https://shop.example/api/v2/paymentkaspi`";
const JOURNAL_VARIABLE: &str = "KASPI_JOURNAL_URL";
const JOURNAL_EXAMPLE: &str = "write `sqlite://kaspi.db` or `postgres://user@host/database`";

/// `[gateway]`.
pub(super) fn settings(
    file: &Path,
    raw: RawGateway,
    environment: &Environment,
) -> Result<GatewaySettings, ConfigError> {
    let (listen, listen_from) = listen(&raw, environment)?;
    let echo_window = match &raw.echo_window {
        Some(given) => duration::within(given, Duration::ZERO..=Duration::from_secs(600))?,
        None => Duration::from_secs(30),
    };
    let mut tokens: Vec<GatewayToken> = Vec::new();
    for given in raw.token.iter().flat_map(|list| &list.value) {
        let token = token(given)?;
        refuse_twins(&tokens, &token, given)?;
        tokens.push(token);
    }
    Ok(GatewaySettings {
        listen,
        listen_from,
        unix_socket: raw
            .unix_socket
            .as_ref()
            .map(|given| path(file, given))
            .transpose()?,
        tls: tls(file, &raw)?,
        limits: limits(&raw)?,
        log: match &raw.log {
            Some(given) => choice(given, &[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
            None => LogFormat::default(),
        },
        echo_window,
        poll_invoices: raw.poll_invoices.as_ref().is_some_and(|given| given.value),
        tokens,
    })
}

/// What is written goes before what the surroundings happen to say: a `PORT` that some other program
/// wants opens nothing that the file keeps closed.
fn listen(raw: &RawGateway, environment: &Environment) -> Result<(SocketAddr, ListenFrom), ConfigError> {
    if let Some(given) = &raw.listen {
        let address = given.value.parse().map_err(|_| ConfigError::Invalid {
            setting: given.setting.clone(),
            given: Some(shown(&given.value)),
            problem: "this is no address with a port; host names are not looked up".to_owned(),
            hint: Some("write it as in `127.0.0.1:8014`"),
        })?;
        return Ok((address, ListenFrom::File));
    }
    Ok(match variables::port(environment)? {
        Some(address) => (address, ListenFrom::Port),
        None => (
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8014),
            ListenFrom::Default,
        ),
    })
}

/// `tls_certificate`, `tls_key` and `client_ca`: the first two only together, the third not without them.
fn tls(file: &Path, raw: &RawGateway) -> Result<Option<GatewayTls>, ConfigError> {
    let there = |given: &Option<Located<String>>| match given {
        Some(given) => {
            let named = path(file, given)?;
            read::must_be_there(&named, &given.setting)?;
            Ok(Some(named))
        }
        None => Ok(None),
    };
    let alone = |given: &Located<String>, other: &str| ConfigError::Invalid {
        setting: given.setting.clone(),
        given: Some(shown(&given.value)),
        problem: format!("it is of no use without `{other}`"),
        hint: Some(
            "HTTPS needs `tls_certificate` and `tls_key`; `client_ca` is for callers with certificates",
        ),
    };
    match (&raw.tls_certificate, &raw.tls_key, &raw.client_ca) {
        (None, None, None) => Ok(None),
        (Some(given), None, _) => Err(alone(given, "tls_key")),
        (None, Some(given), _) | (None, None, Some(given)) => Err(alone(given, "tls_certificate")),
        (Some(_), Some(_), _) => {
            let (certificate, key) = (there(&raw.tls_certificate)?, there(&raw.tls_key)?);
            let client_ca = there(&raw.client_ca)?;
            Ok(certificate.zip(key).map(|(certificate, key)| GatewayTls {
                certificate,
                key,
                client_ca,
            }))
        }
    }
}

fn limits(raw: &RawGateway) -> Result<GatewayLimits, ConfigError> {
    let default = GatewayLimits::default();
    let rate = |given: &Option<Located<i64>>| match given {
        Some(given) => Ok(NonZeroU32::new(whole(given, 0..=1_000_000)?)),
        None => Ok(None),
    };
    let count = |given: &Option<Located<i64>>, default: usize| match given {
        Some(given) => Ok(usize::try_from(whole(given, 1..=100_000)?).unwrap_or(default)),
        None => Ok(default),
    };
    Ok(GatewayLimits {
        token_rate: rate(&raw.token_rate)?,
        bin_rate: rate(&raw.bin_rate)?,
        token_concurrency: count(&raw.token_concurrency, default.token_concurrency)?,
        bin_concurrency: count(&raw.bin_concurrency, default.bin_concurrency)?,
        max_connections: count(&raw.max_connections, default.max_connections)?,
        token_streams: count(&raw.token_streams, default.token_streams)?,
        max_streams: count(&raw.max_streams, default.max_streams)?,
    })
}

pub(super) fn whole(given: &Located<i64>, range: RangeInclusive<u32>) -> Result<u32, ConfigError> {
    let (least, most) = (*range.start(), *range.end());
    u32::try_from(given.value)
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| ConfigError::Invalid {
            setting: given.setting.clone(),
            given: Some(given.value.to_string()),
            problem: format!("allowed is {least} to {most}"),
            hint: None,
        })
}

/// `[wrapper]`.
pub(super) fn wrapper(
    file: &Path,
    section: &Located<RawWrapper>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<WrapperSettings, ConfigError> {
    let raw = &section.value;
    let base_url = raw.base_url.as_ref().ok_or_else(|| ConfigError::Missing {
        setting: below(&section.setting, "base_url"),
        hint: WRAPPER_EXAMPLE,
    })?;
    Ok(WrapperSettings {
        base_url: url::base_or_local(base_url, WRAPPER_EXAMPLE)?,
        compare_reads: raw.compare_reads.as_ref().is_some_and(|given| given.value),
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
        token: match &raw.token_file {
            Some(given) => Some(wrapper_token(file, given, warnings)?),
            None => None,
        },
    })
}

/// `[journal]`, and whether its URL is one that may hold a password.
pub(super) fn journal(
    file: &Path,
    raw: RawJournal,
    environment: &Environment,
) -> Result<(JournalSettings, bool), ConfigError> {
    let variable = environment.get(JOURNAL_VARIABLE);
    let url = match (&raw.url, variable) {
        // two journals would each know half of the money
        (Some(given), Some(_)) => {
            return Err(ConfigError::Conflict {
                setting: given.setting.clone(),
                other: variables::setting(JOURNAL_VARIABLE).to_string(),
            });
        }
        (Some(given), None) => journal_url(file, given.value.expose(), &given.setting)?,
        (None, Some(given)) => journal_url(
            file,
            &given.to_string_lossy(),
            &variables::setting(JOURNAL_VARIABLE),
        )?,
        (None, None) => JournalUrl::Sqlite(beside(file, "kaspi.db")),
    };
    let holds_password = raw.url.is_some() && matches!(url, JournalUrl::Postgres(_));
    Ok((JournalSettings { url }, holds_password))
}

fn token(given: &Located<RawToken>) -> Result<GatewayToken, ConfigError> {
    let missing = |key: &str, hint| ConfigError::Missing {
        setting: below(&given.setting, key),
        hint,
    };
    let raw = &given.value;
    let name = raw
        .name
        .as_ref()
        .ok_or_else(|| missing("name", "name the caller, as in `name = \"shop-backend\"`"))?;
    let sha256 = raw
        .sha256
        .as_ref()
        .ok_or_else(|| missing("sha256", "write the SHA-256 of the caller's token in hex"))?;
    let bins = raw
        .bins
        .as_ref()
        .ok_or_else(|| missing("bins", "list the BINs that the caller may act for"))?;
    let mut verbs = match &raw.verbs {
        Some(list) => filled(list, |verb| choice(verb, &VERBS))?,
        None => vec![Verb::Create, Verb::Refund, Verb::Read],
    };
    verbs.sort_unstable();
    verbs.dedup();
    let mut bins = filled(bins, bin)?;
    bins.sort_unstable();
    bins.dedup();
    Ok(GatewayToken {
        name: printable_name(name)?,
        sha256: token_hash(sha256)?,
        bins,
        verbs,
    })
}

fn filled<T>(
    list: &Located<Vec<Located<String>>>,
    read: impl Fn(&Located<String>) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    if list.value.is_empty() {
        return Err(ConfigError::Invalid {
            setting: list.setting.clone(),
            given: Some("[]".to_owned()),
            problem: "a token that may do nothing is of no use".to_owned(),
            hint: None,
        });
    }
    list.value.iter().map(read).collect()
}

/// The value is never quoted: somebody may have put the token itself there.
fn token_hash(given: &Located<Hidden>) -> Result<TokenHash, ConfigError> {
    let text = given.value.expose();
    let invalid = |problem: String| ConfigError::Invalid {
        setting: given.setting.clone(),
        given: None,
        problem,
        hint: Some("write what `printf %s \"$TOKEN\" | sha256sum` prints, not the token itself"),
    };
    let length = text.chars().count();
    if length != 64 {
        return Err(invalid(format!(
            "a SHA-256 has 64 hex digits, this has {length} characters"
        )));
    }
    let mut hash = [0_u8; 32];
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    for byte in &mut hash {
        let pair = digits.next().flatten().zip(digits.next().flatten());
        let value = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        *byte = value
            .ok_or_else(|| invalid("a SHA-256 has 64 hex digits, this has other characters".to_owned()))?;
    }
    Ok(TokenHash(hash))
}

fn refuse_twins(
    tokens: &[GatewayToken],
    token: &GatewayToken,
    given: &Located<RawToken>,
) -> Result<(), ConfigError> {
    let twin = |key, shown_name: Option<&str>, problem: String| ConfigError::Invalid {
        setting: below(&given.setting, key),
        given: shown_name.map(shown),
        problem,
        hint: Some("one caller, one name and one token"),
    };
    for earlier in tokens {
        if earlier.name == token.name {
            return Err(twin(
                "name",
                Some(&token.name),
                "another token has this name".to_owned(),
            ));
        }
        if earlier.sha256 == token.sha256 {
            return Err(twin(
                "sha256",
                None,
                format!("`{}` has the same token as `{}`", token.name, earlier.name),
            ));
        }
    }
    Ok(())
}

fn wrapper_token(
    file: &Path,
    given: &Located<String>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Secret, ConfigError> {
    let named = path(file, given)?;
    let contents = read::named(&named, SECRET_LIMIT, &given.setting)?;
    warnings.extend(contents.exposure(&named));
    match std::str::from_utf8(&contents.bytes).map(str::trim) {
        Ok(text) if !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace()) => {
            Ok(Secret::new(text))
        }
        _ => Err(ConfigError::Invalid {
            setting: given.setting.clone(),
            given: Some(shown(&given.value)),
            problem: "the file does not hold one token on one line".to_owned(),
            hint: None,
        }),
    }
}

fn journal_url(file: &Path, text: &str, setting: &Setting) -> Result<JournalUrl, ConfigError> {
    // Never quoted: a database URL is where passwords stand.
    let refuse = |problem: String| {
        Err(ConfigError::Invalid {
            setting: setting.clone(),
            given: None,
            problem,
            hint: Some(JOURNAL_EXAMPLE),
        })
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        return refuse("this is no URL, it has no `://`".to_owned());
    };
    if rest.is_empty() {
        return refuse(format!("nothing stands after `{}://`", shown(scheme)));
    }
    match scheme {
        "sqlite" if rest.contains('?') => refuse("an SQLite journal takes no options (`?`)".to_owned()),
        "sqlite" if rest.contains(":memory:") => {
            refuse("a journal in memory would forget payments".to_owned())
        }
        "sqlite" => Ok(JournalUrl::Sqlite(beside(file, rest))),
        "postgres" | "postgresql" => Ok(JournalUrl::Postgres(Secret::new(text))),
        other => refuse(format!(
            "a journal is kept in `sqlite` or `postgres`, not in `{}`",
            shown(other)
        )),
    }
}

pub(super) fn below(section: &Setting, key: &str) -> Setting {
    Setting::new(section.file(), format!("{}.{key}", section.key()), section.line())
}
