//! `telestrata import`: OTLP files into a lake, or through a server into its lake.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::io::AsyncBufReadExt;
use tokio_util::io::{ReaderStream, StreamReader};

use super::Done;
use super::say::say;
use super::target::{Server, TargetArgs};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::import::{FileFormat, ImportOutcome, ImportSettings, Importer, Input, RejectedRecord, resolve};
use crate::model::signal::Signal;
use crate::trace_index::{INDEXER_SHARE, catch_up};

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    target: TargetArgs,

    /// Files, patterns, or - for standard input; plain, gzip or zstd
    #[arg(required = true, value_name = "FILE|GLOB|-")]
    inputs: Vec<String>,

    /// How the files are written [default: by their names and first bytes]
    #[arg(long, value_enum)]
    format: Option<ImportFormat>,

    /// Which signal protobuf files hold [default: by their names]
    #[arg(long, value_enum)]
    signal: Option<SignalName>,

    /// Add each record that is not stored, and each line that can't be read, to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ImportFormat {
    /// One OTLP/JSON request a line
    OtlpJson,
    /// OTLP protobuf requests, each behind its length, or one alone
    OtlpProto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SignalName {
    Logs,
    Spans,
    Metrics,
}

impl From<SignalName> for Signal {
    fn from(name: SignalName) -> Self {
        match name {
            SignalName::Logs => Self::Logs,
            SignalName::Spans => Self::Spans,
            SignalName::Metrics => Self::Metrics,
        }
    }
}

impl Import {
    pub(super) async fn run(self) -> Result<Done> {
        let inputs = resolve(&self.inputs)?;
        for input in &inputs {
            // Before anything is stored: a name that is wrong is better known at once.
            if let Input::File(path) = input {
                File::open(path).map_err(|error| Error::config(format!("can't read {input}")).with_source(error))?;
            }
        }
        let formats = inputs.iter().map(|input| self.format_of(input)).collect::<Result<Vec<_>>>()?;
        let work = Work {
            read: Arc::new(AtomicU64::new(0)),
            rejects: self.rejects.as_deref().map(Rejects::create).transpose()?,
            inputs: inputs.into_iter().zip(formats).collect(),
        };
        let started = Instant::now();
        let (outcome, place, stopped) = match &self.target.connect {
            Some(url) => {
                let (outcome, stopped) = work.send_to(&Server::new(url)?).await?;
                (outcome, url.clone(), stopped)
            }
            None => {
                let config = self.target.lake.load()?;
                let (outcome, stopped) = work.store_in(&config).await?;
                (outcome, config.lake.display(), stopped)
            }
        };
        if self.json {
            let text = serde_json::to_string(&outcome)
                .map_err(|error| Error::internal("no JSON of an outcome").with_source(error))?;
            say(&format!("{text}\n"))?;
        } else {
            say(&summary(&outcome, &place, started.elapsed(), self.rejects.as_deref()))?;
        }
        match stopped {
            Some(error) => Err(error),
            None => Ok(if outcome.is_partial() { Done::Partly } else { Done::Wholly }),
        }
    }

    fn format_of(&self, input: &Input) -> Result<FileFormat> {
        let name = match input {
            Input::File(path) => path.file_name().unwrap_or_default().to_string_lossy().to_lowercase(),
            Input::Stdin | Input::Spooled(..) => String::new(),
        };
        let proto = self.format.map_or_else(
            || [".pb", ".proto", ".binpb", ".bin"].iter().any(|ending| name.contains(ending)),
            |format| format == ImportFormat::OtlpProto,
        );
        if !proto {
            return Ok(FileFormat::JsonLines);
        }
        let named =
            [("log", Signal::Logs), ("span", Signal::Spans), ("trace", Signal::Spans), ("metric", Signal::Metrics)];
        self.signal
            .map(Signal::from)
            .or_else(|| named.iter().find(|(part, _)| name.contains(part)).map(|(_, signal)| *signal))
            .map(FileFormat::Proto)
            .ok_or_else(|| {
                Error::config(format!(
                    "{input}: protobuf does not say which signal it holds; give --signal logs, spans or metrics"
                ))
            })
    }
}

/// How a process with this configuration imports, in so many bytes of memory.
pub(super) fn import_settings(config: &Config, max_bytes: usize) -> ImportSettings {
    ImportSettings {
        max_bytes,
        max_future_micros: i64::try_from(config.ingest.max_future.as_micros()).unwrap_or(i64::MAX),
        promoted: config.ingest.promoted.clone(),
        held: config.ingest.held.clone(),
        ..ImportSettings::default()
    }
}

/// What is to be imported.
struct Work {
    inputs: Vec<(Input, FileFormat)>,
    rejects: Option<Rejects>,
    /// Bytes of the inputs that are read or sent.
    read: Arc<AtomicU64>,
}

/// What was done, and what stopped it before the end.
type Imported = Result<(ImportOutcome, Option<Error>)>;

impl Work {
    async fn store_in(mut self, config: &Config) -> Imported {
        let settings = import_settings(config, config.memory_limit / 2);
        let mut importer = Importer::open(&config.lake, settings).await?;
        let bar = self.progress_bar();
        let mut stopped = None;
        for (input, format) in self.inputs {
            let input = tokio::task::block_in_place(|| input.repeatable())?;
            let rejects = &mut self.rejects;
            let report = |record: &RejectedRecord<'_>| match rejects {
                Some(rejects) => rejects.write(record),
                None => Ok(()),
            };
            if let Err(error) = importer.import(&input, format, Arc::clone(&self.read), report).await {
                stopped = Some(stopped_at(&input, error));
                break;
            }
        }
        if let Some(bar) = &bar {
            bar.set_message("writing");
        }
        let outcome = importer.finish().await?;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        // What is stored is stored: without the index, a trace id is looked for in more files.
        if let Err(error) = catch_up(&config.lake, config.ingest.max_hot_bytes / INDEXER_SHARE).await {
            tracing::warn!(%error, "the trace index was not brought up to the tables; the next import or server does it");
        }
        self.rejects.map_or(Ok(()), Rejects::finish)?;
        Ok((outcome, stopped))
    }

    async fn send_to(mut self, server: &Server) -> Imported {
        let bar = self.progress_bar();
        let mut outcome = ImportOutcome::default();
        let mut stopped = None;
        for (input, format) in self.inputs {
            match send(server, &input, format, &self.read, &mut self.rejects).await {
                Ok(done) => outcome.add(done),
                Err(error) => {
                    stopped = Some(stopped_at(&input, error));
                    break;
                }
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        self.rejects.map_or(Ok(()), Rejects::finish)?;
        Ok((outcome, stopped))
    }

    /// A bar over the bytes of all files, where someone can see it.
    fn progress_bar(&self) -> Option<ProgressBar> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let size = |input: &Input| match input {
            Input::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
            Input::Stdin | Input::Spooled(..) => None,
        };
        let total: Option<u64> = self.inputs.iter().map(|(input, _)| size(input)).sum();
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (watched, read) = (bar.downgrade(), Arc::clone(&self.read));
        tokio::spawn(async move {
            while let Some(bar) = watched.upgrade() {
                bar.set_position(read.load(Ordering::Relaxed));
                drop(bar);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Some(bar)
    }
}

fn stopped_at(input: &Input, error: Error) -> Error {
    let what = format!("stopped at {input}; import again: what is stored already is not stored twice");
    Error::new(error.kind(), what).with_source(error)
}

/// Sends one input to a server, and reads what became of it.
async fn send(
    server: &Server,
    input: &Input,
    format: FileFormat,
    read: &Arc<AtomicU64>,
    rejects: &mut Option<Rejects>,
) -> Result<ImportOutcome> {
    let unreadable = |error| Error::config(format!("can't read {input}")).with_source(error);
    let count = {
        let read = Arc::clone(read);
        move |frame: &std::io::Result<bytes::Bytes>| {
            if let Ok(bytes) = frame {
                read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
        }
    };
    let body = match input {
        Input::File(path) => {
            let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
            reqwest::Body::wrap_stream(ReaderStream::new(file).inspect(count))
        }
        Input::Stdin | Input::Spooled(..) => {
            reqwest::Body::wrap_stream(ReaderStream::new(tokio::io::stdin()).inspect(count))
        }
    };
    let (format, signal) = format.names();
    let name = input.to_string();
    let mut query = vec![("format", format), ("name", name.as_str())];
    query.extend(signal.map(|signal| ("signal", signal)));
    let response = server.post("/v1/import", &query, body).await?;
    let broken = |error| {
        Error::unavailable("the server's answer broke off; import again: what is stored is not stored twice")
            .with_source(error)
    };
    let mut lines =
        StreamReader::new(response.bytes_stream().map(|frame| frame.map_err(std::io::Error::other))).lines();
    while let Some(line) = lines.next_line().await.map_err(broken)? {
        let value: Value = serde_json::from_str(&line).map_err(|error| broken(error.into()))?;
        if let Some(summary) = value.get("summary") {
            return serde_json::from_value(summary.clone()).map_err(|error| broken(error.into()));
        }
        if let Some(rejects) = rejects {
            rejects.copy(&line)?;
        }
    }
    Err(broken(std::io::ErrorKind::UnexpectedEof.into()))
}

/// The file of records that were not stored.
struct Rejects {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Rejects {
    fn create(path: &Path) -> Result<Self> {
        // What an import that was stopped has written is not written again, and must stay.
        let file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| Error::config(format!("can't write {}", path.display())).with_source(error))?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file) })
    }

    fn write(&mut self, record: &RejectedRecord<'_>) -> Result<()> {
        // On disk before the rows beside it are: an import that goes on later does not tell of it again.
        record.write_line(&mut self.out).and_then(|()| self.out.flush()).map_err(|error| self.failed(error))
    }

    fn copy(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}").map_err(|error| self.failed(error))
    }

    fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::config(format!("can't write {}", self.path.display())).with_source(error)
    }
}

fn summary(outcome: &ImportOutcome, place: &str, took: Duration, rejects: Option<&Path>) -> String {
    const SHOWN: usize = 10;
    let mut text = String::new();
    _ = writeln!(text, "{:<10}{:>12}{:>12}", "", "stored", "rejected");
    for signal in Signal::ALL {
        let Some(counts) = outcome.signals.get(signal.table()) else { continue };
        let rejected: u64 = counts.rejected.values().sum();
        _ = writeln!(text, "{:<10}{:>12}{:>12}", signal.table(), counts.stored, rejected);
        if counts.erased > 0 {
            _ = writeln!(text, "{:<10}  {} more are erased (`telestrata erase list`)", "", counts.erased);
        }
        if counts.already > 0 {
            _ = writeln!(text, "{:<10}  {} more were stored by an import that was stopped", "", counts.already);
        }
        for (reason, count) in &counts.rejected {
            _ = writeln!(text, "{:<10}  {count} rejected: {reason}", "");
        }
        if counts.nulled_ids > 0 {
            _ = writeln!(text, "{:<10}  {} trace or span ids were not valid and are NULL", "", counts.nulled_ids);
        }
        if counts.duplicate_keys > 0 {
            _ = writeln!(
                text,
                "{:<10}  {} attribute keys came twice in a record; the last was kept",
                "", counts.duplicate_keys
            );
        }
    }
    for name in outcome.already.iter().take(SHOWN) {
        _ = writeln!(text, "in the lake before, nothing to do: {name}");
    }
    if outcome.already.len() > SHOWN {
        _ = writeln!(text, "in the lake before, nothing to do: {} more", outcome.already.len() - SHOWN);
    }
    if !outcome.already.is_empty() {
        text.push_str(
            "  a content is stored once; rows of it that retention, an erasure or a restore took away do not come back by \
             it: docs/operations.md, Import\n",
        );
    }
    for line in outcome.unreadable.iter().take(SHOWN) {
        _ = writeln!(text, "not readable: {line}");
    }
    let more = outcome.unreadable_count.saturating_sub(SHOWN as u64);
    if more > 0 {
        _ = writeln!(text, "not readable: {more} more");
    }
    if let Some(rejects) = rejects.filter(|_| outcome.is_partial()) {
        _ = writeln!(text, "what was not stored is in {}", rejects.display());
    }
    _ = writeln!(
        text,
        "{} in {} files at {place}, in {:.1} s",
        bytesize::ByteSize(outcome.bytes),
        outcome.files,
        took.as_secs_f64()
    );
    text
}
