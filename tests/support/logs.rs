//! Small OTLP/JSON log requests whose records carry a number each, for tests that count.

use serde_json::json;

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
