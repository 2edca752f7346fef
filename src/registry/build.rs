//! From folders to seats: loads each identity once, on all cores, and lets BINs share it.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::error::RegistryError;
use super::generation::{Generation, Provision, Slot};
use super::status::SeatReport;
use super::{Merchant, Seat};
use crate::base::{Bin, Clock};
use crate::config::{IdentitySource, IdentitySpec, MerchantFolder};
use crate::identity::{self, Facts};

/// What became of the identity in one folder.
pub(super) type Loaded<K> = Result<Arc<Slot<K>>, Unusable>;

/// An identity that no call may use, and what its certificate says all the same.
#[derive(Clone, Debug)]
pub(super) struct Unusable {
    pub(super) error: RegistryError,
    pub(super) facts: Option<Arc<Facts>>,
}

impl From<RegistryError> for Unusable {
    fn from(error: RegistryError) -> Self {
        Self { error, facts: None }
    }
}

pub(super) fn seats<K: Send + Sync + 'static>(
    folders: &[MerchantFolder],
    provision: &dyn Provision<Kit = K>,
    clock: &dyn Clock,
) -> HashMap<Bin, Seat<K>> {
    let specs: Vec<&IdentitySpec> = folders.iter().filter_map(own_identity).collect();
    let identities = load_all(&specs, provision, clock);

    let mut seats = HashMap::with_capacity(folders.len());
    for folder in folders {
        // a folder whose name is no BIN seats nobody; `config` has reported it
        let Some(bin) = folder.bin else { continue };
        let seat = match &folder.merchant {
            Ok(spec) => Seat {
                merchant: Ok(Arc::new(Merchant::new(spec))),
                slot: match &spec.identity {
                    IdentitySource::Own(_) => find(&identities, bin, bin, folders),
                    IdentitySource::Of(owner) => find(&identities, *owner, bin, folders),
                },
                report: SeatReport::new(folder, spec),
            },
            Err(error) => {
                let reason = RegistryError::Folder {
                    bin,
                    source: Arc::clone(error),
                };
                Seat {
                    merchant: Err(reason.clone()),
                    slot: Err(reason.into()),
                    report: SeatReport::broken(folder, bin),
                }
            }
        };
        seats.insert(bin, seat);
    }
    seats
}

fn own_identity(folder: &MerchantFolder) -> Option<&IdentitySpec> {
    match &folder.merchant.as_ref().ok()?.identity {
        IdentitySource::Own(spec) => Some(spec),
        IdentitySource::Of(_) => None,
    }
}

fn find<K>(
    identities: &HashMap<Bin, Loaded<K>>,
    owner: Bin,
    borrower: Bin,
    folders: &[MerchantFolder],
) -> Loaded<K> {
    if let Some(loaded) = identities.get(&owner) {
        return loaded.clone().map_err(|unusable| Unusable {
            error: unusable.error.told_of(borrower),
            ..unusable
        });
    }
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

/// Opening an encrypted key costs tens of milliseconds by design, so all cores take part.
fn load_all<K: Send + Sync + 'static>(
    specs: &[&IdentitySpec],
    provision: &dyn Provision<Kit = K>,
    clock: &dyn Clock,
) -> HashMap<Bin, Loaded<K>> {
    let next = AtomicUsize::new(0);
    let loaded = Mutex::new(HashMap::with_capacity(specs.len()));
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores.min(specs.len()) {
            scope.spawn(|| {
                while let Some(spec) = specs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let slot = load_one(spec, provision, clock);
                    loaded
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(spec.owner, slot);
                }
            });
        }
    });
    loaded.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn load_one<K: Send + Sync + 'static>(
    spec: &IdentitySpec,
    provision: &dyn Provision<Kit = K>,
    clock: &dyn Clock,
) -> Loaded<K> {
    let owner = spec.owner;
    let examination = identity::examine(spec, clock);
    let facts = examination.facts.map(Arc::new);
    let unusable = |error| Unusable {
        error,
        facts: facts.clone(),
    };
    let identity = examination
        .outcome
        .map(Arc::new)
        .map_err(|source| unusable(RegistryError::identity(owner, owner, source)))?;
    let kit = provision.provision(&identity).map_err(|source| {
        unusable(RegistryError::Provision {
            bin: owner,
            owner,
            source: Arc::new(source),
        })
    })?;
    Ok(Arc::new(Slot::new(Generation {
        number: 1,
        identity,
        loaded_at: clock.now(),
        kit,
    })))
}
