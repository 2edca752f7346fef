//! `kaspi webhook list`: the webhooks, and how each has been served.

use serde::Serialize;
use time::OffsetDateTime;

use crate::app::App;
use crate::base::Bin;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::journal::local;
use crate::cli::report::Paint;
use crate::config::WebhookSpec;
use crate::payments::EndpointState;

/// One webhook; the names are relied upon.
#[derive(Serialize)]
struct Row {
    bin: Bin,
    name: String,
    /// Whether it stands in the configuration of now.
    configured: bool,
    /// Where it goes, without path and query.
    host: Option<String>,
    events: Vec<&'static str>,
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    waiting: u64,
    dead: u64,
    #[serde(with = "time::serde::rfc3339::option")]
    oldest_waiting: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_success: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_failure_at: Option<OffsetDateTime>,
    last_failure: Option<String>,
}

#[derive(Serialize)]
struct ListJson {
    webhooks: Vec<Row>,
}

pub(super) async fn run(app: &App, context: &Context<'_>) -> Result<(), Failure> {
    let mut served = app.payments().webhook_endpoints().await?;
    let mut rows = Vec::new();
    for merchant in app.transport().registry().merchants() {
        for spec in merchant.webhooks.iter() {
            let known = served
                .iter()
                .position(|state| state.bin == merchant.bin && state.endpoint == spec.name)
                .map(|place| served.swap_remove(place));
            rows.push(Row::of(merchant.bin, &spec.name, Some(spec), known));
        }
    }
    // what is still owed to webhooks that are not configured any more
    for state in served {
        rows.push(Row::of(state.bin, &state.endpoint.clone(), None, Some(state)));
    }
    rows.retain(|row| context.bin().is_none_or(|bin| bin == row.bin));
    rows.sort_by(|one, other| (one.bin, &one.name).cmp(&(other.bin, &other.name)));
    let json = ListJson { webhooks: rows };
    context.report.result(
        |paint| {
            let lines: Vec<String> = json.webhooks.iter().map(|row| row.line(paint)).collect();
            match lines.is_empty() {
                true => "no webhook".to_owned(),
                false => lines.join("\n"),
            }
        },
        &json,
    );
    Ok(())
}

impl Row {
    fn of(bin: Bin, name: &str, spec: Option<&WebhookSpec>, state: Option<EndpointState>) -> Self {
        let state = state.as_ref();
        Self {
            bin,
            name: name.to_owned(),
            configured: spec.is_some(),
            host: spec.and_then(|spec| spec.url.authority().map(ToString::to_string)),
            events: spec.map(|spec| spec.events.clone()).unwrap_or_default(),
            since: state.map(|state| state.since),
            waiting: state.map_or(0, |state| state.waiting),
            dead: state.map_or(0, |state| state.dead),
            oldest_waiting: state.and_then(|state| state.oldest_waiting),
            last_success: state.and_then(|state| state.last_success),
            last_failure_at: state.and_then(|state| state.last_failure_at),
            last_failure: state.and_then(|state| state.last_failure.clone()),
        }
    }

    fn line(&self, paint: &Paint) -> String {
        let host = match &self.host {
            Some(host) => host.clone(),
            None => paint.warning("not configured any more"),
        };
        let mut text = format!("{}  {}  {host}", self.bin, paint.strong(&self.name));
        let Some(since) = self.since else {
            return format!("{text}\n  {}", paint.faint("not told of anything yet"));
        };
        text.push_str(&format!("\n  told since      {}", local(since)));
        text.push_str(&format!("\n  waiting         {}", self.waiting));
        if let Some(oldest) = self.oldest_waiting {
            text.push_str(&format!(", the oldest since {}", local(oldest)));
        }
        let dead = match self.dead {
            0 => "0".to_owned(),
            more => paint.bad(more),
        };
        text.push_str(&format!("\n  given up        {dead}"));
        let success = self.last_success.map_or("never".to_owned(), local);
        text.push_str(&format!("\n  last delivered  {success}"));
        if let (Some(at), Some(why)) = (self.last_failure_at, &self.last_failure) {
            text.push_str(&format!(
                "\n  last failure    {}  {}",
                local(at),
                paint.warning(why)
            ));
        }
        text
    }
}
