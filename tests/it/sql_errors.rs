//! Errors that name what was most likely meant, and where it stands in the query.

use serde_json::{Value, json};

use super::server_support::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn an_error_says_what_was_most_likely_meant() {
    let server = TestServer::start().await;
    let attribute = |key: &str| format!("an attribute is written attributes['{key}'] or attr('{key}')");
    let cases = [
        // Columns.
        ("select nmae from spans", 8, "there is no column nmae; did you mean name?".to_owned()),
        ("select time, service from logs", 14, "did you mean service_name?".to_owned()),
        ("select body from logs order by tim desc", 32, "there is no column tim; did you mean time?".to_owned()),
        ("select \"Body\" from logs", 8, "there is no column Body; did you mean body?".to_owned()),
        ("select quantity from logs", 8, "DESCRIBE logs lists the columns, and an attribute".to_owned()),
        (
            "select l.kind from logs l join spans s on l.trace_id = s.trace_id",
            8,
            "`l` has no column kind; s.kind is one".to_owned(),
        ),
        (
            "select s.durtion_nano from logs l join spans s on l.trace_id = s.trace_id",
            8,
            "`s` has no column durtion_nano; did you mean s.duration_nano?".to_owned(),
        ),
        ("select x.body from logs", 8, "there is no table x here; body is a column".to_owned()),
        ("select spans.name from logs", 8, "name spans in its FROM".to_owned()),
        ("select durration from spans", 8, "did you mean duration_nano?".to_owned()),
        ("select show", 8, "there is no column show, since the query has no FROM".to_owned()),
        ("select bdy from (select body, time from logs) as q", 8, "did you mean body?".to_owned()),
        ("select zzz from (select body, time from logs) as q", 8, "the columns here are body, time".to_owned()),
        // Attribute keys that are written as columns.
        (
            "select http.route from spans",
            8,
            format!("there is no column http.route; {}, or as the column http_route", attribute("http.route")),
        ),
        ("select k8s.pod.name from spans", 8, format!("{}, or as the column k8s_pod_name", attribute("k8s.pod.name"))),
        ("select \"tenant.id\" from spans", 8, format!("there is no column tenant.id; {}", attribute("tenant.id"))),
        ("select a.b.c.d.e from spans", 8, attribute("a.b.c.d.e")),
        ("select attributes('k') from spans", 8, "attributes is a map and no function: attributes['key']".to_owned()),
        // Tables.
        ("select * from lgos", 15, "there is no table or view lgos; did you mean logs?".to_owned()),
        ("select * from trace", 15, "there is no table or view trace; did you mean traces?".to_owned()),
        (
            "select * from system.fles",
            15,
            "there is no table or view system.fles; did you mean system.files?".to_owned(),
        ),
        ("select * from customers", 15, "there is no table or view customers; SHOW TABLES lists them".to_owned()),
        ("select * from traces('x')", 15, "traces is a table or view, and takes no arguments".to_owned()),
        ("select * from generate_serie(1, 2)", 15, "did you mean generate_series?".to_owned()),
        // Functions.
        ("select date_binn(time) from logs", 8, "there is no function date_binn; did you mean date_bin?".to_owned()),
        ("select frobnicate(1)", 8, "there is no function frobnicate; system.functions lists them".to_owned()),
        (
            "select count(*), upper(body, 1) from logs",
            18,
            "upper(text, bigint) is no way to call upper; its forms are upper(str)".to_owned(),
        ),
        (
            "select date_bin(1) from logs",
            8,
            "is no way to call date_bin; its forms are date_bin(interval, expression[, origin_timestamp])".to_owned(),
        ),
        ("select sum(body) from logs", 8, "sum(text) is no way to call sum; its forms are sum(expression)".to_owned()),
        ("select substr(body) from logs", 8, "its forms are substr(str, start_pos[, length])".to_owned()),
    ];
    for (query, column, said) in cases {
        let answer = server.sql("*/*", query).await;
        let status = answer.status();
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 400, "{query}: {problem}");
        assert!(detail.contains(&said), "{query}: {detail}");
        assert_eq!(problem["position"], json!({ "line": 1, "column": column }), "{query}: {problem}");
        assert!(!detail.contains("Valid fields") && !detail.contains("DataFusion"), "{query}: {detail}");
    }
}
