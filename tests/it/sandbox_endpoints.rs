//! Every call of the sandbox against the documented examples and codes.

use std::fs;
use std::path::Path;

use kaspi_direct::sandbox::CustomerStep;
use serde_json::{Value, json};

use crate::sandbox_caller::{
    FLOWER_POINT, FLOWER_TOKEN, FLOWERS, GIFT_TOKEN, GIFTS, Scene, scene, scene_with,
};

/// Each example of the documents gives an answer of the same shape and code.
#[tokio::test]
async fn answers_have_the_documented_shapes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sandbox");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let fixture: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(
            fixture["source"].is_string(),
            "{} names no source",
            path.display()
        );

        let scene = scene().await;
        let id = prepare(&scene, fixture["needs"].as_str()).await;
        let words = [
            ("{bin}", json!(FLOWERS)),
            ("{token}", json!(FLOWER_TOKEN)),
            ("{payment}", json!(id)),
            ("{payment_text}", json!(id.to_string())),
            ("{trade_point}", json!(FLOWER_POINT)),
        ];
        let mut target = fixture["path"].as_str().unwrap().to_owned();
        for (word, value) in &words {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            target = target.replace(word, &text);
        }
        let mut body = fixture["request"].clone();
        if let Some(fields) = body.as_object_mut() {
            for value in fields.values_mut() {
                if let Some((_, real)) = words.iter().find(|(word, _)| value == word) {
                    *value = real.clone();
                }
            }
        }

        let anonymous = fixture["call"] == "no client certificate";
        let identity = (!anonymous).then_some(&scene.flowers);
        let reply = scene
            .connect(identity)
            .await
            .send(
                fixture["method"].as_str().unwrap(),
                &target,
                (!body.is_null()).then_some(body),
            )
            .await
            .unwrap();
        assert_eq!(reply.status, 200, "{}", path.display());
        assert!(reply.content_type.starts_with("application/json"));
        let (answer, expected) = (reply.json(), &fixture["response"]);
        assert_eq!(answer["StatusCode"], expected["StatusCode"], "{}", path.display());
        same_shape(
            &answer["Data"],
            &expected["Data"],
            &format!("{} Data", path.display()),
        );
        assert_eq!(
            answer.get("message").is_some(),
            expected.get("message").is_some(),
            "{}",
            path.display()
        );
        seen += 1;
    }
    assert_eq!(seen, 19);
}

/// Brings about what an example supposes, and gives the payment's id.
async fn prepare(scene: &Scene, needs: Option<&str>) -> i64 {
    match needs {
        None => 0,
        Some("code") => scene.code(200.0).await,
        Some("invoice") => scene.invoice(200.0).await,
        Some("paid") => {
            let id = scene.invoice(200.0).await;
            scene.sandbox.customer(id, CustomerStep::Pay).unwrap();
            id
        }
        Some("paid_loan") => {
            let id = scene.invoice(200.0).await;
            let path = format!("/payments/{id}/pay");
            let (status, _) = scene
                .control("POST", &path, json!({"product_type": "Loan"}))
                .await;
            assert_eq!(status, 200);
            id
        }
        Some(other) => panic!("nothing is known about `{other}`"),
    }
}

/// Same fields, same JSON types; of a list, the first element speaks for all.
fn same_shape(answer: &Value, expected: &Value, place: &str) {
    match (answer, expected) {
        (Value::Object(answer), Value::Object(expected)) => {
            let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(answer), keys(expected), "{place}");
            for (key, value) in expected {
                same_shape(&answer[key], value, &format!("{place}.{key}"));
            }
        }
        (Value::Array(answer), Value::Array(expected)) => {
            assert!(!answer.is_empty(), "{place}");
            same_shape(&answer[0], &expected[0], &format!("{place}[0]"));
        }
        (Value::Number(answer), Value::Number(expected)) => {
            assert_eq!(answer.is_f64(), expected.is_f64(), "{place}");
        }
        _ => assert_eq!(
            std::mem::discriminant(answer),
            std::mem::discriminant(expected),
            "{place}: {answer} for {expected}"
        ),
    }
}

#[tokio::test]
async fn slashes_case_and_text_ids_are_tolerated() {
    let scene = scene().await;
    let answer = scene
        .post(
            "/r3/v01/remote/create/",
            json!({"organizationbin": FLOWERS, "devicetoken": 321, "AMOUNT": 100,
                   "phoneNumber": "+77000000000", "comment": "Заказ 1"}),
        )
        .await;
    assert_eq!(answer["StatusCode"], 0);
    let id = answer["Data"]["QrPaymentId"].as_i64().unwrap();
    assert!(id > 1 << 32);
    assert_eq!(scene.status(id).await, "RemotePaymentCreated");
    scene.sandbox.customer(id, CustomerStep::Pay).unwrap();

    let answer = scene
        .post(
            "/r3/v01/payment/return/",
            json!({"OrganizationBin": FLOWERS, "DeviceToken": 321, "QrPaymentId": id.to_string(), "Amount": 1}),
        )
        .await;
    assert_eq!(answer["StatusCode"], 0);
    let details = scene
        .get(&format!(
            "/r3/v01/payment/details/?qrpaymentid={id}&DEVICETOKEN=flower%2Dtoken"
        ))
        .await;
    assert_eq!(details["Data"]["AvailableReturnAmount"], 99.0);
    assert_eq!(details["Data"]["TotalAmount"], 100.0);
    let date = details["Data"]["TransactionDate"].as_str().unwrap();
    assert_eq!(date.len(), "2021-11-03T11:55:14.166".len(), "{date}");

    let payments = scene.sandbox.payments();
    assert_eq!(payments[0]["comment"], "Заказ 1");
    assert_eq!(payments[0]["phone"], "77000000000");
    assert_eq!(payments[0]["amount"], "100.00");
    assert_eq!(payments[0]["refunded"], "1.00");
}

#[tokio::test]
async fn what_is_no_call_gets_an_http_status() {
    let scene = scene().await;
    let mut caller = scene.connect(Some(&scene.flowers)).await;

    let reply = caller.send("GET", "/r3/v01/nothing", None).await.unwrap();
    assert_eq!(reply.status, 404);
    assert!(reply.content_type.starts_with("text/html"));
    let reply = caller.send("GET", "/r3/v01/remote/create", None).await.unwrap();
    assert_eq!((reply.status, reply.allow.as_deref()), (405, Some("POST")));
    let reply = caller.send("POST", "/r3/v01/health/ping/", None).await.unwrap();
    assert_eq!((reply.status, reply.allow.as_deref()), (405, Some("GET")));

    for body in [
        "",
        "[]",
        "{\"Amount\": }",
        "{\"OrganizationBin\": 891027350515, \"DeviceToken\": \"t\", \"Amount\": 1, \"PhoneNumber\": \"77000000000\"}",
        "{\"OrganizationBin\": \"891027350515\", \"DeviceToken\": \"t\", \"Amount\": \"1\", \"PhoneNumber\": \"77000000000\"}",
        "{\"OrganizationBin\": \"891027350515\", \"DeviceToken\": [], \"Amount\": 1, \"PhoneNumber\": \"77000000000\"}",
        "{\"OrganizationBin\": \"891027350515\", \"DeviceToken\": \"t\", \"Amount\": 1}",
    ] {
        let reply = caller
            .send_text("POST", "/r3/v01/remote/create", body)
            .await
            .unwrap();
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.json()["message"].is_string(), "{body}");
        assert!(reply.json().get("StatusCode").is_none(), "{body}");
    }

    let huge = vec![b' '; 2 * 1024 * 1024];
    let reply = caller.send_text("POST", "/r3/v01/qr/create", huge).await;
    // The answer may be overtaken by the end of a connection whose request is not read to its end.
    assert!(reply.is_err() || reply.unwrap().status == 413);
    assert!(scene.sandbox.payments().is_empty());
}

#[tokio::test]
async fn amounts_are_judged_by_their_text() {
    let scene = scene().await;
    for (path, field) in [
        ("/r3/v01/remote/create", "QrPaymentId"),
        ("/r3/v01/qr/create", "QrPaymentId"),
        ("/r3/v01/qr/create-link", "PaymentId"),
    ] {
        for (amount, code) in [
            ("0", 990_000_028),
            ("-1", 990_000_028),
            ("1.005", 990_000_028),
            ("1e400", 990_000_028),
            ("0.29", 0),
            ("100.10", 0),
        ] {
            let body = format!(
                "{{\"OrganizationBin\": \"{FLOWERS}\", \"DeviceToken\": \"{FLOWER_TOKEN}\", \
                 \"PhoneNumber\": \"87000000000\", \"Amount\": {amount}}}"
            );
            let reply = scene
                .connect(Some(&scene.flowers))
                .await
                .send_text("POST", path, body)
                .await
                .unwrap();
            assert_eq!((reply.status, reply.code()), (200, code), "{path} {amount}");
            assert_eq!(reply.json()["Data"][field].is_i64(), code == 0);
        }
    }
}

#[tokio::test]
async fn a_bin_answers_only_to_a_certificate_that_declares_it() {
    let scene = scene().await;
    let not_registered = "Организация не зарегистрирована в Kaspi Pay";
    let mut gifts = scene.connect(Some(&scene.gifts)).await;

    let reply = gifts
        .send("GET", &format!("/r3/v01/partner/tradepoints/{FLOWERS}"), None)
        .await
        .unwrap();
    assert_eq!(reply.code(), -14_000_001);
    assert_eq!(reply.json()["Message"], not_registered);
    let reply = gifts
        .send(
            "POST",
            "/r3/v01/remote/create",
            Some(
                json!({"OrganizationBin": FLOWERS, "DeviceToken": FLOWER_TOKEN, "Amount": 1,
                        "PhoneNumber": "77000000000"}),
            ),
        )
        .await
        .unwrap();
    assert_eq!(reply.code(), -14_000_001);

    let id = scene.invoice(100.0).await;
    scene.sandbox.customer(id, CustomerStep::Pay).unwrap();
    for path in [
        format!("/r3/v02/payment/status/{id}"),
        format!("/r3/v01/payment/details?QrPaymentId={id}&DeviceToken={FLOWER_TOKEN}"),
        format!("/r3/v01/payment/details?QrPaymentId={id}&DeviceToken={GIFT_TOKEN}"),
    ] {
        let reply = gifts.send("GET", &path, None).await.unwrap();
        assert_eq!(reply.code(), -1601, "{path}");
        assert!(reply.json().get("Data").is_none_or(Value::is_null));
    }
    let reply = gifts
        .send(
            "POST",
            "/r3/v01/payment/return",
            Some(
                json!({"OrganizationBin": GIFTS, "DeviceToken": GIFT_TOKEN, "QrPaymentId": id, "Amount": 1}),
            ),
        )
        .await
        .unwrap();
    assert_eq!(reply.code(), -99_000_003);

    // One certificate that declares both serves both.
    let both = scene.authority.client(&[FLOWERS, GIFTS]).unwrap();
    let mut both = scene.connect(Some(&both)).await;
    for bin in [FLOWERS, GIFTS] {
        let path = format!("/r3/v01/partner/tradepoints/{bin}");
        assert_eq!(both.send("GET", &path, None).await.unwrap().code(), 0);
    }
    // And one that declares nothing serves none.
    let nobody = scene.authority.client(&[]).unwrap();
    let path = format!("/r3/v01/partner/tradepoints/{FLOWERS}");
    let reply = scene
        .connect(Some(&nobody))
        .await
        .send("GET", &path, None)
        .await
        .unwrap();
    assert_eq!(reply.code(), -14_000_001);
}

#[tokio::test]
async fn one_identity_may_act_for_another_bin_by_letter() {
    let scene = scene_with(|options| {
        let gifts = options.merchants.pop().unwrap();
        options.merchants.push(gifts.acting_with(FLOWERS));
    })
    .await;
    let answer = scene.get(&format!("/r3/v01/partner/tradepoints/{GIFTS}")).await;
    assert_eq!(answer["StatusCode"], 0);
}

#[tokio::test]
async fn device_codes() {
    let scene = scene().await;
    let register = |device: &'static str, point: Value| {
        scene.post(
            "/r3/v01/device/register",
            json!({"OrganizationBin": FLOWERS, "DeviceId": device, "TradePointId": point}),
        )
    };
    let first = register("kassa-1", json!(FLOWER_POINT)).await;
    let again = register("kassa-1", json!(FLOWER_POINT.to_string())).await;
    assert_eq!(first["StatusCode"], 0);
    assert_eq!(first["Data"], again["Data"]);
    let code = |answer: Value| answer["StatusCode"].as_i64().unwrap();
    assert_eq!(code(register("kassa-1", json!(385717)).await), -1503);
    assert_eq!(code(register("kassa-2", json!(1)).await), -99_000_002);

    let token = first["Data"]["DeviceToken"].as_str().unwrap();
    let delete = || json!({"OrganizationBin": FLOWERS, "DeviceToken": token});
    assert_eq!(code(scene.post("/r3/v01/device/delete", delete()).await), 0);
    assert_eq!(code(scene.post("/r3/v01/device/delete", delete()).await), -1501);
    let create = |token: &str| {
        scene.post(
            "/r3/v01/qr/create",
            json!({"OrganizationBin": FLOWERS, "DeviceToken": token, "Amount": 1}),
        )
    };
    assert_eq!(code(create(token).await), -1502);
    assert_eq!(code(create("never-known").await), -1501);
    assert_eq!(code(create(GIFT_TOKEN).await), -1501);
}

#[tokio::test]
async fn trade_point_codes() {
    let scene = scene_with(|options| {
        options.merchants[1].trade_points.clear();
    })
    .await;
    let reply = scene
        .connect(Some(&scene.gifts))
        .await
        .send("GET", &format!("/r3/v01/partner/tradepoints/{GIFTS}"), None)
        .await
        .unwrap();
    assert_eq!(reply.code(), -14_000_002);

    let path = format!("/trade-points/{FLOWER_POINT}");
    let create = || async {
        scene
            .post(
                "/r3/v01/qr/create",
                json!({"OrganizationBin": FLOWERS, "DeviceToken": FLOWER_TOKEN, "Amount": 1}),
            )
            .await["StatusCode"]
            .as_i64()
            .unwrap()
    };
    for (change, back, code) in [
        (json!({"enabled": false}), json!({"enabled": true}), 990_000_018),
        (
            json!({"accepts_qr": false}),
            json!({"accepts_qr": true}),
            990_000_026,
        ),
        (
            json!({"payment_methods": []}),
            json!({"payment_methods": ["Gold"]}),
            990_000_033,
        ),
    ] {
        assert_eq!(scene.control("POST", &path, change).await.0, 200);
        assert_eq!(create().await, code);
        assert_eq!(scene.control("POST", &path, back).await.0, 200);
        assert_eq!(create().await, 0);
    }
}

#[tokio::test]
async fn refund_codes() {
    let scene = scene().await;
    let id = scene.invoice(100.0).await;
    assert_eq!(scene.refund(id, json!(1)).await, -99_000_011);
    assert_eq!(scene.refund(1, json!(1)).await, -99_000_001);
    scene.sandbox.customer(id, CustomerStep::Pay).unwrap();

    assert_eq!(scene.refund(id, json!(0)).await, 990_000_028);
    assert_eq!(scene.refund(id, json!(100.01)).await, -99_000_005);
    assert_eq!(scene.refund(id, json!(50)).await, 0);
    assert_eq!(scene.refund(id, json!(50.01)).await, -99_000_005);
    let (status, row) = scene
        .control(
            "POST",
            &format!("/payments/{id}/refund"),
            json!({"amount": "20.00"}),
        )
        .await;
    assert_eq!((status, &row["refunded"]), (200, &json!("70.00")));
    assert_eq!(scene.refund(id, json!(30.01)).await, -99_000_005);
    assert_eq!(scene.refund(id, json!(30)).await, 0);
    assert_eq!(scene.status(id).await, "Processed");

    // Another trade point of the same shop.
    let answer = scene
        .post(
            "/r3/v01/payment/return",
            json!({"OrganizationBin": FLOWERS, "DeviceToken": "stall-token", "QrPaymentId": id, "Amount": 1}),
        )
        .await;
    assert_eq!(answer["StatusCode"], -99_000_003);

    // All or nothing.
    let loan = scene.invoice(100.0).await;
    scene
        .control(
            "POST",
            &format!("/payments/{loan}/pay"),
            json!({"partial_refund": false}),
        )
        .await;
    assert_eq!(scene.refund(loan, json!(99)).await, -99_000_020);
    assert_eq!(scene.refund(loan, json!(100)).await, 0);
}

#[tokio::test]
async fn invoices_can_be_cancelled_until_they_are_paid() {
    let scene = scene().await;
    let cancel = |id: i64| {
        scene.post(
            "/r3/v01/remote/cancel",
            json!({"OrganizationBin": FLOWERS, "DeviceToken": FLOWER_TOKEN, "QrPaymentId": id}),
        )
    };
    let id = scene.invoice(100.0).await;
    let answer = cancel(id).await;
    assert_eq!(answer["Data"]["Status"], "RemotePaymentCanceled");
    assert_eq!(cancel(id).await["StatusCode"], -99_000_001);
    assert_eq!(scene.status(id).await, "RemotePaymentCanceled");

    let paid = scene.invoice(100.0).await;
    scene.sandbox.customer(paid, CustomerStep::Pay).unwrap();
    assert_eq!(cancel(paid).await["StatusCode"], -99_000_001);
    assert_eq!(scene.status(paid).await, "Processed");
    let code = scene.code(100.0).await;
    assert_eq!(cancel(code).await["StatusCode"], -99_000_001);
}

#[tokio::test]
async fn time_ends_what_nobody_pays() {
    let scene = scene().await;
    let (waiting, scanned, invoice) = (
        scene.code(1.0).await,
        scene.code(1.0).await,
        scene.invoice(1.0).await,
    );
    let scan = json!({"qrPaymentId": scanned.to_string()});
    assert_eq!(
        scene.post("/r3/v01/test/payment/scan", scan).await["StatusCode"],
        0
    );
    assert_eq!(scene.status(scanned).await, "Wait");

    let advance = |seconds: u64| scene.control("POST", "/clock/advance", json!({"seconds": seconds}));
    assert_eq!(advance(66).await.0, 200);
    assert_eq!(scene.status(scanned).await, "Error");
    assert_eq!(scene.status(waiting).await, "QrTokenCreated");
    advance(115).await;
    assert_eq!(scene.status(waiting).await, "Error");
    assert_eq!(scene.status(invoice).await, "RemotePaymentCreated");
    advance(86_400).await;
    assert_eq!(scene.status(invoice).await, "Error");
    assert_eq!(scene.refund(invoice, json!(1)).await, -99_000_011);
}

#[tokio::test]
async fn the_test_calls_work_in_turn_only() {
    let scene = scene().await;
    let test = |name: &'static str, id: i64| {
        let path = format!("/r3/v01/test/payment/{name}");
        let scene = &scene;
        async move {
            scene.post(&path, json!({"qrPaymentId": id})).await["StatusCode"]
                .as_i64()
                .unwrap()
        }
    };
    let id = scene.code(1.0).await;
    assert_eq!(test("confirm", id).await, -1601);
    assert_eq!(test("confirmerror", id).await, -1601);
    assert_eq!(test("scan", id).await, 0);
    assert_eq!(test("scanerror", id).await, -1601);
    assert_eq!(test("confirm", id).await, 0);
    assert_eq!(scene.status(id).await, "Processed");

    let id = scene.code(1.0).await;
    assert_eq!(test("scanerror", id).await, 0);
    assert_eq!(scene.status(id).await, "Error");
    let id = scene.code(1.0).await;
    test("scan", id).await;
    assert_eq!(test("confirmerror", id).await, 0);
    assert_eq!(scene.status(id).await, "Error");
    assert_eq!(test("scan", scene.invoice(1.0).await).await, -1601);
}

#[tokio::test]
async fn client_info_has_its_limit() {
    let scene = scene().await;
    let path = format!("/r3/v01/remote/client-info?phoneNumber=%2B77000000000&deviceToken={FLOWER_TOKEN}");
    let mut caller = scene.connect(Some(&scene.flowers)).await;
    for _ in 0..50 {
        assert_eq!(caller.send("GET", &path, None).await.unwrap().code(), 0);
    }
    assert_eq!(caller.send("GET", &path, None).await.unwrap().code(), 990_000_031);
    assert!(scene.sandbox.advance_clock(std::time::Duration::from_secs(60)));
    assert_eq!(caller.send("GET", &path, None).await.unwrap().code(), 0);
    let wrong = format!("/r3/v01/remote/client-info?phoneNumber=123&deviceToken={FLOWER_TOKEN}");
    assert_eq!(caller.send("GET", &wrong, None).await.unwrap().code(), -1404);
    // What a log of requests must not hold.
    let rows = serde_json::to_string(&scene.sandbox.requests()).unwrap();
    assert!(!rows.contains("7000000000") && !rows.contains(FLOWER_TOKEN));
}

#[tokio::test]
async fn nothing_is_deduplicated_and_registering_is_the_exception() {
    let scene = scene().await;
    let body =
        json!({"OrganizationBin": FLOWERS, "DeviceToken": FLOWER_TOKEN, "Amount": 1, "ExternalId": "15"});
    let mut ids = Vec::new();
    for _ in 0..3 {
        let answer = scene.post("/r3/v01/qr/create-link", body.clone()).await;
        ids.push(answer["Data"]["PaymentId"].as_i64().unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn status_versions_differ_in_what_they_tell() {
    let scene = scene().await;
    let id = scene.invoice(12.5).await;
    for (version, keys) in [("v01", 1), ("v02", 10), ("v04", 10)] {
        let answer = scene.get(&format!("/r3/{version}/payment/status/{id}/")).await;
        assert_eq!(answer["Data"].as_object().unwrap().len(), keys, "{version}");
    }
    assert_eq!(
        scene.get(&format!("/r3/v02/payment/status/{id}")).await["Data"]["Amount"],
        12.5
    );
}
