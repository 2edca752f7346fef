//! A diagnosis as people read it: a line for each stage, what is wrong below it, the verdict at the end.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::base::Bin;
use crate::cli::report::{Paint, Report as Printer};
use crate::config::Environment;
use crate::doctor::{Facts, Finding, Report, Stage, Verdict};

/// Where nothing says how wide the page is.
const WIDTH: usize = 100;
const NARROWEST: usize = 50;
const WIDEST: usize = 160;

/// Mark, name and time stand before each summary.
const INDENT: usize = 2 + 4 + 2 + 11 + 2;
const TIME: usize = 9;

/// How many columns a page has: those of the terminal, or of `COLUMNS`.
pub(super) fn width(environment: &Environment) -> usize {
    let told = environment
        .get("COLUMNS")
        .and_then(|columns| columns.to_str()?.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    told.or_else(terminal).unwrap_or(WIDTH).clamp(NARROWEST, WIDEST)
}

/// What a diagnosis is printed on.
pub(super) struct Page<'a> {
    printer: &'a Printer,
    width: usize,
}

impl<'a> Page<'a> {
    pub(super) fn new(printer: &'a Printer, width: usize) -> Self {
        Self { printer, width }
    }

    pub(super) fn head(&self, bin: Option<Bin>) {
        let paint = self.printer.paint();
        let bin = bin.map_or_else(|| "no BIN".to_owned(), |bin| bin.to_string());
        self.printer.line(&paint.strong(bin));
    }

    /// Tells of stages as they end.
    pub(super) fn teller(&self) -> Teller<'a> {
        Teller {
            printer: self.printer,
            width: self.width,
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn foot(&self, report: &Report) {
        self.printer.line(&format!(
            "\n{}",
            verdict(report, self.width, &self.printer.paint())
        ));
    }

    /// The reports of several BINs: in full where something is wrong, else a line each.
    pub(super) fn all(&self, reports: &[Report]) {
        let paint = self.printer.paint();
        if reports.is_empty() {
            self.printer
                .line("no organisation is configured: make a folder named after its BIN in `certs_dir`");
            return;
        }
        for report in reports {
            if report.verdict <= Verdict::Pass && !self.printer.is_verbose() {
                self.printer.line(&verdict(report, self.width, &paint));
                continue;
            }
            self.head(report.bin);
            let teller = self.teller();
            for stage in &report.stages {
                teller.stage(stage);
            }
            self.printer
                .line(&format!("{}\n", verdict(report, self.width, &paint)));
        }
        let count = |verdict: Verdict| reports.iter().filter(|report| report.verdict == verdict).count();
        self.printer.line(&format!(
            "{} examined: {} healthy, {} with warnings, {} with failures",
            reports.len(),
            count(Verdict::Pass),
            count(Verdict::Warn),
            count(Verdict::Fail)
        ));
    }
}

/// Prints stages one after the other.
pub(super) struct Teller<'a> {
    printer: &'a Printer,
    width: usize,
    failed: AtomicBool,
}

impl Teller<'_> {
    pub(super) fn stage(&self, stage: &Stage) {
        let paint = self.printer.paint();
        let first_failure = stage.verdict == Verdict::Fail && !self.failed.swap(true, Ordering::Relaxed);
        let text = told(
            stage,
            first_failure,
            self.printer.is_verbose(),
            self.width,
            &paint,
        );
        self.printer.line(&text);
    }
}

fn told(stage: &Stage, first_failure: bool, verbose: bool, width: usize, paint: &Paint) -> String {
    let mark = match stage.verdict {
        Verdict::Pass => paint.good("ok  "),
        Verdict::Warn => paint.warning("warn"),
        Verdict::Fail => paint.bad("FAIL"),
        Verdict::Skip => paint.faint("skip"),
    };
    let name = format!("{:<11}", stage.id.as_str());
    let name = if first_failure { paint.bad(name) } else { name };
    if stage.verdict == Verdict::Skip {
        let summary = clipped(&stage.summary, width.saturating_sub(INDENT));
        return format!("  {mark}  {name}  {}", paint.faint(summary));
    }
    let room = width.saturating_sub(INDENT + TIME);
    let time = format!("{} ms", stage.duration.as_millis());
    let summary = clipped(&stage.summary, room);
    let padding = " ".repeat(room.saturating_sub(summary.chars().count()));
    let summary = if first_failure {
        paint.strong(summary)
    } else {
        summary
    };
    let time = paint.faint(format!("{time:>TIME$}"));
    let mut text = format!("  {mark}  {name}  {summary}{padding}{time}");
    for finding in &stage.findings {
        found(finding, stage, room, width, paint, &mut text);
    }
    if verbose {
        facts(&stage.facts, width, paint, &mut text);
    }
    text
}

/// A finding in full: its message where the line above had no room for it, and what to do.
fn found(finding: &Finding, stage: &Stage, room: usize, width: usize, paint: &Paint, text: &mut String) {
    let is_summary = finding.message == stage.summary;
    let clipped = finding.message.chars().count() > room;
    if !is_summary || clipped {
        let mark = match finding.severity {
            Verdict::Fail => paint.bad("|"),
            _ => paint.warning("|"),
        };
        block(&mark, &finding.message, width, text);
    }
    block(&paint.hint("hint:"), &finding.hint, width.saturating_sub(4), text);
}

/// Wrapped text behind a mark, under the summaries.
fn block(mark: &str, body: &str, width: usize, text: &mut String) {
    let indent = " ".repeat(INDENT - 11);
    let room = width.saturating_sub(INDENT - 11 + 2);
    for (index, line) in wrapped(body, room).into_iter().enumerate() {
        let mark = if index == 0 || !mark.contains("hint") {
            mark.to_owned()
        } else {
            "     ".to_owned()
        };
        let _ = write!(text, "\n{indent}{mark} {line}");
    }
}

fn facts(facts: &Facts, width: usize, paint: &Paint, text: &mut String) {
    const NAME: usize = 24;
    let indent = INDENT - 11;
    let room = width.saturating_sub(indent + NAME + 1);
    for (name, value) in facts.iter() {
        let values: Vec<String> = match value {
            Value::Array(items) if items.is_empty() => vec!["none".to_owned()],
            Value::Array(items) if items.iter().all(is_word) => {
                vec![items.iter().map(shown).collect::<Vec<_>>().join(", ")]
            }
            Value::Array(items) => items.iter().map(shown).collect(),
            value => vec![shown(value)],
        };
        let lines = values.iter().flat_map(|value| wrapped(value, room));
        for (index, line) in lines.enumerate() {
            let name = if index == 0 { name } else { "" };
            let _ = write!(
                text,
                "\n{}{} {line}",
                " ".repeat(indent),
                paint.faint(format!("{name:<NAME$}"))
            );
        }
    }
}

/// What a thing is called comes before what it is like.
const FIRST: &[&str] = &["file", "subject", "address", "trade_point_id", "with"];

/// Whether several of its like stand on one line.
fn is_word(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains(' '),
        Value::Number(_) => true,
        _ => false,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "none".to_owned(),
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| !FIRST.contains(&name.as_str()));
            let parts: Vec<String> = fields
                .into_iter()
                .map(|(name, value)| match value {
                    Value::Array(items) => {
                        let items: Vec<String> = items.iter().map(shown).collect();
                        format!("{name} {}", items.join(", "))
                    }
                    value => format!("{name} {}", shown(value)),
                })
                .collect();
            parts.join("; ")
        }
        other => other.to_string(),
    }
}

/// The last line: how it ended, and where.
pub(super) fn verdict_line(report: &Report) -> String {
    painted_verdict(report, &Paint::none())
}

/// The same on a page, where it may need several lines.
fn verdict(report: &Report, width: usize, paint: &Paint) -> String {
    let plain = verdict_line(report);
    if plain.chars().count() <= width {
        return painted_verdict(report, paint);
    }
    wrapped(&plain, width.saturating_sub(2)).join("\n  ")
}

fn painted_verdict(report: &Report, paint: &Paint) -> String {
    let bin = report
        .bin
        .map_or_else(|| "no BIN".to_owned(), |bin| bin.to_string());
    let where_first = |verdict| {
        report
            .stages
            .iter()
            .filter(move |stage| stage.verdict == verdict)
            .filter_map(|stage| Some((stage.id, stage.findings.first()?.cause.id())))
            .map(|(stage, cause)| format!("{stage}: {cause}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let skipped = report
        .stages
        .iter()
        .filter(|stage| stage.verdict == Verdict::Skip)
        .count();
    let skipped = match skipped {
        0 => String::new(),
        1 => " (1 stage not checked)".to_owned(),
        some => format!(" ({some} stages not checked)"),
    };
    let (word, what) = match report.verdict {
        Verdict::Pass => (paint.good("healthy"), String::new()),
        Verdict::Warn => (
            paint.warning("works, with warnings"),
            format!(": {}", where_first(Verdict::Warn)),
        ),
        Verdict::Fail => (
            paint.bad("does not work"),
            format!(": {}", where_first(Verdict::Fail)),
        ),
        Verdict::Skip => (paint.faint("not checked"), String::new()),
    };
    format!("{bin} {word}{what}{skipped}")
}

fn clipped(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Lines of at most so many characters, broken at blanks where there are any. A word that is longer, such
/// as a path, is broken where the line ends.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut taken = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if taken > 0 && taken + 1 + length > room {
            lines.push(std::mem::take(&mut line));
            taken = 0;
        } else if taken > 0 {
            line.push(' ');
            taken += 1;
        }
        for character in word.chars() {
            if taken == room {
                lines.push(std::mem::take(&mut line));
                taken = 0;
            }
            line.push(character);
            taken += 1;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::{Cause, StageId};

    fn stage(id: StageId, verdict: Verdict, summary: &str, findings: Vec<Finding>) -> Stage {
        Stage {
            id,
            verdict,
            duration: Duration::from_millis(7),
            summary: summary.to_owned(),
            facts: Facts::default(),
            findings,
        }
    }

    fn finding(cause: Cause, message: &str, hint: &str) -> Finding {
        Finding {
            cause,
            severity: cause.entry().severity,
            message: message.to_owned(),
            hint: hint.to_owned(),
        }
    }

    fn report() -> Report {
        let warning = "certificate `/etc/kaspi/certs/891027350515/certificate.cer` expires in 12 days, on 2026-12-05T00:00:00Z";
        let failure = "nothing listens at 10.0.0.1:443: connection refused";
        let compare =
            "compare host and port of `kaspi.base_url` in /etc/kaspi/kaspi.toml with the bank's letter";
        let mut certificate = stage(
            StageId::Certificate,
            Verdict::Warn,
            warning,
            vec![finding(
                Cause::ExpiresSoon,
                warning,
                "ask the bank for the next certificate now",
            )],
        );
        certificate.facts.add("sha256", "0f".repeat(32));
        certificate
            .facts
            .add("key_usage", vec!["digitalSignature", "nonRepudiation"]);
        certificate.facts.add(
            "chain",
            serde_json::json!([{"subject": "CN=KBS-CA, O=Kaspi", "ca": true}, {"subject": "CN=Цветы, O=ТОО", "ca": false}]),
        );
        let stages = vec![
            stage(
                StageId::Config,
                Verdict::Pass,
                "/etc/kaspi/kaspi.toml: Цветы",
                Vec::new(),
            ),
            certificate,
            stage(
                StageId::Tcp,
                Verdict::Fail,
                failure,
                vec![finding(Cause::NothingListens, failure, compare)],
            ),
            stage(
                StageId::Tls,
                Verdict::Skip,
                "not checked because the stage `tcp` failed",
                Vec::new(),
            ),
        ];
        Report::new("891027350515".parse().ok(), stages)
    }

    fn page(width: usize, verbose: bool, paint: &Paint) -> String {
        let report = report();
        let mut first = true;
        let mut lines = Vec::new();
        for stage in &report.stages {
            let failed = stage.verdict == Verdict::Fail;
            lines.push(told(stage, failed && first, verbose, width, paint));
            first &= !failed;
        }
        lines.push(verdict(&report, width, paint));
        lines.join("\n")
    }

    #[test]
    fn a_report_fits_its_page() {
        insta::with_settings!({snapshot_path => "../../../tests/it/snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("doctor_page_100", page(100, false, &Paint::none()));
            insta::assert_snapshot!("doctor_page_60_verbose", page(60, true, &Paint::none()));
        });
        for width in [NARROWEST, 60, 79, 100, WIDEST] {
            for line in page(width, true, &Paint::none()).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn colours_are_all_that_colour_adds() {
        let colored = page(100, true, &Paint::all());
        assert!(colored.contains("\u{1b}["));
        let mut plain = String::new();
        for part in colored.split('\u{1b}') {
            let rest = part.strip_prefix('[').and_then(|rest| rest.split_once('m'));
            plain.push_str(rest.map_or(part, |(_, rest)| rest));
        }
        assert_eq!(plain, page(100, true, &Paint::none()));
    }

    #[test]
    fn lines_are_broken_at_blanks_and_nothing_is_lost() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("", 7), [""]);
        assert_eq!(wrapped("ключ не подходит", 8), ["ключ не", "подходит"]);
        assert_eq!(clipped("ключ не подходит", 8), "ключ не…");
    }
}
