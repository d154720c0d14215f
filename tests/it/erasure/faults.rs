//! An erasure that is killed, and one on a store that misbehaves: the lake is whole at every moment, and the same
//! request made again does what is left.

use std::process::Stdio;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::{Value, json};
use telestrata::config::{Config, Layers};
use telestrata::erasure::SecretValue;
use telestrata::import::{FileFormat, ImportSettings, Importer, Input};
use telestrata::lake::{LakeRoot, LakeTable};
use telestrata::maintenance::{
    EraseReport, EraseRequest, EraseScope, EraseSettings, EraseWhat, Eraser, Holds, Offline, Progress,
};
use telestrata::model::signal::Signal;
use telestrata::query::RowFilters;
use url::Url;

use super::telemetry::{log, logs};
use super::{VALUE, erase, report, run};
use crate::support::each_operation::{Case, at_each_operation};
use crate::support::fault_store::{FaultStore, Plan};
use crate::support::server::{Home, wait_for};

/// Files of logs, a third of whose rows have the value.
const FILES: u64 = 6;
const ROWS: u64 = 9;

fn file(number: u64) -> String {
    let records: Vec<Value> = (0..ROWS)
        .map(|row| {
            let user = if row % 3 == 0 { VALUE } else { "u43" };
            // Over some dates.
            log((number * ROWS + row) * 6, "a row", &[("user.id", user)])
        })
        .collect();
    logs(&records, &[], &[])
}

fn request() -> EraseRequest {
    EraseRequest {
        what: EraseWhat::Attribute {
            key: "user.id".to_owned(),
            value: SecretValue::new(VALUE.to_owned()),
            also_body: false,
        },
        scope: EraseScope::Record,
        reason: None,
    }
}

fn settings() -> EraseSettings {
    let config = Config::from_layers(&Layers::load(None, |_| None).unwrap()).unwrap();
    EraseSettings {
        target_bytes: 64 << 20,
        memory: 64 << 20,
        grace: std::time::Duration::from_secs(86_400),
        log_retention: std::time::Duration::from_secs(30 * 86_400),
        holds: Arc::new(Holds::default()),
        filters: Arc::new(RowFilters::new(&config.query, config.views).unwrap()),
    }
}

async fn fill(root: &LakeRoot) {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..FILES {
        let path = folder.path().join("logs.jsonl");
        std::fs::write(&path, file(number)).unwrap();
        let mut importer = Importer::open(root, ImportSettings::default()).await.unwrap();
        let input = Input::File(path);
        importer.import(&input, FileFormat::JsonLines, Arc::default(), |_| Ok(())).await.unwrap();
        importer.finish().await.unwrap();
    }
}

fn root(store: Arc<dyn ObjectStore>) -> LakeRoot {
    LakeRoot::with_store(Url::parse("s3://bucket/lake/").unwrap(), store)
}

async fn apply(root: LakeRoot) -> Result<EraseReport, telestrata::error::Error> {
    Eraser::new(root, settings(), Arc::new(Offline), Progress::default()).apply(&request(), "the test").await
}

/// A copy of every object.
async fn copy(from: &Arc<InMemory>) -> Arc<dyn ObjectStore> {
    Arc::new(from.fork())
}

/// Rows that the table's log has.
async fn rows(root: &LakeRoot) -> u64 {
    let snapshot = LakeTable::new(root, Signal::Logs).unwrap().load().await.unwrap().unwrap();
    snapshot.files().iter().map(|file| file.rows.unwrap()).sum()
}

fn kept() -> u64 {
    FILES * ROWS * 2 / 3
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_fails_or_is_the_last_and_the_next_does_the_rest() {
    let whole = Arc::new(InMemory::new());
    fill(&root(whole.clone())).await;
    let quiet = FaultStore::new(copy(&whole).await, Plan::QUIET, 1);
    let done = apply(root(Arc::new(quiet.clone()))).await.unwrap();
    assert_eq!((done.rows(), done.proof.unwrap().matching), (FILES * ROWS / 3, 0));
    let operations = quiet.kinds();
    assert!(operations.len() > 40, "{operations:?}");
    // Every operation in a long run, some in a short one.
    let points = std::env::var("TELESTRATA_ERASE_ROUNDS").map_or(12, |_| operations.len());
    at_each_operation(&whole, &operations, points, is_done_by_the_next).await;
}

async fn is_done_by_the_next(Case { store, base, name }: Case) {
    let disturbed = apply(root(Arc::new(store.clone()))).await;
    store.settle().await;
    let left = rows(&root(base.clone())).await;
    assert!((kept()..=FILES * ROWS).contains(&left), "{name}: {left} rows");
    if disturbed.as_ref().is_ok_and(|report| !report.is_partial()) {
        assert_eq!(left, kept(), "{name}: it said that all is gone: {disturbed:?}");
    }
    let done = apply(root(base.clone())).await.unwrap();
    assert_eq!((done.is_partial(), done.proof.unwrap().matching), (false, 0), "{name}");
    assert_eq!(rows(&root(base)).await, kept(), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_misbehaves_delays_it_and_no_more() {
    let whole = Arc::new(InMemory::new());
    fill(&root(whole.clone())).await;
    let rounds: u64 = std::env::var("TELESTRATA_ERASE_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    for seed in 0..rounds {
        let base = copy(&whole).await;
        let faults = FaultStore::new(Arc::clone(&base), Plan::READABLE, seed);
        let mut tries = 0;
        let done = loop {
            match apply(root(Arc::new(faults.clone()))).await {
                Ok(done) if !done.is_partial() => break done,
                outcome => assert!(tries < 50, "seed {seed}: {outcome:?}\n{:#?}", faults.log()),
            }
            tries += 1;
        };
        faults.settle().await;
        assert_eq!(done.proof.unwrap().matching, 0, "seed {seed}");
        assert_eq!(done.standing, Some(1), "seed {seed}: one erasure, however often it was installed");
        assert_eq!(rows(&root(base)).await, kept(), "seed {seed}: {:#?}", faults.log());
    }
}

/// kill -9 in each phase that shows from outside, then the same again.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_killed_is_done_by_the_next() {
    let home = Home::new("");
    for number in 0..FILES {
        let path = home.path().join("logs.jsonl");
        std::fs::write(&path, file(number)).unwrap();
        assert_eq!(run(home.verb("import").arg(&path)).0, 0);
    }
    let attribute = format!("user.id={VALUE}");
    let log = home.lake().join("logs/_delta_log");
    let commits = || std::fs::read_dir(&log).unwrap().count();
    let parquet = || super::places::files(&home.lake().join("logs")).len();
    let (commits_before, files_before) = (commits(), parquet());
    let has_begun = || home.lake().join("_erasures/00000001.json").exists().then_some(());
    let has_written = || (parquet() > files_before).then_some(());
    let has_committed = || (commits() > commits_before).then_some(());
    let has_nearly_ended = || (commits() > commits_before + 2).then_some(());
    let phases: [(&str, &dyn Fn() -> Option<()>); 4] = [
        ("it is installed", &has_begun),
        ("a file is written", &has_written),
        ("a commit is made", &has_committed),
        ("more are made", &has_nearly_ended),
    ];
    for (phase, has_come) in phases {
        let mut child =
            erase(&home, "apply", None).args(["--attribute", &attribute]).stdout(Stdio::null()).spawn().unwrap();
        wait_for(phase, || has_come().or_else(|| child.try_wait().unwrap().map(|_| ())));
        let _ = child.kill();
        child.wait().unwrap();
        let (code, out, errors) = run(home.verb("sql").args([
            "--format",
            "csv",
            "select count(*) as n from logs where attributes['user.id'] = 'u43'",
        ]));
        assert_eq!((code, out), (0, format!("n\n{}\n", kept())), "killed when {phase}: {errors}");
    }
    let done = report(erase(&home, "apply", None).args(["--attribute", &attribute]));
    assert_eq!(done["proof"]["matching"], json!(0), "{done:#}");
    let (_, out, _) = run(home.verb("sql").args(["--format", "csv", "select count(*) as n from logs"]));
    assert_eq!(out, format!("n\n{}\n", kept()));
    assert_eq!(run(home.verb("check").arg("--deep")).0, 0);
}
