//! Sorted files to sorted files: a streaming merge.
//!
//! Guarantees: rows come out in the contract's sort order, every one of them, with the promoted columns, bloom filters
//! and statistics of the present configuration; files of one merge do not overlap in that order, and rows of equal keys
//! share a file. Memory: of each input a row group and a few batches, of the output a row group.
//!
//! ```text
//! run: file_rows, file_rows, ... --> prove --+
//! run: file_rows --> prove ------------------+--> merge by the sort order --> cut into files --> write_sorted_rows
//! run: file_rows --> prove ------------------+
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

use super::proof::{Proof, Prover};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DataFile, LiveFile, Place, file_rows, is_sorted, remove_staged, write_sorted_rows};
use crate::model::contract::{PARTITION, sort_order};
use crate::model::promoted::Promoted;
use crate::model::schema::contract_schema;
use crate::model::signal::Signal;

/// Rows of a batch on its way through a merge: few, since a batch of every input waits its turn.
const BATCH_ROWS: usize = 4 << 10;

/// Batches between the merge and the encoder.
const BATCHES_IN_FLIGHT: usize = 2;

/// What a merge made.
#[derive(Debug)]
pub(super) enum Merged {
    /// Files that no commit names yet, and the proof of what was read.
    Files(Vec<DataFile>, Proof),
    /// Nothing: this file does not say that it is sorted.
    Unsorted(String),
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
}

/// Merges runs of one date: each is files that follow one another in the sort order.
///
/// # Errors
/// What reading and writing met. Files written before an error are removed where that is possible.
pub(super) async fn merge(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    runs: &[Vec<Arc<LiveFile>>],
    output: &Output,
) -> Result<Merged> {
    for file in runs.iter().flatten() {
        if !is_sorted(store, signal, file).await? {
            return Ok(Merged::Unsorted(file.path.clone()));
        }
    }
    let mut files = Vec::new();
    match merge_into(store, signal, runs, output, &mut files).await {
        Ok(proof) => Ok(Merged::Files(files, proof)),
        Err(error) => {
            for file in &files {
                remove_staged(store, &file.path).await;
            }
            Err(error)
        }
    }
}

async fn merge_into(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    runs: &[Vec<Arc<LiveFile>>],
    output: &Output,
    files: &mut Vec<DataFile>,
) -> Result<Proof> {
    let mut provers = Vec::with_capacity(runs.len());
    let mut streams = Vec::with_capacity(runs.len());
    for run in runs {
        let prover = Arc::new(Mutex::new(Prover::new(signal)?));
        provers.push(Arc::clone(&prover));
        let (store, run) = (Arc::clone(store), run.clone());
        // The next file is opened when the one before is at its end.
        let rows = stream::iter(run)
            .then(move |file| {
                let store = Arc::clone(&store);
                async move { file_rows(&store, signal, &file, BATCH_ROWS).await }
            })
            .try_flatten();
        let proved = rows.map(move |batch| {
            let batch = batch?;
            prover.lock().unwrap_or_else(PoisonError::into_inner).add(&batch)?;
            Ok(batch)
        });
        let proved = proved.map(|batch| batch.map_err(|error: Error| DataFusionError::External(Box::new(error))));
        streams.push(Box::pin(RecordBatchStreamAdapter::new(contract_schema(signal), proved)) as SendableRecordBatchStream);
    }
    let mut merged = merged(signal, streams)?;
    let mut cutter = Cutter::new(signal, output.rows_a_file)?;
    let mut open: Option<OpenFile> = None;
    let run = uuid::Uuid::now_v7();
    while let Some(batch) = merged.next().await {
        let mut rest = match batch {
            Ok(batch) => batch,
            Err(error) => {
                // The file in the making must not end as if it were whole.
                if let Some(open) = open {
                    open.fail().await;
                }
                return Err(own(error));
            }
        };
        while rest.num_rows() > 0 {
            let (head, is_full) = cutter.head(&rest)?;
            rest = rest.slice(head.num_rows(), rest.num_rows() - head.num_rows());
            let file = match open.take() {
                Some(file) => file,
                None => OpenFile::start(store, signal, output, run, files.len()),
            };
            file.give(head).await;
            if is_full {
                files.push(file.finish().await?);
            } else {
                open = Some(file);
            }
        }
    }
    if let Some(file) = open {
        files.push(file.finish().await?);
    }
    let proofs = provers.iter().map(|prover| prover.lock().unwrap_or_else(PoisonError::into_inner).proof());
    Ok(proofs.fold(Proof::default(), Proof::and))
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

fn merged(signal: Signal, streams: Vec<SendableRecordBatchStream>) -> Result<SendableRecordBatchStream> {
    let schema = contract_schema(signal);
    let internal = |error: DataFusionError| Error::internal("files can't be merged").with_source(error);
    let options = SortOptions { descending: false, nulls_first: true };
    let mut keys = Vec::new();
    for name in sort_order(signal) {
        let column = Column::new_with_schema(name, &schema).map_err(internal)?;
        keys.push(PhysicalSortExpr::new(Arc::new(column), options));
    }
    let ordering = LexOrdering::new(keys).ok_or_else(|| Error::internal("a table without a sort order"))?;
    // What bounds the merge is how many files it is given.
    let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    StreamingMergeBuilder::new()
        .with_streams(streams)
        .with_schema(schema)
        .with_expressions(&ordering)
        .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
        .with_batch_size(BATCH_ROWS)
        .with_reservation(MemoryConsumer::new("merge").register(&pool))
        .build()
        .map_err(internal)
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

/// A file that is being written.
struct OpenFile {
    sender: mpsc::Sender<Result<RecordBatch>>,
    writing: JoinHandle<Result<DataFile>>,
}

impl OpenFile {
    fn start(store: &Arc<dyn ObjectStore>, signal: Signal, output: &Output, run: uuid::Uuid, number: usize) -> Self {
        let (sender, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
        let place = Place {
            // Files of one merge share a name, which says that they do not overlap.
            path: format!("{PARTITION}={}/{run}-{number:05}.parquet", output.date),
            date: output.date.clone(),
            rows: usize::try_from(output.rows_a_file).unwrap_or(usize::MAX),
        };
        let (store, promoted) = (Arc::clone(store), output.promoted.clone());
        let writing = tokio::spawn(async move { write_sorted_rows(&store, signal, &promoted, place, receiver).await });
        Self { sender, writing }
    }

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
