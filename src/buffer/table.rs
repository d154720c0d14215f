//! One table as queries see it: a pinned snapshot and the hot rows above it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use arrow::array::RecordBatch;

use super::hot::{HotBatch, push_merged};
use crate::error::{Error, Result};
use crate::lake::{LakeTable, TableSnapshot};
use crate::wal::WalSeq;

/// One moment of a table: every row that is acknowledged, once. Immutable.
#[derive(Debug, Clone)]
pub struct TableState {
    /// The committed rows.
    pub snapshot: TableSnapshot,
    /// Every record of this table up to here is in the snapshot.
    pub committed: WalSeq,
    /// The rows of later records.
    pub hot: Vec<HotBatch>,
}

impl TableState {
    /// Rows in memory.
    pub fn hot_rows(&self) -> usize {
        self.hot.iter().map(|hot| hot.batch.num_rows()).sum()
    }

    /// Bytes in memory.
    pub fn hot_bytes(&self) -> usize {
        self.hot.iter().map(|hot| hot.bytes).sum()
    }

    /// Since when the oldest hot row waits.
    pub fn hot_since(&self) -> Option<Instant> {
        self.hot.first().map(|hot| hot.since)
    }
}

/// A table with its hot rows.
#[derive(Debug)]
pub struct BufferedTable {
    lake: LakeTable,
    state: ArcSwap<TableState>,
    /// Held by those who change the state: batches that end here or before are being flushed.
    frozen: Mutex<WalSeq>,
}

/// The rows that one flush takes.
#[derive(Debug, Clone)]
pub struct FlushCut {
    /// The last record it takes; every hot record up to it is taken whole.
    pub last: WalSeq,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// The snapshot that the commit goes on top of.
    pub base: TableSnapshot,
    /// The last record that is in that snapshot.
    pub committed: WalSeq,
}

impl BufferedTable {
    /// A table whose records up to `committed` are in `snapshot`.
    pub fn new(lake: LakeTable, snapshot: TableSnapshot, committed: WalSeq) -> Self {
        let state = TableState { snapshot, committed, hot: Vec::new() };
        Self { lake, state: ArcSwap::from_pointee(state), frozen: Mutex::new(committed) }
    }

    /// The table in the lake.
    pub const fn lake(&self) -> &LakeTable {
        &self.lake
    }

    /// The table now. A query takes this once and works on it to its end.
    pub fn pin(&self) -> Arc<TableState> {
        self.state.load_full()
    }

    /// Makes records' rows visible, in the order of their sequences.
    ///
    /// # Errors
    /// `Internal` where the batches do not have one schema; the WAL is poisoned by it.
    pub fn publish(&self, records: Vec<(WalSeq, RecordBatch)>) -> Result<()> {
        let frozen = self.lock();
        let mut state = TableState::clone(&self.state.load());
        for (seq, batch) in records {
            push_merged(&mut state.hot, HotBatch::new(seq, batch), *frozen)
                .map_err(|error| Error::internal("hot batches do not fit together").with_source(error))?;
        }
        self.state.store(Arc::new(state));
        Ok(())
    }

    /// Takes every hot row for a flush; `None` where there is none. The rows stay visible until they are installed.
    pub fn cut(&self) -> Option<FlushCut> {
        let mut frozen = self.lock();
        let state = self.state.load();
        let last = state.hot.last()?.last;
        *frozen = last;
        Some(FlushCut {
            last,
            batches: state.hot.iter().map(|hot| hot.batch.clone()).collect(),
            base: state.snapshot.clone(),
            committed: state.committed,
        })
    }

    /// Swaps in the snapshot that holds every record up to `committed`; those rows leave the buffer in this swap.
    pub fn install(&self, snapshot: TableSnapshot, committed: WalSeq) {
        let _frozen = self.lock();
        let mut state = TableState::clone(&self.state.load());
        state.hot.retain(|hot| hot.last > committed);
        state.committed = state.committed.max(committed);
        if snapshot.version() >= state.snapshot.version() {
            state.snapshot = snapshot;
        }
        self.state.store(Arc::new(state));
    }

    /// Swaps in a newer snapshot that others made; hot rows stay.
    pub fn refresh(&self, snapshot: TableSnapshot) {
        self.install(snapshot, WalSeq(0));
    }

    fn lock(&self) -> MutexGuard<'_, WalSeq> {
        // What it guards is replaced whole, so a panic under it leaves nothing half done.
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
