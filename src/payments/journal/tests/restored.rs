//! An old copy that was put back is noticed.

use super::*;
use crate::base::Explain;

on_both! {
    an_old_copy_is_noticed_and_taken_on_purpose,
    a_new_journal_in_the_place_of_a_known_one_is_noticed,
    another_machine_follows_a_declared_restore,
}

/// Throws away what came after a number, as an old copy has.
async fn put_back(place: &Place, seq: i64) {
    for trigger in ["history_stays", "history_is_kept", "operations_are_kept"] {
        let on = if place.is_sqlite() {
            ""
        } else if trigger.starts_with('o') {
            " ON operations"
        } else {
            " ON history"
        };
        place.sql(&format!("DROP TRIGGER IF EXISTS {trigger}{on}")).await;
    }
    place
        .sql(&format!(
            "DELETE FROM history WHERE operation IN (SELECT id FROM operations WHERE seq > {seq})"
        ))
        .await;
    place
        .sql(&format!("DELETE FROM operations WHERE seq > {seq}"))
        .await;
    match place.is_sqlite() {
        true => {
            place
                .sql(&format!(
                    "UPDATE sqlite_sequence SET seq = {seq} WHERE name = 'operations'"
                ))
                .await
        }
        false => {
            place
                .sql(&format!(
                    "SELECT setval(pg_get_serial_sequence('operations', 'seq'), {seq})"
                ))
                .await
        }
    };
    place
        .sql("UPDATE lanes SET last = (SELECT COUNT(*) FROM operations WHERE operations.lane = lanes.lane)")
        .await;
}

async fn an_old_copy_is_noticed_and_taken_on_purpose(place: Place) {
    let journal = place.journal();
    let early = end(&journal, invoice().under("early"), made(1)).await;
    let late = end(&journal, invoice().under("late"), made(2)).await;
    journal.close().await;
    put_back(&place, early.seq).await;

    let journal = place.journal();
    let error = journal.begin(invoice().under("late")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        ("journal_behind", Some(crate::base::Delivery::NotSent))
    );
    assert!(
        error.to_string().contains(&format!("number {}", late.seq)),
        "{error}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("kaspi journal reconcile --after-restore")
    );
    assert!(matches!(journal.state(), JournalState::Behind(_)));
    assert!(
        journal.operation(early.id).await.unwrap().is_some(),
        "reads go on"
    );
    assert!(journal.open().await.is_err());
    // and again by another process
    assert_eq!(
        place.journal().begin(invoice()).await.unwrap_err().kind(),
        "journal_behind"
    );

    journal.after_restore("Aigul").await.unwrap();
    assert!(matches!(journal.state(), JournalState::Open));
    let begun = journal.begin(invoice()).await.unwrap();
    assert_eq!(begun.word(), "new");
    assert!(begun.record().seq > late.seq, "numbers are not given twice");
    place.journal().open().await.unwrap();
    assert_verified(&journal).await;
}

async fn a_new_journal_in_the_place_of_a_known_one_is_noticed(place: Place) {
    let journal = place.journal();
    end(&journal, invoice(), made(1)).await;
    journal.close().await;
    let other = match place.is_sqlite() {
        true => {
            std::fs::rename(place.file(), place.path("kept.db")).unwrap();
            Place {
                folder: tempfile::tempdir().unwrap(),
                store: place.store.clone(),
                clock: Arc::clone(&place.clock),
            }
        }
        false => Place::postgres().unwrap(),
    };
    let moved = Journal::new(JournalOptions {
        store: other.store.clone(),
        state_dir: place.path("state"),
        clock: Arc::clone(&place.clock) as Arc<dyn Clock>,
        patience: Duration::from_secs(10),
    });
    let error = moved.begin(invoice()).await.unwrap_err();
    assert_eq!(error.kind(), "journal_behind");
    assert!(error.to_string().contains("that epoch is not in it"), "{error}");
    // a machine that has never seen a journal takes the one it finds
    other
        .journal_with("elsewhere", Duration::from_secs(10))
        .open()
        .await
        .unwrap();
}

async fn another_machine_follows_a_declared_restore(place: Place) {
    let patience = Duration::from_secs(10);
    let (here, there) = (
        place.journal_with("here", patience),
        place.journal_with("there", patience),
    );
    let first = end(&here, invoice(), made(1)).await;
    end(&there, invoice(), made(2)).await;
    end(&here, invoice(), made(3)).await;
    end(&there, invoice(), made(4)).await;
    here.close().await;
    there.close().await;
    put_back(&place, first.seq).await;
    let (here, there) = (
        place.journal_with("here", patience),
        place.journal_with("there", patience),
    );
    assert_eq!(here.open().await.unwrap_err().kind(), "journal_behind");
    assert_eq!(there.open().await.unwrap_err().kind(), "journal_behind");
    here.after_restore("Aigul").await.unwrap();
    drop(there);
    let there = place.journal_with("there", patience);
    there.open().await.unwrap();
    end(&there, invoice(), made(5)).await;
    end(&here, invoice(), made(6)).await;
    assert_verified(&here).await;
}
