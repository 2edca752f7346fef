use std::net::IpAddr;
use std::time::Duration;

use data_encoding::BASE64;

use super::*;
use crate::config::PrivateAddress;

fn secret(byte: u8) -> String {
    format!("whsec_{}", BASE64.encode(&[byte; 32]))
}

/// A merchant with these webhooks, below a `kaspi.toml` with this section.
fn place(webhooks: &str, section: &str) -> Place {
    let place = Place::with_merchant();
    place.put("kaspi.toml", format!("{KASPI}{section}"));
    place.put(&format!("certs/{BIN}/merchant.toml"), webhooks);
    place.put(&format!("certs/{BIN}/new.secret"), secret(1));
    place.put(&format!("certs/{BIN}/old.secret"), format!("{}\n", secret(2)));
    place
}

fn refused(webhooks: &str, section: &str) -> String {
    let place = place(webhooks, section);
    place.words(&place.one().merchant.unwrap_err())
}

#[test]
fn webhooks_are_read_with_their_secrets() {
    let place = place(
        "[[webhook]]\nurl = 'https://shop.example/hooks/kaspi?key=planted'\nsecret_file = 'new.secret'\n\
         previous_secret_file = 'old.secret'\n\
         [[webhook]]\nname = 'books'\nurl = 'http://books.internal:8080/in/'\nsecret_file = 'old.secret'\n\
         events = ['payment.created', 'payment.refunded']\n",
        "[webhooks]\nallow_private = ['books.internal']\ntimeout = '3s'\n",
    );
    assert_eq!(place.load().unwrap().webhooks.timeout, Duration::from_secs(3));
    let spec = place.merchant();
    let [shop, books] = spec.webhooks.as_slice() else {
        panic!("{:?}", spec.webhooks)
    };
    assert_eq!(shop.name, "shop.example");
    assert_eq!(
        shop.url.to_string(),
        "https://shop.example/hooks/kaspi?key=planted"
    );
    assert_eq!(shop.secret.expose(), [1; 32]);
    assert_eq!(shop.previous_secret.as_ref().unwrap().expose(), [2; 32]);
    assert!(shop.wants("payment.created") && shop.wants("operation.unknown"));
    assert_eq!((books.name.as_str(), books.url.path()), ("books", "/in/"));
    assert!(books.wants("payment.refunded") && !books.wants("operation.unknown"));
    let shown = format!("{spec:?}");
    assert!(!shown.contains("planted") && !shown.contains("whsec_"), "{shown}");
    assert_eq!(place.one().warnings, []);
}

#[test]
fn an_open_secret_file_is_a_warning() {
    let place = place(
        "[[webhook]]\nurl = 'https://a.example'\nsecret_file = 'new.secret'\n",
        "",
    );
    place.mode(&format!("certs/{BIN}/new.secret"), 0o644);
    assert_eq!(place.one().warnings.len(), 1);
}

#[test]
fn what_cannot_be_used_is_named_and_no_secret_shown() {
    let url = "url = 'https://a.example'";
    let short = format!(
        "[[webhook]]\n{url}\nsecret = 'whsec_{}'\n",
        BASE64.encode(b"planted")
    );
    let both = format!(
        "[[webhook]]\n{url}\nsecret = '{}'\nsecret_file = 'new.secret'\n",
        secret(3)
    );
    let twins = format!(
        "[[webhook]]\n{url}\nsecret_file = 'new.secret'\n[[webhook]]\n{url}\nsecret_file = 'new.secret'\n"
    );
    let mut refusals = Vec::new();
    for webhooks in [
        "[[webhook]]\nsecret_file = 'new.secret'\n",
        "[[webhook]]\nurl = 'https://a.example'\n",
        "[[webhook]]\nurl = 'https://a.example'\nsecret = 'planted'\n",
        &short,
        "[[webhook]]\nurl = 'https://a.example'\nsecret_file = 'absent'\n",
        "[[webhook]]\nurl = 'ftp://a.example/planted'\nsecret_file = 'new.secret'\n",
        "[[webhook]]\nurl = 'https://a.example/#planted'\nsecret_file = 'new.secret'\n",
        "[[webhook]]\nurl = 'https://planted@a.example'\nsecret_file = 'new.secret'\n",
        "[[webhook]]\nurl = 'https://a.example'\nsecret_file = 'new.secret'\nevents = ['payment.create']\n",
        "[[webhook]]\nurl = 'https://a.example'\nsecret_fiel = 'new.secret'\n",
        &both,
        &twins,
    ] {
        let words = refused(webhooks, "");
        assert!(
            !words.contains("planted") && !words.contains("whsec_c"),
            "{words}"
        );
        refusals.push(words);
    }
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    `webhook.url` in /x/certs/891027350515/merchant.toml line 1 is missing
      hint: write where events go, as in `url = "https://shop.example/kaspi/events"`
    `webhook.secret_file` in /x/certs/891027350515/merchant.toml line 1 is missing
      hint: make one with `kaspi webhook secret new`, and name its file
    `webhook.secret` in /x/certs/891027350515/merchant.toml line 3 is unusable: a webhook's secret begins with `whsec_`, this one does not
      hint: `kaspi webhook secret new` makes one
    `webhook.secret` in /x/certs/891027350515/merchant.toml line 3 is unusable: a webhook's secret is 24 to 64 bytes, this one is 7
      hint: `kaspi webhook secret new` makes one
    `webhook.secret_file` in /x/certs/891027350515/merchant.toml line 3 names /x/certs/891027350515/absent, which does not exist
      hint: paths are relative to the file that names them, here to /x/certs/891027350515
    `webhook.url` in /x/certs/891027350515/merchant.toml line 2 is unusable: only `https` is taken, and `http` within one's own network
      hint: write the whole address, as in `https://shop.example/kaspi/events`
    `webhook.url` in /x/certs/891027350515/merchant.toml line 2 is unusable: a webhook's address has no fragment (`#`)
      hint: write the whole address, as in `https://shop.example/kaspi/events`
    `webhook.url` in /x/certs/891027350515/merchant.toml line 2 is unusable: a webhook's address has no user name or password
      hint: write the whole address, as in `https://shop.example/kaspi/events`
    `webhook.events` in /x/certs/891027350515/merchant.toml line 4 is `payment.create`: allowed is `payment.created`, `payment.status_changed`, `payment.refunded`, `operation.unknown`, `operation.resolved`, `identity.rotated` or `certificate.due`; did you mean `payment.created`?
    unknown key `secret_fiel` in [[webhook]] of /x/certs/891027350515/merchant.toml line 3; did you mean `secret_file`?
    `webhook.secret` in /x/certs/891027350515/merchant.toml line 3 excludes `webhook.secret_file` in /x/certs/891027350515/merchant.toml line 4
      hint: keep one of the two
    `webhook.name` in /x/certs/891027350515/merchant.toml line 4 is `a.example`: another webhook of this BIN has this name
      hint: give each a `name` of its own; without one it has the name of its host
    "#);
}

#[test]
fn networks_hosts_and_addresses_may_be_allowed() {
    let place = Place::new();
    place.put(
        "kaspi.toml",
        format!("{KASPI}[webhooks]\nallow_private = ['10.1.0.0/16', '127.0.0.1', 'fd00::/8', '[::1]', 'Books.internal']\n"),
    );
    let allowed = place.load().unwrap().webhooks.allow_private;
    assert_eq!(
        allowed.last(),
        Some(&PrivateAddress::Host("books.internal".to_owned()))
    );
    let covers = |host: &str, address: &str| {
        let address: IpAddr = address.parse().unwrap();
        allowed.iter().any(|allowed| allowed.covers(host, address))
    };
    for (host, address) in [
        ("a", "10.1.0.0"),
        ("a", "10.1.255.255"),
        ("a", "127.0.0.1"),
        ("a", "fdff::1"),
        ("a", "::1"),
        ("books.INTERNAL", "192.168.0.1"),
    ] {
        assert!(covers(host, address), "{host} {address}");
    }
    for (host, address) in [
        ("a", "10.2.0.0"),
        ("a", "10.0.255.255"),
        ("a", "127.0.0.2"),
        ("a", "fe80::1"),
        ("a", "::2"),
        ("x.books.internal", "192.168.0.1"),
    ] {
        assert!(!covers(host, address), "{host} {address}");
    }
    let mut refusals = Vec::new();
    for given in ["10.1.2.3/16", "10.0.0.0/33", "ten/8", "", "http://a", "*"] {
        refusals.push(Place::refused(&format!(
            "{KASPI}[webhooks]\nallow_private = ['{given}']\n"
        )));
    }
    insta::assert_snapshot!(refusals.join("\n"), @r"
    `webhooks.allow_private` in /x/kaspi.toml line 4 is `10.1.2.3/16`: the address has bits beyond those that the network has in common
      hint: write a network as in `10.0.0.0/8`, an address, or a host name as it stands in the URL
    `webhooks.allow_private` in /x/kaspi.toml line 4 is `10.0.0.0/33`: a network has at most as many bits as its addresses
      hint: write a network as in `10.0.0.0/8`, an address, or a host name as it stands in the URL
    `webhooks.allow_private` in /x/kaspi.toml line 4 is `ten/8`: this is no network
      hint: write a network as in `10.0.0.0/8`, an address, or a host name as it stands in the URL
    `webhooks.allow_private` in /x/kaspi.toml line 4 is ``: this is neither a network, nor an address, nor a host name
      hint: write a network as in `10.0.0.0/8`, an address, or a host name as it stands in the URL
    `webhooks.allow_private` in /x/kaspi.toml line 4 is `http://a`: this is no network
      hint: write a network as in `10.0.0.0/8`, an address, or a host name as it stands in the URL
    `webhooks.allow_private` in /x/kaspi.toml line 4 is `*`: this is neither a network, nor an address, nor a host name
      hint: write a network as in `10.0.0.0/8`, an address, or a host name as it stands in the URL
    ");
}
