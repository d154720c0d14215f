//! A result's rows in the format that was asked for, as they come.

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use clap::ValueEnum;

use super::render::{Layout, Markdown, Table};
use crate::error::Result;
use crate::output::{Encoder, Format};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// A table on a terminal, CSV elsewhere; by the ending of --output's name
    Auto,
    /// Columns under their names
    Table,
    /// Comma-separated, with a header
    Csv,
    /// Tab-separated, with a header
    Tsv,
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    /// A Markdown table
    Markdown,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file
    Parquet,
}

impl OutputFormat {
    /// What `Auto` means for a file of this name.
    pub(super) fn of_file(self, path: &Path) -> Self {
        if self != Self::Auto {
            return self;
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Self::Json,
            Some("ndjson" | "jsonl") => Self::Ndjson,
            Some("tsv") => Self::Tsv,
            Some("md") => Self::Markdown,
            Some("arrow" | "arrows") => Self::Arrow,
            Some("parquet") => Self::Parquet,
            _ => Self::Csv,
        }
    }

    /// Whether results in it may follow each other in one file, and be read on a terminal.
    pub(super) const fn is_text(self) -> bool {
        !matches!(self, Self::Arrow | Self::Parquet)
    }
}

/// Writes one result.
#[derive(Debug)]
pub(super) enum RowWriter {
    Table(Box<Table>),
    Markdown(Markdown),
    Encoded(Box<Encoder>),
}

impl RowWriter {
    /// A writer for batches of `schema`; the layout is a table's.
    ///
    /// # Errors
    /// `Invalid` for a column that the format can't hold.
    pub(super) fn new(format: OutputFormat, schema: &SchemaRef, layout: Layout) -> Result<Self> {
        let format = match format {
            OutputFormat::Table => return Ok(Self::Table(Box::new(Table::new(schema, layout)))),
            OutputFormat::Markdown => return Ok(Self::Markdown(Markdown::new(schema))),
            OutputFormat::Auto | OutputFormat::Csv => Format::Csv,
            OutputFormat::Tsv => Format::Tsv,
            OutputFormat::Json => Format::Json,
            OutputFormat::Ndjson => Format::Ndjson,
            OutputFormat::Arrow => Format::Arrow,
            OutputFormat::Parquet => Format::Parquet,
        };
        Ok(Self::Encoded(Box::new(Encoder::new(format, schema)?)))
    }

    /// Takes rows; answers the bytes that are ready, which may be none.
    pub(super) fn write(&mut self, batch: RecordBatch) -> Result<Bytes> {
        match self {
            Self::Table(table) => Ok(table.write(batch)?.into()),
            Self::Markdown(markdown) => Ok(markdown.write(&batch)?.into()),
            Self::Encoded(encoder) => encoder.write(&batch),
        }
    }

    /// The last bytes.
    pub(super) fn finish(self) -> Result<Bytes> {
        match self {
            Self::Table(table) => Ok(table.finish()?.into()),
            Self::Markdown(markdown) => Ok(markdown.finish().into()),
            Self::Encoded(encoder) => encoder.finish(),
        }
    }
}
