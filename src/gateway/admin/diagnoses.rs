//! Diagnoses of BINs that somebody asked for. One takes as long as the slowest server on the way, so it goes on
//! by itself while pages ask how far it is. The last one of each BIN is kept here, until the process ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::entry::Entry;
use crate::base::Bin;
use crate::gateway::{DiagnosisStage, StageVerdict, Surroundings};

/// As many are kept; the oldest that is over goes first.
const KEPT: usize = 200;

/// So many go on at one time; others wait for their turn.
const AT_ONCE: usize = 4;

/// All of them.
#[derive(Debug)]
pub(in crate::gateway) struct Diagnoses {
    known: Mutex<BTreeMap<Bin, Examined>>,
    turns: Semaphore,
}

/// One BIN's last diagnosis.
#[derive(Clone, Debug)]
pub(super) struct Examined {
    pub(super) began: OffsetDateTime,
    pub(super) stands: Stands,
    /// The stages that have ended, in order.
    pub(super) stages: Vec<DiagnosisStage>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Running,
    Over(OffsetDateTime),
    /// It ended before its end: the stages are not all there.
    BrokenOff(OffsetDateTime),
}

impl Examined {
    /// The worst of the stages so far.
    pub(super) fn verdict(&self) -> StageVerdict {
        let verdicts = self.stages.iter().map(|stage| stage.verdict);
        verdicts.max().unwrap_or(StageVerdict::Skip)
    }
}

impl Default for Diagnoses {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }
}

impl Diagnoses {
    /// How a BIN's last one stands; none where nobody has asked.
    pub(super) fn of(&self, bin: Bin) -> Option<Examined> {
        self.lock().get(&bin).cloned()
    }

    /// Begins one, unless one of this BIN goes on already: whoever asks twice looks at the first.
    pub(super) fn begin(self: &Arc<Self>, surroundings: &Arc<dyn Surroundings>, bin: Bin, entry: Entry) {
        let mut known = self.lock();
        if known.get(&bin).is_some_and(|one| one.stands == Stands::Running) {
            return;
        }
        let fresh = Examined {
            began: surroundings.now(),
            stands: Stands::Running,
            stages: Vec::new(),
        };
        known.insert(bin, fresh);
        forget_the_oldest(&mut known);
        drop(known);
        let run = Run {
            diagnoses: Arc::clone(self),
            surroundings: Arc::clone(surroundings),
            bin,
        };
        tokio::spawn(run.through(entry));
    }

    fn change(&self, bin: Bin, change: impl FnOnce(&mut Examined)) {
        if let Some(one) = self.lock().get_mut(&bin) {
            change(one);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Bin, Examined>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that goes on. However it ends, it is told that it has: else nobody could begin another.
struct Run {
    diagnoses: Arc<Diagnoses>,
    surroundings: Arc<dyn Surroundings>,
    bin: Bin,
}

impl Run {
    async fn through(self, entry: Entry) {
        let turn = self.diagnoses.turns.acquire().await;
        // it moves no money, and is wanted most where the journal, and with it the trail, fails too
        if let Err(error) = entry.begun().await {
            tracing::warn!(bin = %self.bin, %error, "a diagnosis cannot be written into the trail");
        }
        let note = |stage| self.diagnoses.change(self.bin, |one| one.stages.push(stage));
        let whole = self.surroundings.diagnose(self.bin, &note).await;
        let known = self.diagnoses.of(self.bin).filter(|_| whole);
        entry
            .ended(known.map_or("failed", |one| one.verdict().as_str()))
            .await;
        if whole {
            self.ends(Stands::Over);
        }
        drop(turn);
    }

    fn ends(&self, how: fn(OffsetDateTime) -> Stands) {
        let now = self.surroundings.now();
        self.diagnoses.change(self.bin, |one| {
            if one.stands == Stands::Running {
                one.stands = how(now);
            }
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.ends(Stands::BrokenOff);
    }
}

fn forget_the_oldest(known: &mut BTreeMap<Bin, Examined>) {
    while known.len() > KEPT {
        let oldest = known
            .iter()
            .filter(|(_, one)| one.stands != Stands::Running)
            .min_by_key(|(_, one)| one.began)
            .map(|(bin, _)| *bin);
        let Some(oldest) = oldest else { return };
        known.remove(&oldest);
    }
}
