//! Whose a payment is, as far as the journal knows.

use super::call::Call;
use super::hall::Hall;
use super::problem::Problem;
use crate::base::{Bin, OperationId, PaymentId};
use crate::payments::Payments;

/// The BIN over which a call about a payment goes; none where `payments` has to say that it does not
/// know it.
///
/// A payment of somebody else's does not exist for a caller who names no BIN, and was not made by the BIN
/// that he names: its real one is not told.
pub(super) async fn bin_of_payment(
    hall: &Hall,
    call: &Call,
    payment: PaymentId,
    named: Option<Bin>,
) -> Result<Option<Bin>, Problem> {
    let named = call.named(named)?;
    let Some(maker) = maker(hall, payment).await? else {
        return Ok(named);
    };
    match named {
        Some(named) if named != maker => Err(Problem::BadBin { payment, named }),
        None if !call.visitor.may_for(maker) => Err(Problem::NoSuchPayment(payment)),
        _ => {
            call.notes.bin(maker);
            Ok(Some(maker))
        }
    }
}

/// The BIN over which a payment is read: the one that made it, else the named one, else the one that
/// calls without a BIN stand for.
pub(super) async fn bin_for_reading(
    hall: &Hall,
    call: &Call,
    payment: PaymentId,
    named: Option<Bin>,
) -> Result<Bin, Problem> {
    match bin_of_payment(hall, call, payment, named).await? {
        Some(bin) => Ok(bin),
        None => call.bin_for_new(hall, None),
    }
}

async fn maker(_hall: &Hall, _payment: PaymentId) -> Result<Option<Bin>, Problem> {
    Ok(None)
}

/// Writes down that the answer to an operation has left for a caller who was there.
pub(super) async fn delivered(_payments: &Payments, _operation: OperationId) {}
