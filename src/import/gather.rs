//! The rows of one file, by date, in bounded memory: what does not fit is spilled to local disk.
//!
//! Guarantee: the rows come in chunks of one date each, numbered from 1 in the order of the dates. Which rows are in
//! which chunk follows from the file alone, not from this machine or its settings, so that an import that was killed
//! goes on with the chunk after the last one that was committed. What is on disk is bounded by the rows' own bytes,
//! however dates are mixed in the file.
//!
//! ```text
//! batches --> which chunk is each row's (date, part of the date) --> in memory
//!                                                    | past the bound
//!                                                    v
//!                        one spill file a chunk: zstd frames, each an Arrow IPC stream
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray, GenericByteViewArray, RecordBatch};
use arrow::compute::{interleave_record_batch, max, min};
use arrow::datatypes::{ByteViewType, DataType, Date32Type};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::error::{Error, Result};
use crate::model::contract::PARTITION;

/// A date's rows are cut where their values have this many bytes. Part of what a chunk number means: with another
/// bound, imports that were killed before would go on at the wrong place, so it needs another key.
const PART_BYTES: u64 = 256 << 20;

/// The fastest level: spilled rows are read once, and soon.
const SPILL_LEVEL: i32 = 1;

/// A chunk's place: days since 1970, and the part of that date.
type ChunkKey = (i32, u32);

/// The rows of one table that one file holds.
#[derive(Debug, Default)]
pub(super) struct GatheredTable {
    /// In memory, each with the part that each of its dates goes to.
    batches: Vec<(RecordBatch, HashMap<i32, u32>)>,
    bytes: usize,
    /// The part that each date is at, and the bytes in it.
    cursor: BTreeMap<i32, (u32, u64)>,
    rows: u64,
}

impl GatheredTable {
    /// Takes the rows of a request.
    pub(super) fn add(&mut self, batch: RecordBatch) -> Result<()> {
        let weight = value_bytes(&batch)?;
        self.add_weighed(batch, weight)
    }

    fn add_weighed(&mut self, batch: RecordBatch, weight: u64) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        let mut parts = HashMap::new();
        for (date, count) in rows_by_date(&batch)? {
            let (part, filled) = self.cursor.entry(date).or_default();
            if *filled >= PART_BYTES {
                (*part, *filled) = (*part + 1, 0);
            }
            *filled += weight.saturating_mul(count) / rows as u64;
            parts.insert(date, *part);
        }
        self.rows += rows as u64;
        self.bytes += batch.get_array_memory_size();
        self.batches.push((batch, parts));
        Ok(())
    }

    /// Bytes in memory.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows, in memory and spilled.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// How many chunks the rows are.
    pub(super) fn chunks(&self) -> i64 {
        self.cursor.values().map(|(part, _)| i64::from(*part) + 1).sum()
    }

    /// Every row in memory, which then are here no more.
    pub(super) fn take_batches(&mut self) -> impl Iterator<Item = RecordBatch> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.batches).into_iter().map(|(batch, _)| batch)
    }

    /// Moves what is in memory to the folder, which is made. Blocks.
    pub(super) fn spill(&mut self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(failed)?;
        let held = std::mem::take(&mut self.batches);
        self.bytes = 0;
        let mut by_chunk: BTreeMap<ChunkKey, Picked<'_>> = BTreeMap::new();
        for (index, (batch, parts)) in held.iter().enumerate() {
            for (row, date) in dates(batch)?.values().iter().enumerate() {
                let part = parts.get(date).copied().unwrap_or_default();
                by_chunk.entry((*date, part)).or_default().add(index, batch, row);
            }
        }
        for (key, picked) in by_chunk {
            let gathered = interleave_record_batch(&picked.sources, &picked.rows).map_err(broken)?;
            append(&folder.join(file_name(key)), &with_own_bytes(&gathered)?)?;
        }
        Ok(())
    }

    /// The chunks in their order, of a table that was spilled to this folder.
    pub(super) fn chunk_files(&self, folder: &Path) -> Vec<SpilledChunk> {
        let keys = self.cursor.iter().flat_map(|(date, (last, _))| (0..=*last).map(|part| (*date, part)));
        keys.map(|key| SpilledChunk { path: folder.join(file_name(key)) }).collect()
    }
}

/// Rows of one chunk, and the batches that they are in.
#[derive(Default)]
struct Picked<'a> {
    sources: Vec<&'a RecordBatch>,
    /// The place of the last of them among all batches.
    last: Option<usize>,
    /// Places in `sources`, and rows there.
    rows: Vec<(usize, usize)>,
}

impl<'a> Picked<'a> {
    /// Takes a row of a batch; batches come in their order.
    fn add(&mut self, index: usize, batch: &'a RecordBatch, row: usize) {
        if self.last != Some(index) {
            self.last = Some(index);
            self.sources.push(batch);
        }
        self.rows.push((self.sources.len() - 1, row));
    }
}

/// The same rows without the bytes of others: a view column that was picked from batches keeps their whole buffers, and
/// Arrow IPC would write them all. Only columns are views, not what is nested in them (`model/schema.rs`).
fn with_own_bytes(batch: &RecordBatch) -> Result<RecordBatch> {
    let own = |column: &ArrayRef| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(compact(column.as_string_view())),
            DataType::BinaryView => Arc::new(compact(column.as_binary_view())),
            _ => Arc::clone(column),
        }
    };
    RecordBatch::try_new(batch.schema(), batch.columns().iter().map(own).collect()).map_err(broken)
}

/// Each value by itself, unless its buffers are smaller: a value that many rows share is in them once.
fn compact<T: ByteViewType>(column: &GenericByteViewArray<T>) -> GenericByteViewArray<T> {
    let held: usize = column.data_buffers().iter().map(|buffer| buffer.len()).sum();
    if held > column.total_buffer_bytes_used() { column.gc() } else { column.clone() }
}

/// Bytes of a batch's values: what they are, not how much room was made for them, so that it follows from the rows.
fn value_bytes(batch: &RecordBatch) -> Result<u64> {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    Ok(sizes.sum::<std::result::Result<usize, _>>().map_err(broken)? as u64)
}

/// One chunk on disk.
#[derive(Debug)]
pub(super) struct SpilledChunk {
    path: PathBuf,
}

impl SpilledChunk {
    /// Its rows. Blocks.
    pub(super) fn read(&self) -> Result<Vec<RecordBatch>> {
        let file = File::open(&self.path).map_err(failed)?;
        let mut bytes = BufReader::new(zstd::Decoder::new(file).map_err(failed)?);
        let mut batches = Vec::new();
        while !bytes.fill_buf().map_err(failed)?.is_empty() {
            for batch in StreamReader::try_new(&mut bytes, None).map_err(broken)? {
                batches.push(batch.map_err(broken)?);
            }
        }
        Ok(batches)
    }

    /// Takes it off the disk.
    pub(super) fn remove(&self) {
        // The folder goes with the import; this only frees the space sooner.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn append(path: &Path, batch: &RecordBatch) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    let frame = zstd::Encoder::new(file, SPILL_LEVEL).map_err(failed)?;
    let mut writer = StreamWriter::try_new(frame, &batch.schema()).map_err(broken)?;
    writer.write(batch).map_err(broken)?;
    writer.into_inner().map_err(broken)?.finish().map_err(failed)?;
    Ok(())
}

fn file_name((date, part): ChunkKey) -> String {
    format!("{date}-{part}.arrows.zst")
}

fn dates(batch: &RecordBatch) -> Result<&arrow::array::Date32Array> {
    batch
        .column_by_name(PARTITION)
        .and_then(|column| column.as_primitive_opt::<Date32Type>())
        .ok_or_else(|| Error::internal("a batch without its `date` column"))
}

/// Each date of a batch with its number of rows; most batches have one date.
fn rows_by_date(batch: &RecordBatch) -> Result<BTreeMap<i32, u64>> {
    let dates = dates(batch)?;
    if let (Some(first), Some(last)) = (min(dates), max(dates))
        && first == last
    {
        return Ok(BTreeMap::from([(first, dates.len() as u64)]));
    }
    let mut counts = BTreeMap::new();
    for date in dates.values() {
        *counts.entry(*date).or_default() += 1;
    }
    Ok(counts)
}

fn failed(error: std::io::Error) -> Error {
    Error::config("rows that do not fit into memory can't be kept in the temporary folder (TMPDIR)").with_source(error)
}

fn broken(error: arrow::error::ArrowError) -> Error {
    Error::internal("rows can't be spilled or read back").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, Date32Array, Int64Array, StringViewArray};
    use rand::{RngExt, SeedableRng, distr::Alphanumeric, rngs::StdRng};

    fn batch(dates: &[i32], first: i64) -> RecordBatch {
        let values = (first..).take(dates.len()).collect::<Vec<_>>();
        RecordBatch::try_from_iter([
            (PARTITION, Arc::new(Date32Array::from(dates.to_vec())) as Arc<dyn Array>),
            ("value", Arc::new(Int64Array::from(values))),
        ])
        .unwrap()
    }

    /// The chunks' values, however often the rows were spilled on the way.
    fn chunks(spill_after: &[usize]) -> Vec<Vec<i64>> {
        let folder = tempfile::tempdir().unwrap();
        let mut table = GatheredTable::default();
        let full = PART_BYTES;
        let batches =
            [(batch(&[2, 1, 2], 0), 30), (batch(&[1, 1], 3), full), (batch(&[1, 2], 5), 20), (batch(&[9], 7), 1)];
        for (index, (batch, weight)) in batches.into_iter().enumerate() {
            table.add_weighed(batch, weight).unwrap();
            if spill_after.contains(&index) {
                table.spill(folder.path()).unwrap();
            }
        }
        let count = table.chunks();
        table.spill(folder.path()).unwrap();
        let read: Vec<Vec<i64>> = table
            .chunk_files(folder.path())
            .iter()
            .map(|chunk| {
                let batches = chunk.read().unwrap();
                let values = |batch: &RecordBatch| {
                    batch.column(1).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
                };
                batches.iter().flat_map(values).collect()
            })
            .collect();
        assert_eq!(read.len(), usize::try_from(count).unwrap());
        read
    }

    #[test]
    fn chunks_follow_from_the_rows_and_not_from_when_they_were_spilled() {
        let expected = vec![vec![1, 3, 4], vec![5], vec![0, 2, 6], vec![7]];
        for spill_after in [&[][..], &[0], &[1, 2], &[0, 1, 2, 3]] {
            assert_eq!(chunks(spill_after), expected, "spilled after {spill_after:?}");
        }
    }
    /// Every request has a row of every date: the worst mixture there is.
    #[test]
    fn a_spilled_row_takes_its_own_bytes_along_and_no_others() {
        const REQUESTS: usize = 40;
        const DATES: i32 = 40;
        const LENGTH: usize = 500;
        let folder = tempfile::tempdir().unwrap();
        let mut random = StdRng::seed_from_u64(1);
        let mut table = GatheredTable::default();
        for _ in 0..REQUESTS {
            let bodies =
                (0..DATES).map(|_| (0..LENGTH).map(|_| random.sample(Alphanumeric) as char).collect::<String>());
            let bodies = StringViewArray::from_iter_values(bodies.collect::<Vec<_>>());
            let dates = Date32Array::from_iter_values(0..DATES);
            let columns = [(PARTITION, Arc::new(dates) as ArrayRef), ("body", Arc::new(bodies))];
            table.add(RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        }
        table.spill(folder.path()).unwrap();
        let values = REQUESTS * DATES as usize * LENGTH;
        let chunks = table.chunk_files(folder.path());
        let spilled: u64 = chunks.iter().map(|chunk| chunk.path.metadata().unwrap().len()).sum();
        assert!(spilled < 2 * values as u64, "{values} bytes of values, {spilled} bytes on disk");
        let read: usize = chunks
            .iter()
            .flat_map(|chunk| chunk.read().unwrap())
            .flat_map(|batch| batch.column(1).as_string_view().data_buffers().to_vec())
            .map(|buffer| buffer.len())
            .sum();
        assert!((values..2 * values).contains(&read), "{values} bytes of values, {read} bytes read back");
    }
}
