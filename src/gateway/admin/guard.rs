//! Who comes to the pages: a program by its token in a header, a person by a session. A form of a session
//! has to prove that it comes from a page of that session.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use subtle::ConstantTimeEq as _;

use super::pages::spoken;
use super::report_words::Lang;
use super::{login, pages};
use crate::gateway::access::refuse_from_afar;
use crate::gateway::call::{self, Admitted};
use crate::gateway::hall::Hall;
use crate::gateway::problem::Problem;

/// The field of a form that proves where it comes from.
const PROOF: &str = "proof";

/// The proof, for a form of ours.
pub(super) fn proof_field(proof: &str) -> String {
    format!("<input type=\"hidden\" name=\"{PROOF}\" value=\"{proof}\">")
}

enum Turned {
    /// Nobody is logged in.
    Out,
    Away(Problem),
}

impl From<Problem> for Turned {
    fn from(problem: Problem) -> Self {
        Self::Away(problem)
    }
}

/// Lets requests in that may come in. Everybody else sees the login.
pub(super) async fn guard(State(hall): State<Arc<Hall>>, request: Request, next: Next) -> Response {
    let lang = spoken(&request);
    let chosen = chosen_lang(&request);
    let mut response = match admitted(&hall, request).await {
        Ok(request) => next.run(request).await,
        Err(Turned::Out) => login::page(&hall, lang, StatusCode::UNAUTHORIZED, None),
        Err(Turned::Away(problem)) => pages::refused(lang, &problem),
    };
    if let Some(chosen) = chosen
        && let Ok(cookie) = HeaderValue::from_str(&format!(
            "{}={}; Path=/admin; SameSite=Strict; Max-Age=31536000",
            pages::LANG_COOKIE,
            chosen.code()
        ))
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn chosen_lang(request: &Request) -> Option<Lang> {
    let query = request.uri().query().unwrap_or_default();
    let named = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
    named.and_then(Lang::coded)
}

async fn admitted(hall: &Hall, request: Request) -> Result<Request, Turned> {
    let headers = request.headers();
    if headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key") {
        // no page of another site can send these without our leave, but a proxy may add them to what a
        // browser sends; what they are worth is looked at by the call
        if changes(request.method()) {
            own_page(headers)?;
        }
        return Ok(request);
    }
    if hall.door.is_open() {
        near(headers, request.uri())?;
    }
    let standing = hall.sessions.standing(headers, &hall.door).ok_or(Turned::Out)?;
    let mut request = request;
    if changes(request.method()) {
        own_page(request.headers())?;
        request = proven(hall, request, &standing.proof).await?;
    }
    request.extensions_mut().insert(Admitted {
        visitor: standing.visitor,
        proof: standing.proof,
    });
    Ok(request)
}

fn changes(method: &Method) -> bool {
    method != Method::GET && method != Method::HEAD
}

/// Without tokens only this machine may come; a browser's page of ours may say whose it is.
pub(super) fn near(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let mut rest = headers.clone();
    if rest.contains_key(header::ORIGIN) {
        own_page(headers)?;
        rest.remove(header::ORIGIN);
    }
    refuse_from_afar(&rest, uri)
}

/// Whether a form comes from a page of this gateway, as far as the browser says.
pub(super) fn own_page(headers: &HeaderMap) -> Result<(), Problem> {
    let foreign = || {
        Err(Problem::Forbidden(
            "this form comes from a page of another site".to_owned(),
        ))
    };
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return foreign();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    for origin in headers.get_all(header::ORIGIN) {
        let named = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let own = named.is_some_and(|(_, named)| host.is_some_and(|host| named.eq_ignore_ascii_case(host)));
        if !own {
            return foreign();
        }
    }
    Ok(())
}

/// The form without its proof, which is the session's.
async fn proven(hall: &Hall, request: Request, proof: &str) -> Result<Request, Problem> {
    let (mut head, body) = request.into_parts();
    let body = call::read(&head.headers, body, hall).await?;
    let text = String::from_utf8_lossy(&body);
    let prefix = format!("{PROOF}=");
    let (given, rest): (Vec<&str>, Vec<&str>) = text.split('&').partition(|pair| pair.starts_with(&prefix));
    let proves = match given.as_slice() {
        [one] => one
            .strip_prefix(&prefix)
            .is_some_and(|given| bool::from(given.as_bytes().ct_eq(proof.as_bytes()))),
        _ => false,
    };
    if !proves {
        return Err(Problem::Forbidden(
            "this form is not from a page of this session: open the page again".to_owned(),
        ));
    }
    let rest = rest.join("&");
    head.headers.remove(header::CONTENT_LENGTH);
    Ok(Request::from_parts(head, Body::from(rest)))
}
