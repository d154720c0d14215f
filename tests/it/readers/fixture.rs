//! What the readers are asked about: requests with something in every kind of column, and dirt in some.
//!
//! Doubles are sums of quarters, so that their sums do not depend on the order of adding.

use serde_json::{Value, json};

/// 2023-11-14T22:13:20Z, so that the rows of a request lie on both sides of midnight.
const START: u64 = 1_700_000_000_000_000_000;
const MINUTE: u64 = 60_000_000_000;

/// Longer than what statistics keep of a text, and not ASCII.
const LONG_SERVICE: &str = "zustellung-über-alle-grenzen-hinweg-und-mit-einem-namen-der-länger-ist-als-jede-statistik";

/// The first number above 2^53, where doubles leave out every other integer.
const ABOVE_2_53: u64 = (1 << 53) + 1;

/// One request of each signal, as path and body. `batch` is in the attributes of each record; `number` makes the
/// requests differ.
pub fn requests(batch: &str, number: u64) -> [(&'static str, Value); 3] {
    let spans =
        |service: u64| -> Vec<Value> { (0..12).map(|i| span(batch, number * 100 + service * 12 + i)).collect() };
    let logs = |service: u64| -> Vec<Value> { (0..8).map(|i| log(batch, number * 100 + service * 8 + i)).collect() };
    let metrics = |service: u64| metrics(batch, number * 100 + service * 10);
    [
        ("/v1/traces", json!({ "resourceSpans": resources("scopeSpans", "spans", spans) })),
        ("/v1/logs", json!({ "resourceLogs": resources("scopeLogs", "logRecords", logs) })),
        ("/v1/metrics", json!({ "resourceMetrics": resources("scopeMetrics", "metrics", metrics) })),
    ]
}

/// Two spans of one date.
pub fn few_spans(batch: &str, number: u64) -> Value {
    let spans = [span(batch, number * 12), span(batch, number * 12 + 1)];
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] })
}

/// Three resources: one with a long name, one that has the old convention only, one without any attribute.
fn resources(scopes: &str, records: &str, make: impl Fn(u64) -> Vec<Value>) -> Vec<Value> {
    let long = json!([text("service.name", LONG_SERVICE), text("deployment.environment.name", "prod")]);
    let old = json!([text("service.name", "shop"), text("deployment.environment", "staging"), text("tenant.id", "44")]);
    let scope = json!({ "name": "readers", "version": "1.0", "attributes": [text("scope", "it's")] });
    [(long, scope), (old, json!({ "name": "" })), (json!([]), Value::Null)]
        .into_iter()
        .zip(0..)
        .map(|((attributes, scope), index)| {
            json!({ "resource": { "attributes": attributes }, scopes: [{ "scope": scope, records: make(index) }] })
        })
        .collect()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn long(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

/// Attributes that differ from record to record: some absent, some empty, a tenant that is no canonical number.
fn attributes(batch: &str, i: u64) -> Vec<Value> {
    let mut attributes =
        vec![text("batch", batch), text("größe", ["S", "M", ""][i as usize % 3]), text("it's", "\"so\"")];
    match i % 4 {
        0 => attributes.push(long("tenant.id", i % 3)),
        1 => attributes.push(text("tenant.id", "007")),
        2 => attributes.push(long("tenant.id", ABOVE_2_53)),
        _ => {}
    }
    if !i.is_multiple_of(5) {
        attributes.push(text("tier", ["gold", "silver", ""][i as usize % 3]));
    }
    match i % 3 {
        0 => {
            attributes.extend([text("http.route", "/cart/{id}"), long("http.response.status_code", 200 + i % 2 * 300)]);
        }
        1 => attributes.push(long("http.status_code", 404)),
        _ => {}
    }
    attributes
}

/// Microseconds and nanoseconds are set; every ninth record is from the first microseconds of 1970.
fn time(i: u64) -> u64 {
    if i % 9 == 8 { 1_001 + i % 7 } else { START + i % 12 * 17 * MINUTE + i * 1_001_017 }
}

fn time_or_unset(i: u64) -> String {
    if i.is_multiple_of(2) { "0".to_owned() } else { time(i).to_string() }
}

fn id(width: usize, i: u64) -> String {
    format!("{:0width$x}", i + 1)
}

fn span(batch: &str, i: u64) -> Value {
    let start = time(i);
    let end = match i % 6 {
        0 => 0,
        1 => start.saturating_sub(999),
        more => start + more * 1_234_567,
    };
    let events: Vec<Value> = (0..i % 4)
        .map(|event| {
            json!({
                "timeUnixNano": (start + event * 1_000_500).to_string(), "name": format!("event {event}"),
                "attributes": if event == 0 { json!([]) } else { json!([long("retry", event), text("what", "")]) },
            })
        })
        .collect();
    let links: Vec<Value> = (0..u64::from(i.is_multiple_of(5)))
        .map(|_| json!({ "traceId": id(32, i + 7), "spanId": id(16, i + 7), "attributes": [text("why", "retry of")] }))
        .collect();
    let parent = if i.is_multiple_of(3) { String::new() } else { id(16, i - 1) };
    let name = ["GET /cart/{id}", "charge", ""][i as usize % 3];
    json!({
        "traceId": id(32, i / 3), "spanId": id(16, i), "parentSpanId": parent,
        "name": name, "kind": i % 6, "startTimeUnixNano": start.to_string(),
        "endTimeUnixNano": end.to_string(), "status": { "code": i % 3 }, "attributes": attributes(batch, i),
        "traceState": if i.is_multiple_of(2) { "ot=th:8" } else { "" }, "events": events, "links": links,
    })
}

fn log(batch: &str, i: u64) -> Value {
    let body = match i % 4 {
        0 => json!({ "stringValue": format!("line {i}\nnext, \"quoted\"") }),
        1 => json!({ "kvlistValue": { "values": [long("code", i)] } }),
        2 => json!({ "stringValue": "" }),
        _ => Value::Null,
    };
    let severity = [0, 1, 9, 13, 17, 21][i as usize % 6];
    json!({
        "timeUnixNano": time(i).to_string(), "observedTimeUnixNano": time_or_unset(i),
        "severityNumber": severity, "body": body, "attributes": attributes(batch, i),
        "traceId": if i.is_multiple_of(2) { id(32, i) } else { String::new() },
        "eventName": if i.is_multiple_of(7) { "started" } else { "" },
    })
}

/// A metric of each type.
fn metrics(batch: &str, first: u64) -> Vec<Value> {
    let point = |i: u64, more: Value| {
        let mut point = json!({
            "timeUnixNano": time(i).to_string(), "startTimeUnixNano": time_or_unset(i),
            "attributes": attributes(batch, i),
        });
        point.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        point
    };
    let exemplars = |i: u64| {
        json!([
            { "timeUnixNano": time(i).to_string(), "asDouble": 0.25, "traceId": id(32, i), "spanId": id(16, i) },
            { "timeUnixNano": "1500", "asInt": i.to_string(), "filteredAttributes": [text("user", "zoë")] },
        ])
    };
    let gauges: Vec<Value> = (first..first + 4)
        .map(|i| point(i, json!({ "asDouble": i as f64 / 4.0, "exemplars": exemplars(i) })))
        .collect();
    let sums: Vec<Value> = (first..first + 3).map(|i| point(i, json!({ "asInt": i.to_string() }))).collect();
    let buckets = json!({ "explicitBounds": [0.5, 1.0, 2.5], "bucketCounts": ["1", "0", first.to_string(), "7"] });
    let no_buckets = json!({ "count": ABOVE_2_53.to_string(), "sum": 12.5, "bucketCounts": [], "explicitBounds": [] });
    let mut histogram = json!({ "count": (first + 8).to_string(), "sum": 8.25, "min": 0.25, "max": 64.0 });
    histogram.as_object_mut().unwrap().extend(buckets.as_object().unwrap().clone());
    let exponential = json!({
        "count": "9", "sum": 3.5, "scale": -1, "zeroCount": "2", "zeroThreshold": 0.125,
        "positive": { "offset": -3, "bucketCounts": ["3", "4"] }, "negative": { "offset": 0, "bucketCounts": [] },
    });
    let quantiles = json!([{ "quantile": 0.5, "value": 0.75 }, { "quantile": 1.0, "value": 1.5 }]);
    let summary = json!({ "count": "4", "sum": 2.0, "quantileValues": quantiles });
    let owner = text("owner", "ops");
    vec![
        json!({ "name": "queue.size", "unit": "{job}", "metadata": [owner], "gauge": { "dataPoints": gauges } }),
        json!({ "name": "jobs", "sum": { "dataPoints": sums, "aggregationTemporality": 2, "isMonotonic": true } }),
        json!({ "name": "latency", "unit": "s", "histogram": {
            "dataPoints": [point(first, histogram), point(first + 1, no_buckets)], "aggregationTemporality": 1,
        } }),
        json!({ "name": "sizes", "exponentialHistogram": {
            "dataPoints": [point(first, exponential)], "aggregationTemporality": 1,
        } }),
        json!({ "name": "rpc", "summary": { "dataPoints": [point(first, summary)] } }),
    ]
}
