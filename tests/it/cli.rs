//! The verbs at the prompt: what they print, what they write, how they end.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use prost::Message;
use serde_json::{Value, json};

use crate::support::logs::numbered_logs;
use crate::support::server::{Home, telestrata};

const DAY: u64 = 1_700_000_000;

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Ten logs over two days.
fn lake_of_ten() -> Home {
    let home = Home::new("");
    let text = format!("{}\n{}\n", numbered_logs("one", 0..5, DAY), numbered_logs("two", 5..10, DAY + 86_400));
    std::fs::write(home.path().join("logs.jsonl"), text).unwrap();
    stdout(&run(home.verb("import").arg("logs.jsonl")));
    home
}

#[test]
fn import_takes_every_form_and_reports_what_it_can_not_store() {
    let home = Home::new("");
    let good = |range| numbered_logs("import", range, DAY);
    let at = |name: &str| home.path().join(name);
    std::fs::write(at("a.jsonl"), format!("{}\nnot json\n\n{{\"other\": 1}}\n{}\n", good(0..5), good(5..10))).unwrap();
    std::fs::write(at("b.jsonl.gz"), gzip(good(10..20).as_bytes())).unwrap();
    std::fs::write(at("c.jsonl.zst"), zstd::encode_all(good(20..30).as_bytes(), 1).unwrap()).unwrap();
    let bad_time = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [
        { "timeUnixNano": "-6795364578871345152", "body": { "stringValue": "before time" } },
        { "timeUnixNano": "1700000000000000000", "body": { "stringValue": "log in time" } },
    ] }] }] });
    std::fs::write(at("d.jsonl"), bad_time.to_string()).unwrap();
    let request = opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest {
        resource_logs: vec![opentelemetry_proto::tonic::logs::v1::ResourceLogs {
            scope_logs: vec![opentelemetry_proto::tonic::logs::v1::ScopeLogs {
                log_records: vec![opentelemetry_proto::tonic::logs::v1::LogRecord {
                    time_unix_nano: 1,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let proto = request.encode_to_vec();
    let mut framed = Vec::new();
    for _ in 0..2 {
        framed.extend(u32::try_from(proto.len()).unwrap().to_be_bytes());
        framed.extend(&proto);
    }
    std::fs::write(at("logs.pb"), framed).unwrap();

    let mut command = home.verb("import");
    command
        .args(["*.jsonl*", "logs.pb", "-", "--rejects", "rejects.ndjson", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(good(30..40).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "partly done");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["signals"]["logs"]["stored"], 43, "{summary}");
    assert_eq!(summary["signals"]["logs"]["rejected"], json!({ "time_out_of_range": 1 }));
    assert_eq!(summary["unreadable"].as_array().unwrap().len(), 2, "{summary}");
    let unreadable = summary["unreadable"].to_string();
    assert!(unreadable.contains("a.jsonl:2") && unreadable.contains("a.jsonl:4"), "{unreadable}");
    let rejects = std::fs::read_to_string(home.path().join("rejects.ndjson")).unwrap();
    let rejects: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (unreadable, rejects): (Vec<_>, Vec<_>) =
        rejects.into_iter().partition(|reject| reject["reason"] == "unreadable");
    assert_eq!(unreadable.iter().map(|reject| &reject["line"]).collect::<Vec<_>>(), [&json!(2), &json!(4)]);
    let [reject] = rejects.as_slice() else { panic!("one record: {rejects:?}") };
    assert_eq!(reject["reason"], "time_out_of_range");
    assert_eq!(reject["json"]["body"]["stringValue"], "before time");
    assert_eq!((&reject["line"], &reject["record"]), (&json!(1), &json!(0)));
    let count = stdout(&run(home.verb("sql").args([
        "select source, count(*) as n from logs group by 1 order by 1",
        "--format",
        "csv",
    ])));
    assert_eq!(count, "source,n\nimport/otlp-json,41\nimport/otlp-proto,2\n");
    let missing = run(home.verb("import").arg("nothing-*.jsonl"));
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn import_writes_few_files_each_of_one_date() {
    let home = lake_of_ten();
    let tables = stdout(&run(home.verb("tables").arg("--json")));
    let tables: Value = serde_json::from_str(&tables).unwrap();
    let logs = tables.as_array().unwrap().iter().find(|table| table["name"] == "logs").unwrap();
    assert_eq!((&logs["rows"], &logs["files"]), (&json!(10), &json!(2)));
    assert_eq!((&logs["first_date"], &logs["last_date"]), (&json!("2023-11-14"), &json!("2023-11-15")));
    assert!(home.lake().join("README.md").exists());
}

/// A crash between writing a table's first commit and giving it its name leaves no table, and no obstacle.
#[test]
fn what_a_crash_left_of_a_first_commit_is_no_obstacle() {
    let home = Home::new("");
    let log = home.lake().join("logs/_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    std::fs::write(log.join("00000000000000000000.json#4711"), b"half").unwrap();
    std::fs::write(log.join("00000000000000000000.json#left-over"), b"half").unwrap();
    std::fs::write(home.path().join("logs.jsonl"), numbered_logs("first", 0..5, DAY)).unwrap();
    stdout(&run(home.verb("import").arg("logs.jsonl")));
    assert_eq!(stdout(&run(home.verb("sql").args(["select count(*) as n from logs", "--format", "csv"]))), "n\n5\n");
}

#[test]
fn check_lists_files_without_a_commit_and_files_that_are_gone() {
    let home = lake_of_ten();
    let stray = home.lake().join("logs/date=2023-11-14/stray.parquet");
    std::fs::write(&stray, b"left by a crash").unwrap();
    let check: Value = serde_json::from_str(&stdout(&run(home.verb("check").arg("--json")))).unwrap();
    assert_eq!(check["live"], 2);
    assert_eq!(check["unlisted"], json!([{ "path": "logs/date=2023-11-14/stray.parquet", "bytes": 15 }]));
    let count = stdout(&run(home.verb("sql").args(["select count(*) as n from logs", "--format", "csv"])));
    assert_eq!(count, "n\n10\n", "it harms nothing");
    std::fs::remove_file(&stray).unwrap();
    let folder = home.lake().join("logs/date=2023-11-15");
    let live = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(live).unwrap();
    let check = run(home.verb("check").arg("--json"));
    assert_eq!(check.status.code(), Some(3));
    let check: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert!(check["missing"][0].as_str().unwrap().starts_with("logs/date=2023-11-15/"), "{check}");
}

#[test]
fn sql_prints_every_format_and_reads_every_source() {
    let home = lake_of_ten();
    let query =
        "select body, severity_number as level, event_name from logs where service_name = 'one' order by body limit 2";
    let with = |format: &str| stdout(&run(home.verb("sql").args([query, "--format", format])));
    assert_eq!(with("csv"), "body,level,event_name\nlog 0,9,\nlog 1,9,\n");
    assert_eq!(with("tsv"), "body\tlevel\tevent_name\nlog 0\t9\t\nlog 1\t9\t\n");
    assert_eq!(
        with("ndjson"),
        "{\"body\":\"log 0\",\"level\":9,\"event_name\":null}\n{\"body\":\"log 1\",\"level\":9,\"event_name\":null}\n"
    );
    assert_eq!(serde_json::from_str::<Value>(&with("json")).unwrap().as_array().unwrap().len(), 2);
    assert_eq!(
        with("markdown"),
        "| body | level | event_name |\n| --- | ---: | --- |\n| log 0 | 9 | NULL |\n| log 1 | 9 | NULL |\n"
    );
    let table = with("table");
    assert!(table.contains("| log 0 |     9 | NULL       |") && table.ends_with("2 rows\n"), "{table}");
    assert_eq!(stdout(&run(home.verb("sql").arg(query))), with("csv"), "CSV where no one looks");

    std::fs::write(home.path().join("q.sql"), query).unwrap();
    assert_eq!(stdout(&run(home.verb("sql").args(["-f", "q.sql"]))), with("csv"));
    let mut piped = home.verb("sql").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(query.as_bytes()).unwrap();
    assert_eq!(stdout(&piped.wait_with_output().unwrap()), with("csv"));

    let maps = format!("select '{}' as long, attributes from logs limit 1", "x".repeat(300));
    let maps = stdout(&run(home.verb("sql").args([&maps, "--format", "table"])));
    assert!(
        maps.contains(&"x".repeat(300)) && maps.contains("| {number: "),
        "whole, as a person would write it: {maps}"
    );

    let none = run(home.verb("sql").stdin(Stdio::null()));
    assert_eq!(none.status.code(), Some(2), "no prompt without a terminal");
    assert!(String::from_utf8(none.stderr).unwrap().contains("- for standard input"));

    for name in ["out.parquet", "out.arrow"] {
        stdout(&run(home.verb("sql").args([query, "-o", name])));
        let file = std::fs::File::open(home.path().join(name)).unwrap();
        let rows: usize = if name.ends_with("parquet") {
            let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 1024).unwrap();
            reader.map(|batch| batch.unwrap().num_rows()).sum()
        } else {
            let reader = arrow::ipc::reader::StreamReader::try_new(file, None).unwrap();
            reader.map(|batch| batch.unwrap().num_rows()).sum()
        };
        assert_eq!(rows, 2, "{name}");
    }
    // A bound on time leaves out files by the log's statistics alone.
    let plan = stdout(&run(home.verb("sql").args([
        "explain select body from logs where time < timestamp '2023-11-15T00:00:00Z'",
        "--format",
        "json",
    ])));
    assert!(plan.contains("date=2023-11-14") && !plan.contains("date=2023-11-15"), "{plan}");
    assert_eq!(
        stdout(&run(home.verb("sql").args(["select now() > timestamp '2020-01-01' as later", "--format", "csv"]))),
        "later\ntrue\n"
    );
}

#[test]
fn errors_say_what_and_where_and_sql_only_reads() {
    let home = lake_of_ten();
    let fail = |query: &str| {
        let output = run(home.verb("sql").arg(query));
        assert!(!output.status.success(), "{query} succeeded");
        String::from_utf8(output.stderr).unwrap()
    };
    let error = fail("select nothing\nfrom logs");
    assert!(error.contains("line 1, column 8") && error.contains("nothing"), "{error}");
    assert!(fail("select 1 +").contains("line 1, column 11"));
    for query in [
        "create table t as select 1",
        "create external table t stored as parquet location '/etc'",
        "copy (select 1) to '/tmp/out.csv'",
        "insert into logs select * from logs",
        "drop table logs",
        "set datafusion.execution.batch_size = 1",
        "select * from '/etc/passwd'",
        "select 1; select 2",
    ] {
        fail(query);
    }
    // Deep, not long: what a parser builds in a loop must not bring the program down when it lets go of it.
    let deep = |terms: usize| format!("select {}", vec!["1"; terms].join("+"));
    let sum = stdout(&run(home.verb("sql").args([&deep(300), "--format", "csv"])));
    assert_eq!(sum.lines().last(), Some("300"));
    assert!(fail(&deep(50_000)).contains("operators"));
    let nowhere =
        telestrata().current_dir(home.path()).args(["sql", "--lake", "./nowhere", "select 1"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8(nowhere.stderr).unwrap().contains("there is no lake at"));
    let cloud = telestrata().args(["sql", "--lake", "ftp://bucket/x", "select 1"]).output().unwrap();
    assert_eq!(cloud.status.code(), Some(2));
}

#[test]
fn config_show_tells_where_each_value_comes_from() {
    let home = Home::new("[flush]\nage = \"5s\"\n");
    let output = telestrata()
        .current_dir(home.path())
        .env("TELESTRATA_QUERY_MAX_TIME", "7s")
        .args(["config", "show", "--lake", "/srv/lake"])
        .output()
        .unwrap();
    let text = stdout(&output);
    for line in [
        "lake = \"/srv/lake\"  # flag",
        "age = \"5s\"  # telestrata.toml",
        "max_time = \"7s\"  # TELESTRATA_QUERY_MAX_TIME",
        "bytes = \"256 MiB\"  # default",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    // What it prints is a file that can be used.
    std::fs::write(home.path().join("shown.toml"), &text).unwrap();
    stdout(&run(telestrata().current_dir(home.path()).args(["config", "show", "--config", "shown.toml"])));
    std::fs::write(home.path().join("telestrata.toml"), "[flush]\nages = \"5s\"\n").unwrap();
    let wrong = run(telestrata().current_dir(home.path()).args(["config", "show"]));
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("flush.ages"));
}

#[test]
fn the_demo_takes_otlp_in_and_answers_across_signals() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        telestrata().current_dir(folder.path()).args(["demo", "--history", "90s", "--for", "1s"]).output().unwrap();
    let text = stdout(&output);
    assert!(text.contains("api.fraudscore.example") && text.contains("0 rejected"), "{text}");
    let lake = folder.path().join("telestrata-demo/lake");
    let check = run(telestrata().arg("check").arg("--lake").arg(&lake).arg("--json"));
    let check: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(check["missing"], json!([]));
    let correlated = stdout(&run(telestrata().arg("sql").arg("--lake").arg(&lake).args([
        "select count(*) filter (where trace_id is not null and span_name is null) as lost from span_logs",
        "--format",
        "csv",
    ])));
    assert_eq!(correlated, "lost\n0\n", "every correlated log finds its span");
}

/// A filter that would not be applied is refused, before anything is written or sent.
#[test]
fn a_filter_belongs_to_a_table() {
    let home = lake_of_ten();
    let output = run(home.verb("export").args(["select * from logs", "--where", "false", "-o", "out.csv"]));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!home.path().join("out.csv").exists());
}
