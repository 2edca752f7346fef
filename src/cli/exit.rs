//! Exit codes: what a script learns without reading a word.

use crate::base::{Delivery, Explain, Fault};

/// How a command ended, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// A check or operation said no.
    SaidNo = 1,
    /// Wrong use.
    Usage = 2,
    /// Configuration or identity unusable.
    Configuration = 3,
    /// Network or TLS.
    Network = 4,
    /// Kaspi refused.
    Refused = 5,
    /// What was asked for may have happened, or not.
    Unknown = 6,
}

impl Exit {
    /// Money first: an open outcome is told whatever caused it.
    pub(super) fn of(error: &(impl Explain + ?Sized)) -> Self {
        if error.delivery() == Some(Delivery::Unknown) {
            return Self::Unknown;
        }
        // the old identity goes on serving: a check said no, with whatever code Kaspi gave
        if error.kind() == "canary_refused" {
            return Self::SaidNo;
        }
        if error.code().is_some() {
            return Self::Refused;
        }
        match (error.kind(), error.fault()) {
            // the right question for a BIN that the configuration does not serve
            ("unknown_bin" | "mistyped_bin" | "no_trade_point", _) => Self::Configuration,
            // rules of ours, or what the journal knows, said no
            (
                "bad_bin" | "payment_unknown" | "insufficient_funds" | "not_paid" | "refund_unsettled"
                | "refund_echo" | "refund_busy" | "key_conflict" | "in_flight" | "not_made" | "overtaken"
                | "not_unknown" | "no_such_operation",
                _,
            ) => Self::SaidNo,
            (
                "borrowed_identity"
                | "gateway_no_answer"
                | "install_in_progress"
                | "not_published"
                | "nothing_to_roll_back",
                _,
            ) => Self::SaidNo,
            // TLS failed, whoever has to act on it
            (
                "certificate_refused"
                | "certificate_not_asked"
                | "server_not_trusted"
                | "html_answer"
                | "empty_answer",
                _,
            ) => Self::Network,
            (_, Fault::Caller) => Self::Usage,
            (_, Fault::Operator) => Self::Configuration,
            (_, Fault::Network | Fault::Kaspi) => Self::Network,
            (_, Fault::Us) => Self::SaidNo,
        }
    }
}
