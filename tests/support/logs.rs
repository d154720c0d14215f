//! Small OTLP/JSON requests whose records carry a number each, for tests that count.

use serde_json::{Value, json};
use telestrata::model::signal::Signal;

/// A request with one log a number. Times are `first_second` plus the number in seconds.
pub fn numbered_logs(service: &str, numbers: std::ops::Range<u64>, first_second: u64) -> String {
    let records: Vec<_> = numbers
        .map(|number| {
            json!({
                "timeUnixNano": ((first_second + number % 1000) * 1_000_000_000).to_string(),
                "severityNumber": 9,
                "body": { "stringValue": format!("log {number}") },
                "attributes": [{ "key": "number", "value": { "intValue": number.to_string() } }],
            })
        })
        .collect();
    json!({ "resourceLogs": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
        "scopeLogs": [{ "logRecords": records }],
    }] })
    .to_string()
}

/// The same of any signal: a record of its table a number.
pub fn numbered(signal: Signal, service: &str, numbers: std::ops::Range<u64>, first_second: u64) -> String {
    let nanos = |number: u64| ((first_second + number % 1000) * 1_000_000_000).to_string();
    let attributes = |number: u64| json!([{ "key": "number", "value": { "intValue": number.to_string() } }]);
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] });
    let request = match signal {
        Signal::Logs => return numbered_logs(service, numbers, first_second),
        Signal::Spans => {
            let span = |number: u64| {
                json!({
                    "traceId": format!("{:032x}", number + 1), "spanId": format!("{:016x}", number + 1),
                    "name": "work", "kind": 2, "attributes": attributes(number),
                    "startTimeUnixNano": nanos(number), "endTimeUnixNano": nanos(number + 1),
                })
            };
            let spans: Vec<Value> = numbers.map(span).collect();
            json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": spans }] }] })
        }
        Signal::Metrics => {
            let point = |number: u64| json!({ "timeUnixNano": nanos(number), "asDouble": 1.0, "attributes": attributes(number) });
            let points: Vec<Value> = numbers.map(point).collect();
            let metric = json!({ "name": "load", "gauge": { "dataPoints": points } });
            json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": [metric] }] }] })
        }
    };
    request.to_string()
}

/// Sends a request; `Ok` where it was acknowledged.
pub async fn send_logs(client: &reqwest::Client, otlp_http: &str, body: String) -> Result<(), String> {
    let response = client
        .post(format!("{otlp_http}/v1/logs"))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    if response.status().is_success() { Ok(()) } else { Err(response.status().to_string()) }
}
