//! `GET /v1/tables` and `GET /v1/tables/{name}/schema`: what there is to ask.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::problem::Problem;
use super::routes::Api;
use crate::auth::Principal;

/// Every table, view, macro and system table.
pub(super) async fn tables(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Problem> {
    let tables = api.service.tables(&principal)?;
    Ok(answer(json!(tables)))
}

/// The columns of one.
pub(super) async fn schema(
    State(api): State<Arc<Api>>,
    Extension(principal): Extension<Principal>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let described = api.service.describe(&name, &principal).await?;
    Ok(answer(json!(described)))
}

fn answer(body: serde_json::Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, body.to_string()).into_response()
}
