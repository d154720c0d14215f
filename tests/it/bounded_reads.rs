//! What a question on a cross-signal view reads of a lake of many days: every side of every join is bounded.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::server::{Home, Server};

/// 2023-11-15T00:00:00Z.
const DAY_0: u64 = 1_700_006_400;
const DAYS: u64 = 60;
const NOON: f64 = 43_200.0;

/// A day in the middle, and the one before which a span began that runs into it.
const MIDDLE: u64 = 30;
const LATE: u64 = 10;

fn nanos(day: u64, second: f64) -> String {
    ((DAY_0 + day * 86_400) * 1_000_000_000).saturating_add_signed((second * 1e9) as i64).to_string()
}

fn date(day: u64) -> String {
    let time = chrono::DateTime::from_timestamp(i64::try_from(DAY_0 + day * 86_400).unwrap(), 0).unwrap();
    time.format("%Y-%m-%d").to_string()
}

fn trace(day: u64) -> String {
    // Far apart and in no order, so that no range of ids leaves out a file.
    format!("{:032x}", u128::from(day + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn span(trace: &str, own: &str, parent: &str, name: &str, from: String, to: String, code: u8) -> Value {
    json!({
        "traceId": trace, "spanId": own, "parentSpanId": parent, "name": name, "kind": 2, "status": { "code": code },
        "startTimeUnixNano": from, "endTimeUnixNano": to,
        "events": [{ "timeUnixNano": to, "name": "done" }], "links": [{ "traceId": trace, "spanId": own }],
    })
}

fn log(trace: &str, span: &str, time: String, text: &str) -> Value {
    json!({
        "traceId": trace, "spanId": span, "timeUnixNano": time, "severityNumber": 17, "body": { "stringValue": text },
    })
}

fn point(trace: &str, span: &str, day: u64, second: f64) -> Value {
    json!({
        "timeUnixNano": nanos(day, second + 30.0), "asDouble": 1.0,
        "exemplars": [{ "timeUnixNano": nanos(day, second), "asDouble": 1.0, "traceId": trace, "spanId": span }],
    })
}

fn request(outer: &str, inner: &str, records: &str, of: Vec<Value>) -> String {
    let service = json!([{ "key": "service.name", "value": { "stringValue": "shop" } }]);
    json!({ outer: [{ "resource": { "attributes": service }, inner: [{ records: of }] }] }).to_string()
}

const ROOT: &str = "00000000000000a1";
const CHILD: &str = "00000000000000b1";

/// Each day at noon a trace of two spans, a log and an exemplar; and a span of two hours, from half an hour before
/// midnight, with a log, an exemplar and a child after it.
fn import_days(home: &Home) {
    let (mut spans, mut logs, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for day in 0..DAYS {
        let id = trace(day);
        spans.push(span(&id, ROOT, "", "GET /buy", nanos(day, NOON), nanos(day, NOON + 3.0), 0));
        spans.push(span(&id, CHILD, ROOT, "charge", nanos(day, NOON + 1.0), nanos(day, NOON + 2.0), 2));
        logs.push(log(&id, CHILD, nanos(day, NOON + 1.5), "refused"));
        points.push(point(&id, CHILD, day, NOON + 1.2));
        // Tables of more than a megabyte: DataFusion takes a smaller one for the side of a join to keep in memory, and
        // reads it first and whole.
        for number in 0..12_u64 {
            let (time, noise) = (nanos(day, 21_600.0 + number as f64), noise(day * 100 + number));
            logs.push(json!({ "timeUnixNano": time, "body": { "stringValue": noise } }));
            let attribute = json!([{ "key": "noise", "value": { "stringValue": noise } }]);
            points.push(json!({ "timeUnixNano": time, "asDouble": 1.0, "attributes": attribute }));
        }
    }
    let id = trace(DAYS);
    spans.push(span(&id, ROOT, "", "batch", nanos(LATE, 84_600.0), nanos(LATE + 1, 5400.0), 0));
    spans.push(span(&id, CHILD, ROOT, "part", nanos(LATE + 1, 3600.0), nanos(LATE + 1, 3601.0), 0));
    logs.push(log(&id, ROOT, nanos(LATE + 1, 2700.0), "still running"));
    points.push(point(&id, ROOT, LATE + 1, 2700.0));
    let gauge = vec![json!({ "name": "batches", "gauge": { "dataPoints": points } })];
    let files = [
        ("spans.jsonl", request("resourceSpans", "scopeSpans", "spans", spans)),
        ("logs.jsonl", request("resourceLogs", "scopeLogs", "logRecords", logs)),
        ("metrics.jsonl", request("resourceMetrics", "scopeMetrics", "metrics", gauge)),
    ];
    let mut import = home.verb("import");
    for (name, text) in files {
        std::fs::write(home.path().join(name), text).unwrap();
        import.arg(home.path().join(name));
    }
    let imported = import.output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
}

/// 4000 hexadecimal digits that no compression makes less of than 2000 bytes.
fn noise(seed: u64) -> String {
    let mut state = u128::from(seed) * 2 + 1;
    (0..500).fold(String::new(), |mut text, _| {
        state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(0x5851_f42d_4c95_7f2d);
        let _ = write!(text, "{:08x}", (state >> 96) as u32);
        text
    })
}

async fn physical_plan(server: &Server, query: &str) -> String {
    let plan = server.sql(&format!("explain format indent {query}")).await;
    plan.iter().find(|row| row["plan_type"] == "physical_plan").unwrap()["plan"].as_str().unwrap().to_owned()
}

/// The tables and dates of the files in a plan.
fn files_of(plan: &str) -> BTreeSet<(String, String)> {
    let parts: Vec<&str> = plan.split("/date=").collect();
    let pairs = parts.windows(2).map(|pair| {
        let table = pair[0].rsplit('/').next().unwrap();
        (table.to_owned(), pair[1][..10].to_owned())
    });
    pairs.collect()
}

fn expected_files(tables: &[(&str, &[u64])]) -> BTreeSet<(String, String)> {
    tables.iter().flat_map(|(table, days)| days.iter().map(|day| ((*table).to_owned(), date(*day)))).collect()
}

/// Tables, and the days of which files are read.
type Files = &'static [(&'static str, &'static [u64])];

/// What each view reads for one day.
const ONE_DAY: &[(&str, Files)] = &[
    ("span_logs", &[("logs", &[MIDDLE]), ("spans", &[MIDDLE])]),
    ("trace_timeline", &[("logs", &[MIDDLE]), ("spans", &[MIDDLE]), ("metrics", &[MIDDLE])]),
    ("span_events", &[("spans", &[MIDDLE])]),
    ("span_links", &[("spans", &[MIDDLE])]),
    ("exemplars", &[("metrics", &[MIDDLE])]),
    ("exemplar_spans", &[("metrics", &[MIDDLE]), ("spans", &[MIDDLE])]),
    ("error_context", &[("logs", &[MIDDLE]), ("spans", &[MIDDLE]), ("metrics", &[MIDDLE])]),
    // What began that day was not there the day before, and may go on until the end of the next.
    ("traces", &[("logs", &[MIDDLE, MIDDLE + 1]), ("spans", &[MIDDLE - 1, MIDDLE, MIDDLE + 1])]),
    ("spans_with_logs", &[("logs", &[MIDDLE, MIDDLE + 1]), ("spans", &[MIDDLE, MIDDLE + 1])]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_question_reads_what_it_must() {
    let mut home = Home::new("");
    import_days(&home);
    views_of_a_user(&mut home);
    let server = home.serve();
    let (from, to) = (date(MIDDLE), date(MIDDLE + 1));
    for (view, tables) in ONE_DAY {
        let query = format!("select * from {view} where time >= '{from}T00:00:00Z' and time < '{to}T00:00:00Z'");
        let plan = physical_plan(&server, &query).await;
        assert_eq!(files_of(&plan), expected_files(tables), "{query}\n{plan}");
        assert!(!server.sql(&query).await.is_empty(), "{query}");
    }
    bounds_reach_a_view_through_what_keeps_them(&server).await;
    a_long_span_is_found(&server).await;
    a_trace_id_reads_one_row_group_of_every_side(&server).await;
}

/// Views that bound their table, and one on a view.
fn views_of_a_user(home: &mut Home) {
    let folder = home.path().join("views");
    std::fs::create_dir(&folder).unwrap();
    let minutes = "-- One row a minute with spans.\nSELECT date_trunc('minute', time) AS time, count(*) AS n FROM spans
        WHERE in_asked_time(time, INTERVAL '0', INTERVAL '1 minute') GROUP BY 1";
    let hours = "-- One row an hour with spans.\nSELECT date_trunc('hour', time) AS time, sum(n) AS n FROM minutes
        WHERE in_asked_time(time, INTERVAL '0', INTERVAL '1 hour') GROUP BY 1";
    // A CTE that has the name of another view is still this view's.
    let days =
        "-- One row a day with spans.\nWITH span_events AS (SELECT date_trunc('minute', time) AS minute FROM spans
        WHERE in_asked_time(time, INTERVAL '0', INTERVAL '1 day'))
        SELECT date_trunc('day', minute) AS time, count(*) AS n FROM span_events GROUP BY 1";
    std::fs::write(folder.join("days.sql"), days).unwrap();
    std::fs::write(folder.join("minutes.sql"), minutes).unwrap();
    std::fs::write(folder.join("hours.sql"), hours).unwrap();
    home.reconfigure(&format!("[query]\nviews = {folder:?}\n"));
}

async fn bounds_reach_a_view_through_what_keeps_them(server: &Server) {
    let (from, to) = (format!("{}T00:00:00Z", date(MIDDLE)), format!("{}T00:00:00Z", date(MIDDLE + 1)));
    let bound = |column: &str| format!("{column} >= '{from}' and {column} < '{to}'");
    let spans: Files = &[("spans", &[MIDDLE])];
    let two_days: Files = &[("spans", &[MIDDLE, MIDDLE + 1])];
    let metrics: Files = &[("metrics", &[MIDDLE])];
    let both: Files = &[("spans", &[MIDDLE]), ("metrics", &[MIDDLE])];
    let cases = [
        (format!("select * from hours where {}", bound("time")), spans),
        (format!("select * from days where {}", bound("time")), two_days),
        (format!("with e as (select time as at, name from span_events) select * from e where {}", bound("at")), spans),
        (
            format!("select * from (select time, count(*) from exemplars group by time) where {}", bound("time")),
            metrics,
        ),
        (
            format!(
                "select * from (select time from span_events union all select time from exemplars) where {}",
                bound("time")
            ),
            both,
        ),
        (
            format!(
                "select * from (select *, row_number() over (partition by time) as n from span_events) where n = 1 and {}",
                bound("time")
            ),
            spans,
        ),
        // The one side by what is asked of the other.
        (format!("select * from exemplars e join span_events s on s.time = e.time where {}", bound("e.time")), both),
        (
            format!("select * from exemplars e left join span_events s on s.time = e.time where {}", bound("e.time")),
            both,
        ),
        // No row without an event has a time of one.
        (
            format!("select * from exemplars e full join span_events s on s.time = e.time where {}", bound("s.time")),
            both,
        ),
        (
            format!(
                "select * from exemplars e left join span_events s on s.name = e.unit and {} where {}",
                bound("s.time"),
                bound("e.time")
            ),
            both,
        ),
    ];
    for (query, tables) in cases {
        let plan = physical_plan(server, &query).await;
        assert_eq!(files_of(&plan), expected_files(tables), "{query}\n{plan}");
    }
    // What bounds nothing.
    for query in [
        format!("select * from span_events where time >= '{from}' or name = 'done'"),
        format!("select * from (select * from span_events order by time limit 1) where {}", bound("time")),
        format!("select * from (select *, lag(name) over (order by time) from span_events) where {}", bound("time")),
        format!("select * from exemplars e left join span_events s on s.name = e.unit where {}", bound("s.time")),
    ] {
        let plan = physical_plan(server, &query).await;
        assert!(files_of(&plan).len() > 5, "{query}\n{plan}");
    }
}

/// A log belongs to the span that began the day before; only files of spans that may run so late are read.
async fn a_long_span_is_found(server: &Server) {
    let day = date(LATE + 1);
    let bound = format!("time between '{day}T00:40:00Z' and '{day}T00:50:00Z'");
    let query = format!("select span_name from span_logs where {bound}");
    assert_eq!(server.sql(&query).await, [json!({ "span_name": "batch" })]);
    let plan = physical_plan(server, &query).await;
    assert_eq!(files_of(&plan), expected_files(&[("logs", &[LATE + 1]), ("spans", &[LATE, LATE + 1])]), "{plan}");
    let query = format!("select root_name from exemplar_spans where {bound}");
    assert_eq!(server.sql(&query).await, [json!({ "root_name": "batch" })]);
    // It began before: what began in this hour does not include it.
    let query = format!("select count(*) from traces where time between '{day}T00:40:00Z' and '{day}T01:30:00Z'");
    assert_eq!(server.number(&query).await, 0);
}

/// Spans and logs by the bloom filters of `trace_id`; what is around an error, by the dates of the errors.
async fn a_trace_id_reads_one_row_group_of_every_side(server: &Server) {
    let id = trace(MIDDLE);
    let one = |view: &str| format!("select * from {view} where trace_id = '{id}'");
    let several = format!("select * from trace_timeline where trace_id in ('{id}', '{}')", "1".repeat(32));
    let queries = ONE_DAY.iter().map(|(view, tables)| (one(view), tables));
    for (query, tables) in queries.chain([(several, &ONE_DAY[1].1)]) {
        let plan = server.sql(&format!("explain analyze {query}")).await;
        let plan = plan[0]["plan"].as_str().unwrap();
        for scan in plan.split("DataSourceExec: ").skip(1) {
            let scan = scan.lines().next().unwrap();
            let Some((folder, _)) = scan.split_once("/date=") else { continue };
            let table = folder.rsplit('/').next().unwrap();
            assert!(tables.iter().any(|(expected, _)| *expected == table), "{query}: {table}");
            // Exemplars have their trace inside, where no statistics are.
            if table != "metrics" || query.contains("error_context") {
                assert_eq!(matched(scan, "row_groups_pruned_bloom_filter"), 1, "{query}: {scan}");
            }
        }
    }
}

/// Of `name=60 total → 1 matched` the second number.
fn matched(scan: &str, name: &str) -> u64 {
    let after = scan.split(name).nth(1).unwrap_or_else(|| panic!("no {name} in {scan}"));
    after.split("→ ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}
