//! What stands round each page: head, links to the other pages, languages.

use std::fmt::Write as _;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::chart::escaped;
use super::report_words::{Lang, words};
use super::webhook_words::words as webhook_words;
use super::words::words as admin_words;
use crate::gateway::problem::Problem;

/// Own styles, own forms, nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = concat!(include_str!("figures.css"), include_str!("chart.css"));

/// The pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Bins,
    Payments,
    Unknown,
    Webhooks,
    Test,
    Reconciliation,
    Charts,
    Trail,
    Leave,
}

impl Place {
    const ALL: [Self; 9] = [
        Self::Bins,
        Self::Payments,
        Self::Unknown,
        Self::Webhooks,
        Self::Test,
        Self::Reconciliation,
        Self::Charts,
        Self::Trail,
        Self::Leave,
    ];

    pub(super) fn address(self) -> &'static str {
        match self {
            Self::Bins => "/admin",
            Self::Payments => "/admin/payments",
            Self::Unknown => "/admin/unknown",
            Self::Webhooks => "/admin/webhooks",
            Self::Test => "/admin/test",
            Self::Trail => "/admin/trail",
            Self::Leave => "/admin/logout",
            Self::Reconciliation => "/admin/reconciliation",
            Self::Charts => "/admin/charts",
        }
    }

    fn title(self, lang: Lang) -> &'static str {
        match self {
            Self::Bins => admin_words(lang).bins,
            Self::Payments => admin_words(lang).payments,
            Self::Unknown => admin_words(lang).unknown,
            Self::Webhooks => webhook_words(lang).webhooks,
            Self::Test => admin_words(lang).test,
            Self::Trail => admin_words(lang).trail,
            Self::Leave => admin_words(lang).leave,
            Self::Reconciliation => words(lang).reconciliation,
            Self::Charts => words(lang).charts,
        }
    }

    /// Whether a stretch of days that is shown on one page is shown on this one too.
    fn has_days(self) -> bool {
        matches!(self, Self::Reconciliation | Self::Charts)
    }
}

/// A whole page round `content`, which is markup. `query` is what the languages and the other pages are
/// shown with too.
pub(super) fn page(lang: Lang, place: Place, query: &str, content: &str) -> Response {
    drawn(lang, place, place.title(lang), query, content, &Place::ALL)
}

/// A page for somebody who has not come in yet.
pub(super) fn outside(lang: Lang, place: Place, title: &str, content: &str) -> Response {
    drawn(lang, place, title, "", content, &[])
}

fn drawn(lang: Lang, place: Place, title: &str, query: &str, content: &str, places: &[Place]) -> Response {
    let words = words(lang);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n\
         <link rel=\"icon\" href=\"/admin/figures.svg\">\n<link rel=\"stylesheet\" href=\"/admin/figures.css\">\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">{}</a>\n<header>\n<nav aria-label=\"{}\">\n<ul>\n",
        lang.code(),
        title,
        words.skip,
        words.pages
    );
    let query = escaped(query);
    let with_days = |other: Place| {
        if other.has_days() && place.has_days() {
            format!("&amp;{query}")
        } else {
            String::new()
        }
    };
    for &other in places {
        let _ = writeln!(
            html,
            "<li><a href=\"{}?lang={}{}\"{}>{}</a></li>",
            other.address(),
            lang.code(),
            with_days(other),
            if other == place {
                " aria-current=\"page\""
            } else {
                ""
            },
            other.title(lang)
        );
    }
    let _ = writeln!(
        html,
        "</ul>\n</nav>\n<nav aria-label=\"{}\">\n<ul>",
        words.language
    );
    for other in Lang::ALL {
        let _ = writeln!(
            html,
            "<li><a href=\"{}?lang={1}{4}\" lang=\"{1}\" hreflang=\"{1}\"{2}>{3}</a></li>",
            place.address(),
            other.code(),
            if other == lang {
                " aria-current=\"true\""
            } else {
                ""
            },
            other.name(),
            with_days(place)
        );
    }
    let _ = write!(
        html,
        "</ul>\n</nav>\n</header>\n<main id=\"main\">\n{content}</main>\n</body>\n</html>\n"
    );
    let mut response = file("text/html; charset=utf-8", Body::from(html));
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Has a page come again by itself while there is more to come, after so many seconds: no script may ask, and
/// an answer that grows would be held back by a proxy, and read from its beginning by a screen reader.
pub(super) fn come_again(page: &mut Response, seconds: u8, there: &str) {
    if let Ok(again) = HeaderValue::from_str(&format!("{seconds}; url={there}")) {
        page.headers_mut().insert(header::REFRESH, again);
    }
}

/// A page that says why there is none.
pub(super) fn refusal(lang: Lang, place: Place, problem: &Problem) -> Response {
    let told = problem.told();
    failure(lang, place, told.status, &told.text)
}

/// The same with a status and a text of its own.
pub(super) fn failure(lang: Lang, place: Place, status: StatusCode, text: &str) -> Response {
    let content = format!(
        "<h1>{}</h1>\n<p class=\"bad\">{}</p>\n",
        words(lang).not_shown,
        escaped(text)
    );
    let mut response = page(lang, place, "", &content);
    *response.status_mut() = status;
    response
}

pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", Body::from(STYLE))
}

pub(super) async fn icon() -> Response {
    file("image/svg+xml", Body::from(include_str!("figures.svg")))
}

pub(super) fn file(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // not `no-referrer`: with that, a browser sends the forms of these pages with `Origin: null`
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}
