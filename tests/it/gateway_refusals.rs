//! What callers get wrong: each contract's own error shape, and nothing sent.

use serde_json::{Value, json};

use super::gateway_kit::{Golden, Served};
use super::kit::{FLOWERS, GIFTS};
use kaspi_direct::gateway::Patience;

/// A valid BIN that nobody has configured, and one whose control digit is wrong.
const NOBODY: &str = "050140004649";
const MISTYPED: &str = "891027350516";

fn order(changes: Value) -> String {
    let mut body = json!({"phone": "+77000000001", "amount": 1500, "message": "Order 17"});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_of_the_backend() {
    let served = Served::open().await;
    let mut golden = Golden::default();
    let long = "x".repeat(501);
    let bodies = [
        ("no body", String::new()),
        ("malformed JSON", "{\"phone\": ".to_owned()),
        ("not an object", "[1]".to_owned()),
        ("every field missing", "{}".to_owned()),
        (
            "wrong types",
            order(json!({"phone": true, "amount": [], "message": {}})),
        ),
        (
            "null where a value must be",
            order(json!({"phone": null, "amount": null, "message": null})),
        ),
        ("amount 0", order(json!({"amount": 0}))),
        ("amount below 0", order(json!({"amount": "-5"}))),
        ("amount with parts of a tiyn", order(json!({"amount": 10.005}))),
        ("amount in words", order(json!({"amount": "many"}))),
        (
            "amount beyond all money",
            r#"{"phone":"77000000001","amount":1e300,"message":"x"}"#.to_owned(),
        ),
        (
            "amount NaN",
            r#"{"phone":"77000000001","amount":NaN,"message":"x"}"#.to_owned(),
        ),
        (
            "a phone of another country",
            order(json!({"phone": "+49 170 1234567"})),
        ),
        ("a message of 501 characters", order(json!({"message": long}))),
        ("an empty organisation", order(json!({"organization_bin": ""}))),
        (
            "an organisation of 11 digits",
            order(json!({"organization_bin": "89102735051"})),
        ),
        (
            "a mistyped organisation",
            order(json!({"organization_bin": MISTYPED})),
        ),
        (
            "an organisation that nobody has",
            order(json!({"organization_bin": NOBODY})),
        ),
        ("organizationBin", order(json!({"organizationBin": GIFTS}))),
        ("Organization_Bin", order(json!({"Organization_Bin": GIFTS}))),
        ("an extra field", order(json!({"shop_id": 8}))),
        (
            "an amount twice",
            r#"{"phone":"77000000001","amount":1,"amount":2,"message":"x"}"#.to_owned(),
        ),
    ];
    for (what, body) in bodies {
        let reply = served
            .ask(
                "POST",
                "/api/v1/kaspi/create",
                &[("content-type", "application/json")],
                Some(&body),
            )
            .await;
        golden.add(&format!("create: {what}"), &reply);
    }
    let good = order(json!({}));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    golden.add(
        "create: a form",
        &served
            .ask("POST", "/api/v1/kaspi/create", &form, Some(&good))
            .await,
    );
    let json_type = [("content-type", "application/json")];
    let with_query = served
        .ask(
            "POST",
            &format!("/api/v1/kaspi/create?organization_bin={GIFTS}"),
            &json_type,
            Some(&good),
        )
        .await;
    golden.add("create: the organisation in the query", &with_query);
    let keyed = [json_type[0], ("idempotency-key", "")];
    golden.add(
        "create: an empty key",
        &served
            .ask("POST", "/api/v1/kaspi/create", &keyed, Some(&good))
            .await,
    );
    let long_key = "k".repeat(300);
    let keyed = [json_type[0], ("idempotency-key", long_key.as_str())];
    golden.add(
        "create: a key of 300",
        &served
            .ask("POST", "/api/v1/kaspi/create", &keyed, Some(&good))
            .await,
    );
    for (method, target) in [
        ("HEAD", "/api/v1/kaspi/create"),
        ("GET", "/api/v1/kaspi/create"),
        ("HEAD", "/api/v1/kaspi/status/17"),
        ("DELETE", "/api/v1/kaspi/refund"),
    ] {
        golden.add(
            &format!("{method} {target}"),
            &served.ask(method, target, &[], None).await,
        );
    }
    let forty = "1".repeat(40);
    for (what, body) in [
        ("an id of 40 digits", json!({"external_id": forty, "amount": 1})),
        ("a negative id", json!({"external_id": -5, "amount": 1})),
        ("no id", json!({"amount": 1})),
        (
            "an unknown id without an organisation",
            json!({"external_id": "12800000774", "amount": 1}),
        ),
    ] {
        golden.add(
            &format!("refund: {what}"),
            &served.post("/api/v1/kaspi/refund", &body).await,
        );
    }
    golden.add(
        "status: an id of 40 digits",
        &served.get(&format!("/api/v1/kaspi/status/{forty}")).await,
    );
    golden.add(
        "status: no number",
        &served.get("/api/v1/kaspi/status/order-17").await,
    );
    insta::assert_snapshot!(golden.finish());
    assert_eq!(served.scene.sandbox.requests().len(), 0, "something was sent");

    // reads and proofs ask Kaspi, and move nothing
    let unknown = served.get("/api/v1/kaspi/status/12800000774").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let body = json!({"external_id": "12800000774", "amount": 1, "organization_bin": FLOWERS});
    let refund = served.post("/api/v1/kaspi/refund", &body).await;
    assert_eq!(refund.status, 404, "{refund:?}");
    let id = served.invoice(&[], &serde_json::from_str(&good).unwrap()).await;
    let unpaid = served
        .post("/api/v1/kaspi/refund", &json!({"external_id": id, "amount": 1}))
        .await;
    assert_eq!(unpaid.status, 400, "{unpaid:?}");
    assert_eq!(served.asked("/payment/return"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_of_the_old_wrapper() {
    let served = Served::open().await;
    let mut golden = Golden::default();
    let forty = "1".repeat(40);
    let good = "phone=77000000001&amount=100.0&message=Order+17";
    let targets = [
        ("nothing given", "create/".to_owned()),
        ("wrong values", "create/?phone=17&amount=much".to_owned()),
        (
            "organization_bin",
            format!("create/?{good}&organization_bin={GIFTS}"),
        ),
        (
            "ORGANIZATIONBIN",
            format!("create/?{good}&ORGANIZATIONBIN={GIFTS}"),
        ),
        ("an extra parameter", format!("create/?{good}&orgBin={GIFTS}")),
        (
            "an empty organisation",
            format!("create/?{good}&organizationBin="),
        ),
        (
            "a mistyped organisation",
            format!("create/?{good}&organizationBin={MISTYPED}"),
        ),
        (
            "an organisation that nobody has",
            format!("create/?{good}&organizationBin={NOBODY}"),
        ),
        ("an amount twice", format!("create/?{good}&amount=200")),
        (
            "another's device token",
            format!("create/?{good}&deviceToken=00000000-0000-4000-8000-000000000000"),
        ),
        ("bytes that are no text", "create/?phone=%ff&amount=1".to_owned()),
        ("an id of 40 digits", format!("status/?externalId={forty}")),
        ("no id", "status/".to_owned()),
        (
            "an unknown id without an organisation",
            "refund/?externalId=12800000774&amount=1".to_owned(),
        ),
        ("a link of nothing", "create-link/?amount=0".to_owned()),
    ];
    for (what, target) in targets {
        golden.add(what, &served.get(&format!("/api/v2/paymentkaspi/{target}")).await);
    }
    for method in ["HEAD", "POST", "PUT"] {
        let target = format!("/api/v2/paymentkaspi/create/?{good}");
        golden.add(method, &served.ask(method, &target, &[], None).await);
    }
    insta::assert_snapshot!(golden.finish());
    assert_eq!(served.scene.sandbox.requests().len(), 0, "something was sent");

    let unknown = served
        .get("/api/v2/paymentkaspi/status/?externalId=12800000774")
        .await;
    assert_eq!(unknown.status, 200);
    assert_eq!(
        unknown.json()["data"]["errors"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap(),
        "-1601"
    );
}

/// Two BINs, and no word on which of them made a payment: that one of them does not know it is no proof.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_journal_no_payment_is_denied_and_none_is_made() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let journal = format!("[journal]\nurl = \"postgres://kaspi@127.0.0.1:{port}/kaspi\"\n");
    let served = Served::with(&journal, Patience::default()).await;
    for target in [
        "/api/v1/kaspi/status/17000000000001",
        "/api/v1/kaspi/details/17000000000001",
        "/api/v1/kaspi/check/17000000000001",
        "/api/v2/paymentkaspi/status/?externalId=17000000000001",
    ] {
        let reply = served.get(target).await;
        assert_eq!(reply.status, 503, "{target}: {reply:?}");
        assert!(reply.header("retry-after").is_some(), "{target}: {reply:?}");
    }
    // whoever names the BIN has Kaspi's word
    let named = format!("/api/v1/kaspi/status/17000000000001?organization_bin={GIFTS}");
    assert_eq!(served.get(&named).await.status, 404);
    let calls = [
        ("create", order(json!({}))),
        (
            "refund",
            json!({"external_id": "17000000000001", "amount": 1}).to_string(),
        ),
    ];
    for (path, body) in calls {
        let target = format!("/api/v1/kaspi/{path}");
        let headers = [("content-type", "application/json")];
        let reply = served.ask("POST", &target, &headers, Some(&body)).await;
        assert_eq!(reply.status, 503, "{path}: {reply:?}");
    }
    assert_eq!(
        (served.asked("/remote/create"), served.asked("/payment/return")),
        (0, 0)
    );
}
