//! How a scan reads files: footers from the session's cache, small files of an object store whole and kept, and every
//! byte of a column counted.
//!
//! A file that is read for its footer, its bloom filters and its columns is three requests; up to [`SMALL`] one
//! request for all of it is faster and cheaper, and the next query on it needs none.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetFileReaderFactory};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::budget::ScanMeter;
use crate::lake::{KeptObjects, LakeRoot, WholeObjects};

/// Files of at most this many bytes are read whole.
const SMALL: u64 = 1 << 20;

/// The stores that files are read from, by their size.
#[derive(Debug, Clone)]
pub(super) struct FileStores {
    any: Arc<dyn ObjectStore>,
    /// `None` for a local folder, where a request costs nothing.
    small: Option<Arc<dyn ObjectStore>>,
}

impl FileStores {
    /// The stores of a lake, with room for so many bytes of small files.
    pub(super) fn new(root: &LakeRoot, max_bytes: usize) -> Self {
        let any = Arc::clone(root.store());
        let small = root.local_folder().is_none().then(|| {
            let kept = Arc::new(KeptObjects::new(max_bytes));
            Arc::new(WholeObjects::new(Arc::clone(&any), kept, |_| true)) as Arc<dyn ObjectStore>
        });
        Self { any, small }
    }

    /// What reads small files whole, where that is worth it.
    pub(super) const fn small(&self) -> Option<&Arc<dyn ObjectStore>> {
        self.small.as_ref()
    }

    /// What opens files for one scan of a query.
    pub(super) fn factory(
        &self,
        footers: Arc<FileMetadataCache>,
        meter: Arc<ScanMeter>,
    ) -> Arc<dyn ParquetFileReaderFactory> {
        Arc::new(FileReaders { stores: self.clone(), footers, meter })
    }
}

#[derive(Debug)]
struct FileReaders {
    stores: FileStores,
    footers: Arc<FileMetadataCache>,
    meter: Arc<ScanMeter>,
}

impl ParquetFileReaderFactory for FileReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let small = self.stores.small.as_ref().filter(|_| file.object_meta.size <= SMALL);
        let store = Arc::clone(small.unwrap_or(&self.stores.any));
        let reader = CachedParquetFileReaderFactory::new(store, Arc::clone(&self.footers)).create_reader(
            partition_index,
            file,
            metadata_size_hint,
            metrics,
        )?;
        Ok(Box::new(MeteredReader { reader, meter: Arc::clone(&self.meter) }))
    }
}

/// A reader of one file that counts what it is asked for.
struct MeteredReader {
    reader: Box<dyn AsyncFileReader + Send>,
    meter: Arc<ScanMeter>,
}

impl MeteredReader {
    fn take(&self, ranges: &[Range<u64>]) -> Result<(), ParquetError> {
        let bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        self.meter.take(bytes).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl AsyncFileReader for MeteredReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        match self.take(std::slice::from_ref(&range)) {
            Ok(()) => self.reader.get_bytes(range),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        match self.take(&ranges) {
            Ok(()) => self.reader.get_byte_ranges(ranges),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        self.reader.get_metadata(options)
    }
}
