//! The journal in PostgreSQL, where several gateways share one.
//!
//! Each step has a transaction of its own, on a connection of a pool; one that fails for a reason that
//! passes (a restart, a deadlock, two equal keys at once) is run again. One more connection holds the
//! advisory lock that says that this process lives.

mod presence;

use std::fmt;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tokio::time::{Instant, sleep};

use super::engine::Common;
use super::fault::Place;
use super::record::OwnerId;
use super::sql::Conn;
use super::step::{Step, StepError, Tx};
use super::{JournalError, schema};
use crate::base::Secret;
use presence::Presence;

const CONNECTIONS: u32 = 16;

pub(super) struct Postgres {
    place: Place,
    options: PgConnectOptions,
    common: Common,
    pool: PgPool,
    /// Lanes that no transaction uses at this moment, and how many there are.
    lanes: Mutex<(Vec<u32>, u32)>,
    presence: tokio::sync::OnceCell<Presence>,
}

/// The options hold the password, and would show it.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.place.name).finish()
    }
}

/// Reads the URL. Its place for messages has no user and no password.
pub(super) fn options(url: &Secret) -> Result<(PgConnectOptions, String), JournalError> {
    let options = PgConnectOptions::from_str(url.expose()).map_err(|error| JournalError::Unavailable {
        place: "postgres://...".to_owned(),
        // the cause may quote the URL, password and all
        problem: match error {
            sqlx::Error::Configuration(_) => "`journal.url` is no URL that PostgreSQL understands".to_owned(),
            _ => "`journal.url` cannot be used".to_owned(),
        },
        source: None,
    })?;
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let name = format!(
        "postgres://{host}/{}",
        options.get_database().unwrap_or_else(|| options.get_username())
    );
    Ok((options, name))
}

impl Postgres {
    pub(super) async fn open(
        place: &Place,
        options: PgConnectOptions,
        common: &Common,
    ) -> Result<Self, JournalError> {
        let limit = format!("{}ms", place.patience.max(Duration::from_secs(1)).as_millis() * 4);
        let options = options
            .application_name("kaspi")
            .options([
                ("statement_timeout", limit.as_str()),
                ("idle_in_transaction_session_timeout", limit.as_str()),
                // a host that vanished must not seem alive for two hours
                ("tcp_keepalives_idle", "10"),
                ("tcp_keepalives_interval", "5"),
                ("tcp_keepalives_count", "3"),
            ])
            .disable_statement_logging();
        let mut connection = connect(place, &options).await?;
        schema::migrate_postgres(place, &mut connection).await?;
        let _ = connection.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(place.patience)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone());
        Ok(Self {
            place: place.clone(),
            options,
            common: common.clone(),
            pool,
            lanes: Mutex::default(),
            presence: tokio::sync::OnceCell::new(),
        })
    }

    pub(super) async fn write<S: Step>(&self, step: S) -> Result<S::Output, JournalError> {
        let lane = self.take_lane();
        let written = self.write_in(&step, lane.number()).await;
        drop(lane);
        written
    }

    async fn write_in<S: Step>(&self, step: &S, lane: u32) -> Result<S::Output, JournalError> {
        let until = Instant::now() + self.place.patience;
        let mut attempt = 1;
        loop {
            let error = match self.transaction(step, lane, attempt).await {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let retry = match &error {
                StepError::Sql(error) => retry(error),
                _ => Retry::Never,
            };
            if retry == Retry::Connection
                && let Some(presence) = self.presence.get()
            {
                presence.look();
            }
            if retry == Retry::Never || Instant::now() >= until {
                return Err(self.explain(error).await);
            }
            // grows to a fifth of a second, and two that met do not meet again
            sleep(Duration::from_millis(fastrand::u64(1..(5 << attempt.min(5))))).await;
            attempt += 1;
        }
    }

    async fn transaction<S: Step>(&self, step: &S, lane: u32, attempt: u32) -> Result<S::Output, StepError> {
        let mut transaction = self.pool.begin().await?;
        let now = now(&mut transaction).await?;
        let mut tx = Tx {
            conn: Conn::Postgres(&mut transaction),
            now,
            me: self.common.me,
            who: self.common.who.clone(),
            lane: format!("{}/{lane}", self.common.me),
            floor: self.common.floor(),
            attempt,
        };
        match step.run(&mut tx).await {
            Ok(output) => {
                transaction.commit().await?;
                Ok(output)
            }
            Err(error) => {
                // the connection is of use again only once this is through
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }

    pub(super) async fn read<S: Step>(&self, step: S) -> Result<S::Output, JournalError> {
        let until = Instant::now() + self.place.patience;
        loop {
            let error = match self.snapshot(&step).await {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let may_pass = matches!(&error, StepError::Sql(error) if retry(error) != Retry::Never);
            if !may_pass || Instant::now() >= until {
                return Err(self.explain(error).await);
            }
            sleep(Duration::from_millis(fastrand::u64(5..50))).await;
        }
    }

    async fn snapshot<S: Step>(&self, step: &S) -> Result<S::Output, StepError> {
        let mut transaction = self
            .pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let now = now(&mut transaction).await?;
        let mut tx = Tx {
            conn: Conn::Postgres(&mut transaction),
            now,
            me: self.common.me,
            who: self.common.who.clone(),
            lane: String::new(),
            floor: 0,
            attempt: 1,
        };
        let read = step.run(&mut tx).await;
        let _ = transaction.rollback().await;
        read
    }

    pub(super) async fn enter(&self) -> Result<(), JournalError> {
        self.presence
            .get_or_try_init(|| Presence::take(self.place.clone(), self.options.clone(), self.common.clone()))
            .await?;
        Ok(())
    }

    pub(super) async fn gone(&self) -> Result<Vec<OwnerId>, JournalError> {
        self.read(presence::Gone).await
    }

    /// While our lock is lost, others take us for dead and settle our rows: nothing new is begun before
    /// it is there again.
    pub(super) async fn hindrance(&self) -> Option<JournalError> {
        let there = self.presence.get()?.is_there(self.place.patience).await;
        (!there).then(|| JournalError::Unavailable {
            place: self.place.name.clone(),
            problem: "the connection that says that this process lives is lost, and is being made anew"
                .to_owned(),
            source: None,
        })
    }

    pub(super) async fn close(&self) {
        if let Some(presence) = self.presence.get() {
            presence.leave().await;
        }
        self.pool.close().await;
    }

    /// A pool that has no connection for us does not say why; a connection of our own does.
    async fn explain(&self, error: StepError) -> JournalError {
        if let StepError::Sql(sqlx::Error::PoolTimedOut) = &error
            && let Err(told) = connect(&self.place, &self.options).await
        {
            return told;
        }
        self.place.explain(error)
    }

    fn take_lane(&self) -> Lane<'_> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let number = lanes.0.pop().unwrap_or_else(|| {
            lanes.1 += 1;
            lanes.1
        });
        Lane { of: self, number }
    }
}

/// A lane that one transaction uses.
struct Lane<'p> {
    of: &'p Postgres,
    number: u32,
}

impl Lane<'_> {
    fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.of
            .lanes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .push(self.number);
    }
}

async fn connect(place: &Place, options: &PgConnectOptions) -> Result<PgConnection, JournalError> {
    match tokio::time::timeout(place.patience, options.connect()).await {
        Ok(connected) => connected.map_err(|error| place.explain_sql(error)),
        Err(late) => Err(JournalError::Unavailable {
            place: place.name.clone(),
            problem: format!("it does not answer within {} ms", place.patience.as_millis()),
            source: Some(Arc::new(late)),
        }),
    }
}

/// The server's clock: those of the hosts may differ.
async fn now(connection: &mut PgConnection) -> sqlx::Result<i64> {
    let sql = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT AS now";
    connection.fetch_one(sqlx::query(sql)).await?.try_get("now")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    Never,
    /// The transaction met another one.
    Met,
    /// The connection is of no use any more.
    Connection,
}

fn retry(error: &sqlx::Error) -> Retry {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Retry::Connection,
        sqlx::Error::Database(told) => match told.code().unwrap_or_default().as_ref() {
            // serialisation failure, deadlock, two of one key
            "40001" | "40P01" | "23505" => Retry::Met,
            // ended by the server: shut down, crashed, starting up, idle for too long
            "57P01" | "57P02" | "57P03" | "25P03" => Retry::Connection,
            code if code.starts_with("08") => Retry::Connection,
            _ => Retry::Never,
        },
        _ => Retry::Never,
    }
}
