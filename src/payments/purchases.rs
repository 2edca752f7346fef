//! Purchases that a customer scans or opens: QR codes and links.

use super::{Error, Payments};
use crate::api::{CreateLink, CreateQr, LinkCreated, QrCreated};
use crate::base::{Amount, Bin, ExternalId, OperationId, TradePointId};

/// A purchase to be paid by QR code or link.
#[derive(Clone, Debug)]
pub struct NewPurchase {
    /// Whose money it will be; none for `default_bin`.
    pub bin: Option<Bin>,
    /// At which of the merchant's trade points; none for the default one.
    pub trade_point: Option<TradePointId>,
    /// What the customer is to pay.
    pub amount: Amount,
    /// Our own number of the order, which Kaspi keeps.
    pub external_id: Option<ExternalId>,
}

/// A QR code to show.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreatedQr {
    /// Our name for the operation.
    pub operation_id: OperationId,
    /// Whose money it will be.
    pub bin: Bin,
    /// What the customer is to pay.
    pub amount: Amount,
    /// What Kaspi made.
    pub qr: QrCreated,
}

/// A link to send.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreatedLink {
    /// Our name for the operation.
    pub operation_id: OperationId,
    /// Whose money it will be.
    pub bin: Bin,
    /// What the customer is to pay.
    pub amount: Amount,
    /// What Kaspi made.
    pub link: LinkCreated,
}

impl Payments {
    /// Makes a QR code. Always a new operation.
    ///
    /// # Errors
    ///
    /// The error's `delivery` tells whether there can be a purchase. One whose answer was lost was shown
    /// to nobody and expires, so another one does no harm.
    pub async fn create_qr(&self, new: NewPurchase) -> Result<CreatedQr, Error> {
        let request = CreateQr {
            amount: new.amount,
            external_id: new.external_id,
        };
        self.operate(
            OperationId::new(),
            new.bin,
            new.trade_point,
            |operation| async move {
                let bin = operation.session.bin();
                let qr = operation.session.create_qr(operation.permit, &request).await?;
                Ok(CreatedQr {
                    operation_id: operation.id,
                    bin,
                    amount: request.amount,
                    qr,
                })
            },
        )
        .await
    }

    /// Makes a link. Always a new operation.
    ///
    /// # Errors
    ///
    /// The error's `delivery` tells whether there can be a purchase. One whose answer was lost was shown
    /// to nobody and expires, so another one does no harm.
    pub async fn create_link(&self, new: NewPurchase) -> Result<CreatedLink, Error> {
        let request = CreateLink {
            amount: new.amount,
            external_id: new.external_id,
        };
        self.operate(
            OperationId::new(),
            new.bin,
            new.trade_point,
            |operation| async move {
                let bin = operation.session.bin();
                let link = operation.session.create_link(operation.permit, &request).await?;
                Ok(CreatedLink {
                    operation_id: operation.id,
                    bin,
                    amount: request.amount,
                    link,
                })
            },
        )
        .await
    }
}
