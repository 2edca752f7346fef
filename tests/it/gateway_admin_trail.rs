//! The trail: what was done, by whom, kept by either store; and what no log ever shows.

use std::net::SocketAddr;

use kaspi_direct::payments::NewTrailLine;

use super::admin_kit::OPERATOR;
use super::cli_kit::{Running, Scene};
use super::gateway_kit::{add_lines, exchange, request, token};
use super::kit::{FLOWERS, GIFTS, bin};
use super::money_kit::{Books, Shop};

async fn is_kept_in_order(books: Books) {
    let Some(shop) = Shop::open(books).await else {
        return;
    };
    let (one, two) = (shop.app(), shop.app());
    for (number, of) in [FLOWERS, GIFTS, FLOWERS].into_iter().enumerate() {
        let line = NewTrailLine {
            who: "Aigul".to_owned(),
            bin: Some(bin(of)),
            action: "refund",
            subject: format!("12800000774 {number}"),
            outcome: "done".to_owned(),
        };
        one.payments().trace(line).await.unwrap();
    }
    // what one process has written, another reads: the latest first, each BIN for itself, page by page
    let subjects = async |bins: &[&str], before, limit| {
        let bins: Vec<_> = bins.iter().map(|one| bin(one)).collect();
        let lines = two.payments().trail(&bins, before, limit).await.unwrap();
        assert!(
            lines
                .iter()
                .all(|line| line.who == "Aigul" && line.outcome == "done")
        );
        let last = lines.last().map(|line| line.id);
        let told: Vec<String> = lines.into_iter().map(|line| line.subject).collect();
        (told, last)
    };
    let (all, _) = subjects(&[], None, 10).await;
    assert_eq!(all, ["12800000774 2", "12800000774 1", "12800000774 0"]);
    let (own, _) = subjects(&[GIFTS], None, 10).await;
    assert_eq!(own, ["12800000774 1"]);
    let (first, last) = subjects(&[FLOWERS], None, 1).await;
    assert_eq!(first, ["12800000774 2"]);
    let (second, _) = subjects(&[FLOWERS], last, 1).await;
    assert_eq!(second, ["12800000774 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_it() {
    is_kept_in_order(Books::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_it() {
    is_kept_in_order(Books::Postgres).await;
}

/// The program at its most talkative, with everything of a session that must not be written down.
#[tokio::test(flavor = "multi_thread")]
async fn no_log_shows_a_token_a_session_or_a_proof() {
    let scene = Scene::start().await;
    add_lines(
        &scene,
        &token(
            "Aigul",
            OPERATOR,
            &[FLOWERS],
            &["admin", "create", "refund", "read"],
        ),
    );
    let arguments = ["serve", "--listen", "127.0.0.1:0", "-o", "json", "-vvv"];
    let serving = Running::start(&arguments, &scene.path(""));
    let address: SocketAddr = serving.ready["listen"].as_str().unwrap().parse().unwrap();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let wrong = "kd_test_mistyped_0123456789abcdef";
    for (given, status) in [(wrong, 403), (OPERATOR, 303)] {
        let body = format!("token={given}");
        let bytes = request(address, "POST", "/admin/login", &[form], Some(&body));
        let reply = exchange(address, &bytes).await;
        assert_eq!(reply.status, status, "{reply:?}");
        let Some(cookie) = reply.header("set-cookie") else {
            continue;
        };
        let cookie = cookie.split(';').next().unwrap();
        let with = [form, ("cookie", cookie)];
        let page = exchange(address, &request(address, "GET", "/admin/logout", &with, None)).await;
        let (_, proof) = page.body.split_once("name=\"proof\" value=\"").unwrap();
        let proof = proof.split('"').next().unwrap();
        // a form that works, and one with something in it that is not known
        for (target, status) in [
            (format!("/admin/doctor/{FLOWERS}"), 303),
            ("/admin/test".to_owned(), 422),
        ] {
            let body = format!("proof={proof}&phone=77000000017");
            let body = if status == 303 {
                format!("proof={proof}")
            } else {
                body
            };
            let bytes = request(address, "POST", &target, &with, Some(&body));
            assert_eq!(exchange(address, &bytes).await.status, status, "{target}");
        }
        let (_, session) = cookie.split_once('=').unwrap();
        let said = serving.said();
        assert!(said.contains("/admin/login"), "{said}");
        for secret in [OPERATOR, wrong, session, proof, "77000000017", "7000000017"] {
            assert!(!said.contains(secret), "`{secret}` in {said}");
        }
    }
    assert_eq!(serving.stop(), Some(0));
}
