//! What is to be proved to Kaspi after a scan, and what follows from the verdicts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::error::RegistryError;
use super::generation::Generation;
use super::holding::{Holding, Pending};
use super::load::{self, Unusable};
use super::rotate::{Occasion, Rotor};
use super::seating::owner_of;
use super::trial::{self, Canary, Question, TrialError, Unasked, Verdict};
use super::{Merchant, Pinned, Table};
use crate::base::{Bin, Explain, chain_text};
use crate::config::{MerchantFolder, MerchantSpec};
use crate::identity::Identity;

/// The longest that the trials of one rescan may take together.
const ALL_TRIALS: Duration = Duration::from_secs(30);

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

impl<K: Send + Sync + 'static> Rotor<K> {
    /// Makes the trials that are due and publishes what was accepted. Gives the BINs that may not
    /// change over to another identity, with the reason.
    pub(super) async fn prove(
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
            let is_seated = seat.is_some_and(|seat| seat.slot().is_ok() && seat.owner == Some(owner));
            let serves = self.holdings.get(&owner).and_then(Holding::current).is_some();
            if is_seated || !serves || tried.contains(&owner) {
                continue;
            }
            let was_refused = self
                .records
                .get(&spec.bin)
                .is_some_and(|record| record.refused_owner == Some(owner));
            let standing = seat.and_then(|seat| seat.attempts.standing_error());
            if let (true, Occasion::Noticed, Some(standing)) = (was_refused, occasion, standing) {
                // its folder is as it was: so is the answer, until it is due again
                refused.insert(spec.bin, standing.error.as_ref().clone());
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
                .and_then(|seat| seat.slot().ok())
                .and_then(|slot| slot.current())
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
            error: Box::new(error),
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
