//! What callers are answered where it did not go well.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::OperationId;

/// Why a call was not answered as asked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Failed {
    /// What happened; a list of complaints where the input is wrong.
    #[schema(value_type = DetailSchema)]
    pub(in crate::gateway) detail: serde_json::Value,
    /// The same for programs; not in the contract of the backend's three calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gateway) error: Option<ErrorObject>,
}

/// The two forms of `detail`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "for the document")]
pub(in crate::gateway) enum DetailSchema {
    /// What happened.
    Text(String),
    /// What is wrong with the input.
    Complaints(Vec<ComplaintSchema>),
}

/// One thing that is wrong with the input.
#[derive(Serialize, ToSchema)]
pub(in crate::gateway) struct ComplaintSchema {
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
pub(in crate::gateway) enum PlaceSchema {
    /// A name.
    Name(String),
    /// The number of a byte.
    Byte(u64),
}

/// An error for programs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct ErrorObject {
    /// A stable word; `docs/errors.md` lists them.
    pub(in crate::gateway) kind: &'static str,
    /// What happened.
    pub(in crate::gateway) message: String,
    /// One thing to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gateway) hint: Option<String>,
    /// What is known about the request: `not_sent`, `refused` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gateway) delivery: Option<&'static str>,
    /// Kaspi's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gateway) code: Option<i64>,
    /// Our name for the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(in crate::gateway) operation_id: Option<OperationId>,
}
