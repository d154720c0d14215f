//! The views of `sql/` over a small lake with dirty rows: duplicates, missing parents, NULL ids, clock skew.

use serde_json::{Value, json};

use crate::support::server::{Home, Server};

const START: u64 = 1_700_000_000_000_000_000;
const MS: u64 = 1_000_000;
const HOUR: u64 = 3_600_000 * MS;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

fn span(id: &str, parent: &str, name: &str, at: u64, took: i64, status: u8) -> Value {
    json!({
        "traceId": TRACE, "spanId": id, "parentSpanId": parent, "name": name, "kind": 2,
        "startTimeUnixNano": (START + at).to_string(),
        "endTimeUnixNano": (START + at).saturating_add_signed(took).to_string(),
        "status": { "code": status },
    })
}

fn log(id: &str, trace: &str, at: u64, severity: u8, text: &str) -> Value {
    json!({
        "traceId": trace, "spanId": id, "timeUnixNano": (START + at).to_string(),
        "severityNumber": severity, "body": { "stringValue": text },
    })
}

fn resource(service: &str, kind: &str, inner: &str, records: &[Value]) -> Value {
    json!({ "resource": { "attributes": attributes(&[("service.name", service)]) }, kind: [{ inner: records }] })
}

async fn send(server: &Server, path: &str, body: Value) {
    let url = format!("{}{path}", server.otlp_http());
    let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success() && text == "{}", "{status}: {text}");
}

/// One trace over two services. `a1` is the root, `b1` its child, sent twice; `b2` has a parent that is not here and
/// ends before it starts; `b1` is also the id of a span of another service, five hours later.
async fn dirty(server: &Server) {
    let mut failing = span("00000000000000b1", "00000000000000a1", "charge", 10 * MS, 20 * MS as i64, 2);
    failing["status"]["message"] = json!("card refused");
    failing["events"] = json!([{
        "timeUnixNano": (START + 15 * MS).to_string(), "name": "exception",
        "attributes": attributes(&[("exception.type", "Refused"), ("exception.message", "no funds")]),
    }]);
    let mut root = span("00000000000000a1", "", "GET /buy", 0, 50 * MS as i64, 0);
    root["traceState"] = json!("ot=th:c");
    let skewed = span("00000000000000b2", "00000000000000ff", "late", 40 * MS, -5 * (MS as i64), 0);
    let reused = span("00000000000000b1", "", "other", 5 * HOUR, MS as i64, 0);
    let mut no_ids = span("", "", "nobody", 0, 1, 0);
    no_ids["traceId"] = json!("");
    send(
        server,
        "/v1/traces",
        json!({ "resourceSpans": [
        resource("shop", "scopeSpans", "spans", &[root, no_ids]),
        resource("pay", "scopeSpans", "spans", &[failing.clone(), skewed]),
        resource("pay", "scopeSpans", "spans", &[failing]),
        resource("zoo", "scopeSpans", "spans", &[reused]),
    ] }),
    )
    .await;
    send(
        server,
        "/v1/logs",
        json!({ "resourceLogs": [
        resource("pay", "scopeLogs", "logRecords", &[
            log("00000000000000b1", TRACE, 16 * MS, 17, "refused"),
            log("00000000000000b1", TRACE, 16 * MS, 17, "refused"),
            log("00000000000000b1", TRACE, 3 * HOUR, 9, "long after"),
            log("00000000000000b1", TRACE, 5 * HOUR, 9, "beside the other"),
            log("00000000000000ee", TRACE, 17 * MS, 9, "span unknown"),
            log("", "", 18 * MS, 9, "no trace"),
        ]),
    ] }),
    )
    .await;
    send(server, "/v1/metrics", json!({ "resourceMetrics": [
        resource("shop", "scopeMetrics", "metrics", &[json!({ "name": "latency", "unit": "ms", "gauge": { "dataPoints": [{
            "timeUnixNano": (START + 60 * MS).to_string(), "asDouble": 50.0,
            "exemplars": [{ "timeUnixNano": (START + 49 * MS).to_string(), "asDouble": 50.0, "traceId": TRACE, "spanId": "00000000000000a1" }],
        }] } })]),
    ] }))
    .await;
}

async fn check(server: &Server, when: &str) {
    let logs = server.sql("select body, span_name, span_service_name, span_duration_ms, span_status_code, span_kind from span_logs order by time, body").await;
    let got: Vec<_> = logs.iter().map(|row| (row["body"].as_str().unwrap(), row["span_name"].as_str())).collect();
    assert_eq!(
        got,
        [
            ("refused", Some("charge")),
            ("refused", Some("charge")),
            ("span unknown", None),
            ("no trace", None),
            ("long after", None),
            ("beside the other", Some("other")),
        ],
        "{when}"
    );
    let refused = json!({ "body": "refused", "span_name": "charge", "span_service_name": "pay", "span_duration_ms": 20.0, "span_status_code": "ERROR", "span_kind": "SERVER" });
    assert_eq!(logs[0], refused, "{when}");

    let traces = server.sql("select * from traces").await;
    assert_eq!(traces.len(), 1, "{when}: {traces:?}");
    let expected = json!({
        "trace_id": TRACE,
        "time": "2023-11-14T22:13:20Z",
        "duration_ms": 5.0 * 3_600_000.0 + 1.0,
        "root_service": "shop",
        "root_name": "GET /buy",
        // a1 stands for 4 of its like (ot=th:c), b1 is stored twice and counts once.
        "span_count": 7,
        "stored_span_count": 4,
        "error_count": 1,
        "services": ["pay", "shop", "zoo"],
        "log_count": 5,
        "error_log_count": 2,
    });
    assert_eq!(traces[0], expected, "{when}");

    let timeline = server
        .sql(&format!("select signal, service_name, name, level, duration_ms, text from trace_timeline where trace_id = '{TRACE}' and time < timestamp '2023-11-14T23:00:00Z' order by time, time_nanos, signal, text"))
        .await;
    let got: Vec<_> = timeline
        .iter()
        .map(|row| (row["signal"].as_str().unwrap(), row["name"].as_str(), row["text"].as_str()))
        .collect();
    assert_eq!(
        got,
        [
            ("span", Some("GET /buy"), None),
            ("span", Some("charge"), Some("card refused")),
            ("event", Some("exception"), Some("no funds")),
            ("log", None, Some("refused")),
            ("log", None, Some("refused")),
            ("log", None, Some("span unknown")),
            ("span", Some("late"), None),
            ("exemplar", Some("latency"), Some("50.0 ms")),
        ],
        "{when}"
    );
    assert_eq!(timeline[3]["level"], "ERROR", "{when}");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_mean_what_their_heads_say_hot_and_cold() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    dirty(&server).await;
    check(&server, "hot").await;
    server.flush().await;
    check(&server, "cold").await;
    // The order of the time line is the view's own.
    let rows = server
        .sql(&format!("select cast(time as bigint) as us, time from trace_timeline where trace_id = '{TRACE}'"))
        .await;
    let times: Vec<_> = rows.iter().map(|row| row["us"].as_i64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    // The same story at the prompt, in any spelling of the id.
    let spelled = TRACE.to_uppercase();
    let output =
        crate::support::server::telestrata().args(["trace", "--connect", &server.http(), &spelled]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["GET /buy", "charge", "card refused", "no funds", "refused"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let unknown = crate::support::server::telestrata()
        .args(["trace", "--connect", &server.http(), &"1".repeat(32)])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_on_an_empty_lake_are_empty() {
    let home = Home::new("");
    let server = home.serve();
    for view in crate::cross_signal::VIEWS.into_iter().chain(["service_health"]) {
        assert_eq!(server.sql(&format!("select * from {view}")).await, Vec::<Value>::new());
    }
}

/// A map lookup, `attr` and a promoted column agree, hot and cold, whether a file's column is exact or not, before and
/// after a promotion.
#[tokio::test(flavor = "multi_thread")]
async fn attribute_lookups_agree_however_they_are_answered() {
    let mut home = Home::new("[flush]\nage = \"1h\"\n");
    let logs = |rows: &[(&str, &str)], resource: &[(&str, &str)]| {
        let records: Vec<_> = rows
            .iter()
            .map(|(key, value)| json!({ "timeUnixNano": START.to_string(), "traceId": TRACE, "attributes": attributes(&[(key, value)]) }))
            .collect();
        json!({ "resourceLogs": [{ "resource": { "attributes": attributes(resource) }, "scopeLogs": [{ "logRecords": records }] }] })
    };
    let server = home.serve();
    // Exact for the new name; then misfits, the old name, and the same key in the resource.
    send(
        &server,
        "/v1/logs",
        logs(&[("http.response.status_code", "200"), ("http.response.status_code", "404"), ("tenant.id", "7")], &[]),
    )
    .await;
    server.flush().await;
    send(
        &server,
        "/v1/logs",
        logs(
            &[("http.response.status_code", "0200"), ("http.status_code", "500")],
            &[("http.response.status_code", "1")],
        ),
    )
    .await;
    server.flush().await;
    server.terminate();
    home.reconfigure("[flush]\nage = \"1h\"\n[[promoted]]\nname = \"tenant\"\ntype = \"long\"\nfrom = [\"attributes['tenant.id']\"]\n");
    let server = home.serve();
    send(&server, "/v1/logs", logs(&[("tenant.id", "8"), ("tenant.id", "eight")], &[])).await;
    for when in ["hot", "cold"] {
        let rows = server
            .sql("select attributes['http.response.status_code'] as map, attr('http.response.status_code') as any, http_response_status_code as col from logs order by map nulls last, any nulls last, col nulls last")
            .await;
        let expected = json!([
            { "map": "0200", "any": "0200", "col": null },
            { "map": "200", "any": "200", "col": 200 },
            { "map": "404", "any": "404", "col": 404 },
            { "map": null, "any": "1", "col": 500 },
            { "map": null, "any": null, "col": null },
            { "map": null, "any": null, "col": null },
            { "map": null, "any": null, "col": null },
        ]);
        assert_eq!(Value::Array(rows), expected, "{when}");
        let tenants = server.sql("select tenant, attributes['tenant.id'] as map from logs where attr('tenant.id') is not null order by map").await;
        let expected =
            json!([{ "tenant": 7, "map": "7" }, { "tenant": 8, "map": "8" }, { "tenant": null, "map": "eight" }]);
        assert_eq!(Value::Array(tenants), expected, "{when}");
        assert_eq!(
            server.number("select count(*) from logs where attributes['http.response.status_code'] = '200'").await,
            1,
            "{when}"
        );
        assert_eq!(
            server
                .number("select count(*) from logs l join logs r on attr(l, 'tenant.id') = attr(r, 'tenant.id')")
                .await,
            3,
            "{when}"
        );
        // An id is filtered for while files are decoded; a column that a file lacks must not get lost on the way.
        for (tenant, count) in [(7, 1), (8, 1), (9, 0)] {
            let query = format!("select count(*) from logs where trace_id = '{TRACE}' and tenant = {tenant}");
            assert_eq!(server.number(&query).await, count, "{when}: {query}");
        }
        server.flush().await;
    }
}
