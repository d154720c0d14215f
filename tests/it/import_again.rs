//! Imports that are repeated, stopped and taken up again: the same content is stored once.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use telestrata::import::{FileFormat, ImportSettings, Importer, Input};
use telestrata::lake::{CloudAccess, LakeRoot};

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::{Home, Server, telestrata, wait_for};

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

/// Requests of so many logs of a KiB each, in an order that mixes all dates. `days` has no factor in common with 317.
fn backfill(days: u64, requests: u64, rows: u64) -> String {
    let mut text = String::new();
    for request in 0..requests {
        let records: Vec<Value> = (request * rows..(request + 1) * rows)
            .map(|number| {
                let time = DAY + (number * 317 % days) * 86_400;
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
    text
}

/// Two years in one file, in an order that mixes them all, in little memory: few files a day. Killed again and again
/// on the way, it goes on where it stopped, and ends with every row once.
#[test]
fn a_long_backfill_survives_being_killed() {
    const DAYS: u64 = 730;
    const REQUESTS: u64 = 200;
    const ROWS: u64 = 100;
    let home = Home::new("");
    std::fs::write(home.path().join("backfill.jsonl"), backfill(DAYS, REQUESTS, ROWS)).unwrap();
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

/// The same through a server: whichever of the two is killed on the way, the import that is made again ends with every
/// row once.
#[test]
fn an_import_through_a_server_survives_either_being_killed() {
    const DAYS: u64 = 300;
    const REQUESTS: u64 = 200;
    const ROWS: u64 = 100;
    let total = i64::try_from(REQUESTS * ROWS).unwrap();
    let home = Home::new("");
    std::fs::write(home.path().join("backfill.jsonl"), backfill(DAYS, REQUESTS, ROWS)).unwrap();
    // A killed server leaves its temporary files: here they go with the test.
    let spill = home.path().join("spill");
    std::fs::create_dir(&spill).unwrap();
    let serve = || {
        home.serve_with("127.0.0.1:0", |command| {
            command.args(["--memory-limit", "64MiB"]).env("TMPDIR", &spill);
        })
    };
    let connect = |server: &Server| {
        let mut command = telestrata();
        command.current_dir(home.path()).args(["import", "--connect", &server.http(), "--json", "backfill.jsonl"]);
        command
    };
    // Not what is on its way to be one.
    let is_commit = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "json");
    let commits = || {
        let entries = std::fs::read_dir(home.lake().join("logs/_delta_log")).unwrap();
        entries.filter(|entry| entry.as_ref().is_ok_and(is_commit)).count()
    };
    let begun = |server: &Server| {
        let before = commits();
        let mut client = connect(server).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for("a commit of the import", || {
            let ended = client.try_wait().unwrap();
            assert!(ended.is_none(), "the import ended before anything was killed: {ended:?}");
            (commits() > before).then_some(())
        });
        client
    };
    let mut server = serve();
    for _ in 0..2 {
        let client = begun(&server);
        server.kill();
        let told = client.wait_with_output().unwrap();
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        assert!(String::from_utf8_lossy(&told.stderr).contains("import again"), "{told:?}");
        let seen = number(&home, "select count(*) from logs");
        assert!((1..total).contains(&seen), "killed on the way: {seen}");
        server = serve();
    }
    let mut client = begun(&server);
    client.kill().unwrap();
    client.wait().unwrap();
    // The server has the whole file, and may go on with it: the next import waits for its turn.
    summary(&connect(&server).output().unwrap());
    let counted = "select count(*) * 1000000 + count(distinct attributes['number']) from logs";
    assert_eq!(number(&home, counted), total * 1_000_001);
    assert_eq!(summary(&connect(&server).output().unwrap())["already"], json!(["backfill.jsonl"]));
    server.terminate();
    let tables: Value = serde_json::from_slice(&home.verb("tables").arg("--json").output().unwrap().stdout).unwrap();
    assert_eq!(tables[0]["files"], json!(DAYS), "one file a day");
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
