//! Why a set could not be put in place.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::{Explain, Fault};
use crate::identity::IdentityError;

/// Why a set could not be put in place. What was in use before is still in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The operating system refused.
    #[error("cannot {attempt} `{}`: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A file for the set, or one in use, cannot be read.
    #[error(transparent)]
    Source(#[from] IdentityError),
    /// Another process is at it.
    #[error("another installation holds `{}`", path.display())]
    Locked {
        /// The file of the lock.
        path: PathBuf,
    },
    /// The link was made by somebody else.
    #[error("`{}` leads to `{}`, not to a set such as `.sets/1`", link.display(), target.display())]
    ForeignLink {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// There is no earlier set.
    #[error("`{}` has nothing to roll back to: {}", folder.display(), without(*current))]
    NothingBefore {
        /// The merchant's folder.
        folder: PathBuf,
        /// The set in use.
        current: Option<u64>,
    },
    /// A plain file that nothing reads, because a set is in use.
    #[error("`{}` is in no set and is not used", path.display())]
    Ignored {
        /// The file.
        path: PathBuf,
    },
}

impl SetError {
    pub(super) fn file(attempt: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            attempt,
            path: path.to_owned(),
            source,
        }
    }
}

impl Explain for SetError {
    fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "set_not_written",
            Self::Source(error) => error.kind(),
            Self::Locked { .. } => "install_in_progress",
            Self::ForeignLink { .. } => "foreign_link",
            Self::NothingBefore { .. } => "nothing_to_roll_back",
            Self::Ignored { .. } => "file_ignored",
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File { source, path, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    format!(
                        "make room (`df -h {}`) and install again; what was in use still is",
                        path.parent().unwrap_or(path).display()
                    )
                }
                io::ErrorKind::PermissionDenied => {
                    "run this as the user who owns the folder, or as root; what was in use still is"
                        .to_owned()
                }
                _ => "what was in use still is; mend the cause and install again".to_owned(),
            },
            Self::Source(error) => return error.hint(),
            Self::Locked { .. } => "wait until it has ended; the lock ends with its process".to_owned(),
            Self::ForeignLink { link, .. } => {
                format!("remove the link if you made it: `rm {}`", link.display())
            }
            Self::NothingBefore { .. } => "install the earlier files with `kaspi cert install`".to_owned(),
            Self::Ignored { path } => format!(
                "install it with `kaspi cert install`, or remove it: `rm {}`",
                path.display()
            ),
        };
        Some(hint)
    }
}

fn without(current: Option<u64>) -> String {
    match current {
        Some(number) => format!("set {number} is in use, and the one before it is not there"),
        None => "no set is in use".to_owned(),
    }
}
