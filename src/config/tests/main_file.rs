use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::{Bin, PhoneFormat};
use crate::config::{JournalUrl, KeyExchange, ProxyScheme, StatusVersion, Verb};

#[test]
fn the_least_that_is_needed_and_the_defaults() {
    let place = Place::new();
    let config = place.load().unwrap();
    assert_eq!(config.file, place.path("kaspi.toml"));
    assert_eq!(config.default_bin, None);
    assert_eq!(config.certs_dir, place.path("certs"));
    assert_eq!(config.state_dir, place.path("state"));
    let kaspi = &config.kaspi;
    assert_eq!(kaspi.base_url, "https://kaspi.example/r3");
    assert_eq!(kaspi.trust.extra_ca_file, None);
    assert!(!kaspi.trust.only_extra_ca);
    assert_eq!(kaspi.timeouts.connect, Duration::from_secs(5));
    assert_eq!(kaspi.timeouts.tls, Duration::from_secs(5));
    assert_eq!(kaspi.timeouts.first_byte, Duration::from_secs(20));
    assert_eq!(kaspi.timeouts.total, Duration::from_secs(20));
    assert_eq!(kaspi.idle_timeout, Duration::from_secs(50));
    assert_eq!(kaspi.status_version, StatusVersion::V02);
    assert_eq!(kaspi.phone_format, PhoneFormat::Seven);
    assert_eq!(kaspi.key_exchange, KeyExchange::Classic);
    assert!(kaspi.warm && kaspi.proxy.is_none());
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:8014");
    assert_eq!(config.gateway.echo_window, Duration::from_secs(30));
    assert!(config.gateway.tokens.is_empty() && config.wrapper.is_none());
    assert!(matches!(&config.journal.url, JournalUrl::Sqlite(file) if *file == place.path("kaspi.db")));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn everything_given() {
    let place = Place::new();
    for file in ["chain.pem", "sub/token"] {
        place.put(file, "made-up\n");
    }
    place.put("proxy.user", "egress:word:with:colons\r\n");
    let hash = "0123456789abcdef".repeat(4);
    place.put(
        "kaspi.toml",
        format!(
            r#"
default_bin = "{BIN}"
certs_dir = "elsewhere/./certs"
state_dir = "/var/lib/kaspi/"
[kaspi]
base_url = "https://kaspi.example:8443/r3/"
extra_ca_file = "chain.pem"
only_extra_ca = true
connect_timeout = "1s"
tls_timeout = "1500ms"
first_byte_timeout = "9s"
request_timeout = "10s"
idle_timeout = "1m"
status_version = "v01"
phone_format = "87"
proxy = "socks5://egress:1080"
proxy_credentials_file = "proxy.user"
key_exchange = "hybrid"
warm = false
[gateway]
listen = "[::1]:9000"
echo_window = "0s"
[[gateway.token]]
name = "shop-backend"
sha256 = "{hash}"
bins = ["{BIN}", "{OTHER}", "{BIN}"]
verbs = ["read", "create"]
[[gateway.token]]
name = "office"
sha256 = "{}"
bins = ["{OTHER}"]
[wrapper]
base_url = "https://shop.example/api/v2/paymentkaspi/"
token_file = "sub/token"
extra_ca_file = "chain.pem"
compare_reads = true
[journal]
url = "postgres://kaspi:planted@db.example/kaspi"
"#,
            hash.to_uppercase().replace('0', "F"),
        ),
    );
    let config = place.load().unwrap();
    assert_eq!(config.default_bin, Some(Bin::parse(BIN).unwrap()));
    assert_eq!(config.certs_dir, place.path("elsewhere/certs"));
    assert_eq!(config.state_dir, Path::new("/var/lib/kaspi"));
    let kaspi = &config.kaspi;
    assert_eq!(kaspi.base_url, "https://kaspi.example:8443/r3");
    assert_eq!(kaspi.trust.extra_ca_file, Some(place.path("chain.pem")));
    assert!(kaspi.trust.only_extra_ca && !kaspi.warm);
    assert_eq!(kaspi.timeouts.connect, Duration::from_secs(1));
    assert_eq!(kaspi.timeouts.tls, Duration::from_millis(1500));
    assert_eq!(kaspi.timeouts.first_byte, Duration::from_secs(9));
    assert_eq!(kaspi.timeouts.total, Duration::from_secs(10));
    assert_eq!(kaspi.idle_timeout, Duration::from_secs(60));
    assert_eq!(kaspi.status_version, StatusVersion::V01);
    assert_eq!(kaspi.phone_format, PhoneFormat::Eight);
    assert_eq!(kaspi.key_exchange, KeyExchange::Hybrid);
    let proxy = kaspi.proxy.as_ref().unwrap();
    assert_eq!(
        (proxy.scheme, proxy.host.as_str(), proxy.port),
        (ProxyScheme::Socks5, "egress", 1080)
    );
    let auth = proxy.auth.as_ref().unwrap();
    assert_eq!(
        (auth.user.as_str(), auth.password.expose()),
        ("egress", &b"word:with:colons"[..])
    );
    assert_eq!(config.gateway.listen.to_string(), "[::1]:9000");
    assert_eq!(config.gateway.echo_window, Duration::ZERO);
    let [shop, office] = config.gateway.tokens.as_slice() else {
        panic!("{:?}", config.gateway.tokens)
    };
    assert_eq!(shop.bins, [Bin::parse(OTHER).unwrap(), Bin::parse(BIN).unwrap()]);
    assert_eq!(shop.verbs, [Verb::Create, Verb::Read]);
    assert_eq!(&shop.sha256.bytes()[..8], b"\x01\x23\x45\x67\x89\xab\xcd\xef");
    assert_eq!(office.verbs, [Verb::Create, Verb::Refund, Verb::Read]);
    let wrapper = config.wrapper.as_ref().unwrap();
    assert_eq!(wrapper.base_url, "https://shop.example/api/v2/paymentkaspi");
    assert_eq!(wrapper.token.as_ref().unwrap().expose(), "made-up");
    assert_eq!(wrapper.trust.extra_ca_file, Some(place.path("chain.pem")));
    assert!(wrapper.compare_reads && !wrapper.trust.only_extra_ca);
    assert!(matches!(
        &config.journal.url,
        JournalUrl::Postgres(url) if url.expose() == "postgres://kaspi:planted@db.example/kaspi"
    ));

    let debug = format!("{config:?}");
    for secret in ["planted", "made-up", "word:with", "0123456789abcdef", "[1, 35"] {
        assert!(!debug.contains(secret), "{secret} in {debug}");
    }
}

#[test]
fn a_short_request_timeout_shortens_the_defaults() {
    let place = Place::new();
    place.put("kaspi.toml", format!("{KASPI}request_timeout = \"2s\"\n"));
    let timeouts = place.load().unwrap().kaspi.timeouts;
    let two = Duration::from_secs(2);
    assert_eq!(
        (
            timeouts.connect,
            timeouts.tls,
            timeouts.first_byte,
            timeouts.total
        ),
        (two, two, two, two)
    );
}

#[test]
fn a_relative_file_is_found_from_the_working_directory_and_kept_absolute() {
    let place = Place::new();
    let environment = place.environment().in_folder(place.root.path());
    let config = load(Path::new("./kaspi.toml"), &environment).unwrap();
    assert_eq!(config.file, place.path("kaspi.toml"));
    assert_eq!(config.certs_dir, place.path("certs"));
}

#[test]
fn where_the_journal_is() {
    let place = Place::new();
    for (url, file) in [
        ("sqlite://kaspi.db", place.path("kaspi.db")),
        ("sqlite://state/kaspi.db", place.path("state/kaspi.db")),
        (
            "sqlite:///var/lib/kaspi/kaspi.db",
            PathBuf::from("/var/lib/kaspi/kaspi.db"),
        ),
    ] {
        place.put("kaspi.toml", format!("{KASPI}[journal]\nurl = \"{url}\"\n"));
        let config = place.load().unwrap();
        assert!(
            matches!(&config.journal.url, JournalUrl::Sqlite(kept) if *kept == file),
            "{url}"
        );
    }
}

#[test]
fn odd_but_usable() {
    let place = Place::new();
    place.put("proxy.user", "egress:word\n");
    place.mode("proxy.user", 0o644);
    place.put(
        "kaspi.toml",
        format!(
            "default_bin = \"891027350516\"\n{KASPI}proxy = \"http://egress:3128\"\n\
             proxy_credentials_file = \"proxy.user\"\n[journal]\nurl = \"postgres://u:p@db/kaspi\"\n"
        ),
    );
    place.mode("kaspi.toml", 0o604);
    let warnings: Vec<String> = place
        .load()
        .unwrap()
        .warnings
        .iter()
        .map(|warning| {
            place.plain(&format!(
                "{}: {warning}\n  hint: {}",
                warning.kind(),
                warning.hint()
            ))
        })
        .collect();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    control_digit: the control digit of BIN `891027350516` does not fit its other digits
      hint: compare the number with the bank's letter, digit by digit
    world_readable: /x/proxy.user holds a secret and is open to every user of this machine (mode 0644)
      hint: `chmod o-rwx /x/proxy.user`
    world_readable: /x/kaspi.toml holds a secret and is open to every user of this machine (mode 0604)
      hint: `chmod o-rwx /x/kaspi.toml`
    ");
}

#[test]
fn a_file_with_nothing_secret_may_be_open() {
    let place = Place::new();
    place.mode("kaspi.toml", 0o644);
    assert!(place.load().unwrap().warnings.is_empty());
}

#[test]
fn unknown_keys() {
    let cases = [
        "[kaspi]\nbasurl = \"x\"\n",
        "[kaspi]\n\n\"base-url\" = \"x\"\n",
        "[kaspi]\ndefault_bin = \"891027350515\"\n",
        "base_url = \"x\"\n",
        "[kaspi]\nverify = false\n",
        "[kapsi]\n",
        "[[gateway.token]]\nname = \"a\"\nbin = \"b\"\n",
        "\"a\\nb\" = 1\n",
    ];
    let refusals: Vec<String> = cases.into_iter().map(Place::refused).collect();
    insta::assert_snapshot!(refusals.join("\n"), @r"
    unknown key `basurl` in [kaspi] of /x/kaspi.toml line 2; did you mean `base_url`?
    unknown key `base-url` in [kaspi] of /x/kaspi.toml line 3; did you mean `base_url`?
    unknown key `default_bin` in [kaspi] of /x/kaspi.toml line 2; it belongs in the top level, above the first section
    unknown key `base_url` in the top level of /x/kaspi.toml line 1; it belongs in [kaspi]
    unknown key `verify` in [kaspi] of /x/kaspi.toml line 2
      hint: known there: `base_url`, `extra_ca_file`, `only_extra_ca`, `connect_timeout`, `tls_timeout`, `first_byte_timeout`, `request_timeout`, `idle_timeout`, `status_version`, `phone_format`, `proxy`, `proxy_credentials_file`, `key_exchange`, `warm`
    unknown key `kapsi` in the top level of /x/kaspi.toml line 1; did you mean `kaspi`?
    unknown key `bin` in [[gateway.token]] of /x/kaspi.toml line 3; did you mean `bins`?
    unknown key `a\nb` in the top level of /x/kaspi.toml line 1
      hint: known there: `default_bin`, `certs_dir`, `state_dir`, `kaspi`, `gateway`, `wrapper`, `journal`, `webhooks`, `telemetry`
    ");
}

#[test]
fn wrong_types() {
    let cases = [
        "default_bin = 891027350515\n",
        "kaspi = \"x\"\n",
        "[kaspi]\nwarm = \"yes\"\n",
        "[kaspi]\nconnect_timeout = 5\n",
        "[kaspi]\nbase_url = [\"planted\"]\n",
        "[gateway.token]\nname = \"x\"\n",
        "[gateway]\ntoken = [1]\n",
        "[[gateway.token]]\nbins = \"891027350515\"\n",
    ];
    let refusals: Vec<String> = cases.into_iter().map(Place::refused).collect();
    insta::assert_snapshot!(refusals.join("\n"), @r"
    `default_bin` in /x/kaspi.toml line 1 is a whole number, not a text
      hint: put it in double quotes
    `kaspi` in /x/kaspi.toml line 1 is a text, not a section
    `kaspi.warm` in /x/kaspi.toml line 2 is a text, not true or false
    `kaspi.connect_timeout` in /x/kaspi.toml line 2 is a whole number, not a text
      hint: put it in double quotes
    `kaspi.base_url` in /x/kaspi.toml line 2 is a list, not a text
    `gateway.token` in /x/kaspi.toml line 1 is a section, not a list of sections (`[[` and `]]` around its name)
    `gateway.token` in /x/kaspi.toml line 2 is a whole number, not a section
    `gateway.token.bins` in /x/kaspi.toml line 2 is a text, not a list
    ");
}

#[test]
fn values_that_cannot_be_used() {
    let kaspi = |line: &str| format!("{KASPI}{line}\n");
    let cases = [
        String::new(),
        "default_bin = \"89102735051\"\n".to_owned(),
        "certs_dir = \"\"\n".to_owned(),
        "state_dir = \"\"\n".to_owned(),
        kaspi("only_extra_ca = true"),
        kaspi("extra_ca_file = \"absent.pem\""),
        kaspi("extra_ca_file = \"certs\""),
        kaspi("connect_timeout = \"5\""),
        kaspi("connect_timeout = \"99ms\""),
        kaspi("connect_timeout = \"2m\""),
        kaspi("tls_timeout = \"21s\""),
        kaspi("request_timeout = \"10s\"\nfirst_byte_timeout = \"11s\""),
        kaspi("idle_timeout = \"0s\""),
        kaspi("status_version = \"v2\""),
        kaspi("phone_format = \"+7\""),
        kaspi("key_exchange = \"clasic\""),
        kaspi("proxy_credentials_file = \"absent\""),
        kaspi("proxy = \"http://egress:1\"\nproxy_credentials_file = \"absent\""),
        kaspi("[gateway]\nlisten = \"localhost:8014\""),
        kaspi("[gateway]\necho_window = \"11m\""),
        kaspi("[wrapper]\ntoken_file = \"absent\""),
        kaspi("[wrapper]\nbase_url = \"http://shop.example\""),
        kaspi("[wrapper]\nbase_url = \"https://shop.example\"\ntoken_file = \"absent\""),
    ];
    let refusals: Vec<String> = cases.iter().map(|text| Place::refused(text)).collect();
    insta::assert_snapshot!(refusals.join("\n"), @r"
    `kaspi.base_url` in /x/kaspi.toml is missing
      hint: the bank's letter names it; production is `https://qrapi-cert-ip.kaspi.kz/r3`
    `default_bin` in /x/kaspi.toml line 1 is `89102735051`: a BIN has 12 digits, `89102735051` has 11 characters
    `certs_dir` in /x/kaspi.toml line 1 is ``: a path is not empty
    `state_dir` in /x/kaspi.toml line 1 is ``: a path is not empty
    `kaspi.only_extra_ca` in /x/kaspi.toml line 3 is `true`: without `extra_ca_file` no server would be trusted
      hint: name the bank's chain with `extra_ca_file`, or drop `only_extra_ca`
    `kaspi.extra_ca_file` in /x/kaspi.toml line 3 names /x/absent.pem, which does not exist
      hint: paths are relative to the file that names them, here to /x
    /x/certs is a folder, not a file, named by `kaspi.extra_ca_file` in /x/kaspi.toml line 3
    `kaspi.connect_timeout` in /x/kaspi.toml line 3 is `5`: a length of time is a whole number and `ms`, `s` or `m`, as in `5s`
    `kaspi.connect_timeout` in /x/kaspi.toml line 3 is `99ms`: allowed is 100ms to 1m
    `kaspi.connect_timeout` in /x/kaspi.toml line 3 is `2m`: allowed is 100ms to 1m
    `kaspi.tls_timeout` in /x/kaspi.toml line 3 is `21s`: that is longer than the whole attempt, `request_timeout`, which is `20s`
    `kaspi.first_byte_timeout` in /x/kaspi.toml line 4 is `11s`: that is longer than the whole attempt, `request_timeout`, which is `10s`
    `kaspi.idle_timeout` in /x/kaspi.toml line 3 is `0s`: allowed is 100ms to 10m
    `kaspi.status_version` in /x/kaspi.toml line 3 is `v2`: allowed is `v01` or `v02`; did you mean `v02`?
    `kaspi.phone_format` in /x/kaspi.toml line 3 is `+7`: allowed is `77` or `87`; did you mean `77`?
    `kaspi.key_exchange` in /x/kaspi.toml line 3 is `clasic`: allowed is `classic` or `hybrid`; did you mean `classic`?
    `kaspi.proxy_credentials_file` in /x/kaspi.toml line 3 is `absent`: there is no `proxy` to show them to
    `kaspi.proxy_credentials_file` in /x/kaspi.toml line 4 names /x/absent, which does not exist
      hint: paths are relative to the file that names them, here to /x
    `gateway.listen` in /x/kaspi.toml line 4 is `localhost:8014`: this is no address with a port; host names are not looked up
      hint: write it as in `127.0.0.1:8014`
    `gateway.echo_window` in /x/kaspi.toml line 4 is `11m`: allowed is 0s to 10m
    `wrapper.base_url` in /x/kaspi.toml line 3 is missing
      hint: write the old wrapper's address, as in `https://shop.example/api/v2/paymentkaspi`
    `wrapper.base_url` in /x/kaspi.toml line 4 is `http://shop.example`: only `https` is taken, `http` would carry payments and tokens in clear
      hint: write the old wrapper's address, as in `https://shop.example/api/v2/paymentkaspi`
    `wrapper.token_file` in /x/kaspi.toml line 5 names /x/absent, which does not exist
      hint: paths are relative to the file that names them, here to /x
    ");
}

#[test]
fn gateway_tokens_that_cannot_be_used() {
    let hash = "0".repeat(64);
    let token = |lines: &str| format!("{KASPI}[[gateway.token]]\n{lines}\n");
    let named = format!("name = \"a\"\nsha256 = \"{hash}\"\n");
    let cases = [
        token(""),
        token("name = \"a\""),
        token(&named),
        token("name = \" \"\nsha256 = \"planted\"\nbins = [\"891027350515\"]"),
        token("name = \"a\"\nsha256 = \"planted\"\nbins = [\"891027350515\"]"),
        token(&format!(
            "name = \"a\"\nsha256 = \"{}\"\nbins = [\"891027350515\"]",
            "planted!".repeat(8)
        )),
        token(&format!("{named}bins = []")),
        token(&format!("{named}bins = [\n\"891027350515\",\n\"x\"]")),
        token(&format!(
            "{named}bins = [\"891027350515\"]\nverbs = [\"refunds\"]"
        )),
        token(&format!(
            "{named}bins = [\"891027350515\"]\n[[gateway.token]]\n{named}bins = [\"891027350515\"]"
        )),
        token(&format!(
            "{named}bins = [\"891027350515\"]\n[[gateway.token]]\nname = \"b\"\nsha256 = \"{hash}\"\n\
             bins = [\"891027350515\"]"
        )),
    ];
    let refusals: Vec<String> = cases.iter().map(|text| Place::refused(text)).collect();
    let text = refusals.join("\n");
    assert!(!text.contains("planted"), "{text}");
    insta::assert_snapshot!(text, @r#"
    `gateway.token.name` in /x/kaspi.toml line 3 is missing
      hint: name the caller, as in `name = "shop-backend"`
    `gateway.token.sha256` in /x/kaspi.toml line 3 is missing
      hint: write the SHA-256 of the caller's token in hex
    `gateway.token.bins` in /x/kaspi.toml line 3 is missing
      hint: list the BINs that the caller may act for
    `gateway.token.name` in /x/kaspi.toml line 4 is ` `: a name is not empty and has no control characters
    `gateway.token.sha256` in /x/kaspi.toml line 5 is unusable: a SHA-256 has 64 hex digits, this has 7 characters
      hint: write what `printf %s "$TOKEN" | sha256sum` prints, not the token itself
    `gateway.token.sha256` in /x/kaspi.toml line 5 is unusable: a SHA-256 has 64 hex digits, this has other characters
      hint: write what `printf %s "$TOKEN" | sha256sum` prints, not the token itself
    `gateway.token.bins` in /x/kaspi.toml line 6 is `[]`: a token that may do nothing is of no use
    `gateway.token.bins` in /x/kaspi.toml line 8 is `x`: a BIN has 12 digits, `x` has 1 characters
    `gateway.token.verbs` in /x/kaspi.toml line 7 is `refunds`: allowed is `create`, `refund`, `read` or `admin`; did you mean `refund`?
    `gateway.token.name` in /x/kaspi.toml line 7 is `a`: another token has this name
      hint: one caller, one name and one token
    `gateway.token.sha256` in /x/kaspi.toml line 7 is unusable: `b` has the same token as `a`
      hint: one caller, one name and one token
    "#);
}

#[test]
fn journals_that_cannot_be_used() {
    let cases = [
        "kaspi.db",
        "sqlite://",
        "sqlite://:memory:",
        "sqlite://kaspi.db?mode=ro",
        "mysql://user:planted@db/kaspi",
        "host=db password=planted",
    ];
    let refusals: Vec<String> = cases
        .into_iter()
        .map(|url| Place::refused(&format!("{KASPI}[journal]\nurl = \"{url}\"\n")))
        .collect();
    let text = refusals.join("\n");
    assert!(!text.contains("planted"), "{text}");
    insta::assert_snapshot!(text, @r"
    `journal.url` in /x/kaspi.toml line 4 is unusable: this is no URL, it has no `://`
      hint: write `sqlite://kaspi.db` or `postgres://user@host/database`
    `journal.url` in /x/kaspi.toml line 4 is unusable: nothing stands after `sqlite://`
      hint: write `sqlite://kaspi.db` or `postgres://user@host/database`
    `journal.url` in /x/kaspi.toml line 4 is unusable: a journal in memory would forget payments
      hint: write `sqlite://kaspi.db` or `postgres://user@host/database`
    `journal.url` in /x/kaspi.toml line 4 is unusable: an SQLite journal takes no options (`?`)
      hint: write `sqlite://kaspi.db` or `postgres://user@host/database`
    `journal.url` in /x/kaspi.toml line 4 is unusable: a journal is kept in `sqlite` or `postgres`, not in `mysql`
      hint: write `sqlite://kaspi.db` or `postgres://user@host/database`
    `journal.url` in /x/kaspi.toml line 4 is unusable: this is no URL, it has no `://`
      hint: write `sqlite://kaspi.db` or `postgres://user@host/database`
    ");
}

#[test]
fn proxy_credentials_that_cannot_be_used() {
    let mut refusals = Vec::new();
    for contents in [
        &b"planted"[..],
        b":planted",
        b"planted:a\nplanted:b\n",
        b"\xff:planted",
    ] {
        let place = Place::new();
        place.put("proxy.user", contents);
        place.put(
            "kaspi.toml",
            format!("{KASPI}proxy = \"http://egress:1\"\nproxy_credentials_file = \"proxy.user\"\n"),
        );
        refusals.push(place.words(&place.load().unwrap_err()));
    }
    let text = refusals.join("\n");
    assert!(!text.contains("planted"), "{text}");
    insta::assert_snapshot!(text, @r"
    `kaspi.proxy_credentials_file` in /x/kaspi.toml line 4 is `proxy.user`: the file holds no user name before a `:`
      hint: the file holds one line, `user:password`
    `kaspi.proxy_credentials_file` in /x/kaspi.toml line 4 is `proxy.user`: the file holds no user name before a `:`
      hint: the file holds one line, `user:password`
    `kaspi.proxy_credentials_file` in /x/kaspi.toml line 4 is `proxy.user`: the file holds more than one line
      hint: the file holds one line, `user:password`
    `kaspi.proxy_credentials_file` in /x/kaspi.toml line 4 is `proxy.user`: the file holds no user name before a `:`
      hint: the file holds one line, `user:password`
    ");
}

#[test]
fn what_is_no_toml_is_located_and_not_quoted() {
    let cases = [
        "[kaspi]\nbase_url = planted",
        "[kaspi]\n  base_url = \"planted",
        "[kaspi]\nbase_url = \"planted\" planted\n",
        "[kaspi]\nwarm = true\nwarm = false\n",
        "[kaspi]\n[kaspi]\n",
        "a = 1\nимя = \"planted\n",
        "[journal]\nurl = \"\\planted\"\n",
        "planted\n",
        "x = 1planted\n",
    ];
    let text = cases.map(Place::refused).join("\n");
    assert!(!text.contains("planted"), "{text}");
    insta::assert_snapshot!(text, @r#"
    /x/kaspi.toml line 2 column 12 is not TOML: string values must be quoted, expected literal string
    /x/kaspi.toml line 2 column 22 is not TOML: invalid basic string, expected `"`
    /x/kaspi.toml line 2 column 22 is not TOML: unexpected key or value, expected newline, `#`
    /x/kaspi.toml line 3 column 1 is not TOML: duplicate key
    /x/kaspi.toml line 2 column 2 is not TOML: duplicate key
    /x/kaspi.toml line 2 column 1 is not TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
    /x/kaspi.toml line 2 column 9 is not TOML: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\`, `"`, `x`, `u`, `U`
    /x/kaspi.toml line 1 column 8 is not TOML: key with no value, expected `=`
    /x/kaspi.toml line 1 column 6 is not TOML: invalid float, expected nothing
    "#);
}

#[test]
fn files_that_are_no_text() {
    let place = Place::new();
    let mut refusals = Vec::new();
    place.put("kaspi.toml", b"[kaspi]\nbase_url = \"\xff\"\n");
    refusals.push(place.words(&place.load().unwrap_err()));
    place.put("kaspi.toml", vec![b' '; 1024 * 1024 + 1]);
    refusals.push(place.words(&place.load().unwrap_err()));
    fs::remove_file(place.path("kaspi.toml")).unwrap();
    refusals.push(place.words(&place.load().unwrap_err()));
    fs::create_dir(place.path("kaspi.toml")).unwrap();
    refusals.push(place.words(&place.load().unwrap_err()));
    insta::assert_snapshot!(refusals.join("\n"), @r"
    /x/kaspi.toml line 2 is not UTF-8 text
    /x/kaspi.toml has more than 1048576 bytes
    cannot read /x/kaspi.toml: entity not found
    /x/kaspi.toml is a folder, not a file
    ");
}

#[test]
fn a_byte_order_mark_and_windows_lines_are_tolerated() {
    let place = Place::new();
    place.put("kaspi.toml", format!("\u{feff}{}", KASPI.replace('\n', "\r\n")));
    assert!(place.load().is_ok());
}

#[test]
fn an_absurdly_nested_file_is_refused() {
    let place = Place::new();
    place.put("kaspi.toml", format!("a = {}", "[".repeat(200_000)));
    assert_eq!(place.load().unwrap_err().kind(), "config_syntax");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "([a-z_\\[\\]=\"'\n #.{}0-9-]|\\PC){0,60}") {
        let place = Place::new();
        place.put("kaspi.toml", &text);
        let _ = place.load();
        place.put("kaspi.toml", format!("{KASPI}{text}"));
        let _ = place.load();
    }
}
