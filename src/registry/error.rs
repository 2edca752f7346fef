//! Why a BIN is not served.

use std::path::PathBuf;
use std::sync::Arc;

use super::trial::Unasked;
use super::{ProvisionError, TrialError};
use crate::base::{Bin, Delivery, Explain, Fault};
use crate::config::ConfigError;
use crate::identity::IdentityError;

/// Why no call leaves for a BIN. Nothing was sent.
///
/// Cheap to clone: a broken BIN gives the same reason to every call.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No BIN was named, and none is configured as the default.
    #[error("no BIN was named and `default_bin` is not set")]
    NoBin {
        /// The BINs that could be named.
        configured: Vec<Bin>,
    },
    /// Not one of ours.
    #[error("BIN `{bin}` is not configured ({configured} others are)")]
    UnknownBin {
        /// The BIN asked for.
        bin: Bin,
        /// How many BINs are configured.
        configured: usize,
    },
    /// Not one of ours, and no organisation can have it.
    #[error("BIN `{bin}` is not configured and its control digit is wrong, so it is mistyped")]
    MistypedBin {
        /// The BIN asked for.
        bin: Bin,
    },
    /// Configured, and switched off.
    #[error("BIN `{bin}` is switched off: `active = false` in `{}`", folder.join("merchant.toml").display())]
    Inactive {
        /// The BIN asked for.
        bin: Bin,
        /// Its folder.
        folder: PathBuf,
    },
    /// Its folder cannot be read as a merchant.
    #[error("BIN `{bin}` cannot be served: {source}")]
    Folder {
        /// The BIN asked for.
        bin: Bin,
        /// What is wrong.
        source: Arc<ConfigError>,
    },
    /// The identity it acts with cannot be used.
    #[error("BIN `{bin}` cannot be served: {source}")]
    Identity {
        /// The BIN asked for.
        bin: Bin,
        /// The BIN whose folder holds the identity.
        owner: Bin,
        /// What is wrong.
        source: Arc<IdentityError>,
    },
    /// It borrows the identity of a BIN that has none to lend.
    #[error(
        "BIN `{bin}` cannot be served: `identity = \"{owner}\"` in `{}` names a folder {}",
        folder.join("merchant.toml").display(),
        if *exists { "that borrows its own identity" } else { "that does not exist" }
    )]
    NoSuchOwner {
        /// The BIN asked for.
        bin: Bin,
        /// The BIN it wants to act as.
        owner: Bin,
        /// The folder that says so.
        folder: PathBuf,
        /// Whether the named folder is there at all.
        exists: bool,
    },
    /// TLS cannot be set up with the identity.
    #[error("BIN `{bin}` cannot be served: TLS cannot be set up with the identity of `{owner}`: {source}")]
    Provision {
        /// The BIN asked for.
        bin: Bin,
        /// The BIN whose folder holds the identity.
        owner: Bin,
        /// What is wrong.
        source: Arc<ProvisionError>,
    },
    /// Kaspi did not take the identity in a trial call, so no other call leaves over it.
    #[error("the identity of `{owner}` was refused in a trial call for BIN `{bin}`: {source}")]
    TrialRefused {
        /// The BIN that the trial call was made for.
        bin: Bin,
        /// The BIN whose folder holds the identity.
        owner: Bin,
        /// What Kaspi said.
        source: Arc<TrialError>,
    },
    /// A trial call got no answer, and the identity in use still serves.
    #[error(
        "the identity of `{owner}` is not in use yet: the trial call for BIN `{bin}` had no answer: {source}"
    )]
    TrialUnanswered {
        /// The BIN that the trial call was made for.
        bin: Bin,
        /// The BIN whose folder holds the identity.
        owner: Bin,
        /// What went wrong.
        source: Arc<TrialError>,
    },
}

impl RegistryError {
    pub(crate) fn identity(bin: Bin, owner: Bin, source: IdentityError) -> Self {
        Self::Identity {
            bin,
            owner,
            source: Arc::new(source),
        }
    }

    /// An identity of which nothing has been published.
    pub(super) fn not_yet(owner: Bin) -> Self {
        Self::TrialUnanswered {
            bin: owner,
            owner,
            source: Arc::new(TrialError::new(Unasked::NotYet)),
        }
    }

    /// The BIN that is not served, where the error is about one.
    pub(crate) fn bin(&self) -> Option<Bin> {
        match self {
            Self::Folder { bin, .. }
            | Self::Identity { bin, .. }
            | Self::Inactive { bin, .. }
            | Self::MistypedBin { bin }
            | Self::NoSuchOwner { bin, .. }
            | Self::Provision { bin, .. }
            | Self::TrialRefused { bin, .. }
            | Self::TrialUnanswered { bin, .. }
            | Self::UnknownBin { bin, .. } => Some(*bin),
            Self::NoBin { .. } => None,
        }
    }

    /// The same reason, told of another BIN that acts with the same identity.
    pub(crate) fn told_of(&self, borrower: Bin) -> Self {
        let mut told = self.clone();
        match &mut told {
            Self::Folder { bin, .. }
            | Self::Identity { bin, .. }
            | Self::Inactive { bin, .. }
            | Self::MistypedBin { bin }
            | Self::NoSuchOwner { bin, .. }
            | Self::Provision { bin, .. }
            | Self::TrialRefused { bin, .. }
            | Self::TrialUnanswered { bin, .. }
            | Self::UnknownBin { bin, .. } => *bin = borrower,
            Self::NoBin { .. } => {}
        }
        told
    }
}

impl Explain for RegistryError {
    fn kind(&self) -> &'static str {
        match self {
            Self::NoBin { .. } => "no_bin",
            Self::UnknownBin { .. } => "unknown_bin",
            Self::MistypedBin { .. } => "mistyped_bin",
            Self::Inactive { .. } => "inactive_bin",
            Self::Folder { source, .. } => source.kind(),
            Self::Identity { source, .. } => source.kind(),
            Self::NoSuchOwner { .. } => "no_such_identity",
            Self::Provision { .. } => "unusable_identity",
            Self::TrialRefused { .. } => "trial_refused",
            Self::TrialUnanswered { .. } => "trial_unanswered",
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::NoBin { .. } | Self::UnknownBin { .. } | Self::MistypedBin { .. } => Fault::Caller,
            Self::TrialUnanswered { source, .. } => source.fault(),
            _ => Fault::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoBin { configured } => Some(match configured.as_slice() {
                [] => "add a folder named after the BIN to `certs_dir`".to_owned(),
                bins => format!(
                    "name one with `--bin`, or set `default_bin`; configured: {}",
                    bins.iter()
                        .take(8)
                        .map(Bin::to_string)
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            }),
            Self::UnknownBin { bin, .. } => Some(format!(
                "`kaspi merchants list` shows the configured BINs; to add this one, make a folder `{bin}` in `certs_dir`"
            )),
            Self::MistypedBin { .. } => {
                Some("compare all 12 digits with the organisation's papers".to_owned())
            }
            Self::Inactive { .. } => Some("set `active = true` to serve it again".to_owned()),
            Self::Folder { source, .. } => source.hint(),
            Self::Identity { source, .. } => source.hint(),
            Self::NoSuchOwner { .. } => Some(
                "name a folder that holds certificate and key itself, or put them into this one".to_owned(),
            ),
            Self::Provision { .. } => None,
            Self::TrialRefused { source, .. } | Self::TrialUnanswered { source, .. } => source.hint(),
        }
    }

    fn delivery(&self) -> Option<Delivery> {
        Some(Delivery::NotSent)
    }
}
