//! Taking up changed files: read, prove, publish. The one holder of the writing halves.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::error::RegistryError;
use super::generation::{Generation, Provision};
use super::holding::{Holding, Pending};
use super::load::{self, Unusable};
use super::seating::{self, FolderRecord, Seating, owner_of};
use super::trial::{self, Canary, Question, TrialError, Unasked, Verdict};
use super::{Merchant, Pinned, Registry, Table};
use crate::base::{Bin, Clock, Explain, chain_text};
use crate::config::{Config, IdentitySpec, MerchantFolder, MerchantSpec};
use crate::identity::{self, Identity, Stamp};

/// The longest that the trials of one rescan may take together.
const ALL_TRIALS: Duration = Duration::from_secs(30);
/// When to look again after a folder has gone: it may be on its way back.
const AFTER_A_LOSS: Duration = Duration::from_millis(500);
/// When to look again for the rest of a half-written set, where no event tells of it.
const FOR_THE_REST: Duration = Duration::from_secs(5);

/// The writing side of a [`Registry`]: reads what changed, proves it, publishes it.
pub struct Rotor<K> {
    registry: Arc<Registry<K>>,
    provision: Arc<dyn Provision<Kit = K>>,
    clock: Arc<dyn Clock>,
    holdings: HashMap<Bin, Holding<K>>,
    records: HashMap<Bin, FolderRecord>,
    /// Numbers go on when a BIN comes back, so that none means two things.
    last_numbers: HashMap<Bin, u64>,
}

/// Why a rescan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Something in the folders has changed.
    Noticed,
    /// Time has passed, or somebody asked: trials that did not end well are made again too.
    Due,
}

/// What a trial is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    /// To publish the pending identity of this owner.
    Publish { owner: Bin },
    /// To let a BIN change over to the identity of this owner, which others use already.
    ChangeOver { bin: Bin, owner: Bin },
}

struct Trial<K> {
    purpose: Purpose,
    questions: Vec<Question<K>>,
}

impl<K> fmt::Debug for Rotor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotor")
            .field("identities", &self.holdings.len())
            .finish_non_exhaustive()
    }
}

impl<K: Send + Sync + 'static> Rotor<K> {
    /// Loads the identity of every folder, on all cores, and seats every BIN. Nothing is sent, so
    /// nothing is proved: with a bank that does not answer a program must start all the same.
    ///
    /// Never fails as a whole: a BIN that cannot be served is kept with the reason, which every call
    /// for it then gets.
    #[must_use]
    pub fn load(
        config: &Config,
        folders: &[MerchantFolder],
        provision: Arc<dyn Provision<Kit = K>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let specs: Vec<&IdentitySpec> = folders.iter().filter_map(seating::own_identity).collect();
        let loaded = load::on_all_cores(&specs, |spec| {
            load::read(spec, clock.as_ref())
                .and_then(|identity| load::generation(1, &identity, provision.as_ref(), clock.as_ref()))
        });
        let now = clock.now();
        let holdings = loaded
            .into_iter()
            .map(|(owner, reading)| (owner, Holding::loaded(owner, reading, 0, now)))
            .collect();
        let mut rotor = Self {
            registry: Arc::new(Registry::empty(config.default_bin, Arc::clone(&clock))),
            provision,
            clock,
            holdings,
            records: HashMap::new(),
            last_numbers: HashMap::new(),
        };
        rotor.seat(folders, &HashMap::new(), now);
        rotor
    }

    /// The reading side.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry<K>> {
        &self.registry
    }

    /// The time, by the clock that certificates are judged with.
    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Takes up what a fresh scan shows: reads the identities whose files have changed, proves them,
    /// publishes them, and seats every BIN anew. What cannot be used is left, with the reason, and what
    /// served before goes on.
    ///
    /// Gives when to look again, if earlier than usual.
    pub async fn rescan(
        &mut self,
        folders: Vec<MerchantFolder>,
        canary: &Arc<dyn Canary<K>>,
        occasion: Occasion,
    ) -> Option<Duration> {
        self.read_what_changed(&folders).await;
        let refused = self.prove(&folders, canary, occasion).await;
        let now = self.clock.now();
        let kept = self.seat(&folders, &refused, now);
        self.warn_of_expiry(now);
        if kept {
            return Some(AFTER_A_LOSS);
        }
        let unfinished = self
            .holdings
            .values()
            .any(|holding| holding.recorder.awaits_the_rest())
            || self.records.values().any(FolderRecord::awaits_the_rest);
        unfinished.then_some(FOR_THE_REST)
    }

    /// Opens the identities whose files are not what they were, off the threads that serve calls.
    async fn read_what_changed(&mut self, folders: &[MerchantFolder]) {
        let now = self.clock.now();
        let specs: Vec<IdentitySpec> = folders
            .iter()
            .filter_map(seating::own_identity)
            .cloned()
            .collect();
        let known: HashMap<Bin, Stamp> = self
            .holdings
            .iter()
            .filter(|(_, holding)| !holding.has_ripened(now))
            .map(|(owner, holding)| (*owner, holding.stamp))
            .collect();
        let clock = Arc::clone(&self.clock);
        let reading = tokio::task::spawn_blocking(move || {
            let specs: Vec<&IdentitySpec> = specs.iter().collect();
            load::on_all_cores(&specs, |spec| {
                let is_known = known.get(&spec.owner) == Some(&identity::stamp(spec));
                (!is_known).then(|| load::read(spec, clock.as_ref()))
            })
        });
        let Ok(readings) = reading.await else {
            tracing::error!("the files of the identities could not be read: the reading was broken off");
            return;
        };
        for (owner, reading) in readings {
            let Some(reading) = reading else { continue };
            let last_number = self.last_numbers.get(&owner).copied().unwrap_or(0);
            self.holdings
                .entry(owner)
                .or_insert_with(|| Holding::new(owner, reading.stamp, last_number))
                .take(reading, now);
        }
    }

    /// Makes the trials that are due and publishes what was accepted. Gives the BINs that may not
    /// change over to another identity, with the reason.
    async fn prove(
        &mut self,
        folders: &[MerchantFolder],
        canary: &Arc<dyn Canary<K>>,
        occasion: Occasion,
    ) -> HashMap<Bin, RegistryError> {
        let mut refused = HashMap::new();
        let mut running = JoinSet::new();
        let mut outstanding = HashSet::new();
        let permits = trial::permits();
        for trial in self.trials(folders, occasion, &mut refused) {
            let (canary, permits) = (Arc::clone(canary), Arc::clone(&permits));
            let purpose = trial.purpose;
            outstanding.insert(purpose);
            running.spawn(async move { (purpose, trial::run(trial.questions, canary, permits).await) });
        }
        let deadline = Instant::now() + ALL_TRIALS;
        while let Ok(Some(ended)) = timeout_at(deadline, running.join_next()).await {
            // one that is broken off stays outstanding
            let Ok((purpose, verdict)) = ended else { continue };
            outstanding.remove(&purpose);
            self.decide(purpose, verdict, &mut refused);
        }
        for purpose in outstanding {
            let bin = match purpose {
                Purpose::Publish { owner } => owner,
                Purpose::ChangeOver { bin, .. } => bin,
            };
            let late = Verdict::Unknown(bin, TrialError::new(Unasked::TooLate(ALL_TRIALS)));
            self.decide(purpose, late, &mut refused);
        }
        refused
    }

    fn trials(
        &mut self,
        folders: &[MerchantFolder],
        occasion: Occasion,
        refused: &mut HashMap<Bin, RegistryError>,
    ) -> Vec<Trial<K>> {
        let before = self.registry.table();
        let described: Vec<&MerchantSpec> = folders
            .iter()
            .filter_map(|folder| folder.merchant.as_ref().ok())
            .collect();
        let mut trials = Vec::new();
        let mut tried = HashSet::new();
        for owner in self.due(occasion) {
            let served = described
                .iter()
                .filter(|spec| spec.active && owner_of(spec) == owner);
            if let Some(questions) = self.questions(owner, served.copied(), &before) {
                tried.insert(owner);
                trials.push(Trial {
                    purpose: Purpose::Publish { owner },
                    questions,
                });
            }
        }
        for spec in described.iter().filter(|spec| spec.active) {
            let owner = owner_of(spec);
            let seat = before.seats.get(&spec.bin);
            let is_seated = seat.is_some_and(|seat| seat.slot.is_ok() && seat.owner == Some(owner));
            let serves = self.holdings.get(&owner).and_then(Holding::current).is_some();
            if is_seated || !serves || tried.contains(&owner) {
                continue;
            }
            let was_refused = self
                .records
                .get(&spec.bin)
                .is_some_and(|record| record.refused_owner == Some(owner));
            if was_refused && occasion == Occasion::Noticed {
                // as before: seated as it is, with the error that is known
                let standing = seat.and_then(|seat| seat.attempts.standing_error());
                if let Some(standing) = standing {
                    refused.insert(spec.bin, standing.error.as_ref().clone());
                }
                continue;
            }
            if let Some(questions) = self.questions(owner, [*spec].into_iter(), &before) {
                trials.push(Trial {
                    purpose: Purpose::ChangeOver { bin: spec.bin, owner },
                    questions,
                });
            }
        }
        trials
    }

    /// The owners whose pending identity is to be tried now.
    fn due(&self, occasion: Occasion) -> Vec<Bin> {
        let due = |pending: &Pending| !pending.tried || occasion == Occasion::Due;
        self.holdings
            .values()
            .filter(|holding| holding.pending.as_ref().is_some_and(due))
            .map(|holding| holding.owner)
            .collect()
    }

    /// One question for each BIN, over the pending identity or else the one in use, in a kit of its own.
    fn questions<'a>(
        &mut self,
        owner: Bin,
        specs: impl Iterator<Item = &'a MerchantSpec>,
        before: &Table<K>,
    ) -> Option<Vec<Question<K>>> {
        let now = self.clock.now();
        let holding = self.holdings.get_mut(&owner)?;
        let identity: Arc<Identity> = match &mut holding.pending {
            Some(pending) => {
                pending.tried = true;
                Arc::clone(&pending.identity)
            }
            None => Arc::clone(&holding.current()?.identity),
        };
        let generation = match load::trial_generation(
            holding.number + 1,
            &identity,
            self.provision.as_ref(),
            self.clock.as_ref(),
        ) {
            Ok(generation) => generation,
            Err(unusable) => {
                holding.pending = None;
                holding.failed(unusable, now);
                return None;
            }
        };
        let question = |spec: &MerchantSpec| {
            let merchant = Arc::new(Merchant::new(spec));
            let current = before
                .seats
                .get(&spec.bin)
                .and_then(|seat| seat.slot.as_ref().ok())
                .map(|slot| slot.current())
                .filter(|current| current.identity.check_valid_at(now).is_ok());
            Question {
                current: current.map(|generation| Pinned {
                    merchant: Arc::clone(&merchant),
                    generation,
                }),
                candidate: Pinned {
                    merchant,
                    generation: Arc::clone(&generation),
                },
            }
        };
        Some(specs.map(question).collect())
    }

    fn decide(&mut self, purpose: Purpose, verdict: Verdict, refused: &mut HashMap<Bin, RegistryError>) {
        match purpose {
            Purpose::Publish { owner } => self.decide_to_publish(owner, verdict),
            Purpose::ChangeOver { bin, owner } => {
                let serves_now = self
                    .registry
                    .pin(bin)
                    .is_ok_and(|pinned| pinned.generation.identity.owner() != owner);
                if let Some(error) = judged(verdict, owner, serves_now) {
                    refused.insert(bin, error);
                }
            }
        }
    }

    fn decide_to_publish(&mut self, owner: Bin, verdict: Verdict) {
        let now = self.clock.now();
        let Some(holding) = self.holdings.get_mut(&owner) else {
            return;
        };
        let Some(identity) = holding
            .pending
            .as_ref()
            .map(|pending| Arc::clone(&pending.identity))
        else {
            return;
        };
        let serves_now = holding
            .current()
            .is_some_and(|current| current.identity.check_valid_at(now).is_ok());
        let unusable = |error| Unusable {
            error,
            facts: Some(Arc::new(identity.facts().clone())),
        };
        if let Some(error) = judged(verdict, owner, serves_now) {
            holding.failed(unusable(error), now);
            return;
        }
        let number = holding.number + 1;
        match load::generation(number, &identity, self.provision.as_ref(), self.clock.as_ref()) {
            Ok(generation) => {
                announce(&generation);
                holding.publish(generation, now);
                self.last_numbers.insert(owner, number);
            }
            Err(error) => {
                holding.pending = None;
                holding.failed(error, now);
            }
        }
    }

    /// Seats every BIN anew. Gives whether a folder has gone that may come back.
    fn seat(
        &mut self,
        folders: &[MerchantFolder],
        refused: &HashMap<Bin, RegistryError>,
        now: OffsetDateTime,
    ) -> bool {
        let before = self.registry.table();
        let seated = Seating {
            folders,
            holdings: &self.holdings,
            records: &mut self.records,
            refused,
            before: &before,
            now,
        }
        .seat();
        let held = self.holdings.len();
        for (owner, holding) in &self.holdings {
            self.last_numbers.insert(*owner, holding.number);
        }
        let wanted = seating::wanted(folders, &seated.table);
        self.holdings.retain(|owner, _| wanted.contains(owner));
        self.registry.seat(seated.table);
        // whoever borrowed what has gone is told so by the next look
        seated.look_again || self.holdings.len() < held
    }

    fn warn_of_expiry(&mut self, now: OffsetDateTime) {
        let users = seating::users(&self.registry.table());
        for (owner, holding) in &mut self.holdings {
            let bins = users.get(owner).map(Vec::as_slice).unwrap_or_default();
            holding.warn_of_expiry(now, bins);
        }
    }
}

/// Why not, if not. Without an answer a new identity is used only where there is nothing to lose.
fn judged(verdict: Verdict, owner: Bin, serves_now: bool) -> Option<RegistryError> {
    match verdict {
        Verdict::Accepted(odd) => {
            for (bin, error) in odd {
                tracing::warn!(
                    %bin, identity = %owner, hint = error.hint(),
                    "Kaspi takes the certificate and says no to the BIN, as it does without the change: {}",
                    chain_text(&error)
                );
            }
            None
        }
        Verdict::Refused(bin, source) => Some(RegistryError::TrialRefused {
            bin,
            owner,
            source: Arc::new(source),
        }),
        Verdict::Unknown(bin, source) if serves_now => Some(RegistryError::TrialUnanswered {
            bin,
            owner,
            source: Arc::new(source),
        }),
        Verdict::Unknown(bin, error) => {
            tracing::warn!(
                %bin, identity = %owner, hint = error.hint(),
                "used without proof, since there is no other certificate that is valid: {}",
                chain_text(&error)
            );
            None
        }
    }
}

fn announce<K>(generation: &Generation<K>) {
    let facts = generation.identity.facts();
    tracing::info!(
        identity = %generation.identity.owner(),
        generation = generation.number,
        sha256 = facts.sha256,
        not_after = %facts.not_after,
        "a new certificate is in use"
    );
}
