//! The trace index of a lake that is being written, kept near to it.
//!
//! Guarantee: it holds up nobody. A step that fails is logged, counted, and tried again; until then the files that it
//! would have covered are searched themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::buffer::BufferedTable;
use crate::lake::LiveFiles;
use crate::metrics::Metrics;
use crate::model::signal::Signal;
use crate::trace_index::Indexer;

/// How often it is looked whether there is something to do.
const TICK: Duration = Duration::from_secs(1);

/// So many files are waited for, as each step is a commit.
const ENOUGH: usize = 12;

/// Fewer wait this long at most.
const PATIENCE: Duration = Duration::from_secs(600);

/// The pauses after failed steps: the first, and the longest.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// Indexes what flushes and other writers commit, until it is dropped, which may be at any time.
pub(super) async fn keep_indexed(mut indexer: Indexer, tables: [Arc<BufferedTable>; 3], metrics: Arc<Metrics>) {
    let mut seen = None;
    let mut left = 0;
    let mut waiting = None;
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(TICK).await;
        let states = tables.each_ref().map(|table| table.pin());
        let versions = states.each_ref().map(|state| state.snapshot.version());
        let live: Vec<(Signal, Arc<LiveFiles>)> =
            Signal::ALL.into_iter().zip(states.iter().map(|state| Arc::clone(state.snapshot.files()))).collect();
        drop(states);
        if seen != Some(versions) {
            seen = Some(versions);
            left = indexer.uncovered(&live);
        }
        metrics.unindexed_files.set(i64::try_from(left).unwrap_or(i64::MAX));
        if left == 0 {
            waiting = None;
            continue;
        }
        if left < ENOUGH && waiting.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
            continue;
        }
        match indexer.step(&live).await {
            Ok(step) => {
                metrics.indexed_files.inc_by(step.indexed as u64);
                left = step.left;
                (waiting, pause) = (None, PAUSE);
            }
            Err(error) => {
                metrics.failed_index_steps.inc();
                tracing::warn!(%error, "the trace index was not brought up to the tables; it is tried again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}
