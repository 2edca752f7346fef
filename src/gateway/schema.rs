//! The shapes of requests and answers: what is written, and what `/openapi.json` says of it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::base::{Amount, Balance, Bin, OperationId, PaymentId, ReturnOperationId, TradePointId};

/// Tenge as a JSON number with at least one decimal, as Python writes a float. Written from the whole
/// tiyn: no float comes between.
#[derive(Clone, Debug)]
pub(super) struct Tenge(Box<RawValue>);

impl Tenge {
    fn of_tiyn(tiyn: u64) -> Self {
        let (whole, rest) = (tiyn / 100, tiyn % 100);
        let text = if rest % 10 == 0 {
            format!("{whole}.{}", rest / 10)
        } else {
            format!("{whole}.{rest:02}")
        };
        Self(RawValue::from_string(text).unwrap_or_default())
    }
}

impl From<Amount> for Tenge {
    fn from(amount: Amount) -> Self {
        Self::of_tiyn(amount.tiyn())
    }
}

impl From<Balance> for Tenge {
    fn from(balance: Balance) -> Self {
        Self::of_tiyn(balance.tiyn())
    }
}

impl Serialize for Tenge {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What `POST /api/v1/kaspi/create` takes.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "read field by field, so that every fault is told; this is for the document"
)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    /// The customer: `+7`, `7` or `8` and ten digits; a number is taken too.
    #[schema(example = "+77000000000")]
    phone: String,
    /// Tenge, more than zero, at most two decimals; a text is taken too.
    #[schema(example = 1500.0, exclusive_minimum = 0)]
    amount: f64,
    /// What the customer reads, at most 500 characters.
    #[schema(example = "Order 17", max_length = 500)]
    message: String,
    /// The organisation, 12 digits. Without it: the token's only one, else `default_bin`.
    #[schema(example = "891027350515", pattern = "^[0-9]{12}$", nullable)]
    organization_bin: Option<String>,
}

/// What `POST /api/v1/kaspi/refund` takes.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "read field by field, so that every fault is told; this is for the document"
)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundBody {
    /// Kaspi's number of the payment; a number is taken too.
    #[schema(example = "12800000774", pattern = "^[0-9]{1,19}$")]
    external_id: String,
    /// Tenge, more than zero, at most two decimals; a text is taken too.
    #[schema(example = 500.0, exclusive_minimum = 0)]
    amount: f64,
    /// The organisation that made the payment. Without it: the one that the journal knows.
    #[schema(example = "891027350515", pattern = "^[0-9]{12}$", nullable)]
    organization_bin: Option<String>,
}

/// What `POST /api/v1/kaspi/cancel` takes.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "read field by field, so that every fault is told; this is for the document"
)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    /// Kaspi's number of the invoice; a number is taken too.
    #[schema(example = "12800000774", pattern = "^[0-9]{1,19}$")]
    external_id: String,
    /// The organisation that made it. Without it: the one that the journal knows.
    #[schema(example = "891027350515", pattern = "^[0-9]{12}$", nullable)]
    organization_bin: Option<String>,
}

/// What `POST /api/v1/kaspi/link` and `/qr` take.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "read field by field, so that every fault is told; this is for the document"
)]
#[serde(deny_unknown_fields)]
pub(super) struct PurchaseBody {
    /// Tenge, more than zero, at most two decimals; a text is taken too.
    #[schema(example = 1500.0, exclusive_minimum = 0)]
    amount: f64,
    /// Your own number of the order, which Kaspi keeps; at most 100 characters.
    #[schema(example = "order-17", min_length = 1, max_length = 100, nullable)]
    external_id: Option<String>,
    /// The organisation, 12 digits. Without it: the token's only one, else `default_bin`.
    #[schema(example = "891027350515", pattern = "^[0-9]{12}$", nullable)]
    organization_bin: Option<String>,
    /// The trade point, where the merchant has several.
    #[schema(example = 385716, nullable)]
    trade_point_id: Option<i64>,
}

/// What `POST /api/v1/kaspi/client-info` takes.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "read field by field, so that every fault is told; this is for the document"
)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientBody {
    /// The customer: `+7`, `7` or `8` and ten digits; a number is taken too.
    #[schema(example = "+77000000000")]
    phone: String,
    /// The organisation, 12 digits. Without it: the token's only one, else `default_bin`.
    #[schema(example = "891027350515", pattern = "^[0-9]{12}$", nullable)]
    organization_bin: Option<String>,
}

/// A payment and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Standing {
    /// Always true: what does not succeed has another HTTP status.
    pub(super) success: bool,
    /// Kaspi's number of the payment.
    #[schema(example = "12800000774")]
    pub(super) external_id: String,
    /// Kaspi's word, such as `Wait`, `RemotePaymentCreated`, `Processed`.
    #[schema(example = "Wait")]
    pub(super) status: String,
    /// Always null.
    pub(super) error: Option<String>,
}

impl Standing {
    pub(super) fn new(payment: PaymentId, status: &str) -> Self {
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
pub(super) struct PaidBack {
    /// Always true.
    pub(super) success: bool,
    /// Kaspi's number of the payment.
    #[schema(example = "12800000774")]
    pub(super) external_id: String,
    /// Tenge, as asked for.
    #[schema(value_type = f64, example = 500.0)]
    pub(super) refunded_amount: Tenge,
    /// Always null.
    pub(super) error: Option<String>,
}

/// A payment with everything that Kaspi says of it now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checked {
    /// Always true.
    pub(super) success: bool,
    /// Kaspi's number of the payment.
    pub(super) external_id: String,
    /// The organisation that was asked for.
    #[schema(value_type = String)]
    pub(super) organization_bin: Bin,
    /// Kaspi's word.
    pub(super) status: String,
    /// What the word means: `pending`, `paid`, `failed`, `unknown`.
    pub(super) state: &'static str,
    /// Tenge, where Kaspi says it.
    #[schema(value_type = Option<f64>)]
    pub(super) amount: Option<Tenge>,
    /// `Gold`, `Red`, `Loan` and so on, where Kaspi says it.
    pub(super) product_type: Option<String>,
    /// Always null.
    pub(super) error: Option<String>,
}

/// What was paid, and what is left to refund.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Details {
    /// Always true.
    pub(super) success: bool,
    /// Kaspi's number of the payment.
    pub(super) external_id: String,
    /// Tenge that were paid.
    #[schema(value_type = f64)]
    pub(super) total_amount: Tenge,
    /// Tenge that can still be refunded.
    #[schema(value_type = f64)]
    pub(super) available_return_amount: Tenge,
    /// When it was paid, as Kaspi says it.
    pub(super) transaction_date: Option<String>,
    /// Always null.
    pub(super) error: Option<String>,
}

/// A link to send.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Link {
    /// Always true.
    pub(super) success: bool,
    /// Kaspi's number of the payment.
    pub(super) external_id: String,
    /// The organisation.
    #[schema(value_type = String)]
    pub(super) organization_bin: Bin,
    /// Opens the Kaspi app. It lives minutes, not hours.
    pub(super) payment_link: String,
    /// The same number as `external_id`, as a number.
    #[schema(value_type = i64)]
    pub(super) payment_id: PaymentId,
    /// After it the link is dead.
    pub(super) expire_date: Option<String>,
    /// Such as `Gold`, `Red`, `Loan`.
    pub(super) payment_methods: Vec<String>,
    /// Seconds between two questions for its status.
    pub(super) polling_interval: u64,
    /// Our name for the operation.
    #[schema(value_type = String)]
    pub(super) operation_id: OperationId,
    /// Always null.
    pub(super) error: Option<String>,
}

/// A QR code to show.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Qr {
    /// Always true.
    pub(super) success: bool,
    /// Kaspi's number of the payment.
    pub(super) external_id: String,
    /// The organisation.
    #[schema(value_type = String)]
    pub(super) organization_bin: Bin,
    /// What the QR code holds, as it is.
    pub(super) qr_token: String,
    /// The same number as `external_id`, as a number.
    #[schema(value_type = i64)]
    pub(super) payment_id: PaymentId,
    /// After it the code is dead.
    pub(super) expire_date: Option<String>,
    /// Such as `Gold`, `Red`, `Loan`.
    pub(super) payment_methods: Vec<String>,
    /// Seconds between two questions for its status.
    pub(super) polling_interval: u64,
    /// Our name for the operation.
    #[schema(value_type = String)]
    pub(super) operation_id: OperationId,
    /// Always null.
    pub(super) error: Option<String>,
}

/// A customer of the bank. Personal data: do not store it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Client {
    /// Always true.
    pub(super) success: bool,
    /// How the bank names the customer.
    pub(super) client_name: String,
    /// Always null.
    pub(super) error: Option<String>,
}

/// The organisations that the caller may act for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Merchants {
    /// One for each.
    pub(super) merchants: Vec<Merchant>,
}

/// How one organisation stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Merchant {
    /// The organisation.
    #[schema(value_type = String)]
    pub(super) bin: Bin,
    /// Its name.
    pub(super) name: String,
    /// `ready`, `inactive` or `broken`.
    pub(super) state: &'static str,
    /// Why calls are not served.
    pub(super) problem: Option<String>,
    /// The BIN whose folder holds the identity.
    #[schema(value_type = Option<String>)]
    pub(super) identity: Option<Bin>,
    /// The certificate in use, SHA-256.
    pub(super) certificate_sha256: Option<String>,
    /// When it expires.
    pub(super) not_after: Option<String>,
    /// Whole days until then.
    pub(super) days_left: Option<i64>,
    /// The generation that serves.
    pub(super) generation: Option<u64>,
    /// `direct` or `wrapper`.
    pub(super) route: Option<&'static str>,
    /// Its trade points.
    #[schema(value_type = Vec<i64>)]
    pub(super) trade_points: Vec<TradePointId>,
}

/// Payments that the journal knows, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KnownPayments {
    /// One page of them.
    pub(super) payments: Vec<KnownPayment>,
    /// What to give as `cursor` for the next page; null on the last one.
    pub(super) next: Option<String>,
}

/// A payment that the journal knows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KnownPayment {
    /// Kaspi's number of the payment.
    pub(super) external_id: String,
    /// The organisation that made it.
    #[schema(value_type = String)]
    pub(super) organization_bin: Bin,
    /// Its trade point.
    #[schema(value_type = Option<i64>)]
    pub(super) trade_point_id: Option<TradePointId>,
    /// `invoice`, `qr`, `link`, or `other` where it came from elsewhere.
    pub(super) kind: &'static str,
    /// Tenge; null where it was imported without.
    #[schema(value_type = Option<f64>)]
    pub(super) amount: Option<Tenge>,
    /// Kaspi's last word; null before the first question.
    pub(super) status: Option<String>,
    /// What it means: `pending`, `paid`, `failed`, `unknown`.
    pub(super) state: Option<&'static str>,
    /// When Kaspi said so.
    pub(super) status_at: Option<String>,
    /// `made`, `adopted` or `imported`.
    pub(super) source: &'static str,
    /// Our name for the operation that made it.
    #[schema(value_type = Option<String>)]
    pub(super) operation_id: Option<OperationId>,
    /// When it was made, or became known here.
    pub(super) created_at: Option<String>,
    /// After it it cannot be paid any more, as far as Kaspi said.
    pub(super) expires_at: Option<String>,
    /// It was paid after it had been given up.
    pub(super) late: bool,
}

/// Why a call was not answered as asked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Failed {
    /// What happened; a list of complaints where the input is wrong.
    #[schema(value_type = DetailSchema)]
    pub(super) detail: serde_json::Value,
    /// The same for programs; not in the contract of the backend's three calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ErrorObject>,
}

/// The two forms of `detail`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "for the document")]
pub(super) enum DetailSchema {
    /// What happened.
    Text(String),
    /// What is wrong with the input.
    Complaints(Vec<ComplaintSchema>),
}

/// One thing that is wrong with the input.
#[derive(Serialize, ToSchema)]
pub(super) struct ComplaintSchema {
    /// Where: `body`, `query`, `path` or `header`, and the name or the byte.
    loc: Vec<PlaceSchema>,
    /// What.
    msg: String,
    /// A stable word.
    r#type: String,
}

/// A part of a place: a name, or the number of a byte.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "for the document")]
pub(super) enum PlaceSchema {
    /// A name.
    Name(String),
    /// The number of a byte.
    Byte(u64),
}

/// An error for programs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorObject {
    /// A stable word; `docs/errors.md` lists them.
    pub(super) kind: &'static str,
    /// What happened.
    pub(super) message: String,
    /// One thing to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    /// What is known about the request: `not_sent`, `refused` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delivery: Option<&'static str>,
    /// Kaspi's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<i64>,
    /// Our name for the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) operation_id: Option<OperationId>,
}

/// Every answer of the old wrapper's contract.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Wrapped<T: ToSchema> {
    /// Whether it went well.
    pub(super) status: bool,
    /// What was asked for.
    pub(super) data: T,
    /// The HTTP status once more.
    #[schema(example = 200)]
    pub(super) http_code: u16,
}

impl<T: ToSchema> Wrapped<T> {
    pub(super) fn good(data: T) -> Self {
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
pub(super) struct WrappedStanding {
    /// Kaspi's number of the payment.
    #[schema(value_type = i64, example = 12_800_000_774_i64)]
    pub(super) external_id: PaymentId,
    /// Kaspi's word.
    #[schema(example = "Wait")]
    pub(super) status: String,
}

/// A refund in the old wrapper's contract.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrappedRefund {
    /// Kaspi's number of the payment.
    #[schema(value_type = i64)]
    pub(super) external_id: PaymentId,
    /// Kaspi's number of the refund.
    #[schema(value_type = Option<i64>)]
    pub(super) return_operation_id: Option<ReturnOperationId>,
    /// Tenge, as asked for.
    #[schema(value_type = f64)]
    pub(super) refunded_amount: Tenge,
}

/// A link in the old wrapper's contract.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrappedLink {
    /// Opens the Kaspi app.
    pub(super) payment_link: String,
    /// Kaspi's number of the payment.
    #[schema(value_type = i64)]
    pub(super) payment_id: PaymentId,
    /// After it the link is dead.
    pub(super) expire_date: Option<String>,
}

/// A refusal in the old wrapper's contract, where a repetition would change nothing: HTTP 200.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WrappedFailure {
    /// Always false.
    pub(super) status: bool,
    /// What went wrong, by code.
    pub(super) data: WrappedErrors,
    /// The same text once more.
    pub(super) error: String,
    /// The HTTP status once more.
    #[schema(example = 200)]
    pub(super) http_code: u16,
}

/// What the old wrapper's contract says with HTTP 200.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "for the document")]
pub(super) enum WrappedAnswer<T: ToSchema> {
    /// It went well: `status` is true.
    Good(Wrapped<T>),
    /// It did not, and a repetition would change nothing: `status` is false.
    Refused(WrappedFailure),
}

/// What went wrong, by code: Kaspi's number or a word of ours.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WrappedErrors {
    /// One entry.
    pub(super) errors: std::collections::BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenge_are_written_as_python_writes_floats() {
        for (text, written) in [
            ("500", "500.0"),
            ("500.5", "500.5"),
            ("500.05", "500.05"),
            ("0.01", "0.01"),
            ("9999999999999.99", "9999999999999.99"),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!(serde_json::to_string(&Tenge::from(amount)).unwrap(), written);
        }
    }
}
