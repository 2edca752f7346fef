//! Callers who ask again: one invoice, right refunds.

use std::time::Duration;

use kaspi_direct::sandbox::{CustomerStep, Fault, FaultKind};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::gateway_kit::{BOTH, Reply, Served, request, tokens};
use super::kit::{FLOWERS, GIFTS};
use kaspi_direct::gateway::Patience;

const CREATE: &str = "/r3/v01/remote/create";

fn order(message: &str) -> Value {
    json!({"phone": "77000000001", "amount": 1500, "message": message})
}

/// Sends a call and hangs up while Kaspi is at work on it.
async fn hang_up(served: &Served, body: &Value, headers: &[(&str, &str)], path: &str, times: usize) {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    let target = if path.contains("return") {
        "/api/v1/kaspi/refund"
    } else {
        "/api/v1/kaspi/create"
    };
    let bytes = request(served.address, "POST", target, &all, Some(&body.to_string()));
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    served.until_asked(path, times).await;
    drop(stream);
}

async fn slow(served: &Served, path: &str) {
    let fault = Fault::new(FaultKind::Delay)
        .on(path)
        .delayed(Duration::from_millis(600));
    served.scene.sandbox.arm(fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_and_asks_again_gets_one_invoice() {
    // without a window, so that nothing but the lost answer makes it the same call
    let served = Served::with("[gateway]\necho_window = \"0s\"\n", Patience::default()).await;
    slow(&served, CREATE).await;
    hang_up(&served, &order("Order 17"), &[], CREATE, 1).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let reply = served.post("/api/v1/kaspi/create", &order("Order 17")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        ids.push((reply.is_replay(), reply.json()["external_id"].clone()));
    }
    // the first repetition brought the answer; what follows is another order
    assert!(ids[0].0, "{ids:?}");
    assert_eq!((ids[1].0, ids[2].0), (false, false), "{ids:?}");
    assert_eq!(served.asked(CREATE), 3);
    let payments = served.scene.sandbox.payments();
    assert_eq!(payments[0]["payment_id"].to_string(), ids[0].1.as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_window_the_first_answer_is_given_while_it_is_unpaid() {
    let served = Served::open().await;
    let first = served.invoice(&[], &order("Order 17")).await;
    for _ in 0..4 {
        let reply = served.post("/api/v1/kaspi/create", &order("Order 17")).await;
        assert!(reply.is_replay(), "{reply:?}");
        assert_eq!(reply.json()["external_id"], first);
    }
    let other = served.post("/api/v1/kaspi/create", &order("Order 18")).await;
    assert!(!other.is_replay());
    assert_eq!(served.asked(CREATE), 2);

    // paid, which nobody has asked for since: the same words are another order now
    let standing = served.get(&format!("/api/v1/kaspi/status/{first}")).await;
    assert_eq!(standing.json()["status"], "RemotePaymentCreated");
    served.pay(&first);
    let next = served.post("/api/v1/kaspi/create", &order("Order 17")).await;
    assert!(
        !next.is_replay() && next.json()["external_id"] != first.as_str(),
        "{next:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_that_has_failed_is_made_anew_and_one_that_nobody_can_ask_for_is_not() {
    let served = Served::open().await;
    let status = "/payment/status";
    let first = served.invoice(&[], &order("Order 17")).await;
    served
        .scene
        .sandbox
        .customer(first.parse().unwrap(), CustomerStep::Reject)
        .unwrap();
    // no answer to the question: the first one's, rather than a second invoice
    let late = Fault::new(FaultKind::Delay)
        .on("/r3/v02/payment/status/*")
        .delayed(Duration::from_secs(30));
    served.scene.sandbox.arm(late).await;
    let reply = served.post("/api/v1/kaspi/create", &order("Order 17")).await;
    assert!(reply.is_replay(), "{reply:?}");
    assert_eq!(reply.json()["external_id"], first);
    assert_eq!((served.asked(status), served.asked(CREATE)), (1, 1));
    let second = served.invoice(&[], &order("Order 17")).await;
    assert_ne!(second, first);
    assert_eq!((served.asked(status), served.asked(CREATE)), (2, 2));

    // links in the old wrapper's contract likewise
    let link = "/api/v2/paymentkaspi/create-link/?amount=100.0&message=Order+20";
    let number = |reply: &Reply| reply.json()["data"]["paymentId"].to_string();
    let first = served.get(link).await;
    let again = served.get(link).await;
    assert!(!first.is_replay() && again.is_replay(), "{again:?}");
    assert_eq!(number(&first), number(&again));
    served
        .scene
        .sandbox
        .customer(number(&first).parse().unwrap(), CustomerStep::Scan)
        .unwrap();
    served.pay(&number(&first));
    let next = served.get(link).await;
    assert!(!next.is_replay() && number(&next) != number(&first), "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_for_one_bin_is_not_sent_for_another() {
    let served = Served::with(&tokens(), Patience::default()).await;
    let both = [("x-api-key", BOTH)];
    let mut named = order("Order 17");
    named["organization_bin"] = json!(GIFTS);
    served.scene.sandbox.arm(Fault::new(FaultKind::TlsAlert)).await;
    let reply = served.post_with("/api/v1/kaspi/create", &both, &named).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    // callers of today repeat without the BIN when nothing else helps
    let id = served.invoice(&both, &order("Order 17")).await;
    let payments = served.scene.sandbox.payments();
    assert_eq!(
        (payments.len(), &payments[0]["bin"]),
        (1, &json!(GIFTS)),
        "{payments:?}"
    );
    // the journal says the same, so it can be paid back
    served.pay(&id);
    let back = json!({"external_id": id, "amount": 1500});
    let reply = served.post_with("/api/v1/kaspi/refund", &both, &back).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_make_one_invoice() {
    let served = Served::open().await;
    slow(&served, CREATE).await;
    let body = order("Order 17");
    let replies =
        futures_util::future::join_all((0..16).map(|_| served.post("/api/v1/kaspi/create", &body))).await;
    let ids: Vec<String> = replies
        .iter()
        .map(|reply| reply.json()["external_id"].to_string())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(replies.iter().filter(|reply| !reply.is_replay()).count(), 1);
    assert_eq!(served.asked(CREATE), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_names_no_bin_finds_the_first_one_under_any() {
    let served = Served::with(&tokens(), Patience::default()).await;
    let both = [("x-api-key", BOTH)];
    let mut named = order("Order 17");
    named["organization_bin"] = json!(GIFTS);
    let first = served.invoice(&both, &named).await;
    let again = served
        .post_with("/api/v1/kaspi/create", &both, &order("Order 17"))
        .await;
    assert_eq!(again.json()["external_id"], first, "{again:?}");
    named["organization_bin"] = json!(FLOWERS);
    assert_ne!(served.invoice(&both, &named).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_are_paid_once() {
    let served = Served::open().await;
    let id = served.invoice(&[], &order("Order 17")).await;
    served.pay(&id);
    let refund = json!({"external_id": id, "amount": 500});

    // hung up: the repetition has the first one's answer
    slow(&served, "/r3/v01/payment/return").await;
    hang_up(&served, &refund, &[], "/payment/return", 1).await;
    let again = served.post("/api/v1/kaspi/refund", &refund).await;
    assert!(again.is_replay(), "{again:?}");
    // answered: a repetition is refused, and names the first return
    let echo = served.post("/api/v1/kaspi/refund", &refund).await;
    assert_eq!(echo.status, 400, "{echo:?}");
    assert!(
        echo.json()["detail"]
            .as_str()
            .unwrap()
            .contains("return operation"),
        "{echo:?}"
    );
    let old = served
        .get(&format!(
            "/api/v2/paymentkaspi/refund/?externalId={id}&amount=500.0"
        ))
        .await;
    assert_eq!(
        (old.status, &old.json()["status"]),
        (200, &json!(false)),
        "{old:?}"
    );
    assert_eq!(served.asked("/payment/return"), 1);
    assert_eq!(served.scene.sandbox.payments()[0]["refunded"], "500.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_told_as_unknown_and_has_been_found_since_is_not_paid_again() {
    // without a window: nothing but the doubt makes it the same call
    let served = Served::with("[gateway]\necho_window = \"0s\"\n", Patience::default()).await;
    let id = served.invoice(&[], &order("Order 17")).await;
    served.pay(&id);
    let lost = Fault::new(FaultKind::ResetAfterCommit).on("/r3/v01/payment/return");
    served.scene.sandbox.arm(lost).await;
    let refund = json!({"external_id": id, "amount": 500});
    let unknown = served.post("/api/v1/kaspi/refund", &refund).await;
    assert_eq!(unknown.status, 504, "{unknown:?}");
    served.app.payments().reconcile().await.unwrap();
    let again = served.post("/api/v1/kaspi/refund", &refund).await;
    assert_eq!((again.status, again.is_replay()), (200, true), "{again:?}");
    assert_eq!(again.json()["refunded_amount"], 500.0);
    assert_eq!(
        again.header("kaspi-operation-id"),
        unknown.header("kaspi-operation-id")
    );
    assert_eq!(served.asked("/payment/return"), 1);
    assert_eq!(served.scene.sandbox.payments()[0]["refunded"], "500.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_stays_one_invoice_in_both_contracts() {
    let served = Served::open().await;
    let fault = Fault::new(FaultKind::ResetAfterCommit).on(CREATE);
    served.scene.sandbox.arm(fault).await;
    for time in 0..4 {
        let reply = served.post("/api/v1/kaspi/create", &order("Order 17")).await;
        assert_eq!((reply.status, reply.is_replay()), (504, time > 0), "{reply:?}");
        assert!(reply.header("kaspi-operation-id").is_some() && reply.header("retry-after").is_none());
    }
    let old = "/api/v2/paymentkaspi/create/?phone=77000000001&amount=1500.0&message=Order+17";
    let reply = served.get(old).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!(false)));
    assert!(
        reply.json()["data"]["errors"]["OUTCOME_UNKNOWN"].is_string(),
        "{reply:?}"
    );
    assert_eq!(
        (served.asked(CREATE), served.scene.sandbox.payments().len()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_is_sent_anew() {
    let served = Served::open().await;
    let refuse = || served.scene.sandbox.arm(Fault::new(FaultKind::TlsAlert));
    refuse().await;
    let reply = served.post("/api/v1/kaspi/create", &order("Order 17")).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(
        served
            .post("/api/v1/kaspi/create", &order("Order 17"))
            .await
            .status,
        200
    );
    assert_eq!(served.scene.sandbox.payments().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_callers_own() {
    let served = Served::open().await;
    let keyed = |key: &'static str| [("idempotency-key", key)];
    for path in ["create", "qr", "link"] {
        let path = format!("/api/v1/kaspi/{path}");
        let body = if path.ends_with("create") {
            order("Order 17")
        } else {
            json!({"amount": 100})
        };
        let first = served.post_with(&path, &keyed("order-17"), &body).await;
        let again = served.post_with(&path, &keyed("order-17"), &body).await;
        assert_eq!((first.status, &first.body), (200, &again.body), "{path}");
        assert_eq!((first.is_replay(), again.is_replay()), (false, true), "{path}");
        let mut other = body.clone();
        other["amount"] = json!(1501);
        assert_eq!(
            served.post_with(&path, &keyed("order-17"), &other).await.status,
            409,
            "{path}"
        );
        let mut other = body.clone();
        other["organization_bin"] = json!(GIFTS);
        assert_eq!(
            served.post_with(&path, &keyed("order-17"), &other).await.status,
            409,
            "{path}"
        );
    }
    // two keys are two orders, whatever they hold; our own calls without a key always are
    let first = served.invoice(&keyed("order-18"), &order("Order")).await;
    assert_ne!(served.invoice(&keyed("order-19"), &order("Order")).await, first);
    let qr = json!({"amount": 5});
    let one = served.post("/api/v1/kaspi/qr", &qr).await.json();
    assert_ne!(
        served.post("/api/v1/kaspi/qr", &qr).await.json()["payment_id"],
        one["payment_id"]
    );
}
