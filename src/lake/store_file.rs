//! A stored Parquet file, read by ranges.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

/// Bytes fetched from a file's end at first: the footer of a usual file.
const FOOTER_HINT: usize = 64 << 10;

/// One file and its length.
#[derive(Debug, Clone)]
pub(crate) struct StoreFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl StoreFile {
    /// The file at `path` of `store`, of so many bytes.
    pub(crate) fn new(store: &Arc<dyn ObjectStore>, path: Path, size: u64) -> Self {
        Self { store: Arc::clone(store), path, size }
    }

    /// Its footer.
    pub(crate) async fn footer(&mut self) -> Result<ParquetMetaData> {
        let size = self.size;
        ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_HINT)).load_and_finish(self, size).await
    }

    /// What a failed read up to `end` says. What a range past the end is called, each store decides for itself.
    async fn failed(&self, error: object_store::Error, end: u64) -> ParquetError {
        match self.store.head(&self.path).await {
            Ok(object) if object.size < end => {
                ParquetError::EOF(format!("the file has {} bytes where the log says {}", object.size, self.size))
            }
            _ => ParquetError::External(Box::new(error)),
        }
    }
}

impl AsyncFileReader for StoreFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let end = range.end;
            match self.store.get_range(&self.path, range).await {
                Ok(bytes) => Ok(bytes),
                Err(error) => Err(self.failed(error, end).await),
            }
        }
        .boxed()
    }

    /// Columns that lie together are one request.
    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move {
            let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
            match self.store.get_ranges(&self.path, &ranges).await {
                Ok(bytes) => Ok(bytes),
                Err(error) => Err(self.failed(error, end).await),
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move { self.footer().await.map(Arc::new) }.boxed()
    }
}

/// Whether the store did not answer, as opposed to what it answered being no Parquet.
pub(crate) fn store_failed(error: &ParquetError) -> bool {
    let ParquetError::External(source) = error else { return false };
    let error = source.downcast_ref::<object_store::Error>();
    error.is_some_and(|error| !matches!(error, object_store::Error::NotFound { .. }))
}
