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
    let named = call.named(hall, named)?;
    let Some(maker) = maker(hall, call, payment).await? else {
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

/// What the journal says of a payment. For a read it goes on without the journal; then Kaspi's answer over
/// one of the caller's own BINs has to do.
async fn maker(hall: &Hall, call: &Call, payment: PaymentId) -> Result<Option<Bin>, Problem> {
    match hall.payments.known_payment(payment).await {
        Ok(known) => Ok(known.map(|known| known.bin)),
        Err(error) if call.only_reads => {
            tracing::warn!(%error, "the journal cannot say which BIN made the payment");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes down that the answer to an operation has left for a caller who was there.
pub(super) async fn delivered(payments: &Payments, operation: OperationId) {
    if let Err(error) = payments.delivered(operation).await {
        tracing::warn!(%operation, %error, "an answer that was delivered cannot be written down as such");
    }
}
