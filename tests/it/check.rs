//! `telestrata check`: each kind of damage and drift, made on purpose in a real lake, is found and named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use telestrata::lake::{CloudAccess, DerivedFile, DerivedTable, LakeRoot};
use telestrata::{ledger, maintenance, trace_index};

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::python::python;
use crate::support::server::{Home, Server, telestrata, wait_for};

/// 2023-11-14T22:13:20Z.
const SECOND: u64 = 1_700_000_000;
const DAY: u64 = 86_400;
/// What is done to a lake before it is checked.
type Damage<'a> = &'a dyn Fn(&Home);

/// What is done to each action of a log.
type Edit<'a> = &'a dyn Fn(&mut Value);

const CONFIG: &str = "[flush]\nage = \"1h\"\n";

async fn send(server: &Server, numbers: std::ops::Range<u64>, second: u64) {
    let body = numbered_logs("shop", numbers, second);
    send_logs(&reqwest::Client::new(), &server.otlp_http(), body).await.unwrap();
}

/// A server's lake with logs of two dates, and spans and metrics; the server has stopped.
async fn lake() -> Home {
    let home = Home::new(CONFIG);
    let server = home.serve();
    send(&server, 0..10, SECOND).await;
    send(&server, 10..20, SECOND + DAY).await;
    let service = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] });
    let nanos = (SECOND * 1_000_000_000).to_string();
    let spans = json!({ "resourceSpans": [{ "resource": service, "scopeSpans": [{ "spans": [{
        "traceId": "1".repeat(32), "spanId": "2".repeat(16), "name": "work", "kind": 2,
        "startTimeUnixNano": nanos, "endTimeUnixNano": nanos,
    }] }] }] });
    let points = json!([{ "timeUnixNano": nanos, "asDouble": f64::from(f32::MAX) }]);
    let metrics = json!({ "resourceMetrics": [{ "resource": service, "scopeMetrics": [{ "metrics": [
        { "name": "queue", "gauge": { "dataPoints": points } },
    ] }] }] });
    for (path, body) in [("traces", spans), ("metrics", metrics)] {
        let url = format!("{}/v1/{path}", server.otlp_http());
        assert!(reqwest::Client::new().post(url).json(&body).send().await.unwrap().status().is_success());
    }
    server.flush().await;
    server.terminate();
    home
}

fn run(home: &Home, args: &[&str]) -> Output {
    let mut check = home.verb("check");
    if !args.contains(&"--wal") {
        check.arg("--wal").arg(home.wal());
    }
    check.args(args).output().unwrap()
}

/// The exit code, the findings as (severity, code, path), and the whole report.
fn check(home: &Home, args: &[&str]) -> (i32, Vec<(String, String, String)>, Value) {
    let output = run(home, &[&["--json"], args].concat());
    let code = output.status.code().unwrap();
    assert!(code == 0 || code == 3, "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap();
    let found = findings
        .iter()
        .map(|finding| (text(finding, "severity"), text(finding, "code"), text(finding, "path")))
        .collect();
    (code, found, report)
}

/// The codes found, without equal ones.
fn codes(home: &Home, args: &[&str]) -> Vec<String> {
    let mut codes: Vec<String> = check(home, args).1.into_iter().map(|(_, code, _)| code).collect();
    codes.dedup();
    codes
}

/// The one file of a table's date.
fn file_of(home: &Home, table: &str, date: &str) -> PathBuf {
    let folder = home.lake().join(format!("{table}/date={date}"));
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "parquet")).unwrap()
}

/// Changes the `add` action of the logs' file of a date, where the log has it.
fn edit_add(home: &Home, date: &str, edit: impl Fn(&mut Value)) {
    edit_log(home, |action| {
        if action["add"]["path"].as_str().is_some_and(|path| path.contains(date)) {
            edit(&mut action["add"]);
        }
    });
}

fn edit_stats(home: &Home, date: &str, edit: impl Fn(&mut Value)) {
    edit_add(home, date, |add| {
        let mut stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
        edit(&mut stats);
        add["stats"] = json!(stats.to_string());
    });
}

/// Every file below a folder, with its content.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_lake_has_no_findings_with_and_without_its_server() {
    let home = lake().await;
    for args in [&[][..], &["--deep"], &["--table", "spans", "--deep"]] {
        let (code, found, report) = check(&home, args);
        assert_eq!((code, found), (0, Vec::new()), "{args:?}: {report:#}");
        assert_eq!(report["wal"]["in_use"], false, "{report:#}");
    }
    let server = home.serve();
    send(&server, 20..30, SECOND).await;
    let before = content(&home.wal());
    let http = server.http();
    let (code, found, report) = check(&home, &["--connect", &http]);
    // What the test's server was given by flags, and nothing else.
    assert!(code == 0 && found.iter().all(|(_, code, _)| code == "config-by-flag"), "{report:#}");
    assert_eq!(found.len(), 5, "{report:#}");
    assert_eq!(content(&home.wal()), before, "a look changes nothing");
    assert_eq!(report["wal"]["in_use"], true, "{report:#}");
    assert_eq!(report["wal"]["writer_id"], report["server"]["writer_id"]);
    let logs = &report["wal"]["tables"][0];
    assert_eq!(
        (&logs["name"], &logs["stored"], &logs["waiting"]),
        (&json!("logs"), &json!(0), &json!(1)),
        "{report:#}"
    );
    // One writer, this one.
    let writers = report["tables"][0]["writers"].as_array().unwrap();
    assert!(writers.len() == 1 && writers[0]["own"] == true && writers[0]["last_seen"].is_string(), "{report:#}");
    server.flush().await;
    server.terminate();
    assert_eq!(check(&home, &[]).1, []);
}

/// A check beside a server that takes, flushes and releases all the time finds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_beside_a_busy_server_finds_nothing() {
    let home = lake().await;
    let server = home.serve();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let busy = async {
        let mut number = 100;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            send(&server, number..number + 50, SECOND).await;
            if number % 200 == 0 {
                server.flush().await;
            }
            number += 50;
        }
        number
    };
    let checks = async {
        for _ in 0..5 {
            let output = tokio::task::block_in_place(|| run(&home, &["--json"]));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            // A file may be written, and its commit be on its way.
            let findings: Vec<_> = report["findings"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|found| found["code"] != "file-unlisted")
                .collect();
            assert!(output.status.success() && findings.is_empty(), "{findings:#?}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (number, ()) = tokio::join!(busy, checks);
    assert!(number > 100);
    server.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_cut_swapped_stray_or_gone_are_named() {
    let home = lake().await;
    let whole = file_of(&home, "logs", "2023-11-14");
    let bytes = fs::read(&whole).unwrap();
    fs::write(&whole, &bytes[..bytes.len() - 50]).unwrap();
    let (code, found, _) = check(&home, &["--table", "logs"]);
    assert_eq!((code, found.len()), (3, 2), "{found:?}");
    assert!(found.iter().all(|(severity, _, path)| severity == "damage" && whole.ends_with(path)), "{found:?}");
    assert_eq!(codes(&home, &[]), ["file-size", "file-unreadable"]);

    // Its pages are damaged and its footer is not: only a deep check reads them.
    let mut damaged = bytes.clone();
    for byte in &mut damaged[4..2000] {
        *byte ^= 0x55;
    }
    fs::write(&whole, damaged).unwrap();
    assert_eq!(codes(&home, &[]), Vec::<String>::new());
    assert_eq!(codes(&home, &["--deep"]), ["file-unreadable"]);

    // A file of another table of this lake.
    fs::copy(file_of(&home, "spans", "2023-11-14"), &whole).unwrap();
    let found = codes(&home, &[]);
    for code in ["file-size", "file-rows", "file-schema"] {
        assert!(found.iter().any(|found| found == code), "{found:?}");
    }
    fs::write(&whole, &bytes).unwrap();
    assert_eq!(codes(&home, &["--deep"]), Vec::<String>::new());

    fs::write(home.lake().join("logs/date=2023-11-14/stray.parquet"), b"left by a crash").unwrap();
    let (code, found, _) = check(&home, &[]);
    assert_eq!(code, 0, "{found:?}");
    assert_eq!(found, [("note".into(), "file-unlisted".into(), "logs/date=2023-11-14/stray.parquet".into())]);
    fs::remove_file(&whole).unwrap();
    assert_eq!(codes(&home, &["--deep"]), ["file-missing", "file-unlisted"]);
    let text = String::from_utf8(run(&home, &[]).stdout).unwrap();
    assert!(text.contains("file-missing") && text.contains("1 damaged, 0 drifted, 1 notes"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_and_partitions_that_do_not_hold_are_named() {
    let date = "2023-11-14";
    let cases: [(&[&str], Damage<'_>); 9] = [
        (&["file-rows"], &|home| edit_stats(home, date, |stats| stats["numRecords"] = json!(11))),
        (&["file-statistics"], &|home| {
            edit_stats(home, date, |stats| stats["maxValues"]["severity_number"] = json!(8));
        }),
        (&["file-statistics"], &|home| {
            edit_stats(home, date, |stats| stats["minValues"]["service_name"] = json!("zoo"));
        }),
        (&["file-statistics"], &|home| edit_stats(home, date, |stats| stats["nullCount"]["service_name"] = json!(1))),
        (&["file-statistics"], &|home| {
            edit_stats(home, date, |stats| stats["minValues"]["time"] = json!("2023-11-14T22:13:20.001Z"));
        }),
        // Floored to milliseconds, and wider than it need be: both hold.
        (&[], &|home| {
            edit_stats(home, date, |stats| {
                stats["maxValues"]["time"] = json!("2023-11-14T22:13:29.000Z");
                stats["maxValues"]["severity_number"] = json!(24);
            });
        }),
        (&["statistics-missing"], &|home| edit_add(home, date, |add| add["stats"] = Value::Null)),
        (&["partition-time", "partition-invalid"], &|home| {
            edit_add(home, date, |add| add["partitionValues"]["date"] = json!("2023-11-20"));
        }),
        (&["partition-invalid"], &|home| edit_add(home, date, |add| add["partitionValues"]["date"] = Value::Null)),
    ];
    let home = lake().await;
    let log = content(&home.lake().join("logs/_delta_log"));
    for (number, (expected, damage)) in cases.into_iter().enumerate() {
        damage(&home);
        for args in [&[][..], &["--deep"]] {
            let (code, found, report) = check(&home, args);
            let found: Vec<_> = found.into_iter().map(|(_, code, _)| code).collect();
            assert_eq!(found, expected, "case {number} {args:?}: {report:#}");
            assert_eq!(code, if expected.is_empty() { 0 } else { 3 }, "case {number}");
        }
        for (path, bytes) in &log {
            fs::write(path, bytes).unwrap();
        }
    }
}

/// Changes every action of the logs' log.
fn edit_log(home: &Home, edit: impl Fn(&mut Value)) {
    for (commit, bytes) in content(&home.lake().join("logs/_delta_log")) {
        let text = String::from_utf8(bytes).unwrap();
        let edited: Vec<String> = text
            .lines()
            .map(|line| {
                let mut action: Value = serde_json::from_str(line).unwrap();
                edit(&mut action);
                action.to_string()
            })
            .collect();
        fs::write(&commit, edited.join("\n") + "\n").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_out_of_contract_is_named() {
    let mut home = lake().await;
    let log = content(&home.lake().join("logs/_delta_log"));
    let set = |action: &mut Value, place: &str, value: Value| {
        if let Some(there) = action.pointer_mut(place) {
            *there = value;
        }
    };
    let cases: [(&str, Edit<'_>); 4] = [
        ("table-contract", &|action| set(action, "/metaData/configuration/telestrata.contractVersion", json!("99"))),
        ("table-property", &|action| {
            set(action, "/metaData/configuration/delta.dataSkippingStatsColumns", json!("time"));
        }),
        ("table-schema", &|action| {
            if let Some(schema) = action.pointer_mut("/metaData/schemaString") {
                *schema = json!(schema.as_str().unwrap().replacen("\"severity_number\"", "\"loudness\"", 1));
            }
        }),
        ("txn-misplaced", &|action| {
            if let Some(id) = action.pointer_mut("/txn/appId") {
                *id = json!(id.as_str().unwrap().replace("/logs", "/spans"));
            }
        }),
    ];
    for (expected, damage) in cases {
        edit_log(&home, damage);
        let (code, found, report) = check(&home, &["--table", "logs"]);
        assert!(
            found.iter().any(|(severity, code, path)| severity == "drift" && code == expected && path == "logs"),
            "{report:#}"
        );
        assert_eq!(code, 3, "{report:#}");
        for (path, bytes) in &log {
            fs::write(path, bytes).unwrap();
        }
    }
    // A promoted column that the table has otherwise, and one that the configuration has no more.
    let promoted = |from: &str| format!("{CONFIG}[[promoted]]\nname = \"tenant\"\nfrom = [\"attributes['{from}']\"]\n");
    home.reconfigure(&promoted("tenant.id"));
    home.serve().terminate();
    assert_eq!(codes(&home, &[]), Vec::<String>::new());
    home.reconfigure(&promoted("tenant.name"));
    assert_eq!(codes(&home, &[]), ["promoted-differs"]);
    home.reconfigure(CONFIG);
    assert_eq!(codes(&home, &[]), ["promoted-unconfigured"]);
}

/// Runs a Python program on the logs, with `table` and `path` at hand.
fn with_delta(home: &Home, program: &str) {
    let table = home.lake().join("logs");
    let program =
        format!("import sys\nfrom deltalake import *\npath = sys.argv[1]\ntable = DeltaTable(path)\n{program}");
    let output = python().args(["-c", &program]).arg(table).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_program_does_to_a_table_is_named() {
    for (expected, program) in [
        (
            "table-property",
            "table.alter.set_table_properties({'delta.setTransactionRetentionDuration': 'interval 1 days'})",
        ),
        ("table-property", "table.alter.set_table_properties({'delta.checkpointInterval': '7'})"),
        (
            "table-protocol",
            "table.alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)",
        ),
        ("table-schema", "table.alter.add_columns([Field('shoe_size', 'integer')])"),
        // The same rows once more, as another program writes them: everything holds, and it is said who wrote.
        ("file-foreign", "write_deltalake(path, table.to_pyarrow_table(), mode='append')"),
    ] {
        let home = lake().await;
        with_delta(&home, program);
        let (code, found, report) = check(&home, &["--deep"]);
        assert!(!found.is_empty() && found.iter().all(|(_, code, _)| code == expected), "{program}: {report:#}");
        assert_eq!(code, 3, "{program}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_writer_of_a_table_is_listed_also_behind_a_checkpoint() {
    let home = lake().await;
    let first_wal = home.path().join("first-wal");
    fs::rename(home.wal(), &first_wal).unwrap();
    let server = home.serve();
    // Enough commits for a checkpoint, behind which the first writer is.
    for number in 0..52 {
        send(&server, number..number + 1, SECOND).await;
        server.flush().await;
    }
    wait_for("a checkpoint", || home.lake().join("logs/_delta_log/_last_checkpoint").exists().then_some(()));
    server.terminate();
    for wal in [home.wal(), first_wal] {
        let (code, found, report) = check(&home, &["--table", "logs", "--wal", wal.to_str().unwrap()]);
        assert_eq!((code, found), (0, Vec::new()), "{report:#}");
        let writers = report["tables"][0]["writers"].as_array().unwrap();
        assert_eq!(writers.len(), 2, "{report:#}");
        assert!(writers.iter().all(|writer| writer["last_seen"].is_string()), "{report:#}");
        let id = fs::read_to_string(wal.join("writer-id")).unwrap();
        let own: Vec<_> = writers.iter().filter(|writer| writer["own"] == true).collect();
        assert!(own.len() == 1 && own[0]["app_id"] == format!("writer/{}/logs", id.trim()), "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_ahead_log_is_held_against_the_tables() {
    let home = lake().await;
    let server = home.serve();
    send(&server, 100..110, SECOND).await;
    send(&server, 110..120, SECOND).await;
    server.kill();
    let (code, found, report) = check(&home, &[]);
    let expected = ("note".to_owned(), "wal-unflushed".to_owned(), home.wal().display().to_string());
    assert_eq!((code, found), (0, vec![expected]), "{report:#}");
    assert_eq!(report["wal"]["tables"][0]["waiting"], 2, "{report:#}");

    // What an unfinished write leaves, and then damage to what had been synced.
    let segment = content(&home.wal()).into_iter().rfind(|(path, _)| path.extension().is_some_and(|it| it == "wal"));
    let (path, bytes) = segment.unwrap();
    fs::write(&path, [&bytes[..], b"TsFr half a record"].concat()).unwrap();
    assert_eq!(codes(&home, &[]), ["wal-unflushed", "wal-unfinished"]);
    let mut damaged = bytes.clone();
    damaged[200] ^= 1;
    fs::write(&path, damaged).unwrap();
    let before = content(&home.wal());
    let (code, found, _) = check(&home, &[]);
    assert_eq!((code, found.len(), found[0].1.as_str()), (3, 1, "wal-damaged"), "{found:?}");
    assert!(found[0].2 == path.display().to_string() && content(&home.wal()) == before);
    fs::write(&path, &bytes).unwrap();

    // An older copy in the place of the log.
    let copy = content(&home.wal());
    let server = home.serve();
    send(&server, 120..130, SECOND).await;
    send(&server, 130..140, SECOND).await;
    server.flush().await;
    server.terminate();
    assert_eq!(codes(&home, &[]), Vec::<String>::new());
    for (path, _) in content(&home.wal()) {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in copy {
        fs::write(path, bytes).unwrap();
    }
    let (code, found, _) = check(&home, &[]);
    assert_eq!((code, found[0].1.as_str()), (3, "wal-behind"), "{found:?}");

    // Another lake's log, and none at all.
    let other = lake().await;
    assert_eq!(codes(&home, &["--wal", other.wal().to_str().unwrap()]), ["wal-foreign"]);
    let none = home.path().join("none");
    let (code, found, report) = check(&home, &["--wal", none.to_str().unwrap()]);
    assert_eq!((code, found, &report["wal"]), (0, Vec::new(), &Value::Null));
    assert!(!none.exists(), "a check makes no folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_the_server_does_not_have_is_named() {
    let mut home = lake().await;
    let server = home.serve();
    let http = server.http();
    home.reconfigure(
        "[flush]\nage = \"5s\"\n[[promoted]]\nname = \"tenant\"\ntype = \"long\"\nfrom = [\"attributes['tenant.id']\"]\n",
    );
    let drift = |found: Vec<(String, String, String)>| {
        let all = found.into_iter().filter(|(_, code, _)| code != "config-by-flag");
        all.map(|(_, code, path)| (code, path)).collect::<Vec<_>>()
    };
    let (code, found, report) = check(&home, &["--connect", &http, "--table", "logs"]);
    let expected = [("config-differs", "flush.age"), ("config-differs", "promoted"), ("promoted-pending", "logs")];
    assert_eq!(drift(found), expected.map(|(code, path)| (code.to_owned(), path.to_owned())), "{report:#}");
    assert_eq!(code, 3);
    // The same configuration, and another lake.
    home.reconfigure(CONFIG);
    let other = lake().await;
    let (code, found, _) = check(&other, &["--connect", &http]);
    let elsewhere = [("server-elsewhere", "lake"), ("server-elsewhere", "wal")];
    assert_eq!((code, drift(found)), (3, elsewhere.map(|(code, path)| (code.to_owned(), path.to_owned())).to_vec()));

    // What the server answers is what the verb prints.
    let answer: Value = reqwest::get(format!("{http}/v1/config")).await.unwrap().json().await.unwrap();
    let shown = telestrata()
        .current_dir(home.path())
        .args(["config", "show", "--json", "--lake"])
        .arg(home.lake())
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(answer["settings"]["flush.age"], json!({ "value": "1h", "from": "telestrata.toml" }));
    for key in ["lake", "flush.age", "flush.bytes", "query.max_memory"] {
        assert_eq!(answer["settings"][key]["value"], shown["settings"][key]["value"], "{key}");
    }
    assert_eq!(answer["promoted"], shown["promoted"]);
    server.terminate();
    let gone = run(&home, &["--connect", &http]);
    assert_eq!(gone.status.code(), Some(1), "a server that does not answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_sound() {
    let home = Home::new("");
    let nothing = run(&home, &[]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("--lake"));
    assert!(!home.lake().exists() && !home.wal().exists());
    assert_eq!(run(&home, &["--table", "shoes"]).status.code(), Some(2));
    // A log that says nothing that can be read.
    let home = lake().await;
    fs::write(home.lake().join("logs/_delta_log/00000000000000000000.json"), b"half of a com").unwrap();
    let (code, found, report) = check(&home, &[]);
    assert!(code == 3 && found[0].1 == "table-unreadable" && found[0].2 == "logs", "{report:#}");
}

/// The tables that are made from the others: a file that is gone, then a log that can't be read.
#[tokio::test(flavor = "multi_thread")]
async fn derived_tables_are_held_against_their_files() {
    let home = lake().await;
    let root = LakeRoot::parse(home.lake().to_str().unwrap(), &CloudAccess::default()).unwrap();
    let specs = [ledger::TABLE, maintenance::DECISIONS, trace_index::TABLE];
    for spec in specs {
        let table = DerivedTable::new(&root, spec).unwrap();
        let base = table.load_or_create().await.unwrap();
        let path = format!("{}=x/gone.parquet", spec.partition);
        let gone = DerivedFile { path, size: 1, partition: "x".to_owned(), stats: "{}".to_owned() };
        table.commit(&base, &[gone], &[]).await.unwrap();
    }
    let damage = |code: &str, path: String| ("damage".to_owned(), code.to_owned(), path);
    let (code, mut found, _) = check(&home, &[]);
    found.sort();
    let missing = |name: &str, partition: &str| damage("file-missing", format!("{name}/{partition}=x/gone.parquet"));
    assert_eq!((code, found), (3, specs.map(|spec| missing(spec.name, spec.partition)).to_vec()));
    let named = check(&home, &["--table", "logs"]).1;
    assert!(named.is_empty(), "a table that was named is looked at alone: {named:?}");
    for spec in specs {
        for entry in fs::read_dir(home.lake().join(spec.name).join("_delta_log")).unwrap() {
            fs::write(entry.unwrap().path(), "no commit").unwrap();
        }
    }
    let (code, mut found, _) = check(&home, &[]);
    found.sort();
    assert_eq!((code, found), (3, specs.map(|spec| damage("table-unreadable", spec.name.to_owned())).to_vec()));
}
