//! Payments, in pages, as the journal knows them.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use time::{Date, Duration};

use super::chart::escaped;
use super::choice;
use super::desk::{Desk, moment};
use super::frame::{self, Place};
use super::pages::{self, Refused, drawn, spoken};
use super::reconciliation::tenge;
use super::report_words::{Lang, words as figures};
use super::table::{
    self,
    Column::{Number, Text},
};
use super::words::{Words, words};
use crate::base::Amount;
use crate::gateway::hall::Hall;
use crate::gateway::problem::Problem;
use crate::payments::{ALMATY, Page, PaymentFilter, PaymentRecord};

const KNOWN: [&str; 9] = [
    "lang", "bin", "state", "from", "to", "least", "most", "id", "cursor",
];
/// How many there are on a page.
const LIMIT: usize = 50;

pub(super) async fn payments(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Payments, page(&hall, request, lang).await)
}

async fn page(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &KNOWN).await?;
    if let Some(id) = desk.field("id") {
        let known = desk.payment(hall, id).await?;
        return Ok(pages::see_other(&format!(
            "/admin/payment/{}?lang={}",
            known.payment_id,
            lang.code()
        )));
    }
    let filter = filter(&desk).ok_or(Refused::Text(words(lang).bad_search))?;
    let bin = match filter.bins.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let _turn = hall.turn(&desk.call.visitor, bin).await?;
    let found = hall
        .payments
        .known_payments(&filter)
        .await
        .map_err(Problem::Payment)?;
    let html = format!(
        "<h1>{}</h1>\n{}{}",
        words(lang).payments,
        form(&desk),
        table(&desk, &found)
    );
    Ok(frame::page(lang, Place::Payments, "", &html))
}

/// What is asked for; none where it cannot be understood, or is not this visitor's to see.
fn filter(desk: &Desk) -> Option<PaymentFilter> {
    let bins = desk.chosen_bins()?;
    let day = |name: &str| match desk.field(name) {
        Some(text) => Date::parse(text, time::macros::format_description!("[year]-[month]-[day]"))
            .map(Some)
            .ok(),
        None => Some(None),
    };
    let amount = |name: &str| match desk.field(name) {
        Some(text) => Amount::parse(&text.replace(',', ".")).map(Some).ok(),
        None => Some(None),
    };
    let begins = |date: Date| date.midnight().assume_offset(ALMATY);
    Some(PaymentFilter {
        bins,
        states: match desk.field("state") {
            Some(word) => vec![word.parse().ok()?],
            None => Vec::new(),
        },
        from: day("from")?.map(begins),
        until: day("to")?
            .and_then(|date| date.checked_add(Duration::DAY))
            .map(begins),
        at_least: amount("least")?,
        at_most: amount("most")?,
        limit: LIMIT,
        cursor: match desk.field("cursor") {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        },
        ..PaymentFilter::default()
    })
}

fn form(desk: &Desk) -> String {
    let (lang, words, figures) = (desk.lang, words(desk.lang), figures(desk.lang));
    let given = |name: &str| escaped(desk.field(name).unwrap_or_default());
    let mut html = format!(
        "<form method=\"get\" action=\"/admin/payments\" class=\"filter\">\n\
         <input type=\"hidden\" name=\"lang\" value=\"{}\">\n{}{}",
        lang.code(),
        desk.bin_choice(),
        choice::states(
            words.state,
            figures.every_bin,
            ["pending", "paid", "failed", "unknown"].map(|state| (state, words.payment_state(state))),
            desk.field("state")
        )
    );
    for (name, label, kind) in [
        ("from", figures.from, "type=\"date\""),
        ("to", figures.to, "type=\"date\""),
        ("least", words.least, "inputmode=\"decimal\" size=\"8\""),
        ("most", words.most, "inputmode=\"decimal\" size=\"8\""),
        ("id", words.number, "inputmode=\"numeric\" size=\"14\""),
    ] {
        let _ = writeln!(
            html,
            "<p><label for=\"{name}\">{label}</label><input id=\"{name}\" name=\"{name}\" {kind} value=\"{}\"></p>",
            given(name)
        );
    }
    let _ = writeln!(html, "<button type=\"submit\">{}</button>\n</form>", figures.show);
    html
}

fn table(desk: &Desk, found: &Page<PaymentRecord>) -> String {
    let (words, figures) = (words(desk.lang), figures(desk.lang));
    if found.items.is_empty() {
        return format!("<p class=\"empty\">{}</p>\n", words.nothing);
    }
    let mut html = table::begun(
        words.payments,
        words.payments,
        &[
            Text(words.number),
            Text(figures.bin),
            Text(figures.kind),
            Number(figures.amount),
            Text(words.state),
            Text(figures.made_at),
        ],
    );
    for payment in &found.items {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\"><a href=\"/admin/payment/{0}\">{0}</a></th><td>{1}</td><td>{2}</td>\
             <td class=\"num\">{3}</td><td>{4}</td><td>{5}</td></tr>",
            payment.payment_id,
            desk.name(payment.bin),
            figures.payment_kind(payment.kind),
            payment
                .amount
                .map_or_else(|| "–".to_owned(), |amount| tenge(desk.lang, amount.tiyn())),
            standing(words, payment),
            moment(payment.created_at)
        );
    }
    html += table::END;
    if let Some(next) = found.next {
        let mut query = format!("lang={}&amp;cursor={next}", desk.lang.code());
        for name in ["bin", "state", "from", "to", "least", "most"] {
            if let Some(value) = desk.field(name) {
                let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
                let _ = write!(query, "&amp;{name}={value}");
            }
        }
        let _ = writeln!(
            html,
            "<p><a rel=\"next\" href=\"/admin/payments?{query}\">{}</a></p>",
            words.earlier
        );
    }
    html
}

/// How a payment stands, with Kaspi's own word beside.
pub(super) fn standing(words: &Words, payment: &PaymentRecord) -> String {
    match &payment.status {
        None => words.payment_state("unknown").to_owned(),
        Some(status) => format!(
            "{} <small lang=\"en\">{}</small>",
            words.payment_state(status.state().as_str()),
            escaped(status.as_str())
        ),
    }
}
