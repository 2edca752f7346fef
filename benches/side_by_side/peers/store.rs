//! A store by itself: what its commits cost when nothing else is done.
//!
//! An operation is written down before it is sent, when it is sent, and when its outcome is known: three
//! durable commits, one after the other. Here each is one row and nothing more.

use std::sync::Arc;

use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor};
use tokio::sync::Mutex;

use super::{Job, Kind};
use crate::load;

/// Durable commits of one operation.
const COMMITS: usize = 3;
const TABLE: &str = "CREATE TABLE IF NOT EXISTS bare (note TEXT NOT NULL)";
const ROW: &str = "INSERT INTO bare (note) VALUES ('an operation, in as few bytes as it can be told')";

pub(super) async fn run(job: Job) {
    let place = job.config.to_str().unwrap().to_owned();
    match job.kind {
        Kind::StoreSqlite => sqlite(&place).await,
        _ => postgres(&place).await,
    }
}

/// One connection writes: SQLite has one writer at a time.
async fn sqlite(file: &str) {
    let connection = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await
        .unwrap();
    let connection = Arc::new(Mutex::new(connection));
    connection.lock().await.execute(TABLE).await.unwrap();
    load::serve(move |_| {
        let connection = Arc::clone(&connection);
        async move {
            for _ in 0..COMMITS {
                let mut alone = connection.lock().await;
                let written = alone.execute(ROW).await;
                written.map_err(|error| error.to_string())?;
            }
            Ok(())
        }
    })
    .await;
}

/// A connection for each that is in flight, as many as the server takes unasked.
async fn postgres(url: &str) {
    let pool = PgPoolOptions::new()
        .max_connections(64)
        .test_before_acquire(false)
        .connect(url)
        .await
        .unwrap();
    pool.execute(TABLE).await.unwrap();
    load::serve(move |_| {
        let pool = pool.clone();
        async move {
            let mut own = pool.acquire().await.map_err(|error| error.to_string())?;
            for _ in 0..COMMITS {
                let written = own.execute(sqlx::query(ROW)).await;
                written.map_err(|error| error.to_string())?;
            }
            Ok(())
        }
    })
    .await;
}
