//! A journal that is open: its store, and whether it may be used for money.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use uuid::Uuid;

use super::course::SettleOwner;
use super::engine::{Common, Engine};
use super::fault::Place;
use super::mark::{Mark, Position};
use super::owner::{NewEpoch, Stand};
use super::process::Process;
use super::record::OwnerId;
use super::sqlite::Sqlite;
use super::{JournalError, JournalOptions, Store};

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) engine: Engine,
    pub(super) place: Place,
    mark: Option<Arc<Mark>>,
    /// Why no money may be moved; none where it may.
    barred: Mutex<Option<JournalError>>,
    epoch: Mutex<Option<Uuid>>,
    entered: OnceCell<()>,
}

impl Opened {
    /// Opens the store; where it can only be read, for that alone.
    pub(super) async fn open(
        options: &JournalOptions,
        name: &str,
        me: OwnerId,
    ) -> Result<Self, JournalError> {
        let place = Place {
            name: name.to_owned(),
            patience: options.patience,
        };
        let (mark, no_mark) = match Mark::open(&options.state_dir) {
            Ok(mark) => (Some(Arc::new(mark)), None),
            Err(error) => {
                let what = format!(
                    "the state folder `{}` cannot be used",
                    options.state_dir.display()
                );
                (None, Some(place.explain_io(&what, error)))
            }
        };
        let common = Common {
            me,
            who: Process::this().words(),
            mark: mark.clone(),
            clock: Arc::clone(&options.clock),
        };
        let (engine, read_only) = engine(options, &place, &common).await?;
        let opened = Self {
            engine,
            place,
            mark,
            barred: Mutex::new(read_only.or(no_mark)),
            epoch: Mutex::default(),
            entered: OnceCell::new(),
        };
        if opened.barred().is_none() {
            opened.compare_with_mark().await?;
        }
        Ok(opened)
    }

    /// Why no money may be moved.
    pub(super) fn barred(&self) -> Option<JournalError> {
        self.barred.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why nothing may be written; a journal that is behind may be mended.
    pub(super) fn bars_writing(&self) -> Option<JournalError> {
        self.barred()
            .filter(|error| !matches!(error, JournalError::Behind { .. }))
    }

    /// Whether this process takes part.
    pub(super) fn has_entered(&self) -> bool {
        self.entered.initialized()
    }

    /// Takes part: holds a lock, and settles what dead processes left.
    pub(super) async fn enter(&self) -> Result<(), JournalError> {
        self.entered
            .get_or_try_init(|| async {
                self.engine.enter().await?;
                self.settle_orphans().await.map(|_| ())
            })
            .await?;
        Ok(())
    }

    /// Settles what dead processes left.
    pub(super) async fn settle_orphans(&self) -> Result<u64, JournalError> {
        let mut settled = 0;
        for owner in self.engine.gone().await? {
            let operations = self.engine.write(SettleOwner(owner)).await?;
            for id in &operations {
                tracing::warn!(operation = %id, "settled for a process that is gone");
            }
            settled += u64::try_from(operations.len()).unwrap_or_default();
            self.engine.forget(owner);
        }
        Ok(settled)
    }

    /// An operation has this number now, and the journal may never again be without it.
    pub(super) fn came_to(&self, seq: i64) -> Result<(), JournalError> {
        let epoch = *self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(mark), Some(epoch)) = (&self.mark, epoch) else {
            return Ok(());
        };
        mark.advance(Position { epoch, seq }).map_err(|error| {
            let what = format!(
                "`{}`, which remembers how far it had come, cannot be written",
                mark.path().display()
            );
            self.place.explain_io(&what, error)
        })
    }

    /// What stands in the journal is all there is, from now on.
    pub(super) async fn after_restore(&self, who: &str) -> Result<(), JournalError> {
        let above = self.mark.as_ref().map_or(0, |mark| mark.seen());
        let standing = self
            .engine
            .write(NewEpoch {
                who: who.to_owned(),
                above,
            })
            .await?;
        if let (Some(mark), Some(position)) = (&self.mark, standing.position()) {
            mark.reset(position)
                .map_err(|error| self.place.explain_io("the mark cannot be written", error))?;
            *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = Some(position.epoch);
        }
        let mut barred = self.barred.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*barred, Some(JournalError::Behind { .. })) {
            *barred = None;
        }
        Ok(())
    }

    async fn compare_with_mark(&self) -> Result<(), JournalError> {
        let Some(mark) = &self.mark else {
            return Ok(());
        };
        let explain = |error| {
            let what = format!(
                "`{}`, which remembers how far it had come, cannot be used",
                mark.path().display()
            );
            self.place.explain_io(&what, error)
        };
        // the mark first: what is begun between the two readings makes it only smaller than the journal
        let marked = mark.read().map_err(explain)?;
        let standing = self.engine.write(Stand).await?;
        let position = standing.position();
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = position.map(|position| position.epoch);
        match (marked, position) {
            (Some(marked), _) if let Some(problem) = standing.behind(marked) => {
                let place = self.place.name.clone();
                *self.barred.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(JournalError::Behind { place, problem });
            }
            (Some(marked), Some(position)) if marked.epoch == position.epoch => {
                mark.advance(position).map_err(explain)?;
            }
            (_, Some(position)) => mark.reset(position).map_err(explain)?,
            (_, None) => {}
        }
        Ok(())
    }
}

async fn engine(
    options: &JournalOptions,
    place: &Place,
    common: &Common,
) -> Result<(Engine, Option<JournalError>), JournalError> {
    match &options.store {
        Store::Sqlite(path) => sqlite(path, place, common).await,
        #[cfg(feature = "postgres")]
        Store::Postgres(url) => {
            let (options, _) = super::postgres::options(url)?;
            let postgres = super::postgres::Postgres::open(place, options, common).await?;
            Ok((Engine::Postgres(Box::new(postgres)), None))
        }
        #[cfg(not(feature = "postgres"))]
        Store::Postgres(_) => Err(JournalError::NotBuilt {
            place: place.name.clone(),
        }),
    }
}

/// A file that cannot be written may still be read.
async fn sqlite(
    path: &Path,
    place: &Place,
    common: &Common,
) -> Result<(Engine, Option<JournalError>), JournalError> {
    match Sqlite::open(place, path, common).await {
        Ok(sqlite) => Ok((Engine::Sqlite(sqlite), None)),
        Err(
            error @ (JournalError::ReadOnly { .. }
            | JournalError::ForeignUser { .. }
            | JournalError::Full { .. }
            | JournalError::Locked { .. }),
        ) => match Sqlite::open_to_read(place, path, common).await {
            Ok(sqlite) => Ok((Engine::Sqlite(sqlite), Some(error))),
            Err(_) => Err(error),
        },
        Err(error) => Err(error),
    }
}
