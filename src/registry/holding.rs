//! One identity as the rotation keeps it: the writing half, and what its files came to.

use std::sync::Arc;

use time::OffsetDateTime;

use super::Generation;
use super::attempts::Recorder;
use super::error::RegistryError;
use super::load::{Reading, Unusable};
use super::slot::Publisher;
use crate::base::{Bin, Explain, chain_text};
use crate::identity::{Facts, Identity, IdentityError, Stamp};

/// One identity: what serves, what waits, what went wrong.
pub(super) struct Holding<K> {
    pub(super) owner: Bin,
    /// What the files held when they were last taken up.
    pub(super) stamp: Stamp,
    pub(super) state: State<K>,
    /// An identity that was read and is not published yet.
    pub(super) pending: Option<Pending>,
    pub(super) recorder: Recorder,
    /// Number of the last generation that was published.
    pub(super) number: u64,
    /// The files are good from then on, and have to be taken up again though they do not change.
    good_from: Option<OffsetDateTime>,
    /// The last warning of its expiry.
    expiry_told: Option<i64>,
}

pub(super) enum State<K> {
    Serving(Publisher<K>),
    Unusable(Unusable),
}

/// An identity that was read and has to be proved.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) identity: Arc<Identity>,
    /// Whether a trial has been made, and did not end well.
    pub(super) tried: bool,
}

impl<K> Holding<K> {
    /// One whose files were read at start, and which is used without a trial.
    pub(super) fn loaded(
        owner: Bin,
        reading: Reading<Generation<K>>,
        publisher: Publisher<K>,
        now: OffsetDateTime,
    ) -> Self {
        let mut holding = Self::new(owner, reading.stamp, 0);
        match reading.outcome {
            Ok(generation) => {
                holding.state = State::Serving(publisher);
                holding.publish(generation, now);
            }
            Err(unusable) => {
                // whoever starts the program reports it
                holding.note_failure(&unusable, now);
                holding.state = State::Unusable(unusable);
            }
        }
        holding
    }

    pub(super) fn new(owner: Bin, stamp: Stamp, last_number: u64) -> Self {
        Self {
            owner,
            stamp,
            state: State::Unusable(RegistryError::not_yet(owner).into()),
            pending: None,
            recorder: Recorder::default(),
            number: last_number,
            good_from: None,
            expiry_told: None,
        }
    }

    /// Takes note of what changed files turned out to hold.
    pub(super) fn take(&mut self, reading: Reading<Arc<Identity>>, now: OffsetDateTime) {
        self.stamp = reading.stamp;
        self.good_from = None;
        match reading.outcome {
            Ok(identity) => {
                self.pending = Some(Pending {
                    identity,
                    tried: false,
                });
            }
            Err(unusable) => {
                self.pending = None;
                self.failed(unusable, now);
            }
        }
    }

    /// Whether the files need to be read though they are unchanged.
    pub(super) fn has_ripened(&self, now: OffsetDateTime) -> bool {
        self.good_from.is_some_and(|from| from <= now)
    }

    pub(super) fn publish(&mut self, generation: Generation<K>, now: OffsetDateTime) {
        self.number = generation.number;
        self.pending = None;
        self.expiry_told = None;
        if let State::Unusable(_) = self.state {
            self.state = State::Serving(Publisher::empty());
        }
        if let State::Serving(publisher) = &self.state {
            publisher.publish(generation);
        }
        self.recorder.succeeded(now);
    }

    /// Records that the files of now cannot be used. What serves goes on.
    pub(super) fn failed(&mut self, unusable: Unusable, now: OffsetDateTime) {
        let is_news = self.note_failure(&unusable, now);
        let (hint, message) = (unusable.error.hint(), chain_text(unusable.error.as_ref()));
        match &mut self.state {
            State::Serving(publisher) if is_news => tracing::warn!(
                identity = %self.owner,
                generation = publisher.current().map(|current| current.number),
                hint,
                "the files of now are not used, the earlier ones go on: {message}"
            ),
            State::Serving(_) => {}
            State::Unusable(before) => {
                if is_news {
                    tracing::warn!(identity = %self.owner, hint, "{message}");
                }
                *before = unusable;
            }
        }
    }

    /// Gives whether nobody has been told of such a failure since the last success.
    fn note_failure(&mut self, unusable: &Unusable, now: OffsetDateTime) -> bool {
        if let RegistryError::Identity { source, .. } = unusable.error.as_ref()
            && let IdentityError::NotYetValid { not_before, .. } = source.as_ref()
        {
            self.good_from = Some(*not_before);
        }
        self.recorder.failed(now, &unusable.error)
    }

    pub(super) fn current(&self) -> Option<Arc<Generation<K>>> {
        match &self.state {
            State::Serving(publisher) => publisher.current(),
            State::Unusable(_) => None,
        }
    }

    /// What the certificate in use says.
    pub(super) fn facts(&self) -> Option<Facts> {
        self.current()
            .map(|generation| generation.identity.facts().clone())
    }

    /// Warns of the certificate's end at 60, 30, 14, 7 and 1 days and on each day after: once each.
    pub(super) fn warn_of_expiry(&mut self, now: OffsetDateTime, bins: &[Bin]) {
        let Some(facts) = self.facts() else { return };
        let days = facts.days_left(now);
        let mark = expiry_mark(days);
        if mark.is_none() || mark == self.expiry_told {
            return;
        }
        self.expiry_told = mark;
        let bins: Vec<String> = bins.iter().map(Bin::to_string).collect();
        tracing::warn!(
            identity = %self.owner,
            bins = bins.join(" "),
            days_left = days,
            not_after = %facts.not_after,
            "{}",
            if days < 0 {
                "the certificate has expired: no call leaves over it"
            } else {
                "the certificate expires soon: ask the bank for the next one"
            }
        );
    }
}

/// Days before its end from which a certificate is warned of.
pub(super) const EXPIRY_WARNING_DAYS: i64 = 60;

/// The threshold that so many days left are under. From the last day on each day is one.
pub(super) fn expiry_mark(days: i64) -> Option<i64> {
    match days {
        ..=1 => Some(days),
        2..=7 => Some(7),
        8..=14 => Some(14),
        15..=30 => Some(30),
        31..=EXPIRY_WARNING_DAYS => Some(EXPIRY_WARNING_DAYS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_warned_of_once_at_each_threshold() {
        let mut told = Vec::new();
        let mut last = None;
        for days in (-3..=70).rev() {
            let mark = expiry_mark(days);
            if mark.is_some() && mark != last {
                told.push(days);
            }
            last = mark;
        }
        assert_eq!(told, [60, 30, 14, 7, 1, 0, -1, -2, -3]);
    }
}
