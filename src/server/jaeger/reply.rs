//! The envelopes of Jaeger's answers and errors.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::error::{Error, Result};
use crate::server::traces::{AnswerRoom, held_body};

/// What `/api` answers.
#[derive(Debug, Serialize)]
pub(super) struct Envelope<T> {
    pub(super) data: Option<Vec<T>>,
    pub(super) total: usize,
    /// Jaeger leaves both at 0.
    limit: usize,
    offset: usize,
    pub(super) errors: Option<Vec<Trouble>>,
}

/// What went wrong.
#[derive(Debug, Serialize)]
pub(super) struct Trouble {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u16>,
    pub(super) msg: String,
    #[serde(rename = "traceID", skip_serializing_if = "Option::is_none")]
    pub(super) trace_id: Option<String>,
}

impl<T: Serialize> Envelope<T> {
    pub(super) fn of(data: Vec<T>) -> Self {
        Self { total: data.len(), data: Some(data), limit: 0, offset: 0, errors: None }
    }

    /// As a response, whose bytes take `room`.
    pub(super) fn respond(&self, room: AnswerRoom) -> Result<Response> {
        respond(self, room)
    }
}

/// JSON as a response, whose bytes take `room`.
pub(super) fn respond(answer: &impl Serialize, room: AnswerRoom) -> Result<Response> {
    let text = tokio::task::block_in_place(|| serde_json::to_vec(answer))
        .map_err(|error| Error::internal("a trace as JSON").with_source(error))?;
    Ok(json_response(StatusCode::OK, held_body(text, room)?))
}

/// A response of JSON.
pub(super) fn json_response(status: StatusCode, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}

/// An error of `/api`.
#[derive(Debug)]
pub(super) struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = status_of(&self.0);
        let trouble = Trouble { code: Some(status.as_u16()), msg: self.0.to_string(), trace_id: None };
        let envelope = Envelope::<()> { data: None, total: 0, limit: 0, offset: 0, errors: Some(vec![trouble]) };
        json_response(status, Body::from(json!(envelope).to_string()))
    }
}

/// An error of `/api/v3`, as gRPC's gateway has it.
#[derive(Debug)]
pub(super) struct GatewayFailure(Error);

impl From<Error> for GatewayFailure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for GatewayFailure {
    fn into_response(self) -> Response {
        let status = status_of(&self.0);
        let error = json!({"error": {"httpCode": status.as_u16(), "message": self.0.to_string()}});
        json_response(status, Body::from(error.to_string()))
    }
}

fn status_of(error: &Error) -> StatusCode {
    let status = StatusCode::from_u16(error.kind().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    tracing::info!(%error, "a Jaeger query failed");
    status
}
