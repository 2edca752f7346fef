//! What `kaspi init` itself refuses.

use std::path::{Path, PathBuf};

use crate::base::{Explain, Fault, shell_word};

/// What `kaspi init` itself refuses.
#[derive(Debug, thiserror::Error)]
pub(super) enum InitError {
    #[error("no certificate with its key in `{}`: found {}", folder.display(), listed(found))]
    NothingFound {
        folder: PathBuf,
        /// Each file that was looked into, with what it is.
        found: Vec<String>,
        /// What is missing.
        missing: Missing,
    },
    #[error("`{}` holds more than one certificate or key: {}", folder.display(), listed(found))]
    SeveralFound { folder: PathBuf, found: Vec<String> },
    #[error("`{}` exists: there is a configuration already", path.display())]
    LayoutExists { path: PathBuf, dir: PathBuf },
    #[error("`--config` names a configuration that is there, and `kaspi init` writes a new one")]
    ConfigGiven,
    #[error("`--yes` asks nothing, and no `--bin` names the organisation")]
    NoBin,
    #[error("`{}` is encrypted ({scheme}), and there is no password for it", path.display())]
    NoPassword { path: PathBuf, scheme: String },
    #[error("there are questions to answer, and no terminal to ask at")]
    NoTerminal,
    #[error("the answers ended before the last question")]
    NoAnswer,
}

/// What an identity lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Both,
    Certificate,
    Key,
}

impl Explain for InitError {
    fn kind(&self) -> &'static str {
        match self {
            Self::NothingFound { .. } => "nothing_found",
            Self::SeveralFound { .. } => "several_found",
            Self::LayoutExists { .. } => "layout_exists",
            Self::ConfigGiven => "usage",
            Self::NoBin => "no_bin",
            Self::NoPassword { .. } => "no_password",
            Self::NoTerminal => "no_terminal",
            Self::NoAnswer => "no_answer",
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::ConfigGiven | Self::NoBin | Self::NoTerminal | Self::NoAnswer => Fault::Caller,
            Self::NothingFound { .. }
            | Self::SeveralFound { .. }
            | Self::LayoutExists { .. }
            | Self::NoPassword { .. } => Fault::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NothingFound { missing, .. } => match missing {
                Missing::Both => {
                    "name the folder with the bank's files, `kaspi init FOLDER`, or the files: `--cert`, `--key`, `--p12`; \
                     without a certificate yet, begin with `kaspi cert request`"
                }
                Missing::Certificate => {
                    "put the certificate there that the bank sent back, or name it with `--cert`"
                }
                Missing::Key => {
                    "the key was made together with the request and never left your hands: name it with `--key`"
                }
            }
            .to_owned(),
            Self::SeveralFound { .. } => "say which belong together: `--cert FILE --key FILE`, or `--p12 FILE`".to_owned(),
            Self::LayoutExists { dir, .. } => format!(
                "for another organisation: `kaspi cert convert FILES --out {}/BIN`; to begin anew, name another folder with `--dir`",
                shell_word(&dir.join("certs"))
            ),
            Self::ConfigGiven => "say with `--dir` where it is written".to_owned(),
            Self::NoBin => "name it: `--bin BIN`".to_owned(),
            Self::NoPassword { .. } => "write it to a file and name that with `--password-file`".to_owned(),
            Self::NoTerminal => "answer with options: `kaspi init --yes --bin BIN ...`, see `kaspi init --help`".to_owned(),
            Self::NoAnswer => "start again; nothing was written".to_owned(),
        };
        Some(hint)
    }
}

impl InitError {
    /// A file of the layout is there already.
    pub(super) fn exists(path: &Path, dir: &Path) -> Self {
        Self::LayoutExists {
            path: path.to_owned(),
            dir: dir.to_owned(),
        }
    }
}

fn listed(found: &[String]) -> String {
    if found.is_empty() {
        return "no file that ends in .cer, .crt, .pem, .der, .key, .p12 or .pfx".to_owned();
    }
    found.join("; ")
}
