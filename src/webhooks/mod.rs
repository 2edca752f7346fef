//! Events told to the merchant's own systems: signed, at least once, in order for each payment.

mod signature;

pub use signature::{
    ID_HEADER, SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER, TOLERANCE, Unverified, sign, signatures, verify,
};
