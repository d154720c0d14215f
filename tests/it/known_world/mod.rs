//! A generated world whose truth is known: what SQL says of it, hot, cold and half flushed, is what was sent.
//!
//! Counts, sums and joins are held row for row; percentiles within [`RANK_ERROR`].

mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use rstest::rstest;
use serde_json::Value;
use telestrata::demo::DemoSignal;
use world::{TrueSpan, World, minute};

use crate::support::server::{Home, Server};

/// A t-digest of 100 centroids, as DataFusion's, holds at most a few hundredths of all ranks in one of them.
const RANK_ERROR: f64 = 0.03;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Hot,
    HalfFlushed,
    Cold,
}

async fn send(server: &Server, world: &World, state: State) {
    let client = reqwest::Client::new();
    for (place, request) in world.requests.iter().enumerate() {
        let path = match request.signal {
            DemoSignal::Logs => "/v1/logs",
            DemoSignal::Traces => "/v1/traces",
            DemoSignal::Metrics => "/v1/metrics",
        };
        let response = client
            .post(format!("{}{path}", server.otlp_http()))
            .header("content-type", "application/x-protobuf")
            .body(request.body.clone())
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        if state == State::HalfFlushed && place == world.requests.len() / 2 {
            server.flush().await;
        }
    }
    if state == State::Cold {
        server.flush().await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn sql_says_of_a_generated_world_what_is_true(
    #[values(State::Hot, State::HalfFlushed, State::Cold)] state: State,
) {
    let world = World::new(7, 60.0, Duration::from_secs(100));
    let home = Home::new("[flush]\nage = '1h'\n");
    let server = home.serve();
    send(&server, &world, state).await;
    tables(&server, &world).await;
    service_health(&server, &world).await;
    span_logs(&server, &world).await;
    traces(&server, &world).await;
    requests(&server, &world).await;
    service_edges(&server, &world).await;
    unnested(&server, &world).await;
    exemplar_spans(&server, &world).await;
    spans_with_logs(&server, &world).await;
    errors(&server, &world).await;
    trace_tree(&server, &world).await;
    server.terminate();
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_default()
}

fn number(row: &Value, column: &str) -> f64 {
    row[column].as_f64().unwrap_or_else(|| panic!("no number in {column}: {row}"))
}

fn seconds(row: &Value) -> u64 {
    let time = chrono::DateTime::parse_from_rfc3339(text(row, "time")).unwrap();
    u64::try_from(time.timestamp()).unwrap()
}

async fn tables(server: &Server, world: &World) {
    assert_eq!(server.number("select count(*) from logs").await, world.logs.len() as i64);
    assert_eq!(server.number("select count(*) from spans").await, world.spans.len() as i64);
    assert_eq!(server.number("select count(*) from metrics").await, world.points as i64);
    let nanos: u64 = world.spans.iter().map(|span| span.end - span.start).sum();
    assert_eq!(server.number("select sum(duration_nano) from spans").await, nanos as i64);
    let errors = world.spans.iter().filter(|span| span.is_error).count();
    assert!(errors > 0, "a world in which nothing fails proves little");
    assert_eq!(server.number("select count(*) from spans where status_code = 'ERROR'").await, errors as i64);
    let stood_for: f64 = world.spans.iter().map(|span| span.weight).sum();
    assert!(stood_for > world.spans.len() as f64, "nothing was sampled");
    let said = server.sql("select sum(coalesce(adjusted_count, 1)) as n from spans").await;
    assert!((number(&said[0], "n") - stood_for).abs() < 1e-6 * stood_for);
    let exemplars = server.number("select coalesce(sum(cardinality(exemplars)), 0) from metrics").await;
    assert_eq!(exemplars, world.exemplars.len() as i64);
}

/// Requests of a group: how many, how many failed, and the duration that each of them stands for.
#[derive(Default)]
struct Requests {
    count: f64,
    errors: f64,
    durations: Vec<(f64, f64)>,
}

impl Requests {
    fn add(&mut self, span: &TrueSpan) {
        self.count += span.weight;
        self.errors += if span.is_error { span.weight } else { 0.0 };
        self.durations.push((span.ms(), span.weight));
    }

    /// Holds a percentile to the durations at the ranks around it.
    fn check(&mut self, row: &Value, column: &str, q: f64) {
        self.durations.sort_by(|left, right| left.0.total_cmp(&right.0));
        let at = |q: f64| {
            let mut rank = 0.0;
            let reached = |(_, weight): &&(f64, f64)| {
                rank += weight;
                rank >= q * self.count
            };
            self.durations.iter().find(reached).or(self.durations.last()).unwrap().0
        };
        let said = number(row, column);
        // Neighbours too: between two durations a sketch interpolates.
        let step = 1.0 / self.count;
        let (low, high) = (at(q - RANK_ERROR - step), at((q + RANK_ERROR + step).min(1.0)));
        assert!((low - 1e-6..=high + 1e-6).contains(&said), "{column} is {said}, not in {low}..{high}: {row}");
    }
}

async fn service_health(server: &Server, world: &World) {
    let mut requests: BTreeMap<(u64, &str), Requests> = BTreeMap::new();
    for span in world.spans.iter().filter(|span| span.is_request()) {
        requests.entry((span.minute(), &span.service)).or_default().add(span);
    }
    let mut logs: BTreeMap<(u64, &str), (u64, u64)> = BTreeMap::new();
    for log in &world.logs {
        let counted = logs.entry((minute(log.time), &log.service)).or_default();
        counted.0 += 1;
        counted.1 += u64::from(log.severity >= 17);
    }
    let rows = server.sql("select * from service_health order by time, service_name").await;
    let mut seen = BTreeSet::new();
    for row in &rows {
        let key = (seconds(row), text(row, "service_name"));
        assert!(seen.insert(key), "twice: {row}");
        let (count, errors) = logs.get(&key).copied().unwrap_or_default();
        assert_eq!((number(row, "logs"), number(row, "error_logs")), (count as f64, errors as f64), "{row}");
        match requests.get_mut(&key) {
            None => assert_eq!((number(row, "requests"), &row["p95_ms"]), (0.0, &Value::Null), "{row}"),
            Some(requests) => {
                assert_eq!(number(row, "requests"), requests.count.round(), "{row}");
                assert_eq!(number(row, "errors"), requests.errors.round(), "{row}");
                requests.check(row, "p50_ms", 0.5);
                requests.check(row, "p95_ms", 0.95);
                requests.check(row, "p99_ms", 0.99);
            }
        }
    }
    assert!(requests.keys().chain(logs.keys()).all(|key| seen.contains(key)), "a service's minute is missing");
}

async fn span_logs(server: &Server, world: &World) {
    let spans = world.spans_by_id();
    let mut expected: Vec<(String, String, i64, String, String)> = world
        .logs
        .iter()
        .map(|log| {
            let span = spans.get(&(log.trace_id.as_str(), log.span_id.as_str()));
            let of = |field: fn(&TrueSpan) -> &str| span.map(|span| field(span).to_owned()).unwrap_or_default();
            let (name, service) = (of(|span| &span.name), of(|span| &span.service));
            (log.trace_id.clone(), log.span_id.clone(), log.time as i64, name, service)
        })
        .collect();
    expected.sort();
    assert!(expected.iter().filter(|log| !log.3.is_empty()).count() > 100, "few logs have a span");
    let rows = server
        .sql(
            "select trace_id, span_id, cast(time as bigint) * 1000 + time_nanos as nanos, span_name, span_service_name \
             from span_logs",
        )
        .await;
    let mut said: Vec<_> = rows
        .iter()
        .map(|row| {
            let of = |column| text(row, column).to_owned();
            (of("trace_id"), of("span_id"), row["nanos"].as_i64().unwrap(), of("span_name"), of("span_service_name"))
        })
        .collect();
    said.sort();
    assert_eq!(said, expected);
}

async fn traces(server: &Server, world: &World) {
    let mut traces: HashMap<&str, Vec<&TrueSpan>> = HashMap::new();
    for span in &world.spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    let rows = server.sql("select * from traces").await;
    assert_eq!(rows.len(), traces.len());
    for row in &rows {
        let spans = &traces[text(row, "trace_id")];
        let start = spans.iter().map(|span| span.start).min().unwrap();
        let end = spans.iter().map(|span| span.end).max().unwrap();
        assert_eq!(number(row, "duration_ms"), (end - start) as f64 / 1e6, "{row}");
        assert_eq!(number(row, "stored_span_count"), spans.len() as f64, "{row}");
        assert_eq!(number(row, "span_count"), spans.iter().map(|span| span.weight).sum::<f64>().round(), "{row}");
        assert_eq!(number(row, "error_count"), spans.iter().filter(|span| span.is_error).count() as f64, "{row}");
        let root = spans.iter().find(|span| span.parent.is_none()).unwrap();
        assert_eq!((text(row, "root_service"), text(row, "root_name")), (&*root.service, &*root.name), "{row}");
        let logs = world.logs.iter().filter(|log| log.trace_id == root.trace_id);
        assert_eq!(number(row, "log_count"), logs.count() as f64, "{row}");
    }
}

async fn requests(server: &Server, world: &World) {
    let expected: BTreeSet<(&str, &str)> =
        world.spans.iter().filter(|span| span.is_request()).map(|span| (&*span.trace_id, &*span.span_id)).collect();
    let rows = server.sql("select trace_id, span_id from requests").await;
    let said: BTreeSet<(&str, &str)> = rows.iter().map(|row| (text(row, "trace_id"), text(row, "span_id"))).collect();
    assert_eq!((said.len(), &said), (rows.len(), &expected));

    // Rates by operation are those of the minutes' requests.
    let rows = server
        .sql("select time, service_name, sum(requests) as requests, sum(errors) as errors from red group by 1, 2")
        .await;
    let mut minutes: BTreeMap<(u64, &str), Requests> = BTreeMap::new();
    for span in world.spans.iter().filter(|span| span.is_request()) {
        minutes.entry((span.minute(), &span.service)).or_default().add(span);
    }
    assert_eq!(rows.len(), minutes.len());
    for row in &rows {
        let minute = &minutes[&(seconds(row), text(row, "service_name"))];
        assert_eq!((number(row, "requests"), number(row, "errors")), (minute.count, minute.errors), "{row}");
    }
}

/// Calls by client, server and type: how many, and how many failed.
type Calls = BTreeMap<(String, String, String), (f64, f64)>;

async fn service_edges(server: &Server, world: &World) {
    let spans = world.spans_by_id();
    let mut expected = Calls::new();
    let mut call = |client: &str, server: &str, kind: &str, weight: f64, is_error: bool| {
        let counted = expected.entry((client.into(), server.into(), kind.into())).or_default();
        counted.0 += weight;
        counted.1 += if is_error { weight } else { 0.0 };
    };
    let mut answered: HashSet<(&str, &str)> = HashSet::new();
    for span in world.spans.iter().filter(|span| span.is_request()) {
        let parent = span.parent.as_ref().and_then(|id| spans.get(&(span.trace_id.as_str(), id.as_str())));
        match parent {
            Some(parent) => {
                answered.insert((&parent.trace_id, &parent.span_id));
                let kind = if span.kind == SpanKind::Consumer { "messaging_system" } else { "" };
                call(&parent.service, &span.service, kind, span.weight, span.is_error || parent.is_error);
            }
            None if span.kind == SpanKind::Server => {
                call("user", &span.service, "virtual_node", span.weight, span.is_error);
            }
            None => {}
        }
        for (trace_id, span_id) in &span.links {
            let from = spans[&(trace_id.as_str(), span_id.as_str())];
            answered.insert((&from.trace_id, &from.span_id));
            call(&from.service, &span.service, "messaging_system", span.weight, span.is_error || from.is_error);
        }
    }
    let rows = server
        .sql("select client, server, connection_type, sum(calls) as calls, sum(errors) as errors from service_edges group by 1, 2, 3")
        .await;
    let mut said = Calls::new();
    let mut to_others = 0.0;
    for row in &rows {
        let of = |column| text(row, column).to_owned();
        let key = (of("client"), of("server"), of("connection_type"));
        // Databases and other peers, whose names only the client tells.
        if world.spans.iter().any(|span| span.service == key.1) {
            said.insert(key, (number(row, "calls"), number(row, "errors")));
        } else {
            to_others += number(row, "calls");
        }
    }
    assert_eq!(said, expected);
    let unanswered = world.spans.iter().filter(|span| {
        matches!(span.kind, SpanKind::Client | SpanKind::Producer)
            && !answered.contains(&(span.trace_id.as_str(), span.span_id.as_str()))
    });
    assert_eq!(to_others, unanswered.map(|span| span.weight).sum::<f64>(), "{rows:?}");
}

async fn unnested(server: &Server, world: &World) {
    let events: usize = world.spans.iter().map(|span| span.events).sum();
    assert!(events > 0);
    assert_eq!(server.number("select count(*) from span_events").await, events as i64);
    let mut expected: Vec<(&str, &str, &str)> = Vec::new();
    for span in &world.spans {
        expected.extend(span.links.iter().map(|(trace_id, span_id)| (&*span.span_id, &**trace_id, &**span_id)));
    }
    expected.sort_unstable();
    let rows = server.sql("select span_id, linked_trace_id, linked_span_id from span_links order by 1, 2, 3").await;
    let of = |row, column| text(row, column);
    let said: Vec<_> =
        rows.iter().map(|row| (of(row, "span_id"), of(row, "linked_trace_id"), of(row, "linked_span_id"))).collect();
    assert!(!said.is_empty());
    assert_eq!(said, expected);
}

async fn exemplar_spans(server: &Server, world: &World) {
    let spans = world.spans_by_id();
    // Points of one series may report an exemplar again; it is one.
    let expected: BTreeSet<(&str, i64, &str, &str)> = world
        .exemplars
        .iter()
        .filter_map(|exemplar| {
            let span = spans.get(&(exemplar.trace_id.as_str(), exemplar.span_id.as_str()))?;
            Some((&*exemplar.metric, exemplar.time as i64, &*exemplar.span_id, &*span.name))
        })
        .collect();
    assert!(expected.len() > 100, "few exemplars");
    let rows = server
        .sql(
            "select metric_name, cast(time as bigint) * 1000 + time_nanos as nanos, span_id, span_name, root_name \
             from exemplar_spans where span_name is not null",
        )
        .await;
    let of = |row, column| text(row, column);
    let said: BTreeSet<_> = rows
        .iter()
        .map(|row| (of(row, "metric_name"), row["nanos"].as_i64().unwrap(), of(row, "span_id"), of(row, "span_name")))
        .collect();
    assert_eq!((said.len(), said), (rows.len(), expected));
    assert!(rows.iter().all(|row| row["root_name"].is_string()), "every trace has its root here");
}

async fn spans_with_logs(server: &Server, world: &World) {
    let mut logs: HashMap<(&str, &str), (u64, u64)> = HashMap::new();
    for log in &world.logs {
        let counted = logs.entry((&log.trace_id, &log.span_id)).or_default();
        counted.0 += 1;
        counted.1 += u64::from(log.severity >= 17);
    }
    let rows = server.sql("select trace_id, span_id, log_count, error_log_count from spans_with_logs").await;
    assert_eq!(rows.len(), world.spans.len());
    for row in &rows {
        let (count, errors) = logs.get(&(text(row, "trace_id"), text(row, "span_id"))).copied().unwrap_or_default();
        assert_eq!((number(row, "log_count"), number(row, "error_log_count")), (count as f64, errors as f64), "{row}");
    }
}

async fn errors(server: &Server, world: &World) {
    let mut expected: BTreeMap<&str, f64> = BTreeMap::new();
    for span in world.spans.iter().filter(|span| span.is_error) {
        *expected.entry(&span.service).or_default() += span.weight;
    }
    let rows = server.sql("select service_name, sum(count) as n from errors where signal = 'span' group by 1").await;
    let said: BTreeMap<_, _> = rows.iter().map(|row| (text(row, "service_name"), number(row, "n"))).collect();
    assert_eq!(said, expected);
}

async fn trace_tree(server: &Server, world: &World) {
    let mut sizes: HashMap<&str, usize> = HashMap::new();
    for span in &world.spans {
        *sizes.entry(&span.trace_id).or_default() += 1;
    }
    let largest = *sizes.iter().max_by_key(|(id, size)| (**size, **id)).unwrap().0;
    let spans = world.spans_by_id();
    let depth = |span_id: &str| {
        let mut span = spans[&(largest, span_id)];
        let mut depth = 0;
        while let Some(parent) = &span.parent {
            span = spans[&(largest, parent.as_str())];
            depth += 1;
        }
        depth
    };
    let rows = server.sql(&format!("select * from trace_tree('{largest}')")).await;
    assert_eq!(rows.len(), sizes[largest]);
    for row in &rows {
        assert_eq!(row["depth"].as_u64().unwrap(), depth(text(row, "span_id")), "{row}");
    }
    let root = spans.values().find(|span| span.trace_id == largest && span.parent.is_none()).unwrap();
    let path = server.sql(&format!("select sum(duration_ms) as ms from critical_path('{largest}')")).await;
    assert!((number(&path[0], "ms") - root.ms()).abs() < 1e-6 * root.ms(), "{path:?}, {root:?}");
}
