//! Taking up changed files: read, prove, publish. The one holder of the writing halves.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::Registry;
use super::error::RegistryError;
use super::generation::Provision;
use super::holding::Holding;
use super::load;
use super::opening::{Background, Means, Opening};
use super::seating::{self, FolderRecord, Seating};
use super::trial::Canary;
use crate::base::{Bin, Clock};
use crate::config::{Config, IdentitySpec, MerchantFolder};
use crate::identity::{self, Stamp};

/// When to look again after a folder has gone: it may be on its way back.
const AFTER_A_LOSS: Duration = Duration::from_millis(500);
/// When to look again for the rest of a half-written set, where no event tells of it.
const FOR_THE_REST: Duration = Duration::from_secs(5);

/// The writing side of a [`Registry`]: reads what changed, proves it, publishes it.
pub struct Rotor<K> {
    pub(super) registry: Arc<Registry<K>>,
    pub(super) provision: Arc<dyn Provision<Kit = K>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) holdings: HashMap<Bin, Holding<K>>,
    /// Before the first rescan: what stands in the place of `holdings`.
    openings: HashMap<Bin, Arc<Opening<K>>>,
    background: Background,
    pub(super) records: HashMap<Bin, FolderRecord>,
    /// Numbers go on when a BIN comes back, so that none means two things.
    pub(super) last_numbers: HashMap<Bin, u64>,
}

/// Why a rescan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Something in the folders has changed.
    Noticed,
    /// Time has passed, or somebody asked: trials that did not end well are made again too.
    Due,
}

impl<K> fmt::Debug for Rotor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotor")
            .field("identities", &self.holdings.len())
            .finish_non_exhaustive()
    }
}

impl<K: Send + Sync + 'static> Rotor<K> {
    /// Seats every BIN at once, and opens the identity of every folder from now on, on all cores. A call
    /// for a BIN whose turn has not come opens that one itself. Nothing is sent, so nothing is proved:
    /// with a bank that does not answer a program must start all the same.
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
        let means = Arc::new(Means {
            provision: Arc::clone(&provision),
            clock: Arc::clone(&clock),
        });
        let openings: HashMap<Bin, Arc<Opening<K>>> = folders
            .iter()
            .filter_map(seating::own_identity)
            .map(|spec| (spec.owner, Arc::new(Opening::new(spec.clone(), &means))))
            .collect();
        let registry = Registry::empty(config.default_bin, Arc::clone(&clock));
        let mut records = HashMap::new();
        let seated = Seating {
            folders,
            holdings: &HashMap::new(),
            openings: &openings,
            records: &mut records,
            refused: &HashMap::new(),
            before: &registry.table(),
            now: clock.now(),
        }
        .seat();
        registry.seat(seated.table);
        Self {
            registry: Arc::new(registry),
            provision,
            clock,
            holdings: HashMap::new(),
            background: Background::open(openings.values().cloned().collect()),
            openings,
            records,
            last_numbers: HashMap::new(),
        }
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
        self.settle().await;
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
            .any(|holding| holding.recorder.awaits_the_rest(now))
            || self.records.values().any(|record| record.awaits_the_rest(now));
        unfinished.then_some(FOR_THE_REST)
    }

    /// Waits for the identities of the start, and takes what came of them. Does so once.
    async fn settle(&mut self) {
        if self.openings.is_empty() {
            return;
        }
        let openings: Vec<Arc<Opening<K>>> = self.openings.values().cloned().collect();
        let opening = tokio::task::spawn_blocking(move || {
            load::on_all_cores(&openings, |opening| {
                opening.opened();
            });
        });
        if opening.await.is_err() {
            tracing::error!("the files of the identities could not be read: the reading was broken off");
            return;
        }
        self.background = Background::default();
        for (owner, opening) in std::mem::take(&mut self.openings) {
            if let Some(holding) = opening.take_holding() {
                self.last_numbers.insert(owner, holding.number);
                self.holdings.insert(owner, holding);
            }
        }
        let before = self.registry.table();
        let now = self.clock.now();
        let table = seating::settled(&before, &self.holdings, &mut self.records, now);
        self.registry.seat(table);
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
            load::from_all_cores(&specs, |spec| {
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
            openings: &HashMap::new(),
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
