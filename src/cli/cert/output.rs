//! Files that commands leave in a folder of a person's choice. None is ever written over.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::CertError;
use crate::cli::failure::Failure;

/// A folder, and the names that are to be free in it.
pub(super) struct OutFolder {
    path: PathBuf,
}

impl OutFolder {
    /// Looks, before a person is asked for anything. Makes nothing yet.
    pub(super) fn prepare(path: &Path, names: &[&str]) -> Result<Self, Failure> {
        for name in names {
            let file = path.join(name);
            if fs::symlink_metadata(&file).is_ok() {
                return Err(CertError::Exists { path: file }.into());
            }
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Writes a new file that its owner alone may read, in a folder that is made where it is missing.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        self.make()?;
        let path = self.path.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .map_err(|error| Failure::from_io(format!("`{}` cannot be written", path.display()), error))?;
        Ok(path)
    }

    /// Makes what was written last through a loss of power.
    pub(super) fn finish(self) {
        // the files themselves are on the disk; a folder that cannot be synced is no reason to fail
        let _ = File::open(&self.path).and_then(|folder| folder.sync_all());
    }

    fn make(&self) -> Result<(), Failure> {
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.path.is_dir() => Ok(()),
            made => made.map_err(|error| {
                let what = format!("the folder `{}` cannot be made", self.path.display());
                Failure::from_io(what, error)
            }),
        }
    }
}
