//! How fast OTLP requests become batches, beside prost's decoding of the same bytes.
//!
//! `cargo bench --bench decode`. Requests as SDKs send them: one resource of ten attributes and one scope, with 1,000
//! spans of ten attributes (every tenth with an exception event), 1,000 logs, or 1,000 data points of four kinds.

#![allow(missing_docs, reason = "criterion's macros make functions without docs")]

#[path = "../tests/support/otlp_json.rs"]
#[allow(unreachable_pub, reason = "shared with the integration tests")]
mod otlp_json;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use telestrata::model::{Encoding, Signal};
use telestrata::otlp::{RequestMeta, decode};

const RECORDS: u64 = 1_000;
const START: u64 = 1_700_000_000_000_000_000;
const META: RequestMeta<'static> = RequestMeta {
    ingest_time: 1_700_000_100_000_000,
    latest_time: 1_700_086_500_000_000,
    source: "bench",
    principal: None,
};

fn benches(criterion: &mut Criterion) {
    let (logs, spans, metrics) = (logs(), spans(), metrics());
    bench::<ExportLogsServiceRequest>(criterion, Signal::Logs, &logs, otlp_json::logs(&logs).to_string());
    bench::<ExportTraceServiceRequest>(criterion, Signal::Spans, &spans, otlp_json::spans(&spans).to_string());
    bench::<ExportMetricsServiceRequest>(
        criterion,
        Signal::Metrics,
        &metrics,
        otlp_json::metrics(&metrics).to_string(),
    );
}

fn bench<M: Message + Default>(criterion: &mut Criterion, signal: Signal, request: &M, json: String) {
    let proto = request.encode_to_vec();
    let decoded = decode(signal, Encoding::Proto, &proto, &META).expect("the request is well-formed");
    assert_eq!(decoded.batch.num_rows() as u64, RECORDS);
    let decoded = decode(signal, Encoding::Json, json.as_bytes(), &META).expect("the request is well-formed");
    assert_eq!(decoded.batch.num_rows() as u64, RECORDS);

    let mut group = criterion.benchmark_group(format!("decode/{signal}"));
    group.throughput(Throughput::Elements(RECORDS));
    group.bench_function(format!("proto/{} bytes", proto.len()), |bencher| {
        bencher.iter(|| decode(signal, Encoding::Proto, black_box(&proto), &META));
    });
    group.bench_function(format!("json/{} bytes", json.len()), |bencher| {
        bencher.iter(|| decode(signal, Encoding::Json, black_box(json.as_bytes()), &META));
    });
    group.bench_function("prost alone", |bencher| bencher.iter(|| M::decode(black_box(proto.as_slice()))));
    group.finish();
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn resource() -> Option<Resource> {
    let attributes = vec![
        text("service.name", "checkout"),
        text("service.namespace", "shop"),
        text("service.version", "2.14.0"),
        text("service.instance.id", "checkout-7d9fdc5b9-x2x4q"),
        text("deployment.environment.name", "production"),
        text("host.name", "ip-10-12-33-4.eu-central-1.compute.internal"),
        text("k8s.pod.name", "checkout-7d9fdc5b9-x2x4q"),
        text("k8s.namespace.name", "shop"),
        text("telemetry.sdk.language", "rust"),
        int("process.pid", 4_711),
    ];
    Some(Resource { attributes, ..Default::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "io.opentelemetry.http".to_owned(),
        version: "1.9.0".to_owned(),
        ..Default::default()
    })
}

/// Bytes that look random and depend on the seed alone.
fn id(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(|| next().to_le_bytes()).flatten().take(bytes).collect()
}

fn logs() -> ExportLogsServiceRequest {
    let record = |at: u64| LogRecord {
        time_unix_nano: START + at * 1_003_007,
        observed_time_unix_nano: START + at * 1_003_007 + 500,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(format!(
                "[{at}] charge accepted for order {} in 3 steps, total 129.90 EUR, gateway answered in {} ms",
                at * 7_919,
                at % 250
            ))),
        }),
        attributes: vec![
            text("log.iostream", "stdout"),
            text("code.function", "checkout::charge"),
            int("thread.id", (at % 16) as i64),
            text("order.id", format!("{:08x}", at * 7_919)),
            text("user.id", format!("user-{}", at % 100)),
        ],
        trace_id: id(at / 8, 16),
        span_id: id(at, 8),
        flags: 1,
        ..Default::default()
    };
    let scope_logs =
        vec![ScopeLogs { scope: scope(), log_records: (0..RECORDS).map(record).collect(), ..Default::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: resource(), scope_logs, ..Default::default() }],
    }
}

fn spans() -> ExportTraceServiceRequest {
    let span = |at: u64| Span {
        trace_id: id(at / 8, 16),
        span_id: id(at, 8),
        parent_span_id: if at.is_multiple_of(8) { Vec::new() } else { id(at - 1, 8) },
        name: "POST /cart/{id}/checkout".to_owned(),
        kind: (at % 5) as i32 + 1,
        start_time_unix_nano: START + at * 1_003_007,
        end_time_unix_nano: START + at * 1_003_007 + 20_000_000,
        attributes: vec![
            text("http.request.method", "POST"),
            text("http.route", "/cart/{id}/checkout"),
            int("http.response.status_code", if at.is_multiple_of(10) { 500 } else { 200 }),
            text("url.path", format!("/cart/{at}/checkout")),
            text("server.address", "checkout.shop.svc.cluster.local"),
            int("server.port", 8_080),
            text("network.protocol.version", "1.1"),
            text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
            text("client.address", format!("10.0.{}.{}", at / 256, at % 256)),
            int("thread.id", (at % 16) as i64),
        ],
        events: if at.is_multiple_of(10) { vec![exception(at)] } else { Vec::new() },
        status: Some(Status { code: if at.is_multiple_of(10) { 2 } else { 0 }, ..Default::default() }),
        flags: 0x101,
        ..Default::default()
    };
    let scope_spans =
        vec![ScopeSpans { scope: scope(), spans: (0..RECORDS).map(span).collect(), ..Default::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: resource(), scope_spans, ..Default::default() }],
    }
}

fn exception(at: u64) -> Event {
    Event {
        time_unix_nano: START + at * 1_003_007 + 10_000_000,
        name: "exception".to_owned(),
        attributes: vec![
            text("exception.type", "shop.PaymentDeclined"),
            text("exception.message", format!("card declined for order {at}")),
            text("exception.stacktrace", "at charge (checkout.rs:120)\nat handle (server.rs:77)\n".repeat(8)),
        ],
        ..Default::default()
    }
}

/// A fifth histograms, a fifth exponential histograms, the rest sums and gauges.
fn metrics() -> ExportMetricsServiceRequest {
    let attributes = |at: u64| {
        vec![
            text("http.request.method", "POST"),
            text("http.route", format!("/cart/{}/items", at % 20)),
            int("http.response.status_code", 200 + (at % 3) as i64),
            text("server.address", "checkout.shop.svc.cluster.local"),
        ]
    };
    let (start_time_unix_nano, time_unix_nano) = (START, START + 60_000_000_000);
    let numbers = |value: fn(u64) -> number_data_point::Value, points: u64| -> Vec<NumberDataPoint> {
        let point = |at| NumberDataPoint {
            attributes: attributes(at),
            start_time_unix_nano,
            time_unix_nano,
            value: Some(value(at)),
            ..Default::default()
        };
        (0..points).map(point).collect()
    };
    let histogram_point = |at| HistogramDataPoint {
        attributes: attributes(at),
        start_time_unix_nano,
        time_unix_nano,
        count: 1_000,
        sum: Some(12.5),
        min: Some(0.001),
        max: Some(9.0),
        bucket_counts: (0..16).collect(),
        explicit_bounds: (0..15).map(|bound| f64::from(bound) * 0.5).collect(),
        ..Default::default()
    };
    let exponential_point = |at| ExponentialHistogramDataPoint {
        attributes: attributes(at),
        start_time_unix_nano,
        time_unix_nano,
        count: 1_000,
        sum: Some(12.5),
        scale: 4,
        zero_count: 1,
        positive: Some(Buckets { offset: -8, bucket_counts: (0..40).collect() }),
        ..Default::default()
    };
    let metric = |name: &str, data| Metric {
        name: name.to_owned(),
        description: "as the semantic conventions have it".to_owned(),
        unit: "s".to_owned(),
        data: Some(data),
        ..Default::default()
    };
    let mut metrics = Vec::new();
    for _ in 0..10 {
        let sum = Sum {
            data_points: numbers(|at| number_data_point::Value::AsInt(at as i64), 40),
            aggregation_temporality: 2,
            is_monotonic: true,
        };
        let gauge = Gauge { data_points: numbers(|at| number_data_point::Value::AsDouble(at as f64 * 0.1), 20) };
        let histogram = Histogram { data_points: (0..20).map(histogram_point).collect(), aggregation_temporality: 2 };
        let exponential =
            ExponentialHistogram { data_points: (0..20).map(exponential_point).collect(), aggregation_temporality: 1 };
        metrics.push(metric("http.server.request.count", Data::Sum(sum)));
        metrics.push(metric("process.cpu.utilization", Data::Gauge(gauge)));
        metrics.push(metric("http.server.request.duration", Data::Histogram(histogram)));
        metrics.push(metric("http.client.request.duration", Data::ExponentialHistogram(exponential)));
    }
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..Default::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource: resource(), scope_metrics, ..Default::default() }],
    }
}

criterion_group!(decode_benches, benches);
criterion_main!(decode_benches);
