//! One key, one operation.

use super::*;

on_both! {
    a_key_gives_the_first_outcome_again,
    what_was_not_sent_is_taken_up_again,
    callers_and_kinds_have_keys_of_their_own,
    fifty_at_once_are_one,
    a_derived_key_lives_as_long_as_the_outcome_is_in_doubt,
    a_derived_key_is_found_under_any_bin_that_is_named,
    an_answered_request_is_the_same_for_a_moment,
    whoever_asks_for_what_runs_waits_for_its_end,
}

async fn a_key_gives_the_first_outcome_again(place: Place) {
    let journal = place.journal();
    for (key, outcome, state) in [
        ("accepted", made(1001), OperationState::Accepted),
        (
            "refused",
            Outcome::Refused(why("refused")),
            OperationState::Refused,
        ),
        (
            "unknown",
            Outcome::Unknown(why("unknown")),
            OperationState::Unknown,
        ),
    ] {
        let first = end(&journal, invoice().under(key), outcome).await;
        let second = journal.begin(invoice().under(key)).await.unwrap();
        assert_eq!(
            (second.word(), second.record().state),
            ("existing", state),
            "{key}"
        );
        assert_eq!(second.record().id, first.id);
        assert_eq!(second.record().answer, first.answer);
        assert_eq!(second.record().failure, first.failure);
    }
    let other = NewOperation {
        digest: "bb".repeat(32),
        ..invoice()
    };
    let conflict = journal.begin(other.clone().under("accepted")).await.unwrap();
    assert_eq!(conflict.word(), "conflict");

    // and after a restart
    journal.close().await;
    let journal = place.journal();
    assert_eq!(
        journal.begin(invoice().under("accepted")).await.unwrap().word(),
        "existing"
    );
    assert_eq!(
        journal.begin(other.under("accepted")).await.unwrap().word(),
        "conflict"
    );
    assert_eq!(
        journal.operations(&Filter::default()).await.unwrap().items.len(),
        3
    );
    assert_verified(&journal).await;
}

async fn what_was_not_sent_is_taken_up_again(place: Place) {
    let journal = place.journal();
    let first = end(
        &journal,
        invoice().under("key"),
        Outcome::NotSent(why("no_connection")),
    )
    .await;
    assert_eq!(first.failure, Some(why("no_connection")));
    let other = NewOperation {
        digest: "bb".repeat(32),
        ..invoice()
    };
    assert_eq!(
        journal.begin(other.under("key")).await.unwrap().word(),
        "conflict"
    );
    let again = journal.begin(invoice().under("key")).await.unwrap();
    assert_eq!((again.word(), again.record().id), ("again", first.id));
    assert_eq!(again.record().failure, None);
    assert_eq!(
        journal.begin(invoice().under("key")).await.unwrap().word(),
        "existing"
    );
    assert!(journal.sent(first.id, None).await.unwrap());
    journal.finish(first.id, made(7)).await.unwrap();
    let states: Vec<_> = journal
        .history(first.id)
        .await
        .unwrap()
        .iter()
        .map(|step| step.to)
        .collect();
    use OperationState::{Accepted, NotSent, Recorded, Sent};
    assert_eq!(states, [Recorded, Sent, NotSent, Recorded, Sent, Accepted]);
    assert_verified(&journal).await;
}

async fn callers_and_kinds_have_keys_of_their_own(place: Place) {
    let journal = place.journal();
    journal.begin(invoice().under("key")).await.unwrap();
    let other_caller = NewOperation {
        caller: "till".to_owned(),
        ..invoice()
    };
    assert_eq!(
        journal.begin(other_caller.under("key")).await.unwrap().word(),
        "new"
    );
    assert_eq!(journal.begin(refund(5).under("key")).await.unwrap().word(), "new");
    assert_eq!(
        journal.begin(invoice().under("Key")).await.unwrap().word(),
        "new",
        "keys are exact"
    );
    for _ in 0..2 {
        assert_eq!(
            journal.begin(invoice()).await.unwrap().word(),
            "new",
            "without a key nothing is the same"
        );
    }
}

async fn fifty_at_once_are_one(place: Place) {
    let (one, other) = (place.journal(), place.journal());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let journal = if number % 2 == 0 {
            one.clone()
        } else {
            other.clone()
        };
        tasks.spawn(async move { journal.begin(invoice().under("order-17")).await.unwrap() });
    }
    let begun = tasks.join_all().await;
    assert_eq!(begun.iter().filter(|begun| begun.word() == "new").count(), 1);
    assert_eq!(
        begun.iter().filter(|begun| begun.word() == "existing").count(),
        49
    );
    assert_eq!(place.sql("SELECT COUNT(*) FROM operations").await, "1");
    assert_verified(&one).await;
}

async fn a_derived_key_lives_as_long_as_the_outcome_is_in_doubt(place: Place) {
    let journal = place.journal();
    let zero = Duration::ZERO;
    let again = |new: NewOperation| async { journal.begin(new).await.unwrap() };

    // running, and then accepted without its caller hearing of it
    let id = send(&journal, invoice().derived("create", &[FLOWERS], zero)).await;
    assert_eq!(
        again(invoice().derived("create", &[FLOWERS], zero)).await.word(),
        "existing"
    );
    journal.finish(id, made(1)).await.unwrap();
    let found = again(invoice().derived("create", &[FLOWERS], zero)).await;
    assert_eq!(
        (found.word(), found.record().payment_id),
        ("existing", Some(payment(1)))
    );
    journal.delivered(id).await.unwrap();
    assert_eq!(
        again(invoice().derived("create", &[FLOWERS], zero)).await.word(),
        "new",
        "heard, and a window of nothing"
    );

    // unknown stays in doubt although it was told
    let unknown = end(
        &journal,
        refund(5).derived("refund", &[FLOWERS], zero),
        Outcome::Unknown(why("timeout")),
    )
    .await;
    journal.delivered(unknown.id).await.unwrap();
    assert_eq!(
        again(refund(5).derived("refund", &[FLOWERS], zero)).await.word(),
        "existing"
    );
    journal
        .settle(
            unknown.id,
            Resolution::NotMade,
            true,
            "reconcile",
            "details unchanged",
        )
        .await
        .unwrap();
    assert_eq!(
        again(refund(5).derived("refund", &[FLOWERS], zero)).await.word(),
        "new"
    );

    // unknown and told so, then found to have happened: that has been told to nobody
    let new = || refund(7).derived("refund of 7", &[FLOWERS], zero);
    let unknown = end(&journal, new(), Outcome::Unknown(why("timeout"))).await;
    journal.delivered(unknown.id).await.unwrap();
    let accepted = Resolution::Accepted {
        payment_id: None,
        return_operation_id: None,
    };
    journal
        .settle(unknown.id, accepted, true, "reconcile", "less by the amount")
        .await
        .unwrap();
    let found = again(new()).await;
    assert_eq!((found.word(), found.record().id), ("existing", unknown.id));
    journal.delivered(unknown.id).await.unwrap();
    assert_eq!(again(new()).await.word(), "new");

    // under way and told so, likewise
    let new = || invoice().derived("slow", &[FLOWERS], zero);
    let slow = send(&journal, new()).await;
    journal.delivered(slow).await.unwrap();
    journal.finish(slow, made(7)).await.unwrap();
    let found = again(new()).await;
    assert_eq!((found.word(), found.record().id), ("existing", slow));

    // not sent is sent anew
    let new = || invoice().derived("other", &[FLOWERS], zero);
    let first = end(&journal, new(), Outcome::NotSent(why("no_connection"))).await;
    journal.delivered(first.id).await.unwrap();
    let taken = again(new()).await;
    assert_eq!((taken.word(), taken.record().id), ("again", first.id));

    // but not where another trade point is meant now
    let new = |trade_point| {
        let new = NewOperation {
            trade_point,
            ..invoice()
        };
        new.derived("third", &[FLOWERS], zero)
    };
    let point = |number| Some(crate::base::TradePointId::new(number).unwrap());
    let first = end(&journal, new(point(1)), Outcome::NotSent(why("no_connection"))).await;
    let other = again(new(point(2))).await;
    assert_eq!((other.word(), other.record().trade_point), ("new", point(2)));
    assert_ne!(other.record().id, first.id);
    assert_verified(&journal).await;
}

async fn a_derived_key_is_found_under_any_bin_that_is_named(place: Place) {
    let journal = place.journal();
    let day = Duration::from_secs(86_400);
    let first = end(
        &journal,
        NewOperation {
            bin: bin(GIFTS),
            ..invoice()
        }
        .derived("k", &[], day),
        made(1),
    )
    .await;
    let unnamed = journal
        .begin(invoice().derived("k", &[FLOWERS, GIFTS], day))
        .await
        .unwrap();
    assert_eq!((unnamed.word(), unnamed.record().id), ("existing", first.id));
    let named = journal
        .begin(invoice().derived("k", &[FLOWERS], day))
        .await
        .unwrap();
    assert_eq!(named.word(), "new", "the call named another BIN");
    let stranger = NewOperation {
        caller: "till".to_owned(),
        ..invoice()
    };
    assert_eq!(
        journal
            .begin(stranger.derived("k", &[FLOWERS, GIFTS], day))
            .await
            .unwrap()
            .word(),
        "new"
    );
}

async fn an_answered_request_is_the_same_for_a_moment(place: Place) {
    let journal = place.journal();
    let window = Duration::from_secs(86_400);
    let create = || invoice().derived("create", &[FLOWERS], window);
    let first = end(&journal, create(), made(1)).await;
    journal.delivered(first.id).await.unwrap();
    assert_eq!(
        journal.begin(create()).await.unwrap().word(),
        "existing",
        "not paid yet"
    );
    let paid = PaymentStatus::of_word(StatusWord::new("Processed"));
    journal
        .note_status(payment(1), &paid, NextLook::Never)
        .await
        .unwrap();
    assert_eq!(
        journal.begin(create()).await.unwrap().word(),
        "new",
        "the customer buys it once more"
    );

    let back = || refund(1).derived("refund", &[FLOWERS], window);
    let first = end(&journal, back(), paid_back(9)).await;
    assert_eq!(
        journal.begin(back()).await.unwrap().word(),
        "existing",
        "nobody has heard of it"
    );
    journal.delivered(first.id).await.unwrap();
    let echo = journal.begin(back()).await.unwrap();
    assert_eq!(echo.word(), "echo");
    assert_eq!(echo.record().return_operation_id.unwrap().get(), 9);
}

async fn whoever_asks_for_what_runs_waits_for_its_end(place: Place) {
    let (one, other) = (place.journal(), place.journal());
    other.open().await.unwrap();
    let id = send(&one, invoice().under("key")).await;
    let short = Duration::from_millis(30);
    assert_eq!(one.settled(id, short).await.unwrap(), None, "it still runs");
    assert_eq!(other.settled(id, short).await.unwrap(), None);
    let long = Duration::from_secs(60);
    let waiting = [one.clone(), other.clone()]
        .map(|journal| tokio::spawn(async move { journal.settled(id, long).await }));
    one.finish(id, made(3)).await.unwrap();
    for waiter in waiting {
        let found = waiter.await.unwrap().unwrap().unwrap();
        assert_eq!(
            (found.state, found.payment_id),
            (OperationState::Accepted, Some(payment(3)))
        );
    }
}

use crate::api::{PaymentStatus, StatusWord};
