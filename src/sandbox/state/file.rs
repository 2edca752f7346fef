//! The file: a line that says whose it is, then a line for each change, each with its checksum.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::error::SandboxError;
use super::Change;

/// Written into the first line; another number is another form.
const FORM: u32 = 1;
/// Payments in one line of a fresh file.
const TOGETHER: usize = 256;
/// Hex digits of SHA-256 that stand before a line: enough to see that it broke.
const MARK: usize = 16;
/// A sandbox that was dropped lets its file go a moment later.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Deserialize, Serialize)]
struct Head {
    kaspi_sandbox_state: u32,
    /// SHA-256 of the authority's root certificate.
    authority: String,
}

/// A state file that nobody else has.
pub(in crate::sandbox) struct Opened {
    /// What it said.
    pub(in crate::sandbox) changes: Vec<Change>,
    /// The file that came in its place, ready for further lines.
    pub(super) file: File,
    /// The file that it was, locked.
    pub(super) older: File,
}

impl Opened {
    /// Replaces the file by one that says the same in fewer lines.
    pub(in crate::sandbox) fn compact(
        mut self,
        path: &Path,
        authority: &str,
        now: Change,
    ) -> Result<Self, SandboxError> {
        let failed = || SandboxError::file("write", path);
        let mut text = sealed(&Head {
            kaspi_sandbox_state: FORM,
            authority: authority.to_owned(),
        });
        for change in in_parts(now) {
            text.extend(line(&change));
        }
        let fresh = beside(path);
        let written = private(&fresh).and_then(|mut file| {
            lock(&file)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&fresh, path)?;
            sync_folder(path)?;
            Ok(file)
        });
        if written.is_err() {
            // Nothing can be done about a leftover that cannot be removed either.
            let _ = fs::remove_file(&fresh);
        }
        self.file = written.map_err(failed())?;
        Ok(self)
    }
}

/// Takes the file and reads it. One that is not there is made.
///
/// # Errors
///
/// A file that another process has, that belongs to another authority's sandbox, that is no state
/// file, or that broke anywhere but in its last line, which a kill can leave half written.
pub(in crate::sandbox) fn open(path: &Path, authority: &str) -> Result<Opened, SandboxError> {
    let failed = |action| SandboxError::file(action, path);
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    owner_only(&mut options);
    let older = options.open(path).map_err(failed("open"))?;
    let waited = Instant::now();
    while let Err(error) = lock(&older) {
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(failed("lock")(error));
        }
        if waited.elapsed() > PATIENCE {
            return Err(SandboxError::StateInUse {
                path: path.to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let text = fs::read(path).map_err(failed("read"))?;
    let changes = read(path, &text, authority)?;
    let file = older.try_clone().map_err(failed("open"))?;
    Ok(Opened { changes, file, older })
}

/// A line of the file, with its end.
pub(super) fn line(change: &Change) -> Vec<u8> {
    sealed(change)
}

fn read(path: &Path, text: &[u8], authority: &str) -> Result<Vec<Change>, SandboxError> {
    let broken = |number: usize, reason: String| SandboxError::BrokenState {
        path: path.to_owned(),
        line: number,
        reason,
    };
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let Some((head, rest)) = lines.split_first() else {
        return Ok(Vec::new());
    };
    let head: Head = opened(head).map_err(|reason| broken(1, reason))?;
    if head.kaspi_sandbox_state != FORM {
        return Err(broken(
            1,
            format!(
                "form {} of the file is not known, form {FORM} is",
                head.kaspi_sandbox_state
            ),
        ));
    }
    if head.authority != authority {
        return Err(SandboxError::ForeignState {
            path: path.to_owned(),
            found: head.authority,
            wanted: authority.to_owned(),
        });
    }
    let mut changes = Vec::with_capacity(rest.len());
    for (at, line) in rest.iter().enumerate() {
        match opened(line) {
            Ok(change) => changes.push(change),
            // Its answer never left.
            Err(_) if at + 1 == rest.len() => {}
            Err(reason) => return Err(broken(at + 2, reason)),
        }
    }
    Ok(changes)
}

fn sealed<T: Serialize>(value: &T) -> Vec<u8> {
    // Numbers, texts and lists of them: nothing that JSON cannot write.
    let json = serde_json::to_string(value).unwrap_or_default();
    format!("{} {json}\n", mark(json.as_bytes())).into_bytes()
}

fn opened<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<T, String> {
    let line = line
        .strip_suffix(b"\n")
        .ok_or_else(|| "the line has no end".to_owned())?;
    let (found, json) = line
        .split_at_checked(MARK)
        .and_then(|(found, rest)| Some((found, rest.strip_prefix(b" ")?)))
        .ok_or_else(|| "the line has no checksum".to_owned())?;
    let wanted = mark(json);
    if found != wanted.as_bytes() {
        return Err(format!(
            "the checksum is `{}`, the line's own is `{wanted}`",
            String::from_utf8_lossy(found).escape_debug()
        ));
    }
    serde_json::from_slice(json).map_err(|error| format!("the line cannot be understood: {error}"))
}

fn mark(json: &[u8]) -> String {
    let mut hex = data_encoding::HEXLOWER.encode(&Sha256::digest(json));
    hex.truncate(MARK);
    hex
}

/// The same in lines of bearable length.
fn in_parts(mut whole: Change) -> Vec<Change> {
    let (next_id, ahead_ms) = (whole.next_id, whole.ahead_ms);
    let mut payments = std::mem::take(&mut whole.payments);
    let mut parts = vec![whole];
    while !payments.is_empty() {
        let rest = payments.split_off(payments.len().min(TOGETHER));
        parts.push(Change {
            next_id,
            ahead_ms,
            payments,
            ..Change::default()
        });
        payments = rest;
    }
    parts
}

fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        TryLockError::Error(error) => error,
    })
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    owner_only(&mut options);
    options.open(path)
}

/// Phones and tokens stand in it; made-up ones, but whoever copies this for real ones is served too.
fn owner_only(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = options;
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
    path.with_file_name(name)
}

/// A renamed file is durable once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(next_id: i64) -> Change {
        Change {
            next_id,
            ..Change::default()
        }
    }

    fn file(changes: &[Change]) -> Vec<u8> {
        let mut text = sealed(&Head {
            kaspi_sandbox_state: FORM,
            authority: "aa".to_owned(),
        });
        text.extend(changes.iter().flat_map(line));
        text
    }

    fn ids(text: &[u8]) -> Result<Vec<i64>, SandboxError> {
        let changes = read(Path::new("bank.state"), text, "aa")?;
        Ok(changes.iter().map(|change| change.next_id).collect())
    }

    #[test]
    fn a_file_that_ends_anywhere_is_a_bank_that_was_once_so() {
        let whole = file(&[change(1), change(2)]);
        let (head, first) = (file(&[]).len(), file(&[change(1)]).len());
        for end in head..=whole.len() {
            let wanted: &[i64] = match end {
                end if end == whole.len() => &[1, 2],
                end if end >= first => &[1],
                _ => &[],
            };
            assert_eq!(ids(&whole[..end]).unwrap(), wanted, "cut at {end}");
        }
    }

    #[test]
    fn a_changed_byte_before_the_last_line_is_found() {
        let whole = file(&[change(1), change(2)]);
        let first = file(&[change(1)]).len();
        for at in 0..first - 1 {
            let mut bent = whole.clone();
            bent[at] ^= 1;
            assert!(
                matches!(ids(&bent), Err(SandboxError::BrokenState { .. })),
                "byte {at}"
            );
        }
    }

    #[test]
    fn another_sandbox_and_another_form_are_refused() {
        let text = file(&[change(1)]);
        let refused = read(Path::new("bank.state"), &text, "bb").err().unwrap();
        assert_eq!(refused.kind(), "sandbox_foreign_state");
        let newer = sealed(&Head {
            kaspi_sandbox_state: FORM + 1,
            authority: "aa".to_owned(),
        });
        let refused = ids(&newer).unwrap_err();
        assert_eq!(refused.kind(), "sandbox_broken_state");
        assert!(refused.to_string().contains("form 2"), "{refused}");
    }
}
