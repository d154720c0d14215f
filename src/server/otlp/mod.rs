//! The OTLP receiver (OTLP 1.11), over gRPC and over HTTP.
//!
//! ```text
//! grpc.rs  frame.rs --+
//!                     +--> intake.rs: decompress.rs --> Store::ingest --> reply: wire.rs
//! http.rs  cors.rs  --+         (bounded by room.rs)
//! ```
//! Guarantees: an answer that says success is given after the store acknowledged; clients are told to try again
//! (503, `UNAVAILABLE`) exactly where that can help; a refusal says why, in the request's encoding.

mod cors;
mod decompress;
mod frame;
mod grpc;
mod http;
mod intake;
mod wire;

pub(super) use grpc::{refuse as refuse_grpc, routes as grpc_routes};
pub(super) use http::{refuse as refuse_http, routes as http_routes};
pub(super) use intake::Intake;

use std::time::Duration;

/// When a refused client is told to come again. SDKs give up after five retries or ten seconds, so that a shorter wait
/// would spend the retries before the time (docs/compatibility.md).
const RETRY_AFTER: Duration = Duration::from_secs(2);
