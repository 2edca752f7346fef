//! The trial call: the trade points of a BIN, read over an identity that nobody else uses yet.

use std::future::Future;
use std::pin::Pin;

use crate::api::{Api, Error};
use crate::base::Explain;
use crate::registry::{Canary, Pinned, TrialAnswer, TrialError};
use crate::transport::{Channel, Failure, Pool, RefusedBy};

/// Kaspi's "no client certificate", which it also says of one that it does not know (official
/// document, section 3).
const NO_CLIENT_CERTIFICATE: i64 = -10_000;

/// Asks at the configured base address, and nowhere else.
pub(super) struct TradePointsCanary(pub(super) Api);

impl Canary<Pool> for TradePointsCanary {
    fn ask(&self, pinned: Pinned<Pool>) -> Pin<Box<dyn Future<Output = TrialAnswer> + Send + '_>> {
        let session = self.0.session_over(Channel::pinned(pinned));
        Box::pin(async move {
            match session.trade_points().await {
                Ok(_) => TrialAnswer::Accepted,
                Err(error) => read(error),
            }
        })
    }
}

fn read(error: Error) -> TrialAnswer {
    let refuses = error.code() == Some(NO_CLIENT_CERTIFICATE)
        || error.kind() == "certificate_refused"
        || error
            .transport()
            .is_some_and(|error| error.failure() == Failure::Tls(RefusedBy::Them));
    // Kaspi's other codes come from behind the check of the certificate, but for "try again later"
    let says_no = error.code().is_some() && !error.may_pass();
    let error_of = TrialError::new;
    match (refuses, says_no) {
        (true, _) => TrialAnswer::Refused(error_of(error)),
        (false, true) => TrialAnswer::SaidNo(error_of(error)),
        (false, false) => TrialAnswer::NoAnswer(error_of(error)),
    }
}
