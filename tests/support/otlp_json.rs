//! OTLP requests as OTLP/JSON, to the letter of the specification: ids in hex, enums as integers, 64-bit integers as
//! strings, NaN and infinities by name.
//!
//! opentelemetry-proto's own serde leaves the specification for doubles that JSON has no number for.
//! The keys of an object come out in alphabetical order, so records often come before their scope and resource.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint, exemplar,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

/// A logs request.
pub fn logs(request: &ExportLogsServiceRequest) -> Value {
    json!({"resourceLogs": list(&request.resource_logs, |group| with_resource(&group.resource, json!({
        "schemaUrl": group.schema_url,
        "scopeLogs": list(&group.scope_logs, |scope| with_scope(&scope.scope, json!({
            "schemaUrl": scope.schema_url,
            "logRecords": list(&scope.log_records, log_record),
        }))),
    })))})
}

/// A spans request.
pub fn spans(request: &ExportTraceServiceRequest) -> Value {
    json!({"resourceSpans": list(&request.resource_spans, |group| with_resource(&group.resource, json!({
        "schemaUrl": group.schema_url,
        "scopeSpans": list(&group.scope_spans, |scope| with_scope(&scope.scope, json!({
            "schemaUrl": scope.schema_url,
            "spans": list(&scope.spans, span),
        }))),
    })))})
}

/// A metrics request.
pub fn metrics(request: &ExportMetricsServiceRequest) -> Value {
    json!({"resourceMetrics": list(&request.resource_metrics, |group| with_resource(&group.resource, json!({
        "schemaUrl": group.schema_url,
        "scopeMetrics": list(&group.scope_metrics, |scope| with_scope(&scope.scope, json!({
            "schemaUrl": scope.schema_url,
            "metrics": list(&scope.metrics, metric),
        }))),
    })))})
}

fn list<T>(items: &[T], item: impl Fn(&T) -> Value) -> Value {
    Value::Array(items.iter().map(item).collect())
}

fn set(object: &mut Value, key: &str, value: Value) {
    object[key] = value;
}

fn with_resource(resource: &Option<Resource>, mut object: Value) -> Value {
    if let Some(resource) = resource {
        let value = json!({
            "attributes": attributes(&resource.attributes),
            "droppedAttributesCount": resource.dropped_attributes_count,
            "entityRefs": list(&resource.entity_refs, |entity| json!({"type": entity.r#type})),
        });
        set(&mut object, "resource", value);
    }
    object
}

fn with_scope(scope: &Option<InstrumentationScope>, mut object: Value) -> Value {
    if let Some(scope) = scope {
        let value = json!({
            "name": scope.name,
            "version": scope.version,
            "attributes": attributes(&scope.attributes),
            "droppedAttributesCount": scope.dropped_attributes_count,
        });
        set(&mut object, "scope", value);
    }
    object
}

fn attributes(attributes: &[KeyValue]) -> Value {
    list(attributes, |attribute| match &attribute.value {
        Some(value) => json!({"key": attribute.key, "value": any_value(value)}),
        None => json!({"key": attribute.key}),
    })
}

fn any_value(value: &AnyValue) -> Value {
    match &value.value {
        None | Some(Any::StringValueStrindex(_)) => json!({}),
        Some(Any::StringValue(value)) => json!({"stringValue": value}),
        Some(Any::BoolValue(value)) => json!({"boolValue": value}),
        Some(Any::IntValue(value)) => json!({"intValue": value.to_string()}),
        Some(Any::DoubleValue(value)) => json!({"doubleValue": double(*value)}),
        Some(Any::BytesValue(value)) => json!({"bytesValue": base64(value)}),
        Some(Any::ArrayValue(array)) => json!({"arrayValue": {"values": list(&array.values, any_value)}}),
        Some(Any::KvlistValue(map)) => json!({"kvlistValue": {"values": attributes(&map.values)}}),
    }
}

fn log_record(record: &LogRecord) -> Value {
    let mut object = json!({
        "timeUnixNano": record.time_unix_nano.to_string(),
        "observedTimeUnixNano": record.observed_time_unix_nano.to_string(),
        "severityNumber": record.severity_number,
        "severityText": record.severity_text,
        "attributes": attributes(&record.attributes),
        "droppedAttributesCount": record.dropped_attributes_count,
        "flags": record.flags,
        "traceId": hex(&record.trace_id),
        "spanId": hex(&record.span_id),
        "eventName": record.event_name,
    });
    if let Some(body) = &record.body {
        set(&mut object, "body", any_value(body));
    }
    object
}

fn span(span: &Span) -> Value {
    let mut object = json!({
        "traceId": hex(&span.trace_id),
        "spanId": hex(&span.span_id),
        "parentSpanId": hex(&span.parent_span_id),
        "traceState": span.trace_state,
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano.to_string(),
        "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "attributes": attributes(&span.attributes),
        "droppedAttributesCount": span.dropped_attributes_count,
        "droppedEventsCount": span.dropped_events_count,
        "droppedLinksCount": span.dropped_links_count,
        "events": list(&span.events, |event| json!({
            "timeUnixNano": event.time_unix_nano.to_string(),
            "name": event.name,
            "attributes": attributes(&event.attributes),
            "droppedAttributesCount": event.dropped_attributes_count,
        })),
        "links": list(&span.links, |link| json!({
            "traceId": hex(&link.trace_id),
            "spanId": hex(&link.span_id),
            "traceState": link.trace_state,
            "attributes": attributes(&link.attributes),
            "droppedAttributesCount": link.dropped_attributes_count,
            "flags": link.flags,
        })),
    });
    if let Some(status) = &span.status {
        set(&mut object, "status", json!({"message": status.message, "code": status.code}));
    }
    object
}

fn metric(metric: &Metric) -> Value {
    let mut object = json!({
        "name": metric.name,
        "description": metric.description,
        "unit": metric.unit,
        "metadata": attributes(&metric.metadata),
    });
    match &metric.data {
        None => {}
        Some(Data::Gauge(gauge)) => {
            set(&mut object, "gauge", json!({"dataPoints": list(&gauge.data_points, number_point)}));
        }
        Some(Data::Sum(sum)) => {
            let value = json!({
                "dataPoints": list(&sum.data_points, number_point),
                "aggregationTemporality": sum.aggregation_temporality,
                "isMonotonic": sum.is_monotonic,
            });
            set(&mut object, "sum", value);
        }
        Some(Data::Histogram(histogram)) => {
            let value = json!({
                "dataPoints": list(&histogram.data_points, histogram_point),
                "aggregationTemporality": histogram.aggregation_temporality,
            });
            set(&mut object, "histogram", value);
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let value = json!({
                "dataPoints": list(&histogram.data_points, exponential_point),
                "aggregationTemporality": histogram.aggregation_temporality,
            });
            set(&mut object, "exponentialHistogram", value);
        }
        Some(Data::Summary(summary)) => {
            set(&mut object, "summary", json!({"dataPoints": list(&summary.data_points, summary_point)}));
        }
    }
    object
}

fn number_point(point: &NumberDataPoint) -> Value {
    let mut object = json!({
        "attributes": attributes(&point.attributes),
        "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(),
        "exemplars": list(&point.exemplars, exemplar),
        "flags": point.flags,
    });
    match point.value {
        None => {}
        Some(number_data_point::Value::AsDouble(value)) => set(&mut object, "asDouble", double(value)),
        Some(number_data_point::Value::AsInt(value)) => set(&mut object, "asInt", json!(value.to_string())),
    }
    object
}

fn histogram_point(point: &HistogramDataPoint) -> Value {
    let mut object = json!({
        "attributes": attributes(&point.attributes),
        "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(),
        "count": point.count.to_string(),
        "bucketCounts": list(&point.bucket_counts, |count| json!(count.to_string())),
        "explicitBounds": list(&point.explicit_bounds, |bound| double(*bound)),
        "exemplars": list(&point.exemplars, exemplar),
        "flags": point.flags,
    });
    set_observations(&mut object, point.sum, point.min, point.max);
    object
}

fn exponential_point(point: &ExponentialHistogramDataPoint) -> Value {
    let mut object = json!({
        "attributes": attributes(&point.attributes),
        "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(),
        "count": point.count.to_string(),
        "scale": point.scale,
        "zeroCount": point.zero_count.to_string(),
        "flags": point.flags,
        "exemplars": list(&point.exemplars, exemplar),
        "zeroThreshold": double(point.zero_threshold),
    });
    let buckets = |buckets: &Buckets| {
        let counts = list(&buckets.bucket_counts, |count| json!(count.to_string()));
        json!({"offset": buckets.offset, "bucketCounts": counts})
    };
    if let Some(positive) = &point.positive {
        set(&mut object, "positive", buckets(positive));
    }
    if let Some(negative) = &point.negative {
        set(&mut object, "negative", buckets(negative));
    }
    set_observations(&mut object, point.sum, point.min, point.max);
    object
}

fn set_observations(object: &mut Value, sum: Option<f64>, min: Option<f64>, max: Option<f64>) {
    for (key, value) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(value) = value {
            set(object, key, double(value));
        }
    }
}

fn summary_point(point: &SummaryDataPoint) -> Value {
    json!({
        "attributes": attributes(&point.attributes),
        "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(),
        "count": point.count.to_string(),
        "sum": double(point.sum),
        "quantileValues": list(&point.quantile_values, |at| {
            json!({"quantile": double(at.quantile), "value": double(at.value)})
        }),
        "flags": point.flags,
    })
}

fn exemplar(exemplar: &Exemplar) -> Value {
    let mut object = json!({
        "filteredAttributes": attributes(&exemplar.filtered_attributes),
        "timeUnixNano": exemplar.time_unix_nano.to_string(),
        "spanId": hex(&exemplar.span_id),
        "traceId": hex(&exemplar.trace_id),
    });
    match exemplar.value {
        None => {}
        Some(exemplar::Value::AsDouble(value)) => set(&mut object, "asDouble", double(value)),
        Some(exemplar::Value::AsInt(value)) => set(&mut object, "asInt", json!(value.to_string())),
    }
    object
}

fn double(value: f64) -> Value {
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(value)
    }
}

/// Every second digit in upper case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{:x}{:X}", byte >> 4, byte & 0xF)).collect()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let used = digit <= chunk.len();
            let index = (group >> (18 - 6 * digit) & 63) as usize;
            text.push(if used { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    text
}
