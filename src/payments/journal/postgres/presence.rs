//! The lock that says that this process lives: a session's advisory lock, on a connection of its own.
//!
//! It dies with the connection. Where that breaks without us, it is made anew, with a new number: the
//! server may hold the old one for a while on behalf of a connection that is gone.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Executor as _};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{connect, now};
use crate::payments::journal::JournalError;
use crate::payments::journal::engine::Common;
use crate::payments::journal::fault::Place;
use crate::payments::journal::owner::Enter;
use crate::payments::journal::process::Process;
use crate::payments::journal::record::OwnerId;
use crate::payments::journal::sql::Conn;
use crate::payments::journal::step::{Step, StepError, Tx};

/// How often the connection is tried while nothing else says that it broke.
const HEARTBEAT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Presence {
    lost: watch::Receiver<bool>,
    look: Arc<Notify>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    leave: Arc<Notify>,
}

impl Presence {
    /// Takes the lock, enters this process, and keeps both.
    pub(super) async fn take(
        place: Place,
        options: PgConnectOptions,
        common: Common,
    ) -> Result<Self, JournalError> {
        let connection = enter(&place, &options, &common).await?;
        let (lost, seen) = watch::channel(false);
        let presence = Self {
            lost: seen,
            look: Arc::default(),
            keeper: Mutex::default(),
            leave: Arc::default(),
        };
        let (look, leave) = (Arc::clone(&presence.look), Arc::clone(&presence.leave));
        let keeper = tokio::spawn(async move {
            tokio::select! {
                () = keep(place, options, common, connection, lost, look) => {}
                () = leave.notified() => {}
            }
        });
        *presence.keeper.lock().await = Some(keeper);
        Ok(presence)
    }

    /// Something else broke: look at once.
    pub(super) fn look(&self) {
        self.look.notify_one();
    }

    /// Waits until the lock is held; false where that takes longer.
    pub(super) async fn is_there(&self, wait: Duration) -> bool {
        let mut lost = self.lost.clone();
        if !*lost.borrow() {
            return true;
        }
        matches!(timeout(wait, lost.wait_for(|lost| !lost)).await, Ok(Ok(_)))
    }

    pub(super) async fn leave(&self) {
        self.leave.notify_one();
        if let Some(keeper) = self.keeper.lock().await.take() {
            let _ = keeper.await;
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.leave.notify_one();
    }
}

async fn keep(
    place: Place,
    options: PgConnectOptions,
    common: Common,
    mut connection: PgConnection,
    lost: watch::Sender<bool>,
    look: Arc<Notify>,
) {
    loop {
        let _ = timeout(HEARTBEAT, look.notified()).await;
        if matches!(timeout(place.patience, connection.ping()).await, Ok(Ok(()))) {
            continue;
        }
        lost.send_replace(true);
        tracing::warn!(journal = %place.name, "the connection that says that this process lives is lost");
        let mut pause = Duration::from_millis(50);
        connection = loop {
            match enter(&place, &options, &common).await {
                Ok(connection) => break connection,
                Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(HEARTBEAT);
        };
        lost.send_replace(false);
        tracing::info!(journal = %place.name, "the connection that says that this process lives is there again");
    }
}

async fn enter(
    place: &Place,
    options: &PgConnectOptions,
    common: &Common,
) -> Result<PgConnection, JournalError> {
    let mut connection = connect(place, options).await?;
    let key = fastrand::i64(1..i64::MAX);
    let entered = async {
        connection
            .execute(sqlx::query("SELECT pg_advisory_lock($1)").bind(key))
            .await?;
        let mut transaction = connection.begin().await?;
        let now = now(&mut transaction).await?;
        let mut tx = Tx {
            conn: Conn::Postgres(&mut transaction),
            now,
            me: common.me,
            who: common.who.clone(),
            lane: String::new(),
            floor: 0,
            attempt: 1,
        };
        Enter {
            process: Process::this(),
            lock_key: key,
        }
        .run(&mut tx)
        .await?;
        transaction.commit().await?;
        Ok::<_, StepError>(())
    };
    entered.await.map_err(|error| place.explain(error))?;
    Ok(connection)
}

/// Processes whose lock is gone. The view is only looked at: a lock that is tried would for a moment
/// keep its owner from taking it.
pub(super) struct Gone;

impl Step for Gone {
    type Output = Vec<OwnerId>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<OwnerId>, StepError> {
        let sql = "SELECT id FROM owners WHERE id <> $1 AND NOT EXISTS \
                   (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                   AND (classid::BIGINT << 32) | objid::BIGINT = owners.lock_key)";
        let rows = tx
            .conn
            .rows(sql, &super::super::sql::args![tx.me.to_string()])
            .await?;
        let id = |text: String| {
            text.parse()
                .map(OwnerId)
                .map_err(|_| StepError::Unreadable(format!("an owner is `{}`", text.escape_debug())))
        };
        rows.iter().map(|row| id(row.text("id")?)).collect()
    }
}
