//! What the SDKs set is what SQL answers, whichever way it came: `tests/clients/everything.json` has all of it.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use rstest::rstest;
use serde_json::{Map, Value, json};

use super::{PROTOCOLS, endpoint};
use crate::support::clients::Sdk;
use crate::support::proxy::Proxy;
use crate::support::server::{Home, Server};

const EXPECTED: &str = include_str!("../../clients/everything.json");

/// The document's parts: their name, where their rows are, and the order of these in a run.
const PARTS: [(&str, &str, &str); 4] = [
    ("spans", "spans", "time, time_nanos"),
    ("logs", "logs", "observed_time, observed_time_nanos"),
    (
        "cumulative",
        "metrics where scope_name = 'shop.cumulative'",
        "metric_name, attributes['cloud.region'], ingest_time",
    ),
    ("delta", "metrics where scope_name = 'shop.delta'", "metric_name, attributes['cloud.region'], ingest_time"),
];

/// One way to send everything, which is what `test.run` says.
struct Run {
    name: String,
    source: &'static str,
    /// From the milliseconds in which it was started to those in which it ended.
    now: RangeInclusive<i64>,
}

#[rstest]
#[case::python(Sdk::Python)]
#[case::node(Sdk::Node)]
#[case::rust(Sdk::Rust)]
#[tokio::test(flavor = "multi_thread")]
async fn sql_answers_every_field_that_an_sdk_sets(#[case] sdk: Sdk) {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    let mut runs = Vec::new();
    for protocol in PROTOCOLS {
        let mut plain = 0;
        for compression in sdk.compressions(protocol) {
            let wire = Proxy::to(&endpoint(&server, protocol));
            let name = format!("{protocol} {compression}");
            let began = chrono::Utc::now().timestamp_millis();
            sdk.start("everything", protocol, compression, &wire.url(), &name).end().await;
            let now = began..=chrono::Utc::now().timestamp_millis();
            runs.push(Run { name, source: if protocol == "grpc" { "otlp/grpc" } else { "otlp/http" }, now });
            // An SDK that ignores the setting would be taken for one that compresses.
            match *compression {
                "none" => plain = wire.sent(),
                _ => assert!(wire.sent() < plain * 3 / 4, "{compression} sent {} of {plain} bytes", wire.sent()),
            }
        }
    }
    let expected = expected(sdk);
    compare(&server, &runs, &expected).await;
    clocks_are_right(&server, runs.len()).await;
    assert_eq!(server.metric("telestrata_rejected_records_total", "").await, 0.0);
    assert_eq!(server.metric("telestrata_refused_requests_total", "").await, 0.0);
    // And the same from the files.
    server.flush().await;
    assert_eq!(server.metric("telestrata_hot_rows", "").await, 0.0);
    compare(&server, &runs, &expected).await;
}

async fn compare(server: &Server, runs: &[Run], expected: &Value) {
    for (part, from, order) in PARTS {
        let rows = server.sql(&format!("select * from {from} order by {order}")).await;
        let wanted = expected[part].as_array().unwrap();
        assert_eq!(rows.len(), wanted.len() * runs.len(), "{part}: rows that no run sent, or sent twice");
        for run in runs {
            let own = rows.iter().filter(|row| row["resource_attributes"]["test.run"] == run.name.as_str());
            let own: Vec<Value> = own
                .map(|row| {
                    assert_eq!(row["source"], run.source, "{}", run.name);
                    tidy(row, run)
                })
                .collect();
            for (at, (row, wanted)) in own.iter().zip(wanted).enumerate() {
                assert_eq!(row, wanted, "{}: {part} {at}", run.name);
            }
            assert_eq!(own.len(), wanted.len(), "{}: {part}", run.name);
        }
    }
}

/// What the document leaves out of metrics: intervals join, series keep their id and share it with no other.
async fn clocks_are_right(server: &Server, runs: usize) {
    let apart = "with points as (
           select *, lag(time) over series as before, lag(time_nanos) over series as before_nanos,
             lag(start_time) over series as began, lag(start_time_nanos) over series as began_nanos
           from metrics
           window series as (
             partition by resource_attributes['test.run'], scope_name, metric_name, attributes['cloud.region']
             order by ingest_time
           )
         )
         select * from points where start_time > time
           or temporality = 'DELTA' and (start_time <> before or start_time_nanos <> before_nanos)
           or temporality = 'CUMULATIVE' and (start_time <> began or start_time_nanos <> began_nanos)";
    assert_eq!(server.sql(apart).await, Vec::<Value>::new());
    let series = "with series as (
           select distinct resource_attributes['test.run'] as run, scope_name, metric_name,
             attributes['cloud.region'] as region, series_id
           from metrics
         )
         select count(*) as named, count(distinct series_id) as ids from series";
    let wanted = 20 * runs;
    assert_eq!(server.sql(series).await, [json!({"named": wanted, "ids": wanted})]);
}

/// The document for an SDK: its rows by part.
fn expected(sdk: Sdk) -> Value {
    let document: Value = serde_json::from_str(EXPECTED).unwrap();
    let mut parts: HashMap<&str, Value> = HashMap::new();
    for (part, _, _) in PARTS {
        let own = &document["parts"][part];
        let rows = own["rows"].as_array().unwrap().iter().map(|row| {
            let mut whole = document["all"].clone();
            merge(&mut whole, &own["each"]);
            merge(&mut whole, row);
            whole
        });
        parts.insert(part, rows.collect());
    }
    let mut parts = json!(parts);
    for exception in document["exceptions"].as_array().unwrap() {
        if exception["sdk"] == sdk.name() {
            for (path, value) in exception["set"].as_object().unwrap() {
                let steps: Vec<&str> = path.split('/').collect();
                set(&mut parts, &steps, value, path);
            }
        }
    }
    without_empty_objects(&parts)
}

/// Exceptions may leave nothing of a map.
fn without_empty_objects(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.iter().map(|(key, value)| (key.clone(), without_empty_objects(value)));
            kept.filter(|(_, value)| !is_nothing(value)).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(without_empty_objects).collect(),
        other => other.clone(),
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => into.clone_from(from),
    }
}

fn set(within: &mut Value, steps: &[&str], value: &Value, path: &str) {
    match (within, steps) {
        (Value::Array(rows), ["*", rest @ ..]) => rows.iter_mut().for_each(|row| set(row, rest, value, path)),
        (Value::Array(rows), [row, rest @ ..]) => set(&mut rows[row.parse::<usize>().unwrap()], rest, value, path),
        (Value::Object(object), [key]) if value.is_null() => {
            assert!(object.remove(*key).is_some(), "an exception from nothing: {path}");
        }
        (Value::Object(object), [key]) => {
            let old = object.insert((*key).to_owned(), value.clone());
            assert_ne!(old.as_ref(), Some(value), "no exception: {path}");
        }
        (Value::Object(object), [key, rest @ ..]) => {
            let inner = object.get_mut(*key).unwrap_or_else(|| panic!("an exception from nothing: {path}"));
            set(inner, rest, value, path);
        }
        _ => panic!("no such place: {path}"),
    }
}

/// A value as the document writes it.
fn tidy(value: &Value, run: &Run) -> Value {
    match value {
        Value::Object(object) => tidy_object(object, run),
        Value::Array(values) => values.iter().map(|value| tidy(value, run)).collect(),
        Value::String(text) if *text == run.name => json!("$RUN"),
        Value::String(text) if text.starts_with('{') => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

fn tidy_object(object: &Map<String, Value>, run: &Run) -> Value {
    let mut tidied = Map::new();
    for (key, value) in object {
        if matches!(key.as_str(), "date" | "ingest_time" | "series_id" | "source") || is_nothing(value) {
            continue;
        }
        tidied.insert(key.clone(), tidy(value, run));
    }
    for time in ["time", "observed_time", "start_time"] {
        if tidied.get(time).and_then(Value::as_str).is_some_and(|time| is_within(time, run)) {
            tidied.insert(time.to_owned(), json!("$NOW"));
            tidied.remove(&format!("{time}_nanos"));
        }
    }
    for side in ["positive", "negative"] {
        let offset = tidied.remove(&format!("{side}_offset")).and_then(|offset| offset.as_i64()).unwrap_or(0);
        let counts = tidied.remove(&format!("{side}_bucket_counts"));
        let counts = counts.as_ref().and_then(Value::as_array).into_iter().flatten();
        let filled = (offset..).zip(counts).filter(|(_, count)| count.as_i64() != Some(0));
        let filled: Map<String, Value> = filled.map(|(index, count)| (index.to_string(), count.clone())).collect();
        if !filled.is_empty() {
            tidied.insert(side.to_owned(), filled.into());
        }
    }
    tidied.into()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(object) => object.is_empty(),
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

/// As far as a clock of milliseconds can tell.
fn is_within(time: &str, run: &Run) -> bool {
    run.now.contains(&chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis())
}
