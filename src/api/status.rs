//! `payment/status`: how a payment stands, in Kaspi's words and in ours.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Error;
use super::answer::{AnswerFault, Fields};
use super::call::{Call, Caller, Effect, WireRequest};
use super::json::Value;
use super::settings::StatusVersion;
use crate::base::{Balance, PaymentId};

/// How a payment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentStatus {
    /// Kaspi's word.
    pub status: StatusWord,
    /// `Amount`, from version 2 on, once there is one.
    pub amount: Option<Balance>,
    /// `TransactionId`.
    pub transaction_id: Option<String>,
    /// `ProductType`: `Gold`, `Red`, `Loan` and so on.
    pub product_type: Option<String>,
    /// `LoanOfferName`.
    pub loan_offer_name: Option<String>,
    /// `LoanTerm`, in months.
    pub loan_term: Option<i64>,
    /// `IsOffer`.
    pub is_offer: Option<bool>,
    /// `StoreName`.
    pub store_name: Option<String>,
    /// `Address`.
    pub address: Option<String>,
    /// `City`.
    pub city: Option<String>,
}

/// Kaspi's word for how a payment stands, kept as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusWord(String);

/// A word that stands for no [`PaymentState`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a state is `pending`, `paid`, `failed` or `unknown`, `{given}` is not")]
pub struct NotAState {
    given: String,
}

/// What a status word means for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// Not paid yet; it may still be.
    Pending,
    /// Paid. Stays so after refunds.
    Paid,
    /// Not paid, and will not be.
    Failed,
    /// A word that no document explains: not paid as far as anybody knows, and not over.
    Unknown,
}

impl PaymentState {
    /// The word as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl FromStr for PaymentState {
    type Err = NotAState;

    fn from_str(word: &str) -> Result<Self, NotAState> {
        [Self::Pending, Self::Paid, Self::Failed, Self::Unknown]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| NotAState {
                given: word.chars().take(40).collect(),
            })
    }
}

impl PaymentStatus {
    /// A status with nothing but its word, as version 1 of the call gives it.
    #[must_use]
    pub fn of_word(status: StatusWord) -> Self {
        Self {
            status,
            amount: None,
            transaction_id: None,
            product_type: None,
            loan_offer_name: None,
            loan_term: None,
            is_offer: None,
            store_name: None,
            address: None,
            city: None,
        }
    }
}

impl StatusWord {
    /// Takes Kaspi's word.
    #[must_use]
    pub fn new(word: impl Into<String>) -> Self {
        Self(word.into())
    }

    /// The word itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it means (official document, appendix 4, and statuses that integrators have met).
    ///
    /// `RemotePaymentPaid` and its like belong to another interface of the bank's: they do not count as
    /// paid here.
    #[must_use]
    pub fn state(&self) -> PaymentState {
        match self.0.as_str() {
            "Processed" => PaymentState::Paid,
            "Error"
            | "RemotePaymentCanceled"
            | "RemotePaymentExpired"
            | "RemotePaymentRejected"
            | "Expired" => PaymentState::Failed,
            "Creating"
            | "QrTokenCreated"
            | "QrTokenScanned"
            | "PaymentConfirmation"
            | "RemotePaymentCreated"
            | "Wait" => PaymentState::Pending,
            _ => PaymentState::Unknown,
        }
    }

    /// Whether nothing can follow it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.state(), PaymentState::Paid | PaymentState::Failed)
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for StatusWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// `payment/status/{QrPaymentId}`.
pub(super) struct StatusOf(pub(super) PaymentId);

impl Call for StatusOf {
    type Output = PaymentStatus;
    const NAME: &'static str = "payment/status";
    const EFFECT: Effect = Effect::Reads;

    fn request(&self, caller: &Caller<'_>) -> Result<WireRequest, Error> {
        let version = match caller.settings.status_version {
            StatusVersion::V01 => "v01",
            StatusVersion::V02 => "v02",
        };
        Ok(WireRequest::get(&format!("/{version}/payment/status/{}", self.0)))
    }

    fn read(data: Option<Value<'_>>) -> Result<PaymentStatus, AnswerFault> {
        let fields = Fields::of_data(data)?;
        let status = PaymentStatus {
            status: StatusWord(fields.text("Status")?),
            amount: fields.optional_money("Amount"),
            transaction_id: fields.optional_text("TransactionId"),
            product_type: fields.optional_text("ProductType"),
            loan_offer_name: fields.optional_text("LoanOfferName"),
            loan_term: fields.optional_integer("LoanTerm"),
            is_offer: fields.optional_flag("IsOffer"),
            store_name: fields.optional_text("StoreName"),
            address: fields.optional_text("Address"),
            city: fields.optional_text("City"),
        };
        if status.status.state() == PaymentState::Unknown {
            tracing::warn!(status = %status.status.0.escape_debug(), "a payment status that no document explains");
        }
        Ok(status)
    }
}
