//! Stage `accepted`: whether the server takes our certificate. A finished handshake proves nothing on
//! TLS 1.3; an answer does.

use std::fmt::Display;
use std::time::Duration;

use time::OffsetDateTime;

use super::{Place, ended, seconds};
use crate::api::{self, AnswerFault};
use crate::doctor::draft::Draft;
use crate::doctor::offline::identity::rfc3339;
use crate::doctor::{Cause, Stage, StageId};
use crate::identity::Facts;
use crate::transport::Alert;
use crate::transport::probe::{Answer, BodyKind, CertificateRequest, Exchange, ExchangeFailure, Kept};

/// The clocks may be so far apart: certificates and records are judged by the minute.
const SKEW: Duration = Duration::from_secs(60);

const UNKNOWN_CA: u8 = 48;
const PING: &str = "health/ping";

/// What the stage goes by.
pub(in crate::doctor) struct Seen<'a> {
    /// The answer to a ping, where a session came about.
    pub(in crate::doctor) exchange: Option<&'a Exchange>,
    /// The alert by which the handshake itself refused our certificate.
    pub(in crate::doctor) alert: Option<Alert>,
    /// What the server asked for.
    pub(in crate::doctor) request: Option<&'a CertificateRequest>,
    /// Whether it keeps connections, and sessions.
    pub(in crate::doctor) kept: Option<(Kept, Kept)>,
    /// What our certificate says.
    pub(in crate::doctor) own: &'a Facts,
    /// The file that it is in, and whether that holds its issuer's too.
    pub(in crate::doctor) own_file: &'a str,
    pub(in crate::doctor) issuer_sent: bool,
    /// The certificates of `extra_ca_file`.
    pub(in crate::doctor) authorities: &'a [Facts],
    pub(in crate::doctor) now: OffsetDateTime,
}

pub(in crate::doctor) fn judge(seen: &Seen<'_>, place: &Place) -> Stage {
    let mut draft = Draft::new(StageId::Accepted);
    let desk = Desk { seen, place };
    if let Some(alert) = seen.alert {
        desk.refused(alert, &mut draft);
    }
    let Some(exchange) = seen.exchange else {
        return draft.done("");
    };
    let url = format!("{}{}", place.base_url, api::PING_PATH);
    draft.facts.add("asked", url.clone());
    match &exchange.outcome {
        // it asked for another handshake, got none, and forbids the path
        Ok(answer) if exchange.renegotiation && answer.status == 403 => {
            desk.find(Cause::RenegotiationWanted, &[], &mut draft);
        }
        Ok(answer) => desk.answered(answer, &url, &mut draft),
        Err(failure) => desk.unanswered(exchange, failure, &mut draft),
    }
    if let Some((connection, session)) = seen.kept {
        draft.facts.add("keeps_connections", kept(connection));
        draft.facts.add("resumes_sessions", kept(session));
    }
    draft.done_in(
        exchange.took,
        "the server takes the certificate, Kaspi's application answers",
    )
}

struct Desk<'a> {
    seen: &'a Seen<'a>,
    place: &'a Place,
}

impl Desk<'_> {
    fn answered(&self, answer: &Answer, url: &str, draft: &mut Draft) {
        draft.facts.add("http_status", answer.status);
        draft
            .facts
            .add("http_version", if answer.http2 { "HTTP/2" } else { "HTTP/1.1" });
        draft.facts.add_some("server", answer.server.clone());
        draft.facts.add_some("keep_alive", answer.keep_alive.clone());
        self.clocks(answer, draft);
        let fault = match api::status_code(answer.status, &answer.body) {
            Ok(0) => {
                draft.facts.add("status_code", 0);
                return;
            }
            Ok(code) => {
                draft.facts.add("status_code", code);
                return self.code(code, draft);
            }
            Err(fault) => fault,
        };
        let body = body(answer);
        let cause = match (answer.status, fault) {
            (_, AnswerFault::CertificatePage) => Cause::CertificatePage,
            (500..=599, _) => Cause::KaspiUnavailable,
            (200, AnswerFault::Html) | (301..=308 | 404 | 405, _) => Cause::WrongPath,
            _ => Cause::ForeignAnswer,
        };
        draft.facts.add("body", body.clone());
        self.find(
            cause,
            &[
                ("url", &url),
                ("status", &answer.status),
                ("body", &body),
                ("answer", &format!("HTTP {} and {body}", answer.status)),
            ],
            draft,
        );
    }

    fn code(&self, code: i64, draft: &mut Draft) {
        const NO_CLIENT_CERTIFICATE: i64 = -10_000;
        const UNAVAILABLE: i64 = -999;
        let meaning = meaning(code);
        let (cause, answer) = match code {
            NO_CLIENT_CERTIFICATE => (Cause::NoClientCertificate, String::new()),
            UNAVAILABLE => (Cause::KaspiUnavailable, format!("code {code}{meaning}")),
            _ => (Cause::KaspiRefused, String::new()),
        };
        self.find(
            cause,
            &[("code", &code), ("meaning", &meaning), ("answer", &answer)],
            draft,
        );
    }

    fn clocks(&self, answer: &Answer, draft: &mut Draft) {
        let Some(theirs) = answer.date else { return };
        let skew = answer.at - theirs;
        draft.facts.add("server_date", rfc3339(theirs));
        draft.facts.add("clock_skew_seconds", skew.whole_seconds());
        if skew.unsigned_abs() > SKEW {
            let direction = if skew.is_positive() { "ahead of" } else { "behind" };
            self.find(
                Cause::ClockSkew,
                &[
                    ("skew", &span(skew.unsigned_abs())),
                    ("direction", &direction),
                    ("here", &rfc3339(answer.at)),
                    ("there", &rfc3339(theirs)),
                ],
                draft,
            );
        }
    }

    fn unanswered(&self, exchange: &Exchange, failure: &ExchangeFailure, draft: &mut Draft) {
        if exchange.renegotiation {
            return self.find(Cause::RenegotiationWanted, &[], draft);
        }
        match failure {
            ExchangeFailure::AskedLate => self.find(Cause::PostHandshakeAuth, &[], draft),
            ExchangeFailure::TheyRefused(alert) => self.refused(*alert, draft),
            ExchangeFailure::WeRefused(why) => self.find(Cause::WeRefusedTls, &[("why", why)], draft),
            ExchangeFailure::Ended(how) => self.find(Cause::ConnectionLost, &[("ended", &ended(how))], draft),
            ExchangeFailure::TimedOut(limit) => {
                self.find(Cause::NoAnswer, &[("limit", &seconds(*limit))], draft);
            }
            ExchangeFailure::NotHttp(why) => self.find(Cause::NotHttp, &[("why", why)], draft),
        }
    }

    fn refused(&self, alert: Alert, draft: &mut Draft) {
        draft.facts.add("alert_received", alert.to_string());
        let cause = if alert.code() != UNKNOWN_CA {
            Cause::CertificateRefused
        } else if self.lacks_known_intermediate() {
            Cause::IntermediateNeeded
        } else {
            Cause::OurCaUnknown
        };
        let values: [(&str, &dyn Display); 3] = [
            ("alert", &alert),
            ("issuer", &self.seen.own.issuer),
            ("own_file", &self.seen.own_file),
        ];
        self.find(cause, &values, draft);
        if cause == Cause::OurCaUnknown && self.may_lack_intermediate() {
            self.find(Cause::IntermediateNeeded, &values, draft);
        }
    }

    /// Whether our file lacks the certificate of an issuer that is known to be no root.
    fn lacks_known_intermediate(&self) -> bool {
        let own = self.seen.own;
        let is_intermediate = |facts: &Facts| facts.subject == own.issuer && facts.subject != facts.issuer;
        self.may_lack_intermediate() && self.seen.authorities.iter().any(is_intermediate)
    }

    /// Whether our file may lack an intermediate: it does not hold the issuer, which is no root that we know,
    /// and the server lists an authority above it, or nobody.
    fn may_lack_intermediate(&self) -> bool {
        let own = self.seen.own;
        let is_root = |facts: &Facts| facts.subject == own.issuer && facts.subject == facts.issuer;
        !self.seen.issuer_sent
            && self.lists_above_our_issuer() != Some(false)
            && own.subject != own.issuer
            && !self.seen.authorities.iter().any(is_root)
    }

    /// Whether the server lists an authority above our issuer, and not our issuer itself: then it wants the
    /// certificates between. None where it lists nobody, or our issuer is one that nothing is known of.
    fn lists_above_our_issuer(&self) -> Option<bool> {
        let request = self.seen.request.filter(|request| request.listed > 0)?;
        if request.names_ours == Some(true) {
            return Some(false);
        }
        let known = |name: &String| self.seen.authorities.iter().find(|known| known.subject == *name);
        let mut above = known(&self.seen.own.issuer)?;
        for _ in self.seen.authorities {
            if request.issuers.contains(&above.issuer) {
                return Some(true);
            }
            let Some(next) = known(&above.issuer) else { break };
            above = next;
        }
        Some(false)
    }

    fn find(&self, cause: Cause, values: &[(&str, &dyn Display)], draft: &mut Draft) {
        let (file, now) = (self.place.file.display().to_string(), rfc3339(self.seen.now));
        let file = if cause == Cause::IntermediateNeeded {
            self.seen.own_file
        } else {
            &file
        };
        let mut all: Vec<(&str, &dyn Display)> = vec![
            ("target", &self.place.target),
            ("file", &file),
            ("call", &PING),
            ("from", &self.place.from),
            ("sha256", &self.seen.own.sha256),
            ("now", &now),
        ];
        all.extend(values);
        draft.find(cause, &all);
    }
}

/// What a code means, as the end of a sentence.
pub(super) fn meaning(code: i64) -> String {
    match api::meaning(code) {
        Some(meaning) => format!(": {}", meaning.english),
        None => ", which no document explains".to_owned(),
    }
}

fn body(answer: &Answer) -> String {
    if let Some(location) = answer
        .location
        .as_ref()
        .filter(|_| (300..400).contains(&answer.status))
    {
        return format!("a redirect to `{location}`");
    }
    match answer.kind {
        BodyKind::Empty => "an empty body",
        BodyKind::Html => "a web page",
        BodyKind::Json => "JSON without `StatusCode`",
        _ => "text that is not JSON",
    }
    .to_owned()
}

fn kept(kept: Kept) -> &'static str {
    match kept {
        Kept::Yes => "yes",
        Kept::No => "no",
        _ => "not known",
    }
}

fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
