//! `vacuum` as operators run it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use telestrata::buffer::TableState;
use telestrata::lake::{CloudAccess, LakeRoot, LakeTable, safe_now};
use telestrata::maintenance::{
    CompactionSettings, Compactor, Intent, JobKind, LedgerEntry, Progress, TABLES, VacuumReport, vacuum,
};
use telestrata::model::signal::Signal;
use telestrata::query::Pinned;
use telestrata::wal::WalSeq;
use url::Url;

use super::{BY_HAND, DAY, TWO_DAYS, age, files_below, lines, numbers, of_table, said, vacuumed};
use crate::support::fault_run::{self, Run};
use crate::support::fault_store::{FaultStore, Plan};
use crate::support::logs::{numbered_logs, send_logs};
use crate::support::s3::S3;
use crate::support::server::{Home, wait_for};

const GRACE: Duration = Duration::from_secs(24 * 3600);

/// A lake of ten flushes, compacted.
async fn compacted() -> Home {
    let home = Home::new(BY_HAND);
    let server = home.serve();
    let client = reqwest::Client::new();
    for flush in 0..10 {
        send_logs(&client, &server.otlp_http(), numbered_logs("v", flush * 10..(flush + 1) * 10, DAY)).await.unwrap();
        server.flush().await;
    }
    server.terminate();
    let _ = said(&home.verb("compact").output().unwrap());
    home
}

fn data_files(home: &Home) -> usize {
    files_below(&home.lake().join("logs")).iter().filter(|path| !path.to_str().unwrap().contains("/_")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_version_needs_goes_after_the_grace_and_nothing_else() {
    let home = compacted().await;
    let day = home.lake().join("logs/date=2023-11-14");
    // What crashes leave: a file that no commit names, and one that was never given its name.
    let whole = std::fs::read(&files_below(&day)[0]).unwrap();
    let orphan = format!("{}.parquet", uuid::Uuid::new_v4());
    std::fs::write(day.join(&orphan), &whole).unwrap();
    std::fs::write(day.join(format!("{}.parquet#17", uuid::Uuid::new_v4())), &whole[..100]).unwrap();
    let all = data_files(&home);

    let logs = of_table(&vacuumed(&home, "apply"), "logs").clone();
    assert_eq!((&logs["removed"]["files"], &logs["young"]["files"]), (&0.into(), &2.into()), "{logs}");
    assert_eq!((&logs["just_removed"]["files"], &logs["live"]["files"]), (&10.into(), &1.into()), "{logs}");
    assert_eq!(data_files(&home), all);

    age(&home.lake(), TWO_DAYS);
    std::fs::write(day.join("still-being-written.parquet"), &whole).unwrap();
    let plan = of_table(&vacuumed(&home, "plan"), "logs").clone();
    assert_eq!((&plan["unneeded"]["files"], &plan["young"]["files"]), (&12.into(), &1.into()), "{plan}");
    let paths: Vec<&str> =
        plan["paths"].as_array().unwrap().iter().map(|path| path["path"].as_str().unwrap()).collect();
    assert!(paths.len() == 12 && paths.iter().any(|path| path.ends_with(&orphan)), "{paths:?}");
    assert_eq!(data_files(&home), all + 1, "a plan removes nothing");

    assert_eq!(of_table(&vacuumed(&home, "apply"), "logs")["removed"]["files"], 12);
    assert_eq!(numbers(&home), (0..100).collect::<Vec<_>>());
    std::fs::remove_file(day.join("still-being-written.parquet")).unwrap();
    assert_eq!(files_below(&day).len(), 1);
    let checked = said(&home.verb("check").args(["--deep", "--json"]).output().unwrap());
    assert!(!checked.contains("file-unlisted"), "{checked}");
    for report in vacuumed(&home, "apply") {
        assert_eq!((&report["removed"]["files"], &report["error"]), (&0.into(), &serde_json::Value::Null), "{report}");
    }
}

/// A shorter grace is for what was replaced. What no commit has named stays as long as its writer may take, whose
/// configuration may say more than this vacuum's.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_grace_does_not_take_what_a_writer_may_be_about_to_commit() {
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let mut home = compacted().await;
    let day = home.lake().join("logs/date=2023-11-14");
    let whole = std::fs::read(&files_below(&day)[0]).unwrap();
    std::fs::write(day.join("staged.parquet"), &whole).unwrap();
    age(&home.lake(), hours(6));
    let lake = home.lake();
    let vacuumed = |grace: &str| {
        let mut command = crate::support::server::telestrata();
        let command = command.current_dir("/").args(["vacuum", "apply", "--json", "--grace", grace, "--lake"]);
        of_table(&lines(&said(&command.arg(&lake).output().unwrap())), "logs").clone()
    };
    let logs = vacuumed("1h");
    assert_eq!((&logs["removed"]["files"], &logs["young"]["files"]), (&10.into(), &1.into()), "{logs}");
    assert_eq!(logs["staged_grace_s"], 24 * 3600);

    home.reconfigure(&format!("{BY_HAND}log_retention = \"90d\"\n[vacuum]\ngrace = \"72h\"\n"));
    let server = home.serve();
    age(&home.lake().join("logs"), hours(48));
    let logs = vacuumed("24h");
    assert_eq!((&logs["removed"]["files"], &logs["young"]["files"]), (&0.into(), &1.into()), "{logs}");
    server.terminate();
    let logs = vacuumed("24h");
    assert_eq!((&logs["removed"]["files"], &logs["young"]["files"]), (&1.into(), &0.into()), "{logs}");
    assert_eq!(numbers(&home), (0..100).collect::<Vec<_>>());
}

/// To a machine that is two days ahead of the store all is old; by the store's clock nothing is.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_makes_nothing_older() {
    let run = Run::without_flushes(1);
    let all = littered(&run).await;
    let behind = run.root(&run.store(Plan { behind: TWO_DAYS, ..Plan::QUIET }));
    let of_logs = |reports: Vec<VacuumReport>| reports.into_iter().find(|report| report.table == "logs").unwrap();
    let by_own_clock = vacuum(&behind, &["logs"], GRACE, Utc::now(), Intent::Plan).await.unwrap();
    assert!(of_logs(by_own_clock).unneeded.files >= 3, "what the machine believes");
    let now = safe_now(&behind).await.unwrap();
    let report = of_logs(vacuum(&behind, &["logs"], GRACE, now, Intent::Apply).await.unwrap());
    assert_eq!((report.removed.files, report.error), (0, None));
    assert_eq!(data_objects(&run.quiet_root()).await, all);
    run.finish(&[]).await;
}

/// Who has opened a version goes on reading it for as long as the grace, whatever vacuum does meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_an_earlier_version_is_not_disturbed_within_the_grace() {
    let home = Home::new(BY_HAND);
    let server = home.serve();
    let client = reqwest::Client::new();
    for flush in 0..8 {
        send_logs(&client, &server.otlp_http(), numbered_logs("r", flush * 10..(flush + 1) * 10, DAY)).await.unwrap();
        server.flush().await;
    }
    server.terminate();
    let root = LakeRoot::parse(home.lake().to_str().unwrap(), &CloudAccess::default()).unwrap();
    let snapshot = LakeTable::new(&root, Signal::Logs).unwrap().load().await.unwrap().unwrap();
    // Written long ago, taken out just now.
    age(&home.lake().join("logs"), TWO_DAYS);
    let _ = said(&home.verb("compact").output().unwrap());
    assert_eq!(of_table(&vacuumed(&home, "apply"), "logs")["just_removed"]["files"], 8);
    let state = TableState { snapshot, committed: WalSeq(0), hot: Vec::new() };
    let pinned = Pinned(vec![(Signal::Logs, Arc::new(state))]);
    let query = "select count(body) from logs";
    assert_eq!(fault_run::numbers(&fault_run::engine(root), pinned, query).await.unwrap(), [80]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_commits_is_left_alone() {
    let home = compacted().await;
    let log = home.lake().join("logs/_delta_log");
    std::fs::rename(&log, home.path().join("log")).unwrap();
    age(&home.lake(), TWO_DAYS);
    let before = files_below(&home.lake().join("logs"));
    let mut command = crate::support::server::telestrata();
    let output = command.args(["vacuum", "apply", "--lake"]).arg(home.lake()).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("logs has files and no commits"), "{output:?}");
    assert_eq!(files_below(&home.lake().join("logs")), before);
    std::fs::rename(home.path().join("log"), &log).unwrap();
    assert_eq!(numbers(&home).len(), 100);
    let output = home.verb("vacuum").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "neither plan nor apply: {output:?}");
}

/// Killed in the middle, a vacuum is run again.
#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_that_is_killed_leaves_a_whole_table_and_the_next_one_finishes() {
    let home = compacted().await;
    let day = home.lake().join("logs/date=2023-11-14");
    for _ in 0..20_000 {
        std::fs::write(day.join(format!("{}.parquet", uuid::Uuid::new_v4())), "").unwrap();
    }
    age(&home.lake(), TWO_DAYS);
    let before = data_files(&home);
    let mut command = crate::support::server::telestrata();
    let mut child = command.args(["vacuum", "apply", "--lake"]).arg(home.lake()).spawn().unwrap();
    wait_for("the first to go", || (files_below(&day).len() < 20_000).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    let left = data_files(&home);
    assert!(left < before && left > 1000, "killed too late to show anything: {left} of {before}");
    assert_eq!(numbers(&home), (0..100).collect::<Vec<_>>());
    let _ = vacuumed(&home, "apply");
    assert_eq!(files_below(&day).len(), 1);
    assert_eq!(numbers(&home), (0..100).collect::<Vec<_>>());
}

/// Compacts `logs`.
pub(super) async fn compact(root: &LakeRoot) {
    let table = LakeTable::new(root, Signal::Logs).unwrap();
    let settings = CompactionSettings::new(64 << 20, 64 << 20);
    let entry = LedgerEntry::new(JobKind::Compaction, "test");
    let compactor = Compactor::new(table, settings, entry, Progress::default());
    compactor.run(Utc::now().date_naive()).await.unwrap();
}

/// A lake in a bucket, reached without the program.
pub(super) fn bucket(s3: &S3, lake: &str) -> LakeRoot {
    let store = AmazonS3Builder::new()
        .with_endpoint(s3.endpoint())
        .with_allow_http(true)
        .with_bucket_name("lakes")
        .with_region("us-east-1")
        .with_access_key_id("test")
        .with_secret_access_key("secret-of-the-test")
        .build()
        .unwrap();
    LakeRoot::with_store(Url::parse(&format!("{}/", s3.lake(lake))).unwrap(), Arc::new(store))
}

/// A lake of a few flushes, compacted, with what a crash leaves; answers the table's objects then.
async fn littered(run: &Run) -> Vec<Path> {
    let calm = run.store(Plan::QUIET);
    let store = run.open(&calm, "wal", &[]).await;
    for _ in 0..6 {
        run.send(&store).await.unwrap();
        store.flush().await.unwrap();
    }
    store.close().await.unwrap();
    drop(store);
    let root = run.quiet_root();
    compact(&root).await;
    let folder = root.table_store("logs").unwrap();
    for number in 0..3 {
        folder.put(&format!("date=2023-11-14/orphan-{number}.parquet").into(), "left".into()).await.unwrap();
    }
    data_objects(&root).await
}

async fn data_objects(root: &LakeRoot) -> Vec<Path> {
    use futures::TryStreamExt as _;
    let listed: Vec<_> = root.table_store("logs").unwrap().list(None).try_collect().await.unwrap();
    let mut paths: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
    paths.retain(|path| !path.as_ref().starts_with('_'));
    paths.sort();
    paths
}

/// Two days on.
pub(super) async fn vacuum_of(root: &LakeRoot) -> telestrata::error::Result<Vec<VacuumReport>> {
    vacuum(root, &TABLES, GRACE, Utc::now() + TimeDelta::days(2), Intent::Apply).await
}

/// The process dies at each operation in turn, or the store refuses it; the table is whole, and the next vacuum leaves
/// nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn at_whichever_operation_it_fails_the_table_is_whole_and_the_next_vacuum_finishes() {
    // Commits are of now and the vacuum is two days on: all that was replaced is old.
    let run = Run::without_flushes(0);
    let littered = littered(&run).await;
    let counted = run.store(Plan::QUIET);
    vacuum(&run.root(&counted), &TABLES, GRACE, Utc::now() + TimeDelta::days(2), Intent::Plan).await.unwrap();
    let reads = counted.operations();
    let unneeded = littered.len() as u64 - run.cold().await[0].1.snapshot.files().len() as u64;
    assert!(unneeded >= 3, "{littered:?}");
    let mut failed = 0;
    for operation in 0..reads + unneeded {
        // The trash of the one before is gone: there is new.
        let folder = run.quiet_root().table_store("logs").unwrap();
        for path in &littered {
            if folder.head(path).await.is_err() {
                folder.put(path, "left".into()).await.unwrap();
            }
        }
        let dying: FaultStore = run.store(Plan::QUIET);
        dying.die_after(operation);
        let outcome = vacuum_of(&run.root(&dying)).await;
        failed +=
            u64::from(outcome.is_err() || outcome.is_ok_and(|reports| reports.iter().any(|one| one.error.is_some())));
        run.finish(&[]).await;
        for report in vacuum_of(&run.quiet_root()).await.unwrap() {
            assert_eq!(report.error, None, "{report:?}");
        }
        let live: usize = run.cold().await[0].1.snapshot.files().len();
        assert_eq!(data_objects(&run.quiet_root()).await.len(), live, "after operation {operation}");
    }
    assert!(failed > reads / 2, "{failed} of {reads} operations mattered");
    run.finish(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_in_a_bucket_is_vacuumed() {
    let s3 = S3::start().await;
    let home = Home::with_lake_at(BY_HAND, &s3.lake("vacuumed"), &s3.env());
    let server = home.serve();
    let client = reqwest::Client::new();
    for flush in 0..9 {
        send_logs(&client, &server.otlp_http(), numbered_logs("s3", flush * 10..(flush + 1) * 10, DAY)).await.unwrap();
        server.flush().await;
    }
    server.terminate();
    let _ = said(&home.verb("compact").output().unwrap());
    let root = bucket(&s3, "vacuumed");
    let folder = root.table_store("logs").unwrap();
    folder.put(&"date=2023-11-14/orphan.parquet".into(), "left".into()).await.unwrap();
    // Within the grace nothing goes.
    for report in vacuum(&root, &TABLES, GRACE, Utc::now(), Intent::Apply).await.unwrap() {
        assert_eq!((report.removed.files, report.error), (0, None));
    }
    let reports = vacuum_of(&root).await.unwrap();
    let logs = reports.iter().find(|report| report.table == "logs").unwrap();
    assert_eq!((logs.removed.files, &logs.error), (10, &None), "{logs:?}");
    assert_eq!(data_objects(&root).await.len(), 1);
    assert_eq!(numbers(&home), (0..90).collect::<Vec<_>>());
    assert!(home.verb("check").output().unwrap().status.success());
}
