//! `GET /v1/traces/{id}`: the document against a trace worked out by hand, and OTLP against what was sent.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::{Value, json};

use super::one_trace::{ANY_TIME, TRACE_ID, generated, get, get_json, kept, one_span, post, post_json, send};
use crate::support::server::{Home, Server};

const OTLP_JSON: &str = "application/vnd.opentelemetry.otlp+json";

/// The root's start, 2023-11-14T22:13:20Z.
const START: i64 = 1_700_000_000_000;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4701";

/// A span: service, id, parent, name, kind, start and end in ms from the root's.
type Told = (&'static str, &'static str, &'static str, &'static str, u8, i64, i64);

/// ```text
/// shop GET /buy     0 .. 100
/// +- shop total     5 .. 15
/// +- shop POST      20 .. 90
///    +- pay charge  30 .. 80      fails
///       +- pay card 40 .. 70      fails first
///       +- zoo note 71 .. 72
/// zoo lost          50 .. 55      its parent is not stored
/// ```
const SPANS: &[Told] = &[
    ("shop", "a1", "", "GET /buy", 2, 0, 100),
    ("shop", "b1", "a1", "total", 1, 5, 15),
    ("shop", "c1", "a1", "POST", 3, 20, 90),
    ("pay", "d1", "c1", "charge", 2, 30, 80),
    ("pay", "e1", "d1", "card", 1, 40, 70),
    ("zoo", "f1", "d1", "note", 1, 71, 72),
    ("zoo", "91", "92", "lost", 1, 50, 55),
];

fn id(short: &str) -> String {
    if short.is_empty() { String::new() } else { format!("{short:0>16}") }
}

fn nanos(ms: i64) -> String {
    format!("{}000000", START + ms)
}

fn resource(service: &str) -> Value {
    json!({"attributes": [
        {"key": "service.name", "value": {"stringValue": service}},
        {"key": "process.pid", "value": {"intValue": "7"}},
    ]})
}

async fn send_story(server: &Server) {
    let spans = SPANS.iter().map(|(service, own, parent, name, kind, start, end)| {
        let failed = ["charge", "card"].contains(name);
        let exception = json!([{"name": "exception", "timeUnixNano": nanos(69), "attributes": [
            {"key": "exception.type", "value": {"stringValue": "Declined"}},
            {"key": "exception.message", "value": {"stringValue": "card 4111 declined"}},
        ]}]);
        json!({"resource": resource(service), "scopeSpans": [{"scope": {"name": format!("{service}.lib")}, "spans": [{
            "traceId": TRACE, "spanId": id(own), "parentSpanId": id(parent), "name": name, "kind": kind,
            "startTimeUnixNano": nanos(*start), "endTimeUnixNano": nanos(*end),
            "status": {"code": if failed { 2 } else { 0 }, "message": if failed { "declined" } else { "" }},
            "events": if *name == "card" { exception } else { json!([]) },
            "attributes": [{"key": "amount", "value": {"doubleValue": 9.5}}, {"key": "tries", "value": {"intValue": "2"}}],
            "links": if *name == "charge" { json!([{"traceId": TRACE_ID, "spanId": id("77")}]) } else { json!([]) },
        }]}]})
    });
    post_json(server, "/v1/traces", json!({"resourceSpans": spans.collect::<Vec<_>>()})).await;
    let log = |service: &str, span: &str, at: i64, severity: u8, body: Value| {
        json!({"resource": resource(service), "scopeLogs": [{"logRecords": [{
            "traceId": TRACE, "spanId": id(span), "timeUnixNano": nanos(at), "severityNumber": severity, "body": body,
            "attributes": [{"key": "attempt", "value": {"intValue": "1"}}],
        }]}]})
    };
    let logs = [
        log("pay", "e1", 60, 17, json!({"stringValue": "declined"})),
        log("shop", "a1", 1, 9, json!({"kvlistValue": {"values": [{"key": "items", "value": {"intValue": "3"}}]}})),
        log("zoo", "", 2, 13, json!({"stringValue": "of no span"})),
    ];
    post_json(server, "/v1/logs", json!({ "resourceLogs": logs })).await;
    let exemplar = |span: &str, value: f64| {
        json!({"traceId": TRACE, "spanId": id(span), "timeUnixNano": nanos(80), "asDouble": value,
            "filteredAttributes": [{"key": "queue", "value": {"stringValue": "q1"}}]})
    };
    let points = json!([{"timeUnixNano": nanos(1_000), "startTimeUnixNano": nanos(0), "count": "2", "sum": 0.3,
        "explicitBounds": [1.0], "bucketCounts": ["2", "0"], "exemplars": [exemplar("d1", 0.05), exemplar("ee", 0.25)]}]);
    post_json(
        server,
        "/v1/metrics",
        json!({"resourceMetrics": [{"resource": resource("pay"), "scopeMetrics": [{"metrics": [{
            "name": "charge.duration", "unit": "s", "histogram": {"aggregationTemporality": 1, "dataPoints": points},
        }]}]}]}),
    )
    .await;
}

fn names(spans: &Value) -> Vec<&str> {
    spans.as_array().unwrap().iter().map(|span| span["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_tells_the_whole_story() {
    let home = Home::new(ANY_TIME);
    let server = home.serve();
    send_story(&server).await;
    story(&server, "hot").await;
    server.flush().await;
    story(&server, "in files").await;
    // Again, as other requests: spans once, logs as many as there are.
    post_json(&server, "/v1/logs", json!({"resourceLogs": [], "again": 1})).await;
    let again = json!({"resourceSpans": [{"resource": resource("shop"), "scopeSpans": [{"scope": {"name": "shop.lib"}, "spans": [{
        "traceId": TRACE, "spanId": id("b1"), "parentSpanId": id("a1"), "name": "total", "kind": 1,
        "startTimeUnixNano": nanos(5), "endTimeUnixNano": nanos(15), "status": {},
        "attributes": [{"key": "amount", "value": {"doubleValue": 9.5}}, {"key": "tries", "value": {"intValue": "2"}}],
    }]}]}]});
    post_json(&server, "/v1/traces", again).await;
    story(&server, "half in files, one span twice").await;
}

async fn story(server: &Server, when: &str) {
    let path = format!("/v1/traces/{TRACE}");
    let (status, media_type, body) = get(server, &path, None).await;
    assert_eq!((status, media_type.as_str()), (200, "application/json"), "{when}");
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["trace_id"], TRACE);
    let service = |name: &str, spans: u8, errors: u8, own: f64| json!({"service_name": name, "span_count": spans, "error_count": errors, "self_ms": own});
    let summary = json!({
        "time": "2023-11-14T22:13:20.000000000Z", "end_time": "2023-11-14T22:13:20.100000000Z", "duration_ms": 100.0,
        "root": {"span_id": id("a1"), "service_name": "shop", "name": "GET /buy", "status_code": "UNSET"},
        "span_count": 7, "error_count": 2, "orphan_count": 1, "log_count": 3, "error_log_count": 1, "exemplar_count": 2,
        "services": [service("pay", 2, 2, 49.0), service("shop", 3, 0, 50.0), service("zoo", 2, 0, 6.0)],
    });
    assert_eq!(document["summary"], summary, "{when}: {document:#}");
    assert_eq!((&document["filter"], &document["warnings"]), (&Value::Null, &json!([])));

    // The tree, and what each span is.
    let spans = document["spans"].as_array().unwrap();
    assert_eq!(names(&document["spans"]), ["GET /buy", "total", "POST", "charge", "card", "note", "lost"], "{when}");
    let card = &spans[4];
    let expected = json!({
        "span_id": id("e1"), "parent_span_id": id("d1"), "depth": 3, "orphan": false, "service_name": "pay", "name": "card",
        "kind": "INTERNAL", "time": "2023-11-14T22:13:20.040000000Z", "offset_ms": 40.0, "duration_ms": 30.0,
        "self_ms": 30.0, "share": card["share"], "critical_ms": 30.0, "status_code": "ERROR", "status_message": "declined",
        "error": true, "subtree_errors": 1, "child_count": 0, "attributes": {"amount": 9.5, "tries": 2},
        "events": [{
            "time": "2023-11-14T22:13:20.069000000Z", "offset_ms": 69.0, "name": "exception",
            "attributes": {"exception.type": "Declined", "exception.message": "card 4111 declined"},
            "dropped_attributes_count": 0,
        }],
        "links": [],
        "logs": [{
            "time": "2023-11-14T22:13:20.060000000Z", "offset_ms": 60.0, "service_name": "pay", "span_id": id("e1"),
            "level": "ERROR", "severity_number": 17, "severity_text": null, "event_name": null, "body": "declined",
            "attributes": {"attempt": 1}, "scope": null, "resource": card["resource"],
        }],
        "exemplars": [], "scope": scope(json!("pay.lib")), "resource": card["resource"], "trace_state": null, "flags": 0,
        "adjusted_count": null, "dropped_attributes_count": 0, "dropped_events_count": 0, "dropped_links_count": 0,
    });
    assert_eq!(*card, expected, "{when}");
    assert!((card["share"].as_f64().unwrap() - 30.0 / 105.0).abs() < 1e-9, "{when}");
    let resources = document["resources"].as_array().unwrap();
    assert_eq!(resources.len(), 3, "{when}: {resources:?}");
    let pay = json!({"service_name": "pay", "attributes": {"service.name": "pay", "process.pid": 7}, "schema_url": null,
        "dropped_attributes_count": 0});
    assert_eq!(resources[card["resource"].as_u64().unwrap() as usize], pay, "{when}");
    let charge = &spans[3];
    let link = json!([{"trace_id": TRACE_ID, "span_id": id("77"), "attributes": {}, "trace_state": null, "flags": 0,
        "dropped_attributes_count": 0}]);
    assert_eq!((&charge["links"], &charge["subtree_errors"]), (&link, &json!(2)));
    let exemplar = |value: f64| {
        json!([{"time": "2023-11-14T22:13:20.080000000Z", "offset_ms": 80.0, "service_name": "pay",
            "metric_name": "charge.duration", "metric_type": "HISTOGRAM", "unit": "s", "value": value,
            "attributes": {"queue": "q1"}}])
    };
    assert_eq!((&charge["exemplars"], &document["exemplars_without_span"]), (&exemplar(0.05), &exemplar(0.25)));
    assert_eq!(spans[0]["logs"][0]["body"], json!({"items": 3}), "a body that is a map is one");
    assert_eq!(spans[6]["orphan"], true);
    let loose = &document["logs_without_span"];
    assert_eq!((loose.as_array().unwrap().len(), &loose[0]["body"]), (1, &json!("of no span")));

    // Where it began, and what it waited for.
    let errors: Vec<[&Value; 5]> = document["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| ["signal", "name", "type", "message", "span_id"].map(|field| &it[field]))
        .collect();
    let (d1, e1) = (json!(id("d1")), json!(id("e1")));
    assert_eq!(
        errors,
        [
            [&json!("span"), &json!("charge"), &json!("ERROR"), &json!("declined"), &d1],
            [&json!("span"), &json!("card"), &json!("Declined"), &json!("card 4111 declined"), &e1],
            [&json!("log"), &Value::Null, &json!("ERROR"), &json!("declined"), &e1],
        ],
        "{when}"
    );
    let path: Vec<(&str, f64)> = document["critical_path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["duration_ms"].as_f64().unwrap()))
        .collect();
    let expected = [
        ("GET /buy", 5.0),
        ("total", 10.0),
        ("GET /buy", 5.0),
        ("POST", 10.0),
        ("charge", 10.0),
        ("card", 30.0),
        ("charge", 1.0),
        ("note", 1.0),
        ("charge", 8.0),
        ("POST", 10.0),
        ("GET /buy", 10.0),
    ];
    assert_eq!(path, expected, "{when}");
    assert_eq!(spans[0]["critical_ms"], 20.0);
}

fn scope(name: Value) -> Value {
    json!({"name": name, "version": null, "attributes": {}, "schema_url": null, "dropped_attributes_count": 0})
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_a_tree_up_to_its_roots() {
    let home = Home::new(ANY_TIME);
    let server = home.serve();
    send_story(&server).await;
    let cases: &[(&str, &[&str], usize)] = &[
        ("span_id=00000000000000d1", &["GET /buy", "POST", "charge", "card", "note"], 0),
        ("span_id=0xE1", &["GET /buy", "POST", "charge", "card"], 0),
        ("service_name=pay", &["GET /buy", "POST", "charge", "card"], 0),
        ("service_name=zoo", &["GET /buy", "POST", "charge", "note", "lost"], 1),
        ("span_id=c1&service_name=zoo", &["GET /buy", "POST", "charge", "note"], 0),
    ];
    for (query, expected, loose) in cases {
        let document = get_json(&server, &format!("/v1/traces/{TRACE}?{query}"), 200).await;
        assert_eq!(names(&document["spans"]), *expected, "{query}");
        assert_eq!(document["filter"]["shown_span_count"], expected.len(), "{query}");
        assert_eq!(document["summary"]["span_count"], 7, "{query}: the summary is of the whole");
        assert_eq!(document["logs_without_span"].as_array().unwrap().len(), *loose, "{query}");
        let shown: BTreeSet<&str> = expected.iter().copied().collect();
        assert!(names(&document["critical_path"]).iter().all(|name| shown.contains(name)), "{query}");
        let (_, _, body) = get(&server, &format!("/v1/traces/{TRACE}?{query}"), Some("application/x-protobuf")).await;
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        let of_otlp: BTreeSet<String> = kept(&[request]).into_iter().map(|sent| sent.span.name).collect();
        assert_eq!(of_otlp.iter().map(String::as_str).collect::<BTreeSet<_>>(), shown, "{query}");
    }
    let errors = get_json(&server, &format!("/v1/traces/{TRACE}?span_id=b1"), 200).await;
    assert_eq!(errors["errors"], json!([]));
}

/// OTLP that is sent on is stored as what was sent, whichever way it goes.
#[tokio::test(flavor = "multi_thread")]
async fn otlp_is_what_was_sent() {
    let homes: [Home; 3] = std::array::from_fn(|_| Home::new(ANY_TIME));
    let [first, by_proto, by_json] = &homes;
    let server = first.serve();
    let requests = generated(60);
    let (half, other) = requests.split_at(requests.len() / 2);
    for request in half {
        send(&server, request, 1).await;
    }
    server.flush().await;
    for request in other {
        send(&server, request, 1).await;
    }
    post_json(&server, "/v1/traces", one_span()).await;
    let expected = rows(&server).await;
    assert!(expected.len() > 60);
    for request in &requests {
        send(&server, request, 2).await;
    }
    assert!(rows(&server).await.len() > expected.len(), "duplicates are stored");
    let path = format!("/v1/traces/{}", TRACE_ID.to_uppercase());

    let receiver = by_proto.serve();
    for accept in ["application/x-protobuf", "application/protobuf"] {
        let (status, media_type, body) = get(&server, &path, Some(accept)).await;
        assert_eq!((status, media_type.as_str()), (200, accept));
        if accept == "application/x-protobuf" {
            post(&receiver, "/v1/traces", body).await;
        }
    }
    assert_eq!(rows(&receiver).await, expected, "protobuf");

    let (status, media_type, body) = get(&server, &path, Some(OTLP_JSON)).await;
    assert_eq!((status, media_type.as_str()), (200, OTLP_JSON));
    let file = by_json.path().join("trace.otlp.jsonl");
    std::fs::write(&file, body).unwrap();
    let imported = by_json.verb("import").arg(&file).output().unwrap();
    assert!(imported.status.success(), "{imported:?}");
    assert_eq!(rows(&by_json.serve()).await, expected, "OTLP/JSON");
}

/// Every span but its provenance, in a fixed order.
async fn rows(server: &Server) -> Vec<String> {
    let rows = server.sql("select * except (ingest_time, source, ingest_principal) from spans").await;
    let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
    rows.sort_unstable();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_right_is_a_problem() {
    let home = Home::new(ANY_TIME);
    let server = home.serve();
    send_story(&server).await;
    let problem = async |path: &str, accept: Option<&str>| {
        let (status, media_type, body) = get(&server, path, accept).await;
        assert_eq!(media_type, "application/problem+json", "{path}");
        (status, serde_json::from_slice::<Value>(&body).unwrap()["detail"].as_str().unwrap().to_owned())
    };
    let known = format!("/v1/traces/{TRACE}");
    let cases: &[(String, Option<&str>, u16, &str)] = &[
        (format!("/v1/traces/{TRACE_ID}"), None, 404, "nothing of trace"),
        (format!("/v1/traces/{TRACE_ID}"), Some("application/x-protobuf"), 404, "nothing of trace"),
        ("/v1/traces/xyz".to_owned(), None, 400, "`xyz` is no trace id"),
        (format!("/v1/traces/{TRACE}00"), None, 400, "is no trace id"),
        (format!("{known}?span_id=77"), None, 404, "has no span 0000000000000077"),
        (format!("{known}?span_id=q"), None, 400, "`q` is no span id"),
        (format!("{known}?service_name=none"), Some(OTLP_JSON), 404, "has no span of service `none`"),
        (format!("{known}?span_id=b1&service_name=zoo"), None, 404, "has no such span"),
        (format!("{known}?span=77"), None, 400, "`span` is no parameter"),
        (known.clone(), Some("text/html"), 406, "accept application/json"),
    ];
    for (path, accept, status, said) in cases {
        let (got, detail) = problem(path, *accept).await;
        assert_eq!(got, *status, "{path}: {detail}");
        assert!(detail.contains(said), "{path}: {detail}");
    }
    // What is only logs is a story too, and no OTLP of spans.
    let alone = "aaaabbbbccccddddaaaabbbbccccdddd";
    post_json(
        &server,
        "/v1/logs",
        json!({"resourceLogs": [{"resource": resource("zoo"), "scopeLogs": [{"logRecords": [
            {"traceId": alone, "spanId": id("1"), "timeUnixNano": nanos(0), "body": {"stringValue": "alone"}},
        ]}]}]}),
    )
    .await;
    let document = get_json(&server, &format!("/v1/traces/{alone}"), 200).await;
    assert_eq!((&document["spans"], &document["summary"]["root"]), (&json!([]), &Value::Null));
    assert_eq!(document["logs_without_span"][0]["body"], "alone");
    assert_eq!(problem(&format!("/v1/traces/{alone}"), Some("application/x-protobuf")).await.0, 404);
}
