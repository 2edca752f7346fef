//! `kaspi webhook log`: what was sent, with every attempt.

use serde::Serialize;
use time::OffsetDateTime;

use super::args::Log;
use crate::base::{Bin, PaymentId};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::journal::local;
use crate::cli::report::Paint;
use crate::payments::{Cursor, DeliveryAttempt, DeliveryFilter, DeliveryState, Payments, WebhookDelivery};

/// One delivery; the names are relied upon.
#[derive(Serialize)]
struct Row {
    id: String,
    bin: Bin,
    webhook: String,
    event: i64,
    #[serde(rename = "type")]
    kind: String,
    payment_id: Option<PaymentId>,
    state: DeliveryState,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    next_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    settled_at: Option<OffsetDateTime>,
    attempts: Vec<AttemptRow>,
}

#[derive(Serialize)]
struct AttemptRow {
    attempt: u32,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    status: Option<u16>,
    failure: Option<String>,
    duration_ms: u128,
}

#[derive(Serialize)]
struct LogJson {
    deliveries: Vec<Row>,
    next: Option<Cursor>,
}

pub(super) async fn run(payments: &Payments, which: Log, context: &Context<'_>) -> Result<(), Failure> {
    let filter = DeliveryFilter {
        bins: context.bin().into_iter().collect(),
        states: which.states,
        endpoint: which.name,
        payment: which.payment,
        limit: which.limit.max(1),
        cursor: which.cursor,
    };
    let page = payments.deliveries(&filter).await?;
    let mut rows = Vec::with_capacity(page.items.len());
    for delivery in page.items {
        let attempts = payments.delivery_attempts(&delivery).await?;
        rows.push(Row::of(delivery, &attempts));
    }
    let json = LogJson {
        deliveries: rows,
        next: page.next,
    };
    context.report.result(
        |paint| {
            let mut lines: Vec<String> = json.deliveries.iter().map(|row| row.lines(paint)).collect();
            if lines.is_empty() {
                lines.push("no delivery".to_owned());
            }
            if let Some(next) = json.next {
                lines.push(paint.faint(format!("more: --cursor {next}")));
            }
            lines.join("\n")
        },
        &json,
    );
    Ok(())
}

impl Row {
    fn of(delivery: WebhookDelivery, attempts: &[DeliveryAttempt]) -> Self {
        Self {
            id: delivery.id,
            bin: delivery.bin,
            webhook: delivery.endpoint,
            event: delivery.event,
            kind: delivery.kind,
            payment_id: delivery.payment_id,
            state: delivery.state,
            created_at: delivery.created_at,
            next_at: delivery.next_at,
            settled_at: delivery.settled_at,
            attempts: attempts
                .iter()
                .map(|attempt| AttemptRow {
                    attempt: attempt.attempt,
                    at: attempt.at,
                    status: attempt.status,
                    failure: attempt.failure.clone(),
                    duration_ms: attempt.duration.as_millis(),
                })
                .collect(),
        }
    }

    fn lines(&self, paint: &Paint) -> String {
        let word = format!("{:<9}", self.state);
        let state = match self.state {
            DeliveryState::Waiting => paint.strong(word),
            DeliveryState::Delivered => paint.good(word),
            DeliveryState::Dead => paint.bad(word),
        };
        let mut text = format!(
            "{}  {}  {state}  {}  {}  {}",
            local(self.created_at),
            self.id,
            self.bin,
            self.webhook,
            self.kind
        );
        if let Some(payment) = self.payment_id {
            text.push_str(&format!("  payment {payment}"));
        }
        for attempt in &self.attempts {
            let status = attempt
                .status
                .map_or_else(String::new, |status| format!("HTTP {status}  "));
            let outcome = match &attempt.failure {
                None => paint.good("taken"),
                Some(failure) => paint.warning(failure),
            };
            text.push_str(&format!(
                "\n  {:>2}  {}  {status}{outcome}  {} ms",
                attempt.attempt,
                local(attempt.at),
                attempt.duration_ms
            ));
        }
        if let Some(next) = self.next_at.filter(|_| !self.attempts.is_empty()) {
            text.push_str(&format!("\n      again at {}", local(next)));
        }
        text
    }
}
