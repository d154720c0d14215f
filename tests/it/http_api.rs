//! The HTTP API as programs meet it: formats, errors, streaming, health.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use reqwest::StatusCode;
use reqwest::header::{ALLOW, CONTENT_TYPE};
use rstest::rstest;
use serde_json::{Value, json};

use super::server_support::{TIME_NANOS, TestServer, logs, metrics, spans};

const PROBLEM: &str = "application/problem+json";

/// One row with every kind of value; `text` must be quoted, `missing` is NULL.
const ROW: &str = "
    SELECT s.time, s.date, s.time_nanos, s.duration_nano, s.name, s.attributes, s.events, s.parent_span_id AS missing,
        m.sum AS endless, m.explicit_bounds, 9223372036854775807 AS big, true AS yes
    FROM spans s CROSS JOIN metrics m";

async fn server_with_a_row() -> TestServer {
    let server = TestServer::start().await;
    let mut client = TraceServiceClient::connect(server.grpc()).await.unwrap();
    client.export(spans(&[TIME_NANOS])).await.unwrap();
    let mut client = MetricsServiceClient::connect(server.grpc()).await.unwrap();
    client.export(metrics(&[TIME_NANOS])).await.unwrap();
    server
}

fn expected_row() -> Value {
    let attributes = json!({"long": "9223372036854775807", "text": "a \"b\",\n\tc"});
    json!({
        "time": "2023-11-14T22:13:20.000001Z",
        "date": "2023-11-14",
        "time_nanos": 2,
        "duration_nano": 5,
        "name": "work",
        "attributes": attributes,
        "events": [{
            "time": "2023-11-14T22:13:20.000001Z",
            "time_nanos": 2,
            "name": "happened",
            "attributes": attributes,
            "value_types": r#"{"a":{"long":"i"}}"#,
            "dropped_attributes_count": null,
        }],
        "missing": null,
        "endless": "Infinity",
        "explicit_bounds": [0.5, 1.0],
        "big": i64::MAX,
        "yes": true,
    })
}

async fn body(response: reqwest::Response, content_type: &str) -> Bytes {
    let status = response.status();
    let got = response.headers().get(CONTENT_TYPE).unwrap().to_str().unwrap().to_owned();
    let body = response.bytes().await.unwrap();
    assert_eq!((status, got.as_str()), (StatusCode::OK, content_type), "{}", String::from_utf8_lossy(&body));
    body
}

async fn problem(response: reqwest::Response, status: u16) -> Value {
    let got = (response.status().as_u16(), response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    assert_eq!(got, (status, PROBLEM.to_owned()), "{text}");
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["status"], status);
    assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string(), "{text}");
    problem
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_row_hot_or_cold_is_read_back_from_every_format(#[values(false, true)] cold: bool) {
    let server = server_with_a_row().await;
    if cold {
        let flushed = server.client.post(server.api("/v1/flush")).send().await.unwrap();
        assert_eq!(
            (flushed.status(), flushed.text().await.unwrap().as_str()),
            (StatusCode::OK, r#"{"status":"flushed"}"#)
        );
        assert!(server.store.pin().iter().all(|(_, table)| table.hot_rows() == 0), "everything is committed");
    }

    let text = body(server.sql("application/json", ROW).await, "application/json").await;
    assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), json!([expected_row()]));
    assert!(String::from_utf8_lossy(&text).contains(r#""big":9223372036854775807"#));

    let text = body(server.sql("application/x-ndjson", ROW).await, "application/x-ndjson").await;
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), expected_row());

    let text = body(server.sql("text/csv", ROW).await, "text/csv; charset=utf-8; header=present").await;
    check_csv(&text);

    let stream =
        body(server.sql("application/vnd.apache.arrow.stream", ROW).await, "application/vnd.apache.arrow.stream");
    let batches: Vec<_> =
        StreamReader::try_new(std::io::Cursor::new(stream.await), None).unwrap().map(Result::unwrap).collect();
    check_batches(&batches);

    let file = body(server.sql("application/vnd.apache.parquet", ROW).await, "application/vnd.apache.parquet").await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    check_batches(&reader.map(Result::unwrap).collect::<Vec<_>>());
}

fn check_csv(text: &[u8]) {
    let format = arrow::csv::reader::Format::default().with_header(true);
    let (schema, rows) = format.infer_schema(text, None).unwrap();
    assert_eq!((rows, schema.fields().len()), (1, 12), "one header, one row");
    let strings: Vec<_> =
        schema.fields().iter().map(|field| arrow::datatypes::Field::new(field.name(), DataType::Utf8, true)).collect();
    let reader = arrow::csv::ReaderBuilder::new(Arc::new(arrow::datatypes::Schema::new(strings))).with_header(true);
    let batch = reader.build(text).unwrap().next().unwrap().unwrap();
    let cell = |name: &str| {
        let column = batch.column_by_name(name).unwrap().as_string::<i32>();
        column.is_valid(0).then(|| column.value(0))
    };
    let expected = expected_row();
    for column in ["time", "date", "name"] {
        assert_eq!(cell(column), expected[column].as_str(), "{column}");
    }
    assert_eq!((cell("missing"), cell("big"), cell("endless")), (None, Some("9223372036854775807"), Some("inf")));
    for column in ["attributes", "events", "explicit_bounds"] {
        assert_eq!(serde_json::from_str::<Value>(cell(column).unwrap()).unwrap(), expected[column], "{column}");
    }
}

fn check_batches(batches: &[RecordBatch]) {
    let [batch] = batches else { panic!("one batch: {batches:?}") };
    assert_eq!(batch.num_rows(), 1);
    let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("{name} in {batch:?}"));
    assert_eq!(column("time").data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(column("time").as_primitive::<TimestampMicrosecondType>().value(0), 1_700_000_000_000_001);
    assert_eq!(column("date").data_type(), &DataType::Date32);
    assert_eq!(column("name").as_string::<i32>().value(0), "work", "no views, which many readers do not know");
    assert_eq!(column("big").as_primitive::<Int64Type>().value(0), i64::MAX);
    assert!(column("missing").is_null(0));
    let map = column("attributes").as_map().value(0);
    assert_eq!(map.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["long", "text"]);
    assert_eq!(column("events").as_list::<i32>().value(0).len(), 1);
    assert_eq!(column("explicit_bounds").as_list::<i32>().value(0).len(), 2);
}

#[rstest]
#[case("application/json", "[]\n")]
#[case("application/x-ndjson", "")]
#[case("text/csv", "n,t\n")]
#[case("text/tab-separated-values", "n\tt\n")]
#[tokio::test(flavor = "multi_thread")]
async fn no_rows_are_a_whole_answer_too(#[case] accept: &str, #[case] expected: &str) {
    let server = TestServer::start().await;
    let response = server.sql(accept, "SELECT 1 AS n, 'x' AS t WHERE false").await;
    assert_eq!((response.status(), response.text().await.unwrap().as_str()), (StatusCode::OK, expected));
}

#[rstest]
#[case("application/vnd.apache.arrow.stream")]
#[case("application/vnd.apache.parquet")]
#[case("application/x-ndjson")]
#[tokio::test(flavor = "multi_thread")]
async fn a_long_result_comes_whole(#[case] accept: &str) {
    let server = TestServer::start().await;
    let response = server.sql(accept, "SELECT value AS n FROM generate_series(1, 300000)").await;
    let body = body(response, accept).await;
    let rows: usize = match accept {
        "application/x-ndjson" => body.iter().filter(|byte| **byte == b'\n').count(),
        "application/vnd.apache.parquet" => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(body).unwrap().build().unwrap();
            reader.map(|batch| batch.unwrap().num_rows()).sum()
        }
        _ => StreamReader::try_new(std::io::Cursor::new(body), None)
            .unwrap()
            .map(|batch| batch.unwrap().num_rows())
            .sum(),
    };
    assert_eq!(rows, 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_one_name_are_all_there() {
    let server = server_with_a_row().await;
    let rows = server.rows("SELECT a.name, b.name, 1 AS x FROM spans a CROSS JOIN spans b").await;
    assert_eq!(rows, [json!({"name": "work", "name_2": "work", "x": 1})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_take_the_place_of_dollar_numbers() {
    let server = TestServer::start().await;
    let mut client = LogsServiceClient::connect(server.grpc()).await.unwrap();
    client.export(logs(3)).await.unwrap();
    let ask = async |question: Value| {
        let request = server.client.post(server.api("/v1/sql")).header(CONTENT_TYPE, "application/json; charset=utf-8");
        request.body(question.to_string()).send().await.unwrap()
    };
    let question = json!({"query": "SELECT body, $2 AS big FROM logs WHERE body = $1", "params": ["line 2", i64::MAX]});
    let rows = body(ask(question).await, "application/json").await;
    assert_eq!(serde_json::from_slice::<Value>(&rows).unwrap(), json!([{"body": "line 2", "big": i64::MAX}]));

    let rows = body(ask(json!({"query": "SELECT 1 AS n"})).await, "application/json").await;
    assert_eq!(serde_json::from_slice::<Value>(&rows).unwrap(), json!([{"n": 1}]));

    let refused = problem(ask(json!({"query": "SELECT $1", "params": [[[1]]]})).await, 400).await;
    assert!(refused["detail"].as_str().unwrap().contains("$1 has an array"), "{refused}");
    let refused = problem(ask(json!({"sql": "SELECT 1"})).await, 400).await;
    assert!(refused["detail"].as_str().unwrap().contains("query"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_says_where_in_the_query_it_is() {
    let server = TestServer::start().await;
    let refused = problem(server.sql("*/*", "SELECT body,\n  nonesuch\nFROM logs").await, 400).await;
    assert_eq!(refused["type"], "urn:telestrata:problem:invalid");
    assert_eq!(refused["title"], "the request is not valid");
    assert_eq!(refused["position"], json!({"line": 2, "column": 3}), "{refused}");
    let refused = problem(server.sql("*/*", "SELECT FROM WHERE").await, 400).await;
    assert_eq!(refused["position"]["line"], 1, "{refused}");
    let refused = problem(server.sql("*/*", "DROP TABLE logs").await, 400).await;
    assert!(refused["position"].is_null(), "{refused}");
    server.until_metric("telestrata_queries_total{outcome=\"invalid\"}", 3.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_fails_at_its_start_is_an_error_and_later_breaks_off() {
    let server = TestServer::start().await;
    let early = "SELECT 10 / (value - 1) AS n FROM generate_series(1, 10)";
    problem(server.sql("application/json", early).await, 400).await;

    for accept in ["application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"] {
        let late = "SELECT 10 / (value - 2000000) AS n FROM generate_series(1, 3000000)";
        let response = server.sql(accept, late).await;
        assert_eq!(response.status(), 200);
        assert!(response.bytes().await.is_err(), "{accept}: a part of a result passed for the whole");
    }
    server.until_metric("telestrata_queries_total{outcome=\"invalid\"}", 5.0).await;
    server.until_metric("telestrata_running_queries", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_stops_its_query() {
    let server = TestServer::start().await;
    let endless = "SELECT value FROM generate_series(1, 9000000000000000)";
    let mut response = server.sql("application/x-ndjson", endless).await;
    assert!(response.chunk().await.unwrap().is_some());
    assert_eq!(server.metric("telestrata_running_queries").await, 1.0);
    drop(response);
    server.until_metric("telestrata_running_queries", 0.0).await;
    assert_eq!(server.metric("telestrata_queries_total{outcome=\"cancelled\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_before_the_first_row_stops_its_query() {
    let server = TestServer::start().await;
    let endless = "SELECT max(value) FROM generate_series(1, 9000000000000000)";
    {
        let asking = server.sql("application/json", endless);
        tokio::select! {
            _ = asking => panic!("an endless query ended"),
            () = server.until_metric("telestrata_running_queries", 1.0) => {}
        }
    }
    server.until_metric("telestrata_running_queries", 0.0).await;
    assert_eq!(server.metric("telestrata_queries_total{outcome=\"cancelled\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_http_itself_refuses_is_a_problem_too() {
    let server = TestServer::start().await;
    let refused = problem(server.sql("text/html", "SELECT 1").await, 406).await;
    assert!(refused["detail"].as_str().unwrap().contains("text/csv"), "{refused}");

    let post = |content_type: &'static str, body: Vec<u8>| {
        server.client.post(server.api("/v1/sql")).header(CONTENT_TYPE, content_type).body(body).send()
    };
    problem(post("application/xml", b"SELECT 1".to_vec()).await.unwrap(), 415).await;
    problem(post("text/plain", vec![b' '; (1 << 20) + 1]).await.unwrap(), 413).await;
    problem(post("text/plain", b"SELECT '\xff'".to_vec()).await.unwrap(), 400).await;
    let curl = post("application/x-www-form-urlencoded", b"SELECT 1 AS n".to_vec()).await.unwrap();
    assert_eq!(curl.text().await.unwrap(), "[{\"n\":1}]\n", "as curl -d sends it");

    problem(server.client.get(server.api("/nothing")).send().await.unwrap(), 404).await;
    let wrong = server.client.delete(server.api("/v1/sql")).send().await.unwrap();
    assert_eq!(wrong.headers()[ALLOW], "GET,HEAD,POST");
    problem(wrong, 405).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_can_ask_nothing() {
    let server = TestServer::start().await;
    let ask = |name: &'static str, value: String| {
        server.client.post(server.api("/v1/sql")).header(name, value).body("SELECT 1 AS n").send()
    };
    problem(ask("host", "rebound.example:8710".into()).await.unwrap(), 421).await;
    problem(ask("origin", "https://evil.example".into()).await.unwrap(), 403).await;
    problem(ask("origin", "null".into()).await.unwrap(), 403).await;
    for (name, value) in [("host", "localhost:8710"), ("host", "[::1]"), ("origin", "http://127.0.0.1:8710")] {
        let response = ask(name, value.into()).await.unwrap();
        assert_eq!(response.status(), 200, "{name}: {value}");
        assert!(response.headers().get("access-control-allow-origin").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_alive_from_ready() {
    let server = TestServer::start().await;
    let get = async |path: &str| server.client.get(server.api(path)).send().await.unwrap();
    assert_eq!(get("/healthz").await.text().await.unwrap(), "ok\n");
    let ready = get("/readyz").await;
    assert_eq!((ready.status(), ready.json::<Value>().await.unwrap()), (StatusCode::OK, json!({"ready": true})));
    assert!(get("/").await.text().await.unwrap().contains("/v1/sql"));

    let scraped = get("/metrics").await;
    let content_type = scraped.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = scraped.text().await.unwrap();
    assert!(text.ends_with("# EOF\n") && text.contains("telestrata_wal_segments"), "{text}");

    server.store.close().await.unwrap();
    assert_eq!(get("/healthz").await.status(), 200);
    let ready = get("/readyz").await;
    assert_eq!(ready.status(), 503);
    let reasons = ready.json::<Value>().await.unwrap();
    assert!(reasons["ready"] == false && reasons["reasons"][0].as_str().unwrap().contains("closing"), "{reasons}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_may_be_the_key_of_a_map() {
    let server = server_with_a_row().await;
    let ask = async |query: &str, params: Value| {
        let request = server.client.post(server.api("/v1/sql")).header(CONTENT_TYPE, "application/json");
        let response = request.body(json!({"query": query, "params": params}).to_string()).send().await.unwrap();
        serde_json::from_slice::<Value>(&body(response, "application/json").await).unwrap()
    };
    let big = "9223372036854775807";
    for query in ["attributes[$1] = $2", "attr($1) = $2", "name = 'x' OR (attributes[$1] = $2 AND $1 <> 'x')"] {
        let query = format!("SELECT count(*) AS n FROM spans WHERE {query}");
        assert_eq!(ask(&query, json!(["long", big])).await, json!([{"n": 1}]), "{query}");
        assert_eq!(ask(&query, json!(["text", big])).await, json!([{"n": 0}]), "{query}");
        assert_eq!(ask(&query, json!([null, big])).await, json!([{"n": 0}]), "{query}");
    }
}
