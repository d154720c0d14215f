//! Logs are kept short, and what they told is kept.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use telestrata::lake::LakeRoot;
use telestrata::ledger::ledger_commits;
use telestrata::maintenance::{Intent, TABLES, keep_log};
use telestrata::model::signal::Signal;

use super::{BY_HAND, DAY, age, files_below, lines, numbers, of_table, said, vacuumed};
use crate::support::fault_run::{Run, each_seed};
use crate::support::fault_store::{Fault, Op, Plan};
use crate::support::logs::{numbered_logs, send_logs};
use crate::support::python::python;
use crate::support::s3::S3;
use crate::support::server::{Home, Server};

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const LONG_AGO: Duration = Duration::from_secs(40 * 24 * 3600);

async fn flushed(server: &Server, flushes: std::ops::Range<u64>) {
    let client = reqwest::Client::new();
    for flush in flushes {
        send_logs(&client, &server.otlp_http(), numbered_logs("l", flush * 5..(flush + 1) * 5, DAY)).await.unwrap();
        server.flush().await;
    }
}

/// What outside readers count, each its own way.
fn counted(table: &str, version: Option<u64>, env: &[(String, String)]) -> Value {
    let mut command = python();
    command.arg("versions.py").arg(table).envs(env.iter().cloned());
    command.args(version.map(|version| version.to_string()));
    serde_json::from_str(&said(&command.output().unwrap())).unwrap()
}

fn all_count(counts: &Value, expected: i64) -> bool {
    let counts = counts.as_object().unwrap();
    !counts.is_empty() && counts.values().all(|count| *count == expected)
}

/// The history of `logs`, the newest first, but for plain appends.
fn history(home: &Home) -> Vec<Value> {
    let query = "select * from system.history where table_name = 'logs' and operation <> 'WRITE' order by version desc";
    serde_json::from_str(&said(&home.verb("sql").args(["--format", "json", query]).output().unwrap())).unwrap()
}

fn versions(log: &Path) -> BTreeSet<u64> {
    let names = files_below(log);
    let names = names.iter().filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".json")?.parse().ok());
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_commits_go_and_their_history_stays() {
    let home = Home::new(BY_HAND);
    let server = home.serve();
    flushed(&server, 0..12).await;
    let _ = said(&home.verb("compact").output().unwrap());
    flushed(&server, 12..14).await;
    server.terminate();
    let _ = said(&home.verb("compact").output().unwrap());
    let before = history(&home);
    // The table was made, and compacted twice.
    assert_eq!(before.len(), 3, "{before:?}");
    assert_eq!((&before[0]["job"], &before[2]["operation"]), (&"compaction".into(), &"CREATE TABLE".into()));
    assert!(before[0]["by"].is_string() && before[0]["run"].is_string(), "{before:?}");
    age(&home.lake(), LONG_AGO);
    let server = home.serve();
    flushed(&server, 14..16).await;
    let log = home.lake().join("logs/_delta_log");
    assert_eq!(versions(&log).first(), Some(&0));

    let plan = of_table(&vacuumed(&home, "plan"), "logs")["log"].clone();
    assert_eq!(plan["removed"], 0, "{plan}");
    assert_eq!(versions(&log).first(), Some(&0), "a plan removes nothing");
    let done = of_table(&vacuumed(&home, "apply"), "logs").clone();
    // Sixteen flushes, two compactions, and the restarted server's empty commit.
    let newest = *versions(&log).last().unwrap();
    let oldest = *versions(&log).first().unwrap();
    assert!(oldest >= 16 && newest >= oldest + 2, "{oldest} to {newest}: {done}");
    assert_eq!((&done["log"]["oldest"], &done["log"]["newest"]), (&oldest.into(), &newest.into()), "{done}");
    assert!(log.join(format!("{oldest:020}.checkpoint.parquet")).exists());

    // The server goes on, and a reader that has nothing else finds everything, from the oldest version on.
    flushed(&server, 16..17).await;
    server.terminate();
    assert_eq!(numbers(&home), (0..85).collect::<Vec<_>>());
    let table = home.lake().join("logs");
    let table = table.to_str().unwrap();
    for (version, rows) in [(None, 85), (Some(oldest), 70), (Some(newest), 80)] {
        let counts = counted(table, version, &[]);
        assert!(all_count(&counts, rows), "version {version:?}: {counts}");
    }
    let gone = counted(table, Some(oldest - 1), &[]);
    assert!(gone.as_object().unwrap().values().all(Value::is_string), "{gone}");
    // Without the hint, the log is listed from its beginning.
    std::fs::remove_file(log.join("_last_checkpoint")).unwrap();
    let counts = counted(table, None, &[]);
    assert!(all_count(&counts, 85), "{counts}");
    assert_eq!(numbers(&home).len(), 85);

    let after = history(&home);
    assert_eq!(after, before, "the history is what it was before its commits went");
    let query = "select version, job, by from system.history where table_name = 'logs' and version = 13";
    let one = said(&home.verb("sql").args(["--format", "ndjson", query]).output().unwrap());
    assert_eq!(lines(&one).len(), 1, "{one}");
    assert_eq!(lines(&one)[0]["job"], "compaction");
    let query = "select count(*) as n from system.history where table_name = 'logs' and version between 1 and 12";
    assert_eq!(said(&home.verb("sql").args(["--format", "csv", query]).output().unwrap()), "n\n0\n");

    // Others read the ledger too.
    let ledger = home.lake().join("ledger");
    let rows = counted(ledger.to_str().unwrap(), None, &[]);
    assert!(all_count(&rows, 5), "the making of three tables and two compactions: {rows}");
    assert!(home.verb("check").output().unwrap().status.success());
    let _ = vacuumed(&home, "apply");
    assert_eq!(history(&home), before);
}

/// Harvested again and again, no commit is in the ledger twice, and its files do not become many.
#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_has_each_commit_once() {
    let run = Run::without_flushes(0);
    let calm = run.store(Plan::QUIET);
    let store = run.open(&calm, "wal", &[]).await;
    let root = run.quiet_root();
    for _ in 0..20 {
        for _ in 0..2 {
            run.send(&store).await.unwrap();
            store.flush().await.unwrap();
        }
        super::vacuum::compact(&root).await;
        store.follow().await;
        keep_log(&root, "logs", MONTH, Utc::now(), Intent::Apply).await.unwrap().unwrap();
        let commits = ledger_commits(&root, "logs").await.unwrap();
        let versions: BTreeSet<u64> = commits.iter().map(|commit| commit.version).collect();
        assert_eq!(versions.len(), commits.len());
        assert_eq!(versions, history_of(&root).await);
    }
    assert!(ledger_commits(&root, "logs").await.unwrap().len() > 20);
    let log = telestrata::lake::TableLog::new(&root, "ledger").unwrap();
    assert!(log.newest_files().await.unwrap().unwrap().count < 16);
    run.finish(&[store]).await;
}

/// A server sleeps while another goes on and the log is cleaned up: the version after the one it knows has come and gone.
/// What it commits then is seen all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_slept_through_a_clean_up_commits_on_top_of_the_newest_version() {
    let run = Run::without_flushes(0).with_grace(Duration::from_secs(4));
    let sleeping = run.store(Plan::QUIET);
    let sleeper = run.open(&sleeping, "wal", &[]).await;
    run.send(&sleeper).await.unwrap();
    sleeper.flush().await.unwrap();
    let root = run.quiet_root();
    let old = telestrata::lake::LakeTable::new(&root, Signal::Logs).unwrap().load().await.unwrap().unwrap();
    // It sees nothing of what goes on.
    for _ in 0..100 {
        sleeping.script(Op::List, "logs/_delta_log", Fault::Failed);
        for version in 2..40 {
            sleeping.script(Op::Get, &format!("logs/_delta_log/{version:020}.json"), Fault::Failed);
        }
    }
    let other = run.open(&run.store(Plan::QUIET), "other", &[]).await;
    for _ in 0..12 {
        run.send(&other).await.unwrap();
        other.flush().await.unwrap();
    }
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        tokio::task::yield_now().await;
    }
    keep_logs(&root).await.unwrap();
    let table = telestrata::lake::LakeTable::new(&root, Signal::Logs).unwrap();
    assert!(table.commit_of(old.version() + 1).await.unwrap().is_none(), "the next commit has come and gone");
    assert!(table.refresh(&old).await.unwrap().version() > old.version() + 10);
    sleeping.forget_script();
    run.send(&sleeper).await.unwrap();
    sleeper.flush().await.unwrap();
    other.follow().await;
    run.finish(&[sleeper, other]).await;
}

/// A lake whose `logs` have a log of some forty commits.
async fn with_a_log(run: &Run) {
    let calm = run.store(Plan::QUIET);
    let store = run.open(&calm, "wal", &[]).await;
    for _ in 0..12 {
        run.send(&store).await.unwrap();
        store.flush().await.unwrap();
    }
    store.close().await.unwrap();
    super::vacuum::compact(&run.quiet_root()).await;
}

async fn keep_logs(root: &LakeRoot) -> telestrata::error::Result<u64> {
    let mut removed = 0;
    for table in TABLES {
        let report = keep_log(root, table, MONTH, Utc::now() + TimeDelta::days(40), Intent::Apply).await?;
        removed += report.map_or(0, |report| report.removed);
    }
    Ok(removed)
}

/// The versions of `logs` that a plain append did not make, by the log and the ledger.
async fn history_of(root: &LakeRoot) -> BTreeSet<u64> {
    let table = telestrata::lake::LakeTable::new(root, Signal::Logs).unwrap();
    let newest = table.load().await.unwrap().unwrap().version();
    let mut told: BTreeSet<u64> =
        ledger_commits(root, "logs").await.unwrap().iter().map(|commit| commit.version).collect();
    for version in 0..=newest {
        let commit = table.commit_of(version).await.unwrap();
        told.extend(commit.filter(|commit| commit.operation.as_deref() != Some("WRITE")).map(|commit| commit.version));
    }
    told
}

/// The process dies at each operation in turn: the table opens with all its rows, its history is whole, and the next time
/// the log is kept.
#[tokio::test(flavor = "multi_thread")]
async fn at_whichever_operation_it_dies_the_log_opens_and_nothing_is_forgotten() {
    let mut operation = 0;
    loop {
        let run = Run::without_flushes(0);
        with_a_log(&run).await;
        let expected = history_of(&run.quiet_root()).await;
        assert!(expected.len() > 1);
        let dying = run.store(Plan::QUIET);
        dying.die_after(operation);
        let died = keep_logs(&run.root(&dying)).await.is_err();
        run.finish(&[]).await;
        assert_eq!(history_of(&run.quiet_root()).await, expected, "after operation {operation}");
        keep_logs(&run.quiet_root()).await.unwrap();
        let first = telestrata::lake::LakeTable::new(&run.quiet_root(), Signal::Logs).unwrap().commit_of(0).await;
        assert!(first.unwrap().is_none(), "after operation {operation}");
        assert_eq!(history_of(&run.quiet_root()).await, expected);
        run.finish(&[]).await;
        if !died {
            break;
        }
        // Each one in turn would be a hundred rounds; a longer run takes them all.
        operation += std::env::var("TELESTRATA_LOG_STEP").map_or(7, |step| step.parse().unwrap());
    }
    assert!(operation > 60, "{operation} operations and it was done");
}

/// Faults of every kind while logs are kept and rows flushed; what is promised is there, and the history with it.
#[tokio::test(flavor = "multi_thread")]
async fn logs_are_kept_in_a_storm() {
    each_seed("../housekeeping::log::logs_are_kept_in_a_storm", 2, async |run: Arc<Run>| {
        let calm = run.store(Plan::QUIET);
        let store = run.open(&calm, "wal", &[]).await;
        let faults = run.store(Plan::READABLE);
        let mut expected = BTreeSet::new();
        for _ in 0..6 {
            for _ in 0..2 {
                run.send(&store).await.unwrap();
                store.flush().await.unwrap();
            }
            super::vacuum::compact(&run.quiet_root()).await;
            store.follow().await;
            expected.extend(history_of(&run.quiet_root()).await);
            // What it could not do the next one does.
            let root = run.root(&faults);
            drop(keep_logs(&root).await);
            drop(super::vacuum::vacuum_of(&root).await);
            faults.settle().await;
            assert!(run.look(&run.engine(&calm), &store, &run.acknowledged()).await);
        }
        keep_logs(&run.quiet_root()).await.unwrap();
        assert_eq!(history_of(&run.quiet_root()).await, expected);
        run.finish(&[store]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_lake_in_a_bucket_is_kept() {
    let s3 = S3::start().await;
    let home = Home::with_lake_at(BY_HAND, &s3.lake("kept"), &s3.env());
    let server = home.serve();
    flushed(&server, 0..9).await;
    let _ = said(&home.verb("compact").output().unwrap());
    let root = super::vacuum::bucket(&s3, "kept");
    assert!(keep_logs(&root).await.unwrap() > 9);
    let before = history(&home);
    assert_eq!(before.len(), 2, "{before:?}");
    flushed(&server, 9..11).await;
    server.terminate();
    assert_eq!(numbers(&home), (0..55).collect::<Vec<_>>());
    let counts = counted(&format!("{}/logs", s3.lake("kept")), None, &s3.env());
    assert!(all_count(&counts, 55), "{counts}");
    assert_eq!(history(&home), before);
}
