//! Compaction while a server runs: looks at the files that queries see, and merges what has become many.
//!
//! Several servers of one lake find the same work at about the same time. Each waits with a date for a time between
//! none and two looks that follows from its writer id, the table and the date; who comes first merges, and the others
//! find it done when they look again right before they begin. That costs up to two looks of delay, and nothing else
//! while one is much faster than another; where two begin at once, the second's merge is given up at its commit
//! (invariant 6), and its files are left for vacuum.
//!
//! A date that fails is tried again later each time and does not hold up the others. Where the store itself does not
//! answer, the run ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::NaiveDate;
use xxhash_rust::xxh3::xxh3_64;

use super::backoff::pause;
use super::job::{Job, JobContext, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeTable, TableSnapshot};
use crate::maintenance::{CompactionSettings, Compactor, DateReport, JobKind, LedgerEntry, Pending};
use crate::metrics::Metrics;
use crate::model::signal::Signal;
use crate::wal::WriterId;

/// Dates in a row for which the store did not answer; then it is taken for gone.
const DATES_WITHOUT_STORE: u64 = 3;

/// The snapshot of a table that a server's queries see; `None` once the server is gone.
pub type Snapshots = Arc<dyn Fn(Signal) -> Option<TableSnapshot> + Send + Sync>;

/// Compacts one table.
pub struct CompactionJob {
    signal: Signal,
    settings: CompactionSettings,
    every: Duration,
    writer: WriterId,
    snapshots: Snapshots,
    metrics: Arc<Metrics>,
    table: Option<LakeTable>,
    waiting: HashMap<String, Waiting>,
    /// The version and the day at which nothing was to be done.
    done: Option<(u64, NaiveDate)>,
}

/// A date that has something to merge.
#[derive(Debug)]
struct Waiting {
    due: Instant,
    failed: u32,
    error: Option<String>,
}

impl fmt::Debug for CompactionJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompactionJob").field("signal", &self.signal).finish_non_exhaustive()
    }
}

impl CompactionJob {
    /// A job for a table, looking every so often, for the server with this write-ahead log.
    pub fn new(
        signal: Signal,
        settings: CompactionSettings,
        every: Duration,
        writer: WriterId,
        snapshots: Snapshots,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (waiting, settings) = (HashMap::new(), settings.of(signal));
        Self { signal, settings, every, writer, snapshots, metrics, table: None, waiting, done: None }
    }

    /// Takes up the dates that have something to merge, lets go of those that have nothing any more, and answers those
    /// that are due: today first, which must keep up, then the first first.
    fn due(&mut self, pending: &[Pending], today: &str, now: Instant) -> Vec<String> {
        self.waiting.retain(|date, _| pending.iter().any(|pending| pending.date == *date));
        for Pending { date, .. } in pending {
            if !self.waiting.contains_key(date) {
                let due = now + delay(self.writer, self.signal, date, self.every);
                self.waiting.insert(date.clone(), Waiting { due, failed: 0, error: None });
            }
        }
        let mut due: Vec<_> = self.waiting.iter().filter(|(_, waiting)| waiting.due <= now).collect();
        due.sort_by_key(|(date, waiting)| (*date != today, waiting.due));
        due.into_iter().map(|(date, _)| date.clone()).collect()
    }

    fn note(&mut self, report: &DateReport, outcome: &mut Outcome) {
        outcome.rewritten_bytes += report.bytes_rewritten;
        let Some(waiting) = self.waiting.get_mut(&report.date) else { return };
        if let Some(error) = &report.error {
            tracing::warn!(table = %self.signal, date = report.date, error, "a date was not compacted to its end");
            outcome.failures += 1;
            waiting.error = Some(format!("{}: {error}", report.date));
        } else if report.merges > 0 || report.overtaken > 0 {
            // What is still to be done, or again, waits as what is new.
            self.waiting.remove(&report.date);
            return;
        }
        // Files that can't be merged are looked at again as rarely as those that fail.
        waiting.failed = waiting.failed.saturating_add(1);
        waiting.due = Instant::now() + pause(self.every, waiting.failed);
    }

    fn observe(&self, pending: &[Pending]) {
        let bytes: u64 = pending.iter().map(|pending| pending.bytes).sum();
        let gauge = self.metrics.compaction_pending_bytes.get_or_create(&self.signal.into());
        gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

#[async_trait]
impl Job for CompactionJob {
    fn kind(&self) -> JobKind {
        JobKind::Compaction
    }

    fn table(&self) -> &'static str {
        self.signal.table()
    }

    fn every(&self) -> Duration {
        self.every
    }

    async fn run(&mut self, context: &JobContext) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let Some(mut snapshot) = (self.snapshots)(self.signal) else { return Ok(outcome) };
        let today = context.now.date_naive();
        if self.done == Some((snapshot.version(), today)) {
            return Ok(outcome);
        }
        let table = match &self.table {
            Some(table) => table.clone(),
            None => self.table.insert(LakeTable::new(&context.root, self.signal)?).clone(),
        };
        let pending = self.settings.pending(&snapshot, today);
        self.observe(&pending);
        let entry = LedgerEntry::new(JobKind::Compaction, LedgerEntry::SERVER);
        let compactor = Compactor::new(table, self.settings, entry, context.progress.clone());
        let mut without_store = 0;
        for (number, date) in self.due(&pending, &today.to_string(), Instant::now()).into_iter().enumerate() {
            // Each turn does something: jobs that only saw one another wait would never work.
            if number > 0 && context.should_end() {
                outcome.again = true;
                break;
            }
            let report = compactor.compact_date(&mut snapshot, &date, today).await;
            if context.stop.is_cancelled() {
                // What failed then, failed because of it.
                return Ok(outcome);
            }
            self.note(&report, &mut outcome);
            without_store = if report.error_kind == Some(ErrorKind::Unavailable) { without_store + 1 } else { 0 };
            if without_store == DATES_WITHOUT_STORE {
                let error = report.error.unwrap_or_default();
                return Err(Error::unavailable(format!("the store does not answer, last for {date}: {error}")));
            }
        }
        let left = self.settings.pending(&snapshot, today);
        self.observe(&left);
        self.done = left.is_empty().then(|| (snapshot.version(), today));
        outcome.error = self.waiting.values().find_map(|waiting| waiting.error.clone());
        Ok(outcome)
    }
}

/// How long a server waits with a date, so that others do not merge the same files at the same time: up to two looks.
fn delay(writer: WriterId, signal: Signal, date: &str, every: Duration) -> Duration {
    let hash = xxh3_64(format!("{writer}/{signal}/{date}").as_bytes());
    // The high bits, as a part of 2^16.
    let part = u32::try_from(hash >> 48).unwrap_or(0);
    every * 2 * part / (1 << 16)
}
