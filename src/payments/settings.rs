//! How patient payments are.

use std::sync::Arc;
use std::time::Duration;

use super::{Patience, Steps};

/// How patient payments are. The default suits callers who give up after 30 s.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PaymentsSettings {
    /// How long a request waits for the one with the same key that is under way, and a refund for its turn.
    pub wait: Duration,
    /// When a refund whose answer was lost counts as not made.
    pub patience: Patience,
    /// How often the keeper looks for something to do.
    pub round: Duration,
    /// Whether the keeper asks for phone invoices: in growing gaps from 15 s to 3 min, at most 30 a minute
    /// for each BIN, for the 24 h that an invoice lives. The bank forbids to poll them on a timer (official
    /// document 4.6), so it does not by itself. `gateway.poll_invoices` switches it on.
    pub ask_for_invoices: bool,
    /// Is told the steps of each operation.
    #[doc(hidden)]
    pub steps: Option<Arc<dyn Steps>>,
}

impl Default for PaymentsSettings {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(25),
            patience: Patience::default(),
            round: Duration::from_secs(1),
            ask_for_invoices: false,
            steps: None,
        }
    }
}
