//! Files with the modes they deserve.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use super::error::SandboxError;

/// Who may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Everybody.
    Public,
    /// The owner alone.
    Private,
}

pub(super) fn read(path: &Path) -> Result<String, SandboxError> {
    fs::read_to_string(path).map_err(SandboxError::file("read", path))
}

/// Makes a folder and those above it; one that exists is fine.
pub(super) fn create_folder(path: &Path, mode: Mode) -> Result<(), SandboxError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    if mode == Mode::Private {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    #[cfg(not(unix))]
    let _ = mode;
    builder.create(path).map_err(SandboxError::file("create", path))
}

/// Writes a new file; one that exists is an error, since it would be somebody's.
pub(super) fn write(path: &Path, text: &str, mode: Mode) -> Result<(), SandboxError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(match mode {
            Mode::Public => 0o644,
            Mode::Private => 0o600,
        });
    }
    #[cfg(not(unix))]
    let _ = mode;
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(SandboxError::file("write", path))
}

/// Replaces a file in one step, so that a reader sees the old text or the new one; keeps its mode.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), SandboxError> {
    let failed = || SandboxError::file("write", path);
    let permissions = fs::metadata(path).map_err(failed())?.permissions();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
    let fresh = path.with_file_name(name);
    let written = fs::write(&fresh, text)
        .and_then(|()| fs::set_permissions(&fresh, permissions))
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // Nothing can be done about a leftover that cannot be removed either.
        let _ = fs::remove_file(&fresh);
    }
    written.map_err(failed())
}
