//! `payment/details` and `payment/return`: what is left of a payment, and paying it back.

use serde::Serialize;

use super::answer::{AnswerFault, Fields};
use super::call::{self, Call, Caller, Effect, WireRequest};
use super::json::Value;
use super::{Error, KaspiTime};
use crate::base::{Amount, Balance, Bin, PaymentId, ReturnOperationId};

/// What was paid and what is left to refund.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentDetails {
    /// `QrPaymentId`.
    pub payment_id: PaymentId,
    /// `TotalAmount`: what was paid.
    pub total_amount: Balance,
    /// `AvailableReturnAmount`: what is left to refund. A cashier may have refunded some, too.
    pub available_return_amount: Balance,
    /// `TransactionDate`.
    pub transaction_date: Option<KaspiTime>,
}

/// `payment/details?QrPaymentId=&DeviceToken=`.
pub(super) struct DetailsOf(pub(super) PaymentId);

impl Call for DetailsOf {
    type Output = PaymentDetails;
    const NAME: &'static str = "payment/details";
    const EFFECT: Effect = Effect::Reads;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        Ok(WireRequest::get("/v01/payment/details")
            .query("QrPaymentId", &self.0.to_string())
            .query("DeviceToken", caller.device_token(Self::NAME)?))
    }

    fn read(data: Option<Value<'_>>) -> Result<PaymentDetails, AnswerFault> {
        let fields = Fields::of_data(data)?;
        Ok(PaymentDetails {
            payment_id: fields.id("QrPaymentId", PaymentId::new)?,
            total_amount: fields.money("TotalAmount")?,
            available_return_amount: fields.money("AvailableReturnAmount")?,
            transaction_date: fields.optional_text("TransactionDate").map(KaspiTime::new),
        })
    }
}

/// A refund, whole or in part.
#[derive(Clone, Copy, Debug)]
pub struct RefundPayment {
    /// The payment.
    pub payment_id: PaymentId,
    /// How much of it is paid back.
    pub amount: Amount,
}

/// A refund that Kaspi has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefundDone {
    /// `ReturnOperationId`.
    pub return_operation_id: ReturnOperationId,
}

#[derive(Serialize)]
struct ReturnBody<'a> {
    #[serde(rename = "OrganizationBin")]
    organization_bin: Bin,
    #[serde(rename = "DeviceToken")]
    device_token: &'a str,
    #[serde(rename = "QrPaymentId")]
    qr_payment_id: PaymentId,
    #[serde(rename = "Amount", serialize_with = "call::amount")]
    amount: Amount,
}

impl Call for RefundPayment {
    type Output = RefundDone;
    const NAME: &'static str = "payment/return";
    const EFFECT: Effect = Effect::Writes;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        let body = ReturnBody {
            organization_bin: caller.bin,
            device_token: caller.device_token(Self::NAME)?,
            qr_payment_id: self.payment_id,
            amount: self.amount,
        };
        WireRequest::post(Self::NAME, "/v01/payment/return", &body)
    }

    fn read(data: Option<Value<'_>>) -> Result<RefundDone, AnswerFault> {
        let fields = Fields::of_data(data)?;
        Ok(RefundDone {
            return_operation_id: fields.id("ReturnOperationId", ReturnOperationId::new)?,
        })
    }
}
