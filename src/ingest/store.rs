//! A lake open for writing: the WAL, the tables, and what moves rows from the one to the others.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::flusher::Flusher;
use super::indexing::keep_indexed;
use super::replay::replay;
use super::request::{IngestReply, IngestRequest};
use crate::buffer::{BufferedTable, TableState};
use crate::erasure::{Held, Sifted, StandingErasures};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, LakeTable, Registration, TableSnapshot, WriterKind, write_readme};
use crate::metrics::{ByReason, Metrics};
use crate::model::promoted::Promoted;
use crate::model::signal::Signal;
use crate::otlp::{DecodeError, DecodeReport, RequestMeta, decode};
use crate::trace_index::{INDEXER_SHARE, Indexer};
use crate::wal::{Group, OpenedWal, RecordHeader, Wal, WalError, WalSeq, WalSettings, WriterId};

/// Rejections that a reply's message spells out.
const SPELLED_OUT: usize = 3;

/// How often it is looked for erasures that were installed or lifted by others.
const ERASURES_EVERY: Duration = Duration::from_secs(2);

/// How a store takes and flushes.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// The WAL's folder.
    pub wal_folder: PathBuf,
    /// The WAL's limits.
    pub wal: WalSettings,
    /// How far past its arrival a record's time may lie.
    pub max_future: Duration,
    /// A table is flushed when it holds this many hot bytes.
    pub flush_bytes: usize,
    /// A table is flushed when a row has been hot for this long.
    pub flush_age: Duration,
    /// Hot bytes of all tables at which requests are told to come again later.
    pub max_hot_bytes: usize,
    /// Bytes of requests being decoded at once, at which others are told to come again later.
    pub max_in_flight_bytes: usize,
    /// The promoted columns.
    pub promoted: Vec<Promoted>,
    /// What standing erasures let through all the same.
    pub held: Option<Arc<dyn Held>>,
}

/// Rows on their way through the WAL to their table.
type Prepared = (Signal, RecordBatch);

/// A lake open for writing.
#[derive(Debug)]
pub struct Store {
    root: LakeRoot,
    settings: IngestSettings,
    wal: Wal<Prepared>,
    flushers: [Arc<Flusher>; 3],
    published: Arc<AtomicU64>,
    in_flight: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    registration: Arc<Registration>,
    erasures: Arc<StandingErasures>,
    /// Whether a request that is partly erased is in the WAL's active segment.
    wal_has_erased: AtomicBool,
    closing: AtomicBool,
    /// Set when a flush task dies, which is a bug: rows would pile up behind it.
    broken: Arc<AtomicBool>,
    cancelled: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
}

impl Store {
    /// Opens a lake for writing: makes what is missing, replays the WAL, and starts the flushes.
    ///
    /// Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// `Config` where the WAL is open elsewhere or the folder can't be used, `Damaged` where the WAL or a table is,
    /// `Unavailable` where the store does not answer.
    pub async fn open(root: LakeRoot, settings: IngestSettings, metrics: Arc<Metrics>) -> Result<Arc<Self>> {
        let opened = {
            let (folder, wal) = (settings.wal_folder.clone(), settings.wal.clone());
            tokio::task::block_in_place(|| OpenedWal::open(&folder, wal)).map_err(open_error)?
        };
        write_readme(&root).await?;
        // Before anything is read that others may change on account of there being no writer.
        let writer = opened.writer_id().to_string();
        let registration = Arc::new(Registration::begin(&root, &writer, WriterKind::Server).await?);
        let store = Self::open_registered(root, settings, metrics, opened, Arc::clone(&registration)).await;
        if store.is_err() {
            registration.end().await;
        }
        store
    }

    async fn open_registered(
        root: LakeRoot,
        settings: IngestSettings,
        metrics: Arc<Metrics>,
        opened: OpenedWal,
        registration: Arc<Registration>,
    ) -> Result<Arc<Self>> {
        let erasures = Arc::new(StandingErasures::open(&root, settings.held.clone()).await?);
        registration.obeys(erasures.pin().last()).await?;
        let writer = opened.writer_id();
        let mut flushers = Vec::with_capacity(Signal::ALL.len());
        for signal in Signal::ALL {
            let lake = LakeTable::new(&root, signal)?;
            let snapshot = lake.load_or_create(&settings.promoted).await?;
            let app_id = format!("writer/{writer}/{signal}");
            let committed = lake.committed(&snapshot, &app_id).await?.and_then(|version| u64::try_from(version).ok());
            let table = Arc::new(BufferedTable::new(lake, snapshot, WalSeq(committed.unwrap_or(0))));
            flushers.push(Arc::new(Flusher::new(
                table,
                app_id,
                settings.flush_bytes,
                settings.flush_age,
                Arc::clone(&erasures),
                Arc::clone(&metrics),
            )));
        }
        let flushers: [Arc<Flusher>; 3] =
            flushers.try_into().map_err(|_| Error::internal("not one flusher a signal"))?;
        let replayed = replay(&opened, &flushers, &erasures, &metrics).await?;
        if replayed > 0 {
            tracing::info!(requests = replayed, "took up what the last run had not flushed");
        }
        let floor = flushers.iter().map(|flusher| flusher.table().pin().committed).max().unwrap_or(WalSeq(0));
        let published = Arc::new(AtomicU64::new(opened.last_seq().max(floor).0));
        let sink = sink(&flushers, Arc::clone(&published));
        let wal = opened.start(floor, sink).map_err(open_error)?;
        let in_flight = Arc::new(Semaphore::new(settings.max_in_flight_bytes.min(Semaphore::MAX_PERMITS)));
        let store = Arc::new(Self {
            root,
            settings,
            wal,
            flushers,
            published,
            in_flight,
            metrics,
            registration,
            erasures,
            wal_has_erased: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            broken: Arc::new(AtomicBool::new(false)),
            cancelled: CancellationToken::new(),
            tasks: Mutex::new(JoinSet::new()),
        });
        store.release().await;
        store.start_flushers().await;
        store.start_obeying().await;
        store.start_indexing().await?;
        Ok(store)
    }

    async fn start_flushers(self: &Arc<Self>) {
        let mut tasks = self.tasks.lock().await;
        for flusher in &self.flushers {
            let (keeper, cancelled) = (Arc::clone(flusher), self.cancelled.clone());
            tasks.spawn(async move { _ = cancelled.run_until_cancelled_owned(keeper.keep_checkpoints()).await });
            // Weak: the task must not keep the store alive.
            let (flusher, store) = (Arc::clone(flusher), Arc::downgrade(self));
            let cancelled = self.cancelled.clone();
            let watch = DeathWatch(Arc::clone(&self.broken));
            tasks.spawn(async move {
                let _watch = watch;
                while flusher.flush_when_due(&cancelled).await {
                    if let Some(store) = store.upgrade() {
                        store.release().await;
                    }
                }
            });
        }
    }

    /// Follows the erasures that others install and lift.
    async fn start_obeying(self: &Arc<Self>) {
        let (store, cancelled) = (Arc::downgrade(self), self.cancelled.clone());
        let work = async move {
            loop {
                tokio::time::sleep(ERASURES_EVERY).await;
                let Some(store) = store.upgrade() else { return };
                if let Err(error) = store.obey().await {
                    tracing::warn!(%error, "the standing erasures can't be followed; it is tried again");
                }
            }
        };
        self.tasks.lock().await.spawn(async move { _ = cancelled.run_until_cancelled_owned(work).await });
    }

    /// Takes up the standing erasures of the lake. Answers up to which one all that is committed from now on obeys them;
    /// less than was installed where a flush is still to be committed that was written before.
    ///
    /// # Errors
    /// `Unavailable` where the lake does not answer, `Damaged` where the erasures can't be read; those known are obeyed.
    pub async fn obey(&self) -> Result<u64> {
        self.erasures.refresh().await?;
        let last = self.erasures.pin().last();
        for flusher in &self.flushers {
            if !flusher.obeys(last).await {
                return Ok(self.registration.card().await.map_or(0, |card| card.erasures));
            }
        }
        self.registration.obeys(last).await?;
        Ok(last)
    }

    /// This writer's card in the lake.
    pub const fn registration(&self) -> &Arc<Registration> {
        &self.registration
    }

    /// Keeps the trace index, in the background: a lake is whole without.
    async fn start_indexing(&self) -> Result<()> {
        let indexer = Indexer::new(&self.root, self.settings.max_hot_bytes / INDEXER_SHARE)?;
        let tables = self.flushers.each_ref().map(|flusher| Arc::clone(flusher.table()));
        let work = keep_indexed(indexer, tables, Arc::clone(&self.metrics));
        let cancelled = self.cancelled.clone();
        self.tasks.lock().await.spawn(async move { _ = cancelled.run_until_cancelled_owned(work).await });
        Ok(())
    }

    /// The lake's root.
    pub const fn root(&self) -> &LakeRoot {
        &self.root
    }

    /// The id of its write-ahead log.
    pub fn writer_id(&self) -> WriterId {
        self.wal.writer_id()
    }

    /// What the store counts.
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Every table now, for one query.
    pub fn pin(&self) -> Vec<(Signal, Arc<TableState>)> {
        Signal::ALL.iter().zip(&self.flushers).map(|(signal, flusher)| (*signal, flusher.table().pin())).collect()
    }

    /// The committed part of a table now.
    pub fn snapshot(&self, signal: Signal) -> TableSnapshot {
        self.flushers[signal.index()].table().pin().snapshot.clone()
    }

    /// Whether requests are taken.
    pub fn is_ready(&self) -> bool {
        let stopped = self.closing.load(Ordering::Acquire) || self.broken.load(Ordering::Acquire);
        !stopped
            && !self.registration.is_taken()
            && !self.wal.is_poisoned()
            && !self.flushers.iter().any(|flusher| flusher.is_broken())
    }

    /// Takes one request. When it returns `Ok`, every record that is not in `rejected` is durable and visible.
    ///
    /// Cancel-safe: a dropped call may still store the request; sent again it is a repeat.
    ///
    /// # Errors
    /// `Invalid` for bytes that are no such request, `TooLarge`, `Unavailable` where a bound is reached.
    pub async fn ingest(&self, request: IngestRequest) -> Result<IngestReply> {
        let labels = request.signal.into();
        self.metrics.received_requests.get_or_create(&labels).inc();
        self.metrics.received_bytes.get_or_create(&labels).inc_by(request.body.len() as u64);
        let outcome = self.take(&request).await;
        if let Err(error) = &outcome {
            let labels = ByReason { signal: request.signal.table(), reason: refusal(error.kind()) };
            self.metrics.refused_requests.get_or_create(&labels).inc();
        }
        outcome
    }

    async fn take(&self, request: &IngestRequest) -> Result<IngestReply> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::unavailable("the server is stopping; send again to the next one"));
        }
        if !self.is_ready() {
            return Err(Error::unavailable("the server can store no more; its log says why"));
        }
        let in_flight = self.admit(request)?;
        let now = chrono::Utc::now().timestamp_micros();
        let future = i64::try_from(self.settings.max_future.as_micros()).unwrap_or(i64::MAX);
        let latest_time = now.saturating_add(future);
        let signal = request.signal;
        // The permit goes with the work: a caller that gives up leaves both to the thread that decodes.
        let (decoded, erased, request_id, _in_flight) = {
            let (request, erasures) = (request.clone(), Arc::clone(&self.erasures));
            tokio::task::spawn_blocking(move || {
                let meta = RequestMeta {
                    ingest_time: now,
                    latest_time,
                    source: request.source,
                    principal: request.principal.as_deref(),
                };
                let mut decoded =
                    decode(request.signal, request.encoding, &request.body, &meta).map_err(|error: DecodeError| {
                        Error::invalid(format!("this is no OTLP {signal} request")).with_source(error)
                    })?;
                let Sifted { batch, erased } = erasures.sift(&erasures.pin(), request.signal, decoded.batch)?;
                decoded.batch = batch;
                Ok::<_, Error>((decoded, erased, request.id(), in_flight))
            })
            .await
            .map_err(|error| Error::internal("a decoding thread died").with_source(error))??
        };
        // To the sender they are taken: it has nothing to send again.
        self.metrics.erased_records.get_or_create(&signal.into()).inc_by(erased as u64);
        let stored = decoded.batch.num_rows();
        let mut reply = IngestReply {
            stored,
            rejected: decoded.report.rejections.len() as u64,
            message: rejection_message(request.signal, &decoded.report),
            repeat: false,
        };
        if stored > 0 {
            let header = RecordHeader {
                signal: request.signal,
                encoding: request.encoding,
                source: request.source.to_owned(),
                principal: request.principal.clone(),
                ingest_time_micros: now,
                latest_time_micros: latest_time,
                request_id,
                rejected: u32::try_from(reply.rejected).unwrap_or(u32::MAX),
            };
            let appended =
                self.wal.append(&header, request.body.clone(), (request.signal, decoded.batch)).await.map_err(
                    |error| {
                        if matches!(error, WalError::Full { .. }) {
                            // Only a flush of every table that holds rows lets go of the log.
                            self.flushers.iter().for_each(|flusher| flusher.hurry());
                        }
                        append_error(error)
                    },
                )?;
            if appended.repeat {
                self.metrics.repeated_requests.get_or_create(&request.signal.into()).inc();
                reply.repeat = true;
                reply.rejected = appended.rejected.into();
                return Ok(reply);
            }
            if erased > 0 {
                self.wal_has_erased.store(true, Ordering::Release);
            }
            let flusher = &self.flushers[request.signal.index()];
            if flusher.is_due() {
                flusher.wake();
            }
        }
        self.count(request.signal, stored, &decoded.report);
        Ok(reply)
    }

    /// Room for a request's bytes, or "come again later".
    fn admit(&self, request: &IngestRequest) -> Result<tokio::sync::OwnedSemaphorePermit> {
        let hot: usize = self.flushers.iter().map(|flusher| flusher.table().pin().hot_bytes()).sum();
        if hot >= self.settings.max_hot_bytes {
            self.flushers.iter().for_each(|flusher| flusher.hurry());
            return Err(Error::unavailable(format!(
                "{hot} bytes wait to be flushed, the bound is {}; send again in two seconds",
                self.settings.max_hot_bytes
            )));
        }
        let bytes = u32::try_from(request.body.len().min(self.settings.max_in_flight_bytes)).unwrap_or(u32::MAX);
        Arc::clone(&self.in_flight).try_acquire_many_owned(bytes).map_err(|_| {
            Error::unavailable(format!(
                "{} bytes of requests are being taken, the bound is reached; send again in two seconds",
                self.settings.max_in_flight_bytes
            ))
        })
    }

    fn count(&self, signal: Signal, stored: usize, report: &DecodeReport) {
        let labels = signal.into();
        self.metrics.stored_records.get_or_create(&labels).inc_by(stored as u64);
        self.metrics.nulled_ids.get_or_create(&labels).inc_by(report.nulled_ids);
        self.metrics.duplicate_keys.get_or_create(&labels).inc_by(report.duplicate_keys);
        self.metrics.entity_refs.get_or_create(&labels).inc_by(report.entity_refs);
        for rejection in &report.rejections {
            let labels = ByReason { signal: signal.table(), reason: rejection.reason.name() };
            self.metrics.rejected_records.get_or_create(&labels).inc();
        }
    }

    /// Commits every row that is visible now.
    ///
    /// # Errors
    /// `Unavailable` where the lake did not answer for one of the tables.
    pub async fn flush(&self) -> Result<()> {
        let outcomes = futures::future::join_all(self.flushers.iter().map(|flusher| flusher.flush())).await;
        self.release().await;
        outcomes.into_iter().collect()
    }

    /// Commits every row that is visible now, and lets go of every byte of theirs in the WAL.
    ///
    /// # Errors
    /// As [`Self::flush`]; `Unavailable` where the WAL takes no more work.
    pub async fn flush_and_forget(&self) -> Result<()> {
        self.wal.turn_over().await.map_err(append_error)?;
        self.flush().await
    }

    /// Brings every table up to what others have committed, now instead of within seconds.
    pub async fn follow(&self) {
        futures::future::join_all(self.flushers.iter().map(|flusher| flusher.follow_others())).await;
    }

    /// Lets go of the WAL's segments that every table has passed.
    async fn release(&self) {
        // Such a request's bytes do not wait until the segment is full.
        let left_out = self.flushers.iter().filter(|flusher| flusher.has_left_out()).count() > 0;
        if (self.wal_has_erased.swap(false, Ordering::AcqRel) || left_out)
            && let Err(error) = self.wal.turn_over().await
        {
            tracing::warn!(%error, "a segment of the write-ahead log was not ended early");
        }
        // Read first: what is published later has a higher sequence.
        let published = WalSeq(self.published.load(Ordering::Acquire));
        let unflushed = self.flushers.iter().filter_map(|flusher| {
            let first = flusher.table().pin().hot.first()?.first;
            Some(WalSeq(first.0.saturating_sub(1)))
        });
        let passed = unflushed.fold(published, WalSeq::min);
        match self.wal.release(passed).await {
            Ok(()) | Err(WalError::Closed) => {}
            Err(error) => tracing::warn!(%error, "the write-ahead log could not be released"),
        }
    }

    /// Brings the gauges up to date.
    pub fn observe(&self) {
        for (signal, state) in self.pin() {
            let labels = signal.into();
            self.metrics.hot_rows.get_or_create(&labels).set(gauge(state.hot_rows()));
            self.metrics.hot_bytes.get_or_create(&labels).set(gauge(state.hot_bytes()));
            self.metrics.live_files.get_or_create(&labels).set(gauge(state.snapshot.files().len()));
            let version = i64::try_from(state.snapshot.version()).unwrap_or(i64::MAX);
            self.metrics.table_version.get_or_create(&labels).set(version);
        }
        let wal = self.wal.stats();
        self.metrics.wal_bytes.set(i64::try_from(wal.unreleased_bytes).unwrap_or(i64::MAX));
        self.metrics.wal_segments.set(gauge(wal.segments));
        self.metrics.wal_pending_records.set(gauge(wal.pending_records));
        self.metrics.wal_fsyncs.set(i64::try_from(wal.group_commits).unwrap_or(i64::MAX));
    }

    /// Refuses new requests, flushes what there is, and lets go of the WAL.
    ///
    /// # Errors
    /// `Unavailable` where a flush failed; its rows are in the WAL and come back at the next start.
    pub async fn close(&self) -> Result<()> {
        self.closing.store(true, Ordering::Release);
        self.cancelled.cancel();
        let mut tasks = self.tasks.lock().await;
        while tasks.join_next().await.is_some() {}
        // Until the log is closed no other process can replay it: every flush comes before.
        while self.wal.stats().pending_records > 0 && !self.wal.is_poisoned() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let flushed = self.flush().await;
        self.wal.close().await.map_err(append_error)?;
        self.registration.end().await;
        flushed
    }
}

/// Tells of the task that it is dropped by, if that dies of a panic.
struct DeathWatch(Arc<AtomicBool>);

impl Drop for DeathWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Release);
        }
    }
}

/// What the WAL does with a group once it is durable: one swap a table, in the order of the sequences.
fn sink(flushers: &[Arc<Flusher>; 3], published: Arc<AtomicU64>) -> impl FnMut(Group<Prepared>) + Send + 'static {
    let tables = flushers.each_ref().map(|flusher| Arc::clone(flusher.table()));
    move |group: Group<Prepared>| {
        let mut by_table: [Vec<(WalSeq, RecordBatch)>; 3] = Default::default();
        let mut last = WalSeq(0);
        for (seq, (signal, batch)) in group.records {
            by_table[signal.index()].push((seq, batch));
            last = seq;
        }
        for (table, records) in tables.iter().zip(by_table) {
            if !records.is_empty()
                && let Err(error) = table.publish(records)
            {
                // The WAL takes the panic for what it is: durable records that can't be shown. It is poisoned.
                panic!("{error}");
            }
        }
        published.store(last.0, Ordering::Release);
    }
}

fn rejection_message(signal: Signal, report: &DecodeReport) -> String {
    let total = report.rejections.len();
    if total == 0 {
        return String::new();
    }
    let spelled: Vec<String> = report
        .rejections
        .iter()
        .take(SPELLED_OUT)
        .map(|rejection| format!("record {}: {}", rejection.record, rejection.detail))
        .collect();
    let more = if total > SPELLED_OUT { format!("; and {} more", total - SPELLED_OUT) } else { String::new() };
    format!("{total} {} rejected: {}{more}", signal.records(), spelled.join("; "))
}

const fn refusal(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "malformed",
        ErrorKind::TooLarge => "too_large",
        ErrorKind::Unavailable => "unavailable",
        _ => "failed",
    }
}

fn open_error(error: WalError) -> Error {
    let kind = match &error {
        WalError::Damaged { .. } | WalError::SequencesExhausted { .. } => ErrorKind::Damaged,
        _ => ErrorKind::Config,
    };
    Error::new(kind, error.to_string())
}

fn append_error(error: WalError) -> Error {
    let kind = match &error {
        WalError::TooLarge { .. } => ErrorKind::TooLarge,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, error.to_string())
}

fn gauge(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
