//! `/openapi.json`, made from the handlers themselves, and the page that shows it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, header};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Built;

use super::page;

/// What the document says beside the calls.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "kaspi-direct gateway",
        description = "Takes money with Kaspi Pay. Money is in tenge, payment ids are Kaspi's numbers.\n\nA token is shown as `Authorization: Bearer`, as `X-API-Key`, or, in the old wrapper's contract alone, as `access_token`."
    ),
    tags(
        (name = "backend", description = "The three calls of the backend, as its callers know them"),
        (name = "payments", description = "Our own calls beside them"),
        (name = "old wrapper", description = "The PHP wrapper's contract: GET, query parameters, both slash forms"),
        (name = "operation", description = "How the gateway itself stands"),
    )
)]
pub(super) struct Document;

pub(super) fn router(document: Built) -> Router {
    let document = Arc::new(document);
    Router::new()
        .route(
            "/openapi.json",
            get(move || async move { page::answer(document.as_ref()) }),
        )
        .route("/docs", get(async || file("text/html; charset=utf-8", PAGE)))
        .route(
            "/docs/viewer.js",
            get(async || file("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route(
            "/docs/style.css",
            get(async || file("text/css; charset=utf-8", STYLE)),
        )
}

/// A file of the viewer. The page may load its own files and ask this gateway, and nothing else.
fn file(content_type: &'static str, content: &'static str) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                          form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
    let mut response = Response::new(Body::from(content));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

const PAGE: &str = include_str!("docs_page/index.html");
const SCRIPT: &str = include_str!("docs_page/viewer.js");
const STYLE: &str = include_str!("docs_page/style.css");
