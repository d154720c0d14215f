//! The SQL functions over a small lake: hot, half flushed and cold rows answer the same.

use serde_json::{Value, json};

use crate::support::server::{Home, Server};

/// 2023-11-14T22:14:00Z.
const MINUTE_0: u64 = 1_700_000_040;
const DAY: i64 = 86_400;

fn nanos(second: i64) -> String {
    (MINUTE_0.saturating_add_signed(second) * 1_000_000_000).to_string()
}

fn resource(service: &str, instance: &str, kind: &str, inner: &str, records: &[Value]) -> Value {
    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let attributes = [attribute("service.name", service), attribute("service.instance.id", instance)];
    json!({ "resource": { "attributes": attributes }, kind: [{ inner: records }] })
}

fn point(start: i64, time: i64, value: f64) -> Value {
    json!({ "startTimeUnixNano": nanos(start), "timeUnixNano": nanos(time), "asDouble": value })
}

fn buckets(start: i64, time: i64, counts: [u64; 3]) -> Value {
    json!({
        "startTimeUnixNano": nanos(start), "timeUnixNano": nanos(time), "count": counts.iter().sum::<u64>().to_string(),
        "bucketCounts": counts.map(|count| count.to_string()), "explicitBounds": [0.1, 1.0],
    })
}

fn exponential(start: i64, time: i64, scale: i32, offset: i32, counts: &[u64]) -> Value {
    let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
    let positive = json!({ "offset": offset, "bucketCounts": counts });
    json!({
        "startTimeUnixNano": nanos(start), "timeUnixNano": nanos(time), "count": counts.len().to_string(),
        "scale": scale, "zeroCount": "0", "positive": positive,
    })
}

/// Temporality 1 is delta, 2 is cumulative.
fn metric(name: &str, kind: &str, temporality: u8, points: &[Value]) -> Value {
    json!({ "name": name, kind: { "aggregationTemporality": temporality, "isMonotonic": true, "dataPoints": points } })
}

fn log(second: i64, severity: u8, trace: &str, body: Value) -> Value {
    json!({ "timeUnixNano": nanos(second), "severityNumber": severity, "traceId": trace, "spanId": "00000000000000a1", "body": body })
}

async fn send(server: &Server, path: &str, mut body: Value) {
    // `isMonotonic` is of sums alone.
    for resource in body["resourceMetrics"].as_array_mut().into_iter().flatten() {
        for metric in resource["scopeMetrics"][0]["metrics"].as_array_mut().unwrap() {
            for kind in ["histogram", "exponentialHistogram"] {
                if let Some(data) = metric[kind].as_object_mut() {
                    data.remove("isMonotonic");
                }
            }
            metric.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        }
    }
    let response =
        reqwest::Client::new().post(format!("{}{path}", server.otlp_http())).json(&body).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success() && text == "{}", "{status}: {text}");
}

const CHOSEN: &str = "000000000000000000c0000000000000";
const OTHER: &str = "000000000000000000bfffffffffffff";

async fn send_first(server: &Server) {
    let metrics = [
        metric("requests", "sum", 2, &[point(-3600, 0, 100.0), point(-3600, 60, 130.0)]),
        metric("latency", "histogram", 2, &[buckets(-3600, 0, [10, 0, 0]), buckets(-3600, 60, [10, 4, 0])]),
        metric("size", "exponentialHistogram", 1, &[exponential(0, 60, 0, -1, &[1, 2, 1])]),
    ];
    let other = [metric("requests", "sum", 1, &[point(0, 60, 4.0)])];
    let resources = [
        resource("shop", "i1", "scopeMetrics", "metrics", &metrics),
        resource("shop", "i2", "scopeMetrics", "metrics", &other),
    ];
    send(server, "/v1/metrics", json!({ "resourceMetrics": resources })).await;
    let logs = [
        log(0, 9, CHOSEN, json!({ "stringValue": "{\"user\": \"ann\", \"n\": 5}" })),
        log(1, 13, OTHER, json!({ "stringValue": "{\"user\": " })),
    ];
    send(server, "/v1/logs", json!({ "resourceLogs": [resource("shop", "i1", "scopeLogs", "logRecords", &logs)] }))
        .await;
}

async fn send_second(server: &Server) {
    let metrics = [
        // The first was sent before.
        metric("requests", "sum", 2, &[point(-3600, 60, 130.0), point(70, 120, 7.0)]),
        metric("latency", "histogram", 2, &[buckets(-3600, 60, [10, 4, 0]), buckets(70, 120, [2, 0, 0])]),
        metric("size", "exponentialHistogram", 1, &[exponential(60, 120, 1, 0, &[1, 1])]),
    ];
    let other = [metric("requests", "sum", 1, &[point(60, 120, 8.0)])];
    let tomorrow = [metric("latency", "histogram", 1, &[buckets(DAY, DAY + 60, [8, 0, 0])])];
    let resources = [
        resource("shop", "i1", "scopeMetrics", "metrics", &metrics),
        resource("shop", "i2", "scopeMetrics", "metrics", &other),
        resource("other", "i1", "scopeMetrics", "metrics", &tomorrow),
    ];
    send(server, "/v1/metrics", json!({ "resourceMetrics": resources })).await;
    let bob = json!({ "kvlistValue": { "values": [{ "key": "user", "value": { "stringValue": "bob" } }] } });
    let logs = [log(2, 18, CHOSEN, bob), log(DAY, 9, "", json!({ "stringValue": "plain" }))];
    send(server, "/v1/logs", json!({ "resourceLogs": [resource("shop", "i1", "scopeLogs", "logRecords", &logs)] }))
        .await;
    let span = |trace: &str| {
        json!({
            "traceId": trace, "spanId": "00000000000000a1", "name": "work", "kind": 2,
            "startTimeUnixNano": nanos(0), "endTimeUnixNano": nanos(1),
            "attributes": [{ "key": "http.route", "value": { "stringValue": format!("/{}", &trace[18..20]) } }],
        })
    };
    let spans = [span(CHOSEN), span(OTHER)];
    send(server, "/v1/traces", json!({ "resourceSpans": [resource("shop", "i1", "scopeSpans", "spans", &spans)] }))
        .await;
}

async fn check(server: &Server, when: &str) {
    let cases: [(&str, Value); 13] = [
        // 30, 7 after the restart, and the deltas 4 and 8, in two minutes.
        ("select increase() as n from metrics where metric_name = 'requests'", json!([{ "n": 49.0 }])),
        ("select round(rate() * 120, 9) as n from metrics where metric_name = 'requests'", json!([{ "n": 49.0 }])),
        (
            "select service_instance_id as i, increase() as n from metrics where metric_name = 'requests' group by i order by i",
            json!([{ "i": "i1", "n": 37.0 }, { "i": "i2", "n": 12.0 }]),
        ),
        (
            "select extract(minute from time_bucket('60.000s', time)) as m, sum(grown) as n
             from (select time, delta_value() over (partition by series_id) as grown from metrics where metric_name = 'requests')
             group by m order by m",
            json!([{ "m": 14, "n": null }, { "m": 15, "n": 34.0 }, { "m": 16, "n": 15.0 }]),
        ),
        // 2 up to 0.1 and 4 up to 1: the third of six is a quarter into the second bucket.
        (
            "select histogram_quantile(0.5, h) as q, h['count'] as n
             from (select histogram_merge() as h from metrics where metric_name = 'latency' and service_name = 'shop')",
            json!([{ "q": 0.325, "n": 6 }]),
        ),
        (
            "select m.time::text as t, m.value, m.count from metric_quantile('latency', 0.5, '1 minute') m
             where time < '2023-11-15T00:00:00Z' order by t",
            json!([
                { "t": "2023-11-14T22:15:00Z", "value": 0.55, "count": 4 },
                { "t": "2023-11-14T22:16:00Z", "value": 0.05, "count": 2 },
            ]),
        ),
        // 1 in (0.5, 1], 4 in (1, 2] and 1 in (2, 4]: the middle, on a logarithmic scale.
        (
            "select round(histogram_quantile(0.5, histogram_merge()), 2) as q from metrics where metric_name = 'size'",
            json!([{ "q": 1.41 }]),
        ),
        (
            "select round(histogram_quantile(0.5), 2) as q from metrics where metric_name = 'size' order by time limit 1",
            json!([{ "q": 1.41 }]),
        ),
        (
            "select body ->> 'user' as who, json_get_int(body, 'n') as n, body -> 'user' as j, level_name(severity_number) as l
             from logs order by time",
            json!([
                { "who": "ann", "n": 5, "j": "\"ann\"", "l": "INFO" },
                { "who": null, "n": null, "j": null, "l": "WARN" },
                { "who": "bob", "n": null, "j": "\"bob\"", "l": "ERROR" },
                { "who": null, "n": null, "j": null, "l": "INFO" },
            ]),
        ),
        (
            "select count(*) as n from logs where severity_number >= level_num('warn') and body ->> 'user' = 'bob'",
            json!([{ "n": 1 }]),
        ),
        // Of the ids' last 56 bits the one is at the threshold of a quarter, the other just below.
        (
            "select (select count(*) from logs where sample(trace_id, 0.25)) as logs, count(*) as spans from spans where sample(trace_id, 0.25)",
            json!([{ "logs": 2, "spans": 1 }]),
        ),
        (
            "select attributes['http.route'] as a, attributes -> 'http.route' as b, attr('http.route') as c from spans
             where attributes ->> 'http.route' = '/c0'",
            json!([{ "a": "/c0", "b": "/c0", "c": "/c0" }]),
        ),
        (
            "select level from trace_timeline where trace_id = '000000000000000000c0000000000000' and signal = 'log' order by time",
            json!([{ "level": "INFO" }, { "level": "ERROR" }]),
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(Value::Array(server.sql(query).await), expected, "{when}: {query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_half_flushed_and_cold_rows_answer_the_same() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    send_first(&server).await;
    server.flush().await;
    send_second(&server).await;
    check(&server, "half flushed").await;
    server.flush().await;
    check(&server, "cold").await;

    // Two days of logs and metrics are in files now, and the bounds leave out the one.
    for (query, expected) in [
        (
            "select count(*) from logs where time_bucket('1 day', time) >= '2023-11-15T00:00:00Z'",
            ["2023-11-15"].as_slice(),
        ),
        (
            "select time_bucket('1h', time) as t, count(*) from logs where time < '2023-11-15' group by t",
            &["2023-11-14"; 1],
        ),
        ("select * from metric_quantile('latency', 0.5, '1h') where time >= '2023-11-15T00:00:00Z'", &["2023-11-15"]),
    ] {
        let mut dates = dates(&server, query).await;
        dates.dedup();
        assert_eq!(dates, expected, "{query}");
    }
    // The lookup by `->` is the one that promoted columns answer.
    let plan =
        plan(&server, "select attributes ->> 'http.route' from spans where attributes['http.route'] = '/c0'").await;
    assert!(plan.contains("map_value(") && !plan.contains("json_as_text"), "{plan}");

    let wrong = "select time_bucket('5 minutes', service_name, 3) from logs";
    let request = reqwest::Client::new().post(format!("{}/v1/sql", server.http())).body(wrong);
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 400);
    let text = response.text().await.unwrap();
    assert!(text.contains("time_bucket takes (interval, time) or ('60.000s', time)"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_rows_answer() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    send_first(&server).await;
    send_second(&server).await;
    check(&server, "hot").await;
}

async fn plan(server: &Server, query: &str) -> String {
    let plan = server.sql(&format!("explain format indent {query}")).await;
    plan.iter().find(|row| row["plan_type"] == "physical_plan").unwrap()["plan"].as_str().unwrap().to_owned()
}

/// The dates of the files in a query's plan.
async fn dates(server: &Server, query: &str) -> Vec<String> {
    plan(server, query).await.split("/date=").skip(1).map(|after| after[..10].to_owned()).collect()
}
