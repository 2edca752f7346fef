//! `kaspi cert check`: what counts, and what is merely shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::cert_kit::{Bank, OWNER, describe, strip};
use super::cli_kit::Ran;
use super::kit::GIFTS;

async fn check(bank: &Bank, more: &[&str]) -> Ran {
    bank.run(&[&["cert", "check", "-o", "json"][..], more].concat())
        .await
}

fn row(ran: &Ran, bin: &str) -> Value {
    let rows = ran.json();
    let found = rows.as_array().unwrap().iter().find(|row| row["bin"] == bin);
    found.unwrap().clone()
}

fn kinds(row: &Value) -> Vec<&str> {
    let findings = row["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["kind"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_where_nothing_is_wrong_and_nothing_is_sent() {
    let bank = Bank::open().await;
    let ran = check(&bank, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json().as_array().unwrap().len(), 2);
    for bin in [OWNER, GIFTS] {
        let row = row(&ran, bin);
        assert_eq!(row["ok"], true);
        assert_eq!(row["certificate_sha256"], bank.in_use(bin).await);
        assert!(kinds(&row).is_empty());
    }
    assert!(bank.scene.sandbox.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_counts_within_the_time_that_was_asked_for() {
    let bank = Bank::open().await;
    let now = OffsetDateTime::from_unix_timestamp(
        i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap(),
    )
    .unwrap();
    let issued = bank
        .authority
        .client_valid(
            &[OWNER],
            now - Duration::DAY,
            now + Duration::days(20) + Duration::HOUR,
        )
        .unwrap();
    let new = bank.hands_over("new", &issued);
    assert_eq!(bank.install(OWNER, &new, &[]).await.code, 0);

    for (more, code, expected) in [
        (&["--expires-within", "20d"][..], 0, "expires_soon"),
        (&["--expires-within", "21"], 1, "expires_within"),
        (&[], 1, "expires_within"),
        (&["--expires-within", "0d", "--strict"], 1, "expires_soon"),
        (&["--bin", GIFTS], 0, ""),
    ] {
        let ran = check(&bank, more).await;
        assert_eq!(ran.code, code, "{more:?}: {ran:?}");
        if !expected.is_empty() {
            assert_eq!(kinds(&row(&ran, OWNER)), [expected], "{more:?}");
            assert_eq!(row(&ran, OWNER)["days_left"], 20);
        }
    }
    let text = bank.run(&["cert", "check"]).await;
    assert_eq!(text.code, 1);
    assert!(
        text.out.contains(&format!("FAIL  {OWNER}  20 days left")),
        "{}",
        text.out
    );
    let ran = check(&bank, &["--expires-within", "soon"]).await;
    assert_eq!(ran.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_is_told_and_one_broken_bin_hides_no_other() {
    let bank = Bank::open().await;
    fs::write(bank.folder_of(OWNER).join("password"), "wrong\n").unwrap();
    let key = bank.folder_of(OWNER).join("private.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let expired = bank.authority.expired_client(&[OWNER]).unwrap();
    fs::write(
        bank.folder_of(OWNER).join("certificate.cer"),
        expired.certificate_pem(),
    )
    .unwrap();
    fs::create_dir(bank.folder_of("notes")).unwrap();

    let ran = check(&bank, &[]).await;
    assert_eq!(ran.code, 1);
    let broken = row(&ran, OWNER);
    assert_eq!(
        kinds(&broken),
        ["wrong_password", "certificate_expired", "key_file_mode"]
    );
    assert_eq!(broken["ok"], false);
    assert!(broken["days_left"].as_i64().unwrap() < 0);
    for finding in broken["findings"].as_array().unwrap() {
        assert!(finding["hint"].is_string(), "{finding}");
    }
    assert_eq!(row(&ran, GIFTS)["ok"], true);
    let rows = ran.json();
    let nameless = rows.as_array().unwrap().iter().find(|row| row["bin"].is_null());
    assert_eq!(kinds(nameless.unwrap()), ["folder_is_no_bin"]);

    // Switched off, it is shown and does not count; the folder that is no BIN still does.
    describe(&bank, OWNER, "active = false");
    let ran = check(&bank, &[]).await;
    assert_eq!(ran.code, 1);
    assert_eq!(row(&ran, OWNER)["ok"], true);
    assert_eq!(kinds(&row(&ran, OWNER)).len(), 3);
    fs::remove_dir(bank.folder_of("notes")).unwrap();
    assert_eq!(check(&bank, &[]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_count_only_where_that_is_asked_for() {
    let bank = Bank::open().await;
    let key = bank.folder_of(GIFTS).join("private.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = check(&bank, &[]).await;
    assert_eq!(ran.code, 0);
    assert_eq!(kinds(&row(&ran, GIFTS)), ["key_file_mode"]);
    assert_eq!(check(&bank, &["--strict"]).await.code, 1);
    assert_eq!(check(&bank, &["--strict", "--bin", OWNER]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_borrows_is_told_what_is_wrong_with_the_lender() {
    let bank = Bank::open().await;
    strip(&bank, GIFTS);
    describe(&bank, GIFTS, &format!("identity = \"{OWNER}\""));
    let ran = check(&bank, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(row(&ran, GIFTS)["identity"], OWNER);
    fs::write(bank.folder_of(OWNER).join("password"), "wrong\n").unwrap();
    let ran = check(&bank, &["--bin", GIFTS]).await;
    assert_eq!(ran.code, 1);
    assert_eq!(kinds(&row(&ran, GIFTS)), ["wrong_password"]);
    fs::rename(bank.folder_of(OWNER), bank.folder_of(".away")).unwrap();
    let ran = check(&bank, &[]).await;
    assert_eq!(kinds(&row(&ran, GIFTS)), ["no_such_identity"]);

    for bin in [OWNER, "160240034458"] {
        assert_eq!(check(&bank, &["--bin", bin]).await.code, 3);
    }
}
