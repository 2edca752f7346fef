//! Files to identities, each once, on all cores.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::error::RegistryError;
use super::generation::{Generation, Provision};
use crate::base::{Bin, Clock};
use crate::config::IdentitySpec;
use crate::identity::{self, Facts, Identity, Stamp};

/// An identity that no call may use, and what its certificate says all the same.
#[derive(Clone, Debug)]
pub(super) struct Unusable {
    /// In a box: there is room for one in each seat, and few have one.
    pub(super) error: Box<RegistryError>,
    pub(super) facts: Option<Arc<Facts>>,
}

impl Unusable {
    /// The same, told of a BIN that acts with that identity.
    pub(super) fn told_of(&self, borrower: Bin) -> Self {
        Self {
            error: Box::new(self.error.told_of(borrower)),
            facts: self.facts.clone(),
        }
    }
}

impl From<RegistryError> for Unusable {
    fn from(error: RegistryError) -> Self {
        Self {
            error: Box::new(error),
            facts: None,
        }
    }
}

/// What became of the files of one identity.
pub(super) struct Reading<T> {
    /// What they held.
    pub(super) stamp: Stamp,
    pub(super) outcome: Result<T, Unusable>,
}

impl<T> Reading<T> {
    pub(super) fn and_then<U>(self, next: impl FnOnce(T) -> Result<U, Unusable>) -> Reading<U> {
        Reading {
            stamp: self.stamp,
            outcome: self.outcome.and_then(next),
        }
    }
}

/// Does the same with every identity. Opening an encrypted key costs up to tens of milliseconds by
/// design, so all cores take part.
pub(super) fn on_all_cores<I: Sync>(identities: &[I], each: impl Fn(&I) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores.min(identities.len()) {
            scope.spawn(|| {
                while let Some(identity) = identities.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(identity);
                }
            });
        }
    });
}

/// The same, with what came of each.
pub(super) fn from_all_cores<T: Send>(
    specs: &[IdentitySpec],
    each: impl Fn(&IdentitySpec) -> T + Sync,
) -> HashMap<Bin, T> {
    let done = Mutex::new(HashMap::with_capacity(specs.len()));
    on_all_cores(specs, |spec| {
        let result = each(spec);
        done.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(spec.owner, result);
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the files of an identity.
///
/// Certificate and key may be exchanged between the reading of the one and of the other. Where they
/// do not fit and are no longer what was read, they are read again at once.
pub(super) fn read(spec: &IdentitySpec, clock: &dyn Clock) -> Reading<Arc<Identity>> {
    const TRIES: usize = 5;
    let mut examination = identity::examine(spec, clock);
    for _ in 1..TRIES {
        if examination.outcome.is_ok() || identity::stamp(spec) == examination.stamp {
            break;
        }
        examination = identity::examine(spec, clock);
    }
    let owner = spec.owner;
    Reading {
        stamp: examination.stamp,
        outcome: examination.outcome.map(Arc::new).map_err(|source| Unusable {
            error: Box::new(RegistryError::identity(owner, owner, source)),
            facts: examination.facts.map(Arc::new),
        }),
    }
}

/// What is published of an identity.
pub(super) fn generation<K: Send + Sync + 'static>(
    number: u64,
    identity: &Arc<Identity>,
    provision: &dyn Provision<Kit = K>,
    clock: &dyn Clock,
) -> Result<Generation<K>, Unusable> {
    let kit = provision
        .provision(identity)
        .map_err(|source| unprovided(identity, source))?;
    Ok(Generation::new(number, Arc::clone(identity), clock.now(), kit))
}

/// A generation that is to be tried and thrown away.
pub(super) fn trial_generation<K: Send + Sync + 'static>(
    number: u64,
    identity: &Arc<Identity>,
    provision: &dyn Provision<Kit = K>,
    clock: &dyn Clock,
) -> Result<Arc<Generation<K>>, Unusable> {
    let kit = provision
        .provision_for_trial(identity)
        .map_err(|source| unprovided(identity, source))?;
    Ok(Arc::new(Generation::new(
        number,
        Arc::clone(identity),
        clock.now(),
        kit,
    )))
}

fn unprovided(identity: &Identity, source: super::ProvisionError) -> Unusable {
    Unusable {
        error: Box::new(RegistryError::Provision {
            bin: identity.owner(),
            owner: identity.owner(),
            source: Arc::new(source),
        }),
        facts: Some(Arc::new(identity.facts().clone())),
    }
}
