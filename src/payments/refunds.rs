//! Money that is paid back: by the BIN that took it, never more than is left, never twice for one answer
//! that was lost.

use super::digest::Digest;
use super::journal::NewKnownPayment;
use super::judgement::allowed;
use super::operation::{Place, Ready, Request, Work};
use super::{
    Answer, Carried, CarriedRefund, Carrier, Error, OperationKind, OperationRoute, OperationState, Origin,
    PaymentRecord, PaymentSource, Payments,
};
use crate::api::{self, MoneyPermit, PaymentState, RefundPayment, Session};
use crate::base::{Amount, Bin, Explain, OperationId, PaymentId, ReturnOperationId, TradePointId};

/// How many other organisations are asked whether an unknown payment is theirs.
const ASKED_AROUND: usize = 16;

/// Money to be paid back.
#[derive(Clone, Debug)]
pub struct NewRefund {
    /// The BIN that made the payment; none for the one that the journal knows.
    pub bin: Option<Bin>,
    /// The trade point that made the payment; none for the one that the journal knows.
    pub trade_point: Option<TradePointId>,
    /// The payment.
    pub payment_id: PaymentId,
    /// How much of it is paid back.
    pub amount: Amount,
    /// On whose behalf, and under which key.
    pub origin: Origin,
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
    /// Kaspi's number of the refund; none where its answer was lost and Kaspi's details show the refund.
    pub return_operation_id: Option<ReturnOperationId>,
    /// Kaspi's details show it, its answer was lost: a cashier may by chance have paid back the same sum.
    pub inferred: bool,
    /// The journal answered: nothing was sent now.
    pub replayed: bool,
}

impl Payments {
    /// Pays money back, whole or in part. A new operation, unless `origin` has a key that is known.
    ///
    /// Refunds of one payment follow each other, in all processes that share the journal. Kaspi is asked
    /// before each what is left: a cashier may have paid back some, too.
    ///
    /// # Errors
    ///
    /// `NotSent`, `Refused`: nothing was paid back. `bad_bin`, `payment_unknown`, `not_paid`,
    /// `insufficient_funds`: it cannot be, and Kaspi was not asked to. `Unknown`: it is settled by Kaspi's
    /// details, in the background or by [`reconcile`](Self::reconcile); until then `refund_unsettled` is
    /// the answer to further refunds of this payment.
    pub async fn refund(&self, new: NewRefund) -> Result<Refunded, Error> {
        let payment_id = new.payment_id;
        let place = match self.recorded_payment(payment_id).await? {
            Some(known) => self.place_of(payment_id, Some(&known), new.bin, new.trade_point)?,
            None => self.adopted(payment_id, new.bin, new.trade_point).await?,
        };
        let request = Request {
            kind: OperationKind::Refund,
            origin: new.origin,
            amount: Some(new.amount),
            payment: Some(payment_id),
            phone: None,
            digest: Digest::of("refund").payment(payment_id).amount(new.amount),
        };
        let work = Refund(RefundPayment {
            payment_id,
            amount: new.amount,
        });
        let done = self.operate(place, request, work).await?;
        let Answer::Refund { return_operation_id } = done.answer else {
            return Err(done.misfit());
        };
        Ok(Refunded {
            operation_id: done.operation,
            bin: done.bin,
            payment_id,
            amount: new.amount,
            return_operation_id: return_operation_id.and_then(|number| ReturnOperationId::new(number).ok()),
            inferred: done.inferred,
            replayed: done.replayed,
        })
    }

    /// A payment that was not made here: the BIN proves that it is its own by asking for its details.
    async fn adopted(
        &self,
        payment: PaymentId,
        bin: Option<Bin>,
        trade_point: Option<TradePointId>,
    ) -> Result<Place, Error> {
        let Some(bin) = bin else {
            return Err(Error::PaymentUnknown { payment, bin: None });
        };
        let place = self.place(Some(bin), trade_point)?;
        let Ok(session) = &place.session else {
            return Ok(place);
        };
        let details = match session.payment_details(payment).await {
            Ok(details) => details,
            Err(error) if is_not_found(&error) => return Err(self.not_its_own(payment, bin).await),
            Err(source) => {
                return Err(Error::Unseen {
                    operation: None,
                    source,
                });
            }
        };
        let adopted = NewKnownPayment {
            payment_id: payment,
            bin,
            trade_point: session.channel().trade_point_id(trade_point),
            amount: Amount::from_tiyn(details.total_amount.tiyn()).ok(),
            source: PaymentSource::Adopted,
            created_at: details.transaction_date.as_ref().and_then(api::KaspiTime::at),
        };
        let stands = self
            .journal
            .add_payments(vec![adopted])
            .await
            .map_err(|source| Error::Journal {
                operation: None,
                source,
            })?;
        match stands.first().map(|record| record.bin) {
            Some(made_by) if made_by != bin => Err(Error::BadBin {
                payment,
                asked: bin,
                made_by: Some(made_by),
            }),
            _ => Ok(place),
        }
    }

    /// Whether a payment that is not this BIN's is another one's, or nobody's.
    async fn not_its_own(&self, payment: PaymentId, bin: Bin) -> Error {
        for other in self
            .api
            .bins()
            .into_iter()
            .filter(|other| *other != bin)
            .take(ASKED_AROUND)
        {
            let Ok(session) = self.api.session(Some(other)) else {
                continue;
            };
            if session.payment_details(payment).await.is_ok() {
                return Error::BadBin {
                    payment,
                    asked: bin,
                    made_by: None,
                };
            }
        }
        Error::PaymentUnknown {
            payment,
            bin: Some(bin),
        }
    }

    /// Kaspi's word on whether it was paid, where the journal has none yet.
    async fn must_be_paid(
        &self,
        session: &Session,
        payment: PaymentId,
        route: OperationRoute,
    ) -> Result<(), Error> {
        let known = self.recorded_payment(payment).await?;
        if known.is_some_and(|known| is_paid(&known)) {
            return Ok(());
        }
        let status = match session.payment_status(payment).await {
            Ok(status) => status,
            // what is left decides, and Kaspi itself in the end
            Err(error) if error.code().is_some() => return Ok(()),
            // and so they do where the wrapper is the only way
            Err(_) if route == OperationRoute::Wrapper => return Ok(()),
            Err(source) => {
                return Err(Error::Unseen {
                    operation: None,
                    source,
                });
            }
        };
        self.note(payment, &status).await;
        match status.status.state() {
            PaymentState::Pending | PaymentState::Failed => Err(Error::NotPaid {
                payment,
                status: status.status.as_str().to_owned(),
            }),
            PaymentState::Paid | PaymentState::Unknown => Ok(()),
        }
    }
}

struct Refund(RefundPayment);

impl Work for Refund {
    const CARRIED: bool = true;

    /// Under the payment's turn: what is left now, less what nobody knows of our own.
    async fn prepare(
        &self,
        payments: &Payments,
        session: &Session,
        operation: OperationId,
        route: OperationRoute,
    ) -> Result<Ready, Error> {
        let RefundPayment { payment_id, amount } = self.0;
        let journal = |source| Error::Journal {
            operation: Some(operation),
            source,
        };
        let wait = payments.settings.wait;
        let Some(turn) = payments
            .journal
            .refund_turn(payment_id, operation, wait)
            .await
            .map_err(journal)?
        else {
            return Err(Error::RefundBusy {
                payment: payment_id,
                waited: wait,
            });
        };
        payments.must_be_paid(session, payment_id, route).await?;
        let earlier = payments.journal.refunds_of(payment_id).await.map_err(journal)?;
        let unsettled: Vec<_> = earlier
            .into_iter()
            .filter(|refund| refund.id != operation)
            .filter(|refund| matches!(refund.state, OperationState::Sent | OperationState::Unknown))
            .filter_map(|refund| Some((refund.id, refund.amount?)))
            .collect();
        let left = match session.payment_details(payment_id).await {
            Ok(details) => Some(details.available_return_amount),
            // its BIN may have no way of its own to Kaspi yet: then Kaspi alone decides what is left
            Err(error) if route == OperationRoute::Wrapper => {
                tracing::warn!(%operation, %error, "what is left could not be seen before a refund through the wrapper");
                None
            }
            Err(source) => {
                return Err(Error::Unseen {
                    operation: Some(operation),
                    source,
                });
            }
        };
        if let Some(left) = left.filter(|left| amount.tiyn() > left.tiyn()) {
            return Err(Error::InsufficientFunds {
                payment: payment_id,
                asked: amount,
                left: allowed(left, unsettled.iter().map(|(_, amount)| *amount)),
            });
        }
        if let Some((earlier, amount)) = unsettled.first() {
            return Err(Error::RefundUnsettled {
                payment: payment_id,
                earlier: *earlier,
                amount: *amount,
            });
        }
        Ok(Ready {
            rest_before: left,
            turn: Some(turn),
        })
    }

    async fn send(&self, session: &Session, permit: MoneyPermit) -> Result<Answer, api::Error> {
        let done = session.refund(permit, &self.0).await?;
        Ok(Answer::Refund {
            return_operation_id: Some(done.return_operation_id.get()),
        })
    }

    fn carry<'a>(
        &'a self,
        carrier: &'a dyn Carrier,
        session: &'a Session,
        permit: MoneyPermit,
    ) -> Option<Carried<'a, Answer>> {
        let refund = CarriedRefund {
            bin: session.bin(),
            device_token: session.device_token().cloned(),
            payment: self.0.payment_id,
            amount: self.0.amount,
        };
        Some(Box::pin(async move {
            let number = carrier.refund(permit, &refund).await?;
            Ok(Answer::Refund {
                return_operation_id: number.map(ReturnOperationId::get),
            })
        }))
    }
}

fn is_paid(known: &PaymentRecord) -> bool {
    known
        .status
        .as_ref()
        .is_some_and(|status| status.state() == PaymentState::Paid)
}

/// -1601: no such purchase, or not this BIN's (official document, section 3).
pub(super) fn is_not_found(error: &api::Error) -> bool {
    const NOT_FOUND: i64 = -1601;
    error.code() == Some(NOT_FOUND)
}
