//! OTLP/JSON: log records, spans, metrics.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint, exemplar,
    number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::Span;

use super::json::Object;

pub(super) fn write_log(record: &LogRecord, object: &mut Object<'_>) {
    object.long("timeUnixNano", record.time_unix_nano);
    object.long("observedTimeUnixNano", record.observed_time_unix_nano);
    object.number("severityNumber", record.severity_number);
    object.text("severityText", &record.severity_text);
    if record.body.is_some() {
        object.value("body", record.body.as_ref());
    }
    attributes(object, &record.attributes, record.dropped_attributes_count);
    object.number("flags", record.flags);
    object.hex("traceId", &record.trace_id);
    object.hex("spanId", &record.span_id);
    object.text("eventName", &record.event_name);
}

pub(super) fn write_span(span: &Span, object: &mut Object<'_>) {
    object.hex("traceId", &span.trace_id);
    object.hex("spanId", &span.span_id);
    object.text("traceState", &span.trace_state);
    object.hex("parentSpanId", &span.parent_span_id);
    object.number("flags", span.flags);
    object.text("name", &span.name);
    object.number("kind", span.kind);
    object.long("startTimeUnixNano", span.start_time_unix_nano);
    object.long("endTimeUnixNano", span.end_time_unix_nano);
    attributes(object, &span.attributes, span.dropped_attributes_count);
    object.objects("events", &span.events, |event, object| {
        object.long("timeUnixNano", event.time_unix_nano);
        object.text("name", &event.name);
        attributes(object, &event.attributes, event.dropped_attributes_count);
    });
    object.number("droppedEventsCount", span.dropped_events_count);
    object.objects("links", &span.links, |link, object| {
        object.hex("traceId", &link.trace_id);
        object.hex("spanId", &link.span_id);
        object.text("traceState", &link.trace_state);
        attributes(object, &link.attributes, link.dropped_attributes_count);
        object.number("flags", link.flags);
    });
    object.number("droppedLinksCount", span.dropped_links_count);
    if let Some(status) = &span.status {
        object.object("status", |object| {
            object.text("message", &status.message);
            object.number("code", status.code);
        });
    }
}

pub(super) fn write_metric(metric: &Metric, object: &mut Object<'_>) {
    object.text("name", &metric.name);
    object.text("description", &metric.description);
    object.text("unit", &metric.unit);
    object.attributes("metadata", &metric.metadata);
    match &metric.data {
        None => {}
        Some(Data::Gauge(gauge)) => {
            object.object("gauge", |data| data.objects("dataPoints", &gauge.data_points, number_point));
        }
        Some(Data::Sum(sum)) => object.object("sum", |data| {
            data.objects("dataPoints", &sum.data_points, number_point);
            data.number("aggregationTemporality", sum.aggregation_temporality);
            data.boolean("isMonotonic", sum.is_monotonic);
        }),
        Some(Data::Histogram(histogram)) => object.object("histogram", |data| {
            data.objects("dataPoints", &histogram.data_points, histogram_point);
            data.number("aggregationTemporality", histogram.aggregation_temporality);
        }),
        Some(Data::ExponentialHistogram(histogram)) => object.object("exponentialHistogram", |data| {
            data.objects("dataPoints", &histogram.data_points, exponential_point);
            data.number("aggregationTemporality", histogram.aggregation_temporality);
        }),
        Some(Data::Summary(summary)) => {
            object.object("summary", |data| data.objects("dataPoints", &summary.data_points, summary_point));
        }
    }
}

fn attributes(object: &mut Object<'_>, attributes: &[KeyValue], dropped: u32) {
    object.attributes("attributes", attributes);
    object.number("droppedAttributesCount", dropped);
}

/// What every point begins with.
fn point(object: &mut Object<'_>, attributes: &[KeyValue], start_time: u64, time: u64, flags: u32) {
    object.attributes("attributes", attributes);
    object.long("startTimeUnixNano", start_time);
    object.long("timeUnixNano", time);
    object.number("flags", flags);
}

fn number_point(it: &NumberDataPoint, object: &mut Object<'_>) {
    point(object, &it.attributes, it.start_time_unix_nano, it.time_unix_nano, it.flags);
    match it.value {
        None => {}
        Some(number_data_point::Value::AsDouble(value)) => object.present_double("asDouble", value),
        Some(number_data_point::Value::AsInt(value)) => object.present_int("asInt", value),
    }
    object.objects("exemplars", &it.exemplars, write_exemplar);
}

fn histogram_point(it: &HistogramDataPoint, object: &mut Object<'_>) {
    point(object, &it.attributes, it.start_time_unix_nano, it.time_unix_nano, it.flags);
    object.long("count", it.count);
    object.optional_double("sum", it.sum);
    object.longs("bucketCounts", &it.bucket_counts);
    object.doubles("explicitBounds", &it.explicit_bounds);
    object.optional_double("min", it.min);
    object.optional_double("max", it.max);
    object.objects("exemplars", &it.exemplars, write_exemplar);
}

fn exponential_point(it: &ExponentialHistogramDataPoint, object: &mut Object<'_>) {
    point(object, &it.attributes, it.start_time_unix_nano, it.time_unix_nano, it.flags);
    object.long("count", it.count);
    object.optional_double("sum", it.sum);
    object.number("scale", it.scale);
    object.long("zeroCount", it.zero_count);
    object.double("zeroThreshold", it.zero_threshold);
    buckets("positive", it.positive.as_ref(), object);
    buckets("negative", it.negative.as_ref(), object);
    object.optional_double("min", it.min);
    object.optional_double("max", it.max);
    object.objects("exemplars", &it.exemplars, write_exemplar);
}

/// Empty buckets are not the same as none.
fn buckets(name: &str, buckets: Option<&Buckets>, object: &mut Object<'_>) {
    if let Some(buckets) = buckets {
        object.object(name, |object| {
            object.number("offset", buckets.offset);
            object.longs("bucketCounts", &buckets.bucket_counts);
        });
    }
}

fn summary_point(it: &SummaryDataPoint, object: &mut Object<'_>) {
    point(object, &it.attributes, it.start_time_unix_nano, it.time_unix_nano, it.flags);
    object.long("count", it.count);
    object.double("sum", it.sum);
    object.objects("quantileValues", &it.quantile_values, |quantile, object| {
        object.double("quantile", quantile.quantile);
        object.double("value", quantile.value);
    });
}

fn write_exemplar(exemplar: &Exemplar, object: &mut Object<'_>) {
    object.attributes("filteredAttributes", &exemplar.filtered_attributes);
    object.long("timeUnixNano", exemplar.time_unix_nano);
    match exemplar.value {
        None => {}
        Some(exemplar::Value::AsDouble(value)) => object.present_double("asDouble", value),
        Some(exemplar::Value::AsInt(value)) => object.present_int("asInt", value),
    }
    object.hex("spanId", &exemplar.span_id);
    object.hex("traceId", &exemplar.trace_id);
}
