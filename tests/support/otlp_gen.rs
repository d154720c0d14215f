//! Proptest strategies for OTLP export requests: every field of every signal is set to something, at some time.
//!
//! What they make is valid: the store takes every record. Times lie between 1970 and [`LATEST_NANOS`]; only a log may
//! be without one. Ids may be of any length, strings and keys hold quotes, control characters and repeat.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point, summary_data_point::ValueAtQuantile,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The latest time of a generated record, nanoseconds since 1970.
pub const LATEST_NANOS: u64 = 1_800_000_000_000_000_000;

/// A request of up to two resources with up to two scopes of up to four records each.
pub fn logs_request() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let scope_logs = (option::of(scope()), vec(log_record(), 0..4), text())
        .prop_map(|(scope, log_records, schema_url)| ScopeLogs { scope, log_records, schema_url });
    let resource_logs = (option::of(resource()), vec(scope_logs, 0..3), text())
        .prop_map(|(resource, scope_logs, schema_url)| ResourceLogs { resource, scope_logs, schema_url });
    vec(resource_logs, 0..3).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}

/// As [`logs_request`], for spans.
pub fn spans_request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope_spans = (option::of(scope()), vec(span(), 0..4), text())
        .prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let resource_spans = (option::of(resource()), vec(scope_spans, 0..3), text())
        .prop_map(|(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url });
    vec(resource_spans, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

/// As [`logs_request`], for metrics of up to three data points.
pub fn metrics_request() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let scope_metrics = (option::of(scope()), vec(metric(), 0..4), text())
        .prop_map(|(scope, metrics, schema_url)| ScopeMetrics { scope, metrics, schema_url });
    let resource_metrics = (option::of(resource()), vec(scope_metrics, 0..3), text())
        .prop_map(|(resource, scope_metrics, schema_url)| ResourceMetrics { resource, scope_metrics, schema_url });
    vec(resource_metrics, 0..3).prop_map(|resource_metrics| ExportMetricsServiceRequest { resource_metrics })
}

/// A value of any type, nested a few levels deep.
pub fn any_value() -> impl Strategy<Value = AnyValue> {
    let scalar = prop_oneof![
        4 => text().prop_map(|text| Some(Value::StringValue(text))),
        1 => any::<bool>().prop_map(|value| Some(Value::BoolValue(value))),
        2 => any::<i64>().prop_map(|value| Some(Value::IntValue(value))),
        1 => (-3_i64..300).prop_map(|value| Some(Value::IntValue(value))),
        2 => double().prop_map(|value| Some(Value::DoubleValue(value))),
        1 => vec(any::<u8>(), 0..5).prop_map(|bytes| Some(Value::BytesValue(bytes))),
        1 => Just(None),
    ]
    .prop_map(|value| AnyValue { value });
    scalar.prop_recursive(4, 16, 4, |inner| {
        let entry =
            (key(), option::of(inner.clone())).prop_map(|(key, value)| KeyValue { key, value, key_strindex: 0 });
        prop_oneof![
            vec(inner, 0..4).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec(entry, 0..4).prop_map(|values| Value::KvlistValue(KeyValueList { values })),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let entry =
        (key(), option::weighted(0.95, any_value())).prop_map(|(key, value)| KeyValue { key, value, key_strindex: 0 });
    vec(entry, 0..6)
}

/// Few keys, so that some repeat.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["a", "b", "service.name", "http.route", "\"quoted\"", "", "ключ", "a\nb"])
            .prop_map(str::to_owned),
        1 => text(),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        3 => select(vec![
            "x", "GET", "twelve bytes", "thirteen byte", "a rather longer text than a view holds inline", "\\", "\"",
            "{}", "null", "1", "\u{0}", "\t\r\n\u{8}\u{c}\u{1f}", "é", "😀 smile", "\u{7f}\u{2028}", "a/b",
        ])
        .prop_map(str::to_owned),
        1 => ".{0,20}",
    ]
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        2 => select(vec![
            0.0, -0.0, 1.0, -1.0, 0.1, 1e15, 1e16, 1e-5, 1e300, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::NAN,
            f64::INFINITY, f64::NEG_INFINITY,
        ]),
        // NaN with other bits is not kept in attributes.
        2 => any::<f64>().prop_filter("one NaN is enough", |value| !value.is_nan()),
    ]
}

/// For fields without presence: prost takes -0.0 for the default there and does not send it.
fn double_without_presence() -> impl Strategy<Value = f64> {
    double().prop_map(|value| value + 0.0)
}

fn id(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => vec(any::<u8>(), bytes),
        1 => Just(Vec::new()),
        1 => Just(vec![0; bytes]),
        1 => vec(any::<u8>(), 0..20),
    ]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![1_u64..5_000, 1_600_000_000_000_000_000..=LATEST_NANOS, 1..=LATEST_NANOS]
}

fn time_or_unset() -> impl Strategy<Value = u64> {
    prop_oneof![3 => time(), 1 => Just(0)]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..100, 0..=i64::MAX as u64]
}

fn enum_number(known: i32) -> impl Strategy<Value = i32> {
    prop_oneof![4 => 0..=known, 1 => any::<i32>()]
}

fn dropped() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1_u32..10, any::<u32>()]
}

fn resource() -> impl Strategy<Value = Resource> {
    let entity_ref = (text(), text(), vec(text(), 0..2)).prop_map(|(schema_url, r#type, id_keys)| EntityRef {
        schema_url,
        r#type,
        id_keys,
        description_keys: Vec::new(),
    });
    (attributes(), dropped(), vec(entity_ref, 0..2)).prop_map(|(attributes, dropped_attributes_count, entity_refs)| {
        Resource { attributes, dropped_attributes_count, entity_refs }
    })
}

fn scope() -> impl Strategy<Value = InstrumentationScope> {
    (text(), text(), attributes(), dropped()).prop_map(|(name, version, attributes, dropped_attributes_count)| {
        InstrumentationScope { name, version, attributes, dropped_attributes_count }
    })
}

fn log_record() -> impl Strategy<Value = LogRecord> {
    let times = (time_or_unset(), time_or_unset());
    let texts = (text(), text());
    let ids = (id(16), id(8));
    (times, enum_number(24), texts, option::of(any_value()), attributes(), dropped(), any::<u32>(), ids).prop_map(
        |(times, severity_number, texts, body, attributes, dropped_attributes_count, flags, ids)| LogRecord {
            time_unix_nano: times.0,
            observed_time_unix_nano: times.1,
            severity_number,
            severity_text: texts.0,
            body,
            attributes,
            dropped_attributes_count,
            flags,
            trace_id: ids.0,
            span_id: ids.1,
            event_name: texts.1,
        },
    )
}

fn trace_state() -> impl Strategy<Value = String> {
    let known =
        select(vec!["ot=th:8", "ot=th:0", "a=b,ot=rv:6e6d1a75832a2f;th:c", "ot=th:xyz"]).prop_map(str::to_owned);
    prop_oneof![known, text()]
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), id(8));
    let texts = (trace_state(), text());
    let times = (time(), prop_oneof![Just(0), time(), 0..=i64::MAX as u64]);
    let counts = (dropped(), dropped(), dropped());
    let nested = (vec(event(), 0..3), vec(link(), 0..3));
    let status = option::of((text(), enum_number(2)).prop_map(|(message, code)| Status { message, code }));
    (ids, texts, times, counts, nested, status, attributes(), enum_number(5), any::<u32>()).prop_map(
        |(ids, texts, times, counts, nested, status, attributes, kind, flags)| Span {
            trace_id: ids.0,
            span_id: ids.1,
            parent_span_id: ids.2,
            trace_state: texts.0,
            name: texts.1,
            start_time_unix_nano: times.0,
            end_time_unix_nano: times.1,
            attributes,
            dropped_attributes_count: counts.0,
            events: nested.0,
            dropped_events_count: counts.1,
            links: nested.1,
            dropped_links_count: counts.2,
            kind,
            flags,
            status,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    (time_or_unset(), text(), attributes(), dropped()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = Link> {
    (id(16), id(8), trace_state(), attributes(), dropped(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

fn metric() -> impl Strategy<Value = Metric> {
    let number_points = || vec(number_point(), 0..4);
    let temporality = || enum_number(2);
    let sum = (number_points(), temporality(), any::<bool>()).prop_map(
        |(data_points, aggregation_temporality, is_monotonic)| Sum {
            data_points,
            aggregation_temporality,
            is_monotonic,
        },
    );
    let histogram = (vec(histogram_point(), 0..4), temporality())
        .prop_map(|(data_points, aggregation_temporality)| Histogram { data_points, aggregation_temporality });
    let exponential =
        (vec(exponential_point(), 0..4), temporality()).prop_map(|(data_points, aggregation_temporality)| {
            ExponentialHistogram { data_points, aggregation_temporality }
        });
    let data = prop_oneof![
        number_points().prop_map(|data_points| Some(Data::Gauge(Gauge { data_points }))),
        sum.prop_map(|sum| Some(Data::Sum(sum))),
        histogram.prop_map(|histogram| Some(Data::Histogram(histogram))),
        exponential.prop_map(|histogram| Some(Data::ExponentialHistogram(histogram))),
        vec(summary_point(), 0..4).prop_map(|data_points| Some(Data::Summary(Summary { data_points }))),
        Just(None),
    ];
    (text(), text(), text(), attributes(), data).prop_map(|(name, description, unit, metadata, data)| Metric {
        name,
        description,
        unit,
        metadata,
        data,
    })
}

/// With and without the flag for "no recorded value".
fn point_flags() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0), 1 => Just(1), 1 => any::<u32>()]
}

fn number_point() -> impl Strategy<Value = NumberDataPoint> {
    let value = prop_oneof![
        double().prop_map(|value| Some(number_data_point::Value::AsDouble(value))),
        any::<i64>().prop_map(|value| Some(number_data_point::Value::AsInt(value))),
        Just(None),
    ];
    (attributes(), time_or_unset(), time(), vec(exemplar(), 0..3), point_flags(), value).prop_map(
        |(attributes, start_time_unix_nano, time_unix_nano, exemplars, flags, value)| NumberDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            exemplars,
            flags,
            value,
        },
    )
}

fn observations() -> impl Strategy<Value = (Option<f64>, Option<f64>, Option<f64>)> {
    (option::of(double()), option::of(double()), option::of(double()))
}

fn histogram_point() -> impl Strategy<Value = HistogramDataPoint> {
    let buckets = prop_oneof![
        Just((Vec::new(), Vec::new())),
        (0_usize..5).prop_flat_map(|bounds| (vec(count(), bounds + 1), vec(double(), bounds))),
    ];
    let times = (time_or_unset(), time());
    (attributes(), times, count(), observations(), buckets, vec(exemplar(), 0..3), point_flags()).prop_map(
        |(attributes, times, count, (sum, min, max), (bucket_counts, explicit_bounds), exemplars, flags)| {
            HistogramDataPoint {
                attributes,
                start_time_unix_nano: times.0,
                time_unix_nano: times.1,
                count,
                sum,
                bucket_counts,
                explicit_bounds,
                exemplars,
                flags,
                min,
                max,
            }
        },
    )
}

fn exponential_point() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let buckets = || {
        option::of(
            (any::<i32>(), vec(count(), 0..5)).prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }),
        )
    };
    let times = (time_or_unset(), time());
    let zero = (count(), double_without_presence());
    let sides = (buckets(), buckets());
    let common = (attributes(), vec(exemplar(), 0..3), point_flags());
    (common, times, count(), observations(), any::<i32>(), zero, sides).prop_map(
        |((attributes, exemplars, flags), times, count, (sum, min, max), scale, zero, sides)| {
            ExponentialHistogramDataPoint {
                attributes,
                start_time_unix_nano: times.0,
                time_unix_nano: times.1,
                count,
                sum,
                scale,
                zero_count: zero.0,
                positive: sides.0,
                negative: sides.1,
                flags,
                exemplars,
                min,
                max,
                zero_threshold: zero.1,
            }
        },
    )
}

fn summary_point() -> impl Strategy<Value = SummaryDataPoint> {
    let quantile = (double_without_presence(), double_without_presence())
        .prop_map(|(quantile, value)| ValueAtQuantile { quantile, value });
    let sum = double_without_presence();
    (attributes(), time_or_unset(), time(), count(), sum, vec(quantile, 0..4), point_flags()).prop_map(
        |(attributes, start_time_unix_nano, time_unix_nano, count, sum, quantile_values, flags)| SummaryDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            count,
            sum,
            quantile_values,
            flags,
        },
    )
}

fn exemplar() -> impl Strategy<Value = Exemplar> {
    let value = prop_oneof![
        double().prop_map(|value| Some(exemplar::Value::AsDouble(value))),
        any::<i64>().prop_map(|value| Some(exemplar::Value::AsInt(value))),
        Just(None),
    ];
    (attributes(), time_or_unset(), id(8), id(16), value).prop_map(
        |(filtered_attributes, time_unix_nano, span_id, trace_id, value)| Exemplar {
            filtered_attributes,
            time_unix_nano,
            span_id,
            trace_id,
            value,
        },
    )
}
