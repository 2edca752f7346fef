//! From folders and identities to seats: who is served, and over what.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::path::PathBuf;
use std::sync::Arc;

use time::OffsetDateTime;

use super::attempts::{Attempts, Recorder};
use super::error::RegistryError;
use super::holding::{Holding, State};
use super::load::Unusable;
use super::opening::Opening;
use super::status::SeatReport;
use super::{Merchant, Place, Seat, Seats, Table};
use crate::base::{Bin, Explain, chain_text};
use crate::config::{IdentitySource, IdentitySpec, MerchantFolder, MerchantSpec};

/// What is remembered of one BIN's folder from one scan to the next.
#[derive(Default)]
pub(super) struct FolderRecord {
    recorder: Recorder,
    /// The last scan did not find it. It is retired if the next does not either: a folder that is
    /// exchanged by two renames is away for a moment.
    missing: bool,
    /// The identity that it was to change over to, and was refused for it.
    pub(super) refused_owner: Option<Bin>,
}

impl FolderRecord {
    /// Whether there is anything to remember.
    fn tells_something(&self) -> bool {
        self.missing || self.refused_owner.is_some() || self.recorder.tells_something()
    }

    pub(super) fn awaits_the_rest(&self, now: OffsetDateTime) -> bool {
        self.recorder.awaits_the_rest(now)
    }
}

/// Everything that a seating looks at.
pub(super) struct Seating<'a, K> {
    pub(super) folders: &'a [MerchantFolder],
    pub(super) holdings: &'a HashMap<Bin, Holding<K>>,
    /// At a start: identities that have perhaps not been opened yet.
    pub(super) openings: &'a HashMap<Bin, Arc<Opening<K>>>,
    pub(super) records: &'a mut HashMap<Bin, FolderRecord>,
    /// BINs that were refused in a trial over the identity that they were to change over to.
    pub(super) refused: &'a HashMap<Bin, RegistryError>,
    pub(super) before: &'a Table<K>,
    pub(super) now: OffsetDateTime,
}

/// The seats of now, and whether another look is wanted soon.
pub(super) struct Seated<K> {
    pub(super) table: Table<K>,
    pub(super) look_again: bool,
}

/// The BIN whose folder holds the identity that a merchant acts with.
pub(super) fn owner_of(spec: &MerchantSpec) -> Bin {
    match &spec.identity {
        IdentitySource::Own(own) => own.owner,
        IdentitySource::Of(owner) => *owner,
    }
}

/// The identity that a folder holds itself.
pub(super) fn own_identity(folder: &MerchantFolder) -> Option<&IdentitySpec> {
    match &folder.merchant.as_ref().ok()?.identity {
        IdentitySource::Own(spec) => Some(spec),
        IdentitySource::Of(_) => None,
    }
}

impl<K: Send + Sync + 'static> Seating<'_, K> {
    pub(super) fn seat(mut self) -> Seated<K> {
        let mut seats = Seats::with_capacity_and_hasher(self.folders.len(), BuildHasherDefault::new());
        for folder in self.folders {
            // a folder whose name is no BIN seats nobody; `config` has reported it
            let Some(bin) = folder.bin else { continue };
            let seat = self.one(folder, bin);
            seats.insert(bin, seat.into());
        }
        let look_again = self.keep_for_a_moment(&mut seats);
        forget_the_usual(self.records, |bin| seats.contains_key(bin));
        Seated {
            table: Table {
                seats,
                unseated: self.unseated(),
            },
            look_again,
        }
    }

    fn one(&mut self, folder: &MerchantFolder, bin: Bin) -> Seat<K> {
        let before = self.before.seats.get(&bin).map(|taken| &**taken);
        if before.is_none() && !self.before.seats.is_empty() {
            tracing::info!(%bin, folder = %folder.folder.display(), "a new organisation");
        }
        let mut seat = match &folder.merchant {
            Ok(spec) => self.described(folder, spec, before),
            Err(error) => self.broken(folder, bin, error, before),
        };
        let record = self.records.entry(bin).or_default();
        record.missing = false;
        seat.attempts = merged(record, seat.owner, self.holdings);
        seat
    }

    /// A folder that says what it is.
    fn described(
        &mut self,
        folder: &MerchantFolder,
        spec: &MerchantSpec,
        before: Option<&Seat<K>>,
    ) -> Seat<K> {
        let owner = owner_of(spec);
        let place = subscribe(owner, spec.bin, self);
        let record = self.records.entry(spec.bin).or_default();
        let merchant = merchant(spec, before, record, self.now);
        let (place, owner) = match (place, self.refused.get(&spec.bin)) {
            (Ok(place), None) => {
                record.refused_owner = None;
                if record.recorder.attempts().standing_error().is_some() {
                    record.recorder.succeeded(self.now);
                }
                (place, Some(owner))
            }
            (Ok(_), Some(refusal)) => {
                record.refused_owner = Some(owner);
                kept(before, refusal.clone().into(), record, self.now)
            }
            // whoever takes an identity away wants it to be used no more
            (Err(unusable), _) if before.is_some_and(|before| before.owner == Some(owner)) => {
                (Place::Known(Err(unusable)), Some(owner))
            }
            (Err(unusable), _) => kept(before, unusable, record, self.now),
        };
        let owner = owner.or(Some(owner_of(spec)));
        Seat {
            merchant: Ok(merchant),
            place,
            owner,
            report: SeatReport::new(folder),
            attempts: Attempts::default(),
        }
    }

    /// A folder that cannot be read as a merchant. If it could before, that goes on.
    fn broken(
        &mut self,
        folder: &MerchantFolder,
        bin: Bin,
        error: &Arc<crate::config::ConfigError>,
        before: Option<&Seat<K>>,
    ) -> Seat<K> {
        let reason = RegistryError::Folder {
            bin,
            source: Arc::clone(error),
        };
        let record = self.records.entry(bin).or_default();
        if let Some(before) = before.filter(|before| before.serves()) {
            fail(record, bin, &reason, self.now, true);
            return before.clone();
        }
        fail(record, bin, &reason, self.now, false);
        Seat {
            merchant: Err(Box::new(reason.clone())),
            place: Place::Known(Err(reason.into())),
            owner: None,
            report: SeatReport::new(folder),
            attempts: Attempts::default(),
        }
    }

    /// Folders that have gone. Gives whether one of them is still kept.
    fn keep_for_a_moment(&mut self, seats: &mut Seats<K>) -> bool {
        let mut kept = false;
        for (bin, seat) in &self.before.seats {
            if seats.contains_key(bin) {
                continue;
            }
            let record = self.records.entry(*bin).or_default();
            if record.missing {
                tracing::info!(%bin, "its folder is gone: no longer served");
            } else {
                record.missing = true;
                kept = true;
                seats.insert(*bin, Seat::clone(seat).into());
            }
        }
        kept
    }

    fn unseated(&self) -> Vec<(PathBuf, Arc<crate::config::ConfigError>)> {
        self.folders
            .iter()
            .filter(|folder| folder.bin.is_none())
            .filter_map(|folder| {
                let error = folder.merchant.as_ref().err()?;
                Some((folder.folder.clone(), Arc::clone(error)))
            })
            .collect()
    }
}

/// Most folders are as they should be, of which there is nothing to remember.
fn forget_the_usual(records: &mut HashMap<Bin, FolderRecord>, is_there: impl Fn(&Bin) -> bool) {
    records.retain(|bin, record| is_there(bin) && record.tells_something());
    records.shrink_to_fit();
}

/// The owners whose identities are still wanted: their folders have one, or had one a moment ago. That
/// somebody borrows it is no reason: whoever takes an identity away wants it to be used no more.
pub(super) fn wanted<K: Send + Sync + 'static>(folders: &[MerchantFolder], table: &Table<K>) -> HashSet<Bin> {
    let there = folders.iter().filter_map(own_identity).map(|spec| spec.owner);
    let kept = table
        .seats
        .iter()
        .filter(|(bin, seat)| seat.owner == Some(**bin) && seat.serves())
        .map(|(bin, _)| *bin);
    there.chain(kept).collect()
}

/// The BINs that act with each identity.
pub(super) fn users<K: Send + Sync + 'static>(table: &Table<K>) -> HashMap<Bin, Vec<Bin>> {
    let mut users: HashMap<Bin, Vec<Bin>> = HashMap::new();
    for (bin, seat) in &table.seats {
        if let Some(owner) = seat.owner.filter(|_| seat.serves()) {
            users.entry(owner).or_default().push(*bin);
        }
    }
    users
}

fn merchant<K>(
    spec: &MerchantSpec,
    before: Option<&Seat<K>>,
    record: &mut FolderRecord,
    now: OffsetDateTime,
) -> Arc<Merchant> {
    let merchant = Merchant::new(spec);
    match before.map(|before| &before.merchant) {
        Some(Ok(same)) if same.is_as(&merchant) => return Arc::clone(same),
        Some(_) => {
            tracing::info!(bin = %spec.bin, active = spec.active, "its description has changed");
            record.recorder.succeeded(now);
        }
        None => {}
    }
    Arc::new(merchant)
}

/// Where the identity of `owner` is to be found, for `borrower`.
fn subscribe<K>(owner: Bin, borrower: Bin, seating: &Seating<'_, K>) -> Result<Place<K>, Unusable> {
    if let Some(opening) = seating.openings.get(&owner) {
        return Ok(Place::Opening(Arc::clone(opening)));
    }
    match seating.holdings.get(&owner).map(|holding| &holding.state) {
        Some(State::Serving(publisher)) => return Ok(Place::Known(Ok(publisher.subscribe()))),
        Some(State::Unusable(unusable)) => return Err(unusable.told_of(borrower)),
        None => {}
    }
    let folders = seating.folders;
    let named = folders.iter().find(|folder| folder.bin == Some(owner));
    // the owner's folder may be there and broken: then its own reason is the one that helps
    if let Some(Err(error)) = named.map(|folder| &folder.merchant) {
        return Err(RegistryError::Folder {
            bin: borrower,
            source: Arc::clone(error),
        }
        .into());
    }
    let borrower_folder = folders.iter().find(|folder| folder.bin == Some(borrower));
    Err(RegistryError::NoSuchOwner {
        bin: borrower,
        owner,
        folder: borrower_folder
            .map(|folder| folder.folder.clone())
            .unwrap_or_default(),
        exists: named.is_some(),
    }
    .into())
}

/// What the BIN acted with before, if it was served; else the reason why it is not.
fn kept<K: Send + Sync + 'static>(
    before: Option<&Seat<K>>,
    reason: Unusable,
    record: &mut FolderRecord,
    now: OffsetDateTime,
) -> (Place<K>, Option<Bin>) {
    let bin = reason.error.bin();
    let before = before.filter(|before| before.serves());
    if let Some(bin) = bin {
        fail(record, bin, &reason.error, now, before.is_some());
    }
    match before {
        Some(before) => (before.place.clone(), before.owner),
        None => (Place::Known(Err(reason)), None),
    }
}

fn fail(record: &mut FolderRecord, bin: Bin, error: &RegistryError, now: OffsetDateTime, serves_on: bool) {
    let message = error.to_string();
    let standing = record.recorder.attempts().standing_error();
    if standing.is_some_and(|standing| standing.error.to_string() == message) {
        return;
    }
    if record.recorder.failed(now, error) && serves_on {
        tracing::warn!(
            %bin,
            hint = error.hint(),
            "the files of now are not used, the earlier ones go on: {}",
            chain_text(error)
        );
    }
}

/// The seats of a start, once every identity has been opened and `holdings` has what came of it.
pub(super) fn settled<K: Send + Sync + 'static>(
    table: &Table<K>,
    holdings: &HashMap<Bin, Holding<K>>,
    records: &mut HashMap<Bin, FolderRecord>,
    now: OffsetDateTime,
) -> Table<K> {
    let seats = table.seats.iter().map(|(bin, seat)| {
        let mut seat = Seat::clone(seat);
        if let Place::Opening(opening) = &seat.place {
            let slot = opening.opened().slot.clone();
            let slot = slot.map_err(|unusable| unusable.told_of(*bin));
            let record = records.entry(*bin).or_default();
            if let Err(unusable) = &slot {
                fail(record, *bin, &unusable.error, now, false);
            }
            seat.attempts = merged(record, seat.owner, holdings);
            seat.place = Place::Known(slot);
        }
        (*bin, seat.into())
    });
    let seats = seats.collect();
    forget_the_usual(records, |_| true);
    Table {
        seats,
        unseated: table.unseated.clone(),
    }
}

fn merged<K>(record: &FolderRecord, owner: Option<Bin>, holdings: &HashMap<Bin, Holding<K>>) -> Attempts {
    let folder = record.recorder.attempts();
    match owner.and_then(|owner| holdings.get(&owner)) {
        Some(holding) => folder.with(holding.recorder.attempts()),
        None => folder.clone(),
    }
}
