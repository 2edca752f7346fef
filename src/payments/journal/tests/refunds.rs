//! One refund of a payment at a time.

use super::*;

on_both! {
    one_at_a_time_in_one_process_and_across_two,
    the_turn_stays_while_the_refund_may_be_on_its_way,
    a_dead_process_loses_its_turn,
    refunds_of_one_payment_are_listed_in_order,
}

const LONG: Duration = Duration::from_secs(60);

async fn one_at_a_time_in_one_process_and_across_two(place: Place) {
    let journals = [place.journal(), place.journal()];
    let at_work = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (journal, at_work) = (journals[number % 2].clone(), Arc::clone(&at_work));
        tasks.spawn(async move {
            use std::sync::atomic::Ordering::SeqCst;
            let id = journal.begin(refund(5)).await.unwrap().record().id;
            let turn = journal.refund_turn(payment(5), id, LONG).await.unwrap().unwrap();
            assert_eq!(at_work.fetch_add(1, SeqCst), 0, "two at once");
            assert!(journal.sent(id, None).await.unwrap());
            tokio::task::yield_now().await;
            at_work.fetch_sub(1, SeqCst);
            journal.finish(id, paid_back(1)).await.unwrap();
            drop(turn);
        });
    }
    tasks.join_all().await;
    let others = journals[0]
        .refund_turn(payment(6), OperationId::new(), LONG)
        .await
        .unwrap();
    assert!(others.is_some(), "another payment has a turn of its own");
    assert_eq!(
        place
            .sql("SELECT COUNT(*) FROM refund_locks WHERE payment_id = 5")
            .await,
        "0"
    );
}

async fn the_turn_stays_while_the_refund_may_be_on_its_way(place: Place) {
    let (one, other) = (place.journal(), place.journal());
    let id = one.begin(refund(5)).await.unwrap().record().id;
    let turn = one.refund_turn(payment(5), id, LONG).await.unwrap().unwrap();
    let short = Duration::from_millis(50);
    let theirs = other.begin(refund(5)).await.unwrap().record().id;
    assert!(
        other
            .refund_turn(payment(5), theirs, short)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        one.refund_turn(payment(5), OperationId::new(), short)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        one.sent(id, Some("100".parse::<crate::base::Amount>().unwrap().into()))
            .await
            .unwrap()
    );
    drop(turn);
    assert!(
        other
            .refund_turn(payment(5), theirs, Duration::from_millis(300))
            .await
            .unwrap()
            .is_none(),
        "it was sent"
    );
    let done = one.finish(id, Outcome::Unknown(why("timeout"))).await.unwrap();
    assert_eq!(done.rest_before.unwrap().tiyn(), 10_000);
    assert!(
        other
            .refund_turn(payment(5), theirs, LONG)
            .await
            .unwrap()
            .is_some()
    );
    assert_verified(&one).await;
}

async fn a_dead_process_loses_its_turn(place: Place) {
    let (ours, dead) = (place.journal(), place.journal());
    let id = dead.begin(refund(5)).await.unwrap().record().id;
    let turn = dead.refund_turn(payment(5), id, LONG).await.unwrap().unwrap();
    assert!(dead.sent(id, None).await.unwrap());
    // as a kill does: nothing of it runs any more
    drop(turn);
    drop(dead);
    let mine = ours.begin(refund(5)).await.unwrap().record().id;
    assert!(ours.refund_turn(payment(5), mine, LONG).await.unwrap().is_some());
    assert_eq!(state_of(&ours, id).await, OperationState::Unknown);
}

async fn refunds_of_one_payment_are_listed_in_order(place: Place) {
    let journal = place.journal();
    let mut ids = Vec::new();
    for outcome in [
        paid_back(1),
        Outcome::Refused(why("no")),
        Outcome::Unknown(why("timeout")),
    ] {
        ids.push(end(&journal, refund(5), outcome).await.id);
    }
    end(&journal, refund(6), paid_back(2)).await;
    end(&journal, invoice(), made(5)).await;
    let found = journal.refunds_of(payment(5)).await.unwrap();
    assert_eq!(found.iter().map(|record| record.id).collect::<Vec<_>>(), ids);
}
