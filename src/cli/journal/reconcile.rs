//! `kaspi journal reconcile`: Kaspi is asked about everything that is unknown.

use serde::Serialize;

use super::show::{OperationJson, line};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::report::Paint;
use crate::payments::{Difference, Found, Payments, ReconcileReport, this_person};

#[derive(Serialize)]
struct ReportJson<'a> {
    orphans: u64,
    operations: Vec<FoundJson<'a>>,
    payments_read: u64,
    differences: &'a [Difference],
}

#[derive(Serialize)]
struct FoundJson<'a> {
    #[serde(flatten)]
    operation: OperationJson<'a>,
    found: &'static str,
    note: &'a str,
}

pub(super) async fn run(
    payments: &Payments,
    after_restore: bool,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let report = if after_restore {
        payments.reconcile_after_restore(&this_person()).await?
    } else {
        payments.reconcile().await?
    };
    let json = ReportJson {
        orphans: report.orphans,
        operations: report
            .operations
            .iter()
            .map(|looked| FoundJson {
                operation: OperationJson::of(&looked.operation),
                found: looked.found.as_str(),
                note: &looked.note,
            })
            .collect(),
        payments_read: report.payments_read,
        differences: &report.differences,
    };
    context
        .report
        .result(|paint| text(&report, after_restore, paint), &json);
    Ok(())
}

fn text(report: &ReconcileReport, after_restore: bool, paint: &Paint) -> String {
    let mut lines = Vec::new();
    if report.orphans > 0 {
        lines.push(format!(
            "{} operations of processes that have ended were settled",
            report.orphans
        ));
    }
    for looked in &report.operations {
        lines.push(line(&looked.operation, paint));
        let found = match looked.found {
            Found::Accepted => paint.good("accepted"),
            Found::NotMade => paint.good("not made"),
            Found::Waits => paint.warning("waits"),
            Found::Person => paint.bad("a person has to look"),
            _ => paint.warning(looked.found.as_str().replace('_', " ")),
        };
        lines.push(format!("  {found}: {}", looked.note));
    }
    for difference in &report.differences {
        let by_kaspi = difference
            .refunded_by_kaspi
            .map_or_else(|| "an unknown sum".to_owned(), |sum| format!("{sum} tenge"));
        lines.push(format!(
            "{} payment {} of BIN {}: {by_kaspi} paid back at Kaspi, {} tenge in the journal: {}",
            paint.warning("differs"),
            difference.payment_id,
            difference.bin,
            difference.refunded_by_journal,
            difference.note
        ));
    }
    if after_restore {
        lines.push(format!(
            "{} {} payments were compared with Kaspi; money calls go on",
            paint.good("done"),
            report.payments_read
        ));
    } else if report.operations.is_empty() {
        lines.push(format!("{} nothing is unknown", paint.good("done")));
    }
    lines.join("\n")
}
