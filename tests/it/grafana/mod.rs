//! The queries of the dashboards in `docs/grafana`, as Grafana sends them, through the PostgreSQL door.
//!
//! Grafana itself does not run here. What it does between a dashboard's JSON and the wire is in `macros.rs`, from its
//! source; how it reads the answer in `wire.rs`.

mod dashboard;
mod macros;
mod wire;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;

use dashboard::{DASHBOARDS, Dashboard, Query};
use macros::{Asked, Chosen, Expanded, expand, interpolate};
use wire::{Cell, Connection, Frame};

use crate::support::server::{Home, Server};

const MINUTE: Duration = Duration::from_secs(60);

fn asked(timescaledb: bool) -> Asked {
    let from = DateTime::from_timestamp(world::at(0), 0).unwrap();
    Asked { from, to: DateTime::from_timestamp_nanos(world::end()), interval: MINUTE, timescaledb }
}

struct Grafana {
    server: Server,
    connection: Connection,
    _home: Home,
}

impl Grafana {
    async fn over_the_world() -> Self {
        let home = Home::new("");
        let server = home.serve();
        world::make(&server).await;
        let connection = Connection::open(&server.postgres(), "grafana", "telestrata");
        Self { server, connection, _home: home }
    }

    fn ask(&mut self, sql: &str) -> Frame {
        self.connection.ask(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// What is read of each table: files read, and files there are.
    fn scans(&mut self, sql: &str) -> Vec<(String, u64, u64)> {
        let plan = self.ask(&format!("EXPLAIN {sql}"));
        let (kinds, texts) = (plan.texts("plan_type"), plan.texts("plan"));
        let at = kinds.iter().position(|kind| kind == "scans").unwrap_or_else(|| panic!("no scans: {kinds:?}\n{sql}"));
        texts[at].lines().map(scan).collect()
    }
}

/// `logs: 1 of 30 files, 1.8 MiB, 47548 rows; 29 left out by date and time`.
fn scan(line: &str) -> (String, u64, u64) {
    let parts = || {
        let (table, rest) = line.split_once(": ")?;
        let (files, _) = rest.split_once(" file")?;
        let (read, all) = files.split_once(" of ")?;
        Some((table.to_owned(), read.parse().ok()?, all.parse().ok()?))
    };
    parts().unwrap_or_else(|| panic!("what is this: {line}"))
}

fn sent(sql: &str, chosen: &BTreeMap<String, Chosen>, timescaledb: bool) -> Expanded {
    let asked = asked(timescaledb);
    let expanded = expand(&interpolate(sql, chosen, asked.interval), &asked).unwrap_or_else(|e| panic!("{e}\n{sql}"));
    assert!(!expanded.sql.contains('$'), "a variable or macro is left: {}", expanded.sql);
    expanded
}

/// A query as it is sent with and without `timescaledb`, which only queries that group by time tell apart.
fn both(sql: &str, chosen: &BTreeMap<String, Chosen>) -> BTreeSet<String> {
    [true, false].into_iter().map(|timescaledb| sent(sql, chosen, timescaledb).sql).collect()
}

fn many(values: &[&str]) -> Chosen {
    Chosen::Many(values.iter().map(|value| (*value).to_owned()).collect())
}

fn one(value: &str) -> Chosen {
    Chosen::One(value.to_owned())
}

/// A series' points: seconds past minute 0 and the series, as Grafana names it.
type Points = BTreeMap<(i64, String), Option<f64>>;

/// An answer in the format `time_series`, with the conditions that Grafana has for it.
fn time_series(frame: &Frame, of: &str) -> Points {
    let time = frame.column("time");
    let metric = frame.columns.iter().position(|name| name == "metric");
    let mut points = Points::new();
    let mut latest = i64::MIN;
    for row in &frame.rows {
        let seconds = match &row[time] {
            Cell::Time(micros) => micros / 1_000_000,
            // A number of ten digits is seconds to Grafana.
            Cell::Number(seconds) if (1e9..1e10).contains(seconds) => *seconds as i64,
            other => panic!("{of}: {other:?} is no time"),
        };
        assert!(seconds >= latest, "{of}: rows are not in order of time");
        latest = seconds;
        for (at, value) in row.iter().enumerate().filter(|(at, _)| *at != time && Some(*at) != metric) {
            // With three columns, the one called metric names the series.
            let series = match metric {
                Some(metric) if row.len() == 3 => row[metric].to_string(),
                Some(_) => panic!("{of}: {:?} has a metric and more than one value", frame.columns),
                None => frame.columns[at].clone(),
            };
            let value = match value {
                Cell::Number(value) => Some(*value),
                Cell::Null => None,
                other => panic!("{of}: {other:?} is no value"),
            };
            let before = points.insert((seconds - world::at(0), series), value);
            assert!(before.is_none(), "{of}: a point twice: {row:?}");
        }
    }
    points
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * right.abs().max(1.0)
}

/// What a panel with a series must show: second, series, value.
fn expected_series(panel: &str) -> Option<Vec<(i64, &'static str, f64)>> {
    Some(match panel {
        "Requests a second" => vec![
            (0, "shop", 2.0 / 60.0),
            (0, "pay", 1.0 / 60.0),
            (60, "shop", 1.0 / 60.0),
            (60, "worker", 1.0 / 60.0),
            (120, "o'neil", 1.0 / 60.0),
        ],
        "Errors, of requests" => {
            vec![(0, "shop", 0.0), (0, "pay", 100.0), (60, "shop", 100.0), (60, "worker", 0.0), (120, "o'neil", 0.0)]
        }
        "Error logs" => {
            vec![(0, "shop", 0.0), (0, "pay", 1.0), (60, "shop", 1.0), (60, "worker", 0.0), (120, "o'neil", 0.0)]
        }
        "CPUs in use" => vec![(0, "shop", 0.5), (60, "shop", 1.5)],
        "Memory in use" => vec![(0, "shop", 1000.0), (60, "shop", 3000.0)],
        "Spans found" => vec![
            // The span stored twice is counted twice: these are stored spans.
            (0, "spans", 5.0),
            (0, "errors", 2.0),
            (60, "spans", 2.0),
            (60, "errors", 1.0),
            (120, "spans", 1.0),
            (120, "errors", 0.0),
        ],
        _ => return None,
    })
}

fn check_series(query: &Query, frame: &Frame) {
    let of = query.name();
    let points = time_series(frame, &of);
    match query.panel.as_str() {
        // Percentiles of few values lie somewhere between them; of one value they are it.
        "Latency" => {
            let value = |second, series: &str| points[&(second, series.to_owned())].unwrap();
            for (second, least, most) in [(0, 20.0, 100.0), (60, 7.0, 300.0), (120, 5.0, 5.0)] {
                let [p50, p95, p99] = ["p50", "p95", "p99"].map(|series| value(second, series));
                assert!(least <= p50 && p50 <= p95 && p95 <= p99 && p99 <= most, "{second}: {p50} {p95} {p99}");
            }
            assert_eq!(points.len(), 9);
        }
        "Latency by service, p95" => {
            let ends = [("pay", 0, 40.0), ("shop", 60, 300.0), ("worker", 60, 7.0), ("o'neil", 120, 5.0)];
            for (service, second, value) in ends {
                assert_eq!(points[&(second, service.to_owned())], Some(value));
            }
            assert!((20.0..=100.0).contains(&points[&(0, "shop".to_owned())].unwrap()));
            assert_eq!(points.len(), 5);
        }
        panel => {
            let expected = expected_series(panel).unwrap_or_else(|| panic!("what must {panel} show?"));
            let same = expected.iter().all(|(second, series, value)| {
                let point = points.get(&(*second, (*series).to_owned())).copied().flatten();
                point.is_some_and(|point| close(point, *value))
            });
            assert!(same && expected.len() == points.len(), "{of}: {points:?}");
        }
    }
}

/// What of a table must be there: these columns of its rows, in order, values as text.
fn expected_table(name: &str) -> Option<(&'static [&'static str], Vec<Vec<&'static str>>)> {
    Some(match name {
        "The range/A" => (&["Requests", "Error logs"], vec![vec!["6", "2"]]),
        "Newest error logs/A" => (
            &["service_name", "severity_text", "body", "trace_id"],
            vec![vec!["shop", "", "cart broken", ""], vec!["pay", "", "card refused", world::TRACE_1]],
        ),
        "Top errors/A" => (
            &["signal", "service_name", "type", "message", "count", "trace_id"],
            vec![
                vec!["log", "shop", "ERROR", "cart broken", "1", ""],
                vec!["span", "shop", "ERROR", "GET /cart", "1", world::TRACE_3],
                vec!["log", "pay", "ERROR", "card refused", "1", world::TRACE_1],
                vec!["span", "pay", "ERROR", "card refused", "1", world::TRACE_1],
            ],
        ),
        "Who calls whom/A" => (
            &["client", "server", "connection_type", "calls"],
            vec![
                vec!["user", "shop", "virtual_node", "3"],
                vec!["user", "o'neil", "virtual_node", "1"],
                vec!["shop", "pay", "", "1"],
            ],
        ),
        "Service map/nodes" => (
            &["id", "title", "mainstat", "secondarystat"],
            vec![
                vec!["shop", "shop", "3", "1"],
                vec!["pay", "pay", "1", "1"],
                vec!["o'neil", "o'neil", "1", "0"],
                vec!["user", "user", "0", "0"],
            ],
        ),
        "Service map/edges" => (
            &["source", "target", "mainstat", "secondarystat"],
            vec![vec!["user", "shop", "3", "1"], vec!["user", "o'neil", "1", "0"], vec!["shop", "pay", "1", "1"]],
        ),
        "Traces/A" => (
            &[
                "trace_id",
                "root_service",
                "root_name",
                "duration_ms",
                "spans",
                "errors",
                "logs",
                "error_logs",
                "services",
            ],
            vec![
                vec![world::TRACE_5, "o'neil", "say \"hi\"", "5", "1", "0", "0", "0", "o'neil"],
                vec![world::TRACE_4, "worker", "mail", "7", "1", "0", "0", "0", "worker"],
                vec![world::TRACE_3, "shop", "GET /cart", "300", "1", "1", "0", "0", "shop"],
                vec![world::TRACE_2, "shop", "GET /buy", "20", "1", "0", "0", "0", "shop"],
                vec![world::TRACE_1, "shop", "GET /buy", "100", "3", "1", "2", "1", "pay, shop"],
            ],
        ),
        "What the trace did/A" => (
            &["span", "service_name", "kind", "offset_ms", "duration_ms", "self_ms", "status_code"],
            vec![
                vec!["GET /buy", "shop", "SERVER", "0", "100", "40", "UNSET"],
                vec!["· charge", "shop", "CLIENT", "10", "60", "20", "UNSET"],
                vec!["· · charge", "pay", "SERVER", "20", "40", "40", "ERROR"],
            ],
        ),
        "Errors of the trace/A" => (
            &["signal", "service_name", "name", "type", "message"],
            vec![
                vec!["span", "pay", "charge", "ERROR", "card refused"],
                vec!["log", "pay", "", "ERROR", "card refused"],
            ],
        ),
        "Logs of the trace/A" => (
            &["service_name", "body", "span_name", "span_duration_ms"],
            vec![vec!["pay", "card refused", "charge", "40"], vec!["shop", "buying", "GET /buy", "100"]],
        ),
        _ => return None,
    })
}

fn rows_of(frame: &Frame, columns: &[&str]) -> Vec<Vec<String>> {
    let columns: Vec<_> = columns.iter().map(|column| frame.texts(column)).collect();
    (0..frame.rows.len()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}

fn check_table(query: &Query, frame: &Frame) {
    let name = query.name();
    if name == "The range/B" {
        let [Cell::Number(p50), Cell::Number(p95), Cell::Number(p99)] = frame.rows[0][..] else { panic!("{frame:?}") };
        assert!(5.0 <= p50 && p50 <= p95 && p95 <= p99 && p99 <= 300.0, "{p50} {p95} {p99}");
        return;
    }
    let (columns, expected) = expected_table(&name).unwrap_or_else(|| panic!("what must {name} show?"));
    let sorted = |mut rows: Vec<Vec<String>>| {
        // Equals come in any order.
        if matches!(name.as_str(), "Who calls whom/A" | "Service map/nodes" | "Service map/edges") {
            rows.sort();
        }
        rows
    };
    let expected = expected.into_iter().map(|row| row.into_iter().map(str::to_owned).collect()).collect();
    assert_eq!(sorted(rows_of(frame, columns)), sorted(expected), "{name}");
}

/// Every panel's query, with all variables as a dashboard opens with, but for a trace that is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn each_panel_shows_what_happened() {
    let mut grafana = Grafana::over_the_world().await;
    for name in DASHBOARDS {
        let dashboard = Dashboard::read(name);
        for query in dashboard.queries() {
            let mut chosen = dashboard.chosen();
            if query.panel.contains("the trace") {
                let nothing = grafana.ask(&sent(&query.sql, &chosen, true).sql);
                assert_eq!(nothing.rows.len(), 0, "{} without a trace", query.name());
                chosen.insert("trace_id".to_owned(), one(world::TRACE_1));
            }
            for sql in both(&query.sql, &chosen) {
                let frame = grafana.ask(&sql);
                match (query.kind.as_str(), query.format.as_str()) {
                    ("timeseries", "time_series") => check_series(&query, &frame),
                    ("stat" | "table" | "nodeGraph", "table") => check_table(&query, &frame),
                    (kind, format) => panic!("{kind} of {format}"),
                }
            }
        }
    }
}

/// The views asked by hand say the same as the panels.
#[tokio::test(flavor = "multi_thread")]
async fn panels_agree_with_the_views() {
    let mut grafana = Grafana::over_the_world().await;
    let traces = "SELECT time, trace_id, root_service, root_name, duration_ms, span_count AS spans,
            error_count AS errors, log_count AS logs, error_log_count AS error_logs,
            array_to_string(services, ', ') AS services
        FROM traces WHERE time >= '2023-11-14T22:14:00Z' AND time <= '2023-11-14T22:19:00Z' ORDER BY time DESC";
    let by_hand = Frame::of(&grafana.server.arrow(traces).await);
    let dashboard = Dashboard::read("trace-search");
    let query = dashboard.queries().into_iter().find(|query| query.panel == "Traces").unwrap();
    let shown = grafana.ask(&sent(&query.sql, &dashboard.chosen(), true).sql);
    assert_eq!(shown.columns, by_hand.columns);
    assert_eq!(shown.rows, by_hand.rows);
    assert_eq!(by_hand.rows.len(), 5);

    let health = "SELECT time, service_name AS metric, p95_ms AS value FROM service_health
        WHERE time >= '2023-11-14T22:14:00Z' AND time <= '2023-11-14T22:19:00Z' AND requests > 0 ORDER BY 1, 2";
    let by_hand = Frame::of(&grafana.server.arrow(health).await);
    let dashboard = Dashboard::read("service-health");
    let query = dashboard.queries().into_iter().find(|query| query.panel == "Latency by service, p95").unwrap();
    let shown = grafana.ask(&sent(&query.sql, &dashboard.chosen(), true).sql);
    assert_eq!(shown.rows, by_hand.rows);
    assert_eq!(by_hand.rows.len(), 5);
}

/// What the lists of a dashboard offer, and what a choice in them leaves.
#[tokio::test(flavor = "multi_thread")]
async fn variables_offer_what_there_is() {
    let mut grafana = Grafana::over_the_world().await;
    let offered: [(&str, &str, &[&str]); 6] = [
        ("service-health", "environment", &["-", "prod", "test"]),
        ("service-health", "namespace", &["-", "web"]),
        ("service-health", "service", &["o'neil", "pay", "shop", "worker"]),
        ("trace-search", "environment", &["-", "prod", "test"]),
        ("trace-search", "service", &["o'neil", "pay", "shop", "worker"]),
        ("trace-search", "operation", &["GET /buy", "GET /cart", "charge", "mail", "say \"hi\""]),
    ];
    let names: Vec<_> = DASHBOARDS.iter().flat_map(|name| Dashboard::read(name).variable_queries()).collect();
    assert_eq!(names.len(), offered.len());
    for (name, variable, expected) in offered {
        let dashboard = Dashboard::read(name);
        let query = dashboard.variable_queries().into_iter().find(|(name, _)| name == variable).unwrap().1;
        let mut ask = |chosen: &BTreeMap<String, Chosen>| {
            let frame = grafana.ask(&sent(&query, chosen, true).sql);
            assert_eq!(frame.columns.len(), 1, "Grafana offers the values of every column");
            let values: BTreeSet<String> = frame.texts(&frame.columns[0]).into_iter().collect();
            values
        };
        let all = dashboard.chosen();
        assert_eq!(ask(&all), expected.iter().map(|value| (*value).to_owned()).collect(), "{variable} of {name}");
        // The lists depend on those before them.
        let mut test = all.clone();
        test.insert("environment".to_owned(), many(&["test"]));
        match variable {
            "namespace" => assert_eq!(ask(&test), ["web".to_owned()].into()),
            "service" => assert_eq!(ask(&test), ["o'neil".to_owned()].into()),
            "operation" => assert_eq!(ask(&test), ["say \"hi\"".to_owned()].into()),
            _ => {}
        }
    }
}

/// A search and the traces that it must find.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_the_traces_that_have_it_all() {
    let mut grafana = Grafana::over_the_world().await;
    let dashboard = Dashboard::read("trace-search");
    let query = |panel: &str| dashboard.queries().into_iter().find(|query| query.panel == panel).unwrap();
    let (traces, spans) = (query("Traces"), query("Spans found"));
    let (t1, t2, t3, t4, t5) = (world::TRACE_1, world::TRACE_2, world::TRACE_3, world::TRACE_4, world::TRACE_5);
    type Search<'a> = Vec<(&'a str, Chosen)>;
    // Variables, the traces, and how many spans have it all.
    let searches: Vec<(Search<'_>, Vec<&str>, u64)> = vec![
        (vec![("service", many(&["pay"]))], vec![t1], 2),
        (vec![("service", many(&["pay", "o'neil"]))], vec![t5, t1], 3),
        (vec![("environment", many(&["-"]))], vec![t4], 1),
        (
            vec![("environment", many(&["prod", "test"])), ("operation", many(&["GET /cart", "say \"hi\""]))],
            vec![t5, t3],
            2,
        ),
        (vec![("operation", many(&["no such thing"]))], vec![], 0),
        (vec![("min_duration_ms", one("60"))], vec![t3, t1], 3),
        (vec![("min_duration_ms", one(""))], vec![t5, t4, t3, t2, t1], 8),
        (vec![("min_duration_ms", one("60.5")), ("service", many(&["shop"]))], vec![t3, t1], 2),
        (vec![("errors_only", one("yes"))], vec![t3, t1], 3),
        (vec![("errors_only", one("yes")), ("service", many(&["shop"]))], vec![t3], 1),
        (vec![("attribute_key", one("user.id"))], vec![t2, t1], 2),
        (vec![("attribute_key", one("user.id")), ("attribute_value", one("O'Brien"))], vec![t2], 1),
        (vec![("attribute_key", one("service.namespace")), ("attribute_value", one("web"))], vec![t5, t3, t2, t1], 7),
        (vec![("attribute_key", one("it's")), ("attribute_value", one("' OR '' = '"))], vec![], 0),
        (vec![("trace_id", one(t2))], vec![t2], 1),
        (vec![("trace_id", one(t2)), ("service", many(&["pay"]))], vec![], 0),
    ];
    for (variables, expected, count) in searches {
        let mut chosen = dashboard.chosen();
        let said = format!("{variables:?}");
        chosen.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let found = grafana.ask(&sent(&traces.sql, &chosen, true).sql);
        assert_eq!(found.rows.is_empty(), expected.is_empty(), "{said}");
        assert_eq!(found.texts("trace_id"), expected, "{said}");
        let counted = grafana.ask(&sent(&spans.sql, &chosen, true).sql);
        let points = time_series(&counted, &said);
        let total: f64 =
            points.iter().filter(|((_, series), _)| series == "spans").filter_map(|(_, value)| *value).sum();
        assert_eq!(total, count as f64, "{said}");
    }
}

/// A choice of services leaves the others out, also of the edges, where it stands for either end.
#[tokio::test(flavor = "multi_thread")]
async fn a_choice_of_services_leaves_others_out() {
    let mut grafana = Grafana::over_the_world().await;
    let dashboard = Dashboard::read("service-health");
    let mut chosen = dashboard.chosen();
    chosen.insert("service".to_owned(), many(&["pay", "o'neil"]));
    chosen.insert("environment".to_owned(), many(&["prod"]));
    for query in dashboard.queries() {
        let frame = grafana.ask(&sent(&query.sql, &chosen, true).sql);
        let shown = |column: &str| frame.texts(column).into_iter().collect::<BTreeSet<_>>();
        let pay: BTreeSet<_> = ["pay".to_owned()].into();
        match query.name().as_str() {
            "The range/A" => assert_eq!(rows_of(&frame, &["Requests", "Errors"]), [["1", "100"]]),
            "The range/B" => assert_eq!(rows_of(&frame, &["p50", "p99"]), [["40", "40"]]),
            "Latency/A" => assert_eq!(rows_of(&frame, &["p50"]), [["40"]]),
            "Who calls whom/A" => {
                let edges: BTreeSet<_> = rows_of(&frame, &["client", "server"]).into_iter().collect();
                let expected = [("shop", "pay"), ("user", "o'neil")];
                assert_eq!(edges, expected.map(|(client, server)| vec![client.to_owned(), server.to_owned()]).into());
            }
            "Service map/nodes" => assert_eq!(shown("id").len(), 4),
            "Service map/edges" => assert_eq!(frame.rows.len(), 2),
            "CPUs in use/A" | "Memory in use/A" => assert_eq!(frame.rows.len(), 0),
            _ if frame.columns.iter().any(|column| column == "metric") => {
                assert_eq!(shown("metric"), pay, "{}", query.panel);
            }
            _ => assert_eq!(shown("service_name"), pay, "{}", query.panel),
        }
    }
}

/// What is asked of one of 21 days reads the files of that day, however its times are written.
#[tokio::test(flavor = "multi_thread")]
async fn what_grafana_asks_of_a_day_reads_its_files() {
    let mut grafana = Grafana::over_the_world().await;
    let days = world::DAYS + 1;
    let mut queries: Vec<(String, String, BTreeMap<String, Chosen>)> = Vec::new();
    for name in DASHBOARDS {
        let dashboard = Dashboard::read(name);
        let mut chosen = dashboard.chosen();
        for query in dashboard.queries() {
            if query.panel.contains("the trace") {
                chosen.insert("trace_id".to_owned(), one(world::TRACE_1));
            }
            queries.push((query.name(), query.sql, chosen.clone()));
        }
        queries.extend(dashboard.variable_queries().into_iter().map(|(name, sql)| (name, sql, dashboard.chosen())));
    }
    // What a person writes, and what Grafana's query builder does.
    for sql in [
        "SELECT $__timeGroupAlias(time, $__interval), count(*) AS value FROM logs WHERE $__timeFilter(time) GROUP BY 1",
        "SELECT $__timeGroup(time, '5m'), count(*) FROM logs WHERE $__timeFilter(time) GROUP BY 1 ORDER BY 1",
        "SELECT $__timeGroup(time, '5m', 0) AS time, count(*) FROM spans WHERE $__timeFilter(time) GROUP BY 1 ORDER BY 1",
        "SELECT $__timeGroupAlias(time, 20ms), count(*) FROM logs WHERE $__timeFilter(time) GROUP BY 1 ORDER BY 1",
        "SELECT $__timeGroupAlias(time, '12d', previous), count(*) FROM logs WHERE $__timeFilter(time) GROUP BY 1 ORDER BY 1",
        "SELECT $__time(time), duration_nano FROM spans WHERE $__timeFilter(time)",
        "SELECT $__timeEpoch(time), duration_nano FROM spans WHERE $__timeFilter(time)",
        "SELECT time, body FROM logs WHERE time >= $__timeFrom() AND time < $__timeTo()",
        "SELECT time, body FROM logs WHERE extract(epoch FROM time) BETWEEN $__unixEpochFrom() AND $__unixEpochTo()",
        "SELECT time, body FROM (SELECT *, extract(epoch FROM time) AS seconds FROM logs) AS l WHERE $__unixEpochFilter(seconds)",
        "SELECT time, body FROM logs WHERE time >= to_timestamp($__unixEpochFrom()) AND time <= to_timestamp($__unixEpochTo())",
        "SELECT $__unixEpochGroupAlias(seconds, $__interval), count(*) FROM (SELECT *, extract(epoch FROM time) AS seconds FROM logs) AS l WHERE $__timeFilter(time) GROUP BY 1",
        "SELECT COUNT(trace_id) AS \"spans\", service_name FROM spans WHERE (kind = 'SERVER' AND $__timeFilter(\"time\")) GROUP BY service_name ORDER BY COUNT(trace_id) DESC LIMIT 50",
    ] {
        queries.push((sql.to_owned(), sql.to_owned(), BTreeMap::new()));
    }
    for (name, sql, chosen) in queries {
        for sql in both(&sql, &chosen) {
            let scans = grafana.scans(&sql);
            assert!(!scans.is_empty(), "{name}");
            for (table, read, all) in scans {
                assert_eq!(all, days, "{table}: {name}");
                assert!(read <= 1, "{read} files of {table} are read by {name}\n{sql}");
            }
            assert!(!grafana.ask(&sql).rows.is_empty(), "{name}");
        }
    }
}

/// Before anything came in: "Save & test" is content, lists are empty, panels have no data, and nothing is an error.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_lake_is_no_error() {
    let home = Home::new("");
    let server = home.serve();
    let connection = Connection::open(&server.postgres(), "grafana", "telestrata");
    let mut grafana = Grafana { server, connection, _home: home };
    // pgx's ping, and lib/pq's.
    for nothing in ["-- ping", ";"] {
        assert_eq!(grafana.ask(nothing).columns.len(), 0);
    }
    for name in DASHBOARDS {
        let dashboard = Dashboard::read(name);
        let queries = dashboard.queries().into_iter().map(|query| (query.name(), query.sql));
        for (of, sql) in queries.chain(dashboard.variable_queries()) {
            let frame = grafana.ask(&sent(&sql, &dashboard.chosen(), true).sql);
            let one_row_of_all = of.starts_with("The range");
            assert_eq!(frame.rows.len(), usize::from(one_row_of_all), "{of}");
        }
    }
}

/// The dashboards hold together: what they name is there, and what the tests' Grafana leaves out is not.
#[test]
fn dashboards_name_what_there_is() {
    let provisioned =
        std::fs::read_to_string(dashboard::folder().join("provisioning/datasources/telestrata.yaml")).unwrap();
    let uids: BTreeSet<String> =
        DASHBOARDS.iter().map(|name| Dashboard::read(name).json["uid"].as_str().unwrap().to_owned()).collect();
    for name in DASHBOARDS {
        let dashboard = Dashboard::read(name);
        let text = dashboard.json.to_string();
        let names: BTreeSet<&str> =
            dashboard.variables().iter().map(|variable| variable["name"].as_str().unwrap()).collect();
        walk(&dashboard.json, &mut |value| {
            if let (Some(kind @ ("grafana-postgresql-datasource" | "jaeger")), Some(uid)) =
                (value["type"].as_str(), value["uid"].as_str())
            {
                let source = format!("uid: {uid}\n    type: {kind}\n");
                assert!(provisioned.contains(&source), "{source} is not provisioned");
            }
        });
        for part in text.split("/d/").skip(1) {
            let uid = part.split(['?', '"']).next().unwrap();
            assert!(uids.contains(uid), "no dashboard {uid}");
        }
        let queries = dashboard.queries().into_iter().map(|query| (query.name(), query.sql));
        for (of, sql) in queries.chain(dashboard.variable_queries()) {
            assert!(!["${", "[[", "--", "/*"].iter().any(|form| sql.contains(form)), "{of}: {sql}");
            // By time, or by the id of a trace, which leaves out more.
            assert!(sql.contains("$__timeFilter(time)") || sql.contains("'$trace_id'"), "{of} reads everything");
            for word in sql.split('$').skip(1) {
                let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len());
                assert!(word.starts_with("__") || names.contains(&word[..end]), "{of}: no variable {word}");
            }
        }
        let grids: Vec<[u64; 4]> = dashboard
            .panels()
            .iter()
            .map(|panel| ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap()))
            .collect();
        for (at, [x, y, w, h]) in grids.iter().enumerate() {
            assert!(x + w <= 24);
            for [x2, y2, w2, h2] in &grids[at + 1..] {
                assert!(x + w <= *x2 || x2 + w2 <= *x || y + h <= *y2 || y2 + h2 <= *y, "panels lie over each other");
            }
        }
    }
}

fn walk(value: &Value, see: &mut impl FnMut(&Value)) {
    see(value);
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, see)),
        Value::Object(values) => values.values().for_each(|value| walk(value, see)),
        _ => {}
    }
}
