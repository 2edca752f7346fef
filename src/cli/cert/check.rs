//! `kaspi cert check`: every finding about every configured BIN.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use super::args::Check;
use super::merchant;
use crate::base::{Bin, Clock, Explain, SystemClock, chain_text};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::report::Paint;
use crate::config::{self, IdentitySource, IdentitySpec, MerchantFolder, MerchantSpec};
use crate::identity::{self, Examination, Facts, Finding, Severity};
use crate::registry::RegistryError;

pub(super) fn run(wanted: &Check, context: &Context<'_>) -> Result<(), Failure> {
    let (config, environment) = context.configuration()?;
    let folders = config::scan(&config, &environment)?;
    if let Some(bin) = context.bin() {
        merchant::find(bin, &config, &folders)?;
    }
    let now = SystemClock.now();
    let mut desk = Desk {
        folders: &folders,
        examined: BTreeMap::new(),
        wanted,
        now,
    };
    let rows: Vec<Row> = folders
        .iter()
        .filter(|folder| context.bin().is_none_or(|bin| folder.bin == Some(bin)))
        .map(|folder| desk.row(folder))
        .collect();
    context.report.result(|paint| text(&rows, paint), &rows);
    let failed = rows.iter().filter(|row| !row.ok).count();
    match failed {
        _ if rows.is_empty() => Err(Failure::said_no("no organisation is configured")),
        0 => Ok(()),
        failed => Err(Failure::said_no(format!(
            "{failed} of {} did not pass",
            rows.len()
        ))),
    }
}

/// One folder, as it is reported; the names are relied upon.
#[derive(Serialize)]
struct Row {
    bin: Option<Bin>,
    folder: PathBuf,
    ok: bool,
    active: bool,
    identity: Option<Bin>,
    certificate_sha256: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_after: Option<OffsetDateTime>,
    days_left: Option<i64>,
    findings: Vec<Told>,
}

/// A finding of any room.
#[derive(Clone, Serialize)]
struct Told {
    severity: Severity,
    kind: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

struct Desk<'a> {
    folders: &'a [MerchantFolder],
    /// Each identity is opened once, however many BINs act with it.
    examined: BTreeMap<Bin, Examination>,
    wanted: &'a Check,
    now: OffsetDateTime,
}

impl Desk<'_> {
    fn row(&mut self, folder: &MerchantFolder) -> Row {
        let mut findings = Vec::new();
        let mut facts = None;
        let mut identity = None;
        match &folder.merchant {
            Err(error) => findings.push(Told::error(error.as_ref())),
            Ok(spec) => {
                let owner = match &spec.identity {
                    IdentitySource::Own(own) => own.owner,
                    IdentitySource::Of(owner) => *owner,
                };
                identity = Some(owner);
                match own_of(owner, spec, self.folders) {
                    Ok(own) => {
                        let (found, told) = self.examine(own);
                        facts = found;
                        findings.extend(told);
                    }
                    Err(told) => findings.push(told),
                }
            }
        }
        findings.extend(folder.warnings.iter().map(|warning| Told {
            severity: Severity::Warning,
            kind: warning.kind().to_owned(),
            message: warning.to_string(),
            hint: Some(warning.hint()),
        }));
        let active = folder.merchant.as_ref().map_or(true, |spec| spec.active);
        let counts = |told: &Told| told.severity == Severity::Error || self.wanted.strict;
        Row {
            bin: folder.bin,
            folder: folder.folder.clone(),
            ok: !active || !findings.iter().any(counts),
            active,
            identity,
            certificate_sha256: facts.as_ref().map(|facts| facts.sha256.clone()),
            not_after: facts.as_ref().map(|facts| facts.not_after),
            days_left: facts.as_ref().map(|facts| facts.days_left(self.now)),
            findings,
        }
    }

    fn examine(&mut self, spec: &IdentitySpec) -> (Option<Facts>, Vec<Told>) {
        let examination = self
            .examined
            .entry(spec.owner)
            .or_insert_with(|| identity::examine(spec, &SystemClock));
        let facts = examination.facts.clone();
        let mut told: Vec<Told> = examination.findings.iter().map(Told::of).collect();
        let limit = self.wanted.expires_within;
        if let Some(facts) = &facts
            && (0..limit).contains(&facts.days_left(self.now))
        {
            // says the same, with a limit of its own
            told.retain(|told| told.kind != "expires_soon");
            let message = format!(
                "the certificate expires in {} days, on {}, and at least {limit} days were asked for",
                facts.days_left(self.now),
                facts.not_after.date(),
            );
            told.insert(
                0,
                Told {
                    severity: Severity::Error,
                    kind: "expires_within".to_owned(),
                    message,
                    hint: Some(format!(
                        "ask the bank for the next one: `kaspi cert request --bin {}`",
                        spec.owner
                    )),
                },
            );
        }
        (facts, told)
    }
}

/// The identity in the folder of `owner`, or what to tell the merchant who wants to act with it.
fn own_of<'a>(
    owner: Bin,
    merchant: &MerchantSpec,
    folders: &'a [MerchantFolder],
) -> Result<&'a IdentitySpec, Told> {
    let named = folders.iter().find(|folder| folder.bin == Some(owner));
    match named.map(|folder| &folder.merchant) {
        Some(Err(error)) => return Err(Told::error(error.as_ref())),
        Some(Ok(spec)) => {
            if let IdentitySource::Own(own) = &spec.identity {
                return Ok(own);
            }
        }
        None => {}
    }
    Err(Told::error(&RegistryError::NoSuchOwner {
        bin: merchant.bin,
        owner,
        folder: merchant.folder.clone(),
        exists: named.is_some(),
    }))
}

impl Told {
    fn of(finding: &Finding) -> Self {
        Self {
            severity: finding.severity,
            kind: finding.kind.to_owned(),
            message: finding.message.clone(),
            hint: finding.hint.clone(),
        }
    }

    fn error(error: &(impl Explain + 'static)) -> Self {
        Self {
            severity: Severity::Error,
            kind: error.kind().to_owned(),
            message: chain_text(error),
            hint: error.hint(),
        }
    }
}

fn text(rows: &[Row], paint: &Paint) -> String {
    if rows.is_empty() {
        return "no organisation is configured: make a folder named after its BIN in `certs_dir`".to_owned();
    }
    let mut lines = Vec::new();
    for row in rows {
        let mark = match (row.active, row.ok) {
            (false, _) => paint.faint("off "),
            (true, true) => paint.good("ok  "),
            (true, false) => paint.bad("FAIL"),
        };
        let name = row
            .bin
            .map_or_else(|| row.folder.display().to_string(), |bin| bin.to_string());
        let days = match row.days_left {
            Some(days) if days < 0 => format!("expired {} days ago", -days),
            Some(days) => format!("{days} days left"),
            None => "no certificate".to_owned(),
        };
        let lent = match row.identity {
            Some(owner) if Some(owner) != row.bin => format!(", identity of {owner}"),
            _ => String::new(),
        };
        lines.push(format!("{mark}  {}  {days}{lent}", paint.strong(name)));
        for told in &row.findings {
            let severity = match told.severity {
                Severity::Error => paint.bad("error:"),
                Severity::Warning => paint.warning("warning:"),
            };
            lines.push(format!("      {severity} {}", told.message));
            lines.extend(
                told.hint
                    .iter()
                    .map(|hint| format!("        {} {hint}", paint.hint("hint:"))),
            );
        }
    }
    lines.join("\n")
}
