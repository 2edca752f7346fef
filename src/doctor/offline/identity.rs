//! Stages `files`, `certificate` and `key`: one examination of the identity, sorted into three.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::config::Subject;
use super::day;
use crate::base::Clock;
use crate::config::{IdentityFiles, PasswordOrigin};
use crate::doctor::draft::Draft;
use crate::doctor::{Cause, GatewayState, Stage, StageId};
use crate::identity::{self, Examination, Facts, Finding};

/// The three stages, and what was examined for them.
pub(in crate::doctor) struct Checked {
    pub(in crate::doctor) stages: [Stage; 3],
    pub(in crate::doctor) examination: Examination,
}

/// Examines the identity that a BIN acts with. `authorities` are those of `extra_ca_file`.
pub(in crate::doctor) fn check(
    subject: &Subject,
    authorities: &[Facts],
    gateway: Option<&GatewayState>,
    clock: &dyn Clock,
) -> Checked {
    let now = clock.now();
    let began = Instant::now();
    let examination = identity::examine(&subject.identity, clock);
    let took = began.elapsed();
    let sorted = Sorted::new(&examination.findings, &subject.identity.files);
    let desk = Desk {
        subject,
        authorities,
        gateway,
        examination: &examination,
        sorted,
        now,
    };
    let files = desk.files();
    let certificate = desk.certificate();
    let key = desk.key(took);
    Checked {
        stages: [files, certificate, key],
        examination,
    }
}

struct Desk<'a> {
    subject: &'a Subject,
    authorities: &'a [Facts],
    gateway: Option<&'a GatewayState>,
    examination: &'a Examination,
    sorted: Sorted<'a>,
    now: OffsetDateTime,
}

impl Desk<'_> {
    fn files(&self) -> Stage {
        let mut draft = Draft::new(StageId::Files);
        let mut count = 1;
        match &self.subject.identity.files {
            IdentityFiles::Pair {
                certificate,
                private_key,
            } => {
                draft.facts.add("certificate", file_facts(certificate));
                draft.facts.add("private_key", file_facts(private_key));
                count = 2;
            }
            IdentityFiles::Single(path) => draft.facts.add("identity", file_facts(path)),
            IdentityFiles::Variable(variable) => {
                let facts = json!({ "variable": variable.name(), "bytes": variable.expose().len() });
                draft.facts.add("identity", facts);
                count = 0;
            }
        }
        let passwords: Vec<Value> = self
            .subject
            .identity
            .passwords
            .iter()
            .map(|source| Value::from(source.origin.to_string()))
            .collect();
        draft.facts.add("passwords", passwords);
        for finding in &self.sorted.files {
            draft.finding(finding);
        }
        for warning in &self.subject.file_warnings {
            draft.warning(warning);
        }
        let well = match count {
            0 => "a variable holds certificate and key: another takes a restart".to_owned(),
            1 => "one file holds certificate and key, private to its owner".to_owned(),
            _ => "certificate and key are there, the key is private".to_owned(),
        };
        draft.done(well)
    }

    fn certificate(&self) -> Stage {
        let mut draft = Draft::new(StageId::Certificate);
        for finding in &self.sorted.certificate {
            draft.finding(finding);
        }
        self.gateway(self.examination.facts.as_ref(), &mut draft);
        let Some(facts) = &self.examination.facts else {
            return if draft.has_failed() {
                draft.done("")
            } else {
                draft.skipped(self.why_unread())
            };
        };
        self.certificate_facts(facts, &mut draft);
        if facts.subject == facts.issuer {
            draft.find(
                Cause::SelfSigned,
                &[
                    ("file", &self.certificate_file().display()),
                    ("subject", &facts.subject),
                ],
            );
        }
        self.bin_in_subject(facts, &mut draft);
        self.missing_intermediate(facts, &mut draft);
        let days = facts.days_left(self.now);
        draft.done(format!(
            "{}, valid until {} ({days} days)",
            common_name(&facts.subject),
            day(facts.not_after)
        ))
    }

    fn certificate_facts(&self, facts: &Facts, draft: &mut Draft) {
        let learnt = &mut draft.facts;
        learnt.add("file", self.certificate_file().display().to_string());
        learnt.add("subject", facts.subject.clone());
        learnt.add("issuer", facts.issuer.clone());
        learnt.add("serial", facts.serial.clone());
        learnt.add("sha256", facts.sha256.clone());
        learnt.add("not_before", rfc3339(facts.not_before));
        learnt.add("not_after", rfc3339(facts.not_after));
        learnt.add("days_left", facts.days_left(self.now));
        learnt.add("key", facts.key.clone());
        learnt.add("public_key_sha256", facts.public_key_sha256.clone());
        learnt.add("signature", facts.signature.clone());
        learnt.add_some("key_usage", facts.key_usage.clone());
        learnt.add_some("extended_key_usage", facts.extended_key_usage.clone());
        let bins: Vec<Value> = facts
            .bins
            .iter()
            .map(|bin| Value::from(bin.to_string()))
            .collect();
        learnt.add("bins_in_subject", bins);
        let chain: Vec<Value> = self
            .examination
            .certificates
            .iter()
            .map(|certificate| Value::from(certificate.subject.clone()))
            .collect();
        learnt.add("certificates_in_file", chain);
    }

    /// The bank may write the BIN into the subject. One certificate may serve several organisations, so
    /// only a subject that names none of those that act with it is odd.
    fn bin_in_subject(&self, facts: &Facts, draft: &mut Draft) {
        let (bin, owner) = (self.subject.spec.bin, self.subject.identity.owner);
        if facts.bins.is_empty() || facts.bins.contains(&bin) || facts.bins.contains(&owner) {
            return;
        }
        let named: Vec<String> = facts.bins.iter().map(|bin| format!("`{bin}`")).collect();
        draft.find(
            Cause::OtherBinInSubject,
            &[
                ("file", &self.certificate_file().display()),
                ("named", &named.join(", ")),
                ("bin", &owner),
            ],
        );
    }

    /// The bank's servers know the authorities that its letter came with. One that issued the certificate
    /// and is neither among them nor in the file is one that they may have to be shown.
    fn missing_intermediate(&self, leaf: &Facts, draft: &mut Draft) {
        let sent = &self.examination.certificates;
        let top = top_of(leaf, sent);
        let self_signed = top.subject == top.issuer;
        let known = |facts: &Facts| facts.subject == top.issuer;
        draft.facts.add(
            "issuer_in_file",
            self_signed || sent.iter().any(|facts| facts.subject == leaf.issuer),
        );
        if self_signed || self.authorities.is_empty() || self.authorities.iter().any(known) {
            return;
        }
        draft.find(
            Cause::MissingIntermediate,
            &[
                ("file", &self.certificate_file().display()),
                ("count", &sent.len()),
                ("issuer", &top.issuer),
            ],
        );
    }

    /// What the running gateway goes on with, where that is not what the files hold.
    fn gateway(&self, facts: Option<&Facts>, draft: &mut Draft) {
        let Some(gateway) = self.gateway else { return };
        draft.facts.add_some("gateway_generation", gateway.generation);
        draft
            .facts
            .add_some("gateway_sha256", gateway.certificate_sha256.clone());
        let (Some(generation), Some(serving)) = (gateway.generation, &gateway.certificate_sha256) else {
            return;
        };
        let files = facts.map_or("no certificate that can be read", |facts| &facts.sha256);
        if serving != files {
            let why = gateway.problem.as_ref().map(|why| format!(": {why}"));
            draft.find(
                Cause::GatewayServesOther,
                &[
                    ("generation", &generation),
                    ("serving", serving),
                    ("files", &files),
                    ("why", &why.unwrap_or_default()),
                    ("bin", &self.subject.spec.bin),
                ],
            );
        }
    }

    fn key(&self, took: Duration) -> Stage {
        let mut draft = Draft::new(StageId::Key);
        for finding in &self.sorted.key {
            draft.finding(finding);
        }
        let Some(opened) = &self.examination.opened else {
            return if draft.has_failed() {
                draft.done_in(took, "")
            } else {
                draft.skipped(self.why_unread())
            };
        };
        draft
            .facts
            .add_some("opened_with", opened.with.as_ref().map(ToString::to_string));
        draft
            .facts
            .add("public_key_sha256", opened.public_key_sha256.clone());
        let fits = self
            .examination
            .facts
            .as_ref()
            .map(|facts| facts.public_key_sha256 == opened.public_key_sha256);
        draft.facts.add_some("fits_certificate", fits);
        let with = match &opened.with {
            None => "not encrypted".to_owned(),
            Some(PasswordOrigin::File(file)) => {
                format!("opened with {}", file.file_name().unwrap_or_default().display())
            }
            Some(origin) => format!("opened with {origin}"),
        };
        let fits = match fits {
            Some(true) => ", belongs to the certificate",
            _ => "",
        };
        draft.done_in(took, format!("{with}{fits}"))
    }

    fn certificate_file(&self) -> &Path {
        match &self.subject.identity.files {
            IdentityFiles::Pair { certificate, .. } => certificate,
            IdentityFiles::Single(path) => path,
            IdentityFiles::Variable(variable) => Path::new(variable.name()),
        }
    }

    /// What kept a certificate or key from being looked at.
    fn why_unread(&self) -> String {
        match &self.examination.outcome {
            Err(error) => crate::base::chain_text(error),
            Ok(_) => "the files were exchanged meanwhile".to_owned(),
        }
    }
}

/// Findings by the stage that tells them.
struct Sorted<'a> {
    files: Vec<&'a Finding>,
    certificate: Vec<&'a Finding>,
    key: Vec<&'a Finding>,
}

impl<'a> Sorted<'a> {
    fn new(findings: &'a [Finding], files: &IdentityFiles) -> Self {
        let mut sorted = Self {
            files: Vec::new(),
            certificate: Vec::new(),
            key: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        for finding in findings {
            // both halves of one broken file say the same
            if !seen.insert((finding.kind, finding.message.as_str())) {
                continue;
            }
            match stage_of(finding, files) {
                StageId::Files => sorted.files.push(finding),
                StageId::Key => sorted.key.push(finding),
                _ => sorted.certificate.push(finding),
            }
        }
        sorted
    }
}

/// What is wrong with the form of a file is told of the half that it holds; the rest by the table.
fn stage_of(finding: &Finding, files: &IdentityFiles) -> StageId {
    let Some(cause) = Cause::of_id(finding.kind) else {
        return StageId::Certificate;
    };
    let about_form = matches!(
        cause,
        Cause::FileEmpty
            | Cause::FileTruncated
            | Cause::BrokenPem
            | Cause::TrailingData
            | Cause::Malformed
            | Cause::WrongForm
    );
    match files {
        IdentityFiles::Pair { private_key, .. } if about_form => {
            if finding.file.as_deref() == Some(private_key) {
                StageId::Key
            } else {
                StageId::Certificate
            }
        }
        _ => cause.entry().stage,
    }
}

/// The last certificate that the file's chain leads to from the own one.
fn top_of<'a>(leaf: &'a Facts, sent: &'a [Facts]) -> &'a Facts {
    let mut top = leaf;
    for _ in sent {
        if top.subject == top.issuer {
            break;
        }
        match sent.iter().find(|above| above.subject == top.issuer) {
            Some(above) => top = above,
            None => break,
        }
    }
    top
}

fn file_facts(path: &Path) -> Value {
    match fs::metadata(path) {
        Ok(metadata) => json!({
            "file": path.display().to_string(),
            "mode": format!("{:04o}", metadata.mode() & 0o7777),
            "owner": metadata.uid(),
            "bytes": metadata.len(),
        }),
        Err(_) => json!({ "file": path.display().to_string() }),
    }
}

/// The name that a subject is called by, or the whole subject where it has none.
fn common_name(subject: &str) -> &str {
    subject
        .split(", ")
        .find_map(|part| part.strip_prefix("CN="))
        .unwrap_or(subject)
}

pub(in crate::doctor) fn rfc3339(moment: OffsetDateTime) -> String {
    moment
        .replace_nanosecond(0)
        .unwrap_or(moment)
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_else(|_| moment.to_string())
}

impl Draft {
    fn finding(&mut self, finding: &Finding) {
        let cause = Cause::of_id(finding.kind).unwrap_or(Cause::Unexplained);
        self.told(cause, finding.message.clone(), finding.hint.clone());
    }
}
