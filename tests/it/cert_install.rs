//! `kaspi cert install` and `rollback` against a running sandbox.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kaspi_direct::base::{Bin, SystemClock};
use kaspi_direct::config::{self, Environment, IdentitySource};
use kaspi_direct::identity::{self, SetStore};
use kaspi_direct::sandbox::pki::{Authority, KeyKind};
use serde_json::json;

use super::cert_kit::{Bank, OWNER, describe, refused, strip, tree};
use super::kit::{GIFTS, has_program};
use super::rotation_kit::{certificate, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_identity_is_proved_put_in_use_and_rolled_back() {
    let bank = Bank::open().await;
    let before = bank.in_use(OWNER).await;
    let new = bank.delivers("new", &[OWNER]);

    let ran = bank.install(OWNER, &new, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err, "");
    let told = ran.json();
    assert_eq!(told["set"], 1);
    assert_eq!(told["previous_set"], 0);
    assert_eq!(told["certificate_sha256"], new.sha256);
    assert_eq!(told["proved"], json!([OWNER]));
    // The bank saw the new certificate before anything else did: that was the canary.
    assert_eq!(bank.seen(OWNER), std::slice::from_ref(&new.sha256));
    assert_eq!(bank.in_use(OWNER).await, new.sha256);
    assert_eq!(bank.run(&["tradepoints", "--bin", OWNER]).await.code, 0);
    assert_eq!(bank.seen(OWNER).last().unwrap(), &new.sha256);
    // Other tools find the files where they always were.
    let under_the_usual_name = fs::read(bank.folder_of(OWNER).join("certificate.cer")).unwrap();
    assert_eq!(under_the_usual_name, fs::read(&new.certificate).unwrap());

    let rollback = ["cert", "rollback", "--bin", OWNER, "-o", "json"];
    let ran = bank.run(&rollback).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["from_set"], 1);
    assert_eq!(bank.in_use(OWNER).await, before);
    assert_eq!(bank.run(&["tradepoints", "--bin", OWNER]).await.code, 0);
    assert_eq!(bank.seen(OWNER).last().unwrap(), &before);

    let ran = bank.run(&rollback).await;
    let (code, kind, _) = refused(&ran);
    assert_eq!((code, kind.as_str()), (1, "nothing_to_roll_back"));
    assert_eq!(bank.in_use(OWNER).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_installation_there_is_nothing_to_roll_back_and_nothing_is_made() {
    let bank = Bank::open().await;
    let before = tree(&bank.folder_of(OWNER));
    let ran = bank
        .run(&["cert", "rollback", "--bin", OWNER, "-o", "json"])
        .await;
    let (code, kind, message) = refused(&ran);
    assert_eq!((code, kind.as_str()), (1, "nothing_to_roll_back"));
    assert!(
        message.ends_with("has nothing to roll back to: no set is in use"),
        "{message}"
    );
    assert_eq!(tree(&bank.folder_of(OWNER)), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn discarded_files_are_gone() {
    let bank = Bank::open().await;
    let new = bank.delivers("new", &[OWNER]);
    let compromised = fs::read(bank.folder_of(OWNER).join("private.key")).unwrap();
    let ran = bank.install(OWNER, &new, &["--discard-previous"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["previous_set"], json!(null));
    assert!(
        tree(&bank.folder_of(OWNER))
            .iter()
            .all(|(_, bytes)| *bytes != compromised)
    );
    let ran = bank
        .run(&["cert", "rollback", "--bin", OWNER, "-o", "json"])
        .await;
    assert_eq!(refused(&ran).1, "nothing_to_roll_back");
}

/// What is refused leaves every byte as it was, but for the empty folder of the sets.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing() {
    let bank = Bank::open().await;
    let good = bank.delivers("good", &[OWNER]);
    assert_eq!(bank.install(OWNER, &good, &[]).await.code, 0);
    let before = tree(&bank.folder_of(OWNER));

    let stranger = Authority::generate(KeyKind::P256).unwrap();
    let unknown = bank.hands_over("unknown", &stranger.client(&[OWNER]).unwrap());
    let others = bank.delivers("others", &[GIFTS]);
    let expired = bank.hands_over("expired", &bank.authority.expired_client(&[OWNER]).unwrap());
    let server = bank.hands_over("server", &bank.authority.server_only_client(&[OWNER]).unwrap());
    let mut mixed = bank.delivers("mixed", &[OWNER]);
    mixed.key = bank.delivers("mixed-key", &[OWNER]).key;
    mixed.password = bank.scene.path("mixed-key/own.password");
    let mut locked = bank.delivers("locked", &[OWNER]);
    locked.password = good.password.clone();
    let mut pipe = bank.delivers("pipe", &[OWNER]);
    pipe.key = bank.scene.path("private.fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe.key)
            .status()
            .unwrap()
            .success()
    );
    let mut huge = bank.delivers("huge", &[OWNER]);
    huge.certificate = bank.scene.path("huge.cer");
    fs::File::create(&huge.certificate)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();

    for (delivery, more, code, kind) in [
        // a certificate from an authority that the bank refuses
        (&unknown, &[][..], 1, "canary_refused"),
        (&others, &[], 3, "other_bin"),
        // it names another BIN, the operator insists, and Kaspi has the last word
        (&others, &["--allow-other-bin"], 1, "canary_refused"),
        (&expired, &[], 3, "certificate_expired"),
        (&server, &[], 3, "no_client_auth"),
        (&mixed, &[], 3, "key_mismatch"),
        (&locked, &[], 3, "wrong_password"),
        (&pipe, &[], 3, "not_a_file"),
        (&huge, &[], 3, "file_too_large"),
    ] {
        let ran = bank.install(OWNER, delivery, more).await;
        let (seen_code, seen_kind, message) = refused(&ran);
        assert_eq!((seen_code, seen_kind.as_str()), (code, kind), "{message}");
        assert_eq!(tree(&bank.folder_of(OWNER)), before, "{kind}");
    }
    assert_eq!(bank.in_use(OWNER).await, good.sha256);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_named_and_has_a_folder() {
    let bank = Bank::open().await;
    let new = bank.delivers("new", &[OWNER]);
    let mut words = super::cert_kit::install(OWNER, &new, &[]);
    words.retain(|word| !["--bin", OWNER].contains(word));
    let (code, kind, _) = refused(&bank.run(&words).await);
    assert_eq!((code, kind.as_str()), (2, "no_bin"));

    for (bin, kind) in [("160240034459", "unknown_bin"), ("160240034458", "mistyped_bin")] {
        let (code, seen, message) = refused(&bank.install(bin, &new, &[]).await);
        assert_eq!((code, seen.as_str()), (3, kind), "{message}");
        assert!(!bank.folder_of(bin).exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_is_lent_is_changed_at_its_owner_and_proved_for_all() {
    let bank = Bank::open().await;
    strip(&bank, GIFTS);
    describe(&bank, GIFTS, &format!("identity = \"{OWNER}\""));

    let narrow = bank.delivers("narrow", &[OWNER]);
    let ran = bank.install(GIFTS, &narrow, &[]).await;
    let (code, kind, message) = refused(&ran);
    assert_eq!((code, kind.as_str()), (1, "borrowed_identity"));
    assert_eq!(
        message,
        format!(
            "BIN `{GIFTS}` acts with the identity of BIN `{OWNER}`; a change there touches `{OWNER}`, `{GIFTS}`"
        )
    );
    let (code, kind, _) = refused(
        &bank
            .run(&["cert", "rollback", "--bin", GIFTS, "-o", "json"])
            .await,
    );
    assert_eq!((code, kind.as_str()), (1, "borrowed_identity"));

    let wide = bank.delivers("wide", &[OWNER, GIFTS]);
    let ran = bank.install(OWNER, &wide, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["proved"], json!([GIFTS, OWNER]));
    assert_eq!(ran.json()["bins"], json!([OWNER, GIFTS]));
    for bin in [OWNER, GIFTS] {
        assert_eq!(bank.seen(bin).last().unwrap(), &wide.sha256);
        assert_eq!(bank.in_use(bin).await, wide.sha256);
    }

    // The bank has not declared it for the borrower.
    let ran = bank.install(OWNER, &narrow, &[]).await;
    let (code, kind, message) = refused(&ran);
    assert_eq!((code, kind.as_str()), (1, "canary_refused"), "{message}");
    assert!(
        message.starts_with(&format!("Kaspi refuses BIN `{GIFTS}` with the new certificate: ")),
        "{message}"
    );
    assert_eq!(bank.in_use(GIFTS).await, wide.sha256);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_what_works_stays_and_what_does_not_is_replaced() {
    let bank = Bank::open().await;
    let text = fs::read_to_string(bank.scene.path("kaspi.toml")).unwrap();
    // nothing listens on port 1
    let unreachable = text.replace(&bank.scene.sandbox.base_url(), "https://127.0.0.1:1/r3");
    assert_ne!(unreachable, text);
    fs::write(bank.scene.path("unreachable.toml"), unreachable).unwrap();
    let dead = ["--config", "unreachable.toml"];
    let before = bank.in_use(OWNER).await;
    let new = bank.delivers("new", &[OWNER]);

    let (code, kind, message) = refused(&bank.install(OWNER, &new, &dead).await);
    assert_eq!((code, kind.as_str()), (4, "canary_unanswered"), "{message}");
    assert_eq!(bank.in_use(OWNER).await, before);

    let ran = bank
        .install(OWNER, &new, &["--config", "unreachable.toml", "--no-canary"])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["proved"], json!([]));
    assert_eq!(bank.in_use(OWNER).await, new.sha256);

    fs::write(bank.folder_of(GIFTS).join("password"), "not the password\n").unwrap();
    let gifts = bank.delivers("gifts", &[GIFTS]);
    let ran = bank.install(GIFTS, &gifts, &dead).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("it is installed all the same"), "{ran:?}");
    assert_eq!(bank.in_use(GIFTS).await, gifts.sha256);
}

/// No trade points yet: that is no fault of a certificate, once another one is told the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_kaspi_says_to_any_certificate_does_not_count_against_the_new_one() {
    const NEW: &str = "160240034459";
    let bank = Bank::open().await;
    fs::create_dir(bank.folder_of(NEW)).unwrap();
    fs::write(
        bank.folder_of(NEW).join("merchant.toml"),
        "name = \"Book shop\"\n",
    )
    .unwrap();
    let first = bank.delivers("first", &[NEW]);
    let (code, kind, message) = refused(&bank.install(NEW, &first, &[]).await);
    assert_eq!((code, kind.as_str()), (1, "canary_refused"), "{message}");
    assert!(!bank.folder_of(NEW).join("current").exists());
    assert_eq!(bank.install(NEW, &first, &["--no-canary"]).await.code, 0);

    let second = bank.delivers("second", &[NEW]);
    let ran = bank.install(NEW, &second, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("it is no fault of the new one"), "{ran:?}");
    assert_eq!(
        bank.seen(NEW),
        [&first, &second, &first].map(|one| one.sha256.clone())
    );
    assert_eq!(bank.in_use(NEW).await, second.sha256);
}

/// Rotation and installation meet: a program that runs takes the new set up, and the old one again.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_program_takes_an_installed_set_up() {
    let bank = Bank::open().await;
    let environment = Environment::default();
    let app = kaspi_direct::app::App::open(&bank.scene.path("kaspi.toml"), &environment).unwrap();
    let first = certificate(&app, OWNER);
    let rotation = app.start_rotation().await;
    for round in 0..3 {
        let new = bank.delivers(&format!("new-{round}"), &[OWNER]);
        assert_eq!(bank.install(OWNER, &new, &[]).await.code, 0);
        until(|| certificate(&app, OWNER) == new.sha256).await;
    }
    let ran = bank
        .run(&["cert", "rollback", "--bin", OWNER, "-o", "json"])
        .await;
    let back = ran.json()["certificate_sha256"].as_str().unwrap().to_owned();
    assert_ne!(back, first);
    until(|| certificate(&app, OWNER) == back).await;
    drop(rotation);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_merchant_toml_names_and_sets_exclude_each_other() {
    let bank = Bank::open().await;
    describe(&bank, OWNER, "private_key = \"private.key\"");
    let new = bank.delivers("new", &[OWNER]);
    let (code, kind, message) = refused(&bank.install(OWNER, &new, &[]).await);
    assert_eq!(code, 3);
    assert!(message.contains("`private_key` in "), "{kind}: {message}");
    assert!(!bank.folder_of(OWNER).join("current").exists());
}

/// The passwords that a BIN has serve where none is named; those from the environment stay there.
#[tokio::test(flavor = "multi_thread")]
async fn passwords_come_from_where_the_key_has_them() {
    let bank = Bank::open().await;
    let own = fs::read_to_string(bank.folder_of(OWNER).join("password")).unwrap();
    let issued = bank.authority.client(&[OWNER]).unwrap();
    let new = bank.hands_over("new", &issued);
    let without = |words: &[&str]| -> Vec<String> {
        let at = words.iter().position(|word| *word == "--password-file").unwrap();
        let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        words.drain(at..at + 2);
        words
    };
    let words = without(&super::cert_kit::install(OWNER, &new, &[]));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, kind, message) = refused(&bank.run(&words).await);
    assert_eq!((code, kind.as_str()), (3, "wrong_password"), "{message}");

    // encrypted with the password that the folder has
    fs::write(&new.key, issued.encrypted_key_pem(own.trim()).unwrap()).unwrap();
    assert_eq!(bank.run(&words).await.code, 0);
    let set = bank.folder_of(OWNER).join(".sets/1/password");
    assert_eq!(fs::read_to_string(&set).unwrap(), own);

    // encrypted with one that only the environment has
    fs::write(&new.key, issued.encrypted_key_pem("of the environment").unwrap()).unwrap();
    let mut command = super::cli_kit::kaspi(&words, &bank.scene.path(""));
    command.env(format!("KASPI_PASSWORD_{OWNER}"), "of the environment");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let set = bank.folder_of(OWNER).join(".sets/2");
    assert!(set.join("private.key").is_file());
    assert!(!set.join("password").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_with_both_installs_as_it_is() {
    if !has_program("openssl") {
        return;
    }
    let bank = Bank::open().await;
    let new = bank.delivers("new", &[OWNER]);
    let path = |name: &str| bank.scene.path(name).to_str().unwrap().to_owned();
    fs::write(path("p12.password"), "made-up example\n").unwrap();
    let export = std::process::Command::new("openssl")
        .args(["pkcs12", "-export", "-out", &path("bank.p12")])
        .args(["-passin", &format!("file:{}", path("new/own.password"))])
        .args(["-passout", &format!("file:{}", path("p12.password"))])
        .args(["-inkey", &path("new/own.key"), "-in", &path("new/bank.cer")])
        .status()
        .unwrap();
    assert!(export.success());
    let ran = bank
        .run(&[
            "cert",
            "install",
            "--bin",
            OWNER,
            "--cert",
            "bank.p12",
            "--password-file",
            "p12.password",
            "-o",
            "json",
        ])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(bank.in_use(OWNER).await, new.sha256);
    let names: Vec<_> = tree(&bank.folder_of(OWNER).join(".sets/1"))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        ["identity.p12", "password", "previous"].map(std::path::PathBuf::from)
    );
    // The names of before would lead nowhere.
    assert!(fs::symlink_metadata(bank.folder_of(OWNER).join("private.key")).is_err());

    let ran = bank.run(&["cert", "rollback", "--bin", OWNER]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(fs::symlink_metadata(bank.folder_of(OWNER).join("identity.p12")).is_err());
    assert!(bank.folder_of(OWNER).join("private.key").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_is_broken_is_not_rolled_back_to_and_a_broken_one_is_replaced() {
    let bank = Bank::open().await;
    let new = bank.delivers("new", &[OWNER]);
    assert_eq!(bank.install(OWNER, &new, &[]).await.code, 0);
    let first = bank.folder_of(OWNER).join(".sets/0/private.key");
    fs::write(&first, "damaged").unwrap();
    let ran = bank
        .run(&["cert", "rollback", "--bin", OWNER, "-o", "json"])
        .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(bank.in_use(OWNER).await, new.sha256);

    fs::write(bank.folder_of(OWNER).join(".sets/1/private.key"), "damaged").unwrap();
    let next = bank.delivers("next", &[OWNER]);
    assert_eq!(bank.install(OWNER, &next, &[]).await.code, 0);
    assert_eq!(bank.in_use(OWNER).await, next.sha256);

    // a link that leads nowhere is repaired by an installation too
    let link = bank.folder_of(OWNER).join("current");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(".sets/77", &link).unwrap();
    let last = bank.delivers("last", &[OWNER]);
    let ran = bank.install(OWNER, &last, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(bank.in_use(OWNER).await, last.sha256);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_installation_at_once_is_refused() {
    let bank = Bank::open().await;
    let new = bank.delivers("new", &[OWNER]);
    let held = SetStore::open(&bank.folder_of(OWNER)).unwrap();
    let (code, kind, _) = refused(&bank.install(OWNER, &new, &[]).await);
    assert_eq!((code, kind.as_str()), (1, "install_in_progress"));
    drop(held);
    assert_eq!(bank.install(OWNER, &new, &[]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told() {
    let bank = Bank::open().await;
    let new = bank.delivers("new", &[OWNER]);
    let wrong = bank.scene.path("wrong.password");
    fs::write(&wrong, "planted-wrong-password\n").unwrap();
    let mut refused = bank.delivers("refused", &[OWNER]);
    refused.password = wrong;
    for ran in [
        bank.install(OWNER, &new, &["-vv"]).await,
        bank.install(OWNER, &refused, &["-vv"]).await,
        bank.run(&["cert", "rollback", "--bin", OWNER, "-vv"]).await,
        bank.run(&["cert", "check", "-vv"]).await,
    ] {
        let said = format!("{}{}", ran.out, ran.err);
        for secret in ["password of new", "planted-wrong-password", "PRIVATE KEY"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    for (name, _) in tree(&bank.folder_of(OWNER).join(".sets")) {
        let path = bank.folder_of(OWNER).join(".sets").join(&name);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{}", name.display());
    }
}

/// Certificate, key and password of one reading are always of one set. (A reading that began with plain
/// files has no such promise: those go while it lasts. It ends with an error then, never with a mix.)
#[tokio::test(flavor = "multi_thread")]
async fn readers_never_meet_two_halves() {
    let bank = Bank::open().await;
    let deliveries: Vec<_> = (0..6)
        .map(|number| bank.delivers(&format!("new-{number}"), &[OWNER]))
        .collect();
    let (first, others) = deliveries.split_first().unwrap();
    assert_eq!(bank.install(OWNER, first, &[]).await.code, 0);
    let file = bank.scene.path("kaspi.toml");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        let environment = Environment::default();
        let owner: Bin = OWNER.parse().unwrap();
        let mut seen = Vec::new();
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let config = config::load(&file, &environment).unwrap();
            let folders = config::scan(&config, &environment).unwrap();
            let folder = folders.iter().find(|folder| folder.bin == Some(owner)).unwrap();
            let IdentitySource::Own(spec) = &folder.merchant.as_ref().unwrap().identity else {
                panic!("borrowed");
            };
            let identity = identity::load(spec, &SystemClock).unwrap();
            if seen.last().map(String::as_str) != Some(identity.fingerprint()) {
                seen.push(identity.fingerprint().to_owned());
            }
        }
        seen
    });
    let mut expected = vec![bank.in_use(OWNER).await];
    for delivery in others {
        let ran = bank.install(OWNER, delivery, &[]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        expected.push(delivery.sha256.clone());
    }
    drop(stop);
    let seen = reader.join().unwrap();
    // It may have slept through one; it never went back, and saw nothing else.
    let mut rest = expected.iter();
    assert!(
        seen.iter().all(|one| rest.any(|expected| expected == one)),
        "{seen:?} of {expected:?}"
    );
    assert!(seen.len() > 1);
}
