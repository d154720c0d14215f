//! A reply that is lost, a server that dies, and a server that is full: what is sent arrives, and once. What never
//! will be taken is not sent again.
//!
//! The senders have `PER_ROUND` spans, logs and counted items for each round, and their SDK's own retries.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use super::endpoint;
use crate::support::clients::{Sdk, Sender};
use crate::support::proxy::Proxy;
use crate::support::server::{Home, Server};

const PER_ROUND: i64 = 100;

/// Flushes when asked, and is full at 16 MiB of hot rows.
const CONFIG: &str = "memory_limit = \"64 MiB\"\n[flush]\nage = \"1h\"\n";

#[rstest]
#[case::python_grpc(Sdk::Python, "grpc")]
#[case::python_http_protobuf(Sdk::Python, "http/protobuf")]
#[case::python_http_json(Sdk::Python, "http/json")]
#[case::node_http_protobuf(Sdk::Node, "http/protobuf")]
#[case::node_http_json(Sdk::Node, "http/json")]
#[case::rust_grpc(Sdk::Rust, "grpc")]
#[case::rust_http_protobuf(Sdk::Rust, "http/protobuf")]
#[case::rust_http_json(Sdk::Rust, "http/json")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_arrives_once(#[case] sdk: Sdk, #[case] protocol: &str) {
    let home = Home::new(CONFIG);
    let server = home.serve();
    let mut wire = Proxy::to(&endpoint(&server, protocol));
    let mut sender = sdk.start("numbered", protocol, "gzip", &wire.url(), "run");

    wire.lose_replies(true);
    round(&mut sender).await;
    wire.lose_replies(false);
    assert!(wire.lost() > 0, "no reply was lost; the test shows nothing");
    // tonic calls a call whose connection broke UNKNOWN, and OTLP's clients give that up. It was stored all the same.
    let sent_again = if (sdk, protocol) == (Sdk::Rust, "grpc") { 0 } else { wire.lost() };
    let repeats = server.metric("telestrata_repeated_requests_total", "").await;
    assert_eq!(repeats, sent_again as f64, "of {} lost replies: {}", wire.lost(), sender.said());
    assert_eq!(arrived(&server).await, [PER_ROUND; 3]);

    let before = retries(sdk, &sender);
    wire.cut().await;
    server.kill();
    sender.go().await;
    until("the sender to find no server", async || retries(sdk, &sender) > before).await;
    let server = home.serve();
    wire.connect(&endpoint(&server, protocol));
    assert_eq!(sender.line().await.as_deref(), Some("done"));
    assert_eq!(arrived(&server).await, [2 * PER_ROUND; 3], "{}", sender.said());

    let obstacle = fill(&home, &server).await;
    sender.go().await;
    until("the sender to be refused", async || refused(&server).await > 0.0).await;
    std::fs::remove_file(obstacle).unwrap();
    server.flush().await;
    assert_eq!(sender.line().await.as_deref(), Some("done"));
    let (_, said) = sender.end().await;
    assert_eq!(arrived(&server).await, [3 * PER_ROUND; 3], "{said}");
}

/// How often its exporters have said that they will try again.
fn retries(sdk: Sdk, sender: &Sender) -> usize {
    let announced = match sdk {
        Sdk::Python => "retrying in",
        Sdk::Node => "Scheduling export retry",
        Sdk::Rust => "Export.InProgress.Retrying",
    };
    sender.said().matches(announced).count()
}

/// Node's gRPC exporter has no retries: what meets a server that is full or gone is lost, and said to be.
#[tokio::test(flavor = "multi_thread")]
async fn node_over_grpc_gives_up_and_says_so() {
    let home = Home::new(CONFIG);
    let server = home.serve();
    let mut wire = Proxy::to(&endpoint(&server, "grpc"));
    let mut sender = Sdk::Node.start("numbered", "grpc", "gzip", &wire.url(), "run");

    wire.lose_replies(true);
    round(&mut sender).await;
    wire.lose_replies(false);
    assert!(wire.lost() > 0, "no reply was lost; the test shows nothing");
    assert_eq!(server.metric("telestrata_repeated_requests_total", "").await, 0.0);
    assert_eq!(arrived(&server).await, [PER_ROUND; 3]);

    let obstacle = fill(&home, &server).await;
    round(&mut sender).await;
    assert_eq!(refused(&server).await, 1.0);
    std::fs::remove_file(obstacle).unwrap();
    server.flush().await;
    assert_eq!(arrived(&server).await, [PER_ROUND; 3]);
    round(&mut sender).await;
    assert_eq!(arrived(&server).await, [2 * PER_ROUND; 3]);

    wire.cut().await;
    server.kill();
    round(&mut sender).await;
    let (_, said) = sender.end().await;
    assert!(said.contains("UNAVAILABLE"), "{said}");
    assert_eq!(arrived(&home.serve()).await, [2 * PER_ROUND; 3]);
}

async fn round(sender: &mut Sender) {
    sender.go().await;
    assert_eq!(sender.line().await.as_deref(), Some("done"));
}

/// How many spans and logs are there, each number once, and how many items were counted.
async fn arrived(server: &Server) -> [i64; 3] {
    let mut arrived = [0; 3];
    for (table, arrived) in ["spans", "logs"].iter().zip(&mut arrived) {
        let query = format!(
            "select count(*) as n, count(distinct attributes['number']) as numbers from {table} where service_name = 'numbered'"
        );
        let rows = server.sql(&query).await;
        *arrived = rows[0]["n"].as_i64().unwrap();
        assert_eq!(rows[0]["numbers"], json!(*arrived), "{table} are there twice");
    }
    let items = "select cast(coalesce(sum(value), 0) as bigint) from metrics where service_name = 'numbered'";
    arrived[2] = server.number(items).await;
    arrived
}

/// Makes a server that can't flush, and has no room: what stands in the way is what is returned.
async fn fill(home: &Home, server: &Server) -> std::path::PathBuf {
    let obstacle = home.lake().join("logs/date=2023-11-14");
    std::fs::write(&obstacle, b"").unwrap();
    let client = reqwest::Client::new();
    let text = "full".repeat(1 << 18);
    for number in 0..100 {
        let record = json!({"timeUnixNano": "1700000000000000000", "body": {"stringValue": format!("{number}{text}")}});
        let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]});
        let request = client.post(format!("{}/v1/logs", server.otlp_http())).json(&body);
        if request.send().await.unwrap().status() == 503 {
            return obstacle;
        }
    }
    panic!("the server takes more than its bound");
}

/// Only senders under test send spans.
async fn refused(server: &Server) -> f64 {
    server.metric("telestrata_refused_requests_total", "signal=\"spans\",reason=\"unavailable\"").await
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited too long for {what}"));
}

/// Python's gRPC exporter is not here: it takes RESOURCE_EXHAUSTED for passing, with and without RetryInfo, and sends
/// such a request up to six times.
#[rstest]
#[case::python(Sdk::Python, "http/protobuf")]
#[case::node_grpc(Sdk::Node, "grpc")]
#[case::node_http(Sdk::Node, "http/json")]
#[case::rust_grpc(Sdk::Rust, "grpc")]
#[case::rust_http(Sdk::Rust, "http/json")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_sent_once(#[case] sdk: Sdk, #[case] protocol: &str) {
    let home = Home::new("[ingest]\nmax_request_bytes = \"2 KiB\"\n");
    let server = home.serve();
    let mut sender = sdk.start("numbered", protocol, "gzip", &endpoint(&server, protocol), "run");
    round(&mut sender).await;
    sender.end().await;
    for signal in ["spans", "logs"] {
        let refused = format!("signal=\"{signal}\",reason=\"too_large\"");
        assert_eq!(server.metric("telestrata_refused_requests_total", &refused).await, 1.0, "{signal}");
    }
    // What is small enough is none the worse for it.
    assert_eq!(arrived(&server).await, [0, 0, PER_ROUND]);
}
