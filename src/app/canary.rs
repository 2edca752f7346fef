//! The trial call: the trade points of a BIN, read over an identity that nobody else uses yet.

use std::future::Future;
use std::pin::Pin;

use crate::api::{AboutIdentity, Api, Error};
use crate::registry::{Canary, Pinned, TrialAnswer, TrialError};
use crate::transport::{Channel, Pool};

/// Asks at the configured base address, and nowhere else.
pub(super) struct TradePointsCanary(pub(super) Api);

impl Canary<Pool> for TradePointsCanary {
    fn ask(&self, pinned: Pinned<Pool>) -> Pin<Box<dyn Future<Output = TrialAnswer> + Send + '_>> {
        let session = self.0.session_over(Channel::pinned(pinned));
        Box::pin(async move { answered(session.trade_points().await.map(drop)) })
    }
}

/// What a harmless call says about the identity that it was made with.
pub(crate) fn answered(outcome: Result<(), Error>) -> TrialAnswer {
    let Err(error) = outcome else {
        return TrialAnswer::Accepted;
    };
    match error.about_identity() {
        AboutIdentity::Refused => TrialAnswer::Refused(TrialError::new(error)),
        AboutIdentity::SaidNo => TrialAnswer::SaidNo(TrialError::new(error)),
        AboutIdentity::Nothing => TrialAnswer::NoAnswer(TrialError::new(error)),
    }
}
