//! `kaspi merchants`: who is configured, and how each stands.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::Merchants;
use super::context::Context;
use super::failure::Failure;
use super::report::Paint;
use crate::base::{Bin, Explain};
use crate::config::Route;
use crate::registry::{Attempts, MerchantState, MerchantStatus, RegistryError};

pub(super) fn run(command: &Merchants, context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let registry = app.transport().registry();
    for (folder, problem) in registry.unseated() {
        context
            .report
            .warning(format!("`{}` is passed over: {problem}", folder.display()));
    }
    let rows = registry.status();
    match command {
        Merchants::List => {
            let json: Vec<RowJson> = rows.iter().map(RowJson::of).collect();
            context.report.result(|paint| table(&rows, paint), &json);
        }
        Merchants::Show => {
            let bin = registry.bin_or_default(context.bin())?;
            let Some(row) = rows.iter().find(|row| row.bin == bin) else {
                return Err(registry.unknown_bin(bin).into());
            };
            context
                .report
                .result(|paint| sheet(row, paint), &SheetJson::of(row));
        }
    }
    Ok(())
}

/// One row of `merchants list`; the names are relied upon.
#[derive(Serialize)]
struct RowJson<'a> {
    bin: Bin,
    name: &'a str,
    state: &'static str,
    identity: Option<Bin>,
    certificate_sha256: Option<&'a str>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_after: Option<OffsetDateTime>,
    days_left: Option<i64>,
    generation: Option<u64>,
    route: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemJson>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
struct ProblemJson {
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl ProblemJson {
    fn of(problem: &RegistryError) -> Self {
        Self {
            kind: problem.kind(),
            message: problem.to_string(),
            hint: problem.hint(),
        }
    }
}

impl<'a> RowJson<'a> {
    fn of(row: &'a MerchantStatus) -> Self {
        Self {
            bin: row.bin,
            name: &row.name,
            state: row.state.as_str(),
            identity: row.identity,
            certificate_sha256: row.facts.as_ref().map(|facts| facts.sha256.as_str()),
            not_after: row.facts.as_ref().map(|facts| facts.not_after),
            days_left: row.days_left,
            generation: row.generation,
            route: row.route.map(route_word),
            problem: row.problem.as_deref().map(ProblemJson::of),
            warnings: &row.warnings,
        }
    }
}

#[derive(Serialize)]
struct SheetJson<'a> {
    #[serde(flatten)]
    row: RowJson<'a>,
    folder: &'a std::path::Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a crate::identity::Facts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_opened_with: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    loaded_at: Option<OffsetDateTime>,
    files: FilesJson,
    trade_points: Vec<TradePointJson>,
}

/// What became of reading the files; a program that ends at once knows of one attempt only.
#[derive(Serialize)]
struct FilesJson {
    #[serde(with = "time::serde::rfc3339::option")]
    last_attempt: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_success: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<LastErrorJson>,
}

#[derive(Serialize)]
struct LastErrorJson {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(flatten)]
    problem: ProblemJson,
}

impl FilesJson {
    fn of(attempts: &Attempts) -> Self {
        Self {
            last_attempt: attempts.last_attempt,
            last_success: attempts.last_success,
            last_error: attempts.last_error.as_ref().map(|failed| LastErrorJson {
                at: failed.at,
                problem: ProblemJson::of(&failed.error),
            }),
        }
    }
}

#[derive(Serialize)]
struct TradePointJson {
    trade_point_id: Option<crate::base::TradePointId>,
    has_device_token: bool,
    default: bool,
}

impl<'a> SheetJson<'a> {
    fn of(row: &'a MerchantStatus) -> Self {
        Self {
            row: RowJson::of(row),
            folder: &row.folder,
            certificate: row.facts.as_ref(),
            key_opened_with: row.opened_with.as_ref().map(ToString::to_string),
            loaded_at: row.loaded_at,
            files: FilesJson::of(&row.attempts),
            trade_points: row
                .trade_points
                .iter()
                .enumerate()
                .map(|(index, (id, has_token))| TradePointJson {
                    trade_point_id: *id,
                    has_device_token: *has_token,
                    default: index == 0,
                })
                .collect(),
        }
    }
}

fn moment(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0)
        .unwrap_or(at)
        .format(&Rfc3339)
        .unwrap_or_else(|_| at.to_string())
}

fn route_word(route: Route) -> &'static str {
    match route {
        Route::Direct => "direct",
        Route::Wrapper => "wrapper",
    }
}

fn table(rows: &[MerchantStatus], paint: &Paint) -> String {
    if rows.is_empty() {
        return "no organisation is configured: make a folder named after its BIN in `certs_dir`".to_owned();
    }
    let name_width = rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(4)
        .clamp(4, 32);
    let mut lines = vec![paint.faint(format!(
        "{:<12}  {:<name_width$}  {:<8}  {:<12}  {:<16}  {:<10}  {:>6}  {:>3}  route",
        "BIN", "name", "state", "identity", "certificate", "not after", "days", "gen"
    ))];
    for row in rows {
        let state = format!("{:<8}", row.state.as_str());
        let state = match row.state {
            MerchantState::Ready => paint.good(state),
            MerchantState::Inactive => paint.faint(state),
            MerchantState::Broken => paint.bad(state),
        };
        let name: String = row.name.chars().take(name_width).collect();
        let days = row
            .days_left
            .map_or_else(|| "-".to_owned(), |days| days.to_string());
        lines.push(format!(
            "{:<12}  {name:<name_width$}  {state}  {:<12}  {:<16}  {:<10}  {days:>6}  {:>3}  {}",
            row.bin.to_string(),
            row.identity.map_or_else(|| "-".to_owned(), |bin| bin.to_string()),
            row.facts
                .as_ref()
                .map_or("-", |facts| facts.sha256.get(..16).unwrap_or("-")),
            row.facts
                .as_ref()
                .map_or_else(|| "-".to_owned(), |facts| facts.not_after.date().to_string()),
            row.generation
                .map_or_else(|| "-".to_owned(), |number| number.to_string()),
            row.route.map_or("-", route_word),
        ));
    }
    for row in rows {
        if let Some(problem) = &row.problem {
            lines.push(format!("{} {problem}", paint.bad("broken:")));
            if let Some(hint) = problem.hint() {
                lines.push(format!("  {} {hint}", paint.hint("hint:")));
            }
        }
        for warning in &row.warnings {
            lines.push(format!("{} {}: {warning}", paint.warning("warning:"), row.bin));
        }
    }
    lines.join("\n")
}

fn sheet(row: &MerchantStatus, paint: &Paint) -> String {
    let mut lines = vec![format!("{} {}", paint.strong(row.bin), row.name)];
    let mut field = |name: &str, value: String| lines.push(format!("  {name:<14} {value}"));
    field(
        "state",
        match row.state {
            MerchantState::Ready => paint.good("ready"),
            MerchantState::Inactive => paint.faint("inactive"),
            MerchantState::Broken => paint.bad("broken"),
        },
    );
    field("folder", row.folder.display().to_string());
    if let Some(route) = row.route {
        field("route", route_word(route).to_owned());
    }
    if let Some(owner) = row.identity {
        field(
            "identity",
            if owner == row.bin {
                "its own".to_owned()
            } else {
                format!("that of {owner}")
            },
        );
    }
    if let Some(facts) = &row.facts {
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
    if let Some(origin) = &row.opened_with {
        field("key opened by", origin.to_string());
    }
    if let Some(number) = row.generation {
        field("generation", number.to_string());
    }
    let attempts = &row.attempts;
    if let Some(at) = attempts.last_success.or(attempts.last_attempt) {
        let used = if attempts.last_success.is_some() {
            "put to use"
        } else {
            "tried"
        };
        field("files", format!("{used} at {}", moment(at)));
    }
    if let Some(failed) = &attempts.last_error {
        field(
            "last error",
            format!("at {}: {}", moment(failed.at), failed.error),
        );
    }
    for (index, (id, has_token)) in row.trade_points.iter().enumerate() {
        let id = id.map_or_else(|| "without number".to_owned(), |id| id.to_string());
        let token = if *has_token {
            "has a device token"
        } else {
            "has no device token"
        };
        let default = if index == 0 { ", default" } else { "" };
        field("trade point", format!("{id}, {token}{default}"));
    }
    if let Some(problem) = &row.problem {
        lines.push(format!("{} {problem}", paint.bad("broken:")));
        if let Some(hint) = problem.hint() {
            lines.push(format!("  {} {hint}", paint.hint("hint:")));
        }
    }
    lines.extend(
        row.warnings
            .iter()
            .map(|warning| format!("{} {warning}", paint.warning("warning:"))),
    );
    lines.join("\n")
}
