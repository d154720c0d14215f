//! Every field of every signal: sent by OTLP protobuf and JSON to a real server, read back by SQL, hot and cold.
//!
//! `TELESTRATA_ROUNDTRIP_CASES` sets how many generated requests of each signal are sent in each encoding.

use std::collections::HashSet;

use arrow::array::RecordBatch;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use prost::Message;
use telestrata::model::Signal;

use crate::support::server::{Home, Server};
use crate::support::{otlp_gen, otlp_json, otlp_rows};

const DEFAULT_CASES: usize = 60;

/// What one signal's requests are sent and read by.
struct Sent {
    signal: Signal,
    path: &'static str,
    /// Protobuf, JSON, and the rows that either must give.
    requests: Vec<(Vec<u8>, String, Vec<String>)>,
    read: fn(&RecordBatch) -> Vec<String>,
}

fn generate<R: Message>(
    strategy: impl Strategy<Value = R>,
    json: impl Fn(&R) -> serde_json::Value,
    expected: impl Fn(&R) -> Vec<String>,
) -> Vec<(Vec<u8>, String, Vec<String>)> {
    let cases = std::env::var("TELESTRATA_ROUNDTRIP_CASES").map_or(DEFAULT_CASES, |text| text.parse().unwrap());
    let mut runner = TestRunner::default();
    let mut seen = HashSet::new();
    let mut requests = Vec::new();
    while requests.len() < cases {
        let request = strategy.new_tree(&mut runner).unwrap().current();
        let bytes = request.encode_to_vec();
        // The same bytes again would be a repeat, which is stored once.
        if seen.insert(bytes.clone()) {
            requests.push((bytes, json(&request).to_string(), expected(&request)));
        }
    }
    requests
}

fn debug_all<R: std::fmt::Debug>(rows: Vec<R>) -> Vec<String> {
    rows.into_iter().map(|row| format!("{row:?}")).collect()
}

/// Gives a time to every log that has none: what the store gives it is not known here.
fn timed(
    mut request: opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest,
) -> opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest {
    let scopes = request.resource_logs.iter_mut().flat_map(|resource| &mut resource.scope_logs);
    for record in scopes.flat_map(|scope| &mut scope.log_records) {
        if record.time_unix_nano == 0 && record.observed_time_unix_nano == 0 {
            record.observed_time_unix_nano = 1;
        }
    }
    request
}

fn every_signal() -> [Sent; 3] {
    [
        Sent {
            signal: Signal::Logs,
            path: "/v1/logs",
            requests: generate(otlp_gen::logs_request().prop_map(timed), otlp_json::logs, |request| {
                debug_all(otlp_rows::expected_logs(request, 0))
            }),
            read: |batch| debug_all(otlp_rows::logs(batch)),
        },
        Sent {
            signal: Signal::Spans,
            path: "/v1/traces",
            requests: generate(otlp_gen::spans_request(), otlp_json::spans, |request| {
                debug_all(otlp_rows::expected_spans(request))
            }),
            read: |batch| debug_all(otlp_rows::spans(batch)),
        },
        Sent {
            signal: Signal::Metrics,
            path: "/v1/metrics",
            requests: generate(otlp_gen::metrics_request(), otlp_json::metrics, |request| {
                debug_all(otlp_rows::expected_metrics(request))
            }),
            read: |batch| debug_all(otlp_rows::metrics(batch)),
        },
    ]
}

async fn send(server: &Server, path: &str, content_type: &str, body: Vec<u8>) {
    let url = format!("{}{path}", server.otlp_http());
    let response =
        reqwest::Client::new().post(url).header("content-type", content_type).body(body).send().await.unwrap();
    let (status, reply) = (response.status(), response.bytes().await.unwrap());
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&reply));
    let nothing_rejected = reply.is_empty() || &reply[..] == b"{}";
    assert!(nothing_rejected, "rejected: {}", String::from_utf8_lossy(&reply));
}

async fn read(server: &Server, sent: &Sent) -> Vec<String> {
    let batches = server.arrow(&format!("select * from {}", sent.signal)).await;
    let mut rows: Vec<String> = batches.iter().flat_map(sent.read).collect();
    rows.sort_unstable();
    rows
}

fn assert_same(actual: &[String], expected: &[String], when: &str) {
    for (actual, expected) in actual.iter().zip(expected) {
        assert_eq!(actual, expected, "{when}");
    }
    assert_eq!(actual.len(), expected.len(), "{when}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_comes_back_hot_and_cold() {
    let home = Home::new("[flush]\nage = \"1h\"\n[ingest]\nmax_future = \"36500d\"\n");
    let server = home.serve();
    for sent in every_signal() {
        let mut expected = Vec::new();
        for (proto, json, rows) in &sent.requests {
            send(&server, sent.path, "application/x-protobuf", proto.clone()).await;
            send(&server, sent.path, "application/json", json.clone().into_bytes()).await;
            expected.extend(rows.iter().cloned());
            expected.extend(rows.iter().cloned());
        }
        expected.sort_unstable();
        assert!(!expected.is_empty());
        assert_same(&read(&server, &sent).await, &expected, "hot");
        server.flush().await;
        assert_eq!(server.metric("telestrata_hot_rows", sent.signal.table()).await, 0.0);
        assert_same(&read(&server, &sent).await, &expected, "cold");
    }
}
