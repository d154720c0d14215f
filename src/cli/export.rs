//! `telestrata export`: rows out of a lake or a server, to a file or to another OTLP endpoint.
//!
//! ```text
//! table or query --> rows --> output::Encoder  (Parquet, CSV, JSON, ...) --+
//!                        \--> export::ToOtlp --> OTLP/JSON, protobuf ------+--> file or standard output
//!                                            \--> otlp_client -----------------> --to
//! ```

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::header::HeaderMap;
use serde_json::json;

use super::Done;
use super::deliver::{Delivered, Deliveries};
use super::query_text::query_text;
use super::say::say;
use super::serve::stop_signals;
use super::target::ReadArgs;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::export::{FileCompression, Output, Report, Request, ToOtlp};
use crate::model::signal::Signal;
use crate::otlp_client::{Client, Compression, Protocol, SendError, parse_headers};
use crate::output::{Encoder, Format};
use crate::query::{QueryStream, error_in_condition, filtered_table};

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    target: ReadArgs,

    /// The query; `-` reads it from standard input. For OTLP: `select * from spans where ...`
    #[arg(required_unless_present_any = ["file", "table"])]
    query: Option<String>,

    /// Read the query from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,

    /// Export this table instead of a query
    #[arg(long, value_enum, conflicts_with_all = ["query", "file"])]
    table: Option<TableName>,

    /// Only the table's rows for which this holds, as in "service_name = 'cart' and time >= now() - interval '1 day'"
    #[arg(long = "where", value_name = "SQL", requires = "table", conflicts_with_all = ["query", "file"])]
    condition: Option<String>,

    /// How to write the rows [default: by the ending of --output's name]
    #[arg(long, value_enum, conflicts_with = "to")]
    format: Option<ExportFormat>,

    /// Write to this file, compressed where its name ends in .gz or .zst [default: standard output]
    #[arg(short, long, value_name = "FILE", conflicts_with = "to")]
    output: Option<PathBuf>,

    /// Send to this OTLP endpoint, as in http://127.0.0.1:4317
    #[arg(long, value_name = "URL")]
    to: Option<String>,

    /// How the endpoint speaks OTLP [default: grpc at port 4317, http/protobuf at port 4318 or with a path]
    #[arg(long, value_enum, requires = "to")]
    protocol: Option<ProtocolName>,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TableName {
    Logs,
    Spans,
    Metrics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProtocolName {
    Grpc,
    #[value(name = "http/protobuf")]
    HttpProtobuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// A Parquet file
    Parquet,
    /// Comma-separated, with a header
    Csv,
    /// Tab-separated, with a header
    Tsv,
    /// One object a line
    Ndjson,
    /// One array of objects
    Json,
    /// An Arrow IPC stream
    Arrow,
    /// One OTLP/JSON request a line
    OtlpJson,
    /// OTLP protobuf requests, each behind its length
    OtlpProto,
}

/// Where the rows go.
enum Plan {
    Send(String),
    Write(ExportFormat, FileCompression),
}

/// What an export has done.
#[derive(Default)]
struct Summary {
    rows: u64,
    requests: Option<u64>,
    bytes: u64,
    report: Report,
    delivered: Delivered,
}

/// What goes along with each request to an endpoint: OpenTelemetry's own variable.
fn headers() -> Result<HeaderMap> {
    const VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    parse_headers(&std::env::var(VARIABLE).unwrap_or_default())
        .map_err(|error| Error::config(format!("{VARIABLE} can't be used")).with_source(error))
}

impl Export {
    pub(super) async fn run(self) -> Result<Done> {
        let plan = self.plan()?;
        let started = Instant::now();
        let mut stop = stop_signals()?;
        let summary = tokio::select! {
            summary = self.export(&plan) => summary?,
            // What was written so far is removed with the future.
            _ = stop.recv() => return Err(Error::unavailable(match &self.to {
                Some(_) => "stopped before the export was whole; what the endpoint has taken stays there, and the same export sends it again",
                None => "stopped before the export was whole; run it again",
            })),
        };
        let Some(summary) = summary else { return Ok(Done::Wholly) };
        let text =
            if self.json { format!("{}\n", summary.json()) } else { summary.text(&self.place(), started.elapsed()) };
        if self.to.is_none() && self.output.is_none() {
            eprint!("{text}");
        } else {
            say(&text)?;
        }
        let wholly = summary.report.left_out == 0 && summary.delivered.rejected == 0;
        Ok(if wholly { Done::Wholly } else { Done::Partly })
    }

    fn plan(&self) -> Result<Plan> {
        if let Some(url) = &self.to {
            return Ok(Plan::Send(url.clone()));
        }
        let Some(path) = &self.output else {
            let format =
                self.format.ok_or_else(|| Error::config("how to write the rows? give --format, or -o FILE"))?;
            return Ok(Plan::Write(format, FileCompression::None));
        };
        let (told, compression) = told_by_name(path);
        let format = self.format.or(told).ok_or_else(|| {
            Error::config(format!(
                "the ending of {} tells no format; give --format, or a name that ends in .parquet, .csv, .tsv, \
                 .ndjson, .json, .arrow, .otlp.jsonl or .pb",
                path.display()
            ))
        })?;
        if compression != FileCompression::None && matches!(format, ExportFormat::Parquet | ExportFormat::Arrow) {
            return Err(Error::config(format!(
                "{}: Parquet and Arrow files are not compressed as a whole, readers would not find their way; leave \
                 out the last ending",
                path.display()
            )));
        }
        Ok(Plan::Write(format, compression))
    }

    /// `None` where the reader of a pipe has seen enough.
    async fn export(&self, plan: &Plan) -> Result<Option<Summary>> {
        match plan {
            Plan::Send(url) => {
                let protocol = self.protocol.map(|protocol| match protocol {
                    ProtocolName::Grpc => Protocol::Grpc,
                    ProtocolName::HttpProtobuf => Protocol::HttpProtobuf,
                });
                let headers = headers()?;
                let client = Client::connect(url, protocol, Compression::Gzip).await.map_err(no_endpoint)?;
                let client = client.with_headers(headers);
                let rows = self.rows().await?;
                send(rows, client).await.map(Some)
            }
            Plan::Write(format, compression) => {
                let rows = self.rows().await?;
                let written = match format.encoder() {
                    Some(format) => write_rows(rows, format, || self.open_output(*compression)).await,
                    None => write_otlp(rows, *format, || self.open_output(*compression)).await,
                };
                match written {
                    Err(error) if is_broken_pipe(&error) => Ok(None),
                    written => written.map(Some),
                }
            }
        }
    }

    async fn rows(&self) -> Result<QueryStream> {
        let table = self.table.map(|table| match table {
            TableName::Logs => Signal::Logs,
            TableName::Spans => Signal::Spans,
            TableName::Metrics => Signal::Metrics,
        });
        let sql = match table {
            Some(table) => filtered_table(table, self.condition.as_deref())?,
            None => query_text(self.query.as_deref(), self.file.as_deref())?,
        };
        // These limits are for questions; an export takes as long as there are rows, and whoever takes them.
        let without_limits = |config: &mut Config| {
            config.query.max_time = Duration::MAX;
            config.query.max_rows = None;
            config.query.max_scan_bytes = None;
        };
        let target = self.target.open_with(without_limits).await?;
        let rows = target.query(&sql).await;
        if table.is_some() { rows.map_err(error_in_condition) } else { rows }
    }

    fn open_output(&self, compression: FileCompression) -> Result<Output> {
        self.output.as_ref().map_or_else(|| Ok(Output::stdout()), |path| Output::file(path, compression))
    }

    fn place(&self) -> String {
        match (&self.to, &self.output) {
            (Some(url), _) => url.clone(),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => "standard output".to_owned(),
        }
    }
}

impl ExportFormat {
    /// The format of rows, `None` for OTLP.
    const fn encoder(self) -> Option<Format> {
        match self {
            Self::Parquet => Some(Format::Parquet),
            Self::Csv => Some(Format::Csv),
            Self::Tsv => Some(Format::Tsv),
            Self::Ndjson => Some(Format::Ndjson),
            Self::Json => Some(Format::Json),
            Self::Arrow => Some(Format::Arrow),
            Self::OtlpJson | Self::OtlpProto => None,
        }
    }
}

/// Format and compression by the endings of a file's name.
fn told_by_name(path: &Path) -> (Option<ExportFormat>, FileCompression) {
    const ENDINGS: &[(&str, ExportFormat)] = &[
        (".otlp.jsonl", ExportFormat::OtlpJson),
        (".otlp.ndjson", ExportFormat::OtlpJson),
        (".otlp.json", ExportFormat::OtlpJson),
        (".pb", ExportFormat::OtlpProto),
        (".binpb", ExportFormat::OtlpProto),
        (".parquet", ExportFormat::Parquet),
        (".csv", ExportFormat::Csv),
        (".tsv", ExportFormat::Tsv),
        (".ndjson", ExportFormat::Ndjson),
        (".jsonl", ExportFormat::Ndjson),
        (".json", ExportFormat::Json),
        (".arrow", ExportFormat::Arrow),
        (".arrows", ExportFormat::Arrow),
    ];
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let (name, compression) = if let Some(name) = name.strip_suffix(".gz") {
        (name, FileCompression::Gzip)
    } else if let Some(name) = name.strip_suffix(".zst") {
        (name, FileCompression::Zstd)
    } else {
        (name.as_str(), FileCompression::None)
    };
    let told = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending));
    (told.map(|(_, format)| *format), compression)
}

/// Rows as rows.
async fn write_rows(mut rows: QueryStream, format: Format, open: impl FnOnce() -> Result<Output>) -> Result<Summary> {
    let mut encoder = Encoder::new(format, &rows.schema)?;
    let (mut output, progress) = (open()?, Progress::new());
    let mut summary = Summary::default();
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        tokio::task::block_in_place(|| {
            let at_a_time = encoder.rows_at_a_time().min(batch.num_rows().max(1));
            for first in (0..batch.num_rows()).step_by(at_a_time) {
                let part = batch.slice(first, at_a_time.min(batch.num_rows() - first));
                output.write(&encoder.write(&part)?)?;
            }
            Ok::<_, Error>(())
        })?;
        summary.rows += batch.num_rows() as u64;
        progress.show(summary.rows);
        let_stop_be_heard().await;
    }
    tokio::task::block_in_place(|| {
        output.write(&encoder.finish()?)?;
        summary.bytes = output.finish()?;
        Ok(summary)
    })
}

/// Rows as requests in a file.
async fn write_otlp(
    mut rows: QueryStream,
    format: ExportFormat,
    open: impl FnOnce() -> Result<Output>,
) -> Result<Summary> {
    let mut otlp = ToOtlp::new(&rows.schema)?;
    let mut file = OtlpFile { format, output: open()?, requests: 0 };
    let progress = Progress::new();
    let mut read = 0;
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        tokio::task::block_in_place(|| otlp.write(&batch)?.into_iter().try_for_each(|request| file.write(request)))?;
        read += batch.num_rows() as u64;
        progress.show(read);
        let_stop_be_heard().await;
    }
    tokio::task::block_in_place(|| {
        let (last, report) = otlp.finish();
        last.map_or(Ok(()), |request| file.write(request))?;
        let (requests, bytes) = (Some(file.requests), file.output.finish()?);
        Ok(Summary { rows: report.rows, requests, bytes, report, ..Summary::default() })
    })
}

/// A file of requests, as `import` reads it.
struct OtlpFile {
    format: ExportFormat,
    output: Output,
    requests: u64,
}

impl OtlpFile {
    fn write(&mut self, request: Request) -> Result<()> {
        self.requests += 1;
        if self.format == ExportFormat::OtlpJson {
            let mut line = request.to_json();
            line.push('\n');
            return self.output.write(line.as_bytes());
        }
        let body = request.into_proto();
        let length = u32::try_from(body.len())
            .map_err(|_| Error::invalid(format!("a record has {} bytes, too many for a protobuf file", body.len())))?;
        self.output.write(&length.to_be_bytes())?;
        self.output.write(&body)
    }
}

/// Rows as requests to an endpoint.
async fn send(mut rows: QueryStream, client: Client) -> Result<Summary> {
    let mut otlp = ToOtlp::new(&rows.schema)?;
    let mut deliveries = Deliveries::new(client, otlp.signal());
    let progress = Progress::new();
    let mut read = 0;
    let outcome: Result<()> = async {
        while let Some(batch) = rows.batches.next().await {
            let batch = batch?;
            for request in tokio::task::block_in_place(|| otlp.write(&batch))? {
                deliveries.send(request).await?;
            }
            read += batch.num_rows() as u64;
            progress.show(read);
            let_stop_be_heard().await;
        }
        Ok(())
    }
    .await;
    let (last, report) = otlp.finish();
    let outcome = match (outcome, last) {
        (Ok(()), Some(last)) => deliveries.send(last).await,
        (outcome, _) => outcome,
    };
    let (delivered, ended) = deliveries.finish().await;
    if let Err(error) = outcome.and(ended) {
        let what = format!("stopped after {} rows were delivered, which stay so", delivered.taken);
        return Err(Error::new(error.kind(), what).with_source(error));
    }
    let (requests, bytes) = (Some(delivered.requests), delivered.bytes);
    Ok(Summary { rows: delivered.taken, requests, bytes, report, delivered })
}

fn no_endpoint(error: SendError) -> Error {
    let kind = if matches!(error, SendError::Address(_)) { ErrorKind::Config } else { ErrorKind::Unavailable };
    Error::new(kind, error.to_string())
}

fn is_broken_pipe(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Where rows are always ready, nothing else would make the export give way.
async fn let_stop_be_heard() {
    tokio::task::yield_now().await;
}

/// How many rows have gone by, where someone can see it.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let style = ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec}, {elapsed}");
        let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(Some(bar))
    }

    fn show(&self, rows: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(rows);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Summary {
    fn json(&self) -> serde_json::Value {
        json!({
            "rows": self.rows,
            "requests": self.requests,
            "bytes": self.bytes,
            "rejected": self.delivered.rejected,
            "retries": self.delivered.retries,
            "messages": self.delivered.messages,
            "left_out": self.report.left_out,
            "left_out_because": self.report.reasons,
            "lost": {
                "adjusted_count": self.report.lost_adjusted_counts,
                "resolution": self.report.lost_resolutions,
            },
        })
    }

    fn text(&self, place: &str, took: Duration) -> String {
        let requests = self.requests.map_or_else(String::new, |requests| format!(" in {requests} requests"));
        let (bytes, seconds) = (bytesize::ByteSize(self.bytes), took.as_secs_f64());
        let mut text = format!("{} rows{requests}, {bytes}, to {place}, in {seconds:.1} s\n", self.rows);
        // Writing to a String does not fail.
        if self.delivered.rejected > 0 {
            _ = writeln!(text, "{} rows were rejected by the endpoint", self.delivered.rejected);
        }
        for message in &self.delivered.messages {
            _ = writeln!(text, "the endpoint says: {message}");
        }
        if self.report.left_out > 0 {
            _ = writeln!(text, "{} rows were left out, for OTLP can't hold them:", self.report.left_out);
        }
        for reason in &self.report.reasons {
            _ = writeln!(text, "  {reason}");
        }
        let lost = [(self.report.lost_adjusted_counts, "adjusted_count"), (self.report.lost_resolutions, "resolution")];
        for (rows, column) in lost.into_iter().filter(|(rows, _)| *rows > 0) {
            _ = writeln!(text, "{rows} rows have lost their {column}, which OTLP has no field for");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("a.parquet", Some(ExportFormat::Parquet), FileCompression::None)]
    #[case("a.csv.gz", Some(ExportFormat::Csv), FileCompression::Gzip)]
    #[case("dir.csv/LOGS.OTLP.JSONL.ZST", Some(ExportFormat::OtlpJson), FileCompression::Zstd)]
    #[case("logs.otlp.json", Some(ExportFormat::OtlpJson), FileCompression::None)]
    #[case("logs.jsonl", Some(ExportFormat::Ndjson), FileCompression::None)]
    #[case("logs.pb.zst", Some(ExportFormat::OtlpProto), FileCompression::Zstd)]
    #[case("logs.otlp.pb", Some(ExportFormat::OtlpProto), FileCompression::None)]
    #[case("logs", None, FileCompression::None)]
    #[case("logs.gz", None, FileCompression::Gzip)]
    fn names(#[case] name: &str, #[case] format: Option<ExportFormat>, #[case] compression: FileCompression) {
        assert_eq!(told_by_name(Path::new(name)), (format, compression));
    }
}
