//! Errors as RFC 9457 says: `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, Position};

/// An error on its way to a client.
#[derive(Debug)]
pub(super) struct Problem {
    problem_type: String,
    title: String,
    status: StatusCode,
    detail: String,
    position: Option<Position>,
}

impl Problem {
    /// A problem of HTTP itself, titled as its status is.
    pub(super) fn of_status(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("error").to_lowercase();
        Self { problem_type: "about:blank".into(), title, status, detail: detail.into(), position: None }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        Self {
            problem_type: format!("urn:telestrata:problem:{}", kind.name()),
            title: kind.title().to_owned(),
            status: StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            detail: error.to_string(),
            position: error.position(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": self.problem_type,
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(Position { line, column }) = self.position {
            body["position"] = json!({"line": line, "column": column});
        }
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (self.status, headers, body.to_string()).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
