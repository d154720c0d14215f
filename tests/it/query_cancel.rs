//! Cancelling stops the work, whichever way: by id, or by Ctrl-C in the program that asked. A closed connection is
//! in `http_api.rs`, Ctrl-C at the prompt in `prompt.rs`.

use std::process::{Command, Stdio};

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::server_support::TestServer;
use crate::support::server::{telestrata, wait_for};

const RUNNING: &str = "telestrata_running_queries";
const CANCELLED: &str = "telestrata_queries_total{outcome=\"cancelled\"}";
/// Endless before its first row, and after it.
const SILENT: &str = "SELECT max(value) FROM generate_series(1, 9000000000000000)";
const ENDLESS: &str = "SELECT value FROM generate_series(1, 9000000000000000)";

async fn cancel(server: &TestServer, body: String) -> (u16, Value) {
    let response = server.client.post(server.api("/v1/sql/cancel")).body(body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_by_the_id_that_its_client_gave_it() {
    let server = TestServer::start().await;
    let named = || server.client.post(server.api("/v1/sql")).header("x-query-id", "mine").body(SILENT);
    let asking = tokio::spawn(named().send());
    server.until_metric(RUNNING, 1.0).await;
    let list = server.client.get(server.api("/v1/sql/running")).send().await.unwrap().text().await.unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list[0]["query_id"], &list[0]["query"], &list[1]), (&json!("mine"), &json!(SILENT), &Value::Null));
    assert_eq!(named().send().await.unwrap().status(), 409, "the id is taken");
    assert_eq!(cancel(&server, "another".to_owned()).await.0, 404);

    assert_eq!(cancel(&server, "mine".to_owned()).await, (200, json!({ "cancelled": "mine" })));
    let answer = asking.await.unwrap().unwrap();
    assert_eq!(answer.status(), 499);
    let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(problem["type"], "urn:telestrata:problem:cancelled");
    assert_eq!(problem["detail"], "the query `mine` was cancelled");
    server.until_metric(RUNNING, 0.0).await;
    assert_eq!(server.metric(CANCELLED).await, 1.0);
    assert_eq!(cancel(&server, "mine".to_owned()).await.0, 404, "it runs no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_by_the_id_that_its_answer_tells_and_its_result_breaks_off() {
    let server = TestServer::start().await;
    let mut answer = server.sql("application/x-ndjson", ENDLESS).await;
    assert!(answer.chunk().await.unwrap().is_some());
    let id = answer.headers()["x-query-id"].to_str().unwrap().to_owned();
    assert_eq!(cancel(&server, json!({ "query_id": id }).to_string()).await.0, 200);
    while let Ok(chunk) = answer.chunk().await {
        assert!(chunk.is_some(), "a part of a result passed for the whole");
    }
    server.until_metric(RUNNING, 0.0).await;
    assert_eq!(server.metric(CANCELLED).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_may_be_in_json_and_must_be_one() {
    let server = TestServer::start().await;
    let ask = async |body: Value| {
        let request = server.client.post(server.api("/v1/sql")).header(CONTENT_TYPE, "application/json");
        request.body(body.to_string()).send().await.unwrap()
    };
    let answer = ask(json!({ "query": "SELECT 1", "query_id": "q-1" })).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["x-query-id"].to_str().unwrap()), (200, "q-1"));
    for wrong in ["", "two words", "ü", "x".repeat(129).as_str()] {
        assert_eq!(ask(json!({ "query": "SELECT 1", "query_id": wrong })).await.status(), 400, "{wrong}");
    }
}

/// Ctrl-C in a one-shot `telestrata sql --connect`, while it waits for a first row and while rows come.
#[rstest::rstest]
#[case(SILENT)]
#[case(ENDLESS)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_the_query_on_the_server(#[case] query: &str) {
    let server = TestServer::start().await;
    let url = server.api("");
    // A shell's background job, as the tests may be, ignores SIGINT, and so would its children.
    let mut asking = Command::new("env")
        .arg("--default-signal=INT")
        .arg(telestrata().get_program())
        .args(["sql", "--connect", &url, "--format", "csv", query])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server.until_metric(RUNNING, 1.0).await;
    let pid = asking.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = tokio::task::block_in_place(|| wait_for("the program to end", || asking.try_wait().unwrap()));
    assert!(!ended.success());
    server.until_metric(RUNNING, 0.0).await;
    assert_eq!(server.metric(CANCELLED).await, 1.0);
}
