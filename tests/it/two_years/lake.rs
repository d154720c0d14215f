//! The lake under test: filled through the product's own door, kept by its jobs, read file by file and by queries.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::util::pretty::pretty_format_batches;
use chrono::{Days, NaiveDate, Utc};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;
use telestrata::config::{Config, Layers};
use telestrata::erasure::SecretValue;
use telestrata::ingest::{IngestRequest, Store};
use telestrata::lake::{LakeTable, NamedSnapshots, TableSnapshot};
use telestrata::maintenance::{
    CompactionSettings, Compactor, EraseRequest, EraseScope, EraseSettings, EraseWhat, Eraser, Intent, JobKind,
    LedgerEntry, Progress, Retention, RetentionReport, TABLES, create_snapshot, keep_log, vacuum,
};
use telestrata::metrics::Metrics;
use telestrata::model::signal::{Encoding, Signal};
use telestrata::query::{Pinned, QueryEngine, Question, RowFilters, Supervision};
use telestrata::server::Serving;

use super::model::Rules;
use super::requests::requests;
use super::world::Record;
use crate::readers::Reader;
use crate::support::fault_run::engine;

/// Rows of a file: numbers and weights.
type Rows = Vec<(u64, Option<f64>)>;

pub struct Lake {
    folder: tempfile::TempDir,
    first_date: NaiveDate,
    store: Arc<Store>,
    engine: QueryEngine,
    config: Config,
    /// What the log says, kept up from day to day.
    tables: Vec<(LakeTable, TableSnapshot)>,
    /// Files do not change, so each is read once.
    files: HashMap<PathBuf, Arc<Rows>>,
}

/// What is live of a table.
#[derive(Debug, Default, Clone)]
pub struct Live {
    /// Files by day.
    pub files: BTreeMap<u64, u64>,
    /// Bytes by day.
    pub bytes: BTreeMap<u64, u64>,
}

impl Lake {
    pub async fn new(first_date: NaiveDate, rules: &Rules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &rules.toml());
        let store = open(&config).await;
        let engine = engine(config.lake.clone());
        let mut lake = Self { folder, first_date, store, engine, config, tables: Vec::new(), files: HashMap::new() };
        lake.reopen().await;
        lake
    }

    /// The server stops, and starts with other rules.
    pub async fn restart(&mut self, rules: &Rules) {
        self.store.close().await.unwrap();
        self.config = config(self.folder.path(), &rules.toml());
        self.store = open(&self.config).await;
    }

    pub fn date(&self, day: u64) -> NaiveDate {
        self.first_date + Days::new(day)
    }

    pub fn table_folder(&self, signal: Signal) -> PathBuf {
        self.lake_folder().join(signal.table())
    }

    fn lake_folder(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// Sends records and flushes.
    pub async fn take(&mut self, records: &[Rc<Record>]) {
        let first = self.first_date.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_nanos_opt().unwrap();
        for (signal, body) in requests(records, first.unsigned_abs()) {
            let request = IngestRequest {
                signal,
                encoding: Encoding::Json,
                source: "otlp/http",
                principal: None,
                body: body.into(),
            };
            let reply = self.store.ingest(request).await.unwrap();
            assert_eq!((reply.rejected, reply.repeat), (0, false), "{}", reply.message);
        }
        self.store.flush().await.unwrap();
    }

    /// Compacts every table; answers how many merges there were.
    pub async fn compact(&self, today: u64) -> u64 {
        let mut merges = 0;
        for signal in Signal::ALL {
            let table = LakeTable::new(&self.config.lake, signal).unwrap();
            // Small, so that days are of several files.
            let settings = CompactionSettings { target_bytes: TARGET_BYTES, ..self.config.compaction };
            let entry = LedgerEntry::new(JobKind::Compaction, WHO);
            let compactor = Compactor::new(table, settings, entry, Progress::default());
            for report in compactor.run(self.date(today)).await.unwrap() {
                assert!(report.error.is_none() && report.overtaken == 0, "{report:?}");
                merges += report.merges;
            }
        }
        merges
    }

    fn retention(&self) -> Retention {
        Retention {
            root: self.config.lake.clone(),
            rules: Arc::clone(&self.config.retention),
            query: self.config.query.clone(),
            target_bytes: TARGET_BYTES,
            memory: self.config.compaction.memory,
            entry: LedgerEntry::new(JobKind::Retention, WHO),
            progress: Progress::default(),
        }
    }

    /// Applies the rules; where that is asked for, it does what a plan said before.
    pub async fn retain(&self, today: u64, with_plan: bool) {
        let retention = self.retention();
        let noon = self.date(today).and_hms_opt(12, 0, 0).unwrap().and_utc();
        let plan = match with_plan {
            true => Some(retention.plan(&Signal::ALL, noon.date_naive()).await.unwrap()),
            false => None,
        };
        let report = retention.apply(&Signal::ALL, noon).await.unwrap();
        assert!(report.failures.is_empty() && report.overtaken == 0, "{report:?}");
        let lines = |report: &RetentionReport| serde_json::to_string_pretty(&report.lines).unwrap();
        if let Some(plan) = plan {
            assert_eq!(lines(&plan), lines(&report), "day {today}: the plan, and what was done");
        }
    }

    /// Erases a user from all that is there and all that comes; answers the rows that went, by table.
    pub async fn erase(&self, user: &str, scope: EraseScope) -> Vec<u64> {
        let settings = EraseSettings {
            target_bytes: TARGET_BYTES,
            memory: self.config.compaction.memory,
            grace: Duration::ZERO,
            log_retention: Duration::ZERO,
            holds: Arc::new(self.config.retention.holds.clone()),
            filters: Arc::new(RowFilters::new(&self.config.query, Arc::clone(&self.config.views)).unwrap()),
        };
        let value = SecretValue::new(user.to_owned());
        let what = EraseWhat::Attribute { key: "user.id".to_owned(), value, also_body: false };
        let request = EraseRequest { what, scope, reason: Some("asked for".to_owned()) };
        let around = Arc::new(Serving(Arc::clone(&self.store)));
        let eraser = Eraser::new(self.config.lake.clone(), settings, around, Progress::default());
        let report = eraser.apply(&request, WHO).await.unwrap();
        assert_eq!(report.proof.as_ref().map(|proof| proof.matching), Some(0), "{report:?}");
        assert!(report.tables.iter().all(|table| table.errors.is_empty()), "{report:?}");
        let rows = |signal: &Signal| {
            let tables = report.tables.iter().filter(|table| table.table == signal.table());
            tables.map(|table| table.hot_rows + table.dates.iter().map(|date| date.rows).sum::<u64>()).sum()
        };
        Signal::ALL.iter().map(rows).collect()
    }

    /// What no version needs goes, so that nothing else is left; then logs are made as short as can be.
    pub async fn tidy(&self) {
        let root = &self.config.lake;
        // The trace index is written at any time.
        self.age(|table| table != "trace_index");
        for report in vacuum(root, &TABLES, Duration::ZERO, Utc::now(), Intent::Apply).await.unwrap() {
            assert!(report.error.is_none() && report.removed == report.unneeded, "{report:?}");
            let pinned: u64 = report.pinned.values().map(|pinned| pinned.files).sum();
            let there = files_below(&self.lake_folder().join(&report.table));
            // The trace index is kept in the background at any moment, also at this one; the end looks at it.
            if report.table != "trace_index" {
                assert_eq!((report.just_removed.files, report.young.files), (0, 0), "{report:?}");
                let files = report.live.files + pinned;
                assert_eq!(there.len() as u64, files, "after a vacuum: {report:?} {there:?}");
            }
        }
        // The contract: nobody goes without a look at the log for as long as commits are kept, which here is no time at all.
        // After it, what a server looks for to see that there is more would be gone.
        self.store.follow().await;
        for table in TABLES {
            keep_log(root, table, Duration::ZERO, Utc::now(), Intent::Apply).await.unwrap();
        }
    }

    /// A flush that died before its commit: a file that no log names.
    pub fn leave_an_orphan(&self) {
        let live = files_below(&self.table_folder(Signal::Logs)).pop().unwrap();
        std::fs::copy(&live, live.with_file_name(format!("{}.parquet", uuid::Uuid::new_v4()))).unwrap();
    }

    /// Gives the lake as it is a name.
    pub async fn pin(&self, name: &str) {
        create_snapshot(&self.config.lake, name, Utc::now()).await.unwrap();
    }

    /// What a table held when it was given this name.
    pub async fn pinned(&self, name: &str, signal: Signal) -> Rows {
        let named = NamedSnapshots::new(&self.config.lake).unwrap().get(name).await.unwrap();
        let table = LakeTable::new(&self.config.lake, signal).unwrap();
        let snapshot = table.load_at(named.tables[signal.table()]).await.unwrap();
        let folder = self.table_folder(signal);
        let files: Vec<PathBuf> = snapshot.files().iter().map(|file| folder.join(&file.path)).collect();
        in_order(files.iter().flat_map(|path| read(path, signal)).collect())
    }

    /// Lets go of a name.
    pub async fn unpin(&self, name: &str) {
        NamedSnapshots::new(&self.config.lake).unwrap().drop_name(name).await.unwrap();
    }

    /// Files in the store below a table's folder but its log, and those that its log names, as another reader of the log
    /// tells; for every table.
    pub async fn stored_and_live(&self) -> Vec<(&'static str, BTreeSet<PathBuf>, BTreeSet<PathBuf>)> {
        let lake = self.lake_folder();
        let mut reader = Reader::start("deltalake");
        let mut live = |table: &str| {
            let rows = reader.ask(&lake, &json!(["files", table])).unwrap();
            rows.iter().map(|row| PathBuf::from(row[0].as_str().unwrap())).collect()
        };
        let there = TABLES.into_iter().filter(|table| lake.join(table).exists());
        there.map(|table| (table, files_below(&lake.join(table)).into_iter().collect(), live(table))).collect()
    }

    /// Opens the tables as another program would that sees them for the first time.
    pub async fn reopen(&mut self) {
        self.tables.clear();
        for signal in Signal::ALL {
            let table = LakeTable::new(&self.config.lake, signal).unwrap();
            let snapshot = table.load().await.unwrap().unwrap();
            self.tables.push((table, snapshot));
        }
    }

    async fn newest(&mut self, signal: Signal) -> TableSnapshot {
        let (table, snapshot) = &mut self.tables[signal.index()];
        *snapshot = table.refresh(snapshot).await.unwrap();
        snapshot.clone()
    }

    /// Every row of a table, read off its live files: numbers and weights, in order.
    pub async fn kept(&mut self, signal: Signal) -> Rows {
        let snapshot = self.newest(signal).await;
        let mut kept = Vec::new();
        let mut live = HashMap::new();
        for file in snapshot.files().iter() {
            let path = self.table_folder(signal).join(&file.path);
            let rows = self.files.remove(&path).unwrap_or_else(|| Arc::new(read(&path, signal)));
            assert_eq!(file.rows, Some(rows.len() as u64), "{}", path.display());
            kept.extend(rows.iter().copied());
            live.insert(path, rows);
        }
        let folder = self.table_folder(signal);
        self.files.retain(|path, _| !path.starts_with(&folder));
        self.files.extend(live);
        in_order(kept)
    }

    /// What is live of a table.
    pub async fn live(&mut self, signal: Signal) -> Live {
        let snapshot = self.newest(signal).await;
        let mut live = Live::default();
        for file in snapshot.files().iter() {
            let date: NaiveDate = file.date.as_deref().unwrap().parse().unwrap();
            let day = (date - self.first_date).num_days().unsigned_abs();
            *live.files.entry(day).or_default() += 1;
            *live.bytes.entry(day).or_default() += file.size;
        }
        live
    }

    /// A query's answer by the server that took the rows, as text.
    pub async fn ask(&self, sql: &str) -> String {
        pretty_format_batches(&self.rows(sql).await).unwrap().to_string()
    }

    /// As [`Self::ask`], as rows.
    pub async fn rows(&self, sql: &str) -> Vec<RecordBatch> {
        self.store.follow().await;
        let asked = self.engine.run(Pinned(self.store.pin()), Question::new(sql), Supervision::default()).await;
        let batches = asked.unwrap_or_else(|error| panic!("{error}\n{sql}")).collect().await;
        batches.unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// Ends what goes on in the background; the lake can be asked and tidied still.
    pub async fn close(&self) {
        self.store.close().await.unwrap();
        self.age(|_| true);
    }

    /// A day has passed: no writer of these tables is about to commit what it staged before.
    fn age(&self, is_meant: impl Fn(&str) -> bool) {
        let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 86_400);
        let folders = TABLES.iter().filter(|table| is_meant(table)).map(|table| self.lake_folder().join(table));
        for file in folders.filter(|folder| folder.is_dir()).flat_map(|folder| files_below(&folder)) {
            File::options().append(true).open(file).unwrap().set_modified(two_days_ago).unwrap();
        }
    }
}

/// In whose name jobs are done.
const WHO: &str = "two years";

/// Bytes of a file that is large.
pub const TARGET_BYTES: u64 = 32 << 10;

async fn open(config: &Config) -> Arc<Store> {
    Store::open(config.lake.clone(), config.ingest.clone(), Arc::new(Metrics::default())).await.unwrap()
}

/// The configuration of a lake in a folder, with rules.
fn config(folder: &Path, rules: &str) -> Config {
    let (lake, wal) = (folder.join("lake"), folder.join("wal"));
    let text = format!("lake = {lake:?}\nwal = {wal:?}\nmemory_limit = \"512 MiB\"\n[flush]\nage = \"1h\"\n{rules}");
    let path = folder.join("telestrata.toml");
    std::fs::write(&path, text).unwrap();
    let layers = Layers::load(Some(&path), |_| None).unwrap();
    Config::from_layers(&layers).unwrap()
}

fn in_order(mut rows: Rows) -> Rows {
    rows.sort_by(|one, other| one.partial_cmp(other).unwrap());
    rows
}

/// Every file below a table's folder that is not of its log.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = Vec::new();
    for path in entries.filter(|path| !path.ends_with("_delta_log")) {
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn read(path: &Path, signal: Signal) -> Rows {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let number = if signal == Signal::Metrics { "value_int" } else { "attributes" };
    let wanted = |name: &str| name == number || name == "adjusted_count";
    let roots: Vec<usize> = builder
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| wanted(field.name()))
        .map(|(at, _)| at)
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let batches = builder.with_projection(mask).build().unwrap();
    batches.flat_map(|batch| rows(&batch.unwrap(), number)).collect()
}

fn rows(batch: &RecordBatch, number: &str) -> Rows {
    let weights = batch.column_by_name("adjusted_count").unwrap().as_primitive::<Float64Type>();
    let numbers = batch.column_by_name(number).unwrap();
    let number = |row: usize| -> u64 {
        let Some(maps) = numbers.as_map_opt() else {
            return numbers.as_primitive::<Int64Type>().value(row).unsigned_abs();
        };
        let entries = maps.value(row);
        let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
        let at = keys.iter().position(|key| key == Some("number")).unwrap();
        values.value(at).parse().unwrap()
    };
    (0..batch.num_rows()).map(|row| (number(row), weights.iter().nth(row).unwrap())).collect()
}
