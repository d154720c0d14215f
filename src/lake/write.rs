//! Rows in any order, or sorted ones as they come, to sorted, encoded Parquet, one file for each date.
//!
//! Guarantee: a file holds the rows of one date, in the contract's sort order, with the promoted columns filled, and
//! is whole and durable in the store when its [`DataFile`] is returned. No commit names it yet.
//!
//! ```text
//! hot batches --> sort keys (date, then the sort order) --> row order --> date by date:
//!     gather a slice of rows --+--> fill promoted columns --> encode  (a blocking thread)
//! rows that come sorted -------+                                | bytes, a bounded channel
//!                                                               v
//!                                                             upload  (async)
//! ```

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{Date32Type, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use tokio::sync::mpsc;

use super::parquet::writer_options;
use super::sort::sorted_rows;
use super::staged::StagedSince;
use super::stats::FileStats;
use super::upload::upload;
use crate::error::{Error, Result};
use crate::model::contract::{PARTITION, sort_order};
use crate::model::promote::{MARKS_KEY, Promoter};
use crate::model::promoted::Promoted;
use crate::model::schema::table_schema;
use crate::model::signal::Signal;

/// Rows gathered and encoded at once.
const SLICE_ROWS: usize = 16 * 1024;

/// Encoded chunks on their way to the store, at most.
const CHUNKS_IN_FLIGHT: usize = 4;

/// Bytes of a chunk.
const CHUNK_BYTES: usize = 4 << 20;

/// A file in the store that waits for its commit.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Path below the table's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: usize,
    /// The date of its rows, `YYYY-MM-DD`.
    pub date: String,
    /// The Delta statistics, as JSON.
    pub stats: String,
    /// Since when it waits for its commit.
    pub staged: StagedSince,
}

/// Writes rows as sorted files, one for each date, into a table's store.
///
/// The batches have the contract's columns without the promoted ones. Memory: the sort keys of all rows, and one
/// slice, one row group's encoded pages and a few chunks at a time.
///
/// # Errors
/// What the store or the encoder answers; files written before an error are removed again where that is possible.
pub async fn write_sorted(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    promoted: &[Promoted],
    batches: Vec<RecordBatch>,
) -> Result<Vec<DataFile>> {
    let (batches, runs) = compute(move || {
        let runs = sort_by_date(signal, &batches)?;
        Ok((Arc::new(batches), runs))
    })
    .await?;
    let mut files = Vec::with_capacity(runs.len());
    // One at a time: each has a row group and an upload's parts in memory.
    for run in runs {
        match write_run(store, signal, promoted.to_vec(), Arc::clone(&batches), run).await {
            Ok(file) => files.push(file),
            Err(error) => {
                for file in &files {
                    remove(store, &file.path).await;
                }
                return Err(error);
            }
        }
    }
    Ok(files)
}

/// Takes back a file that no commit has named, so that a flush that fails again and again does not fill the disk.
pub(crate) async fn remove(store: &Arc<dyn ObjectStore>, path: &str) {
    match store.delete(&Path::from(path)).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
        Err(error) => tracing::warn!(path, %error, "a file that no commit names is left for vacuum"),
    }
}

/// The rows of one date, in sort order, as (batch, row).
struct DateRun {
    date: i32,
    rows: Vec<(usize, usize)>,
}

fn sort_by_date(signal: Signal, batches: &[RecordBatch]) -> Result<Vec<DateRun>> {
    let keys: Vec<&str> = std::iter::once(PARTITION).chain(sort_order(signal).iter().copied()).collect();
    let mut runs: Vec<DateRun> = Vec::new();
    for (batch, row) in sorted_rows(batches, &keys)? {
        let date = date_of(&batches[batch], row)?;
        match runs.last_mut() {
            Some(run) if run.date == date => run.rows.push((batch, row)),
            _ => runs.push(DateRun { date, rows: vec![(batch, row)] }),
        }
    }
    Ok(runs)
}

fn date_of(batch: &RecordBatch, row: usize) -> Result<i32> {
    batch
        .column_by_name(PARTITION)
        .and_then(|column| column.as_primitive_opt::<Date32Type>())
        .map(|dates| dates.value(row))
        .ok_or_else(|| Error::internal("a batch without its `date` column"))
}

async fn write_run(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    promoted: Vec<Promoted>,
    batches: Arc<Vec<RecordBatch>>,
    run: DateRun,
) -> Result<DataFile> {
    let date = date_text(run.date)?;
    let path = format!("{PARTITION}={date}/{}.parquet", uuid::Uuid::now_v7());
    let count = run.rows.len();
    let place = Place { path, date, rows: count, footer: Vec::new() };
    write_file(store, signal, promoted, place, move |write| {
        let sources: Vec<&RecordBatch> = batches.iter().collect();
        for slice in run.rows.chunks(SLICE_ROWS) {
            write(&interleave_record_batch(&sources, slice).map_err(encoding)?)?;
        }
        Ok(())
    })
    .await
}

/// Where a file goes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Path below the table's folder.
    pub(crate) path: String,
    /// The date of its rows, `YYYY-MM-DD`.
    pub(crate) date: String,
    /// About how many rows it will have: the bloom filters are made for so many.
    pub(crate) rows: usize,
    /// What the footer says beside what every footer says.
    pub(crate) footer: Vec<(&'static str, &'static str)>,
}

/// Writes rows that come in the contract's sort order, all of the place's date, as one file. An error that comes
/// instead of rows leaves no file.
///
/// # Errors
/// What came, or what the store or the encoder answers.
pub(crate) async fn write_sorted_rows(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    promoted: &[Promoted],
    place: Place,
    mut rows: mpsc::Receiver<Result<RecordBatch>>,
) -> Result<DataFile> {
    write_file(store, signal, promoted.to_vec(), place, move |write| {
        while let Some(batch) = rows.blocking_recv() {
            write(&batch?)?;
        }
        Ok(())
    })
    .await
}

/// Takes the next rows of a file.
type WriteRows<'a> = dyn FnMut(&RecordBatch) -> Result<()> + 'a;

/// Writes one file of what `give` gives.
async fn write_file(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    promoted: Vec<Promoted>,
    place: Place,
    give: impl FnOnce(&mut WriteRows<'_>) -> Result<()> + Send + 'static,
) -> Result<DataFile> {
    let Place { path, date, rows, footer } = place;
    let staged = StagedSince::now();
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let upload = tokio::spawn({
        let (store, path) = (Arc::clone(store), Path::from(path.as_str()));
        async move { upload(store.as_ref(), &path, receiver).await }
    });
    let encoded = compute(move || encode(signal, &promoted, rows, &footer, give, sender)).await;
    let size = upload.await.map_err(|error| Error::internal("the upload died").with_source(error))?;
    let size = size.map_err(|error| Error::unavailable(format!("can't write {path}")).with_source(error));
    match size.and_then(|size| Ok((size, encoded?))) {
        Ok((size, stats)) => Ok(DataFile { path, size, rows: stats.rows(), date, stats: stats.to_json(), staged }),
        Err(error) => {
            // Where encoding failed, the upload took the end of the bytes for the end of the file.
            remove(store, &path).await;
            Err(error)
        }
    }
}

fn encode(
    signal: Signal,
    promoted: &[Promoted],
    rows: usize,
    footer: &[(&'static str, &'static str)],
    give: impl FnOnce(&mut WriteRows<'_>) -> Result<()>,
    sender: mpsc::Sender<Bytes>,
) -> Result<FileStats> {
    let full_schema = table_schema(signal, promoted);
    let file_schema = without_partition(&full_schema)?;
    let options = writer_options(signal, promoted, &file_schema, rows)?;
    let sink = ChunkSink { sender, pending: Vec::with_capacity(CHUNK_BYTES) };
    let mut writer = ArrowWriter::try_new_with_options(sink, file_schema, options).map_err(parquet)?;
    let mut promoter = Promoter::new(promoted);
    let mut stats = FileStats::new(signal);
    give(&mut |batch| {
        let promoted = promoter.promote(batch, &full_schema).map_err(encoding)?;
        stats.update(&promoted);
        writer.write(&drop_partition(&promoted)?).map_err(parquet)
    })?;
    writer.append_key_value_metadata(KeyValue::new(MARKS_KEY.to_owned(), promoter.marks().to_json()));
    for (key, value) in footer {
        writer.append_key_value_metadata(KeyValue::new((*key).to_owned(), (*value).to_owned()));
    }
    let mut sink = writer.into_inner().map_err(parquet)?;
    sink.send_pending().map_err(|error| Error::unavailable("the upload of a file stopped").with_source(error))?;
    Ok(stats)
}

/// The schema inside a file: Delta keeps the partition in the path and the log.
fn without_partition(schema: &SchemaRef) -> Result<SchemaRef> {
    let index = schema.index_of(PARTITION).map_err(encoding)?;
    let kept: Vec<usize> = (0..schema.fields().len()).filter(|column| *column != index).collect();
    Ok(Arc::new(schema.project(&kept).map_err(encoding)?))
}

fn drop_partition(batch: &RecordBatch) -> Result<RecordBatch> {
    let index = batch.schema_ref().index_of(PARTITION).map_err(encoding)?;
    let mut batch = batch.clone();
    batch.remove_column(index);
    Ok(batch)
}

/// A writer that hands what it gets to the upload, in chunks.
struct ChunkSink {
    sender: mpsc::Sender<Bytes>,
    pending: Vec<u8>,
}

impl ChunkSink {
    fn send_pending(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.pending, Vec::with_capacity(CHUNK_BYTES));
        self.sender
            .blocking_send(chunk.into())
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the upload has ended"))
    }
}

impl Write for ChunkSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= CHUNK_BYTES {
            self.send_pending()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn date_text(days: i32) -> Result<String> {
    chrono::DateTime::from_timestamp(i64::from(days) * 86_400, 0)
        .map(|time| time.format("%Y-%m-%d").to_string())
        .ok_or_else(|| Error::internal(format!("day {days} is no date")))
}

pub(super) fn encoding(error: ArrowError) -> Error {
    Error::internal("can't sort or gather rows").with_source(error)
}

fn parquet(error: parquet::errors::ParquetError) -> Error {
    Error::unavailable("can't encode a Parquet file").with_source(error)
}

/// Runs CPU work on a thread where it holds up no one.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("an encoding thread died").with_source(error))?
}
