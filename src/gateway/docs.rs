//! `/openapi.json`, made from the handlers themselves.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
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
    Router::new().route(
        "/openapi.json",
        get(move || async move { page::answer(document.as_ref()) }),
    )
}
