//! The views of errors, of the data's quality and of what there is, with expectations worked out by hand.

use serde_json::{Value, json};

use super::service_health::{
    DAY, MINUTE_0, SHOP, attributes, counter, gauge, log, nanos, point, resource, send, span, with,
};
use crate::support::server::{Home, Server};

const WORKER: &[(&str, &str)] = &[("service.name", "worker"), ("service.version", "2.0"), ("host.name", "h1")];

fn having(record: Value, pairs: &[(&str, &str)]) -> Value {
    with(record, "attributes", attributes(pairs))
}

fn failed(span: Value) -> Value {
    with(span, "status", json!({ "code": 2 }))
}

fn said(log: Value, body: &str) -> Value {
    with(log, "body", json!({ "stringValue": body }))
}

fn of_span(log: Value, trace: u8, span: u8) -> Value {
    with(with(log, "traceId", json!(format!("{trace:032x}"))), "spanId", json!(format!("{span:016x}")))
}

/// A span with exceptions, each a second, a type and a message.
fn threw(span: Value, exceptions: &[(f64, &str, &str)]) -> Value {
    let events = exceptions.iter().map(|(second, kind, message)| {
        let pairs = attributes(&[("exception.type", kind), ("exception.message", message)]);
        json!({ "timeUnixNano": nanos(*second), "name": "exception", "attributes": pairs })
    });
    with(span, "events", events.collect())
}

async fn send_spans(server: &Server, service: &[(&str, &str)], spans: &[Value]) {
    let spans = [resource(service, "scopeSpans", "spans", spans)];
    send(server, "/v1/traces", json!({ "resourceSpans": spans })).await;
}

async fn send_logs(server: &Server, service: &[(&str, &str)], logs: &[Value]) {
    let logs = [resource(service, "scopeLogs", "logRecords", logs)];
    send(server, "/v1/logs", json!({ "resourceLogs": logs })).await;
}

async fn send_metrics(server: &Server, service: &[(&str, &str)], metrics: &[Value]) {
    let metrics = [resource(service, "scopeMetrics", "metrics", metrics)];
    send(server, "/v1/metrics", json!({ "resourceMetrics": metrics })).await;
}

/// Some columns of each row.
fn picked(rows: &[Value], columns: &[&str]) -> Value {
    rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect::<Value>()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_the_same_whatever_varies_in_its_message() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    let day = DAY as f64;
    // The latest of two exceptions; stored twice.
    let timeout = [(1.002, "Timeout", "no answer from 10.0.0.1 after 30 s"), (1.001, "Early", "retried")];
    let timeout = failed(threw(span(1, 1, 0, 2, 1.0, 10.0), &timeout));
    let next = failed(threw(span(2, 2, 0, 2, 70.0, 10.0), &[(70.0, "Timeout", "no answer from 10.0.0.2 after 31 s")]));
    let spans = [
        timeout.clone(),
        with(next, "traceState", json!("ot=th:c")),
        failed(threw(span(3, 3, 0, 2, day, 10.0), &[(day, "Timeout", "no answer from 10.0.0.3 after 32 s")])),
        with(
            having(span(4, 4, 0, 2, 2.0, 1.0), &[("error.type", "bad")]),
            "status",
            json!({ "code": 2, "message": "oops 7" }),
        ),
        failed(with(
            span(5, 5, 0, 2, 3.0, 1.0),
            "attributes",
            json!([{ "key": "http.response.status_code", "value": { "intValue": "503" } }]),
        )),
        failed(span(6, 6, 0, 2, 4.0, 1.0)),
        // It recovered: its status is no error.
        threw(span(7, 7, 0, 2, 5.0, 1.0), &[(5.0, "Timeout", "no answer from 10.0.0.1 after 30 s")]),
    ];
    send_spans(&server, SHOP, &spans).await;
    send_spans(&server, SHOP, &[timeout]).await;
    let exception = [("exception.type", "Timeout"), ("exception.message", "no answer from 10.0.0.9 after 1 s")];
    let logs = [
        of_span(having(log(1.0, 17), &exception), 1, 1),
        said(log(6.0, 21), "disk 7 full"),
        said(log(7.0, 21), "disk 8 full"),
        // Less than an error, but it has an exception.
        having(said(log(8.0, 13), "gave up"), &[("exception.type", "Lost")]),
        log(9.0, 9),
    ];
    send_logs(&server, SHOP, &logs).await;
    let trace = |trace: u8| format!("{trace:032x}");
    // Day, signal, type, message, count, stored, trace.
    let expected = json!([
        ["2023-11-14T00:00:00Z", "log", "FATAL", "disk 8 full", 2, 2, null],
        ["2023-11-14T00:00:00Z", "log", "Lost", "gave up", 1, 1, null],
        ["2023-11-14T00:00:00Z", "log", "Timeout", "no answer from 10.0.0.9 after 1 s", 1, 1, trace(1)],
        ["2023-11-14T00:00:00Z", "span", "503", "work", 1, 1, trace(5)],
        ["2023-11-14T00:00:00Z", "span", "ERROR", "work", 1, 1, trace(6)],
        ["2023-11-14T00:00:00Z", "span", "Timeout", "no answer from 10.0.0.2 after 31 s", 5, 2, trace(2)],
        ["2023-11-14T00:00:00Z", "span", "bad", "oops 7", 1, 1, trace(4)],
        ["2023-11-15T00:00:00Z", "span", "Timeout", "no answer from 10.0.0.3 after 32 s", 1, 1, trace(3)],
    ]);
    for when in ["hot", "cold"] {
        let rows = server.sql("select * from errors order by time, signal, type").await;
        let columns = ["time", "signal", "type", "message", "count", "stored_count", "trace_id"];
        assert_eq!(picked(&rows, &columns), expected, "{when}: {rows:#?}");
        let fingerprint = |row: usize| rows[row]["fingerprint"].as_str().unwrap();
        assert!([5, 7].iter().all(|row| fingerprint(2) == fingerprint(*row)), "{when}: {rows:#?}");
        assert_eq!(server.number("select count(distinct fingerprint) from errors").await, 6, "{when}");
        let seen = [&rows[5]["first_seen"], &rows[5]["last_seen"]];
        assert_eq!(seen, [&json!("2023-11-14T22:14:01Z"), &json!("2023-11-14T22:15:10Z")], "{when}");
        assert_eq!(rows[5]["service_namespace"], json!("web"), "{when}");
        assert_eq!(server.number("select count(*) from error_occurrences where signal = 'span'").await, 6, "{when}");
        server.flush().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_days_data_is_counted() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    let root = span(1, 1, 0, 2, 10.0, 1000.0);
    let spans = [
        root.clone(),
        // 100 ms before its parent.
        span(1, 2, 1, 1, 9.9, 10.0),
        // 200 ms past it, and 50.
        span(1, 3, 1, 1, 10.5, 700.0),
        span(1, 8, 1, 1, 10.5, 550.0),
        span(1, 4, 99, 1, 10.1, 10.0),
        span(1, 5, 1, 1, 10.1, -5.0),
        with(span(1, 6, 1, 1, 10.1, 0.0), "endTimeUnixNano", json!("0")),
        with(span(1, 7, 0, 1, 10.1, 1.0), "traceId", json!("")),
    ];
    send_spans(&server, SHOP, &spans).await;
    send_spans(&server, SHOP, &[root]).await;
    let equal = of_span(log(10.2, 9), 1, 1);
    let logs = [
        equal.clone(),
        equal.clone(),
        having(equal, &[("k", "v")]),
        of_span(log(10.3, 9), 1, 77),
        of_span(log(10.3, 9), 88, 1),
        log(10.4, 9),
    ];
    send_logs(&server, SHOP, &logs).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let fresh = point((now - MINUTE_0) as f64, 1.0, &[]);
    send_metrics(&server, WORKER, &[gauge("queue.length", "1", &[point(0.0, 1.0, &[])])]).await;
    send_metrics(&server, &[("service.name", "fresh")], &[gauge("queue.length", "1", &[fresh])]).await;
    for when in ["hot", "cold"] {
        let rows = server.sql("select * from data_quality order by service_name").await;
        let mut shop = json!({
            "time": "2023-11-14T00:00:00Z", "service_name": "shop", "service_namespace": "web",
            "deployment_environment_name": "prod", "stored_spans": 9, "stored_logs": 6, "stored_points": 0,
            "lacks_spans": false, "lacks_logs": false, "lacks_metrics": true, "duplicate_spans": 1, "orphan_spans": 1,
            "spans_without_ids": 1, "spans_without_end": 1, "negative_spans": 1, "spans_before_parent": 1,
            "max_before_parent_ms": 100.0, "spans_past_parent": 2, "max_past_parent_ms": 200.0, "equal_logs": 1,
            "logs_without_ids": 1, "logs_of_unknown_trace": 1, "logs_of_unknown_span": 2, "late_spans": 9,
            "late_logs": 6, "late_points": 0,
        });
        assert_eq!(rows[1], shop, "{when}");
        shop = picked(&rows, &["service_name", "stored_points", "late_points", "lacks_spans", "lacks_metrics"]);
        let expected =
            json!([["fresh", 1, 0, true, false], ["shop", 0, 0, false, true], ["worker", 1, 1, true, false]]);
        assert_eq!(shop, expected, "{when}");
        server.flush().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_is_listed_by_day() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    let first = span(1, 1, 0, 2, 1.0, 10.0);
    let old = [("service.name", "worker"), ("service.version", "1.9"), ("host.name", "h2")];
    send_spans(&server, WORKER, &[first.clone(), with(span(2, 2, 0, 2, 2.0, 5.0), "traceState", json!("ot=th:c"))])
        .await;
    send_spans(&server, WORKER, &[first]).await;
    send_logs(
        &server,
        &old,
        &[having(log(3.0, 9), &[("host.name", "own"), ("user", "ann")]), having(log(4.0, 9), &[("user", "ann")])],
    )
    .await;
    send_metrics(
        &server,
        WORKER,
        &[
            gauge("queue.length", "1", &[point(5.0, 1.0, &[("queue", "a")]), point(6.0, 2.0, &[("queue", "b")])]),
            counter("work.time", 2, &[point(7.0, 1.0, &[])]),
        ],
    )
    .await;
    send_metrics(
        &server,
        &old,
        &[gauge("queue.length", "1", &[point(DAY as f64, 1.0, &[("queue", "a"), ("shard", "1")])])],
    )
    .await;
    for when in ["hot", "cold"] {
        let rows = server.sql("select * from services order by time").await;
        let columns =
            ["time", "versions", "instances", "spans", "stored_spans", "logs", "stored_logs", "points", "first_log"];
        let expected = json!([
            ["2023-11-14T00:00:00Z", ["1.9", "2.0"], 2, 5, 3, 2, 2, 3, "2023-11-14T22:14:03Z"],
            ["2023-11-15T00:00:00Z", ["1.9"], 1, 0, 0, 0, 0, 1, null],
        ]);
        assert_eq!(picked(&rows, &columns), expected, "{when}: {rows:#?}");
        let seen = picked(&rows[..1], &["first_seen", "last_seen", "last_span", "first_point"]);
        let expected = ["2023-11-14T22:14:01Z", "2023-11-14T22:14:07Z", "2023-11-14T22:14:02Z", "2023-11-14T22:14:05Z"];
        assert_eq!(seen, json!([expected]), "{when}");

        let rows = server.sql("select * from metric_catalog order by time, metric_name").await;
        let columns =
            ["metric_name", "metric_type", "unit", "temporality", "is_monotonic", "series", "points", "attribute_keys"];
        let expected = json!([
            ["queue.length", "GAUGE", "1", null, null, 2, 2, ["queue"]],
            ["work.time", "SUM", "s", "CUMULATIVE", true, 1, 1, []],
            ["queue.length", "GAUGE", "1", null, null, 1, 1, ["queue", "shard"]],
        ]);
        assert_eq!(picked(&rows, &columns), expected, "{when}: {rows:#?}");

        let keys = "select * from attribute_keys where table_name = 'logs' order by map_name, key";
        let columns = ["map_name", "key", "stored_rows", "services", "first_seen", "last_seen"];
        let [third, fourth] = ["2023-11-14T22:14:03Z", "2023-11-14T22:14:04Z"];
        let expected = json!([
            ["attributes", "host.name", 1, 1, third, third],
            ["attributes", "user", 2, 1, third, fourth],
            ["resource_attributes", "host.name", 2, 1, third, fourth],
            ["resource_attributes", "service.name", 2, 1, third, fourth],
            ["resource_attributes", "service.version", 2, 1, third, fourth],
        ]);
        assert_eq!(picked(&server.sql(keys).await, &columns), expected, "{when}");

        // A record's own value goes before its resource's.
        for (call, expected) in [
            ("attribute_values('logs', 'host.name')", json!([["h2", 1], ["own", 1]])),
            ("attribute_values('logs', 'user')", json!([["ann", 2]])),
            ("attribute_values('logs', 'user', '2023-11-14T22:14:04Z')", json!([["ann", 1]])),
            ("attribute_values('logs', 'user', until => timestamp '2023-11-14T22:14:03Z')", json!([])),
            ("attribute_values('spans', 'service.version')", json!([["2.0", 3]])),
            ("attribute_values('metrics', 'queue')", json!([["a", 2], ["b", 1]])),
            ("attribute_values('metrics', 'nothing')", json!([])),
        ] {
            let rows = server.sql(&format!("select * from {call} order by value")).await;
            assert_eq!(picked(&rows, &["value", "stored_rows"]), expected, "{when}: {call}");
        }
        server.flush().await;
    }
}
