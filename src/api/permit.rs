//! Leave to send one money-moving operation.

use crate::base::OperationId;

/// Leave to send one operation that moves money. Used up by the call.
///
/// Inside this crate only `payments` makes one, after the operation stands in its books.
#[derive(Debug)]
pub struct MoneyPermit {
    operation: OperationId,
}

impl MoneyPermit {
    /// For a program that records its operations itself, before they are sent, and never sends one
    /// twice whose outcome is unknown. Nothing else stands between a lost answer and a second invoice.
    #[must_use]
    pub fn caller_keeps_the_books(operation: OperationId) -> Self {
        Self { operation }
    }

    /// For `payments` alone.
    #[cfg(feature = "journal")]
    pub(crate) fn recorded(operation: OperationId) -> Self {
        Self { operation }
    }

    /// The operation it is for.
    #[must_use]
    pub fn operation(&self) -> OperationId {
        self.operation
    }
}
