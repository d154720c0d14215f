//! The trace index: a trace id alone opens few files, and never a row less.

mod compacted;
mod damage;
mod lookups;
mod random;

use serde_json::{Value, json};

use crate::support::server::Home;

/// 2023-11-15; the days of a lake cross two ends of months.
const DAY: u64 = 1_700_006_400;
const DAYS: u64 = 80;

/// Spans and logs on days 5 and 50, an exemplar on day 60.
const ACROSS: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// A log on day 7.
const ONLY_LOG: &str = "00000000000000000000000000000007";
/// An exemplar on day 9.
const ONLY_EXEMPLAR: &str = "a3ce929d0e0e47364bf92f3577b34da6";
/// Nowhere.
const ABSENT: &str = "0123456789abcdef0123456789abcdef";

fn date(day: u64) -> String {
    let time = chrono::DateTime::from_timestamp(i64::try_from(DAY + day * 86_400).unwrap(), 0).unwrap();
    time.format("%Y-%m-%d").to_string()
}

fn nanos(day: u64, second: u64) -> String {
    ((DAY + day * 86_400 + second) * 1_000_000_000).to_string()
}

fn resource(kind: &str, inner: &str, records: &[Value]) -> String {
    let service = json!([{ "key": "service.name", "value": { "stringValue": "shop" } }]);
    json!({ format!("resource{kind}"): [{
        "resource": { "attributes": service }, format!("scope{kind}"): [{ inner: records }],
    }] })
    .to_string()
}

fn log(day: u64, second: u64, trace: &str) -> Value {
    json!({
        "traceId": trace, "spanId": "00000000000000a1", "timeUnixNano": nanos(day, second),
        "body": { "stringValue": format!("day {day}, second {second}") },
    })
}

fn logs(records: &[Value]) -> String {
    resource("Logs", "logRecords", records)
}

fn spans(records: &[Value]) -> String {
    resource("Spans", "spans", records)
}

fn span(day: u64, trace: &str) -> Value {
    json!({
        "traceId": trace, "spanId": "00000000000000a1", "name": "GET /buy", "kind": 2,
        "startTimeUnixNano": nanos(day, 30), "endTimeUnixNano": nanos(day, 31),
    })
}

fn points(days: &[(u64, &str)]) -> String {
    let points: Vec<Value> = days
        .iter()
        .map(|(day, trace)| {
            json!({ "timeUnixNano": nanos(*day, 60), "asDouble": 1.5, "exemplars": [
                { "timeUnixNano": nanos(*day, 40), "asDouble": 1.5 },
                { "timeUnixNano": nanos(*day, 40), "asDouble": 2.5, "traceId": trace, "spanId": "00000000000000a1" },
            ] })
        })
        .collect();
    resource("Metrics", "metrics", &[json!({ "name": "latency", "unit": "s", "gauge": { "dataPoints": points } })])
}

/// An id of a day that nobody asks for.
fn other(day: u64) -> String {
    format!("{:032x}", 1_000_000 + day)
}

/// Every signal has a file a day, with one id each, and those that are asked for.
fn requests() -> String {
    let days = || 0..DAYS;
    let mut all_logs: Vec<Value> = days().map(|day| log(day, 20, &other(day))).collect();
    // Rows without an id, and two of one id far apart in a day.
    all_logs.extend(days().map(|day| log(day, 21, "")));
    all_logs.extend([log(5, 32, ACROSS), log(50, 3600, ACROSS), log(50, 80_000, ACROSS), log(7, 0, ONLY_LOG)]);
    let mut all_spans: Vec<Value> = days().map(|day| span(day, &other(day))).collect();
    all_spans.extend([span(5, ACROSS), span(50, ACROSS)]);
    let others: Vec<(u64, String)> = days().map(|day| (day, other(day))).collect();
    let mut all_points: Vec<(u64, &str)> = others.iter().map(|(day, id)| (*day, id.as_str())).collect();
    all_points.extend([(60, ACROSS), (9, ONLY_EXEMPLAR)]);
    [logs(&all_logs), spans(&all_spans), points(&all_points)].join("\n")
}

fn import(home: &Home, text: &str) {
    let path = home.path().join("import.jsonl");
    std::fs::write(&path, text).unwrap();
    let output = home.verb("import").arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What `telestrata sql` answers, and what it says on stderr.
fn sql(home: &Home, query: &str) -> (Vec<Value>, String) {
    let output = home.verb("sql").args(["--format", "json", query]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}\n{query}");
    (serde_json::from_slice(&output.stdout).unwrap(), stderr)
}

/// The files in a plan's text, as table and day, each once: all of them, where they are few.
fn files_in(plan: &[Value]) -> Vec<(String, String)> {
    let physical = plan.iter().find(|row| row["plan_type"] == "physical_plan").unwrap()["plan"].as_str().unwrap();
    let mut files = Vec::new();
    for (at, _) in physical.match_indices("/date=") {
        let table = physical[..at].rsplit('/').next().unwrap().to_owned();
        files.push((table, physical[at + 6..at + 16].to_owned()));
    }
    files.sort();
    files.dedup();
    files
}

fn files_of(home: &Home, query: &str) -> Vec<(String, String)> {
    files_in(&sql(home, &format!("explain format indent {query}")).0)
}

/// Whether there are more files than a plan's text names.
fn reads_many(home: &Home, query: &str) -> bool {
    let (plan, _) = sql(home, &format!("explain format indent {query}"));
    plan.iter().any(|row| row["plan"].as_str().unwrap().contains(", ...]"))
}

/// Tables and days as `files_of` has them.
fn expected(days: &[(&str, &[u64])]) -> Vec<(String, String)> {
    let mut files: Vec<_> =
        days.iter().flat_map(|(table, days)| days.iter().map(|day| ((*table).to_owned(), date(*day)))).collect();
    files.sort();
    files
}
