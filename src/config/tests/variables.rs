use std::net::SocketAddr;

use crate::config::{IdentityFiles, IdentitySource, JournalUrl, ListenFrom, PasswordOrigin};

use super::*;

fn with(name: &str, value: &str) -> Place {
    let mut place = Place::new();
    place.variable(name, value);
    place
}

/// The only merchant's identity in a variable: its bytes.
fn held(place: &Place) -> Vec<u8> {
    match place.merchant().identity {
        IdentitySource::Own(spec) => match spec.files {
            IdentityFiles::Variable(variable) => variable.expose().to_vec(),
            other => panic!("{other:?}"),
        },
        IdentitySource::Of(bin) => panic!("borrowed from {bin}"),
    }
}

#[test]
fn an_identity_in_a_variable_needs_no_folder() {
    let mut place = with(&format!("KASPI_IDENTITY_{BIN}"), "AAEC\n  Aw==\n");
    place.variable(&format!("KASPI_PASSWORD_{BIN}"), "planted password");
    place.variable(&format!("KASPI_DEVICE_TOKEN_{BIN}"), "planted-token");
    place.identity(OTHER);
    let found = place.scan();
    assert_eq!(found.len(), 2, "{found:?}");
    let shown = format!("{found:?}");
    assert!(
        shown.contains(&format!("IdentityVariable(KASPI_IDENTITY_{BIN})")) && !shown.contains("planted"),
        "{shown}"
    );
    let of_variable = found
        .into_iter()
        .find(|folder| folder.folder.ends_with(BIN))
        .unwrap();
    let spec = of_variable.merchant.unwrap();
    assert_eq!(spec.name, BIN);
    assert!(spec.active && !spec.folder.exists());
    let point = &spec.trade_points[0].point;
    assert_eq!(point.device_token.as_ref().unwrap().expose(), "planted-token");
    let IdentitySource::Own(own) = spec.identity else {
        panic!("borrowed")
    };
    let [password] = own.passwords.as_slice() else {
        panic!("{own:?}")
    };
    assert_eq!(
        password.origin,
        PasswordOrigin::Environment(format!("KASPI_PASSWORD_{BIN}"))
    );
    assert!(matches!(&own.files, IdentityFiles::Variable(given) if given.expose() == [0, 1, 2, 3]));
}

#[test]
fn a_folder_may_hold_the_rest() {
    let place = with(&format!("KASPI_IDENTITY_{BIN}"), "AAEC");
    place.put(
        &format!("certs/{BIN}/merchant.toml"),
        "name = \"Flower shop\"\ntrade_point_id = 385716\n",
    );
    let spec = place.merchant();
    assert_eq!(spec.name, "Flower shop");
    assert_eq!(spec.trade_points[0].point.id.unwrap().get(), 385_716);
    assert_eq!(held(&place), [0, 1, 2]);
}

#[test]
fn two_identities_are_one_too_many() {
    let place = with(&format!("KASPI_IDENTITY_{BIN}"), "AAEC");
    let refused = |place: &Place| place.words(&place.one().merchant.unwrap_err());
    place.identity(BIN);
    insta::assert_snapshot!(refused(&place), @r"
    `KASPI_IDENTITY_891027350515` in the environment excludes /x/certs/891027350515/certificate.cer
      hint: keep one of the two
    ");
    fs::remove_dir_all(place.path("certs")).unwrap();
    place.put(
        &format!("certs/{BIN}/merchant.toml"),
        format!("identity = \"{OTHER}\"\n"),
    );
    insta::assert_snapshot!(refused(&place), @r"
    `KASPI_IDENTITY_891027350515` in the environment excludes `identity` in /x/certs/891027350515/merchant.toml line 1
      hint: keep one of the two
    ");
    fs::remove_file(place.path(&format!("certs/{BIN}/merchant.toml"))).unwrap();
    std::os::unix::fs::symlink(".sets/1", place.path(&format!("certs/{BIN}/current"))).unwrap();
    insta::assert_snapshot!(refused(&place), @r"
    `KASPI_IDENTITY_891027350515` in the environment excludes /x/certs/891027350515/current
      hint: keep one of the two
    ");
}

#[test]
fn two_device_tokens_are_one_too_many() {
    let place = with(&format!("KASPI_DEVICE_TOKEN_{BIN}"), "planted-token");
    place.identity(BIN);
    place.put(
        &format!("certs/{BIN}/merchant.toml"),
        "device_token = \"planted-other\"\n",
    );
    insta::assert_snapshot!(place.words(&place.one().merchant.unwrap_err()), @r"
    `KASPI_DEVICE_TOKEN_891027350515` in the environment excludes the device token in /x/certs/891027350515/merchant.toml
      hint: keep one of the two
    ");
}

#[test]
fn what_a_variable_cannot_hold() {
    let refused = |name: &str, value: &str| {
        let place = with(name, value);
        place.words(&place.one().merchant.unwrap_err())
    };
    insta::assert_snapshot!(refused(&format!("KASPI_IDENTITY_{BIN}"), "planted!"), @r"
    `KASPI_IDENTITY_891027350515` in the environment is unusable: it is not base64
      hint: write what `base64 -w0 identity.p12` prints
    ");
    insta::assert_snapshot!(refused("KASPI_IDENTITY_SHOP", "AAEC"), @r"
    `KASPI_IDENTITY_SHOP` in the environment is unusable: its name ends with no BIN: a BIN has 12 digits, `SHOP` has 4 characters
      hint: name it `KASPI_IDENTITY_` and the twelve digits of the BIN
    ");
}

#[test]
fn a_port_from_the_host_means_every_address_unless_the_file_says_otherwise() {
    let listen = |place: &Place| {
        let gateway = place.load().unwrap().gateway;
        (gateway.listen.to_string(), gateway.listen_from)
    };
    let place = with("PORT", "8080");
    assert_eq!(listen(&place), ("[::]:8080".to_owned(), ListenFrom::Port));
    place.put(
        "kaspi.toml",
        format!("{KASPI}[gateway]\nlisten = \"127.0.0.1:9000\"\n"),
    );
    assert_eq!(listen(&place), ("127.0.0.1:9000".to_owned(), ListenFrom::File));
    let default: SocketAddr = "127.0.0.1:8014".parse().unwrap();
    assert_eq!(listen(&Place::new()), (default.to_string(), ListenFrom::Default));
    assert_eq!(
        listen(&with("PORT", "")),
        (default.to_string(), ListenFrom::Default)
    );

    let place = with("PORT", "tcp://10.0.0.1:80");
    insta::assert_snapshot!(place.words(&place.load().unwrap_err()), @r"
    `PORT` in the environment is `tcp://10.0.0.1:80`: a port is a whole number up to 65535
      hint: unset it, or write `gateway.listen`, which goes before it
    ");
}

#[test]
fn the_journal_may_be_named_by_a_variable() {
    let place = with("KASPI_JOURNAL_URL", "postgres://kaspi:planted@db.example/kaspi");
    let config = place.load().unwrap();
    assert!(matches!(&config.journal.url, JournalUrl::Postgres(url) if url.expose().ends_with("/kaspi")));
    assert!(!format!("{config:?}").contains("planted"));
    place.put(
        "kaspi.toml",
        format!("{KASPI}[journal]\nurl = \"sqlite://kaspi.db\"\n"),
    );
    insta::assert_snapshot!(place.words(&place.load().unwrap_err()), @r"
    `journal.url` in /x/kaspi.toml line 4 excludes `KASPI_JOURNAL_URL` in the environment
      hint: keep one of the two
    ");
    let place = with("KASPI_JOURNAL_URL", "mysql://planted@db.example/kaspi");
    insta::assert_snapshot!(place.words(&place.load().unwrap_err()), @r"
    `KASPI_JOURNAL_URL` in the environment is unusable: a journal is kept in `sqlite` or `postgres`, not in `mysql`
      hint: write `sqlite://kaspi.db` or `postgres://user@host/database`
    ");
}

#[test]
fn a_proxys_credentials_may_be_in_a_variable() {
    let text = format!("{KASPI}proxy = \"http://egress:3128\"\n");
    let place = with("KASPI_PROXY_CREDENTIALS", "shop:planted:word\n");
    // nobody to show them to, and no reason to stop: the variable may be another program's
    assert!(place.load().unwrap().kaspi.proxy.is_none());
    place.put("kaspi.toml", &text);
    let config = place.load().unwrap();
    let auth = config.kaspi.proxy.as_ref().unwrap().auth.as_ref().unwrap();
    assert_eq!(
        (auth.user.as_str(), auth.password.expose()),
        ("shop", &b"planted:word"[..])
    );
    assert!(!format!("{config:?}").contains("planted"));

    place.put("proxy.user", "shop:planted\n");
    place.put(
        "kaspi.toml",
        format!("{text}proxy_credentials_file = \"proxy.user\"\n"),
    );
    insta::assert_snapshot!(place.words(&place.load().unwrap_err()), @r"
    `kaspi.proxy_credentials_file` in /x/kaspi.toml line 4 excludes `KASPI_PROXY_CREDENTIALS` in the environment
      hint: keep one of the two
    ");
    let place = with("KASPI_PROXY_CREDENTIALS", "planted");
    place.put("kaspi.toml", &text);
    insta::assert_snapshot!(place.words(&place.load().unwrap_err()), @r"
    `KASPI_PROXY_CREDENTIALS` in the environment is unusable: it holds no user name before a `:`
      hint: write it as `user:password`
    ");
}
