//! The view `service_health` over what real senders do wrong or differently, with expectations computed by hand.

use serde_json::{Value, json};

use crate::support::server::{Home, Server};

/// 2023-11-14T22:14:00Z.
pub const MINUTE_0: u64 = 1_700_000_040;
pub const DAY: u64 = 86_400;

pub fn nanos(second: f64) -> String {
    (MINUTE_0 * 1_000_000_000).saturating_add_signed((second * 1e9).round() as i64).to_string()
}

pub fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

pub fn resource(pairs: &[(&str, &str)], kind: &str, inner: &str, records: &[Value]) -> Value {
    json!({ "resource": { "attributes": attributes(pairs) }, kind: [{ inner: records }] })
}

/// Service, namespace and environment.
pub const SHOP: &[(&str, &str)] =
    &[("service.name", "shop"), ("service.namespace", "web"), ("deployment.environment.name", "prod")];

fn shop(instance: &str) -> Vec<(&str, &str)> {
    [SHOP, &[("service.instance.id", instance)]].concat()
}

/// A span of trace `trace` that starts at a second past minute 0 and takes so many milliseconds.
pub fn span(trace: u8, id: u8, parent: u8, kind: u8, start: f64, ms: f64) -> Value {
    let id_of = |id: u8| if id == 0 { String::new() } else { format!("{id:016x}") };
    json!({
        "traceId": format!("{trace:032x}"), "spanId": id_of(id), "parentSpanId": id_of(parent), "name": "work",
        "kind": kind, "startTimeUnixNano": nanos(start), "endTimeUnixNano": nanos(start + ms / 1e3),
    })
}

pub fn with(mut record: Value, key: &str, value: Value) -> Value {
    record[key] = value;
    record
}

pub fn log(second: f64, severity: u8) -> Value {
    json!({ "timeUnixNano": nanos(second), "severityNumber": severity, "body": { "stringValue": "said" } })
}

pub fn point(second: f64, value: f64, attributes_of: &[(&str, &str)]) -> Value {
    json!({ "timeUnixNano": nanos(second), "asDouble": value, "attributes": attributes(attributes_of) })
}

pub fn since(start: f64, point: Value) -> Value {
    with(point, "startTimeUnixNano", json!(nanos(start)))
}

pub fn gauge(name: &str, unit: &str, points: &[Value]) -> Value {
    json!({ "name": name, "unit": unit, "gauge": { "dataPoints": points } })
}

/// Temporality 1 is delta, 2 is cumulative.
pub fn counter(name: &str, temporality: u8, points: &[Value]) -> Value {
    let sum = json!({ "dataPoints": points, "aggregationTemporality": temporality, "isMonotonic": true });
    json!({ "name": name, "unit": "s", "sum": sum })
}

pub async fn send(server: &Server, path: &str, body: Value) {
    let url = format!("{}{path}", server.otlp_http());
    let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success() && text == "{}", "{status}: {text}");
}

async fn send_spans(server: &Server) {
    let quick = span(1, 1, 0, 2, 1.0, 10.0);
    let failed = with(span(2, 2, 0, 2, 2.0, 30.0), "status", json!({ "code": 2 }));
    let worker: &[(&str, &str)] = &[("service.name", "worker")];
    let cron: &[(&str, &str)] = &[("service.name", "cron"), ("service.namespace", "web")];
    let spans = [
        // Minute 0 of the shop: one stored twice, one that failed and stands for four, one that ends before it starts.
        resource(
            SHOP,
            "scopeSpans",
            "spans",
            &[quick.clone(), with(failed, "traceState", json!("ot=th:c")), span(3, 3, 0, 2, 59.9, -5.0)],
        ),
        resource(SHOP, "scopeSpans", "spans", &[quick]),
        // None of these is a request: a call, and a root beside a server span of the same service and trace.
        resource(SHOP, "scopeSpans", "spans", &[span(1, 4, 1, 3, 1.001, 5.0), span(1, 5, 0, 1, 1.0, 50.0)]),
        // Minute 2: one of 10 ms, and one of 30 ms that stands for 64.
        resource(
            SHOP,
            "scopeSpans",
            "spans",
            &[span(6, 6, 0, 2, 121.0, 10.0), with(span(7, 7, 0, 2, 122.0, 30.0), "traceState", json!("ot=th:fc"))],
        ),
        // No namespace, no environment.
        resource(worker, "scopeSpans", "spans", &[span(1, 10, 4, 5, 3.0, 7.0)]),
        // No server span: what enters the service is a request. 20 is a root, 21 its child, 22 comes from the shop, 23's
        // parent is not here, 24's is not here either but local by its flags, 25 is 20's child an hour later.
        resource(
            cron,
            "scopeSpans",
            "spans",
            &[
                span(20, 20, 0, 1, 4.0, 20.0),
                span(20, 21, 20, 3, 4.001, 500.0),
                span(1, 22, 4, 1, 5.0, 20.0),
                span(21, 23, 99, 1, 6.0, 20.0),
                with(span(21, 24, 98, 1, 7.0, 500.0), "flags", json!(0x100)),
                span(20, 25, 20, 1, 3605.0, 1.0),
            ],
        ),
    ];
    send(server, "/v1/traces", json!({ "resourceSpans": spans })).await;
}

async fn send_logs(server: &Server) {
    let logs = [
        resource(SHOP, "scopeLogs", "logRecords", &[log(0.0, 9), log(59.999, 17), log(59.999, 17), log(180.0, 21)]),
        resource(&[("service.name", "shop")], "scopeLogs", "logRecords", &[log(1.0, 9)]),
    ];
    send(server, "/v1/logs", json!({ "resourceLogs": logs })).await;
}

async fn send_metrics(server: &Server) {
    let (user, system, wait) = ([("cpu.mode", "user")], [("cpu.mode", "system")], [("cpu.mode", "wait")]);
    let cumulative = [
        since(-3600.0, point(-20.0, 100.0, &user)),
        since(-3600.0, point(-20.0, 10.0, &system)),
        since(-3600.0, point(-20.0, 5.0, &wait)),
        // 30 s and 6 s of CPU in 60 s: 0.6.
        since(-3600.0, point(40.0, 130.0, &user)),
        since(-3600.0, point(40.0, 16.0, &system)),
        since(-3600.0, point(40.0, 50.0, &wait)),
        // Started again at 70 s, so 12 s and 3 s in 30 s: 0.5.
        since(70.0, point(100.0, 12.0, &user)),
        since(70.0, point(100.0, 3.0, &system)),
    ];
    let delta = [since(-1.0, point(29.0, 15.0, &user)), since(29.0, point(59.0, 30.0, &user))];
    // A counter that falls without a new start: 4 s in 10 s; before it, an earlier point too far back to count from.
    let falls = [point(-1200.0, 0.5, &[]), point(210.0, 70.0, &[]), point(220.0, 4.0, &[])];
    let memory = point(40.0, 300.0, &[]);
    let metrics = [
        resource(
            &shop("i1"),
            "scopeMetrics",
            "metrics",
            &[
                counter("process.cpu.time", 2, &cumulative),
                gauge("container.cpu.usage", "{cpu}", &[point(30.0, 9.0, &[]), point(90.0, 9.0, &[])]),
                gauge("container.memory.working_set", "By", &[point(30.0, 999.0, &[])]),
                gauge("process.memory.usage", "By", &[point(10.0, 100.0, &[]), memory.clone(), memory]),
            ],
        ),
        resource(
            &shop("i2"),
            "scopeMetrics",
            "metrics",
            &[
                // 45 s in 60 s: 0.75.
                counter("process.cpu.time", 1, &delta),
                gauge("k8s.pod.cpu.usage", "{cpu}", &[point(30.0, 9.0, &[])]),
                gauge("container.memory.usage", "KiBy", &[point(30.0, 2.0, &[])]),
                gauge("container.memory.working_set", "KiBy", &[point(30.0, 1.0, &[])]),
                gauge("k8s.pod.memory.usage", "furlong", &[point(90.0, 7.0, &[])]),
            ],
        ),
        // A pod is an instance, whoever else gives it a name.
        resource(
            &[SHOP, &[("service.instance.id", "x"), ("k8s.pod.name", "pod")]].concat(),
            "scopeMetrics",
            "metrics",
            &[gauge("process.cpu.utilization", "1", &[point(121.0, 0.25, &user), point(121.0, 0.125, &system)])],
        ),
        resource(
            &[SHOP, &[("k8s.pod.name", "pod")]].concat(),
            "scopeMetrics",
            "metrics",
            &[
                gauge("jvm.cpu.count", "{cpu}", &[point(122.0, 8.0, &[])]),
                gauge("container.cpu.usage", "{cpu}", &[point(122.0, 9.0, &[])]),
                gauge(
                    "jvm.memory.used",
                    "By",
                    &[point(122.0, 10.0, &[("pool", "a")]), point(122.0, 20.0, &[("pool", "b")])],
                ),
            ],
        ),
        resource(&shop("i4"), "scopeMetrics", "metrics", &[counter("container.cpu.time", 2, &falls)]),
        // As Prometheus' metrics come, with OpenMetrics' words for units: 10 s in 20 s.
        resource(
            &shop("i5"),
            "scopeMetrics",
            "metrics",
            &[
                with(
                    counter(
                        "process_cpu_seconds_total",
                        2,
                        &[since(-3600.0, point(240.0, 10.0, &[])), since(-3600.0, point(260.0, 20.0, &[]))],
                    ),
                    "unit",
                    json!("seconds"),
                ),
                gauge("process_resident_memory_bytes", "bytes", &[point(250.0, 512.0, &[])]),
            ],
        ),
        // No service: what a kubelet says of pods.
        resource(
            &[("k8s.pod.name", "p1")],
            "scopeMetrics",
            "metrics",
            &[gauge("k8s.pod.cpu.usage", "{cpu}", &[point(1.0, 0.5, &[])])],
        ),
        resource(
            &[("k8s.pod.name", "p2")],
            "scopeMetrics",
            "metrics",
            &[gauge("k8s.pod.cpu.usage", "m{cpu}", &[point(1.0, 250.0, &[])])],
        ),
        // Of no use to the view.
        resource(SHOP, "scopeMetrics", "metrics", &[gauge("queue.length", "1", &[point(600.0, 1.0, &[])])]),
    ];
    send(server, "/v1/metrics", json!({ "resourceMetrics": metrics })).await;
}

/// Service, namespace, environment, minute, requests, errors, logs, error logs, cpu and memory.
type Row = (&'static str, Option<&'static str>, Option<&'static str>, u8, [i64; 4], Option<f64>, Option<f64>);

const EXPECTED: &[Row] = &[
    ("cron", Some("web"), None, 0, [3, 0, 0, 0], None, None),
    ("shop", Some("web"), Some("prod"), 0, [6, 4, 3, 2], Some(0.6 + 0.75), Some(200.0 + 1024.0)),
    ("shop", None, None, 0, [0, 0, 1, 0], None, None),
    ("unknown_service", None, None, 0, [0, 0, 0, 0], Some(0.75), None),
    ("worker", None, None, 0, [1, 0, 0, 0], None, None),
    ("shop", Some("web"), Some("prod"), 1, [0, 0, 0, 0], Some(0.5), None),
    ("shop", Some("web"), Some("prod"), 2, [65, 0, 0, 0], Some(0.375 * 8.0), Some(30.0)),
    ("shop", Some("web"), Some("prod"), 3, [0, 0, 1, 1], Some(4.0 / 10.0), None),
    ("shop", Some("web"), Some("prod"), 4, [0, 0, 0, 0], Some(10.0 / 20.0), Some(512.0)),
    ("cron", Some("web"), None, 60, [1, 0, 0, 0], None, None),
];

fn assert_rows(rows: &[Value], expected: &[&Row], when: &str) {
    assert_eq!(rows.len(), expected.len(), "{when}: {rows:#?}");
    for (row, (service, namespace, environment, minute, counts, cpu, memory)) in rows.iter().zip(expected) {
        let key = json!([service, namespace, environment]);
        let got = json!([row["service_name"], row["service_namespace"], row["deployment_environment_name"]]);
        assert_eq!(got, key, "{when}: {row}");
        let time = chrono::DateTime::from_timestamp(MINUTE_0 as i64 + i64::from(*minute) * 60, 0).unwrap();
        assert_eq!(
            row["time"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap(),
            time,
            "{when}: {row}"
        );
        let got = json!([row["requests"], row["errors"], row["logs"], row["error_logs"]]);
        assert_eq!(got, json!(counts), "{when}: {row}");
        for (name, expected) in [("cpu", cpu), ("memory", memory)] {
            let got = row[name].as_f64();
            let equal = match (got, expected) {
                (Some(got), Some(expected)) => (got - expected).abs() < 1e-9,
                (got, expected) => got.is_none() && expected.is_none(),
            };
            assert!(equal, "{when}: {name} is {got:?}, not {expected:?}: {row}");
        }
    }
}

const ORDER: &str = "order by time, service_name, service_namespace nulls last";

async fn check(server: &Server, when: &str) {
    let rows = server.sql(&format!("select * from service_health {ORDER}")).await;
    assert_rows(&rows, &EXPECTED.iter().collect::<Vec<_>>(), when);
    let percentiles = |row: &Value| ["p50_ms", "p95_ms", "p99_ms"].map(|name| row[name].as_f64());
    assert_eq!(percentiles(&rows[0]), [Some(20.0); 3], "{when}");
    // The request that ends before it starts is in no percentile.
    let [p50, _, p99] = percentiles(&rows[1]);
    assert!(p50.unwrap() > 10.0 && p99 == Some(30.0), "{when}: {rows:#?}");
    assert_eq!(percentiles(&rows[4]), [Some(7.0); 3], "{when}");
    assert_eq!(percentiles(&rows[5]), [None; 3], "{when}");
    // Of 65 requests, 64 took 30 ms.
    assert!(percentiles(&rows[6])[0].unwrap() > 29.0, "{when}: {rows:#?}");
}

/// Bounds leave out what is not needed, and nothing that is: each answer is the unbounded answer's part.
async fn check_bounds(server: &Server) {
    for (query, minutes) in [
        ("service_health where time >= '2023-11-14T22:15:00Z' and time < '2023-11-14T22:16:00Z'", 1..2),
        ("service_health as h where h.time = timestamp '2023-11-14T22:15:00Z'", 1..2),
        ("service_health where time between '2023-11-14T22:14:00Z' and timestamp '2023-11-14T22:15:00Z'", 0..2),
        ("service_health where timestamp '2023-11-14T22:15:59Z' < time and time < '2023-11-14T22:17:30Z'", 2..4),
        ("service_health where time > to_timestamp(1700000040) + interval '1 hour' - interval '1 minute'", 60..61),
        ("(select cpu as c, h.* from service_health h) as x where time < '2023-11-14T22:14:30Z'", 0..1),
        ("service_health where date_trunc('hour', time) = timestamp '2023-11-14T23:00:00Z'", 60..61),
    ] {
        let rows = server.sql(&format!("select * from {query} {ORDER}")).await;
        let expected: Vec<_> = EXPECTED.iter().filter(|row| minutes.contains(&row.3)).collect();
        assert_rows(&rows, &expected, query);
    }
    // A join that keeps rows without a partner: the bound is on its answer, not on the view.
    let joined = server
        .sql("select count(*) as n from (values (1)) as one(n) left join service_health h on h.requests = 65 where h.time > timestamp '2030-01-01' or h.time is null")
        .await;
    assert_eq!(joined, [json!({ "n": 0 })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_of_a_service_is_counted_from_all_three_signals() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    send_spans(&server).await;
    send_logs(&server).await;
    send_metrics(&server).await;
    check(&server, "hot").await;
    check_bounds(&server).await;
    server.flush().await;
    check(&server, "cold").await;
}

/// One request, one log and one point, in the second after minute 0 of some day.
async fn send_day(server: &Server, day: u64) {
    let second = (day * DAY) as f64;
    let spans = [resource(SHOP, "scopeSpans", "spans", &[span(1, 1, 0, 2, second, 10.0)])];
    send(server, "/v1/traces", json!({ "resourceSpans": spans })).await;
    let logs = [resource(SHOP, "scopeLogs", "logRecords", &[log(second, 9)])];
    send(server, "/v1/logs", json!({ "resourceLogs": logs })).await;
    let memory = gauge("process.memory.usage", "By", &[point(second, 1.0, &[])]);
    let metrics = [resource(SHOP, "scopeMetrics", "metrics", &[memory])];
    send(server, "/v1/metrics", json!({ "resourceMetrics": metrics })).await;
}

/// The dates of the files in a query's plan, one entry a scan of a file.
pub async fn dates(server: &Server, query: &str) -> Vec<String> {
    let plan = server.sql(&format!("explain format indent {query}")).await;
    let physical = plan.iter().find(|row| row["plan_type"] == "physical_plan").unwrap()["plan"].as_str().unwrap();
    physical.split("/date=").skip(1).map(|after| after[..10].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_on_the_views_time_leaves_out_files_of_every_table() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    for day in 0..4 {
        send_day(&server, day).await;
    }
    server.flush().await;
    let all = dates(&server, "select * from service_health").await;
    // Two scans for the requests and two for what decides that a span is one, one of logs, one of metrics.
    let scans = 6;
    assert_eq!(all.len(), 4 * scans, "{all:?}");
    for query in [
        "select * from service_health where time >= '2023-11-15T00:00:00Z' and time < '2023-11-16T00:00:00Z'",
        "select * from service_health h join (values ('shop')) as s(name) on h.service_name = s.name
         where h.time between timestamp '2023-11-15T00:00:00Z' and timestamp '2023-11-15T23:59:00Z'",
        "with h as (select time as t, requests from service_health)
         select t, sum(requests) from h where t >= '2023-11-15' and t < '2023-11-16' group by t",
    ] {
        let some = dates(&server, query).await;
        assert!(some.len() == scans && some.iter().all(|date| date == "2023-11-15"), "{some:?}\n{query}");
    }
    // What would bound nothing on its own.
    for query in [
        "select * from service_health where time >= '2023-11-15T00:00:00Z' or requests > 0",
        "select * from (select * from service_health order by time limit 1) where time >= '2023-11-17T00:00:00Z'",
    ] {
        assert_eq!(dates(&server, query).await.len(), all.len(), "{query}");
    }
    assert_eq!(server.number("select count(*) from (select * from service_health order by time limit 1) where time >= '2023-11-17T00:00:00Z'").await, 0);
}
