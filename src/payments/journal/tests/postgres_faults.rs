//! What can be wrong with a server.

use super::postgres::Cluster;
use super::*;
use crate::base::{Delivery, Explain};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_is_waited_for() {
    let Some(cluster) = Cluster::start("fsync=off") else {
        return;
    };
    let place = Place::at(&cluster.database());
    cluster.down();
    let journal = place.journal_with("state", Duration::from_millis(300));
    let error = in_time(journal.begin(invoice())).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        ("journal_unavailable", Some(Delivery::NotSent))
    );
    assert!(matches!(journal.state(), JournalState::Unavailable(_)));
    let text = crate::base::chain_text(&error);
    assert!(text.contains("journal_") && !text.contains("kaspi@"), "{text}");
    cluster.up();
    in_time(async {
        while journal.begin(invoice()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_mid_operation_loses_nothing() {
    // the default durability: what was committed survives the cut
    let Some(cluster) = Cluster::start("fsync=on") else {
        return;
    };
    let place = Place::at(&cluster.database());
    let journal = place.journal_with("state", Duration::from_secs(30));
    let recorded = journal.begin(invoice().under("a")).await.unwrap().record().id;
    let sent = send(&journal, invoice().under("b")).await;
    let restart = tokio::task::spawn_blocking(move || {
        cluster.restart();
        cluster
    });
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let journal = journal.clone();
        tasks.spawn(async move {
            end(
                &journal,
                invoice().under(&format!("order-{number}")),
                made(number + 10),
            )
            .await
        });
    }
    let cluster = in_time(restart).await.unwrap();
    let done = in_time(tasks.join_all()).await;
    assert!(done.iter().all(|record| record.state == OperationState::Accepted));
    assert!(journal.sent(recorded, None).await.unwrap());
    assert_eq!(
        journal.finish(recorded, made(1)).await.unwrap().state,
        OperationState::Accepted
    );
    assert_eq!(
        journal.finish(sent, made(2)).await.unwrap().state,
        OperationState::Accepted
    );
    assert_eq!(place.sql("SELECT COUNT(*) FROM operations").await, "22");
    assert_verified(&journal).await;

    // its lock is taken anew, so that nobody takes it for dead
    let other = place.journal();
    other.open().await.unwrap();
    let running = send(&journal, invoice()).await;
    in_time(async {
        while other.settle_orphans().await.unwrap() > 0
            || place.sql("SELECT COUNT(*) FROM owners").await != "2"
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(journal.finish(running, made(99)).await.unwrap().state == OperationState::Accepted);
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_connections_are_used_up() {
    let Some(cluster) = Cluster::start("fsync=off max_connections=6 superuser_reserved_connections=0") else {
        return;
    };
    let url = cluster.database();
    let place = Place::at(&url);
    let mut taken = Vec::new();
    for _ in 0..6 {
        use sqlx::Connection as _;
        taken.push(sqlx::PgConnection::connect(&url).await.unwrap());
    }
    let journal = place.journal_with("state", Duration::from_millis(500));
    let error = in_time(journal.begin(invoice())).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        ("journal_connections", Some(Delivery::NotSent)),
        "{error:?}"
    );
    drop(taken);
    in_time(async {
        while journal.begin(invoice()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_newer_version() {
    let Some(place) = Place::postgres() else { return };
    place.journal().open().await.unwrap();
    place
        .sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (7, 'later', true, '', 0)")
        .await;
    let error = place.journal().begin(invoice()).await.unwrap_err();
    assert_eq!(error.kind(), "journal_newer");
    assert!(error.to_string().contains("has schema version 7"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_processes_open_a_new_journal_at_once() {
    let Some(place) = Place::postgres() else { return };
    let place = Arc::new(place);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10 {
        let place = Arc::clone(&place);
        tasks.spawn(async move {
            let journal = place.journal_with(&format!("state-{number}"), Duration::from_secs(30));
            end(&journal, invoice(), made(number + 1)).await;
        });
    }
    in_time(tasks.join_all()).await;
    assert_eq!(place.sql("SELECT COUNT(*) FROM epochs").await, "1");
    assert_verified(&place.journal()).await;
}

#[tokio::test]
async fn a_url_is_never_told_with_its_password() {
    let place = Place::at("postgres://kaspi:test-password@127.0.0.1:1/kaspi");
    let journal = place.journal_with("state", Duration::from_millis(300));
    let error = journal.begin(invoice()).await.unwrap_err();
    let told = format!(
        "{error} {error:?} {journal:?} {:?} {}",
        journal.state(),
        crate::base::chain_text(&error)
    );
    assert!(!told.contains("test-password"), "{told}");
    assert!(told.contains("postgres://127.0.0.1:1/kaspi"), "{told}");
    let error = Place::at("postgres://kaspi:test-password@[::1/kaspi")
        .journal()
        .begin(invoice())
        .await
        .unwrap_err();
    assert!(
        !format!("{error:?}{}", crate::base::chain_text(&error)).contains("test-password"),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_left_to_the_server() {
    let Some(place) = Place::postgres() else { return };
    let error = place.journal().backup(&place.path("copy")).await.unwrap_err();
    assert!(error.to_string().contains("pg_dump"), "{error}");
    assert!(!place.path("copy").exists());
}
