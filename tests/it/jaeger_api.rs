//! Jaeger's query API, as Grafana's Jaeger data source and Jaeger's UI ask it, against what was sent.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use serde_json::{Map, Value, json};

use super::one_trace::{ANY_TIME, Sent, TRACE_ID, generated, get_json, hex, kept, one_span, post_json, send};
use crate::support::python::python;
use crate::support::server::{Home, Server};

/// 2023-11-14T22:13:20Z in seconds.
const START: i64 = 1_700_000_000;

/// What a person reads in Jaeger's data model for one span with everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_span_is_drawn_as_it_was_sent() {
    let home = Home::new(ANY_TIME);
    let server = home.serve();
    post_json(&server, "/v1/traces", one_span()).await;
    let answer = get_json(&server, &format!("/api/traces/{TRACE_ID}"), 200).await;
    let tag = |key: &str, value_type: &str, value: Value| json!({"key": key, "type": value_type, "value": value});
    let expected = json!({
        "data": [{
            "traceID": TRACE_ID,
            "spans": [{
                "traceID": TRACE_ID,
                "spanID": "00000000000000a1",
                "flags": 1,
                "operationName": "GET /buy",
                "references": [
                    {"refType": "CHILD_OF", "traceID": TRACE_ID, "spanID": "00000000000000b2"},
                    {"refType": "FOLLOWS_FROM", "traceID": "aaaabbbbccccddddaaaabbbbccccdddd", "spanID": "00000000000000c3"},
                    {"refType": "CHILD_OF", "traceID": TRACE_ID, "spanID": "00000000000000d4"},
                ],
                "startTime": START * 1_000_000 + 1,
                "duration": 1_500,
                "tags": [
                    tag("otel.scope.name", "string", json!("shop.http")),
                    tag("otel.scope.version", "string", json!("1.2")),
                    tag("otel.scope.short", "bool", json!(true)),
                    tag("big", "int64", json!("9007199254740993")),
                    tag("bytes", "binary", json!("AP8=")),
                    tag("empty", "string", json!("")),
                    tag("http.response.status_code", "int64", json!(503)),
                    tag("list", "string", json!(r#"[1,2.0,"x",null]"#)),
                    tag("map", "string", json!(r#"{"a":[true],"b":"AQ=="}"#)),
                    tag("ratio", "float64", json!(0.25)),
                    tag("text", "string", json!("a \"b\"")),
                    tag("way off", "float64", json!("Infinity")),
                    tag("yes", "bool", json!(true)),
                    tag("span.kind", "string", json!("server")),
                    tag("otel.status_code", "string", json!("ERROR")),
                    tag("error", "bool", json!(true)),
                    tag("otel.status_description", "string", json!("no stock")),
                    tag("w3c.tracestate", "string", json!("a=b")),
                    tag("otel.dropped_attributes_count", "int64", json!(2)),
                    tag("otel.dropped_events_count", "int64", json!(3)),
                    tag("otel.dropped_links_count", "int64", json!(4)),
                ],
                "logs": [
                    {"timestamp": START * 1_000_000 + 500, "fields": [
                        tag("event", "string", json!("exception")),
                        tag("exception.type", "string", json!("Timeout")),
                        tag("retry", "int64", json!(3)),
                        tag("otel.dropped_attributes_count", "int64", json!(1)),
                    ]},
                    {"timestamp": 0, "fields": [tag("event", "string", json!("its own"))]},
                ],
                "processID": "p1",
                "warnings": ["a link without a trace id is left out"],
            }],
            "processes": {"p1": {"serviceName": "shop", "tags": [
                tag("process.pid", "int64", json!(7)),
                tag("otel.dropped_attributes_count", "int64", json!(5)),
            ]}},
            "warnings": null,
        }],
        "total": 1, "limit": 0, "offset": 0, "errors": null,
    });
    assert_eq!(answer, expected, "{answer:#}");
    for spelling in [TRACE_ID.to_uppercase(), format!("0x{TRACE_ID}"), format!("{TRACE_ID}?start=1700000000000&end=5")]
    {
        assert_eq!(get_json(&server, &format!("/api/traces/{spelling}"), 200).await, expected, "{spelling}");
    }
}

/// Every field of generated spans, hot, half in files, and in files, each sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_is_drawn() {
    let home = Home::new(ANY_TIME);
    let server = home.serve();
    let requests = generated(60);
    let expected: Map<String, Value> =
        kept(&requests).iter().map(|sent| (hex(&sent.span.span_id), as_read(&drawn(sent)))).collect();
    let half = requests.len() / 2;
    for (number, part) in [(1, &requests[..half]), (2, &requests[half..])] {
        for request in part {
            send(&server, request, 1).await;
        }
        if number == 1 {
            server.flush().await;
        }
    }
    compare(&server, &expected, "half in files").await;
    for request in &requests {
        send(&server, request, 2).await;
    }
    compare(&server, &expected, "twice").await;
    server.flush().await;
    assert_eq!(server.metric("telestrata_hot_rows", "").await, 0.0);
    assert_eq!(server.number("select count(*) from spans").await, 2 * expected.len() as i64);
    compare(&server, &expected, "in files").await;
}

/// serde_json reads the last digit of some doubles as another: what is compared is read alike.
fn as_read(value: &Value) -> Value {
    serde_json::from_str(&value.to_string()).unwrap()
}

async fn compare(server: &Server, expected: &Map<String, Value>, when: &str) {
    let answer = get_json(server, &format!("/api/traces/{TRACE_ID}"), 200).await;
    grafana_reads(&answer);
    let trace = &answer["data"][0];
    assert_eq!((&trace["traceID"], &trace["warnings"]), (&json!(TRACE_ID), &Value::Null), "{when}");
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(spans.len(), expected.len(), "{when}");
    for span in spans {
        let mut span = span.clone();
        let id = span["spanID"].as_str().unwrap().to_owned();
        // A process by its name is that process.
        let process = trace["processes"][span["processID"].as_str().unwrap()].clone();
        let object = span.as_object_mut().unwrap();
        object.remove("processID");
        object.insert("process".to_owned(), process);
        assert_eq!(span, expected[&id], "{when}");
    }
}

/// A span as Jaeger's data model has it, its process in place.
fn drawn(sent: &Sent) -> Value {
    let Sent { resource, scope, span } = sent;
    let mut warnings = Vec::new();
    let duration = if span.end_time_unix_nano == 0 {
        warnings.push(json!("the span has no end"));
        0
    } else if span.end_time_unix_nano < span.start_time_unix_nano {
        let early = span.start_time_unix_nano - span.end_time_unix_nano;
        warnings.push(json!(format!("the span ends {early} ns before it starts")));
        0
    } else {
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000
    };
    let reference = |kind: &str, trace: &str, span: &[u8]| json!({"refType": kind, "traceID": trace, "spanID": format!("{:0>16}", hex(span))});
    let mut references = Vec::new();
    if !span.parent_span_id.is_empty() {
        references.push(reference("CHILD_OF", TRACE_ID, &span.parent_span_id));
    }
    // Warnings come in the order in which the fields do.
    let mut of_links = Vec::new();
    for link in &span.links {
        match link.trace_id.is_empty() {
            true => of_links.push(json!("a link without a trace id is left out")),
            false => references.push(reference("FOLLOWS_FROM", &hex(&link.trace_id), &link.span_id)),
        }
    }
    of_links.extend(warnings);
    let text =
        |key: &str, value: &str| (!value.is_empty()).then(|| json!({"key": key, "type": "string", "value": value}));
    let count = |key: &str, value: u32| (value > 0).then(|| json!({"key": key, "type": "int64", "value": value}));
    let mut tags: Vec<Value> = Vec::new();
    tags.extend(text("otel.scope.name", &scope.name));
    tags.extend(text("otel.scope.version", &scope.version));
    tags.extend(scope.attributes.iter().map(|it| tag(&format!("otel.scope.{}", it.key), it.value.as_ref())));
    tags.extend(all_tags(&span.attributes));
    let kinds = ["", "internal", "server", "client", "producer", "consumer"];
    let kind = usize::try_from(span.kind).ok().and_then(|kind| kinds.get(kind)).map(ToString::to_string);
    tags.extend(text("span.kind", &kind.unwrap_or_else(|| span.kind.to_string())));
    let status = span.status.clone().unwrap_or_default();
    let code = ["", "OK", "ERROR"].get(usize::try_from(status.code).unwrap_or(99)).map(ToString::to_string);
    tags.extend(text("otel.status_code", &code.unwrap_or_else(|| status.code.to_string())));
    tags.extend((status.code == 2).then(|| json!({"key": "error", "type": "bool", "value": true})));
    tags.extend(text("otel.status_description", &status.message));
    tags.extend(text("w3c.tracestate", &span.trace_state));
    tags.extend(count("otel.dropped_attributes_count", span.dropped_attributes_count));
    tags.extend(count("otel.dropped_events_count", span.dropped_events_count));
    tags.extend(count("otel.dropped_links_count", span.dropped_links_count));
    let logs = span.events.iter().map(|event| {
        let mut fields: Vec<Value> = text("event", &event.name).into_iter().collect();
        fields.extend(all_tags(&event.attributes));
        fields.extend(count("otel.dropped_attributes_count", event.dropped_attributes_count));
        json!({"timestamp": event.time_unix_nano / 1_000, "fields": fields})
    });
    let service = resource.attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
    let mut process_tags: Vec<Value> = resource
        .attributes
        .iter()
        .filter(|it| it.key != "service.name")
        .map(|it| tag(&it.key, it.value.as_ref()))
        .collect();
    process_tags.extend(count("otel.dropped_attributes_count", resource.dropped_attributes_count));
    let mut drawn = json!({
        "traceID": TRACE_ID,
        "spanID": hex(&span.span_id),
        "operationName": span.name,
        "references": references,
        "startTime": span.start_time_unix_nano / 1_000,
        "duration": duration,
        "tags": tags,
        "logs": logs.collect::<Vec<_>>(),
        "warnings": if of_links.is_empty() { Value::Null } else { json!(of_links) },
        "process": {"serviceName": tag("", service.value.as_ref())["value"], "tags": process_tags},
    });
    if span.flags & 1 == 1 {
        drawn["flags"] = json!(1);
    }
    drawn
}

fn all_tags(attributes: &[KeyValue]) -> Vec<Value> {
    attributes.iter().map(|attribute| tag(&attribute.key, attribute.value.as_ref())).collect()
}

fn tag(key: &str, value: Option<&AnyValue>) -> Value {
    let (value_type, value) = match value.and_then(|value| value.value.as_ref()) {
        None | Some(Any::StringValueStrindex(_)) => ("string", json!("")),
        Some(Any::StringValue(text)) => ("string", json!(text)),
        Some(Any::BoolValue(value)) => ("bool", json!(value)),
        Some(Any::IntValue(value)) if value.unsigned_abs() < 1 << 53 => ("int64", json!(value)),
        Some(Any::IntValue(value)) => ("int64", json!(value.to_string())),
        Some(Any::DoubleValue(_)) => ("float64", plain(value.unwrap())),
        Some(Any::BytesValue(_)) => ("binary", plain(value.unwrap())),
        Some(Any::ArrayValue(_) | Any::KvlistValue(_)) => ("string", json!(plain(value.unwrap()).to_string())),
    };
    json!({"key": key, "type": value_type, "value": value})
}

fn plain(value: &AnyValue) -> Value {
    use base64::Engine as _;
    match &value.value {
        None | Some(Any::StringValueStrindex(_)) => Value::Null,
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(value)) => json!(value),
        Some(Any::IntValue(value)) => json!(value),
        Some(Any::DoubleValue(value)) if value.is_nan() => json!("NaN"),
        Some(Any::DoubleValue(value)) if value.is_infinite() => {
            json!(if *value > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Some(Any::DoubleValue(value)) => json!(value),
        Some(Any::BytesValue(bytes)) => json!(base64::engine::general_purpose::STANDARD.encode(bytes)),
        Some(Any::ArrayValue(array)) => array.values.iter().map(plain).collect(),
        Some(Any::KvlistValue(map)) => map
            .values
            .iter()
            .map(|it| (it.key.clone(), it.value.as_ref().map_or(Value::Null, plain)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// What Grafana's data source decodes an answer into (`pkg/tsdb/jaeger/types/types.go`): another type would be an error
/// there. It takes the first trace, looks its spans' processes up, and sorts a list by the first span of each trace.
fn grafana_reads(answer: &Value) {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        data: Vec<Trace>,
        limit: i64,
        offset: i64,
        #[serde(rename = "total")]
        _total: i64,
    }
    #[derive(serde::Deserialize)]
    struct Trace {
        #[serde(rename = "traceID")]
        trace_id: String,
        warnings: Option<Vec<String>>,
        spans: Vec<Span>,
        processes: std::collections::HashMap<String, Process>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Span {
        #[serde(rename = "traceID")]
        trace_id: String,
        #[serde(rename = "spanID")]
        span_id: String,
        #[serde(rename = "processID")]
        process_id: String,
        #[serde(rename = "operationName")]
        _operation_name: String,
        start_time: i64,
        duration: i64,
        logs: Vec<Log>,
        references: Vec<Reference>,
        tags: Vec<Tag>,
        #[serde(rename = "warnings")]
        _warnings: Option<Vec<String>>,
        #[serde(default, rename = "flags")]
        _flags: i64,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Process {
        service_name: String,
        tags: Vec<Tag>,
    }
    #[derive(serde::Deserialize)]
    struct Log {
        timestamp: i64,
        fields: Vec<Tag>,
    }
    #[derive(serde::Deserialize)]
    struct Reference {
        #[serde(rename = "refType")]
        ref_type: String,
        #[serde(rename = "spanID")]
        span_id: String,
        #[serde(rename = "traceID")]
        trace_id: String,
    }
    #[derive(serde::Deserialize)]
    struct Tag {
        #[serde(rename = "key")]
        _key: String,
        #[serde(rename = "type")]
        value_type: String,
        value: Value,
    }
    let answer: Answer = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!((answer.limit, answer.offset), (0, 0));
    for trace in answer.data {
        assert!(trace.trace_id.len() == 32 && trace.warnings.is_none() && !trace.spans.is_empty());
        let processes = trace.processes.values();
        let mut tags: Vec<&Tag> =
            processes.inspect(|it| assert!(!it.service_name.is_empty())).flat_map(|it| &it.tags).collect();
        for span in &trace.spans {
            assert_eq!((span.trace_id.as_str(), span.span_id.len()), (trace.trace_id.as_str(), 16));
            assert!(trace.processes.contains_key(&span.process_id) && span.start_time > 0 - 1 && span.duration >= 0);
            assert!(span.references.iter().all(|it| it.ref_type.ends_with('F') || it.ref_type.ends_with('M')));
            assert!(span.references.iter().all(|it| it.span_id.len() == 16 && it.trace_id.len() == 32));
            tags.extend(span.tags.iter().chain(span.logs.iter().flat_map(|log| &log.fields)));
            assert!(span.logs.iter().all(|log| log.timestamp >= 0));
        }
        for tag in tags {
            let of_type = match tag.value_type.as_str() {
                "string" | "binary" => tag.value.is_string(),
                "bool" => tag.value.is_boolean(),
                "int64" => tag.value.is_i64() || tag.value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
                "float64" => tag.value.is_number() || tag.value.is_string(),
                _ => false,
            };
            assert!(of_type, "{}: {}", tag.value_type, tag.value);
        }
    }
}

/// A span of the search's world: trace, service, operation, kind, start in seconds, milliseconds, and what it carries.
struct Told {
    trace: u8,
    service: &'static str,
    name: &'static str,
    kind: u8,
    at: i64,
    ms: i64,
    error: bool,
    attributes: &'static [(&'static str, &'static str)],
}

const fn told(trace: u8, service: &'static str, name: &'static str, kind: u8, at: i64, ms: i64) -> Told {
    Told { trace, service, name, kind, at, ms, error: false, attributes: &[] }
}

/// Five traces: 1 to 4 of shop, each later than the one before; 5 of zoo alone, three days earlier.
const WORLD: &[Told] = &[
    told(1, "shop", "GET /buy", 2, 10, 100),
    Told { attributes: &[("region", "eu"), ("card", "visa")], ..told(1, "pay", "charge", 2, 11, 50) },
    Told { error: true, ..told(2, "shop", "GET /buy", 2, 20, 300) },
    Told { error: true, attributes: &[("region", "us")], ..told(2, "pay", "charge", 2, 21, 20) },
    Told { attributes: &[("region", "eu")], ..told(3, "shop", "GET /", 2, 30, 5) },
    // Long after it began: the trace is the newest by this span, and whole all the same.
    Told { attributes: &[("region", "us")], ..told(3, "shop", "late", 1, 50, 1) },
    told(4, "shop", "GET /buy", 2, 40, 100),
    told(4, "pay", "refund", 3, 41, 10),
    told(5, "zoo", "feed", 5, -259_200, 7),
];

fn world_id(trace: u8) -> String {
    format!("4bf92f3577b34da6a3ce929d0e0e47{trace:02x}")
}

async fn send_world(server: &Server) {
    let mut ids = std::collections::HashMap::new();
    let resources = WORLD.iter().enumerate().map(|(number, it)| {
        let parent = ids.insert(it.trace, number).map(|parent| format!("{:016x}", parent + 1)).unwrap_or_default();
        let start = START + it.at;
        let attribute = |(key, value): &(&str, &str)| json!({"key": key, "value": {"stringValue": value}});
        json!({
            "resource": {"attributes": [
                {"key": "service.name", "value": {"stringValue": it.service}},
                {"key": "host.name", "value": {"stringValue": format!("{}-host", it.service)}},
            ]},
            "scopeSpans": [{"scope": {"name": format!("{}.lib", it.service)}, "spans": [{
                "traceId": world_id(it.trace), "spanId": format!("{:016x}", number + 1), "parentSpanId": parent,
                "name": it.name, "kind": it.kind, "startTimeUnixNano": format!("{start}000000000"),
                "endTimeUnixNano": (start * 1_000_000_000 + it.ms * 1_000_000).to_string(),
                "status": {"code": if it.error { 2 } else { 0 }},
                "attributes": it.attributes.iter().map(attribute).collect::<Vec<_>>(),
                "events": if it.error { json!([{"name": "exception", "attributes": [{"key": "exception.type", "value": {"stringValue": format!("{}.Oops", it.service)}}]}]) } else { json!([]) },
            }]}],
        })
    });
    post_json(server, "/v1/traces", json!({"resourceSpans": resources.collect::<Vec<_>>()})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_gives_the_newest_traces_whole() {
    let home = Home::new(ANY_TIME);
    let server = home.serve();
    send_world(&server).await;
    search_world(&server).await;
    server.flush().await;
    search_world(&server).await;
}

async fn search_world(server: &Server) {
    let end = (START + 60) * 1_000_000;
    let cases: &[(&str, &[u8])] = &[
        // Newest first, by the newest span that is asked for.
        ("service=shop", &[3, 4, 2, 1]),
        ("service=shop&limit=2", &[3, 4]),
        ("service=pay", &[4, 2, 1]),
        ("service=none", &[]),
        // Two days are asked where nothing is said of the start.
        ("service=zoo", &[]),
        ("service=zoo&lookback=4d", &[5]),
        ("service=zoo&start=1", &[5]),
        ("service=shop&operation=GET%20/buy", &[4, 2, 1]),
        ("service=shop&operation=GET%20/buy&minDuration=100ms", &[4, 2, 1]),
        ("service=shop&operation=GET%20/buy&minDuration=100ms&maxDuration=200ms", &[4, 1]),
        ("service=shop&maxDuration=1ms", &[3]),
        ("service=shop&minDuration=0.25s", &[2]),
        // On one span all of it: no span of shop has the region and takes as long.
        ("service=shop&minDuration=100ms&tags={\"region\":\"eu\"}", &[]),
        ("service=shop&tags={\"region\":\"eu\"}", &[3]),
        ("service=pay&tags={\"region\":\"eu\",\"card\":\"visa\"}", &[1]),
        ("service=pay&tags={\"region\":\"us\",\"card\":\"visa\"}", &[]),
        ("service=pay&tag=region:us&tag=error:true", &[2]),
        ("service=shop&tags={\"error\":\"true\"}", &[2]),
        ("service=shop&tags={\"error\":true}", &[2]),
        ("service=shop&tags={\"error\":\"false\"}&operation=GET%20/buy", &[4, 1]),
        ("service=pay&tags={\"span.kind\":\"client\"}", &[4]),
        ("service=shop&tags={\"otel.status_code\":\"ERROR\"}", &[2]),
        ("service=pay&tags={\"host.name\":\"pay-host\"}&limit=1", &[4]),
        ("service=pay&tags={\"resource.host.name\":\"pay-host\"}", &[4, 2, 1]),
        ("service=pay&tags={\"host.name\":\"shop-host\"}", &[]),
        ("service=shop&tags={\"otel.scope.name\":\"shop.lib\"}&limit=1", &[3]),
        ("service=shop&tags={\"event\":\"exception\"}", &[2]),
        ("service=shop&tags={\"exception.type\":\"shop.Oops\"}", &[2]),
        ("service=shop&tags={\"exception.type\":\"pay.Oops\"}", &[]),
        ("service=shop&tags={\"'\":\"' or 1=1 --\"}", &[]),
        // The end, and the start, of the span that is asked for.
        ("service=shop&end=1700000040000000", &[4, 3, 2, 1]),
        ("service=shop&end=1700000039999999", &[3, 2, 1]),
        ("service=shop&start=1700000020000000&end=1700000030000000", &[3, 2]),
    ];
    for (query, expected) in cases {
        let bounded = if query.contains("end=") { String::new() } else { format!("&end={end}") };
        let answer = get_json(server, &format!("/api/traces?{query}{bounded}"), 200).await;
        grafana_reads(&answer);
        let found: Vec<String> = answer["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|trace| trace["traceID"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(found, expected.iter().map(|trace| world_id(*trace)).collect::<Vec<_>>(), "{query}");
        for (trace, number) in answer["data"].as_array().unwrap().iter().zip(*expected) {
            let all = WORLD.iter().filter(|told| told.trace == *number).count();
            assert_eq!(trace["spans"].as_array().unwrap().len(), all, "{query}: trace {number} is not whole");
        }
    }

    let by_ids = format!("/api/traces?traceID={}&traceID={TRACE_ID}&traceID={}", world_id(4), world_id(1));
    let answer = get_json(server, &by_ids, 200).await;
    let found: Vec<&Value> = answer["data"].as_array().unwrap().iter().map(|trace| &trace["traceID"]).collect();
    assert_eq!(found, [&json!(world_id(4)), &json!(world_id(1))]);
    assert_eq!(answer["errors"], json!([{"msg": "trace not found", "traceID": TRACE_ID}]));

    let lists: &[(&str, Value)] = &[
        ("/api/services", json!(["pay", "shop"])),
        ("/api/services/shop/operations", json!(["GET /", "GET /buy", "late"])),
        ("/api/services/none/operations", json!([])),
        (
            "/api/operations?service=pay",
            json!([
                {"name": "charge", "spanKind": "server"}, {"name": "refund", "spanKind": "client"},
            ]),
        ),
        ("/api/operations?service=pay&spanKind=client", json!([{"name": "refund", "spanKind": "client"}])),
        (
            "/api/dependencies?endTs=1700000060000&lookback=3600000",
            json!([{"parent": "shop", "child": "pay", "callCount": 3}]),
        ),
        ("/api/dependencies?endTs=1700000060000&lookback=3600000&service=zoo", json!([])),
        ("/api/dependencies?endTs=1600000000000", json!([])),
    ];
    for (path, expected) in lists {
        let answer = get_json(server, path, 200).await;
        assert_eq!(answer["data"], *expected, "{path}");
        let length = expected.as_array().unwrap().len();
        assert_eq!(
            answer,
            json!({"data": expected, "total": length, "limit": 0, "offset": 0, "errors": null}),
            "{path}"
        );
    }
    v3_world(server).await;
}

/// As Jaeger's newest UI asks (`packages/jaeger-ui/src/api/v3/client.ts`), and Grafana with its newer client.
async fn v3_world(server: &Server) {
    assert_eq!(get_json(server, "/api/v3/services", 200).await, json!({"services": ["pay", "shop"]}));
    let operations = get_json(server, "/api/v3/operations?service=zoo", 200).await;
    assert_eq!(operations, json!({"operations": []}), "zoo is too old to be listed");
    let operations = get_json(server, "/api/v3/operations?service=shop&span_kind=internal", 200).await;
    assert_eq!(operations, json!({"operations": [{"name": "late", "spanKind": "internal"}]}));

    let times = "query.startTimeMin=2023-11-14T22:13:00.000Z&query.startTimeMax=2023-11-14T22:15:00.000Z";
    let query = format!("{times}&query.serviceName=pay&query.searchDepth=20&query.attributes={{\"error\":\"true\"}}");
    let found = get_json(server, &format!("/api/v3/trace-summaries?{query}"), 200).await;
    let service = |name: &str| json!({"name": name, "spanCount": 1, "errorSpanCount": 1});
    let expected = json!({"summaries": [{
        "traceId": world_id(2), "rootServiceName": "shop", "rootOperationName": "GET /buy",
        "minStartTimeUnixNano": "1700000020000000000", "maxEndTimeUnixNano": "1700000021020000000",
        "spanCount": 2, "errorSpanCount": 2, "orphanSpanCount": 0, "services": [service("pay"), service("shop")],
    }]});
    assert_eq!(found, expected);
    // Any service, with the offset of a time as Grafana sends it: not encoded.
    let any = "query.start_time_min=2023-11-14T23:13:00+01:00&query.start_time_max=2023-11-14T23:15:00+01:00";
    let found = get_json(server, &format!("/api/v3/trace-summaries?{any}&query.duration_min=100ms"), 200).await;
    let ids: Vec<&Value> = found["summaries"].as_array().unwrap().iter().map(|trace| &trace["traceId"]).collect();
    assert_eq!(ids, [&json!(world_id(4)), &json!(world_id(2)), &json!(world_id(1))]);

    let trace = get_json(server, &format!("/api/v3/traces/{}", world_id(2)), 200).await;
    let groups = trace["result"]["resourceSpans"].as_array().unwrap();
    let names: Vec<&Value> = groups.iter().map(|group| &group["scopeSpans"][0]["spans"][0]["name"]).collect();
    assert_eq!(names, [&json!("GET /buy"), &json!("charge")]);
    let found =
        get_json(server, &format!("/api/v3/traces?{times}&query.serviceName=shop&query.searchDepth=1"), 200).await;
    let spans = found["result"]["resourceSpans"].as_array().unwrap();
    assert_eq!(spans.len(), 1, "two spans of one resource");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_right_is_said_in_jaegers_form() {
    let home = Home::new(ANY_TIME);
    let server = home.serve();
    // An empty store: no service, and no error.
    for path in ["/api/services", "/api/services/shop/operations", "/api/traces?service=shop", "/api/dependencies"] {
        assert_eq!(get_json(&server, path, 200).await["data"], json!([]), "{path}");
    }
    let error = |code: u16, msg: &str| json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{"code": code, "msg": msg}]});
    let unknown = get_json(&server, &format!("/api/traces/{TRACE_ID}"), 404).await;
    assert_eq!(unknown, error(404, "trace not found"));
    let wrong = get_json(&server, "/api/traces/nonsense", 400).await;
    assert_eq!(wrong, error(400, "`nonsense` is no trace id: 32 hex digits, or 16 of an older system's"));
    for (path, said) in [
        ("/api/traces", "parameter 'service' is required"),
        ("/api/operations", "parameter 'service' is required"),
        ("/api/traces?service=a&limit=2000", "limit is 2000; it is 1 to 1500"),
        ("/api/dependencies?endTs=yesterday", "unable to parse param 'endTs': `yesterday` is not a whole number"),
    ] {
        let wrong = get_json(&server, path, 400).await;
        let got = wrong["errors"][0]["msg"].as_str().unwrap();
        assert!(got.starts_with(said), "{path}: {got}");
    }
    let unknown = get_json(&server, &format!("/api/v3/traces/{TRACE_ID}"), 404).await;
    assert_eq!(unknown, json!({"error": {"httpCode": 404, "message": "trace not found"}}));
    let wrong = get_json(&server, "/api/v3/trace-summaries?query.serviceName=a", 400).await;
    assert_eq!(wrong["error"]["httpCode"], 400);
    // Other paths are the HTTP API's, and so are their errors.
    assert_eq!(get_json(&server, "/api/nothing", 404).await["status"], 404);
}

/// Zipkin's two halves of a call share an id; Jaeger's UI and Grafana need one for each.
#[tokio::test(flavor = "multi_thread")]
async fn the_halves_of_a_shared_span_are_two() {
    let home = Home::new(ANY_TIME);
    let server = home.serve();
    let span = |service: &str, id: &str, parent: &str, kind: u8, name: &str, at: i64| {
        let start = (START + at) * 1_000_000_000;
        json!({
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"spans": [{
                "traceId": TRACE_ID, "spanId": id, "parentSpanId": parent, "kind": kind, "name": name,
                "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1).to_string(),
            }]}],
        })
    };
    let (root, call, other) = ("00000000000000a1", "00000000000000c1", "00000000000000c2");
    let spans = [
        span("shop", root, "", 2, "root", 0),
        span("shop", call, root, 3, "call", 1),
        span("pay", call, root, 2, "charge", 2),
        span("pay", other, call, 1, "card", 3),
        span("shop", "00000000000000d1", call, 1, "retry", 4),
    ];
    post_json(&server, "/v1/traces", json!({ "resourceSpans": spans })).await;
    let answer = get_json(&server, &format!("/api/traces/{TRACE_ID}"), 200).await;
    let spans = answer["data"][0]["spans"].as_array().unwrap();
    let drawn: Vec<(&str, &str, Option<&str>)> = spans
        .iter()
        .map(|span| {
            let text = |value: &'_ Value| value.as_str().map(str::to_owned);
            assert_eq!(span["warnings"].is_array(), text(&span["operationName"]).as_deref() == Some("charge"));
            let parent = span["references"].as_array().unwrap().first().and_then(|it| it["spanID"].as_str());
            (span["operationName"].as_str().unwrap(), span["spanID"].as_str().unwrap(), parent)
        })
        .collect();
    // c2 is taken.
    let own = "00000000000000c3";
    assert_eq!(
        drawn,
        [
            ("root", root, None),
            ("call", call, Some(root)),
            ("charge", own, Some(call)),
            ("card", other, Some(own)),
            ("retry", "00000000000000d1", Some(call)),
        ]
    );
}

/// A client that others wrote, from PyPI.
#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_of_jaeger_finds_its_way() {
    let home = Home::new(ANY_TIME);
    let server = home.serve();
    send_world(&server).await;
    let [start, end] = [START - 60, START + 60].map(|seconds| (seconds * 1_000_000).to_string());
    let output = tokio::task::block_in_place(|| {
        let args = ["jaeger.py", &server.http(), &world_id(2), TRACE_ID, &start, &end];
        python().args(args).output().unwrap()
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut expected = json!({
        "services": ["pay", "shop"],
        "found": [[world_id(4), "shop", "GET /buy", 2, 0], [world_id(2), "shop", "GET /buy", 2, 2]],
        "failed": [world_id(2)],
        "trace": [world_id(2), "shop", "GET /buy", 1_020_000, 2],
        "spans": [
            ["shop", "GET /buy", "2023-11-14T22:13:40+00:00", 300_000, true, "server"],
            ["pay", "charge", "2023-11-14T22:13:41+00:00", 20_000, true, "server"],
        ],
        "critical_path": ["GET /buy", "charge"],
        "dependencies": [["shop", "pay", 3]],
    });
    expected["refused"] = said["refused"].clone();
    assert!(said["refused"].as_str().unwrap().contains("404"), "{said}");
    assert_eq!(said, expected);
}
