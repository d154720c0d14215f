//! The protobuf messages of replies, and the JSON that means the same.
//!
//! `ExportLogsServiceResponse`, `ExportTraceServiceResponse` and `ExportMetricsServiceResponse` are the same on the
//! wire and differ in one field's name, which JSON shows.

use prost::Message;
use serde_json::{Value, json};

use super::RETRY_AFTER;
use crate::ingest::IngestReply;
use crate::model::signal::Signal;

/// `Export*ServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `Export*PartialSuccess`.
#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

impl ExportResponse {
    /// Full success leaves `partial_success` unset, as the specification demands.
    pub(super) fn new(reply: IngestReply) -> Self {
        let full = reply.rejected == 0 && reply.message.is_empty();
        let partial_success = (!full).then(|| PartialSuccess {
            rejected: i64::try_from(reply.rejected).unwrap_or(i64::MAX),
            error_message: reply.message,
        });
        Self { partial_success }
    }

    /// The JSON mapping: lower camel case, 64-bit integers as strings.
    pub(super) fn to_json(&self, signal: Signal) -> Value {
        let Some(partial) = &self.partial_success else { return json!({}) };
        let rejected = match signal {
            Signal::Logs => "rejectedLogRecords",
            Signal::Spans => "rejectedSpans",
            Signal::Metrics => "rejectedDataPoints",
        };
        json!({"partialSuccess": {rejected: partial.rejected.to_string(), "errorMessage": partial.error_message}})
    }
}

impl RpcStatus {
    /// A status without details.
    pub(super) fn new(code: tonic::Code, message: &str) -> Self {
        Self { code: code as i32, message: message.to_owned(), details: Vec::new() }
    }

    /// The status with the time after which to try again.
    pub(super) fn with_retry_info(mut self) -> Self {
        let seconds = i64::try_from(RETRY_AFTER.as_secs()).unwrap_or(i64::MAX);
        let info = RetryInfo { retry_delay: Some(ProtoDuration { seconds }) };
        self.details
            .push(Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".into(), value: info.encode_to_vec() });
        self
    }

    /// The JSON mapping.
    pub(super) fn to_json(&self) -> Value {
        json!({"code": self.code, "message": self.message})
    }
}
