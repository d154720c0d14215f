//! The cross-signal views over a small lake with dirty rows, with answers worked out by hand; and that a bound changes
//! what is read, not what is answered.

use serde_json::{Value, json};

use crate::support::server::{Home, Server};

/// 2023-11-14T22:13:20Z.
const START: u64 = 1_700_000_000_000_000_000;
const MS: i64 = 1_000_000;
const HOUR: i64 = 3_600_000 * MS;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER: &str = "cccccccccccccccccccccccccccccccc";

fn at(nanos: i64) -> String {
    START.saturating_add_signed(nanos).to_string()
}

fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

fn id(short: &str) -> String {
    if short.is_empty() { String::new() } else { format!("{short:0>16}") }
}

fn span(own: &str, parent: &str, name: &str, start: i64, took: i64) -> Value {
    json!({
        "traceId": TRACE, "spanId": id(own), "parentSpanId": id(parent), "name": name, "kind": 2,
        "startTimeUnixNano": at(start), "endTimeUnixNano": at(start + took),
    })
}

fn with(mut record: Value, key: &str, value: Value) -> Value {
    record[key] = value;
    record
}

fn log(span: &str, nanos: i64, severity: u8, text: &str) -> Value {
    let trace = if span.is_empty() { "" } else { TRACE };
    json!({
        "traceId": trace, "spanId": id(span), "timeUnixNano": at(nanos), "severityNumber": severity,
        "body": { "stringValue": text },
    })
}

fn exemplar(span: &str, nanos: i64, value: f64) -> Value {
    let trace = if span.is_empty() { "" } else { TRACE };
    json!({ "timeUnixNano": at(nanos), "asDouble": value, "traceId": trace, "spanId": id(span) })
}

fn gauge(name: &str, points: &[(i64, f64)]) -> Value {
    let points: Vec<_> =
        points.iter().map(|(nanos, value)| json!({ "timeUnixNano": at(*nanos), "asDouble": value })).collect();
    json!({ "name": name, "unit": "1", "gauge": { "dataPoints": points } })
}

/// A service, an instance of it, and the namespace and environment of all.
fn resource(service: &str, instance: &str, kind: &str, inner: &str, records: &[Value]) -> Value {
    let resource = attributes(&[
        ("service.name", service),
        ("service.instance.id", instance),
        ("service.namespace", "web"),
        ("deployment.environment.name", "prod"),
    ]);
    json!({ "resource": { "attributes": resource }, kind: [{ inner: records }] })
}

async fn send(server: &Server, path: &str, kind: &str, resources: Vec<Value>) {
    let url = format!("{}{path}", server.otlp_http());
    let response = reqwest::Client::new().post(url).json(&json!({ kind: resources })).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success() && text == "{}", "{status}: {text}");
}

/// One trace: `a1` of the shop is the root; `b1` of pay failed and is stored twice; `b2` has a parent that is not here
/// and ends before it starts; five hours later the zoo uses `b1` again. And a span without ids.
async fn spans(server: &Server) {
    let event = |nanos, name| json!({ "timeUnixNano": at(nanos), "name": name, "attributes": attributes(&[("exception.message", name)]) });
    let root = span("a1", "", "GET /buy", 0, 50 * MS);
    let mut failing = span("b1", "a1", "charge", 10 * MS, 20 * MS);
    failing["status"] = json!({ "code": 2, "message": "card refused" });
    // By the clock of another machine, the first is before the span.
    failing["events"] = json!([event(15 * MS, "exception"), event(4 * MS, "early")]);
    failing["links"] = json!([
        { "traceId": OTHER, "spanId": id("c1"), "attributes": attributes(&[("why", "batch")]) },
        { "traceId": "", "spanId": "" },
    ]);
    let skewed = span("b2", "ff", "late", 40 * MS, -5 * MS);
    let reused = span("b1", "", "other", 5 * HOUR, MS);
    let nobody = with(with(span("", "", "nobody", 0, MS), "traceId", json!("")), "events", json!([event(0, "lone")]));
    let pay = |spans: &[Value]| resource("pay", "p-1", "scopeSpans", "spans", spans);
    let resources = vec![
        resource("shop", "s-1", "scopeSpans", "spans", &[root, nobody]),
        pay(&[failing.clone(), skewed]),
        pay(&[failing]),
        resource("zoo", "z-1", "scopeSpans", "spans", &[reused]),
    ];
    send(server, "/v1/traces", "resourceSpans", resources).await;
}

async fn logs(server: &Server) {
    let pay = [
        log("b1", 14 * MS, 9, "trying"),
        // Two that are equal are two.
        log("b1", 16 * MS, 17, "refused"),
        log("b1", 16 * MS, 17, "refused"),
        log("ee", 17 * MS, 9, "span unknown"),
        log("b1", 18 * MS, 21, "giving up"),
        log("", 5010 * MS, 9, "five seconds"),
        log("", 6000 * MS, 9, "six seconds"),
        log("b1", 3 * HOUR, 17, "long after"),
        log("b1", 5 * HOUR, 9, "beside the other"),
    ];
    let resources = vec![
        resource("pay", "p-1", "scopeLogs", "logRecords", &pay),
        resource("pay", "p-2", "scopeLogs", "logRecords", &[log("", 12 * MS, 9, "elsewhere")]),
    ];
    send(server, "/v1/logs", "resourceLogs", resources).await;
}

async fn metrics(server: &Server) {
    let buckets = |nanos: i64, exemplars: Value| {
        json!({
            "timeUnixNano": at(nanos), "count": "3", "sum": 156.0, "explicitBounds": [5.0, 10.0, 50.0],
            "bucketCounts": ["0", "1", "1", "1"], "exemplars": exemplars,
        })
    };
    let kept = exemplar("a1", 49 * MS, 50.0);
    let latency = json!({ "name": "latency", "unit": "ms", "histogram": { "aggregationTemporality": 2, "dataPoints": [
        buckets(60 * MS, json!([exemplar("b1", 15 * MS, 7.0), kept, exemplar("", 50 * MS, 99.0)])),
        // The next point of the series still has one of them.
        buckets(60_060 * MS, json!([kept])),
    ] } });
    let size = json!({ "name": "size", "exponentialHistogram": { "aggregationTemporality": 2, "dataPoints": [{
        "timeUnixNano": at(60 * MS), "count": "1", "sum": 3.0, "scale": 0,
        "positive": { "offset": 1, "bucketCounts": ["1"] }, "exemplars": [exemplar("dd", 20 * MS, 3.0)],
    }] } });
    let animals = json!({ "name": "animals", "gauge": { "dataPoints": [{
        "timeUnixNano": at(5 * HOUR + 100 * MS), "asDouble": 1.0, "exemplars": [exemplar("b1", 5 * HOUR, 1.0)],
    }] } });
    let wait = json!({ "name": "wait", "unit": "s", "histogram": { "aggregationTemporality": 1, "dataPoints": [
        { "timeUnixNano": at(-2000 * MS), "count": "4", "sum": 10.0 },
    ] } });
    let pay = [
        gauge("queue", &[(-60_000 * MS, 3.0), (-1000 * MS, 5.0), (1000 * MS, 9.0)]),
        // More than two minutes before the error.
        gauge("pool", &[(-121_000 * MS, 8.0)]),
        wait,
    ];
    let resources = vec![
        resource("shop", "s-1", "scopeMetrics", "metrics", &[latency, size, animals]),
        resource("pay", "p-1", "scopeMetrics", "metrics", &pay),
        resource("pay", "p-2", "scopeMetrics", "metrics", &[gauge("queue", &[(0, 70.0)])]),
    ];
    send(server, "/v1/metrics", "resourceMetrics", resources).await;
}

/// Queries, and their rows as JSON arrays of the columns in the order of the query.
const ANSWERS: &[(&str, &str)] = &[
    (
        "select name, offset_ms, trace_id is not null as t, span_id, span_name, service_name, service_namespace,
         deployment_environment_name, attributes['exception.message'] as m from span_events order by offset_ms, name",
        r#"[["early", -6.0, true, "00000000000000b1", "charge", "pay", "web", "prod", "early"],
            ["lone", 0.0, false, null, "nobody", "shop", "web", "prod", "lone"],
            ["exception", 5.0, true, "00000000000000b1", "charge", "pay", "web", "prod", "exception"]]"#,
    ),
    (
        "select span_id, span_name, linked_trace_id, linked_span_id, attributes['why'] as w, service_name
         from span_links order by linked_trace_id nulls last",
        r#"[["00000000000000b1", "charge", "cccccccccccccccccccccccccccccccc", "00000000000000c1", "batch", "pay"],
            ["00000000000000b1", "charge", null, null, null, "pay"]]"#,
    ),
    (
        "select metric_name, value, lower_bound, upper_bound, span_id, service_name, service_namespace
         from exemplars order by metric_name, value",
        r#"[["animals", 1.0, null, null, "00000000000000b1", "shop", "web"],
            ["latency", 7.0, 5.0, 10.0, "00000000000000b1", "shop", "web"],
            ["latency", 50.0, 10.0, 50.0, "00000000000000a1", "shop", "web"],
            ["latency", 99.0, 50.0, "Infinity", null, "shop", "web"],
            ["size", 3.0, 2.0, 4.0, "00000000000000dd", "shop", "web"]]"#,
    ),
    (
        "select metric_name, value, span_name, span_service_name, span_duration_ms, root_name, root_service_name,
         root_duration_ms from exemplar_spans order by metric_name, value",
        r#"[["animals", 1.0, "other", "zoo", 1.0, "other", "zoo", 1.0],
            ["latency", 7.0, "charge", "pay", 20.0, "GET /buy", "shop", 50.0],
            ["latency", 50.0, "GET /buy", "shop", 50.0, "GET /buy", "shop", 50.0],
            ["size", 3.0, null, null, null, "GET /buy", "shop", 50.0]]"#,
    ),
    (
        "select service_name, name, duration_ms, log_count, error_log_count, first_error_body, service_namespace
         from spans_with_logs order by time, name",
        r#"[["shop", "GET /buy", 50.0, 0, 0, null, "web"],
            ["shop", "nobody", 1.0, 0, 0, null, "web"],
            ["pay", "charge", 20.0, 4, 3, "refused", "web"],
            ["pay", "late", -5.0, 0, 0, null, "web"],
            ["zoo", "other", 1.0, 1, 0, null, "web"]]"#,
    ),
    (
        "select context, offset_ms, name, level, text, value, unit, instance, service_namespace, error_name, error_text
         from error_context where error = 'span' order by offset_ms, text",
        r#"[["metric", -2010.0, "wait", null, null, 2.5, "s", "p-1", "web", "charge", "card refused"],
            ["metric", -1010.0, "queue", null, null, 5.0, "1", "p-1", "web", "charge", "card refused"],
            ["error", 0.0, null, null, null, null, null, "p-1", "web", "charge", "card refused"],
            ["log", 4.0, null, "INFO", "trying", null, null, "p-1", "web", "charge", "card refused"],
            ["log", 6.0, null, "ERROR", "refused", null, null, "p-1", "web", "charge", "card refused"],
            ["log", 6.0, null, "ERROR", "refused", null, null, "p-1", "web", "charge", "card refused"],
            ["log", 7.0, null, "INFO", "span unknown", null, null, "p-1", "web", "charge", "card refused"],
            ["log", 8.0, null, "FATAL", "giving up", null, null, "p-1", "web", "charge", "card refused"],
            ["log", 5000.0, null, "INFO", "five seconds", null, null, "p-1", "web", "charge", "card refused"]]"#,
    ),
    // The fatal log: itself once, the other five around it, and the latest points.
    (
        "select context, offset_ms, coalesce(text, name) as what from error_context where error_text = 'giving up'
         order by offset_ms, context, what",
        r#"[["metric", -2018.0, "wait"], ["metric", -1018.0, "queue"], ["log", -4.0, "trying"],
            ["log", -2.0, "refused"], ["log", -2.0, "refused"], ["log", -1.0, "span unknown"],
            ["error", 0.0, null], ["log", 4992.0, "five seconds"]]"#,
    ),
    // Neither of two equal errors is the other's context.
    (
        "select context, count(*) as n from error_context where error_text = 'refused' group by 1 order by 1",
        r#"[["error", 2], ["log", 8], ["metric", 4]]"#,
    ),
    // Nothing else happened around it.
    ("select context, text from error_context where error_text = 'long after'", r#"[["error", null]]"#),
];

async fn check(server: &Server, when: &str) {
    for (query, expected) in ANSWERS {
        let rows = array_rows(server, query).await;
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(rows, expected, "{when}: {query}");
    }
}

/// Rows as arrays, in the order in which the query names the columns.
async fn array_rows(server: &Server, query: &str) -> Value {
    let batches = server.arrow(query).await;
    let names: Vec<_> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    let rows = server.sql(query).await;
    rows.iter().map(|row| names.iter().map(|name| row[name].clone()).collect::<Value>()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_signal_views_mean_what_their_heads_say_hot_and_cold() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    spans(&server).await;
    logs(&server).await;
    metrics(&server).await;
    check(&server, "hot").await;
    server.flush().await;
    check(&server, "cold").await;
    the_same_however_it_is_bounded(&server).await;
}

pub(crate) const VIEWS: [&str; 9] = [
    "span_logs",
    "traces",
    "trace_timeline",
    "span_events",
    "span_links",
    "exemplars",
    "exemplar_spans",
    "spans_with_logs",
    "error_context",
];

/// A bounded query answers those rows of the whole view that are within the bound.
async fn the_same_however_it_is_bounded(server: &Server) {
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
    let windows = [
        ("2023-11-14T22:13:20.009Z", "2023-11-15T01:13:20Z"),
        // Only the zoo's, whose trace began long before.
        ("2023-11-15T03:13:20Z", "2023-11-15T04:00:00Z"),
    ];
    let traces: [(String, &[&str]); 2] = [
        (format!("trace_id in ('{OTHER}')"), &[OTHER]),
        (format!("trace_id = '{OTHER}' or '{TRACE}' = trace_id"), &[OTHER, TRACE]),
    ];
    for view in VIEWS {
        let all = server.sql(&format!("select * from {view}")).await;
        for (from, to) in windows {
            let within = |row: &&Value| {
                let at = time(row["time"].as_str().unwrap());
                time(from) <= at && at <= time(to)
            };
            let expected = sorted(all.iter().filter(within));
            let query = format!("select * from {view} where time between '{from}' and '{to}'");
            assert_eq!(sorted(server.sql(&query).await.iter()), expected, "{query}");
        }
        for (bound, ids) in &traces {
            let expected =
                sorted(all.iter().filter(|row| row["trace_id"].as_str().is_some_and(|id| ids.contains(&id))));
            let query = format!("select * from {view} where {bound}");
            assert_eq!(sorted(server.sql(&query).await.iter()), expected, "{query}");
        }
    }
}

fn sorted<'a>(rows: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut rows: Vec<String> = rows.map(Value::to_string).collect();
    rows.sort();
    rows
}
