//! The stages that need no network: what other rooms find, sorted into stages.

pub(super) mod config;
pub(super) mod identity;
pub(super) mod trust;

use time::OffsetDateTime;

/// A day, as messages show it.
fn day(moment: OffsetDateTime) -> String {
    moment.date().to_string()
}
