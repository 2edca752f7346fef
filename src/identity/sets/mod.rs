//! Putting an identity in place: each is a folder of its own, and one link is swapped by one rename.
//!
//! At every moment the link leads to a set that was written whole, so a reader, a full disk or a
//! killed process never meets half of one. `config` reads what is written here.

mod error;
mod files;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub use error::SetError;
use files::Access;

use super::read;
use crate::config::{
    CERTIFICATE_FILE, CONTAINER_FILES, CURRENT_LINK, PASSWORD_FILE, PRIVATE_KEY_FILE, SETS_FOLDER,
};

/// In a set: the number of the one that it replaced. The link alone could not tell after a rollback.
const PREVIOUS_FILE: &str = "previous";

/// The sets of one merchant's folder, held under a lock for as long as this lives.
#[derive(Debug)]
pub struct SetStore {
    folder: PathBuf,
    sets: PathBuf,
    access: Access,
    _lock: File,
}

/// A set that is written and not in use. Dropped, it is removed again.
#[derive(Debug)]
pub struct StagedSet {
    folder: PathBuf,
    number: u64,
    previous: Option<u64>,
    /// Whether no way back is kept, to plain files either.
    forget: bool,
    kept: bool,
}

/// One file of a set.
pub struct SetFile {
    /// Its usual name.
    pub name: &'static str,
    /// What is in it; wiped when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl SetFile {
    /// Takes the contents of another file, to be called by a usual name.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is larger than any certificate or key.
    pub fn read(name: &'static str, path: &Path) -> Result<Self, SetError> {
        let bytes = read::read(path, "file")?.bytes;
        Ok(Self { name, bytes })
    }
}

impl std::fmt::Debug for SetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SetFile({}, {} bytes)", self.name, self.bytes.len())
    }
}

/// A change of the set in use.
#[derive(Debug)]
#[non_exhaustive]
pub struct Switched {
    /// The set in use now.
    pub number: u64,
    /// What could not be tidied up afterwards. The set is in use all the same.
    pub leftovers: Vec<SetError>,
}

impl SetStore {
    /// Opens the sets in a merchant's folder, which must exist, and locks them against others.
    ///
    /// # Errors
    ///
    /// Another process holds them, or the folder cannot be written.
    pub fn open(folder: &Path) -> Result<Self, SetError> {
        let access = Access::of(folder)?;
        let sets = folder.join(SETS_FOLDER);
        files::make_folder(&sets, access)?;
        let lock = files::lock(&sets.join("lock"), access)?;
        Ok(Self {
            folder: folder.to_owned(),
            sets,
            access,
            _lock: lock,
        })
    }

    /// The number of the set in use, where one is.
    ///
    /// # Errors
    ///
    /// The link leads somewhere else than to a set.
    pub fn in_use(&self) -> Result<Option<u64>, SetError> {
        let link = self.folder.join(CURRENT_LINK);
        let target = match fs::read_link(&link) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => PathBuf::from("no link"),
            Err(source) => return Err(SetError::file("read", &link, source)),
        };
        let number = target
            .strip_prefix(SETS_FOLDER)
            .ok()
            .and_then(Path::to_str)
            .and_then(number_of);
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(SetError::ForeignLink { link, target }),
        }
    }

    /// The set that the one in use replaced: what a rollback returns to.
    ///
    /// # Errors
    ///
    /// Nothing is installed, or the set in use replaced none that is still there.
    pub fn previous(&self) -> Result<u64, SetError> {
        let current = self.in_use()?;
        let before = current.and_then(|number| self.replaced_by(number));
        match before {
            Some(number) if self.set_folder(number).is_dir() => Ok(number),
            _ => Err(SetError::NothingBefore {
                folder: self.folder.clone(),
                current,
            }),
        }
    }

    /// The folder of a set.
    #[must_use]
    pub fn set_folder(&self, number: u64) -> PathBuf {
        self.sets.join(number.to_string())
    }

    /// Writes a set, to the disk's own surface, and does not put it in use.
    ///
    /// The first one makes a set 0 of the plain files that are in use so far, so that there is a way
    /// back. With `forget`, no way back is kept.
    ///
    /// # Errors
    ///
    /// It cannot be written; nothing of it is left then. The files in use cannot be read.
    pub fn stage(&self, wanted: &[SetFile], forget: bool) -> Result<StagedSet, SetError> {
        let previous = match (forget, self.in_use()?) {
            (true, _) => None,
            (false, Some(number)) => Some(number),
            (false, None) => self.keep_plain_files()?,
        };
        let number = self.numbers()?.into_iter().max().map_or(1, |last| last + 1);
        let mut set = self.begin(number)?;
        self.fill(&set.folder, wanted)?;
        if let Some(previous) = previous {
            let line = format!("{previous}\n");
            files::write(&set.folder.join(PREVIOUS_FILE), line.as_bytes(), self.access)?;
        }
        files::sync_folder(&set.folder)?;
        files::sync_folder(&self.sets)?;
        set.previous = previous;
        set.forget = forget;
        Ok(set)
    }

    /// Puts a staged set in use, by one rename. What it replaced stays; older sets go.
    ///
    /// # Errors
    ///
    /// The link cannot be swapped: the set before stays in use.
    pub fn publish(&self, mut set: StagedSet) -> Result<Switched, SetError> {
        self.link_to(set.number)?;
        set.kept = true;
        let mut leftovers = Vec::new();
        self.tidy_names(&set, &mut leftovers);
        let keep = [Some(set.number), set.previous];
        self.remove_others(&keep, &mut leftovers);
        Ok(Switched {
            number: set.number,
            leftovers,
        })
    }

    /// Puts an earlier set back in use. No set is removed.
    ///
    /// # Errors
    ///
    /// The link cannot be swapped: the set before stays in use.
    pub fn return_to(&self, number: u64) -> Result<Switched, SetError> {
        self.link_to(number)?;
        let mut leftovers = Vec::new();
        let set = StagedSet {
            folder: self.set_folder(number),
            number,
            previous: self.replaced_by(number),
            forget: false,
            kept: true,
        };
        self.tidy_names(&set, &mut leftovers);
        Ok(Switched { number, leftovers })
    }

    /// The plain files as set 0; nothing where there are none.
    fn keep_plain_files(&self) -> Result<Option<u64>, SetError> {
        let mut found = Vec::new();
        for name in usual_names() {
            let path = self.folder.join(name);
            match fs::symlink_metadata(&path) {
                // left over from sets that are gone
                Ok(metadata) if metadata.is_symlink() && self.is_ours(&path, name) => {}
                Ok(_) => found.push(SetFile {
                    name,
                    bytes: read::read(&path, "file in use")?.bytes,
                }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(SetError::file("read", &path, source)),
            }
        }
        if found.iter().all(|file| file.name == PASSWORD_FILE) {
            return Ok(None);
        }
        let folder = self.set_folder(0);
        // of an installation that was cut off
        files::remove_folder(&folder)?;
        let mut set = self.begin(0)?;
        self.fill(&set.folder, &found)?;
        files::sync_folder(&set.folder)?;
        set.kept = true;
        Ok(Some(0))
    }

    fn begin(&self, number: u64) -> Result<StagedSet, SetError> {
        let folder = self.set_folder(number);
        files::make_folder(&folder, self.access)?;
        Ok(StagedSet {
            folder,
            number,
            previous: None,
            forget: false,
            kept: false,
        })
    }

    fn fill(&self, folder: &Path, wanted: &[SetFile]) -> Result<(), SetError> {
        for file in wanted {
            files::write(&folder.join(file.name), &file.bytes, self.access)?;
        }
        Ok(())
    }

    fn link_to(&self, number: u64) -> Result<(), SetError> {
        let target = Path::new(SETS_FOLDER).join(number.to_string());
        files::replace_by_link(&self.folder, CURRENT_LINK, &target)?;
        files::sync_folder(&self.folder)
    }

    /// The usual names in the merchant's folder become links through the one that is swapped, for people
    /// and tools that look there. A plain file goes only where a set has the same bytes.
    fn tidy_names(&self, set: &StagedSet, leftovers: &mut Vec<SetError>) {
        for name in usual_names() {
            let path = self.folder.join(name);
            let plain = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
            if plain && !set.forget && !self.is_copied(&path, name) {
                leftovers.push(SetError::Ignored { path });
                continue;
            }
            let outcome = if set.folder.join(name).exists() {
                match self.is_ours(&path, name) {
                    true => Ok(()),
                    false => files::replace_by_link(&self.folder, name, &Path::new(CURRENT_LINK).join(name)),
                }
            } else {
                files::remove_file(&path)
            };
            leftovers.extend(outcome.err());
        }
    }

    /// Whether any set, also one that is about to go, has the file: after an installation that was killed
    /// right behind its rename it may be an older one.
    fn is_copied(&self, path: &Path, name: &str) -> bool {
        let (Ok(plain), Ok(numbers)) = (read::read(path, "file"), self.numbers()) else {
            return false;
        };
        numbers.into_iter().any(|number| {
            read::read(&self.set_folder(number).join(name), "file")
                .is_ok_and(|kept| kept.bytes == plain.bytes)
        })
    }

    fn is_ours(&self, path: &Path, name: &str) -> bool {
        fs::read_link(path).is_ok_and(|target| target == Path::new(CURRENT_LINK).join(name))
    }

    fn remove_others(&self, keep: &[Option<u64>], leftovers: &mut Vec<SetError>) {
        match self.numbers() {
            Ok(numbers) => leftovers.extend(
                numbers
                    .into_iter()
                    .filter(|number| !keep.contains(&Some(*number)))
                    .filter_map(|number| files::remove_folder(&self.set_folder(number)).err()),
            ),
            Err(error) => leftovers.push(error),
        }
    }

    fn replaced_by(&self, number: u64) -> Option<u64> {
        let text = fs::read_to_string(self.set_folder(number).join(PREVIOUS_FILE)).ok()?;
        number_of(text.trim())
    }

    fn numbers(&self) -> Result<Vec<u64>, SetError> {
        let failed = |source| SetError::file("read", &self.sets, source);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.sets).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            numbers.extend(name.to_str().and_then(number_of));
        }
        Ok(numbers)
    }
}

impl StagedSet {
    /// Where its files lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The number of the set that it replaces, if that is kept.
    #[must_use]
    pub fn previous(&self) -> Option<u64> {
        self.previous
    }
}

impl Drop for StagedSet {
    fn drop(&mut self) {
        if !self.kept {
            // what cannot be removed is in nobody's way, and goes with the next installation
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn usual_names() -> impl Iterator<Item = &'static str> {
    [CERTIFICATE_FILE, PRIVATE_KEY_FILE, PASSWORD_FILE]
        .into_iter()
        .chain(CONTAINER_FILES)
}

/// One spelling only, so that two folders never have one number.
fn number_of(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests;
