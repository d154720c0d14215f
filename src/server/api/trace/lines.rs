//! What the document of a trace is made of. `docs/http-api.md` says what each field means.

use chrono::{DateTime, SecondsFormat};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::ids::hex;
use crate::server::traces::plain_attributes;

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    pub(super) trace_id: String,
    pub(super) summary: Summary,
    pub(super) filter: Option<FilterLine>,
    pub(super) errors: Vec<ErrorLine>,
    pub(super) critical_path: Vec<Stretch>,
    pub(super) spans: Vec<SpanLine>,
    pub(super) logs_without_span: Vec<LogLine>,
    pub(super) exemplars_without_span: Vec<ExemplarLine>,
    pub(super) resources: Vec<ResourceLine>,
    pub(super) warnings: Vec<String>,
}

/// The whole trace in short, whatever the filter.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) time: Option<String>,
    pub(super) end_time: Option<String>,
    pub(super) duration_ms: Option<f64>,
    pub(super) root: Option<Root>,
    pub(super) span_count: usize,
    pub(super) error_count: usize,
    pub(super) orphan_count: usize,
    pub(super) log_count: usize,
    pub(super) error_log_count: usize,
    pub(super) exemplar_count: usize,
    pub(super) services: Vec<ServiceLine>,
}

#[derive(Debug, Serialize)]
pub(super) struct Root {
    pub(super) span_id: String,
    pub(super) service_name: String,
    pub(super) name: String,
    pub(super) status_code: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ServiceLine {
    pub(super) service_name: String,
    pub(super) span_count: usize,
    pub(super) error_count: usize,
    pub(super) self_ms: f64,
}

/// What was asked for, and how much of the trace is shown.
#[derive(Debug, Serialize)]
pub(super) struct FilterLine {
    pub(super) span_id: Option<String>,
    pub(super) service_name: Option<String>,
    pub(super) shown_span_count: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct ErrorLine {
    pub(super) time: String,
    pub(super) signal: String,
    pub(super) service_name: String,
    pub(super) span_id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    pub(super) error_type: Option<String>,
    pub(super) message: Option<String>,
    pub(super) fingerprint: Option<String>,
}

/// A stretch of the critical path.
#[derive(Debug, Serialize)]
pub(super) struct Stretch {
    pub(super) offset_ms: f64,
    pub(super) duration_ms: f64,
    pub(super) share: Option<f64>,
    pub(super) span_id: Option<String>,
    pub(super) service_name: String,
    pub(super) name: String,
}

#[derive(Debug, Serialize)]
pub(super) struct SpanLine {
    pub(super) span_id: String,
    pub(super) parent_span_id: Option<String>,
    pub(super) depth: i64,
    pub(super) orphan: bool,
    pub(super) service_name: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) time: String,
    pub(super) offset_ms: Option<f64>,
    pub(super) duration_ms: Option<f64>,
    pub(super) self_ms: Option<f64>,
    pub(super) share: Option<f64>,
    pub(super) critical_ms: f64,
    pub(super) status_code: String,
    pub(super) status_message: Option<String>,
    pub(super) error: bool,
    pub(super) subtree_errors: i64,
    pub(super) child_count: i64,
    pub(super) attributes: Map<String, Value>,
    pub(super) events: Vec<EventLine>,
    pub(super) links: Vec<LinkLine>,
    pub(super) logs: Vec<LogLine>,
    pub(super) exemplars: Vec<ExemplarLine>,
    pub(super) scope: Option<ScopeLine>,
    pub(super) resource: usize,
    pub(super) trace_state: Option<String>,
    pub(super) flags: u32,
    pub(super) adjusted_count: Option<f64>,
    pub(super) dropped_attributes_count: u32,
    pub(super) dropped_events_count: u32,
    pub(super) dropped_links_count: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct EventLine {
    time: Option<String>,
    offset_ms: Option<f64>,
    name: String,
    attributes: Map<String, Value>,
    dropped_attributes_count: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct LinkLine {
    trace_id: Option<String>,
    span_id: Option<String>,
    attributes: Map<String, Value>,
    trace_state: Option<String>,
    flags: u32,
    dropped_attributes_count: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct LogLine {
    pub(super) time: String,
    pub(super) offset_ms: Option<f64>,
    pub(super) service_name: String,
    pub(super) span_id: Option<String>,
    pub(super) level: Option<String>,
    pub(super) severity_number: i32,
    pub(super) severity_text: Option<String>,
    pub(super) event_name: Option<String>,
    pub(super) body: Value,
    pub(super) attributes: Map<String, Value>,
    pub(super) scope: Option<ScopeLine>,
    pub(super) resource: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct ExemplarLine {
    pub(super) time: String,
    pub(super) offset_ms: Option<f64>,
    pub(super) service_name: String,
    pub(super) metric_name: String,
    pub(super) metric_type: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) value: Option<f64>,
    pub(super) attributes: Map<String, Value>,
}

#[derive(Debug, Serialize, Default, PartialEq)]
pub(super) struct ScopeLine {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) attributes: Map<String, Value>,
    pub(super) schema_url: Option<String>,
    pub(super) dropped_attributes_count: u32,
}

#[derive(Debug, Serialize, PartialEq)]
pub(super) struct ResourceLine {
    pub(super) service_name: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) schema_url: Option<String>,
    pub(super) dropped_attributes_count: u32,
}

/// From the start of the trace to a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(pub(super) Option<u64>);

impl Clock {
    pub(super) fn offset_ms(self, nanos: u64) -> Option<f64> {
        self.0.filter(|_| nanos > 0).map(|start| (i128::from(nanos) - i128::from(start)) as f64 / 1e6)
    }

    pub(super) fn event(self, event: &Event) -> EventLine {
        EventLine {
            time: (event.time_unix_nano > 0).then(|| rfc3339(event.time_unix_nano)),
            offset_ms: self.offset_ms(event.time_unix_nano),
            name: event.name.clone(),
            attributes: plain_attributes(&event.attributes),
            dropped_attributes_count: event.dropped_attributes_count,
        }
    }
}

/// A link.
pub(super) fn link(link: &Link) -> LinkLine {
    LinkLine {
        trace_id: said(&hex(&link.trace_id)),
        span_id: said(&hex(&link.span_id)),
        attributes: plain_attributes(&link.attributes),
        trace_state: said(&link.trace_state),
        flags: link.flags,
        dropped_attributes_count: link.dropped_attributes_count,
    }
}

/// A text that is there.
pub(super) fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// RFC 3339 with every nanosecond, so that times sort as texts.
pub(super) fn rfc3339(nanos: u64) -> String {
    let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::Nanos, true)
}
