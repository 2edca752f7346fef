//! `kaspi journal list`: operations, a line each.

use serde::Serialize;
use time::{Date, Duration, OffsetDateTime, Time, UtcOffset};

use super::args::Which;
use super::show::{OperationJson, line};
use crate::base::Bin;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::payments::{Cursor, Filter, Payments};

#[derive(Serialize)]
struct ListJson<'a> {
    operations: Vec<OperationJson<'a>>,
    next: Option<Cursor>,
}

pub(super) async fn run(
    payments: &Payments,
    which: &Which,
    limit: usize,
    cursor: Option<Cursor>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let filter = Filter {
        limit: limit.max(1),
        cursor,
        ..filter(which, context.bin())
    };
    let page = payments.operations(&filter).await?;
    let json = ListJson {
        operations: page.items.iter().map(OperationJson::of).collect(),
        next: page.next,
    };
    context.report.result(
        |paint| {
            let mut lines: Vec<String> = page.items.iter().map(|record| line(record, paint)).collect();
            if lines.is_empty() {
                lines.push("no operation".to_owned());
            }
            if let Some(next) = page.next {
                lines.push(paint.faint(format!("more: --cursor {next}")));
            }
            lines.join("\n")
        },
        &json,
    );
    Ok(())
}

/// What the arguments choose. Days are those of Kazakhstan.
pub(super) fn filter(which: &Which, bin: Option<Bin>) -> Filter {
    let (from, last) = match which.day {
        Some(day) => (Some(day), Some(day)),
        None => (which.from, which.until),
    };
    Filter {
        bins: bin.into_iter().collect(),
        kinds: which.kinds.clone(),
        states: which.states.clone(),
        payment: which.payment,
        caller: which.caller.clone(),
        from: from.map(midnight),
        until: last.and_then(|day| midnight(day).checked_add(Duration::DAY)),
        ..Filter::default()
    }
}

/// The whole country has been five hours before UTC since 1 March 2024.
pub(super) const KAZAKHSTAN: UtcOffset = match UtcOffset::from_hms(5, 0, 0) {
    Ok(offset) => offset,
    Err(_) => UtcOffset::UTC,
};

fn midnight(day: Date) -> OffsetDateTime {
    day.with_time(Time::MIDNIGHT).assume_offset(KAZAKHSTAN)
}
