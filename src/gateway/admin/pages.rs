//! The addresses under `/admin`: who asks, for which BINs and days, and which page that gives.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use time::Date;

use super::comparison::Stands;
use super::entry::Entry;
use super::frame::{self, Place};
use super::graphs::{self, Graphs};
use super::reconciliation::{self, Page};
use super::report_words::{Lang, words};
use super::session::cookie_named;
use super::sheet::Dialect;
use super::span::{self, BadSpan, Span};
use super::words::words as admin_words;
use super::{accountant, accountant::Wanted};
use super::{bins, doctor, guard, login, payment, payments, test_payment, trail, unknown, webhooks};
use crate::base::Bin;
use crate::config::Verb;
use crate::gateway::access::Visitor;
use crate::gateway::call::{Call, Contract};
use crate::gateway::hall::Hall;
use crate::gateway::input;
use crate::gateway::problem::Problem;

const KNOWN: [&str; 8] = [
    "bin", "from", "to", "lang", "file", "numbers", "bank_bin", "bank_day",
];

pub(in crate::gateway) fn router(hall: Arc<Hall>) -> Router {
    Router::new()
        .route(Place::Bins.address(), get(bins::bins))
        .route("/admin/doctor/{bin}", get(doctor::shown).post(doctor::run))
        .route(Place::Payments.address(), get(payments::payments))
        .route("/admin/payment/{id}", get(payment::payment))
        .route("/admin/payment/{id}/check", post(payment::check))
        .route(
            "/admin/payment/{id}/refund",
            get(payment::ask_refund).post(payment::refund),
        )
        .route(
            "/admin/payment/{id}/cancel",
            get(payment::ask_cancel).post(payment::cancel),
        )
        .route(Place::Unknown.address(), get(unknown::unknown))
        .route("/admin/unknown/{id}", get(unknown::one).post(unknown::resolve))
        .route(Place::Webhooks.address(), get(webhooks::webhooks))
        .route("/admin/webhooks/dead", post(webhooks::resend_dead))
        .route("/admin/webhook/{id}", get(webhooks::one).post(webhooks::resend))
        .route(
            Place::Test.address(),
            get(test_payment::form).post(test_payment::make),
        )
        .route(Place::Trail.address(), get(trail::trail))
        .route(Place::Leave.address(), get(login::leave).post(login::left))
        .route(Place::Reconciliation.address(), get(books))
        .route("/admin/reconciliation/file", get(file))
        .route("/admin/reconciliation/bank", post(bank))
        .route(Place::Charts.address(), get(charts))
        .route_layer(from_fn_with_state(Arc::clone(&hall), guard::guard))
        .route("/admin/login", post(login::login))
        .with_state(hall)
        .route("/admin/figures.css", get(frame::style))
        .route("/admin/figures.svg", get(frame::icon))
}

/// The cookie with the language that somebody chose.
pub(super) const LANG_COOKIE: &str = "kaspi_lang";

/// Why a page is not shown.
pub(super) enum Refused {
    Span(BadSpan),
    Problem(Problem),
    /// Something is wrong with what was filled in, in the person's language.
    Text(&'static str),
    /// No such thing, as far as this visitor may know.
    Missing,
}

/// Who asks, and for what.
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) fields: HashMap<String, String>,
    /// The BINs that the token may see, with their names.
    pub(super) own: Vec<(Bin, String)>,
    today: Date,
}

impl Asked {
    pub(super) async fn of(
        hall: &Hall,
        request: Request,
        known: &[&'static str],
        form: bool,
    ) -> Result<Self, Refused> {
        let call = Call::open(hall, request, Contract::Native, Verb::Admin).await?;
        let mut given = if form { call.form(known) } else { call.query(known) };
        let fields = known
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), given.optional(name, input::text)?)))
            .collect();
        given.finish()?;
        Ok(Self {
            own: own(hall, &call.visitor),
            today: graphs::today(hall.surroundings.now()),
            call,
            fields,
        })
    }

    fn span(&self, days: i64) -> Result<Span, Refused> {
        let bins: Vec<Bin> = self.bins();
        let span = Span::of(&self.fields, &bins, self.today, days)?;
        if let Some(bin) = span.bin {
            self.call.notes.bin(bin);
        }
        Ok(span)
    }

    fn bins(&self) -> Vec<Bin> {
        self.own.iter().map(|(bin, _)| *bin).collect()
    }

    /// The day that was compared with the bank last, where the address names one.
    fn compared_day(&self) -> Option<(Bin, Date)> {
        let named = |name: &str| self.fields.get(name).cloned().unwrap_or_default();
        let fields = [("bin", named("bank_bin")), ("day", named("bank_day"))];
        let fields = fields.map(|(name, value)| (name.to_owned(), value)).into();
        span::one_day(&fields, &self.bins()).ok()
    }
}

async fn books(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(
        lang,
        Place::Reconciliation,
        books_page(&hall, request, lang).await,
    )
}

async fn books_page(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let asked = Asked::of(hall, request, &KNOWN, false).await?;
    let span = asked.span(7)?;
    let _turn = hall.turn(&asked.call.visitor, span.bin).await?;
    let books = hall
        .payments
        .daily_books(&span.bins, span.first, span.last)
        .await
        .map_err(Problem::Payment)?;
    let day = asked.compared_day();
    let compared = day.and_then(|(bin, day)| Some((bin, day, hall.comparisons.of(bin, day)?)));
    let page = Page {
        lang,
        address: Place::Reconciliation.address(),
        proof: &asked.call.proof,
        own: &asked.own,
        span: &span,
        books: &books,
        compared: compared.as_ref().map(|(bin, day, one)| (*bin, *day, one)),
    };
    let mut query = span.query();
    if let Some((bin, day)) = day {
        query.push_str(&format!("&bank_bin={bin}&bank_day={day}"));
    }
    let mut response = frame::page(lang, Place::Reconciliation, &query, &page.html());
    if let Some((_, _, one)) = &compared
        && matches!(one.stands, Stands::Running(..))
    {
        // the whole address: to one that ends in a fragment a browser only scrolls
        let there = format!("{}?lang={}&{query}", Place::Reconciliation.address(), lang.code());
        frame::come_again(&mut response, 2, &there);
    }
    Ok(response)
}

async fn charts(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Charts, charts_page(&hall, request, lang).await)
}

async fn charts_page(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let asked = Asked::of(hall, request, &KNOWN, false).await?;
    let span = asked.span(30)?;
    let _turn = hall.turn(&asked.call.visitor, span.bin).await?;
    let step = graphs::step(span.first, span.last);
    let series = hall
        .payments
        .series(&span.bins, span.first, span.last, step)
        .await
        .map_err(Problem::Payment)?;
    let name = |bin: Bin| {
        let named = asked.own.iter().find(|(one, _)| *one == bin);
        let name = named.map_or_else(|| bin.to_string(), |(_, name)| name.clone());
        let namesakes = asked.own.iter().filter(|(_, other)| *other == name).count();
        if namesakes > 1 {
            format!("{name} ({bin})")
        } else {
            name
        }
    };
    let graphs = Graphs {
        words: words(lang),
        series: &series,
        first: span.first,
        last: span.last,
        step,
        name: &name,
        tenge: &|tiyn| reconciliation::tenge(lang, tiyn),
        whole: &reconciliation::whole,
    };
    let content = format!(
        "<h1>{}</h1>\n<p class=\"hint\">{}</p>\n{}{}",
        words(lang).charts,
        words(lang).reconciliation_intro,
        reconciliation::filter(lang, Place::Charts.address(), &asked.own, &span),
        graphs.html()
    );
    Ok(frame::page(lang, Place::Charts, &span.query(), &content))
}

async fn file(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Reconciliation, file_of(&hall, request, lang).await)
}

async fn file_of(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let asked = Asked::of(hall, request, &KNOWN, false).await?;
    let span = asked.span(7)?;
    let (file, dialect) = span::file(&asked.fields).ok_or(BadSpan::Days)?;
    let _turn = hall.turn(&asked.call.visitor, span.bin).await?;
    let name = format!(
        "attachment; filename=\"kaspi-{}-{}-{}.csv\"",
        file.name(),
        span.first,
        span.last
    );
    let wanted = Wanted {
        file,
        dialect,
        bins: span.bins,
        first: span.first,
        last: span.last,
    };
    tracing::info!(caller = asked.call.visitor.name(), file = file.name(), from = %span.first, to = %span.last, comma = dialect == Dialect::Comma, "a file for the accountant");
    let body = accountant::body(hall.payments.clone(), wanted, words(lang))
        .await
        .map_err(Problem::Payment)?;
    let mut response = frame::file("text/csv; charset=utf-8", body);
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

async fn bank(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    match begun(&hall, request).await {
        Ok((bin, day, lang)) => {
            let there = format!(
                "{}?lang={}&bin={bin}&from={day}&to={day}&bank_bin={bin}&bank_day={day}",
                Place::Reconciliation.address(),
                lang.code()
            );
            see_other(&there)
        }
        Err(refused) => drawn(lang, Place::Reconciliation, Err(refused)),
    }
}

/// The BIN and day whose comparison goes on now, and the language of the form.
async fn begun(hall: &Hall, request: Request) -> Result<(Bin, Date, Lang), Refused> {
    let asked = Asked::of(hall, request, &["bin", "day", "lang"], true).await?;
    let (bin, day) = span::one_day(&asked.fields, &asked.bins())?;
    asked.call.notes.bin(bin);
    let turn = hall.turn(&asked.call.visitor, Some(bin)).await?;
    let what = (bin, "ask_the_bank", day.to_string());
    let entry = Entry::new(&hall.payments, asked.call.visitor.name(), what);
    let payments = hall.payments.clone();
    let day = hall
        .comparisons
        .begin(payments, bin, day, hall.surroundings.now(), entry);
    drop(turn);
    tracing::info!(caller = asked.call.visitor.name(), %bin, %day, "the bank is asked about a day");
    let lang = asked.fields.get("lang").and_then(|code| Lang::coded(code));
    Ok((bin, day, lang.unwrap_or(Lang::Ru)))
}

/// The BINs that a visitor may see, with their names.
fn own(hall: &Hall, visitor: &Visitor) -> Vec<(Bin, String)> {
    let mut named: Vec<(Bin, String)> = hall
        .surroundings
        .merchants()
        .into_iter()
        .filter(|merchant| visitor.may_for(merchant.bin))
        .map(|merchant| (merchant.bin, merchant.name))
        .collect();
    // one that is retired has books all the same
    for bin in visitor.bins().unwrap_or_default() {
        if !named.iter().any(|(one, _)| one == bin) {
            named.push((*bin, bin.to_string()));
        }
    }
    named
}

/// The language that the address names, else the one that was chosen before, else the browser's own.
pub(super) fn spoken(request: &Request) -> Lang {
    let query = request.uri().query().unwrap_or_default();
    let named = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
    let accepted = request
        .headers()
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    named
        .or_else(|| cookie_named(request.headers(), LANG_COOKIE))
        .and_then(Lang::coded)
        .unwrap_or_else(|| Lang::accepted(accepted.unwrap_or_default()))
}

pub(super) fn drawn(lang: Lang, place: Place, outcome: Result<Response, Refused>) -> Response {
    match outcome {
        Ok(response) => response,
        Err(Refused::Problem(problem)) => frame::refusal(lang, place, &problem),
        Err(Refused::Text(text)) => frame::failure(lang, place, StatusCode::UNPROCESSABLE_ENTITY, text),
        Err(Refused::Missing) => {
            frame::failure(lang, place, StatusCode::NOT_FOUND, admin_words(lang).missing)
        }
        Err(Refused::Span(bad)) => {
            let text = match bad {
                BadSpan::Bin => words(lang).bad_bin,
                BadSpan::Days => words(lang).bad_days,
            };
            frame::failure(lang, place, StatusCode::UNPROCESSABLE_ENTITY, text)
        }
    }
}

/// A page that says why nobody came so far.
pub(super) fn refused(lang: Lang, problem: &Problem) -> Response {
    frame::refusal(lang, Place::Bins, problem)
}

/// Sends the browser to another page.
pub(super) fn see_other(there: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(there) = HeaderValue::from_str(there) {
        response.headers_mut().insert(header::LOCATION, there);
    }
    response
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<BadSpan> for Refused {
    fn from(bad: BadSpan) -> Self {
        Self::Span(bad)
    }
}
