//! Where the current generation of one identity stands: a writing half and reading halves.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Generation;

/// Makes the two halves, with the first generation in place.
pub(super) fn channel<K>(first: Generation<K>) -> (Publisher<K>, Subscriber<K>) {
    let current = Arc::new(ArcSwap::from_pointee(first));
    (Publisher(Arc::clone(&current)), Subscriber(current))
}

/// The writing half. There is one, and only the rotation holds it.
#[derive(Debug)]
pub(super) struct Publisher<K>(Arc<ArcSwap<Generation<K>>>);

/// A reading half. Reads without a lock.
#[derive(Debug)]
pub(super) struct Subscriber<K>(Arc<ArcSwap<Generation<K>>>);

impl<K> Publisher<K> {
    /// Puts the next generation in place. Calls that pinned the one before end on it.
    pub(super) fn publish(&self, next: Generation<K>) {
        self.0.store(Arc::new(next));
    }

    pub(super) fn subscribe(&self) -> Subscriber<K> {
        Subscriber(Arc::clone(&self.0))
    }

    pub(super) fn current(&self) -> Arc<Generation<K>> {
        self.0.load_full()
    }
}

impl<K> Subscriber<K> {
    pub(super) fn current(&self) -> Arc<Generation<K>> {
        self.0.load_full()
    }
}

impl<K> Clone for Subscriber<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
