//! The task that looks after the folders: notices, waits for quiet, rescans.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::links::folders_of;
use super::rotate::{Occasion, Rotor};
use super::trial::Canary;
use super::watch::FolderWatch;
use crate::base::{Explain, chain_text};
use crate::config::{ConfigError, MerchantFolder};

/// A rescan follows a change after so long a time without another one.
const QUIET: Duration = Duration::from_millis(200);
/// A rescan follows a change after so long a time at the latest.
const PATIENCE: Duration = Duration::from_secs(1);
/// A rescan is made as often without any change: events can be lost, and some file systems have none.
const PERIOD: Duration = Duration::from_secs(60);

/// Takes up changed files as long as it is held. Dropping it ends that; what serves goes on.
///
/// Certificates, keys, passwords, device tokens and the folders themselves are looked after.
/// `kaspi.toml` is not: it is read once, and a change in it takes a restart.
#[derive(Debug)]
pub struct Rotation {
    task: JoinHandle<()>,
    hangup: std::sync::Mutex<Option<JoinHandle<()>>>,
    desk: Arc<Desk>,
}

/// How the looking after stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RotationState {
    /// Folders that are watched.
    pub watched_folders: usize,
    /// Why changes may be noticed only by the rescan of every minute; none where they are noticed at once.
    pub degraded: Option<String>,
    /// When the folders were last rescanned, whatever came of it.
    pub last_rescan: Option<OffsetDateTime>,
    /// When they were last rescanned and could be listed.
    pub last_success: Option<OffsetDateTime>,
    /// The last time that `certs_dir` could not be listed, and why. Stays when that passes.
    pub last_error: Option<(OffsetDateTime, String)>,
}

/// Reads the merchants' folders afresh: [`config::scan`](crate::config::scan()) with its arguments.
pub type Scan = Arc<dyn Fn() -> Result<Vec<MerchantFolder>, ConfigError> + Send + Sync>;

/// What the task and its handle leave for each other.
#[derive(Debug)]
struct Desk {
    changed: Arc<Notify>,
    asked: Notify,
    /// How many rescans have been asked for.
    asks: AtomicU64,
    /// How many of those have been done.
    done: watch::Sender<u64>,
    state: watch::Sender<RotationState>,
}

impl Rotation {
    /// Starts to look after the folders. The first rescan begins at once.
    #[must_use]
    pub fn start<K: Send + Sync + 'static>(
        rotor: Arc<Mutex<Rotor<K>>>,
        certs_dir: PathBuf,
        scan: Scan,
        canary: Arc<dyn Canary<K>>,
    ) -> Self {
        let state = RotationState {
            watched_folders: 0,
            degraded: Some("not watched yet".to_owned()),
            last_rescan: None,
            last_success: None,
            last_error: None,
        };
        let desk = Arc::new(Desk {
            changed: Arc::default(),
            asked: Notify::new(),
            // the first rescan is asked for by the start
            asks: AtomicU64::new(1),
            done: watch::Sender::new(0),
            state: watch::Sender::new(state),
        });
        let keeper = Keeper {
            watch: Some(FolderWatch::new(Arc::clone(&desk.changed))),
            desk: Arc::clone(&desk),
            rotor,
            certs_dir,
            scan,
            canary,
        };
        Self {
            task: tokio::spawn(keeper.run()),
            hangup: std::sync::Mutex::new(None),
            desk,
        }
    }

    /// Waits for the first rescan.
    pub async fn started(&self) {
        self.desk.done(1).await;
    }

    /// Asks for a rescan without waiting for it.
    pub fn rescan_now(&self) {
        self.desk.ask();
    }

    /// Rescans, and waits until that is done: what was on disk at the call is in use, or refused.
    pub async fn rescan(&self) {
        let number = self.desk.ask();
        // the task ends only with the handle
        let _ = self.desk.done.subscribe().wait_for(|done| *done >= number).await;
    }

    /// Rescans whenever the process gets SIGHUP, which then no longer ends it.
    ///
    /// # Errors
    ///
    /// The operating system refuses the handler.
    pub fn rescan_on_hangup(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut hangups = signal(SignalKind::hangup())?;
        let desk = Arc::clone(&self.desk);
        let task = tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                tracing::info!("SIGHUP: the merchants' folders are read again");
                desk.ask();
            }
        });
        let mut place = self
            .hangup
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(before) = place.replace(task) {
            before.abort();
        }
        Ok(())
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> RotationState {
        self.desk.state.borrow().clone()
    }
}

impl Drop for Rotation {
    fn drop(&mut self) {
        self.task.abort();
        let hangup = self
            .hangup
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(hangup) = hangup {
            hangup.abort();
        }
    }
}

impl Desk {
    fn ask(&self) -> u64 {
        let number = self.asks.fetch_add(1, Ordering::AcqRel) + 1;
        self.asked.notify_one();
        number
    }

    async fn done(&self, number: u64) {
        // the task ends only with the handle, and this one is held
        let _ = self.done.subscribe().wait_for(|done| *done >= number).await;
    }

    /// Waits until more rescans are asked for than are done.
    async fn asked(&self) {
        while self.asks.load(Ordering::Acquire) <= *self.done.borrow() {
            self.asked.notified().await;
        }
    }
}

/// The task's own side.
struct Keeper<K> {
    desk: Arc<Desk>,
    rotor: Arc<Mutex<Rotor<K>>>,
    certs_dir: PathBuf,
    scan: Scan,
    canary: Arc<dyn Canary<K>>,
    /// Away only while a rescan is under way.
    watch: Option<FolderWatch>,
}

/// What the blocking part of a rescan brings back.
struct Looked {
    folders: Result<Vec<MerchantFolder>, ConfigError>,
    watch: FolderWatch,
    is_new: bool,
    degraded: Option<String>,
}

impl<K: Send + Sync + 'static> Keeper<K> {
    async fn run(mut self) {
        let mut occasion = Occasion::Due;
        let mut due = Instant::now();
        loop {
            if occasion == Occasion::Due {
                due = Instant::now() + PERIOD;
            }
            let asked = self.desk.asks.load(Ordering::Acquire);
            let again = self.rescan(occasion).await;
            self.desk.done.send_replace(asked);
            let look_again = again.map_or(due, |again| Instant::now() + again);
            occasion = self.wait(due, look_again).await;
        }
    }

    /// Waits for something to do: time, a request, or a change and the quiet after it.
    async fn wait(&self, due: Instant, look_again: Instant) -> Occasion {
        tokio::select! {
            () = self.desk.asked() => return Occasion::Due,
            () = sleep_until(due) => return Occasion::Due,
            () = sleep_until(look_again) => return Occasion::Noticed,
            () = self.desk.changed.notified() => {}
        }
        let latest = Instant::now() + PATIENCE;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            tokio::select! {
                () = self.desk.asked() => return Occasion::Due,
                more = timeout_at(quiet, self.desk.changed.notified()) => {
                    if more.is_err() || Instant::now() >= latest {
                        return Occasion::Noticed;
                    }
                }
            }
        }
    }

    /// Gives when to look again, if earlier than usual.
    async fn rescan(&mut self, occasion: Occasion) -> Option<Duration> {
        let looked = self.look().await?;
        let mut rotor = self.rotor.lock().await;
        let now = rotor.now();
        let watched_folders = looked.watch.folders();
        self.watch = Some(looked.watch);
        if looked.is_new {
            // what happened in a folder before it was watched was not noticed
            self.desk.changed.notify_one();
        }
        let (again, failed) = match looked.folders {
            Ok(folders) => (rotor.rescan(folders, &self.canary, occasion).await, None),
            // nothing is known about the merchants then, which is not the same as having none
            Err(error) => (None, Some(error)),
        };
        drop(rotor);
        self.desk.state.send_modify(|state| {
            note_degraded(state.degraded.as_deref(), looked.degraded.as_deref());
            note_failure(state, failed.as_ref());
            state.watched_folders = watched_folders;
            state.degraded = looked.degraded;
            state.last_rescan = Some(now);
            match &failed {
                Some(error) => state.last_error = Some((now, chain_text(error))),
                None => state.last_success = Some(now),
            }
        });
        again
    }

    /// Scans the folders and sees to the watches, off the threads that serve calls.
    async fn look(&mut self) -> Option<Looked> {
        let mut watch = self
            .watch
            .take()
            .unwrap_or_else(|| FolderWatch::new(Arc::clone(&self.desk.changed)));
        let (scan, certs_dir) = (Arc::clone(&self.scan), self.certs_dir.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let folders = scan();
            let known = folders.as_deref().unwrap_or_default();
            let is_new = watch.follow(&folders_of(&certs_dir, known));
            Looked {
                degraded: watch.trouble(&certs_dir),
                folders,
                watch,
                is_new,
            }
        });
        match looked.await {
            Ok(looked) => Some(looked),
            Err(error) => {
                tracing::error!("the merchants' folders could not be read: {error}");
                None
            }
        }
    }
}

fn note_degraded(before: Option<&str>, now: Option<&str>) {
    match now {
        Some(reason) if before != Some(reason) => tracing::warn!(
            "changes are noticed only by the rescan of every {} s: {reason}",
            PERIOD.as_secs()
        ),
        None if before.is_some() => tracing::debug!("the merchants' folders are watched"),
        _ => {}
    }
}

fn note_failure(state: &RotationState, failed: Option<&ConfigError>) {
    let Some(error) = failed else { return };
    let stood = state.last_rescan != state.last_success && state.last_error.is_some();
    if !stood {
        tracing::warn!(
            hint = error.hint(),
            "the merchants' folders cannot be listed, what is known of them stays: {}",
            chain_text(error)
        );
    }
}
