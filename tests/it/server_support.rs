//! A real server on free ports over a lake in a folder of its own, and requests to send it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Histogram, HistogramDataPoint, Metric, ResourceMetrics, ScopeMetrics, metric,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span};
use telestrata::ingest::{IngestSettings, Store};
use telestrata::lake::{CloudAccess, LakeRoot};
use telestrata::metrics::Metrics;
use telestrata::model::promoted::default_promoted;
use telestrata::query::{QueryBudget, QueryEngine, SqlObjects};
use telestrata::server::{Running, ServerSettings, start};
use telestrata::wal::WalSettings;

/// How long a test waits for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// 2023-11-14T22:13:20.000001002Z.
pub const TIME_NANOS: u64 = 1_700_000_000_000_001_002;

/// A server, its store and its lake.
pub struct TestServer {
    pub store: Arc<Store>,
    pub engine: Arc<QueryEngine>,
    pub running: Running,
    pub client: reqwest::Client,
    _folder: tempfile::TempDir,
}

/// Doors on free ports that take requests of up to `max_request_bytes`.
pub fn settings(max_request_bytes: usize) -> ServerSettings {
    let any = Some(([127, 0, 0, 1], 0).into());
    ServerSettings {
        otlp_grpc: any,
        otlp_http: any,
        http: any,
        flight: any,
        postgres: any,
        max_request_bytes,
        ..ServerSettings::default()
    }
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(settings(1 << 20)).await
    }

    pub async fn start_with(settings: ServerSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = LakeRoot::parse(folder.path().join("lake").to_str().unwrap(), &CloudAccess::default()).unwrap();
        let ingest = IngestSettings {
            wal_folder: folder.path().join("wal"),
            wal: WalSettings::default(),
            max_future: Duration::from_secs(86_400),
            flush_bytes: 256 << 20,
            flush_age: Duration::from_secs(3600),
            max_hot_bytes: 1 << 30,
            max_in_flight_bytes: 64 << 20,
            promoted: default_promoted(),
            held: None,
        };
        let budget = QueryBudget {
            max_memory: 256 << 20,
            max_time: Duration::from_secs(600),
            max_rows: None,
            max_scan_bytes: None,
            footer_cache: 16 << 20,
            small_files: 16 << 20,
            span_slack: Duration::from_secs(3600),
        };
        let store = Store::open(root.clone(), ingest, Arc::new(Metrics::default())).await.unwrap();
        let views = Arc::new(SqlObjects::built_in().unwrap());
        let engine = Arc::new(QueryEngine::new(root, &budget, views, tokio::runtime::Handle::current()).unwrap());
        let running = start(Arc::clone(&store), Arc::clone(&engine), settings).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { store, engine, running, client, _folder: folder }
    }

    /// A URL at the OTLP/HTTP door.
    pub fn otlp(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addresses().otlp_http.unwrap())
    }

    /// The OTLP/gRPC door.
    pub fn grpc(&self) -> String {
        format!("http://{}", self.running.addresses().otlp_grpc.unwrap())
    }

    /// A URL at the HTTP API.
    pub fn api(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addresses().http.unwrap())
    }

    /// Posts a query as text.
    pub async fn sql(&self, accept: &str, query: impl Into<String>) -> reqwest::Response {
        let request = self.client.post(self.api("/v1/sql")).header("accept", accept);
        request.header("content-type", "text/plain").body(query.into()).send().await.unwrap()
    }

    /// A query's rows.
    pub async fn rows(&self, query: &str) -> Vec<serde_json::Value> {
        let response = self.sql("application/json", query).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The value of a metric, 0 where it was never counted.
    pub async fn metric(&self, name_and_labels: &str) -> f64 {
        let text = self.client.get(self.api("/metrics")).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name_and_labels)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a metric has a value.
    pub async fn until_metric(&self, name_and_labels: &str, value: f64) {
        until(async || self.metric(name_and_labels).await == value).await;
    }
}

/// Asks again until it is so.
pub async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let asking = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("what was waited for did not come");
}

/// Attributes that hold what JSON, CSV and SQL must quote.
fn attributes() -> Vec<KeyValue> {
    let attribute = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    vec![
        attribute("text", any_value::Value::StringValue("a \"b\",\n\tc".to_owned())),
        attribute("long", any_value::Value::IntValue(i64::MAX)),
    ]
}

/// `count` log records.
pub fn logs(count: usize) -> ExportLogsServiceRequest {
    let record = |index: usize| LogRecord {
        time_unix_nano: TIME_NANOS + index as u64 * 1000,
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(format!("line {index}"))) }),
        attributes: attributes(),
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: (0..count).map(record).collect(), ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
}

/// Spans that start at these times, each with one event; a start of 0 is rejected.
pub fn spans(starts: &[u64]) -> ExportTraceServiceRequest {
    let span = |start: &u64| Span {
        trace_id: vec![7; 16],
        span_id: start.to_be_bytes().to_vec(),
        name: "work".to_owned(),
        start_time_unix_nano: *start,
        end_time_unix_nano: start + 5,
        attributes: attributes(),
        events: vec![span::Event {
            time_unix_nano: *start,
            name: "happened".to_owned(),
            attributes: attributes(),
            ..span::Event::default()
        }],
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: starts.iter().map(span).collect(), ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

/// Histogram points at these times; a time of 0 is rejected.
pub fn metrics(times: &[u64]) -> ExportMetricsServiceRequest {
    let point = |time: &u64| HistogramDataPoint {
        time_unix_nano: *time,
        count: 3,
        sum: Some(f64::INFINITY),
        explicit_bounds: vec![0.5, 1.0],
        bucket_counts: vec![1, 1, 1],
        ..HistogramDataPoint::default()
    };
    let histogram = Histogram { data_points: times.iter().map(point).collect(), aggregation_temporality: 1 };
    let metric =
        Metric { name: "latency".to_owned(), data: Some(metric::Data::Histogram(histogram)), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
    }
}

/// As gzip.
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

/// As zstd.
pub fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 1).unwrap()
}
