//! Which files in a merchant's folder are its identity. What is in them is not looked at here.

use std::fs;
use std::path::{Path, PathBuf};

use super::read::{is_absence, must_be_there};
use super::setting::Located;
use super::settings::path;
use super::{ConfigError, IdentityFiles};

/// The usual name of a certificate, with its chain behind it.
pub const CERTIFICATE_FILE: &str = "certificate.cer";
/// The usual name of a private key.
pub const PRIVATE_KEY_FILE: &str = "private.key";
/// The usual names of a file that holds both.
pub const CONTAINER_FILES: [&str; 2] = ["identity.p12", "identity.pfx"];

/// The named files; where none is named, those with the usual names.
pub(super) fn find(
    folder: &Path,
    certificate: Option<&Located<String>>,
    private_key: Option<&Located<String>>,
) -> Result<IdentityFiles, ConfigError> {
    let certificate = certificate.map(named).transpose()?;
    let private_key = private_key.map(named).transpose()?;
    if certificate.is_none() && private_key.is_none() {
        return by_usual_names(folder);
    }
    let certificate = match certificate {
        Some(file) => Some(file),
        None => usual(folder, CERTIFICATE_FILE)?,
    };
    let key_is_named = private_key.is_some();
    let private_key = match private_key {
        Some(file) => Some(file),
        None => usual(folder, PRIVATE_KEY_FILE)?,
    };
    match (certificate, private_key) {
        (Some(certificate), Some(private_key)) if key_is_named || certificate != private_key => {
            Ok(IdentityFiles::Pair {
                certificate,
                private_key,
            })
        }
        // Perhaps both in one file; the room that opens it will tell.
        (Some(single), _) => Ok(IdentityFiles::Single(single)),
        (None, Some(private_key)) => Err(without_certificate(folder, &private_key)),
        (None, None) => Err(nothing(folder)),
    }
}

/// The first file of the usual names that is there.
pub(super) fn first_present(folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
    for name in [CERTIFICATE_FILE, PRIVATE_KEY_FILE]
        .into_iter()
        .chain(CONTAINER_FILES)
    {
        if let Some(file) = usual(folder, name)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

pub(super) fn by_usual_names(folder: &Path) -> Result<IdentityFiles, ConfigError> {
    let certificate = usual(folder, CERTIFICATE_FILE)?;
    let private_key = usual(folder, PRIVATE_KEY_FILE)?;
    let mut containers = Vec::new();
    for name in CONTAINER_FILES {
        if let Some(file) = usual(folder, name)? {
            containers.push((name, file));
        }
    }
    let loose = match (&certificate, &private_key) {
        (Some(_), _) => Some(CERTIFICATE_FILE),
        (None, Some(_)) => Some(PRIVATE_KEY_FILE),
        (None, None) => None,
    };
    let mut found = loose.into_iter().chain(containers.iter().map(|(name, _)| *name));
    if let (Some(first), Some(second)) = (found.next(), found.next()) {
        return Err(ConfigError::AmbiguousIdentity {
            folder: folder.to_owned(),
            first,
            second,
        });
    }
    match (certificate, private_key, containers.pop()) {
        (Some(certificate), Some(private_key), _) => Ok(IdentityFiles::Pair {
            certificate,
            private_key,
        }),
        (Some(single), None, _) | (None, None, Some((_, single))) => Ok(IdentityFiles::Single(single)),
        (None, Some(private_key), _) => Err(without_certificate(folder, &private_key)),
        (None, None, None) => Err(nothing(folder)),
    }
}

fn named(given: &Located<String>) -> Result<PathBuf, ConfigError> {
    let file = path(given.setting.file(), given)?;
    must_be_there(&file, &given.setting)?;
    Ok(file)
}

/// A file of a usual name. A link that leads nowhere counts as there: it is to be reported as
/// unreadable, not as if nobody had put it there.
pub(super) fn usual(folder: &Path, name: &str) -> Result<Option<PathBuf>, ConfigError> {
    let file = folder.join(name);
    match fs::symlink_metadata(&file) {
        Ok(_) => Ok(Some(file)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(source) => Err(ConfigError::Unreadable {
            file,
            setting: None,
            source,
        }),
    }
}

fn without_certificate(folder: &Path, private_key: &Path) -> ConfigError {
    ConfigError::KeyWithoutCertificate {
        folder: folder.to_owned(),
        private_key: private_key.strip_prefix(folder).unwrap_or(private_key).to_owned(),
    }
}

fn nothing(folder: &Path) -> ConfigError {
    ConfigError::NoIdentity {
        folder: folder.to_owned(),
    }
}
