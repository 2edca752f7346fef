//! A stage under way.

use std::fmt::Display;
use std::time::{Duration, Instant};

use super::cause::filled;
use super::{Cause, Facts, Finding, Stage, StageId, Verdict};
use crate::base::{Explain, chain_text};

/// A stage under way: what is learnt is put down here, and the verdict follows from it.
pub(super) struct Draft {
    id: StageId,
    began: Instant,
    pub(super) facts: Facts,
    findings: Vec<Finding>,
}

impl Draft {
    pub(super) fn new(id: StageId) -> Self {
        Self {
            id,
            began: Instant::now(),
            facts: Facts::default(),
            findings: Vec::new(),
        }
    }

    /// A finding in the words of the table.
    pub(super) fn find(&mut self, cause: Cause, values: &[(&str, &dyn Display)]) {
        let entry = cause.entry();
        self.put(cause, filled(entry.line, values), filled(entry.cure, values));
    }

    /// A finding of another room, in its words.
    pub(super) fn told(&mut self, cause: Cause, message: String, hint: Option<String>) {
        let hint = hint.unwrap_or_else(|| cause.entry().cure.to_owned());
        self.put(cause, message, hint);
    }

    /// An error of another room. One that has no row in the table is told all the same.
    pub(super) fn error(&mut self, error: &(impl Explain + 'static)) {
        let cause = Cause::of_id(error.kind()).unwrap_or(Cause::Unexplained);
        self.told(cause, chain_text(error), error.hint());
    }

    pub(super) fn has_failed(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Verdict::Fail)
    }

    /// The stage, with what is said of it if nothing was found.
    pub(super) fn done(self, well: impl Into<String>) -> Stage {
        let took = self.began.elapsed();
        self.done_in(took, well)
    }

    /// The same, for a stage whose work was done and timed elsewhere.
    pub(super) fn done_in(mut self, duration: Duration, well: impl Into<String>) -> Stage {
        // the worst first, and what was found first before what was found later
        self.findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let worst = self.findings.first();
        Stage {
            id: self.id,
            verdict: worst.map_or(Verdict::Pass, |finding| finding.severity),
            duration,
            summary: worst.map_or_else(|| well.into(), |finding| finding.message.clone()),
            facts: self.facts,
            findings: self.findings,
        }
    }

    /// The stage, where it could not be checked although it was begun. What was learnt is kept.
    pub(super) fn skipped(self, because: impl Display) -> Stage {
        Stage {
            facts: self.facts,
            ..skipped(self.id, because)
        }
    }

    fn put(&mut self, cause: Cause, message: String, hint: String) {
        self.findings.push(Finding {
            cause,
            severity: cause.entry().severity,
            message,
            hint,
        });
    }
}

/// A stage that was not checked.
pub(super) fn skipped(id: StageId, because: impl Display) -> Stage {
    Stage {
        id,
        verdict: Verdict::Skip,
        duration: Duration::ZERO,
        summary: format!("not checked because {because}"),
        facts: Facts::default(),
        findings: Vec::new(),
    }
}
