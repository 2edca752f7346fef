//! A call that got no whole answer. It names the host and nothing of the path: tokens stand there.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::connect::Target;
use crate::base::{Delivery, Explain, Fault};

type Source = Box<dyn StdError + Send + Sync>;

/// Why a call got no whole answer.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    failure: Failure,
    delivery: Delivery,
    message: String,
    #[source]
    source: Option<Source>,
}

/// What went wrong, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The address cannot be used at all.
    BadAddress,
    /// The host name could not be looked up.
    Resolve,
    /// The name leads to an address that may not be connected to.
    RefusedAddress,
    /// No TCP connection.
    Connect,
    /// The TLS handshake failed: most often a certificate that leads to no root that is believed.
    Tls,
    /// A time limit ran out.
    TimedOut,
    /// The connection ended before the answer did, or what came is not HTTP.
    Closed,
    /// The answer is longer than is read.
    TooLarge,
}

impl Error {
    /// What went wrong, roughly.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// Whether the request can have arrived.
    #[must_use]
    pub fn delivered(&self) -> Delivery {
        self.delivery
    }

    fn new(failure: Failure, delivery: Delivery, message: String, source: Option<Source>) -> Self {
        Self {
            failure,
            delivery,
            message,
            source,
        }
    }

    pub(super) fn bad_address(problem: &str) -> Self {
        let message = format!("the address cannot be called: {problem}");
        Self::new(Failure::BadAddress, Delivery::NotSent, message, None)
    }

    pub(super) fn tls_setup(error: rustls::Error) -> Self {
        let message = "TLS without a client certificate cannot be set up".to_owned();
        Self::new(Failure::Tls, Delivery::NotSent, message, Some(error.into()))
    }

    pub(super) fn resolve(target: &Target, error: io::Error) -> Self {
        let message = format!("`{}` cannot be looked up", target.authority());
        Self::new(Failure::Resolve, Delivery::NotSent, message, Some(error.into()))
    }

    pub(super) fn refused_address(target: &Target, address: IpAddr, rule: &str) -> Self {
        let message = format!("`{}` is at `{address}`, and {rule}", target.authority());
        Self::new(Failure::RefusedAddress, Delivery::NotSent, message, None)
    }

    pub(super) fn connect(target: &Target, error: io::Error) -> Self {
        let message = format!("no TCP connection to `{}`", target.authority());
        Self::new(Failure::Connect, Delivery::NotSent, message, Some(error.into()))
    }

    pub(super) fn tls(target: &Target, error: Source) -> Self {
        let message = format!("the TLS handshake with `{}` failed", target.authority());
        Self::new(Failure::Tls, Delivery::NotSent, message, Some(error))
    }

    pub(super) fn timed_out(target: &Target, limit: Duration, delivery: Delivery) -> Self {
        let what = match delivery {
            Delivery::NotSent => "no connection to",
            Delivery::Refused | Delivery::Unknown => "no whole answer from",
        };
        let message = format!("{what} `{}` within {limit:?}", target.authority());
        Self::new(Failure::TimedOut, delivery, message, None)
    }

    pub(super) fn closed(target: &Target, delivery: Delivery, error: hyper::Error) -> Self {
        let message = format!(
            "the connection to `{}` ended before the answer",
            target.authority()
        );
        Self::new(Failure::Closed, delivery, message, Some(error.into()))
    }

    pub(super) fn broken(target: &Target, error: Source) -> Self {
        let message = format!(
            "the connection to `{}` ended in the middle of the answer",
            target.authority()
        );
        Self::new(Failure::Closed, Delivery::Unknown, message, Some(error))
    }

    pub(super) fn too_large(target: &Target, limit: usize) -> Self {
        let message = format!(
            "the answer of `{}` has more than {limit} bytes",
            target.authority()
        );
        Self::new(Failure::TooLarge, Delivery::Unknown, message, None)
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        match self.failure {
            Failure::BadAddress => "outbound_bad_address",
            Failure::Resolve => "outbound_resolve",
            Failure::RefusedAddress => "outbound_refused_address",
            Failure::Connect => "outbound_connect",
            Failure::Tls => "outbound_tls",
            Failure::TimedOut => "outbound_timed_out",
            Failure::Closed => "outbound_closed",
            Failure::TooLarge => "outbound_too_large",
        }
    }

    fn fault(&self) -> Fault {
        match self.failure {
            Failure::BadAddress | Failure::RefusedAddress | Failure::Tls => Fault::Operator,
            Failure::Resolve | Failure::Connect | Failure::TimedOut | Failure::Closed | Failure::TooLarge => {
                Fault::Network
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self.failure {
            Failure::Tls => Some(
                "where the server's certificate is of an authority of your own, name its file with `extra_ca_file`"
                    .to_owned(),
            ),
            Failure::Resolve | Failure::Connect => {
                Some("compare host and port with the configured address".to_owned())
            }
            _ => None,
        }
    }

    fn delivery(&self) -> Option<Delivery> {
        Some(self.delivery)
    }
}
