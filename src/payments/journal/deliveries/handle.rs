//! What can be asked of a journal about deliveries.

use super::attempted::{AttemptNote, Resend, ResendDead};
use super::fan_out::{Enlist, FanOut};
use super::read::{Attempts, Deliveries, Endpoints, OneDelivery};
use super::record::{
    DeliveryAttempt, DeliveryFilter, DueDelivery, EndpointState, Subscription, WebhookDelivery,
};
use super::take::{Due, Take};
use crate::base::Bin;
use crate::payments::journal::{Journal, JournalError, Page};

impl Journal {
    pub(in crate::payments) async fn enlist(&self, wanted: Vec<Subscription>) -> Result<(), JournalError> {
        // what has happened before has its place before
        self.newest_event().await?;
        self.write(Enlist(wanted)).await
    }

    /// Gives whether there may be further events to look at.
    pub(in crate::payments) async fn fan_out(&self, wanted: Vec<Subscription>) -> Result<bool, JournalError> {
        Ok(self.write(FanOut(wanted)).await?.more)
    }

    pub(in crate::payments) async fn due_endpoints(&self) -> Result<Vec<(Bin, String)>, JournalError> {
        self.read(Due).await
    }

    pub(in crate::payments) async fn due_deliveries(
        &self,
        bin: Bin,
        endpoint: &str,
        limit: usize,
    ) -> Result<Vec<DueDelivery>, JournalError> {
        self.write(Take {
            bin,
            endpoint: endpoint.to_owned(),
            limit,
        })
        .await
    }

    pub(in crate::payments) async fn attempted(&self, note: AttemptNote) -> Result<(), JournalError> {
        self.write(note).await
    }

    pub(in crate::payments) async fn deliveries(
        &self,
        filter: &DeliveryFilter,
    ) -> Result<Page<WebhookDelivery>, JournalError> {
        self.read(Deliveries(filter.clone())).await
    }

    pub(in crate::payments) async fn delivery(
        &self,
        id: &str,
    ) -> Result<Option<WebhookDelivery>, JournalError> {
        self.read(OneDelivery(id.to_owned())).await
    }

    pub(in crate::payments) async fn delivery_attempts(
        &self,
        seq: i64,
    ) -> Result<Vec<DeliveryAttempt>, JournalError> {
        self.read(Attempts(seq)).await
    }

    pub(in crate::payments) async fn webhook_endpoints(&self) -> Result<Vec<EndpointState>, JournalError> {
        self.read(Endpoints).await
    }

    pub(in crate::payments) async fn resend(
        &self,
        id: &str,
        attempts: Option<u32>,
    ) -> Result<bool, JournalError> {
        let id = id.to_owned();
        self.write(Resend { id, attempts }).await
    }

    pub(in crate::payments) async fn resend_dead(
        &self,
        bin: Bin,
        endpoint: Option<String>,
    ) -> Result<u64, JournalError> {
        self.write(ResendDead { bin, endpoint }).await
    }
}
