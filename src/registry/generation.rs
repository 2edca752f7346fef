//! One loaded version of an identity, and who makes what belongs to it.

use std::error::Error;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::identity::Identity;

/// One loaded version of an identity, with what the room to the right made for it.
///
/// Immutable: a rotation publishes another generation, it never changes this one. The last call that
/// holds it drops it, and with it its pool and its session tickets.
#[derive(Debug)]
#[repr(C)]
pub struct Generation<K> {
    /// From when until when the certificate is valid, in seconds since 1970: both ends stand in it whole.
    /// First of all, so that it lies beside the count that a look-up changes.
    valid: (i64, i64),
    /// 1 for the one loaded at start, then counting up.
    pub number: u64,
    /// Certificate and key.
    pub identity: Arc<Identity>,
    /// When it was loaded.
    pub loaded_at: OffsetDateTime,
    /// TLS configuration and pool, or whatever else is bound to exactly this generation.
    pub kit: K,
}

impl<K> Generation<K> {
    pub(super) fn new(number: u64, identity: Arc<Identity>, loaded_at: OffsetDateTime, kit: K) -> Self {
        let facts = identity.facts();
        Self {
            valid: (
                facts.not_before.unix_timestamp(),
                facts.not_after.unix_timestamp(),
            ),
            number,
            loaded_at,
            kit,
            identity,
        }
    }

    /// Whether its certificate is valid. To the second at its end: `Identity::check_valid_at` says no
    /// less, and why.
    pub(super) fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        let (from, until) = self.valid;
        (from..until).contains(&now.unix_timestamp())
    }
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

    /// Makes it for a trial of an identity: the same, but every connection is a full handshake, so
    /// that the server judges this certificate and no ticket.
    ///
    /// # Errors
    ///
    /// As [`provision`](Self::provision).
    fn provision_for_trial(&self, identity: &Arc<Identity>) -> Result<Self::Kit, ProvisionError>;
}

/// Why nothing could be made for an identity.
pub type ProvisionError = Box<dyn Error + Send + Sync>;
