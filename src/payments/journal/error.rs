//! Why the journal cannot do what is asked of it.

use std::path::PathBuf;
use std::sync::Arc;

use super::record::OperationState;
use crate::base::{Delivery, Explain, Fault, OperationId};

/// Why the journal cannot do what is asked of it.
///
/// Cheap to clone: one broken journal gives the same reason to every caller. None of these was raised
/// by a request to Kaspi; where one stops an operation, nothing had been sent.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It cannot be opened or reached.
    #[error("the journal {place} cannot be used: {problem}")]
    Unavailable {
        /// Which journal, without a password.
        place: String,
        /// What fails.
        problem: String,
        /// The cause, where there is one.
        #[source]
        source: Option<Cause>,
    },
    /// The folder of the SQLite file is not there.
    #[error("the journal {place} cannot be made: its folder `{}` does not exist", folder.display())]
    NoFolder {
        /// Which journal.
        place: String,
        /// The folder.
        folder: PathBuf,
    },
    /// The file, its folder or the database cannot be written.
    #[error("the journal {place} cannot be written: {problem}")]
    ReadOnly {
        /// Which journal.
        place: String,
        /// What cannot be written.
        problem: String,
        /// The cause.
        #[source]
        source: Option<Cause>,
    },
    /// Another program holds the write lock.
    #[error("the journal {place} is locked by another program: no turn in {waited_ms} ms")]
    Locked {
        /// Which journal.
        place: String,
        /// How long it was waited for.
        waited_ms: u128,
        /// The cause.
        #[source]
        source: Option<Cause>,
    },
    /// No room.
    #[error("the journal {place} cannot grow: no room is left")]
    Full {
        /// Which journal.
        place: String,
        /// The cause.
        #[source]
        source: Option<Cause>,
    },
    /// It is damaged, or no journal at all.
    #[error("the journal {place} is damaged: {problem}")]
    Corrupt {
        /// Which journal.
        place: String,
        /// What is wrong.
        problem: String,
        /// The cause.
        #[source]
        source: Option<Cause>,
    },
    /// A newer version of this program made it.
    #[error("the journal {place} has schema version {found}, this program knows versions up to {known}")]
    NewerSchema {
        /// Which journal.
        place: String,
        /// Its version.
        found: i64,
        /// The last version that is known here.
        known: i64,
    },
    /// The server takes no more connections.
    #[error("the journal {place} has no connection left")]
    TooManyConnections {
        /// Which journal.
        place: String,
        /// The cause.
        #[source]
        source: Option<Cause>,
    },
    /// It is older than what this machine has seen of it.
    #[error("the journal {place} is older than what this machine has written to it: {problem}")]
    Behind {
        /// Which journal.
        place: String,
        /// What was compared.
        problem: String,
    },
    /// A gateway of another user works with it.
    #[error(
        "the journal {place} is in the hands of a gateway of user `{theirs}` (process {pid}), and this program runs as `{ours}`"
    )]
    ForeignUser {
        /// Which journal.
        place: String,
        /// The gateway's user.
        theirs: String,
        /// Our user.
        ours: String,
        /// The gateway's process.
        pid: u32,
    },
    /// A gateway works with it already.
    #[error(
        "the journal {place} is already served by process {pid} of user `{user}`, and SQLite has room for one gateway"
    )]
    AlreadyServed {
        /// Which journal.
        place: String,
        /// The other's process.
        pid: u32,
        /// The other's user.
        user: String,
    },
    /// The row cannot be read.
    #[error("the journal {place} holds a value that this program does not understand: {problem}")]
    Unreadable {
        /// Which journal.
        place: String,
        /// What it is.
        problem: String,
    },
    /// There is no such operation.
    #[error("there is no operation `{id}` in the journal {place}")]
    NoSuchOperation {
        /// Which journal.
        place: String,
        /// The operation asked for.
        id: OperationId,
    },
    /// Only an operation whose outcome is unknown can be resolved.
    #[error("the operation `{id}` is `{state}`, and only one that is `unknown` can be resolved")]
    NotUnknown {
        /// The operation.
        id: OperationId,
        /// How it stands.
        state: OperationState,
    },
    /// What it is said to have made does not fit its kind.
    #[error("the operation `{id}` is of kind `{kind}`: {problem}")]
    BadResolution {
        /// The operation.
        id: OperationId,
        /// Its kind.
        kind: super::record::OperationKind,
        /// What does not fit.
        problem: String,
    },
    /// The backup would overwrite something, or cannot be written.
    #[error("no backup was made to `{}`: {problem}", file.display())]
    Backup {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
        /// The cause.
        #[source]
        source: Option<Cause>,
    },
    /// This build has no PostgreSQL.
    #[error(
        "the journal {place} needs PostgreSQL, and this program was built without the feature `postgres`"
    )]
    NotBuilt {
        /// Which journal.
        place: String,
    },
}

/// A cause that many callers may be told.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

impl Explain for JournalError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } | Self::Unreadable { .. } | Self::NotBuilt { .. } => {
                "journal_unavailable"
            }
            Self::NoFolder { .. } => "journal_no_folder",
            Self::ReadOnly { .. } => "journal_read_only",
            Self::Locked { .. } => "journal_locked",
            Self::Full { .. } => "journal_full",
            Self::Corrupt { .. } => "journal_corrupt",
            Self::NewerSchema { .. } => "journal_newer",
            Self::TooManyConnections { .. } => "journal_connections",
            Self::Behind { .. } => "journal_behind",
            Self::ForeignUser { .. } => "journal_foreign_user",
            Self::AlreadyServed { .. } => "journal_served",
            Self::NoSuchOperation { .. } => "no_such_operation",
            Self::NotUnknown { .. } => "not_unknown",
            Self::BadResolution { .. } => "bad_resolution",
            Self::Backup { .. } => "backup",
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::NoSuchOperation { .. } | Self::NotUnknown { .. } | Self::BadResolution { .. } => {
                Fault::Caller
            }
            _ => Fault::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unavailable { .. } => {
                "`journal.url` in kaspi.toml says where it is; money calls wait until it answers, reads go on"
            }
            Self::NoFolder { .. } => "make the folder, owned by the user that runs this program",
            Self::ReadOnly { .. } => {
                "give the file, its `-wal` and `-shm` and their folder to the user that runs this program, on a file system that is mounted for writing"
            }
            Self::Locked { .. } => {
                "find who keeps it open (`fuser`), such as a backup program or an `sqlite3` shell within a transaction"
            }
            Self::Full { .. } => {
                "make room on the disk; nothing is lost, and money calls go on by themselves"
            }
            Self::Corrupt { .. } => {
                "stop the gateway, keep a copy of the file, check it with `sqlite3 FILE 'PRAGMA integrity_check'`, and put back the last good backup"
            }
            Self::NewerSchema { .. } => "run the version of this program that made it, or a later one",
            Self::TooManyConnections { .. } => {
                "raise `max_connections` of the server, or stop what else is connected"
            }
            Self::Behind { .. } => {
                "if an old copy was put back: `kaspi journal reconcile --after-restore` reads the bank's details again and then lets money calls go on; otherwise put the right file back"
            }
            Self::ForeignUser { theirs, .. } => {
                return Some(format!(
                    "run this command as `{theirs}`, or ask the gateway itself over HTTP"
                ));
            }
            Self::AlreadyServed { .. } => {
                "stop that one first, or use PostgreSQL, which several gateways can share"
            }
            Self::Unreadable { .. } => {
                "run the latest version of this program that has used it; if it is the one, please report this"
            }
            Self::NoSuchOperation { .. } => "`kaspi journal list` shows what there is",
            Self::NotUnknown { .. } => "`kaspi journal list --state unknown` shows what waits for a person",
            Self::BadResolution { .. } => {
                "name a payment for what makes one, and a return operation for a refund"
            }
            Self::Backup { .. } => "name a file that does not exist yet, in a folder that can be written",
            Self::NotBuilt { .. } => "build it with the feature `postgres`",
        };
        Some(hint.to_owned())
    }

    fn delivery(&self) -> Option<Delivery> {
        match self {
            Self::NoSuchOperation { .. }
            | Self::NotUnknown { .. }
            | Self::BadResolution { .. }
            | Self::Backup { .. } => None,
            _ => Some(Delivery::NotSent),
        }
    }
}
