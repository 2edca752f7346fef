//! What is known of payments, and who looks after them.

use super::*;
use crate::api::{PaymentStatus, StatusWord};

on_both! {
    a_final_status_is_never_left,
    money_that_comes_late_is_flagged,
    codes_are_looked_after_by_one_process_at_a_time,
    adopted_payments_do_not_replace_known_ones,
    a_cancelled_invoice_is_final,
}

pub(super) fn says(word: &str) -> PaymentStatus {
    PaymentStatus::of_word(StatusWord::new(word))
}

fn code(number: i64) -> Outcome {
    Outcome::Accepted(Answer::Qr {
        payment_id: number,
        qr_token: "51236118".to_owned(),
        purchase: PurchaseAnswer {
            expire_date: Some("2026-03-01T18:30:00+06:00".to_owned()),
            payment_methods: vec!["Gold".to_owned()],
            interval_s: 0,
            activation_s: 180,
            confirmation_s: 65,
        },
    })
}

fn qr() -> NewOperation {
    NewOperation {
        kind: OperationKind::Qr,
        phone: None,
        ..invoice()
    }
}

async fn a_final_status_is_never_left(place: Place) {
    let journal = place.journal();
    end(&journal, invoice(), made(1)).await;
    let note = |word: &'static str| async {
        journal
            .note_status(payment(1), &says(word), NextLook::Keep)
            .await
            .unwrap()
    };
    let noted = note("RemotePaymentCreated").await;
    assert_eq!((noted.changed, noted.late), (true, false));
    assert!(!note("RemotePaymentCreated").await.changed);
    assert!(
        note("SomethingNew").await.changed,
        "a word that nobody knows is kept as it is"
    );
    assert!(note("Processed").await.changed);
    for word in ["RemotePaymentCreated", "Error", "SomethingNew"] {
        let noted = note(word).await;
        assert_eq!((noted.changed, noted.late), (false, false), "{word}");
        assert_eq!(noted.payment.unwrap().status.unwrap().as_str(), "Processed");
    }
    let unknown = journal
        .note_status(payment(2), &says("Processed"), NextLook::Keep)
        .await
        .unwrap();
    assert_eq!(
        unknown,
        Noted {
            payment: None,
            changed: false,
            late: false
        }
    );
}

async fn money_that_comes_late_is_flagged(place: Place) {
    let journal = place.journal();
    for number in 1..=2 {
        end(&journal, qr(), code(number)).await;
        journal
            .note_status(
                payment(number),
                &says("QrTokenCreated"),
                NextLook::In(Duration::from_secs(5)),
            )
            .await
            .unwrap();
    }
    // given up here, and paid afterwards
    journal
        .note_status(payment(1), &says("Wait"), NextLook::Never)
        .await
        .unwrap();
    let noted = journal
        .note_status(payment(1), &says("Processed"), NextLook::Keep)
        .await
        .unwrap();
    assert_eq!((noted.changed, noted.late), (true, true));
    assert_eq!(noted.payment.unwrap().status.unwrap().as_str(), "Processed");
    assert!(
        !journal
            .note_status(payment(1), &says("Processed"), NextLook::Keep)
            .await
            .unwrap()
            .late,
        "told once"
    );
    // failed, and paid afterwards: the word stays, the flag tells
    journal
        .note_status(payment(2), &says("Expired"), NextLook::Never)
        .await
        .unwrap();
    let noted = journal
        .note_status(payment(2), &says("Processed"), NextLook::Keep)
        .await
        .unwrap();
    assert_eq!((noted.changed, noted.late), (false, true));
    let late = PaymentFilter {
        late: true,
        ..PaymentFilter::default()
    };
    assert_eq!(journal.payments(&late).await.unwrap().items.len(), 2);
}

async fn codes_are_looked_after_by_one_process_at_a_time(place: Place) {
    let (one, other) = (place.journal(), place.journal());
    for number in 1..=8 {
        end(&one, qr(), code(number)).await;
    }
    end(&one, invoice(), made(9)).await;
    let (mine, theirs) = tokio::join!(one.due_looks(false, 5), other.due_looks(false, 5));
    let (mine, theirs) = (mine.unwrap(), theirs.unwrap());
    let rest = one.due_looks(false, 5).await.unwrap();
    let mut seen: Vec<_> = mine
        .iter()
        .chain(&theirs)
        .chain(&rest)
        .map(|due| due.payment.payment_id)
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(
        (seen.len(), mine.len() + theirs.len() + rest.len()),
        (8, 8),
        "each is taken once, invoices never"
    );
    assert_eq!(mine[0].payment.watch.unwrap().activation_s, 180);
    assert!(mine[0].payment.expires_at.is_some());

    let id = mine[0].payment.payment_id;
    one.note_status(id, &says("QrTokenScanned"), NextLook::In(Duration::ZERO))
        .await
        .unwrap();
    let again = other.due_looks(false, 5).await.unwrap();
    assert_eq!(
        again.iter().map(|due| due.payment.payment_id).collect::<Vec<_>>(),
        [id]
    );
    assert!(again[0].activated.is_some(), "the scan is remembered");
    other
        .note_status(id, &says("Processed"), NextLook::In(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(
        other.due_looks(false, 5).await.unwrap().len(),
        0,
        "nothing follows a final word"
    );

    let taken = theirs.len();
    drop(other);
    let mut free = 0;
    while free < taken {
        one.settle_orphans().await.unwrap();
        free += one.due_looks(false, 10).await.unwrap().len();
        tokio::task::yield_now().await;
    }
}

async fn adopted_payments_do_not_replace_known_ones(place: Place) {
    let journal = place.journal();
    end(&journal, invoice(), made(1)).await;
    let adopt = |number, by: &str, source| NewKnownPayment {
        payment_id: payment(number),
        bin: bin(by),
        trade_point: None,
        amount: None,
        source,
        created_at: None,
    };
    let stand = journal
        .add_payments(vec![
            adopt(1, GIFTS, PaymentSource::Adopted),
            adopt(2, GIFTS, PaymentSource::Imported),
        ])
        .await
        .unwrap();
    let found: Vec<_> = stand.iter().map(|known| (known.bin, known.source)).collect();
    assert_eq!(
        found,
        [
            (bin(FLOWERS), PaymentSource::Made),
            (bin(GIFTS), PaymentSource::Imported)
        ]
    );
    assert_eq!(journal.payment(payment(3)).await.unwrap(), None);
    let of_gifts = PaymentFilter {
        bins: vec![bin(GIFTS)],
        ..PaymentFilter::default()
    };
    assert_eq!(journal.payments(&of_gifts).await.unwrap().items, stand[1..]);
}

async fn a_cancelled_invoice_is_final(place: Place) {
    let journal = place.journal();
    end(&journal, invoice(), made(1)).await;
    let cancel = NewOperation {
        kind: OperationKind::Cancel,
        payment_id: Some(payment(1)),
        amount: None,
        ..invoice()
    };
    let answer = Answer::Cancel {
        status: "RemotePaymentCanceled".to_owned(),
    };
    let done = end(&journal, cancel, Outcome::Accepted(answer)).await;
    assert_eq!(done.payment_id, Some(payment(1)));
    let known = journal.payment(payment(1)).await.unwrap().unwrap();
    assert_eq!(known.status.unwrap().as_str(), "RemotePaymentCanceled");
    assert_verified(&journal).await;
}
