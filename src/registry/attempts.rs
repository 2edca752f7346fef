//! What became of reading an identity's files, attempt by attempt.
//!
//! Attempt, success and error are kept apart: a reload that failed must not look like one that went
//! well because it happened.

use std::collections::BTreeSet;
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use super::RegistryError;
use crate::base::Explain;

/// What became of reading the files of one BIN, as far as this process knows.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Attempts {
    /// When changed files were last taken up, whatever became of it.
    pub last_attempt: Option<OffsetDateTime>,
    /// When they were last put to use.
    pub last_success: Option<OffsetDateTime>,
    /// The last time that they could not be. Stays when a later attempt succeeds.
    pub last_error: Option<FailedAttempt>,
    /// Whether that error is of the last attempt.
    stands: bool,
}

/// An attempt to use changed files that did not end well.
#[derive(Clone, Debug)]
pub struct FailedAttempt {
    /// When.
    pub at: OffsetDateTime,
    /// Why.
    pub error: Arc<RegistryError>,
}

impl Attempts {
    /// The error of the last attempt, if it failed: the files of now are not in use.
    #[must_use]
    pub fn standing_error(&self) -> Option<&FailedAttempt> {
        self.last_error.as_ref().filter(|_| self.stands)
    }

    /// Those of a BIN's folder and those of the identity that it acts with, as one.
    pub(super) fn with(&self, identity: &Self) -> Self {
        let telling = match (self.standing_error(), identity.standing_error()) {
            (Some(_), _) => self,
            (None, Some(_)) => identity,
            (None, None) if error_at(self) > error_at(identity) => self,
            (None, None) => identity,
        };
        Self {
            last_attempt: self.last_attempt.max(identity.last_attempt),
            last_success: self.last_success.max(identity.last_success),
            last_error: telling.last_error.clone(),
            stands: telling.stands,
        }
    }
}

fn error_at(attempts: &Attempts) -> Option<OffsetDateTime> {
    attempts.last_error.as_ref().map(|error| error.at)
}

/// Writes attempts down, and tells which failures are news.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    attempts: Attempts,
    /// The kinds of failures that have been told of since the last success.
    told: BTreeSet<&'static str>,
}

impl Recorder {
    pub(super) fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Whether there has been any.
    pub(super) fn tells_something(&self) -> bool {
        let attempts = &self.attempts;
        attempts.last_attempt.is_some() || attempts.last_success.is_some() || attempts.last_error.is_some()
    }

    pub(super) fn succeeded(&mut self, at: OffsetDateTime) {
        self.attempts.last_attempt = Some(at);
        self.attempts.last_success = Some(at);
        self.attempts.stands = false;
        self.told.clear();
    }

    /// Gives whether an operator has not been told of such a failure since the last success.
    pub(super) fn failed(&mut self, at: OffsetDateTime, error: &RegistryError) -> bool {
        self.attempts.last_attempt = Some(at);
        self.attempts.stands = true;
        self.attempts.last_error = Some(FailedAttempt {
            at,
            error: Arc::new(error.clone()),
        });
        let told_as = if is_half_written(error.kind()) {
            "half_written"
        } else {
            error.kind()
        };
        self.told.insert(told_as)
    }

    /// Whether an attempt not long ago met files of which the rest may still be on its way.
    pub(super) fn awaits_the_rest(&self, now: OffsetDateTime) -> bool {
        self.attempts
            .standing_error()
            .is_some_and(|failed| is_half_written(failed.error.kind()) && now - failed.at < ON_ITS_WAY)
    }
}

/// How long the rest of a half-written set is looked for more often than usual.
const ON_ITS_WAY: Duration = Duration::minutes(2);

/// What certificate, key and password look like while they are being copied one after the other.
fn is_half_written(kind: &str) -> bool {
    matches!(
        kind,
        "key_mismatch"
            | "file_missing"
            | "file_empty"
            | "file_truncated"
            | "broken_pem"
            | "malformed"
            | "no_certificate"
            | "no_private_key"
            | "no_password"
            | "wrong_password"
            | "no_identity"
            | "key_without_certificate"
            | "ambiguous_identity"
    )
}
