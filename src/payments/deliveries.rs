//! Telling others of events: what is to be told to whom, and what came of it.
//!
//! Here stands what has to be remembered over a restart and shared among processes; the telling itself is
//! done elsewhere.

use std::time::Duration;

use super::journal::{AttemptNote, Next};
use super::{
    DeliveryAttempt, DeliveryFilter, DueDelivery, EndpointState, Error, Page, Payments, Subscription,
    WebhookDelivery,
};
use crate::base::Bin;

/// What came of one attempt to tell somebody of an event.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// The HTTP status that came.
    pub status: Option<u16>,
    /// Why it failed: a kind of error, or `http_status`; none where it was taken.
    pub failure: Option<String>,
    /// How long it took.
    pub duration: Duration,
    /// After which pause it is sent again; none for never. Of no meaning where it was taken.
    pub again: Option<Duration>,
}

impl Payments {
    /// Takes down who wants to be told. One that is new is told of what happens from now on.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub async fn enlist(&self, wanted: &[Subscription]) -> Result<(), Error> {
        self.journal.enlist(wanted.to_vec()).await.map_err(Error::books)
    }

    /// Makes a delivery of every event that has come since the last time, for each of these endpoints that
    /// wants it. Gives whether there may be more to do.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub async fn fan_out(&self, wanted: &[Subscription]) -> Result<bool, Error> {
        self.journal.fan_out(wanted.to_vec()).await.map_err(Error::books)
    }

    /// The endpoints with something that may be sent now, the longest overdue first.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn due_endpoints(&self) -> Result<Vec<(Bin, String)>, Error> {
        self.journal.due_endpoints().await.map_err(Error::books)
    }

    /// Takes deliveries of one endpoint whose turn it is. No other process takes them, until their attempts
    /// are noted or this process is gone.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub async fn due_deliveries(
        &self,
        bin: Bin,
        endpoint: &str,
        limit: usize,
    ) -> Result<Vec<DueDelivery>, Error> {
        self.journal
            .due_deliveries(bin, endpoint, limit)
            .await
            .map_err(Error::books)
    }

    /// Notes what came of an attempt. One that has been failing for a day is given up.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub async fn attempted(&self, delivery: &WebhookDelivery, attempted: &Attempted) -> Result<(), Error> {
        let note = AttemptNote {
            seq: delivery.seq,
            status: attempted.status,
            failure: attempted.failure.clone(),
            duration: attempted.duration,
            next: match (&attempted.failure, attempted.again) {
                (None, _) => Next::Nothing,
                (Some(_), Some(pause)) => Next::Again(pause),
                (Some(_), None) => Next::GiveUp,
            },
        };
        self.journal.attempted(note).await.map_err(Error::books)
    }

    /// Deliveries, the latest first.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Page<WebhookDelivery>, Error> {
        if !self.journal.exists() {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        }
        self.journal.deliveries(filter).await.map_err(Error::books)
    }

    /// One delivery, by what its receiver knows it by.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn delivery(&self, id: &str) -> Result<Option<WebhookDelivery>, Error> {
        if !self.journal.exists() {
            return Ok(None);
        }
        self.journal.delivery(id).await.map_err(Error::books)
    }

    /// The attempts of one delivery, in order.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn delivery_attempts(&self, delivery: &WebhookDelivery) -> Result<Vec<DeliveryAttempt>, Error> {
        let attempts = self.journal.delivery_attempts(delivery.seq).await;
        attempts.map_err(Error::books)
    }

    /// How every endpoint that was ever told of events has been served.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub async fn webhook_endpoints(&self) -> Result<Vec<EndpointState>, Error> {
        if !self.journal.exists() {
            return Ok(Vec::new());
        }
        self.journal.webhook_endpoints().await.map_err(Error::books)
    }

    /// Has a delivery sent again, whatever became of it, under the id that it has. With `attempts`, only
    /// while no more than these have been made: whoever asks twice for what he saw has it sent once. False
    /// where there is none of this id, or there have been more.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub async fn resend(&self, id: &str, attempts: Option<u32>) -> Result<bool, Error> {
        self.journal.resend(id, attempts).await.map_err(Error::books)
    }

    /// Has everything sent again that was given up, at one endpoint of a BIN or at all. Gives how many.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub async fn resend_dead(&self, bin: Bin, endpoint: Option<&str>) -> Result<u64, Error> {
        let endpoint = endpoint.map(str::to_owned);
        self.journal
            .resend_dead(bin, endpoint)
            .await
            .map_err(Error::books)
    }
}
