//! Why the live state cannot be offered, or cannot be had.

use std::io;
use std::path::PathBuf;

use crate::base::{Explain, Fault};

/// Why the live state cannot be offered, or cannot be had. That nobody offers it is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The state folder, or something in it, cannot be used.
    #[error("`{}` cannot be {verb}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What was to be done with it.
        verb: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Everybody could put a socket of his own there.
    #[error("the state folder `{}` may be written by every user of this machine (mode {mode:04o})", folder.display())]
    Exposed {
        /// The state folder.
        folder: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Something that is no socket has its name.
    #[error("`{}` is not a socket, and a socket is to be put there", path.display())]
    InTheWay {
        /// What is in the way.
        path: PathBuf,
    },
    /// Another process serves with this state folder.
    #[error(
        "{} serves with the state folder `{}`, and process {own} cannot too",
        match other { Some(other) => format!("process {other}"), None => "another process".to_owned() },
        folder.display()
    )]
    AlreadyRunning {
        /// The state folder.
        folder: PathBuf,
        /// The process that serves, where it has left its number.
        other: Option<u32>,
        /// This process.
        own: u32,
    },
    /// The system's addresses are short, and here there is no way round.
    #[error("the socket's path `{}` has {length} bytes, the system takes {most}", socket.display())]
    PathTooLong {
        /// The socket.
        socket: PathBuf,
        /// The length of its path in bytes.
        length: usize,
        /// The greatest length.
        most: usize,
    },
    /// A gateway may be running, and is not this user's to ask.
    #[error("`{}` belongs to another user, so what a gateway there serves cannot be asked: {source}", socket.display())]
    Denied {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody has the socket open and says nothing that helps.
    #[error("the gateway at `{}` does not answer: {why}", socket.display())]
    NoAnswer {
        /// The socket.
        socket: PathBuf,
        /// What came instead.
        why: String,
    },
    /// The answer cannot be read.
    #[error("the gateway at `{}` answers what cannot be read: {why}", socket.display())]
    Unreadable {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The answer is of another version.
    #[error("the gateway at `{}` answers in version {theirs}, this program reads version {ours}", socket.display())]
    OtherVersion {
        /// The socket.
        socket: PathBuf,
        /// Theirs.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
}

impl Explain for LiveError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Folder { .. } | Self::InTheWay { .. } => "state_folder",
            Self::Exposed { .. } => "state_folder_exposed",
            Self::AlreadyRunning { .. } => "already_running",
            Self::PathTooLong { .. } => "socket_path_too_long",
            Self::Denied { .. } => "gateway_denied",
            Self::NoAnswer { .. } => "gateway_no_answer",
            Self::Unreadable { .. } => "gateway_unreadable",
            Self::OtherVersion { .. } => "gateway_other_version",
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Folder { .. } => {
                "name a folder that this user may write: `state_dir` in kaspi.toml".to_owned()
            }
            Self::Exposed { folder, .. } => format!(
                "`chmod o-w {0}`, or name a folder of its own: `state_dir` in kaspi.toml",
                folder.display()
            ),
            Self::InTheWay { path } => format!("move it away: `mv {0} {0}.old`", path.display()),
            Self::AlreadyRunning { .. } => {
                "stop the other one first, or give each a `state_dir` of its own in its kaspi.toml".to_owned()
            }
            Self::PathTooLong { .. } => "name a shorter `state_dir` in kaspi.toml".to_owned(),
            Self::Denied { .. } => "run the command as the gateway's user, or as root".to_owned(),
            Self::NoAnswer { .. } => "see what became of the gateway's process and its log".to_owned(),
            Self::Unreadable { .. } | Self::OtherVersion { .. } => {
                "gateway and command are of different versions: restart the gateway".to_owned()
            }
        };
        Some(hint)
    }
}
