//! Hot rows into the lake, in order and once.
//!
//! Guarantee (invariants 2 and 4): a table's flushes commit in order; each carries the txn that says up to which
//! record everything is in; hot rows leave in the swap that brings the commit. A flush whose commit did not go
//! through is tried again with the same files and the same txn, before any later one; files that have waited for
//! longer than half of vacuum's grace are given up, once it is certain that no commit of them is or will be in, and their
//! rows are written anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use crate::buffer::BufferedTable;
use crate::erasure::{ErasureSet, StandingErasures};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{AppendTxn, DataFile, TableSnapshot, remove_staged, write_sorted};
use crate::metrics::Metrics;
use crate::wal::WalSeq;

/// How often a table looks whether a flush is due, and for the commits of others.
const TICK: Duration = Duration::from_millis(500);

/// How often a table looks for the commits of others.
const REFRESH_EVERY: Duration = Duration::from_secs(2);

/// The longest pause after a failed flush.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The least pause after a failed flush when senders are being refused.
const HURRIED_PAUSE: Duration = Duration::from_secs(2);

/// Flushes one table.
#[derive(Debug)]
pub(super) struct Flusher {
    table: Arc<BufferedTable>,
    app_id: String,
    flush_bytes: usize,
    flush_age: Duration,
    erasures: Arc<StandingErasures>,
    /// Set by a flush that left rows out: the WAL has them.
    left_out: AtomicBool,
    metrics: Arc<Metrics>,
    wake: Notify,
    hurried: AtomicBool,
    broken: AtomicBool,
    /// Told of each flush.
    committed: Notify,
    /// Held through a flush, so that flushes are in order; holds one whose commit is not known to be in.
    unfinished: Mutex<Option<Unfinished>>,
}

/// Files that are written and whose commit is not known to have gone through.
#[derive(Debug)]
struct Unfinished {
    /// The last record whose rows they hold.
    last: WalSeq,
    /// The last record that was committed before them.
    after: WalSeq,
    /// The snapshot that the commit goes on top of.
    base: TableSnapshot,
    files: Vec<DataFile>,
    /// The standing erasures up to this one were obeyed.
    erasures: u64,
}

impl Flusher {
    pub(super) fn new(
        table: Arc<BufferedTable>,
        app_id: String,
        flush_bytes: usize,
        flush_age: Duration,
        erasures: Arc<StandingErasures>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            table,
            app_id,
            flush_bytes,
            flush_age,
            erasures,
            left_out: AtomicBool::new(false),
            metrics,
            wake: Notify::new(),
            hurried: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            committed: Notify::new(),
            unfinished: Mutex::new(None),
        }
    }

    /// The table it flushes.
    pub(super) const fn table(&self) -> &Arc<BufferedTable> {
        &self.table
    }

    /// Looks at once whether a flush is due.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Flushes at once whatever is hot.
    pub(super) fn hurry(&self) {
        self.hurried.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether another process is known to write this table with this log's id.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Whether hot rows are many or old enough.
    pub(super) fn is_due(&self) -> bool {
        let state = self.table.pin();
        state.hot_bytes() >= self.flush_bytes
            || state.hot_since().is_some_and(|since| since.elapsed() >= self.flush_age)
    }

    /// Makes sure that the last run's commits are in or never will be, and answers up to which record they are in.
    /// Comes before the first record is replayed: a commit that landed later would show its rows beside the hot ones.
    pub(super) async fn take_over(&self) -> Result<WalSeq> {
        let base = self.table.pin().snapshot.clone();
        let (snapshot, version) = self.table.lake().take_over(&base, &self.app_id).await?;
        let committed = WalSeq(version.and_then(|version| u64::try_from(version).ok()).unwrap_or(0));
        self.table.install(snapshot, committed);
        Ok(committed)
    }

    /// Commits every row that was hot when it was called.
    ///
    /// Cancel-safe: dropped at any point, the next call goes on where this one stopped.
    ///
    /// # Errors
    /// `Unavailable` where the lake did not answer; the rows stay hot and a later call tries again.
    pub(super) async fn flush(&self) -> Result<()> {
        let mut unfinished = self.unfinished.lock().await;
        self.commit(&mut unfinished).await?;
        let Some(cut) = self.table.cut() else { return Ok(()) };
        let started = Instant::now();
        let lake = self.table.lake();
        let signal = lake.signal();
        let erasures = self.erasures.pin();
        let batches = self.obey(&erasures, cut.batches).await?;
        let files = write_sorted(lake.store(), signal, cut.base.promoted(), batches).await?;
        let erasures = erasures.last();
        *unfinished = Some(Unfinished { last: cut.last, after: cut.committed, base: cut.base, files, erasures });
        self.commit(&mut unfinished).await?;
        drop(unfinished);
        self.metrics.flush_seconds.get_or_create(&signal.into()).observe(started.elapsed().as_secs_f64());
        self.committed.notify_one();
        Ok(())
    }

    /// What the standing erasures let through, of rows that were hot when one was installed.
    async fn obey(&self, set: &Arc<ErasureSet>, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        if set.is_empty() {
            return Ok(batches);
        }
        let (erasures, set, signal) = (Arc::clone(&self.erasures), Arc::clone(set), self.table.lake().signal());
        let sifted = tokio::task::spawn_blocking(move || {
            batches.into_iter().map(|batch| erasures.sift(&set, signal, batch)).collect::<Result<Vec<_>>>()
        });
        let sifted = sifted.await.map_err(|error| Error::internal("a sifting thread died").with_source(error))??;
        let erased: usize = sifted.iter().map(|sifted| sifted.erased).sum();
        self.left_out.fetch_or(erased > 0, Ordering::AcqRel);
        self.metrics.erased_records.get_or_create(&signal.into()).inc_by(erased as u64);
        Ok(sifted.into_iter().map(|sifted| sifted.batch).filter(|batch| batch.num_rows() > 0).collect())
    }

    /// Whether a flush has left rows out since this was asked last.
    pub(super) fn has_left_out(&self) -> bool {
        self.left_out.swap(false, Ordering::AcqRel)
    }

    /// Whether everything that is committed from now on obeys the standing erasures up to this one. Waits for the flush
    /// that is under way.
    pub(super) async fn obeys(&self, erasures: u64) -> bool {
        self.unfinished.lock().await.as_ref().is_none_or(|work| work.erasures >= erasures)
    }

    /// Writes checkpoints as they become due, beside the flushes; never ends.
    pub(super) async fn keep_checkpoints(&self) {
        let mut before = self.table.pin().snapshot.version();
        loop {
            self.committed.notified().await;
            let snapshot = self.table.pin().snapshot.clone();
            // A checkpoint speeds up opening; without one the table is as right as with it.
            if let Err(error) = self.table.lake().checkpoint_if_due(before, &snapshot).await {
                tracing::warn!(table = %self.table.lake().signal(), %error, "no checkpoint was written");
            }
            before = snapshot.version();
        }
    }

    /// Commits the written files, if there are any. They leave the slot only once the commit is known to be in, or, when
    /// they have waited too long, known never to be: then the rows are as hot as if they had not been written.
    async fn commit(&self, slot: &mut Option<Unfinished>) -> Result<()> {
        let Some(work) = slot.as_ref() else { return Ok(()) };
        let after = (work.after > WalSeq(0)).then(|| txn_version(work.after));
        let txn = AppendTxn { app_id: self.app_id.clone(), version: txn_version(work.last), after, exclusive: true };
        let started = Instant::now();
        // Whoever asked for the flush: what another tries will not be better.
        let breaks = |error: &Error| {
            if error.kind() == ErrorKind::Damaged {
                self.broken.store(true, Ordering::Release);
            }
        };
        let lake = self.table.lake();
        let snapshot = if lake.is_stale(&work.files) {
            let (snapshot, is_in) = lake.give_up(&work.base, &work.files, &txn).await.inspect_err(breaks)?;
            if !is_in {
                tracing::warn!(table = %lake.signal(), "files waited too long for their commit; their rows are written anew");
                for file in &work.files {
                    remove_staged(lake.store(), &file.path).await;
                }
                self.table.refresh(snapshot);
                *slot = None;
                return Ok(());
            }
            snapshot
        } else {
            lake.append(&work.base, &work.files, &[txn]).await.inspect_err(breaks)?
        };
        self.table.install(snapshot, work.last);
        let labels = self.table.lake().signal().into();
        self.metrics.commit_seconds.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
        let rows: usize = work.files.iter().map(|file| file.rows).sum();
        self.metrics.flushed_rows.get_or_create(&labels).inc_by(rows as u64);
        let bytes: u64 = work.files.iter().map(|file| file.size).sum();
        self.metrics.flushed_bytes.get_or_create(&labels).inc_by(bytes);
        *slot = None;
        Ok(())
    }

    /// Waits until a flush is due, makes it, and returns; meanwhile follows the commits of others.
    /// Answers whether to go on: not after cancellation, which never stops a flush half-way.
    pub(super) async fn flush_when_due(&self, cancelled: &CancellationToken) -> bool {
        let mut pause = TICK;
        let mut refreshed = Instant::now();
        let mut failed = None;
        loop {
            tokio::select! {
                () = cancelled.cancelled() => return false,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            // Whoever hurries does not mend a store: each refused request would otherwise sort and write all rows anew.
            let least = if self.hurried.load(Ordering::Acquire) { pause.min(HURRIED_PAUSE) } else { pause };
            if failed.is_some_and(|failed: Instant| failed.elapsed() < least) {
                continue;
            }
            if self.hurried.swap(false, Ordering::AcqRel) || self.is_due() {
                match self.flush().await {
                    Ok(()) => return true,
                    Err(error) => {
                        self.failed(&error);
                        failed = Some(Instant::now());
                        pause = (pause * 2).min(MAX_PAUSE);
                        continue;
                    }
                }
            }
            failed = None;
            pause = TICK;
            if refreshed.elapsed() >= REFRESH_EVERY {
                refreshed = Instant::now();
                self.follow_others().await;
            }
        }
    }

    fn failed(&self, error: &Error) {
        let signal = self.table.lake().signal();
        self.metrics.failed_flushes.get_or_create(&signal.into()).inc();
        tracing::error!(
            table = %signal, %error, "a flush failed; its rows are safe in the write-ahead log and it is tried again"
        );
    }

    pub(super) async fn follow_others(&self) {
        let mut unfinished = self.unfinished.lock().await;
        if unfinished.is_some() {
            // Its commit may be in: a newer snapshot alone would show those rows beside the hot ones.
            if let Err(error) = self.commit(&mut unfinished).await {
                self.failed(&error);
            }
            return;
        }
        match self.table.lake().newer(&self.table.pin().snapshot).await {
            Ok(Some(newer)) => self.table.refresh(newer),
            Ok(None) => {}
            Err(error) => tracing::warn!(table = %self.table.lake().signal(), %error, "the table can't be refreshed"),
        }
    }
}

/// A sequence as Delta keeps it. The WAL gives none above half of 2^64.
fn txn_version(seq: WalSeq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}
