//! What a database's error means.

use std::sync::Arc;
use std::time::Duration;

use super::JournalError;
use super::step::StepError;

/// Which journal an error is about, and how long it was waited for.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The file, or the URL without user and password.
    pub(super) name: String,
    pub(super) patience: Duration,
}

impl Place {
    /// Why a step failed, in our words.
    pub(super) fn explain(&self, error: StepError) -> JournalError {
        let place = self.name.clone();
        match error {
            StepError::Sql(error) => self.explain_sql(error),
            StepError::Unreadable(problem) => JournalError::Unreadable { place, problem },
            StepError::Behind(problem) => JournalError::Behind { place, problem },
            StepError::Refused(error) => error,
        }
    }

    /// What the database says, in our words.
    pub(super) fn explain_sql(&self, error: sqlx::Error) -> JournalError {
        let place = self.name.clone();
        let (code, sqlite) = match &error {
            sqlx::Error::Database(told) => (
                told.code().map(|code| code.into_owned()).unwrap_or_default(),
                told.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some(),
            ),
            sqlx::Error::PoolTimedOut => {
                let problem = format!("no connection was free within {} ms", self.patience.as_millis());
                return JournalError::Unavailable {
                    place,
                    problem,
                    source: Some(Arc::new(error)),
                };
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                return JournalError::Unreadable {
                    place,
                    problem: error.to_string(),
                };
            }
            _ => {
                let problem = "it does not answer".to_owned();
                return JournalError::Unavailable {
                    place,
                    problem,
                    source: Some(Arc::new(error)),
                };
            }
        };
        let source: Option<super::Cause> = Some(Arc::new(error));
        let waited_ms = self.patience.as_millis();
        if sqlite {
            // the low byte is the kind, what is above tells it apart further
            return match code.parse::<i64>().unwrap_or_default() & 0xff {
                5 | 6 => JournalError::Locked {
                    place,
                    waited_ms,
                    source,
                },
                8 => JournalError::ReadOnly {
                    place,
                    problem: "the file or its folder is read-only".to_owned(),
                    source,
                },
                11 => JournalError::Corrupt {
                    place,
                    problem: "a page of it cannot be read".to_owned(),
                    source,
                },
                13 => JournalError::Full { place, source },
                14 => JournalError::ReadOnly {
                    place,
                    problem: "it, or a file beside it, cannot be opened".to_owned(),
                    source,
                },
                26 => JournalError::Corrupt {
                    place,
                    problem: "the file is no SQLite database".to_owned(),
                    source,
                },
                _ => JournalError::Unavailable {
                    place,
                    problem: "the database refused".to_owned(),
                    source,
                },
            };
        }
        match code.as_str() {
            "53300" => JournalError::TooManyConnections { place, source },
            "53100" => JournalError::Full { place, source },
            "25006" => JournalError::ReadOnly {
                place,
                problem: "the server takes no writes (a standby?)".to_owned(),
                source,
            },
            "55P03" | "57014" => JournalError::Locked {
                place,
                waited_ms,
                source,
            },
            "XX001" | "XX002" => JournalError::Corrupt {
                place,
                problem: "the server cannot read a page or an index".to_owned(),
                source,
            },
            "42501" => JournalError::ReadOnly {
                place,
                problem: "the database's user may not do this".to_owned(),
                source,
            },
            _ => JournalError::Unavailable {
                place,
                problem: "the database refused".to_owned(),
                source,
            },
        }
    }

    /// One that has to do with the machine's files.
    pub(super) fn explain_io(&self, what: &str, error: std::io::Error) -> JournalError {
        let place = self.name.clone();
        let problem = what.to_owned();
        match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                JournalError::ReadOnly {
                    place,
                    problem,
                    source: Some(Arc::new(error)),
                }
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => JournalError::Full {
                place,
                source: Some(Arc::new(error)),
            },
            _ => JournalError::Unavailable {
                place,
                problem,
                source: Some(Arc::new(error)),
            },
        }
    }
}
