//! What tells spans for a collector from lines of the log.

/// The target of spans that are told to a collector, and to nobody else. Never a secret, a phone number, a
/// query or a payload in them.
pub const TRACE: &str = "kaspi::trace";
