//! `POST /v1/sql/cancel`, and `GET /v1/sql/running`, which lists what can be cancelled.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::problem::Problem;
use super::routes::Api;
use crate::auth::Principal;
use crate::error::Error;
use crate::server::body::read_body;

/// Bytes of a body that names a query.
const MAX_BYTES: usize = 4096;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    query_id: String,
}

/// Cancels the query that the body names: its id, or `{"query_id": …}`.
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Response, Problem> {
    let body = read_body(request.into_body(), MAX_BYTES, &mut api.room.hold()).await?;
    let text = std::str::from_utf8(&body).map_err(|error| Error::invalid("the id is not UTF-8").with_source(error))?;
    let id = match serde_json::from_str::<Named>(text) {
        Ok(named) => named.query_id,
        Err(error) if text.trim_start().starts_with('{') => {
            return Err(Error::invalid(r#"the body is not {"query_id": "..."}"#).with_source(error).into());
        }
        Err(_) => text.trim().to_owned(),
    };
    if !api.service.cancel(&id, &principal)? {
        let detail = format!("no query with the id `{id}` is running; GET /v1/sql/running lists those that are");
        return Err(Problem::of_status(StatusCode::NOT_FOUND, detail));
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], json!({ "cancelled": id }).to_string()).into_response())
}

/// The queries that are running: the asker's own, or all for an admin.
pub(super) async fn running(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Problem> {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, api.service.list(&principal)?.to_string()).into_response())
}
