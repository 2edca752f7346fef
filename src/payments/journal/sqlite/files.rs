//! The files of an SQLite journal: the database itself, and the locks of its processes beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::payments::journal::JournalError;
use crate::payments::journal::fault::Place;
use crate::payments::journal::process::Process;
use crate::payments::journal::record::OwnerId;

/// Makes the file, readable for its owner alone, where it is missing.
pub(super) fn make(place: &Place, path: &Path) -> Result<(), JournalError> {
    let made = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(JournalError::NoFolder {
            place: place.name.clone(),
            folder: path.parent().unwrap_or(path).to_owned(),
        }),
        Err(error) => Err(place.explain_io("the file cannot be made", error)),
    }
}

/// Whether everything stands in the file itself, and nothing in a log beside it.
pub(super) fn is_whole(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match std::fs::metadata(PathBuf::from(log)) {
        Ok(log) => log.len() == 0,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The folder of the processes' locks: `kaspi.db.owners`.
#[derive(Clone, Debug)]
pub(super) struct Owners {
    folder: PathBuf,
}

/// A lock that dies with its process.
#[derive(Debug)]
pub(super) struct OwnerLock {
    _file: File,
}

/// The lock of the one gateway.
#[derive(Debug)]
pub(in crate::payments::journal) struct ServeLock {
    _file: File,
}

/// Who holds the gateway's lock.
struct Server {
    pid: u32,
    uid: Option<u32>,
    user: String,
}

impl Owners {
    pub(super) fn beside(path: &Path) -> Self {
        let mut folder = path.as_os_str().to_owned();
        folder.push(".owners");
        Self {
            folder: folder.into(),
        }
    }

    /// Takes this process's own lock.
    pub(super) fn lock(&self, place: &Place, owner: OwnerId) -> Result<OwnerLock, JournalError> {
        let explain = |error| place.explain_io("the folder of its locks cannot be used", error);
        self.make_folder().map_err(explain)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.file(owner))
            .map_err(explain)?;
        file.lock().map_err(explain)?;
        Ok(OwnerLock { _file: file })
    }

    /// Whether a process's lock has died with it. In doubt it lives: its rows are left alone.
    pub(super) fn is_gone(&self, owner: OwnerId) -> bool {
        match File::open(self.file(owner)) {
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            Ok(file) => file.try_lock().is_ok(),
        }
    }

    pub(super) fn forget(&self, owner: OwnerId) {
        // a file that stays is a file that is looked at once more
        let _ = std::fs::remove_file(self.file(owner));
    }

    /// Takes the gateway's lock. Whoever looks whether it is held holds it for a moment himself, so one
    /// look is not enough to refuse.
    pub(super) async fn claim_serving(&self, place: &Place) -> Result<ServeLock, JournalError> {
        for _ in 0..10 {
            match self.try_serving(place) {
                Err(JournalError::AlreadyServed { .. }) => {
                    tokio::time::sleep(Duration::from_millis(50)).await
                }
                claimed => return claimed,
            }
        }
        self.try_serving(place)
    }

    fn try_serving(&self, place: &Place) -> Result<ServeLock, JournalError> {
        let explain = |error| place.explain_io("the folder of its locks cannot be used", error);
        self.make_folder().map_err(explain)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(self.serving())
            .map_err(explain)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(explain(error)),
            Err(TryLockError::WouldBlock) => {
                let server = read_server(&mut file);
                return Err(JournalError::AlreadyServed {
                    place: place.name.clone(),
                    pid: server.pid,
                    user: server.user,
                });
            }
        }
        let process = Process::this();
        let uid = process.uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string());
        file.set_len(0).map_err(explain)?;
        file.write_all(format!("{} {uid} {}\n", process.pid, process.user).as_bytes())
            .map_err(explain)?;
        Ok(ServeLock { _file: file })
    }

    /// A gateway of another user would find files that it cannot open.
    pub(super) fn refuse_foreign(&self, place: &Place) -> Result<(), JournalError> {
        let Ok(mut file) = File::open(self.serving()) else {
            return Ok(());
        };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            _ => return Ok(()),
        }
        let (server, ours) = (read_server(&mut file), Process::this());
        match (server.uid, ours.uid) {
            (Some(theirs), Some(our_own)) if theirs != our_own => Err(JournalError::ForeignUser {
                place: place.name.clone(),
                theirs: server.user,
                ours: ours.user,
                pid: server.pid,
            }),
            _ => Ok(()),
        }
    }

    fn make_folder(&self) -> std::io::Result<()> {
        match std::fs::DirBuilder::new().mode(0o755).create(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn file(&self, owner: OwnerId) -> PathBuf {
        self.folder.join(format!("{owner}.lock"))
    }

    fn serving(&self) -> PathBuf {
        self.folder.join("serve.lock")
    }
}

fn read_server(file: &mut File) -> Server {
    let mut text = String::new();
    // one that is being written this moment reads as nobody
    let _ = file.read_to_string(&mut text);
    let mut words = text.split_whitespace();
    Server {
        pid: words.next().and_then(|pid| pid.parse().ok()).unwrap_or_default(),
        uid: words.next().and_then(|uid| uid.parse().ok()),
        user: words.next().unwrap_or("?").to_owned(),
    }
}

/// Copies an SQLite file while it is used, through a connection of its own.
pub(super) async fn back_up(place: &Place, from: &Path, to: &Path) -> Result<(), JournalError> {
    let refused = |problem: &str, source: Option<super::super::Cause>| JournalError::Backup {
        file: to.to_owned(),
        problem: problem.to_owned(),
        source,
    };
    let Some(name) = to.to_str() else {
        return Err(refused("its name is not UTF-8", None));
    };
    // made first, so that nobody else can read it at any moment; SQLite fills an empty file
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
    {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(refused("the file exists", None));
        }
        Err(error) => return Err(refused("the file cannot be made", Some(Arc::new(error)))),
    }
    let copied = async {
        let mut connection = SqliteConnectOptions::new()
            .filename(from)
            .create_if_missing(false)
            .busy_timeout(place.patience)
            .disable_statement_logging()
            .connect()
            .await?;
        sqlx::query("VACUUM INTO $1")
            .bind(name)
            .execute(&mut connection)
            .await?;
        connection.close().await
    };
    if let Err(error) = copied.await {
        let _ = std::fs::remove_file(to);
        return Err(refused(
            "the journal cannot be copied",
            Some(Arc::new(place.explain_sql(error))),
        ));
    }
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|error| refused("the file cannot be made safe on the disk", Some(Arc::new(error))))
}

pub(super) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
