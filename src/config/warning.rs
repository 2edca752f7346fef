//! What is odd about a configuration but does not stop it.

use std::path::PathBuf;

use crate::base::Bin;

/// Something an operator should look at; the program goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// The BIN may be mistyped. An organisation with an odd number must be able to trade, so it is used.
    #[error("the control digit of BIN `{bin}` does not fit its other digits")]
    ControlDigit {
        /// The configured BIN.
        bin: Bin,
    },
    /// A file with a secret in it is open to every user of the machine.
    #[error("{} holds a secret and is open to every user of this machine (mode {mode:04o})", .file.display())]
    WorldReadable {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A plain file in a folder whose identity is an installed set: nothing reads it.
    #[error("{} is not used, because a set is installed: {} leads to it", .file.display(), .link.display())]
    IgnoredFile {
        /// The file.
        file: PathBuf,
        /// The link to the set in use.
        link: PathBuf,
    },
    /// Two merchants have one device token, which Kaspi gives for one trade point of one BIN.
    #[error("BIN `{bin}` and BIN `{other}` have the same device token")]
    SharedDeviceToken {
        /// The merchant that this is about.
        bin: Bin,
        /// The other one.
        other: Bin,
    },
}

impl ConfigWarning {
    /// A stable word for programs, such as `control_digit`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ControlDigit { .. } => "control_digit",
            Self::WorldReadable { .. } => "world_readable",
            Self::IgnoredFile { .. } => "ignored_file",
            Self::SharedDeviceToken { .. } => "shared_device_token",
        }
    }

    /// One thing to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::ControlDigit { .. } => {
                "compare the number with the bank's letter, digit by digit".to_owned()
            }
            Self::WorldReadable { file, .. } => format!("`chmod o-rwx {}`", file.display()),
            Self::IgnoredFile { file, .. } => format!(
                "install it with `kaspi cert install`, or remove it: `rm {}`",
                file.display()
            ),
            Self::SharedDeviceToken { .. } => {
                "one of the two was copied: register a device for it with `kaspi device register`".to_owned()
            }
        }
    }
}
