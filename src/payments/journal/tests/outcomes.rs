//! The course of an operation, and what becomes of it when its process dies.

use super::*;
use crate::base::Explain;

on_both! {
    the_course_of_an_operation,
    what_a_dead_process_left_is_settled_and_a_living_one_is_left_alone,
    an_outcome_that_comes_late_is_taken,
    a_settled_operation_is_not_sent,
    a_key_whose_process_died_is_not_stuck,
    only_what_is_unknown_is_resolved,
    questions_about_unknown_operations_are_shared_out,
    many_at_once_are_all_written,
}

async fn the_course_of_an_operation(place: Place) {
    let journal = place.journal();
    let begun = journal.begin(invoice()).await.unwrap();
    let record = begun.record();
    assert_eq!(
        (record.state, record.phone.as_deref()),
        (OperationState::Recorded, Some("7701***1545"))
    );
    let id = record.id;
    assert!(journal.sent(id, None).await.unwrap());
    assert!(!journal.sent(id, None).await.unwrap(), "once");
    let done = journal.finish(id, made(12_800_000_774)).await.unwrap();
    assert_eq!(
        (done.state, done.payment_id),
        (OperationState::Accepted, Some(payment(12_800_000_774)))
    );
    assert!(done.sent_at.is_some() && done.settled_at.is_some() && done.delivered_at.is_none());
    journal.delivered(id).await.unwrap();
    assert!(
        journal
            .operation(id)
            .await
            .unwrap()
            .unwrap()
            .delivered_at
            .is_some()
    );

    let refused = journal
        .finish(id, Outcome::Refused(why("refused")))
        .await
        .unwrap();
    assert_eq!(refused.state, OperationState::Accepted, "an outcome stays");

    let known = journal.payment(payment(12_800_000_774)).await.unwrap().unwrap();
    assert_eq!(
        (known.bin, known.kind, known.source),
        (bin(FLOWERS), PaymentKind::Invoice, PaymentSource::Made)
    );
    assert_eq!(
        (known.amount, known.operation_id, known.watch),
        (done.amount, Some(id), None)
    );

    let history = journal.history(id).await.unwrap();
    assert_eq!(history.len(), 3);
    assert!(
        history[0].who.contains(&std::process::id().to_string()),
        "{}",
        history[0].who
    );
    assert_eq!(journal.operation(OperationId::new()).await.unwrap(), None);
    assert_verified(&journal).await;
}

async fn what_a_dead_process_left_is_settled_and_a_living_one_is_left_alone(place: Place) {
    let (living, dead) = (place.journal(), place.journal());
    let lives = send(&living, invoice()).await;
    let recorded = dead.begin(invoice()).await.unwrap().record().id;
    let sent = send(&dead, refund(1)).await;
    assert_eq!(living.settle_orphans().await.unwrap(), 0, "it lives");
    drop(dead);

    let third = place.journal();
    until_settled(&third, 2).await;
    assert_eq!(state_of(&third, recorded).await, OperationState::NotSent);
    assert_eq!(state_of(&third, sent).await, OperationState::Unknown);
    assert_eq!(state_of(&third, lives).await, OperationState::Sent);
    assert_eq!(third.settle_orphans().await.unwrap(), 0, "once");
    living.finish(lives, made(1)).await.unwrap();
    let unknown = third.unknown_operations(&[]).await.unwrap();
    assert_eq!((unknown.count, unknown.oldest_age.is_some()), (1, true));
    assert_eq!(third.unknown_operations(&[bin(GIFTS)]).await.unwrap().count, 0);
    assert_verified(&third).await;
}

/// A handle that was dropped gives its locks back when its tasks have ended, a moment later.
async fn until_settled(journal: &Journal, wanted: u64) {
    let journal = journal.clone();
    in_time(async move {
        journal.open().await.unwrap();
        while place_open(&journal).await > 1 {
            journal.settle_orphans().await.unwrap();
            tokio::task::yield_now().await;
        }
        let settled = [OperationState::NotSent, OperationState::Unknown];
        let filter = Filter {
            states: settled.to_vec(),
            ..Filter::default()
        };
        assert_eq!(
            journal.operations(&filter).await.unwrap().items.len() as u64,
            wanted
        );
    })
    .await;
}

async fn place_open(journal: &Journal) -> usize {
    let running = [OperationState::Recorded, OperationState::Sent];
    let filter = Filter {
        states: running.to_vec(),
        ..Filter::default()
    };
    journal.operations(&filter).await.unwrap().items.len()
}

async fn an_outcome_that_comes_late_is_taken(place: Place) {
    let (ours, other) = (place.journal(), place.journal());
    other.open().await.unwrap();
    let (accepted, refused) = (send(&ours, invoice()).await, send(&ours, invoice()).await);
    // somebody took us for dead
    other.write(course::SettleOwner(ours.owner())).await.unwrap();
    assert_eq!(state_of(&ours, accepted).await, OperationState::Unknown);
    assert_eq!(
        ours.finish(accepted, made(1)).await.unwrap().state,
        OperationState::Accepted
    );
    assert_eq!(
        ours.finish(refused, Outcome::Refused(why("no")))
            .await
            .unwrap()
            .state,
        OperationState::Refused
    );
    assert!(ours.payment(payment(1)).await.unwrap().is_some());
    // what a person has settled is not touched
    let third = send(&ours, invoice()).await;
    other.write(course::SettleOwner(ours.owner())).await.unwrap();
    other
        .settle(third, Resolution::NotMade, false, "Aigul", "not in the app")
        .await
        .unwrap();
    assert_eq!(
        ours.finish(third, made(2)).await.unwrap().state,
        OperationState::NotMade
    );
    // and nobody else may write an outcome
    let fourth = send(&ours, invoice()).await;
    assert_eq!(
        other.finish(fourth, made(3)).await.unwrap().state,
        OperationState::Sent
    );
    assert_verified(&ours).await;
}

async fn a_settled_operation_is_not_sent(place: Place) {
    let (ours, other) = (place.journal(), place.journal());
    other.open().await.unwrap();
    let id = ours.begin(invoice()).await.unwrap().record().id;
    assert!(!other.sent(id, None).await.unwrap(), "it is not theirs");
    other.write(course::SettleOwner(ours.owner())).await.unwrap();
    assert!(
        !ours.sent(id, None).await.unwrap(),
        "somebody has told its caller that it was not sent"
    );
    assert_eq!(state_of(&ours, id).await, OperationState::NotSent);
}

async fn a_key_whose_process_died_is_not_stuck(place: Place) {
    let (ours, dead) = (place.journal(), place.journal());
    ours.open().await.unwrap();
    let recorded = dead.begin(invoice().under("recorded")).await.unwrap().record().id;
    let sent = send(&dead, invoice().under("sent")).await;
    drop(dead);
    let again = loop {
        let begun = ours.begin(invoice().under("recorded")).await.unwrap();
        if begun.word() != "existing" {
            break begun;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((again.word(), again.record().id), ("again", recorded));
    let unknown = ours.begin(invoice().under("sent")).await.unwrap();
    assert_eq!((unknown.word(), unknown.record().id), ("existing", sent));
    assert_eq!(unknown.record().state, OperationState::Unknown);
    assert_eq!(unknown.record().failure.as_ref().unwrap().kind, "process_ended");
}

async fn only_what_is_unknown_is_resolved(place: Place) {
    let journal = place.journal();
    let accepted = |payment_id, return_operation_id: Option<i64>| Resolution::Accepted {
        payment_id,
        return_operation_id: return_operation_id.map(|id| crate::base::ReturnOperationId::new(id).unwrap()),
    };
    let missing = OperationId::new();
    let error = journal
        .settle(missing, Resolution::NotMade, false, "Aigul", "?")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "no_such_operation");
    assert!(error.to_string().contains(&missing.to_string()), "{error}");

    let done = end(&journal, invoice(), made(1)).await;
    let error = journal
        .settle(done.id, Resolution::NotMade, false, "Aigul", "?")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the operation `{}` is `accepted`, and only one that is `unknown` can be resolved",
            done.id
        )
    );
    assert_eq!(error.kind(), "not_unknown");

    let unknown = |new| async { end(&journal, new, Outcome::Unknown(why("timeout"))).await.id };
    let create = unknown(invoice()).await;
    let error = journal
        .settle(create, accepted(None, Some(4)), false, "Aigul", "?")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "bad_resolution");
    let settled = journal
        .settle(
            create,
            accepted(Some(payment(44)), None),
            false,
            "Aigul",
            "seen in the app",
        )
        .await
        .unwrap();
    assert_eq!(
        (settled.state, settled.payment_id, settled.inferred),
        (OperationState::Accepted, Some(payment(44)), false)
    );
    assert_eq!(settled.answer, Some(Answer::Invoice { payment_id: 44 }));
    assert_eq!(
        journal.payment(payment(44)).await.unwrap().unwrap().bin,
        bin(FLOWERS)
    );
    let last = journal.history(create).await.unwrap().pop().unwrap();
    assert_eq!(
        (last.who.as_str(), last.why.as_str()),
        ("Aigul", "seen in the app")
    );

    let back = unknown(refund(44)).await;
    let error = journal
        .settle(back, accepted(Some(payment(45)), None), false, "Aigul", "?")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "bad_resolution");
    let settled = journal
        .settle(back, accepted(None, None), true, "reconcile", "fallen by 100.00")
        .await
        .unwrap();
    assert_eq!(
        (settled.state, settled.inferred, settled.payment_id),
        (OperationState::Accepted, true, Some(payment(44)))
    );
    assert_eq!(journal.unknown_operations(&[]).await.unwrap().count, 0);
    assert_verified(&journal).await;
}

async fn questions_about_unknown_operations_are_shared_out(place: Place) {
    let (one, other) = (place.journal(), place.journal());
    for number in 1..=10 {
        end(&one, refund(number), Outcome::Unknown(why("timeout"))).await;
    }
    end(&one, invoice(), Outcome::Unknown(why("timeout"))).await;
    let kinds = [OperationKind::Refund];
    let (mine, theirs) = tokio::join!(one.due_checks(&kinds, 6), other.due_checks(&kinds, 6));
    let (mine, theirs) = (mine.unwrap(), theirs.unwrap());
    let rest = one.due_checks(&kinds, 6).await.unwrap();
    let mut seen: Vec<_> = mine
        .iter()
        .chain(&theirs)
        .chain(&rest)
        .map(|due| due.operation.seq)
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(
        (seen.len(), mine.len() + theirs.len() + rest.len()),
        (10, 10),
        "each is taken once"
    );

    let id = mine[0].operation.id;
    assert!(
        other.check_now(id).await.unwrap().is_none(),
        "it is being asked about"
    );
    one.checked(id, true, Some(Duration::from_secs(3600)))
        .await
        .unwrap();
    let due = other.check_now(id).await.unwrap().unwrap();
    assert_eq!((due.operation.checks, due.since_first_check.is_some()), (1, true));
    other.checked(id, false, None).await.unwrap();
    assert_eq!(
        one.operation(id).await.unwrap().unwrap().checks,
        1,
        "no answer is no check"
    );
    assert_eq!(
        one.due_checks(&kinds, 6).await.unwrap().len(),
        0,
        "a person has to settle it"
    );

    // a process that dies gives back what it had taken
    let taken = theirs.len();
    drop(other);
    let mut free = Vec::new();
    while free.len() < taken.min(4) {
        one.settle_orphans().await.unwrap();
        free.extend(one.due_checks(&kinds, 10).await.unwrap());
        tokio::task::yield_now().await;
    }
}

async fn many_at_once_are_all_written(place: Place) {
    let journal = place.journal();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let journal = journal.clone();
        tasks.spawn(async move {
            end(
                &journal,
                invoice().under(&format!("order-{number}")),
                made(number + 1),
            )
            .await
        });
    }
    let mut seqs: Vec<i64> = tasks.join_all().await.iter().map(|record| record.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), 100);
    assert_eq!(journal.verify().await.unwrap().operations, 100);
    assert_verified(&journal).await;
}
