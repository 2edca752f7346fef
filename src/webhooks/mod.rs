//! Events told to the merchant's own systems: signed, at least once, in order for each payment.

#[cfg(feature = "gateway")]
mod listen;
mod schedule;
mod send;
mod signature;
mod worker;

#[cfg(feature = "gateway")]
pub use listen::{Judge, Received, listen};
pub use send::{ANSWER, NotTaken, Outcome, send};
pub use signature::{
    ID_HEADER, SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER, TOLERANCE, Unverified, sign, signatures, verify,
};
pub use worker::{Receivers, Webhooks};
