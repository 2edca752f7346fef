//! Stage `tcp`: the connection, or the proxy's.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde_json::{Value, json};

use super::{Place, seconds};
use crate::config::ProxyScheme;
use crate::doctor::draft::Draft;
use crate::doctor::{Cause, Stage, StageId};
use crate::transport::probe::{Attempt, ProxyFailure, Reach, ReachFailure, TcpFailure};

/// Judges it, and notes where our calls come from.
pub(in crate::doctor) fn judge(reach: &Reach, place: &mut Place) -> Stage {
    let mut draft = Draft::new(StageId::Tcp);
    draft.facts.add("target", place.target.clone());
    draft.facts.add_some(
        "proxy",
        reach.proxy.as_ref().map(|(scheme, at)| proxy(*scheme, at)),
    );
    let attempts: Vec<Value> = reach.attempts.iter().map(attempt).collect();
    draft.facts.add("attempts", attempts);
    let tried = reach.attempts.first().map(|attempt| attempt.address);
    let local = reach
        .outcome
        .as_ref()
        .ok()
        .copied()
        .or(tried)
        .and_then(local_address);
    draft
        .facts
        .add_some("local_address", local.map(|address| address.to_string()));
    place.from = match (&reach.proxy, local) {
        (Some((_, at)), _) => format!("that of the proxy `{at}`, or what a router makes of it"),
        (None, Some(address)) => format!("{address} here, or what a router makes of it"),
        (None, None) => "not known".to_owned(),
    };
    match &reach.outcome {
        Ok(address) => {
            draft.facts.add("address", address.to_string());
            let well = match &reach.proxy {
                Some((scheme, at)) => format!("{} through the proxy {}", place.target, proxy(*scheme, at)),
                None => format!("connected to {address}"),
            };
            return draft.done_in(reach.took, well);
        }
        Err(failure) => unreached(reach, failure, place, &mut draft),
    }
    draft.done_in(reach.took, "")
}

fn unreached(reach: &Reach, failure: &ReachFailure, place: &Place, draft: &mut Draft) {
    let at = reach.proxy.as_ref().map(|(scheme, at)| proxy(*scheme, at));
    match (failure, at) {
        (ReachFailure::Tcp(failure), None) => direct(reach, failure, place, draft),
        (ReachFailure::Tcp(failure), Some(at)) => draft.find(
            Cause::ProxyUnreachable,
            &[
                ("proxy", &at),
                ("why", &in_words(failure)),
                ("file", &place.file.display()),
            ],
        ),
        (ReachFailure::Proxy(failure), at) => {
            through_proxy(failure, &at.unwrap_or_default(), place, draft);
        }
    }
}

fn direct(reach: &Reach, failure: &TcpFailure, place: &Place, draft: &mut Draft) {
    let addresses: Vec<String> = reach
        .attempts
        .iter()
        .map(|attempt| attempt.address.to_string())
        .collect();
    let address = match addresses.as_slice() {
        [] => place.target.clone(),
        addresses => addresses.join(", "),
    };
    let (cause, why): (_, String) = match failure {
        TcpFailure::Refused => (Cause::NothingListens, String::new()),
        TcpFailure::TimedOut(_) | TcpFailure::Late => (Cause::PacketsDropped, String::new()),
        TcpFailure::Unreachable(why) => (Cause::Unreachable, why.clone()),
        // a filter may be quicker than the end of our connect
        TcpFailure::Reset => (Cause::ResetBeforeTls, String::new()),
        other => (Cause::ConnectFailed, in_words(other)),
    };
    let limit = match failure {
        TcpFailure::TimedOut(limit) => seconds(*limit),
        _ => "the time limit".to_owned(),
    };
    draft.find(
        cause,
        &[
            ("address", &address),
            ("target", &place.target),
            ("ended", &"reset the connection"),
            ("why", &why),
            ("limit", &limit),
            ("from", &place.from),
            ("file", &place.file.display()),
        ],
    );
}

fn through_proxy(failure: &ProxyFailure, proxy: &str, place: &Place, draft: &mut Draft) {
    let mut find = |cause, name: &str, value: &dyn Display| {
        draft.find(
            cause,
            &[
                ("proxy", &proxy),
                ("target", &place.target),
                ("file", &place.file.display()),
                (name, value),
            ],
        );
    };
    match failure {
        ProxyFailure::Credentials { given } => {
            let wanted = if *given {
                "other credentials than those of `proxy_credentials_file`"
            } else {
                "credentials, and none are configured"
            };
            find(Cause::ProxyCredentials, "wanted", &wanted);
        }
        ProxyFailure::Status(status @ (502..=504)) => {
            find(Cause::ProxyNoWay, "answer", &format!("HTTP {status}"));
        }
        ProxyFailure::Status(status) => find(Cause::ProxyRefused, "answer", &format!("HTTP {status}")),
        ProxyFailure::Socks(code) => {
            // RFC 1928, section 6
            let (cause, meaning) = match code {
                2 => (Cause::ProxyRefused, "not allowed by its rules"),
                3 => (Cause::ProxyNoWay, "network unreachable"),
                4 => (Cause::ProxyNoWay, "host unreachable"),
                5 => (Cause::ProxyNoWay, "connection refused"),
                6 => (Cause::ProxyNoWay, "TTL expired"),
                _ => (Cause::ProxyRefused, "a failure"),
            };
            find(cause, "answer", &format!("SOCKS5 reply {code}, {meaning}"));
        }
        ProxyFailure::NotAProxy(beginning) => find(Cause::NotAProxy, "answer", &quoted(beginning)),
        ProxyFailure::Closed => find(
            Cause::NotAProxy,
            "answer",
            &"it closed the connection without an answer",
        ),
        ProxyFailure::TimedOut(limit) => find(
            Cause::ProxyNoWay,
            "answer",
            &format!("nothing within {}", seconds(*limit)),
        ),
        ProxyFailure::Other(why) => find(Cause::NotAProxy, "answer", why),
    }
}

fn proxy(scheme: ProxyScheme, at: &str) -> String {
    match scheme {
        ProxyScheme::Http => format!("http://{at}"),
        ProxyScheme::Socks5 => format!("socks5://{at}"),
    }
}

pub(super) fn quoted(beginning: &str) -> String {
    format!("`{}`", beginning.escape_debug().take(60).collect::<String>())
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "address": attempt.address.to_string(),
        "duration_ms": u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
        "outcome": match &attempt.end {
            Ok(()) => "connected".to_owned(),
            Err(failure) => in_words(failure),
        },
    })
}

fn in_words(failure: &TcpFailure) -> String {
    match failure {
        TcpFailure::Refused => "connection refused".to_owned(),
        TcpFailure::Reset => "reset".to_owned(),
        TcpFailure::TimedOut(limit) => format!("no answer within {}", seconds(*limit)),
        TcpFailure::Late => "not waited for any longer".to_owned(),
        TcpFailure::Forbidden(why) => format!("forbidden by this machine ({why})"),
        TcpFailure::Unreachable(why) | TcpFailure::Other(why) => why.clone(),
    }
}

/// The address that this machine uses towards another. Connecting a UDP socket sends nothing.
fn local_address(to: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
