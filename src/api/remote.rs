//! `remote/create` and `remote/cancel`: an invoice that the customer sees in the Kaspi app.

use serde::Serialize;

use super::answer::{AnswerFault, Fields};
use super::call::{self, Call, Caller, Effect, WireRequest};
use super::json::Value;
use super::{Error, StatusWord};
use crate::base::{Amount, Bin, PaymentId, PhoneNumber};

/// An invoice to one customer.
#[derive(Clone, Debug)]
pub struct CreateRemotePayment {
    /// What the customer is to pay.
    pub amount: Amount,
    /// The customer.
    pub phone: PhoneNumber,
    /// What the customer reads. Kaspi takes no order number here, so it is all that a person can find
    /// a lost invoice by.
    pub comment: String,
}

/// An invoice that Kaspi has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemotePaymentCreated {
    /// `QrPaymentId`.
    pub payment_id: PaymentId,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "OrganizationBin")]
    organization_bin: Bin,
    #[serde(rename = "Amount", serialize_with = "call::amount")]
    amount: Amount,
    #[serde(rename = "PhoneNumber", serialize_with = "call::digits")]
    phone_number: [u8; 11],
    // the document's table says a number here; production takes the token as text
    #[serde(rename = "DeviceToken")]
    device_token: &'a str,
    #[serde(rename = "Comment")]
    comment: &'a str,
}

impl Call for CreateRemotePayment {
    type Output = RemotePaymentCreated;
    const NAME: &'static str = "remote/create";
    const EFFECT: Effect = Effect::Writes;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        let body = Body {
            organization_bin: caller.bin,
            amount: self.amount,
            phone_number: self.phone.digits_for_kaspi(caller.settings.phone_format),
            device_token: caller.device_token(Self::NAME)?,
            comment: &self.comment,
        };
        WireRequest::post(Self::NAME, "/v01/remote/create", &body)
    }

    fn read(data: Option<Value<'_>>) -> Result<RemotePaymentCreated, AnswerFault> {
        let fields = Fields::of_data(data)?;
        Ok(RemotePaymentCreated {
            payment_id: fields.id("QrPaymentId", PaymentId::new)?,
        })
    }
}

/// An invoice that has been taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemotePaymentCanceled {
    /// `Status`: `RemotePaymentCanceled`.
    pub status: StatusWord,
}

/// `remote/cancel`.
pub(super) struct CancelRemotePayment(pub(super) PaymentId);

#[derive(Serialize)]
struct CancelBody<'a> {
    #[serde(rename = "OrganizationBin")]
    organization_bin: Bin,
    #[serde(rename = "QrPaymentId")]
    qr_payment_id: PaymentId,
    #[serde(rename = "DeviceToken")]
    device_token: &'a str,
}

impl Call for CancelRemotePayment {
    type Output = RemotePaymentCanceled;
    const NAME: &'static str = "remote/cancel";
    const EFFECT: Effect = Effect::Writes;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        let body = CancelBody {
            organization_bin: caller.bin,
            qr_payment_id: self.0,
            device_token: caller.device_token(Self::NAME)?,
        };
        WireRequest::post(Self::NAME, "/v01/remote/cancel", &body)
    }

    fn read(data: Option<Value<'_>>) -> Result<RemotePaymentCanceled, AnswerFault> {
        let status = StatusWord::new(Fields::of_data(data)?.text("Status")?);
        Ok(RemotePaymentCanceled { status })
    }
}
