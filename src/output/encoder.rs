//! Batches in, bytes out, one encoder a result.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use super::arrow_ipc::ArrowIpc;
use super::columns::{sent_parquet_schema, sent_schema, with_unique_names, written_batch};
use super::delimited::Delimited;
use super::format::Format;
use super::json::Json;
use super::parquet::Parquet;
use crate::error::{Error, Result};

/// Any failure below; its text says what can't be written.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Rows of the text formats that are encoded at a time: about a megabyte of wide spans.
const TEXT_ROWS: usize = 1024;

/// Writes one result. CPU work: call it where blocking is welcome.
pub struct Encoder {
    format: Format,
    schema: SchemaRef,
    writer: Writer,
}

enum Writer {
    Json(Json),
    Delimited(Delimited),
    Arrow(ArrowIpc),
    Parquet(Box<Parquet>),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("format", &self.format).field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder for batches of `schema`.
    ///
    /// # Errors
    /// `Invalid` for a column that the format can't hold.
    pub fn new(format: Format, schema: &SchemaRef) -> Result<Self> {
        let schema = match format {
            Format::Json | Format::Ndjson | Format::Csv | Format::Tsv => with_unique_names(schema),
            Format::Arrow => sent_schema(schema),
            Format::Parquet => sent_parquet_schema(schema).map_err(|error| cannot_write(format, error.into()))?,
        };
        let writer = match format {
            Format::Json => Ok(Writer::Json(Json::array())),
            Format::Ndjson => Ok(Writer::Json(Json::lines())),
            Format::Csv => Delimited::new(b',', &schema).map(Writer::Delimited),
            Format::Tsv => Delimited::new(b'\t', &schema).map(Writer::Delimited),
            Format::Arrow => ArrowIpc::new(&schema).map(Writer::Arrow),
            Format::Parquet => Parquet::new(&schema).map(|parquet| Writer::Parquet(Box::new(parquet))),
        };
        Ok(Self { format, schema, writer: writer.map_err(|error| cannot_write(format, error))? })
    }

    /// The format it writes.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Rows that are best given at a time, so that what comes out is neither tiny nor huge.
    pub const fn rows_at_a_time(&self) -> usize {
        match self.format {
            Format::Json | Format::Ndjson | Format::Csv | Format::Tsv => TEXT_ROWS,
            Format::Arrow | Format::Parquet => usize::MAX,
        }
    }

    /// Takes rows; answers the bytes that are ready, which may be none.
    ///
    /// # Errors
    /// `Invalid` for a column that the format can't hold.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Bytes> {
        self.write_batch(batch).map_err(|error| cannot_write(self.format, error))
    }

    /// The last bytes. A result without them is cut off, which every format but NDJSON, CSV and TSV shows.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn finish(self) -> Result<Bytes> {
        let bytes = match self.writer {
            Writer::Json(json) => json.finish(),
            Writer::Delimited(delimited) => Ok(delimited.finish()),
            Writer::Arrow(arrow) => arrow.finish(),
            Writer::Parquet(parquet) => parquet.finish(),
        };
        bytes.map(Bytes::from).map_err(|error| cannot_write(self.format, error))
    }

    fn write_batch(&mut self, batch: &RecordBatch) -> Result<Bytes, Failure> {
        let batch = written_batch(&self.schema, batch)?;
        let bytes = match &mut self.writer {
            Writer::Json(json) => json.write(&batch),
            Writer::Delimited(delimited) => delimited.write(&batch),
            Writer::Arrow(arrow) => arrow.write(&batch),
            Writer::Parquet(parquet) => parquet.write(&batch),
        };
        bytes.map(Bytes::from)
    }
}

fn cannot_write(format: Format, error: Failure) -> Error {
    let format = format.media_type();
    Error::invalid(format!("the result can't be written as {format}; cast the column, or ask for another format"))
        .with_source(error)
}
