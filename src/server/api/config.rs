//! `GET /v1/config`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::routes::Api;

/// The configuration in effect, without secrets, and which write-ahead log this is.
pub(super) async fn configuration(State(api): State<Arc<Api>>) -> Response {
    let mut body = api.config.clone();
    body["version"] = json!(env!("CARGO_PKG_VERSION"));
    body["writer_id"] = json!(api.store.writer_id().to_string());
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
