//! `kaspi journal show`, and how an operation is told in a line.

use serde::Serialize;
use time::OffsetDateTime;

use super::list::KAZAKHSTAN;
use crate::base::{Clock, OperationId, SystemClock};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::report::Paint;
use crate::payments::{HistoryStep, JournalError, OperationRecord, OperationState, Payments};

/// One operation; the names are relied upon.
#[derive(Serialize)]
pub(super) struct OperationJson<'a> {
    #[serde(flatten)]
    record: &'a OperationRecord,
    /// What stands behind an invoice's comment, to search for in the Kaspi Pay app.
    mark: String,
}

impl<'a> OperationJson<'a> {
    pub(super) fn of(record: &'a OperationRecord) -> Self {
        Self {
            record,
            mark: mark(record.id),
        }
    }
}

#[derive(Serialize)]
struct ShownJson<'a> {
    #[serde(flatten)]
    operation: OperationJson<'a>,
    history: &'a [HistoryStep],
}

pub(super) async fn run(payments: &Payments, id: OperationId, context: &Context<'_>) -> Result<(), Failure> {
    let Some(record) = payments.operation(id).await? else {
        return Err(JournalError::NoSuchOperation {
            place: payments.journal().place().to_owned(),
            id,
        }
        .into());
    };
    let history = payments.history(id).await?;
    let json = ShownJson {
        operation: OperationJson::of(&record),
        history: &history,
    };
    context
        .report
        .result(|paint| sheet(&record, &history, paint), &json);
    Ok(())
}

/// When, which, what became of it, whose, how much, of what.
pub(super) fn line(record: &OperationRecord, paint: &Paint) -> String {
    let mut text = format!(
        "{}  {}  {:<7} {}  {}",
        local(record.recorded_at),
        record.id,
        record.kind,
        state(record, paint),
        record.bin
    );
    if let Some(amount) = record.amount {
        text.push_str(&format!("  {amount} tenge"));
    }
    if let Some(payment) = record.payment_id {
        text.push_str(&format!("  payment {payment}"));
    }
    if let Some(phone) = &record.phone {
        text.push_str(&format!("  {phone}"));
    }
    if record.state == OperationState::Unknown {
        text.push_str(&format!("  {}", paint.hint(mark(record.id))));
    }
    text
}

fn state(record: &OperationRecord, paint: &Paint) -> String {
    let word = format!("{:<8}", record.state);
    match record.state {
        OperationState::Accepted => paint.good(word),
        OperationState::Unknown => paint.bad(format!("unknown for {}", age(record))),
        OperationState::Refused | OperationState::NotMade => paint.warning(word),
        OperationState::Recorded | OperationState::Sent => paint.strong(word),
        OperationState::NotSent => paint.faint(word),
    }
}

fn sheet(record: &OperationRecord, history: &[HistoryStep], paint: &Paint) -> String {
    let mut rows = vec![
        ("operation", record.id.to_string()),
        ("kind", record.kind.to_string()),
        ("state", state(record, paint).trim_end().to_owned()),
        ("BIN", record.bin.to_string()),
    ];
    let mut row = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
    row("trade point", record.trade_point.map(|id| id.to_string()));
    row("amount", record.amount.map(|amount| format!("{amount} tenge")));
    row("payment", record.payment_id.map(|id| id.to_string()));
    row(
        "return operation",
        record.return_operation_id.map(|id| id.to_string()),
    );
    row("phone", record.phone.clone());
    row("comment ends in", record.phone.as_ref().map(|_| mark(record.id)));
    row("caller", Some(record.caller.clone()));
    row("key", record.key.clone());
    row(
        "inferred",
        record
            .inferred
            .then(|| "Kaspi's answer was lost, its details show it".to_owned()),
    );
    row(
        "failure",
        record
            .failure
            .as_ref()
            .map(|failure| format!("{} ({})", failure.message, failure.kind)),
    );
    let mut text: String = rows
        .iter()
        .map(|(name, value)| format!("{name:<17} {value}\n"))
        .collect();
    text.push_str("history\n");
    for step in history {
        let why = if step.why.is_empty() {
            String::new()
        } else {
            format!(": {}", step.why)
        };
        text.push_str(&format!(
            "  {}  {:<8} {}{why}\n",
            local(step.at),
            step.to,
            paint.faint(&step.who)
        ));
    }
    text
}

/// What stands behind an invoice's comment.
pub(super) fn mark(id: OperationId) -> String {
    format!("#{}", id.short())
}

/// By the clocks of Kazakhstan.
pub(in crate::cli) fn local(at: OffsetDateTime) -> String {
    let at = at.to_offset(KAZAKHSTAN);
    format!(
        "{} {:02}:{:02}:{:02}",
        at.date(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn age(record: &OperationRecord) -> String {
    let since = record.sent_at.unwrap_or(record.recorded_at);
    let seconds = (SystemClock.now() - since).whole_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
