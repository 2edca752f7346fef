//! BIN to merchant to the identity that its calls leave over.
//!
//! One look-up answers everything a call needs: who the merchant is, which device token belongs to
//! it, and which generation of which identity carries it. So BIN, token and certificate of one call
//! can never come from different look-ups. A BIN that cannot be served is refused with the reason;
//! no other merchant's identity ever stands in for it.

mod attempts;
mod error;
mod generation;
mod holding;
mod links;
mod load;
mod merchant;
mod opening;
mod prove;
mod rotate;
mod rotation;
mod seating;
mod slot;
pub mod status;
mod trial;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use attempts::{Attempts, FailedAttempt};
pub use error::RegistryError;
pub use generation::{Generation, Provision, ProvisionError};
pub use merchant::Merchant;
pub use rotate::{Occasion, Rotor};
pub use rotation::{Rotation, RotationState, Scan};
pub use status::{MerchantState, MerchantStatus};
pub use trial::{Canary, TrialAnswer, TrialError};

use crate::base::{Bin, Clock};
use crate::config::ConfigError;
use load::Unusable;
use opening::Opening;
use slot::Subscriber;

/// Every configured BIN, with the identity that serves it.
///
/// `K` is what the room to the right keeps for each generation: `transport` keeps its TLS
/// configuration and its connection pool there, so that both live and die with the generation.
pub struct Registry<K> {
    table: ArcSwap<Table<K>>,
    default_bin: Option<Bin>,
    clock: Arc<dyn Clock>,
}

/// Who is served, as of one scan of the folders.
struct Table<K> {
    seats: Seats<K>,
    unseated: Vec<(PathBuf, Arc<ConfigError>)>,
}

/// A seat for each BIN. The numbers come from the operator's folders, nobody else can choose them.
type Seats<K> = HashMap<Bin, Taken<K>, BuildHasherDefault<BinHasher>>;

/// Spreads the one number of a BIN.
#[derive(Default)]
struct BinHasher(u64);

impl Hasher for BinHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        /// The golden ratio: neighbours come to lie far from each other.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let spread = (self.0 ^ number).wrapping_mul(SPREAD);
        self.0 = spread ^ (spread >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A seat, and beside it what a call looks at: with thousands of seats each further place in the memory
/// that is looked at costs more than all the rest of the look-up.
struct Taken<K> {
    /// None where a call has to look closer, and will mostly be refused.
    ready: Option<Ready<K>>,
    seat: Box<Seat<K>>,
}

/// Merchant and identity of a BIN that may be called for.
struct Ready<K> {
    merchant: Arc<Merchant>,
    slot: Subscriber<K>,
}

impl<K> From<Seat<K>> for Taken<K> {
    fn from(seat: Seat<K>) -> Self {
        let slot = match &seat.place {
            Place::Known(slot) => slot.as_ref().ok(),
            Place::Opening(opening) => Some(&opening.slot),
        };
        let merchant = seat.merchant.as_ref().ok().filter(|merchant| merchant.active);
        let ready = merchant.zip(slot).map(|(merchant, slot)| Ready {
            merchant: Arc::clone(merchant),
            slot: slot.clone(),
        });
        Self {
            ready,
            seat: Box::new(seat),
        }
    }
}

impl<K> Deref for Taken<K> {
    type Target = Seat<K>;

    fn deref(&self) -> &Seat<K> {
        &self.seat
    }
}

/// A configured BIN: what its folder says, and the slot of the identity it acts with.
struct Seat<K> {
    merchant: Result<Arc<Merchant>, Box<RegistryError>>,
    place: Place<K>,
    /// The BIN whose folder holds that identity.
    owner: Option<Bin>,
    report: status::SeatReport,
    attempts: Attempts,
}

/// Where the identity of a seat is to be found.
enum Place<K> {
    Known(Result<Subscriber<K>, Unusable>),
    /// A start is under way: it may have been opened, or not yet.
    Opening(Arc<Opening<K>>),
}

impl<K> Clone for Place<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Known(slot) => Self::Known(slot.clone()),
            Self::Opening(opening) => Self::Opening(Arc::clone(opening)),
        }
    }
}

impl<K: Send + Sync + 'static> Seat<K> {
    /// The slot of the identity, which is opened if it has to be. An error may speak of the owner alone.
    fn slot(&self) -> Result<&Subscriber<K>, &Unusable> {
        match &self.place {
            Place::Known(slot) => slot.as_ref(),
            Place::Opening(opening) => opening.opened().slot.as_ref(),
        }
    }

    fn serves(&self) -> bool {
        self.merchant.is_ok() && self.slot().is_ok()
    }

    fn attempts(&self) -> Attempts {
        match &self.place {
            Place::Known(_) => self.attempts.clone(),
            Place::Opening(opening) => self.attempts.with(&opening.opened().attempts),
        }
    }
}

impl<K> Clone for Seat<K> {
    fn clone(&self) -> Self {
        Self {
            merchant: self.merchant.clone(),
            place: self.place.clone(),
            owner: self.owner,
            report: self.report.clone(),
            attempts: self.attempts.clone(),
        }
    }
}

/// One merchant and one generation of its identity, held together for the length of a call.
#[derive(Debug)]
pub struct Pinned<K> {
    /// The organisation.
    pub merchant: Arc<Merchant>,
    /// The generation that was current when the call began.
    pub generation: Arc<Generation<K>>,
}

impl<K> Clone for Pinned<K> {
    fn clone(&self) -> Self {
        Self {
            merchant: Arc::clone(&self.merchant),
            generation: Arc::clone(&self.generation),
        }
    }
}

impl<K> fmt::Debug for Registry<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("bins", &self.table.load().seats.len())
            .field("default_bin", &self.default_bin)
            .finish_non_exhaustive()
    }
}

impl<K: Send + Sync + 'static> Registry<K> {
    /// The merchant of a BIN and the current generation of its identity. Takes no lock.
    ///
    /// In a program that has just started the identity may not have been opened yet. It is opened then,
    /// on this thread, before the others: as long as its key takes to decrypt, once.
    ///
    /// # Errors
    ///
    /// The BIN is not configured, not active, or its identity is unusable: the reason stands in the error.
    pub fn pin(&self, bin: Bin) -> Result<Pinned<K>, RegistryError> {
        let table = self.table.load();
        let seat = table.seats.get(&bin).ok_or_else(|| unknown(bin, &table))?;
        let now = self.clock.now();
        if let Some(Ready { merchant, slot }) = &seat.ready
            && let Some(generation) = slot.current().filter(|current| current.is_valid_at(now))
        {
            let merchant = Arc::clone(merchant);
            return Ok(Pinned { merchant, generation });
        }
        let merchant = seat
            .merchant
            .as_ref()
            .map_err(|error| RegistryError::clone(error))?;
        if !merchant.active {
            return Err(RegistryError::Inactive {
                bin,
                folder: merchant.folder.clone(),
            });
        }
        let slot = seat.slot().map_err(|unusable| unusable.error.told_of(bin))?;
        let generation = slot.current().ok_or_else(|| RegistryError::not_yet(bin))?;
        generation
            .identity
            .check_valid_at(now)
            .map_err(|source| RegistryError::identity(bin, generation.identity.owner(), source))?;
        Ok(Pinned {
            merchant: Arc::clone(merchant),
            generation,
        })
    }

    /// As [`pin`](Self::pin), but none where a key would have to be opened for it, or the BIN is not served.
    pub(crate) fn pin_opened(&self, bin: Bin) -> Option<Pinned<K>> {
        let is_opened = match &self.table.load().seats.get(&bin)?.place {
            Place::Known(_) => true,
            Place::Opening(opening) => opening.is_done(),
        };
        is_opened.then(|| self.pin(bin).ok()).flatten()
    }

    /// The BIN to use where a caller named one, or none.
    ///
    /// # Errors
    ///
    /// None was named and `default_bin` is not configured: a BIN is never guessed.
    pub fn bin_or_default(&self, named: Option<Bin>) -> Result<Bin, RegistryError> {
        named.or(self.default_bin).ok_or_else(|| RegistryError::NoBin {
            configured: self.bins(),
        })
    }

    /// The BIN for calls that name none, where one is configured.
    #[must_use]
    pub fn default_bin(&self) -> Option<Bin> {
        self.default_bin
    }

    /// Whether a BIN is configured. Takes no lock.
    #[must_use]
    pub fn is_configured(&self, bin: Bin) -> bool {
        self.table.load().seats.contains_key(&bin)
    }

    /// Every configured BIN, in order.
    #[must_use]
    pub fn bins(&self) -> Vec<Bin> {
        let mut bins: Vec<Bin> = self.table.load().seats.keys().copied().collect();
        bins.sort_unstable();
        bins
    }

    /// Every organisation whose folder can be read, in the order of the BINs: whether it is active or not,
    /// and whatever is wrong with its identity.
    #[must_use]
    pub fn merchants(&self) -> Vec<Arc<Merchant>> {
        let table = self.table.load();
        let mut merchants: Vec<Arc<Merchant>> = table
            .seats
            .values()
            .filter_map(|seat| seat.merchant.as_ref().ok().map(Arc::clone))
            .collect();
        merchants.sort_unstable_by_key(|merchant| merchant.bin);
        merchants
    }

    /// Waits until every identity has been opened. Calls need not wait for it, each opens its own.
    pub fn open_all(&self) {
        for seat in self.table.load_full().seats.values() {
            if let Place::Opening(opening) = &seat.place {
                opening.opened();
            }
        }
    }

    /// Folders that are passed over, because their names are no BIN.
    #[must_use]
    pub fn unseated(&self) -> Vec<(PathBuf, Arc<ConfigError>)> {
        self.table.load().unseated.clone()
    }

    /// Why a BIN that is not configured is refused.
    #[must_use]
    pub fn unknown_bin(&self, bin: Bin) -> RegistryError {
        unknown(bin, &self.table.load())
    }

    /// How every configured BIN stands, in the order of the BINs. Waits until each identity has been
    /// opened.
    #[must_use]
    pub fn status(&self) -> Vec<MerchantStatus> {
        let now = self.clock.now();
        let table = self.table.load();
        let mut rows: Vec<MerchantStatus> = table
            .seats
            .iter()
            .map(|(bin, seat)| status::of(*bin, seat, now))
            .collect();
        rows.sort_unstable_by_key(|row| row.bin);
        rows
    }

    fn empty(default_bin: Option<Bin>, clock: Arc<dyn Clock>) -> Self {
        Self {
            table: ArcSwap::from_pointee(Table {
                seats: Seats::default(),
                unseated: Vec::new(),
            }),
            default_bin,
            clock,
        }
    }

    fn table(&self) -> Arc<Table<K>> {
        self.table.load_full()
    }

    fn seat(&self, table: Table<K>) {
        self.table.store(Arc::new(table));
    }
}

fn unknown<K>(bin: Bin, table: &Table<K>) -> RegistryError {
    if bin.has_valid_control_digit() {
        RegistryError::UnknownBin {
            bin,
            configured: table.seats.len(),
        }
    } else {
        RegistryError::MistypedBin { bin }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn bins_that_follow_each_other_do_not_meet() {
        let hasher = BuildHasherDefault::<BinHasher>::default();
        for step in [1_u64, 10, 1_000, 16_384] {
            let hashes: Vec<u64> = (0..16_384)
                .map(|number| Bin::parse(&format!("{:012}", 891_000_000_000 + number * step)).unwrap())
                .map(|bin| hasher.hash_one(bin))
                .collect();
            // a table takes its place from the lower bits, and tells seats of one place apart by the upper
            let places: HashSet<u64> = hashes.iter().map(|hash| hash % 16_384).collect();
            let marks: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
            assert!(places.len() > 8_192, "{step}: {}", places.len());
            assert_eq!(marks.len(), 128, "{step}");
        }
    }
}
