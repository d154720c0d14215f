//! What a query may use, and what it is told when that is used up.
//!
//! ```text
//! memory   what operators reserve, from one pool that all queries share       QueryMemory
//! time     from the text to the last row that was taken                       engine.rs
//! rows     of the result                                                      engine.rs
//! bytes    what is asked of files for columns and bloom filters, compressed   ScanMeter
//! ```
//! Bytes are counted as they are read, whether a cache has them or not, so that a query that passes once passes again.
//! Nothing is refused beforehand: the log knows whole files, of which a query may need any part.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytesize::ByteSize;
use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

use crate::error::{Error, ErrorKind};

/// What a query may use.
#[derive(Debug, Clone)]
pub struct QueryBudget {
    /// Bytes of all running queries together; sorts and aggregations spill to disk before they reach it.
    pub max_memory: usize,
    /// Time of one query.
    pub max_time: Duration,
    /// Rows of one result, `None` for any number.
    pub max_rows: Option<u64>,
    /// Bytes that one query reads from files, `None` for any number.
    pub max_scan_bytes: Option<u64>,
    /// Bytes of the cache of Parquet footers.
    pub footer_cache: usize,
    /// Bytes of small files that are kept, of a lake on an object store.
    pub small_files: usize,
    /// How far outside of a span a log of it may lie.
    pub span_slack: Duration,
}

/// What the one who asks allows a query, within the budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Time, where it is less than the budget's.
    pub max_time: Option<Duration>,
    /// Rows of the result, where they are fewer than the budget's.
    pub max_rows: Option<u64>,
}

impl QueryBudget {
    /// Refuses limits that the budget does not hold.
    ///
    /// # Errors
    /// `Invalid`, naming the limit and the budget.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), Error> {
        if limits.max_time.is_some_and(|time| time > self.max_time) {
            let max = humantime::format_duration(self.max_time);
            return Err(Error::invalid(format!("max_time is more than [query] max_time, {max}; ask for less")));
        }
        if let (Some(asked), Some(max)) = (limits.max_rows, self.max_rows)
            && asked > max
        {
            return Err(Error::invalid(format!("max_rows is more than [query] max_rows, {max}; ask for fewer")));
        }
        Ok(())
    }

    /// The time that a query has.
    pub(super) fn time(&self, limits: &Limits) -> Duration {
        limits.max_time.unwrap_or(self.max_time)
    }

    /// What a query that ran too long is told.
    pub(super) fn out_of_time(&self, limits: &Limits) -> Error {
        let time = humantime::format_duration(self.time(limits));
        let whose = if limits.max_time.is_some() { "its own max_time" } else { "[query] max_time" };
        exceeded(format!("the query ran longer than {whose}, {time}; bound it by time or service, or raise max_time"))
    }

    /// What a query whose result has so many rows is told; `None` where it may have them.
    pub(super) fn too_many_rows(&self, limits: &Limits, rows: u64) -> Option<Error> {
        let max = limits.max_rows.or(self.max_rows).filter(|max| rows > *max)?;
        let whose = if limits.max_rows.is_some() { "its own max_rows" } else { "[query] max_rows" };
        Some(exceeded(format!(
            "the result has more rows than {whose}, {max}; add a LIMIT, aggregate, or raise max_rows"
        )))
    }
}

fn exceeded(message: String) -> Error {
    Error::new(ErrorKind::BudgetExceeded, message)
}

/// The bytes that one query has read from files, and may read.
#[derive(Debug)]
pub(super) struct ScanMeter {
    read: AtomicU64,
    max: Option<u64>,
}

impl ScanMeter {
    /// Nothing read yet.
    pub(super) const fn new(max: Option<u64>) -> Self {
        Self { read: AtomicU64::new(0), max }
    }

    /// Counts bytes that are about to be read.
    ///
    /// # Errors
    /// `BudgetExceeded` where they are too many; they must not be read then.
    pub(super) fn take(&self, bytes: u64) -> Result<(), Error> {
        self.read.fetch_add(bytes, Ordering::Relaxed);
        self.overdrawn().map_or(Ok(()), Err)
    }

    /// What a query that read too much is told; `None` where it did not.
    pub(super) fn overdrawn(&self) -> Option<Error> {
        let max = self.max.filter(|max| self.read.load(Ordering::Relaxed) > *max)?;
        Some(exceeded(format!(
            "the query reads more from files than [query] max_scan_bytes, {}; bound it by time or service, name fewer \
             columns, look with EXPLAIN at what it reads, or raise max_scan_bytes",
            ByteSize(max)
        )))
    }
}

/// The memory of one query, taken from the pool that all share.
#[derive(Debug)]
pub(super) struct QueryMemory {
    shared: Arc<dyn MemoryPool>,
    held: AtomicUsize,
}

impl QueryMemory {
    /// Nothing taken yet.
    pub(super) const fn new(shared: Arc<dyn MemoryPool>) -> Self {
        Self { shared, held: AtomicUsize::new(0) }
    }

    fn refusal(&self, reservation: &MemoryReservation, additional: usize) -> DataFusionError {
        let size = |bytes: usize| ByteSize(bytes as u64);
        let held = self.held.load(Ordering::Relaxed);
        let others = self.shared.reserved().saturating_sub(held);
        let max = match self.shared.memory_limit() {
            MemoryLimit::Finite(max) => size(max).to_string(),
            MemoryLimit::Infinite | MemoryLimit::Unknown => "unknown".to_owned(),
        };
        // `HashJoinInput[3]`: which of its partitions does not matter.
        let operator = reservation.consumer().name().split('[').next().unwrap_or_default();
        DataFusionError::ResourcesExhausted(format!(
            "the query needs more memory than [query] max_memory, {max} for all queries: {operator} asked for {} with \
             {} in use by this query and {} by others; bound it by time or service, name fewer columns, or raise \
             max_memory",
            size(additional),
            size(held),
            size(others)
        ))
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.shared.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.shared.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.shared.grow(reservation, additional);
        self.held.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.shared.shrink(reservation, shrink);
        self.held.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> datafusion::common::Result<()> {
        match self.shared.try_grow(reservation, additional) {
            Ok(()) => {
                self.held.fetch_add(additional, Ordering::Relaxed);
                Ok(())
            }
            // The same variant: an operator that can spill does so when it sees it.
            Err(DataFusionError::ResourcesExhausted(_)) => Err(self.refusal(reservation, additional)),
            Err(error) => Err(error),
        }
    }

    fn reserved(&self) -> usize {
        self.shared.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.shared.memory_limit()
    }
}
