//! Webhooks: how each is served, what was sent, and what was given up, which can be sent again.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::chart::escaped;
use super::choice;
use super::desk::{Desk, moment, traced};
use super::frame::{self, Place};
use super::pages::{Refused, drawn, spoken};
use super::report_words::{Lang, words as figures};
use super::table::{
    self,
    Column::{Number, Text},
};
use super::webhook_words::words;
use super::words::words as admin_words;
use crate::base::Bin;
use crate::gateway::hall::Hall;
use crate::gateway::problem::Problem;
use crate::payments::{DeliveryAttempt, DeliveryFilter, DeliveryState, EndpointState, Page, WebhookDelivery};

/// How many deliveries there are on a page.
const LIMIT: usize = 50;

pub(super) async fn webhooks(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Webhooks, list(&hall, request, lang).await)
}

async fn list(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang", "bin", "state", "cursor"]).await?;
    let filter = filter(&desk).ok_or(Refused::Text(admin_words(lang).bad_search))?;
    let _turn = hall.turn(&desk.call.visitor, None).await?;
    page(hall, &desk, &filter, None).await
}

/// What is asked for; none where it cannot be understood, or is not this visitor's to see.
fn filter(desk: &Desk) -> Option<DeliveryFilter> {
    let bins = desk.chosen_bins()?;
    let states = match desk.field("state") {
        Some(word) => vec![DeliveryState::of_word(word)?],
        None => Vec::new(),
    };
    let cursor = match desk.field("cursor") {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some(DeliveryFilter {
        bins,
        states,
        limit: LIMIT,
        cursor,
        ..DeliveryFilter::default()
    })
}

/// The list, with what has just been done.
async fn page(
    hall: &Hall,
    desk: &Desk,
    filter: &DeliveryFilter,
    done: Option<String>,
) -> Result<Response, Refused> {
    let words = words(desk.lang);
    let endpoints = hall
        .payments
        .webhook_endpoints()
        .await
        .map_err(Problem::Payment)?;
    let found = hall.payments.deliveries(filter).await.map_err(Problem::Payment)?;
    let mut html = format!(
        "<h1>{}</h1>\n<p class=\"hint\">{}</p>\n",
        words.webhooks, words.intro
    );
    if let Some(done) = done {
        let _ = writeln!(html, "<p class=\"good\" role=\"status\">{done}</p>");
    }
    html += &endpoints_table(hall, desk, &endpoints);
    let _ = writeln!(html, "<h2>{}</h2>", words.deliveries);
    html += &form(desk);
    html += &table(desk, &found);
    Ok(frame::page(desk.lang, Place::Webhooks, "", &html))
}

/// Those of the configuration, and those that are owed something and have left it.
fn endpoints_table(hall: &Hall, desk: &Desk, served: &[EndpointState]) -> String {
    let (words, admin, figures) = (words(desk.lang), admin_words(desk.lang), figures(desk.lang));
    let mut rows: Vec<(Bin, String, Option<String>)> = Vec::new();
    for merchant in hall.surroundings.merchants() {
        for (name, host) in merchant.webhooks {
            rows.push((merchant.bin, name, Some(host)));
        }
    }
    for state in served {
        if !rows.iter().any(|(bin, name, _)| is(state, *bin, name)) {
            rows.push((state.bin, state.endpoint.clone(), None));
        }
    }
    rows.retain(|(bin, ..)| desk.call.visitor.may_for(*bin));
    rows.sort();
    if rows.is_empty() {
        return format!("<p class=\"empty\">{}</p>\n", words.none_configured);
    }
    let mut html = table::begun(
        words.receivers,
        words.receivers,
        &[
            Text(words.receiver),
            Text(figures.bin),
            Text(words.host),
            Number(words.waiting),
            Number(words.dead),
            Text(words.last_success),
            Text(words.last_failure),
            Text(admin.action),
        ],
    );
    for (bin, name, host) in &rows {
        let state = served.iter().find(|state| is(state, *bin, name));
        let when = |at| moment(at);
        let failure = state.and_then(|state| {
            let why = state.last_failure.as_deref().unwrap_or_default();
            Some(format!("{} {}", when(state.last_failure_at?), escaped(why)))
        });
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td>\
             <td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(name),
            desk.name(*bin),
            host.as_deref()
                .map_or_else(|| words.not_configured.to_owned(), escaped),
            state.map_or(0, |state| state.waiting),
            state.map_or(0, |state| state.dead),
            state
                .and_then(|state| state.last_success)
                .map_or_else(|| "–".to_owned(), when),
            failure.unwrap_or_else(|| "–".to_owned()),
            state
                .filter(|state| state.dead > 0)
                .map(|_| dead_button(desk, *bin, name))
                .unwrap_or_default()
        );
    }
    html += table::END;
    html
}

fn is(state: &EndpointState, bin: Bin, name: &str) -> bool {
    state.bin == bin && state.endpoint == name
}

fn dead_button(desk: &Desk, bin: Bin, name: &str) -> String {
    let mut html = desk.button_form("/admin/webhooks/dead");
    let _ = write!(
        html,
        "<input type=\"hidden\" name=\"bin\" value=\"{bin}\"><input type=\"hidden\" name=\"name\" value=\"{}\">\
         <button type=\"submit\">{}</button></form>",
        escaped(name),
        words(desk.lang).send_dead
    );
    html
}

fn form(desk: &Desk) -> String {
    let (words, admin, figures) = (words(desk.lang), admin_words(desk.lang), figures(desk.lang));
    let states = DeliveryState::ALL.iter();
    format!(
        "<form method=\"get\" action=\"{}\" class=\"filter\">\n<input type=\"hidden\" name=\"lang\" value=\"{}\">\n\
         {}{}<button type=\"submit\">{}</button>\n</form>\n",
        Place::Webhooks.address(),
        desk.lang.code(),
        desk.bin_choice(),
        choice::states(
            admin.state,
            figures.every_bin,
            states.map(|state| (state.as_str(), words.state(*state))),
            desk.field("state")
        ),
        figures.show
    )
}

fn table(desk: &Desk, found: &Page<WebhookDelivery>) -> String {
    let (words, admin, figures) = (words(desk.lang), admin_words(desk.lang), figures(desk.lang));
    if found.items.is_empty() {
        return format!("<p class=\"empty\">{}</p>\n", admin.nothing);
    }
    let mut html = table::begun(
        words.deliveries,
        words.deliveries,
        &[
            Text(admin.at),
            Text(words.event),
            Text(figures.payment),
            Text(words.receiver),
            Text(figures.bin),
            Text(admin.state),
            Number(words.attempts),
        ],
    );
    for delivery in &found.items {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\"><a href=\"/admin/webhook/{}\">{}</a></th><td><code>{}</code></td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td class=\"num\">{}</td></tr>",
            escaped(&delivery.id),
            moment(delivery.created_at),
            escaped(&delivery.kind),
            payment_link(delivery),
            escaped(&delivery.endpoint),
            desk.name(delivery.bin),
            words.state(delivery.state),
            delivery.attempts
        );
    }
    html += table::END;
    if let Some(next) = found.next {
        let mut query = format!("lang={}&amp;cursor={next}", desk.lang.code());
        for name in ["bin", "state"] {
            if let Some(value) = desk.field(name) {
                let _ = write!(query, "&amp;{name}={}", escaped(value));
            }
        }
        let _ = writeln!(
            html,
            "<p><a rel=\"next\" href=\"{}?{query}\">{}</a></p>",
            Place::Webhooks.address(),
            admin.earlier
        );
    }
    html
}

fn payment_link(delivery: &WebhookDelivery) -> String {
    delivery
        .payment_id
        .map(|id| format!("<a href=\"/admin/payment/{id}\">{id}</a>"))
        .unwrap_or_default()
}

/// A delivery of a BIN that may be seen. Another one's does not exist.
async fn delivery(hall: &Hall, desk: &Desk, id: &str) -> Result<WebhookDelivery, Refused> {
    let known = hall.payments.delivery(id).await.map_err(Problem::Payment)?;
    let known = known.filter(|known| desk.call.visitor.may_for(known.bin));
    let known = known.ok_or(Refused::Missing)?;
    desk.call.notes.bin(known.bin);
    Ok(known)
}

pub(super) async fn one(State(hall): State<Arc<Hall>>, Path(id): Path<String>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Webhooks, shown(&hall, &id, request, lang).await)
}

async fn shown(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang"]).await?;
    let known = delivery(hall, &desk, id).await?;
    delivery_page(hall, &desk, &known, None).await
}

/// One delivery and its attempts, with what has just been done.
async fn delivery_page(
    hall: &Hall,
    desk: &Desk,
    known: &WebhookDelivery,
    done: Option<&str>,
) -> Result<Response, Refused> {
    let (words, admin, figures) = (words(desk.lang), admin_words(desk.lang), figures(desk.lang));
    let attempts = hall.payments.delivery_attempts(known).await;
    let attempts = attempts.map_err(Problem::Payment)?;
    let mut html = format!("<h1>{}</h1>\n", words.delivery);
    if let Some(done) = done {
        let _ = writeln!(html, "<p class=\"good\" role=\"status\">{done}</p>");
    }
    html += "<dl class=\"facts\">\n";
    for (name, value) in [
        ("webhook-id", format!("<code>{}</code>", escaped(&known.id))),
        (words.event, format!("<code>{}</code>", escaped(&known.kind))),
        (figures.payment, payment_link(known)),
        (words.receiver, escaped(&known.endpoint)),
        (figures.bin, desk.name(known.bin)),
        (admin.state, words.state(known.state).to_owned()),
        (
            words.next_attempt,
            known.next_at.map_or_else(|| "–".to_owned(), moment),
        ),
    ] {
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html += "</dl>\n";
    if known.state != DeliveryState::Waiting {
        html += &desk.button_form(&format!("/admin/webhook/{}", known.id));
        let _ = writeln!(
            html,
            "<input type=\"hidden\" name=\"attempts\" value=\"{}\"><button type=\"submit\">{}</button>\n</form>",
            known.attempts, words.send_again
        );
    }
    html += &attempts_table(desk, &attempts);
    Ok(frame::page(desk.lang, Place::Webhooks, "", &html))
}

fn attempts_table(desk: &Desk, attempts: &[DeliveryAttempt]) -> String {
    let (words, admin) = (words(desk.lang), admin_words(desk.lang));
    let mut html = format!("<h2>{}</h2>\n", words.attempts);
    if attempts.is_empty() {
        let _ = writeln!(html, "<p class=\"empty\">{}</p>", admin.nothing);
        return html;
    }
    html += &table::begun(
        words.attempts,
        words.attempts,
        &[
            Text(admin.at),
            Text("HTTP"),
            Text(admin.outcome),
            Number(words.took),
        ],
    );
    for attempt in attempts {
        let outcome = match &attempt.failure {
            None => format!("<span class=\"good\">{}</span>", words.taken),
            Some(why) => format!("<span class=\"bad\" lang=\"en\">{}</span>", escaped(why)),
        };
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{outcome}</td><td class=\"num\">{} ms</td></tr>",
            moment(attempt.at),
            attempt
                .status
                .map_or_else(|| "–".to_owned(), |status| status.to_string()),
            attempt.duration.as_millis()
        );
    }
    html += table::END;
    html
}

pub(super) async fn resend(
    State(hall): State<Arc<Hall>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Webhooks, resent(&hall, &id, request, lang).await)
}

/// The form says how many attempts the person saw: sent a second time, it finds that there were more.
async fn resent(hall: &Hall, id: &str, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of_form(hall, request, lang, &["lang", "attempts"]).await?;
    let known = delivery(hall, &desk, id).await?;
    let seen = desk.field("attempts").and_then(|text| text.parse().ok());
    let seen: u32 = seen.ok_or(Refused::Text(admin_words(lang).no_key))?;
    let payments = hall.payments.clone();
    let named = known.id.clone();
    let work = async move { payments.resend(&named, Some(seen)).await };
    let sent = traced(hall, &desk, (known.bin, "webhook_resend", known.id.clone()), work).await?;
    let words = words(lang);
    let done = if sent {
        words.sent_again
    } else {
        words.sent_already
    };
    let known = delivery(hall, &desk, id).await?;
    delivery_page(hall, &desk, &known, Some(done)).await
}

pub(super) async fn resend_dead(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Webhooks, all_resent(&hall, request, lang).await)
}

/// What was given up, and nothing else: sent a second time, the form finds nothing any more.
async fn all_resent(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of_form(hall, request, lang, &["lang", "bin", "name"]).await?;
    let bin = desk.field("bin").and_then(|text| desk.own_bin(text));
    let bin = bin.ok_or(Refused::Missing)?;
    desk.call.notes.bin(bin);
    let name = desk.field("name").ok_or(Refused::Missing)?.to_owned();
    let payments = hall.payments.clone();
    let subject = name.clone();
    let work = async move { payments.resend_dead(bin, Some(&name)).await };
    let count = traced(hall, &desk, (bin, "webhook_resend_dead", subject), work).await?;
    let done = format!("{}: {count}", words(lang).sent_again);
    let filter = DeliveryFilter {
        bins: vec![bin],
        limit: LIMIT,
        ..DeliveryFilter::default()
    };
    page(hall, &desk, &filter, Some(done)).await
}
