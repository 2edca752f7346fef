//! The one connection that writes: it takes together what waits.

use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot};

use crate::payments::journal::JournalError;
use crate::payments::journal::engine::Common;
use crate::payments::journal::fault::Place;
use crate::payments::journal::row::micros;
use crate::payments::journal::sql::Conn;
use crate::payments::journal::step::{Step, StepError, Tx};

/// How many steps share one transaction at most.
const BATCH: usize = 256;

/// A step that waits, with whoever waits for it.
pub(super) trait Job: Send {
    /// Does it, perhaps once more; false where its transaction must not be committed.
    fn run<'j>(&'j mut self, tx: &'j mut Tx<'_>) -> Pin<Box<dyn Future<Output = bool> + Send + 'j>>;
    /// Tells what came of it, or why its transaction came to nothing.
    fn answer(self: Box<Self>, place: &Place, transaction: Result<(), JournalError>);
}

/// One step with its result.
pub(super) struct Pending<S: Step> {
    step: S,
    result: Option<Result<S::Output, StepError>>,
    reply: oneshot::Sender<Result<S::Output, JournalError>>,
}

impl<S: Step> Pending<S> {
    pub(super) fn new(step: S, reply: oneshot::Sender<Result<S::Output, JournalError>>) -> Self {
        Self {
            step,
            result: None,
            reply,
        }
    }
}

impl<S: Step> Job for Pending<S> {
    fn run<'j>(&'j mut self, tx: &'j mut Tx<'_>) -> Pin<Box<dyn Future<Output = bool> + Send + 'j>> {
        Box::pin(async move {
            let result = self.step.run(tx).await;
            let held = result.is_ok();
            self.result = Some(result);
            held
        })
    }

    fn answer(self: Box<Self>, place: &Place, transaction: Result<(), JournalError>) {
        let result = match (transaction, self.result) {
            (_, Some(Err(error))) => Err(place.explain(error)),
            (Err(error), _) => Err(error),
            (Ok(()), Some(Ok(output))) => Ok(output),
            (Ok(()), None) => Err(JournalError::Unavailable {
                place: place.name.clone(),
                problem: "a step was not run".to_owned(),
                source: None,
            }),
        };
        // whoever asked may have gone; the step is done nevertheless
        let _ = self.reply.send(result);
    }
}

/// What came of several steps in one transaction.
enum Together {
    /// All were run, or none: so ended the transaction.
    Done(Result<(), JournalError>),
    /// One failed, and the transaction was taken back.
    OneFailed,
}

pub(super) struct Writer {
    place: Place,
    path: PathBuf,
    /// Which file it was when it was opened.
    file: Option<(u64, u64)>,
    common: Common,
    lane: String,
    connection: SqliteConnection,
    queue: mpsc::Receiver<Box<dyn Job>>,
}

impl Writer {
    pub(super) fn new(
        place: Place,
        path: &Path,
        common: Common,
        connection: SqliteConnection,
        queue: mpsc::Receiver<Box<dyn Job>>,
    ) -> Self {
        Self {
            place,
            file: which(path),
            path: path.to_owned(),
            common,
            lane: "sqlite".to_owned(),
            connection,
            queue,
        }
    }

    /// Works until nobody can ask any more.
    pub(super) async fn run(mut self) {
        let mut jobs = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut jobs, BATCH).await > 0 {
            if let Err(error) = self.same_file() {
                for job in jobs.drain(..) {
                    job.answer(&self.place, Err(error.clone()));
                }
                // whoever asks next opens the file that is there now
                return;
            }
            match self.together(&mut jobs).await {
                Together::Done(transaction) => {
                    for job in jobs.drain(..) {
                        job.answer(&self.place, transaction.clone());
                    }
                }
                // one of them said no: it must not take the others with it
                Together::OneFailed => {
                    for mut job in jobs.drain(..) {
                        let transaction = self.alone(&mut job).await;
                        job.answer(&self.place, transaction);
                    }
                }
            }
        }
        let _ = self.connection.close().await;
    }

    /// All in one transaction.
    async fn together(&mut self, jobs: &mut [Box<dyn Job>]) -> Together {
        if let Err(error) = self.say("BEGIN IMMEDIATE").await {
            return Together::Done(Err(error));
        }
        let single = jobs.len() == 1;
        for job in jobs {
            if !self.run_one(job.as_mut()).await {
                let _ = self.say("ROLLBACK").await;
                // a single one tells its own error
                return if single {
                    Together::Done(Ok(()))
                } else {
                    Together::OneFailed
                };
            }
        }
        let committed = self.say("COMMIT").await;
        if committed.is_err() {
            // SQLite has mostly done so itself
            let _ = self.say("ROLLBACK").await;
        }
        Together::Done(committed)
    }

    /// One in a transaction of its own.
    async fn alone(&mut self, job: &mut Box<dyn Job>) -> Result<(), JournalError> {
        match self.together(std::slice::from_mut(job)).await {
            Together::Done(transaction) => transaction,
            Together::OneFailed => Ok(()),
        }
    }

    async fn run_one(&mut self, job: &mut dyn Job) -> bool {
        let mut tx = Tx {
            conn: Conn::Sqlite(&mut self.connection),
            now: micros(self.common.clock.now()),
            me: self.common.me,
            who: self.common.who.clone(),
            lane: self.lane.clone(),
            floor: self.common.floor(),
            attempt: 1,
        };
        job.run(&mut tx).await
    }

    async fn say(&mut self, sql: &'static str) -> Result<(), JournalError> {
        match self.connection.execute(sql).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.place.explain_sql(error)),
        }
    }

    /// A file that was put in the place of ours would never see what we write.
    fn same_file(&self) -> Result<(), JournalError> {
        match which(&self.path) == self.file {
            true => Ok(()),
            false => Err(JournalError::Unavailable {
                place: self.place.name.clone(),
                problem: "another file has taken its place, or it was removed, while it was in use"
                    .to_owned(),
                source: None,
            }),
        }
    }
}

fn which(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
