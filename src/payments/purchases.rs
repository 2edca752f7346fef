//! Purchases that a customer scans or opens: QR codes and links.

use std::time::Duration;

use super::comment;
use super::digest::Digest;
use super::operation::{Done, Request, Work};
use super::{Answer, Carried, CarriedLink, Carrier, Error, OperationKind, Origin, Payments, PurchaseAnswer};
use crate::api::{
    self, CreateLink, CreateQr, KaspiTime, LinkCreated, MoneyPermit, PollTiming, QrCreated, Session,
};
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
    /// On whose behalf, and under which key.
    pub origin: Origin,
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
    /// The journal answered: nothing was sent now.
    pub replayed: bool,
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
    /// The journal answered: nothing was sent now.
    pub replayed: bool,
}

impl Payments {
    /// Makes a QR code. A new operation, unless `origin` has a key that is known.
    ///
    /// # Errors
    ///
    /// The error's `delivery` tells whether there can be a purchase. One whose answer was lost was shown
    /// to nobody and expires, so another one does no harm.
    pub async fn create_qr(&self, new: NewPurchase) -> Result<CreatedQr, Error> {
        let amount = new.amount;
        let work = Qr(CreateQr {
            amount,
            external_id: new.external_id.clone(),
        });
        let done = self.purchase(OperationKind::Qr, new, work).await?;
        let payment_id = done.payment_id()?;
        let Answer::Qr {
            qr_token, purchase, ..
        } = &done.answer
        else {
            return Err(done.misfit());
        };
        let qr = QrCreated {
            payment_id,
            qr_token: qr_token.clone(),
            expire_date: purchase.expire_date.clone().map(KaspiTime::new),
            payment_methods: purchase.payment_methods.clone(),
            timing: timing(purchase),
        };
        Ok(CreatedQr {
            operation_id: done.operation,
            bin: done.bin,
            amount,
            qr,
            replayed: done.replayed,
        })
    }

    /// Makes a link. A new operation, unless `origin` has a key that is known.
    ///
    /// # Errors
    ///
    /// The error's `delivery` tells whether there can be a purchase. One whose answer was lost was shown
    /// to nobody and expires, so another one does no harm.
    pub async fn create_link(&self, new: NewPurchase) -> Result<CreatedLink, Error> {
        let amount = new.amount;
        let work = Link(CreateLink {
            amount,
            external_id: new.external_id.clone(),
        });
        let done = self.purchase(OperationKind::Link, new, work).await?;
        let payment_id = done.payment_id()?;
        let Answer::Link {
            payment_link,
            purchase,
            ..
        } = &done.answer
        else {
            return Err(done.misfit());
        };
        let link = LinkCreated {
            payment_id,
            payment_link: payment_link.clone(),
            expire_date: purchase.expire_date.clone().map(KaspiTime::new),
            payment_methods: purchase.payment_methods.clone(),
            timing: timing(purchase),
        };
        Ok(CreatedLink {
            operation_id: done.operation,
            bin: done.bin,
            amount,
            link,
            replayed: done.replayed,
        })
    }

    async fn purchase(&self, kind: OperationKind, new: NewPurchase, work: impl Work) -> Result<Done, Error> {
        let place = self.place(new.bin, new.trade_point)?;
        let request = Request {
            kind,
            origin: new.origin,
            amount: Some(new.amount),
            payment: None,
            phone: None,
            digest: Digest::of(kind.as_str())
                .amount(new.amount)
                .external_id(new.external_id.as_ref()),
        };
        self.operate(place, request, work).await
    }
}

struct Qr(CreateQr);

impl Work for Qr {
    async fn send(&self, session: &Session, permit: MoneyPermit) -> Result<Answer, api::Error> {
        let made = session.create_qr(permit, &self.0).await?;
        Ok(Answer::Qr {
            payment_id: made.payment_id.get(),
            qr_token: made.qr_token,
            purchase: kept(made.expire_date.as_ref(), made.payment_methods, made.timing),
        })
    }
}

struct Link(CreateLink);

impl Work for Link {
    const CARRIED: bool = true;

    async fn send(&self, session: &Session, permit: MoneyPermit) -> Result<Answer, api::Error> {
        let made = session.create_link(permit, &self.0).await?;
        Ok(Answer::Link {
            payment_id: made.payment_id.get(),
            payment_link: made.payment_link,
            purchase: kept(made.expire_date.as_ref(), made.payment_methods, made.timing),
        })
    }

    /// The wrapper takes a message where Kaspi takes the number of the order.
    fn carry<'a>(
        &'a self,
        carrier: &'a dyn Carrier,
        session: &'a Session,
        permit: MoneyPermit,
    ) -> Option<Carried<'a, Answer>> {
        let order = self.0.external_id.as_ref().map_or("", ExternalId::as_str);
        let link = CarriedLink {
            bin: session.bin(),
            device_token: session.device_token().cloned(),
            amount: self.0.amount,
            message: comment::with_operation(order, permit.operation()),
        };
        Some(Box::pin(async move {
            let made = carrier.create_link(permit, &link).await?;
            let expires = made.expire_date.map(KaspiTime::new);
            Ok(Answer::Link {
                payment_id: made.payment_id.get(),
                payment_link: made.payment_link,
                purchase: kept(expires.as_ref(), Vec::new(), PollTiming::default()),
            })
        }))
    }
}

fn kept(expire_date: Option<&KaspiTime>, payment_methods: Vec<String>, timing: PollTiming) -> PurchaseAnswer {
    PurchaseAnswer {
        expire_date: expire_date.map(|date| date.as_text().to_owned()),
        payment_methods,
        interval_s: timing.interval.as_secs(),
        activation_s: timing.activation.as_secs(),
        confirmation_s: timing.confirmation.as_secs(),
    }
}

fn timing(kept: &PurchaseAnswer) -> PollTiming {
    PollTiming {
        interval: Duration::from_secs(kept.interval_s),
        activation: Duration::from_secs(kept.activation_s),
        confirmation: Duration::from_secs(kept.confirmation_s),
    }
}
