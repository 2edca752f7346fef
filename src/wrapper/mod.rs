//! The old PHP wrapper, as a way to Kaspi for the BINs that have not moved yet.
//!
//! Its contract is GET with everything in the query, also for calls that move money, the access token
//! too. So no address of it is ever shown, redirects are not followed, and each call is sent once. Its
//! answers have several shapes for the same thing; the file `answer.rs` takes them all.

mod answer;
mod error;
mod request;

use std::fmt;

use http::header::ACCEPT;
use http::{HeaderName, HeaderValue};

pub use answer::Effect;
pub use error::{Error, Shape};

use crate::base::{PaymentId, ReturnOperationId, Secret};
use crate::config::WrapperSettings;
use crate::outbound::{Call, Outbound};
use crate::payments::{
    Carried, CarriedInvoice, CarriedLink, CarriedRefund, Carrier, CarrierError, HOP_HEADER, LinkCarried,
    MoneyPermit, StatusWord,
};
use answer::Fields;
use request::{Operation, Query};

/// A client of the old wrapper.
pub struct Wrapper {
    outbound: Outbound,
    settings: WrapperSettings,
}

impl Wrapper {
    /// A client of the wrapper that the settings name.
    #[must_use]
    pub fn new(settings: WrapperSettings, outbound: Outbound) -> Self {
        Self { outbound, settings }
    }

    async fn invoice(&self, invoice: &CarriedInvoice) -> Result<PaymentId, Error> {
        let query = self
            .query()
            .phone("phone", invoice.phone)
            .amount(invoice.amount)
            .text("message", &invoice.message)
            .text("organizationBin", &invoice.bin.to_string())
            .token("deviceToken", invoice.device_token.as_ref());
        self.ask(Operation::Create, query).await?.payment_id()
    }

    async fn link(&self, link: &CarriedLink) -> Result<LinkCarried, Error> {
        if link.device_token.is_none() {
            return Err(Error::NoDeviceToken { bin: link.bin });
        }
        let query = self
            .query()
            .amount(link.amount)
            .text("message", &link.message)
            .text("organizationBin", &link.bin.to_string())
            .token("deviceToken", link.device_token.as_ref());
        let data = self.ask(Operation::CreateLink, query).await?;
        Ok(LinkCarried {
            payment_id: data.payment_id()?,
            payment_link: data.text("paymentLink")?,
            expire_date: data.optional_text("expireDate"),
        })
    }

    async fn pay_back(&self, refund: &CarriedRefund) -> Result<Option<ReturnOperationId>, Error> {
        let query = self
            .query()
            .text("externalId", &refund.payment.to_string())
            .amount(refund.amount)
            .text("organizationBin", &refund.bin.to_string())
            .token("deviceToken", refund.device_token.as_ref());
        let data = self.ask(Operation::Refund, query).await?;
        data.return_operation_id()
    }

    async fn ask_status(&self, payment: PaymentId) -> Result<StatusWord, Error> {
        let query = self.query().text("externalId", &payment.to_string());
        let data = self.ask(Operation::Status, query).await?;
        data.status().map(StatusWord::new)
    }

    fn query(&self) -> Query {
        Query::default().secret("access_token", self.settings.token.as_ref().map(Secret::expose))
    }

    async fn ask(&self, operation: Operation, query: Query) -> Result<Fields, Error> {
        let uri = request::address(&self.settings.base_url, operation, &query)?;
        let call = Call::get(uri)
            .with(ACCEPT, HeaderValue::from_static("application/json"))
            .with(HeaderName::from_static(HOP_HEADER), HeaderValue::from_static("1"));
        let effect = match operation {
            Operation::Status => Effect::Reads,
            Operation::Create | Operation::CreateLink | Operation::Refund => Effect::Writes,
        };
        let answer = self.outbound.send(call).await.map_err(|source| Error::Outbound {
            operation: operation.name(),
            effect,
            source,
        })?;
        answer::read(
            operation.name(),
            effect,
            answer.status,
            &answer.body,
            &query.hidden,
        )
    }
}

impl Carrier for Wrapper {
    fn create<'a>(&'a self, _permit: MoneyPermit, invoice: &'a CarriedInvoice) -> Carried<'a, PaymentId> {
        Box::pin(async move { self.invoice(invoice).await.map_err(CarrierError::new) })
    }

    fn create_link<'a>(&'a self, _permit: MoneyPermit, link: &'a CarriedLink) -> Carried<'a, LinkCarried> {
        Box::pin(async move { self.link(link).await.map_err(CarrierError::new) })
    }

    fn refund<'a>(
        &'a self,
        _permit: MoneyPermit,
        refund: &'a CarriedRefund,
    ) -> Carried<'a, Option<ReturnOperationId>> {
        Box::pin(async move { self.pay_back(refund).await.map_err(CarrierError::new) })
    }

    fn status(&self, payment: PaymentId) -> Carried<'_, StatusWord> {
        Box::pin(async move { self.ask_status(payment).await.map_err(CarrierError::new) })
    }
}

/// The host alone.
impl fmt::Debug for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapper")
            .field("host", &self.settings.base_url.host())
            .finish_non_exhaustive()
    }
}
