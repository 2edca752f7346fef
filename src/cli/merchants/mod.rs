//! `kaspi merchants`: who is configured, and how each stands.

mod row;
mod text;

use super::args::Merchants;
use super::context::Context;
use super::failure::Failure;
use super::gateway;
use crate::app::live::LiveState;
use row::{RowJson, SheetJson};

pub(super) async fn run(command: &Merchants, context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let registry = app.transport().registry();
    for (folder, problem) in registry.unseated() {
        context
            .report
            .warning(format!("`{}` is passed over: {problem}", folder.display()));
    }
    let live = gateway::seen(app.config(), context.report).await;
    let rows = row::all(&registry.status(), live.as_ref());
    match command {
        Merchants::List => {
            let json: Vec<RowJson<'_>> = rows.iter().map(RowJson::of).collect();
            let source = source(live.as_ref());
            context
                .report
                .result(|paint| text::table(&rows, &source, paint), &json);
        }
        Merchants::Show => {
            let bin = registry.bin_or_default(context.bin())?;
            let Some(row) = rows.iter().find(|row| row.report.bin == bin) else {
                return Err(registry.unknown_bin(bin).into());
            };
            let source = source(live.as_ref().filter(|_| row.is_live()));
            context
                .report
                .result(|paint| text::sheet(row, &source, paint), &SheetJson::of(row));
        }
    }
    Ok(())
}

/// Who says so.
fn source(live: Option<&LiveState>) -> String {
    match live {
        Some(state) => {
            let degraded = state
                .rotation
                .degraded
                .as_ref()
                .map(|reason| format!("; it notices changes only once a minute: {reason}"))
                .unwrap_or_default();
            format!(
                "live: as the gateway (process {}) serves it{degraded}",
                state.process_id
            )
        }
        None => "from files only".to_owned(),
    }
}
