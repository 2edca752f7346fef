//! Diagnoses of BINs that somebody asked for. One takes as long as the slowest server on the way, so it goes on
//! by itself while pages ask how far it is. The last one of each BIN is kept here, until the process ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::base::Bin;
use crate::gateway::{DiagnosisStage, StageVerdict, Surroundings};
use crate::payments::{NewTrailLine, Payments};

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
    /// None while it goes on.
    pub(super) ended: Option<OffsetDateTime>,
    /// Those that have ended, in order.
    pub(super) stages: Vec<DiagnosisStage>,
}

impl Examined {
    /// The worst of the stages; none where none has ended.
    pub(super) fn verdict(&self) -> Option<StageVerdict> {
        self.stages.iter().map(|stage| stage.verdict).max()
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
    pub(super) fn begin(
        self: &Arc<Self>,
        surroundings: Arc<dyn Surroundings>,
        books: Payments,
        bin: Bin,
        who: String,
    ) {
        let mut known = self.lock();
        if known.get(&bin).is_some_and(|one| one.ended.is_none()) {
            return;
        }
        let fresh = Examined {
            began: surroundings.now(),
            ended: None,
            stages: Vec::new(),
        };
        known.insert(bin, fresh);
        forget_the_oldest(&mut known);
        drop(known);
        let run = Run {
            diagnoses: Arc::clone(self),
            surroundings,
            bin,
        };
        tokio::spawn(run.through(books, who));
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
    async fn through(self, books: Payments, who: String) {
        let turn = self.diagnoses.turns.acquire().await;
        self.trace(&books, &who, "begun").await;
        let note = |stage| self.diagnoses.change(self.bin, |one| one.stages.push(stage));
        self.surroundings.diagnose(self.bin, &note).await;
        let verdict = self.diagnoses.of(self.bin).and_then(|one| one.verdict());
        self.trace(&books, &who, verdict.map_or("failed", StageVerdict::as_str))
            .await;
        drop(turn);
    }

    /// Into the trail, as far as there is one: it moves no money, and is wanted most where the journal fails too.
    async fn trace(&self, books: &Payments, who: &str, outcome: &str) {
        let line = NewTrailLine {
            who: who.to_owned(),
            bin: Some(self.bin),
            action: "doctor",
            subject: String::new(),
            outcome: outcome.to_owned(),
        };
        if let Err(error) = books.trace(line).await {
            tracing::warn!(bin = %self.bin, %error, "a diagnosis cannot be written into the trail");
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let now = self.surroundings.now();
        self.diagnoses.change(self.bin, |one| one.ended = Some(now));
    }
}

fn forget_the_oldest(known: &mut BTreeMap<Bin, Examined>) {
    while known.len() > KEPT {
        let oldest = known
            .iter()
            .filter(|(_, one)| one.ended.is_some())
            .min_by_key(|(_, one)| one.began)
            .map(|(bin, _)| *bin);
        let Some(oldest) = oldest else { return };
        known.remove(&oldest);
    }
}
