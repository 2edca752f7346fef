//! One key, one operation: at the same time, again, after a restart, and whatever became of the first.

use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Delivery, Explain};
use kaspi_direct::payments::{NewPayment, NewPurchase, Origin};
use kaspi_direct::sandbox::{CustomerStep, Fault, FaultKind};
use tokio::task::JoinSet;

use super::kit::{FLOWERS, GIFTS, bin, in_time, invoice};
use super::money_kit::{Shop, create_as, derived, keyed, of_caller, on_both_stores, refund_as, state};

const CREATE: &str = "/r3/v01/remote/create";

on_both_stores!(
    fifty_at_once_are_one_request,
    the_first_answer_again_after_a_restart,
    another_request_with_the_same_key_is_a_conflict,
    what_was_not_sent_is_sent_anew_by_one,
    what_is_unknown_stays_unknown,
    a_long_first_request_is_in_flight,
    a_caller_who_hangs_up_takes_nothing_with_him,
    codes_and_links_come_again_whole,
    an_old_contract_repeats_itself,
    an_old_contract_whose_answer_nobody_got,
);

async fn fifty_at_once_are_one_request(shop: Shop) {
    // two processes: half the callers wait in the other one
    let apps = [shop.app(), shop.app()];
    shop.sandbox
        .arm(
            Fault::new(FaultKind::Delay)
                .on(CREATE)
                .delayed(Duration::from_millis(300)),
        )
        .await;
    let mut calls = JoinSet::new();
    for number in 0..50 {
        let payments = apps[number % 2].payments().clone();
        calls.spawn(async move {
            let new = NewPayment {
                origin: keyed("order-17"),
                ..invoice(FLOWERS)
            };
            payments.create(new).await.unwrap()
        });
    }
    let answers = in_time(calls.join_all()).await;
    assert_eq!(shop.asked(CREATE), 1);
    assert_eq!(shop.sandbox.payments().len(), 1);
    let first = &answers[0];
    for answer in &answers {
        assert_eq!(
            (answer.operation_id, answer.payment_id, answer.bin, answer.amount),
            (first.operation_id, first.payment_id, first.bin, first.amount)
        );
    }
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
}

async fn the_first_answer_again_after_a_restart(shop: Shop) {
    let first = create_as(&shop.app(), keyed("order-17")).await.unwrap();
    let again = create_as(&shop.app(), keyed("order-17")).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(
        (first.payment_id, first.operation_id, first.status.as_str()),
        (again.payment_id, again.operation_id, again.status.as_str())
    );
    // keys are each caller's own, and none is no key
    let other = create_as(&shop.app(), of_caller("other-shop", "order-17"))
        .await
        .unwrap();
    let unnamed = create_as(&shop.app(), Origin::default()).await.unwrap();
    assert_ne!(first.payment_id, other.payment_id);
    assert_ne!(first.payment_id, unnamed.payment_id);
    assert_eq!(shop.asked(CREATE), 3);
    // the BIN cannot be served any more: what was answered is told all the same
    std::fs::remove_file(shop.operator.path(format!("certs/{FLOWERS}/private.key"))).unwrap();
    let broken = shop.app();
    assert!(create_as(&broken, keyed("order-17")).await.unwrap().replayed);
    assert!(create_as(&broken, keyed("order-18")).await.is_err());
    assert_eq!(shop.asked(CREATE), 3);
}

async fn another_request_with_the_same_key_is_a_conflict(shop: Shop) {
    let app = shop.app();
    let first = create_as(&app, keyed("order-17")).await.unwrap();
    let first_request = || NewPayment {
        origin: keyed("order-17"),
        ..invoice(FLOWERS)
    };
    for other in [
        NewPayment {
            amount: "1500.51".parse().unwrap(),
            ..first_request()
        },
        NewPayment {
            bin: Some(bin(GIFTS)),
            ..first_request()
        },
        NewPayment {
            phone: "+7 700 000 00 02".parse().unwrap(),
            ..first_request()
        },
        NewPayment {
            message: "Order 18".to_owned(),
            ..first_request()
        },
    ] {
        let error = in_time(app.payments().create(other)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            ("key_conflict", Some(Delivery::NotSent))
        );
        assert_eq!(error.operation(), Some(first.operation_id));
        assert!(!error.to_string().contains("7700000000"), "{error}");
    }
    assert_eq!(shop.asked(CREATE), 1);
}

async fn what_was_not_sent_is_sent_anew_by_one(shop: Shop) {
    let app = shop.app();
    shop.sandbox.arm(Fault::new(FaultKind::TlsAlert)).await;
    let error = create_as(&app, keyed("order-17")).await.unwrap_err();
    assert_eq!(error.delivery(), Some(Delivery::NotSent), "{error}");
    let first = error.operation().unwrap();
    assert_eq!(state(&app, first).await, "not_sent");
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let payments = app.payments().clone();
        calls.spawn(async move {
            let new = NewPayment {
                origin: keyed("order-17"),
                ..invoice(FLOWERS)
            };
            payments.create(new).await.unwrap().payment_id
        });
    }
    let payments = in_time(calls.join_all()).await;
    assert!(payments.iter().all(|payment| *payment == payments[0]));
    assert_eq!(shop.sandbox.payments().len(), 1);
    assert_eq!(state(&app, first).await, "accepted");
}

async fn what_is_unknown_stays_unknown(shop: Shop) {
    let app = shop.app();
    shop.sandbox
        .arm(Fault::new(FaultKind::ResetAfterCommit).on(CREATE))
        .await;
    let first = create_as(&app, keyed("order-17")).await.unwrap_err();
    assert_eq!(first.delivery(), Some(Delivery::Unknown));
    for app in [&app, &shop.app()] {
        let again = create_as(app, keyed("order-17")).await.unwrap_err();
        assert_eq!(
            (again.kind(), again.delivery()),
            ("unknown_outcome", Some(Delivery::Unknown))
        );
        assert_eq!(again.operation(), first.operation());
        assert!(again.is_replay());
        assert!(
            again
                .hint()
                .unwrap()
                .contains(&first.operation().unwrap().short())
        );
    }
    assert_eq!(shop.asked(CREATE), 1);
    let unknown = app.payments().unknown_operations(&[]).await.unwrap();
    assert_eq!(unknown.count, 1);
}

async fn a_long_first_request_is_in_flight(shop: Shop) {
    let app = shop.app_with(|settings| settings.wait = Duration::from_millis(50));
    shop.sandbox
        .arm(
            Fault::new(FaultKind::Delay)
                .on(CREATE)
                .delayed(Duration::from_secs(2)),
        )
        .await;
    let first = tokio::spawn({
        let payments = app.payments().clone();
        async move {
            let new = NewPayment {
                origin: keyed("order-17"),
                ..invoice(FLOWERS)
            };
            payments.create(new).await
        }
    });
    while shop.sandbox.payments().is_empty() {
        tokio::task::yield_now().await;
    }
    let error = create_as(&app, keyed("order-17")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), ("in_flight", None));
    let first = in_time(first).await.unwrap().unwrap();
    assert_eq!(error.operation(), Some(first.operation_id));
    assert_eq!(shop.sandbox.payments().len(), 1);
}

async fn a_caller_who_hangs_up_takes_nothing_with_him(shop: Shop) {
    let app = shop.app();
    shop.sandbox
        .arm(
            Fault::new(FaultKind::Delay)
                .on(CREATE)
                .delayed(Duration::from_millis(200)),
        )
        .await;
    {
        let new = NewPayment {
            origin: keyed("order-17"),
            ..invoice(FLOWERS)
        };
        // begun, and dropped
        let call = app.payments().create(new);
        assert!(tokio::time::timeout(Duration::ZERO, call).await.is_err());
    }
    while shop.sandbox.payments().is_empty() {
        tokio::task::yield_now().await;
    }
    let again = create_as(&app, keyed("order-17")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(shop.asked(CREATE), 1);
}

async fn codes_and_links_come_again_whole(shop: Shop) {
    let purchase = || NewPurchase {
        bin: Some(bin(GIFTS)),
        trade_point: None,
        amount: "990".parse().unwrap(),
        external_id: Some("order-17".parse().unwrap()),
        origin: keyed("order-17"),
    };
    let (app, later) = (shop.app(), shop.app());
    let first = in_time(app.payments().create_qr(purchase())).await.unwrap();
    let again = in_time(later.payments().create_qr(purchase())).await.unwrap();
    assert_eq!((first.qr, first.operation_id), (again.qr, again.operation_id));
    assert!(again.replayed);
    // another kind of operation has keys of its own
    let first = in_time(app.payments().create_link(purchase())).await.unwrap();
    let again = in_time(later.payments().create_link(purchase())).await.unwrap();
    assert_eq!((first.link, first.operation_id), (again.link, again.operation_id));
    assert_eq!(shop.sandbox.payments().len(), 2);
}

const WINDOW: Duration = Duration::from_secs(3600);

async fn echo(app: &App, window: Duration) -> kaspi_direct::payments::CreatedPayment {
    let created = create_as(app, derived(window)).await.unwrap();
    app.payments().delivered(created.operation_id).await.unwrap();
    created
}

async fn an_old_contract_repeats_itself(shop: Shop) {
    let app = shop.app();
    let first = echo(&app, WINDOW).await;
    let again = echo(&app, WINDOW).await;
    assert_eq!(first.payment_id, again.payment_id);
    assert!(again.replayed);
    // paid: the same once more is another order
    shop.sandbox
        .customer(first.payment_id.get(), CustomerStep::Pay)
        .unwrap();
    // another process, which has never heard of it, asks for itself
    let second = echo(&shop.app(), WINDOW).await;
    assert_ne!(first.payment_id, second.payment_id);
    // no window: each is another one
    assert_ne!(echo(&app, Duration::ZERO).await.payment_id, second.payment_id);
    assert_eq!(shop.asked(CREATE), 3);

    let refunded = refund_as(&app, first.payment_id, "100", derived(WINDOW))
        .await
        .unwrap();
    app.payments().delivered(refunded.operation_id).await.unwrap();
    let error = refund_as(&app, first.payment_id, "100", derived(WINDOW))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        ("refund_echo", Some(Delivery::NotSent))
    );
    let number = refunded.return_operation_id.unwrap().to_string();
    assert!(error.to_string().contains(&number), "{error}");
    refund_as(&app, first.payment_id, "100.01", derived(WINDOW))
        .await
        .unwrap();
    assert_eq!(shop.refunded(first.payment_id), "200.01");
}

async fn an_old_contract_whose_answer_nobody_got(shop: Shop) {
    let app = shop.app();
    // the answer was never written: the window does not matter
    let first = create_as(&app, derived(Duration::ZERO)).await.unwrap();
    let again = create_as(&app, derived(Duration::ZERO)).await.unwrap();
    assert_eq!(first.payment_id, again.payment_id);
    app.payments().delivered(first.operation_id).await.unwrap();
    let second = create_as(&app, derived(Duration::ZERO)).await.unwrap();
    assert_ne!(first.payment_id, second.payment_id);
    app.payments().delivered(second.operation_id).await.unwrap();
    // in doubt
    shop.sandbox
        .arm(Fault::new(FaultKind::ResetAfterCommit).on(CREATE))
        .await;
    let lost = create_as(&app, derived(Duration::ZERO)).await.unwrap_err();
    let again = create_as(&app, derived(Duration::ZERO)).await.unwrap_err();
    assert_eq!(again.kind(), "unknown_outcome");
    assert_eq!(lost.operation(), again.operation());
    // a call that names another of the token's BINs, or none, finds it too
    let other_bin = NewPayment {
        origin: derived(Duration::ZERO),
        ..invoice(GIFTS)
    };
    let found = in_time(app.payments().create(other_bin)).await.unwrap_err();
    assert_eq!(lost.operation(), found.operation());
    assert_eq!(shop.asked(CREATE), 3);
}
