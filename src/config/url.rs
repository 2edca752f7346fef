//! Addresses: where Kaspi is, where the old wrapper is, and the proxy on the way.

use std::net::IpAddr;
use std::path::Path;

use http::Uri;

use super::error::shown;
use super::raw::Hidden;
use super::setting::Located;
use super::{ConfigError, ProxyScheme, Setting};

/// What of a proxy stands in its URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProxyAddress {
    pub(super) scheme: ProxyScheme,
    pub(super) host: String,
    pub(super) port: u16,
}

/// How Kaspi's own base address looks.
pub(super) const KASPI_EXAMPLE: &str = "write the whole address, as in `https://qrapi-cert-ip.kaspi.kz/r3`";
/// Port 0 is what `kaspi sandbox init` leaves there until the sandbox runs.
const UNSTARTED: &str = "write the address of the bank's letter; in a sandbox's folder, start the sandbox first: \
                         `kaspi sandbox run --dir FOLDER` writes its port there";
const WEBHOOK_EXAMPLE: &str = "write the whole address, as in `https://shop.example/kaspi/events`";
const PROXY_EXAMPLE: &str = "write `http://host:port` or `socks5://host:port`";

/// An `https` address with a host and perhaps a path; no slash at the end of the path.
pub(super) fn base(given: &Located<Hidden>, example: &'static str) -> Result<Uri, ConfigError> {
    whole(given, example, |_| false)
}

/// Whether a text can be `base_url` of `[kaspi]`, before it is written there.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_base_url(text: &str) -> Result<(), ConfigError> {
    let setting = Setting::new(Path::new("the command line"), "--base-url".to_owned(), None);
    let value = Hidden::new(text);
    base(&Located { value, setting }, KASPI_EXAMPLE).map(drop)
}

/// The same, or an `http` address of this machine itself, which nobody else can listen to.
pub(super) fn base_or_local(given: &Located<Hidden>, example: &'static str) -> Result<Uri, ConfigError> {
    whole(given, example, |host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse()
            .map_or(bare == "localhost", |ip: IpAddr| ip.is_loopback())
    })
}

/// Where a webhook goes: `https`, or `http`, which whoever connects takes within one's own network only. Its
/// path and query are kept as they are, and may hold a token.
pub(super) fn webhook(given: &Located<Hidden>) -> Result<Uri, ConfigError> {
    let text = given.value.expose();
    let refuse = |problem: &str| {
        Err(ConfigError::Invalid {
            setting: given.setting.clone(),
            given: None,
            problem: problem.to_owned(),
            hint: Some(WEBHOOK_EXAMPLE),
        })
    };
    if text.contains('#') {
        return refuse("a webhook's address has no fragment (`#`)");
    }
    let parsed = match split(text) {
        Ok(parsed) => parsed,
        Err(problem) => return refuse(&problem),
    };
    if !matches!(parsed.scheme.as_str(), "https" | "http") {
        return refuse("only `https` is taken, and `http` within one's own network");
    }
    if parsed.userinfo {
        return refuse("a webhook's address has no user name or password");
    }
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    match format!("{}://{rest}", parsed.scheme).parse() {
        Ok(uri) => Ok(uri),
        Err(_) => refuse("this is no URL"),
    }
}

/// The same, or an `http` address anywhere: for what carries no secrets and moves no money.
pub(super) fn base_in_clear_too(given: &Located<Hidden>, example: &'static str) -> Result<Uri, ConfigError> {
    whole(given, example, |_| true)
}

fn whole(
    given: &Located<Hidden>,
    example: &'static str,
    in_clear: impl Fn(&str) -> bool,
) -> Result<Uri, ConfigError> {
    let text = given.value.expose();
    let refuse = |problem: &str| Err(invalid(given, problem, example));
    // `Uri` drops a fragment without a word.
    if text.contains('#') {
        return refuse("a base address has no fragment (`#`)");
    }
    if text.contains('?') {
        return refuse("a base address has no query (`?`)");
    }
    let parsed = match split(text) {
        Ok(parsed) => parsed,
        Err(problem) if text.contains(":0/") => return Err(invalid(given, &problem, UNSTARTED)),
        Err(problem) => return refuse(&problem),
    };
    match parsed.scheme.as_str() {
        "https" => {}
        "http" if in_clear(&parsed.host) => {}
        "http" => return refuse("only `https` is taken, `http` would carry payments and tokens in clear"),
        _ => return refuse("only `https` is taken"),
    }
    if parsed.userinfo {
        return refuse("a base address has no user name or password");
    }
    let path = parsed.path.trim_end_matches('/');
    let whole = format!("{}://{}{path}", parsed.scheme, parsed.authority);
    match whole.parse() {
        Ok(uri) => Ok(uri),
        Err(_) => refuse("this is no URL"),
    }
}

/// A proxy's kind, host and port.
pub(super) fn proxy(given: &Located<Hidden>) -> Result<ProxyAddress, ConfigError> {
    let refuse = |problem: &str| Err(invalid(given, problem, PROXY_EXAMPLE));
    let text = given.value.expose();
    if text.contains(['?', '#']) {
        return refuse("a proxy's address has no query and no fragment");
    }
    let parsed = match split(text) {
        Ok(parsed) => parsed,
        Err(problem) => return refuse(&problem),
    };
    let scheme = match parsed.scheme.as_str() {
        "http" => ProxyScheme::Http,
        "socks5" => ProxyScheme::Socks5,
        "socks5h" => return refuse("write `socks5`: names are always resolved by the proxy"),
        _ => {
            return refuse(
                "a proxy is reached over `http` or `socks5`; TLS to Kaspi goes through it end to end",
            );
        }
    };
    if parsed.userinfo {
        return Err(invalid(
            given,
            "a proxy's user name and password do not stand in its address",
            "put `user:password` into a file and name it with `proxy_credentials_file`",
        ));
    }
    if !parsed.path.trim_end_matches('/').is_empty() {
        return refuse("a proxy's address has no path");
    }
    let Some(port) = parsed.port else {
        return refuse("a proxy's address has a port");
    };
    let host = parsed
        .host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok(ProxyAddress { scheme, host, port })
}

struct Parsed {
    scheme: String,
    authority: String,
    host: String,
    port: Option<u16>,
    path: String,
    userinfo: bool,
}

fn split(text: &str) -> Result<Parsed, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("this is no URL, it has no scheme such as `https://`".to_owned());
    };
    // `Uri` knows schemes in small letters only.
    let scheme = scheme.to_ascii_lowercase();
    let uri: Uri = format!("{scheme}://{rest}")
        .parse()
        .map_err(|error: http::uri::InvalidUri| format!("this is no URL: {error}"))?;
    let authority = uri.authority().ok_or("this is no URL, it has no host")?;
    let host = authority.host();
    let userinfo = authority.as_str().contains('@');
    if host.trim_matches(['[', ']']).is_empty() {
        return Err("this is no URL, it has no host".to_owned());
    }
    let port = authority.port_u16();
    let after_host = authority.as_str().strip_prefix(host).unwrap_or_default();
    if !userinfo && port.is_none_or(|port| port == 0) && !after_host.is_empty() {
        return Err("its port is not a number from 1 to 65535".to_owned());
    }
    Ok(Parsed {
        scheme,
        authority: authority.as_str().to_owned(),
        host: host.to_owned(),
        port,
        path: uri.path().to_owned(),
        userinfo,
    })
}

fn invalid(given: &Located<Hidden>, problem: &str, hint: &'static str) -> ConfigError {
    ConfigError::Invalid {
        setting: given.setting.clone(),
        given: masked(given.value.expose()),
        problem: problem.to_owned(),
        hint: Some(hint),
    }
}

/// The address without what may be a secret: nothing of it where there is an `@`, no query, no fragment.
fn masked(text: &str) -> Option<String> {
    if text.contains('@') {
        return None;
    }
    text.split(['?', '#']).next().map(shown)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::base::Explain;
    use crate::config::Setting;

    fn located(text: &str) -> Located<Hidden> {
        Located {
            value: Hidden::new(text),
            setting: Setting::new(Path::new("/x/kaspi.toml"), "kaspi.base_url", Some(2)),
        }
    }

    #[test]
    fn base_addresses_are_kept_whole() {
        for (given, kept) in [
            (
                "https://qrapi-cert-ip.kaspi.kz/r3",
                "https://qrapi-cert-ip.kaspi.kz/r3",
            ),
            (
                "https://qrapi-cert-ip.kaspi.kz/r3/",
                "https://qrapi-cert-ip.kaspi.kz/r3",
            ),
            ("https://127.0.0.1:8443/a/b//", "https://127.0.0.1:8443/a/b"),
            ("HTTPS://[::1]:8443/r3", "https://[::1]:8443/r3"),
            // A URL without a path has the path `/`.
            ("https://kaspi.example", "https://kaspi.example/"),
        ] {
            assert_eq!(base(&located(given), KASPI_EXAMPLE).unwrap().to_string(), kept);
        }
    }

    #[test]
    fn in_clear_the_wrapper_is_on_this_machine() {
        for given in [
            "http://127.0.0.1:8080/api",
            "http://[::1]/api",
            "http://localhost/api",
            "https://shop.example/api",
        ] {
            let uri = base_or_local(&located(given), "").unwrap();
            assert_eq!(uri.to_string(), given);
        }
        for given in [
            "http://shop.example/api",
            "http://10.0.0.1/api",
            "http://localhost.shop.example/api",
        ] {
            assert!(base_or_local(&located(given), "").is_err(), "{given}");
        }
        assert!(base(&located("http://127.0.0.1/r3"), "").is_err());
    }

    #[test]
    fn other_base_addresses_are_refused_and_secrets_in_them_not_shown() {
        let mut refusals = Vec::new();
        for given in [
            "http://qrapi-cert-ip.kaspi.kz/r3",
            "ftp://kaspi.example",
            "qrapi-cert-ip.kaspi.kz/r3",
            "",
            "https://",
            "https:///r3",
            "https://:443/r3",
            "https://kaspi.example:/r3",
            "https://kaspi.example:0/r3",
            "https://kaspi.example:99999/r3",
            "https://kaspi.example/r 3",
            "https://kaspi.example/r3?access_token=planted",
            "https://kaspi.example/r3#planted",
            "https://user:planted@kaspi.example/r3",
            "https://user:plan/ted@kaspi.example/r3",
            "https://user:planted?@kaspi.example/r3",
        ] {
            let error = base(&located(given), KASPI_EXAMPLE).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("plan"), "{error:?}");
            assert!(error.hint().is_some());
            let text = error.to_string();
            refusals.push(
                text.strip_prefix("`kaspi.base_url` in /x/kaspi.toml line 2 is ")
                    .unwrap()
                    .to_owned(),
            );
        }
        insta::assert_snapshot!(refusals.join("\n"), @r"
        `http://qrapi-cert-ip.kaspi.kz/r3`: only `https` is taken, `http` would carry payments and tokens in clear
        `ftp://kaspi.example`: only `https` is taken
        `qrapi-cert-ip.kaspi.kz/r3`: this is no URL, it has no scheme such as `https://`
        ``: this is no URL, it has no scheme such as `https://`
        `https://`: this is no URL: empty string
        `https:///r3`: this is no URL: invalid format
        `https://:443/r3`: this is no URL, it has no host
        `https://kaspi.example:/r3`: its port is not a number from 1 to 65535
        `https://kaspi.example:0/r3`: its port is not a number from 1 to 65535
        `https://kaspi.example:99999/r3`: its port is not a number from 1 to 65535
        `https://kaspi.example/r 3`: this is no URL: invalid uri character
        `https://kaspi.example/r3`: a base address has no query (`?`)
        `https://kaspi.example/r3`: a base address has no fragment (`#`)
        unusable: a base address has no user name or password
        unusable: its port is not a number from 1 to 65535
        unusable: a base address has no query (`?`)
        ");
    }

    #[test]
    fn proxies() {
        assert_eq!(
            proxy(&located("http://egress:3128")).unwrap(),
            ProxyAddress {
                scheme: ProxyScheme::Http,
                host: "egress".to_owned(),
                port: 3128
            }
        );
        assert_eq!(
            proxy(&located("socks5://[::1]:1080/")).unwrap(),
            ProxyAddress {
                scheme: ProxyScheme::Socks5,
                host: "::1".to_owned(),
                port: 1080
            }
        );
        let mut refusals = Vec::new();
        for given in [
            "egress:3128",
            "http://egress",
            "https://egress:3128",
            "socks5h://egress:1080",
            "http://egress:3128/path",
            "http://egress:3128?x=planted",
            "http://user:planted@egress:3128",
        ] {
            let error = proxy(&located(given)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
            let text = error.to_string();
            let text = text
                .strip_prefix("`kaspi.base_url` in /x/kaspi.toml line 2 is ")
                .unwrap();
            refusals.push(format!("{text}\n  hint: {}", error.hint().unwrap()));
        }
        insta::assert_snapshot!(refusals.join("\n"), @r"
        `egress:3128`: this is no URL, it has no scheme such as `https://`
          hint: write `http://host:port` or `socks5://host:port`
        `http://egress`: a proxy's address has a port
          hint: write `http://host:port` or `socks5://host:port`
        `https://egress:3128`: a proxy is reached over `http` or `socks5`; TLS to Kaspi goes through it end to end
          hint: write `http://host:port` or `socks5://host:port`
        `socks5h://egress:1080`: write `socks5`: names are always resolved by the proxy
          hint: write `http://host:port` or `socks5://host:port`
        `http://egress:3128/path`: a proxy's address has no path
          hint: write `http://host:port` or `socks5://host:port`
        `http://egress:3128`: a proxy's address has no query and no fragment
          hint: write `http://host:port` or `socks5://host:port`
        unusable: a proxy's user name and password do not stand in its address
          hint: put `user:password` into a file and name it with `proxy_credentials_file`
        ");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(given in ".*") {
            let _ = base(&located(&given), KASPI_EXAMPLE);
            let _ = proxy(&located(&given));
        }

        #[test]
        fn a_base_address_is_https_and_keeps_no_slash(path in "(/[a-z0-9]{0,4}){0,4}") {
            let uri = base(&located(&format!("https://kaspi.example{path}")), KASPI_EXAMPLE).unwrap();
            prop_assert_eq!(uri.scheme_str(), Some("https"));
            prop_assert!(uri.path() == "/" || !uri.path().ends_with('/'));
        }
    }
}
