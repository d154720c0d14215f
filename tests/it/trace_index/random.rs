//! Any history of commits, rewrites, removals, foreign appends, index steps and damage: a lookup by id answers what a scan
//! of every row does. `TELESTRATA_INDEX_SEED` and `TELESTRATA_INDEX_STEPS` make it another, or longer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use telestrata::buffer::TableState;
use telestrata::import::{FileFormat, ImportSettings, Importer, Input};
use telestrata::lake::{CloudAccess, LakeRoot, LakeTable, TableSnapshot};
use telestrata::model::signal::Signal;
use telestrata::query::{Pinned, QueryEngine};
use telestrata::trace_index::{Indexer, TraceIndex};
use telestrata::wal::WalSeq;

use super::{log, logs};
use crate::support::fault_run::{engine, numbers};

const IDS: usize = 9;

/// Few, and some that share their last 8 bytes.
fn id(number: usize) -> String {
    format!("{:016x}{:016x}", number % 3 + 1, number / 2 + 1)
}

struct History {
    folder: tempfile::TempDir,
    root: LakeRoot,
    random: StdRng,
    engine: QueryEngine,
    indexers: [Indexer; 2],
    imports: usize,
    left_out: usize,
}

impl History {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = LakeRoot::parse(folder.path().join("lake").to_str().unwrap(), &CloudAccess::default()).unwrap();
        // So little memory that a month takes more than one run.
        let indexer = || Indexer::new(&root, 64 * 20).unwrap();
        Self {
            engine: engine(root.clone()),
            indexers: [indexer(), indexer()],
            root,
            folder,
            random: StdRng::seed_from_u64(seed),
            imports: 0,
            left_out: 0,
        }
    }

    fn table(&self) -> PathBuf {
        self.folder.path().join("lake/logs")
    }

    async fn snapshot(&self) -> TableSnapshot {
        LakeTable::new(&self.root, Signal::Logs).unwrap().load().await.unwrap().unwrap()
    }

    async fn import(&mut self) {
        let rows = self.random.random_range(1..12);
        let records: Vec<Value> = (0..rows)
            .map(|_| {
                let trace =
                    if self.random.random_bool(0.1) { String::new() } else { id(self.random.random_range(0..IDS)) };
                log(self.random.random_range(0..60), self.random.random_range(0..86_400), &trace)
            })
            .collect();
        let path = self.folder.path().join(format!("{}.jsonl", self.imports));
        self.imports += 1;
        std::fs::write(&path, logs(&records)).unwrap();
        let mut importer = Importer::open(&self.root, ImportSettings::default()).await.unwrap();
        importer.import(&Input::File(path), FileFormat::JsonLines, Arc::default(), |_| Ok(())).await.unwrap();
        importer.finish().await.unwrap();
    }

    /// The live `add` actions, by the log's commits.
    fn adds(&self) -> Vec<Value> {
        let mut live: BTreeMap<String, Value> = BTreeMap::new();
        for commit in commits(&self.table()) {
            for line in std::fs::read_to_string(commit).unwrap().lines() {
                let action: Value = serde_json::from_str(line).unwrap();
                if let Some(path) = action["add"]["path"].as_str() {
                    live.insert(path.to_owned(), action["add"].clone());
                }
                if let Some(path) = action["remove"]["path"].as_str() {
                    live.remove(path);
                }
            }
        }
        live.into_values().collect()
    }

    fn pick(&mut self) -> Option<Value> {
        let adds = self.adds();
        (adds.len() > 12).then(|| adds[self.random.random_range(0..adds.len())].clone())
    }

    /// Another program's commit.
    fn commit(&self, actions: &[Value]) {
        let next = commits(&self.table()).len();
        let path = self.table().join(format!("_delta_log/{next:020}.json"));
        let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
        std::fs::write(path, lines.join("\n")).unwrap();
    }

    /// The same bytes under another name.
    fn copy(&mut self, add: &Value) -> Value {
        let path = add["path"].as_str().unwrap();
        let copy = format!("{}/part-{}.parquet", path.split_once('/').unwrap().0, self.random.random::<u32>());
        std::fs::copy(self.table().join(path), self.table().join(&copy)).unwrap();
        let mut add = add.clone();
        add["path"] = json!(copy);
        add
    }

    fn rewrite(&mut self) {
        let Some(add) = self.pick() else { return };
        let copy = self.copy(&add);
        self.commit(&[
            json!({ "add": copy }),
            json!({ "remove": {
            "path": add["path"], "deletionTimestamp": 1_700_000_000_000_u64, "dataChange": false,
            "extendedFileMetadata": true, "partitionValues": add["partitionValues"], "size": add["size"],
        } }),
        ]);
    }

    fn foreign_append(&mut self) {
        let Some(add) = self.pick() else { return };
        let mut copy = self.copy(&add);
        if self.random.random_bool(0.5) {
            copy.as_object_mut().unwrap().remove("stats");
        }
        self.commit(&[json!({ "add": copy })]);
    }

    fn remove(&mut self) {
        let Some(add) = self.pick() else { return };
        self.commit(&[json!({ "remove": {
            "path": add["path"], "deletionTimestamp": 1_700_000_000_000_u64, "dataChange": true,
        } })]);
    }

    async fn index(&mut self) {
        let live = [(Signal::Logs, Arc::clone(self.snapshot().await.files()))];
        let number = self.random.random_range(0..2);
        self.indexers[number].step(&live).await.unwrap();
    }

    fn damage(&mut self) {
        let mut runs = Vec::new();
        for month in ["2023-11", "2023-12", "2024-01"] {
            let folder = self.folder.path().join(format!("lake/trace_index/month={month}"));
            runs.extend(std::fs::read_dir(folder).into_iter().flatten().map(|run| run.unwrap().path()));
        }
        runs.sort();
        if runs.is_empty() {
            return;
        }
        let run = &runs[self.random.random_range(0..runs.len())];
        let mut bytes = std::fs::read(run).unwrap();
        match self.random.random_range(0..4) {
            0 => return std::fs::remove_file(run).unwrap(),
            1 => bytes.truncate(bytes.len() / 2),
            _ if bytes.is_empty() => {}
            _ => {
                let at = self.random.random_range(0..bytes.len());
                bytes[at] ^= 1 << self.random.random_range(0..8);
            }
        }
        std::fs::write(run, bytes).unwrap();
    }

    /// An engine that has seen the index grow, and one that sees it for the first time.
    async fn check(&mut self, what: &str) {
        let snapshot = self.snapshot().await;
        let fresh = engine(self.root.clone());
        let ids: Vec<String> = (0..2).map(|_| id(self.random.random_range(0..IDS + 1))).collect();
        let list = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
        for condition in [format!("= '{}'", ids[0]), format!("in ({list})")] {
            let of = |id: &str| format!("select count(*) from logs where {id} {condition}");
            let state = TableState { snapshot: snapshot.clone(), committed: WalSeq(0), hot: Vec::new() };
            let pinned = Pinned(vec![(Signal::Logs, Arc::new(state))]);
            let scanned = numbers(&self.engine, pinned.clone(), &of("lower(trace_id)")).await.unwrap();
            for engine in [&self.engine, &fresh] {
                let found = numbers(engine, pinned.clone(), &of("trace_id")).await.unwrap();
                assert_eq!(found, scanned, "after {what}: {condition}");
            }
        }
        let files: Vec<_> = snapshot.files().iter().map(Arc::clone).collect();
        let (index, all) = (TraceIndex::new(&self.root, None).unwrap(), files.len());
        let kept = index.files_with(Signal::Logs, &BTreeSet::from([ids[0].clone()]), files).await;
        self.left_out += all - kept.len();
    }
}

fn commits(table: &Path) -> Vec<PathBuf> {
    let mut commits: Vec<PathBuf> =
        std::fs::read_dir(table.join("_delta_log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    commits.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    commits.sort();
    commits
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_answers_what_a_scan_does_after_any_history() {
    let seed = std::env::var("TELESTRATA_INDEX_SEED").map_or_else(|_| rand::random(), |text| text.parse().unwrap());
    let steps = std::env::var("TELESTRATA_INDEX_STEPS").map_or(24, |text| text.parse().unwrap());
    println!("TELESTRATA_INDEX_SEED={seed}");
    let mut history = History::new(seed);
    for _ in 0..3 {
        history.import().await;
    }
    for _ in 0..steps {
        let what = match history.random.random_range(0..12) {
            0..=2 => {
                history.import().await;
                "an import"
            }
            3 => {
                history.rewrite();
                "a rewrite"
            }
            4 => {
                history.remove();
                "a removal"
            }
            5 => {
                history.foreign_append();
                "a foreign append"
            }
            6..=9 => {
                history.index().await;
                "an index step"
            }
            _ => {
                history.damage();
                "damage"
            }
        };
        history.check(what).await;
    }
    assert!(history.left_out > 0, "seed {seed}: the index left out nothing");
}
