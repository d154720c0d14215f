//! A run: one Parquet file of the index, its sightings sorted by key, and in its footer which data files it covers.
//!
//! Guarantees: what a run says is whole, or it is an error: each row group has a checksum in the footer, the footer in the
//! file's name, and the name in the Delta log. Coverage is in the same file as what it vouches for, so neither can be
//! there without the other.
//!
//! ```text
//! month=2026-11/<uuid>-<CRC-32 of the footer>.parquet
//!
//! row group of 65,536 rows  \
//! row group                  } a lookup reads those whose range of keys has its key, mostly one
//! row group                 /
//! footer: ranges of keys; `telestrata.trace_index`: {version, covers, checksums}
//! ```

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Builder, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::async_reader::AsyncFileReader as _;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader, RowGroupMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sighting::Sighting;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LiveFile, StoreFile};
use crate::model::signal::Signal;

/// The columns of the files. A span of seconds is short where a second time would not be.
pub(super) const KEY: &str = "key";
pub(super) const SIGNAL: &str = "signal";
pub(super) const FIRST: &str = "first_second";
pub(super) const SECONDS: &str = "seconds";

/// Rows of a row group: what a lookup reads, some 500 KB.
const GROUP_ROWS: usize = 64 << 10;

/// Rows that are encoded at once.
const BATCH_ROWS: u64 = 8 << 10;

/// zstd level; the keys are random, so a higher one gains nothing.
const ZSTD_LEVEL: i32 = 3;

/// Bytes of a run's end that are fetched first.
const FOOTER_HINT: u64 = 64 << 10;

/// Bytes of a Parquet file after its footer.
const FOOTER_END: usize = 8;

/// The footer's key, and the version of what it holds.
const FOOTER_KEY: &str = "telestrata.trace_index";
const VERSION: u32 = 1;

/// A data file, as the index knows it: half of the SHA-256 of its table, path and size. Delta never uses a path again
/// for another content, so what was indexed once under an id is that file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId([u8; 16]);

impl FileId {
    pub(super) fn of(signal: Signal, file: &LiveFile) -> Self {
        let digest = Sha256::new()
            .chain_update(signal.table())
            .chain_update("/")
            .chain_update(&file.path)
            .chain_update([0])
            .chain_update(file.size.to_be_bytes())
            .finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

/// What the footer says beside Parquet's own.
#[derive(Debug, Serialize, Deserialize)]
struct Footer {
    version: u32,
    /// The ids of the data files whose sightings are all here, one after the other, in base64.
    covers: String,
    /// CRC-32 of each row group's bytes.
    checksums: Vec<u32>,
}

/// Writes sorted sightings as a run, in memory.
pub(super) struct RunWriter {
    writer: ArrowWriter<Vec<u8>>,
    schema: SchemaRef,
    keys: Int64Builder,
    signals: StringBuilder,
    first: Int64Builder,
    seconds: Int32Builder,
    last: Option<Sighting>,
    range: Option<(i64, i64)>,
    rows: u64,
}

/// A run's file name and bytes, and the statistics of its `add` action.
pub(super) struct EncodedRun {
    pub(super) name: String,
    pub(super) bytes: Bytes,
    pub(super) stats: String,
}

impl RunWriter {
    pub(super) fn new() -> Result<Self> {
        let schema = Arc::new(Schema::new(vec![
            Field::new(KEY, DataType::Int64, true),
            Field::new(SIGNAL, DataType::Utf8, true),
            Field::new(FIRST, DataType::Int64, true),
            Field::new(SECONDS, DataType::Int32, true),
        ]));
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(encoding)?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_sorting_columns(Some(
                (0..3).map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: true }).collect(),
            ))
            .set_created_by(concat!("telestrata ", env!("CARGO_PKG_VERSION")).to_owned());
        for column in [KEY, FIRST] {
            let path = || ColumnPath::new(vec![column.to_owned()]);
            properties = properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
        }
        let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&schema), options).map_err(encoding)?;
        Ok(Self {
            writer,
            schema,
            keys: Int64Builder::new(),
            signals: StringBuilder::new(),
            first: Int64Builder::new(),
            seconds: Int32Builder::new(),
            last: None,
            range: None,
            rows: 0,
        })
    }

    /// Takes the next sighting in sort order.
    pub(super) fn push(&mut self, next: Sighting) -> Result<()> {
        if let Some(last) = &mut self.last {
            if last.absorb(&next) {
                return Ok(());
            }
            let last = std::mem::replace(last, next);
            return self.append(last);
        }
        self.last = Some(next);
        Ok(())
    }

    fn append(&mut self, sighting: Sighting) -> Result<()> {
        let Sighting { key, signal, first, last } = sighting;
        self.keys.append_value(key);
        self.signals.append_value(signal.table());
        self.first.append_value(first);
        // Times fit into 64 bits of nanoseconds, so a span of seconds may not fit into 31 bits: then it is none.
        self.seconds.append_option(i32::try_from(last.saturating_sub(first)).ok());
        self.range = Some(self.range.map_or((key, key), |(low, _)| (low, key)));
        self.rows += 1;
        if self.rows.is_multiple_of(BATCH_ROWS) { self.write_batch() } else { Ok(()) }
    }

    fn write_batch(&mut self) -> Result<()> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.keys.finish()),
            Arc::new(self.signals.finish()),
            Arc::new(self.first.finish()),
            Arc::new(self.seconds.finish()),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::internal("no batch of the trace index").with_source(error))?;
        self.writer.write(&batch).map_err(encoding)
    }

    /// The run, which covers these data files.
    pub(super) fn finish(mut self, covers: impl IntoIterator<Item = FileId>) -> Result<EncodedRun> {
        if let Some(last) = self.last.take() {
            self.append(last)?;
        }
        self.write_batch()?;
        self.writer.flush().map_err(encoding)?;
        self.writer.sync().map_err(|error| Error::internal("can't write to memory").with_source(error))?;
        let bytes = self.writer.inner();
        let checksums = self.writer.flushed_row_groups().iter().map(|group| {
            let range = byte_range(group)?;
            let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            bytes.get(within(range.start)..within(range.end)).map(crc32fast::hash)
        });
        let checksums = checksums
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Error::internal("a row group of the trace index is not where it was written"))?;
        let covers: Vec<u8> = covers.into_iter().flat_map(|FileId(id)| id).collect();
        let footer = Footer { version: VERSION, covers: STANDARD.encode(covers), checksums };
        let footer = serde_json::to_string(&footer)
            .map_err(|error| Error::internal("no JSON of a footer").with_source(error))?;
        self.writer.append_key_value_metadata(KeyValue::new(FOOTER_KEY.to_owned(), footer));
        let bytes = self.writer.into_inner().map_err(encoding)?;
        let (low, high) = self.range.unzip();
        let stats = serde_json::json!({
            "numRecords": self.rows,
            "minValues": low.map_or_else(|| serde_json::json!({}), |low| serde_json::json!({ KEY: low })),
            "maxValues": high.map_or_else(|| serde_json::json!({}), |high| serde_json::json!({ KEY: high })),
            "nullCount": { KEY: 0 },
        });
        let footer = footer_length(&bytes).and_then(|length| bytes.len().checked_sub(usize::try_from(length).ok()?));
        let footer = footer.and_then(|start| bytes.get(start..));
        let footer = footer.ok_or_else(|| Error::internal("a run of the trace index has no footer"))?;
        let name = format!("{}-{:08x}.parquet", uuid::Uuid::now_v7(), crc32fast::hash(footer));
        Ok(EncodedRun { name, bytes: bytes.into(), stats: stats.to_string() })
    }
}

/// A run that is opened: its footer.
#[derive(Debug)]
pub(super) struct Run {
    metadata: ArrowReaderMetadata,
    covers: HashSet<FileId>,
    checksums: Vec<u32>,
}

impl Run {
    /// Reads a run's footer.
    ///
    /// # Errors
    /// `NotFound` where the file is not there, `Damaged` where it is no run, `Unavailable` where the store does not
    /// answer.
    pub(super) async fn open(store: &Arc<dyn ObjectStore>, path: &Path, size: u64) -> Result<Self> {
        let mut file = StoreFile::new(store, path.clone(), size);
        let start = size.saturating_sub(FOOTER_HINT);
        let mut tail = file.get_bytes(start..size).await.map_err(|error| unreadable(path, error))?;
        let length = footer_length(&tail).filter(|length| *length <= size).ok_or_else(|| no_run(path))?;
        if length > tail.len() as u64 {
            tail = file.get_bytes(size - length..size).await.map_err(|error| unreadable(path, error))?;
        }
        Self::of_tail(path, &tail)
    }

    /// The run of the last bytes of a file, or of all.
    ///
    /// # Errors
    /// `Damaged` where it is no run.
    pub(super) fn of_tail(path: &Path, tail: &Bytes) -> Result<Self> {
        let length = footer_length(tail).and_then(|length| usize::try_from(length).ok());
        let start = length.and_then(|length| tail.len().checked_sub(length)).ok_or_else(|| no_run(path))?;
        let footer = tail.slice(start..);
        let named = path.filename().and_then(|name| name.strip_suffix(".parquet")?.rsplit_once('-'));
        if named.and_then(|(_, crc)| u32::from_str_radix(crc, 16).ok()) != Some(crc32fast::hash(&footer)) {
            return Err(no_run(path));
        }
        let footer = footer.slice(..footer.len() - FOOTER_END);
        let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(|error| unreadable(path, error))?;
        let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new());
        Self::of_footer(path, metadata.map_err(|error| unreadable(path, error))?)
    }

    fn of_footer(path: &Path, metadata: ArrowReaderMetadata) -> Result<Self> {
        let damaged = || no_run(path);
        let footer = metadata.metadata().file_metadata().key_value_metadata();
        let footer = footer.and_then(|pairs| pairs.iter().find(|pair| pair.key == FOOTER_KEY));
        let footer = footer.and_then(|pair| pair.value.as_deref()).ok_or_else(damaged)?;
        let footer: Footer = serde_json::from_str(footer).map_err(|error| damaged().with_source(error))?;
        let covers = STANDARD.decode(&footer.covers).map_err(|error| damaged().with_source(error))?;
        let (ids, rest) = covers.as_chunks::<16>();
        let groups = metadata.metadata().num_row_groups();
        if footer.version != VERSION || footer.checksums.len() != groups || !rest.is_empty() {
            return Err(damaged());
        }
        let covers = ids.iter().map(|id| FileId(*id)).collect();
        Ok(Self { metadata, covers, checksums: footer.checksums })
    }

    /// The data files whose sightings are all in this run.
    pub(super) const fn covers(&self) -> &HashSet<FileId> {
        &self.covers
    }

    /// Bytes that it takes in memory.
    pub(super) fn memory_size(&self) -> usize {
        self.metadata.metadata().memory_size() + self.covers.len() * 2 * size_of::<FileId>()
    }

    /// The sightings of these keys; one request for each row group that may have one of them.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) async fn find(
        &self,
        store: &Arc<dyn ObjectStore>,
        path: &Path,
        keys: &HashSet<i64>,
    ) -> Result<Vec<Sighting>> {
        let mut found = Vec::new();
        for (number, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            if keys.iter().any(|key| may_have(group, *key)) {
                let bytes = self.group_bytes(store, path, group).await?;
                self.read_group(path, number, bytes, |sighting| {
                    if keys.contains(&sighting.key) {
                        found.push(sighting);
                    }
                    Ok(())
                })?;
            }
        }
        Ok(found)
    }

    async fn group_bytes(&self, store: &Arc<dyn ObjectStore>, path: &Path, group: &RowGroupMetaData) -> Result<Window> {
        let range = byte_range(group).ok_or_else(|| no_run(path))?;
        let (start, end) = (range.start, range.end);
        let bytes = StoreFile::new(store, path.clone(), end).get_bytes(range).await;
        Ok(Window { start, bytes: bytes.map_err(|error| unreadable(path, error))? })
    }

    /// Every sighting of a row group, in order, whose bytes are in `window`.
    fn read_group(
        &self,
        path: &Path,
        number: usize,
        window: Window,
        mut take: impl FnMut(Sighting) -> Result<()>,
    ) -> Result<()> {
        let group = self.metadata.metadata().row_groups().get(number).ok_or_else(|| no_run(path))?;
        let range = byte_range(group).ok_or_else(|| no_run(path))?;
        let bytes = window.slice(range).ok_or_else(|| no_run(path))?;
        if self.checksums.get(number) != Some(&crc32fast::hash(&bytes)) {
            return Err(Error::new(ErrorKind::Damaged, format!("{path} has another checksum than its footer says")));
        }
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(window, self.metadata.clone())
            .with_row_groups(vec![number])
            .with_batch_size(GROUP_ROWS)
            .build()
            .map_err(|error| unreadable(path, error))?;
        for batch in reader {
            let batch = batch.map_err(|error| unreadable(path, error.into()))?;
            for sighting in sightings(&batch).ok_or_else(|| no_run(path))? {
                take(sighting.ok_or_else(|| no_run(path))?)?;
            }
        }
        Ok(())
    }
}

/// A whole run, read group by group in sort order.
pub(super) struct WholeRun {
    run: Run,
    path: Path,
    bytes: Bytes,
    group: usize,
    rows: std::vec::IntoIter<Sighting>,
}

impl WholeRun {
    pub(super) fn new(run: Run, path: Path, bytes: Bytes) -> Self {
        Self { run, path, bytes, group: 0, rows: Vec::new().into_iter() }
    }

    pub(super) const fn run(&self) -> &Run {
        &self.run
    }

    /// The next sighting, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Sighting>> {
        loop {
            if let Some(next) = self.rows.next() {
                return Ok(Some(next));
            }
            if self.group >= self.run.metadata.metadata().num_row_groups() {
                return Ok(None);
            }
            let mut rows = Vec::with_capacity(GROUP_ROWS);
            let window = Window { start: 0, bytes: self.bytes.clone() };
            self.run.read_group(&self.path, self.group, window, |sighting| {
                rows.push(sighting);
                Ok(())
            })?;
            self.rows = rows.into_iter();
            self.group += 1;
        }
    }
}

/// A batch's sightings; a `None` inside is a row that no run has.
fn sightings(batch: &RecordBatch) -> Option<impl Iterator<Item = Option<Sighting>>> {
    let keys = batch.column_by_name(KEY)?.as_primitive_opt::<Int64Type>()?;
    let signals = batch.column_by_name(SIGNAL)?.as_string_opt::<i32>()?;
    let first = batch.column_by_name(FIRST)?.as_primitive_opt::<Int64Type>()?;
    let seconds = batch.column_by_name(SECONDS)?.as_primitive_opt::<Int32Type>()?;
    Some((0..batch.num_rows()).map(move |row| {
        if keys.is_null(row) || signals.is_null(row) || first.is_null(row) {
            return None;
        }
        let start = first.value(row);
        Some(Sighting {
            key: keys.value(row),
            signal: Signal::from_table(signals.value(row))?,
            first: start,
            last: if seconds.is_null(row) { i64::MAX } else { start.checked_add(seconds.value(row).into())? },
        })
    }))
}

/// Whether a row group's range of keys has this one.
fn may_have(group: &RowGroupMetaData, key: i64) -> bool {
    match group.columns().first().and_then(|column| column.statistics()) {
        Some(Statistics::Int64(keys)) => {
            keys.min_opt().is_none_or(|min| *min <= key) && keys.max_opt().is_none_or(|max| key <= *max)
        }
        _ => true,
    }
}

/// Where a row group's bytes are in the file.
fn byte_range(group: &RowGroupMetaData) -> Option<Range<u64>> {
    let ranges = || group.columns().iter().map(|column| column.byte_range());
    let start = ranges().map(|(start, _)| start).min()?;
    let end = ranges().filter_map(|(start, length)| start.checked_add(length)).max()?;
    (start < end).then_some(start..end)
}

/// A part of a file, at its place in it.
#[derive(Debug, Clone)]
struct Window {
    start: u64,
    bytes: Bytes,
}

impl Window {
    fn slice(&self, range: Range<u64>) -> Option<Bytes> {
        let within = |at: u64| usize::try_from(at.checked_sub(self.start)?).ok().filter(|at| *at <= self.bytes.len());
        let (start, end) = (within(range.start)?, within(range.end)?);
        (start <= end).then(|| self.bytes.slice(start..end))
    }
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Window {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let rest = self.slice(start..self.len());
        rest.map(Buf::reader).ok_or_else(|| ParquetError::EOF("outside of what was read".to_owned()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let part = start.checked_add(length as u64).and_then(|end| self.slice(start..end));
        part.ok_or_else(|| ParquetError::EOF("outside of what was read".to_owned()))
    }
}

/// Bytes from the footer's beginning to the file's end, by Parquet's last 8 bytes: the footer's length, and `PAR1`.
fn footer_length(tail: &[u8]) -> Option<u64> {
    let (length, magic) = tail.last_chunk::<FOOTER_END>()?.split_at(4);
    let length = u32::from_le_bytes(length.try_into().ok()?);
    (magic == b"PAR1").then_some(u64::from(length) + FOOTER_END as u64)
}

fn no_run(path: &Path) -> Error {
    Error::new(ErrorKind::Damaged, format!("{path} is no run of this version's trace index, or not whole"))
}

pub(super) fn unreadable(path: &Path, error: ParquetError) -> Error {
    let kind = match &error {
        ParquetError::External(source) => match source.downcast_ref::<object_store::Error>() {
            Some(object_store::Error::NotFound { .. }) => ErrorKind::NotFound,
            Some(_) => ErrorKind::Unavailable,
            None => ErrorKind::Damaged,
        },
        _ => ErrorKind::Damaged,
    };
    Error::new(kind, format!("{path} can't be read")).with_source(error)
}

fn encoding(error: ParquetError) -> Error {
    Error::internal("can't encode a run of the trace index").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;

    const ROWS: i64 = 3 * GROUP_ROWS as i64 / 2;

    fn sighting(number: i64) -> Sighting {
        Sighting { key: number * 10, signal: Signal::Spans, first: number, last: number + number % 100 }
    }

    async fn store_of(run: &EncodedRun) -> (Arc<dyn ObjectStore>, Path) {
        let (store, path) = (Arc::new(InMemory::new()), Path::from("month=2023-11").join(run.name.as_str()));
        store.put(&path, run.bytes.clone().into()).await.unwrap();
        (store, path)
    }

    fn encoded() -> EncodedRun {
        let mut writer = RunWriter::new().unwrap();
        for number in 0..ROWS {
            writer.push(sighting(number)).unwrap();
        }
        writer.finish([FileId([7; 16]), FileId([8; 16])]).unwrap()
    }

    #[tokio::test]
    async fn a_lookup_finds_what_was_written_in_any_row_group() {
        let run = encoded();
        let (store, path) = store_of(&run).await;
        let opened = Run::open(&store, &path, run.bytes.len() as u64).await.unwrap();
        assert_eq!(opened.covers(), &HashSet::from([FileId([7; 16]), FileId([8; 16])]));
        assert_eq!(opened.checksums.len(), 2);
        let last = ROWS - 1;
        let keys = HashSet::from([0, 10, 11, last * 10, -1, i64::MAX]);
        let mut found = opened.find(&store, &path, &keys).await.unwrap();
        found.sort();
        assert_eq!(found, [sighting(0), sighting(1), sighting(last)]);
        let mut whole = WholeRun::new(opened, path, run.bytes);
        let mut rows = 0;
        while let Some(next) = whole.next().unwrap() {
            assert_eq!(next, sighting(rows));
            rows += 1;
        }
        assert_eq!(rows, ROWS);
    }

    /// Wherever a byte is wrong, a lookup that would need it fails, or finds what was written.
    #[tokio::test]
    async fn no_wrong_byte_goes_unseen() {
        let run = encoded();
        let keys = HashSet::from([50, (ROWS - 5) * 10]);
        let wrong = (0..run.bytes.len()).step_by(run.bytes.len() / 97).chain(run.bytes.len() - 300..run.bytes.len());
        for at in wrong {
            let mut bytes = run.bytes.to_vec();
            bytes[at] ^= 0x10;
            let damaged = EncodedRun { name: run.name.clone(), bytes: bytes.into(), stats: String::new() };
            let (store, path) = store_of(&damaged).await;
            let found = match Run::open(&store, &path, damaged.bytes.len() as u64).await {
                Ok(opened) => opened.find(&store, &path, &keys).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(found) => assert!(at < 4 && found.len() == 2, "byte {at}: {found:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "byte {at}: {error}"),
            }
        }
    }

    /// A stay that is too long for its column, and none at all.
    #[tokio::test]
    async fn a_stay_without_an_end_goes_on_for_ever() {
        let mut writer = RunWriter::new().unwrap();
        writer.push(Sighting { key: 1, signal: Signal::Logs, first: 0, last: i64::MAX }).unwrap();
        let run = writer.finish([]).unwrap();
        let (store, path) = store_of(&run).await;
        let opened = Run::open(&store, &path, run.bytes.len() as u64).await.unwrap();
        let found = opened.find(&store, &path, &HashSet::from([1])).await.unwrap();
        assert_eq!(found, [Sighting { key: 1, signal: Signal::Logs, first: 0, last: i64::MAX }]);
        let none = RunWriter::new().unwrap().finish([FileId([1; 16])]).unwrap();
        let (store, path) = store_of(&none).await;
        let opened = Run::open(&store, &path, none.bytes.len() as u64).await.unwrap();
        assert!(opened.covers().contains(&FileId([1; 16])));
        assert_eq!(opened.find(&store, &path, &HashSet::from([1])).await.unwrap(), []);
    }
}
