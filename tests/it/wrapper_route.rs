//! BINs that have not moved yet: their calls go through the old wrapper, are written down as such, and
//! what it does not tell is settled by Kaspi itself where that is possible.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use kaspi_direct::app::App;
use kaspi_direct::base::{Delivery, Explain, PaymentId};
use kaspi_direct::payments::{
    Error, NewPayment, NewPurchase, NewRefund, OperationRoute, OperationState, Origin,
};
use kaspi_direct::sandbox::CustomerStep;
use serde_json::json;
use tokio::sync::Notify;

use super::kit::{FLOWERS, GIFTS, bin, in_time, invoice, told};
use super::money_kit::{Books, Shop, keyed, refund};
use super::server::{Act, Auth, Server, Setup};

const ACCESS: &str = "old-token";

/// A shop of which the flowers still go through the wrapper, and the gifts have moved.
struct Moving {
    shop: Shop,
    wrapper: Server,
}

impl Moving {
    async fn start() -> Self {
        let shop = Shop::open(Books::Sqlite).await.unwrap();
        let setup = Setup {
            auth: Auth::None,
            ..Setup::of(&shop.operator.authority)
        };
        let wrapper = Server::start(&shop.operator.authority, setup).await;
        let moving = Self { shop, wrapper };
        moving.shop.operator.write("wrapper.token", format!("{ACCESS}\n"));
        moving.configure(&format!("https://{}/api", moving.wrapper.address), "");
        moving.route(FLOWERS, "wrapper");
        moving
    }

    fn configure(&self, base_url: &str, more: &str) {
        let section = format!(
            "[wrapper]\nbase_url = \"{base_url}\"\ntoken_file = \"wrapper.token\"\nextra_ca_file = \"kbs_chain.pem\"\n{more}"
        );
        self.shop
            .operator
            .configure(self.shop.sandbox.address(), &section);
    }

    fn route(&self, bin: &str, route: &str) {
        self.shop.operator.describe(bin, &format!("route = \"{route}\""));
    }

    fn will(&self, answers: &[&str]) {
        self.wrapper
            .will(answers.iter().map(|body| Act::Answer(200, (*body).to_owned())));
    }

    /// What the wrapper was asked, without the query.
    fn asked(&self) -> Vec<String> {
        let seen = self.wrapper.seen();
        let path = |target: &str| target.split('?').next().unwrap().to_owned();
        seen.requests
            .iter()
            .map(|request| path(&request.target))
            .collect()
    }

    /// A payment of the flowers, made at the bank and paid.
    async fn paid(&self, amount: &str) -> PaymentId {
        self.route(FLOWERS, "direct");
        let payment = self.shop.paid(&self.shop.app(), FLOWERS, amount).await;
        self.route(FLOWERS, "wrapper");
        payment
    }

    /// The old wrapper's own call to the bank.
    async fn bank_pays_back(&self, payment: PaymentId, amount: &str) {
        let stream = tokio::net::TcpStream::connect(self.shop.sandbox.control_address())
            .await
            .unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::post(format!("/payments/{payment}/refund"))
            .header("host", "localhost")
            .body(Full::new(Bytes::from(json!({ "amount": amount }).to_string())))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, 200, "{body:?}");
    }
}

async fn create(app: &App, bin: &str, origin: Origin) -> Result<PaymentId, Error> {
    let new = NewPayment {
        origin,
        ..invoice(bin)
    };
    in_time(app.payments().create(new))
        .await
        .map(|created| created.payment_id)
}

const MADE: &str =
    r#"{"status": true, "data": {"externalId": "12800000774", "status": "Wait"}, "http_code": 200}"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_bin_goes_its_own_way_and_the_books_say_which() {
    let moving = Moving::start().await;
    let app = moving.shop.app();
    moving.will(&[
        MADE,
        r#"{"status": true, "data": {"externalId": 12800000774, "status": "Processed"}}"#,
        r#"{"status": true, "data": {"paymentLink": "https://pay.kaspi.kz/pay/1", "paymentId": 12800000775, "expireDate": "2125-10-22T17:10:50.717+05:00"}}"#,
    ]);
    let carried = in_time(app.payments().create(invoice(FLOWERS))).await.unwrap();
    let direct = in_time(app.payments().create(invoice(GIFTS))).await.unwrap();
    assert_eq!(carried.payment_id.get(), 12_800_000_774);
    assert_eq!(moving.asked(), ["/api/create/"]);
    assert_eq!(moving.shop.asked("/remote/create"), 1);
    let target = &moving.wrapper.seen().requests[0].target;
    // A person finds a lost one by it in the Kaspi Pay app.
    assert!(
        target.contains(&format!("%20%23{}", carried.operation_id.short())),
        "{target}"
    );
    assert!(target.contains(&format!("organizationBin={FLOWERS}")), "{target}");

    for (operation, route) in [
        (carried.operation_id, OperationRoute::Wrapper),
        (direct.operation_id, OperationRoute::Direct),
    ] {
        let record = app.payments().operation(operation).await.unwrap().unwrap();
        assert_eq!((record.route, record.state), (route, OperationState::Accepted));
        assert!(!format!("{record:?}").contains(ACCESS));
    }
    let status = in_time(app.payments().check(None, carried.payment_id))
        .await
        .unwrap();
    assert_eq!(
        (status.bin, status.status.status.as_str()),
        (bin(FLOWERS), "Processed")
    );
    let purchase = |bin_text: &str| NewPurchase {
        bin: Some(bin(bin_text)),
        trade_point: None,
        amount: "990".parse().unwrap(),
        external_id: Some("order-17".parse().unwrap()),
        origin: Origin::default(),
    };
    let link = in_time(app.payments().create_link(purchase(FLOWERS)))
        .await
        .unwrap();
    assert_eq!(link.link.payment_link, "https://pay.kaspi.kz/pay/1");
    assert_eq!(
        moving.asked(),
        ["/api/create/", "/api/status/", "/api/create-link/"]
    );
    // The old contract has no QR codes.
    let refused = told(in_time(app.payments().create_qr(purchase(FLOWERS))).await);
    assert_eq!(refused, ("not_direct", Delivery::NotSent));
    assert_eq!(moving.asked().len(), 3);
    assert_eq!(moving.shop.asked("/qr/"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_to_a_create_is_unknown_and_never_asked_again() {
    let moving = Moving::start().await;
    let app = moving.shop.app();
    moving.will(&["", MADE]);
    let first = create(&app, FLOWERS, keyed("order-1")).await;
    assert_eq!(told(first), ("wrapper_empty", Delivery::Unknown));
    let again = create(&app, FLOWERS, keyed("order-1")).await;
    assert_eq!(told(again), ("unknown_outcome", Delivery::Unknown));
    assert_eq!(moving.asked(), ["/api/create/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_to_a_refund_is_settled_by_what_is_left() {
    let moving = Moving::start().await;
    let payment = moving.paid("100").await;
    let app = moving.shop.app();

    let gate = Arc::new(Notify::new());
    moving.wrapper.will([Act::Held(Arc::clone(&gate), String::new())]);
    let asked = NewRefund {
        bin: None,
        trade_point: None,
        payment_id: payment,
        amount: "30".parse().unwrap(),
        origin: keyed("refund-1"),
    };
    let payments = app.payments().clone();
    let running = tokio::spawn({
        let asked = asked.clone();
        async move { payments.refund(asked).await }
    });
    moving.wrapper.until(|seen| !seen.requests.is_empty()).await;
    moving.bank_pays_back(payment, "30").await;
    gate.notify_one();
    let done = in_time(running).await.unwrap().unwrap();
    assert!(done.inferred && !done.replayed);
    assert_eq!(done.return_operation_id, None);
    let again = in_time(app.payments().refund(asked)).await.unwrap();
    assert!(again.replayed && again.operation_id == done.operation_id);
    assert_eq!(moving.asked(), ["/api/refund/"]);
    assert_eq!(moving.shop.refunded(payment), "30.00");

    // Empty, and nothing has happened as far as the bank shows: open, and nothing more goes out.
    moving.will(&[""]);
    let open = refund(&app, payment, "20").await;
    assert_eq!(told(open), ("wrapper_empty", Delivery::Unknown));
    let next = refund(&app, payment, "20").await;
    assert_eq!(told(next), ("refund_unsettled", Delivery::NotSent));
    assert_eq!(moving.asked(), ["/api/refund/", "/api/refund/"]);
    assert_eq!(moving.shop.asked("/payment/return"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_cannot_be_is_refused_before_the_wrapper_is_asked() {
    let moving = Moving::start().await;
    let payment = moving.paid("100").await;
    let app = moving.shop.app();
    let over = refund(&app, payment, "100.01").await;
    assert!(
        over.as_ref()
            .unwrap_err()
            .to_string()
            .contains("Insufficient funds")
    );
    assert_eq!(told(over), ("insufficient_funds", Delivery::NotSent));
    assert_eq!(moving.asked(), Vec::<String>::new());

    moving.will(&[
        r#"{"status": true, "data": {"externalId": "1", "returnOperationId": 77, "refundedAmount": 100.0}}"#,
    ]);
    let done = refund(&app, payment, "100").await.unwrap();
    assert_eq!(done.return_operation_id.map(|number| number.get()), Some(77));
}

/// A key that stands for an operation of the one route does not move to the other with the BIN.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_keeps_the_route_that_it_was_written_down_for() {
    let moving = Moving::start().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    moving.configure(&format!("http://{nobody}/api"), "");
    let lost = create(&moving.shop.app(), FLOWERS, keyed("order-1")).await;
    assert_eq!(told(lost), ("outbound_connect", Delivery::NotSent));

    moving.route(FLOWERS, "direct");
    moving.configure(&format!("https://{}/api", moving.wrapper.address), "");
    let app = moving.shop.app();
    moving.will(&[MADE]);
    let again = create(&app, FLOWERS, keyed("order-1")).await.unwrap();
    assert_eq!(again.get(), 12_800_000_774);
    assert_eq!(moving.asked(), ["/api/create/"]);
    assert_eq!(moving.shop.asked("/remote/create"), 0);
    create(&app, FLOWERS, keyed("order-2")).await.unwrap();
    assert_eq!(moving.shop.asked("/remote/create"), 1);
    assert_eq!(moving.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_compared_and_money_is_not() {
    let moving = Moving::start().await;
    moving.configure(
        &format!("https://{}/api", moving.wrapper.address),
        "compare_reads = true\n",
    );
    let app = moving.shop.app();
    let gifts = create(&app, GIFTS, Origin::default()).await.unwrap();
    assert_eq!(moving.asked(), Vec::<String>::new());
    moving
        .shop
        .sandbox
        .customer(gifts.get(), CustomerStep::Pay)
        .unwrap();
    moving.will(&[r#"{"status": true, "data": {"externalId": 1, "status": "Wait"}}"#]);
    let status = in_time(app.payments().check(None, gifts)).await.unwrap();
    // The answer is the route's own, whatever the other says.
    assert_eq!(status.status.status.as_str(), "Processed");
    let seen = moving.wrapper.until(|seen| seen.answers == 1).await;
    assert!(seen.requests[0].target.starts_with("/api/status/?"));
    assert_eq!(moving.shop.asked("/payment/status"), 1);
}

/// Failures of the wrapper are told like any other, without its address.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_names_the_wrapper_and_nothing_secret() {
    let moving = Moving::start().await;
    let app = moving.shop.app();
    moving.will(&[r#"{"status": false, "data": {"errors": {"-1404": "нет клиента old-token"}}}"#]);
    let error = create(&app, FLOWERS, Origin::default()).await.unwrap_err();
    let all = format!("{error} {error:?} {:?}", error.hint());
    assert!(!all.contains(ACCESS) && all.contains("old wrapper"), "{all}");
    assert_eq!(error.code(), Some(-1404));
    assert_eq!(told::<()>(Err(error)), ("client_not_found", Delivery::Refused));
}
