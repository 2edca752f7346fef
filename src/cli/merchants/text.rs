//! The same for people.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::row::{Row, short};
use crate::app::live::{MerchantReport, ProblemReport};
use crate::cli::report::Paint;

/// Every BIN, a line each.
pub(super) fn table(rows: &[Row], source: &str, paint: &Paint) -> String {
    if rows.is_empty() {
        return "no organisation is configured: make a folder named after its BIN in `certs_dir`".to_owned();
    }
    let name_width = rows
        .iter()
        .map(|row| row.report.name.chars().count())
        .max()
        .unwrap_or(4)
        .clamp(4, 32);
    let mut lines = vec![paint.faint(format!(
        "{:<12}  {:<name_width$}  {:<8}  {:<12}  {:<16}  {:<10}  {:>6}  {:>3}  route",
        "BIN", "name", "state", "identity", "certificate", "not after", "days", "gen"
    ))];
    for row in rows.iter().map(|row| &row.report) {
        let state = state(row, &format!("{:<8}", row.state), paint);
        let name: String = row.name.chars().take(name_width).collect();
        lines.push(format!(
            "{:<12}  {name:<name_width$}  {state}  {:<12}  {:<16}  {:<10}  {:>6}  {:>3}  {}",
            row.bin.to_string(),
            or_dash(row.identity),
            row.certificate_sha256().map_or("-", short),
            or_dash(row.certificate.as_ref().map(|facts| facts.not_after.date())),
            or_dash(row.days_left),
            or_dash(row.generation),
            row.route.as_deref().unwrap_or("-"),
        ));
    }
    for row in rows.iter().map(|row| &row.report) {
        lines.extend(row.problem.iter().flat_map(|problem| broken(problem, paint)));
        for warning in &row.warnings {
            lines.push(format!("{} {}: {warning}", paint.warning("warning:"), row.bin));
        }
    }
    lines.push(paint.faint(source));
    lines.join("\n")
}

/// One of them in full.
pub(super) fn sheet(row: &Row, source: &str, paint: &Paint) -> String {
    let is_live = row.is_live();
    let row = &row.report;
    let mut lines = vec![format!("{} {}", paint.strong(row.bin), row.name)];
    let mut field = |name: &str, value: String| lines.push(format!("  {name:<14} {value}"));
    field("state", state(row, &row.state, paint));
    field("folder", row.folder.clone());
    if let Some(route) = &row.route {
        field("route", route.clone());
    }
    if let Some(owner) = row.identity {
        field(
            "identity",
            match &row.identity_variable {
                Some(variable) => format!("its own, in the variable {variable}: another takes a restart"),
                None if owner == row.bin => "its own".to_owned(),
                None => format!("that of {owner}"),
            },
        );
    }
    if let Some(facts) = &row.certificate {
        field("subject", facts.subject.clone());
        field("issuer", facts.issuer.clone());
        field("serial", facts.serial.clone());
        field("sha256", facts.sha256.clone());
        let days = row
            .days_left
            .map(|days| format!(" ({days} days left)"))
            .unwrap_or_default();
        field(
            "valid",
            format!("{} to {}{days}", facts.not_before.date(), facts.not_after.date()),
        );
        field("key", facts.key.clone());
    }
    if let Some(origin) = &row.key_opened_with {
        field("key opened by", origin.clone());
    }
    if let Some(number) = row.generation {
        let since = row
            .loaded_at
            .filter(|_| is_live)
            .map(|at| format!(", since {}", moment(at)))
            .unwrap_or_default();
        field("generation", format!("{number}{since}"));
    }
    let files = &row.files;
    if let Some(at) = files.last_success.or(files.last_attempt) {
        let used = if files.last_success.is_some() {
            "put to use"
        } else {
            "tried"
        };
        field("files", format!("{used} at {}", moment(at)));
    }
    if let Some(failed) = &files.last_error {
        field(
            "last error",
            format!("at {}: {}", moment(failed.at), failed.problem.message),
        );
    }
    for point in &row.trade_points {
        let id = point
            .trade_point_id
            .map_or_else(|| "without number".to_owned(), |id| id.to_string());
        let token = if point.has_device_token {
            "has a device token"
        } else {
            "has no device token"
        };
        let default = if point.default { ", default" } else { "" };
        field("trade point", format!("{id}, {token}{default}"));
    }
    field("source", source.to_owned());
    lines.extend(row.problem.iter().flat_map(|problem| broken(problem, paint)));
    lines.extend(
        row.warnings
            .iter()
            .map(|warning| format!("{} {warning}", paint.warning("warning:"))),
    );
    lines.join("\n")
}

fn state(row: &MerchantReport, text: &str, paint: &Paint) -> String {
    match row.state.as_str() {
        "ready" => paint.good(text),
        "inactive" => paint.faint(text),
        _ => paint.bad(text),
    }
}

fn broken(problem: &ProblemReport, paint: &Paint) -> Vec<String> {
    let mut lines = vec![format!("{} {}", paint.bad("broken:"), problem.message)];
    lines.extend(
        problem
            .hint
            .as_ref()
            .map(|hint| format!("  {} {hint}", paint.hint("hint:"))),
    );
    lines
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn moment(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0)
        .unwrap_or(at)
        .format(&Rfc3339)
        .unwrap_or_else(|_| at.to_string())
}
