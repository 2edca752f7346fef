//! What can go wrong while a sandbox is set up. Once it runs, it answers; it does not fail.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why a sandbox could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A file or folder that the system would not give.
    #[error("cannot {action} `{path}`: {source}")]
    File {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `init` was given a folder that holds something.
    #[error("`{path}` is not empty: it holds `{found}`")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// One of its entries.
        found: String,
    },
    /// A file whose content is not what the layout calls for.
    #[error("`{path}`: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A BIN that is none.
    #[error("a BIN has 12 digits, `{given}` was given")]
    Bin {
        /// What was given.
        given: String,
    },
    /// A BIN that was given twice.
    #[error("BIN `{bin}` was given twice")]
    RepeatedBin {
        /// The BIN.
        bin: String,
    },
    /// A key or certificate that could not be made or read.
    #[error("cannot make {what}: {source}")]
    Certificate {
        /// What was to be made.
        what: String,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// TLS settings that rustls refuses.
    #[error("cannot set up TLS for {what}: {source}")]
    Tls {
        /// Which part.
        what: &'static str,
        /// What rustls said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// An address that could not be listened on.
    #[error("cannot listen on `{address}` for {purpose}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// `Kaspi` or `the control API`.
        purpose: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A state file that another running sandbox writes.
    #[error("`{path}` is the state of a sandbox that is running")]
    StateInUse {
        /// The file.
        path: PathBuf,
    },
    /// A state file of a sandbox with another authority: its payments are not this bank's.
    #[error("`{path}` is the state of another sandbox: its authority is `{found}`, this one's is `{wanted}`")]
    ForeignState {
        /// The file.
        path: PathBuf,
        /// SHA-256 of the root certificate that the file names.
        found: String,
        /// SHA-256 of this sandbox's root certificate.
        wanted: String,
    },
    /// A file that is no state file, or one that broke.
    #[error("`{path}`, line {line}: {reason}")]
    BrokenState {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The state could not be written any more; what the bank said since is not in the file.
    #[error("cannot write `{path}`: {reason}")]
    StateLost {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The control API has no authentication, so it stays on this machine.
    #[error("the control API listens on loopback only, `{address}` is not a loopback address")]
    PublicControl {
        /// What was asked for.
        address: SocketAddr,
    },
}

impl SandboxError {
    /// A stable word for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "sandbox_file",
            Self::NotEmpty { .. } => "sandbox_not_empty",
            Self::Content { .. } => "sandbox_content",
            Self::Bin { .. } => "bad_bin",
            Self::RepeatedBin { .. } => "repeated_bin",
            Self::Certificate { .. } => "sandbox_certificate",
            Self::Tls { .. } => "sandbox_tls",
            Self::Listen { .. } => "sandbox_listen",
            Self::StateInUse { .. } => "sandbox_state_in_use",
            Self::ForeignState { .. } => "sandbox_foreign_state",
            Self::BrokenState { .. } => "sandbox_broken_state",
            Self::StateLost { .. } => "sandbox_state_lost",
            Self::PublicControl { .. } => "sandbox_public_control",
        }
    }

    /// One thing to do next, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotEmpty { .. } => Some("name a folder that does not exist yet".to_owned()),
            Self::Listen { address, source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some(format!("use port 0 to take a free one: `{}:0`", address.ip()))
            }
            Self::File {
                action: "read",
                source,
                ..
            } if source.kind() == io::ErrorKind::NotFound => {
                Some("name a folder that `kaspi sandbox init FOLDER` has made".to_owned())
            }
            Self::PublicControl { .. } => Some("use `127.0.0.1:0`".to_owned()),
            Self::StateInUse { .. } => Some("each sandbox wants a file of its own".to_owned()),
            Self::ForeignState { .. } | Self::BrokenState { .. } => {
                Some("name a file that does not exist yet to start with an empty bank".to_owned())
            }
            Self::Content { .. } => Some("`kaspi sandbox init DIR` writes a folder that works".to_owned()),
            _ => None,
        }
    }

    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    pub(super) fn certificate<E>(what: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        let what = what.into();
        move |source| Self::Certificate {
            what,
            source: Box::new(source),
        }
    }

    pub(super) fn tls<E>(what: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        move |source| Self::Tls {
            what,
            source: Box::new(source),
        }
    }
}
