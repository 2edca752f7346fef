//! Each call as the documents show it: what leaves is what they show, and what they answer is read.
//!
//! The fixtures come from the documents, not from our types, so that client and sandbox cannot agree
//! on a wrong name. A fixture that no call here uses fails the test.

use kaspi_direct::api::{
    CreateLink, CreateQr, CreateRemotePayment, Emulate, MoneyPermit, RefundPayment, RegisterDevice, Session,
};
use kaspi_direct::base::{Amount, Explain, OperationId, PaymentId, PhoneNumber};
use serde_json::{Value, json};

use super::kit::{Operator, bin, in_time, invoice};
use super::server::{Act, Server, Setup};

const BIN: &str = "991011000048";
const TOKEN: &str = "00000000-0000-4000-8000-000000000001";

fn fixtures() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/kaspi");
    let mut fixtures: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (
                name,
                serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(),
            )
        })
        .collect();
    fixtures.sort_by(|one, other| one.0.cmp(&other.0));
    fixtures
}

fn permit() -> MoneyPermit {
    MoneyPermit::caller_keeps_the_books(OperationId::new())
}

fn payment(number: i64) -> PaymentId {
    PaymentId::new(number).unwrap()
}

fn tenge(text: &str) -> Amount {
    text.parse().unwrap()
}

/// Makes a fixture's call, and checks what was read from its answer.
async fn call(name: &str, session: &Session) {
    let remote = |phone: &str, amount, comment: &str| CreateRemotePayment {
        amount: tenge(amount),
        phone: phone.parse::<PhoneNumber>().unwrap(),
        comment: comment.to_owned(),
    };
    let order = Some("15".parse().unwrap());
    match name {
        "partner_tradepoints" => {
            let points = session.trade_points().await.unwrap();
            let read: Vec<_> = points
                .iter()
                .map(|point| (point.trade_point_id.get(), point.trade_point_name.as_str()))
                .collect();
            assert_eq!(read, [(1, "Магазин 1"), (2, "Магазин 2")]);
        }
        "device_register" => {
            let device = RegisterDevice {
                device_id: "kassa-1".parse().unwrap(),
                trade_point_id: "1".parse().unwrap(),
            };
            let registered = session.register_device(&device).await.unwrap();
            assert_eq!(registered.device_token.expose(), TOKEN);
        }
        "device_delete" => session.delete_device().await.unwrap(),
        "qr_create" => {
            let qr = CreateQr {
                amount: tenge("200"),
                external_id: order,
            };
            let created = session.create_qr(permit(), &qr).await.unwrap();
            assert_eq!(created.payment_id.get(), 15);
            assert_eq!(created.qr_token, "51236900000000000000000000000000000000459");
            assert_eq!(created.payment_methods, ["Gold", "Red", "Loan"]);
            let date = serde_json::to_value(created.expire_date).unwrap();
            assert_eq!(date, "2020-01-16T10:30:00+06:00");
            assert_eq!(created.timing.interval.as_secs(), 5);
            assert_eq!(created.timing.activation.as_secs(), 180);
            assert_eq!(created.timing.confirmation.as_secs(), 65);
        }
        "qr_create_link" | "qr_create_link_live" => {
            let link = CreateLink {
                amount: tenge("200"),
                external_id: order,
            };
            let created = session.create_link(permit(), &link).await.unwrap();
            let (id, tail) = match name {
                "qr_create_link" => (15, "677"),
                _ => (12_800_000_903, "594"),
            };
            assert_eq!(created.payment_id.get(), id);
            assert!(created.payment_link.ends_with(tail));
            assert_eq!(created.timing.activation.as_secs(), 180);
            assert!(created.expire_date.is_some());
        }
        "payment_status_v01" => {
            let status = session.payment_status(payment(35_134_863)).await.unwrap();
            assert_eq!((status.status.as_str(), status.amount), ("Wait", None));
        }
        "payment_status_v02" => {
            let status = session.payment_status(payment(35_134_863)).await.unwrap();
            assert_eq!(status.status.as_str(), "Wait");
            assert_eq!(status.amount.unwrap().tiyn(), 20_000);
            assert_eq!(status.transaction_id.as_deref(), Some("35134863"));
            assert_eq!(status.loan_offer_name.as_deref(), Some("Рассрочка 0-0-12"));
            assert_eq!((status.loan_term, status.is_offer), (Some(12), Some(true)));
            assert_eq!(status.product_type.as_deref(), Some("Loan"));
            assert_eq!(status.store_name.as_deref(), Some("Магазин 1"));
            assert_eq!(status.address.as_deref(), Some("Ауэзова 65"));
            assert_eq!(status.city.as_deref(), Some("Алматы"));
        }
        "payment_status_unknown_id" => {
            let error = session.payment_status(payment(1)).await.unwrap_err();
            assert_eq!(
                (error.code(), error.kaspi_message(), error.kind()),
                (Some(-1601), None, "payment_not_found")
            );
        }
        "payment_details" => {
            let details = session.payment_details(payment(123)).await.unwrap();
            assert_eq!(details.payment_id.get(), 501_020_796);
            assert_eq!(details.total_amount.tiyn(), 1100);
            assert_eq!(details.available_return_amount.tiyn(), 1100);
            let date = serde_json::to_value(details.transaction_date).unwrap();
            assert_eq!(date, "2021-11-03T11:55:14.166+06:00");
        }
        "payment_return" | "payment_return_over_the_rest" => {
            let refund = RefundPayment {
                payment_id: payment(123),
                amount: tenge("200"),
            };
            let done = session.refund(permit(), &refund).await;
            if name == "payment_return" {
                assert_eq!(done.unwrap().return_operation_id.get(), 15);
            } else {
                let error = done.unwrap_err();
                assert_eq!(error.code(), Some(-99_000_005));
                assert_eq!(
                    error.kaspi_message(),
                    Some("Сумма возврата не может превышать сумму покупки")
                );
            }
        }
        "remote_client_info" => {
            let phone = "87000000000".parse().unwrap();
            let info = session.client_info(phone).await.unwrap();
            assert_eq!(info.name.expose(), "ФИО");
        }
        "remote_create" => {
            let created = session
                .create_remote_payment(permit(), &remote("87000000000", "1", "Test"))
                .await
                .unwrap();
            assert_eq!(created.payment_id.get(), 15);
        }
        "remote_create_live" => {
            let created = session
                .create_remote_payment(permit(), &remote("77000000000", "100", "Заказ 1"))
                .await
                .unwrap();
            assert_eq!(created.payment_id.get(), 12_800_000_774);
        }
        "remote_cancel" => {
            let canceled = session
                .cancel_remote_payment(permit(), payment(15))
                .await
                .unwrap();
            assert_eq!(canceled.status.as_str(), "RemotePaymentCanceled");
        }
        "health_ping" => session.ping().await.unwrap(),
        "no_client_certificate" => {
            let error = session.ping().await.unwrap_err();
            assert_eq!(error.code(), Some(-10_000));
        }
        "test_payment_scan" => session.emulate(payment(15), Emulate::Scan).await.unwrap(),
        other => panic!("no call for the fixture `{other}`"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_call_leaves_and_is_answered_as_documented() {
    let operator = Operator::new();
    operator.add(BIN);
    let fixtures = fixtures();
    assert!(fixtures.len() >= 19, "{}", fixtures.len());
    for (name, fixture) in &fixtures {
        assert!(fixture["source"].is_string(), "{name} names no source");
        let path = fixture["path"].as_str().unwrap();
        let short_token = path.contains("deviceToken=321") || fixture["request"]["DeviceToken"] == 321;
        let device_token = if short_token { "321" } else { TOKEN };
        operator.write_for(
            BIN,
            "merchant.toml",
            format!("trade_point_id = 1\ndevice_token = \"{device_token}\"\n"),
        );
        let phone_format = if name.ends_with("live") { "77" } else { "87" };
        let status_version = if path.contains("v02") { "v02" } else { "v01" };
        let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
        let app = operator.open(
            server.address,
            &format!("phone_format = \"{phone_format}\"\nstatus_version = \"{status_version}\""),
        );
        server.will(vec![Act::Answer(200, fixture["response"].to_string()); 3]);
        let session = app.api().session(Some(bin(BIN))).unwrap();
        in_time(call(name, &session)).await;

        let sent = server.seen().requests.remove(0);
        assert_eq!(sent.method, fixture["method"], "{name}");
        // production takes both forms of the path
        assert_eq!(sent.target, path.trim_end_matches('/'), "{name}");
        assert_eq!(sent.header("content-type"), Some("application/json"), "{name}");
        let id = sent.header("x-request-id").unwrap();
        assert_eq!(id.len(), 32, "{name}");
        if sent.method == "GET" {
            assert!(sent.body.is_empty(), "{name}");
        } else if !fixture["request"].is_null() {
            assert_eq!(
                comparable(sent.json()),
                comparable(fixture["request"].clone()),
                "{name}"
            );
        }
    }
}

/// Numbers by their value, and the token as text: its table says a number, production takes text.
fn comparable(mut body: Value) -> Value {
    for (name, value) in body.as_object_mut().unwrap() {
        if name == "DeviceToken"
            && let Some(number) = value.as_i64()
        {
            *value = json!(number.to_string());
        }
        if let Some(number) = value.as_f64() {
            *value = json!(number);
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_phones_and_comments_on_the_wire() {
    let operator = Operator::of_two();
    for (format, phone) in [("77", "77000000001"), ("87", "87000000001")] {
        let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
        let app = operator.open(server.address, &format!("phone_format = \"{format}\""));
        for (amount, written) in [
            ("1", "1.00"),
            ("1500.5", "1500.50"),
            ("0.01", "0.01"),
            ("0.1", "0.10"),
            ("123456789.99", "123456789.99"),
        ] {
            let mut new = invoice(super::kit::FLOWERS);
            new.amount = tenge(amount);
            new.message = "Заказ 17\n🌷".to_owned();
            let created = in_time(app.payments().create(new)).await.unwrap();
            let sent = server.seen().requests.pop().unwrap();
            let text = String::from_utf8(sent.body.clone()).unwrap();
            assert!(text.contains(&format!("\"Amount\":{written},")), "{text}");
            let body = sent.json();
            assert_eq!(body["PhoneNumber"], phone);
            assert_eq!(
                body["Comment"],
                format!("Заказ 17 🌷 #{}", created.operation_id.short())
            );
            assert_eq!(created.operation_id.short().len(), 8);
        }
    }
}
