//! A trace as Jaeger's UI reads it (Jaeger's `internal/uimodel`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A trace.
#[derive(Debug, Serialize)]
pub(super) struct UiTrace {
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    pub(super) spans: Vec<UiSpan>,
    pub(super) processes: BTreeMap<String, Process>,
    pub(super) warnings: Option<Vec<String>>,
}

/// A span; times are microseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UiSpan {
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    #[serde(rename = "spanID")]
    pub(super) span_id: String,
    /// Bit 0: sampled. Left out where it is 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) flags: u32,
    pub(super) operation_name: String,
    pub(super) references: Vec<Reference>,
    pub(super) start_time: u64,
    pub(super) duration: u64,
    pub(super) tags: Vec<KeyValue>,
    pub(super) logs: Vec<Log>,
    #[serde(rename = "processID")]
    pub(super) process_id: String,
    pub(super) warnings: Option<Vec<String>>,
}

/// Another span that this one comes from.
#[derive(Debug, Serialize)]
pub(super) struct Reference {
    #[serde(rename = "refType")]
    pub(super) ref_type: &'static str,
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    #[serde(rename = "spanID")]
    pub(super) span_id: String,
}

/// What sent spans: a resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    pub(super) service_name: String,
    pub(super) tags: Vec<KeyValue>,
}

/// An event of a span.
#[derive(Debug, Serialize)]
pub(super) struct Log {
    pub(super) timestamp: u64,
    pub(super) fields: Vec<KeyValue>,
}

/// A tag: its type is `string`, `bool`, `int64`, `float64` or `binary`.
#[derive(Debug, Serialize)]
pub(super) struct KeyValue {
    pub(super) key: String,
    #[serde(rename = "type")]
    pub(super) value_type: &'static str,
    pub(super) value: Value,
}

/// A service that calls another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency {
    pub(super) parent: String,
    pub(super) child: String,
    pub(super) call_count: i64,
}

/// A kind of span of a service. Jaeger's kinds are lower-case, and empty for UNSPECIFIED.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) span_kind: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
