//! A report that may be pasted anywhere.
//!
//! Safe by construction, not by search: messages are those of the table, without their values, and only
//! facts of a list get through. What is in neither cannot leak.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Report, Stage, StageId, Verdict};
use crate::base::Bin;

/// Facts whose values say nothing about whose they are: verdicts, versions, algorithms, counts, dates of
/// certificates, and what the bank's servers say to everybody.
const SHOWN: &[(StageId, &[&str])] = &[
    (
        StageId::Config,
        &["key_exchange", "status_version", "default_bin", "active", "route"],
    ),
    (StageId::Files, &[]),
    (
        StageId::Certificate,
        &[
            "not_before",
            "not_after",
            "days_left",
            "key",
            "signature",
            "key_usage",
            "extended_key_usage",
            "issuer_in_file",
            "gateway_generation",
        ],
    ),
    (StageId::Key, &["fits_certificate"]),
    (StageId::Trust, &["only_extra_ca", "public_roots", "extra_roots"]),
    (StageId::Dns, &["of"]),
    (StageId::Tcp, &[]),
    (
        StageId::Tls,
        &[
            "key_exchange",
            "hello_bytes",
            "tls_version",
            "cipher_suite",
            "group",
            "alpn",
            "server_trusted",
            "certificate_asked",
            "asked_over_tls_1_2",
            "issuers_listed",
            "our_issuer_listed",
            "signatures_taken",
            "second_look",
            "old_version",
        ],
    ),
    (
        StageId::Accepted,
        &[
            "http_status",
            "http_version",
            "status_code",
            "clock_skew_seconds",
            "alert_received",
            "keeps_connections",
            "resumes_sessions",
        ],
    ),
    (StageId::Bin, &["status_code"]),
];

/// Facts about the server that are shown where it is the bank's own.
const OF_THE_BANK: &[&str] = &["base_url", "name", "server_ca", "server", "keep_alive"];

/// A report without anything that says whose it is.
#[derive(Debug, Serialize)]
pub struct Bundle {
    version: u32,
    program: &'static str,
    system: &'static str,
    reports: Vec<Masked>,
}

#[derive(Debug, Serialize)]
struct Masked {
    bin: Option<String>,
    verdict: Verdict,
    stages: Vec<MaskedStage>,
}

#[derive(Debug, Serialize)]
struct MaskedStage {
    id: StageId,
    verdict: Verdict,
    duration_ms: u64,
    facts: Map<String, Value>,
    findings: Vec<MaskedFinding>,
}

#[derive(Debug, Serialize)]
struct MaskedFinding {
    cause: &'static str,
    severity: Verdict,
    line: &'static str,
    hint: &'static str,
}

impl Bundle {
    /// What may be shown of these reports.
    #[must_use]
    pub fn of(reports: &[Report]) -> Self {
        Self {
            version: 1,
            program: concat!("kaspi-direct ", env!("CARGO_PKG_VERSION")),
            system: std::env::consts::OS,
            reports: reports.iter().map(masked).collect(),
        }
    }
}

fn masked(report: &Report) -> Masked {
    let of_the_bank = is_of_the_bank(report);
    Masked {
        bin: report.bin.map(masked_bin),
        verdict: report.verdict,
        stages: report
            .stages
            .iter()
            .map(|stage| masked_stage(stage, of_the_bank))
            .collect(),
    }
}

/// The first four digits are a date, the last four tell BINs of one report apart.
fn masked_bin(bin: Bin) -> String {
    let digits = bin.to_string();
    let (first, last) = (digits.get(..4), digits.get(8..));
    format!("{}****{}", first.unwrap_or_default(), last.unwrap_or_default())
}

/// Only of the bank's own servers may name and authority be told; another's are the operator's.
fn is_of_the_bank(report: &Report) -> bool {
    let base_url = report
        .stage(StageId::Config)
        .and_then(|stage| stage.facts.get("base_url")?.as_str());
    base_url
        .and_then(|url| url.strip_prefix("https://"))
        .and_then(|rest| rest.split(['/', ':', '?']).next())
        .is_some_and(|host| host == "kaspi.kz" || host.ends_with(".kaspi.kz"))
}

fn masked_stage(stage: &Stage, of_the_bank: bool) -> MaskedStage {
    let shown = SHOWN
        .iter()
        .find(|(id, _)| *id == stage.id)
        .map_or(&[][..], |(_, names)| names);
    let about_server = of_the_bank && (stage.id.is_online() || stage.id == StageId::Config);
    let proxied = stage.facts.get("of").is_some();
    let facts = stage
        .facts
        .iter()
        .filter(|(name, _)| {
            // the merchant's name is called so too
            let servers = *name != "name" || stage.id == StageId::Dns && !proxied;
            shown.contains(name) || about_server && servers && OF_THE_BANK.contains(name)
        })
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    MaskedStage {
        id: stage.id,
        verdict: stage.verdict,
        duration_ms: u64::try_from(stage.duration.as_millis()).unwrap_or(u64::MAX),
        facts,
        findings: stage
            .findings
            .iter()
            .map(|finding| {
                let entry = finding.cause.entry();
                MaskedFinding {
                    cause: entry.id,
                    severity: finding.severity,
                    line: entry.line,
                    hint: entry.cure,
                }
            })
            .collect(),
    }
}
