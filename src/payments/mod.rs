//! Payments as operations: the one door through which this program moves money.
//!
//! Each operation is written into the journal before its first byte leaves, runs on a task of its own,
//! so that a caller who hangs up abandons nothing that was sent, and ends as accepted, refused, not sent
//! or unknown. An operation that fails says what is known about it: see
//! [`Explain::delivery`](crate::base::Explain::delivery).

mod books;
mod carriage;
mod carrier;
mod comment;
mod deliveries;
mod digest;
mod error;
mod events;
mod invoice_gate;
mod invoices;
mod journal;
mod judgement;
mod keeper;
mod operation;
mod origin;
mod places;
mod purchases;
mod reconcile;
mod reconcile_day;
mod refunds;
mod schedule;
mod settings;
mod steps;
mod sums;
mod watch;

use std::sync::Arc;
use std::time::Duration;

/// What one of Kaspi's codes means, for carriers that pass them on.
pub use crate::api::meaning as kaspi_meaning;
use crate::api::{Api, ClientInfo, KaspiTime, PaymentDetails, PaymentStatus, Session};
pub use crate::api::{MoneyPermit, StatusWord};
use crate::base::{Bin, Clock, PaymentId, PhoneNumber, TradePointId};

pub use books::{Import, ImportedPayment};
use carriage::Carriage;
pub use carrier::{
    Carried, CarriedInvoice, CarriedLink, CarriedRefund, Carrier, CarrierError, HOP_HEADER, LinkCarried,
};
pub use deliveries::Attempted;
pub use error::Error;
use invoice_gate::{Gate, InvoiceGate};
pub use invoices::{CanceledPayment, CreatedPayment, NewCancel, NewPayment};
pub use journal::{
    Answer, BrokenLink, Cause, Cursor, DeliveryAttempt, DeliveryFilter, DeliveryState, DueDelivery,
    EndpointState, Event, EventFacts, EventFilter, EventKind, Failure, Filter, HistoryStep, Journal,
    JournalError, JournalOptions, JournalState, KeyKind, NewEvent, NewTrailLine, OperationKind,
    OperationRecord, OperationRoute, OperationState, OwnerId, Page, PaymentFilter, PaymentKind,
    PaymentRecord, PaymentSource, PurchaseAnswer, Resolution, Serving, Store, Subscription, TrailLine,
    UnknownOperations, Verified, WatchPlan, WebhookDelivery, this_person,
};
pub use judgement::Patience;
pub use keeper::Keeper;
pub use origin::{Caller, IdempotencyKey, KeyError, Origin, RequestKey};
pub use purchases::{CreatedLink, CreatedQr, NewPurchase};
pub use reconcile::{Difference, Found, ReconcileReport, Reconciled};
pub use reconcile_day::{DAY_LIMIT, DayComparison};
pub use refunds::{NewRefund, Refunded};
pub use schedule::Pace;
pub use settings::PaymentsSettings;
#[doc(hidden)]
pub use steps::{Step, Steps};
pub use sums::{ALMATY, DayBook, Point, Series, SeriesStep, Speed, Tally, day_bounds};
pub use watch::{Watch, WatchEnd, WatchEvent};

/// Makes payments, looks after them, and pays them back.
#[derive(Clone, Debug)]
pub struct Payments {
    api: Api,
    clock: Arc<dyn Clock>,
    invoices: Arc<InvoiceGate>,
    journal: Journal,
    settings: PaymentsSettings,
    carriage: Option<Carriage>,
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
    /// Payments over Kaspi's calls and a journal, which is opened by the first that needs it. The clock
    /// is what `ExpireDate` is compared with.
    #[must_use]
    pub fn new(api: Api, clock: Arc<dyn Clock>, journal: Journal, settings: PaymentsSettings) -> Self {
        Self {
            api,
            clock,
            invoices: Arc::default(),
            journal,
            settings,
            carriage: None,
        }
    }

    /// The same payments, with another patience.
    #[must_use]
    pub fn with(mut self, settings: PaymentsSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Opens the journal now, rather than at the first call that moves money.
    ///
    /// # Errors
    ///
    /// It cannot be used.
    pub async fn open_journal(&self) -> Result<(), Error> {
        self.journal.open().await.map_err(Error::books)
    }

    /// How a payment stands, for callers who ask again and again.
    ///
    /// The bank forbids to poll phone invoices (official document 4.6). One that the journal knows is
    /// asked for at most once in a gap that grows from 5 s to 3 min with its age, and under a cap for
    /// each BIN; in between the last answer is given, with its age. Any other payment is asked for every
    /// time. Without a BIN it is asked over the one that made it, else over `default_bin`.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn status(&self, bin: Option<Bin>, payment: PaymentId) -> Result<KnownStatus, Error> {
        self.status_by(InvoiceGate::decide, bin, payment).await
    }

    /// The same where money hangs on the answer: no gap holds, but the cap for each BIN.
    async fn status_at_once(&self, bin: Bin, payment: PaymentId) -> Result<KnownStatus, Error> {
        self.status_by(InvoiceGate::decide_at_once, Some(bin), payment)
            .await
    }

    async fn status_by(
        &self,
        decide: fn(&InvoiceGate, PaymentId) -> Gate,
        bin: Option<Bin>,
        payment: PaymentId,
    ) -> Result<KnownStatus, Error> {
        let known = self.known_if_open(payment).await;
        let session = self.reading_session(bin, None, known.as_ref())?;
        if let Some(known) = &known {
            self.invoices.recall(known, self.clock.now());
        }
        match decide(&self.invoices, payment) {
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
        let known = self.known_if_open(payment).await;
        let session = self.reading_session(bin, None, known.as_ref())?;
        self.ask(&session, payment).await
    }

    /// What was paid and what is left to refund. Without a BIN, of the one that made it.
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
        let known = self.known_if_open(payment).await;
        let session = self.reading_session(bin, trade_point, known.as_ref())?;
        session.payment_details(payment).await.map_err(Error::reading)
    }

    /// Whether a phone number can get an invoice, and whose it is: a person's name, not to be stored. At
    /// most 50 times a minute for each device, which is kept here.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, no answer came, or it was asked too often.
    pub async fn client_info(
        &self,
        bin: Option<Bin>,
        trade_point: Option<TradePointId>,
        phone: PhoneNumber,
    ) -> Result<ClientInfo, Error> {
        let session = self.session(bin, trade_point).map_err(Error::reading)?;
        session.client_info(phone).await.map_err(Error::reading)
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
        let session = self.api.session(bin).map_err(Error::reading)?;
        let expires_in = expire_date
            .and_then(KaspiTime::at)
            .map(|at| Duration::try_from(at - self.clock.now()).unwrap_or_default());
        Ok(Watch::new(self.clone(), session.bin(), payment, pace, expires_in))
    }

    async fn ask(&self, session: &Session, payment: PaymentId) -> Result<KnownStatus, Error> {
        let status = self.status_of(session, payment).await?;
        self.note(payment, &status).await;
        Ok(KnownStatus {
            bin: session.bin(),
            status,
            age: Duration::ZERO,
        })
    }
}
