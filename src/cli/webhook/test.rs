//! `kaspi webhook test`: a signed event now, and the answer to it.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::app::webhook_outbound;
use crate::base::{Clock as _, SystemClock};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::report::Paint;
use crate::config::WebhookSpec;
use crate::outbound::Outbound;
use crate::webhooks::{Outcome, send};

/// The kind of the event, which nothing else has.
const KIND: &str = "webhook.test";

pub(super) async fn run(name: Option<&str>, context: &Context<'_>) -> Result<(), Failure> {
    let app = context.open()?;
    let bin = app.transport().registry().bin_or_default(context.bin())?;
    let merchants = app.transport().registry().merchants();
    let Some(merchant) = merchants.iter().find(|merchant| merchant.bin == bin) else {
        return Err(app.transport().registry().unknown_bin(bin).into());
    };
    let wanted: Vec<&WebhookSpec> = merchant
        .webhooks
        .iter()
        .filter(|spec| name.is_none_or(|name| spec.name == name))
        .collect();
    if wanted.is_empty() {
        let which = name.map(|name| format!(" `{name}`")).unwrap_or_default();
        return Err(Failure::said_no_because(
            format!("BIN `{bin}` has no webhook{which}"),
            "add a `[[webhook]]` to its merchant.toml",
        ));
    }
    let outbound = webhook_outbound(&app.config().webhooks)?;
    let mut rows = Vec::with_capacity(wanted.len());
    for spec in &wanted {
        rows.push((*spec, attempt(&outbound, spec, &bin.to_string()).await));
    }
    let all_taken = rows.iter().all(|(_, outcome)| outcome.failure.is_none());
    let json: Vec<Value> = rows.iter().map(|(spec, outcome)| object(spec, outcome)).collect();
    context.report.result(
        |paint| {
            let lines: Vec<String> = rows
                .iter()
                .map(|(spec, outcome)| line(spec, outcome, paint))
                .collect();
            lines.join("\n")
        },
        &json!({ "bin": bin, "webhooks": json }),
    );
    match all_taken {
        true => Ok(()),
        false => Err(Failure::said_no("a webhook did not take the event")),
    }
}

async fn attempt(outbound: &Outbound, spec: &WebhookSpec, bin: &str) -> Outcome {
    let now = SystemClock.now();
    let body = json!({
        "type": KIND,
        "at": now.format(&Rfc3339).unwrap_or_default(),
        "bin": bin,
    });
    let id = format!("msg_test_{}", Uuid::now_v7().simple());
    send(outbound, spec, &id, body.to_string().into(), now).await
}

fn object(spec: &WebhookSpec, outcome: &Outcome) -> Value {
    let failure = outcome.failure.as_ref();
    json!({
        "name": spec.name,
        "host": spec.url.authority().map(ToString::to_string),
        "taken": failure.is_none(),
        "status": outcome.status,
        "failure": failure.map(|failure| failure.kind),
        "message": failure.map(|failure| &failure.message),
        "hint": failure.and_then(|failure| failure.hint.as_ref()),
        "duration_ms": outcome.duration.as_millis(),
        "answer": outcome.answer,
    })
}

fn line(spec: &WebhookSpec, outcome: &Outcome, paint: &Paint) -> String {
    let took = format!("{} ms", outcome.duration.as_millis());
    let mut text = match (&outcome.failure, outcome.status) {
        (None, Some(status)) => format!("{}  {}  HTTP {status}  {took}", paint.good("taken"), spec.name),
        (None, None) => format!("{}  {}  {took}", paint.good("taken"), spec.name),
        (Some(failure), _) => format!(
            "{}  {}  {}  {took}",
            paint.bad("not taken"),
            spec.name,
            failure.message
        ),
    };
    if let Some(hint) = outcome.failure.as_ref().and_then(|failure| failure.hint.as_ref()) {
        text.push_str(&format!("\n  {} {hint}", paint.hint("hint:")));
    }
    let answer = outcome.answer.trim();
    if !answer.is_empty() {
        text.push_str(&format!(
            "\n  answer: {}",
            paint.faint(answer.replace('\n', "\n          "))
        ));
    }
    text
}
