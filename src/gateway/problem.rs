//! Why a call is not answered as asked, and the one map from reasons to HTTP.

use std::time::Duration;

use http::StatusCode;

use super::input::Complaint;
use crate::base::{Bin, Delivery, Explain, Fault, OperationId, PaymentId};
use crate::payments;

/// Why a call is not answered as asked, whatever the contract.
#[derive(Debug)]
pub(super) enum Problem {
    /// The request cannot be understood.
    Input(Vec<Complaint>),
    /// No token, or one that nobody has.
    Unauthorized(&'static str),
    /// The token, or the way the call came, does not allow it.
    Forbidden(String),
    /// The caller may not act for this BIN, or nobody may.
    ForeignBin(Bin),
    /// No such payment, as far as this caller may know.
    NoSuchPayment(PaymentId),
    /// The payment was made by another BIN than the one that was named.
    BadBin { payment: PaymentId, named: Bin },
    /// The device token is none of the merchant's.
    ForeignDevice(Bin),
    /// More calls than the limits allow; nothing was sent.
    TooMany { limit: String, wait: Duration },
    /// Too many calls at one time; nothing was sent.
    Busy(String),
    /// The body is longer than any call needs.
    TooLarge { limit: usize },
    /// The body did not arrive.
    TooSlow,
    /// What `payments` says.
    Payment(payments::Error),
    /// The task of the call ended without a result.
    Lost,
}

impl From<payments::Error> for Problem {
    fn from(error: payments::Error) -> Self {
        Self::Payment(error)
    }
}

/// What a caller is told beside the text: for programs.
#[derive(Debug)]
pub(super) struct Told {
    /// HTTP status in the contracts that have one for each reason.
    pub(super) status: StatusCode,
    /// A stable word.
    pub(super) kind: &'static str,
    /// What happened.
    pub(super) text: String,
    /// When to come back, where that helps.
    pub(super) retry_after: Option<Duration>,
}

impl Problem {
    /// Our name for the operation that failed, where there is one.
    pub(super) fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Payment(error) => error.operation(),
            _ => None,
        }
    }

    /// Whether it is the outcome of an earlier request with the same key, told again.
    pub(super) fn is_replay(&self) -> bool {
        matches!(self, Self::Payment(error) if error.is_replay())
    }

    /// What is known about the request to Kaspi.
    pub(super) fn delivery(&self) -> Option<Delivery> {
        match self {
            Self::Payment(error) => error.delivery(),
            Self::Lost => Some(Delivery::Unknown),
            _ => Some(Delivery::NotSent),
        }
    }

    /// Whether the operation that it names has no end yet: then its caller has still to hear of it.
    pub(super) fn leaves_open(&self) -> bool {
        let open = ["in_flight", "refund_unsettled"];
        self.delivery() == Some(Delivery::Unknown) || open.contains(&self.kind())
    }

    /// Kaspi's own code.
    pub(super) fn code(&self) -> Option<i64> {
        match self {
            Self::Payment(error) => error.code(),
            _ => None,
        }
    }

    /// One thing to do next.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Payment(error) => error.hint(),
            _ => None,
        }
    }

    /// Whether the same call may go well a moment later, and repeating it is harmless.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::TooMany { .. } | Self::Busy(_) => true,
            Self::Payment(error) => {
                error.delivery() != Some(Delivery::Unknown)
                    && error.code().is_none_or(|_| error.kind() == "kaspi_unavailable")
                    && matches!(error.fault(), Fault::Network | Fault::Kaspi | Fault::Us)
                    || error.kind() == "journal_unavailable"
            }
            _ => false,
        }
    }

    /// A stable word.
    fn kind(&self) -> &'static str {
        match self {
            Self::Input(_) => "bad_input",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::ForeignBin(_) => "foreign_bin",
            Self::NoSuchPayment(_) => "no_such_payment",
            Self::BadBin { .. } => "bad_bin",
            Self::ForeignDevice(_) => "foreign_device",
            Self::TooMany { .. } => "rate_limited",
            Self::Busy(_) => "busy",
            Self::TooLarge { .. } => "too_large",
            Self::TooSlow => "too_slow",
            Self::Payment(error) => error.kind(),
            Self::Lost => "lost",
        }
    }

    /// What is told.
    pub(super) fn told(&self) -> Told {
        let plain = |status, text: String| Told {
            status,
            kind: self.kind(),
            text,
            retry_after: None,
        };
        match self {
            Self::Input(complaints) => {
                let texts: Vec<String> = complaints.iter().map(ToString::to_string).collect();
                plain(StatusCode::UNPROCESSABLE_ENTITY, texts.join("; "))
            }
            Self::Unauthorized(text) => plain(StatusCode::UNAUTHORIZED, (*text).to_owned()),
            Self::Forbidden(text) => plain(StatusCode::FORBIDDEN, text.clone()),
            Self::ForeignBin(bin) => plain(
                StatusCode::FORBIDDEN,
                format!("this token may not act for BIN `{bin}`"),
            ),
            Self::NoSuchPayment(payment) => {
                plain(StatusCode::NOT_FOUND, format!("there is no payment `{payment}`"))
            }
            Self::BadBin { payment, named } => plain(
                StatusCode::CONFLICT,
                format!("Bad BIN: payment `{payment}` was not made by BIN `{named}`"),
            ),
            Self::ForeignDevice(bin) => plain(
                StatusCode::BAD_REQUEST,
                format!("the device token is none of BIN `{bin}`"),
            ),
            Self::TooMany { limit, wait } => Told {
                status: StatusCode::TOO_MANY_REQUESTS,
                kind: self.kind(),
                text: format!("{limit}: nothing was sent, ask again in a moment"),
                retry_after: Some(*wait),
            },
            Self::Busy(what) => Told {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: self.kind(),
                text: format!("{what}: nothing was sent, ask again in a moment"),
                retry_after: Some(Duration::from_secs(1)),
            },
            Self::TooLarge { limit } => plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a request body has at most {limit} bytes"),
            ),
            Self::TooSlow => plain(
                StatusCode::REQUEST_TIMEOUT,
                "the request body did not arrive in time".to_owned(),
            ),
            Self::Payment(error) => of_payment(error, self.may_pass()),
            Self::Lost => plain(
                StatusCode::GATEWAY_TIMEOUT,
                "the operation ended without a result, and may have happened".to_owned(),
            ),
        }
    }
}

fn of_payment(error: &payments::Error, may_pass: bool) -> Told {
    let kind = error.kind();
    let mut text = crate::base::chain_text(error);
    // callers look for these words (`docs/migration.md`)
    if matches!(kind, "refund_exceeds_rest" | "insufficient_funds") && !text.contains("Insufficient funds") {
        text = format!("Insufficient funds: {text}");
    }
    let status = status_of(error, kind);
    let retry_after = (may_pass && status == StatusCode::SERVICE_UNAVAILABLE || kind == "in_flight")
        .then_some(Duration::from_secs(1))
        .or(error.retry_after());
    Told {
        status,
        kind,
        text,
        retry_after,
    }
}

/// Design: 404 unknown id, 409 `Bad BIN` or key conflict, 400 refused by Kaspi or by our rules, 503 not
/// sent, 504 unknown.
fn status_of(error: &payments::Error, kind: &str) -> StatusCode {
    match kind {
        "bad_bin" | "key_conflict" | "in_flight" => return StatusCode::CONFLICT,
        "payment_unknown" | "payment_not_found" | "no_such_operation" => {
            return StatusCode::NOT_FOUND;
        }
        "insufficient_funds" | "not_paid" | "refund_unsettled" | "refund_echo" => {
            return StatusCode::BAD_REQUEST;
        }
        "bad_idempotency_key"
        | "message_too_long"
        | "unknown_bin"
        | "mistyped_bin"
        | "no_bin"
        | "no_trade_point" => return StatusCode::UNPROCESSABLE_ENTITY,
        "too_often" => return StatusCode::TOO_MANY_REQUESTS,
        _ => {}
    }
    match error.delivery() {
        Some(Delivery::Unknown) => StatusCode::GATEWAY_TIMEOUT,
        Some(Delivery::Refused) => StatusCode::BAD_REQUEST,
        Some(Delivery::NotSent) => StatusCode::SERVICE_UNAVAILABLE,
        // a read: nothing was to change
        None if error.code().is_some() && kind != "kaspi_unavailable" => StatusCode::BAD_REQUEST,
        None => StatusCode::SERVICE_UNAVAILABLE,
    }
}
