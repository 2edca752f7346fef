//! What callers of the backend contract send.

use serde::Deserialize;
use utoipa::ToSchema;

/// What `POST /api/v1/kaspi/create` takes.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "read field by field, so that every fault is told; this is for the document"
)]
#[serde(deny_unknown_fields)]
pub(in crate::gateway) struct CreateBody {
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
pub(in crate::gateway) struct RefundBody {
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
pub(in crate::gateway) struct CancelBody {
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
pub(in crate::gateway) struct PurchaseBody {
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
pub(in crate::gateway) struct ClientBody {
    /// The customer: `+7`, `7` or `8` and ten digits; a number is taken too.
    #[schema(example = "+77000000000")]
    phone: String,
    /// The organisation, 12 digits. Without it: the token's only one, else `default_bin`.
    #[schema(example = "891027350515", pattern = "^[0-9]{12}$", nullable)]
    organization_bin: Option<String>,
}
