//! How many requests a query costs on an object store, counted by the store itself.
//!
//! `TELESTRATA_S3_DATES` and `TELESTRATA_S3_FILES` (a date) make it larger; the table that it prints is the one in
//! `docs/benchmarks.md`.

use std::fmt::Write as _;

use serde_json::json;

use crate::support::s3::S3;
use crate::support::server::{Home, Server};

const DAY: u64 = 1_700_006_400;

fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// One OTLP/JSON request: logs of every date.
fn logs_of(dates: u64, file: u64) -> String {
    const ROWS: u64 = 20;
    let records: Vec<_> = (0..dates * ROWS)
        .map(|row| {
            let (date, number) = (row / ROWS, row % ROWS);
            json!({
                "timeUnixNano": ((DAY + date * 86_400 + file * 600 + number) * 1_000_000_000).to_string(),
                "severityNumber": 9 + number % 9,
                "body": { "stringValue": format!("order {file}-{row} was placed") },
                "traceId": format!("{:032x}", 1 + row + file * 1_000_000),
                "spanId": format!("{:016x}", 1 + row),
                "attributes": [{ "key": "http.route", "value": { "stringValue": format!("/cart/{}", number % 3) } }],
            })
        })
        .collect();
    let services = ["cart", "checkout"].map(|service| {
        json!({
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
            "scopeLogs": [{ "logRecords": records }],
        })
    });
    json!({ "resourceLogs": services }).to_string()
}

fn date(number: u64) -> String {
    let time = chrono::DateTime::from_timestamp(i64::try_from(DAY + number * 86_400).unwrap(), 0).unwrap();
    time.format("%Y-%m-%d").to_string()
}

fn query_list(middle: &str) -> Vec<(&'static str, String)> {
    vec![
        ("every row counted", "select count(*) from logs".to_owned()),
        ("one day counted", format!("select count(*) from logs where date = '{middle}'")),
        (
            "one hour of a service",
            format!(
                "select severity_number, count(*) from logs where service_name = 'cart' \
                 and time >= '{middle}T00:00:00Z' and time < '{middle}T01:00:00Z' group by 1"
            ),
        ),
        (
            "one day by route",
            format!("select attributes['http.route'], count(*) from logs where date = '{middle}' group by 1"),
        ),
        ("one trace id", format!("select body from logs where trace_id = '{:032x}'", 1 + 7)),
        ("every day by service", "select service_name, count(*) from logs group by 1".to_owned()),
    ]
}

/// No query asks for what it does not need, and a second one asks for less than the first.
#[tokio::test(flavor = "multi_thread")]
async fn requests_per_query_are_few() {
    let (dates, files) = (size("TELESTRATA_S3_DATES", 6), size("TELESTRATA_S3_FILES", 4));
    let s3 = S3::start().await;
    let home = Home::with_lake_at("", &s3.lake("counted"), &s3.env());
    for file in 0..files {
        let path = home.path().join("logs.jsonl");
        std::fs::write(&path, logs_of(dates, file)).unwrap();
        let imported = home.verb("import").arg(&path).output().unwrap();
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    }
    let middle = date(dates / 2);
    let queries = query_list(&middle);
    let mut costs = Vec::new();
    // Before there is a server, which asks for the log by itself.
    for (name, query) in &queries {
        let before = s3.requests().len();
        let cold = home.verb("sql").args(["--format", "csv", query]).output().unwrap();
        assert!(cold.status.success(), "{}", String::from_utf8_lossy(&cold.stderr));
        let made = s3.requests().split_off(before);
        for request in &made {
            let index = *name == "one trace id" && request.contains("counted/trace_index/");
            let writers = request.contains("counted%2F_writers") || request.contains("counted/_writers");
            assert!(
                request.contains("counted/logs/") || index || writers,
                "{name}: another table than the query's: {request}"
            );
            let same = made.iter().filter(|other| *other == request).count();
            assert_eq!(same, 1, "{name}: asked more than once: {request}");
            let data = request.contains(".parquet") && !request.contains("_delta_log");
            assert!(!data || *name != "every row counted", "the log has the count: {request}");
            assert!(!data || !query.contains(&middle) || request.contains(&middle), "{name}: another day: {request}");
        }
        let files = made.iter().filter(|request| request.contains("logs/date=")).count();
        assert!(files == 1 || *name != "one trace id", "one file has the id: {made:?}");
        costs.push((name, made.len()));
    }
    let mut table = format!("{:<24}{:>12}{:>14}{:>14}\n", "requests", "one-shot", "server", "server again");
    let server = home.serve();
    for ((name, query), (_, one_shot)) in queries.iter().zip(costs) {
        let first = counted(&s3, &server, query).await;
        let again = counted(&s3, &server, query).await;
        assert!(again.is_empty(), "{name}: small files are kept: {again:?}");
        let _ = writeln!(table, "{name:<24}{one_shot:>12}{:>14}{:>14}", first.len(), again.len());
    }
    println!("{dates} dates, {} files of logs\n{table}", dates * files);
    server.terminate();
}

/// The requests that a query of a server makes, without those by which the server follows the log, and takes up the
/// trace index: it reads the footers of runs, a query whole small runs.
async fn counted(s3: &S3, server: &Server, query: &str) -> Vec<String> {
    let before = s3.requests().len();
    server.sql(query).await;
    let mut made = s3.requests().split_off(before);
    made.retain(|request| !request.contains("_delta_log"));
    // So does it tell that it lives, and look for erasures.
    made.retain(|request| !request.contains("_writers") && !request.contains("_erasures"));
    made.retain(|request| !request.contains("/trace_index/") || !request.ends_with(" 206"));
    made
}
