//! `GET /healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::routes::Api;

/// The process lives.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether requests are taken, and if not why.
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Response {
    let mut reasons = Vec::new();
    if api.life.is_stopping() {
        reasons.push("the server is stopping".to_owned());
    }
    if !api.store.is_ready() {
        reasons.push("the store takes nothing: it is closing, or its write-ahead log failed".to_owned());
    }
    reasons.extend(api.life.dead_doors().into_iter().map(|door| format!("the door {door} died")));
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = if ready { json!({"ready": true}) } else { json!({"ready": false, "reasons": reasons}) };
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// What the program counts about itself.
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    api.store.observe();
    let headers = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (headers, api.store.metrics().encode()).into_response()
}
