//! Counting, in files and in memory, what a target means and what holds keep of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;

use super::target::{Target, Traces};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LiveFile, file_columns, file_rows};
use crate::maintenance::hold::Holds;
use crate::maintenance::{Progress, Sieve};
use crate::model::signal::Signal;

/// Rows of a batch: its maps are in memory.
const BATCH_ROWS: usize = 8 << 10;

/// Files read at once.
const FILES_AT_ONCE: usize = 4;

/// Traces of one request, at most: 16 MiB of ids, and a request that can't be meant.
const MAX_TRACES: usize = 1 << 20;

/// What is in some rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// All of them.
    pub(super) rows: u64,
    /// Those that the target means.
    pub(super) matching: u64,
    /// Of these, those that a hold keeps, by its number.
    pub(super) held: BTreeMap<usize, u64>,
}

impl Found {
    /// Rows that are to go.
    pub(super) fn erasable(&self) -> u64 {
        self.matching - self.held_rows()
    }

    /// Rows that match and stay.
    pub(super) fn held_rows(&self) -> u64 {
        self.held.values().sum()
    }

    /// Adds what was found in others.
    pub(super) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.matching += other.matching;
        for (hold, rows) in &other.held {
            *self.held.entry(*hold).or_default() += rows;
        }
    }
}

/// Which rows of a whole batch go, and which a hold keeps; `None` where the target means none.
#[derive(Debug)]
struct Judged {
    /// Of each row whether it goes.
    goes: Vec<bool>,
    found: Found,
}

fn judge(target: &Target, holds: &Holds, signal: Signal, rows: &RecordBatch) -> Result<Option<Judged>> {
    let Some(mut goes) = target.hits(rows)? else { return Ok(None) };
    let matching = goes.iter().filter(|goes| **goes).count() as u64;
    let mut found = Found { rows: rows.num_rows() as u64, matching, held: BTreeMap::new() };
    if let Some(held) = holds.held(signal, rows)? {
        for (goes, hold) in goes.iter_mut().zip(held) {
            if let Some(hold) = hold.filter(|_| *goes) {
                *goes = false;
                *found.held.entry(hold).or_default() += 1;
            }
        }
    }
    Ok(Some(Judged { goes, found }))
}

/// What is in rows in memory, which have the contract's columns.
pub(super) fn count_rows(target: &Target, holds: &Holds, signal: Signal, rows: &RecordBatch) -> Result<Found> {
    let judged = judge(target, holds, signal, rows)?;
    Ok(judged.map_or_else(|| Found { rows: rows.num_rows() as u64, ..Found::default() }, |judged| judged.found))
}

/// Reads the files of one table.
#[derive(Debug, Clone)]
pub(super) struct Scanner {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) signal: Signal,
    pub(super) target: Arc<Target>,
    pub(super) holds: Arc<Holds>,
    pub(super) progress: Progress,
}

/// A file that could be read, or is gone, or could not be read.
pub(super) type Scanned = (Arc<LiveFile>, Result<Option<Found>>);

impl Scanner {
    /// What is in each of these files; `None` of one that is gone: the newest version has others.
    pub(super) async fn scan(&self, files: Vec<Arc<LiveFile>>) -> Result<Vec<Scanned>> {
        let scans = futures::stream::iter(files).map(|file| {
            let scanner = self.clone();
            // A task of its own, since decoding takes more than reading.
            let scan = tokio::spawn(async move {
                let found = gone_is_none(scanner.count(&file).await);
                (file, found)
            });
            async move { scan.await.map_err(|error| Error::internal("a scan died").with_source(error)) }
        });
        scans.buffer_unordered(FILES_AT_ONCE).try_collect().await
    }

    async fn count(&self, file: &LiveFile) -> Result<Found> {
        let found = self.count_matching(file).await?;
        self.progress.add_files(1, file.size);
        if found.matching == 0 || self.holds.of(self.signal).next().is_none() {
            return Ok(found);
        }
        // A hold may ask for any column.
        let mut rows = file_rows(&self.store, self.signal, file, BATCH_ROWS).await?;
        let mut all = Found::default();
        while let Some(batch) = rows.next().await {
            all.add(&count_rows(&self.target, &self.holds, self.signal, &batch?)?);
        }
        Ok(all)
    }

    async fn count_matching(&self, file: &LiveFile) -> Result<Found> {
        let mut found = Found::default();
        let mut rows = self.rows_of(file).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let hits = self.target.hits(&batch)?.map_or(0, |hits| hits.into_iter().filter(|is_hit| *is_hit).count());
            found.add(&Found { rows: batch.num_rows() as u64, matching: hits as u64, ..Found::default() });
            self.progress.add_rows(batch.num_rows() as u64);
        }
        Ok(found)
    }

    /// The traces of the rows in these files that match.
    ///
    /// # Errors
    /// `TooLarge` for more than a million; what reading meets.
    pub(super) async fn traces(&self, files: Vec<Arc<LiveFile>>) -> Result<Traces> {
        let scans = futures::stream::iter(files).map(|file| {
            let scanner = self.clone();
            let scan = tokio::spawn(async move { gone_is_none(scanner.traces_of(&file).await) });
            async move { scan.await.map_err(|error| Error::internal("a scan died").with_source(error))? }
        });
        let mut scans = scans.buffer_unordered(FILES_AT_ONCE);
        let mut all = Traces::new();
        while let Some(traces) = scans.try_next().await? {
            add_traces(&mut all, traces.unwrap_or_default())?;
        }
        Ok(all)
    }

    async fn traces_of(&self, file: &LiveFile) -> Result<Traces> {
        let mut traces = Traces::new();
        let mut rows = self.rows_of(file).await?;
        while let Some(batch) = rows.next().await {
            add_traces(&mut traces, self.target.traces_of(&batch?)?)?;
        }
        self.progress.add_files(1, file.size);
        Ok(traces)
    }

    async fn rows_of(&self, file: &LiveFile) -> Result<futures::stream::BoxStream<'static, Result<RecordBatch>>> {
        let target = Arc::clone(&self.target);
        file_columns(&self.store, self.signal, file, BATCH_ROWS, move |column| target.reads(column)).await
    }
}

/// Adds traces to others.
///
/// # Errors
/// `TooLarge` for more than a million.
pub(super) fn add_traces(all: &mut Traces, more: Traces) -> Result<()> {
    all.extend(more);
    if all.len() > MAX_TRACES {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("the rows that match are of more than {MAX_TRACES} traces; erase records, or narrow the request"),
        ));
    }
    Ok(())
}

fn gone_is_none<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets everything through but what the target means and no hold keeps.
#[derive(Debug)]
pub(super) struct EraseSieve {
    pub(super) signal: Signal,
    pub(super) target: Arc<Target>,
    pub(super) holds: Arc<Holds>,
}

impl Sieve for EraseSieve {
    fn sift(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        let Some(judged) = judge(&self.target, &self.holds, self.signal, &rows)? else { return Ok(vec![rows]) };
        let kept: BooleanArray = judged.goes.iter().map(|goes| Some(!goes)).collect();
        let kept = filter_record_batch(&rows, &kept);
        Ok(vec![kept.map_err(|error| Error::internal("rows can't be sifted").with_source(error))?])
    }
}
