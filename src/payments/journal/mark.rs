//! How far the journal had come, remembered outside of it: an old copy that was put back forgets
//! payments, and nothing inside it can tell.
//!
//! The mark is a small file in the state folder. It is written after each batch of new operations, and
//! not forced to the disk: a machine that dies may leave an older mark, which is always on the safe
//! side of the journal. Two slots are written in turn, so that a torn one leaves the other.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const SLOT: usize = 128;

/// The mark of one journal on this machine.
#[derive(Debug)]
pub(super) struct Mark {
    path: PathBuf,
    /// Locked against other processes; the mutex keeps this one's threads apart.
    file: Mutex<File>,
    /// The greatest number that this process knows of.
    seen: AtomicI64,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Between two restores the journal is in one epoch.
    pub(super) epoch: Uuid,
    /// The greatest number of an operation.
    pub(super) seq: i64,
}

impl Mark {
    /// Opens the mark, and makes it and its folder where they are missing.
    pub(super) fn open(state_dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(state_dir)?;
        let path = state_dir.join("journal.mark");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            path,
            file: Mutex::new(file),
            seen: AtomicI64::new(0),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The greatest number that this process knows of.
    pub(super) fn seen(&self) -> i64 {
        self.seen.load(Ordering::SeqCst)
    }

    /// What the mark says; none where it was never written. One that cannot be read in either slot is an
    /// error: it may hide what an old copy forgot.
    pub(super) fn read(&self) -> io::Result<Option<Position>> {
        let file = self.file();
        file.lock_shared()?;
        let found = self.slots(&file);
        file.unlock()?;
        let position = found?.map(|(_, position)| position);
        if let Some(position) = position {
            self.seen.fetch_max(position.seq, Ordering::SeqCst);
        }
        Ok(position)
    }

    /// Moves the mark on; within one epoch it never goes back, whoever writes.
    pub(super) fn advance(&self, to: Position) -> io::Result<()> {
        self.seen.fetch_max(to.seq, Ordering::SeqCst);
        let file = self.file();
        file.lock()?;
        let written = self.write(&file, to, false);
        file.unlock()?;
        written
    }

    /// Sets the mark to where the journal is, forwards or back.
    pub(super) fn reset(&self, to: Position) -> io::Result<()> {
        self.seen.store(to.seq, Ordering::SeqCst);
        let file = self.file();
        file.lock()?;
        let written = self.write(&file, to, true).and_then(|()| file.sync_data());
        file.unlock()?;
        written
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, file: &File, to: Position, back_too: bool) -> io::Result<()> {
        let stands = match self.slots(file) {
            Err(_) if back_too => None,
            stands => stands?,
        };
        let turn = match stands {
            Some((_, position)) if !back_too && position.epoch == to.epoch && position.seq >= to.seq => {
                return Ok(());
            }
            Some((turn, _)) => turn + 1,
            None => 1,
        };
        let line = line(turn, to);
        file.write_all_at(line.as_bytes(), slot(turn))
    }

    /// The slot that was written last, with its turn.
    fn slots(&self, file: &File) -> io::Result<Option<(u64, Position)>> {
        let mut bytes = [0_u8; SLOT * 2];
        let mut length = 0;
        while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, u64::try_from(length).unwrap_or_default())? {
                0 => break,
                more => length += more,
            }
        }
        if length == 0 {
            return Ok(None);
        }
        let best = bytes.chunks(SLOT).filter_map(parse).max_by_key(|(turn, _)| *turn);
        best.map(Some).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("`{}` holds no mark that can be read", self.path.display()),
            )
        })
    }
}

fn slot(turn: u64) -> u64 {
    match turn % 2 {
        0 => 0,
        _ => u64::try_from(SLOT).unwrap_or_default(),
    }
}

/// `kaspi-journal 1 TURN EPOCH SEQ CHECKSUM`, padded with spaces.
fn line(turn: u64, position: Position) -> String {
    let text = format!("kaspi-journal 1 {turn} {} {}", position.epoch, position.seq);
    let whole = format!("{text} {}", checksum(&text));
    format!("{whole:<width$}\n", width = SLOT - 1)
}

fn parse(slot: &[u8]) -> Option<(u64, Position)> {
    let text = std::str::from_utf8(slot).ok()?.trim_end();
    let (content, sum) = text.rsplit_once(' ')?;
    if checksum(content) != sum {
        return None;
    }
    let mut words = content.split(' ');
    if (words.next(), words.next()) != (Some("kaspi-journal"), Some("1")) {
        return None;
    }
    let turn = words.next()?.parse().ok()?;
    let epoch = words.next()?.parse().ok()?;
    let seq = words.next()?.parse().ok()?;
    Some((turn, Position { epoch, seq }))
}

fn checksum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(epoch: u128, seq: i64) -> Position {
        Position {
            epoch: Uuid::from_u128(epoch),
            seq,
        }
    }

    #[test]
    fn it_is_remembered_and_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let mark = Mark::open(&state).unwrap();
        assert_eq!(mark.read().unwrap(), None);
        for seq in [1, 2, 9, 5, 3] {
            mark.advance(position(1, seq)).unwrap();
        }
        let other = Mark::open(&state).unwrap();
        assert_eq!(other.read().unwrap(), Some(position(1, 9)));
        other.advance(position(1, 4)).unwrap();
        assert_eq!(
            mark.read().unwrap(),
            Some(position(1, 9)),
            "another process cannot set it back"
        );
        other.reset(position(2, 3)).unwrap();
        assert_eq!(mark.read().unwrap(), Some(position(2, 3)));
    }

    #[test]
    fn one_torn_slot_leaves_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let mark = Mark::open(folder.path()).unwrap();
        for seq in 1..=6 {
            mark.advance(position(1, seq)).unwrap();
        }
        for (at, left) in [(20, 5), (20 + 128, 6)] {
            let whole = std::fs::read(mark.path()).unwrap();
            let mut torn = whole.clone();
            torn[at] ^= 1;
            std::fs::write(mark.path(), &torn).unwrap();
            let found = mark.read().unwrap().unwrap().seq;
            std::fs::write(mark.path(), &whole).unwrap();
            assert_eq!(found, left, "the slot at {at} is torn");
        }
        std::fs::write(mark.path(), vec![b'x'; 256]).unwrap();
        let error = mark.read().unwrap_err();
        assert!(
            error.to_string().contains("holds no mark that can be read"),
            "{error}"
        );
    }
}
