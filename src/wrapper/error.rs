//! What the wrapper's failures mean. No message holds an address, a token or a phone.

use std::fmt;

use super::answer::Effect;
use crate::base::{Bin, Delivery, Explain, Fault};
use crate::outbound;
use crate::payments::kaspi_meaning;

/// Why a call to the wrapper did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be written.
    #[error("the old wrapper's `{operation}` cannot be asked: its address cannot be written")]
    NoAddress {
        /// Which call.
        operation: &'static str,
    },
    /// The wrapper makes no link without a device token.
    #[error("BIN `{bin}` has no device token here, and the old wrapper makes no link without one")]
    NoDeviceToken {
        /// The BIN.
        bin: Bin,
    },
    /// No whole answer came.
    #[error("the old wrapper's `{operation}` got no answer")]
    Outbound {
        /// Which call.
        operation: &'static str,
        /// Whether it changes anything.
        effect: Effect,
        /// Why not.
        source: outbound::Error,
    },
    /// The wrapper does not let us in.
    #[error("the old wrapper does not let `{operation}` in: HTTP {status}")]
    NoAccess {
        /// Which call.
        operation: &'static str,
        /// Whether it changes anything.
        effect: Effect,
        /// 401, 403 or 405.
        status: u16,
    },
    /// There is no such call, or no such payment, or it is not paid.
    #[error("the old wrapper's `{operation}` answered HTTP 404")]
    NotFound {
        /// Which call.
        operation: &'static str,
        /// Whether it changes anything.
        effect: Effect,
    },
    /// It said no.
    #[error("the old wrapper refused `{operation}`: {text}{}", shown(code.as_deref()))]
    Refused {
        /// Which call.
        operation: &'static str,
        /// Whether it changes anything.
        effect: Effect,
        /// Its reason.
        text: String,
        /// Its code, word for word.
        code: Option<String>,
        /// Its code, where it is a number.
        number: Option<i64>,
        /// Whether such a reason tells that nothing happened.
        certain: bool,
    },
    /// It answered something that is neither yes nor no.
    #[error("the old wrapper's `{operation}` answered HTTP {status} with {shape}")]
    Odd {
        /// Which call.
        operation: &'static str,
        /// Whether it changes anything.
        effect: Effect,
        /// What came.
        shape: Shape,
        /// The HTTP status.
        status: u16,
    },
    /// It said yes without what belongs to it.
    #[error("the old wrapper's `{operation}` answered without a usable `{field}`")]
    Lacks {
        /// Which call.
        operation: &'static str,
        /// Whether it changes anything.
        effect: Effect,
        /// What is missing.
        field: &'static str,
    },
}

/// What an answer was that is neither yes nor no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// Nothing.
    Empty,
    /// A page.
    Html,
    /// No JSON object.
    NoObject,
    /// An object that says neither.
    NoAnswer,
    /// A no beside the number of a payment, or a yes under an HTTP status that says no.
    Contradiction,
    /// Another address.
    Redirect,
    /// A failure of the server.
    ServerError,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty body",
            Self::Html => "a page of HTML",
            Self::NoObject => "no JSON object",
            Self::NoAnswer => "neither yes nor no",
            Self::Contradiction => "yes and no at once",
            Self::Redirect => "a redirect",
            Self::ServerError => "a failure of its own",
        })
    }
}

impl Error {
    /// Whether the body was empty: a refund of which the wrapper says nothing may be settled by what is
    /// left of the payment.
    #[must_use]
    pub fn is_empty_answer(&self) -> bool {
        matches!(
            self,
            Self::Odd {
                shape: Shape::Empty,
                ..
            }
        )
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        match self {
            Self::NoAddress { .. } => "wrapper_address",
            Self::NoDeviceToken { .. } => "no_device_token",
            Self::Outbound { source, .. } => source.kind(),
            Self::NoAccess { .. } => "wrapper_access",
            Self::NotFound { .. } => "wrapper_not_found",
            Self::Refused { number, .. } => number
                .and_then(kaspi_meaning)
                .map_or("wrapper_refused", |meaning| meaning.kind),
            Self::Odd {
                shape: Shape::Empty, ..
            } => "wrapper_empty",
            Self::Odd { .. } | Self::Lacks { .. } => "wrapper_answer",
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::NoAddress { .. } | Self::NoDeviceToken { .. } | Self::NoAccess { .. } => Fault::Operator,
            Self::Outbound { source, .. } => source.fault(),
            Self::Refused { number, .. } => number
                .and_then(kaspi_meaning)
                .map_or(Fault::Caller, |meaning| meaning.fault),
            Self::NotFound { .. } => Fault::Caller,
            Self::Odd { .. } | Self::Lacks { .. } => Fault::Operator,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoAccess { .. } => Some("compare the file of `token_file` in `[wrapper]` with the wrapper's token".to_owned()),
            Self::NotFound { operation: "refund", .. } => {
                Some("it answers so for a payment that is not paid or not its own; or `base_url` in `[wrapper]` is wrong".to_owned())
            }
            Self::NotFound { .. } => Some("compare `base_url` in `[wrapper]` with the wrapper's address".to_owned()),
            Self::Odd { shape: Shape::Redirect, .. } => {
                Some("redirects are not followed: write the address that it leads to into `base_url` in `[wrapper]`".to_owned())
            }
            Self::NoDeviceToken { bin } => Some(format!(
                "put `device_token_file` into the merchant.toml of `{bin}`"
            )),
            Self::Outbound { source, .. } => source.hint(),
            Self::Refused { number, .. } => number
                .and_then(kaspi_meaning)
                .and_then(|meaning| meaning.hint)
                .map(str::to_owned),
            _ => None,
        }
    }

    fn delivery(&self) -> Option<Delivery> {
        let writes = |effect: &Effect, delivery| (*effect == Effect::Writes).then_some(delivery);
        match self {
            Self::NoAddress { .. } | Self::NoDeviceToken { .. } => Some(Delivery::NotSent),
            Self::Outbound {
                effect: Effect::Reads,
                ..
            } => None,
            Self::Outbound { source, .. } => source.delivery(),
            Self::NoAccess { effect, .. }
            | Self::NotFound { effect, .. }
            | Self::Refused {
                effect,
                certain: true,
                ..
            } => writes(effect, Delivery::Refused),
            Self::Refused { effect, .. } | Self::Odd { effect, .. } | Self::Lacks { effect, .. } => {
                writes(effect, Delivery::Unknown)
            }
        }
    }

    fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { number, .. } => number.filter(|number| kaspi_meaning(*number).is_some()),
            _ => None,
        }
    }
}

fn shown(code: Option<&str>) -> String {
    code.map(|code| format!(" (code: {code})")).unwrap_or_default()
}
