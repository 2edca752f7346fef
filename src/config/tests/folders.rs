use crate::base::Bin;
use crate::config::{IdentityFiles, IdentitySource, IdentitySpec, PasswordOrigin, Route};

use super::*;

fn own(spec: &MerchantSpec) -> &IdentitySpec {
    match &spec.identity {
        IdentitySource::Own(spec) => spec,
        IdentitySource::Of(bin) => panic!("borrowed from {bin}"),
    }
}

/// The answer for a folder with these files and nothing else.
fn files(names: &[&str]) -> Result<IdentityFiles, String> {
    let place = Place::new();
    fs::create_dir(place.path(&format!("certs/{BIN}"))).unwrap();
    for name in names {
        place.put(&format!("certs/{BIN}/{name}"), "");
    }
    match place.one().merchant {
        Ok(spec) => Ok(own(&spec).files.clone()).map(|files| relative(&place, files)),
        Err(error) => Err(place.words(&error)),
    }
}

fn relative(place: &Place, files: IdentityFiles) -> IdentityFiles {
    let folder = place.path(&format!("certs/{BIN}"));
    let short = |file: PathBuf| file.strip_prefix(&folder).unwrap().to_owned();
    match files {
        IdentityFiles::Pair {
            certificate,
            private_key,
        } => IdentityFiles::Pair {
            certificate: short(certificate),
            private_key: short(private_key),
        },
        IdentityFiles::Single(file) => IdentityFiles::Single(short(file)),
        other @ IdentityFiles::Variable(_) => other,
    }
}

fn pair(certificate: &str, private_key: &str) -> IdentityFiles {
    IdentityFiles::Pair {
        certificate: certificate.into(),
        private_key: private_key.into(),
    }
}

fn single(file: &str) -> IdentityFiles {
    IdentityFiles::Single(file.into())
}

#[test]
fn the_state_folder_is_no_merchant() {
    let place = Place::with_merchant();
    fs::create_dir(place.path("certs/state")).unwrap();
    assert_eq!(place.scan().len(), 2);
    place.put("kaspi.toml", format!("state_dir = \"certs/state\"\n{KASPI}"));
    assert_eq!(place.scan().len(), 1);
}

#[test]
fn a_folder_without_merchant_toml_is_usable() {
    let spec = Place::with_merchant().merchant();
    assert_eq!(spec.bin, Bin::parse(BIN).unwrap());
    assert_eq!(spec.name, BIN);
    assert!(spec.active);
    assert_eq!(spec.route, Route::Direct);
    let [point] = spec.trade_points.as_slice() else {
        panic!("{:?}", spec.trade_points)
    };
    assert!(point.default && point.point.id.is_none() && point.point.device_token.is_none());
    assert!(own(&spec).passwords.is_empty());
    assert_eq!(own(&spec).owner, spec.bin);
}

#[test]
fn usual_names() {
    assert_eq!(
        files(&["certificate.cer", "private.key"]),
        Ok(pair("certificate.cer", "private.key"))
    );
    assert_eq!(files(&["certificate.cer"]), Ok(single("certificate.cer")));
    assert_eq!(files(&["identity.p12"]), Ok(single("identity.p12")));
    assert_eq!(files(&["identity.pfx"]), Ok(single("identity.pfx")));
    let refusals = [
        files(&[]),
        files(&["private.key"]),
        files(&["certificate.cer", "private.key", "identity.p12"]),
        files(&["private.key", "identity.pfx"]),
        files(&["identity.p12", "identity.pfx"]),
    ];
    insta::assert_snapshot!(refusals.map(|answer| answer.unwrap_err()).join("\n"), @r#"
    /x/certs/891027350515 has no identity: no `certificate.cer` with `private.key`, no `identity.p12`, no `identity.pfx`
      hint: put the bank's files there, name others in merchant.toml, or borrow with `identity = "BIN"`
    /x/certs/891027350515 has the key `private.key` but no certificate `certificate.cer`
      hint: put the bank's certificate beside the key, or name it with `certificate`
    /x/certs/891027350515 has both `certificate.cer` and `identity.p12`
      hint: keep one of the two
    /x/certs/891027350515 has both `private.key` and `identity.pfx`
      hint: keep one of the two
    /x/certs/891027350515 has both `identity.p12` and `identity.pfx`
      hint: keep one of the two
    "#);
}

#[test]
fn other_names() {
    let named = |toml: &str, names: &[&str]| {
        let mut all = vec!["merchant.toml"];
        all.extend(names);
        let place = Place::new();
        for name in all {
            place.put(&format!("certs/{BIN}/{name}"), "");
        }
        place.put(&format!("certs/{BIN}/merchant.toml"), toml);
        match place.one().merchant {
            Ok(spec) => Ok(relative(&place, own(&spec).files.clone())),
            Err(error) => Err(place.words(&error)),
        }
    };
    let (certificate, key) = ("certificate = \"tls.crt\"\n", "private_key = \"tls.key\"\n");
    let both = format!("{certificate}{key}");
    assert_eq!(
        named(&both, &["tls.crt", "tls.key"]),
        Ok(pair("tls.crt", "tls.key"))
    );
    // A name that is given wins over a file that lies about.
    assert_eq!(
        named(&both, &["tls.crt", "tls.key", "identity.p12", "private.key"]),
        Ok(pair("tls.crt", "tls.key"))
    );
    assert_eq!(
        named(certificate, &["tls.crt", "private.key"]),
        Ok(pair("tls.crt", "private.key"))
    );
    assert_eq!(named(certificate, &["tls.crt"]), Ok(single("tls.crt")));
    assert_eq!(
        named(key, &["tls.key", "certificate.cer"]),
        Ok(pair("certificate.cer", "tls.key"))
    );
    let refusals = [
        named(key, &["tls.key"]),
        named(&both, &["tls.crt"]),
        named(&both, &["tls.key"]),
        named("certificate = \"\"\n", &["private.key"]),
        named("certificate = \"../certs\"\n", &["private.key"]),
    ];
    insta::assert_snapshot!(refusals.map(|answer| answer.unwrap_err()).join("\n"), @r"
    /x/certs/891027350515 has the key `tls.key` but no certificate `certificate.cer`
      hint: put the bank's certificate beside the key, or name it with `certificate`
    `private_key` in /x/certs/891027350515/merchant.toml line 2 names /x/certs/891027350515/tls.key, which does not exist
      hint: paths are relative to the file that names them, here to /x/certs/891027350515
    `certificate` in /x/certs/891027350515/merchant.toml line 1 names /x/certs/891027350515/tls.crt, which does not exist
      hint: paths are relative to the file that names them, here to /x/certs/891027350515
    `certificate` in /x/certs/891027350515/merchant.toml line 1 is ``: a path is not empty
    `certificate` in /x/certs/891027350515/merchant.toml line 1 names /x/certs/891027350515/../certs, which does not exist
      hint: paths are relative to the file that names them, here to /x/certs/891027350515
    ");
}

#[test]
fn a_link_that_leads_nowhere_counts_as_there() {
    let place = Place::new();
    place.put(&format!("certs/{BIN}/certificate.cer"), "");
    std::os::unix::fs::symlink("absent", place.path(&format!("certs/{BIN}/private.key"))).unwrap();
    assert_eq!(
        relative(&place, own(&place.merchant()).files.clone()),
        pair("certificate.cer", "private.key")
    );
}

#[test]
fn a_merchant_toml_that_is_a_dead_link_is_not_taken_for_absent() {
    let place = Place::with_merchant();
    for name in ["merchant.toml", "password"] {
        let link = place.path(&format!("certs/{BIN}/{name}"));
        std::os::unix::fs::symlink("absent", &link).unwrap();
        assert_eq!(
            place.one().merchant.unwrap_err().kind(),
            "file_unreadable",
            "{name}"
        );
        fs::remove_file(link).unwrap();
    }
    assert!(place.one().merchant.is_ok());
}

#[test]
fn all_keys_of_a_merchant() {
    let place = Place::with_merchant();
    place.put(
        "kaspi.toml",
        format!("{KASPI}[wrapper]\nbase_url = \"https://shop.example/api\"\n"),
    );
    place.put(
        &format!("certs/{BIN}/merchant.toml"),
        "name = \" Цветы \"\nactive = false\nroute = \"wrapper\"\ndevice_token = \"made-up\"\ntrade_point_id = 385716\n",
    );
    let spec = place.merchant();
    assert_eq!(
        (spec.name.as_str(), spec.active, spec.route),
        ("Цветы", false, Route::Wrapper)
    );
    let [point] = spec.trade_points.as_slice() else {
        panic!("{:?}", spec.trade_points)
    };
    assert_eq!(point.point.id.unwrap().get(), 385_716);
    assert_eq!(point.point.device_token.as_ref().unwrap().expose(), "made-up");
    assert!(!format!("{spec:?}").contains("made-up"));
}

#[test]
fn several_trade_points_the_default_one_first() {
    let place = Place::with_merchant();
    place.put(&format!("certs/{BIN}/two.token"), " made-up-2\n");
    place.put(
        &format!("certs/{BIN}/merchant.toml"),
        "[[trade_point]]\nid = 1\ndevice_token = \"made-up-1\"\n\
         [[trade_point]]\nid = 2\ndevice_token_file = \"two.token\"\ndefault = true\n\
         [[trade_point]]\nid = 3\n",
    );
    let points: Vec<(i64, Option<String>, bool)> = place
        .merchant()
        .trade_points
        .iter()
        .map(|spec| {
            let token = spec
                .point
                .device_token
                .as_ref()
                .map(|token| token.expose().to_owned());
            (spec.point.id.unwrap().get(), token, spec.default)
        })
        .collect();
    assert_eq!(
        points,
        [
            (2, Some("made-up-2".to_owned()), true),
            (1, Some("made-up-1".to_owned()), false),
            (3, None, false)
        ]
    );
    place.put(&format!("certs/{BIN}/merchant.toml"), "[[trade_point]]\nid = 7\n");
    assert!(place.merchant().trade_points[0].default);
}

#[test]
fn merchants_that_cannot_be_used() {
    let cases = [
        "nmae = \"x\"\n",
        "[trade_point]\nid = 1\n",
        "name = \"\"\n",
        "name = \"a\\u0007\"\n",
        "active = \"no\"\n",
        "route = \"driect\"\n",
        "route = \"wrapper\"\n",
        "identity = \"89102735051\"\n",
        "identity = \"891027350515\"\n",
        "identity = \"210440028324\"\n",
        "identity = \"210440028324\"\npassword_file = \"x\"\n",
        "password_file = \"absent\"\n",
        "password_file = \".\"\n",
        "device_token = 1234567890\n",
        "device_token = \"planted planted\"\n",
        "device_token = \"\"\n",
        "device_token_file = \"absent\"\n",
        "device_token_file = \"private.key\"\n",
        "device_token = \"planted\"\ndevice_token_file = \"private.key\"\n",
        "trade_point_id = 0\n",
        "trade_point_id = 99999999999999999999\n",
        "trade_point_id = \"385716\"\n",
        "device_token = \"planted\"\n[[trade_point]]\nid = 1\n",
        "trade_point_id = 1\n[[trade_point]]\nid = 1\n",
        "[[trade_point]]\ndevice_token = \"planted\"\n",
        "[[trade_point]]\nid = -1\n",
        "[[trade_point]]\nid = 1\n[[trade_point]]\nid = 2\n",
        "[[trade_point]]\nid = 1\ndefault = true\n[[trade_point]]\nid = 1\n",
        "[[trade_point]]\nid = 1\ndefault = true\n[[trade_point]]\nid = 2\ndefault = true\n",
        "[[trade_point]]\nid = 1\ndevice_tokn = \"planted\"\n",
        "device_token = \"planted\n",
    ];
    let text = cases.map(Place::merchant_refused).join("\n");
    assert!(
        !text.contains("planted") && !text.contains("1234567890"),
        "{text}"
    );
    insta::assert_snapshot!(text, @r#"
    unknown key `nmae` in the top level of /x/certs/891027350515/merchant.toml line 1; did you mean `name`?
    `trade_point` in /x/certs/891027350515/merchant.toml line 1 is a section, not a list of sections (`[[` and `]]` around its name)
    `name` in /x/certs/891027350515/merchant.toml line 1 is ``: a name is not empty and has no control characters
    `name` in /x/certs/891027350515/merchant.toml line 1 is `a\u{7}`: a name is not empty and has no control characters
    `active` in /x/certs/891027350515/merchant.toml line 1 is a text, not true or false
    `route` in /x/certs/891027350515/merchant.toml line 1 is `driect`: allowed is `direct` or `wrapper`; did you mean `direct`?
    `route` in /x/certs/891027350515/merchant.toml line 1 is `wrapper`, but /x/kaspi.toml has no section [wrapper]
      hint: add the section, or set `route = "direct"`
    `identity` in /x/certs/891027350515/merchant.toml line 1 is `89102735051`: a BIN has 12 digits, `89102735051` has 11 characters
    `identity` in /x/certs/891027350515/merchant.toml line 1 is `891027350515`: this is the folder's own BIN
      hint: leave `identity` out: a folder uses its own files
    `identity` in /x/certs/891027350515/merchant.toml line 1 excludes /x/certs/891027350515/certificate.cer
      hint: keep one of the two
    `identity` in /x/certs/891027350515/merchant.toml line 1 excludes `password_file` in /x/certs/891027350515/merchant.toml line 2
      hint: keep one of the two
    `password_file` in /x/certs/891027350515/merchant.toml line 1 names /x/certs/891027350515/absent, which does not exist
      hint: paths are relative to the file that names them, here to /x/certs/891027350515
    /x/certs/891027350515 is a folder, not a file, named by `password_file` in /x/certs/891027350515/merchant.toml line 1
    `device_token` in /x/certs/891027350515/merchant.toml line 1 is a whole number, not a text
      hint: put it in double quotes
    `device_token` in /x/certs/891027350515/merchant.toml line 1 is unusable: a device token has letters, digits and dashes, this one has white space or control characters
    `device_token` in /x/certs/891027350515/merchant.toml line 1 is unusable: a device token is empty
    `device_token_file` in /x/certs/891027350515/merchant.toml line 1 names /x/certs/891027350515/absent, which does not exist
      hint: paths are relative to the file that names them, here to /x/certs/891027350515
    `device_token_file` in /x/certs/891027350515/merchant.toml line 1 is `private.key`: a device token is empty
    `device_token` in /x/certs/891027350515/merchant.toml line 1 excludes `device_token_file` in /x/certs/891027350515/merchant.toml line 2
      hint: keep one of the two
    `trade_point_id` in /x/certs/891027350515/merchant.toml line 1 is `0`: a trade point id is above zero
    `trade_point_id` in /x/certs/891027350515/merchant.toml line 1 is `99999999999999999999`: the number does not fit 64 bits
    `trade_point_id` in /x/certs/891027350515/merchant.toml line 1 is a text, not a whole number
    `device_token` in /x/certs/891027350515/merchant.toml line 1 excludes `trade_point` in /x/certs/891027350515/merchant.toml line 2
      hint: keep one of the two
    `trade_point_id` in /x/certs/891027350515/merchant.toml line 1 excludes `trade_point` in /x/certs/891027350515/merchant.toml line 2
      hint: keep one of the two
    `trade_point.id` in /x/certs/891027350515/merchant.toml line 1 is missing
      hint: write the number that `kaspi tradepoints` shows
    `trade_point.id` in /x/certs/891027350515/merchant.toml line 2 is `-1`: a trade point id is above zero
    `trade_point.default` in /x/certs/891027350515/merchant.toml is missing
      hint: write `default = true` in the trade point that calls go to when they name none
    `trade_point.id` in /x/certs/891027350515/merchant.toml line 5 is `1`: another trade point has this number
    `trade_point.default` in /x/certs/891027350515/merchant.toml line 6 is `true`: another trade point is the default already
    unknown key `device_tokn` in [[trade_point]] of /x/certs/891027350515/merchant.toml line 3; did you mean `device_token`?
    /x/certs/891027350515/merchant.toml line 1 column 24 is not TOML: invalid basic string, expected `"`
    "#);
}

#[test]
fn a_borrowed_identity() {
    let place = Place::new();
    place.identity(BIN);
    place.put(
        &format!("certs/{OTHER}/merchant.toml"),
        format!("identity = \"{BIN}\"\n"),
    );
    let found = place.scan();
    let [borrower, owner] = found.as_slice() else {
        panic!("{found:?}")
    };
    let borrower = borrower.merchant.as_ref().unwrap();
    assert!(matches!(borrower.identity, IdentitySource::Of(bin) if bin.to_string() == BIN));
    assert_eq!(own(owner.merchant.as_ref().unwrap()).owner.to_string(), BIN);
}

#[test]
fn every_password_in_order() {
    let mut place = Place::with_merchant();
    place.put(&format!("certs/{BIN}/password"), "of the file\n");
    place.put(&format!("run/kaspi_{BIN}.password"), "of the credential\r\n");
    place.put(&format!("run/kaspi_{OTHER}.password"), "of another");
    let credentials = place.path("run").display().to_string();
    place.variable("CREDENTIALS_DIRECTORY", &credentials);
    place.variable(&format!("KASPI_PASSWORD_{BIN}"), "of the environment");
    place.variable(&format!("KASPI_PASSWORD_{OTHER}"), "of another");
    let spec = place.merchant();
    let found: Vec<(&PasswordOrigin, &[u8])> = own(&spec)
        .passwords
        .iter()
        .map(|source| (&source.origin, source.password.expose()))
        .collect();
    assert_eq!(
        found,
        [
            (
                &PasswordOrigin::File(place.path(&format!("certs/{BIN}/password"))),
                &b"of the file"[..]
            ),
            (
                &PasswordOrigin::Credential(place.path(&format!("run/kaspi_{BIN}.password"))),
                &b"of the credential"[..]
            ),
            (
                &PasswordOrigin::Environment(format!("KASPI_PASSWORD_{BIN}")),
                &b"of the environment"[..]
            ),
        ]
    );
    assert!(!format!("{spec:?}").contains("of the file"));

    place.put(
        &format!("certs/{BIN}/merchant.toml"),
        "password_file = \"../../secret\"\n",
    );
    place.put("secret", b"\xff\xfe named \n\n");
    let spec = place.merchant();
    let first = &own(&spec).passwords[0];
    assert_eq!(first.password.expose(), b"\xff\xfe named \n");
    assert!(matches!(&first.origin, PasswordOrigin::File(file) if file.ends_with("secret")));
    assert_eq!(own(&spec).passwords.len(), 3);
}

#[test]
fn passwords_that_cannot_be_read() {
    let mut place = Place::with_merchant();
    let mut refusals = Vec::new();
    place.put(&format!("certs/{BIN}/password"), vec![b'a'; 64 * 1024 + 1]);
    refusals.push(place.words(&place.one().merchant.unwrap_err()));
    place.put(&format!("certs/{BIN}/password"), vec![b'a'; 64 * 1024]);
    assert_eq!(
        own(&place.merchant()).passwords[0].password.expose().len(),
        64 * 1024
    );
    place.variable(&format!("KASPI_PASSWORD_{BIN}"), &"a".repeat(64 * 1024 + 1));
    refusals.push(place.words(&place.one().merchant.unwrap_err()));
    insta::assert_snapshot!(refusals.join("\n"), @r"
    /x/certs/891027350515/password has more than 65536 bytes
    `KASPI_PASSWORD_891027350515` in the environment is unusable: it has more than 65536 bytes
    ");
}

#[test]
fn what_is_open_to_everybody_is_warned_of() {
    let place = Place::with_merchant();
    let folder = format!("certs/{BIN}");
    place.put(&format!("{folder}/password"), "x");
    place.put(&format!("{folder}/token"), "x");
    place.put(
        &format!("{folder}/merchant.toml"),
        "device_token_file = \"token\"\n",
    );
    for (file, mode) in [("password", 0o644), ("token", 0o602), ("merchant.toml", 0o644)] {
        place.mode(&format!("{folder}/{file}"), mode);
    }
    let words = |place: &Place| {
        let warnings = place.one().warnings;
        let lines: Vec<String> = warnings
            .iter()
            .map(|warning| place.plain(&warning.to_string()))
            .collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(words(&place), @r"
    /x/certs/891027350515/password holds a secret and is open to every user of this machine (mode 0644)
    /x/certs/891027350515/token holds a secret and is open to every user of this machine (mode 0602)
    ");
    // Open to a group is how Kubernetes mounts secrets.
    for file in ["password", "token"] {
        place.mode(&format!("{folder}/{file}"), 0o440);
    }
    assert_eq!(words(&place), "");
    place.put(&format!("{folder}/merchant.toml"), "device_token = \"x\"\n");
    place.mode(&format!("{folder}/merchant.toml"), 0o644);
    insta::assert_snapshot!(words(&place), @r"
    /x/certs/891027350515/merchant.toml holds a secret and is open to every user of this machine (mode 0644)
    ");
}

#[test]
fn one_broken_folder_stops_nobody() {
    let place = Place::with_merchant();
    place.put(&format!("certs/{OTHER}/merchant.toml"), "name = \n");
    place.put("certs/flowers/certificate.cer", "");
    place.put("certs/891027350516/identity.p12", "");
    place.put("certs/.sets/1/certificate.cer", "");
    place.put("certs/..data/x", "");
    place.put("certs/README.md", "");
    std::os::unix::fs::symlink("absent", place.path("certs/000000000000")).unwrap();
    std::os::unix::fs::symlink("absent", place.path("certs/..tmp")).unwrap();
    let lines: Vec<String> = place
        .scan()
        .iter()
        .map(|entry| {
            let name = entry.folder.file_name().unwrap().to_str().unwrap();
            let answer = match &entry.merchant {
                Ok(spec) => format!("usable as {}", spec.bin),
                Err(error) => place.words(error),
            };
            format!("{name}: {answer} {:?}", entry.warnings)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    000000000000: cannot read /x/certs/000000000000: No such file or directory (os error 2) []
    210440028324: /x/certs/210440028324/merchant.toml line 1 column 8 is not TOML: string values must be quoted, expected literal string []
    891027350515: usable as 891027350515 []
    891027350516: usable as 891027350516 [ControlDigit { bin: Bin(891027350516) }]
    flowers: the folder /x/certs/flowers is named after no BIN: a BIN has 12 digits, `flowers` has 7 characters
      hint: each folder in `certs_dir` is one merchant and is called by its BIN; a leading dot hides one []
    ");
}

#[test]
fn a_folder_of_folders_that_is_gone_is_not_an_empty_one() {
    let place = Place::new();
    let config = place.load().unwrap();
    assert!(scan(&config, &place.environment()).unwrap().is_empty());
    fs::remove_dir(place.path("certs")).unwrap();
    let error = scan(&config, &place.environment()).unwrap_err();
    insta::assert_snapshot!(place.words(&error), @r"
    cannot read /x/certs: No such file or directory (os error 2)
    ");
}

#[test]
fn a_linked_folder_counts() {
    let place = Place::new();
    place.identity("..data/891027350515");
    std::os::unix::fs::symlink("..data/891027350515", place.path(&format!("certs/{BIN}"))).unwrap();
    assert_eq!(place.merchant().bin.to_string(), BIN);
}

#[test]
fn a_token_of_two_merchants_is_warned_of_on_both() {
    let place = Place::new();
    for bin in [BIN, OTHER] {
        place.identity(bin);
        place.put(
            &format!("certs/{bin}/merchant.toml"),
            "device_token = \"made-up\"\n",
        );
    }
    let lines: Vec<String> = place
        .scan()
        .iter()
        .flat_map(|entry| &entry.warnings)
        .map(ToString::to_string)
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    BIN `210440028324` and BIN `891027350515` have the same device token
    BIN `891027350515` and BIN `210440028324` have the same device token
    ");
    place.put(
        &format!("certs/{OTHER}/merchant.toml"),
        "device_token = \"another\"\n",
    );
    assert!(place.scan().iter().all(|entry| entry.warnings.is_empty()));
}

/// A merchant's folder with two sets, the second one in use, and plain files besides.
fn with_sets() -> Place {
    let place = Place::with_merchant();
    for set in ["0", "1"] {
        fs::create_dir_all(place.path(&format!("certs/{BIN}/.sets/{set}"))).unwrap();
        for name in ["certificate.cer", "private.key"] {
            place.put(&format!("certs/{BIN}/.sets/{set}/{name}"), "");
        }
        place.put(
            &format!("certs/{BIN}/.sets/{set}/password"),
            format!("of-{set}\n"),
        );
    }
    place.put(&format!("certs/{BIN}/password"), "plain\n");
    std::os::unix::fs::symlink(".sets/1", place.path(&format!("certs/{BIN}/current"))).unwrap();
    place
}

#[test]
fn an_installed_set_comes_before_plain_files() {
    let mut place = with_sets();
    place.variable(&format!("KASPI_PASSWORD_{BIN}"), "of-the-environment");
    let spec = place.merchant();
    let identity = own(&spec);
    assert_eq!(
        relative(&place, identity.files.clone()),
        pair(".sets/1/certificate.cer", ".sets/1/private.key")
    );
    let passwords: Vec<_> = identity
        .passwords
        .iter()
        .map(|source| source.password.expose())
        .collect();
    assert_eq!(passwords, [&b"of-1"[..], b"of-the-environment"]);
    let warnings: Vec<_> = place
        .one()
        .warnings
        .iter()
        .map(|it| place.plain(&it.to_string()))
        .collect();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    /x/certs/891027350515/certificate.cer is not used, because a set is installed: /x/certs/891027350515/current leads to it
    /x/certs/891027350515/private.key is not used, because a set is installed: /x/certs/891027350515/current leads to it
    /x/certs/891027350515/password is not used, because a set is installed: /x/certs/891027350515/current leads to it
    ");
}

#[test]
fn an_installed_set_excludes_named_files_and_a_borrowed_identity() {
    let place = with_sets();
    for name in ["certificate.cer", "private.key"] {
        fs::remove_file(place.path(&format!("certs/{BIN}/{name}"))).unwrap();
    }
    let mut said = Vec::new();
    for toml in [
        "certificate = \"tls.crt\"\n",
        "password_file = \"password\"\n",
        "identity = \"210440028324\"\n",
    ] {
        place.put("certs/891027350515/tls.crt", "");
        place.put(&format!("certs/{BIN}/merchant.toml"), toml);
        said.push(place.words(&place.one().merchant.unwrap_err()));
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    `certificate` in /x/certs/891027350515/merchant.toml line 1 excludes installed sets, to which /x/certs/891027350515/current leads
      hint: keep one of the two
    `password_file` in /x/certs/891027350515/merchant.toml line 1 excludes installed sets, to which /x/certs/891027350515/current leads
      hint: keep one of the two
    `identity` in /x/certs/891027350515/merchant.toml line 1 excludes /x/certs/891027350515/current
      hint: keep one of the two
    ");
}

#[test]
fn a_candidate_stands_in_for_the_identity_of_its_owner_alone() {
    let place = with_sets();
    place.identity("210440028324");
    let owner = BIN.parse().unwrap();
    let set = place.path(&format!("certs/{BIN}/.sets/0"));
    let candidate = crate::config::candidate(owner, &set, &place.environment()).unwrap();
    assert_eq!(candidate.passwords.len(), 1);
    let config = place.load().unwrap();
    let folders = crate::config::scan_with(&config, &place.environment(), &candidate).unwrap();
    let files: Vec<_> = folders
        .iter()
        .map(|folder| own(folder.merchant.as_ref().unwrap()).files.clone())
        .collect();
    assert_eq!(
        relative(&place, files[1].clone()),
        pair(".sets/0/certificate.cer", ".sets/0/private.key")
    );
    assert!(
        matches!(&files[0], IdentityFiles::Pair { private_key, .. } if private_key.ends_with("210440028324/private.key"))
    );
}
