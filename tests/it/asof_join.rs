//! Temporal joins over a lake: `metric_at` with expectations worked out by hand, and the files that they read.

use serde_json::{Value, json};

use crate::support::server::{Home, Server};

/// 2023-11-14T22:14:00Z.
const START: u64 = 1_700_000_040;
const DAY: f64 = 86_400.0;

fn nanos(second: f64) -> String {
    (START * 1_000_000_000).saturating_add_signed((second * 1e9).round() as i64).to_string()
}

fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

/// Of a service and, where it has a name, an instance.
fn resource(service: &str, instance: &str, kind: &str, inner: &str, records: &[Value]) -> Value {
    let mut pairs = vec![("service.name", service), ("service.instance.id", instance)];
    pairs.retain(|(_, value)| !value.is_empty());
    json!({ "resource": { "attributes": attributes(&pairs) }, kind: [{ inner: records }] })
}

fn span(service: &str, instance: &str, second: f64, name: &str) -> Value {
    let span = json!({
        "traceId": format!("{:032x}", 1), "spanId": format!("{:016x}", name.len()), "name": name, "kind": 2,
        "startTimeUnixNano": nanos(second), "endTimeUnixNano": nanos(second + 0.02),
    });
    resource(service, instance, "scopeSpans", "spans", &[span])
}

fn log(service: &str, instance: &str, second: f64, body: &str) -> Value {
    let log = json!({ "timeUnixNano": nanos(second), "severityText": "INFO", "body": { "stringValue": body } });
    resource(service, instance, "scopeLogs", "logRecords", &[log])
}

fn gauge(service: &str, instance: &str, name: &str, points: &[(f64, &str, f64)]) -> Value {
    let metric = json!({ "name": name, "unit": "1", "gauge": { "dataPoints": data_points(points) } });
    resource(service, instance, "scopeMetrics", "metrics", &[metric])
}

fn sum(service: &str, instance: &str, name: &str, points: &[(f64, &str, f64)]) -> Value {
    let sum = json!({ "dataPoints": data_points(points), "aggregationTemporality": 2, "isMonotonic": false });
    resource(service, instance, "scopeMetrics", "metrics", &[json!({ "name": name, "unit": "By", "sum": sum })])
}

/// Second, pool and value.
fn data_points(points: &[(f64, &str, f64)]) -> Vec<Value> {
    let point = |(second, pool, value): &(f64, &str, f64)| json!({ "timeUnixNano": nanos(*second), "asDouble": value, "attributes": attributes(&[("pool", pool)]) });
    points.iter().map(point).collect()
}

async fn send(server: &Server, path: &str, body: Value) {
    let url = format!("{}{path}", server.otlp_http());
    let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success() && text == "{}", "{status}: {text}");
}

async fn send_metrics(server: &Server) {
    let stale = json!({ "name": "queue", "unit": "1", "gauge": { "dataPoints": [{ "timeUnixNano": nanos(58.0), "flags": 1 }] } });
    let metrics = [
        gauge("shop", "i1", "queue", &[(0.0, "a", 5.0), (60.0, "a", 7.0), (60.0, "b", 9.0)]),
        resource("shop", "i1", "scopeMetrics", "metrics", &[stale]),
        gauge("shop", "i2", "queue", &[(30.0, "a", 100.0)]),
        gauge("pay", "", "queue", &[(10.0, "a", 42.0)]),
        gauge("shop", "i1", "other", &[(44.0, "a", -1.0)]),
        sum("shop", "i1", "used", &[(0.0, "a", 1.0), (0.0, "b", 2.0)]),
        // Sent twice.
        sum("shop", "i1", "used", &[(0.0, "a", 1.0)]),
    ];
    send(server, "/v1/metrics", json!({ "resourceMetrics": metrics })).await;
}

async fn send_records(server: &Server) {
    let spans = [
        span("shop", "i1", 0.0, "a"),
        span("shop", "i1", 59.5, "bb"),
        span("shop", "i1", 61.0, "ccc"),
        span("shop", "i1", 61.0, "ccc"),
        span("shop", "", 45.0, "dddd"),
        span("shop", "i3", 45.0, "eeeee"),
        span("zoo", "z1", 45.0, "ffffff"),
    ];
    send(server, "/v1/traces", json!({ "resourceSpans": spans })).await;
    let logs = [
        log("shop", "i1", -5.0, "early"),
        log("shop", "i1", 360.0, "just in time"),
        log("shop", "i1", 360.001, "late"),
        log("pay", "p1", 20.0, "of no instance"),
    ];
    send(server, "/v1/logs", json!({ "resourceLogs": logs })).await;
}

/// What happened, the value, its age and its instance.
const EXPECTED: [(&str, &str, Option<f64>, Option<f64>, Option<&str>); 10] = [
    ("span", "a", Some(5.0), Some(0.0), Some("i1")),
    // The point at 58 s has no value.
    ("span", "bb", Some(5.0), Some(59.5), Some("i1")),
    // Two series, averaged; the span was sent twice.
    ("span", "ccc", Some(8.0), Some(1.0), Some("i1")),
    // The span names no instance: the service's latest.
    ("span", "dddd", Some(100.0), Some(15.0), Some("i2")),
    ("span", "eeeee", None, None, None),
    ("span", "ffffff", None, None, None),
    ("log", "early", None, None, None),
    ("log", "just in time", Some(8.0), Some(300.0), Some("i1")),
    ("log", "late", None, None, None),
    // The point names no instance.
    ("log", "of no instance", Some(42.0), Some(10.0), None),
];

async fn check(server: &Server, when: &str) {
    let columns = "signal, coalesce(name, text) as what, metric_value, metric_age_seconds, metric_instance";
    let rows = server.sql(&format!("select {columns} from metric_at('queue') order by signal desc, what")).await;
    let expected = EXPECTED.map(|(signal, what, value, age, instance)| {
        json!({ "signal": signal, "what": what, "metric_value": value, "metric_age_seconds": age, "metric_instance": instance })
    });
    assert_eq!(rows, expected, "{when}");

    let whole = server.sql("select * from metric_at('queue', interval '1 hour') where text = 'late'").await;
    let expected = json!({
        "trace_id": null, "time": "2023-11-14T22:20:00.001Z", "time_nanos": 0, "signal": "log", "service_name": "shop",
        "instance": "i1", "span_id": null, "name": null, "level": "INFO", "duration_ms": null, "text": "late",
        "attributes": {}, "metric_value": 8.0, "metric_unit": "1", "metric_time": "2023-11-14T22:15:00Z",
        "metric_age_seconds": 300.001, "metric_instance": "i1",
    });
    assert_eq!(whole, [expected], "{when}");

    // Series of a sum are added up, equal points of one once.
    let used = server
        .sql("select sum(metric_value) as used, count(*) as n from metric_at(metric_name => 'used') where name in ('a', 'bb') and metric_unit = 'By'")
        .await;
    assert_eq!(used, [json!({ "used": 6.0, "n": 2 })], "{when}");

    // By hand, of one series; through a join, a filter and a group.
    let by_hand = server
        .sql(
            "select s.name, m.value from spans s
             asof join (select * from metrics where attributes['pool'] = 'b' and metric_name = 'queue') as m
                 match_condition (s.time >= m.time)
                 on s.service_name = m.service_name and s.service_instance_id = m.service_instance_id
             where m.value is not null group by s.name, m.value",
        )
        .await;
    assert_eq!(by_hand, [json!({ "name": "ccc", "value": 9.0 })], "{when}");
}

#[rstest::rstest]
#[case::metrics_flushed(true)]
#[case::nothing_flushed(false)]
#[tokio::test(flavor = "multi_thread")]
async fn each_record_has_the_value_of_its_moment(#[case] half: bool) {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    assert_eq!(server.sql("select * from metric_at('queue')").await, Vec::<Value>::new());
    send_metrics(&server).await;
    if half {
        server.flush().await;
    }
    send_records(&server).await;
    check(&server, if half { "half flushed" } else { "hot" }).await;
    server.flush().await;
    check(&server, "cold").await;
}

/// Table and date of every file in a query's plan.
async fn files(server: &Server, query: &str) -> Vec<String> {
    let plan = server.sql(&format!("explain format indent {query}")).await;
    let physical = plan.iter().find(|row| row["plan_type"] == "physical_plan").unwrap()["plan"].as_str().unwrap();
    let mut files = Vec::new();
    for (place, _) in physical.match_indices("/date=") {
        let table = physical[..place].rsplit('/').next().unwrap();
        files.push(format!("{table} {}", &physical[place + "/date=".len()..][..10]));
    }
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_on_the_left_leaves_out_files_of_both_sides() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    for day in 0..4 {
        let second = f64::from(day) * DAY;
        send(&server, "/v1/traces", json!({ "resourceSpans": [span("shop", "i1", second, "a")] })).await;
        send(&server, "/v1/logs", json!({ "resourceLogs": [log("shop", "i1", second, "b")] })).await;
        let queue = gauge("shop", "i1", "queue", &[(second, "a", 1.0)]);
        send(&server, "/v1/metrics", json!({ "resourceMetrics": [queue] })).await;
    }
    server.flush().await;
    let on_the_15th = "time >= '2023-11-15T00:00:00Z' and time < '2023-11-16T00:00:00Z'";
    let day = |table: &str, day: u8| format!("{table} 2023-11-{day}");
    let each = |table: &str, times: usize| (14..18).flat_map(|d| vec![day(table, d); times]).collect::<Vec<_>>();

    // Metrics are read twice, once for the instance and once for the service.
    let all = files(&server, "select * from metric_at('queue')").await;
    assert_eq!(all, [each("logs", 1), each("metrics", 2), each("spans", 1)].concat());
    let bounded = files(&server, &format!("select * from metric_at('queue') where {on_the_15th}")).await;
    assert_eq!(bounded, [day("logs", 15), day("metrics", 15), day("metrics", 15), day("spans", 15)]);
    let of_logs = format!(
        "with m as (select * from metric_at('queue') as a where signal = 'log') select time, metric_value from m where {on_the_15th}"
    );
    assert_eq!(files(&server, &of_logs).await, [day("logs", 15), day("metrics", 15), day("metrics", 15)]);
    // As far as the tolerance reaches: a day and two hours before, but not two days.
    let far = files(
        &server,
        "select * from metric_at('queue', interval '26 hours') where signal = 'span' and time = '2023-11-16T22:14:00Z'",
    )
    .await;
    assert_eq!(far, [day("metrics", 15), day("metrics", 15), day("metrics", 16), day("metrics", 16), day("spans", 16)]);

    let join = |condition: &str| {
        format!(
            "select l.body, m.value from logs l asof join metrics m match_condition ({condition}) using (service_name)"
        )
    };
    // Without a tolerance only what is later is left out.
    let until = format!("{} where l.{}", join("l.time >= m.time"), on_the_15th.replace("and time", "and l.time"));
    assert_eq!(files(&server, &until).await, [day("logs", 15), day("metrics", 14), day("metrics", 15)]);
    let after = join("l.time < m.time and m.time - l.time <= interval '25 hours'");
    let after = format!("{after} where l.time > '2023-11-15T12:00:00Z' and l.time <= '2023-11-15T22:14:00Z'");
    assert_eq!(files(&server, &after).await, [day("logs", 15), day("metrics", 15), day("metrics", 16)]);
    assert_eq!(server.sql(&after).await, [json!({ "body": "b", "value": 1.0 })]);
    // A view on the right is bounded too, by way of its own tables.
    let of_view = format!(
        "select l.body, h.memory from logs l asof join service_health h
         match_condition (l.time >= h.time and l.time - h.time <= interval '5 minutes') using (service_name)
         where l.{}",
        on_the_15th.replace("and time", "and l.time")
    );
    let read = files(&server, &of_view).await;
    assert!(read.len() > 3 && read.iter().all(|file| file.ends_with(" 2023-11-15")), "{read:?}");
    // A key that the left is asked for is asked of the right: no file has it.
    let of_zoo = format!("{} where service_name = 'zoo'", join("l.time >= m.time"));
    assert_eq!(files(&server, &of_zoo).await, Vec::<String>::new());

    let analyzed = server.sql(&format!("explain analyze select * from metric_at('queue') where {on_the_15th}")).await;
    let text = analyzed[0]["plan"].as_str().unwrap();
    assert_eq!(text.matches("AsofJoinExec: ").count(), 2, "{text}");
    assert!(text.lines().any(|line| line.contains("AsofJoinExec: ") && line.contains("output_rows=2")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_condition_is_answered_with_the_form() {
    let home = Home::new("");
    let server = home.serve();
    let query = "select * from logs l asof join spans s match_condition (l.time = s.time) on l.trace_id = s.trace_id";
    let response = reqwest::Client::new().post(format!("{}/v1/sql", server.http())).body(query).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let text = response.text().await.unwrap();
    assert!(text.contains("MATCH_CONDITION (l.time >= r.time)"), "{text}");
}
