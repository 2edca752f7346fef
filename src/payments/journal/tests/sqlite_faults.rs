//! What can be wrong with a file.

use std::os::unix::fs::PermissionsExt;

use sqlx::{ConnectOptions as _, Executor as _};

use super::*;
use crate::base::{Delivery, Explain};

/// Why no operation may begin.
async fn refusal(journal: &Journal) -> JournalError {
    let error = in_time(journal.begin(invoice())).await.unwrap_err();
    assert_eq!(error.delivery(), Some(Delivery::NotSent), "{error}");
    assert!(error.hint().is_some(), "{error}");
    error
}

async fn connection(place: &Place) -> sqlx::SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new()
        .filename(place.file())
        .connect()
        .await
        .unwrap()
}

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    let place = Place::sqlite();
    place.journal().open().await.unwrap();
    for name in ["kaspi.db", "kaspi.db-wal", "kaspi.db-shm"] {
        let mode = std::fs::metadata(place.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
    let durable = place.journal();
    durable.open().await.unwrap();
    assert_eq!(place.sql("PRAGMA journal_mode").await, "wal");
}

#[tokio::test]
async fn no_folder() {
    let mut place = Place::sqlite();
    place.store = Store::Sqlite(place.path("nowhere/kaspi.db"));
    let journal = place.journal();
    let error = refusal(&journal).await;
    assert_eq!(error.kind(), "journal_no_folder");
    assert!(
        error
            .to_string()
            .contains(&place.path("nowhere").display().to_string()),
        "{error}"
    );
    assert!(matches!(journal.state(), JournalState::Unavailable(_)));
    // mended, it goes on by itself
    std::fs::create_dir(place.path("nowhere")).unwrap();
    in_time(async {
        while journal.begin(invoice()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(matches!(journal.state(), JournalState::Open));
}

#[tokio::test]
async fn a_folder_or_another_file_in_its_place() {
    let place = Place::sqlite();
    std::fs::create_dir(place.file()).unwrap();
    assert_eq!(refusal(&place.journal()).await.kind(), "journal_read_only");
    std::fs::remove_dir(place.file()).unwrap();
    std::fs::write(
        place.file(),
        "this is a shopping list, and a long one at that".repeat(100),
    )
    .unwrap();
    let error = refusal(&place.journal()).await;
    assert_eq!(error.kind(), "journal_corrupt");
    assert!(error.to_string().contains("no SQLite database"), "{error}");
}

#[tokio::test]
async fn locked_by_another_program() {
    let place = Place::sqlite();
    let journal = place.journal_with("state", SHORT);
    let before = end(&journal, invoice(), made(1)).await;
    let mut other = connection(&place).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = refusal(&journal).await;
    assert_eq!(error.kind(), "journal_locked");
    assert!(error.to_string().contains("no turn in 200 ms"), "{error}");
    assert!(
        journal.operation(before.id).await.unwrap().is_some(),
        "reads go on"
    );
    // one that is opened meanwhile can read, too
    let late = place.journal_with("state", SHORT);
    assert_eq!(refusal(&late).await.kind(), "journal_locked");
    assert!(late.operation(before.id).await.unwrap().is_some());
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(journal.begin(invoice()).await.unwrap().word(), "new");
    in_time(async {
        while late.begin(invoice()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_verified(&journal).await;
}

#[tokio::test]
async fn an_outcome_is_written_once_the_lock_is_gone() {
    let place = Place::sqlite();
    let journal = place.journal_with("state", SHORT);
    let id = send(&journal, invoice()).await;
    let mut other = connection(&place).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(
        journal.finish(id, made(1)).await.unwrap_err().kind(),
        "journal_locked"
    );
    assert_eq!(state_of(&journal, id).await, OperationState::Sent);
    other.execute("ROLLBACK").await.unwrap();
    let done = in_time(journal.settled(id, Duration::from_secs(60)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(done.state, OperationState::Accepted, "it went on trying");
}

#[tokio::test]
async fn of_a_newer_version() {
    let place = Place::sqlite();
    place.journal().open().await.unwrap();
    place
        .sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (7, 'later', 1, x'00', 0)")
        .await;
    let error = refusal(&place.journal()).await;
    assert_eq!(error.kind(), "journal_newer");
    let told = format!(
        "has schema version 7, this program knows versions up to {}",
        schema::KNOWN
    );
    assert!(error.to_string().ends_with(&told), "{error}");
}

#[tokio::test]
async fn a_page_is_damaged() {
    let place = Place::sqlite();
    let journal = place.journal();
    for number in 1..=200 {
        end(&journal, invoice(), made(number)).await;
    }
    journal.close().await;
    place.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let page = place
        .sql("SELECT rootpage FROM sqlite_schema WHERE name = 'operations'")
        .await;
    let page: usize = page.parse().unwrap();
    let mut bytes = std::fs::read(place.file()).unwrap();
    bytes[(page - 1) * 4096..page * 4096].fill(0xa5);
    std::fs::write(place.file(), bytes).unwrap();
    assert_eq!(refusal(&place.journal()).await.kind(), "journal_corrupt");
}

#[tokio::test]
async fn another_file_takes_its_place_while_it_is_used() {
    let place = Place::sqlite();
    let journal = place.journal();
    end(&journal, invoice(), made(1)).await;
    let copy = place.path("old.db");
    journal.backup(&copy).await.unwrap();
    end(&journal, invoice().under("late"), made(2)).await;
    // as a person restores, in a hurry, with the gateway running
    for name in ["kaspi.db-wal", "kaspi.db-shm"] {
        std::fs::remove_file(place.path(name)).unwrap();
    }
    std::fs::rename(&copy, place.file()).unwrap();
    assert_eq!(refusal(&journal).await.kind(), "journal_unavailable");
    in_time(async {
        while refusal(&journal).await.kind() != "journal_behind" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    journal.after_restore("Aigul").await.unwrap();
    assert_eq!(journal.begin(invoice()).await.unwrap().word(), "new");
}

#[tokio::test]
async fn a_backup_is_a_journal() {
    let place = Place::sqlite();
    let journal = place.journal();
    let first = end(&journal, invoice().under("key"), made(1)).await;
    let copy = place.path("copy.db");
    journal.backup(&copy).await.unwrap();
    assert_eq!(
        std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let error = journal.backup(&copy).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().contains("the file exists")),
        ("backup", true),
        "{error}"
    );
    let error = journal.backup(&place.path("nowhere/copy.db")).await.unwrap_err();
    assert_eq!(error.kind(), "backup");

    let mut moved = Place::sqlite();
    moved.store = Store::Sqlite(copy);
    let moved = moved.journal();
    assert_eq!(
        moved.begin(invoice().under("key")).await.unwrap().record().id,
        first.id
    );
    assert_verified(&moved).await;
}

#[tokio::test]
async fn the_state_folder_cannot_be_used() {
    let place = Place::sqlite();
    std::fs::write(place.path("state"), "a file").unwrap();
    let journal = place.journal();
    let error = refusal(&journal).await;
    assert_eq!(error.kind(), "journal_unavailable");
    assert!(error.to_string().contains("the state folder"), "{error}");
    assert!(
        journal
            .operations(&Filter::default())
            .await
            .unwrap()
            .items
            .is_empty(),
        "reads go on"
    );
}

#[tokio::test]
async fn one_gateway_serves_a_file() {
    let place = Place::sqlite();
    let (one, other) = (place.journal(), place.journal());
    let serving = one.claim_serving().await.unwrap();
    let error = other.claim_serving().await.unwrap_err();
    assert_eq!(error.kind(), "journal_served");
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    assert_eq!(
        other.begin(invoice()).await.unwrap().word(),
        "new",
        "a command beside it works"
    );
    drop(serving);
    other.claim_serving().await.unwrap();
}

#[tokio::test]
async fn a_gateway_of_another_user_is_left_alone() {
    let place = Place::sqlite();
    let serving = place.journal().claim_serving().await.unwrap();
    let before = place.journal();
    before.open().await.unwrap();
    let text = std::fs::read_to_string(place.path("kaspi.db.owners/serve.lock")).unwrap();
    let uid = text.split(' ').nth(1).unwrap().to_owned();
    std::fs::write(place.path("kaspi.db.owners/serve.lock"), "4711 64123 kaspi\n").unwrap();
    let journal = place.journal();
    let error = refusal(&journal).await;
    assert_eq!(error.kind(), "journal_foreign_user");
    assert!(
        error
            .to_string()
            .contains("gateway of user `kaspi` (process 4711)"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("run this command as `kaspi`"));
    assert!(
        journal.operations(&Filter::default()).await.is_ok(),
        "reads go on"
    );
    std::fs::write(
        place.path("kaspi.db.owners/serve.lock"),
        format!("4711 {uid} me\n"),
    )
    .unwrap();
    place.journal().open().await.unwrap();
    drop(serving);
}

/// A small file system of its own, for a journal; `None` where nobody may mount one.
struct Disk(PathBuf);

impl Disk {
    fn mount(place: &mut Place) -> Option<Self> {
        let small = place.path("small");
        std::fs::create_dir(&small).unwrap();
        place.store = Store::Sqlite(small.join("kaspi.db"));
        let disk = Self(small);
        if disk.run("mount", &["-t", "tmpfs", "-o", "size=768k,mode=700", "tmpfs"]) {
            return Some(disk);
        }
        assert!(
            std::env::var_os("KASPI_TESTS_NO_SKIP").is_none(),
            "a file system cannot be mounted here, and KASPI_TESTS_NO_SKIP is set"
        );
        println!("skipped: a file system can be mounted by root alone");
        None
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let mut command = std::process::Command::new(program);
        command
            .args(arguments)
            .arg(&self.0)
            .stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.run("umount", &["-l"]);
    }
}

#[tokio::test]
async fn the_disk_is_full() {
    let mut place = Place::sqlite();
    let Some(disk) = Disk::mount(&mut place) else {
        return;
    };
    let journal = place.journal();
    let first = end(&journal, invoice().under("first"), made(1)).await;
    std::fs::write(disk.0.join("filler"), vec![0; 64 * 1024]).unwrap();
    let mut full = None;
    for number in 0..2000 {
        if let Err(error) = journal.begin(invoice().under(&format!("order-{number}"))).await {
            full = Some(error);
            break;
        }
    }
    assert_eq!(full.unwrap().kind(), "journal_full");
    assert!(
        journal.operation(first.id).await.unwrap().is_some(),
        "reads go on"
    );
    std::fs::remove_file(disk.0.join("filler")).unwrap();
    in_time(async {
        while journal.begin(invoice().under("later")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_verified(&journal).await;
    journal.close().await;
}

#[tokio::test]
async fn the_disk_cannot_be_written() {
    let mut place = Place::sqlite();
    let Some(disk) = Disk::mount(&mut place) else {
        return;
    };
    let before = end(&place.journal(), invoice(), made(1)).await;
    let journal = place.journal();
    journal.open().await.unwrap();
    journal.close().await;
    place.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert!(disk.run("mount", &["-o", "remount,ro"]));
    let journal = place.journal();
    let error = refusal(&journal).await;
    assert_eq!(error.kind(), "journal_read_only");
    assert!(matches!(journal.state(), JournalState::Unavailable(_)));
    assert!(
        journal.operation(before.id).await.unwrap().is_some(),
        "reads go on"
    );
    assert_verified(&journal).await;
    assert!(disk.run("mount", &["-o", "remount,rw"]));
    in_time(async {
        while journal.begin(invoice()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// SQLite says at once that a file is locked while another process gives it its form.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_file_is_opened_by_many_at_once() {
    for _ in 0..10 {
        let place = Place::sqlite();
        let journals: Vec<Journal> = (0..6).map(|_| place.journal()).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for journal in journals {
            tasks.spawn(async move { end(&journal, invoice(), made(5)).await });
        }
        let ended = in_time(tasks.join_all()).await;
        assert!(
            ended
                .iter()
                .all(|record| record.state == OperationState::Accepted)
        );
    }
}
