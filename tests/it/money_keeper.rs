//! What a long-running program does by itself, and what another process does once it has died.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaspi_direct::app::App;
use kaspi_direct::base::{Explain, OperationId, PaymentId};
use kaspi_direct::payments::{
    EventFacts, EventFilter, EventKind, NewPurchase, Origin, PaymentFilter, PaymentsSettings, Step, Steps,
};
use kaspi_direct::sandbox::{CustomerStep, Fault, FaultKind};

use super::kit::{FLOWERS, bin, in_time, invoice};
use super::money_kit::{Shop, create_as, impatient, keyed, on_both_stores, refund, state};

on_both_stores!(
    a_code_is_watched_to_its_end_after_a_restart,
    invoices_are_asked_for_only_where_that_is_switched_on,
    a_lost_refund_settles_itself,
    the_steps_come_in_order,
);

fn often(settings: &mut PaymentsSettings) {
    impatient(settings);
    settings.round = Duration::from_millis(50);
}

fn purchase() -> NewPurchase {
    NewPurchase {
        bin: Some(bin(FLOWERS)),
        trade_point: None,
        amount: "990".parse().unwrap(),
        external_id: None,
        origin: Origin::default(),
    }
}

async fn status(app: &App, payment: PaymentId) -> Option<String> {
    let known = app.payments().known_payment(payment).await.unwrap().unwrap();
    known.status.map(|status| status.as_str().to_owned())
}

/// Waits for a status that the journal is to have, without asking Kaspi.
async fn until_status(app: &App, payment: PaymentId, word: &str) {
    in_time(async {
        while status(app, payment).await.as_deref() != Some(word) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

async fn a_code_is_watched_to_its_end_after_a_restart(shop: Shop) {
    let payment = {
        let app = shop.app();
        in_time(app.payments().create_qr(purchase()))
            .await
            .unwrap()
            .qr
            .payment_id
    };
    shop.sandbox.customer(payment.get(), CustomerStep::Pay).unwrap();
    let app = shop.app_with(often);
    let keeper = app.keep_payments();
    until_status(&app, payment, "Processed").await;
    // nothing can follow: nobody asks again
    let asked = shop.asked("/payment/status/");
    in_time(app.payments().reconcile()).await.unwrap();
    keeper.stop().await;
    assert_eq!(shop.asked("/payment/status/"), asked);
    let paid = PaymentFilter {
        states: vec![kaspi_direct::api::PaymentState::Paid],
        ..PaymentFilter::default()
    };
    let page = app.payments().known_payments(&paid).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert!(!page.items[0].late);
}

async fn invoices_are_asked_for_only_where_that_is_switched_on(shop: Shop) {
    let invoice = {
        let app = shop.app_with(often);
        let invoice = in_time(app.payments().create(invoice(FLOWERS)))
            .await
            .unwrap()
            .payment_id;
        let code = in_time(app.payments().create_qr(purchase())).await.unwrap();
        for paid in [invoice, code.qr.payment_id] {
            shop.sandbox.customer(paid.get(), CustomerStep::Pay).unwrap();
        }
        let keeper = app.keep_payments();
        // a code takes as long as a fresh invoice's shortest gap
        until_status(&app, code.qr.payment_id, "Processed").await;
        keeper.stop().await;
        invoice
    };
    let questions = format!("/payment/status/{invoice}");
    assert_eq!(shop.asked(&questions), 0);

    let app = shop.app_with(|settings| {
        often(settings);
        settings.ask_for_invoices = true;
    });
    let keeper = app.keep_payments();
    until_status(&app, invoice, "Processed").await;
    keeper.stop().await;
    assert_eq!(shop.asked(&questions), 1);
    // and whoever listens is told
    let filter = EventFilter {
        kinds: vec![EventKind::PaymentStatusChanged],
        ..EventFilter::default()
    };
    let events = in_time(async {
        loop {
            let events = app.payments().events(&filter).await.unwrap();
            if events.iter().any(|event| event.payment_id == Some(invoice)) {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.payment_id == Some(invoice))
        .collect();
    let [event] = told.as_slice() else {
        panic!("{told:?}")
    };
    let EventFacts::PaymentStatusChanged { to, state, .. } = &event.facts else {
        panic!("{event:?}")
    };
    assert_eq!((to.as_str(), state.as_str()), ("Processed", "paid"));
}

async fn a_lost_refund_settles_itself(shop: Shop) {
    let app = shop.app_with(often);
    let keeper = app.keep_payments();
    let payment = shop.paid(&app, FLOWERS, "100").await;
    for (fault, expected) in [
        (FaultKind::EmptyBody, "accepted"),
        (FaultKind::RefundRetry, "not_made"),
    ] {
        shop.sandbox
            .arm(Fault::new(fault).on("/r3/v01/payment/return"))
            .await;
        let lost = refund(&app, payment, "30")
            .await
            .unwrap_err()
            .operation()
            .unwrap();
        in_time(async {
            while state(&app, lost).await == "unknown" {
                // an impatient one looks again at once
                app.payments().reconcile().await.unwrap();
            }
        })
        .await;
        assert_eq!(state(&app, lost).await, expected);
    }
    keeper.stop().await;
    assert_eq!(shop.refunded(payment), "30.00");
}

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<(Step, OperationId)>>);

impl Steps for Seen {
    fn at(&self, step: Step, operation: OperationId) {
        self.0.lock().unwrap().push((step, operation));
    }
}

async fn the_steps_come_in_order(shop: Shop) {
    let seen = Arc::new(Seen::default());
    let app = shop.app_with(|settings| settings.steps = Some(Arc::clone(&seen) as Arc<dyn Steps>));
    let created = create_as(&app, keyed("order-17")).await.unwrap();
    create_as(&app, keyed("order-17")).await.unwrap();
    let steps = seen.0.lock().unwrap().clone();
    let ours: Vec<Step> = steps
        .iter()
        .filter(|(_, id)| *id == created.operation_id)
        .map(|(step, _)| *step)
        .collect();
    let all = [
        Step::BeforeRow,
        Step::AfterRow,
        Step::BeforeSend,
        Step::AfterSend,
        Step::AfterAnswer,
        Step::AfterOutcome,
    ];
    assert_eq!(ours, all);
    // the repeated one came no further than the look for its key
    assert_eq!(steps.len(), all.len() + 1);
}

/// Keeps the journal's file to itself from the moment at which an answer is there.
#[derive(Debug)]
struct Locker {
    file: std::path::PathBuf,
    held: Arc<Mutex<Option<std::sync::mpsc::Sender<()>>>>,
}

impl Steps for Locker {
    fn at(&self, step: Step, _: OperationId) {
        if step != Step::AfterAnswer {
            return;
        }
        let (locked, is_locked) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let file = self.file.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                use sqlx::{ConnectOptions, Executor};
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(&file)
                    .busy_timeout(Duration::from_secs(30));
                let mut other = options.connect().await.unwrap();
                other.execute("BEGIN IMMEDIATE").await.unwrap();
                locked.send(()).unwrap();
                // until the test lets go of it, or ends
                let _ = released.recv();
                other.execute("ROLLBACK").await.unwrap();
            });
        });
        is_locked.recv().unwrap();
        *self.held.lock().unwrap() = Some(release);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_written_down_is_told_and_written_later() {
    let shop = Shop::open(super::money_kit::Books::Sqlite).await.unwrap();
    let held = Arc::default();
    let steps = Locker {
        file: shop.operator.path("kaspi.db"),
        held: Arc::clone(&held),
    };
    let app = shop.app_with(|settings| settings.steps = Some(Arc::new(steps)));
    app.open_journal().await.unwrap();
    let created = create_as(&app, keyed("order-17")).await.unwrap();
    assert_eq!(state(&app, created.operation_id).await, "sent");
    // the same key in the same process waits for it, and is not sent
    drop(held.lock().unwrap().take());
    let again = create_as(&app, keyed("order-17")).await.unwrap();
    assert_eq!((again.payment_id, again.replayed), (created.payment_id, true));
    assert_eq!(state(&app, created.operation_id).await, "accepted");
    assert_eq!(shop.sandbox.payments().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_no_money_moves_and_reads_go_on() {
    let shop = Shop::open(super::money_kit::Books::Sqlite).await.unwrap();
    let created = in_time(shop.app().payments().create(invoice(FLOWERS)))
        .await
        .unwrap();
    let garbage = shop.operator.write("garbage.db", vec![7_u8; 100_000]);
    for (url, kind) in [
        ("sqlite://gone/kaspi.db".to_owned(), "journal_no_folder"),
        (format!("sqlite://{}", garbage.display()), "journal_corrupt"),
    ] {
        let config = shop
            .operator
            .configure(shop.sandbox.address(), &format!("[journal]\nurl = \"{url}\"\n"));
        let app = App::open(&config, &kaspi_direct::config::Environment::default()).unwrap();
        let before = shop.sandbox.requests().len();
        let error = in_time(app.payments().create(invoice(FLOWERS)))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (kind, Some(kaspi_direct::base::Delivery::NotSent)),
            "{error}"
        );
        assert!(error.hint().is_some());
        assert_eq!(shop.sandbox.requests().len(), before);
        let known = in_time(app.payments().check(Some(bin(FLOWERS)), created.payment_id))
            .await
            .unwrap();
        assert_eq!(known.status.status.as_str(), "RemotePaymentCreated");
        in_time(
            app.payments()
                .details(Some(bin(FLOWERS)), None, created.payment_id),
        )
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_makes_no_journal() {
    let shop = Shop::open(super::money_kit::Books::Sqlite).await.unwrap();
    let app = shop.app();
    let payment = PaymentId::new(15).unwrap();
    let _ = in_time(app.payments().check(Some(bin(FLOWERS)), payment)).await;
    let _ = in_time(app.payments().status(Some(bin(FLOWERS)), payment)).await;
    assert!(app.payments().known_payment(payment).await.unwrap().is_none());
    assert!(!shop.operator.path("kaspi.db").exists());
    in_time(app.payments().create(invoice(FLOWERS))).await.unwrap();
    assert!(shop.operator.path("kaspi.db").exists());
}
