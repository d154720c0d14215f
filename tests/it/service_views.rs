//! The views `requests`, `red` and `service_edges` over what real senders do wrong or differently, with expectations
//! worked out by hand; and what bounds the views of services, errors, quality and catalogs read.

use serde_json::{Value, json};

use super::service_health::{DAY, MINUTE_0, SHOP, attributes, dates, gauge, log, point, resource, send, span, with};
use crate::support::server::{Home, Server};

const WEB: &[(&str, &str)] = &[("service.name", "web")];
const WORKER: &[(&str, &str)] = &[("service.name", "worker")];
const CRON: &[(&str, &str)] = &[("service.name", "cron")];

// Kinds of spans.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const PRODUCER: u8 = 4;
const CONSUMER: u8 = 5;

fn having(span: Value, pairs: &[(&str, &str)]) -> Value {
    with(span, "attributes", attributes(pairs))
}

fn failed(span: Value) -> Value {
    with(span, "status", json!({ "code": 2 }))
}

/// A span that stands for four.
fn fourfold(span: Value) -> Value {
    with(span, "traceState", json!("ot=th:c"))
}

fn linked(span: Value, to: &[(u8, u8)]) -> Value {
    let link = |(trace, id): &(u8, u8)| json!({ "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}") });
    with(span, "links", to.iter().map(link).collect())
}

/// A resource's attributes and its spans.
type OfService<'a> = (&'a [(&'a str, &'a str)], &'a [Value]);

async fn send_spans(server: &Server, services: &[OfService<'_>]) {
    let spans: Vec<Value> =
        services.iter().map(|(service, spans)| resource(service, "scopeSpans", "spans", spans)).collect();
    send(server, "/v1/traces", json!({ "resourceSpans": spans })).await;
}

/// Minutes from minute 0 to a row's `time`.
fn minute(row: &Value) -> i64 {
    let time = row["time"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    (time.timestamp() - MINUTE_0 as i64) / 60
}

/// The values of some columns of each row, its minute first.
fn picked(rows: &[Value], columns: &[&str]) -> Vec<Value> {
    rows.iter()
        .map(|row| {
            std::iter::once(json!(minute(row))).chain(columns.iter().map(|column| row[*column].clone())).collect()
        })
        .collect()
}

async fn send_calls(server: &Server) {
    let kafka = |topic| [("messaging.system", "kafka"), ("messaging.destination.name", topic)];
    let call = span(1, 2, 1, CLIENT, 1.1, 30.0);
    let served = span(1, 3, 2, SERVER, 0.5, 10.0);
    let web = [
        span(1, 1, 0, SERVER, 1.0, 100.0),
        failed(call.clone()),
        // Calls itself.
        span(5, 50, 0, CLIENT, 2.0, 9.0),
        span(5, 51, 50, SERVER, 2.0, 8.0),
        // Its server does not say how long it took.
        span(6, 53, 0, CLIENT, 60.0, 40.0),
        // Answered more than an hour later, so by nobody that is known.
        having(span(7, 61, 0, CLIENT, 3.0, 6.0), &[("server.address", "shop.local")]),
    ];
    let shop = [
        // Its clock is behind the caller's.
        served.clone(),
        // A parent that is no call: its own failure is not that of what it calls.
        failed(span(1, 4, 3, INTERNAL, 1.2, 9.0)),
        having(span(1, 5, 4, CLIENT, 1.2, 5.0), &[("db.system.name", "postgresql"), ("db.namespace", "orders")]),
        fourfold(failed(having(
            span(1, 6, 4, CLIENT, 1.3, 2.0),
            &[("db.system", "redis"), ("server.address", "cache")],
        ))),
        // One call that two spans report.
        having(span(1, 8, 4, CLIENT, 1.4, 20.0), &[("peer.service", "bank")]),
        having(span(1, 7, 8, CLIENT, 1.4, 19.0), &[("peer.service", "bank"), ("server.address", "10.0.0.1")]),
        // Names no peer.
        span(1, 9, 4, CLIENT, 1.5, 1.0),
        having(span(1, 10, 4, PRODUCER, 1.5, 1.0), &kafka("orders")),
        having(span(1, 11, 4, PRODUCER, 1.5, 1.0), &kafka("orders")),
        having(span(1, 12, 4, PRODUCER, 1.5, 1.0), &kafka("orders")),
        having(span(1, 13, 4, PRODUCER, 1.5, 1.0), &kafka("orders")),
        // Nobody takes it.
        having(span(1, 14, 4, PRODUCER, 1.6, 1.0), &kafka("audit")),
        with(span(6, 54, 53, SERVER, 60.0, 0.0), "endTimeUnixNano", json!("0")),
        // No ids: a request from outside.
        with(with(span(1, 1, 0, SERVER, 4.0, 3.0), "traceId", json!("")), "spanId", json!("")),
        span(7, 60, 61, SERVER, 3700.0, 5.0),
    ];
    let worker = [
        linked(span(2, 20, 0, CONSUMER, 10.0, 7.0), &[(1, 10)]),
        // By its parent and by a link to the same span.
        linked(span(1, 21, 11, CONSUMER, 11.0, 7.0), &[(1, 11)]),
        // A batch of two.
        failed(linked(span(3, 22, 0, CONSUMER, 12.0, 7.0), &[(1, 12), (1, 13)])),
        // From a span that is not here.
        span(4, 40, 99, SERVER, 5.0, 1.0),
    ];
    // No server span: what enters the service.
    let cron = [span(1, 30, 4, INTERNAL, 2.0, 4.0), span(1, 31, 30, INTERNAL, 2.0, 3.0)];
    send_spans(server, &[(WEB, &web), (SHOP, &shop), (WORKER, &worker), (CRON, &cron)]).await;
    // Again what was sent.
    send_spans(server, &[(WEB, &[failed(call)]), (SHOP, &[served])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_an_edge_once_whoever_reports_it() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    send_calls(&server).await;
    // Minute, client, server, type, calls, errors, stored calls, p50.
    let expected = json!([
        [0, "shop", "bank", "virtual_node", 1, 0, 1, 19.0],
        [0, "shop", "cron", "", 1, 0, 1, 4.0],
        [0, "shop", "kafka/audit", "messaging_system", 1, 0, 1, 1.0],
        [0, "shop", "postgresql/orders", "database", 1, 0, 1, 5.0],
        [0, "shop", "redis/cache", "database", 4, 4, 1, 2.0],
        [0, "shop", "worker", "messaging_system", 4, 2, 4, 7.0],
        [0, "user", "shop", "virtual_node", 1, 0, 1, 3.0],
        [0, "user", "web", "virtual_node", 1, 0, 1, 100.0],
        [0, "web", "shop", "", 1, 1, 1, 10.0],
        [0, "web", "shop.local", "virtual_node", 1, 0, 1, 6.0],
        [0, "web", "web", "", 1, 0, 1, 8.0],
        [1, "web", "shop", "", 1, 0, 1, 40.0],
    ]);
    let columns = ["client", "server", "connection_type", "calls", "errors", "stored_calls", "p50_ms"];
    for when in ["hot", "cold"] {
        let rows = server.sql("select * from service_edges order by time, client, server").await;
        assert_eq!(json!(picked(&rows, &columns)), expected, "{when}: {rows:#?}");
        let bounded =
            server.sql("select * from service_edges where time = '2023-11-14T22:15:00Z' and server = 'shop'").await;
        assert_eq!(bounded, &rows[11..], "{when}");
        let ends = ["client", "client_namespace", "client_environment", "server_namespace", "server_environment"];
        let shop_ends = picked(&rows, &ends);
        assert_eq!(shop_ends[5], json!([0, "shop", "web", "prod", null, null]), "{when}");
        assert_eq!(shop_ends[8], json!([0, "web", null, null, "web", "prod"]), "{when}");
        server.flush().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_have_an_operation_and_count_once() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    let route = [("http.request.method", "GET"), ("http.route", "/cart/{id}"), ("http.response.status_code", "200")];
    let first = having(span(1, 1, 0, SERVER, 1.0, 10.0), &route);
    let shop = [
        first.clone(),
        fourfold(failed(having(span(2, 2, 0, SERVER, 2.0, 30.0), &route))),
        // Ends before it starts: in no percentile.
        having(span(3, 3, 0, SERVER, 3.0, -5.0), &[("http.route", "/bare")]),
        having(span(4, 4, 0, SERVER, 4.0, 2.0), &[("rpc.service", "shop.Cart"), ("rpc.method", "Add")]),
        having(span(5, 5, 0, SERVER, 61.0, 3.0), &[("rpc.method", "shop.Cart/Add")]),
        span(6, 6, 0, CONSUMER, 62.0, 4.0),
        // No request beside the server span of its trace.
        span(1, 7, 1, CLIENT, 1.0, 5.0),
    ];
    // Only INTERNAL spans: the one that enters, and not its child.
    let cron = [span(1, 8, 7, INTERNAL, 1.5, 5.0), span(1, 9, 8, INTERNAL, 1.6, 1.0)];
    send_spans(&server, &[(SHOP, &shop), (CRON, &cron)]).await;
    send_spans(&server, &[(SHOP, &[first])]).await;
    let requests = json!([
        [0, "shop", "GET /cart/{id}", 10.0, "UNSET", 1.0, "SERVER"],
        [0, "cron", "work", 5.0, "UNSET", 1.0, "INTERNAL"],
        [0, "shop", "GET /cart/{id}", 30.0, "ERROR", 4.0, "SERVER"],
        [0, "shop", "/bare", -5.0, "UNSET", 1.0, "SERVER"],
        [0, "shop", "shop.Cart/Add", 2.0, "UNSET", 1.0, "SERVER"],
        [1, "shop", "shop.Cart/Add", 3.0, "UNSET", 1.0, "SERVER"],
        [1, "shop", "work", 4.0, "UNSET", 1.0, "CONSUMER"],
    ]);
    // Minute, service, namespace, operation, requests, stored, rate, errors, error rate.
    let red = json!([
        [0, "cron", null, "work", 1, 1, 1.0 / 60.0, 0, 0.0],
        [0, "shop", "web", "/bare", 1, 1, 1.0 / 60.0, 0, 0.0],
        [0, "shop", "web", "GET /cart/{id}", 5, 2, 5.0 / 60.0, 4, 0.8],
        [0, "shop", "web", "shop.Cart/Add", 1, 1, 1.0 / 60.0, 0, 0.0],
        [1, "shop", "web", "shop.Cart/Add", 1, 1, 1.0 / 60.0, 0, 0.0],
        [1, "shop", "web", "work", 1, 1, 1.0 / 60.0, 0, 0.0],
    ]);
    for when in ["hot", "cold"] {
        let rows = server.sql("select * from requests order by time").await;
        let columns = ["service_name", "operation", "duration_ms", "status_code", "adjusted_count", "kind"];
        assert_eq!(json!(picked(&rows, &columns)), requests, "{when}: {rows:#?}");
        assert_eq!(rows[0]["http_response_status_code"], json!(200), "{when}");
        let rows = server.sql("select * from red order by time, service_name, operation").await;
        let columns = [
            "service_name",
            "service_namespace",
            "operation",
            "requests",
            "stored_requests",
            "rate",
            "errors",
            "error_rate",
        ];
        assert_eq!(json!(picked(&rows, &columns)), red, "{when}: {rows:#?}");
        assert_eq!(rows[1]["p50_ms"], Value::Null, "{when}");
        // Of five requests, four took 30 ms.
        assert!(rows[2]["p50_ms"].as_f64().unwrap() > 20.0 && rows[2]["p99_ms"] == json!(30.0), "{when}: {rows:#?}");
        server.flush().await;
    }
}

/// A request that fails, a call, an error log and a point, in the second after minute 0 of a day.
async fn send_day(server: &Server, day: u64) {
    let second = (day * DAY) as f64;
    let spans = [
        failed(span(day as u8 + 1, 1, 0, SERVER, second, 10.0)),
        having(span(day as u8 + 1, 2, 1, CLIENT, second, 5.0), &[("peer.service", "bank")]),
    ];
    send_spans(server, &[(SHOP, &spans)]).await;
    let logs = [resource(SHOP, "scopeLogs", "logRecords", &[log(second, 17)])];
    send(server, "/v1/logs", json!({ "resourceLogs": logs })).await;
    let memory = gauge("process.memory.usage", "By", &[point(second, 1.0, &[("k", "v")])]);
    let metrics = [resource(SHOP, "scopeMetrics", "metrics", &[memory])];
    send(server, "/v1/metrics", json!({ "resourceMetrics": metrics })).await;
}

/// View, scans of files a day where nothing is bounded, and of the days 14 to 17 where the 15th is asked for.
const SCANS: &[(&str, usize, [usize; 4])] = &[
    ("requests", 4, [0, 4, 0, 0]),
    ("red", 4, [0, 4, 0, 0]),
    ("service_edges", 9, [0, 9, 0, 0]),
    ("error_occurrences", 3, [0, 3, 0, 0]),
    ("errors", 3, [0, 3, 0, 0]),
    // Spans of the days before and after, among which parents, and spans of logs, are looked for.
    ("data_quality", 11, [3, 11, 3, 0]),
    ("services", 3, [0, 3, 0, 0]),
    ("metric_catalog", 1, [0, 1, 0, 0]),
    ("attribute_keys", 9, [0, 9, 0, 0]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_on_a_views_time_leaves_out_files_and_no_rows() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    for day in 0..4 {
        send_day(&server, day).await;
    }
    server.flush().await;
    for (view, scans, expected) in SCANS {
        let all = dates(&server, &format!("select * from {view}")).await;
        assert_eq!(all.len(), 4 * scans, "{view}: {all:?}");
        let bounded = format!("select * from {view} where time >= '2023-11-15T00:00:00Z' and time < '2023-11-16'");
        let some = dates(&server, &bounded).await;
        let by_day = [14, 15, 16, 17].map(|day| some.iter().filter(|date| **date == format!("2023-11-{day}")).count());
        assert_eq!(by_day, *expected, "{view}: {some:?}");
        let sorted = |mut rows: Vec<Value>| {
            rows.sort_by_key(Value::to_string);
            rows
        };
        let mut rows = server.sql(&format!("select * from {view}")).await;
        rows.retain(|row| row["time"].as_str().unwrap().starts_with("2023-11-15"));
        assert!(!rows.is_empty(), "{view}");
        assert_eq!(sorted(server.sql(&bounded).await), sorted(rows), "{view}");
    }
    // What a view's rows are made of is left out by the columns that say so.
    for (query, scans) in [
        ("select * from attribute_keys where table_name = 'logs'", 3),
        ("select * from attribute_keys where table_name = 'logs' and map_name = 'attributes'", 1),
        ("select * from attribute_values('spans', 'peer.service')", 1),
        ("select * from requests where service_name = 'nobody'", 0),
        ("select * from errors where service_name = 'nobody'", 0),
        ("select * from red where service_name = 'nobody'", 0),
    ] {
        assert_eq!(dates(&server, query).await.len(), 4 * scans, "{query}");
    }
    // A bound on the trace is one on every scan.
    for (view, scans) in [("requests", 4), ("error_occurrences", 3)] {
        let trace = format!("{:032x}", 2);
        let plan = server.sql(&format!("explain format indent select * from {view} where trace_id = '{trace}'")).await;
        let physical = plan.iter().find(|row| row["plan_type"] == "physical_plan").unwrap()["plan"].as_str().unwrap();
        let files: Vec<&str> = physical.lines().filter(|line| line.contains("DataSourceExec")).collect();
        assert_eq!(files.len(), scans, "{view}: {physical}");
        assert!(files.iter().all(|scan| scan.contains(&trace)), "{view}: {physical}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_on_an_empty_lake_are_empty() {
    let home = Home::new("");
    let server = home.serve();
    let views = SCANS.iter().map(|(view, ..)| *view).chain(["attribute_values('logs', 'k')"]);
    for view in views {
        assert_eq!(server.sql(&format!("select * from {view}")).await, Vec::<Value>::new(), "{view}");
    }
}
