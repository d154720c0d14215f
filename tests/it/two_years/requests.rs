//! Records as OTLP/JSON requests.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};
use telestrata::model::signal::Signal;

use super::world::{CASE, Record, What};

/// A request for each signal that there are records of. The first day begins `first_day` nanoseconds after 1970.
pub fn requests(records: &[Rc<Record>], first_day: u64) -> Vec<(Signal, String)> {
    let mut by_signal: BTreeMap<usize, BTreeMap<&str, Vec<Value>>> = BTreeMap::new();
    for record in records {
        let services = by_signal.entry(record.table().index()).or_default();
        services.entry(record.service).or_default().push(encoded(record, first_day));
    }
    by_signal
        .into_iter()
        .map(|(signal, services)| (Signal::ALL[signal], request(Signal::ALL[signal], services)))
        .collect()
}

fn request(signal: Signal, services: BTreeMap<&str, Vec<Value>>) -> String {
    let (resources, scopes, records) = match signal {
        Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
        Signal::Spans => ("resourceSpans", "scopeSpans", "spans"),
        Signal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
    };
    let services = services.into_iter().map(|(service, encoded)| {
        json!({ "resource": { "attributes": [text("service.name", service)] }, scopes: [{ records: encoded }] })
    });
    json!({ resources: services.collect::<Vec<_>>() }).to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn encoded(record: &Record, first_day: u64) -> Value {
    let time = (first_day + record.time).to_string();
    let mut attributes = vec![text("number", &record.number.to_string())];
    attributes.extend(record.user.as_deref().map(|user| text("user.id", user)));
    attributes.extend(record.in_case.then(|| text("case", CASE)));
    let trace = record.trace.as_deref().unwrap_or("");
    match &record.what {
        What::Span { id, parent, duration, is_error } => json!({
            "traceId": trace, "spanId": id, "parentSpanId": parent.as_deref().unwrap_or(""), "name": "GET /",
            "kind": 2, "startTimeUnixNano": time,
            "endTimeUnixNano": (first_day + record.time + duration).to_string(),
            "status": { "code": if *is_error { 2 } else { 0 } }, "attributes": attributes,
            "traceState": if record.is_half { "ot=th:8" } else { "" },
        }),
        What::Log { severity } => json!({
            "timeUnixNano": time, "severityNumber": severity, "traceId": trace,
            "body": { "stringValue": format!("step {} of it", record.number % 7) }, "attributes": attributes,
        }),
        What::Metric { series } => json!({
            "name": format!("queue.{series}"),
            "gauge": { "dataPoints": [{ "timeUnixNano": time, "asInt": record.number.to_string() }] },
        }),
    }
}
