//! The state folder: who holds it, and where its socket is.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::LiveError;

const SOCKET: &str = "kaspi.sock";
const LOCK: &str = "kaspi.lock";

/// The longest path in the address of a unix socket: what the system has room for, less the end mark.
#[cfg(target_os = "linux")]
const LONGEST: usize = 107;
#[cfg(not(target_os = "linux"))]
const LONGEST: usize = 103;

/// The state folder, held by this process. The lock dies with the process, however that ends, so that
/// nothing is left to be cleaned up by hand. Its file stays: removed, it could be locked twice.
#[derive(Debug)]
pub(super) struct Held {
    folder: PathBuf,
    _lock: File,
}

impl Held {
    /// Makes the folder where it is missing, and holds it.
    pub(super) fn take(folder: &Path) -> Result<Self, LiveError> {
        make(folder)?;
        let path = folder.join(LOCK);
        let failed = |source| failed(&path, "locked", source);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let own = std::process::id();
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                return Err(LiveError::AlreadyRunning {
                    folder: folder.to_owned(),
                    other: holder.trim().parse().ok(),
                    own,
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // only for the words of a later refusal
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{own}"))
            .map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    pub(super) fn socket(&self) -> PathBuf {
        socket_in(&self.folder)
    }

    /// Removes the socket of a process that is dead: whoever holds the folder is the only one alive.
    pub(super) fn clear(&self) -> Result<(), LiveError> {
        let socket = self.socket();
        match fs::symlink_metadata(&socket) {
            Ok(metadata) if metadata.file_type().is_socket() => {
                fs::remove_file(&socket).map_err(|source| failed(&socket, "removed", source))
            }
            Ok(_) => Err(LiveError::InTheWay { path: socket }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(failed(&socket, "read", source)),
        }
    }
}

pub(super) fn socket_in(folder: &Path) -> PathBuf {
    folder.join(SOCKET)
}

/// A path of the socket that fits an address, good as long as it is held.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) path: PathBuf,
    _folder: Option<File>,
}

impl Address {
    pub(super) fn of(folder: &Path) -> Result<Self, LiveError> {
        let socket = socket_in(folder);
        let length = socket.as_os_str().as_bytes().len();
        if length <= LONGEST {
            return Ok(Self {
                path: socket,
                _folder: None,
            });
        }
        if !cfg!(target_os = "linux") {
            return Err(LiveError::PathTooLong {
                socket,
                length,
                most: LONGEST,
            });
        }
        // Linux names an open folder shortly
        let opened = File::open(folder).map_err(|source| failed(folder, "opened", source))?;
        Ok(Self {
            path: PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())).join(SOCKET),
            _folder: Some(opened),
        })
    }
}

fn make(folder: &Path) -> Result<(), LiveError> {
    let made = DirBuilder::new().mode(0o700).create(folder);
    match made {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(failed(folder, "made", source)),
    }
    let metadata = fs::metadata(folder).map_err(|source| failed(folder, "read", source))?;
    if !metadata.is_dir() {
        return Err(failed(folder, "used", std::io::ErrorKind::NotADirectory.into()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o002 != 0 {
        return Err(LiveError::Exposed {
            folder: folder.to_owned(),
            mode,
        });
    }
    Ok(())
}

pub(super) fn failed(path: &Path, verb: &'static str, source: std::io::Error) -> LiveError {
    LiveError::Folder {
        path: path.to_owned(),
        verb,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Explain;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_is_held_once_and_both_processes_are_named() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("state");
        let held = Held::take(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
        let error = Held::take(&folder).unwrap_err();
        let own = std::process::id();
        assert_eq!(
            error.to_string(),
            format!(
                "process {own} serves with the state folder `{}`, and process {own} cannot too",
                folder.display()
            )
        );
        drop(held);
        Held::take(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_everybody_may_write_and_what_is_no_folder_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
        let error = Held::take(&open).unwrap_err();
        assert_eq!(error.kind(), "state_folder_exposed");
        assert!(error.to_string().ends_with("(mode 1777)"), "{error}");

        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(Held::take(&file).unwrap_err().kind(), "state_folder");
        assert_eq!(
            Held::take(&root.path().join("a/b")).unwrap_err().kind(),
            "state_folder"
        );
    }

    #[test]
    fn only_a_socket_is_cleared_away() {
        let root = tempfile::tempdir().unwrap();
        let held = Held::take(root.path()).unwrap();
        held.clear().unwrap();
        drop(std::os::unix::net::UnixListener::bind(held.socket()).unwrap());
        assert!(held.socket().exists(), "as a process leaves it that is killed");
        held.clear().unwrap();
        assert!(!held.socket().exists());
        fs::write(held.socket(), "somebody's").unwrap();
        assert_eq!(held.clear().unwrap_err().kind(), "state_folder");
        assert!(held.socket().exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_long_path_is_reached_by_a_short_one() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a".repeat(200));
        fs::create_dir(&folder).unwrap();
        let address = Address::of(&folder).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&address.path).unwrap();
        assert!(folder.join(SOCKET).exists());
        let address = Address::of(&folder).unwrap();
        std::os::unix::net::UnixStream::connect(&address.path).unwrap();
    }
}
