//! `trace_tree` and `critical_path` over a trace with everything wrong that spans can have wrong, worked out by hand.

use serde_json::{Value, json};

use crate::support::server::{Home, Server, telestrata};

/// The root's start in ms. One span starts 5 ms earlier.
const START: i64 = 1_700_000_000_000;

const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

fn trace_id(trace: u8) -> String {
    format!("4bf92f3577b34da6a3ce929d0e0e47{trace:02x}")
}

/// A service's spans: id and parent in short, name, kind, start and end in ms from the root's; an end of `None` for a
/// span that never ended.
type Told = (&'static str, &'static str, &'static str, &'static str, u8, i64, Option<i64>);

const SPANS: &[Told] = &[
    ("shop", "a1", "", "GET /buy", SERVER, 0, Some(50)),
    // The two halves of a call, as Zipkin has them.
    ("shop", "c1", "a1", "POST /charge", CLIENT, 10, Some(40)),
    ("pay", "c1", "a1", "charge", SERVER, 12, Some(36)),
    ("pay", "d1", "c1", "card", INTERNAL, 15, Some(35)),
    // Outlasts them all.
    ("pay", "d2", "d1", "audit", INTERNAL, 30, Some(60)),
    // A clock that is behind.
    ("shop", "e1", "a1", "skewed", INTERNAL, -5, Some(5)),
    ("zoo", "", "a1", "nobody", INTERNAL, 41, Some(43)),
    ("zoo", "b1", "a1", "back in time", INTERNAL, 44, Some(43)),
    ("zoo", "b2", "a1", "never ended", INTERNAL, 46, None),
    // Its parent is not here.
    ("zoo", "f1", "ff", "lost", INTERNAL, 20, Some(22)),
    // Each other's parents.
    ("zoo", "91", "92", "hen", INTERNAL, 45, Some(46)),
    ("zoo", "92", "91", "egg", INTERNAL, 47, Some(48)),
    // Sent twice.
    ("pay", "d1", "c1", "card", INTERNAL, 15, Some(35)),
];

async fn send(server: &Server, trace: u8, spans: &[Told]) {
    let id = |short: &str| if short.is_empty() { String::new() } else { format!("{short:0>16}") };
    let nanos = |ms: i64| format!("{}000000", START + ms);
    let resource = |(service, own, parent, name, kind, start, end): &Told| {
        let mut span = json!({
            "traceId": trace_id(trace), "spanId": id(own), "parentSpanId": id(parent), "name": name, "kind": kind,
            "startTimeUnixNano": nanos(*start),
        });
        if let Some(end) = end {
            span["endTimeUnixNano"] = json!(nanos(*end));
        }
        if *name == "card" {
            span["status"] = json!({ "code": 2, "message": "card refused" });
        }
        json!({
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
            "scopeSpans": [{ "spans": [span] }],
        })
    };
    let body = json!({ "resourceSpans": spans.iter().map(resource).collect::<Vec<_>>() });
    let url = format!("{}/v1/traces", server.otlp_http());
    let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
}

async fn check(server: &Server, trace: u8, when: &str) {
    let call = format!("trace_tree('{}')", trace_id(trace));
    let rows = server.sql(&format!("select depth, path, offset_ms, duration_ms, self_ms from {call}")).await;
    let root = "shop: GET /buy";
    let charge = format!("{root} > POST /charge > pay: charge");
    let line = |depth, path: &str, offset: f64, duration: Option<f64>, own: Option<f64>| json!({ "depth": depth, "path": path, "offset_ms": offset, "duration_ms": duration, "self_ms": own });
    let expected = [
        // 50 less 0 to 5, 10 to 40, 41 to 43.
        line(0, root, 5.0, Some(50.0), Some(13.0)),
        line(1, &format!("{root} > skewed"), 0.0, Some(10.0), Some(10.0)),
        line(1, &format!("{root} > POST /charge"), 15.0, Some(30.0), Some(6.0)),
        line(2, &charge, 17.0, Some(24.0), Some(4.0)),
        // 20 less 30 to 35.
        line(3, &format!("{charge} > card"), 20.0, Some(20.0), Some(15.0)),
        line(4, &format!("{charge} > card > audit"), 35.0, Some(30.0), Some(30.0)),
        line(1, &format!("{root} > zoo: nobody"), 46.0, Some(2.0), Some(2.0)),
        line(1, &format!("{root} > zoo: back in time"), 49.0, Some(-1.0), Some(0.0)),
        line(1, &format!("{root} > zoo: never ended"), 51.0, None, None),
        line(0, "zoo: lost", 25.0, Some(2.0), Some(2.0)),
        line(0, "zoo: hen", 50.0, Some(1.0), Some(1.0)),
        line(1, "zoo: hen > egg", 52.0, Some(1.0), Some(1.0)),
    ];
    assert_eq!(rows, expected, "{when}");

    let rows = server.sql(&format!("select ordinal, name, orphan, error, subtree_errors as errors, child_count as children from {call} where orphan or error or child_count > 0 order by ordinal")).await;
    let line = |ordinal, name, orphan, error, errors, children| json!({ "ordinal": ordinal, "name": name, "orphan": orphan, "error": error, "errors": errors, "children": children });
    let expected = [
        line(1, "GET /buy", false, false, 1, 5),
        line(3, "POST /charge", false, false, 1, 1),
        line(4, "charge", false, false, 1, 1),
        line(5, "card", false, true, 1, 1),
        line(10, "lost", true, false, 0, 0),
        line(11, "hen", true, false, 0, 1),
    ];
    assert_eq!(rows, expected, "{when}");

    let whole = server.sql(&format!("select trace_id, span_id, parent_span_id, service_name, kind, time, time_nanos, status_code, status_message, round(share * 84, 6) as of_84 from {call} where ordinal = 5")).await;
    let expected = json!({
        "trace_id": trace_id(trace), "span_id": "00000000000000d1", "parent_span_id": "00000000000000c1",
        "service_name": "pay", "kind": "INTERNAL", "time": "2023-11-14T22:13:20.015Z", "time_nanos": 0,
        "status_code": "ERROR", "status_message": "card refused", "of_84": 15.0,
    });
    assert_eq!(whole, [expected], "{when}");

    let call = format!("critical_path('{}')", trace_id(trace));
    let rows = server.sql(&format!("select name, kind, offset_ms as from_ms, duration_ms as ms from {call}")).await;
    let line = |name, kind, from: f64, ms: f64| json!({ "name": name, "kind": kind, "from_ms": from, "ms": ms });
    let expected = [
        line("skewed", "INTERNAL", 5.0, 5.0),
        line("GET /buy", "SERVER", 10.0, 5.0),
        line("POST /charge", "CLIENT", 15.0, 2.0),
        line("charge", "SERVER", 17.0, 3.0),
        line("card", "INTERNAL", 20.0, 15.0),
        line("audit", "INTERNAL", 35.0, 5.0),
        line("charge", "SERVER", 40.0, 1.0),
        line("POST /charge", "CLIENT", 41.0, 4.0),
        line("GET /buy", "SERVER", 45.0, 1.0),
        line("nobody", "INTERNAL", 46.0, 2.0),
        line("GET /buy", "SERVER", 48.0, 7.0),
    ];
    assert_eq!(rows, expected, "{when}");
    let sums = server.sql(&format!("select sum(duration_ms) as ms, round(sum(share), 9) as share, min(time) as first, max(span_duration_ms) as longest, count(*) filter (where error) as errors from {call}")).await;
    let expected = json!({ "ms": 50.0, "share": 1.0, "first": "2023-11-14T22:13:20Z", "longest": 50.0, "errors": 1 });
    assert_eq!(sums, [expected], "{when}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dirty_trace_is_a_tree_with_a_critical_path_hot_and_cold() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = home.serve();
    send(&server, 1, SPANS).await;
    check(&server, 1, "hot").await;
    // Every second span of another trace.
    let (first, second): (Vec<_>, Vec<_>) = SPANS.iter().enumerate().partition(|(place, _)| place % 2 == 0);
    let told = |spans: Vec<(usize, &Told)>| spans.into_iter().map(|(_, told)| *told).collect::<Vec<_>>();
    send(&server, 2, &told(first)).await;
    server.flush().await;
    check(&server, 1, "cold").await;
    send(&server, 2, &told(second)).await;
    check(&server, 2, "half flushed").await;

    let none = server.sql(&format!("select * from trace_tree('{}')", trace_id(9))).await;
    assert_eq!(none, Vec::<Value>::new());
    let none = server.sql(&format!("select * from critical_path('{}')", trace_id(9))).await;
    assert_eq!(none, Vec::<Value>::new());
    // What the query calls `spans` is no matter of the macro's.
    let beside = format!("with spans as (select 1) select count(*) from trace_tree('{}'), spans", trace_id(1));
    let tree = server.number(&format!("select count(*) from trace_tree('{}')", trace_id(1))).await;
    assert_eq!((server.number(&beside).await, tree > 3), (tree, true));
    // Joined with what else there is, and over both traces at once.
    let joined = format!(
        "select count(*) from trace_tree('{}') t join spans s on s.trace_id = t.trace_id and s.span_id = t.span_id and s.service_name = t.service_name",
        trace_id(1)
    );
    // All but the one without an id, one of them twice.
    assert_eq!(server.number(&joined).await, 12);
    let by_path = "select node['path'] as path, count(*) as calls, sum(node['self_ms']) as ms from (select unnest(trace_tree_of(array_agg(named_struct('span_id', span_id, 'parent_span_id', parent_span_id, 'service_name', service_name, 'name', name, 'kind', kind, 'status_code', status_code, 'time', time, 'time_nanos', time_nanos, 'duration_nano', duration_nano)))) as node from (select distinct on (trace_id, span_id, name) * from spans) group by trace_id) group by path order by ms desc nulls last limit 1";
    let path = "shop: GET /buy > POST /charge > pay: charge > card > audit";
    assert_eq!(server.sql(by_path).await, [json!({ "path": path, "calls": 2, "ms": 60.0 })]);

    // The same tree at the prompt.
    let output = telestrata().args(["trace", "--connect", &server.http(), &trace_id(1)]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let shown: Vec<&str> =
        text.lines().filter_map(|line| line.split(" ms ").nth(1)).map(|line| line.trim_end()).collect();
    let expected = [
        "  shop GET /buy",
        "    shop skewed",
        "    shop POST /charge",
        "      pay charge",
        "✗       pay card",
        "          pay audit",
        "    zoo nobody",
        "    zoo back in time",
        "    zoo never ended",
        "  zoo lost",
        "  zoo hen",
        "    zoo egg",
    ];
    assert_eq!(shown.get(..).unwrap_or_default(), expected, "{text}");
    assert!(text.contains("status: card refused"), "{text}");
}

#[rstest::rstest]
#[case("select * from trace_tree()", "trace_tree needs trace_id")]
#[case("select * from trace_tree('a', 'b')", "trace_tree(trace_id)")]
#[case("select trace_tree_of(array_agg(name)) from spans", "takes a list of structs")]
#[case("select critical_path_of(array_agg(named_struct('span_id', span_id))) from spans", "have no `parent_span_id`")]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_call_says_how_it_is_called(#[case] sql: &str, #[case] expected: &str) {
    let home = Home::new("");
    let server = home.serve();
    let answer =
        reqwest::Client::new().post(format!("{}/v1/sql", server.http())).body(sql.to_owned()).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let text = answer.text().await.unwrap();
    assert!(text.contains(expected), "{text}");
}
