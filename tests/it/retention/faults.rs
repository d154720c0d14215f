//! Retention on a store that misbehaves at its operations in turn, and a process that dies after each: rows are as they were
//! or as they are to be, each once; the next run does what is left, weights once; and then vacuum leaves what logs name.
//!
//! `TELESTRATA_RETENTION_ROUNDS`, whatever it says, has each operation meet one.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use telestrata::buffer::TableState;
use telestrata::config::Config;
use telestrata::error::Result;
use telestrata::import::{FileFormat, ImportSettings, Importer, Input};
use telestrata::lake::{LakeRoot, LakeTable};
use telestrata::maintenance::{Intent, RetentionReport, TABLES, vacuum};
use telestrata::model::signal::Signal;
use telestrata::query::Pinned;
use telestrata::wal::WalSeq;
use url::Url;

use super::world::{Kept, Model, Row, file_of, traces};
use super::{LONG_PAST, assert_same, at, config, job_of};
use crate::support::each_operation::{Case, at_each_operation};
use crate::support::fault_run::{engine, numbers};
use crate::support::fault_store::{FaultStore, Plan};

const GRACE: Duration = Duration::from_secs(86_400);

/// A day on which all that is there is past the rules' ages.
const TODAY: u64 = 1000;

fn root(store: Arc<dyn ObjectStore>) -> LakeRoot {
    LakeRoot::with_store(Url::parse("s3://bucket/lake/").unwrap(), store)
}

/// Each date in two files.
async fn fill(root: &LakeRoot, rows: &[Row]) {
    let folder = tempfile::tempdir().unwrap();
    for part in [0, 1] {
        let path = folder.path().join("rows.jsonl");
        let rows: Vec<Row> = rows.iter().filter(|row| row.number % 2 == part).cloned().collect();
        std::fs::write(&path, file_of(&rows)).unwrap();
        let mut importer = Importer::open(root, ImportSettings::default()).await.unwrap();
        importer.import(&Input::File(path), FileFormat::JsonLines, Arc::default(), |_| Ok(())).await.unwrap();
        importer.finish().await.unwrap();
    }
}

/// What is there; a row that is there twice is an error.
async fn kept(base: &Arc<InMemory>, case: &str) -> Kept {
    let mut tables = Vec::new();
    for signal in [Signal::Logs, Signal::Spans] {
        let snapshot = LakeTable::new(&root(base.clone()), signal).unwrap().load().await.unwrap().unwrap();
        tables.push((signal, Arc::new(TableState { snapshot, committed: WalSeq(0), hot: Vec::new() })));
    }
    let row = "cast(attributes['n'] as bigint) * 100 + cast(coalesce(adjusted_count, 1) * 2 as bigint)";
    let query = format!("select {row} from spans union all select {row} from logs");
    let mut kept = Kept::new();
    for row in numbers(&engine(root(base.clone())), Pinned(tables), &query).await.unwrap() {
        let (number, weight) = (u64::try_from(row / 100).unwrap(), (row % 100) as f64 / 2.0);
        assert!(kept.insert(number, weight).is_none(), "{case}: row {number} is there twice");
    }
    kept
}

async fn apply(config: &Config, root: LakeRoot) -> Result<RetentionReport> {
    let job = job_of(config, root);
    Box::pin(job.apply(&Signal::ALL, at(TODAY))).await
}

/// Files in the store below a table's folder, but its log's.
async fn data_objects(base: &Arc<InMemory>, table: &str) -> usize {
    use futures::TryStreamExt as _;
    let objects: Vec<_> = base.list(Some(&format!("lake/{table}").into())).try_collect().await.unwrap();
    objects.iter().filter(|object| !object.location.as_ref().contains("/_delta_log/")).count()
}

/// The state before, the state after, and what must be so whatever went wrong in between.
struct Expected {
    config: Config,
    rows: Vec<Row>,
    before: Kept,
    after: Kept,
}

impl Expected {
    /// A run on this store; answers whether it said that all is done.
    async fn is_done_by(&self, store: &FaultStore, base: &Arc<InMemory>, case: &str) -> bool {
        let outcome = apply(&self.config, root(Arc::new(store.clone()))).await;
        store.settle().await;
        let case = format!("{case}: {outcome:?}");
        let found = kept(base, &case).await;
        for (number, weight) in &found {
            let known = [&self.before, &self.after].map(|kept| kept.get(number));
            assert!(known.contains(&Some(weight)), "{case}: row {number} counts for {weight}, of {known:?}");
        }
        let lost: Vec<_> = self.after.keys().filter(|number| !found.contains_key(number)).collect();
        assert!(lost.is_empty(), "{case}: {lost:?} are to be kept");
        let is_done = outcome.is_ok_and(|report| report.failures.is_empty() && report.overtaken == 0);
        if is_done {
            assert_same(&found, &self.after, &self.rows, &case);
        }
        is_done
    }

    /// The next run does what is left; then vacuum leaves no orphan.
    async fn is_finished(&self, base: &Arc<InMemory>, case: &str) {
        let calm = FaultStore::new(base.clone(), Plan::QUIET, 0);
        assert!(self.is_done_by(&calm, base, case).await, "{case}: the next run did not finish");
        let later = Utc::now() + TimeDelta::days(2);
        for report in vacuum(&root(base.clone()), &TABLES, GRACE, later, Intent::Apply).await.unwrap() {
            assert_eq!(report.error, None, "{case}");
            assert_eq!(data_objects(base, &report.table).await as u64, report.live.files, "{case}: {report:?}");
        }
    }
}

async fn world() -> (Arc<InMemory>, Arc<Expected>) {
    let base = Arc::new(InMemory::new());
    let rows = traces(3, 24);
    fill(&root(base.clone()), &rows).await;
    let mut model = Model::new(LONG_PAST);
    model.add(&rows);
    let before = model.kept();
    model.apply(TODAY);
    let expected = Expected { config: config(&LONG_PAST.toml()), rows, before, after: model.kept() };
    assert_eq!(kept(&base, "filled").await, expected.before);
    (base, Arc::new(expected))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_fails_or_is_the_last_and_the_next_run_does_the_rest() {
    let (base, expected) = world().await;
    let calm = FaultStore::new(Arc::new(base.fork()), Plan::QUIET, 0);
    apply(&expected.config, root(Arc::new(calm.clone()))).await.unwrap();
    let operations = calm.kinds();
    let points = std::env::var("TELESTRATA_RETENTION_ROUNDS").map_or(12, |_| operations.len());
    at_each_operation(&base, &operations, points, |Case { store, base, name }| {
        let expected = Arc::clone(&expected);
        async move {
            expected.is_done_by(&store, &base, &name).await;
            expected.is_finished(&base, &name).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_misbehaves_delays_it_and_no_more() {
    let (whole, expected) = world().await;
    let rounds: u64 = std::env::var("TELESTRATA_RETENTION_ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    for seed in 0..rounds {
        let base = Arc::new(whole.fork());
        let faults = FaultStore::new(base.clone(), Plan::READABLE, seed);
        let mut tries = 0;
        while !expected.is_done_by(&faults, &base, &format!("seed {seed}, try {tries}")).await {
            tries += 1;
            assert!(tries < 50, "seed {seed}: {:#?}", faults.log());
        }
        expected.is_finished(&base, &format!("seed {seed}")).await;
    }
}
