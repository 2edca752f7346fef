//! The old wrapper's answers.

use serde::Serialize;
use utoipa::ToSchema;

use super::tenge::Tenge;
use crate::base::{PaymentId, ReturnOperationId};

/// Every answer of the old wrapper's contract.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Wrapped<T: ToSchema> {
    /// Whether it went well.
    pub(in crate::gateway) status: bool,
    /// What was asked for.
    pub(in crate::gateway) data: T,
    /// The HTTP status once more.
    #[schema(example = 200)]
    pub(in crate::gateway) http_code: u16,
}

impl<T: ToSchema> Wrapped<T> {
    pub(in crate::gateway) fn good(data: T) -> Self {
        Self {
            status: true,
            data,
            http_code: 200,
        }
    }
}

/// A payment in the old wrapper's contract.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::gateway) struct WrappedStanding {
    /// Kaspi's number of the payment.
    #[schema(value_type = i64, example = 12_800_000_774_i64)]
    pub(in crate::gateway) external_id: PaymentId,
    /// Kaspi's word.
    #[schema(example = "Wait")]
    pub(in crate::gateway) status: String,
}

/// A refund in the old wrapper's contract.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::gateway) struct WrappedRefund {
    /// Kaspi's number of the payment.
    #[schema(value_type = i64)]
    pub(in crate::gateway) external_id: PaymentId,
    /// Kaspi's number of the refund.
    #[schema(value_type = Option<i64>)]
    pub(in crate::gateway) return_operation_id: Option<ReturnOperationId>,
    /// Tenge, as asked for.
    #[schema(value_type = f64)]
    pub(in crate::gateway) refunded_amount: Tenge,
}

/// A link in the old wrapper's contract.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::gateway) struct WrappedLink {
    /// Opens the Kaspi app.
    pub(in crate::gateway) payment_link: String,
    /// Kaspi's number of the payment.
    #[schema(value_type = i64)]
    pub(in crate::gateway) payment_id: PaymentId,
    /// After it the link is dead.
    pub(in crate::gateway) expire_date: Option<String>,
}

/// A refusal in the old wrapper's contract, where a repetition would change nothing: HTTP 200.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct WrappedFailure {
    /// Always false.
    pub(in crate::gateway) status: bool,
    /// What went wrong, by code.
    pub(in crate::gateway) data: WrappedErrors,
    /// The same text once more.
    pub(in crate::gateway) error: String,
    /// The HTTP status once more.
    #[schema(example = 200)]
    pub(in crate::gateway) http_code: u16,
}

/// What the old wrapper's contract says with HTTP 200.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "for the document")]
pub(in crate::gateway) enum WrappedAnswer<T: ToSchema> {
    /// It went well: `status` is true.
    Good(Wrapped<T>),
    /// It did not, and a repetition would change nothing: `status` is false.
    Refused(WrappedFailure),
}

/// What went wrong, by code: Kaspi's number or a word of ours.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct WrappedErrors {
    /// One entry.
    pub(in crate::gateway) errors: std::collections::BTreeMap<String, String>,
}
