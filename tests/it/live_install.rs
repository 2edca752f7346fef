//! `kaspi cert install` and `rollback` while `kaspi serve` runs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kaspi_direct::app::live::ask_for_rescan;
use kaspi_direct::sandbox::pki::{Authority, KeyKind};
use kaspi_direct::sandbox::{Fault, FaultKind};
use serde_json::json;

use super::cert_kit::{Bank, OWNER, describe, refused, strip, tree};
use super::kit::GIFTS;
use super::live_state::row;
use super::rotation_kit::until;

const ROLLBACK: &[&str] = &["cert", "rollback", "--bin", OWNER, "-o", "json"];

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_ends_well_when_the_gateway_serves_it() {
    let bank = Bank::open().await;
    strip(&bank, GIFTS);
    describe(&bank, GIFTS, &format!("identity = \"{OWNER}\""));
    let first = bank.delivers("first", &[OWNER, GIFTS]);
    assert_eq!(bank.install(OWNER, &first, &[]).await.code, 0);
    let served = bank.serve();
    let new = bank.delivers("new", &[OWNER, GIFTS]);

    let ran = bank.install(OWNER, &new, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.json()["gateway"],
        json!({"process_id": served.pid(), "generation": 2})
    );
    let state = bank.live().await;
    for bin in [OWNER, GIFTS] {
        assert_eq!(row(&state, bin).certificate_sha256(), Some(new.sha256.as_str()));
        // the command's trial and the gateway's own
        let seen = bank.seen(bin);
        assert_eq!(
            seen,
            [&first.sha256, &new.sha256, &new.sha256].map(String::as_str)
        );
    }
    assert_eq!(bank.listed(OWNER).await["generation"], 2);

    let ran = bank.run(ROLLBACK).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.json()["gateway"],
        json!({"process_id": served.pid(), "generation": 3})
    );
    assert_eq!(
        row(&bank.live().await, OWNER).certificate_sha256(),
        Some(first.sha256.as_str())
    );

    assert_eq!(served.stop(), Some(0));
    let alone = bank.delivers("alone", &[OWNER, GIFTS]);
    let ran = bank.install(OWNER, &alone, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["gateway"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_refuses_is_put_back() {
    let bank = Bank::open().await;
    let before = bank.in_use(OWNER).await;
    let good = bank.delivers("good", &[OWNER]);
    assert_eq!(bank.install(OWNER, &good, &[]).await.code, 0);
    let served = bank.serve();

    // the command does not ask, and the gateway does
    let stranger = Authority::generate(KeyKind::P256).unwrap();
    let bad = bank.hands_over("bad", &stranger.client(&[OWNER]).unwrap());
    let ran = bank.install(OWNER, &bad, &["--no-canary"]).await;
    let (code, kind, message) = refused(&ran);
    assert_eq!((code, kind.as_str()), (1, "not_published"), "{ran:?}");
    assert!(
        message.contains(&format!("process {}", served.pid())),
        "{message}"
    );
    assert!(message.contains("refused in a trial call"), "{message}");
    let hint = ran.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(
        hint.starts_with("set 1 lies there again, so nothing has changed"),
        "{hint}"
    );
    let state = bank.live().await;
    let owner = row(&state, OWNER);
    assert_eq!(
        (owner.state.as_str(), owner.certificate_sha256()),
        ("ready", Some(good.sha256.as_str()))
    );
    assert_eq!(
        owner.files.last_error.as_ref().unwrap().problem.kind,
        "trial_refused"
    );
    assert_eq!(
        owner.files.standing_error(),
        None,
        "what lies there now is in use"
    );
    assert_eq!(
        fs::read_link(bank.folder_of(OWNER).join("current"))
            .unwrap()
            .to_str(),
        Some(".sets/1")
    );
    // a start, which asks nobody, takes the good one too
    assert_eq!(served.stop(), Some(0));
    let again = bank.serve();
    assert_eq!(
        row(&bank.live().await, OWNER).certificate_sha256(),
        Some(good.sha256.as_str())
    );

    // after a compromise there is no way back, and nothing is served but what was
    let ran = bank
        .install(
            OWNER,
            &bad_again(&bank, &stranger),
            &["--no-canary", "--discard-previous"],
        )
        .await;
    assert_eq!(refused(&ran).1, "not_published");
    let hint = ran.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("no earlier set is kept"), "{hint}");
    let listed = bank.listed(OWNER).await;
    assert_eq!(listed["certificate_sha256"], good.sha256);
    assert!(listed["files_sha256"].is_string());
    let warnings = listed["warnings"].to_string();
    assert!(warnings.contains("files hold certificate"), "{warnings}");
    assert_ne!(listed["certificate_sha256"], before);
    assert_eq!(again.stop(), Some(0));
}

fn bad_again(bank: &Bank, stranger: &Authority) -> super::cert_kit::Delivery {
    bank.hands_over("worse", &stranger.client(&[OWNER]).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_bank_does_not_answer_the_set_waits() {
    let bank = Bank::open().await;
    let before = bank.in_use(OWNER).await;
    let served = bank.serve();
    let new = bank.delivers("new", &[OWNER]);
    bank.scene
        .sandbox
        .arm(Fault::new(FaultKind::Html502).times(10_000))
        .await;

    let ran = bank.install(OWNER, &new, &["--no-canary"]).await;
    let (code, kind, message) = refused(&ran);
    assert_eq!((code, kind.as_str()), (4, "gateway_unanswered"), "{ran:?}");
    assert!(message.contains("had no answer"), "{message}");
    let hint = ran.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(
        hint.contains(&format!("`kaspi cert rollback --bin {OWNER}`")),
        "{hint}"
    );
    let listed = bank.listed(OWNER).await;
    assert_eq!(listed["certificate_sha256"], before);
    assert_eq!(listed["files_sha256"], new.sha256);

    // when the bank is back, the next look puts it in use
    let mut control = TcpStream::connect(bank.scene.sandbox.control_address()).unwrap();
    control
        .write_all(
            b"POST /reset HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        )
        .unwrap();
    let mut answer = String::new();
    control.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    served.signal("HUP");
    let state = ask_for_rescan(&bank.state_dir()).await.unwrap().unwrap();
    assert_eq!(row(&state, OWNER).certificate_sha256(), Some(new.sha256.as_str()));
    assert_eq!(served.stop(), Some(0));
}

/// What lies there is whole, and the next start takes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_ends_meanwhile_ends_the_waiting() {
    let bank = Bank::open().await;
    for end in ["TERM", "KILL"] {
        let served = bank.serve();
        let new = bank.delivers(end, &[OWNER]);
        let link = bank.folder_of(OWNER).join("current");
        let before = fs::read_link(&link).ok();
        // every request: what keeps a connection ready may come before the one that is waited for
        let slow = Fault::new(FaultKind::Delay).delayed(Duration::from_secs(10));
        bank.scene.sandbox.arm(slow.times(10_000)).await;
        let (ran, ()) = tokio::join!(bank.install(OWNER, &new, &["--no-canary"]), async {
            until(|| fs::read_link(&link).ok() != before).await;
            served.signal(end);
        });
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.json()["gateway"], json!(null));
        assert!(ran.err.contains("the gateway has ended meanwhile"), "{ran:?}");
        drop(served);
        assert_eq!(bank.in_use(OWNER).await, new.sha256);
    }
}

/// A gateway that hangs changes nothing, and can be passed by.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_does_not_answer_ends_it_before_anything_changes() {
    let bank = Bank::open().await;
    let served = bank.serve();
    let new = bank.delivers("new", &[OWNER]);
    let before = tree(&bank.folder_of(OWNER));
    served.signal("STOP");
    let ran = bank.install(OWNER, &new, &[]).await;
    let (code, kind, _) = refused(&ran);
    assert_eq!((code, kind.as_str()), (1, "gateway_no_answer"), "{ran:?}");
    assert!(
        ran.json()["error"]["hint"]
            .as_str()
            .unwrap()
            .ends_with("`--no-wait` does not ask it")
    );
    assert_eq!(tree(&bank.folder_of(OWNER)), before);
    assert_eq!(bank.seen(OWNER), Vec::<String>::new());
    let listed = bank.run(&["merchants", "list", "-o", "json"]).await;
    assert_eq!(listed.code, 0);
    assert!(listed.err.contains("does not answer"), "{listed:?}");

    let ran = bank.install(OWNER, &new, &["--no-wait"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["gateway"], json!(null));
    served.signal("CONT");
    assert_eq!(served.stop(), Some(0));
}
