//! OTLP/gRPC: the three collector services.
//!
//! The request's bytes go to the store as they came; no message is built from them here.
//!
//! | what | status | retry |
//! | --- | --- | --- |
//! | the store is full or stopping | `UNAVAILABLE` with RetryInfo | yes |
//! | no credentials, or wrong ones | `UNAUTHENTICATED` | no |
//! | without the role `ingest` | `PERMISSION_DENIED` | no |
//! | malformed | `INVALID_ARGUMENT` | no |
//! | too large, before or after decompression | `RESOURCE_EXHAUSTED` without RetryInfo | no |
//! | unknown `grpc-encoding` or method | `UNIMPLEMENTED` | no |

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use http_body_util::StreamBody;
use hyper::body::Frame as BodyFrame;
use prost::Message;
use tonic::Status;

use super::RETRY_AFTER;
use super::decompress::Compression;
use super::frame::{Frame, PREFIX_BYTES};
use super::intake::{Intake, Received};
use crate::auth::{Principal, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::IngestReply;
use crate::model::signal::{Encoding, Signal};
use crate::otlp_reply::{ExportResponse, RpcStatus};
use crate::server::authenticate::Gate;
use crate::server::body::{read_body, too_large};

const ENCODING: &str = "grpc-encoding";
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The three services.
pub(in crate::server) fn routes(intake: Arc<Intake>, gate: Gate) -> Router {
    let methods = [
        (Signal::Spans, "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
        (Signal::Logs, "/opentelemetry.proto.collector.logs.v1.LogsService/Export"),
        (Signal::Metrics, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
    ];
    let mut routes = Router::new();
    for (signal, path) in methods {
        routes = routes.route(path, post(move |intake, who, request| export(signal, intake, who, request)));
    }
    let routes = routes
        .fallback(async || {
            Status::unimplemented("this server has OTLP's trace, logs and metrics services").into_http::<Body>()
        })
        .with_state(intake);
    gate.needs(Role::Ingest).before(routes)
}

/// Tells a caller that it may not come in.
pub(in crate::server) fn refuse(error: Error, _: &HeaderMap) -> Response {
    status(&error).into_http()
}

async fn export(
    signal: Signal,
    State(intake): State<Arc<Intake>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Response {
    if !is_grpc(request.headers()) {
        // What gRPC over HTTP/2 prescribes.
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    match take(signal, &intake, principal, request).await {
        Ok(reply) => success(reply),
        Err(status) => status.into_http(),
    }
}

async fn take(signal: Signal, intake: &Intake, principal: Principal, request: Request) -> Result<IngestReply, Status> {
    let (head, body) = request.into_parts();
    let Some(named) = named_compression(&head.headers) else {
        intake.count_unsupported(signal);
        return Err(unknown_compression());
    };
    let mut held = intake.hold();
    let max_bytes = intake.max_request_bytes();
    let refused = |error: Error| {
        intake.count_refused(signal, error.kind());
        status(&error)
    };
    let body = read_body(body, max_bytes + PREFIX_BYTES, &mut held).await.map_err(|error| {
        let error = if error.kind() == ErrorKind::TooLarge { too_large(max_bytes) } else { error };
        refused(error)
    })?;
    let frame = Frame::parse(body).inspect_err(|_| intake.count_refused(signal, ErrorKind::Invalid))?;
    let compression = match (frame.compressed, named) {
        (false, _) => Compression::Identity,
        (true, Compression::Identity) => {
            intake.count_refused(signal, ErrorKind::Invalid);
            // What gRPC prescribes.
            return Err(Status::internal("the message is marked compressed, but grpc-encoding names no compression"));
        }
        (true, named) => named,
    };
    let (encoding, source) = (Encoding::Proto, "otlp/grpc");
    let request = Received { signal, encoding, source, principal, compression, body: frame.message, held };
    intake.take(request).await.map_err(|error| status(&error))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let parts = named.and_then(|named| named.strip_prefix("application/grpc"));
    parts.is_some_and(|rest| rest.is_empty() || rest.starts_with("+proto") || rest.starts_with(';'))
}

fn named_compression(headers: &HeaderMap) -> Option<Compression> {
    match headers.get(ENCODING) {
        Some(value) => Compression::from_name(value.to_str().ok()?),
        None => Some(Compression::Identity),
    }
}

fn unknown_compression() -> Status {
    let mut status =
        Status::unimplemented(format!("this grpc-encoding is not known; send one of {}", Compression::GRPC));
    status.metadata_mut().insert(ACCEPT_ENCODING, tonic::metadata::MetadataValue::from_static(Compression::GRPC));
    status
}

/// The status of an error, with RetryInfo exactly where trying again can help.
fn status(error: &Error) -> Status {
    let (code, message) = (error.kind().grpc_code(), error.to_string());
    if error.kind() != ErrorKind::Unavailable {
        return Status::new(code, message);
    }
    let details = RpcStatus::new(code, &message).with_retry_delay(RETRY_AFTER).encode_to_vec();
    Status::with_details(code, message, details.into())
}

fn success(reply: IngestReply) -> Response {
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let frames = [BodyFrame::data(Frame::of(&ExportResponse::new(reply))), BodyFrame::trailers(trailers)];
    let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, std::convert::Infallible>)));
    let headers = [
        (header::CONTENT_TYPE, GRPC),
        (header::HeaderName::from_static(ACCEPT_ENCODING), HeaderValue::from_static(Compression::GRPC)),
    ];
    (headers, Body::new(body)).into_response()
}
