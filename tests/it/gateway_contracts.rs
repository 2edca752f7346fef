//! Both old contracts, answer for answer, and our own calls beside them.

use serde_json::{Value, json};

use super::events_kit::{EVENTS, Stream};
use super::gateway_kit::{Golden, Served};
use super::kit::{FLOWERS, GIFTS};

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_the_backend() {
    let served = Served::open().await;
    let mut golden = Golden::default();
    let order = json!({"phone": "+7 700 000 00 01", "amount": 1500, "message": "Order 17"});

    let created = served.post("/api/v1/kaspi/create", &order).await;
    let id = created.json()["external_id"].as_str().unwrap().to_owned();
    golden.name(&id, "ID");
    golden.add("create, without an organisation", &created);
    let of_gifts = json!({"phone": 87000000002_i64, "amount": "990.5", "message": "Order 18", "organization_bin": GIFTS});
    let other = served.post("/api/v1/kaspi/create/", &of_gifts).await;
    let other_id = other.json()["external_id"].as_str().unwrap().to_owned();
    golden.name(&other_id, "OTHER");
    golden.add("create, for the other organisation, other forms", &other);

    let path = format!("/api/v1/kaspi/status/{id}");
    golden.add("status, before it is paid", &served.get(&path).await);
    served.pay(&id);
    served.pay(&other_id);
    let other_path = format!("/api/v1/kaspi/status/{other_id}/");
    golden.add(
        "status of the other's, which needs no organisation",
        &served.get(&other_path).await,
    );

    let refund = |id: &Value, amount: Value| json!({"external_id": id, "amount": amount});
    let part = refund(&json!(other_id), json!(500));
    golden.add(
        "refund, in part",
        &served.post("/api/v1/kaspi/refund", &part).await,
    );
    let rest = refund(&json!(other_id.parse::<i64>().unwrap()), json!("490.50"));
    golden.add(
        "refund, the rest",
        &served.post("/api/v1/kaspi/refund", &rest).await,
    );
    let more = refund(&json!(other_id), json!(0.01));
    golden.add(
        "refund, more than is left",
        &served.post("/api/v1/kaspi/refund", &more).await,
    );
    let mut wrong = refund(&json!(other_id), json!(1));
    wrong["organization_bin"] = json!(FLOWERS);
    golden.add(
        "refund, through the other",
        &served.post("/api/v1/kaspi/refund", &wrong).await,
    );
    insta::assert_snapshot!(golden.finish());

    let payments = served.scene.sandbox.payments();
    let bins: Vec<&str> = payments.iter().map(|row| row["bin"].as_str().unwrap()).collect();
    assert_eq!(bins, [FLOWERS, GIFTS]);
    assert_eq!(payments[1]["refunded"], "990.50");
    assert_eq!(served.asked("/payment/return"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_the_old_wrapper() {
    let served = Served::open().await;
    let mut golden = Golden::default();
    let at = |path: &str| format!("/api/v2/paymentkaspi/{path}");

    let created = served
        .get(&at(
            "create/?phone=%2B77000000001&amount=1500.0&message=%D0%97%D0%B0%D0%BA%D0%B0%D0%B7+17",
        ))
        .await;
    let id = created.json()["data"]["externalId"].as_i64().unwrap();
    golden.name(id, "ID");
    golden.add("create, without an organisation", &created);
    let token = device_token(&served, GIFTS);
    let named = served
        .get(&at(&format!(
            "create?phone=87000000002&amount=100&message=Order+18&organizationBin={GIFTS}&deviceToken={token}&access_token=ignored"
        )))
        .await;
    let other = named.json()["data"]["externalId"].as_i64().unwrap();
    golden.name(other, "OTHER");
    golden.add("create, with organisation and device token", &named);
    golden.add(
        "status",
        &served.get(&at(&format!("status/?externalId={id}"))).await,
    );
    served.pay(&id.to_string());
    let refunded = served
        .get(&at(&format!("refund/?externalId={id}&amount=500.0")))
        .await;
    golden.name(
        refunded.json()["data"]["returnOperationId"].as_i64().unwrap(),
        "RETURN",
    );
    golden.add("refund", &refunded);
    golden.add(
        "refund, more than is left",
        &served
            .get(&at(&format!("refund/?externalId={id}&amount=1000.01")))
            .await,
    );
    golden.add(
        "refund of an unpaid payment",
        &served
            .get(&at(&format!(
                "refund/?externalId={other}&amount=1&organizationBin={GIFTS}"
            )))
            .await,
    );
    let link = served
        .get(&at("create-link/?amount=250.0&message=Order+19&deviceToken="))
        .await;
    let linked = link.json();
    golden.name(linked["data"]["paymentLink"].as_str().unwrap(), "LINK");
    golden.name(linked["data"]["paymentId"].as_i64().unwrap(), "LINKED");
    golden.add("create-link", &link);
    golden.add(
        "details, which there never was",
        &served.get(&at("details/")).await,
    );
    insta::assert_snapshot!(golden.finish());

    let payments = served.scene.sandbox.payments();
    assert!(payments[0]["comment"].as_str().unwrap().starts_with("Заказ 17 #"));
    assert_eq!(payments[1]["bin"], GIFTS);
    assert_eq!(payments[2]["external_id"], "Order 19");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_calls() {
    let served = Served::open().await;
    let link = served
        .post(
            "/api/v1/kaspi/link",
            &json!({"amount": 250, "external_id": "order-1"}),
        )
        .await
        .json();
    assert!(
        link["payment_link"]
            .as_str()
            .unwrap()
            .starts_with("https://pay.kaspi.kz/")
    );
    assert_eq!(link["organization_bin"], FLOWERS);
    let qr = served
        .post(
            "/api/v1/kaspi/qr",
            &json!({"amount": "0.01", "organization_bin": GIFTS}),
        )
        .await
        .json();
    assert_eq!(qr["external_id"], qr["payment_id"].as_i64().unwrap().to_string());
    assert!(qr["polling_interval"].as_u64().unwrap() > 0 && !qr["qr_token"].as_str().unwrap().is_empty());

    let order = json!({"phone": "77000000001", "amount": 1500, "message": "Order 17"});
    let id = served.invoice(&[], &order).await;
    let canceled = served
        .post("/api/v1/kaspi/cancel", &json!({"external_id": id}))
        .await
        .json();
    assert_eq!(canceled["status"], "RemotePaymentCanceled");
    let checked = served.get(&format!("/api/v1/kaspi/check/{id}")).await.json();
    assert_eq!(
        (&checked["status"], &checked["state"]),
        (&json!("RemotePaymentCanceled"), &json!("failed"))
    );

    let paid = served
        .invoice(
            &[],
            &json!({"phone": "77000000001", "amount": 100, "message": "Order 18"}),
        )
        .await;
    served.pay(&paid);
    let details = served.get(&format!("/api/v1/kaspi/details/{paid}")).await;
    assert!(
        details
            .body
            .contains(r#""total_amount":100.0,"available_return_amount":100.0"#),
        "{details:?}"
    );
    for client in [
        served
            .post("/api/v1/kaspi/client-info", &json!({"phone": "77000000001"}))
            .await,
        served.get("/api/v1/kaspi/client-info?phone=%2B77000000001").await,
    ] {
        assert!(
            !client.json()["client_name"].as_str().unwrap().is_empty(),
            "{client:?}"
        );
    }

    let merchants = served.get("/api/v1/kaspi/merchants").await.json();
    assert_eq!(merchants["merchants"][1]["bin"], FLOWERS);
    assert_eq!(merchants["merchants"][1]["state"], "ready");

    // the list, a page at a time
    let all = served.get("/api/v1/kaspi/payments").await.json();
    let ids = |page: &Value| -> Vec<String> {
        let rows = page["payments"].as_array().unwrap();
        rows.iter()
            .map(|row| row["external_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&all).len(), 4);
    assert_eq!(all["next"], Value::Null);
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = served
            .get(&format!("/api/v1/kaspi/payments?limit=3{cursor}"))
            .await
            .json();
        paged.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, ids(&all));
    let of_gifts = served
        .get(&format!(
            "/api/v1/kaspi/payments?organization_bin={GIFTS}&kind=qr"
        ))
        .await
        .json();
    assert_eq!(ids(&of_gifts), [qr["external_id"].as_str().unwrap()]);
    let failed = served
        .get("/api/v1/kaspi/payments?state=failed&from=2020-01-01")
        .await
        .json();
    assert_eq!(ids(&failed), [id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poller_is_answered_without_asking_kaspi_each_time() {
    let served = Served::open().await;
    let order = json!({"phone": "77000000001", "amount": 1500, "message": "Order 17"});
    let id = served.invoice(&[], &order).await;
    for _ in 0..20 {
        let reply = served.get(&format!("/api/v1/kaspi/status/{id}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.header("age").unwrap().parse::<u64>().is_ok());
    }
    assert!(
        served.asked("/payment/status/") <= 2,
        "{}",
        served.asked("/payment/status/")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_made_from_the_handlers_and_shown_without_the_internet() {
    let served = Served::open().await;
    let document = served.get("/openapi.json").await.json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for path in paths {
        let methods = document["paths"][path].as_object().unwrap();
        let target = path.replace("{external_id}", "17");
        // a method that is not in the document is not served
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
            let documented = methods.contains_key(&method.to_lowercase());
            let head_of_a_get = method == "HEAD" && methods.contains_key("get") && !path.starts_with("/api/");
            if documented || head_of_a_get {
                continue;
            }
            let reply = served.ask(method, &target, &[], None).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            let allowed: Vec<String> = reply
                .header("allow")
                .unwrap()
                .split(", ")
                .map(str::to_lowercase)
                .collect();
            assert!(
                allowed.iter().all(|method| methods.contains_key(method)),
                "{method} {path}: {allowed:?}"
            );
        }
        // an empty call is answered with a status that the document names
        for (method, operation) in methods {
            // one answer has no end: its head is enough
            let status = if target == EVENTS {
                Stream::open(served.address, "", &[]).await.status
            } else {
                served
                    .ask(&method.to_uppercase(), &target, &[], None)
                    .await
                    .status
            };
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.contains_key(&status.to_string()),
                "{method} {path}: {status} is not documented"
            );
        }
    }
    for (target, kind) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/viewer.js", "text/javascript; charset=utf-8"),
        ("/docs/style.css", "text/css; charset=utf-8"),
    ] {
        let reply = served.get(target).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some(kind)),
            "{target}"
        );
        assert!(
            reply
                .header("content-security-policy")
                .unwrap()
                .contains("default-src 'none'")
        );
        assert!(
            !reply.body.contains("https://"),
            "{target} loads something from elsewhere"
        );
    }
}

/// The device token in a BIN's folder.
pub fn device_token(served: &Served, bin: &str) -> String {
    let file = served.scene.path(&format!("certs/{bin}/merchant.toml"));
    let text = std::fs::read_to_string(file).unwrap();
    let table: toml::Table = text.parse().unwrap();
    table["device_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_knows_bodies_that_are_too_large_and_refusals_with_200() {
    let served = Served::open().await;
    let document = served.get("/openapi.json").await.json();
    let schemas = &document["components"]["schemas"];
    let too_large = format!("\"{}\"", "x".repeat(70_000));
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/") {
            continue;
        }
        let target = path.replace("{external_id}", "17");
        for (method, operation) in methods.as_object().unwrap() {
            let headers = [("content-type", "application/json")];
            let reply = served
                .ask(&method.to_uppercase(), &target, &headers, Some(&too_large))
                .await;
            assert_eq!(reply.status, 413, "{method} {path}");
            for status in ["408", "413"] {
                assert!(
                    operation["responses"][status].is_object(),
                    "{method} {path} {status}"
                );
            }
            if path.starts_with("/api/v2/") {
                let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
                let name = answer.as_str().unwrap().rsplit('/').next().unwrap();
                let forms = schemas[name]["oneOf"].as_array().unwrap();
                let refusal = |form: &&Value| form["$ref"] == "#/components/schemas/WrappedFailure";
                assert_eq!(
                    (forms.len(), forms.iter().filter(refusal).count()),
                    (2, 1),
                    "{path}"
                );
            }
        }
    }
    // `loc` has words, and the number of a byte
    let wrong = served
        .ask(
            "POST",
            "/api/v1/kaspi/create",
            &[("content-type", "application/json")],
            Some("{"),
        )
        .await;
    let place = wrong.json()["detail"][0]["loc"].clone();
    assert!(place[0].is_string() && place[1].is_u64(), "{place}");
    assert_eq!(
        schemas["ComplaintSchema"]["properties"]["loc"]["items"]["$ref"],
        "#/components/schemas/PlaceSchema"
    );
    let forms = schemas["PlaceSchema"]["oneOf"].as_array().unwrap();
    let types: Vec<&Value> = forms.iter().map(|form| &form["type"]).collect();
    assert_eq!(types, ["string", "integer"]);
}
