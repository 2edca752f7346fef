//! Why a call did not end as asked, and what is known about it.

use std::fmt::Write as _;
use std::time::Duration;

use super::Effect;
use super::answer::AnswerFault;
use super::codes::{self, CodeMeaning};
use crate::base::{Bin, Delivery, Explain, Fault};
use crate::transport::{self, Failure, RefusedBy};

/// Why a call did not end as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Kaspi answered with a `StatusCode` other than 0.
    #[error("Kaspi answered `{call}` with code {code}{}", told(*code, message.as_deref()))]
    Refused {
        /// The documented name of the call.
        call: &'static str,
        /// What the call does.
        effect: Effect,
        /// Kaspi's code.
        code: i64,
        /// Kaspi's text, if it sent any.
        message: Option<String>,
    },
    /// An answer came, and it is not one of Kaspi's.
    #[error("`{call}` was answered with HTTP {http_status} and {fault}")]
    Answer {
        /// The documented name of the call.
        call: &'static str,
        /// What the call does.
        effect: Effect,
        /// Status of the HTTP answer.
        http_status: u16,
        /// What is wrong with it.
        fault: AnswerFault,
    },
    /// No whole answer came, or none could be asked for.
    #[error("{source}")]
    Transport {
        /// The documented name of the call.
        call: &'static str,
        /// What the call does.
        effect: Effect,
        /// What happened.
        source: transport::Error,
    },
    /// The call needs a device token and the merchant has none.
    #[error("`{call}` needs a device token, and BIN `{bin}` has none")]
    NoDeviceToken {
        /// The documented name of the call.
        call: &'static str,
        /// The BIN without one.
        bin: Bin,
    },
    /// The merchant has no trade point of this number.
    #[error("BIN `{bin}` has no trade point `{trade_point}` in its merchant.toml")]
    NoTradePoint {
        /// The BIN.
        bin: Bin,
        /// The trade point asked for.
        trade_point: crate::base::TradePointId,
    },
    /// The bank's test emulator, asked for where payments are real.
    #[error("`test/payment` is the bank's test emulator, and `{host}` is not a test server")]
    NotATestHost {
        /// The BIN.
        bin: Bin,
        /// The server that the configuration names.
        host: String,
    },
    /// More questions than the bank allows.
    #[error(
        "`{call}` was asked {limit} times in a minute for BIN `{bin}`, which is all that the bank allows"
    )]
    TooOften {
        /// The documented name of the call.
        call: &'static str,
        /// The BIN.
        bin: Bin,
        /// How many calls a minute the bank allows for each device.
        limit: usize,
        /// How long to wait for the next one.
        wait: Duration,
    },
    /// The request cannot be written as JSON or as a header.
    #[error("the request `{call}` cannot be written: {source}")]
    Unwritable {
        /// The documented name of the call.
        call: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

/// What a failed call says about the identity it was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AboutIdentity {
    /// The server or Kaspi does not take the certificate.
    Refused,
    /// Kaspi takes the certificate, and says no to the BIN.
    SaidNo,
    /// Nothing.
    Nothing,
}

/// What a code means, or else what Kaspi said with it.
fn told(code: i64, message: Option<&str>) -> String {
    let mut text = String::new();
    match codes::meaning(code) {
        Some(meaning) => {
            let _ = write!(text, ": {}", meaning.english);
        }
        None => text.push_str(", which no document explains"),
    }
    if let Some(message) = message {
        let _ = write!(
            text,
            " («{}»)",
            message.escape_debug().take(200).collect::<String>()
        );
    }
    text
}

impl Error {
    /// What is known about what the call should have changed.
    ///
    /// For a read this is what is known about the request; it matters to nobody's money.
    #[must_use]
    pub fn outcome(&self) -> Delivery {
        match self {
            Self::Refused { code, .. } => match codes::meaning(*code) {
                Some(CodeMeaning { certain: true, .. }) => Delivery::Refused,
                _ => Delivery::Unknown,
            },
            Self::Answer { .. } => Delivery::Unknown,
            Self::Transport { source, .. } => source.delivery(),
            Self::NoDeviceToken { .. }
            | Self::NoTradePoint { .. }
            | Self::NotATestHost { .. }
            | Self::TooOften { .. }
            | Self::Unwritable { .. } => Delivery::NotSent,
        }
    }

    /// Whether the same call may succeed a moment later without anybody doing something.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { code, .. } => codes::meaning(*code).is_some_and(|meaning| meaning.read_may_pass),
            Self::Answer {
                fault, http_status, ..
            } => {
                matches!(
                    fault,
                    AnswerFault::Empty | AnswerFault::Html | AnswerFault::NotJson
                ) && !(300..500).contains(http_status)
            }
            Self::Transport { source, .. } => source.may_pass(),
            Self::NoDeviceToken { .. }
            | Self::NoTradePoint { .. }
            | Self::NotATestHost { .. }
            | Self::TooOften { .. }
            | Self::Unwritable { .. } => false,
        }
    }

    /// What a harmless call that failed says about the identity it was made with.
    ///
    /// -10000 is Kaspi's word for a client without a certificate that it knows (official document,
    /// section 3). Its other codes come from behind the check of the certificate, but for "try again
    /// later"; that, and everything else between here and Kaspi, says nothing.
    pub(crate) fn about_identity(&self) -> AboutIdentity {
        const NO_CLIENT_CERTIFICATE: i64 = -10_000;
        let ended_by_them = self
            .transport()
            .is_some_and(|error| error.failure() == Failure::Tls(RefusedBy::Them));
        let code = self.code();
        if ended_by_them || code == Some(NO_CLIENT_CERTIFICATE) || self.kind() == "certificate_refused" {
            AboutIdentity::Refused
        } else if code.is_some() && !self.may_pass() {
            AboutIdentity::SaidNo
        } else {
            AboutIdentity::Nothing
        }
    }

    /// Kaspi's text that came with its code. In Russian, for people only.
    #[must_use]
    pub fn kaspi_message(&self) -> Option<&str> {
        match self {
            Self::Refused { message, .. } => message.as_deref(),
            _ => None,
        }
    }

    /// What went wrong between here and Kaspi, where something did.
    #[must_use]
    pub fn transport(&self) -> Option<&transport::Error> {
        match self {
            Self::Transport { source, .. } => Some(source),
            _ => None,
        }
    }

    fn effect(&self) -> Option<Effect> {
        match self {
            Self::Refused { effect, .. } | Self::Answer { effect, .. } | Self::Transport { effect, .. } => {
                Some(*effect)
            }
            Self::NoDeviceToken { .. }
            | Self::NoTradePoint { .. }
            | Self::NotATestHost { .. }
            | Self::TooOften { .. }
            | Self::Unwritable { .. } => None,
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        match self {
            Self::Refused { code, .. } => {
                codes::meaning(*code).map_or("unknown_code", |meaning| meaning.kind)
            }
            Self::Answer { fault, .. } => match fault {
                AnswerFault::Empty => "empty_answer",
                AnswerFault::Html => "html_answer",
                AnswerFault::CertificatePage => "certificate_refused",
                AnswerFault::NotJson => "broken_answer",
                AnswerFault::NotAnEnvelope | AnswerFault::Contradiction => "foreign_answer",
                AnswerFault::Field(_) => "incomplete_answer",
            },
            Self::Transport { source, .. } => source.kind(),
            Self::NoDeviceToken { .. } => "no_device_token",
            Self::NoTradePoint { .. } => "no_trade_point",
            Self::NotATestHost { .. } => "not_a_test_host",
            Self::TooOften { .. } => "too_often",
            Self::Unwritable { .. } => "unwritable_request",
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Refused { code, .. } => codes::meaning(*code).map_or(Fault::Kaspi, |meaning| meaning.fault),
            Self::Answer {
                fault, http_status, ..
            } => match fault {
                AnswerFault::Html | AnswerFault::Empty if (300..500).contains(http_status) => Fault::Operator,
                AnswerFault::CertificatePage => Fault::Operator,
                _ => Fault::Kaspi,
            },
            Self::Transport { source, .. } => source.fault(),
            Self::NoDeviceToken { .. } => Fault::Operator,
            Self::NoTradePoint { .. } | Self::NotATestHost { .. } | Self::TooOften { .. } => Fault::Caller,
            Self::Unwritable { .. } => Fault::Us,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { code, .. } => codes::meaning(*code)?.hint.map(str::to_owned),
            Self::Answer { fault, http_status, .. } => match fault {
                AnswerFault::Html | AnswerFault::Empty if (300..500).contains(http_status) => {
                    Some("check the path in `base_url`: Kaspi's application did not answer there".to_owned())
                }
                AnswerFault::CertificatePage => Some(transport::IDENTITY_REFUSED_HINT.to_owned()),
                _ => None,
            },
            Self::Transport { source, .. } => source.hint(),
            Self::NoDeviceToken { .. } => Some(
                "register a device with `kaspi device register` and put its token into merchant.toml as `device_token`"
                    .to_owned(),
            ),
            Self::NoTradePoint { .. } => Some("`kaspi merchants show` lists those that are configured".to_owned()),
            Self::NotATestHost { .. } => Some("real payments are made by customers; try this against `kaspi sandbox run`".to_owned()),
            Self::TooOften { wait, .. } => Some(format!("ask again in {} s", wait.as_secs() + 1)),
            Self::Unwritable { .. } => None,
        }
    }

    /// For calls that change nothing there is nothing to know, so a read has none.
    fn delivery(&self) -> Option<Delivery> {
        match self.effect() {
            Some(Effect::Reads) => None,
            _ => Some(self.outcome()),
        }
    }

    fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}
