//! Payments as operations: the one door through which this program moves money.
//!
//! Each operation runs on a task of its own, so that a caller who hangs up abandons nothing that was
//! sent. An operation that fails says what is known about it: see [`Error::delivery`](crate::base::Explain::delivery).

mod comment;
mod error;

use std::future::Future;

use crate::api::{
    Api, CreateRemotePayment, MoneyPermit, PaymentDetails, PaymentStatus, RefundPayment, StatusWord,
};
use crate::base::{Amount, Bin, OperationId, PaymentId, PhoneNumber, ReturnOperationId, TradePointId};
use comment::with_operation;
pub use error::Error;

/// Makes payments and pays them back.
#[derive(Clone, Debug)]
pub struct Payments {
    api: Api,
}

/// An invoice to be sent to a customer.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// Whose money it will be; none for `default_bin`.
    pub bin: Option<Bin>,
    /// At which of the merchant's trade points; none for the default one.
    pub trade_point: Option<TradePointId>,
    /// The customer.
    pub phone: PhoneNumber,
    /// What the customer is to pay.
    pub amount: Amount,
    /// What the customer reads. ` #` and eight characters of the operation id are put behind it.
    pub message: String,
}

/// An invoice that has been sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreatedPayment {
    /// Our name for the operation.
    pub operation_id: OperationId,
    /// Whose money it will be.
    pub bin: Bin,
    /// Kaspi's number of the payment.
    pub payment_id: PaymentId,
    /// What the customer is to pay.
    pub amount: Amount,
    /// `Wait`: Kaspi names no status here, and the customer has yet to confirm.
    pub status: StatusWord,
}

/// Money to be paid back.
#[derive(Clone, Copy, Debug)]
pub struct NewRefund {
    /// The BIN that made the payment; none for `default_bin`.
    pub bin: Option<Bin>,
    /// The trade point that made the payment; none for the default one.
    pub trade_point: Option<TradePointId>,
    /// The payment.
    pub payment_id: PaymentId,
    /// How much of it is paid back.
    pub amount: Amount,
}

/// Money that has been paid back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refunded {
    /// Our name for the operation.
    pub operation_id: OperationId,
    /// The BIN it was paid back by.
    pub bin: Bin,
    /// The payment.
    pub payment_id: PaymentId,
    /// How much was paid back.
    pub amount: Amount,
    /// Kaspi's number of the refund.
    pub return_operation_id: ReturnOperationId,
}

impl Payments {
    /// Payments over Kaspi's calls.
    #[must_use]
    pub fn new(api: Api) -> Self {
        Self { api }
    }

    /// Sends a customer an invoice. Always a new operation.
    ///
    /// # Errors
    ///
    /// `NotSent`, `Refused`: there is no invoice. `Unknown`: there may be one, and nothing at Kaspi can
    /// be asked for it; a person has to look in the Kaspi Pay app for the comment.
    pub async fn create(&self, new: NewPayment) -> Result<CreatedPayment, Error> {
        let api = self.api.clone();
        let operation_id = OperationId::new();
        on_its_own_task(operation_id, async move {
            let comment = with_operation(&new.message, operation_id)?;
            let session = session(&api, new.bin, new.trade_point).map_err(|source| Error::Kaspi {
                operation: Some(operation_id),
                source,
            })?;
            let request = CreateRemotePayment {
                amount: new.amount,
                phone: new.phone,
                comment,
            };
            let created = session
                .create_remote_payment(MoneyPermit::recorded(operation_id), &request)
                .await
                .map_err(|source| Error::Kaspi {
                    operation: Some(operation_id),
                    source,
                })?;
            Ok(CreatedPayment {
                operation_id,
                bin: session.bin(),
                payment_id: created.payment_id,
                amount: new.amount,
                status: StatusWord::new("Wait"),
            })
        })
        .await
    }

    /// Pays money back, whole or in part. Always a new operation.
    ///
    /// # Errors
    ///
    /// `NotSent`, `Refused`: nothing was paid back. `Unknown`: compare
    /// [`details`](Self::details) with what was left before.
    pub async fn refund(&self, new: NewRefund) -> Result<Refunded, Error> {
        let api = self.api.clone();
        let operation_id = OperationId::new();
        on_its_own_task(operation_id, async move {
            let failed = |source| Error::Kaspi {
                operation: Some(operation_id),
                source,
            };
            let session = session(&api, new.bin, new.trade_point).map_err(failed)?;
            let request = RefundPayment {
                payment_id: new.payment_id,
                amount: new.amount,
            };
            let done = session
                .refund(MoneyPermit::recorded(operation_id), &request)
                .await
                .map_err(failed)?;
            Ok(Refunded {
                operation_id,
                bin: session.bin(),
                payment_id: new.payment_id,
                amount: new.amount,
                return_operation_id: done.return_operation_id,
            })
        })
        .await
    }

    /// How a payment stands at Kaspi, and over which BIN it was asked.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came.
    pub async fn status(&self, bin: Option<Bin>, payment: PaymentId) -> Result<(Bin, PaymentStatus), Error> {
        let session = session(&self.api, bin, None).map_err(read)?;
        Ok((
            session.bin(),
            session.payment_status(payment).await.map_err(read)?,
        ))
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
        let session = session(&self.api, bin, trade_point).map_err(read)?;
        session.payment_details(payment).await.map_err(read)
    }
}

fn session(
    api: &Api,
    bin: Option<Bin>,
    trade_point: Option<TradePointId>,
) -> Result<crate::api::Session, crate::api::Error> {
    let session = api.session(bin)?;
    match trade_point {
        Some(id) => session.at(id),
        None => Ok(session),
    }
}

fn read(source: crate::api::Error) -> Error {
    Error::Kaspi {
        operation: None,
        source,
    }
}

/// A future that is dropped must not take a sent request with it.
async fn on_its_own_task<T: Send + 'static>(
    operation: OperationId,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|source| Err(Error::Lost { operation, source }))
}
