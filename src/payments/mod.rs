//! Payments as operations: the one door through which this program moves money.
//!
//! Each operation runs on a task of its own, so that a caller who hangs up abandons nothing that was
//! sent. An operation that fails says what is known about it: see
//! [`Explain::delivery`](crate::base::Explain::delivery).

mod carrier;
mod comment;
mod error;
mod invoice_gate;
mod invoices;
mod operation;
mod purchases;
mod refunds;
mod schedule;
mod watch;

use std::sync::Arc;
use std::time::Duration;

/// What one of Kaspi's codes means, for carriers that pass them on.
pub use crate::api::meaning as kaspi_meaning;
use crate::api::{Api, KaspiTime, PaymentDetails, PaymentStatus, Session};
pub use crate::api::{MoneyPermit, StatusWord};
use crate::base::{Bin, Clock, PaymentId, TradePointId};

pub use carrier::{
    Carried, CarriedInvoice, CarriedLink, CarriedRefund, Carrier, CarrierError, HOP_HEADER, LinkCarried,
};
pub use error::Error;
use invoice_gate::{Gate, InvoiceGate};
pub use invoices::{CanceledPayment, CreatedPayment, NewPayment};
pub use purchases::{CreatedLink, CreatedQr, NewPurchase};
pub use refunds::{NewRefund, Refunded};
pub use schedule::Pace;
pub use watch::{Watch, WatchEnd, WatchEvent};

/// Makes payments, looks after them, and pays them back.
#[derive(Clone, Debug)]
pub struct Payments {
    api: Api,
    clock: Arc<dyn Clock>,
    invoices: Arc<InvoiceGate>,
}

/// How a payment stands, and how old that knowledge is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KnownStatus {
    /// The BIN it was asked over.
    pub bin: Bin,
    /// What Kaspi said.
    pub status: PaymentStatus,
    /// How long ago Kaspi said so; zero for an answer to this very question.
    pub age: Duration,
}

impl Payments {
    /// Payments over Kaspi's calls. The clock is what `ExpireDate` is compared with.
    #[must_use]
    pub fn new(api: Api, clock: Arc<dyn Clock>) -> Self {
        Self {
            api,
            clock,
            invoices: Arc::default(),
        }
    }

    /// How a payment stands, for callers who ask again and again.
    ///
    /// The bank forbids to poll phone invoices (official document 4.6). One that was made here is asked
    /// for at most once in a gap that grows from 5 s to 3 min with its age, and under a cap for each BIN;
    /// in between the last answer is given, with its age. Any other payment is asked for every time.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn status(&self, bin: Option<Bin>, payment: PaymentId) -> Result<KnownStatus, Error> {
        let session = self.session(bin, None).map_err(Error::reading)?;
        match self.invoices.decide(payment) {
            Gate::Known(status, age) => Ok(KnownStatus {
                bin: session.bin(),
                status: *status,
                age,
            }),
            Gate::Ask => self.ask(&session, payment).await,
        }
    }

    /// How a payment stands, asked of Kaspi in any case: for a person who wants to know now.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn check(&self, bin: Option<Bin>, payment: PaymentId) -> Result<KnownStatus, Error> {
        let session = self.session(bin, None).map_err(Error::reading)?;
        self.ask(&session, payment).await
    }

    /// What was paid and what is left to refund.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn details(
        &self,
        bin: Option<Bin>,
        trade_point: Option<TradePointId>,
        payment: PaymentId,
    ) -> Result<PaymentDetails, Error> {
        let session = self.session(bin, trade_point).map_err(Error::reading)?;
        session.payment_details(payment).await.map_err(Error::reading)
    }

    /// Watches a payment until nothing more can come. Nothing is asked before the watch is.
    ///
    /// `expire_date` is Kaspi's `ExpireDate`, where its answer had one.
    ///
    /// # Errors
    ///
    /// The BIN is unknown, switched off or broken, or none was named and there is no default.
    pub fn watch(
        &self,
        bin: Option<Bin>,
        payment: PaymentId,
        pace: Pace,
        expire_date: Option<&KaspiTime>,
    ) -> Result<Watch, Error> {
        let session = self.session(bin, None).map_err(Error::reading)?;
        let expires_in = expire_date
            .and_then(KaspiTime::at)
            .map(|at| Duration::try_from(at - self.clock.now()).unwrap_or_default());
        Ok(Watch::new(
            self.api.clone(),
            session.bin(),
            payment,
            pace,
            expires_in,
        ))
    }

    async fn ask(&self, session: &Session, payment: PaymentId) -> Result<KnownStatus, Error> {
        let status = session.payment_status(payment).await.map_err(Error::reading)?;
        self.invoices.answered(payment, &status);
        Ok(KnownStatus {
            bin: session.bin(),
            status,
            age: Duration::ZERO,
        })
    }

    fn session(
        &self,
        bin: Option<Bin>,
        trade_point: Option<TradePointId>,
    ) -> Result<Session, crate::api::Error> {
        let session = self.api.session(bin)?;
        match trade_point {
            Some(id) => session.at(id),
            None => Ok(session),
        }
    }
}
