//! What callers are answered where it went well.

use serde::Serialize;
use utoipa::ToSchema;

use super::tenge::Tenge;
use crate::base::{Bin, OperationId, PaymentId, TradePointId};

/// A payment and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Standing {
    /// Always true: what does not succeed has another HTTP status.
    pub(in crate::gateway) success: bool,
    /// Kaspi's number of the payment.
    #[schema(example = "12800000774")]
    pub(in crate::gateway) external_id: String,
    /// Kaspi's word, such as `Wait`, `RemotePaymentCreated`, `Processed`.
    #[schema(example = "Wait")]
    pub(in crate::gateway) status: String,
    /// Always null.
    pub(in crate::gateway) error: Option<String>,
}

impl Standing {
    pub(in crate::gateway) fn new(payment: PaymentId, status: &str) -> Self {
        Self {
            success: true,
            external_id: payment.to_string(),
            status: status.to_owned(),
            error: None,
        }
    }
}

/// Money that was paid back.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct PaidBack {
    /// Always true.
    pub(in crate::gateway) success: bool,
    /// Kaspi's number of the payment.
    #[schema(example = "12800000774")]
    pub(in crate::gateway) external_id: String,
    /// Tenge, as asked for.
    #[schema(value_type = f64, example = 500.0)]
    pub(in crate::gateway) refunded_amount: Tenge,
    /// Always null.
    pub(in crate::gateway) error: Option<String>,
}

/// A payment with everything that Kaspi says of it now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Checked {
    /// Always true.
    pub(in crate::gateway) success: bool,
    /// Kaspi's number of the payment.
    pub(in crate::gateway) external_id: String,
    /// The organisation that was asked for.
    #[schema(value_type = String)]
    pub(in crate::gateway) organization_bin: Bin,
    /// Kaspi's word.
    pub(in crate::gateway) status: String,
    /// What the word means: `pending`, `paid`, `failed`, `unknown`.
    pub(in crate::gateway) state: &'static str,
    /// Tenge, where Kaspi says it.
    #[schema(value_type = Option<f64>)]
    pub(in crate::gateway) amount: Option<Tenge>,
    /// `Gold`, `Red`, `Loan` and so on, where Kaspi says it.
    pub(in crate::gateway) product_type: Option<String>,
    /// Always null.
    pub(in crate::gateway) error: Option<String>,
}

/// What was paid, and what is left to refund.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Details {
    /// Always true.
    pub(in crate::gateway) success: bool,
    /// Kaspi's number of the payment.
    pub(in crate::gateway) external_id: String,
    /// Tenge that were paid.
    #[schema(value_type = f64)]
    pub(in crate::gateway) total_amount: Tenge,
    /// Tenge that can still be refunded.
    #[schema(value_type = f64)]
    pub(in crate::gateway) available_return_amount: Tenge,
    /// When it was paid, as Kaspi says it.
    pub(in crate::gateway) transaction_date: Option<String>,
    /// Always null.
    pub(in crate::gateway) error: Option<String>,
}

/// A link to send.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Link {
    /// Always true.
    pub(in crate::gateway) success: bool,
    /// Kaspi's number of the payment.
    pub(in crate::gateway) external_id: String,
    /// The organisation.
    #[schema(value_type = String)]
    pub(in crate::gateway) organization_bin: Bin,
    /// Opens the Kaspi app. It lives minutes, not hours.
    pub(in crate::gateway) payment_link: String,
    /// The same number as `external_id`, as a number.
    #[schema(value_type = i64)]
    pub(in crate::gateway) payment_id: PaymentId,
    /// After it the link is dead.
    pub(in crate::gateway) expire_date: Option<String>,
    /// Such as `Gold`, `Red`, `Loan`.
    pub(in crate::gateway) payment_methods: Vec<String>,
    /// Seconds between two questions for its status.
    pub(in crate::gateway) polling_interval: u64,
    /// Our name for the operation.
    #[schema(value_type = String)]
    pub(in crate::gateway) operation_id: OperationId,
    /// Always null.
    pub(in crate::gateway) error: Option<String>,
}

/// A QR code to show.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Qr {
    /// Always true.
    pub(in crate::gateway) success: bool,
    /// Kaspi's number of the payment.
    pub(in crate::gateway) external_id: String,
    /// The organisation.
    #[schema(value_type = String)]
    pub(in crate::gateway) organization_bin: Bin,
    /// What the QR code holds, as it is.
    pub(in crate::gateway) qr_token: String,
    /// The same number as `external_id`, as a number.
    #[schema(value_type = i64)]
    pub(in crate::gateway) payment_id: PaymentId,
    /// After it the code is dead.
    pub(in crate::gateway) expire_date: Option<String>,
    /// Such as `Gold`, `Red`, `Loan`.
    pub(in crate::gateway) payment_methods: Vec<String>,
    /// Seconds between two questions for its status.
    pub(in crate::gateway) polling_interval: u64,
    /// Our name for the operation.
    #[schema(value_type = String)]
    pub(in crate::gateway) operation_id: OperationId,
    /// Always null.
    pub(in crate::gateway) error: Option<String>,
}

/// A customer of the bank. Personal data: do not store it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Client {
    /// Always true.
    pub(in crate::gateway) success: bool,
    /// How the bank names the customer.
    pub(in crate::gateway) client_name: String,
    /// Always null.
    pub(in crate::gateway) error: Option<String>,
}

/// The organisations that the caller may act for.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Merchants {
    /// One for each.
    pub(in crate::gateway) merchants: Vec<Merchant>,
}

/// How one organisation stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Merchant {
    /// The organisation.
    #[schema(value_type = String)]
    pub(in crate::gateway) bin: Bin,
    /// Its name.
    pub(in crate::gateway) name: String,
    /// `ready`, `inactive` or `broken`.
    pub(in crate::gateway) state: &'static str,
    /// Why calls are not served.
    pub(in crate::gateway) problem: Option<String>,
    /// The BIN whose folder holds the identity.
    #[schema(value_type = Option<String>)]
    pub(in crate::gateway) identity: Option<Bin>,
    /// The certificate in use, SHA-256.
    pub(in crate::gateway) certificate_sha256: Option<String>,
    /// When it expires.
    pub(in crate::gateway) not_after: Option<String>,
    /// Whole days until then.
    pub(in crate::gateway) days_left: Option<i64>,
    /// The generation that serves.
    pub(in crate::gateway) generation: Option<u64>,
    /// `direct` or `wrapper`.
    pub(in crate::gateway) route: Option<&'static str>,
    /// Its trade points.
    #[schema(value_type = Vec<i64>)]
    pub(in crate::gateway) trade_points: Vec<TradePointId>,
}

/// Payments that the journal knows, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct KnownPayments {
    /// One page of them.
    pub(in crate::gateway) payments: Vec<KnownPayment>,
    /// What to give as `cursor` for the next page; null on the last one.
    pub(in crate::gateway) next: Option<String>,
}

/// A payment that the journal knows.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct KnownPayment {
    /// Kaspi's number of the payment.
    pub(in crate::gateway) external_id: String,
    /// The organisation that made it.
    #[schema(value_type = String)]
    pub(in crate::gateway) organization_bin: Bin,
    /// Its trade point.
    #[schema(value_type = Option<i64>)]
    pub(in crate::gateway) trade_point_id: Option<TradePointId>,
    /// `invoice`, `qr`, `link`, or `other` where it came from elsewhere.
    pub(in crate::gateway) kind: &'static str,
    /// Tenge; null where it was imported without.
    #[schema(value_type = Option<f64>)]
    pub(in crate::gateway) amount: Option<Tenge>,
    /// Kaspi's last word; null before the first question.
    pub(in crate::gateway) status: Option<String>,
    /// What it means: `pending`, `paid`, `failed`, `unknown`.
    pub(in crate::gateway) state: Option<&'static str>,
    /// When Kaspi said so.
    pub(in crate::gateway) status_at: Option<String>,
    /// `made`, `adopted` or `imported`.
    pub(in crate::gateway) source: &'static str,
    /// Our name for the operation that made it.
    #[schema(value_type = Option<String>)]
    pub(in crate::gateway) operation_id: Option<OperationId>,
    /// When it was made, or became known here.
    pub(in crate::gateway) created_at: Option<String>,
    /// After it it cannot be paid any more, as far as Kaspi said.
    pub(in crate::gateway) expires_at: Option<String>,
    /// It was paid after it had been given up.
    pub(in crate::gateway) late: bool,
}
