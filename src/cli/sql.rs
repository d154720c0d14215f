//! `telestrata sql`: a query, a file or standard input, or a prompt; every output format.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use futures::StreamExt;

use super::Done;
use super::prompt;
use super::query_text::query_text;
use super::render::{Layout, rows_line};
use super::rows::{OutputFormat, RowWriter};
use super::target::{ReadArgs, Target};
use crate::error::{Error, Position, Result};
use crate::query::QueryStream;

#[derive(Debug, Args)]
pub(super) struct Sql {
    #[command(flatten)]
    target: ReadArgs,

    /// The query; `-` reads it from standard input; without one, a prompt on a terminal
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

    /// Say what the query would read, and read nothing: files, bytes and rows of each scan of a table
    #[arg(long)]
    estimate: bool,
}

impl Sql {
    pub(super) async fn run(self) -> Result<Done> {
        let Some(query) = self.query_text()? else {
            if self.estimate {
                return Err(Error::config(
                    "there is no query to estimate; give one, or -f FILE, or - for standard input",
                ));
            }
            let target = self.target.open().await?;
            // A lake or a server that is not there is better known before the first question is typed.
            drop(target.query("select 1").await?);
            prompt::run(target, self.format, self.output).await?;
            return Ok(Done::Wholly);
        };
        let format = self.format();
        let target = self.target.open().await?;
        let stream = if self.estimate { estimate(&target, &query).await } else { target.query(&query).await }?;
        let (mut out, layout): (Box<dyn Write>, Layout) = match &self.output {
            Some(path) => {
                let file = std::fs::File::create(path)
                    .map_err(|error| Error::config(format!("can't write {}", path.display())).with_source(error))?;
                (Box::new(std::io::BufWriter::new(file)), Layout::default())
            }
            None => (Box::new(std::io::stdout().lock()), Layout::of_stdout()),
        };
        let written = write_rows(stream, format, layout, &mut out).await;
        match written.and_then(|()| out.flush().map_err(write_error)) {
            // The reader of a pipe may have seen enough.
            Err(error) if is_broken_pipe(&error) => Ok(Done::Wholly),
            Err(error) => Err(error),
            Ok(()) => Ok(Done::Wholly),
        }
    }

    /// The query, `None` where a person at a terminal is to be asked.
    fn query_text(&self) -> Result<Option<String>> {
        let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if self.query.is_none() && self.file.is_none() && is_terminal {
            return Ok(None);
        }
        query_text(self.query.as_deref(), self.file.as_deref()).map(Some)
    }

    fn format(&self) -> OutputFormat {
        match &self.output {
            Some(path) => self.format.of_file(path),
            None if self.format == OutputFormat::Auto && std::io::stdout().is_terminal() => OutputFormat::Table,
            None => self.format,
        }
    }
}

/// What a query would read; errors keep their position in the query.
async fn estimate(target: &Target, query: &str) -> Result<QueryStream> {
    let asked = target.query(&format!("EXPLAIN ESTIMATE\n{query}")).await;
    asked.map_err(|error| {
        let position = error.position().map(|at| Position { line: at.line.saturating_sub(1).max(1), ..at });
        error.with_position(position)
    })
}

async fn write_rows(mut stream: QueryStream, format: OutputFormat, layout: Layout, out: &mut dyn Write) -> Result<()> {
    let mut writer = RowWriter::new(format, &stream.schema, layout)?;
    let mut rows = 0;
    while let Some(batch) = stream.batches.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        out.write_all(&writer.write(batch)?).map_err(write_error)?;
    }
    out.write_all(&writer.finish()?).map_err(write_error)?;
    if format == OutputFormat::Table {
        writeln!(out, "{}", rows_line(rows)).map_err(write_error)?;
    }
    Ok(())
}

fn write_error(error: std::io::Error) -> Error {
    Error::config("can't write the rows").with_source(error)
}

fn is_broken_pipe(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
