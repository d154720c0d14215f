//! Imports that are repeated, stopped and taken up again: the same content is stored once.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use telestrata::import::{FileFormat, ImportSettings, Importer, Input};
use telestrata::lake::{CloudAccess, LakeRoot};

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::{Home, wait_for};

const DAY: u64 = 1_700_000_000;

fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn import(home: &Home, arguments: &[&str]) -> Value {
    summary(&home.verb("import").arg("--json").args(arguments).output().unwrap())
}

fn number(home: &Home, query: &str) -> i64 {
    let output = home.verb("sql").args(["--format", "json", query]).output().unwrap();
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    rows[0].as_object().unwrap().values().next().unwrap().as_i64().unwrap()
}

/// A file, its copy, its compressed copy and the same bytes from a pipe are one content.
#[test]
fn a_content_is_stored_once_under_whatever_name() {
    let home = Home::new("");
    let text = format!("{}\n{}\n", numbered_logs("once", 0..50, DAY), numbered_logs("once", 50..80, DAY + 86_400));
    for name in ["a.jsonl", "b.jsonl"] {
        std::fs::write(home.path().join(name), &text).unwrap();
    }
    std::fs::write(home.path().join("c.jsonl.zst"), zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    let first = import(&home, &["a.jsonl", "b.jsonl"]);
    assert_eq!(first["signals"]["logs"]["stored"], 80);
    assert_eq!(first["already"], json!(["b.jsonl"]));
    let again = import(&home, &["a.jsonl", "b.jsonl", "c.jsonl.zst"]);
    assert_eq!(again["signals"]["logs"]["stored"], 0);
    assert_eq!(again["already"], json!(["a.jsonl", "b.jsonl", "c.jsonl.zst"]));
    let piped = std::fs::File::open(home.path().join("a.jsonl")).unwrap();
    let piped = home.verb("import").args(["--json", "-"]).stdin(Stdio::from(piped)).output().unwrap();
    assert_eq!(summary(&piped)["already"], json!(["standard input"]));
    assert_eq!(number(&home, "select count(*) from logs"), 80);
    // One line more is another content.
    std::fs::write(home.path().join("a.jsonl"), format!("{text}\n")).unwrap();
    assert_eq!(import(&home, &["a.jsonl"])["signals"]["logs"]["stored"], 80);
}

/// Through a server: the same keys, the same reports, and what is stored is seen when the import is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_files_under_the_same_rules() {
    let home = Home::new("");
    let server = home.serve();
    let bad = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [
        { "timeUnixNano": "-1", "body": { "stringValue": "before time" } },
    ] }] }] });
    std::fs::write(home.path().join("a.jsonl"), format!("{}\nnonsense\n{bad}\n", numbered_logs("server", 0..50, DAY)))
        .unwrap();
    let connect = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telestrata"));
        command.current_dir(home.path()).args(["import", "--connect", &server.http(), "--json"]);
        command
    };
    let output = connect().args(["a.jsonl", "--rejects", "rejects.ndjson"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(done["signals"]["logs"]["stored"], 50);
    assert_eq!(done["signals"]["logs"]["rejected"], json!({ "time_out_of_range": 1 }));
    assert!(done["unreadable"][0].as_str().unwrap().starts_with("a.jsonl:2"), "{done}");
    let rejects = std::fs::read_to_string(home.path().join("rejects.ndjson")).unwrap();
    let rejects: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<_> = rejects.iter().map(|reject| (&reject["file"], &reject["line"], &reject["reason"])).collect();
    let file = &json!("a.jsonl");
    assert_eq!(places, [(file, &json!(2), &json!("unreadable")), (file, &json!(3), &json!("time_out_of_range"))]);
    assert_eq!(server.number("select count(*) from logs").await, 50);
    // Beside rows that come in by OTLP, and after them.
    send_logs(&reqwest::Client::new(), &server.otlp_http(), numbered_logs("otlp", 0..7, DAY)).await.unwrap();
    let again = connect().args(["a.jsonl"]).output().unwrap();
    assert_eq!(summary(&again)["already"], json!(["a.jsonl"]));
    server.flush().await;
    assert_eq!(server.number("select count(*) from logs").await, 57);
    server.terminate();
    assert_eq!(import(&home, &["a.jsonl"])["already"], json!(["a.jsonl"]), "with the server and without");
}

/// Two years in one file, in an order that mixes them all, in little memory: few files a day. Killed again and again
/// on the way, it goes on where it stopped, and ends with every row once.
#[test]
fn a_long_backfill_survives_being_killed() {
    const DAYS: u64 = 730;
    const REQUESTS: u64 = 200;
    const ROWS: u64 = 100;
    let home = Home::new("");
    let mut text = String::new();
    for request in 0..REQUESTS {
        let records: Vec<Value> = (0..ROWS)
            .map(|row| {
                let number = request * ROWS + row;
                // 317 and 730 have no common factor: every request has rows of a hundred dates.
                let time = DAY + (number * 317 % DAYS) * 86_400;
                json!({
                    "timeUnixNano": (time * 1_000_000_000 + number).to_string(),
                    "body": { "stringValue": format!("{number} {}", "filler ".repeat(150)) },
                    "attributes": [{ "key": "number", "value": { "intValue": number.to_string() } }],
                })
            })
            .collect();
        let request = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] });
        text.push_str(&format!("{request}\n"));
    }
    std::fs::write(home.path().join("backfill.jsonl"), text).unwrap();
    let arguments = ["--memory-limit", "64MiB", "--json", "backfill.jsonl"];
    let spill = home.path().join("spill");
    let commits = || std::fs::read_dir(home.lake().join("logs/_delta_log")).map_or(0, Iterator::count);
    for _ in 0..5 {
        let before = commits();
        let _ = std::fs::remove_dir_all(&spill);
        std::fs::create_dir(&spill).unwrap();
        let mut child =
            home.verb("import").args(arguments).env("TMPDIR", &spill).stdout(Stdio::null()).spawn().unwrap();
        let ended = wait_for("a commit of the import", || {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(Some(status));
            }
            (commits() > before.max(1)).then_some(None)
        });
        assert!(ended.is_none(), "the import ended before it was killed: {ended:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let seen = number(&home, "select count(*) from logs");
    assert!((1..i64::try_from(REQUESTS * ROWS).unwrap()).contains(&seen), "killed on the way: {seen}");
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 1, "it was spilled");
    std::fs::remove_dir_all(&spill).unwrap();
    std::fs::create_dir(&spill).unwrap();
    let last = summary(&home.verb("import").args(arguments).env("TMPDIR", &spill).output().unwrap());
    let total = i64::try_from(REQUESTS * ROWS).unwrap();
    assert_eq!(last["signals"]["logs"]["already"].as_i64().unwrap(), seen, "{last}");
    assert_eq!(number(&home, "select count(*) from logs"), total);
    assert_eq!(number(&home, "select count(distinct attributes['number']) from logs"), total);
    let tables: Value = serde_json::from_slice(&home.verb("tables").arg("--json").output().unwrap().stdout).unwrap();
    assert_eq!(tables[0]["files"], json!(DAYS), "one file a day");
    assert_eq!(import(&home, &["backfill.jsonl"])["already"], json!(["backfill.jsonl"]));
    let left: Vec<_> = std::fs::read_dir(&spill).unwrap().collect();
    assert!(left.is_empty(), "an import that ends takes its temporary folder along: {left:?}");
}

/// An import learns of another's commits while it writes something else: what the other has stored meanwhile is not
/// stored again, though no commit of its own runs into it.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_import_stored_meanwhile_is_not_stored_again() {
    let home = Home::new("");
    let root = LakeRoot::parse(home.lake().to_str().unwrap(), &CloudAccess::default()).unwrap();
    let file = |name: &str, numbers: std::ops::Range<u64>| {
        let path = home.path().join(name);
        std::fs::write(&path, numbered_logs(name, numbers, DAY)).unwrap();
        Input::File(path)
    };
    let (small, large) = (file("small", 0..10), file("large", 0..3000));
    let open = async |max_bytes| {
        Importer::open(&root, ImportSettings { max_bytes, ..ImportSettings::default() }).await.unwrap()
    };
    let import = async |importer: &mut Importer, input: &Input| {
        importer.import(input, FileFormat::JsonLines, Arc::default(), |_| Ok(())).await
    };
    // Both see the empty tables; the first has room for the small file only.
    let (mut first, mut second) = (open(1 << 16).await, open(1 << 28).await);
    import(&mut first, &small).await.unwrap();
    import(&mut second, &large).await.unwrap();
    second.finish().await.unwrap();
    import(&mut first, &large).await.unwrap();
    first.finish().await.unwrap();
    assert_eq!(number(&home, "select count(*) from logs"), 3010);
}

/// A plain text file by mistake: every line is counted, few are spelled out.
#[test]
fn what_can_not_be_read_is_counted_and_not_kept() {
    let home = Home::new("");
    std::fs::write(home.path().join("wrong.jsonl"), "not a request\n".repeat(5000)).unwrap();
    let output = home.verb("import").args(["--json", "wrong.jsonl"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["unreadable_count"], 5000);
    assert_eq!(summary["unreadable"].as_array().unwrap().len(), 100);
}
