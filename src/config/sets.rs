//! Installed identities: each in a folder of its own, `.sets/N`, and one link, `current`, to the one
//! in use. Three files cannot be renamed at once; one link can.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::read::is_absence;
use super::{
    CERTIFICATE_FILE, CONTAINER_FILES, ConfigError, ConfigWarning, Environment, IdentitySpec, PASSWORD_FILE,
    PRIVATE_KEY_FILE, identity_files, password,
};
use crate::base::Bin;

/// The link in a merchant's folder that leads to the set in use.
pub const CURRENT_LINK: &str = "current";
/// The folder in a merchant's folder that holds the sets.
pub const SETS_FOLDER: &str = ".sets";

/// The identity of `owner` as the files in `folder` have it, under their usual names: of a set that
/// is not in use, or not yet.
///
/// # Errors
///
/// The folder has no identity, or more than one, or a password cannot be read.
pub fn candidate(owner: Bin, folder: &Path, environment: &Environment) -> Result<IdentitySpec, ConfigError> {
    let files = identity_files::by_usual_names(folder)?;
    let passwords = password::gather(folder, folder, owner, None, environment, &mut Vec::new())?;
    Ok(IdentitySpec {
        owner,
        files,
        passwords,
    })
}

/// The folder of the set in use; `None` where nothing is installed and the files lie in `folder` itself.
///
/// The link is read here and nowhere else, so that certificate, key and password of one reading come
/// from one set, whatever is swapped meanwhile.
pub(super) fn in_use(folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let link = folder.join(CURRENT_LINK);
    let unreadable = |source| ConfigError::Unreadable {
        file: link.clone(),
        setting: None,
        source,
    };
    match fs::symlink_metadata(&link) {
        Ok(metadata) if metadata.is_symlink() => {}
        Ok(_) => return Ok(None),
        Err(error) if is_absence(&error) => return Ok(None),
        Err(source) => return Err(unreadable(source)),
    }
    let set = folder.join(fs::read_link(&link).map_err(unreadable)?);
    // a link to a link, which nobody but a person makes, is followed to its end here too
    let set = match fs::symlink_metadata(&set).map_err(unreadable)? {
        metadata if metadata.is_symlink() => fs::canonicalize(&set).map_err(unreadable)?,
        _ => set,
    };
    if !fs::metadata(&set).map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    Ok(Some(set))
}

/// Plain files of the usual names, which somebody has put there for nothing.
pub(super) fn ignored(folder: &Path) -> impl Iterator<Item = ConfigWarning> {
    [CERTIFICATE_FILE, PRIVATE_KEY_FILE, PASSWORD_FILE]
        .into_iter()
        .chain(CONTAINER_FILES)
        .map(|name| folder.join(name))
        .filter(|file| fs::symlink_metadata(file).is_ok_and(|metadata| metadata.is_file()))
        .map(|file| ConfigWarning::IgnoredFile {
            file,
            link: folder.join(CURRENT_LINK),
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn without_a_link_nothing_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(in_use(folder.path()).unwrap(), None);
        fs::create_dir(folder.path().join(CURRENT_LINK)).unwrap();
        assert_eq!(in_use(folder.path()).unwrap(), None);
    }

    #[test]
    fn the_link_is_resolved_once() {
        let folder = tempfile::tempdir().unwrap();
        let set = folder.path().join(".sets/7");
        fs::create_dir_all(&set).unwrap();
        symlink(".sets/7", folder.path().join(CURRENT_LINK)).unwrap();
        assert_eq!(in_use(folder.path()).unwrap(), Some(set.clone()));

        symlink(".sets/7", folder.path().join("latest")).unwrap();
        fs::remove_file(folder.path().join(CURRENT_LINK)).unwrap();
        symlink("latest", folder.path().join(CURRENT_LINK)).unwrap();
        assert_eq!(
            in_use(folder.path()).unwrap(),
            Some(fs::canonicalize(set).unwrap())
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(CURRENT_LINK);
        for target in [".sets/9", "current", "file"] {
            fs::write(folder.path().join("file"), "").unwrap();
            symlink(target, &link).unwrap();
            let error = in_use(folder.path()).unwrap_err();
            let beginning = format!("cannot read {}: ", link.display());
            assert!(error.to_string().starts_with(&beginning), "{target}: {error}");
            fs::remove_file(&link).unwrap();
        }
    }
}
