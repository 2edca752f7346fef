//! The steps of an operation, for whoever wants to see what a crash between two of them leaves behind.

use std::fmt;

use crate::base::OperationId;

/// A moment in the course of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Nothing has been written down yet.
    BeforeRow,
    /// It stands in the journal.
    AfterRow,
    /// It is marked as sent, and the request leaves next.
    BeforeSend,
    /// The request is on its way: told at its first byte's turn, not at Kaspi's receipt of it.
    AfterSend,
    /// The answer, or the failure, is there, and stands nowhere yet.
    AfterAnswer,
    /// The outcome stands in the journal.
    AfterOutcome,
}

/// Is told each step before the next one begins; may block, or end the process.
pub trait Steps: fmt::Debug + Send + Sync {
    /// The operation has come so far.
    fn at(&self, step: Step, operation: OperationId);
}
