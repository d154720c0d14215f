//! `telestrata import`: OTLP files into a lake.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Done;
use super::args::LakeArgs;
use super::say::say;
use crate::error::{Error, Result};
use crate::import::{FileFormat, ImportOutcome, ImportSettings, Importer, Input, RejectedRecord, resolve};
use crate::lake::LakeRoot;
use crate::model::signal::{Encoding, Signal};

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    lake: LakeArgs,

    /// Files, patterns, or - for standard input; plain, gzip or zstd
    #[arg(required = true, value_name = "FILE|GLOB|-")]
    inputs: Vec<String>,

    /// How the files are written [default: by their names and first bytes]
    #[arg(long, value_enum)]
    format: Option<ImportFormat>,

    /// Which signal protobuf files hold [default: by their names]
    #[arg(long, value_enum)]
    signal: Option<SignalName>,

    /// Write each record that is not stored to this file, one JSON object a line
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
        let config = self.lake.load()?;
        let root = config.lake.clone();
        let inputs = resolve(&self.inputs)?;
        for input in &inputs {
            // Before anything is stored, so that a file that can't be read is no reason to import the others twice.
            if let Input::File(path) = input {
                File::open(path).map_err(|error| Error::config(format!("can't read {input}")).with_source(error))?;
            }
        }
        let formats = inputs.iter().map(|input| self.format_of(input)).collect::<Result<Vec<_>>>()?;
        let mut rejects = self.rejects.as_deref().map(Rejects::create).transpose()?;
        let settings = ImportSettings {
            chunk_bytes: config.memory_limit / 4,
            max_future_micros: i64::try_from(config.ingest.max_future.as_micros()).unwrap_or(i64::MAX),
            promoted: config.ingest.promoted.clone(),
            decoders: std::thread::available_parallelism().map_or(1, usize::from),
        };
        let started = Instant::now();
        let mut importer = Importer::open(&root, settings).await?;
        let read = Arc::new(AtomicU64::new(0));
        let bar = progress_bar(&inputs, &read);
        let mut stopped = None;
        for (input, format) in inputs.iter().zip(formats) {
            let report = |record: &RejectedRecord<'_>| rejects.as_mut().map_or(Ok(()), |rejects| rejects.write(record));
            if let Err(error) = importer.import(input, format, Arc::clone(&read), report).await {
                stopped = Some(
                    Error::new(
                        error.kind(),
                        format!("stopped at {input}; what the summary counts is stored, of {input} a part of it"),
                    )
                    .with_source(error),
                );
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
        if let Some(rejects) = rejects {
            rejects.finish()?;
        }
        if self.json {
            say(&format!("{}\n", summary_json(&outcome)))?;
        } else {
            say(&summary(&outcome, &root, started.elapsed(), self.rejects.as_deref()))?;
        }
        match stopped {
            Some(error) => Err(error),
            None => Ok(if outcome.is_partial() { Done::Partly } else { Done::Wholly }),
        }
    }

    fn format_of(&self, input: &Input) -> Result<FileFormat> {
        let name = match input {
            Input::File(path) => path.file_name().unwrap_or_default().to_string_lossy().to_lowercase(),
            Input::Stdin => String::new(),
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

/// A bar over the bytes of all files, where someone can see it.
fn progress_bar(inputs: &[Input], read: &Arc<AtomicU64>) -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let total: Option<u64> = inputs
        .iter()
        .map(|input| match input {
            Input::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
            Input::Stdin => None,
        })
        .sum();
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (watched, read) = (bar.downgrade(), Arc::clone(read));
    tokio::spawn(async move {
        while let Some(bar) = watched.upgrade() {
            bar.set_position(read.load(Ordering::Relaxed));
            drop(bar);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    Some(bar)
}

/// The file of records that were not stored.
struct Rejects {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Rejects {
    fn create(path: &Path) -> Result<Self> {
        let file = File::create(path)
            .map_err(|error| Error::config(format!("can't write {}", path.display())).with_source(error))?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file) })
    }

    fn write(&mut self, record: &RejectedRecord<'_>) -> Result<()> {
        let mut row = json!({
            "file": record.input.to_string(),
            "line": record.number,
            "record": record.record,
            "signal": record.signal.table(),
            "reason": record.reason.name(),
            "detail": record.detail,
        });
        match record.encoding {
            Encoding::Json => {
                row["json"] = serde_json::from_slice(record.bytes)
                    .unwrap_or_else(|_| json!(String::from_utf8_lossy(record.bytes)));
            }
            Encoding::Proto => row["proto_hex"] = json!(hex(record.bytes)),
        }
        writeln!(self.out, "{row}").map_err(|error| self.failed(error))
    }

    fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::config(format!("can't write {}", self.path.display())).with_source(error)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn summary_json(outcome: &ImportOutcome) -> serde_json::Value {
    let signals: serde_json::Map<_, _> = Signal::ALL
        .iter()
        .zip(&outcome.signals)
        .map(|(signal, counts)| {
            let rejected: serde_json::Map<_, _> =
                counts.rejected.iter().map(|(reason, count)| (reason.name().to_owned(), json!(count))).collect();
            let value = json!({
                "stored": counts.stored,
                "rejected": rejected,
                "nulled_ids": counts.nulled_ids,
                "duplicate_keys": counts.duplicate_keys,
            });
            (signal.table().to_owned(), value)
        })
        .collect();
    json!({ "signals": signals, "unreadable": outcome.unreadable, "files": outcome.files, "bytes": outcome.file_bytes })
}

fn summary(outcome: &ImportOutcome, root: &LakeRoot, took: Duration, rejects: Option<&Path>) -> String {
    let mut text = String::new();
    _ = writeln!(text, "{:<10}{:>12}{:>12}", "", "stored", "rejected");
    for (signal, counts) in Signal::ALL.iter().zip(&outcome.signals) {
        let rejected: u64 = counts.rejected.values().sum();
        _ = writeln!(text, "{:<10}{:>12}{:>12}", signal.table(), counts.stored, rejected);
        for (reason, count) in &counts.rejected {
            _ = writeln!(text, "{:<10}  {count} rejected: {}", "", reason.name());
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
    const SHOWN: usize = 10;
    for line in outcome.unreadable.iter().take(SHOWN) {
        _ = writeln!(text, "not readable: {line}");
    }
    if outcome.unreadable.len() > SHOWN {
        _ = writeln!(text, "not readable: {} more", outcome.unreadable.len() - SHOWN);
    }
    if let Some(rejects) = rejects.filter(|_| outcome.is_partial()) {
        _ = writeln!(text, "each rejected record is in {}", rejects.display());
    }
    _ = writeln!(
        text,
        "{} in {} files at {}, in {:.1} s",
        bytesize::ByteSize(outcome.file_bytes),
        outcome.files,
        root.display(),
        took.as_secs_f64()
    );
    text
}
