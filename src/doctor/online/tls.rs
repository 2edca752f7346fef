//! Stage `tls`: the handshake. What the server thinks of our certificate is for the next stage, also
//! where TLS 1.2 tells it within the handshake.

use std::fmt::Display;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::tcp::quoted;
use super::{Place, ended, seconds};
use crate::config::KeyExchange;
use crate::doctor::draft::Draft;
use crate::doctor::offline::identity::rfc3339;
use crate::doctor::{Cause, Stage, StageId};
use crate::identity::Facts;
use crate::transport::probe::{
    CertificateRequest, Distrust, Exchange, ExchangeFailure, FirstBytes, Handshake, Outdated, SecondLook,
    SecondLookReason, TlsFailure,
};
use crate::transport::{Alert, TlsVersion};

/// Everything that was seen of the handshake.
pub(in crate::doctor) struct Seen<'a> {
    pub(in crate::doctor) handshake: &'a Handshake,
    pub(in crate::doctor) second: Option<&'a SecondLook>,
    pub(in crate::doctor) outdated: Option<Outdated>,
    /// A request made although the server asked for no certificate, to see whether it asks later.
    pub(in crate::doctor) unasked: Option<&'a Exchange>,
    /// What our certificate says.
    pub(in crate::doctor) own: &'a Facts,
    /// How many authorities we trust.
    pub(in crate::doctor) roots: usize,
    pub(in crate::doctor) now: OffsetDateTime,
}

/// The alert by which the server refused our certificate within the handshake (TLS 1.2).
pub(in crate::doctor) fn refused_certificate(handshake: &Handshake) -> Option<Alert> {
    const HANDSHAKE_FAILURE: u8 = 40;
    match &handshake.outcome {
        Err(TlsFailure::TheyRefused(alert))
            if handshake.request.is_some()
                && (alert.is_about_our_certificate() || alert.code() == HANDSHAKE_FAILURE) =>
        {
            Some(*alert)
        }
        _ => None,
    }
}

pub(in crate::doctor) fn judge(seen: &Seen<'_>, place: &Place) -> Stage {
    let handshake = seen.handshake;
    let mut draft = Draft::new(StageId::Tls);
    facts(seen, &mut draft);
    match &handshake.outcome {
        Ok(_) if !asked(handshake) => unasked(seen, place, &mut draft),
        Ok(_) => listed(seen, place, &mut draft),
        Err(_) if refused_certificate(handshake).is_some() => {
            listed(seen, place, &mut draft);
            let well = "the server has seen our certificate, and ended the handshake: see the next stage";
            return draft.done_in(handshake.took, well);
        }
        Err(failure) => failed(seen, failure, place, &mut draft),
    }
    draft.done_in(handshake.took, said(handshake))
}

fn asked(handshake: &Handshake) -> bool {
    handshake.request.is_some() || handshake.outcome.as_ref().is_ok_and(|agreed| agreed.resumed)
}

fn said(handshake: &Handshake) -> String {
    let Ok(agreed) = &handshake.outcome else {
        return String::new();
    };
    let group = agreed.group.as_deref().map(|group| format!(", {group}"));
    format!(
        "{}{}, the server asks for a certificate",
        version_name(agreed.version),
        group.unwrap_or_default()
    )
}

fn facts(seen: &Seen<'_>, draft: &mut Draft) {
    let handshake = seen.handshake;
    let learnt = &mut draft.facts;
    learnt.add("server_name", handshake.server_name.clone());
    learnt.add("key_exchange", word(handshake.key_exchange));
    learnt.add("hello_bytes", handshake.hello_bytes);
    if let Ok(agreed) = &handshake.outcome {
        learnt.add("tls_version", version_name(agreed.version));
        learnt.add("cipher_suite", agreed.cipher_suite.clone());
        learnt.add_some("group", agreed.group.clone());
        learnt.add_some("alpn", agreed.alpn.clone());
    } else {
        learnt.add("first_bytes", first_bytes(&handshake.first));
    }
    let chain: Vec<Value> = handshake.chain.iter().map(certificate).collect();
    learnt.add("server_chain", chain);
    learnt.add_some(
        "server_ca",
        handshake.top_of_chain().map(|top| match top {
            Ok(root) => root.subject.clone(),
            Err(issuer) => issuer.to_owned(),
        }),
    );
    if !handshake.chain.is_empty() {
        learnt.add("server_trusted", handshake.distrust.is_none());
    }
    if handshake.outcome.is_ok() || handshake.request.is_some() {
        learnt.add("certificate_asked", asked(handshake));
    }
    if let Some(request) = &handshake.request {
        learnt.add("issuers_listed", request.listed);
        learnt.add("issuers", request.issuers.clone());
        learnt.add_some("our_issuer_listed", request.names_ours);
        learnt.add("signatures_taken", request.schemes.clone());
    }
    if let Some(second) = seen.second {
        learnt.add("second_look", second_look(second));
    }
    learnt.add_some("agrees_to", seen.outdated.map(agrees_to));
}

/// What a server answers over TLS 1.3 that wants to ask for our certificate after the handshake, and keeps to
/// the rule that it may only ask clients that offer to answer, which we do not.
const FORBIDDEN: u16 = 403;

fn unasked(seen: &Seen<'_>, place: &Place, draft: &mut Draft) {
    let exchanges = [seen.unasked, seen.second.and_then(|look| look.exchange.as_ref())];
    let mut exchanges = exchanges.into_iter().flatten();
    let over_13 = matches!(&seen.handshake.outcome, Ok(agreed) if agreed.version == TlsVersion::V1_3);
    let over_12 = seen
        .second
        .and_then(|look| look.handshake.as_ref())
        .is_some_and(|handshake| handshake.request.is_some());
    draft
        .facts
        .add_some("asked_over_tls_1_2", over_12.then_some(true));
    let again = exchanges.any(|exchange| exchange.renegotiation);
    let late = seen.unasked.is_some_and(|exchange| match &exchange.outcome {
        Ok(answer) => answer.status == FORBIDDEN && !seen.second.is_some_and(never_asks),
        Err(failure) => *failure == ExchangeFailure::AskedLate,
    });
    let cause = if over_13 && (again || late) {
        Cause::PostHandshakeAuth
    } else if again {
        Cause::RenegotiationWanted
    } else {
        Cause::CertificateNotAsked
    };
    draft.find(
        cause,
        &[("target", &place.target), ("file", &place.file.display())],
    );
}

/// Whether a server, which over TLS 1.2 could ask for our certificate again, went on to an answer without
/// ever asking: one that forbids the path then does so for another reason.
fn never_asks(look: &SecondLook) -> bool {
    let quiet = |exchange: &Exchange| exchange.outcome.is_ok() && !exchange.renegotiation;
    look.handshake.as_ref().is_some_and(|handshake| !asked(handshake))
        && look.exchange.as_ref().is_some_and(quiet)
}

/// An issuer that the server does not list is a warning: what it answers says more than its list.
fn listed(seen: &Seen<'_>, place: &Place, draft: &mut Draft) {
    if let Some(CertificateRequest {
        names_ours: Some(false),
        listed,
        ..
    }) = &seen.handshake.request
    {
        draft.find(
            Cause::IssuerNotListed,
            &[
                ("target", &place.target),
                ("count", listed),
                ("issuer", &seen.own.issuer),
            ],
        );
    }
}

fn failed(seen: &Seen<'_>, failure: &TlsFailure, place: &Place, draft: &mut Draft) {
    let handshake = seen.handshake;
    let how = match failure {
        TlsFailure::Ended(how) => ended(how),
        TlsFailure::TheyRefused(alert) => format!("sent the alert {alert}"),
        _ => "fell silent".to_owned(),
    };
    let mut find = |cause, values: &[(&str, &dyn Display)]| {
        let mut all: Vec<(&str, &dyn Display)> = vec![
            ("target", &place.target),
            ("from", &place.from),
            ("bytes", &handshake.hello_bytes),
            ("ended", &how),
        ];
        let (file, now) = (place.file.display(), rfc3339(seen.now));
        all.push(("file", &file));
        all.push(("now", &now));
        all.extend(values);
        draft.find(cause, &all);
    };
    if classic_is_answered(seen) {
        return find(Cause::LargeHelloDropped, &[]);
    }
    if let FirstBytes::NotTls(beginning) = &handshake.first {
        return find(Cause::NotTls, &[("beginning", &quoted(beginning))]);
    }
    if let Some(request) = handshake.request.as_ref().filter(|request| !request.scheme_fits) {
        let schemes = request.schemes.join(", ");
        return find(
            Cause::NoCommonSignature,
            &[("schemes", &schemes), ("key", &seen.own.key)],
        );
    }
    const PROTOCOL_VERSION: u8 = 70;
    match (failure, seen.outdated) {
        (_, Some(Outdated::Version(version))) => {
            find(Cause::TlsTooOld, &[("version", &version_number(version))]);
        }
        (_, Some(suite @ Outdated::CipherSuite(_))) => {
            find(Cause::CipherSuitesTooOld, &[("suite", &agrees_to(suite))]);
        }
        (TlsFailure::TheyRefused(alert), _) if alert.code() == PROTOCOL_VERSION => {
            find(Cause::TlsTooOld, &[("version", &"an older version")]);
        }
        (TlsFailure::TheyRefused(alert), _) => find(Cause::TheyRefusedTls, &[("alert", alert)]),
        (TlsFailure::WeDistrust, _) => distrusted(seen, place, draft),
        (TlsFailure::WeRefused(why), _) => find(Cause::WeRefusedTls, &[("why", why)]),
        (TlsFailure::TimedOut(limit), _) if handshake.ended_before_server_hello() => {
            find(Cause::SilenceInTls, &[("limit", &seconds(*limit))]);
        }
        (TlsFailure::Ended(_), _) if handshake.ended_before_server_hello() => {
            find(Cause::ResetBeforeTls, &[]);
        }
        _ => find(Cause::TlsEnded, &[]),
    }
}

/// Whether a server that did not survive the hybrid key exchange answers the classic one.
fn classic_is_answered(seen: &Seen<'_>) -> bool {
    seen.second.is_some_and(|look| {
        look.reason == SecondLookReason::KeyExchange(KeyExchange::Classic)
            && look.handshake.as_ref().is_some_and(|handshake| {
                !handshake.ended_before_server_hello() && !is_alert(&handshake.first)
            })
    })
}

fn is_alert(first: &FirstBytes) -> bool {
    matches!(first, FirstBytes::Alert(_) | FirstBytes::NotTls(_))
}

fn distrusted(seen: &Seen<'_>, place: &Place, draft: &mut Draft) {
    let handshake = seen.handshake;
    let leaf = handshake.chain.first();
    let (file, now) = (place.file.display(), rfc3339(seen.now));
    let mut find = |cause, values: &[(&str, &dyn Display)]| {
        let mut all: Vec<(&str, &dyn Display)> = vec![
            ("target", &place.target),
            ("host", &handshake.server_name),
            ("file", &file),
            ("now", &now),
        ];
        all.extend(values);
        draft.find(cause, &all);
    };
    let Some(distrust) = &handshake.distrust else {
        return find(Cause::ServerCertificateBad, &[("why", &"of an unknown reason")]);
    };
    match distrust {
        Distrust::UnknownIssuer => {
            let issuer = leaf.map(|leaf| leaf.issuer.clone()).unwrap_or_default();
            let (ca, found) = match handshake.top_of_chain() {
                Some(Ok(root)) if handshake.chain.len() > 1 || root.ca => (
                    root.subject.clone(),
                    format!("the server sends it itself: sha256 {}", root.sha256),
                ),
                Some(Ok(alone)) => (
                    alone.subject.clone(),
                    format!("it signs itself: sha256 {}", alone.sha256),
                ),
                Some(Err(name)) => (name.to_owned(), below(handshake, name)),
                None => (issuer.clone(), "the server sends no certificate".to_owned()),
            };
            find(
                Cause::ServerCaUnknown,
                &[
                    ("issuer", &issuer),
                    ("count", &seen.roots),
                    ("ca", &ca),
                    ("found", &found),
                ],
            );
        }
        Distrust::OtherName { names } => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let names = match names.as_slice() {
                [] => "no name at all".to_owned(),
                names => names.join(", "),
            };
            find(Cause::ServerNameMismatch, &[("names", &names)]);
        }
        Distrust::Expired { not_after } => {
            let range = format!("until {}", rfc3339(*not_after));
            find(Cause::ServerCertificateExpired, &[("range", &range)]);
        }
        Distrust::NotYetValid { not_before } => {
            let range = format!("from {}", rfc3339(*not_before));
            find(Cause::ServerCertificateExpired, &[("range", &range)]);
        }
        Distrust::BadSignature => find(
            Cause::ServerCertificateBad,
            &[(
                "why",
                &"an authority of the same name as a trusted one signed it, with another key",
            )],
        ),
        Distrust::WrongPurpose => find(Cause::ServerCertificateBad, &[("why", &"it is not for a server")]),
        Distrust::Other(why) => find(Cause::ServerCertificateBad, &[("why", why)]),
    }
}

/// What there is instead of an authority that the server does not send.
fn below(handshake: &Handshake, name: &str) -> String {
    let mut authorities = handshake.chain.iter().skip(1);
    match authorities.find(|facts| facts.issuer == name) {
        Some(sent) => format!(
            "the server does not send it; the one below it that it sends does as well: `{}`, sha256 {}",
            sent.subject, sent.sha256
        ),
        None => "the server does not send it; it comes with the bank's letter".to_owned(),
    }
}

fn certificate(facts: &Facts) -> Value {
    json!({
        "subject": facts.subject,
        "issuer": facts.issuer,
        "sha256": facts.sha256,
        "not_before": rfc3339(facts.not_before),
        "not_after": rfc3339(facts.not_after),
        "names": facts.subject_alt_names,
    })
}

fn second_look(look: &SecondLook) -> Value {
    let outcome = match look.handshake.as_ref().map(|handshake| &handshake.outcome) {
        None => "no connection".to_owned(),
        Some(Ok(agreed)) => version_name(agreed.version).to_owned(),
        Some(Err(failure)) => in_words(failure),
    };
    let with = match look.reason {
        SecondLookReason::KeyExchange(key_exchange) => format!("key_exchange = {}", word(key_exchange)),
        SecondLookReason::Tls12 => "TLS 1.2 alone".to_owned(),
    };
    json!({ "with": with, "outcome": outcome })
}

fn in_words(failure: &TlsFailure) -> String {
    match failure {
        TlsFailure::TheyRefused(alert) => format!("they refused: {alert}"),
        TlsFailure::WeDistrust => "we refused the server's certificate".to_owned(),
        TlsFailure::WeRefused(why) => format!("we refused: {why}"),
        TlsFailure::Ended(how) => ended(how),
        TlsFailure::TimedOut(limit) => format!("silence for {}", seconds(*limit)),
    }
}

fn first_bytes(first: &FirstBytes) -> String {
    match first {
        FirstBytes::Nothing => "nothing".to_owned(),
        FirstBytes::ServerHello { version, .. } => format!("ServerHello, {}", version_number(*version)),
        FirstBytes::Alert(alert) => format!("alert {alert}"),
        FirstBytes::NotTls(beginning) => format!("not TLS: {}", quoted(beginning)),
        FirstBytes::Fragment => "the beginning of a TLS record".to_owned(),
    }
}

fn agrees_to(outdated: Outdated) -> String {
    match outdated {
        Outdated::Version(version) => version_number(version),
        Outdated::CipherSuite(number) => match outdated.cipher_suite() {
            Some(name) => name.to_owned(),
            None => format!("cipher suite {number:#06x}"),
        },
        _ => "not known".to_owned(),
    }
}

fn version_number(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("version {other:#06x}"),
    }
}

fn version_name(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::V1_2 => "TLS 1.2",
        TlsVersion::V1_3 => "TLS 1.3",
    }
}

fn word(key_exchange: KeyExchange) -> &'static str {
    match key_exchange {
        KeyExchange::Classic => "classic",
        KeyExchange::Hybrid => "hybrid",
    }
}
