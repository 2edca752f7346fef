//! What is told of, once, in order, whoever writes and whoever reads.

use super::*;
use crate::api::{PaymentStatus, StatusWord};

on_both! {
    each_change_is_told_once_and_in_order,
    what_a_dead_process_left_is_told,
    what_is_told_once_is_told_once_by_all,
    readers_ask_for_their_own,
    a_journal_of_before_has_no_events_and_gets_them_from_now_on,
}

async fn kinds(journal: &Journal, after: i64) -> Vec<String> {
    let found = journal.events(&from(after)).await.unwrap();
    found.iter().map(|event| event.kind().to_string()).collect()
}

fn from(after: i64) -> EventFilter {
    EventFilter {
        after,
        ..EventFilter::default()
    }
}

async fn note(journal: &Journal, id: i64, word: &str) {
    let status = PaymentStatus::of_word(StatusWord::new(word));
    journal
        .note_status(payment(id), &status, NextLook::Keep)
        .await
        .unwrap();
}

fn due(sha256: &str) -> NewEvent {
    NewEvent {
        bin: bin(FLOWERS),
        facts: EventFacts::CertificateDue {
            identity: FLOWERS.to_owned(),
            certificate_sha256: sha256.to_owned(),
            not_after: "2026-04-01T00:00:00Z".to_owned(),
            days_left: 30,
        },
        mark: format!("{sha256}/30"),
    }
}

async fn each_change_is_told_once_and_in_order(place: Place) {
    let journal = place.journal();
    let mut written = journal.told();
    end(&journal, invoice(), made(5)).await;
    assert!(written.has_changed().unwrap());
    written.mark_unchanged();
    note(&journal, 5, "RemotePaymentCreated").await;
    note(&journal, 5, "RemotePaymentCreated").await;
    note(&journal, 5, "Processed").await;
    // a final word stays, and what is said after it is no news
    note(&journal, 5, "Error").await;
    let id = send(&journal, refund(5)).await;
    journal
        .finish(id, Outcome::Unknown(why("timeout")))
        .await
        .unwrap();
    let accepted = Resolution::Accepted {
        payment_id: None,
        return_operation_id: None,
    };
    journal
        .settle(id, accepted, true, "reconcile", "details")
        .await
        .unwrap();
    end(&journal, refund(5), Outcome::Refused(why("no"))).await;
    let told = journal.events(&from(0)).await.unwrap();
    let kinds: Vec<&str> = told.iter().map(|event| event.kind().as_str()).collect();
    assert_eq!(
        kinds,
        [
            "payment.created",
            "payment.status_changed",
            "payment.status_changed",
            "operation.unknown",
            "operation.resolved",
            "payment.refunded",
        ]
    );
    assert!(told.iter().all(|event| event.payment_id == Some(payment(5))));
    let json = serde_json::to_value(&told[2]).unwrap();
    assert_eq!(json["type"], "payment.status_changed");
    assert_eq!(json["from"], "RemotePaymentCreated");
    assert_eq!(
        (&json["to"], &json["state"]),
        (&"Processed".into(), &"paid".into())
    );
    assert_eq!(json["amount"], "1500.00");
    assert_eq!(json["payment_id"], 5);
    assert_eq!(json["id"], told[2].position);
    let json = serde_json::to_value(&told[5]).unwrap();
    assert_eq!(
        (&json["amount"], &json["inferred"]),
        (&"100.00".into(), &true.into())
    );
    let whole = serde_json::to_string(&told).unwrap();
    assert!(!whole.contains("7701"), "{whole}");
    assert_eq!(journal.newest_event().await.unwrap(), told[5].position);
    let rest = journal.events(&from(told[4].position)).await.unwrap();
    assert_eq!(rest, told[5..]);
    assert_verified(&journal).await;
}

async fn what_a_dead_process_left_is_told(place: Place) {
    let (ours, dead) = (place.journal(), place.journal());
    ours.open().await.unwrap();
    send(&dead, invoice()).await;
    drop(dead);
    // a handle that was dropped gives its lock back when its tasks have ended, a moment later
    in_time(async { while ours.settle_orphans().await.unwrap() == 0 {} }).await;
    assert_eq!(kinds(&ours, 0).await, ["operation.unknown"]);
}

async fn what_is_told_once_is_told_once_by_all(place: Place) {
    let (one, other) = (place.journal(), place.journal());
    assert!(one.tell(due("aa")).await.unwrap());
    assert!(!one.tell(due("aa")).await.unwrap());
    assert!(!other.tell(due("aa")).await.unwrap());
    assert!(other.tell(due("bb")).await.unwrap());
    assert_eq!(kinds(&one, 0).await, ["certificate.due", "certificate.due"]);
}

async fn readers_ask_for_their_own(place: Place) {
    let journal = place.journal();
    for (number, owner) in [(1, FLOWERS), (2, GIFTS), (3, FLOWERS)] {
        let new = NewOperation {
            bin: bin(owner),
            ..invoice()
        };
        end(&journal, new, made(number)).await;
    }
    note(&journal, 3, "Processed").await;
    let wanted = |kinds: &[EventKind], limit| EventFilter {
        bins: vec![bin(FLOWERS)],
        kinds: kinds.to_vec(),
        limit,
        ..EventFilter::default()
    };
    let numbers = async |filter| {
        let found = journal.events(&filter).await.unwrap();
        found
            .iter()
            .map(|event| event.payment_id.unwrap().get())
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(wanted(&[], 0)).await, [1, 3, 3]);
    assert_eq!(numbers(wanted(&[EventKind::PaymentCreated], 0)).await, [1, 3]);
    assert_eq!(numbers(wanted(&[], 1)).await, [1]);
}

async fn a_journal_of_before_has_no_events_and_gets_them_from_now_on(place: Place) {
    let journal = place.journal();
    end(&journal, invoice(), made(1)).await;
    journal.close().await;
    let mut statements = vec![
        "DROP TABLE events",
        "DROP TABLE webhook_endpoints",
        "DROP TABLE webhook_deliveries",
        "DROP TABLE webhook_attempts",
        "DROP TABLE trail",
        "DROP INDEX payments_paid",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ];
    if !place.is_sqlite() {
        statements.extend([
            "DROP TABLE event_places",
            "DROP FUNCTION kaspi_events_stay",
            "DROP FUNCTION kaspi_trail_stays",
        ]);
    }
    for statement in statements {
        place.sql(statement).await;
    }
    let journal = place.journal();
    assert_eq!(
        journal.payment(payment(1)).await.unwrap().unwrap().bin,
        bin(FLOWERS)
    );
    note(&journal, 1, "Processed").await;
    assert_eq!(kinds(&journal, 0).await, ["payment.status_changed"]);
    assert_verified(&journal).await;
}

/// A transaction that takes an early number and ends late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_late_commit_is_not_missed() {
    use sqlx::{Connection as _, Executor as _};
    let Some(place) = Place::postgres() else { return };
    let Store::Postgres(url) = &place.store else {
        panic!("{:?}", place.store)
    };
    let journal = place.journal();
    end(&journal, invoice(), made(1)).await;
    let mut held = sqlx::PgConnection::connect(url.expose()).await.unwrap();
    held.execute("BEGIN").await.unwrap();
    let facts = r#"{"type":"payment.created","kind":"invoice","amount":null}"#;
    let sql = format!(
        "INSERT INTO events (at, kind, bin, payment_id, facts) VALUES (0, 'payment.created', '{FLOWERS}', 2, '{facts}')"
    );
    held.execute(sqlx::raw_sql(&sql)).await.unwrap();
    end(&journal, invoice(), made(3)).await;
    let numbers = async |after| {
        let found = in_time(journal.events(&from(after))).await.unwrap();
        let last = found.last().map_or(after, |event| event.position);
        let numbers: Vec<i64> = found
            .iter()
            .map(|event| event.payment_id.unwrap().get())
            .collect();
        (numbers, last)
    };
    let (seen, last) = numbers(0).await;
    assert_eq!(seen, [1, 3], "what is committed is not held up");
    held.execute("COMMIT").await.unwrap();
    let (seen, last) = numbers(last).await;
    assert_eq!(seen, [2], "and what comes late comes after");
    assert!(numbers(last).await.0.is_empty());
    let mut other = sqlx::PgConnection::connect(url.expose()).await.unwrap();
    let changed = other.execute("UPDATE events SET position = 99").await;
    assert!(changed.unwrap_err().to_string().contains("append only"));
}
