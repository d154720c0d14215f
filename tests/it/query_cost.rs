//! What queries read on a lake of many days: the newest days first, nothing for what the log knows, and what
//! `EXPLAIN ESTIMATE` says before.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::s3::S3;
use crate::support::server::{Home, Server};

/// 2023-11-15T00:00:00Z.
const START: u64 = 1_700_006_400;
const ROWS: u64 = 30;
/// Past the second: what Delta's milliseconds do not hold.
const NANOS: u64 = 123_456_789;

/// Partitions of a scan, each of which may be on its way into a file.
fn cpus() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

/// Enough that a query which reads them all does not look as if it had stopped.
fn days() -> u64 {
    16 + 8 * cpus() as u64
}

/// The logs of a day: `ROWS`, a minute apart from `hour` on, the last of them an error.
fn logs_of(day: u64, hour: u64) -> String {
    let records: Vec<_> = (0..ROWS)
        .map(|row| {
            let seconds = START + day * 86_400 + hour * 3_600 + row * 60;
            json!({
                "timeUnixNano": (seconds * 1_000_000_000 + NANOS).to_string(),
                "severityNumber": if row == ROWS - 1 { 17 } else { 9 },
                "body": { "stringValue": format!("day {day} row {row}") },
                "attributes": [{ "key": "tenant.id", "value": { "stringValue": (day % 3).to_string() } }],
            })
        })
        .collect();
    let service = if day.is_multiple_of(2) { "cart" } else { "checkout" };
    json!({ "resourceLogs": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
        "scopeLogs": [{ "logRecords": records }],
    }] })
    .to_string()
}

fn date(day: u64) -> String {
    let time = chrono::DateTime::from_timestamp(i64::try_from(START + day * 86_400).unwrap(), 0).unwrap();
    time.format("%Y-%m-%d").to_string()
}

fn time_of(day: u64, hour: u64, row: u64) -> String {
    format!("{}T{hour:02}:{row:02}:00.123456Z", date(day))
}

/// A file a day.
fn import_days(home: &Home) {
    let lines: Vec<String> = (0..days()).map(|day| logs_of(day, 1)).collect();
    std::fs::write(home.path().join("logs.jsonl"), lines.join("\n")).unwrap();
    let imported = home.verb("import").arg("logs.jsonl").output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
}

async fn send(server: &Server, body: String) {
    let request = reqwest::Client::new().post(format!("{}/v1/logs", server.otlp_http()));
    let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert!(response.status().is_success());
}

async fn explain(server: &Server, how: &str, query: &str) -> String {
    let rows = server.sql(&format!("{how} {query}")).await;
    rows.iter().map(|row| row["plan"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Files that a query opened, as EXPLAIN ANALYZE counts them.
async fn files_read(server: &Server, query: &str) -> usize {
    let plan = explain(server, "explain analyze", query).await;
    let counts = plan.split("files_ranges_pruned_statistics=").skip(1);
    let matched = counts.map(|text| {
        let text = text.split(',').next().unwrap().rsplit('→').next().unwrap();
        text.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    });
    matched.sum()
}

/// A TopK over all days opens the files that it needs to fill its rows, of each partition, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_days_are_read_first_and_the_others_not_at_all() {
    let home = Home::new("[flush]\nage = \"1h\"\n[query]\nviews = \"views\"\n");
    std::fs::create_dir(home.path().join("views")).unwrap();
    let view = "-- One row a log.\nSELECT time AS at, upper(body) AS text, severity_number AS severity FROM logs";
    std::fs::write(home.path().join("views/mine.sql"), view).unwrap();
    import_days(&home);
    let server = home.serve();
    let last = days() - 1;
    // The hot rows are of the last day too: a later hour.
    for (state, newest) in [("cold", 1), ("cold and hot", 5)] {
        let cases = [
            ("select time, body from logs order by time desc limit 2", time_of(last, newest, 29), 1),
            ("select time from logs order by time desc, body limit 2 offset 1", time_of(last, newest, 28), 1),
            ("select time from logs order by time limit 2", time_of(0, 1, 0), 1),
            ("select time from logs order by time nulls first limit 2", time_of(0, 1, 0), 1),
            (
                "select time from logs where severity_number >= 17 order by time desc limit 2",
                time_of(last, newest, 29),
                2,
            ),
            (
                "select time from logs where body like '%row 29' and service_name = 'cart' order by time limit 3",
                time_of(0, 1, 29),
                3,
            ),
            ("select at from mine where severity < 17 order by at desc limit 2", time_of(last, newest, 28), 1),
            ("select * from (select time as t, body from logs) order by t desc limit 2", time_of(last, newest, 29), 1),
            ("select max(time) as m from logs where severity_number >= 17", time_of(last, newest, 29), 1),
            ("select min(time) as m from logs where body <> ''", time_of(0, 1, 0), 1),
        ];
        for (query, first, files) in cases {
            let rows = server.sql(query).await;
            let best = rows[0].as_object().unwrap().values().any(|value| *value == first.as_str());
            assert!(best, "{state}: {query}: {rows:?}");
            let read = files_read(&server, query).await;
            assert!(read <= (files + 1) * cpus(), "{state}: {read} of {} files are read: {query}", days());
        }
        send(&server, logs_of(last, 5)).await;
    }
    server.terminate();
}

/// The same on an object store, where each file that is left alone is a request that is not paid for.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_days_are_asked_of_an_object_store() {
    let s3 = S3::start().await;
    let home = Home::with_lake_at("", &s3.lake("days"), &s3.env());
    import_days(&home);
    let before = s3.requests().len();
    let query = "select time from logs where severity_number < 17 order by time desc limit 2";
    let answer = home.verb("sql").args(["--format", "csv", query]).output().unwrap();
    let expected = format!("time\n{}\n{}\n", time_of(days() - 1, 1, 28), time_of(days() - 1, 1, 27));
    assert_eq!(String::from_utf8_lossy(&answer.stdout), expected);
    let requests = s3.requests().split_off(before);
    let data = requests.iter().filter(|request| request.contains(".parquet") && !request.contains("_delta_log"));
    let files: BTreeSet<&str> = data.filter_map(|request| request.split_whitespace().nth(1)).collect();
    assert!(!files.is_empty() && files.len() <= 2 * cpus(), "{files:?}");
    assert!(files.iter().any(|file| file.contains(&date(days() - 1))), "{files:?}");
}

/// Counts and extremes are in the log; the hot rows are added, and no data file is opened.
#[tokio::test(flavor = "multi_thread")]
async fn counts_and_extremes_of_tables_open_no_file() {
    let mut home = Home::new("[flush]\nage = \"1h\"\n");
    import_days(&home);
    let promoted = "[[promoted]]\nname = \"tenant\"\ntype = \"long\"\nfrom = [\"attributes['tenant.id']\"]\n";
    home.reconfigure(&format!("[flush]\nage = \"1h\"\n{promoted}"));
    let server = home.serve();
    let (last, all) = (days() - 1, days() * ROWS);
    // The hot rows: of the last day, and of the day after.
    for (hot_last, hot_after) in [(0, 0), (ROWS, 0), (ROWS, ROWS)] {
        let newest = match (hot_last, hot_after) {
            (0, _) => time_of(last, 1, 29),
            (_, 0) => time_of(last, 5, 29),
            _ => time_of(last + 1, 5, 29),
        };
        let hot = hot_last + hot_after;
        let whole = json!({
            "n": all + hot, "t": all + hot, "first": time_of(0, 1, 0), "last": newest,
            "low": 9, "high": 17, "day": date(0),
        });
        let cases = [
            (
                "select count(*) as n, count(time) as t, min(time) as first, max(time) as last, \
                 min(severity_number) as low, max(severity_number) as high, min(date) as day from logs"
                    .to_owned(),
                whole,
            ),
            (format!("select count(*) as n from logs where date = '{}'", date(last)), json!({ "n": ROWS + hot_last })),
            (
                format!("select count(*) as n, max(time) as last from logs where date < '{}'", date(2)),
                json!({ "n": 2 * ROWS, "last": time_of(1, 1, 29) }),
            ),
            (format!("select count(*) as n from logs where date in ('{}')", date(9999)), json!({ "n": 0 })),
            (
                format!("select count(*) as n, max(severity_number) as m from logs where date > '{}'", date(last)),
                json!({ "n": hot_after, "m": if hot_after > 0 { json!(17) } else { Value::Null } }),
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(server.sql(&query).await, [expected], "{hot} hot rows: {query}");
            let plan = explain(&server, "explain", &query).await;
            assert!(!plan.contains("DataSourceExec"), "{hot} hot rows: {query}\n{plan}");
        }
        // What the log does not know is read, and right.
        let read = [
            ("select count(*) as n from (select * from logs limit 7)", json!({ "n": 7 })),
            ("select count(tenant) as n, max(tenant) as m from logs", json!({ "n": all + hot, "m": 2 })),
            ("select max(service_name) as m from logs", json!({ "m": "checkout" })),
            ("select count(*) as n from logs where severity_number = 17", json!({ "n": (all + hot) / ROWS })),
            ("select count(*) filter (where severity_number = 17) as n from logs", json!({ "n": (all + hot) / ROWS })),
        ];
        for (query, expected) in read {
            assert_eq!(server.sql(query).await, [expected], "{hot} hot rows: {query}");
        }
        send(&server, logs_of(if hot == 0 { last } else { last + 1 }, 5)).await;
    }
    server.terminate();
}

/// Changes the `add` of the newest day's file, and the file's name with it.
fn change_newest(lake: &Path, change: impl Fn(&mut Value)) {
    let log = lake.join("logs/_delta_log");
    for entry in std::fs::read_dir(&log).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| {
            let mut action: Value = serde_json::from_str(line).unwrap();
            let name = action["add"]["path"].as_str().map(str::to_owned);
            let Some(name) = name.filter(|name| name.contains(&date(days() - 1))) else { return line.to_owned() };
            change(&mut action["add"]);
            let renamed = action["add"]["path"].as_str().unwrap();
            std::fs::rename(lake.join("logs").join(&name), lake.join("logs").join(renamed)).unwrap();
            action.to_string()
        });
        let changed: Vec<String> = lines.collect();
        std::fs::write(&path, changed.join("\n") + "\n").unwrap();
    }
}

fn csv(home: &Home, query: &str) -> String {
    let answer = home.verb("sql").args(["--format", "csv", query]).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap()
}

#[test]
fn a_file_without_statistics_or_with_floored_ones_answers_right() {
    const QUERY: &str = "select count(*) as n, max(time) as last, max(severity_number) as high from logs";
    let expected = format!("n,last,high\n{},{},17\n", days() * ROWS, time_of(days() - 1, 1, 29));
    let top = "select time from logs order by time desc limit 1";
    let first = format!("time\n{}\n", time_of(days() - 1, 1, 29));

    let home = Home::new("");
    import_days(&home);
    assert_eq!(csv(&home, QUERY), expected, "of a log that was just opened");
    change_newest(&home.lake(), |add| _ = add.as_object_mut().unwrap().remove("stats"));
    assert_eq!((csv(&home, QUERY), csv(&home, top)), (expected.clone(), first.clone()), "without statistics");

    let home = Home::new("");
    import_days(&home);
    change_newest(&home.lake(), |add| {
        let path = add["path"].as_str().unwrap().replace('/', "/part-00000-");
        add["path"] = json!(path);
        add["stats"] = json!(add["stats"].as_str().unwrap().replace(".123456Z", ".123Z"));
    });
    assert_eq!((csv(&home, QUERY), csv(&home, top)), (expected, first), "with floored statistics");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_says_what_would_be_read_and_why_no_more() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    import_days(&home);
    let server = home.serve();
    send(&server, logs_of(days(), 5)).await;
    let query =
        format!("select body from logs where time >= '{}' and time < '{}' and service_name = 'cart'", date(2), date(5));
    let rows = server.sql(&format!("explain estimate {query}")).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    let mut expected = json!({
        "table": "logs", "files": 2, "rows": 2 * ROWS, "hot_rows": ROWS, "live_files": days(),
        "left_out_by_time": days() - 3, "left_out_by_statistics": 1, "left_out_by_trace_index": 0,
    });
    expected["bytes"] = row["bytes"].clone();
    assert_eq!(*row, expected);
    assert!(row["bytes"].as_i64().unwrap() > 0);

    let plan = explain(&server, "explain", &query).await;
    let line = format!("logs: 2 of {} files, ", days());
    assert!(plan.contains(&line), "{plan}");
    assert!(plan.contains("; 1 left out by other statistics; and 30 rows not yet in files"), "{plan}");
    let both = server.sql("explain estimate select 1 from logs l join logs r on l.trace_id = r.trace_id").await;
    assert_eq!(both.len(), 2, "a row for each scan: {both:?}");

    // Of a server, and of files that are gone: nothing of them is read.
    let flags = ["sql", "--connect", &server.http(), "--estimate", "--format", "csv", &query];
    let asked = crate::support::server::telestrata().args(flags).output().unwrap();
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(text.starts_with("table,files,bytes,rows,hot_rows,live_files,"), "{text}");
    assert!(text.contains(&format!(",60,30,{},", days())), "{text}");
    server.terminate();
    for day in 0..=days() {
        let _ = std::fs::remove_dir_all(home.lake().join(format!("logs/date={}", date(day))));
    }
    let asked = home.verb("sql").args(["--estimate", "--format", "csv", &query]).output().unwrap();
    assert!(String::from_utf8_lossy(&asked.stdout).contains("\nlogs,2,"), "{asked:?}");
    let wrong = home.verb("sql").args(["--estimate", "select\nnonesuch from logs"]).output().unwrap();
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("line 2, column 1"), "{wrong:?}");
}
