//! `qr/create` and `qr/create-link`: a purchase that the customer scans or opens.

use std::time::Duration;

use serde::Serialize;

use super::answer::{AnswerFault, Fields};
use super::call::{self, Call, Caller, Effect, WireRequest};
use super::json::Value;
use super::{Error, KaspiTime};
use crate::base::{Amount, Bin, ExternalId, PaymentId};

/// A purchase to be paid by QR code.
///
/// Kaspi makes a new purchase at every call, also for the same external id.
#[derive(Clone, Debug)]
pub struct CreateQr {
    /// What the customer is to pay.
    pub amount: Amount,
    /// Our own number of the order, which Kaspi keeps and never answers questions about.
    pub external_id: Option<ExternalId>,
}

/// A purchase to be paid by a link.
///
/// Kaspi makes a new purchase at every call, also for the same external id.
#[derive(Clone, Debug)]
pub struct CreateLink {
    /// What the customer is to pay.
    pub amount: Amount,
    /// Our own number of the order, which Kaspi keeps and never answers questions about.
    pub external_id: Option<ExternalId>,
}

/// A QR code to show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QrCreated {
    /// `QrPaymentId`.
    pub payment_id: PaymentId,
    /// `QrToken`: the content of the QR code, as it is. Digits, or an address.
    pub qr_token: String,
    /// `ExpireDate`: after it the code is dead.
    pub expire_date: Option<KaspiTime>,
    /// `PaymentMethods`, such as `Gold`, `Red`, `Loan`.
    pub payment_methods: Vec<String>,
    /// How often to ask, and for how long.
    pub timing: PollTiming,
}

/// A link to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkCreated {
    /// `PaymentId`: the same number that other calls name `QrPaymentId`.
    pub payment_id: PaymentId,
    /// `PaymentLink`. Opens the Kaspi app; it lives minutes, not hours.
    pub payment_link: String,
    /// `ExpireDate`: after it the link is dead.
    pub expire_date: Option<KaspiTime>,
    /// `PaymentMethods`, such as `Gold`, `Red`, `Loan`.
    pub payment_methods: Vec<String>,
    /// How often to ask, and for how long.
    pub timing: PollTiming,
}

/// How often a QR or link payment is asked for, and for how long (official document 4.3.1, 4.3.2).
///
/// Kaspi's own values, within bounds that keep a slip of theirs from flooding them or from stalling us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollTiming {
    /// `StatusPollingInterval`: between two questions.
    pub interval: Duration,
    /// `QrCodeScanWaitTimeout` or `LinkActivationWaitTimeout`: from creation until somebody scans or opens.
    pub activation: Duration,
    /// `PaymentConfirmationTimeout`: from there until the customer has paid.
    pub confirmation: Duration,
}

impl Default for PollTiming {
    /// The document's sample values: 5 s, 180 s, 65 s.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            activation: Duration::from_secs(180),
            confirmation: Duration::from_secs(65),
        }
    }
}

impl PollTiming {
    fn read(options: Option<Value<'_>>, activation: &'static str) -> Self {
        let default = Self::default();
        let Some(fields) = options.and_then(|value| Fields::of(value).ok()) else {
            return default;
        };
        let seconds = |name, default: Duration, least, most| {
            let given = fields
                .optional_integer(name)
                .and_then(|seconds| u64::try_from(seconds).ok());
            given.map_or(default, |seconds| Duration::from_secs(seconds.clamp(least, most)))
        };
        Self {
            interval: seconds("StatusPollingInterval", default.interval, 1, 60),
            activation: seconds(activation, default.activation, 10, 24 * 60 * 60),
            confirmation: seconds("PaymentConfirmationTimeout", default.confirmation, 10, 60 * 60),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "OrganizationBin")]
    organization_bin: Bin,
    #[serde(rename = "DeviceToken")]
    device_token: &'a str,
    #[serde(rename = "Amount", serialize_with = "call::amount")]
    amount: Amount,
    #[serde(rename = "ExternalId", skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a ExternalId>,
}

impl<'a> Body<'a> {
    fn new(
        call: &'static str,
        caller: &Caller<'a>,
        amount: Amount,
        external_id: Option<&'a ExternalId>,
    ) -> Result<Self, Error> {
        Ok(Self {
            organization_bin: caller.bin,
            device_token: caller.device_token(call)?,
            amount,
            external_id,
        })
    }
}

impl Call for CreateQr {
    type Output = QrCreated;
    const NAME: &'static str = "qr/create";
    const EFFECT: Effect = Effect::Writes;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        let body = Body::new(Self::NAME, caller, self.amount, self.external_id.as_ref())?;
        WireRequest::post(Self::NAME, "/v01/qr/create", &body)
    }

    fn read(data: Option<Value<'_>>) -> Result<QrCreated, AnswerFault> {
        let mut fields = Fields::of_data(data)?;
        Ok(QrCreated {
            payment_id: fields.id("QrPaymentId", PaymentId::new)?,
            qr_token: fields.text("QrToken")?,
            expire_date: fields.optional_text("ExpireDate").map(KaspiTime::new),
            payment_methods: fields.texts("PaymentMethods"),
            timing: PollTiming::read(fields.take("QrPaymentBehaviorOptions"), "QrCodeScanWaitTimeout"),
        })
    }
}

impl Call for CreateLink {
    type Output = LinkCreated;
    const NAME: &'static str = "qr/create-link";
    const EFFECT: Effect = Effect::Writes;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        let body = Body::new(Self::NAME, caller, self.amount, self.external_id.as_ref())?;
        WireRequest::post(Self::NAME, "/v01/qr/create-link", &body)
    }

    fn read(data: Option<Value<'_>>) -> Result<LinkCreated, AnswerFault> {
        let mut fields = Fields::of_data(data)?;
        Ok(LinkCreated {
            payment_id: fields.id("PaymentId", PaymentId::new)?,
            payment_link: fields.text("PaymentLink")?,
            expire_date: fields.optional_text("ExpireDate").map(KaspiTime::new),
            payment_methods: fields.texts("PaymentMethods"),
            timing: PollTiming::read(fields.take("PaymentBehaviorOptions"), "LinkActivationWaitTimeout"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    #[test]
    fn timing_is_kaspis_within_bounds() {
        let read = |options: Option<&str>| {
            let options = options.map(|text| json::read(text.as_bytes()).unwrap());
            PollTiming::read(options, "QrCodeScanWaitTimeout")
        };
        assert_eq!(read(None), PollTiming::default());
        let timing = read(Some(
            r#"{"statusPollingInterval": "7", "QrCodeScanWaitTimeout": 240}"#,
        ));
        assert_eq!(
            (
                timing.interval.as_secs(),
                timing.activation.as_secs(),
                timing.confirmation.as_secs()
            ),
            (7, 240, 65)
        );
        let timing = read(Some(
            r#"{"StatusPollingInterval": 0, "QrCodeScanWaitTimeout": -5, "PaymentConfirmationTimeout": 999999}"#,
        ));
        assert_eq!(
            (
                timing.interval.as_secs(),
                timing.activation.as_secs(),
                timing.confirmation.as_secs()
            ),
            (1, 180, 3600)
        );
    }
}
