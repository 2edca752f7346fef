//! Where the current generation of one identity stands: a writing half and reading halves.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Generation;

/// The writing half. There is one, and only the rotation holds it.
#[derive(Debug)]
pub(super) struct Publisher<K>(Arc<ArcSwapOption<Generation<K>>>);

/// A reading half. Reads without a lock.
#[derive(Debug)]
pub(super) struct Subscriber<K>(Arc<ArcSwapOption<Generation<K>>>);

impl<K> Publisher<K> {
    /// A slot in which nothing stands yet.
    pub(super) fn empty() -> Self {
        Self(Arc::new(ArcSwapOption::empty()))
    }

    /// Puts the next generation in place. Calls that pinned the one before end on it.
    pub(super) fn publish(&self, next: Generation<K>) {
        self.0.store(Some(Arc::new(next)));
    }

    pub(super) fn subscribe(&self) -> Subscriber<K> {
        Subscriber(Arc::clone(&self.0))
    }

    pub(super) fn current(&self) -> Option<Arc<Generation<K>>> {
        self.0.load_full()
    }
}

impl<K> Subscriber<K> {
    /// None before the first was published.
    pub(super) fn current(&self) -> Option<Arc<Generation<K>>> {
        self.0.load_full()
    }
}

impl<K> Clone for Subscriber<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
