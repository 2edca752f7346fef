//! Why a configuration cannot be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Setting;
use crate::base::{Bin, BinError, Explain, Fault, shell_word};

/// Why a configuration, or one merchant's folder, cannot be used.
///
/// Each message names the file, the key and the value; never the value of a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no configuration file in any of the usual places.
    #[error("no configuration file found, looked at {}", joined(.looked))]
    NotFound {
        /// Every place looked at, in order.
        looked: Vec<PathBuf>,
    },
    /// `--config` or `KASPI_CONFIG` names a file that is not there.
    #[error("{named_by} names {}, which does not exist", .file.display())]
    NamedConfigMissing {
        /// `--config` or `KASPI_CONFIG`.
        named_by: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// `./kaspi.toml` could have been put there by somebody else.
    #[error("{} is not used, because {reason}", .file.display())]
    NotTrusted {
        /// The file.
        file: PathBuf,
        /// Both values that were compared.
        reason: String,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}{}: {source}", .file.display(), named_by(.setting.as_ref()))]
    Unreadable {
        /// The file or folder.
        file: PathBuf,
        /// The setting that names it, if one does.
        setting: Option<Setting>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A setting names a file that is not there.
    #[error("{setting} names {}, which does not exist", .file.display())]
    FileMissing {
        /// The setting.
        setting: Setting,
        /// The file, as resolved.
        file: PathBuf,
    },
    /// A folder, pipe or device stands where a file is wanted.
    #[error("{} is {found}, not a file{}", .file.display(), named_by(.setting.as_ref()))]
    NotAFile {
        /// What was to be read.
        file: PathBuf,
        /// The setting that names it, if one does.
        setting: Option<Setting>,
        /// What it is.
        found: &'static str,
    },
    /// A file is larger than anything that belongs there.
    #[error("{} has more than {limit} bytes{}", .file.display(), named_by(.setting.as_ref()))]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The setting that names it, if one does.
        setting: Option<Setting>,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// A text file is not UTF-8.
    #[error("{} line {line} is not UTF-8 text", .file.display())]
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// The first line that is not, counted from 1.
        line: usize,
    },
    /// A file is not TOML. The line itself is not quoted, it may hold a secret.
    #[error("{} line {line} column {column} is not TOML: {message}", .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What the parser said.
        message: String,
    },
    /// A key that has no meaning there.
    #[error("unknown key `{key}` in {section} of {}{suggestion}", .setting.place())]
    UnknownKey {
        /// The key.
        key: String,
        /// The same with its section, and where it stands.
        setting: Setting,
        /// The section as written, such as `[kaspi]`.
        section: String,
        /// What was meant, if that can be guessed.
        suggestion: Suggestion,
        /// The keys that the section has.
        known: Vec<&'static str>,
    },
    /// A number where a text belongs, and the like.
    #[error("{setting} is {found}, not {expected}")]
    WrongType {
        /// The setting.
        setting: Setting,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A key that must be given.
    #[error("{setting} is missing")]
    Missing {
        /// The key, and the file it belongs in.
        setting: Setting,
        /// What to write.
        hint: &'static str,
    },
    /// A value that cannot be used.
    #[error("{setting} is {}: {problem}", quoted_or_hidden(.given.as_deref()))]
    Invalid {
        /// The setting.
        setting: Setting,
        /// The value; absent where it is, or may hold, a secret.
        given: Option<String>,
        /// What is wrong with it.
        problem: String,
        /// What to write instead.
        hint: Option<&'static str>,
    },
    /// Two things that exclude each other.
    #[error("{setting} excludes {other}")]
    Conflict {
        /// The one.
        setting: Setting,
        /// The other: a key, or a file that was found.
        other: String,
    },
    /// A sub-folder of `certs_dir` whose name is no BIN.
    #[error("the folder {} is named after no BIN: {source}", .folder.display())]
    FolderName {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with its name.
        #[source]
        source: BinError,
    },
    /// Two folders for one BIN.
    #[error("BIN `{bin}` has two folders, {} and {}", .first.display(), .second.display())]
    DuplicateBin {
        /// The BIN.
        bin: Bin,
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A private key with no certificate beside it.
    #[error("{} has the key `{}` but no certificate `certificate.cer`", .folder.display(), .private_key.display())]
    KeyWithoutCertificate {
        /// The merchant's folder.
        folder: PathBuf,
        /// The key, as named in the folder.
        private_key: PathBuf,
    },
    /// A certificate or key and a PKCS#12 file, or two of those.
    #[error("{} has both `{first}` and `{second}`", .folder.display())]
    AmbiguousIdentity {
        /// The merchant's folder.
        folder: PathBuf,
        /// One file.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Nothing that could be an identity.
    #[error(
        "{} has no identity: no `certificate.cer` with `private.key`, no `identity.p12`, no `identity.pfx`",
        .folder.display()
    )]
    NoIdentity {
        /// The merchant's folder.
        folder: PathBuf,
    },
    /// `route = "wrapper"` without a wrapper to go through.
    #[error("{setting} is `wrapper`, but {} has no section [wrapper]", .config.display())]
    NoWrapper {
        /// The merchant's `route`.
        setting: Setting,
        /// The main configuration file.
        config: PathBuf,
    },
}

/// What was probably meant by an unknown key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suggestion {
    /// No guess.
    None,
    /// A key of the same section.
    Key(&'static str),
    /// The same key, in another section (as written, such as `[kaspi]`).
    Section(String),
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Key(key) => write!(f, "; did you mean `{key}`?"),
            Self::Section(section) => write!(f, "; it belongs in {section}"),
        }
    }
}

impl Explain for ConfigError {
    fn kind(&self) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::NamedConfigMissing { .. } => "config_not_found",
            Self::NotTrusted { .. } => "config_not_trusted",
            Self::Unreadable { .. } => "file_unreadable",
            Self::FileMissing { .. } => "file_missing",
            Self::NotAFile { .. } => "not_a_file",
            Self::TooLarge { .. } => "file_too_large",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::Syntax { .. } => "config_syntax",
            Self::UnknownKey { .. } => "unknown_key",
            Self::WrongType { .. } => "wrong_type",
            Self::Missing { .. } => "missing_setting",
            Self::Invalid { .. } => "invalid_value",
            Self::Conflict { .. } => "conflicting_settings",
            Self::FolderName { .. } => "folder_is_no_bin",
            Self::DuplicateBin { .. } => "duplicate_bin",
            Self::KeyWithoutCertificate { .. } => "key_without_certificate",
            Self::AmbiguousIdentity { .. } => "ambiguous_identity",
            Self::NoIdentity { .. } => "no_identity",
            Self::NoWrapper { .. } => "no_wrapper",
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => {
                Some(
                    "`kaspi init` writes one from the bank's files, `kaspi sandbox init DIR` one to try things with; \
                     one that lies elsewhere is named with `--config FILE`"
                        .to_owned(),
                )
            }
            Self::NamedConfigMissing { named_by, .. } => Some(format!("correct {named_by}, or write one with `kaspi init`")),
            Self::NotTrusted { file, .. } => Some(format!(
                "make it yours alone (`chmod go-w`), or, if you trust it, say so with `--config {}`",
                shell_word(file)
            )),
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("let the user that runs this program read it".to_owned())
            }
            Self::FileMissing { setting, .. } => Some(format!(
                "paths are relative to the file that names them, here to {}",
                setting.file().parent().unwrap_or(Path::new("/")).display()
            )),
            Self::UnknownKey {
                known,
                suggestion: Suggestion::None,
                ..
            } => Some(format!("known there: {}", backticked(known))),
            Self::WrongType {
                expected: "a text",
                found: "a whole number",
                ..
            } => Some("put it in double quotes".to_owned()),
            Self::Missing { hint, .. } => Some((*hint).to_owned()),
            Self::Invalid { hint, .. } => hint.map(str::to_owned),
            Self::Conflict { .. } | Self::AmbiguousIdentity { .. } => Some("keep one of the two".to_owned()),
            Self::FolderName { .. } => Some(
                "each folder in `certs_dir` is one merchant and is called by its BIN; a leading dot hides one"
                    .to_owned(),
            ),
            Self::DuplicateBin { .. } => Some("keep one of the folders".to_owned()),
            Self::KeyWithoutCertificate { .. } => {
                Some("put the bank's certificate beside the key, or name it with `certificate`".to_owned())
            }
            Self::NoIdentity { .. } => Some(
                "put the bank's files there, name others in merchant.toml, or borrow with `identity = \"BIN\"`"
                    .to_owned(),
            ),
            Self::NoWrapper { .. } => Some("add the section, or set `route = \"direct\"`".to_owned()),
            Self::Unreadable { .. }
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::UnknownKey { .. }
            | Self::WrongType { .. } => None,
        }
    }
}

/// A value as an error shows it: one line, of bearable length.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 100;
    let mut short: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

/// Words as an error lists them.
pub(super) fn backticked(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

fn joined(places: &[PathBuf]) -> String {
    let shown: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    shown.join(", ")
}

fn named_by(setting: Option<&Setting>) -> String {
    setting.map_or_else(String::new, |setting| format!(", named by {setting}"))
}

fn quoted_or_hidden(given: Option<&str>) -> String {
    given.map_or_else(|| "unusable".to_owned(), |given| format!("`{given}`"))
}
