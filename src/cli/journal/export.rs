//! `kaspi journal export`: all operations, for a spreadsheet or a program.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::{ExportFormat, Which};
use super::list::filter;
use super::show::{OperationJson, mark};
use crate::base::no_formula;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::payments::{Filter, OperationRecord, Payments};

const COLUMNS: [&str; 18] = [
    "operation_id",
    "mark",
    "recorded_at",
    "sent_at",
    "settled_at",
    "bin",
    "trade_point",
    "kind",
    "state",
    "amount",
    "payment_id",
    "return_operation_id",
    "inferred",
    "phone",
    "caller",
    "key",
    "failure",
    "code",
];

pub(super) async fn run(
    payments: &Payments,
    which: &Which,
    format: Option<ExportFormat>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let json = context.report.is_json();
    let format = format.unwrap_or(if json {
        ExportFormat::Json
    } else {
        ExportFormat::Csv
    });
    let mut filter = Filter {
        limit: 1000,
        ..filter(which, context.bin())
    };
    let mut first = true;
    loop {
        let page = payments.operations(&filter).await?;
        let text = match format {
            ExportFormat::Csv => csv_text(&page.items, first)?,
            ExportFormat::Json => json_text(&page.items, first)?,
        };
        context.report.raw(&text);
        first = false;
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => break,
        }
    }
    if format == ExportFormat::Json {
        context.report.raw(b"]\n");
    }
    Ok(())
}

fn csv_text(records: &[OperationRecord], with_columns: bool) -> Result<Vec<u8>, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let unwritable = |error: csv::Error| Failure::from_io("the export", std::io::Error::other(error));
    if with_columns {
        writer.write_record(COLUMNS).map_err(unwritable)?;
    }
    for record in records {
        let failure = record.failure.as_ref();
        let cells = [
            record.id.to_string(),
            mark(record.id),
            time_text(Some(record.recorded_at)),
            time_text(record.sent_at),
            time_text(record.settled_at),
            record.bin.to_string(),
            text(record.trade_point),
            record.kind.to_string(),
            record.state.to_string(),
            text(record.amount),
            text(record.payment_id),
            text(record.return_operation_id),
            record.inferred.to_string(),
            text(record.phone.as_ref()),
            no_formula(&record.caller).into_owned(),
            no_formula(record.key.as_deref().unwrap_or_default()).into_owned(),
            text(failure.map(|failure| &failure.kind)),
            text(failure.and_then(|failure| failure.code)),
        ];
        writer.write_record(cells).map_err(unwritable)?;
    }
    writer
        .into_inner()
        .map_err(|error| Failure::from_io("the export", error.into_error()))
}

/// One list over all pages.
fn json_text(records: &[OperationRecord], first: bool) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    for (index, record) in records.iter().enumerate() {
        text.push(if first && index == 0 { b'[' } else { b',' });
        serde_json::to_writer(&mut text, &OperationJson::of(record))
            .map_err(|error| Failure::from_io("the export", error.into()))?;
    }
    if first && records.is_empty() {
        text.push(b'[');
    }
    Ok(text)
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn time_text(at: Option<OffsetDateTime>) -> String {
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}
