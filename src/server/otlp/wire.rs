//! A reply as the response of an export, and the JSON that means the same.
//!
//! `ExportLogsServiceResponse`, `ExportTraceServiceResponse` and `ExportMetricsServiceResponse` are the same on the
//! wire and differ in one field's name, which JSON shows.

use serde_json::{Value, json};

use crate::ingest::IngestReply;
use crate::model::signal::Signal;
use crate::otlp_reply::{ExportResponse, PartialSuccess};

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
