//! Whose a payment is, as far as the journal knows.

use super::call::Call;
use super::hall::Hall;
use super::problem::Problem;
use crate::base::{Bin, Explain as _, OperationId, PaymentId};
use crate::payments::{self, Payments};

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

/// Over which BIN a payment is read.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) bin: Bin,
    /// Why the journal cannot say that it is this one.
    guessed: Option<payments::Error>,
}

impl Reader {
    /// What a failed read is told as: a BIN that was only guessed does not know the payments of the
    /// others, and that is no proof that there is none.
    pub(super) fn failed(self, error: payments::Error) -> Problem {
        match self.guessed {
            Some(unread) if matches!(error.kind(), "payment_not_found" | "payment_unknown") => unread.into(),
            _ => error.into(),
        }
    }
}

/// The BIN over which a payment is read: the one that made it, else the named one, else the one that
/// calls without a BIN stand for.
///
/// It goes on without the journal: then Kaspi's answer over one of the caller's own BINs has to do.
pub(super) async fn bin_for_reading(
    hall: &Hall,
    call: &Call,
    payment: PaymentId,
    named: Option<Bin>,
) -> Result<Reader, Problem> {
    match bin_of_payment(hall, call, payment, named).await {
        Ok(Some(bin)) => Ok(Reader { bin, guessed: None }),
        Ok(None) => call
            .bin_for_new(hall, None)
            .map(|bin| Reader { bin, guessed: None }),
        Err(Problem::Payment(unread)) => {
            tracing::warn!(error = %unread, "the journal cannot say which BIN made the payment");
            let Ok(bin) = call.bin_for_new(hall, named) else {
                return Err(unread.into());
            };
            let guessed = named.is_none().then_some(unread);
            Ok(Reader { bin, guessed })
        }
        Err(problem) => Err(problem),
    }
}

/// What the journal says of a payment.
async fn maker(hall: &Hall, payment: PaymentId) -> Result<Option<Bin>, Problem> {
    let known = hall.payments.known_payment(payment).await?;
    Ok(known.map(|known| known.bin))
}

/// Writes down that the answer to an operation has left for a caller who was there.
pub(super) async fn delivered(payments: &Payments, operation: OperationId) {
    if let Err(error) = payments.delivered(operation).await {
        tracing::warn!(%operation, %error, "an answer that was delivered cannot be written down as such");
    }
}
