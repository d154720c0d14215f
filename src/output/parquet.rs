//! A Parquet file, given out row group by row group.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Encoded bytes of a row group at which it is given out.
const ROW_GROUP_BYTES: usize = 32 * 1024 * 1024;

/// Writes a Parquet file.
pub(super) struct Parquet(ArrowWriter<Vec<u8>>);

impl Parquet {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Failure> {
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        Ok(Self(ArrowWriter::try_new(Vec::new(), SchemaRef::clone(schema), Some(properties))?))
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
        self.0.write(batch)?;
        if self.0.in_progress_size() >= ROW_GROUP_BYTES || self.0.memory_size() >= 4 * ROW_GROUP_BYTES {
            self.0.flush()?;
        }
        // Offsets in the footer are counted by the writer, not taken from the Vec.
        Ok(std::mem::take(self.0.inner_mut()))
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, Failure> {
        self.0.finish()?;
        Ok(std::mem::take(self.0.inner_mut()))
    }
}
