//! Bounded reading of files, with the setting that names them in every error.

use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::{ConfigError, ConfigWarning, Setting};

/// The most that a TOML file may hold, in bytes.
pub(super) const TOML_LIMIT: u64 = 1024 * 1024;
/// The most that a file with one secret may hold, in bytes.
pub(super) const SECRET_LIMIT: u64 = 64 * 1024;

/// A file's bytes, wiped when dropped since they may be a secret, and its permission bits.
pub(super) struct Contents {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    mode: u32,
}

impl Contents {
    /// The warning for a secret that every user of the machine can reach.
    pub(super) fn exposure(&self, file: &Path) -> Option<ConfigWarning> {
        (self.mode & 0o007 != 0).then(|| ConfigWarning::WorldReadable {
            file: file.to_owned(),
            mode: self.mode,
        })
    }
}

/// Reads a file that a setting names: not being there is an error.
pub(super) fn named(file: &Path, limit: u64, setting: &Setting) -> Result<Contents, ConfigError> {
    optional(file, limit, Some(setting))?.ok_or_else(|| ConfigError::FileMissing {
        setting: setting.clone(),
        file: file.to_owned(),
    })
}

/// Reads a file that may be absent.
pub(super) fn optional(
    file: &Path,
    limit: u64,
    setting: Option<&Setting>,
) -> Result<Option<Contents>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        file: file.to_owned(),
        setting: setting.cloned(),
        source,
    };
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let metadata = match fs::metadata(file) {
        Ok(metadata) => metadata,
        // A link that leads nowhere is no absence: without it, `active = false` would be lost in silence.
        Err(error) if is_absence(&error) && fs::symlink_metadata(file).is_err() => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if !metadata.is_file() {
        return Err(ConfigError::NotAFile {
            file: file.to_owned(),
            setting: setting.cloned(),
            found: kind_name(metadata.file_type()),
        });
    }
    let too_large = || ConfigError::TooLarge {
        file: file.to_owned(),
        setting: setting.cloned(),
        limit,
    };
    if metadata.len() > limit {
        return Err(too_large());
    }
    // Room for all of it at once: a growing buffer would leave copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(metadata.len()).unwrap_or_default() + 1,
    ));
    let opened = File::open(file).map_err(unreadable)?;
    opened
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(too_large());
    }
    Ok(Some(Contents {
        bytes,
        mode: permission_bits(&metadata),
    }))
}

/// Checks that a file which another room will read is there.
pub(super) fn must_be_there(file: &Path, setting: &Setting) -> Result<(), ConfigError> {
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(metadata) => Err(ConfigError::NotAFile {
            file: file.to_owned(),
            setting: Some(setting.clone()),
            found: kind_name(metadata.file_type()),
        }),
        Err(error) if is_absence(&error) => Err(ConfigError::FileMissing {
            setting: setting.clone(),
            file: file.to_owned(),
        }),
        Err(source) => Err(ConfigError::Unreadable {
            file: file.to_owned(),
            setting: Some(setting.clone()),
            source,
        }),
    }
}

/// Whether an error says that a path leads nowhere.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

pub(super) fn permission_bits(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

/// The bytes without one newline at their end, which editors and `echo` leave there.
pub(super) fn without_newline(bytes: &[u8]) -> &[u8] {
    match bytes.strip_suffix(b"\n") {
        Some(rest) => rest.strip_suffix(b"\r").unwrap_or(rest),
        None => bytes,
    }
}

fn kind_name(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_newline_is_dropped() {
        for (given, kept) in [
            ("word", "word"),
            ("word\n", "word"),
            ("word\r\n", "word"),
            ("word\n\n", "word\n"),
            ("word\r", "word\r"),
            (" word \n", " word "),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(without_newline(given.as_bytes()), kept.as_bytes(), "{given:?}");
        }
    }

    #[test]
    fn limits_hold_at_the_border() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, [b'a'; 10]).unwrap();
        assert_eq!(optional(&file, 10, None).unwrap().unwrap().bytes.len(), 10);
        assert!(matches!(
            optional(&file, 9, None),
            Err(ConfigError::TooLarge { limit: 9, .. })
        ));
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let error = optional(folder.path(), 10, None).err().unwrap().to_string();
        assert!(error.ends_with(" is a folder, not a file"), "{error}");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = optional(&socket, 10, None).err().unwrap().to_string();
        assert!(error.ends_with(" is a socket, not a file"), "{error}");
        assert!(
            optional(&folder.path().join("absent"), 10, None)
                .unwrap()
                .is_none()
        );
        assert!(optional(&socket.join("below"), 10, None).unwrap().is_none());
    }
}
