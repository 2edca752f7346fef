//! Files and folders that are on the disk once a function here returns, with the owner and mode they need.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown, symlink};
use std::path::Path;

use super::error::SetError;
use crate::config::{CONTAINER_FILES, CURRENT_LINK, PRIVATE_KEY_FILE};

/// Whose the files are. An installation by root must not take them from the user who serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    user: u32,
    group: u32,
    group_reads: bool,
}

impl Access {
    /// As with the key in use; where there is none, as with the merchant's folder: for the owner alone, and
    /// for the group where the folder hands its group down (setgid), which somebody did so that it reads.
    pub(super) fn of(folder: &Path) -> Result<Self, SetError> {
        let installed = folder.join(CURRENT_LINK);
        let places = [installed.as_path(), folder];
        let keys = [PRIVATE_KEY_FILE].into_iter().chain(CONTAINER_FILES);
        for key in keys.flat_map(|name| places.map(|place| place.join(name))) {
            if let Ok(metadata) = fs::metadata(&key) {
                return Ok(Self {
                    user: metadata.uid(),
                    group: metadata.gid(),
                    group_reads: metadata.mode() & 0o040 != 0,
                });
            }
        }
        let metadata = fs::metadata(folder).map_err(|source| SetError::file("read", folder, source))?;
        Ok(Self {
            user: metadata.uid(),
            group: metadata.gid(),
            group_reads: metadata.mode() & 0o2040 == 0o2040,
        })
    }

    fn mode(self, owner: u32) -> u32 {
        match self.group_reads {
            true => owner | (owner >> 3 & 0o050),
            false => owner,
        }
    }

    fn fits(self, metadata: &fs::Metadata) -> bool {
        metadata.uid() == self.user && metadata.gid() == self.group
    }
}

/// A folder for sets; one that is there is left as it is.
pub(super) fn make_folder(path: &Path, access: Access) -> Result<(), SetError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        Err(source) => return Err(SetError::file("make", path, source)),
    }
    fs::metadata(path)
        .and_then(|metadata| match access.fits(&metadata) {
            true => Ok(()),
            false => chown(path, Some(access.user), Some(access.group)),
        })
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(access.mode(0o700))))
        .map_err(|source| SetError::file("make", path, source))
}

/// Writes a new file, readable to nobody else from its first moment on.
pub(super) fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), SetError> {
    let failed = |source| SetError::file("write", path, source);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(bytes)
        .and_then(|()| hand_over(&file, access))
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// Takes the lock on a file, or says that another process has it. It ends with the process.
pub(super) fn lock(path: &Path, access: Access) -> Result<File, SetError> {
    let failed = |source| SetError::file("lock", path, source);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(SetError::Locked {
                path: path.to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    hand_over(&file, access).map_err(failed)?;
    Ok(file)
}

/// Puts a link in the place of whatever has the name, in one step.
pub(super) fn replace_by_link(folder: &Path, name: &str, target: &Path) -> Result<(), SetError> {
    let path = folder.join(name);
    let fresh = folder.join(format!(".{name}.new"));
    remove_file(&fresh)?;
    symlink(target, &fresh)
        .and_then(|()| fs::rename(&fresh, &path))
        .map_err(|source| {
            let _ = fs::remove_file(&fresh);
            SetError::file("replace", &path, source)
        })
}

/// Makes names in a folder last through a loss of power.
pub(super) fn sync_folder(path: &Path) -> Result<(), SetError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| SetError::file("write", path, source))
}

pub(super) fn remove_file(path: &Path) -> Result<(), SetError> {
    gone(fs::remove_file(path), path)
}

pub(super) fn remove_folder(path: &Path) -> Result<(), SetError> {
    gone(fs::remove_dir_all(path), path)
}

fn gone(outcome: io::Result<()>, path: &Path) -> Result<(), SetError> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| SetError::file("remove", path, source)),
    }
}

fn hand_over(file: &File, access: Access) -> io::Result<()> {
    if !access.fits(&file.metadata()?) {
        fchown(file, Some(access.user), Some(access.group))?;
    }
    file.set_permissions(fs::Permissions::from_mode(access.mode(0o600)))
}
