//! OTLP/HTTP: `POST /v1/traces`, `/v1/logs`, `/v1/metrics`.
//!
//! | what | status | retry |
//! | --- | --- | --- |
//! | taken, also in part | 200 with `Export*ServiceResponse` | no |
//! | the store is full or stopping | 503 with `Retry-After` | yes |
//! | malformed | 400 | no |
//! | no credentials, or wrong ones | 401 with `WWW-Authenticate` | no |
//! | without the role `ingest` | 403 | no |
//! | too large, before or after decompression | 413 | no |
//! | unknown content type or encoding | 415 | no |
//!
//! Every body is in the request's encoding, protobuf or JSON; a refusal's is a `google.rpc.Status`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use prost::Message;
use tonic::Code;

use super::RETRY_AFTER;
use super::cors::allow_any_origin;
use super::decompress::Compression;
use super::intake::{Intake, Received};
use crate::auth::{Principal, Role};
use crate::error::{Error, ErrorKind};
use crate::ingest::IngestReply;
use crate::model::signal::{Encoding, Signal};
use crate::otlp_reply::{ExportResponse, RpcStatus};
use crate::server::authenticate::{Gate, challenge};
use crate::server::body::read_body;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Why a request was refused.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: Code,
    message: String,
}

/// The three signals' paths.
pub(in crate::server) fn routes(intake: Arc<Intake>, gate: Gate) -> Router {
    let paths = [(Signal::Spans, "/v1/traces"), (Signal::Logs, "/v1/logs"), (Signal::Metrics, "/v1/metrics")];
    let mut routes = Router::new();
    for (signal, path) in paths {
        routes = routes.route(path, post(move |intake, who, request| export(signal, intake, who, request)));
    }
    let routes = routes
        .fallback(async |headers: HeaderMap| {
            let message = "there is nothing here; send to /v1/traces, /v1/logs or /v1/metrics";
            Refusal::new(StatusCode::NOT_FOUND, Code::Unimplemented, message).reply(&headers)
        })
        .method_not_allowed_fallback(async |headers: HeaderMap| {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, "send a POST").reply(&headers)
        })
        .with_state(intake);
    // A preflight has no credentials, and a page may read why it is refused.
    gate.needs(Role::Ingest).before(routes).layer(axum::middleware::from_fn(allow_any_origin))
}

/// Tells a caller with these headers that it may not come in.
pub(in crate::server) fn refuse(error: Error, headers: &HeaderMap) -> Response {
    challenge(Refusal::from(error).reply(headers))
}

async fn export(
    signal: Signal,
    State(intake): State<Arc<Intake>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Some(encoding) = encoding_of(&head.headers) else {
        intake.count_unsupported(signal);
        let message = format!("the content type is not known; send {PROTOBUF} or {JSON}");
        return Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message).reply(&head.headers);
    };
    let Some(compression) = compression_of(&head.headers) else {
        intake.count_unsupported(signal);
        let message = format!("the content encoding is not known; send one of {}", Compression::HTTP);
        let refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message);
        // RFC 9110, section 12.5.3: what would have been taken.
        return ([(header::ACCEPT_ENCODING, Compression::HTTP)], refusal.reply(&head.headers)).into_response();
    };
    let mut held = intake.hold();
    let taken = match read_body(body, intake.max_request_bytes(), &mut held).await {
        Ok(body) => {
            let source = "otlp/http";
            intake.take(Received { signal, encoding, source, principal, compression, body, held }).await
        }
        Err(error) => {
            intake.count_refused(signal, error.kind());
            Err(error)
        }
    };
    match taken {
        Ok(reply) => success(signal, encoding, reply),
        Err(error) => Refusal::from(error).reply(&head.headers),
    }
}

fn success(signal: Signal, encoding: Encoding, reply: IngestReply) -> Response {
    let response = ExportResponse::new(reply);
    match encoding {
        Encoding::Proto => ([(header::CONTENT_TYPE, PROTOBUF)], response.encode_to_vec()).into_response(),
        Encoding::Json => ([(header::CONTENT_TYPE, JSON)], response.to_json(signal).to_string()).into_response(),
    }
}

impl Refusal {
    fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The reply in the encoding of a request with these headers; in JSON, which people can read, where it has none.
    fn reply(self, headers: &HeaderMap) -> Response {
        let status = RpcStatus::new(self.code, &self.message);
        let (content_type, body) = match encoding_of(headers) {
            Some(Encoding::Proto) => (PROTOBUF, status.encode_to_vec()),
            Some(Encoding::Json) | None => (JSON, status.to_json().to_string().into_bytes()),
        };
        let mut response = (self.status, [(header::CONTENT_TYPE, content_type)], body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
        }
        response
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let kind: ErrorKind = error.kind();
        let status = StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, kind.grpc_code(), error.to_string())
    }
}

fn encoding_of(headers: &HeaderMap) -> Option<Encoding> {
    let named = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = named.split(';').next()?.trim();
    [(PROTOBUF, Encoding::Proto), (JSON, Encoding::Json)]
        .into_iter()
        .find_map(|(name, encoding)| name.eq_ignore_ascii_case(essence).then_some(encoding))
}

fn compression_of(headers: &HeaderMap) -> Option<Compression> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(value) => Compression::from_name(value.to_str().ok()?),
        None => Some(Compression::Identity),
    }
}
