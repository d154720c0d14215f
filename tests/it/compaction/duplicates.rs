//! Exact duplicates of spans: dropped where that is asked for, counted, and nothing else with them.

use serde_json::{Value, json};

use super::{everything, said};
use crate::support::server::Home;

const DEDUP: &str = "[compaction]\ndedup_spans = \"exact\"\n";

/// A request of one span for each number; what is in `changed` has another name.
fn spans(numbers: std::ops::Range<u64>, changed: Option<u64>) -> String {
    let spans: Vec<Value> = numbers
        .map(|number| {
            let start = 1_700_000_000_000_000_000 + number * 1000;
            let name = if changed == Some(number) { "PUT /buy" } else { "GET /buy" };
            json!({
                "traceId": format!("{:032x}", number / 5 + 1), "spanId": format!("{:016x}", number + 1),
                "name": name, "kind": 2,
                "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 500).to_string(),
                "attributes": [{ "key": "http.route", "value": { "stringValue": "/buy" } }],
            })
        })
        .collect();
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": spans }] }] }).to_string()
}

fn import(home: &Home, text: &str) {
    let path = home.path().join("import.jsonl");
    std::fs::write(&path, text).unwrap();
    said(&home.verb("import").arg(&path).output().unwrap());
}

fn ask(home: &Home, query: &str) -> Value {
    serde_json::from_str(&said(&home.verb("sql").args(["--format", "json", query]).output().unwrap())).unwrap()
}

fn compact(home: &Home, arguments: &[&str]) -> Vec<Value> {
    let reports = said(&home.verb("compact").arg("--json").args(arguments).output().unwrap());
    reports.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// 40 spans; 30 come again exactly, of which one has another name, and ten of them a third time.
fn sent_again() -> Home {
    let home = Home::new("");
    import(&home, &spans(0..40, None));
    import(&home, &spans(10..40, Some(20)));
    // The content of a request is stored once: another cut is another content.
    import(&home, &spans(5..15, None));
    home
}

const DUPLICATES: u64 = 29 + 10;

#[test]
fn duplicates_are_kept_unless_it_is_asked_for() {
    let home = sent_again();
    let before = everything(&home);
    let reports = compact(&home, &[]);
    assert_eq!(reports[0]["duplicates_dropped"], 0);
    assert_eq!(everything(&home), before);
}

#[rstest::rstest]
#[case::while_merging(false)]
#[case::when_the_date_is_one_run_already(true)]
fn exact_duplicates_of_spans_go_and_views_answer_the_same(#[case] late: bool) {
    let mut home = sent_again();
    let questions = [
        "select * from traces order by 1",
        "select service_name, operation, requests, errors from red order by 1, 2",
        "select name, sum(duration_ms) as d from requests group by name order by name",
    ];
    let views = |home: &Home| questions.map(|query| ask(home, query));
    let before = views(&home);
    assert_eq!(ask(&home, "select count(*) as n from spans"), json!([{ "n": 41 + DUPLICATES }]));
    let first = ask(&home, "select span_id, name, min(ingest_time) as t from spans group by 1, 2 order by 1, 2");
    if late {
        compact(&home, &[]);
    }
    home.reconfigure(DEDUP);
    if late {
        assert_eq!(compact(&home, &[]), [] as [Value; 0], "without --renew a date that is one run is left alone");
    }
    let reports = compact(&home, if late { &["--renew"] } else { &[] });
    assert_eq!(reports[0]["duplicates_dropped"], json!(DUPLICATES), "{reports:?}");
    assert_eq!(ask(&home, "select count(*) as n from spans"), json!([{ "n": 41 }]));
    // Equal but for its name is no duplicate; of duplicates the first stays.
    assert_eq!(ask(&home, "select span_id, name, ingest_time as t from spans order by 1, 2"), first);
    assert_eq!(views(&home), before);
    assert_eq!(compact(&home, &["--renew"]), [] as [Value; 0], "it is done once");
    let query = "select data_change, operation_metrics from system.history where table_name = 'spans' \
                 order by version desc limit 1";
    let entry = &ask(&home, query)[0];
    let metrics: Value = serde_json::from_str(entry["operation_metrics"].as_str().unwrap()).unwrap();
    assert_eq!(entry["data_change"], true);
    assert_eq!((&metrics["numDuplicateRows"], &metrics["numRemovedRows"]), (&json!(DUPLICATES), &json!(DUPLICATES)));
    assert_ne!(metrics["checksumBefore"], metrics["checksumAfter"]);
    assert!(home.verb("check").arg("--deep").output().unwrap().status.success());
}
