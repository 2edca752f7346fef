//! Refunds: by the BIN that took the money, never more than there is, never twice for an answer that
//! was lost.

use kaspi_direct::base::{Delivery, Explain, PaymentId};
use kaspi_direct::payments::{Filter, Found, NewRefund, Origin, PaymentSource, Resolution};
use kaspi_direct::sandbox::{CustomerStep, Fault, FaultKind};
use tokio::task::JoinSet;

use super::kit::{FLOWERS, GIFTS, bin, in_time, invoice};
use super::money_kit::{Shop, impatient, keyed, on_both_stores, refund, refund_as, state};

const RETURN: &str = "/r3/v01/payment/return";

on_both_stores!(
    of_fifty_at_once_as_many_succeed_as_there_is_money_for,
    the_bin_that_made_it_pays_back,
    what_cannot_be_paid_back_is_not_asked_for,
    a_payment_from_elsewhere_is_adopted,
    each_fault_has_its_state,
    a_lost_answer_is_settled_by_what_is_left,
    what_stays_unchanged_was_not_made,
    what_does_not_add_up_is_for_a_person,
    a_refund_with_a_key_is_made_once,
    a_lost_cancellation_is_settled_by_the_status,
);

async fn of_fifty_at_once_as_many_succeed_as_there_is_money_for(shop: Shop) {
    let apps = [shop.app(), shop.app()];
    let payment = shop.paid(&apps[0], FLOWERS, "100").await;
    let mut calls = JoinSet::new();
    for number in 0..50 {
        let payments = apps[number % 2].payments().clone();
        calls.spawn(async move {
            payments
                .refund(NewRefund {
                    bin: None,
                    trade_point: None,
                    payment_id: payment,
                    amount: "30".parse().unwrap(),
                    origin: Origin::default(),
                })
                .await
        });
    }
    let outcomes = in_time(calls.join_all()).await;
    let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((made, shop.refunded(payment).as_str()), (3, "90.00"));
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(
            (error.kind(), error.delivery()),
            ("insufficient_funds", Some(Delivery::NotSent)),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("Insufficient funds: 30.00 tenge asked, 10.00 tenge left"),
            "{error}"
        );
    }
    assert_eq!(shop.asked(RETURN), 3);
}

async fn the_bin_that_made_it_pays_back(shop: Shop) {
    let app = shop.app();
    let payment = shop.paid(&app, GIFTS, "100").await;
    let refunded = refund(&app, payment, "40").await.unwrap();
    assert_eq!(refunded.bin, bin(GIFTS));
    assert!(refunded.return_operation_id.is_some() && !refunded.inferred);
    let other = NewRefund {
        bin: Some(bin(FLOWERS)),
        trade_point: None,
        payment_id: payment,
        amount: "1".parse().unwrap(),
        origin: Origin::default(),
    };
    let error = in_time(app.payments().refund(other)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        ("bad_bin", Some(Delivery::NotSent))
    );
    assert_eq!(
        error.to_string(),
        format!("Bad BIN: payment {payment} was made by BIN `{GIFTS}`, not by `{FLOWERS}`")
    );
    assert_eq!(shop.asked(RETURN), 1);
    // reads find the BIN too
    let details = in_time(app.payments().details(None, None, payment))
        .await
        .unwrap();
    assert_eq!(details.available_return_amount.to_string(), "60.00");
    let known = in_time(app.payments().check(None, payment)).await.unwrap();
    assert_eq!(known.bin, bin(GIFTS));
}

async fn what_cannot_be_paid_back_is_not_asked_for(shop: Shop) {
    let app = shop.app();
    let unpaid = in_time(app.payments().create(invoice(FLOWERS)))
        .await
        .unwrap()
        .payment_id;
    let paid = shop.paid(&app, FLOWERS, "100").await;
    let nobodys = PaymentId::new(7).unwrap();
    for (payment, amount, kind) in [
        (unpaid, "1", "not_paid"),
        (paid, "100.01", "insufficient_funds"),
        (nobodys, "1", "payment_unknown"),
    ] {
        let error = refund(&app, payment, amount).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (kind, Some(Delivery::NotSent)),
            "{error}"
        );
    }
    let named = NewRefund {
        bin: Some(bin(FLOWERS)),
        trade_point: None,
        payment_id: nobodys,
        amount: "1".parse().unwrap(),
        origin: Origin::default(),
    };
    let error = in_time(app.payments().refund(named)).await.unwrap_err();
    assert_eq!(error.kind(), "payment_unknown", "{error}");
    assert_eq!(shop.asked(RETURN), 0);
    // what a cashier pays back counts too
    refund(&app, paid, "30").await.unwrap();
    shop.cashier_refunds(paid, "50").await;
    let error = refund(&app, paid, "30").await.unwrap_err();
    assert_eq!(error.kind(), "insufficient_funds");
    assert!(error.to_string().contains("20.00 tenge left"), "{error}");
    assert_eq!(shop.asked(RETURN), 1);
}

async fn a_payment_from_elsewhere_is_adopted(shop: Shop) {
    let app = shop.app();
    // made by a program that keeps other books
    let payment = {
        use kaspi_direct::api::{CreateRemotePayment, MoneyPermit};
        use kaspi_direct::base::OperationId;
        let session = app.api().session(Some(bin(GIFTS))).unwrap();
        let invoice = CreateRemotePayment {
            amount: "100".parse().unwrap(),
            phone: "+7 700 000 00 01".parse().unwrap(),
            comment: "Old order".to_owned(),
        };
        let permit = MoneyPermit::caller_keeps_the_books(OperationId::new());
        in_time(session.create_remote_payment(permit, &invoice))
            .await
            .unwrap()
            .payment_id
    };
    shop.sandbox.customer(payment.get(), CustomerStep::Pay).unwrap();
    let by = |bin_text: Option<&str>| NewRefund {
        bin: bin_text.map(bin),
        trade_point: None,
        payment_id: payment,
        amount: "10".parse().unwrap(),
        origin: Origin::default(),
    };
    let error = in_time(app.payments().refund(by(None))).await.unwrap_err();
    assert_eq!(error.kind(), "payment_unknown");
    let error = in_time(app.payments().refund(by(Some(FLOWERS))))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "bad_bin", "{error}");
    assert!(error.to_string().starts_with("Bad BIN"), "{error}");
    assert!(app.payments().known_payment(payment).await.unwrap().is_none());
    in_time(app.payments().refund(by(Some(GIFTS)))).await.unwrap();
    let known = app.payments().known_payment(payment).await.unwrap().unwrap();
    assert_eq!((known.bin, known.source), (bin(GIFTS), PaymentSource::Adopted));
    // and from now on nobody has to name it
    in_time(app.payments().refund(by(None))).await.unwrap();
    assert_eq!(shop.refunded(payment), "20.00");
}

async fn each_fault_has_its_state(shop: Shop) {
    let app = shop.app();
    for (fault, expected) in [
        (FaultKind::Delay, "accepted"),
        (FaultKind::ResetBeforeCommit, "unknown"),
        (FaultKind::ResetAfterCommit, "unknown"),
        (FaultKind::TlsAlert, "not_sent"),
        (FaultKind::Html502, "unknown"),
        (FaultKind::EmptyBody, "unknown"),
        (FaultKind::TruncatedJson, "unknown"),
        (FaultKind::UnavailableBeforeCommit, "unknown"),
        (FaultKind::UnavailableAfterCommit, "unknown"),
        (FaultKind::RefundRetry, "unknown"),
    ] {
        let mut armed = Fault::new(fault);
        if fault != FaultKind::TlsAlert {
            armed = armed.on("/r3/v01/remote/create");
        }
        shop.sandbox.arm(armed).await;
        let id = match in_time(app.payments().create(invoice(FLOWERS))).await {
            Ok(created) => created.operation_id,
            Err(error) => error.operation().unwrap(),
        };
        assert_eq!(state(&app, id).await, expected, "{fault:?}");
    }
    // not one of them went out twice
    let made = shop.sandbox.payments().len();
    let unknown = app.payments().unknown_operations(&[]).await.unwrap().count;
    assert_eq!((made, unknown), (5, 8));
}

async fn a_lost_answer_is_settled_by_what_is_left(shop: Shop) {
    let app = shop.app();
    let payment = shop.paid(&app, FLOWERS, "100").await;
    shop.sandbox
        .arm(Fault::new(FaultKind::ResetAfterCommit).on(RETURN))
        .await;
    let lost = refund_as(&app, payment, "30", keyed("return-1"))
        .await
        .unwrap_err();
    assert_eq!(lost.delivery(), Some(Delivery::Unknown));
    // nothing more of it until that is settled, in no process
    for app in [&app, &shop.app()] {
        let error = refund(app, payment, "10").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            ("refund_unsettled", Some(Delivery::NotSent))
        );
        assert_eq!(error.operation(), lost.operation());
    }
    assert_eq!(shop.asked(RETURN), 1);
    let report = in_time(app.payments().reconcile()).await.unwrap();
    let [looked] = &report.operations[..] else {
        panic!("{report:?}")
    };
    assert_eq!(
        (looked.found, looked.operation.inferred),
        (Found::Accepted, true),
        "{report:?}"
    );
    let again = refund_as(&app, payment, "30", keyed("return-1")).await.unwrap();
    assert!(again.replayed && again.inferred && again.return_operation_id.is_none());
    refund(&app, payment, "10").await.unwrap();
    assert_eq!(shop.refunded(payment), "40.00");
}

async fn what_stays_unchanged_was_not_made(shop: Shop) {
    let app = shop.app_with(impatient);
    let payment = shop.paid(&app, FLOWERS, "100").await;
    for fault in [FaultKind::UnavailableBeforeCommit, FaultKind::RefundRetry] {
        shop.sandbox.arm(Fault::new(fault).on(RETURN)).await;
        let lost = refund(&app, payment, "30").await.unwrap_err();
        assert_eq!(lost.delivery(), Some(Delivery::Unknown), "{lost}");
        let id = lost.operation().unwrap();
        for expected in [Found::Waits, Found::Waits, Found::NotMade] {
            assert_eq!(state(&app, id).await, "unknown");
            let report = in_time(app.payments().reconcile()).await.unwrap();
            assert_eq!(report.operations[0].found, expected, "{report:?}");
        }
        assert_eq!(state(&app, id).await, "not_made");
    }
    assert_eq!(shop.asked(RETURN), 2, "nothing was sent again");
    refund(&app, payment, "30").await.unwrap();
    assert_eq!(shop.refunded(payment), "30.00");
}

async fn what_does_not_add_up_is_for_a_person(shop: Shop) {
    let app = shop.app_with(impatient);
    let payment = shop.paid(&app, FLOWERS, "100").await;
    shop.sandbox
        .arm(Fault::new(FaultKind::UnavailableBeforeCommit).on(RETURN))
        .await;
    let lost = refund(&app, payment, "30")
        .await
        .unwrap_err()
        .operation()
        .unwrap();
    shop.cashier_refunds(payment, "50").await;
    for _ in 0..4 {
        let report = in_time(app.payments().reconcile()).await.unwrap();
        assert_eq!(report.operations[0].found, Found::Person, "{report:?}");
        assert_eq!(state(&app, lost).await, "unknown");
    }
    let settled = app
        .payments()
        .resolve(lost, Resolution::NotMade, "aigerim@till", "asked the cashier")
        .await
        .unwrap();
    assert_eq!(settled.state.as_str(), "not_made");
    let history = app.payments().history(lost).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!(
        (last.who.as_str(), last.why.as_str()),
        ("aigerim@till", "asked the cashier")
    );
    let error = app
        .payments()
        .resolve(lost, Resolution::NotMade, "aigerim@till", "again")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "not_unknown");
    refund(&app, payment, "50").await.unwrap();
}

async fn a_refund_with_a_key_is_made_once(shop: Shop) {
    let app = shop.app();
    let payment = shop.paid(&app, FLOWERS, "100").await;
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let payments = app.payments().clone();
        calls.spawn(async move {
            payments
                .refund(NewRefund {
                    bin: None,
                    trade_point: None,
                    payment_id: payment,
                    amount: "30".parse().unwrap(),
                    origin: keyed("return-1"),
                })
                .await
                .unwrap()
                .return_operation_id
        });
    }
    let numbers = in_time(calls.join_all()).await;
    assert!(numbers.iter().all(|number| *number == numbers[0]));
    assert_eq!(
        (shop.asked(RETURN), shop.refunded(payment).as_str()),
        (1, "30.00")
    );
    // refused by our rule, so nothing was sent: the same key is judged anew
    let error = refund_as(&app, payment, "90", keyed("return-2"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "insufficient_funds");
    let error = refund_as(&app, payment, "90", keyed("return-2"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "insufficient_funds");
    let page = app.payments().operations(&Filter::default()).await.unwrap();
    let states: Vec<_> = page.items.iter().map(|record| record.state.as_str()).collect();
    assert_eq!(states, ["not_sent", "accepted", "accepted"]);
}

async fn a_lost_cancellation_is_settled_by_the_status(shop: Shop) {
    use kaspi_direct::payments::NewCancel;
    let app = shop.app();
    let unpaid = in_time(app.payments().create(invoice(FLOWERS)))
        .await
        .unwrap()
        .payment_id;
    shop.sandbox
        .arm(Fault::new(FaultKind::ResetAfterCommit).on("/r3/v01/remote/cancel"))
        .await;
    let cancel = NewCancel {
        bin: None,
        trade_point: None,
        payment_id: unpaid,
        origin: Origin::default(),
    };
    let lost = in_time(app.payments().cancel(cancel)).await.unwrap_err();
    assert_eq!(lost.delivery(), Some(Delivery::Unknown));
    let report = in_time(app.payments().reconcile()).await.unwrap();
    assert_eq!(report.operations[0].found, Found::Accepted, "{report:?}");
    let known = app.payments().known_payment(unpaid).await.unwrap().unwrap();
    assert_eq!(known.status.unwrap().as_str(), "RemotePaymentCanceled");
}
