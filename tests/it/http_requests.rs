//! What a request to the HTTP API may ask beside its query: parameters, formats, budgets, compression; and what there is.

use std::io::Read;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use rstest::rstest;
use serde_json::{Value, json};

use super::server_support::{TestServer, logs};

const RUNNING: &str = "telestrata_running_queries";
const ENDLESS: &str = "SELECT value AS n, repeat('x', 100) AS text FROM generate_series(1, 9000000000000000)";

async fn server_with_logs() -> TestServer {
    let server = TestServer::start().await;
    let mut client = LogsServiceClient::connect(server.grpc()).await.unwrap();
    client.export(logs(5)).await.unwrap();
    server
}

async fn get(server: &TestServer, query: &[(&str, &str)]) -> (u16, String) {
    let response = server.client.get(server.api("/v1/sql")).query(query).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn post(server: &TestServer, question: Value) -> (u16, Value) {
    let request = server.client.post(server.api("/v1/sql")).header(CONTENT_TYPE, "application/json");
    let response = request.body(question.to_string()).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[rstest]
#[case("body = ANY($1)", json!([["line 1", "line 3", "none", null]]), 2)]
#[case("severity_number = ANY($1)", json!([[0, 9]]), 5)]
#[case("time >= $1", json!([{"type": "timestamp", "value": "2023-11-14T22:13:20.000003Z"}]), 3)]
#[case("time >= $1", json!(["2023-11-14T22:13:20.000003Z"]), 3)]
#[case("date = $1", json!([{"type": "date", "value": "2023-11-14"}]), 5)]
#[case("time - $1 < TIMESTAMP '2023-11-14T21:13:21'", json!([{"type": "interval", "value": "1 hour"}]), 5)]
#[case("body = $1", json!([{"type": "text", "value": null}]), 0)]
#[case("body = $2 OR body = $1", json!(["line 1", "line 2' OR true --"]), 1)]
#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_values_of_their_types(#[case] condition: &str, #[case] params: Value, #[case] rows: i64) {
    let server = server_with_logs().await;
    let query = format!("SELECT count(*) AS n FROM logs WHERE {condition}");
    let answer = post(&server, json!({ "query": query, "params": params })).await;
    assert_eq!(answer, (200, json!([{ "n": rows }])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_may_be_in_the_url_and_its_parameters_are_read_as_their_places_want_them() {
    let server = server_with_logs().await;
    let query = "SELECT count(*) AS n FROM logs WHERE severity_number < $1 AND time > $2 AND body <> $3";
    let params = [("query", query), ("param", "10"), ("param", "2023-11-14T22:13:20.000002Z"), ("param", "line 4")];
    assert_eq!(get(&server, &params).await, (200, "[{\"n\":2}]\n".to_owned()));
    let (status, text) = get(&server, &[params[0], ("param", "many"), params[2], params[3]]).await;
    assert!(status == 400 && text.contains("$1 is no int"), "{text}");
    let (status, text) = get(&server, &params[..3]).await;
    assert!(status == 400 && text.contains("3 parameters and is given 2"), "{text}");
    let (status, text) = get(&server, &[]).await;
    assert!(status == 400 && text.contains("there is no query"), "{text}");
    // With a body of text too.
    let url = server.api("/v1/sql?param=line+1&format=csv");
    let response = server.client.post(url).body("SELECT body FROM logs WHERE body = $1").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "body\nline 1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_can_send_no_query() {
    let server = TestServer::start().await;
    let ask = async |site: &'static str| {
        let request = server.client.get(server.api("/v1/sql?query=SELECT+1")).header("sec-fetch-site", site);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!([ask("cross-site").await, ask("same-origin").await, ask("none").await], [403, 200, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_in_the_request_goes_before_what_is_accepted() {
    let server = TestServer::start().await;
    let formats = [("json", "[{\"n\":1}]\n"), ("ndjson", "{\"n\":1}\n"), ("csv", "n\n1\n"), ("tsv", "n\n1\n")];
    for (format, expected) in formats {
        assert_eq!(get(&server, &[("query", "SELECT 1 AS n"), ("format", format)]).await, (200, expected.to_owned()));
    }
    for (format, start) in [("arrow", &b"\xff\xff\xff\xff"[..]), ("parquet", b"PAR1")] {
        let request = server.client.get(server.api("/v1/sql")).query(&[("query", "SELECT 1 AS n"), ("format", format)]);
        assert!(request.send().await.unwrap().bytes().await.unwrap().starts_with(start), "{format}");
    }
    let (status, text) = get(&server, &[("query", "SELECT 1"), ("format", "xml")]).await;
    assert!(status == 400 && text.contains("`xml` is no format"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_allow_itself_less_and_not_more() {
    let server = TestServer::start().await;
    let three = "SELECT value AS n FROM generate_series(1, 3)";
    let (status, problem) = post(&server, json!({ "query": three, "max_rows": 2 })).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:telestrata:problem:budget_exceeded")));
    assert!(problem["detail"].as_str().unwrap().contains("its own max_rows, 2;"), "{problem}");
    assert_eq!(post(&server, json!({ "query": three, "max_rows": 3 })).await.0, 200);

    let silent = "SELECT max(value) FROM generate_series(1, 9000000000000000)";
    let (status, text) = get(&server, &[("query", silent), ("max_time", "50ms")]).await;
    assert!(status == 422 && text.contains("its own max_time, 50ms;"), "{text}");
    let (status, text) = get(&server, &[("query", silent), ("max_time", "2h")]).await;
    assert!(status == 400 && text.contains("more than [query] max_time, 10m;"), "{text}");
    server.until_metric(RUNNING, 0.0).await;
}

/// What was asked never ends, so that what has come came before the end.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn rows_come_while_the_query_runs(
    #[values("json", "ndjson", "csv", "arrow")] format: &str,
    #[values("", "gzip", "zstd")] coding: &str,
) {
    let server = TestServer::start().await;
    let request = server.client.get(server.api("/v1/sql")).query(&[("query", ENDLESS), ("format", format)]);
    let mut response = request.header(ACCEPT_ENCODING, coding).send().await.unwrap();
    let coded = response.headers().get(CONTENT_ENCODING).map_or("", |name| name.to_str().unwrap());
    let coding = if format == "arrow" { "" } else { coding };
    assert_eq!((response.status().as_u16(), coded), (200, coding));
    let mut sent = Vec::new();
    while decoded(coding, &sent).len() < 100_000 {
        sent.extend_from_slice(&response.chunk().await.unwrap().unwrap());
    }
    assert_eq!(server.metric(RUNNING).await, 1.0);
    if !coding.is_empty() {
        assert!(sent.len() * 5 < decoded(coding, &sent).len(), "little is gained");
    }
    drop(response);
    server.until_metric(RUNNING, 0.0).await;
}

/// What can be read of a body that has begun.
fn decoded(coding: &str, sent: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn Read + '_> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(sent)),
        "zstd" => Box::new(zstd::Decoder::new(sent).unwrap()),
        _ => return sent.to_vec(),
    };
    let (mut whole, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
    while let Ok(read @ 1..) = reader.read(&mut chunk) {
        whole.extend_from_slice(&chunk[..read]);
    }
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_result_is_the_same() {
    let server = TestServer::start().await;
    let plain = server.sql("text/csv", "SELECT value AS n FROM generate_series(1, 50000)").await.bytes().await.unwrap();
    for coding in ["gzip", "zstd"] {
        let request = server.client.post(server.api("/v1/sql?format=csv")).header(ACCEPT_ENCODING, coding);
        let response = request.body("SELECT value AS n FROM generate_series(1, 50000)").send().await.unwrap();
        assert_eq!(response.headers()["vary"], "accept, accept-encoding");
        assert_eq!(decoded(coding, &response.bytes().await.unwrap()), plain, "{coding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_their_columns_are_told() {
    let server = server_with_logs().await;
    let ask = async |path: &str| -> (u16, Value) {
        let response = server.client.get(server.api(path)).send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    };
    let (_, tables) = ask("/v1/tables").await;
    let of = |name: &str| tables.as_array().unwrap().iter().find(|table| table["name"] == name).unwrap().clone();
    let logs = of("logs");
    assert_eq!(
        json!([logs["kind"], logs["description"], logs["rows"], logs["hot_rows"]]),
        json!(["table", "One row a log record.", 0, 5])
    );
    assert_eq!(of("trace_tree")["usage"], "trace_tree(trace_id)");
    assert_eq!([&of("traces")["kind"], &of("system.files")["kind"]], [&json!("view"), &json!("system")]);

    // Each has the columns that its rows have.
    for table in tables.as_array().unwrap() {
        let name = table["name"].as_str().unwrap();
        let (status, described) = ask(&format!("/v1/tables/{name}/schema")).await;
        assert_eq!(
            (status, &described["kind"], &described["description"]),
            (200, &table["kind"], &table["description"])
        );
        if table["kind"] == "macro" {
            assert!(described["schema"].is_null() && described["documentation"].is_string(), "{described}");
            continue;
        }
        let head = server.sql("text/csv", format!("SELECT * FROM {name} LIMIT 0")).await.text().await.unwrap();
        let names = described["schema"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), head.trim_end().split(',').collect::<Vec<_>>(), "{name}");
    }
    let (_, described) = ask("/v1/tables/spans/schema").await;
    let column = |name: &str| {
        let columns = described["schema"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).unwrap().clone()
    };
    assert_eq!(
        column("duration_nano"),
        json!({
            "name": "duration_nano", "type": "bigint", "arrow_type": "Int64", "nullable": true, "unit": "ns",
            "comment": "end minus start: negative where the end is before the start, NULL where there was no end",
            "promoted": null,
        })
    );
    assert_eq!(
        column("deployment_environment_name"),
        json!({
            "name": "deployment_environment_name", "type": "text", "arrow_type": "Utf8", "nullable": true, "unit": null,
            "comment": null,
            "promoted": "resource_attributes['deployment.environment.name'], else resource_attributes['deployment.environment']",
        })
    );
    let (status, problem) = ask("/v1/tables/span/schema").await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:telestrata:problem:not_found")));
    assert_eq!(problem["detail"], "there is no table or view span; did you mean spans?");
}
