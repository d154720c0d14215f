//! The Arrow IPC stream: the result as it is.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Writes an Arrow IPC stream.
pub(super) struct ArrowIpc(StreamWriter<Vec<u8>>);

impl ArrowIpc {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Failure> {
        Ok(Self(StreamWriter::try_new(Vec::new(), schema)?))
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
        self.0.write(batch)?;
        Ok(std::mem::take(self.0.get_mut()))
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, Failure> {
        self.0.finish()?;
        Ok(self.0.into_inner()?)
    }
}
