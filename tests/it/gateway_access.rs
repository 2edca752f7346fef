//! Who may call, and for whom.

use kaspi_direct::app::App;
use kaspi_direct::base::Explain;
use kaspi_direct::config::Environment;
use kaspi_direct::gateway::Patience;
use serde_json::{Value, json};

use super::cli_kit::Scene;
use super::gateway_kit::{ADMIN, BOTH, READER, SHOP, Served, add_lines, token, tokens};
use super::kit::{FLOWERS, GIFTS, in_time};

fn order(bin: Option<&str>) -> Value {
    json!({"phone": "77000000001", "amount": 1500, "message": "Order 17", "organization_bin": bin})
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_in_three_ways_and_no_other() {
    let served = Served::guarded().await;
    let shop = bearer(SHOP);
    for headers in [
        vec![("authorization", shop.as_str())],
        vec![("authorization", "bearer  kd_test_shop_0123456789abcdef")],
        vec![("x-api-key", SHOP)],
        vec![("x-api-key", SHOP), ("authorization", shop.as_str())],
    ] {
        let reply = served.ask("GET", "/api/v1/kaspi/merchants", &headers, None).await;
        assert_eq!(reply.status, 200, "{headers:?}: {reply:?}");
        assert_eq!(reply.json()["merchants"].as_array().unwrap().len(), 1);
    }
    let in_query = format!("/api/v2/paymentkaspi/create/?phone=77000000001&amount=5&access_token={SHOP}");
    assert_eq!(served.get(&in_query).await.json()["status"], true);

    let sent = served.scene.sandbox.requests().len();
    let wrong = bearer("kd_test_shop_0123456789abcdeF");
    for (headers, target) in [
        (vec![], "/api/v1/kaspi/merchants".to_owned()),
        (
            vec![("authorization", wrong.as_str())],
            "/api/v1/kaspi/merchants".to_owned(),
        ),
        (
            vec![("authorization", "Basic c2hvcA==")],
            "/api/v1/kaspi/merchants".to_owned(),
        ),
        (
            vec![("authorization", "Bearer ")],
            "/api/v1/kaspi/merchants".to_owned(),
        ),
        (
            vec![("x-api-key", SHOP), ("x-api-key", READER)],
            "/api/v1/kaspi/merchants".to_owned(),
        ),
        // a token in the query is for the old contract alone
        (vec![], format!("/api/v1/kaspi/merchants?access_token={SHOP}")),
    ] {
        let reply = served.ask("GET", &target, &headers, None).await;
        assert_eq!(reply.status, 401, "{headers:?}: {reply:?}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        assert!(
            reply.json()["detail"].is_string() && !reply.body.contains("kd_test"),
            "{reply:?}"
        );
    }
    for query in ["", "&access_token=", "&access_token=wrong"] {
        let reply = served
            .get(&format!(
                "/api/v2/paymentkaspi/create/?phone=77000000001&amount=5{query}"
            ))
            .await;
        assert_eq!(reply.status, 401);
        let json = reply.json();
        assert_eq!(
            (&json["status"], &json["http_code"]),
            (&json!(false), &json!(401))
        );
        assert!(json["data"]["errors"]["UNAUTHORIZED"].is_string() && json["error"].is_string());
    }
    assert_eq!(served.scene.sandbox.requests().len(), sent, "something was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_acts_for_its_own_bins_and_does_its_own_verbs() {
    let served = Served::guarded().await;
    let (shop, reader, both) = (bearer(SHOP), bearer(READER), bearer(BOTH));
    let create = |token: String, bin: Option<&'static str>| {
        let served = &served;
        async move {
            let headers = [("authorization", token.as_str())];
            served
                .post_with("/api/v1/kaspi/create", &headers, &order(bin))
                .await
        }
    };
    assert_eq!(create(shop.clone(), Some(GIFTS)).await.status, 403);
    assert_eq!(create(shop.clone(), Some("050140004649")).await.status, 403);
    assert_eq!(create(both.clone(), Some("050140004649")).await.status, 403);
    assert_eq!(create(reader.clone(), None).await.status, 403);
    // to a caller who repeats on every 4xx it is a refusal like any other
    let old = format!("/api/v2/paymentkaspi/create/?phone=77000000001&amount=5&organizationBin={GIFTS}");
    let as_shop = [("authorization", shop.as_str())];
    let reply = served.ask("GET", &old, &as_shop, None).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!(false)));
    assert!(
        reply.json()["data"]["errors"]["FOREIGN_BIN"].is_string(),
        "{reply:?}"
    );
    assert_eq!(served.scene.sandbox.requests().len(), 0, "something was sent");

    // the other shop's payment: it is not there, was not made by mine, and cannot be paid back
    let made = create(both.clone(), Some(GIFTS)).await;
    let id = made.json()["external_id"].as_str().unwrap().to_owned();
    served.pay(&id);
    for path in ["status", "details", "check"] {
        let reply = served
            .ask("GET", &format!("/api/v1/kaspi/{path}/{id}"), &as_shop, None)
            .await;
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
        assert!(!reply.body.contains(GIFTS), "{reply:?}");
    }
    for (bin, status) in [(None, 404), (Some(FLOWERS), 409), (Some(GIFTS), 403)] {
        let body = json!({"external_id": id, "amount": 1, "organization_bin": bin});
        let reply = served.post_with("/api/v1/kaspi/refund", &as_shop, &body).await;
        assert_eq!(reply.status, status, "{bin:?}: {reply:?}");
        if status == 409 {
            assert!(
                reply.json()["detail"].as_str().unwrap().starts_with("Bad BIN"),
                "{reply:?}"
            );
            assert!(!reply.body.contains(GIFTS), "{reply:?}");
        }
    }
    let listed = served
        .ask("GET", "/api/v1/kaspi/payments", &as_shop, None)
        .await
        .json();
    assert_eq!(listed["payments"], json!([]));
    assert_eq!(served.asked("/payment/return"), 0);

    // the token's only BIN stands for none; of several the default does
    let mine = create(shop, None).await;
    let order = json!({"phone": "77000000001", "amount": 1500, "message": "Another order"});
    let as_both = [("authorization", both.as_str())];
    let theirs = served.post_with("/api/v1/kaspi/create", &as_both, &order).await;
    assert_eq!((mine.status, theirs.status), (200, 200));
    let payments = served.scene.sandbox.payments();
    assert_eq!(
        (&payments[1]["bin"], &payments[2]["bin"]),
        (&json!(FLOWERS), &json!(FLOWERS))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_see_takes_a_token_for_operators() {
    let served = Served::guarded().await;
    let (shop, admin, both) = (bearer(SHOP), bearer(ADMIN), bearer(BOTH));
    // what the other shop does is counted, and nothing of this operator's
    for bin in [FLOWERS, GIFTS] {
        let as_both = [("authorization", both.as_str())];
        served.invoice(&as_both, &order(Some(bin))).await;
    }
    for target in ["/status", "/metrics"] {
        assert_eq!(served.get(target).await.status, 401, "{target}");
        let as_shop = [("authorization", shop.as_str())];
        assert_eq!(
            served.ask("GET", target, &as_shop, None).await.status,
            403,
            "{target}"
        );
        let as_admin = [("authorization", admin.as_str())];
        let reply = served.ask("GET", target, &as_admin, None).await;
        assert_eq!(reply.status, 200, "{target}");
        assert!(
            reply.body.contains(FLOWERS) && !reply.body.contains(GIFTS),
            "{reply:?}"
        );
        let counted = format!("kaspi_operations_total{{route=\"/api/v1/kaspi/create\",bin=\"{FLOWERS}\"");
        assert_eq!(reply.body.contains(&counted), target == "/metrics", "{reply:?}");
    }
    for target in ["/healthz", "/readyz", "/openapi.json", "/docs"] {
        assert_eq!(served.get(target).await.status, 200, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_only_programs_of_this_machine_may_call() {
    let served = Served::open().await;
    for headers in [
        [("origin", "http://127.0.0.1:8014")],
        [("forwarded", "for=192.0.2.1")],
        [("x-forwarded-for", "192.0.2.1")],
        [("x-forwarded-host", "shop.example")],
        [("host", "shop.example")],
        [("host", "127.0.0.1.shop.example")],
        [("kaspi-direct-hop", "1")],
    ] {
        let reply = served
            .post_with("/api/v1/kaspi/create", &headers, &order(None))
            .await;
        assert_eq!(reply.status, 403, "{headers:?}: {reply:?}");
        let old = served
            .ask(
                "GET",
                "/api/v2/paymentkaspi/create/?phone=77000000001&amount=5",
                &headers,
                None,
            )
            .await;
        assert_eq!(
            (old.status, &old.json()["status"]),
            (403, &json!(false)),
            "{headers:?}"
        );
    }
    assert_eq!(served.scene.sandbox.requests().len(), 0, "something was sent");

    let kaspi = |base_url: &str, listen: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("certs")).unwrap();
        let text = format!("[kaspi]\nbase_url = \"{base_url}\"\n[gateway]\nlisten = \"{listen}\"\n");
        std::fs::write(folder.path().join("kaspi.toml"), text).unwrap();
        let app = App::open(&folder.path().join("kaspi.toml"), &Environment::default()).unwrap();
        app.gateway(Patience::default())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let error = kaspi("https://qrapi-cert-ip.kaspi.kz/r3", "127.0.0.1:0").unwrap_err();
    assert!(error.contains("qrapi-cert-ip.kaspi.kz"), "{error}");
    let error = kaspi("https://127.0.0.1:8545/r3", "0.0.0.0:0").unwrap_err();
    assert!(error.contains("0.0.0.0:0"), "{error}");
    assert!(kaspi("https://localhost:8545/r3", "[::1]:0").is_ok());
    let wide = served
        .gateway
        .listen(Some("0.0.0.0:0".parse().unwrap()))
        .await
        .unwrap_err();
    assert_eq!(wide.kind(), "gateway_needs_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_taken_up_while_it_runs() {
    let scene = Scene::start().await;
    add_lines(&scene, &tokens());
    let served = Served::over(scene, Patience::default()).await;
    let following = served.app.follow_gateway_settings(&served.gateway);
    let fresh = "kd_test_fresh_0123456789abcdef";
    let as_fresh = [("x-api-key", fresh)];
    assert_eq!(
        served
            .ask("GET", "/api/v1/kaspi/merchants", &as_fresh, None)
            .await
            .status,
        401
    );
    add_lines(&served.scene, &token("fresh", fresh, &[FLOWERS], &["read"]));
    in_time(async {
        while served
            .ask("GET", "/api/v1/kaspi/merchants", &as_fresh, None)
            .await
            .status
            != 200
        {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
    // a file that cannot be used changes nothing
    add_lines(&served.scene, "nonsense = [");
    tokio::task::yield_now().await;
    assert_eq!(
        served
            .ask("GET", "/api/v1/kaspi/merchants", &as_fresh, None)
            .await
            .status,
        200
    );
    drop(following);
}
