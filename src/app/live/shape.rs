//! What question and answer look like, word for word. Fields may be added; none is renamed.

use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

use crate::base::{Bin, Explain};
use crate::config::Route;
use crate::doctor::GatewayState;
use crate::identity::Facts;
use crate::registry::{Attempts, MerchantStatus, RotationState};

/// The version of all this. Another one is another shape.
pub(super) const VERSION: u32 = 1;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Question {
    /// How it stands.
    State,
    /// Read the folders first, and answer when what they hold is in use or refused.
    Rescan,
}

/// The line that answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) content: Content,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    State(Box<LiveState>),
    Error(ProblemReport),
}

/// What a running program serves now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LiveState {
    /// The number of the process.
    pub process_id: u32,
    /// The version of this crate that it was built with.
    pub program_version: String,
    /// When it began to serve.
    #[serde(with = "rfc3339")]
    pub started_at: OffsetDateTime,
    /// The configuration that it read.
    pub config_file: String,
    /// The folder of the merchants' folders, without links in it where it is there.
    pub certs_dir: String,
    /// Addresses on which it takes calls.
    pub listen: Vec<String>,
    /// How the looking after the folders stands.
    pub rotation: RotationReport,
    /// Every BIN that it knows, in order.
    pub merchants: Vec<MerchantReport>,
}

/// How the looking after the folders stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RotationReport {
    /// Folders that are watched.
    pub watched_folders: usize,
    /// Why changes may go unnoticed for a minute, where they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// When the folders were last read, whatever came of it.
    #[serde(default, with = "rfc3339::option")]
    pub last_rescan: Option<OffsetDateTime>,
    /// When they were last read and could be listed.
    #[serde(default, with = "rfc3339::option")]
    pub last_success: Option<OffsetDateTime>,
    /// The last time that they could not be listed. Stays when that passes.
    #[serde(default, with = "rfc3339::option")]
    pub last_error_at: Option<OffsetDateTime>,
    /// Why they could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl RotationReport {
    pub(super) fn of(state: RotationState) -> Self {
        let (last_error_at, last_error) = state.last_error.unzip();
        Self {
            watched_folders: state.watched_folders,
            degraded: state.degraded,
            last_rescan: state.last_rescan,
            last_success: state.last_success,
            last_error_at,
            last_error,
        }
    }
}

/// How one BIN stands, in words: of a running program, or of the files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MerchantReport {
    /// The organisation.
    pub bin: Bin,
    /// Its name.
    pub name: String,
    /// `ready`, `inactive` or `broken`.
    pub state: String,
    /// The BIN whose folder holds the identity that it acts with.
    pub identity: Option<Bin>,
    /// The variable that holds its own identity, where no file does: it changes with a restart only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_variable: Option<String>,
    /// `direct` or `wrapper`.
    pub route: Option<String>,
    /// The generation that serves.
    pub generation: Option<u64>,
    /// What the certificate says that serves; where none does, the one that was refused.
    pub certificate: Option<Facts>,
    /// Whole days until it expires; negative once it has.
    pub days_left: Option<i64>,
    /// When the generation was loaded.
    #[serde(default, with = "rfc3339::option")]
    pub loaded_at: Option<OffsetDateTime>,
    /// Which password opened the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_opened_with: Option<String>,
    /// Its folder.
    pub folder: String,
    /// Its trade points, the default one first.
    pub trade_points: Vec<TradePointReport>,
    /// What became of reading its files.
    pub files: FilesReport,
    /// Why calls are not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<ProblemReport>,
    /// What an operator should look at although calls are served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl MerchantReport {
    /// The same in words.
    #[must_use]
    pub fn of(status: &MerchantStatus) -> Self {
        let points = status.trade_points.iter().enumerate();
        Self {
            bin: status.bin,
            name: status.name.clone(),
            state: status.state.as_str().to_owned(),
            identity: status.identity,
            identity_variable: status.identity_variable.clone(),
            route: status.route.map(|route| {
                match route {
                    Route::Direct => "direct",
                    Route::Wrapper => "wrapper",
                }
                .to_owned()
            }),
            generation: status.generation,
            certificate: status.facts.clone(),
            days_left: status.days_left,
            loaded_at: status.loaded_at,
            key_opened_with: status.opened_with.as_ref().map(ToString::to_string),
            folder: in_words(&status.folder),
            trade_points: points
                .map(|(index, (id, has_device_token))| TradePointReport {
                    trade_point_id: id.map(|id| id.get()),
                    has_device_token: *has_device_token,
                    default: index == 0,
                })
                .collect(),
            files: FilesReport::of(&status.attempts),
            problem: status.problem.as_deref().map(ProblemReport::of),
            warnings: status.warnings.clone(),
        }
    }

    /// The same, for the doctor to compare with the files.
    #[must_use]
    pub fn gateway_state(&self) -> GatewayState {
        let refused = self.problem.as_ref();
        let standing = self.files.standing_error();
        GatewayState {
            generation: self.generation,
            certificate_sha256: self.certificate_sha256().map(str::to_owned),
            problem: refused
                .map(|problem| problem.message.clone())
                .or_else(|| standing.map(|failed| failed.problem.message.clone())),
        }
    }

    /// SHA-256 of the certificate, lower-case hex of the DER form.
    #[must_use]
    pub fn certificate_sha256(&self) -> Option<&str> {
        self.certificate.as_ref().map(|facts| facts.sha256.as_str())
    }
}

/// One trade point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TradePointReport {
    /// The bank's number, where the operator wrote it down.
    pub trade_point_id: Option<i64>,
    /// Whether a device token is configured; the token itself is told nobody.
    pub has_device_token: bool,
    /// Whether calls go here that name none.
    pub default: bool,
}

/// What became of reading files: attempt, success and error apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FilesReport {
    /// When changed files were last taken up, whatever became of it.
    #[serde(default, with = "rfc3339::option")]
    pub last_attempt: Option<OffsetDateTime>,
    /// When they were last put to use.
    #[serde(default, with = "rfc3339::option")]
    pub last_success: Option<OffsetDateTime>,
    /// The last time that they could not be. Stays when a later attempt succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<FailedReport>,
}

impl FilesReport {
    fn of(attempts: &Attempts) -> Self {
        let stands = attempts.standing_error().is_some();
        Self {
            last_attempt: attempts.last_attempt,
            last_success: attempts.last_success,
            last_error: attempts.last_error.as_ref().map(|failed| FailedReport {
                at: failed.at,
                stands,
                problem: ProblemReport::of(failed.error.as_ref()),
            }),
        }
    }

    /// The error of the last attempt, if it failed: the files of now are not in use.
    #[must_use]
    pub fn standing_error(&self) -> Option<&FailedReport> {
        self.last_error.as_ref().filter(|failed| failed.stands)
    }
}

/// An attempt that did not end well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedReport {
    /// When.
    #[serde(with = "rfc3339")]
    pub at: OffsetDateTime,
    /// Whether no later attempt has succeeded.
    pub stands: bool,
    /// Why.
    #[serde(flatten)]
    pub problem: ProblemReport,
}

/// An error in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProblemReport {
    /// The stable word.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ProblemReport {
    /// The same in words.
    #[must_use]
    pub fn of(error: &(impl Explain + ?Sized)) -> Self {
        Self {
            kind: error.kind().to_owned(),
            message: error.to_string(),
            hint: error.hint(),
        }
    }
}

/// A path as text. One that is no UTF-8 is told as near as can be, and equally on both sides.
pub(super) fn in_words(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
