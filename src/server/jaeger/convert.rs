//! A trace as it was sent to a trace as Jaeger shows it: what Jaeger itself makes of OTLP (the collector's
//! `pkg/translator/jaeger`, OpenTelemetry's "Mapping to non-OTLP formats"), and of its own query-time adjusters those
//! for spans that share an id and for links without a trace.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Sent;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue as Attribute};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use serde_json::Value;

use super::model::{KeyValue, Log, Process, Reference, UiSpan, UiTrace};
use crate::export::Record;
use crate::model::ids::hex;
use crate::otlp::value::special_double;
use crate::otlp::{SPAN_KIND, STATUS_CODE, push_base64};
use crate::server::traces::{Trace, plain};

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const ERROR: i32 = 2;

/// Integers beyond these are no numbers to JavaScript.
const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A trace as Jaeger shows it.
pub(super) fn ui_trace(trace: Trace) -> UiTrace {
    let Trace { id, spans, problems } = trace;
    let own_ids = ids_of_servers(&spans);
    let mut processes = Processes::default();
    let shown = spans.iter().enumerate().map(|(place, record)| {
        let shared = own_ids.get(&place);
        let parent = parent(&spans, record, shared, &own_ids);
        let mut warnings = Vec::new();
        if shared.is_some() {
            warnings.push(format!("shares the id {} with its client's span", span_id(&record.record.span_id)));
        }
        UiSpan {
            trace_id: id.to_string(),
            span_id: shared.cloned().unwrap_or_else(|| span_id(&record.record.span_id)),
            // Jaeger's bit 1 means debug, W3C's means a random id.
            flags: record.record.flags & 1,
            operation_name: record.record.name.clone(),
            references: references(&id.to_string(), parent, &record.record.links, &mut warnings),
            start_time: record.record.start_time_unix_nano / 1_000,
            duration: duration(&record.record, &mut warnings),
            tags: tags(record),
            logs: record.record.events.iter().map(log).collect(),
            process_id: processes.id_of(record),
            warnings: (!warnings.is_empty()).then_some(warnings),
        }
    });
    let shown = shown.collect();
    let warnings = problems.into_iter().map(|problem| format!("a span can't be shown: {problem}")).collect::<Vec<_>>();
    UiTrace {
        trace_id: id.to_string(),
        spans: shown,
        processes: processes.all,
        warnings: (!warnings.is_empty()).then_some(warnings),
    }
}

/// The resources of a trace, each under a name.
#[derive(Default)]
struct Processes {
    names: HashMap<(usize, String), String>,
    all: BTreeMap<String, Process>,
}

impl Processes {
    fn id_of(&mut self, record: &Record<Span>) -> String {
        let next = self.names.len() + 1;
        let key = (Arc::as_ptr(&record.resource).addr(), record.service_name.clone());
        let name = self.names.entry(key).or_insert_with(|| format!("p{next}")).clone();
        self.all.entry(name.clone()).or_insert_with(|| {
            let attributes = &record.resource.value.attributes;
            let mut tags: Vec<KeyValue> =
                attributes.iter().filter(|attribute| attribute.key != "service.name").map(tag).collect();
            dropped(&mut tags, "otel.dropped_attributes_count", record.resource.value.dropped_attributes_count);
            Process { service_name: record.service_name.clone(), tags }
        });
        name
    }
}

/// An id of its own for each SERVER span that has that of a CLIENT span, as Zipkin's have: by the place of the span.
fn ids_of_servers(spans: &[Record<Span>]) -> HashMap<usize, String> {
    let id = |span: &Span| <[u8; 8]>::try_from(span.span_id.as_slice()).ok().map(u64::from_be_bytes);
    let mut taken: HashSet<u64> = spans.iter().filter_map(|record| id(&record.record)).collect();
    let clients: HashSet<u64> =
        spans.iter().filter(|record| record.record.kind == CLIENT).filter_map(|record| id(&record.record)).collect();
    let mut own = HashMap::new();
    for (place, record) in spans.iter().enumerate().filter(|(_, record)| record.record.kind == SERVER) {
        let Some(shared) = id(&record.record).filter(|id| clients.contains(id)) else { continue };
        let mut free = shared.wrapping_add(1);
        while free == 0 || !taken.insert(free) {
            free = free.wrapping_add(1);
        }
        own.insert(place, format!("{free:016x}"));
    }
    own
}

/// The parent's id: of a SERVER span with the id of a CLIENT's that CLIENT, of those below both the SERVER where they
/// are of its service.
fn parent(
    spans: &[Record<Span>],
    record: &Record<Span>,
    shared: Option<&String>,
    own_ids: &HashMap<usize, String>,
) -> Option<String> {
    if shared.is_some() {
        return Some(span_id(&record.record.span_id));
    }
    let parent = &record.record.parent_span_id;
    if parent.is_empty() {
        return None;
    }
    let below_server = own_ids.iter().find(|(place, _)| {
        spans
            .get(**place)
            .is_some_and(|server| server.record.span_id == *parent && server.service_name == record.service_name)
    });
    Some(below_server.map_or_else(|| span_id(parent), |(_, id)| id.clone()))
}

fn references(trace_id: &str, parent: Option<String>, links: &[Link], warnings: &mut Vec<String>) -> Vec<Reference> {
    let parent = parent.map(|span_id| Reference { ref_type: "CHILD_OF", trace_id: trace_id.to_owned(), span_id });
    let mut references: Vec<Reference> = parent.into_iter().collect();
    for link in links {
        if link.trace_id.is_empty() {
            warnings.push("a link without a trace id is left out".to_owned());
            continue;
        }
        // How OpenTracing's bridge keeps the type of a reference.
        let child_of = link
            .attributes
            .iter()
            .any(|attribute| attribute.key == "opentracing.ref_type" && plain(attribute.value.as_ref()) == "child_of");
        references.push(Reference {
            ref_type: if child_of { "CHILD_OF" } else { "FOLLOWS_FROM" },
            trace_id: hex(&link.trace_id),
            span_id: span_id(&link.span_id),
        });
    }
    references
}

/// Microseconds; what Jaeger can't hold is 0, with a warning.
fn duration(span: &Span, warnings: &mut Vec<String>) -> u64 {
    if span.end_time_unix_nano == 0 {
        warnings.push("the span has no end".to_owned());
        return 0;
    }
    match span.end_time_unix_nano.checked_sub(span.start_time_unix_nano) {
        Some(nanos) => nanos / 1_000,
        None => {
            let early = span.start_time_unix_nano - span.end_time_unix_nano;
            warnings.push(format!("the span ends {early} ns before it starts"));
            0
        }
    }
}

fn tags(record: &Record<Span>) -> Vec<KeyValue> {
    let span = &record.record;
    let mut tags = Vec::new();
    text(&mut tags, "otel.scope.name", &record.scope.value.name);
    text(&mut tags, "otel.scope.version", &record.scope.value.version);
    let of_scope = |attribute: &Attribute| KeyValue { key: format!("otel.scope.{}", attribute.key), ..tag(attribute) };
    tags.extend(record.scope.value.attributes.iter().map(of_scope));
    tags.extend(span.attributes.iter().map(tag));
    match SPAN_KIND.name(span.kind) {
        Some("UNSPECIFIED") => {}
        Some(kind) => text(&mut tags, "span.kind", &kind.to_lowercase()),
        None => text(&mut tags, "span.kind", &span.kind.to_string()),
    }
    if let Some(status) = &span.status {
        match STATUS_CODE.name(status.code) {
            Some("UNSET") => {}
            Some(code) => text(&mut tags, "otel.status_code", code),
            None => text(&mut tags, "otel.status_code", &status.code.to_string()),
        }
        if status.code == ERROR {
            tags.push(KeyValue { key: "error".to_owned(), value_type: "bool", value: Value::from(true) });
        }
        text(&mut tags, "otel.status_description", &status.message);
    }
    text(&mut tags, "w3c.tracestate", &span.trace_state);
    dropped(&mut tags, "otel.dropped_attributes_count", span.dropped_attributes_count);
    dropped(&mut tags, "otel.dropped_events_count", span.dropped_events_count);
    dropped(&mut tags, "otel.dropped_links_count", span.dropped_links_count);
    tags
}

/// An event. Its name is the field `event`, unless it has such an attribute.
fn log(event: &Event) -> Log {
    let mut fields = Vec::new();
    if !event.attributes.iter().any(|attribute| attribute.key == "event") {
        text(&mut fields, "event", &event.name);
    }
    fields.extend(event.attributes.iter().map(tag));
    dropped(&mut fields, "otel.dropped_attributes_count", event.dropped_attributes_count);
    Log { timestamp: event.time_unix_nano / 1_000, fields }
}

fn text(tags: &mut Vec<KeyValue>, key: &str, value: &str) {
    if !value.is_empty() {
        tags.push(KeyValue { key: key.to_owned(), value_type: "string", value: Value::from(value) });
    }
}

fn dropped(tags: &mut Vec<KeyValue>, key: &str, count: u32) {
    if count > 0 {
        tags.push(KeyValue { key: key.to_owned(), value_type: "int64", value: Value::from(count) });
    }
}

/// An attribute; arrays and maps are text, as JSON.
fn tag(attribute: &Attribute) -> KeyValue {
    let (value_type, value) = typed(attribute.value.as_ref());
    KeyValue { key: attribute.key.clone(), value_type, value }
}

fn typed(value: Option<&AnyValue>) -> (&'static str, Value) {
    match value.and_then(|value| value.value.as_ref()) {
        None | Some(Sent::StringValueStrindex(_)) => ("string", Value::from("")),
        Some(Sent::StringValue(text)) => ("string", Value::from(text.as_str())),
        Some(Sent::BoolValue(value)) => ("bool", Value::from(*value)),
        Some(Sent::IntValue(value)) if (-SAFE_INTEGER..=SAFE_INTEGER).contains(value) => ("int64", Value::from(*value)),
        Some(Sent::IntValue(value)) => ("int64", Value::from(value.to_string())),
        Some(Sent::DoubleValue(value)) => {
            ("float64", special_double(*value).map_or_else(|| Value::from(*value), Value::from))
        }
        Some(Sent::BytesValue(bytes)) => {
            let mut text = String::new();
            push_base64(&mut text, bytes);
            ("binary", Value::from(text))
        }
        Some(Sent::ArrayValue(_) | Sent::KvlistValue(_)) => ("string", Value::from(plain(value).to_string())),
    }
}

/// The digits of a span's id, zeros where it has none.
fn span_id(id: &[u8]) -> String {
    format!("{:0>16}", hex(id))
}
