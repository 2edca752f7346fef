//! A request that got no answer: what happened, what is known about it, who has to act.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::ConnectionFacts;
use crate::base::{Delivery, Explain, Fault};
use crate::registry::RegistryError;

/// Why a request got no whole answer.
///
/// Opaque: it answers questions ([`delivery`](Self::delivery), [`tls_alert`](Self::tls_alert),
/// [`failure`](Self::failure)), and its chain of sources is kept whole.
pub struct Error(Box<Inner>);

struct Inner {
    failure: Failure,
    delivery: Delivery,
    message: String,
    alert: Option<Alert>,
    connection: Option<ConnectionFacts>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What went wrong, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The registry refused the BIN; its reason is the source.
    Unroutable,
    /// The request cannot be put on the wire at all.
    BadRequest,
    /// The host name could not be looked up.
    Resolve,
    /// No TCP connection.
    Connect,
    /// The proxy did not let us through.
    Proxy,
    /// The server's certificate is not one that we believe.
    ServerNotTrusted,
    /// The TLS handshake failed otherwise.
    Tls(RefusedBy),
    /// The server refused our certificate, in the handshake or after it.
    IdentityRefused,
    /// The server asked for no client certificate, so the call would have left without identity.
    IdentityNotAsked,
    /// A time limit of ours ran out.
    TimedOut(Phase),
    /// The connection ended before the answer did.
    Closed,
    /// What came is not HTTP.
    Protocol,
    /// The answer is longer than we read.
    TooLarge,
}

/// Which side ended a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// We refused what the server offered.
    Us,
    /// The server refused us, with an alert.
    Them,
    /// The connection just ended.
    Nobody,
}

/// The part of an attempt that a time limit covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Name lookup, TCP and proxy.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the request to the first byte of the answer.
    FirstByte,
    /// The whole attempt.
    Total,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connection",
            Self::Tls => "TLS handshake",
            Self::FirstByte => "wait for the answer",
            Self::Total => "whole request",
        })
    }
}

/// What to do about a certificate that the server refuses, by an alert or by a page.
pub(crate) const IDENTITY_REFUSED_HINT: &str = "the server does not take this certificate: `kaspi cert inspect` shows whose it is and until when; the bank must have issued it for this BIN";

/// A fatal TLS alert that the other side sent (RFC 8446, section 6.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Alert {
    code: u8,
}

impl Alert {
    pub(crate) fn new(code: u8) -> Self {
        Self { code }
    }

    /// Its number in the TLS registry.
    #[must_use]
    pub fn code(self) -> u8 {
        self.code
    }

    /// Its name in the TLS registry, such as `unknown_ca`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.code {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            22 => "record_overflow",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => "unassigned",
        }
    }

    /// Whether it speaks of the certificate that we showed, or did not show.
    #[must_use]
    pub fn is_about_our_certificate(self) -> bool {
        matches!(self.code, 41..=46 | 48 | 49 | 51 | 116)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code)
    }
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alert({self})")
    }
}

impl Error {
    pub(super) fn new(failure: Failure, delivery: Delivery, message: String) -> Self {
        Self(Box::new(Inner {
            failure,
            delivery,
            message,
            alert: None,
            connection: None,
            source: None,
        }))
    }

    pub(super) fn unroutable(reason: RegistryError) -> Self {
        Self::new(Failure::Unroutable, Delivery::NotSent, reason.to_string()).caused_by(reason)
    }

    pub(super) fn timed_out(phase: Phase, limit: Duration, delivery: Delivery, target: &str) -> Self {
        let message = format!("no end of the {phase} to `{target}` within {}", seconds(limit));
        Self::new(Failure::TimedOut(phase), delivery, message)
    }

    pub(super) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(super) fn with_alert(mut self, alert: Option<Alert>) -> Self {
        self.0.alert = alert;
        self
    }

    pub(super) fn on(mut self, connection: Option<ConnectionFacts>) -> Self {
        self.0.connection = connection;
        self
    }

    /// What is known about the request: `NotSent`, or `Unknown`. Never `Refused`: only an answer can say that.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// The fatal alert that the server sent, wherever in the chain of causes it was found.
    #[must_use]
    pub fn tls_alert(&self) -> Option<Alert> {
        self.0.alert
    }

    /// What went wrong, roughly.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.0.failure
    }

    /// The connection it went wrong on, where there was one.
    #[must_use]
    pub fn connection(&self) -> Option<&ConnectionFacts> {
        self.0.connection.as_ref()
    }

    /// Why the registry refused the BIN, where it did.
    #[must_use]
    pub fn refused_by_registry(&self) -> Option<&RegistryError> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// Whether another try, later, has a chance without anybody doing something first.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(
            self.0.failure,
            Failure::Unroutable
                | Failure::BadRequest
                | Failure::IdentityRefused
                | Failure::IdentityNotAsked
                | Failure::ServerNotTrusted
                | Failure::Tls(RefusedBy::Us | RefusedBy::Them)
                | Failure::TooLarge
        )
    }
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("failure", &self.0.failure)
            .field("delivery", &self.0.delivery)
            .field("message", &self.0.message)
            .field("alert", &self.0.alert)
            .field("connection", &self.0.connection)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        match self.0.failure {
            Failure::Unroutable => self.refused_by_registry().map_or("unroutable", Explain::kind),
            Failure::BadRequest => "bad_request",
            Failure::Resolve => "dns",
            Failure::Connect => "connect",
            Failure::Proxy => "proxy",
            Failure::ServerNotTrusted => "server_not_trusted",
            Failure::Tls(_) => "tls",
            Failure::IdentityRefused => "certificate_refused",
            Failure::IdentityNotAsked => "certificate_not_asked",
            Failure::TimedOut(_) => "timeout",
            Failure::Closed => "connection_closed",
            Failure::Protocol => "protocol",
            Failure::TooLarge => "answer_too_large",
        }
    }

    fn fault(&self) -> Fault {
        match self.0.failure {
            Failure::Unroutable => self.refused_by_registry().map_or(Fault::Us, Explain::fault),
            Failure::BadRequest => Fault::Us,
            Failure::ServerNotTrusted
            | Failure::Tls(RefusedBy::Us)
            | Failure::IdentityRefused
            | Failure::IdentityNotAsked => Fault::Operator,
            Failure::Protocol | Failure::TooLarge => Fault::Kaspi,
            _ => Fault::Network,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self.0.failure {
            Failure::Unroutable => return self.refused_by_registry().and_then(Explain::hint),
            Failure::Resolve => "check `base_url` in the `[kaspi]` section and this machine's name servers",
            Failure::Connect => {
                "check `base_url`, and that the bank lists this machine's address: calls from any other are dropped; \
                 a sandbox is started with `kaspi sandbox run --dir FOLDER`"
            }
            Failure::Proxy => "check `proxy` and `proxy_credentials_file` in the `[kaspi]` section",
            Failure::ServerNotTrusted => {
                "if the bank sent its own certificate authorities, name their file as `extra_ca_file` in the `[kaspi]` section"
            }
            Failure::IdentityRefused => IDENTITY_REFUSED_HINT,

            Failure::IdentityNotAsked => {
                "the address in `base_url` is not the one that works with certificates: compare it with the bank's letter"
            }
            Failure::TimedOut(Phase::Connect | Phase::Tls) => {
                "packets are dropped on the way: check that the bank lists this machine's address"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    fn delivery(&self) -> Option<Delivery> {
        Some(self.0.delivery)
    }
}
