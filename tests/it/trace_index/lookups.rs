//! Which files a query by trace id reads.

use serde_json::{Value, json};

use super::*;
use crate::support::server::{Server, wait_for};

async fn files_on(server: &Server, query: &str) -> Vec<(String, String)> {
    files_in(&server.sql(&format!("explain format indent {query}")).await)
}

async fn send(server: &Server, path: &str, body: String) {
    let request = reqwest::Client::new().post(format!("{}{path}", server.otlp_http()));
    let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
}

/// Days of each table.
type Days = Vec<(&'static str, &'static [u64])>;

/// What each query answers, and the days of each table that it reads.
fn questions() -> Vec<(String, Value, Days)> {
    let count = |rest: &str| format!("select count(*) as n from {rest}");
    let n = |n: i64| json!([{ "n": n }]);
    vec![
        (count(&format!("spans where trace_id = '{ACROSS}'")), n(2), vec![("spans", &[5, 50])]),
        (count(&format!("logs where '{ACROSS}' = trace_id")), n(3), vec![("logs", &[5, 50])]),
        (count(&format!("logs where trace_id = '{ONLY_LOG}'")), n(1), vec![("logs", &[7])]),
        (count(&format!("spans where trace_id = '{ONLY_LOG}'")), n(0), vec![]),
        (count(&format!("logs where trace_id = '{ABSENT}'")), n(0), vec![]),
        (count("logs where trace_id = 'no id at all'"), n(0), vec![]),
        (count(&format!("logs where trace_id in ('{ACROSS}', '{ONLY_LOG}')")), n(4), vec![("logs", &[5, 7, 50])]),
        (
            count(&format!("logs where trace_id in ('{ACROSS}', '{ONLY_LOG}', '{ABSENT}', 'x', 'y')")),
            n(4),
            vec![("logs", &[5, 7, 50])],
        ),
        (
            count(&format!("logs where (trace_id = '{ACROSS}' or trace_id = '{ONLY_LOG}') and body like 'day 5%'")),
            n(3),
            vec![("logs", &[5, 7, 50])],
        ),
        (
            count(&format!("logs where trace_id = '{ACROSS}' and time < timestamp '2023-12-01T00:00:00Z'")),
            n(1),
            vec![("logs", &[5])],
        ),
        (
            count(&format!("spans s join logs l on s.trace_id = l.trace_id where l.trace_id = '{ACROSS}'")),
            n(6),
            vec![("spans", &[5, 50]), ("logs", &[5, 50])],
        ),
        (
            count(&format!("spans s left join logs l on s.trace_id = l.trace_id where s.trace_id = '{ACROSS}'")),
            n(6),
            vec![("spans", &[5, 50]), ("logs", &[5, 50])],
        ),
        (
            // The third is a day after its span.
            count(&format!("span_logs where trace_id = '{ACROSS}' and span_name = 'GET /buy'")),
            n(2),
            vec![("spans", &[5, 50]), ("logs", &[5, 50])],
        ),
        (
            format!("select span_count as n, log_count from traces where trace_id = '{ACROSS}'"),
            json!([{ "n": 2, "log_count": 3 }]),
            vec![("spans", &[5, 50]), ("logs", &[5, 50])],
        ),
        (count(&format!("metrics where has_exemplar(exemplars, '{ONLY_EXEMPLAR}')")), n(1), vec![("metrics", &[9])]),
        (
            count(&format!("metrics where has_exemplar(exemplars, '{ACROSS}') and metric_name = 'latency'")),
            n(1),
            vec![("metrics", &[60])],
        ),
        (count(&format!("metrics where has_exemplar(exemplars, '{ONLY_LOG}')")), n(0), vec![]),
        (count(&format!("metrics where has_exemplar(exemplars, upper('{ABSENT}'))")), n(0), vec![]),
    ]
}

#[test]
fn a_trace_id_alone_reads_the_days_it_was_seen_on() {
    let home = Home::new("");
    import(&home, &requests());
    for (query, answer, days) in questions() {
        assert_eq!(sql(&home, &query).0, *answer.as_array().unwrap(), "{query}");
        assert_eq!(files_of(&home, &query), expected(&days), "{query}");
    }
    // What can't be answered by the index reads as before.
    for condition in ["lower(trace_id) = 'x'", "trace_id <> 'x'", "trace_id = 'x' or span_id = 'y'", "trace_id > 'x'"] {
        let query = format!("select count(*) from logs where {condition}");
        assert!(reads_many(&home, &query), "{query}");
    }
    // Few files are searched themselves.
    let query = format!("select 1 from logs where trace_id = '{ABSENT}' and date < '{}'", date(3));
    assert_eq!(files_of(&home, &query), expected(&[("logs", &[0, 1, 2])]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_finds_what_is_newer_than_the_index_and_what_is_hot() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    import(&home, &requests());
    let server = home.serve();
    for (query, answer, days) in questions() {
        assert_eq!(server.sql(&query).await, *answer.as_array().unwrap(), "{query}");
        assert_eq!(files_on(&server, &query).await, expected(&days), "{query}");
    }
    // A parameter is as good as a literal.
    let query = "select count(*) as n from logs where trace_id = $1";
    let body = json!({ "query": query, "params": [ACROSS] });
    let response = reqwest::Client::new().post(format!("{}/v1/sql", server.http())).json(&body).send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap(), json!([{ "n": 3 }]));
    let body = json!({ "query": format!("explain format indent {query}"), "params": [ACROSS] });
    let response = reqwest::Client::new().post(format!("{}/v1/sql", server.http())).json(&body).send().await.unwrap();
    let plan: Vec<Value> = response.json().await.unwrap();
    assert_eq!(files_in(&plan), expected(&[("logs", &[5, 50])]));
    // Hot, then committed and not indexed.
    let query = format!("select count(*) as n from logs where trace_id = '{ACROSS}'");
    send(&server, "/v1/logs", logs(&[log(70, 1, ACROSS), log(71, 1, &other(71))])).await;
    assert_eq!(server.number(&query).await, 4);
    server.flush().await;
    send(&server, "/v1/logs", logs(&[log(72, 1, ACROSS)])).await;
    assert_eq!(server.number(&query).await, 5);
    assert_eq!(files_on(&server, &query).await, expected(&[("logs", &[5, 50, 70, 71])]));
    // Enough of them, and they are indexed.
    for day in 0..12 {
        send(&server, "/v1/logs", logs(&[log(day, 90, &other(99)), log(20 + day, 90, &other(98))])).await;
    }
    server.flush().await;
    let indexed = async || server.metric("telestrata_indexed_files_total", "").await;
    while indexed().await < 12.0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    wait_for("the index's commit", || {
        let files = files_of(&home, &query);
        (files == expected(&[("logs", &[5, 50, 70, 72])])).then_some(())
    });
    assert_eq!(server.number(&query).await, 5);
    assert_eq!(server.metric("telestrata_failed_index_steps_total", "").await, 0.0);
    server.terminate();
    assert_eq!(sql(&home, &query).0, [json!({ "n": 5 })]);
}

/// A lake from before there was an index is indexed by the server that opens it.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_lake_gets_its_index() {
    let home = Home::new("");
    import(&home, &requests());
    std::fs::remove_dir_all(home.lake().join("trace_index")).unwrap();
    let query = format!("select count(*) as n from logs where trace_id = '{ONLY_LOG}'");
    assert!(reads_many(&home, &query));
    let server = home.serve();
    while server.metric("telestrata_indexed_files_total", "").await < 3.0 * DAYS as f64 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    server.kill();
    assert_eq!(files_of(&home, &query), expected(&[("logs", &[7])]));
    assert_eq!(sql(&home, &query).0, [json!({ "n": 1 })]);
}
