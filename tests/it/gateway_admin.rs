//! The admin page, as a browser gets it: coming in, what is shown to whom, and forms that are sent twice.

use kaspi_direct::config::{self, Environment};
use kaspi_direct::sandbox::{Fault, FaultKind};
use serde_json::json;

use super::admin_kit::{Browser, EVIL, OPERATOR, open, post};
use super::gateway_kit::{ADMIN, READER, SHOP, Served};
use super::kit::{FLOWERS, GIFTS, in_time};

const PAGES: [&str; 8] = [
    "/admin",
    "/admin/payments",
    "/admin/unknown",
    "/admin/webhooks",
    "/admin/test",
    "/admin/reconciliation",
    "/admin/charts",
    "/admin/trail",
];

async fn paid(served: &Served, bin: &str, token: &str, amount: &str) -> String {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let body = json!({"phone": "77000000000", "amount": amount, "message": EVIL, "organization_bin": bin});
    let id = served.invoice(&headers, &body).await;
    served.pay(&id);
    let reply = served
        .ask("GET", &format!("/api/v1/kaspi/status/{id}"), &headers, None)
        .await;
    assert_eq!(reply.json()["status"], "Processed", "{reply:?}");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn one_comes_in_with_a_token_that_may_and_with_no_other() {
    let served = open().await;
    for page in PAGES {
        let reply = served.get(page).await;
        assert_eq!(reply.status, 401, "{page}: {reply:?}");
        assert!(reply.body.contains("name=\"token\""), "{reply:?}");
    }
    for wrong in [READER, SHOP, "kd_test_nobody_0123456789abcdef", ""] {
        let reply = post(&served, "/admin/login", &[], &format!("token={wrong}")).await;
        assert_eq!(reply.status, 403, "{reply:?}");
        assert!(reply.header("set-cookie").is_none());
        assert!(wrong.is_empty() || !reply.body.contains(wrong), "{reply:?}");
    }
    let foreign = [("origin", "https://evil.example")];
    let reply = post(&served, "/admin/login", &foreign, &format!("token={OPERATOR}")).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    let browser = Browser::enter(&served, OPERATOR).await;
    assert_eq!(browser.see("/admin").await.status, 200);
    // a new id at each login, and the one before is over
    let again = post(
        &served,
        "/admin/login",
        &[("cookie", &browser.cookie)],
        &format!("token={OPERATOR}"),
    )
    .await;
    assert_eq!(again.status, 303);
    assert!(!again.header("set-cookie").unwrap().starts_with(&browser.cookie));
    assert_eq!(browser.see("/admin").await.status, 401);
    let secure = [("x-forwarded-proto", "https")];
    let reply = post(&served, "/admin/login", &secure, &format!("token={OPERATOR}")).await;
    let cookie = reply.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Secure-") && cookie.contains("; Secure"),
        "{cookie}"
    );
    let browser = Browser::enter(&served, OPERATOR).await;
    let proof = browser.form("/admin/logout", "/admin/logout").await;
    assert_eq!(browser.send("/admin/logout", &proof).await.status, 303);
    assert_eq!(browser.see("/admin").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_away_ends_its_sessions() {
    let served = open().await;
    let browser = Browser::enter(&served, OPERATOR).await;
    assert_eq!(browser.see("/admin/payments").await.status, 200);
    let file = served.scene.path("kaspi.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("name = \"Aigul\"", "name = \"Other\"")).unwrap();
    let settings = config::load(&file, &Environment::default()).unwrap().gateway;
    let mut without = settings.clone();
    without.tokens.retain(|token| token.name != "Other");
    served.gateway.reload(&without).unwrap();
    assert_eq!(browser.see("/admin/payments").await.status, 401);
    // and it does not come back with the token
    served.gateway.reload(&settings).unwrap();
    assert_eq!(browser.see("/admin/payments").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_has_its_policy_in_three_languages_and_no_secret() {
    let served = open().await;
    let id = paid(&served, FLOWERS, OPERATOR, "1500").await;
    let browser = Browser::enter(&served, OPERATOR).await;
    let payment = format!("/admin/payment/{id}");
    let refund = format!("/admin/payment/{id}/refund");
    let mut pages = PAGES.to_vec();
    pages.extend([payment.as_str(), refund.as_str()]);
    for lang in ["ru", "kk", "en"] {
        for page in &pages {
            let reply = browser.see(&format!("{page}?lang={lang}")).await;
            assert_eq!(reply.status, 200, "{page}: {reply:?}");
            assert!(
                reply.body.contains(&format!("<html lang=\"{lang}\">")),
                "{reply:?}"
            );
            let policy = reply.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            assert!(
                policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
                "{policy}"
            );
            assert_eq!(reply.header("x-frame-options"), Some("DENY"));
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            for never in [EVIL, OPERATOR, "77000000000", "7000000000"] {
                assert!(!reply.body.contains(never), "{page}: {never}: {reply:?}");
            }
            let cookie = reply.header("set-cookie").unwrap();
            assert!(cookie.starts_with(&format!("kaspi_lang={lang};")), "{cookie}");
        }
    }
    let chosen = format!("{}; kaspi_lang=kk", browser.cookie);
    let headers = [("cookie", chosen.as_str()), ("accept-language", "en")];
    let reply = served.ask("GET", "/admin", &headers, None).await;
    assert!(reply.body.contains("<html lang=\"kk\">"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_bin_is_seen_or_touched() {
    let served = open().await;
    let both = "kd_test_both_0123456789abcdef";
    let foreign = paid(&served, GIFTS, both, "7").await;
    let browser = Browser::enter(&served, OPERATOR).await;
    for page in ["/admin", "/admin/payments", "/admin/test"] {
        let reply = browser.see(page).await;
        assert!(
            !reply.body.contains(GIFTS) && !reply.body.contains(&foreign),
            "{reply:?}"
        );
    }
    let reply = browser.see(&format!("/admin/payments?bin={GIFTS}")).await;
    assert_eq!(reply.status, 422, "{reply:?}");
    let before = served.scene.sandbox.requests().len();
    for page in ["", "/refund", "/cancel"] {
        let theirs = browser.see(&format!("/admin/payment/{foreign}{page}")).await;
        let nobodys = browser.see(&format!("/admin/payment/12800000999{page}")).await;
        assert_eq!((theirs.status, nobodys.status), (404, 404), "{theirs:?}");
        assert_eq!(theirs.body, nobodys.body);
    }
    let proof = browser.form("/admin/logout", "/admin/logout").await;
    for action in ["check", "refund", "cancel"] {
        let target = format!("/admin/payment/{foreign}/{action}");
        let more = match action {
            "check" => "",
            "refund" => "&amount=1&key=page-1",
            _ => "&key=page-1",
        };
        let reply = browser.send(&target, &format!("{proof}{more}")).await;
        assert_eq!(reply.status, 404, "{action}: {reply:?}");
    }
    assert_eq!(served.scene.sandbox.requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_form_that_is_sent_ten_times_is_one_refund() {
    let served = open().await;
    let id = paid(&served, FLOWERS, OPERATOR, "1500").await;
    let browser = Browser::enter(&served, OPERATOR).await;
    let target = format!("/admin/payment/{id}/refund");
    let hidden = browser.form(&target, &target).await;
    // without the proof, or from elsewhere, nothing happens
    let bare: Vec<&str> = hidden
        .split('&')
        .filter(|pair| !pair.starts_with("proof="))
        .collect();
    let bare = format!("{}&amount=500", bare.join("&"));
    assert_eq!(browser.send(&target, &bare).await.status, 403);
    let wrong = format!("{bare}&proof=0");
    assert_eq!(browser.send(&target, &wrong).await.status, 403);
    let form = format!("{hidden}&amount=500");
    for elsewhere in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let headers = [("cookie", browser.cookie.as_str()), elsewhere];
        let reply = post(&served, &target, &headers, &form).await;
        assert_eq!(reply.status, 403, "{elsewhere:?}: {reply:?}");
    }
    // also where a proxy has added a token to what the browser sent
    let bearer = format!("Bearer {OPERATOR}");
    let added = [
        ("authorization", bearer.as_str()),
        ("origin", "https://evil.example"),
    ];
    let reply = post(&served, &target, &added, "amount=500&key=page-1").await;
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(served.asked("return"), 0);
    let sent = (0..10).map(|_| browser.send(&target, &form));
    let replies = in_time(futures_util::future::join_all(sent)).await;
    for reply in &replies {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let again = browser.send(&target, &form).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(served.asked("return"), 1);
    // it is written who did it, before and after
    let trail = browser.see("/admin/trail").await;
    for wanted in ["Aigul", "begun", "done", &format!("{id} 500")] {
        assert!(trail.body.contains(wanted), "{wanted}: {trail:?}");
    }
    let page = browser.see(&format!("/admin/payment/{id}")).await;
    assert!(page.body.contains("Aigul"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verbs_for_money_are_wanted_besides() {
    let served = open().await;
    let id = paid(&served, FLOWERS, OPERATOR, "1500").await;
    let browser = Browser::enter(&served, ADMIN).await;
    for page in [
        format!("/admin/payment/{id}/refund"),
        format!("/admin/payment/{id}/cancel"),
        "/admin/test".to_owned(),
    ] {
        let reply = browser.see(&page).await;
        assert_eq!(reply.status, 403, "{page}: {reply:?}");
    }
    let proof = browser.form("/admin/logout", "/admin/logout").await;
    let form = format!("{proof}&amount=1&key=page-1");
    let reply = browser.send(&format!("/admin/payment/{id}/refund"), &form).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(served.asked("return"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_payment_that_is_sent_twice_is_one() {
    let served = open().await;
    let browser = Browser::enter(&served, OPERATOR).await;
    let hidden = browser.form("/admin/test", "/admin/test").await;
    let form = format!("{hidden}&bin={FLOWERS}&kind=invoice&amount=10&phone=77000000000&message=%3Cb%3E");
    for _ in 0..2 {
        let reply = browser.send("/admin/test", &form).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(!reply.body.contains("77000000000"), "{reply:?}");
    }
    assert_eq!(served.asked("remote/create"), 1);
    let foreign = format!("{hidden}&bin={GIFTS}&kind=qr&amount=10");
    assert_eq!(browser.send("/admin/test", &foreign).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_a_page_of_this_machine_may_come_in() {
    let served = Served::open().await;
    assert_eq!(served.get("/admin").await.status, 401);
    let own = format!("http://{}", served.address);
    let reply = post(&served, "/admin/login", &[("origin", &own)], "").await;
    assert_eq!(reply.status, 303, "{reply:?}");
    let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap();
    let page = served.ask("GET", "/admin", &[("cookie", cookie)], None).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.body.contains(FLOWERS) && page.body.contains(GIFTS),
        "{page:?}"
    );
    for far in [("origin", "https://evil.example"), ("x-forwarded-for", "1.2.3.4")] {
        assert_eq!(
            post(&served, "/admin/login", &[far], "").await.status,
            403,
            "{far:?}"
        );
    }
    let rebound = [("cookie", cookie), ("host", "evil.example")];
    assert_eq!(served.ask("GET", "/admin", &rebound, None).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_is_resolved_with_a_reason() {
    let served = open().await;
    let fault = Fault::new(FaultKind::ResetAfterCommit).on("/r3/v01/remote/create");
    served.scene.sandbox.arm(fault).await;
    let bearer = format!("Bearer {OPERATOR}");
    let headers = [("authorization", bearer.as_str())];
    let body = json!({"phone": "77000000000", "amount": "10", "message": EVIL, "organization_bin": FLOWERS});
    let lost = served.post_with("/api/v1/kaspi/create", &headers, &body).await;
    assert_eq!(lost.status, 504, "{lost:?}");
    let operation = lost.header("kaspi-operation-id").unwrap();
    let browser = Browser::enter(&served, OPERATOR).await;
    let target = format!("/admin/unknown/{operation}");
    let list = browser.see("/admin/unknown").await;
    assert!(list.body.contains(&target), "{list:?}");
    let hidden = browser.form(&target, &target).await;
    for without in ["&how=not_made", "&how=not_made&why=%20", "&why=seen"] {
        let reply = browser.send(&target, &format!("{hidden}{without}")).await;
        assert_eq!(reply.status, 422, "{without}: {reply:?}");
    }
    let why = "&how=not_made&why=%3Cscript%3Ealert(1)%3C/script%3E";
    let reply = browser.send(&target, &format!("{hidden}{why}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    for page in [target.as_str(), "/admin/trail"] {
        let reply = browser.see(page).await;
        assert!(!reply.body.contains(EVIL), "{reply:?}");
        assert!(reply.body.contains("&lt;script&gt;alert(1)"), "{reply:?}");
        assert!(reply.body.contains("Aigul"), "{reply:?}");
    }
    let list = browser.see("/admin/unknown").await;
    assert!(!list.body.contains(operation), "{list:?}");
}
