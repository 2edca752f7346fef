//! Whoever changes the books behind the journal's back is found out.

use super::*;

on_both! {
    the_history_cannot_be_changed_by_accident,
    a_changed_row_is_named,
    a_changed_history_is_named,
    what_was_taken_out_is_noticed,
}

async fn books(place: &Place) -> (Journal, OperationId) {
    let journal = place.journal();
    let id = end(&journal, invoice(), made(1)).await.id;
    end(&journal, invoice(), made(2)).await;
    assert_verified(&journal).await;
    (journal, id)
}

async fn unlock(place: &Place) {
    for (trigger, table) in [
        ("history_stays", "history"),
        ("history_is_kept", "history"),
        ("operations_are_kept", "operations"),
    ] {
        let on = if place.is_sqlite() {
            String::new()
        } else {
            format!(" ON {table}")
        };
        place.sql(&format!("DROP TRIGGER IF EXISTS {trigger}{on}")).await;
    }
}

async fn the_history_cannot_be_changed_by_accident(place: Place) {
    let (journal, id) = books(&place).await;
    for statement in [
        format!("UPDATE history SET why = 'x' WHERE operation = '{id}'"),
        format!("DELETE FROM history WHERE operation = '{id}'"),
        format!("DELETE FROM operations WHERE id = '{id}'"),
    ] {
        let place = &place;
        let refused = match &place.store {
            Store::Sqlite(path) => {
                use sqlx::ConnectOptions as _;
                let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(path)
                    .connect()
                    .await
                    .unwrap();
                sqlx::query(&statement).execute(&mut connection).await.map(|_| ())
            }
            Store::Postgres(url) => {
                use sqlx::Connection as _;
                let mut connection = sqlx::PgConnection::connect(url.expose()).await.unwrap();
                sqlx::query(&statement).execute(&mut connection).await.map(|_| ())
            }
        };
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("is append only"), "{statement}: {refused}");
    }
    assert_verified(&journal).await;
}

async fn a_changed_row_is_named(place: Place) {
    let (journal, id) = books(&place).await;
    for (change, back, words) in [
        ("amount = 1", "amount = 150000", "150000"),
        ("bin = '210440028324'", "bin = '891027350515'", "891027350515"),
        (
            "state = 'refused'",
            "state = 'accepted'",
            "it stands as `refused`, and its history ends with `accepted`",
        ),
        ("payment_id = 9", "payment_id = 1", "\"payment_id\":1"),
        ("caller = 'x'", "caller = 'shop'", "\"caller\":\"shop\""),
    ] {
        place
            .sql(&format!("UPDATE operations SET {change} WHERE id = '{id}'"))
            .await;
        let broken = journal.verify().await.unwrap().broken;
        assert_eq!(broken.len(), 1, "{change}: {broken:?}");
        assert_eq!(broken[0].operation_id, Some(id));
        assert!(
            broken[0].problem.contains(words),
            "{change}: {}",
            broken[0].problem
        );
        place
            .sql(&format!("UPDATE operations SET {back} WHERE id = '{id}'"))
            .await;
        assert_verified(&journal).await;
    }
}

async fn a_changed_history_is_named(place: Place) {
    let (journal, id) = books(&place).await;
    unlock(&place).await;
    let first = async || journal.verify().await.unwrap().broken.remove(0);
    place
        .sql(&format!(
            "UPDATE history SET why = why || '!' WHERE operation = '{id}' AND step = 2"
        ))
        .await;
    let broken = first().await;
    assert_eq!((broken.operation_id, broken.step), (Some(id), Some(2)));
    assert!(broken.problem.contains("its hash is"), "{}", broken.problem);
    place
        .sql(&format!(
            "UPDATE history SET why = 'about to be sent' WHERE operation = '{id}' AND step = 2"
        ))
        .await;
    assert_verified(&journal).await;

    place
        .sql(&format!(
            "DELETE FROM history WHERE operation = '{id}' AND step = 3"
        ))
        .await;
    let broken = first().await;
    assert_eq!(broken.problem, "its history has 2 steps, and 3 were written");
    place
        .sql(&format!(
            "DELETE FROM history WHERE operation = '{id}' AND step = 1"
        ))
        .await;
    let broken = first().await;
    assert_eq!(
        (broken.step, broken.problem.as_str()),
        (Some(1), "step 1 is missing, the next one there is 2")
    );
}

async fn what_was_taken_out_is_noticed(place: Place) {
    let (journal, id) = books(&place).await;
    unlock(&place).await;
    place
        .sql(&format!("DELETE FROM operations WHERE id = '{id}'"))
        .await;
    let broken = journal.verify().await.unwrap().broken;
    assert_eq!(broken[0].operation_id, Some(id), "{broken:?}");
    assert!(broken[1].problem.contains("operations, and "), "{broken:?}");
    place
        .sql(&format!("DELETE FROM history WHERE operation = '{id}'"))
        .await;
    let broken = journal.verify().await.unwrap().broken;
    assert_eq!(broken.len(), 1, "the hole stays: {broken:?}");
    // the last one too
    place.sql("DELETE FROM history").await;
    place.sql("DELETE FROM operations").await;
    assert!(!journal.verify().await.unwrap().broken.is_empty());
}
