//! Which way a BIN's calls take, and reads that are compared over both.

use std::sync::Arc;

use super::{Carrier, Error, OperationRoute, Payments};
use crate::api::{self, PaymentStatus, Session};
use crate::base::{Bin, PaymentId};

/// The carrier of the BINs that have not moved yet.
#[derive(Clone, Debug)]
pub(super) struct Carriage {
    pub(super) carrier: Arc<dyn Carrier>,
    compare_reads: bool,
}

impl Payments {
    /// The same payments, with somebody who carries the calls of the BINs with `route = "wrapper"`.
    ///
    /// With `compare_reads` a status is asked for over the other route too, and differences are logged.
    /// What moves money is never sent twice.
    #[must_use]
    pub fn with_carrier(mut self, carrier: Arc<dyn Carrier>, compare_reads: bool) -> Self {
        self.carriage = Some(Carriage {
            carrier,
            compare_reads,
        });
        self
    }

    /// The way of a new operation. `carried` is whether the carrier has such a call at all.
    pub(super) fn way(
        &self,
        session: Result<Session, api::Error>,
        carried: bool,
    ) -> Result<(Session, OperationRoute), Error> {
        let session = session.map_err(|source| Error::Kaspi {
            operation: None,
            source,
        })?;
        if session.channel().is_direct() {
            Ok((session, OperationRoute::Direct))
        } else if carried && self.carriage.is_some() {
            Ok((session, OperationRoute::Wrapper))
        } else {
            Err(Error::NotDirect { bin: session.bin() })
        }
    }

    /// How a payment stands, asked over the route of its BIN.
    pub(super) async fn status_of(
        &self,
        session: &Session,
        payment: PaymentId,
    ) -> Result<PaymentStatus, Error> {
        let Some(carriage) = &self.carriage else {
            return session.payment_status(payment).await.map_err(Error::reading);
        };
        let direct = session.channel().is_direct();
        let status = if direct {
            session.payment_status(payment).await.map_err(Error::reading)?
        } else {
            let carried = carriage.carrier.status(payment).await;
            let word = carried.map_err(|source| Error::Carried {
                operation: None,
                source,
            })?;
            PaymentStatus::of_word(word)
        };
        if carriage.compare_reads {
            let (carriage, session, seen) = (carriage.clone(), session.clone(), status.clone());
            // The caller has his answer; this is for those who watch the move.
            tokio::spawn(async move { carriage.compare(&session, payment, &seen, direct).await });
        }
        Ok(status)
    }

    /// The carrier of an operation that was written down as carried.
    pub(super) fn carrier(&self, bin: Bin) -> Result<Arc<dyn Carrier>, Error> {
        match &self.carriage {
            Some(carriage) => Ok(Arc::clone(&carriage.carrier)),
            None => Err(Error::NotDirect { bin }),
        }
    }
}

impl Carriage {
    async fn compare(&self, session: &Session, payment: PaymentId, seen: &PaymentStatus, direct: bool) {
        let other = if direct {
            self.carrier
                .status(payment)
                .await
                .map_err(|error| error.to_string())
        } else {
            let asked = session.payment_status(payment).await;
            asked
                .map(|status| status.status)
                .map_err(|error| error.to_string())
        };
        let bin = session.bin();
        let (route, other_route) = if direct {
            ("direct", "wrapper")
        } else {
            ("wrapper", "direct")
        };
        match other {
            Ok(word) if word == seen.status => {
                tracing::debug!(%bin, %payment, status = %word, "both routes agree");
            }
            Ok(word) => tracing::warn!(
                %bin, %payment, route, status = %seen.status, other_route, other_status = %word,
                "the routes disagree about a payment"
            ),
            Err(error) => tracing::warn!(
                %bin, %payment, route, status = %seen.status, other_route, %error,
                "the other route gave no status to compare"
            ),
        }
    }
}
