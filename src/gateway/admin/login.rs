//! Coming and going.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::chart::escaped;
use super::desk::Desk;
use super::frame::{self, Place};
use super::guard;
use super::pages::{self, Refused, drawn, spoken};
use super::report_words::Lang;
use super::session::set_cookie;
use super::words::words;
use crate::config::Verb;
use crate::gateway::access::{Visitor, sha256};
use crate::gateway::call;
use crate::gateway::hall::Hall;
use crate::gateway::input::{self, Fields};
use crate::gateway::problem::Problem;

/// The form that asks for a token, or, before a sandbox without tokens, for nothing.
pub(super) fn page(hall: &Hall, lang: Lang, status: StatusCode, wrong: Option<&str>) -> Response {
    let words = words(lang);
    let mut html = format!("<h1>{}</h1>\n", words.login);
    if let Some(wrong) = wrong {
        html += &format!("<p class=\"bad\" role=\"alert\">{}</p>\n", escaped(wrong));
    }
    html += "<form method=\"post\" action=\"/admin/login\" class=\"filter\">\n";
    html += &format!(
        "<input type=\"hidden\" name=\"lang\" value=\"{}\">\n",
        lang.code()
    );
    if hall.door.is_open() {
        html += &format!("<p><strong>{}</strong></p>\n", words.sandbox_login);
    } else {
        html += &format!(
            "<p><label for=\"token\">{}</label><input id=\"token\" name=\"token\" type=\"password\" \
             autocomplete=\"current-password\" required></p>\n",
            words.login_field
        );
    }
    html += &format!("<button type=\"submit\">{}</button>\n</form>\n", words.enter);
    let mut response = frame::outside(lang, Place::Bins, words.login, &html);
    *response.status_mut() = status;
    response
}

pub(super) async fn login(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    match entered(&hall, request).await {
        Ok(response) => response,
        Err(Wrong::Token) => page(&hall, lang, StatusCode::FORBIDDEN, Some(words(lang).not_let_in)),
        Err(Wrong::Problem(problem)) => {
            let told = problem.told();
            page(&hall, lang, told.status, Some(&told.text))
        }
    }
}

enum Wrong {
    /// Nobody's, or of somebody who may not administer: which of the two is not told.
    Token,
    Problem(Problem),
}

impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

async fn entered(hall: &Hall, request: Request) -> Result<Response, Wrong> {
    let (head, body) = request.into_parts();
    guard::own_page(&head.headers)?;
    hall.sessions.count_login()?;
    let body = call::read(&head.headers, body, hall).await?;
    let mut fields = Fields::of_query(std::str::from_utf8(&body).ok(), &["token", "lang"]);
    let token = fields.optional("token", input::text);
    let _ = fields.optional("lang", input::text);
    fields.finish()?;
    let token = if hall.door.is_open() {
        guard::near(&head.headers, &head.uri)?;
        None
    } else {
        let hash = sha256(token.unwrap_or_default().trim().as_bytes());
        let known = hall.door.of_hash(&hash).ok_or(Wrong::Token)?;
        if !Visitor::Known(known).may(Verb::Admin) {
            return Err(Wrong::Token);
        }
        Some(hash)
    };
    // a session that the browser had is not gone on with
    hall.sessions.end(&head.headers);
    let id = hall.sessions.begin(token)?;
    Ok(to_start(&set_cookie(&id, is_secure(hall, &head.headers))))
}

pub(super) async fn leave(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    let lang = spoken(&request);
    drawn(lang, Place::Leave, leaving(&hall, request, lang).await)
}

async fn leaving(hall: &Hall, request: Request, lang: Lang) -> Result<Response, Refused> {
    let desk = Desk::of(hall, request, lang, &["lang"]).await?;
    let words = words(lang);
    let html = format!(
        "<h1>{}</h1>\n<p>{}: <strong>{}</strong></p>\n{}<button type=\"submit\">{0}</button>\n</form>\n",
        words.leave,
        words.you_are,
        escaped(desk.call.visitor.name()),
        desk.form("/admin/logout")
    );
    Ok(frame::page(lang, Place::Leave, "", &html))
}

pub(super) async fn left(State(hall): State<Arc<Hall>>, request: Request) -> Response {
    hall.sessions.end(request.headers());
    to_start(&set_cookie("", is_secure(&hall, request.headers())))
}

/// HTTPS, here or at a proxy before us. Who lies about it only makes the cookie of less use to himself.
fn is_secure(hall: &Hall, headers: &HeaderMap) -> bool {
    let before = headers.get("x-forwarded-proto");
    hall.settings().tls.is_some() || before.is_some_and(|proto| proto.as_bytes() == b"https")
}

fn to_start(cookie: &str) -> Response {
    let mut response = pages::see_other(Place::Bins.address());
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
