//! One seed's run of a pipeline on a store that misbehaves: its folders, its processes, and the books that are kept
//! of what was sent and acknowledged.
//!
//! `TELESTRATA_FAULT_SEEDS` sets how many seeds each test runs, `TELESTRATA_FAULT_SEED` the first of them; a seed
//! that fails prints its faults and the command that repeats it (docs/faults.md).

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use rand::{RngExt, SeedableRng, distr::Alphanumeric, rngs::StdRng};
use telestrata::buffer::TableState;
use telestrata::error::{Error, ErrorKind};
use telestrata::ingest::{IngestRequest, IngestSettings, Store};
use telestrata::lake::{DurableLocalStore, LakeRoot, LakeTable};
use telestrata::metrics::Metrics;
use telestrata::model::promoted::Promoted;
use telestrata::model::signal::{Encoding, Signal};
use telestrata::query::{Pinned, QueryBudget, QueryEngine, Question, SqlObjects, Supervision};
use telestrata::wal::{WalSeq, WalSettings};
use tokio::runtime::Runtime;
use url::Url;

use super::fault_store::{Fault, FaultStore, Op, Plan};
use super::logs::{numbered, numbered_logs};

/// Records of a request.
pub const PER_REQUEST: u64 = 10;

/// How long a seed may take before it is said to hang.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is left of a WAL whose every record is released: the head of its next segment.
const SEGMENT_HEADER_BYTES: i64 = 64;

/// Seeds that run side by side: most of a run is waiting.
const AT_ONCE: usize = 3;

const FIRST_DAY: u64 = 1_700_000_000;
const SECONDS_A_DAY: u64 = 86_400;

/// Planning needs a deep stack, as the server's own query threads have.
static QUERIES: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).thread_stack_size(64 << 20).enable_all().build().unwrap()
});

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Runs a scenario once for each seed.
pub async fn each_seed<F, Fut>(test: &str, seeds: u64, scenario: F)
where
    F: Fn(Arc<Run>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let seeds = from_env("TELESTRATA_FAULT_SEEDS", seeds);
    let now = chrono::Utc::now().timestamp_micros().unsigned_abs() % 1_000_000_000;
    let base = from_env("TELESTRATA_FAULT_SEED", now);
    println!("{test}: TELESTRATA_FAULT_SEED={base} TELESTRATA_FAULT_SEEDS={seeds}");
    let started = Instant::now();
    let runs = futures::stream::iter(base..base + seeds).map(|seed| {
        let run = Arc::new(Run::new(seed));
        let task = tokio::spawn(tokio::time::timeout(PATIENCE, scenario(Arc::clone(&run))));
        async move { (run, task.await) }
    });
    let mut runs = runs.buffer_unordered(AT_ONCE);
    let (mut failed, mut tally) = (Vec::new(), Tally::default());
    while let Some((run, outcome)) = runs.next().await {
        tally.add(&run);
        if matches!(outcome, Ok(Ok(()))) {
            continue;
        }
        println!("--- seed {}: {outcome:?}; its faults:\n{}", run.seed, run.log().join("\n"));
        println!(
            "--- repeat it: TELESTRATA_FAULT_SEED={} TELESTRATA_FAULT_SEEDS=1 cargo test --test it faults::{test} -- --nocapture",
            run.seed
        );
        failed.push(run.seed);
    }
    println!("{test}: {seeds} seeds in {:.1?}, {} failed; {tally}", started.elapsed(), failed.len());
    assert!(failed.is_empty(), "{test}: seeds {failed:?} failed; see above for their faults and how to repeat them");
}

/// What all seeds of a test met.
#[derive(Default)]
struct Tally {
    operations: u64,
    injected: BTreeMap<(Op, Fault), u64>,
    looks: u64,
    failed_queries: u64,
}

impl Tally {
    fn add(&mut self, run: &Run) {
        for store in run.stores.lock().unwrap().iter() {
            self.operations += store.operations();
            for (what, count) in store.injected() {
                *self.injected.entry(what).or_default() += count;
            }
        }
        self.looks += run.looks.load(Ordering::Relaxed);
        self.failed_queries += run.failed_queries.load(Ordering::Relaxed);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let injected: u64 = self.injected.values().sum();
        let (looks, failed) = (self.looks, self.failed_queries);
        write!(
            f,
            "{} operations, {injected} faults, {looks} right answers, {failed} failed queries:",
            self.operations
        )?;
        for ((op, fault), count) in &self.injected {
            write!(f, " {op:?} {fault:?} {count};")?;
        }
        Ok(())
    }
}

/// One seed's run.
pub struct Run {
    pub seed: u64,
    base: Arc<dyn ObjectStore>,
    url: Url,
    folder: tempfile::TempDir,
    flush_age: Duration,
    grace: Option<Duration>,
    stores: Mutex<Vec<FaultStore>>,
    next: AtomicU64,
    acknowledged: Mutex<BTreeSet<u64>>,
    /// What the requests were of, by their first number; those that are not here were of logs.
    signals: Mutex<BTreeMap<u64, Signal>>,
    looks: AtomicU64,
    failed_queries: AtomicU64,
}

impl Run {
    pub fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A local folder is slower, and lists and reads in its own way: every fourth seed runs on one.
        let (base, url): (Arc<dyn ObjectStore>, Url) = if seed % 4 == 3 {
            let lake = folder.path().join("lake");
            (Arc::new(DurableLocalStore::default()), Url::from_directory_path(lake).unwrap())
        } else {
            (Arc::new(InMemory::new()), Url::parse("s3://bucket/lake/").unwrap())
        };
        Self {
            seed,
            base,
            url,
            folder,
            flush_age: Duration::from_millis(50),
            grace: None,
            stores: Mutex::default(),
            next: AtomicU64::new(0),
            acknowledged: Mutex::default(),
            signals: Mutex::default(),
            looks: AtomicU64::new(0),
            failed_queries: AtomicU64::new(0),
        }
    }

    /// A run whose every flush is asked for.
    pub fn without_flushes(seed: u64) -> Self {
        Self { flush_age: Duration::from_secs(3600), ..Self::new(seed) }
    }

    /// The same, with another `vacuum.grace`.
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace: Some(grace), ..self }
    }

    /// The store as a new process meets it, with faults of its own.
    pub fn store(&self, plan: Plan) -> FaultStore {
        let mut stores = self.stores.lock().unwrap();
        let store = FaultStore::new(Arc::clone(&self.base), plan, self.seed * 1000 + stores.len() as u64);
        stores.push(store.clone());
        store
    }

    /// The lake on a store.
    pub fn root(&self, store: &FaultStore) -> LakeRoot {
        self.root_over(Arc::new(store.clone()))
    }

    fn root_over(&self, store: Arc<dyn ObjectStore>) -> LakeRoot {
        let root = LakeRoot::with_store(self.url.clone(), store);
        match self.grace {
            Some(grace) => root.with_grace(grace),
            None => root,
        }
    }

    /// The lake as it is, without faults.
    pub fn quiet_root(&self) -> LakeRoot {
        self.root_over(Arc::clone(&self.base))
    }

    /// Every fault that was injected, process by process.
    pub fn log(&self) -> Vec<String> {
        let stores = self.stores.lock().unwrap();
        let lines = stores
            .iter()
            .enumerate()
            .flat_map(|(process, store)| store.log().into_iter().map(move |line| format!("process {process}: {line}")));
        lines.collect()
    }

    /// Opens the lake for writing over a WAL of this name.
    pub async fn open_once(&self, store: &FaultStore, wal: &str, promoted: &[Promoted]) -> Result<Arc<Store>, Error> {
        let settings = settings(self.folder.path().join(wal), self.flush_age, promoted.to_vec());
        Store::open(self.root(store), settings, Arc::new(Metrics::default())).await
    }

    /// Opens it as often as it takes, as one does who is told to try again later.
    pub async fn open(&self, store: &FaultStore, wal: &str, promoted: &[Promoted]) -> Arc<Store> {
        let started = Instant::now();
        loop {
            match self.open_once(store, wal, promoted).await {
                Ok(store) => return store,
                Err(error) => {
                    // A killed process's log is let go of by a thread of its own.
                    let expected =
                        error.kind() == ErrorKind::Unavailable || error.to_string().contains("open elsewhere");
                    assert!(expected && started.elapsed() < PATIENCE, "the lake can't be opened: {error}");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    /// The process dies.
    pub async fn kill(&self, faults: &FaultStore, store: Arc<Store>) {
        faults.die();
        let gone = Arc::downgrade(&store);
        drop(store);
        // A flush task may be holding it for a moment.
        while gone.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// A query engine that reads through `store`.
    pub fn engine(&self, store: &FaultStore) -> QueryEngine {
        engine(self.root(store))
    }

    /// Sends the next request, which is of logs, and answers the numbers that are in it.
    pub async fn send(&self, store: &Store) -> Result<Range<u64>, Error> {
        self.send_of(store, Signal::Logs).await
    }

    /// Sends the next request, of a signal, and answers the numbers that are in it.
    pub async fn send_of(&self, store: &Store, signal: Signal) -> Result<Range<u64>, Error> {
        let first = self.next.fetch_add(PER_REQUEST, Ordering::Relaxed);
        if signal != Signal::Logs {
            self.signals.lock().unwrap().insert(first, signal);
        }
        let numbers = first..first + PER_REQUEST;
        // Over three dates, so that a flush is of several files.
        let day = FIRST_DAY + (first / PER_REQUEST % 3) * SECONDS_A_DAY;
        let request = IngestRequest {
            signal,
            encoding: Encoding::Json,
            source: "otlp/http",
            principal: None,
            body: numbered(signal, "faults", numbers.clone(), day).into(),
        };
        let reply = store.ingest(request).await?;
        assert_eq!((reply.stored as u64, reply.repeat), (PER_REQUEST, false));
        self.acknowledge(numbers.clone());
        Ok(numbers)
    }

    /// Sends one request whose bodies have so many random characters in all, which hardly compress.
    pub async fn send_large(&self, store: &Store, bytes: usize) {
        let number = self.next.fetch_add(PER_REQUEST, Ordering::Relaxed);
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut body = numbered_logs("faults", number..number + PER_REQUEST, FIRST_DAY);
        for number in number..number + PER_REQUEST {
            let text: String = (0..bytes as u64 / PER_REQUEST).map(|_| random.sample(Alphanumeric) as char).collect();
            body = body.replace(&format!("\"log {number}\""), &format!("\"{text}\""));
        }
        let request = IngestRequest {
            signal: Signal::Logs,
            encoding: Encoding::Json,
            source: "otlp/http",
            principal: None,
            body: body.into(),
        };
        store.ingest(request).await.unwrap();
        self.acknowledge(number..number + PER_REQUEST);
    }

    /// A file of so many requests, over three dates; what is in it is promised.
    pub fn file(&self, requests: u64) -> PathBuf {
        let mut lines = String::new();
        for request in 0..requests {
            let first = self.next.fetch_add(PER_REQUEST, Ordering::Relaxed);
            let day = FIRST_DAY + request % 3 * SECONDS_A_DAY;
            lines.push_str(&numbered_logs("faults", first..first + PER_REQUEST, day));
            lines.push('\n');
            self.acknowledge(first..first + PER_REQUEST);
        }
        let path = self.folder.path().join("faults.jsonl");
        std::fs::write(&path, lines).unwrap();
        path
    }

    /// Takes numbers down as promised.
    pub fn acknowledge(&self, numbers: impl IntoIterator<Item = u64>) {
        self.acknowledged.lock().unwrap().extend(numbers);
    }

    pub fn acknowledged(&self) -> BTreeSet<u64> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Asks a server for every row: each that was acknowledged by it before is there, and none is there twice.
    /// A query may fail; a wrong answer may not be.
    pub async fn look(&self, engine: &QueryEngine, store: &Store, promised: &BTreeSet<u64>) -> bool {
        match numbers(engine, Pinned(store.pin()), &self.everything()).await {
            Ok(seen) => {
                self.check(&seen, promised);
                self.looks.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Invalid, "{error}");
                self.failed_queries.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Asks every table that was sent to for its rows: three times the number, and which of the tables it is.
    fn everything(&self) -> String {
        let mut sent: BTreeSet<usize> = self.signals.lock().unwrap().values().map(|signal| signal.index()).collect();
        sent.insert(Signal::Logs.index());
        let rows = |index: &usize| {
            let table = Signal::ALL[*index].table();
            format!("select cast(attributes['number'] as bigint) * 3 + {index} from {table}")
        };
        sent.iter().map(rows).collect::<Vec<_>>().join(" union all ")
    }

    fn check(&self, seen: &[i64], promised: &BTreeSet<u64>) {
        let signals = self.signals.lock().unwrap().clone();
        let seen: Vec<i64> = seen
            .iter()
            .map(|row| {
                let (number, index) = (row / 3, usize::try_from(row % 3).unwrap());
                let first = number.unsigned_abs() / PER_REQUEST * PER_REQUEST;
                let signal = signals.get(&first).copied().unwrap_or(Signal::Logs);
                assert_eq!(signal.index(), index, "seed {}: {number} is in another table than its own", self.seed);
                number
            })
            .collect();
        let mut distinct = BTreeSet::new();
        let doubled: Vec<_> = seen.iter().filter(|number| !distinct.insert(number.unsigned_abs())).collect();
        assert!(
            doubled.is_empty(),
            "seed {}: {} of {} rows are there twice: {doubled:?}",
            self.seed,
            doubled.len(),
            seen.len()
        );
        let lost: Vec<_> = promised.difference(&distinct).collect();
        assert!(lost.is_empty(), "seed {}: acknowledged and not there: {lost:?}", self.seed);
        let sent = self.next.load(Ordering::Relaxed);
        assert!(distinct.last().is_none_or(|last| *last < sent), "seed {}: rows that nobody sent", self.seed);
        let requests = distinct.iter().map(|number| number / PER_REQUEST).collect::<BTreeSet<_>>().len() as u64;
        assert_eq!(distinct.len() as u64, requests * PER_REQUEST, "seed {}: a request is there in part", self.seed);
    }

    /// The storm is over: everything is flushed, seen by its server, in the files, and out of the WAL.
    pub async fn finish(&self, stores: &[Arc<Store>]) {
        for faults in self.stores.lock().unwrap().iter() {
            faults.behave();
        }
        let all = self.stores.lock().unwrap().clone();
        for faults in all {
            faults.settle().await;
        }
        for store in stores {
            store.flush().await.unwrap_or_else(|error| panic!("seed {}: no flush in calm weather: {error}", self.seed));
            store.observe();
            let hot: i64 =
                Signal::ALL.iter().map(|signal| store.metrics().hot_rows.get_or_create(&(*signal).into()).get()).sum();
            assert_eq!(hot, 0, "seed {}: rows are hot after a flush", self.seed);
            let wal = store.metrics().wal_bytes.get();
            assert!(wal <= SEGMENT_HEADER_BYTES, "seed {}: {wal} bytes of the WAL are not let go of", self.seed);
            assert!(store.is_ready(), "seed {}: the store takes no more", self.seed);
        }
        let promised = self.acknowledged();
        for store in stores {
            store.follow().await;
            assert!(self.look(&engine(self.quiet_root()), store, &promised).await, "seed {}: no answer", self.seed);
        }
        let (root, tables) = (self.quiet_root(), self.cold().await);
        for (signal, state) in &tables {
            self.check_files(*signal, state).await;
        }
        let seen = numbers(&engine(root), Pinned(tables), &self.everything()).await.unwrap();
        self.check(&seen, &promised);
        for store in stores {
            store.close().await.unwrap();
        }
    }

    /// The tables as another program finds them.
    pub async fn cold(&self) -> Vec<(Signal, Arc<TableState>)> {
        let mut tables = Vec::new();
        for signal in Signal::ALL {
            let snapshot = LakeTable::new(&self.quiet_root(), signal).unwrap().load().await.unwrap().unwrap();
            tables.push((signal, Arc::new(TableState { snapshot, committed: WalSeq(0), hot: Vec::new() })));
        }
        tables
    }

    async fn check_files(&self, signal: Signal, state: &TableState) {
        for file in state.snapshot.files().iter() {
            let path = self.quiet_root().table_path(signal.table()).unwrap();
            let path = object_store::path::Path::from(format!("{path}/{}", file.path));
            let there = self.base.head(&path).await.unwrap();
            assert_eq!(there.size, file.size, "{path}");
        }
    }

    /// Every action of a table's commits.
    pub async fn actions(&self, table: &str) -> Vec<serde_json::Value> {
        let log = format!("{}/_delta_log", self.quiet_root().table_path(table).unwrap());
        let listing = self.base.list_with_delimiter(Some(&log.into())).await.unwrap();
        let mut commits: Vec<_> = listing.objects.into_iter().map(|object| object.location).collect();
        commits.retain(|path| path.as_ref().ends_with(".json"));
        commits.sort();
        let mut actions = Vec::new();
        for commit in commits {
            let body = self.base.get(&commit).await.unwrap().bytes().await.unwrap();
            let lines = std::str::from_utf8(&body).unwrap().lines();
            actions.extend(lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()));
        }
        actions
    }
}

/// Every number that a query answers.
pub async fn numbers(engine: &QueryEngine, pinned: Pinned, sql: &str) -> Result<Vec<i64>, Error> {
    let batches = engine.run(pinned, Question::new(sql), Supervision::default()).await?.collect().await?;
    Ok(batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect())
}

/// A query engine over a lake.
pub fn engine(root: LakeRoot) -> QueryEngine {
    let budget = QueryBudget {
        max_memory: 256 << 20,
        max_time: Duration::from_secs(60),
        max_rows: None,
        max_scan_bytes: None,
        footer_cache: 16 << 20,
        small_files: 16 << 20,
        span_slack: Duration::from_secs(3600),
    };
    let views = Arc::new(SqlObjects::built_in().unwrap());
    QueryEngine::new(root, &budget, views, QUERIES.handle().clone()).unwrap()
}

/// Settings of a writer that flushes after this time.
pub fn settings(wal_folder: PathBuf, flush_age: Duration, promoted: Vec<Promoted>) -> IngestSettings {
    IngestSettings {
        wal_folder,
        // Small segments, so that a release lets go of some while others stay.
        wal: WalSettings { segment_bytes: 16 << 10, ..WalSettings::default() },
        max_future: Duration::from_secs(SECONDS_A_DAY),
        flush_bytes: 64 << 20,
        flush_age,
        max_hot_bytes: 64 << 20,
        max_in_flight_bytes: 64 << 20,
        promoted,
        held: None,
    }
}
