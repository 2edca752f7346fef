//! An action in the trail: a line before it, and one with what came of it.

use crate::base::Bin;
use crate::payments::{Error, NewTrailLine, Payments};

/// One action of somebody.
#[derive(Debug)]
pub(super) struct Entry {
    books: Payments,
    line: NewTrailLine,
}

impl Entry {
    pub(super) fn new(
        books: &Payments,
        who: &str,
        (bin, action, subject): (Bin, &'static str, String),
    ) -> Self {
        Self {
            books: books.clone(),
            line: NewTrailLine {
                who: who.to_owned(),
                bin: Some(bin),
                action,
                subject,
                outcome: "begun".to_owned(),
            },
        }
    }

    /// Before anything is done.
    pub(super) async fn begun(&self) -> Result<(), Error> {
        self.books.trace(self.line.clone()).await
    }

    /// What came of it. It has happened, whether or not that can be written down.
    pub(super) async fn ended(&self, outcome: &str) {
        let line = NewTrailLine {
            outcome: outcome.to_owned(),
            ..self.line.clone()
        };
        if let Err(error) = self.books.trace(line).await {
            let action = self.line.action;
            tracing::warn!(%error, action, "what came of an action cannot be written into the trail");
        }
    }
}
