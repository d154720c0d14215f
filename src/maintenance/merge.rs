//! Files to sorted files: a streaming merge, and a sieve behind it.
//!
//! Guarantees: rows come out in the contract's sort order, every one that the sieve lets through, with the promoted
//! columns, bloom filters and statistics of the present configuration; files of one lane do not overlap in that order, and
//! rows of equal keys share a file. Memory: of each input a row group and a few batches, of each lane a row group; what
//! sorting takes is bounded by [`Output::memory`].
//!
//! ```text
//! run: file_rows, file_rows, ... --> prove --+                                  +--> lane: prove, cut into files, write
//! run: file_rows --> prove ------------------+--> merge by the sort order --> sieve
//! files that do not say that they are        |                                  +--> lane: prove, cut into files, write
//! sorted: file_rows, ... --> prove --> sort -+
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::external_sort;
use super::progress::Progress;
use super::proof::{Proof, Prover};
use super::run::{FileName, Mark, Run};
use super::sieve::Sieve;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DataFile, FileFooter, LiveFile, Place, file_rows, remove_staged, write_sorted_rows};
use crate::model::contract::{PARTITION, sort_order};
use crate::model::promoted::Promoted;
use crate::model::schema::contract_schema;
use crate::model::signal::Signal;

/// Rows of a batch on its way through a merge: few, since a batch of every input waits its turn.
const BATCH_ROWS: usize = 4 << 10;

/// Batches between the merge and the encoder.
const BATCHES_IN_FLIGHT: usize = 2;

/// Rows of a batch on its way to a sort, which takes whole batches.
const SORTED_BATCH_ROWS: usize = 1 << 10;

/// The files of a merge, and what they must hold.
#[derive(Debug)]
pub(super) struct MergedFiles {
    /// Whole in the store.
    pub(super) files: Vec<DataFile>,
    /// Of the rows that were read.
    pub(super) read: Proof,
    /// Of the rows that went on.
    pub(super) passed: Proof,
}

/// Where merged rows go, and how much of them into one file.
#[derive(Debug, Clone)]
pub(super) struct Output {
    /// The promoted columns to fill.
    pub(super) promoted: Vec<Promoted>,
    /// The date of all inputs, `YYYY-MM-DD`.
    pub(super) date: String,
    /// Rows of a file, but for equal keys at its end.
    pub(super) rows_a_file: u64,
    /// The lanes of the sieve.
    pub(super) lanes: Vec<Mark>,
    /// Bytes that sorting may have in memory.
    pub(super) memory: u64,
    /// Told of rows that were read.
    pub(super) progress: Progress,
}

/// Merges runs of one date.
///
/// # Errors
/// What reading, sifting and writing met. Files written before an error are removed where that is possible.
pub(super) async fn merge(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    runs: &[Run],
    output: &Output,
    sieve: &mut dyn Sieve,
) -> Result<MergedFiles> {
    let mut lanes = Vec::with_capacity(output.lanes.len());
    for mark in &output.lanes {
        lanes.push(Lane::new(store, signal, output, *mark, sieve.footer())?);
    }
    let outcome = merge_into(store, signal, runs, output, sieve, &mut lanes).await;
    if outcome.is_err() {
        for lane in &mut lanes {
            lane.take_back(store).await;
        }
    }
    let read = outcome?;
    let passed = if sieve.keeps_all() {
        read
    } else {
        lanes.iter().map(|lane| lane.prover.proof()).fold(Proof::default(), Proof::and)
    };
    let files = lanes.into_iter().flat_map(|lane| lane.files).collect();
    Ok(MergedFiles { files, read, passed })
}

async fn merge_into(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    runs: &[Run],
    output: &Output,
    sieve: &mut dyn Sieve,
    lanes: &mut [Lane],
) -> Result<Proof> {
    let (sorted, unsorted) = told_apart(store, signal, runs).await?;
    let order = order(signal)?;
    let mut inputs = Inputs { store, signal, progress: &output.progress, provers: Vec::new() };
    let mut streams = Vec::with_capacity(sorted.len() + 1);
    for files in sorted {
        streams.push(inputs.stream(files, BATCH_ROWS)?);
    }
    if !unsorted.is_empty() {
        let rows = inputs.stream(unsorted, SORTED_BATCH_ROWS)?;
        let memory = usize::try_from(output.memory).unwrap_or(usize::MAX);
        streams.push(external_sort::sorted(rows, order.clone(), memory, BATCH_ROWS)?);
    }
    let provers = inputs.provers;
    let mut merged = merged(signal, &order, streams)?;
    while let Some(batch) = merged.next().await {
        let sifted = sieve.sift(batch.map_err(own)?)?;
        give(lanes, sifted, sieve.keeps_all()).await?;
    }
    let held_back = sieve.finish()?;
    if !held_back.is_empty() {
        give(lanes, held_back, sieve.keeps_all()).await?;
    }
    for lane in lanes {
        lane.finish().await?;
    }
    let proofs = provers.iter().map(|prover| prover.lock().unwrap_or_else(PoisonError::into_inner).proof());
    Ok(proofs.fold(Proof::default(), Proof::and))
}

/// Hands each lane its rows.
async fn give(lanes: &mut [Lane], sifted: Vec<RecordBatch>, keeps_all: bool) -> Result<()> {
    if sifted.len() != lanes.len() {
        return Err(Error::internal(format!("a sieve of {} lanes gave {}", lanes.len(), sifted.len())));
    }
    for (lane, rows) in lanes.iter_mut().zip(sifted) {
        if !keeps_all {
            lane.prover.add(&rows)?;
        }
        lane.give(rows).await?;
    }
    Ok(())
}

/// The files of each run, and those of all of them that do not say that they are sorted.
async fn told_apart(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    runs: &[Run],
) -> Result<(Vec<Vec<Arc<LiveFile>>>, Vec<Arc<LiveFile>>)> {
    let (mut sorted, mut unsorted) = (Vec::with_capacity(runs.len()), Vec::new());
    for run in runs {
        let mut of_run = Vec::with_capacity(run.files.len());
        for file in &run.files {
            let is_sorted = FileFooter::read(store, file).await?.is_sorted(signal);
            let files = if is_sorted { &mut of_run } else { &mut unsorted };
            files.push(Arc::clone(file));
        }
        if !of_run.is_empty() {
            sorted.push(of_run);
        }
    }
    Ok((sorted, unsorted))
}

/// Files as streams whose rows are proved as they are read.
struct Inputs<'a> {
    store: &'a Arc<dyn ObjectStore>,
    signal: Signal,
    progress: &'a Progress,
    provers: Vec<Arc<Mutex<Prover>>>,
}

impl Inputs<'_> {
    /// The rows of these files, one after another.
    fn stream(&mut self, files: Vec<Arc<LiveFile>>, batch_rows: usize) -> Result<SendableRecordBatchStream> {
        let prover = Arc::new(Mutex::new(Prover::new(self.signal)?));
        self.provers.push(Arc::clone(&prover));
        let (store, signal, progress) = (Arc::clone(self.store), self.signal, self.progress.clone());
        // The next file is opened when the one before is at its end.
        let rows = stream::iter(files)
            .then(move |file| {
                let store = Arc::clone(&store);
                async move { file_rows(&store, signal, &file, batch_rows).await }
            })
            .try_flatten();
        let proved = rows.map(move |batch| {
            let batch = batch?;
            prover.lock().unwrap_or_else(PoisonError::into_inner).add(&batch)?;
            progress.add_rows(batch.num_rows() as u64);
            Ok(batch)
        });
        let proved = proved.map(|batch| batch.map_err(|error: Error| DataFusionError::External(Box::new(error))));
        Ok(Box::pin(RecordBatchStreamAdapter::new(contract_schema(signal), proved)))
    }
}

/// One output of a rewrite: a run in the making.
struct Lane {
    start: Start,
    cutter: Cutter,
    prover: Prover,
    open: Option<OpenFile>,
    files: Vec<DataFile>,
}

impl Lane {
    fn new(
        store: &Arc<dyn ObjectStore>,
        signal: Signal,
        output: &Output,
        mark: Mark,
        footer: Vec<(&'static str, &'static str)>,
    ) -> Result<Self> {
        let start = Start {
            store: Arc::clone(store),
            signal,
            promoted: output.promoted.clone(),
            date: output.date.clone(),
            rows: usize::try_from(output.rows_a_file).unwrap_or(usize::MAX),
            run: uuid::Uuid::now_v7(),
            mark,
            footer,
        };
        let (cutter, prover) = (Cutter::new(signal, output.rows_a_file)?, Prover::new(signal)?);
        Ok(Self { start, cutter, prover, open: None, files: Vec::new() })
    }

    async fn give(&mut self, rows: RecordBatch) -> Result<()> {
        let mut rest = rows;
        while rest.num_rows() > 0 {
            let (head, is_full) = self.cutter.head(&rest)?;
            rest = rest.slice(head.num_rows(), rest.num_rows() - head.num_rows());
            let number = self.files.len();
            self.open.get_or_insert_with(|| self.start.file(number)).give(head).await;
            if is_full {
                self.finish().await?;
            }
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        if let Some(file) = self.open.take() {
            self.files.push(file.finish().await?);
        }
        Ok(())
    }

    /// Removes what was written: the file in the making must not end as if it were whole.
    async fn take_back(&mut self, store: &Arc<dyn ObjectStore>) {
        if let Some(open) = self.open.take() {
            open.fail().await;
        }
        for file in self.files.drain(..) {
            remove_staged(store, &file.path).await;
        }
    }
}

/// The proof of files, read back from the store.
///
/// # Errors
/// What reading met.
pub(super) async fn proof_of(store: &Arc<dyn ObjectStore>, signal: Signal, files: &[DataFile]) -> Result<Proof> {
    let mut prover = Prover::new(signal)?;
    for file in files {
        let live = LiveFile::staged(file, 0);
        let mut rows = file_rows(store, signal, &live, BATCH_ROWS).await?;
        while let Some(batch) = rows.next().await {
            prover.add(&batch?)?;
        }
    }
    Ok(prover.proof())
}

/// The contract's sort order.
fn order(signal: Signal) -> Result<LexOrdering> {
    let schema = contract_schema(signal);
    let options = SortOptions { descending: false, nulls_first: true };
    let mut keys = Vec::new();
    for name in sort_order(signal) {
        let column = Column::new_with_schema(name, &schema);
        let column = column.map_err(|error| Error::internal("no sort order").with_source(error))?;
        keys.push(PhysicalSortExpr::new(Arc::new(column), options));
    }
    LexOrdering::new(keys).ok_or_else(|| Error::internal("a table without a sort order"))
}

fn merged(
    signal: Signal,
    order: &LexOrdering,
    streams: Vec<SendableRecordBatchStream>,
) -> Result<SendableRecordBatchStream> {
    // What bounds the merge is how many files it is given.
    let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    StreamingMergeBuilder::new()
        .with_streams(streams)
        .with_schema(contract_schema(signal))
        .with_expressions(order)
        .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
        .with_batch_size(BATCH_ROWS)
        .with_reservation(MemoryConsumer::new("merge").register(&pool))
        .build()
        .map_err(|error| Error::internal("files can't be merged").with_source(error))
}

/// Our own error, where DataFusion only carries it.
fn own(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(source) => match source.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => Error::internal("a merge failed").with_source(other),
        },
        other => Error::internal("a merge failed").with_source(other),
    }
}

/// Cuts the merged rows into files.
struct Cutter {
    keys: RowConverter,
    columns: Vec<usize>,
    limit: u64,
    rows: u64,
    /// The key after which the file may end, once it has its rows.
    last: Option<OwnedRow>,
}

impl Cutter {
    fn new(signal: Signal, limit: u64) -> Result<Self> {
        let schema = contract_schema(signal);
        let failed = |error| Error::internal("no sort order").with_source(error);
        let columns = sort_order(signal)
            .iter()
            .map(|name| schema.index_of(name))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let fields = columns.iter().map(|column| SortField::new(schema.field(*column).data_type().clone()));
        let keys = RowConverter::new(fields.collect()).map_err(failed)?;
        Ok(Self { keys, columns, limit: limit.max(1), rows: 0, last: None })
    }

    /// The rows that still belong to the present file, at least one of a file that has none, and whether it ends there.
    fn head(&mut self, batch: &RecordBatch) -> Result<(RecordBatch, bool)> {
        let room = self.limit.saturating_sub(self.rows);
        let all = batch.num_rows();
        if room >= all as u64 {
            self.rows += all as u64;
            if self.rows == self.limit {
                self.last = Some(self.key(batch, all - 1)?);
            }
            // Whether equal keys follow, the next batch tells.
            return Ok((batch.clone(), false));
        }
        let room = usize::try_from(room).unwrap_or(all);
        let last = match self.last.take() {
            Some(last) => last,
            None => self.key(batch, room.saturating_sub(1))?,
        };
        let mut end = room;
        while end < all && self.key(batch, end)?.row() == last.row() {
            end += 1;
        }
        if end == all {
            self.rows = self.limit;
            self.last = Some(last);
            return Ok((batch.clone(), false));
        }
        self.rows = 0;
        Ok((batch.slice(0, end), true))
    }

    fn key(&self, batch: &RecordBatch, row: usize) -> Result<OwnedRow> {
        let slice = batch.slice(row, 1);
        let columns: Vec<_> = self.columns.iter().map(|column| Arc::clone(slice.column(*column))).collect();
        let rows = self.keys.convert_columns(&columns);
        let rows = rows.map_err(|error| Error::internal("a key can't be compared").with_source(error))?;
        Ok(rows.row(0).owned())
    }
}

/// What every file of a lane has in common.
struct Start {
    store: Arc<dyn ObjectStore>,
    signal: Signal,
    promoted: Vec<Promoted>,
    date: String,
    rows: usize,
    run: uuid::Uuid,
    mark: Mark,
    footer: Vec<(&'static str, &'static str)>,
}

impl Start {
    fn file(&self, number: usize) -> OpenFile {
        let (sender, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
        let place = Place {
            path: FileName::path(&format!("{PARTITION}={}", self.date), self.run, number, self.mark),
            date: self.date.clone(),
            rows: self.rows,
            footer: self.footer.clone(),
        };
        let (store, signal, promoted) = (Arc::clone(&self.store), self.signal, self.promoted.clone());
        let writing = tokio::spawn(async move { write_sorted_rows(&store, signal, &promoted, place, receiver).await });
        OpenFile { sender, writing }
    }
}

/// A file that is being written.
struct OpenFile {
    sender: mpsc::Sender<Result<RecordBatch>>,
    writing: JoinHandle<Result<DataFile>>,
}

impl OpenFile {
    /// A writer that has failed takes nothing; its error comes at the end.
    async fn give(&self, rows: RecordBatch) {
        let _ = self.sender.send(Ok(rows)).await;
    }

    async fn finish(self) -> Result<DataFile> {
        drop(self.sender);
        self.writing.await.map_err(|error| Error::internal("a writer died").with_source(error))?
    }

    async fn fail(self) {
        let stop = Error::new(ErrorKind::Cancelled, "the merge failed");
        let _ = self.sender.send(Err(stop)).await;
        drop(self.sender);
        let _ = self.writing.await;
    }
}
