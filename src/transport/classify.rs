//! From hyper's errors to ours: what happened, and whether Kaspi can have got the request.
//!
//! The rules for `NotSent`: the request was never given a connection; or hyper never started it; or the
//! connection turned out to be closed before a byte of it was taken for writing; or an HTTP/2 server says
//! that it has not looked at it; or an alert about our
//! certificate ended a connection that had carried no answer yet. On TLS 1.3 that alert comes after the
//! handshake seems done, and stands deep in the chain of causes, inside nested `io::Error`s that
//! `source()` alone passes over. Everything else is `Unknown`.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use hyper_util::client::legacy;
use rustls::CertificateError;

use super::connect::ConnectError;
use super::connection::ConnectionState;
use super::error::{Alert, Error, Failure, RefusedBy};
use super::resolver::ResolveError;
use crate::base::Delivery;

/// Every error in the chain, the insides of `io::Error`s included.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inside) => Some(inside),
            None => error.source(),
        };
        Some(error)
    })
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// The fatal alert that the other side sent, if that is what ended things.
pub(super) fn received_alert(error: &(dyn StdError + 'static)) -> Option<Alert> {
    chain(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::AlertReceived(alert)) => Some(Alert::new((*alert).into())),
        _ => None,
    })
}

/// What rustls itself refused, if that is what ended things.
pub(super) fn local_refusal<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    find(error)
}

/// What the operating system said.
pub(super) fn io_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    chain(error).filter_map(|cause| cause.downcast_ref()).last()
}

/// Whether a time limit is what ended things.
pub(super) fn timed_out(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    })
}

/// A request that hyper gave up. `elsewhere` is the alert by which the server refused another of our
/// connections meanwhile: over HTTP/2 requests wait for one connection, and only one of them learns
/// why there is none.
pub(super) fn request(
    error: legacy::Error,
    state: Option<&Arc<ConnectionState>>,
    elsewhere: Option<Alert>,
    target: &str,
) -> Error {
    if let Some(failed) = find::<ConnectError>(&error) {
        return no_connection(failed, target).caused_by(error);
    }
    let facts = state.map(|state| state.facts.clone());
    let fresh = state.is_some_and(|state| !state.has_answered());
    // hyper-util tells the connection before it hands the request to it
    let unstarted = state.is_none_or(|state| state.died_at_door())
        || chain(&error).any(|cause| {
            cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_canceled)
        })
        || find::<h2::Error>(&error).is_some_and(disclaims);
    let alert = received_alert(&error)
        .or_else(|| state.and_then(|state| state.alert()))
        .or_else(|| elsewhere.filter(|_| unstarted));

    if let Some(alert) = alert.filter(|alert| alert.is_about_our_certificate()) {
        let delivery = if fresh || unstarted {
            Delivery::NotSent
        } else {
            Delivery::Unknown
        };
        return identity_refused(alert, delivery, target)
            .on(facts)
            .caused_by(error);
    }
    let delivery = if unstarted {
        Delivery::NotSent
    } else {
        Delivery::Unknown
    };
    let (failure, message) = match innermost(&error) {
        Innermost::NotHttp(why) => (
            Failure::Protocol,
            format!("`{target}` answered something that is not HTTP: {why}"),
        ),
        Innermost::Ended(why) => (
            Failure::Closed,
            format!("the connection to `{target}` ended before the answer: {why}"),
        ),
    };
    Error::new(failure, delivery, message)
        .with_alert(alert)
        .on(facts)
        .caused_by(error)
}

/// Whether an HTTP/2 server says that it has not looked at the request and never will: by GOAWAY, which
/// h2 gives to requests beyond the last one that the server names, or by REFUSED_STREAM (RFC 9113, 8.7).
fn disclaims(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.is_go_away() || error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// An answer whose body broke off. Its head had come, so the request had arrived.
pub(super) fn body(
    error: Box<dyn StdError + Send + Sync>,
    state: Option<&Arc<ConnectionState>>,
    target: &str,
) -> Error {
    let facts = state.map(|state| state.facts.clone());
    if chain(error.as_ref()).any(|cause| cause.is::<http_body_util::LengthLimitError>()) {
        let message = format!(
            "the answer of `{target}` is longer than {} bytes",
            super::MAX_ANSWER_BYTES
        );
        return Error::new(Failure::TooLarge, Delivery::Unknown, message)
            .on(facts)
            .caused_by(error);
    }
    let message = format!("the answer of `{target}` broke off: {}", deepest(error.as_ref()));
    Error::new(Failure::Closed, Delivery::Unknown, message)
        .with_alert(received_alert(error.as_ref()))
        .on(facts)
        .caused_by(error)
}

/// An alert that came while the request was given up as hanging.
pub(super) fn identity_refused(alert: Alert, delivery: Delivery, target: &str) -> Error {
    let message = format!("`{target}` refused our certificate with the TLS alert {alert}");
    Error::new(Failure::IdentityRefused, delivery, message).with_alert(Some(alert))
}

fn no_connection(error: &ConnectError, target: &str) -> Error {
    let not_sent = |failure, message| Error::new(failure, Delivery::NotSent, message);
    match error {
        ConnectError::TimedOut { phase, limit } => {
            Error::timed_out(*phase, *limit, Delivery::NotSent, target)
        }
        ConnectError::NotAsked => not_sent(
            Failure::IdentityNotAsked,
            format!(
                "`{target}` asked for no client certificate, so nothing was sent: the call would have left without identity"
            ),
        ),
        ConnectError::Tcp { proxied, source } => no_tcp(source.as_ref(), *proxied, target),
        ConnectError::Tls { source } => no_tls(source.as_ref(), target),
    }
}

fn no_tcp(error: &(dyn StdError + 'static), proxied: bool, target: &str) -> Error {
    let not_sent = |failure, message| Error::new(failure, Delivery::NotSent, message);
    if let Some(unresolved) = find::<ResolveError>(error) {
        return not_sent(Failure::Resolve, unresolved.to_string());
    }
    if !proxied {
        return not_sent(
            Failure::Connect,
            format!("no connection to `{target}`: {}", deepest(error)),
        );
    }
    not_sent(
        Failure::Proxy,
        format!(
            "the proxy did not let us through to `{target}`: {}",
            deepest(error)
        ),
    )
}

fn no_tls(error: &(dyn StdError + 'static), target: &str) -> Error {
    let not_sent = |failure, message| Error::new(failure, Delivery::NotSent, message);
    if let Some(alert) = received_alert(error) {
        if alert.is_about_our_certificate() {
            return identity_refused(alert, Delivery::NotSent, target);
        }
        let message = format!("`{target}` ended the TLS handshake with the alert {alert}");
        return not_sent(Failure::Tls(RefusedBy::Them), message).with_alert(Some(alert));
    }
    match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(why)) => not_sent(
            Failure::ServerNotTrusted,
            format!("we do not trust the certificate of `{target}`: {}", distrust(why)),
        ),
        Some(local) => not_sent(
            Failure::Tls(RefusedBy::Us),
            format!("we ended the TLS handshake with `{target}`: {local}"),
        ),
        None => not_sent(
            Failure::Tls(RefusedBy::Nobody),
            format!(
                "the connection to `{target}` ended in the TLS handshake: {}",
                deepest(error)
            ),
        ),
    }
}

fn distrust(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => "none of the trusted certificate authorities signed it".to_owned(),
        CertificateError::NotValidForName => "it is for another name".to_owned(),
        CertificateError::BadSignature => {
            "an authority of the same name as a trusted one signed it, with another key".to_owned()
        }
        other => other.to_string(),
    }
}

enum Innermost {
    NotHttp(String),
    Ended(String),
}

fn innermost(error: &(dyn StdError + 'static)) -> Innermost {
    let why = deepest(error);
    let parse = chain(error).any(|cause| {
        cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
    });
    if parse {
        Innermost::NotHttp(why)
    } else {
        Innermost::Ended(why)
    }
}

/// The text of the last cause, which is the one that says something.
pub(super) fn deepest(error: &(dyn StdError + 'static)) -> String {
    chain(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
