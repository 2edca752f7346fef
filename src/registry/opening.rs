//! Identities at a start: each is opened when it is first wanted, and all of them meanwhile.
//!
//! Opening an encrypted key costs time by design. With thousands of them no call is to wait for the
//! others: whoever calls for a BIN opens its identity, if nobody has yet, while all cores work through
//! the rest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use super::attempts::Attempts;
use super::generation::Provision;
use super::holding::{Holding, State};
use super::load::{self, Unusable};
use super::slot::{Publisher, Subscriber};
use crate::base::Clock;
use crate::config::IdentitySpec;

/// What opening takes, beside the files.
pub(super) struct Means<K> {
    pub(super) provision: Arc<dyn Provision<Kit = K>>,
    pub(super) clock: Arc<dyn Clock>,
}

/// One identity that is opened when it is first wanted.
pub(super) struct Opening<K> {
    spec: IdentitySpec,
    means: Arc<Means<K>>,
    /// Where its generation stands once it has been opened and can be used.
    pub(super) slot: Subscriber<K>,
    /// The writing half, until it is opened.
    publisher: Mutex<Option<Publisher<K>>>,
    opened: OnceLock<Opened<K>>,
}

/// What became of it.
pub(super) struct Opened<K> {
    pub(super) slot: Result<Subscriber<K>, Unusable>,
    pub(super) attempts: Attempts,
    /// The writing half, until the rotation takes it.
    holding: Mutex<Option<Holding<K>>>,
}

impl<K: Send + Sync + 'static> Opening<K> {
    pub(super) fn new(spec: IdentitySpec, means: &Arc<Means<K>>) -> Self {
        let publisher = Publisher::empty();
        Self {
            spec,
            means: Arc::clone(means),
            slot: publisher.subscribe(),
            publisher: Mutex::new(Some(publisher)),
            opened: OnceLock::new(),
        }
    }

    /// What became of it. Opens it first, or waits for whoever is doing so.
    pub(super) fn opened(&self) -> &Opened<K> {
        self.opened.get_or_init(|| {
            let Means { provision, clock } = &*self.means;
            let reading = load::read(&self.spec, clock.as_ref())
                .and_then(|identity| load::generation(1, &identity, provision.as_ref(), clock.as_ref()));
            let publisher = self
                .publisher
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .unwrap_or_else(Publisher::empty);
            let holding = Holding::loaded(self.spec.owner, reading, publisher, clock.now());
            Opened {
                slot: match &holding.state {
                    State::Serving(publisher) => Ok(publisher.subscribe()),
                    State::Unusable(unusable) => Err(unusable.clone()),
                },
                attempts: holding.recorder.attempts().clone(),
                holding: Mutex::new(Some(holding)),
            }
        })
    }

    /// Whether that is known already.
    pub(super) fn is_done(&self) -> bool {
        self.opened.get().is_some()
    }

    /// The writing half; there is one.
    pub(super) fn take_holding(&self) -> Option<Holding<K>> {
        self.opened()
            .holding
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Works through identities on threads of its own, until it is dropped.
#[derive(Default)]
pub(super) struct Background(Arc<AtomicBool>);

impl Background {
    pub(super) fn open<K: Send + Sync + 'static>(openings: Vec<Arc<Opening<K>>>) -> Self {
        let background = Self::default();
        if openings.is_empty() {
            return background;
        }
        let dropped = Arc::clone(&background.0);
        // where no thread can be had, each is opened when it is wanted
        let _ = thread::Builder::new()
            .name("kaspi-identities".to_owned())
            .spawn(move || {
                load::on_all_cores(&openings, |opening| {
                    if !dropped.load(Ordering::Relaxed) {
                        opening.opened();
                    }
                });
            });
        background
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
