//! Noticing that something in the folders has changed. One watcher for all of them.
//!
//! What is noticed is only *that*: the rescan that follows finds out what. So an event that is lost
//! costs a minute, not a certificate.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Watches folders, and tells of every change in them.
pub(super) struct FolderWatch {
    watcher: Option<RecommendedWatcher>,
    /// What is watched, with the device and inode that it was: a path can come to mean another folder.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    signals: Arc<Signals>,
    trouble: Option<String>,
}

/// What the watcher's thread leaves for us.
#[derive(Default)]
struct Signals {
    changed: Arc<Notify>,
    /// Paths that were removed or renamed. If one was watched, its watch is dead.
    gone: Mutex<HashSet<PathBuf>>,
    failed: Mutex<Option<String>>,
}

impl FolderWatch {
    /// A watch of nothing yet, which will tell `changed`.
    pub(super) fn new(changed: Arc<Notify>) -> Self {
        Self {
            watcher: None,
            watched: BTreeMap::new(),
            signals: Arc::new(Signals {
                changed,
                ..Signals::default()
            }),
            trouble: None,
        }
    }

    /// Watches these folders and no others. Gives whether there is one that was not watched before:
    /// what happened in it until now was not noticed.
    ///
    /// Blocks for a moment.
    pub(super) fn follow(&mut self, wanted: &BTreeSet<PathBuf>) -> bool {
        self.trouble = take(&self.signals.failed);
        if self.watcher.is_none() {
            self.watched.clear();
            self.watcher = self.start();
        }
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        let gone = take(&self.signals.gone);
        let is_stale = |path: &PathBuf, then: &(u64, u64)| {
            !wanted.contains(path) || gone.contains(path) || identity(path) != Some(*then)
        };
        self.watched.retain(|path, then| {
            let stale = is_stale(path, then);
            if stale {
                // the system has dropped it already where the folder is gone
                let _ = watcher.unwatch(path);
            }
            !stale
        });
        let mut is_new = false;
        for path in wanted {
            if self.watched.contains_key(path) {
                continue;
            }
            let Some(now) = identity(path) else { continue };
            match watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(path.clone(), now);
                    is_new = true;
                }
                Err(error) => {
                    self.trouble = Some(told_of(path, &error));
                    if matches!(error.kind, ErrorKind::MaxFilesWatch) {
                        break;
                    }
                }
            }
        }
        is_new
    }

    /// Why changes may not be noticed at once, where they may not.
    pub(super) fn trouble(&self, certs_dir: &Path) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.clone());
        }
        let is_watched = fs::canonicalize(certs_dir).is_ok_and(|real| self.watched.contains_key(&real));
        (!is_watched).then(|| format!("`{}` is not there to be watched", certs_dir.display()))
    }

    pub(super) fn folders(&self) -> usize {
        self.watched.len()
    }

    fn start(&mut self) -> Option<RecommendedWatcher> {
        let signals = Arc::clone(&self.signals);
        let handler = move |event: notify::Result<Event>| signals.take_note(event);
        match RecommendedWatcher::new(handler, Config::default().with_follow_symlinks(false)) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                self.trouble = Some(format!("no watch of files can be started: {error}"));
                None
            }
        }
    }
}

impl Signals {
    /// Runs on the watcher's thread.
    fn take_note(&self, event: notify::Result<Event>) {
        match event {
            Ok(event) if is_change(&event) => {
                if matches!(
                    event.kind,
                    EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
                ) {
                    lock(&self.gone).extend(event.paths);
                }
                self.changed.notify_one();
            }
            // our own reading
            Ok(_) => {}
            Err(error) => {
                *lock(&self.failed) = Some(format!("a change may have been missed: {error}"));
                self.changed.notify_one();
            }
        }
    }
}

fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => event.need_rescan(),
        _ => true,
    }
}

fn told_of(path: &Path, error: &notify::Error) -> String {
    let path = path.display();
    match error.kind {
        ErrorKind::MaxFilesWatch => format!(
            "`{path}` cannot be watched: the system's limit of watches is reached (fs.inotify.max_user_watches)"
        ),
        _ => format!("`{path}` cannot be watched: {error}"),
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn take<T: Default>(mutex: &Mutex<T>) -> T {
    std::mem::take(&mut *lock(mutex))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for a change to be told; that it never is fails the test.
    async fn told(changed: &Notify) {
        let patience = std::time::Duration::from_secs(30);
        tokio::time::timeout(patience, changed.notified())
            .await
            .expect("a change was not noticed");
    }

    #[tokio::test]
    async fn a_path_that_comes_to_mean_another_folder_is_watched_anew() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temp.path()).unwrap();
        let folder = root.join("folder");
        fs::create_dir(&folder).unwrap();
        let changed = Arc::new(Notify::new());
        let mut watch = FolderWatch::new(Arc::clone(&changed));
        let wanted: BTreeSet<PathBuf> = [folder.clone()].into();
        assert!(watch.follow(&wanted));
        assert!(!watch.follow(&wanted), "nothing is new");

        // by renaming, and by removing, where the inode's number may be given out again
        for take_away in [
            (|folder: &Path| fs::rename(folder, folder.with_extension("away")).unwrap()) as fn(&Path),
            |folder: &Path| fs::remove_dir_all(folder).unwrap(),
        ] {
            take_away(&folder);
            told(&changed).await;
            fs::create_dir(&folder).unwrap();
            // what was told may have been an earlier change
            while !watch.follow(&wanted) {
                told(&changed).await;
            }
            assert_eq!(watch.folders(), 1);
            assert_eq!(watch.trouble(&folder), None);
            fs::write(folder.join("file"), "x").unwrap();
            told(&changed).await;
            assert!(!watch.follow(&wanted));
        }

        fs::remove_dir_all(&folder).unwrap();
        watch.follow(&wanted);
        assert!(watch.trouble(&folder).is_some());
        assert_eq!(watch.folders(), 0);
    }

    #[test]
    fn the_limit_of_watches_is_told_with_its_name() {
        let error = notify::Error::new(ErrorKind::MaxFilesWatch);
        assert_eq!(
            told_of(Path::new("/certs"), &error),
            "`/certs` cannot be watched: the system's limit of watches is reached (fs.inotify.max_user_watches)"
        );
    }

    #[test]
    fn our_own_reading_is_no_change() {
        use notify::event::{CreateKind, DataChange};
        for (kind, is) in [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), false),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), true),
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), true),
            (EventKind::Create(CreateKind::File), true),
        ] {
            assert_eq!(is_change(&Event::new(kind)), is, "{kind:?}");
        }
    }
}
