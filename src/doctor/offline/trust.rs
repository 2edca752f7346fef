//! Stage `trust`: whom we believe on the other side.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::day;
use super::identity::rfc3339;
use crate::base::{Explain, chain_text};
use crate::config::TrustSettings;
use crate::doctor::draft::Draft;
use crate::doctor::{Cause, Stage, StageId};
use crate::identity::{self, Facts};

/// The stage, and what further ones need of it.
pub(in crate::doctor) struct Checked {
    pub(in crate::doctor) stage: Stage,
    /// Nothing where no server can be judged.
    pub(in crate::doctor) roots: Option<Arc<RootCertStore>>,
    /// The certificates of `extra_ca_file`.
    pub(in crate::doctor) authorities: Vec<Facts>,
}

pub(in crate::doctor) fn check(settings: &TrustSettings, now: OffsetDateTime) -> Checked {
    let mut draft = Draft::new(StageId::Trust);
    let authorities = match &settings.extra_ca_file {
        Some(file) => extra(file, now, &mut draft),
        None => Vec::new(),
    };
    draft.facts.add("only_extra_ca", settings.only_extra_ca);
    let trust = match identity::trust_roots(settings) {
        Ok(trust) => trust,
        Err(error) => {
            if error.kind() == "no_roots" {
                draft.error(&error);
            } else {
                let why = chain_text(&error);
                draft.told(
                    Cause::ExtraCaUnusable,
                    format!("`kaspi.extra_ca_file` cannot be used: {why}"),
                    error.hint(),
                );
            }
            return Checked {
                stage: draft.done(""),
                roots: None,
                authorities,
            };
        }
    };
    for warning in &trust.warnings {
        let cause = Cause::of_id(warning.kind).unwrap_or(Cause::Unexplained);
        draft.told(cause, warning.message.clone(), warning.hint.clone());
    }
    let public = trust.roots.len().saturating_sub(trust.extra);
    draft.facts.add("public_roots", public);
    draft.facts.add("extra_roots", trust.extra);
    let well = match (public, trust.extra) {
        (public, 0) => format!("{public} public authorities"),
        (0, extra) => format!("{extra} of extra_ca_file alone"),
        (public, extra) => format!("{public} public authorities and {extra} of extra_ca_file"),
    };
    Checked {
        stage: draft.done(well),
        roots: Some(trust.roots),
        authorities,
    }
}

/// Looks at each certificate of the file. What cannot be read at all is told when it is loaded.
fn extra(file: &Path, now: OffsetDateTime, draft: &mut Draft) -> Vec<Facts> {
    draft.facts.add("extra_ca_file", file.display().to_string());
    let found: Vec<Facts> = identity::inspect(file, &[], now)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|inspected| inspected.certificate)
        .collect();
    let shown: Vec<Value> = found
        .iter()
        .map(|facts| {
            json!({
                "subject": facts.subject,
                "sha256": facts.sha256,
                "not_after": rfc3339(facts.not_after),
            })
        })
        .collect();
    draft.facts.add("authorities", shown);
    let expired: Vec<&Facts> = found.iter().filter(|facts| facts.not_after < now).collect();
    if let Some(last) = expired.iter().map(|facts| facts.not_after).max()
        && expired.len() == found.len()
    {
        draft.find(
            Cause::RootsExpired,
            &[
                ("file", &file.display()),
                ("not_after", &day(last)),
                ("now", &rfc3339(now)),
            ],
        );
        return found;
    }
    for facts in expired {
        draft.find(
            Cause::RootExpired,
            &[
                ("file", &file.display()),
                ("subject", &facts.subject),
                ("not_after", &day(facts.not_after)),
                ("now", &rfc3339(now)),
            ],
        );
    }
    found
}
