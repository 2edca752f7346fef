//! Why an operation did not end as asked.

use std::time::Duration;

use super::{CarrierError, Failure, JournalError, KeyError, OperationKind};
use crate::api;
use crate::base::{
    Amount, Balance, Bin, Delivery, Explain, Fault, OperationId, PaymentId, ReturnOperationId,
};

/// Why an operation did not end as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call to Kaspi failed, or could not be made.
    #[error("{source}")]
    Kaspi {
        /// Our name for the operation, and what it does; none for a read.
        operation: Option<(OperationId, OperationKind)>,
        /// What happened.
        source: api::Error,
    },
    /// The call to the old wrapper failed, or could not be made.
    #[error("{source}")]
    Carried {
        /// Our name for the operation, and what it does; none for a read.
        operation: Option<(OperationId, OperationKind)>,
        /// What happened.
        source: CarrierError,
    },
    /// The BIN's operations belong to the old wrapper, which has no such call.
    #[error("BIN `{bin}` is routed through the old wrapper (`route = \"wrapper\"`), which has no such call")]
    NotDirect {
        /// The BIN.
        bin: Bin,
    },
    /// The message is no line that a customer could read.
    #[error("a message has at most {limit} characters, this one has {characters}")]
    MessageTooLong {
        /// How many characters it has.
        characters: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The key, or the caller's name, is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key stands for another request already.
    #[error(
        "the idempotency key `{key}` stands for another request already: operation `{first}`, {was}; now asked: {asked}"
    )]
    KeyConflict {
        /// The key.
        key: String,
        /// The operation that has it.
        first: OperationId,
        /// What that one asked for.
        was: String,
        /// What is asked for now.
        asked: String,
    },
    /// The first request with this key is still under way.
    #[error("the operation `{operation}` with the same key has been under way for more than {} s", waited.as_secs())]
    InFlight {
        /// The operation under way.
        operation: OperationId,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The first request with this key has an unknown outcome.
    #[error("the operation `{operation}` with the same key has an unknown outcome since {since}: {reason}")]
    UnknownOutcome {
        /// The operation.
        operation: OperationId,
        /// What it does.
        kind: OperationKind,
        /// Since when, RFC 3339.
        since: String,
        /// What happened to it.
        reason: String,
    },
    /// Kaspi refused the first request with this key.
    #[error("{}", failure.message)]
    RefusedBefore {
        /// The operation that was refused.
        operation: OperationId,
        /// What Kaspi said then.
        failure: Failure,
    },
    /// The payment was made by another BIN.
    #[error("{}", bad_bin(*payment, *asked, *made_by))]
    BadBin {
        /// The payment.
        payment: PaymentId,
        /// The BIN that was named.
        asked: Bin,
        /// The BIN that made it, where it is known.
        made_by: Option<Bin>,
    },
    /// Nobody knows whose payment it is.
    #[error("{}", payment_unknown(*payment, *bin))]
    PaymentUnknown {
        /// The payment.
        payment: PaymentId,
        /// The BIN that Kaspi was asked over, where one was named.
        bin: Option<Bin>,
    },
    /// More is to be paid back than is left.
    #[error("Insufficient funds: {asked} tenge asked, {left} tenge left to pay back of payment {payment}")]
    InsufficientFunds {
        /// The payment.
        payment: PaymentId,
        /// How much was to be paid back.
        asked: Amount,
        /// How much is left.
        left: Balance,
    },
    /// What was never paid cannot be paid back.
    #[error("payment {payment} is `{status}`, and only one that is `Processed` can be paid back")]
    NotPaid {
        /// The payment.
        payment: PaymentId,
        /// Kaspi's word.
        status: String,
    },
    /// An earlier refund of the payment has an unknown outcome.
    #[error(
        "the refund `{earlier}` of {amount} tenge of payment {payment} has an unknown outcome, and until it is settled nothing more is paid back"
    )]
    RefundUnsettled {
        /// The payment.
        payment: PaymentId,
        /// The earlier refund.
        earlier: OperationId,
        /// How much it was to pay back.
        amount: Amount,
    },
    /// The same refund was answered a moment ago.
    #[error(
        "the same refund of {amount} tenge of payment {payment} was made {} s ago: operation `{first}`{}", ago.as_secs(), return_number(*return_operation_id)
    )]
    RefundEcho {
        /// The payment.
        payment: PaymentId,
        /// How much.
        amount: Amount,
        /// The refund that was made.
        first: OperationId,
        /// Kaspi's number of it, where it is known.
        return_operation_id: Option<ReturnOperationId>,
        /// How long ago.
        ago: Duration,
    },
    /// Too many refunds of the payment wait for each other.
    #[error("another refund of payment {payment} has been under way for more than {} s", waited.as_secs())]
    RefundBusy {
        /// The payment.
        payment: PaymentId,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Before a refund is sent the payment is looked at, and that failed.
    #[error("{source}")]
    Unseen {
        /// Our name for the operation; none where it was not begun.
        operation: Option<OperationId>,
        /// What happened.
        source: api::Error,
    },
    /// It was found, after all, not to have happened; its key stays its own.
    #[error("the operation `{operation}` with the same key was settled as not made: {reason}")]
    NotMade {
        /// The operation.
        operation: OperationId,
        /// What had happened to it.
        reason: String,
    },
    /// Another process took this one for dead before anything was sent.
    #[error("the operation `{operation}` was settled by another process before it could be sent")]
    Overtaken {
        /// The operation.
        operation: OperationId,
    },
    /// The journal cannot be used.
    #[error("{source}")]
    Journal {
        /// Our name for the operation; none for a look into the books.
        operation: Option<OperationId>,
        /// What is wrong with it.
        source: JournalError,
    },
    /// The task of the operation ended without a result.
    #[error("the operation `{operation}` ended without a result: {source}")]
    Lost {
        /// Our name for the operation.
        operation: OperationId,
        /// Why.
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// A read that failed.
    pub(super) fn reading(source: api::Error) -> Self {
        Self::Kaspi {
            operation: None,
            source,
        }
    }

    /// A look into the books that failed.
    pub(super) fn books(source: JournalError) -> Self {
        Self::Journal {
            operation: None,
            source,
        }
    }

    /// Our name for the operation that failed; none for a read, and where none was begun.
    #[must_use]
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Kaspi { operation, .. } | Self::Carried { operation, .. } => operation.map(|(id, _)| id),
            Self::Journal { operation, .. } | Self::Unseen { operation, .. } => *operation,
            Self::InFlight { operation, .. }
            | Self::UnknownOutcome { operation, .. }
            | Self::RefusedBefore { operation, .. }
            | Self::NotMade { operation, .. }
            | Self::Overtaken { operation }
            | Self::Lost { operation, .. } => Some(*operation),
            Self::KeyConflict { first, .. } | Self::RefundEcho { first, .. } => Some(*first),
            Self::RefundUnsettled { earlier, .. } => Some(*earlier),
            Self::Key(_)
            | Self::BadBin { .. }
            | Self::PaymentUnknown { .. }
            | Self::InsufficientFunds { .. }
            | Self::NotPaid { .. }
            | Self::RefundBusy { .. }
            | Self::NotDirect { .. }
            | Self::MessageTooLong { .. } => None,
        }
    }

    /// How long to wait for the next call, where a limit of the bank's has been reached.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Kaspi {
                source: api::Error::TooOften { wait, .. },
                ..
            } => Some(*wait),
            _ => None,
        }
    }

    /// Whether this is what became of an earlier request with the same key, and nothing was sent now.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        matches!(
            self,
            Self::UnknownOutcome { .. } | Self::RefusedBefore { .. } | Self::NotMade { .. }
        )
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        match self {
            Self::Kaspi { source, .. } | Self::Unseen { source, .. } => source.kind(),
            Self::RefusedBefore { failure, .. } => {
                meant(failure).map_or("unknown_code", |meaning| meaning.kind)
            }
            Self::Journal { source, .. } => source.kind(),
            Self::Carried { source, .. } => source.kind(),
            Self::NotDirect { .. } => "not_direct",
            Self::MessageTooLong { .. } => "message_too_long",
            Self::Key(error) => error.kind(),
            Self::KeyConflict { .. } => "key_conflict",
            Self::InFlight { .. } => "in_flight",
            Self::UnknownOutcome { .. } => "unknown_outcome",
            Self::BadBin { .. } => "bad_bin",
            Self::PaymentUnknown { .. } => "payment_unknown",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::NotPaid { .. } => "not_paid",
            Self::RefundUnsettled { .. } => "refund_unsettled",
            Self::RefundEcho { .. } => "refund_echo",
            Self::RefundBusy { .. } => "refund_busy",
            Self::NotMade { .. } => "not_made",
            Self::Overtaken { .. } => "overtaken",
            Self::Lost { .. } => "lost",
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Kaspi { source, .. } | Self::Unseen { source, .. } => source.fault(),
            Self::RefusedBefore { failure, .. } => {
                meant(failure).map_or(Fault::Kaspi, |meaning| meaning.fault)
            }
            Self::Journal { source, .. } => source.fault(),
            Self::Carried { source, .. } => source.fault(),
            Self::NotDirect { .. } => Fault::Operator,
            Self::UnknownOutcome { .. } | Self::RefundUnsettled { .. } | Self::Overtaken { .. } => {
                Fault::Operator
            }
            Self::Key(_)
            | Self::MessageTooLong { .. }
            | Self::KeyConflict { .. }
            | Self::InFlight { .. }
            | Self::BadBin { .. }
            | Self::PaymentUnknown { .. }
            | Self::InsufficientFunds { .. }
            | Self::NotPaid { .. }
            | Self::RefundEcho { .. }
            | Self::RefundBusy { .. }
            | Self::NotMade { .. } => Fault::Caller,
            Self::Lost { .. } => Fault::Us,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Kaspi { operation: Some((operation, kind)), source } if source.delivery() == Some(Delivery::Unknown) => {
                Some(look(*operation, *kind))
            }
            Self::UnknownOutcome { operation, kind, .. } => Some(look(*operation, *kind)),
            Self::Kaspi { source, .. } | Self::Unseen { source, .. } => source.hint(),
            Self::RefusedBefore { failure, .. } => failure.hint.clone(),
            Self::Journal { source, .. } => source.hint(),
            Self::Key(error) => error.hint(),
            Self::Carried { operation: Some((operation, kind)), source } if source.delivery() == Some(Delivery::Unknown) => {
                Some(look(*operation, *kind))
            }
            Self::Carried { source, .. } => source.hint(),
            Self::NotDirect { .. } => Some(
                "set `route = \"direct\"` in its merchant.toml once its payments are to come from here".to_owned(),
            ),
            Self::MessageTooLong { .. } => Some("shorten it".to_owned()),
            Self::KeyConflict { .. } => Some("a new order takes a new key".to_owned()),
            Self::InFlight { operation, .. } => Some(format!(
                "ask again with the same key in a while; `kaspi journal show {operation}` tells how it stands"
            )),
            Self::BadBin { .. } => Some("name the BIN that made the payment, or none".to_owned()),
            Self::PaymentUnknown { bin: None, .. } => Some(
                "name the BIN that made it; `kaspi journal import` takes in payments that were made elsewhere".to_owned(),
            ),
            Self::PaymentUnknown { bin: Some(_), .. } => Some("compare the number with the one that Kaspi gave".to_owned()),
            Self::InsufficientFunds { .. } => Some(
                "`kaspi payment details` shows what is left: earlier refunds and a cashier's count too".to_owned(),
            ),
            Self::NotPaid { payment, .. } => Some(format!(
                "an invoice that waits is taken back with `kaspi payment cancel {payment}`"
            )),
            Self::RefundUnsettled { earlier, .. } => Some(format!(
                "`kaspi journal reconcile` asks Kaspi about it; what stays unknown a person settles with `kaspi journal resolve {earlier}`"
            )),
            Self::RefundEcho { .. } => Some(
                "where it is meant to be paid back twice, wait and ask again, or ask with a key of its own".to_owned(),
            ),
            Self::RefundBusy { .. } => Some("ask again in a moment".to_owned()),
            Self::NotMade { .. } => Some("a new attempt takes a new key".to_owned()),
            Self::Overtaken { operation } => Some(format!(
                "ask again; `kaspi journal show {operation}` tells who settled it"
            )),
            Self::Lost { .. } => Some(
                "this is a fault of this program: please report it, and treat the operation as unknown".to_owned(),
            ),
        }
    }

    fn delivery(&self) -> Option<Delivery> {
        match self {
            Self::Kaspi { source, .. } => source.delivery(),
            Self::Carried { source, .. } => source.delivery(),
            Self::RefusedBefore { .. } | Self::NotMade { .. } => Some(Delivery::Refused),
            Self::Unseen { .. } | Self::RefundBusy { .. } | Self::Overtaken { .. } => Some(Delivery::NotSent),
            Self::Journal { source, .. } => source.delivery(),
            Self::Key(_)
            | Self::NotDirect { .. }
            | Self::MessageTooLong { .. }
            | Self::KeyConflict { .. }
            | Self::BadBin { .. }
            | Self::PaymentUnknown { .. }
            | Self::InsufficientFunds { .. }
            | Self::NotPaid { .. }
            | Self::RefundUnsettled { .. }
            | Self::RefundEcho { .. } => Some(Delivery::NotSent),
            // it is the first request that may still become anything
            Self::InFlight { .. } => None,
            Self::UnknownOutcome { .. } | Self::Lost { .. } => Some(Delivery::Unknown),
        }
    }

    fn code(&self) -> Option<i64> {
        match self {
            Self::Kaspi { source, .. } | Self::Unseen { source, .. } => source.code(),
            Self::Carried { source, .. } => source.code(),
            Self::RefusedBefore { failure, .. } => failure.code,
            _ => None,
        }
    }
}

fn meant(failure: &Failure) -> Option<api::CodeMeaning> {
    failure.code.and_then(api::meaning)
}

/// What a person does about an operation whose outcome is unknown.
fn look(operation: OperationId, kind: OperationKind) -> String {
    let how = match kind {
        OperationKind::Create => {
            format!("search the Kaspi Pay app for `#{}`", operation.short())
        }
        OperationKind::Refund => "compare `kaspi payment details` with what was left before".to_owned(),
        OperationKind::Cancel => "`kaspi payment status` tells whether the invoice still waits".to_owned(),
        OperationKind::Qr | OperationKind::Link => {
            return "nobody was shown it, so it expires unpaid: another one does no harm".to_owned();
        }
    };
    format!(
        "do not send it again before a person has looked: {how}; then `kaspi journal resolve {operation}`"
    )
}

fn bad_bin(payment: PaymentId, asked: Bin, made_by: Option<Bin>) -> String {
    match made_by {
        Some(made_by) => format!("Bad BIN: payment {payment} was made by BIN `{made_by}`, not by `{asked}`"),
        None => format!("Bad BIN: payment {payment} was made by another BIN than `{asked}`"),
    }
}

fn payment_unknown(payment: PaymentId, bin: Option<Bin>) -> String {
    match bin {
        Some(bin) => {
            format!("neither the journal nor Kaspi, asked over BIN `{bin}`, knows payment {payment}")
        }
        None => format!("payment {payment} is not in the journal, so it is not known which BIN made it"),
    }
}

fn return_number(number: Option<ReturnOperationId>) -> String {
    number.map_or_else(String::new, |number| {
        format!(", Kaspi's return operation {number}")
    })
}
