//! Attribute lookups through views, groups and joins: answered by a promoted column where a file's is exact, by the map
//! where not, and the same either way.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::server::{Home, Server};

const START: u64 = 1_700_000_000_000_000_000;
const HOT: &str = "[flush]\nage = \"1h\"\n";
const TENANT: &str = "[[promoted]]\nname = \"tenant\"\ntype = \"long\"\nfrom = [\"attributes['tenant.id']\", \"resource_attributes['tenant.id']\"]\n";

fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

/// The same attributes on a span and on a log of it.
async fn send(server: &Server, first: u64, resource: &[(&str, &str)], records: &[&[(&str, &str)]]) {
    let resource = json!({ "attributes": attributes(&[&[("service.name", "shop")], resource].concat()) });
    let of = |time: &str, inner: fn(u64) -> Value| -> Vec<Value> {
        let records = records.iter().enumerate().map(|(place, pairs)| {
            let number = first + place as u64;
            let mut record = inner(number);
            record["traceId"] = json!(format!("{number:032x}"));
            record["spanId"] = json!(format!("{number:016x}"));
            record[time] = json!((START + number).to_string());
            record["attributes"] = attributes(pairs);
            record
        });
        records.collect()
    };
    let spans =
        of("startTimeUnixNano", |number| json!({ "name": "n", "endTimeUnixNano": (START + number).to_string() }));
    let logs = of("timeUnixNano", |_| json!({ "severityNumber": 9 }));
    let requests = [
        ("/v1/traces", json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": spans }] }] })),
        ("/v1/logs", json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": logs }] }] })),
    ];
    for (path, body) in requests {
        let url = format!("{}{path}", server.otlp_http());
        let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        assert!(response.status().is_success());
    }
}

/// Each query twice: `{record(l, 'k')}` and `{any(l, 'k')}` as lookups, and over the maps without their help.
const QUERIES: &[&str] = &[
    "select l.span_id, {record(l, 'http.response.status_code')} as a, {any(l, 'http.response.status_code')} as b,
     {any(l, 'tenant.id')} as c from span_logs l order by span_id",
    "select {record(l, 'http.response.status_code')} as code, count(*) as n from span_logs l group by 1 order by 1 nulls last",
    "select {any(s, 'tenant.id')} as tenant, sum(log_count) as n from spans_with_logs s group by 1 order by 1 nulls last",
    "select count(*) as n from span_logs l where {record(l, 'http.response.status_code')} = '200'",
    "select count(*) as n from spans_with_logs s where {record(s, 'http.response.status_code')} in ('404', '0200')",
    "select count(*) as n from spans_with_logs s where {any(s, 'tenant.id')} = '8' and {any(s, 'tenant.id')} is not null",
    "select count(*) as n, min(l.span_id) as a from logs l join spans s on {any(l, 'tenant.id')} = {any(s, 'tenant.id')}",
    "select count(*) as n, max(l.span_id) as a from span_logs l
     join spans_with_logs s on {any(l, 'http.response.status_code')} = {record(s, 'http.response.status_code')}",
];

/// A query with its lookups as a user writes them, or with calls that no column can stand in for.
fn written(query: &str, over_maps: bool) -> String {
    let mut text = String::new();
    for (place, part) in query.split(['{', '}']).enumerate() {
        if place % 2 == 0 {
            text.push_str(part);
            continue;
        }
        let (function, rest) = part.split_once('(').unwrap();
        let (alias, key) = rest.trim_end_matches(')').split_once(", ").unwrap();
        let of_map = |map: &str| format!("map_extract({alias}.{map}, {key})[1]");
        match (function, over_maps) {
            ("record", false) => write!(text, "{alias}.attributes[{key}]"),
            ("any", false) => write!(text, "attr({alias}, {key})"),
            ("record", true) => write!(text, "{}", of_map("attributes")),
            _ => {
                let maps = ["attributes", "scope_attributes", "resource_attributes"].map(of_map);
                write!(text, "coalesce({})", maps.join(", "))
            }
        }
        .unwrap();
    }
    text
}

async fn check(server: &Server, when: &str) {
    for query in QUERIES {
        let (fast, slow) = (written(query, false), written(query, true));
        let answer = server.sql(&fast).await;
        assert_eq!(answer, server.sql(&slow).await, "{when}: {fast}");
        assert!(!answer.is_empty(), "{when}: {fast}");
    }
    let worked_out = [
        ("select count(*) from span_logs where attributes['http.response.status_code'] = '200'", 2),
        ("select count(*) from spans_with_logs where attr('tenant.id') = '8'", 2),
        ("select count(*) from spans_with_logs where tenant = 8", 2),
        // 7 with 7; two of 8 with two; eight with eight.
        ("select count(*) from span_logs l join spans s on attr(l, 'tenant.id') = attr(s, 'tenant.id')", 6),
    ];
    for (query, expected) in worked_out {
        assert_eq!(server.number(query).await, expected, "{when}: {query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_through_views_agree_before_and_after_a_promotion() {
    let mut home = Home::new(HOT);
    let server = home.serve();
    // Exact; then text that no long is, the old name, and the key in the resource.
    send(&server, 1, &[], &[&[("http.response.status_code", "200")], &[("http.response.status_code", "404")]]).await;
    send(&server, 3, &[], &[&[("tenant.id", "7")], &[("tenant.id", "8")]]).await;
    server.flush().await;
    let misfits: &[&[(&str, &str)]] =
        &[&[("http.response.status_code", "0200")], &[("http.status_code", "500")], &[("tenant.id", "eight")]];
    send(&server, 5, &[("http.response.status_code", "1")], misfits).await;
    server.flush().await;
    server.terminate();
    home.reconfigure(&format!("{HOT}{TENANT}"));
    let server = home.serve();
    send(&server, 8, &[("tenant.id", "8")], &[&[("http.response.status_code", "200")]]).await;
    check(&server, "half flushed").await;
    server.flush().await;
    check(&server, "cold").await;
}

/// With maps of a hundred kilobytes, what a lookup of a promoted key reads is a small part of what another's does.
#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_through_a_view_reads_the_column_and_not_the_map() {
    let home = Home::new(HOT);
    let server = home.serve();
    let noise: Vec<String> = (0..400_u128).map(noise_of).collect();
    let routes = ["/a", "/b", "/c"];
    let records: Vec<Vec<(&str, &str)>> = noise
        .iter()
        .enumerate()
        .map(|(row, noise)| vec![("http.route", routes[row % 3]), ("noise", noise.as_str())])
        .collect();
    let records: Vec<&[(&str, &str)]> = records.iter().map(Vec::as_slice).collect();
    send(&server, 1, &[], &records).await;
    server.flush().await;
    for query in [
        "select count(*) from span_logs where attributes['http.route'] = '/b'",
        "select attr('http.route'), count(*), min(span_name) from span_logs group by 1",
        "select attributes['http.route'] from span_logs where span_name = 'n'",
        "select attributes['http.route'], sum(log_count) from spans_with_logs group by 1",
        "select count(*) from spans_with_logs where attr('http.route') = '/b' and log_count > 0",
        "select count(*) from logs l join spans s on attr(l, 'http.route') = attr(s, 'http.route')",
        "select count(*), sum(s.log_count) from span_logs l join spans_with_logs s
         on attr(l, 'http.route') = s.attributes['http.route'] and l.span_id = s.span_id",
    ] {
        let by_column = bytes_scanned(&server, query).await;
        let by_map = bytes_scanned(&server, &query.replace("http.route", "noise").replace("/b", "0")).await;
        assert!(by_column + 40_000 < by_map, "{by_column} bytes, {by_map} for a key without a column: {query}");
    }
}

/// 200 hexadecimal digits that zstd can't make less of than their 100 bytes.
fn noise_of(seed: u128) -> String {
    let mut state = seed * 2 + 1;
    (0..200 / 8).fold(String::new(), |mut text, _| {
        state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(0x5851_f42d_4c95_7f2d);
        let _ = write!(text, "{:08x}", (state >> 96) as u32);
        text
    })
}

/// Bytes of all scans of a query.
async fn bytes_scanned(server: &Server, query: &str) -> u64 {
    let plan = server.sql(&format!("explain analyze {query}")).await;
    let plan = plan[0]["plan"].as_str().unwrap();
    plan.split("bytes_scanned=").skip(1).map(bytes).sum()
}

/// `90`, `1.75 K`, `1.2 M`.
fn bytes(text: &str) -> u64 {
    let text = text.split([',', ']']).next().unwrap();
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: f64 = number.parse().unwrap();
    let factor = match unit.chars().next() {
        None | Some('B') => 1.0,
        Some('K') => 1024.0,
        Some('M') => 1024.0 * 1024.0,
        other => panic!("{other:?} in {text}"),
    };
    (number * factor) as u64
}
