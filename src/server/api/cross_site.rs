//! Requests that a page of another site makes a browser send, which may carry credentials that the browser keeps.
//!
//! A GET of a picture or a script has no `Origin`, but browsers say in `Sec-Fetch-Site` whose page made them send it
//! (W3C Fetch Metadata). What a person types or has bookmarked is `none`; programs send no such header.

use axum::extract::Request;
use axum::http::{HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::local_only::has_local_origin;
use super::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what a page of another site asks.
pub(super) async fn refuse_cross_site(request: Request, next: Next) -> Response {
    match request.headers().get(SEC_FETCH_SITE) {
        // To a browser `localhost` and `127.0.0.1` are two sites.
        Some(site) if site == "cross-site" && !has_local_origin(request.headers()) => {
            Problem::of_status(StatusCode::FORBIDDEN, "pages of other sites may not ask here").into_response()
        }
        _ => next.run(request).await,
    }
}
