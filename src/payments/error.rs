//! Why an operation did not end as asked.

use crate::api;
use crate::base::{Bin, Delivery, Explain, Fault, OperationId};

/// Why an operation did not end as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call to Kaspi failed, or could not be made.
    #[error("{source}")]
    Kaspi {
        /// Our name for the operation; none for a read.
        operation: Option<OperationId>,
        /// What happened.
        source: api::Error,
    },
    /// The BIN's operations belong to the old wrapper.
    #[error(
        "BIN `{bin}` is routed through the old wrapper (`route = \"wrapper\"`), and this version speaks to Kaspi only"
    )]
    NotDirect {
        /// Our name for the operation.
        operation: OperationId,
        /// The BIN.
        bin: Bin,
    },
    /// The message is no line that a customer could read.
    #[error("a message has at most {limit} characters, this one has {characters}")]
    MessageTooLong {
        /// Our name for the operation.
        operation: OperationId,
        /// How many characters it has.
        characters: usize,
        /// How many it may have.
        limit: usize,
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

    /// Our name for the operation that failed; none for a read.
    #[must_use]
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Kaspi { operation, .. } => *operation,
            Self::NotDirect { operation, .. }
            | Self::MessageTooLong { operation, .. }
            | Self::Lost { operation, .. } => Some(*operation),
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        match self {
            Self::Kaspi { source, .. } => source.kind(),
            Self::NotDirect { .. } => "not_direct",
            Self::MessageTooLong { .. } => "message_too_long",
            Self::Lost { .. } => "lost",
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Kaspi { source, .. } => source.fault(),
            Self::NotDirect { .. } => Fault::Operator,
            Self::MessageTooLong { .. } => Fault::Caller,
            Self::Lost { .. } => Fault::Us,
        }
    }

    fn hint(&self) -> Option<String> {
        match (self, self.operation(), self.delivery()) {
            (
                Self::Kaspi {
                    operation: Some(operation),
                    ..
                },
                _,
                Some(Delivery::Unknown),
            ) => Some(format!(
                "do not send it again before a person has looked: search the Kaspi Pay app for `#{}`, and for a refund compare `kaspi payment details` with what was left before",
                operation.short()
            )),
            (Self::Kaspi { source, .. }, ..) => source.hint(),
            (Self::NotDirect { .. }, ..) => Some(
                "set `route = \"direct\"` in its merchant.toml once its payments are to come from here"
                    .to_owned(),
            ),
            (Self::MessageTooLong { .. }, ..) => Some("shorten it".to_owned()),
            (Self::Lost { .. }, ..) => Some(
                "this is a fault of this program: please report it, and treat the operation as unknown"
                    .to_owned(),
            ),
        }
    }

    fn delivery(&self) -> Option<Delivery> {
        match self {
            Self::Kaspi { source, .. } => source.delivery(),
            Self::NotDirect { .. } | Self::MessageTooLong { .. } => Some(Delivery::NotSent),
            Self::Lost { .. } => Some(Delivery::Unknown),
        }
    }

    fn code(&self) -> Option<i64> {
        match self {
            Self::Kaspi { source, .. } => source.code(),
            _ => None,
        }
    }
}
