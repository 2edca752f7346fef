//! A day's books: what they add up to, and what the bank's details say beside them.

use std::sync::Mutex;

use kaspi_direct::base::PaymentId;
use kaspi_direct::payments::{ALMATY, DayBook, ImportedPayment, NewPurchase, Origin, SeriesStep, Tally};
use kaspi_direct::sandbox::{Fault, FaultKind};
use time::{Date, OffsetDateTime};

use super::kit::{FLOWERS, GIFTS, bin, in_time, invoice};
use super::money_kit::{Shop, on_both_stores, refund};

on_both_stores!(a_day_adds_up_in_tiyn, a_day_beside_the_bank_shows_what_differs,);

fn today() -> Date {
    OffsetDateTime::now_utc().to_offset(ALMATY).date()
}

/// From yesterday to tomorrow, for a test that begins before midnight.
fn around(day: Date) -> (Date, Date) {
    (day.previous_day().unwrap(), day.next_day().unwrap())
}

fn sums(tally: Tally) -> (u64, u64) {
    (tally.count, tally.tiyn)
}

async fn a_day_adds_up_in_tiyn(shop: Shop) {
    let app = shop.app();
    let (first, last) = around(today());
    let payments = app.payments();
    let none = payments.daily_books(&[], first, last).await.unwrap();
    assert_eq!(none, []);
    let paid = shop.paid(&app, FLOWERS, "100.01").await;
    shop.paid(&app, FLOWERS, "0.02").await;
    in_time(payments.check(None, paid)).await.unwrap();
    refund(&app, paid, "30.5").await.unwrap();
    let code = NewPurchase {
        bin: Some(bin(GIFTS)),
        trade_point: None,
        amount: "7".parse().unwrap(),
        external_id: None,
        origin: Origin::default(),
    };
    in_time(payments.create_qr(code)).await.unwrap();
    for kind in [FaultKind::ResetAfterCommit, FaultKind::UnavailableBeforeCommit] {
        shop.sandbox
            .arm(Fault::new(kind).on("/r3/v01/remote/create"))
            .await;
        in_time(payments.create(invoice(FLOWERS))).await.unwrap_err();
    }
    let books = payments
        .daily_books(&[bin(FLOWERS), bin(GIFTS)], first, last)
        .await
        .unwrap();
    let [gifts, flowers]: [DayBook; 2] = books.try_into().unwrap();
    assert_eq!((gifts.bin, sums(gifts.qr)), (bin(GIFTS), (1, 700)));
    assert_eq!(sums(flowers.invoices), (2, 10_003));
    assert_eq!(sums(flowers.paid), (1, 10_001));
    assert_eq!(flowers.paid.tenge(), "100.01");
    assert_eq!(sums(flowers.refunded), (1, 3050));
    assert_eq!(sums(flowers.late), (0, 0));
    assert_eq!(flowers.unknown.count + flowers.refused.count, 2, "{flowers:?}");

    let series = payments
        .series(&[bin(FLOWERS)], first, last, SeriesStep::Hour)
        .await
        .unwrap();
    let accepted: u64 = series.points.iter().map(|point| point.outcomes["accepted"]).sum();
    assert_eq!(accepted, 3);
    let made: u64 = series.points.iter().map(|point| point.made.tiyn).sum();
    assert_eq!(made, 10_003);
    let answers: u64 = series.speeds.iter().map(|speed| speed.answers).sum();
    assert_eq!(answers, 3 + flowers.refused.count);
    assert!(
        series.speeds.iter().all(|speed| speed.median_ms <= speed.p95_ms),
        "{:?}",
        series.speeds
    );
    let other = payments
        .series(&[bin(GIFTS)], last, last, SeriesStep::Day)
        .await
        .unwrap();
    assert!(other.points.is_empty(), "{other:?}");
}

async fn a_day_beside_the_bank_shows_what_differs(shop: Shop) {
    let app = shop.app();
    let payments = app.payments();
    let agrees = shop.paid(&app, FLOWERS, "100").await;
    refund(&app, agrees, "30").await.unwrap();
    let by_cashier = shop.paid(&app, FLOWERS, "100").await;
    in_time(payments.check(None, by_cashier)).await.unwrap();
    shop.cashier_refunds(by_cashier, "50").await;
    let unpaid = in_time(payments.create(invoice(FLOWERS))).await.unwrap();
    let other_bins = shop.paid(&app, GIFTS, "20").await;
    let day = payments.known_payment(agrees).await.unwrap().unwrap();
    let day = day.created_at.to_offset(ALMATY).date();
    payments
        .import(&[ImportedPayment {
            payment_id: PaymentId::new(7).unwrap(),
            bin: bin(FLOWERS),
            trade_point: None,
            amount: Some("1".parse().unwrap()),
            created_at: None,
        }])
        .await
        .unwrap();

    let seen = Mutex::new(Vec::new());
    let progress = |done, all| seen.lock().unwrap().push((done, all));
    let found = in_time(payments.compare_day(bin(FLOWERS), day, &progress))
        .await
        .unwrap();
    assert_eq!(
        (found.compared, found.unpaid, found.left_out),
        (3, 1, false),
        "{found:?}"
    );
    assert_eq!(*seen.lock().unwrap(), [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]);
    let [nobodys, cashiers] = &found.differences[..] else {
        panic!("{:?}", found.differences);
    };
    assert_eq!(nobodys.payment_id.get(), 7);
    assert!(nobodys.refunded_by_kaspi.is_none(), "{nobodys:?}");
    assert_eq!(cashiers.payment_id, by_cashier);
    assert_eq!(
        cashiers.refunded_by_kaspi.map(|sum| sum.to_string()).as_deref(),
        Some("50.00")
    );
    assert_eq!(cashiers.refunded_by_journal.to_string(), "0.00");
    // what was found paid on the way is known from then on
    let known = payments.known_payment(agrees).await.unwrap().unwrap();
    assert_eq!(known.status.unwrap().as_str(), "Processed");
    let open = payments.known_payment(unpaid.payment_id).await.unwrap().unwrap();
    assert!(!open.status.unwrap().is_final());
    let gift = payments.known_payment(other_bins).await.unwrap().unwrap();
    assert!(gift.status.is_none(), "{gift:?}");

    // without an answer nothing is claimed
    let mut armed = Fault::new(FaultKind::ResetBeforeCommit).on("/r3/v01/payment/details");
    armed.times = 100;
    shop.sandbox.arm(armed).await;
    let error = in_time(payments.compare_day(bin(FLOWERS), day, &|_, _| {})).await;
    assert!(error.is_err(), "{error:?}");
}
