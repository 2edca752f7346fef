//! Money that is paid back.

use super::{Error, Payments};
use crate::api::RefundPayment;
use crate::base::{Amount, Bin, OperationId, PaymentId, ReturnOperationId, TradePointId};

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
    /// Pays money back, whole or in part. Always a new operation.
    ///
    /// # Errors
    ///
    /// `NotSent`, `Refused`: nothing was paid back. `Unknown`: compare
    /// [`details`](Self::details) with what was left before.
    pub async fn refund(&self, new: NewRefund) -> Result<Refunded, Error> {
        let request = RefundPayment {
            payment_id: new.payment_id,
            amount: new.amount,
        };
        self.operate(
            OperationId::new(),
            new.bin,
            new.trade_point,
            move |operation| async move {
                let bin = operation.session.bin();
                let done = operation.session.refund(operation.permit, &request).await?;
                Ok(Refunded {
                    operation_id: operation.id,
                    bin,
                    payment_id: request.payment_id,
                    amount: request.amount,
                    return_operation_id: done.return_operation_id,
                })
            },
        )
        .await
    }
}
