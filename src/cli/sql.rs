//! `telestrata sql`: a query, a file or standard input; every output format.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use futures::StreamExt;

use super::Done;
use super::render::{markdown, table};
use super::target::TargetArgs;
use crate::error::{Error, Result};
use crate::output::{Encoder, Format};
use crate::query::QueryStream;

#[derive(Debug, Args)]
pub(super) struct Sql {
    #[command(flatten)]
    target: TargetArgs,

    /// The query; `-` reads it from standard input
    #[arg(required_unless_present = "file")]
    query: Option<String>,

    /// Read the query from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,

    /// How to print the rows
    #[arg(long, value_enum, default_value_t = OutputFormat::Auto)]
    format: OutputFormat,

    /// Write the rows to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
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

impl Sql {
    pub(super) async fn run(self) -> Result<Done> {
        let query = self.query_text()?;
        let format = self.format();
        let target = self.target.open().await?;
        let stream = target.query(&query).await?;
        let mut out: Box<dyn Write> = match &self.output {
            Some(path) => Box::new(std::io::BufWriter::new(
                std::fs::File::create(path)
                    .map_err(|error| Error::config(format!("can't write {}", path.display())).with_source(error))?,
            )),
            None => Box::new(std::io::stdout().lock()),
        };
        let written = write_rows(stream, format, &mut out).await;
        match written.and_then(|()| out.flush().map_err(write_error)) {
            // The reader of a pipe may have seen enough.
            Err(error) if is_broken_pipe(&error) => Ok(Done::Wholly),
            Err(error) => Err(error),
            Ok(()) => Ok(Done::Wholly),
        }
    }

    fn query_text(&self) -> Result<String> {
        match (&self.query, &self.file) {
            (_, Some(file)) => std::fs::read_to_string(file).map_err(|error| {
                Error::config(format!("can't read the query from {}", file.display())).with_source(error)
            }),
            (Some(query), _) if query == "-" => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| Error::config("can't read the query from standard input").with_source(error))?;
                Ok(text)
            }
            (Some(query), _) => Ok(query.clone()),
            (None, None) => Err(Error::config("no query; give one, or -f FILE, or - for standard input")),
        }
    }

    fn format(&self) -> OutputFormat {
        if self.format != OutputFormat::Auto {
            return self.format;
        }
        match &self.output {
            Some(path) => match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => OutputFormat::Json,
                Some("ndjson" | "jsonl") => OutputFormat::Ndjson,
                Some("tsv") => OutputFormat::Tsv,
                Some("md") => OutputFormat::Markdown,
                Some("arrow" | "arrows") => OutputFormat::Arrow,
                Some("parquet") => OutputFormat::Parquet,
                _ => OutputFormat::Csv,
            },
            None if std::io::stdout().is_terminal() => OutputFormat::Table,
            None => OutputFormat::Csv,
        }
    }
}

async fn write_rows(mut stream: QueryStream, format: OutputFormat, out: &mut dyn Write) -> Result<()> {
    let format = match format {
        OutputFormat::Auto | OutputFormat::Csv => Format::Csv,
        OutputFormat::Tsv => Format::Tsv,
        OutputFormat::Json => Format::Json,
        OutputFormat::Ndjson => Format::Ndjson,
        OutputFormat::Arrow => Format::Arrow,
        OutputFormat::Parquet => Format::Parquet,
        OutputFormat::Table | OutputFormat::Markdown => {
            let schema = std::sync::Arc::clone(&stream.schema);
            let batches = stream.collect().await?;
            let text =
                if format == OutputFormat::Table { table(&schema, &batches)? } else { markdown(&schema, &batches)? };
            return out.write_all(text.as_bytes()).map_err(write_error);
        }
    };
    let mut encoder = Encoder::new(format, &stream.schema)?;
    while let Some(batch) = stream.batches.next().await {
        out.write_all(&encoder.write(&batch?)?).map_err(write_error)?;
    }
    out.write_all(&encoder.finish()?).map_err(write_error)
}

fn write_error(error: std::io::Error) -> Error {
    Error::config("can't write the rows").with_source(error)
}

fn is_broken_pipe(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
