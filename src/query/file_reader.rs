//! How a scan reads files: footers from the session's cache, small files of an object store whole and kept.
//!
//! A file that is read for its footer, its bloom filters and its columns is three requests; up to [`SMALL`] one
//! request for all of it is faster and cheaper, and the next query on it needs none.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetFileReaderFactory};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use object_store::ObjectStore;
use parquet::arrow::async_reader::AsyncFileReader;

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

    /// What opens files for one scan.
    pub(super) fn factory(&self, footers: Arc<FileMetadataCache>) -> Arc<dyn ParquetFileReaderFactory> {
        Arc::new(FileReaders { stores: self.clone(), footers })
    }
}

#[derive(Debug)]
struct FileReaders {
    stores: FileStores,
    footers: Arc<FileMetadataCache>,
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
        CachedParquetFileReaderFactory::new(store, Arc::clone(&self.footers)).create_reader(
            partition_index,
            file,
            metadata_size_hint,
            metrics,
        )
    }
}
