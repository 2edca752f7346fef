//! Connections are kept, dropped when idle, resumed, and outlive a caller who hangs up.

use std::sync::Arc;

use kaspi_direct::base::{Explain, PaymentId, TradePointId};
use tokio::sync::Notify;

use super::kit::{FLOWERS, Operator, bin, create, in_time, invoice, trade_point};
use super::server::{Act, Server, Setup, as_kaspi};

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_many_calls() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        let server = Server::start(&operator.authority, setup.clone()).await;
        let app = operator.open(server.address, "");
        for number in 1..=20 {
            create(&app, FLOWERS).await.unwrap();
            let payment = PaymentId::new(number).unwrap();
            in_time(app.payments().status(Some(bin(FLOWERS)), payment))
                .await
                .unwrap();
        }
        let seen = server.seen();
        assert_eq!(seen.requests.len(), 40);
        // over HTTP/1.1 a call may begin before the connection of the one before is back in the pool
        let most = if setup.http2 { 1 } else { 4 };
        assert!(seen.accepted <= most, "{}: {}", setup.name(), seen.accepted);
        let version = format!("{:?}", seen.handshakes[0].version);
        assert_eq!(version, if setup.tls13 { "TLSv1_3" } else { "TLSv1_2" });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_dropped_and_the_next_one_resumes_its_session() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        let server = Server::start(&operator.authority, setup.clone()).await;
        let app = operator.open(server.address, "idle_timeout = \"200ms\"");
        for number in 1..=3 {
            create(&app, FLOWERS).await.unwrap();
            // nobody but us ends it
            server.until(|seen| seen.ended == number).await;
        }
        let seen = server.seen();
        let resumed: Vec<bool> = seen
            .handshakes
            .iter()
            .map(|handshake| handshake.resumed)
            .collect();
        assert_eq!(resumed, [false, true, true], "{}", setup.name());
        assert!(
            seen.handshakes
                .iter()
                .all(|handshake| handshake.certificate == seen.handshakes[0].certificate),
            "{}",
            setup.name()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_app_closes_its_connections() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        let server = Server::start(&operator.authority, setup.clone()).await;
        let app = operator.open(server.address, "");
        create(&app, FLOWERS).await.unwrap();
        assert_eq!(server.seen().ended, 0);
        drop(app);
        server.until(|seen| seen.ended == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_abandons_nothing_that_was_sent() {
    let operator = Operator::of_two();
    for setup in Setup::all(&operator.authority) {
        let server = Server::start(&operator.authority, setup.clone()).await;
        let app = operator.open(server.address, "");
        let gate = Arc::new(Notify::new());
        server.will([Act::Held(Arc::clone(&gate), as_kaspi("/remote/create"))]);
        let payments = app.payments().clone();
        let caller = tokio::spawn(async move { payments.create(invoice(FLOWERS)).await });
        server.until(|seen| seen.requests.len() == 1).await;
        caller.abort();
        assert!(in_time(caller).await.unwrap_err().is_cancelled());

        gate.notify_one();
        let seen = server.until(|seen| seen.answers == 1).await;
        assert_eq!((seen.ended, seen.goodbyes), (0, 0), "{}", setup.name());
        // and the connection is as good as before
        create(&app, FLOWERS).await.unwrap();
        // the server counts an answer once it is written, which may be after we have read it
        let seen = server.until(|seen| seen.answers == 2).await;
        assert_eq!(seen.ended, 0, "{}", setup.name());
    }
}

/// The operation itself goes on, too: what Kaspi did for it stands in the books.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_outlives_even_the_app() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let gate = Arc::new(Notify::new());
    server.will([Act::Held(Arc::clone(&gate), as_kaspi("/remote/create"))]);
    {
        let payments = app.payments().clone();
        let caller = tokio::spawn(async move { payments.create(invoice(FLOWERS)).await });
        server.until(|seen| seen.requests.len() == 1).await;
        caller.abort();
        assert!(in_time(caller).await.unwrap_err().is_cancelled());
    }
    drop(app);
    gate.notify_one();
    // answered whole on a connection that was open until then, and ended by us once nothing held it
    let seen = server.until(|seen| seen.ended == 1).await;
    assert_eq!((seen.answers, seen.accepted), (1, 1));
}

/// The bank counts devices; one that is named and the same one by default are not two.
#[tokio::test(flavor = "multi_thread")]
async fn client_info_is_counted_for_each_device_however_it_is_named() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let phone = invoice(FLOWERS).phone;
    let by_default = app.api().session(Some(bin(FLOWERS))).unwrap();
    let point = TradePointId::new(trade_point(FLOWERS)).unwrap();
    let by_name = app.api().session(Some(bin(FLOWERS))).unwrap().at(point).unwrap();
    for _ in 0..25 {
        in_time(by_default.client_info(phone)).await.unwrap();
        in_time(by_name.client_info(phone)).await.unwrap();
    }
    let error = in_time(by_name.client_info(phone)).await.unwrap_err();
    assert_eq!(error.kind(), "too_often");
    assert_eq!(server.seen().requests.len(), 50);
}

/// The bank counts what it answers badly, too: repeats come out of the same allowance.
#[tokio::test(flavor = "multi_thread")]
async fn repeats_of_client_info_are_counted() {
    let operator = Operator::of_two();
    let server = Server::start(&operator.authority, Setup::of(&operator.authority)).await;
    let app = operator.open(server.address, "");
    let phone = invoice(FLOWERS).phone;
    let session = app.api().session(Some(bin(FLOWERS))).unwrap();
    let page = Act::Answer(502, "<html>Bad gateway</html>".to_owned());
    server.will(vec![page.clone(); 3]);
    assert_eq!(
        in_time(session.client_info(phone)).await.unwrap_err().kind(),
        "html_answer"
    );
    for _ in 0..46 {
        in_time(session.client_info(phone)).await.unwrap();
    }
    // one is left: it fails, and is not tried again
    server.will([page]);
    assert_eq!(
        in_time(session.client_info(phone)).await.unwrap_err().kind(),
        "html_answer"
    );
    assert_eq!(
        in_time(session.client_info(phone)).await.unwrap_err().kind(),
        "too_often"
    );
    assert_eq!(server.seen().requests.len(), 50);
}
