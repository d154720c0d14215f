//! OTLP/JSON requests in which a value is in one place each, beside as many without it.

use serde_json::{Value, json};

/// 2023-11-14T22:13:20Z in seconds: two hours later the next date begins.
const DAY: u64 = 1_700_000_000;

fn text(text: &str) -> Value {
    json!({ "stringValue": text })
}

fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": text(value) })).collect()
}

fn time(number: u64) -> String {
    ((DAY + number * 600) * 1_000_000_000 + 17).to_string()
}

/// A log with these attributes and this text; `number` tells it from all others.
pub fn log(number: u64, body: &str, pairs: &[(&str, &str)]) -> Value {
    let number_text = number.to_string();
    let pairs: Vec<_> = [("n", number_text.as_str())].into_iter().chain(pairs.iter().copied()).collect();
    json!({
        "timeUnixNano": time(number), "severityNumber": 9, "body": text(body), "attributes": attributes(&pairs),
        "traceId": format!("{:032x}", 1 + number), "spanId": format!("{:016x}", 1 + number),
    })
}

/// A request of logs, with attributes of their resource and scope.
pub fn logs(records: &[Value], resource: &[(&str, &str)], scope: &[(&str, &str)]) -> String {
    let resource: Vec<_> = [("service.name", "shop")].into_iter().chain(resource.iter().copied()).collect();
    json!({ "resourceLogs": [{
        "resource": { "attributes": attributes(&resource) },
        "scopeLogs": [{ "scope": { "name": "s", "attributes": attributes(scope) }, "logRecords": records }],
    }] })
    .to_string()
}

/// A request of spans: of a trace of its own each, but `trace` where that is given.
pub fn spans(
    numbers: std::ops::Range<u64>,
    trace: Option<u64>,
    pairs: &[(&str, &str)],
    event: &[(&str, &str)],
    link: &[(&str, &str)],
) -> String {
    let spans: Vec<Value> = numbers
        .map(|number| {
            json!({
                "traceId": format!("{:032x}", 1 + trace.unwrap_or(number)), "spanId": format!("{:016x}", 1 + number),
                "name": "GET /", "kind": 2, "startTimeUnixNano": time(number), "endTimeUnixNano": time(number + 1),
                "attributes": attributes(pairs),
                "events": [{ "timeUnixNano": time(number), "name": "e", "attributes": attributes(event) }],
                "links": [{ "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "attributes": attributes(link) }],
            })
        })
        .collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": attributes(&[("service.name", "shop")]) },
        "scopeSpans": [{ "spans": spans }],
    }] })
    .to_string()
}

/// A request of one data point with an exemplar.
pub fn metric(number: u64, pairs: &[(&str, &str)], exemplar: &[(&str, &str)]) -> String {
    json!({ "resourceMetrics": [{
        "resource": { "attributes": attributes(&[("service.name", "shop")]) },
        "scopeMetrics": [{ "metrics": [{ "name": "visits", "gauge": { "dataPoints": [{
            "timeUnixNano": time(number), "asDouble": 1.5, "attributes": attributes(pairs),
            "exemplars": [{ "timeUnixNano": time(number), "asDouble": 1.5, "filteredAttributes": attributes(exemplar) }],
        }] } }] }],
    }] })
    .to_string()
}
