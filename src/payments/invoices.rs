//! Invoices by phone number: made, and taken back.

use std::sync::Arc;

use super::comment::with_operation;
use super::{Error, Payments};
use crate::api::{CreateRemotePayment, StatusWord};
use crate::base::{Amount, Bin, OperationId, PaymentId, PhoneNumber, TradePointId};

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

/// An invoice that has been taken back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CanceledPayment {
    /// Our name for the operation.
    pub operation_id: OperationId,
    /// The BIN that made it.
    pub bin: Bin,
    /// Kaspi's number of the payment.
    pub payment_id: PaymentId,
    /// `RemotePaymentCanceled`.
    pub status: StatusWord,
}

impl Payments {
    /// Sends a customer an invoice. Always a new operation.
    ///
    /// # Errors
    ///
    /// `NotSent`, `Refused`: there is no invoice. `Unknown`: there may be one, and nothing at Kaspi can
    /// be asked for it; a person has to look in the Kaspi Pay app for the comment.
    pub async fn create(&self, new: NewPayment) -> Result<CreatedPayment, Error> {
        let id = OperationId::new();
        let comment = with_operation(&new.message, id)?;
        let request = CreateRemotePayment {
            amount: new.amount,
            phone: new.phone,
            comment,
        };
        let invoices = Arc::clone(&self.invoices);
        self.operate(id, new.bin, new.trade_point, |operation| async move {
            let bin = operation.session.bin();
            let created = operation
                .session
                .create_remote_payment(operation.permit, &request)
                .await?;
            invoices.made(bin, created.payment_id);
            Ok(CreatedPayment {
                operation_id: operation.id,
                bin,
                payment_id: created.payment_id,
                amount: request.amount,
                status: StatusWord::new("Wait"),
            })
        })
        .await
    }

    /// Takes an unpaid invoice back.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came. Read the status then: the customer may have paid meanwhile.
    pub async fn cancel(
        &self,
        bin: Option<Bin>,
        trade_point: Option<TradePointId>,
        payment: PaymentId,
    ) -> Result<CanceledPayment, Error> {
        self.operate(
            OperationId::new(),
            bin,
            trade_point,
            move |operation| async move {
                let bin = operation.session.bin();
                let canceled = operation
                    .session
                    .cancel_remote_payment(operation.permit, payment)
                    .await?;
                Ok(CanceledPayment {
                    operation_id: operation.id,
                    bin,
                    payment_id: payment,
                    status: canceled.status,
                })
            },
        )
        .await
    }
}
