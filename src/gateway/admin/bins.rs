//! How each BIN stands.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::chart::escaped;
use super::desk::{Desk, moment};
use super::doctor;
use super::doctor_words::words as doctor_words;
use super::frame::{self, Place};
use super::pages::{Refused, drawn, spoken};
use super::report_words::{Lang, words as figures};
use super::words::words;
use crate::base::chain_text;
use crate::config::Route;
use crate::gateway::hall::Hall;
use crate::gateway::problem::Problem;
use crate::payments::{DayBook, Tally};
use crate::registry::status::{MerchantState, MerchantStatus};

pub(super) async fn bins(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Bins, page(&hall, request, lang).await)
}

async fn page(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang"]).await?;
    let _turn = hall.turn(&desk.call.visitor, None).await?;
    let own: Vec<_> = desk.own.iter().map(|(bin, _)| *bin).collect();
    let today = super::graphs::today(hall.surroundings.now());
    let books = hall.payments.daily_books(&own, today, today).await;
    let books = books.map_err(Problem::Payment)?;
    let words = words(lang);
    let mut html = format!("<h1>{}</h1>\n", words.bins);
    if hall.sandboxed {
        let _ = writeln!(html, "<p class=\"hint\">{}</p>", words.sandbox);
    }
    let mut merchants = hall.surroundings.merchants();
    merchants.retain(|merchant| desk.call.visitor.may_for(merchant.bin));
    if merchants.is_empty() {
        let _ = writeln!(html, "<p class=\"empty\">{}</p>", words.nothing);
    }
    for merchant in &merchants {
        let book = books.iter().find(|book| book.bin == merchant.bin);
        html += &card(&desk, merchant, book);
    }
    Ok(frame::page(lang, Place::Bins, "", &html))
}

fn card(desk: &Desk, merchant: &MerchantStatus, book: Option<&DayBook>) -> String {
    let (words, figures) = (words(desk.lang), figures(desk.lang));
    let bin = merchant.bin;
    let state = match merchant.state {
        MerchantState::Ready => format!("<span class=\"good\">{}</span>", words.ready),
        MerchantState::Inactive => words.inactive.to_owned(),
        MerchantState::Broken => format!("<span class=\"bad\">{}</span>", words.broken),
    };
    let mut html = format!(
        "<section aria-labelledby=\"bin-{bin}\">\n<h2 id=\"bin-{bin}\">{} <small>{bin}</small></h2>\n<dl class=\"facts\">\n",
        escaped(&merchant.name)
    );
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    fact(words.state, state);
    if let Some(identity) = merchant.identity {
        fact(words.identity, identity.to_string());
    }
    if let Some(days) = merchant.days_left {
        fact(words.days_left, days.to_string());
    }
    if let Some(generation) = merchant.generation {
        let loaded = merchant.loaded_at.map(moment).unwrap_or_default();
        fact(words.generation, format!("{generation}, {loaded}"));
    }
    let route = match merchant.route {
        Some(Route::Wrapper) => words.over_wrapper,
        Some(Route::Direct) => words.direct,
        None => "–",
    };
    fact(words.route, route.to_owned());
    if let Some(book) = book {
        let (paid, refunded) = (book.paid, book.refunded);
        fact(
            words.today,
            counts([
                (figures.made, book.made()),
                (figures.paid, paid),
                (figures.refunded, refunded),
            ]),
        );
        fact(
            figures.outcomes,
            counts([
                (figures.accepted, book.made().and(refunded).and(book.canceled)),
                (figures.refused, book.refused),
                (figures.not_sent, book.not_sent),
                (figures.unknown, book.unknown),
            ]),
        );
    } else {
        fact(words.today, words.nothing.to_owned());
    }
    if let Some(problem) = &merchant.problem {
        fact(words.problem, told(&chain_text(problem.as_ref())));
    }
    if let Some(failed) = &merchant.attempts.last_error {
        fact(
            words.last_error,
            format!(
                "{} {}",
                moment(failed.at),
                told(&chain_text(failed.error.as_ref()))
            ),
        );
    }
    for warning in &merchant.warnings {
        fact(words.warning, told(warning));
    }
    let _ = writeln!(
        html,
        "</dl>\n<p><a href=\"/admin/payments?bin={bin}\">{}</a> · <a href=\"/admin/doctor/{bin}\">{}</a></p>",
        words.payments,
        doctor_words(desk.lang).last_run
    );
    html += &doctor::button(desk, bin);
    html += "</section>\n";
    html
}

/// Numbers beside their words, of which none stands alone at the end of a line.
fn counts<const N: usize>(named: [(&str, Tally); N]) -> String {
    named
        .map(|(name, tally)| format!("{name}\u{a0}{}", tally.count))
        .join(" · ")
}

/// The program's own words, which are English.
fn told(text: &str) -> String {
    format!("<span class=\"bad\" lang=\"en\">{}</span>", escaped(text))
}
