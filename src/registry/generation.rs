//! One loaded version of an identity, and the place where the current one stands.

use std::error::Error;
use std::sync::Arc;

use arc_swap::ArcSwap;
use time::OffsetDateTime;

use crate::identity::Identity;

/// One loaded version of an identity, with what the room to the right made for it.
///
/// Immutable: a rotation publishes another generation, it never changes this one. The last call that
/// holds it drops it, and with it its pool and its session tickets.
#[derive(Debug)]
pub struct Generation<K> {
    /// 1 for the one loaded at start, then counting up.
    pub number: u64,
    /// Certificate and key.
    pub identity: Arc<Identity>,
    /// When it was loaded.
    pub loaded_at: OffsetDateTime,
    /// TLS configuration and pool, or whatever else is bound to exactly this generation.
    pub kit: K,
}

/// Makes what belongs to one generation and to no other.
pub trait Provision: Send + Sync {
    /// What is made: for `transport`, a TLS configuration and a connection pool.
    type Kit: Send + Sync + 'static;

    /// Makes it for one identity.
    ///
    /// # Errors
    ///
    /// The identity cannot be used, such as a key that no TLS signature scheme fits.
    fn provision(&self, identity: &Arc<Identity>) -> Result<Self::Kit, ProvisionError>;
}

/// Why nothing could be made for an identity.
pub type ProvisionError = Box<dyn Error + Send + Sync>;

/// Where the current generation of one identity stands. Read without a lock.
#[derive(Debug)]
pub(crate) struct Slot<K> {
    current: ArcSwap<Generation<K>>,
}

impl<K> Slot<K> {
    pub(crate) fn new(first: Generation<K>) -> Self {
        Self {
            current: ArcSwap::from_pointee(first),
        }
    }

    pub(crate) fn current(&self) -> Arc<Generation<K>> {
        self.current.load_full()
    }
}
