//! What the program counts about itself, in Prometheus' text format at `/metrics`.
//!
//! Nothing is dropped in silence: every record that was not stored is in `telestrata_rejected_records_total` with
//! its reason, every loss that OTLP does not report in a counter of its own.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::model::signal::Signal;

/// Labels of what is counted by signal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySignal {
    /// The signal's table.
    pub signal: &'static str,
}

/// Labels of what is counted by signal and reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    /// The signal's table.
    pub signal: &'static str,
    /// Why, in snake case.
    pub reason: &'static str,
}

/// Labels of what is counted by outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByOutcome {
    /// `ok` or the kind of the error.
    pub outcome: &'static str,
}

/// Labels of what is counted by door.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByDoor {
    /// The door, as the list of running queries names it.
    pub door: &'static str,
    /// The kind of the error.
    pub reason: &'static str,
}

/// Labels of what is counted by background job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByJob {
    /// The kind of job, as `system.jobs` names it.
    pub job: &'static str,
    /// The table that it works on, empty where it works on all.
    pub table: &'static str,
}

/// What is asked of an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(missing_docs, reason = "HTTP's and S3's own words")]
pub enum StoreOperation {
    Get,
    Head,
    Put,
    List,
    Delete,
}

/// Labels of what is counted by operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByOperation {
    /// The operation.
    pub operation: StoreOperation,
}

/// Requests to an object store, and the bytes they carried. Cloned, it counts into the same counters.
#[derive(Debug, Clone, Default)]
pub struct StoreRequests {
    requests: Family<ByOperation, Counter>,
    bytes: Family<ByOperation, Counter>,
}

impl StoreRequests {
    /// Counts one request.
    pub fn count(&self, operation: StoreOperation, bytes: u64) {
        let labels = ByOperation { operation };
        self.requests.get_or_create(&labels).inc();
        self.bytes.get_or_create(&labels).inc_by(bytes);
    }
}

impl From<Signal> for BySignal {
    fn from(signal: Signal) -> Self {
        Self { signal: signal.table() }
    }
}

type SecondsBySignal = Family<BySignal, Histogram, fn() -> Histogram>;

/// Every counter and gauge.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests that arrived whole.
    pub received_requests: Family<BySignal, Counter>,
    /// Their bytes, decompressed.
    pub received_bytes: Family<BySignal, Counter>,
    /// Requests answered as a repeat of one stored before.
    pub repeated_requests: Family<BySignal, Counter>,
    /// Requests refused whole, by reason.
    pub refused_requests: Family<ByReason, Counter>,
    /// Records stored.
    pub stored_records: Family<BySignal, Counter>,
    /// Records that a standing erasure let not in, or not on.
    pub erased_records: Family<BySignal, Counter>,
    /// Records rejected, by reason.
    pub rejected_records: Family<ByReason, Counter>,
    /// Trace and span ids that were not valid and became NULL.
    pub nulled_ids: Family<BySignal, Counter>,
    /// Attribute keys that came twice in one record, of which the last was kept.
    pub duplicate_keys: Family<BySignal, Counter>,
    /// Entity references, which are not kept.
    pub entity_refs: Family<BySignal, Counter>,
    /// Time from a flush's start to its commit.
    pub flush_seconds: SecondsBySignal,
    /// Time of the commit alone.
    pub commit_seconds: SecondsBySignal,
    /// Rows flushed.
    pub flushed_rows: Family<BySignal, Counter>,
    /// Parquet bytes written by flushes.
    pub flushed_bytes: Family<BySignal, Counter>,
    /// Flushes that failed and will be tried again.
    pub failed_flushes: Family<BySignal, Counter>,
    /// Data files that came into the trace index.
    pub indexed_files: Counter,
    /// Steps of the trace index that failed and will be tried again.
    pub failed_index_steps: Counter,
    /// Live data files that are not in the trace index.
    pub unindexed_files: Gauge,
    /// Rows in memory.
    pub hot_rows: Family<BySignal, Gauge>,
    /// Bytes in memory.
    pub hot_bytes: Family<BySignal, Gauge>,
    /// Live files.
    pub live_files: Family<BySignal, Gauge>,
    /// Delta version.
    pub table_version: Family<BySignal, Gauge>,
    /// Bytes of the WAL that are not released.
    pub wal_bytes: Gauge,
    /// Segments of the WAL.
    pub wal_segments: Gauge,
    /// Appends that wait for their fsync.
    pub wal_pending_records: Gauge,
    /// fsyncs of the WAL.
    pub wal_fsyncs: Gauge,
    /// Queries, by outcome.
    pub queries: Family<ByOutcome, Counter>,
    /// Time from a query's text to its last row.
    pub query_seconds: Histogram,
    /// Queries that are running.
    pub running_queries: Gauge,
    /// Callers whose credentials were not enough for a door.
    pub refused_callers: Family<ByDoor, Counter>,
    /// Runs of background jobs that ended with an error, or parts of runs.
    pub job_failures: Family<ByJob, Counter>,
    /// When a background job last did all that was to be done, in seconds since 1970.
    pub job_last_success: Family<ByJob, Gauge>,
    /// Bytes of files that background jobs have replaced by others.
    pub job_rewritten_bytes: Family<ByJob, Counter>,
    /// Bytes of files that wait for compaction.
    pub compaction_pending_bytes: Family<BySignal, Gauge>,
    /// Bytes that background jobs have read from the lake and written to it.
    pub background_bytes: Counter,
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
}

impl Metrics {
    /// Everything at 0 but `store`, which the lake's store counts into.
    pub fn new(store: &StoreRequests) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("telestrata"),
            received_requests: Family::default(),
            received_bytes: Family::default(),
            repeated_requests: Family::default(),
            refused_requests: Family::default(),
            stored_records: Family::default(),
            erased_records: Family::default(),
            rejected_records: Family::default(),
            nulled_ids: Family::default(),
            duplicate_keys: Family::default(),
            entity_refs: Family::default(),
            flush_seconds: Family::new_with_constructor(seconds),
            commit_seconds: Family::new_with_constructor(seconds),
            flushed_rows: Family::default(),
            flushed_bytes: Family::default(),
            failed_flushes: Family::default(),
            indexed_files: Counter::default(),
            failed_index_steps: Counter::default(),
            unindexed_files: Gauge::default(),
            hot_rows: Family::default(),
            hot_bytes: Family::default(),
            live_files: Family::default(),
            table_version: Family::default(),
            wal_bytes: Gauge::default(),
            wal_segments: Gauge::default(),
            wal_pending_records: Gauge::default(),
            wal_fsyncs: Gauge::default(),
            queries: Family::default(),
            query_seconds: seconds(),
            running_queries: Gauge::default(),
            refused_callers: Family::default(),
            job_failures: Family::default(),
            job_last_success: Family::default(),
            job_rewritten_bytes: Family::default(),
            compaction_pending_bytes: Family::default(),
            background_bytes: Counter::default(),
        };
        metrics.register(store);
        metrics
    }

    fn register(&mut self, store: &StoreRequests) {
        let mut registry = Registry::with_prefix("telestrata");
        registry.register("received_requests", "OTLP requests that arrived whole", self.received_requests.clone());
        registry.register_with_unit("received", "OTLP payload, decompressed", Unit::Bytes, self.received_bytes.clone());
        registry.register(
            "repeated_requests",
            "requests answered as a repeat of one stored before",
            self.repeated_requests.clone(),
        );
        registry.register("refused_requests", "requests refused whole", self.refused_requests.clone());
        registry.register("stored_records", "records stored", self.stored_records.clone());
        registry.register("erased_records", "records that a standing erasure kept out", self.erased_records.clone());
        registry.register("rejected_records", "records rejected alone", self.rejected_records.clone());
        registry.register("nulled_ids", "invalid trace and span ids stored as NULL", self.nulled_ids.clone());
        registry.register("duplicate_keys", "attribute keys that came twice in a record", self.duplicate_keys.clone());
        registry.register("entity_refs", "entity references, which are not kept", self.entity_refs.clone());
        registry.register_with_unit(
            "flush",
            "time from a flush's start to its commit",
            Unit::Seconds,
            self.flush_seconds.clone(),
        );
        registry.register_with_unit("commit", "time of a Delta commit", Unit::Seconds, self.commit_seconds.clone());
        registry.register("flushed_rows", "rows flushed", self.flushed_rows.clone());
        registry.register_with_unit("flushed", "Parquet written by flushes", Unit::Bytes, self.flushed_bytes.clone());
        // There before the first one, so that an alert on its increase sees that one too.
        for signal in Signal::ALL {
            let _ = self.failed_flushes.get_or_create(&signal.into());
        }
        registry.register("failed_flushes", "flushes that failed and are tried again", self.failed_flushes.clone());
        registry.register("indexed_files", "data files put into the trace index", self.indexed_files.clone());
        registry.register(
            "failed_index_steps",
            "steps of the trace index that failed and are tried again",
            self.failed_index_steps.clone(),
        );
        registry.register(
            "unindexed_files",
            "live data files that are not in the trace index",
            self.unindexed_files.clone(),
        );
        registry.register("hot_rows", "rows in memory", self.hot_rows.clone());
        registry.register_with_unit("hot", "memory of rows not yet flushed", Unit::Bytes, self.hot_bytes.clone());
        registry.register("live_files", "live Parquet files", self.live_files.clone());
        registry.register("table_version", "Delta version", self.table_version.clone());
        registry.register_with_unit("wal", "write-ahead log not yet released", Unit::Bytes, self.wal_bytes.clone());
        registry.register("wal_segments", "segments of the write-ahead log", self.wal_segments.clone());
        registry.register("wal_pending_records", "appends that wait for their fsync", self.wal_pending_records.clone());
        registry.register("wal_fsyncs", "fsyncs of the write-ahead log since the start", self.wal_fsyncs.clone());
        registry.register("queries", "queries by outcome", self.queries.clone());
        registry.register_with_unit("query", "time of a query", Unit::Seconds, self.query_seconds.clone());
        registry.register("running_queries", "queries that are running", self.running_queries.clone());
        registry.register("refused_callers", "callers whose credentials were not enough", self.refused_callers.clone());
        registry.register(
            "job_failures",
            "runs of background jobs, or parts of them, that failed and are tried again",
            self.job_failures.clone(),
        );
        registry.register_with_unit(
            "job_last_success_timestamp",
            "when a background job last did all that was to be done",
            Unit::Seconds,
            self.job_last_success.clone(),
        );
        registry.register_with_unit(
            "job_rewritten",
            "files that background jobs replaced by others",
            Unit::Bytes,
            self.job_rewritten_bytes.clone(),
        );
        registry.register_with_unit(
            "compaction_pending",
            "files that wait for compaction",
            Unit::Bytes,
            self.compaction_pending_bytes.clone(),
        );
        registry.register_with_unit(
            "background",
            "what background jobs read from the lake and wrote to it",
            Unit::Bytes,
            self.background_bytes.clone(),
        );
        registry.register("store_requests", "requests to the object store", store.requests.clone());
        registry.register_with_unit("store", "bytes that its requests carried", Unit::Bytes, store.bytes.clone());
        self.registry = registry;
    }

    /// Every metric in Prometheus' text format (OpenMetrics).
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(&StoreRequests::default())
    }
}
