//! Invoices by phone number: made, and taken back.

use super::comment;
use super::digest::Digest;
use super::operation::{Request, Work};
use super::{Answer, Carried, CarriedInvoice, Carrier, Error, OperationKind, Origin, Payments};
use crate::api::{self, CreateRemotePayment, MoneyPermit, Session, StatusWord};
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
    /// On whose behalf, and under which key.
    pub origin: Origin,
}

/// An invoice to be taken back.
#[derive(Clone, Debug)]
pub struct NewCancel {
    /// The BIN that made it; none for the one that the journal knows.
    pub bin: Option<Bin>,
    /// The trade point that made it; none for the one that the journal knows.
    pub trade_point: Option<TradePointId>,
    /// The payment.
    pub payment_id: PaymentId,
    /// On whose behalf, and under which key.
    pub origin: Origin,
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
    /// The journal answered: nothing was sent now.
    pub replayed: bool,
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
    /// The journal answered: nothing was sent now.
    pub replayed: bool,
}

impl Payments {
    /// Sends a customer an invoice. A new operation, unless `origin` has a key that is known.
    ///
    /// # Errors
    ///
    /// `NotSent`, `Refused`: there is no invoice. `Unknown`: there may be one, and nothing at Kaspi can
    /// be asked for it; a person has to look in the Kaspi Pay app for the comment.
    pub async fn create(&self, new: NewPayment) -> Result<CreatedPayment, Error> {
        comment::check(&new.message)?;
        let (amount, phone) = (new.amount, new.phone);
        let request = Request {
            kind: OperationKind::Create,
            origin: new.origin,
            amount: Some(amount),
            payment: None,
            phone: Some(phone),
            digest: Digest::of("create")
                .phone(phone)
                .amount(amount)
                .message(&new.message),
        };
        let place = self.place(new.bin, new.trade_point)?;
        let work = Invoice {
            amount,
            phone,
            message: new.message,
        };
        let done = self.operate(place, request, work).await?;
        let payment_id = done.payment_id()?;
        if !done.replayed {
            self.invoices.made(done.bin, payment_id);
            self.watch_invoice(payment_id).await;
        }
        Ok(CreatedPayment {
            operation_id: done.operation,
            bin: done.bin,
            payment_id,
            amount,
            status: StatusWord::new("Wait"),
            replayed: done.replayed,
        })
    }

    /// Takes an unpaid invoice back.
    ///
    /// # Errors
    ///
    /// Kaspi refuses, or no answer came. Read the status then: the customer may have paid meanwhile.
    /// `payment_unknown`: no BIN is named, and the journal does not know who made it.
    pub async fn cancel(&self, new: NewCancel) -> Result<CanceledPayment, Error> {
        let payment_id = new.payment_id;
        let known = self.recorded_payment(payment_id).await?;
        let place = self.place_of(payment_id, known.as_ref(), new.bin, new.trade_point)?;
        let request = Request {
            kind: OperationKind::Cancel,
            origin: new.origin,
            amount: None,
            payment: Some(payment_id),
            phone: None,
            digest: Digest::of("cancel").payment(payment_id),
        };
        let done = self.operate(place, request, Cancellation(payment_id)).await?;
        let Answer::Cancel { status } = &done.answer else {
            return Err(done.misfit());
        };
        let status = StatusWord::new(status.as_str());
        if !done.replayed {
            self.note(payment_id, &api::PaymentStatus::of_word(status.clone()))
                .await;
        }
        Ok(CanceledPayment {
            operation_id: done.operation,
            bin: done.bin,
            payment_id,
            status,
            replayed: done.replayed,
        })
    }
}

struct Invoice {
    amount: Amount,
    phone: PhoneNumber,
    message: String,
}

impl Work for Invoice {
    const CARRIED: bool = true;

    async fn send(&self, session: &Session, permit: MoneyPermit) -> Result<Answer, api::Error> {
        let invoice = CreateRemotePayment {
            amount: self.amount,
            phone: self.phone,
            comment: comment::with_operation(&self.message, permit.operation()),
        };
        let created = session.create_remote_payment(permit, &invoice).await?;
        Ok(Answer::Invoice {
            payment_id: created.payment_id.get(),
        })
    }

    fn carry<'a>(
        &'a self,
        carrier: &'a dyn Carrier,
        session: &'a Session,
        permit: MoneyPermit,
    ) -> Option<Carried<'a, Answer>> {
        let invoice = CarriedInvoice {
            bin: session.bin(),
            device_token: session.device_token().cloned(),
            phone: self.phone,
            amount: self.amount,
            message: comment::with_operation(&self.message, permit.operation()),
        };
        Some(Box::pin(async move {
            let payment_id = carrier.create(permit, &invoice).await?.get();
            Ok(Answer::Invoice { payment_id })
        }))
    }
}

struct Cancellation(PaymentId);

impl Work for Cancellation {
    async fn send(&self, session: &Session, permit: MoneyPermit) -> Result<Answer, api::Error> {
        let canceled = session.cancel_remote_payment(permit, self.0).await?;
        Ok(Answer::Cancel {
            status: canceled.status.as_str().to_owned(),
        })
    }
}
