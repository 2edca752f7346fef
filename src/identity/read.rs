//! Reading a small file whole, and nothing that is not a file.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::IdentityError;
use crate::config::IdentityVariable;

/// No certificate, key or bundle comes near it.
pub(super) const LIMIT: u64 = 1024 * 1024;

/// What was in a file, wiped when dropped, since it may be a key.
pub(super) struct Contents {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Permission bits, where the system has them.
    pub(super) mode: Option<u32>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contents({} bytes)", self.bytes.len())
    }
}

/// Reads a file; `role` says in errors what it was to be.
pub(super) fn read(path: &Path, role: &'static str) -> Result<Contents, IdentityError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => IdentityError::Missing {
            path: path.to_owned(),
            role,
        },
        _ => IdentityError::Unreadable {
            path: path.to_owned(),
            source,
        },
    };
    // Looked at before it is opened: opening a pipe would wait for a writer.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if let Some(found) = not_a_file(&metadata) {
        return Err(IdentityError::NotAFile {
            path: path.to_owned(),
            found,
        });
    }
    let too_large = |length| IdentityError::TooLarge {
        path: path.to_owned(),
        length,
        limit: LIMIT,
    };
    if metadata.len() > LIMIT {
        return Err(too_large(metadata.len()));
    }
    // Room for all of it at once: growing would leave copies of a key behind.
    let room = usize::try_from(metadata.len()).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let length = File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    if length > LIMIT {
        return Err(too_large(length));
    }
    Ok(Contents {
        bytes,
        mode: mode(&metadata),
    })
}

/// What a variable holds, as if it had been read from a file.
pub(super) fn of_variable(variable: &IdentityVariable) -> Contents {
    Contents {
        bytes: Zeroizing::new(variable.expose().to_vec()),
        mode: None,
    }
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;

    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
fn not_a_file(metadata: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;

    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

#[cfg(not(unix))]
fn not_a_file(metadata: &Metadata) -> Option<&'static str> {
    (!metadata.is_file()).then_some("a folder or a device")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::chain_text;

    #[test]
    fn refuses_what_is_no_small_file() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        std::fs::write(&large, vec![b'x'; 1024 * 1024 + 1]).unwrap();
        for (path, message) in [
            (folder.path().to_owned(), "`DIR` is a folder, not a file"),
            (
                folder.path().join("absent"),
                "private key `DIR/absent` does not exist",
            ),
            (large, "`DIR/large` has 1048577 bytes, at most 1048576 are read"),
            ("/dev/zero".into(), "`/dev/zero` is a device, not a file"),
        ] {
            let error = read(&path, "private key").unwrap_err();
            let text = chain_text(&error).replace(&folder.path().display().to_string(), "DIR");
            assert_eq!(text, message);
        }
    }

    #[cfg(unix)]
    #[test]
    fn reports_the_mode() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let contents = read(&path, "private key").unwrap();
        assert_eq!(contents.mode, Some(0o640));
        assert_eq!(contents.bytes.as_slice(), b"x");
    }
}
