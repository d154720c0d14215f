//! Requests into sorted files: gathered up to a bound, then one file a date and one commit a table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::RecordBatch;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::input::Input;
use super::requests::{FileFormat, FileRequest, Requests};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{AppendTxn, LakeRoot, LakeTable, TableSnapshot, write_readme, write_sorted};
use crate::model::promoted::Promoted;
use crate::model::signal::{Encoding, Signal};
use crate::otlp::{DecodeReport, RejectReason, RequestMeta, decode};

/// Requests read ahead of the decoders.
const READ_AHEAD: usize = 8;

/// How an import gathers.
#[derive(Debug, Clone)]
pub struct ImportSettings {
    /// Rows are written when they take this many bytes in memory.
    pub chunk_bytes: usize,
    /// How far past the import a record's time may lie, in microseconds.
    pub max_future_micros: i64,
    /// The promoted columns.
    pub promoted: Vec<Promoted>,
    /// Requests decoded at once.
    pub decoders: usize,
}

/// What an import has done.
#[derive(Debug, Clone, Default)]
pub struct ImportOutcome {
    /// By signal, in the order of [`Signal::ALL`].
    pub signals: [SignalOutcome; 3],
    /// Lines or requests that could not be read at all: where and why.
    pub unreadable: Vec<String>,
    /// Files written.
    pub files: usize,
    /// Their bytes.
    pub file_bytes: u64,
}

/// What an import has done for one signal.
#[derive(Debug, Clone, Default)]
pub struct SignalOutcome {
    /// Records stored.
    pub stored: u64,
    /// Records rejected, by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// Trace and span ids that became NULL.
    pub nulled_ids: u64,
    /// Attribute keys that came twice, of which the last was kept.
    pub duplicate_keys: u64,
}

impl ImportOutcome {
    /// Whether anything was not stored.
    pub fn is_partial(&self) -> bool {
        !self.unreadable.is_empty() || self.signals.iter().any(|signal| !signal.rejected.is_empty())
    }
}

/// One record that was not stored.
#[derive(Debug)]
pub struct RejectedRecord<'a> {
    /// Which input.
    pub input: &'a Input,
    /// The line, or the number of the request in a protobuf file, from 1.
    pub number: u64,
    /// Which signal.
    pub signal: Signal,
    /// Which record of the request, from 0.
    pub record: usize,
    /// Why, for counters.
    pub reason: RejectReason,
    /// Why, for people.
    pub detail: &'a str,
    /// How `bytes` is encoded.
    pub encoding: Encoding,
    /// The record as it stands in the request.
    pub bytes: &'a [u8],
}

/// Imports files into one lake.
#[derive(Debug)]
pub struct Importer {
    settings: ImportSettings,
    tables: Vec<ImportTable>,
    run: uuid::Uuid,
    outcome: ImportOutcome,
}

#[derive(Debug)]
struct ImportTable {
    lake: LakeTable,
    snapshot: TableSnapshot,
    gathered: Vec<RecordBatch>,
    bytes: usize,
    chunk: i64,
}

type Decoded = (FileRequest, Result<(RecordBatch, DecodeReport), String>);

impl Importer {
    /// Opens the lake, making what is missing.
    ///
    /// # Errors
    /// As [`LakeTable::load_or_create`].
    pub async fn open(root: &LakeRoot, settings: ImportSettings) -> Result<Self> {
        write_readme(root).await?;
        let mut tables = Vec::with_capacity(Signal::ALL.len());
        for signal in Signal::ALL {
            let lake = LakeTable::new(root, signal)?;
            let snapshot = lake.load_or_create(&settings.promoted).await?;
            tables.push(ImportTable { lake, snapshot, gathered: Vec::new(), bytes: 0, chunk: 0 });
        }
        Ok(Self { settings, tables, run: uuid::Uuid::new_v4(), outcome: ImportOutcome::default() })
    }

    /// Reads one input to its end. `rejected` is called for each record that is not stored.
    ///
    /// # Errors
    /// Where the input or the lake can't be used any further; what was gathered before is still written by
    /// [`Self::finish`].
    pub async fn import(
        &mut self,
        input: &Input,
        format: FileFormat,
        read: Arc<AtomicU64>,
        mut rejected: impl FnMut(&RejectedRecord<'_>) -> Result<()>,
    ) -> Result<()> {
        let opened = input.open(read)?;
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let reading = tokio::task::spawn_blocking(move || {
            let mut requests = Requests::new(opened.reader, format);
            while let Some(next) = requests.next_request()? {
                if sender.blocking_send(next).is_err() {
                    break;
                }
            }
            Ok::<_, Error>(())
        });
        let max_future = self.settings.max_future_micros;
        let mut decoded = ReceiverStream::new(receiver)
            .map(|next| async move {
                match next {
                    Ok(request) => tokio::task::spawn_blocking(move || Ok(decode_request(request, max_future))).await,
                    Err(unreadable) => Ok(Err(unreadable)),
                }
            })
            .buffered(self.settings.decoders.max(1));
        while let Some(next) = decoded.next().await {
            match next.map_err(|error| Error::internal("a decoding thread died").with_source(error))? {
                Ok((request, Ok((batch, report)))) => {
                    self.report(input, &request, &report, &mut rejected)?;
                    self.gather(request.signal, batch).await?;
                }
                Ok((request, Err(what))) => {
                    self.outcome.unreadable.push(format!("{input}:{}: {what}", request.number));
                }
                Err((number, what)) => self.outcome.unreadable.push(format!("{input}:{number}: {what}")),
            }
        }
        drop(decoded);
        let ended = reading.await.map_err(|error| Error::internal("the reading thread died").with_source(error))?;
        match ended {
            Err(error) if error.kind() == ErrorKind::Invalid => {
                self.outcome.unreadable.push(format!("{input}: {error}"));
                Ok(())
            }
            ended => ended,
        }
    }

    /// Writes what is still gathered, and tells what was done.
    ///
    /// # Errors
    /// Where the lake does not answer.
    pub async fn finish(mut self) -> Result<ImportOutcome> {
        self.write_chunks().await?;
        Ok(self.outcome)
    }

    fn report(
        &mut self,
        input: &Input,
        request: &FileRequest,
        report: &DecodeReport,
        rejected: &mut impl FnMut(&RejectedRecord<'_>) -> Result<()>,
    ) -> Result<()> {
        let outcome = &mut self.outcome.signals[request.signal.index()];
        outcome.nulled_ids += report.nulled_ids;
        outcome.duplicate_keys += report.duplicate_keys;
        for rejection in &report.rejections {
            *outcome.rejected.entry(rejection.reason).or_default() += 1;
            rejected(&RejectedRecord {
                input,
                number: request.number,
                signal: request.signal,
                record: rejection.record,
                reason: rejection.reason,
                detail: &rejection.detail,
                encoding: request.encoding,
                bytes: request.body.get(rejection.bytes.clone()).unwrap_or_default(),
            })?;
        }
        Ok(())
    }

    async fn gather(&mut self, signal: Signal, batch: RecordBatch) -> Result<()> {
        self.outcome.signals[signal.index()].stored += batch.num_rows() as u64;
        let table = &mut self.tables[signal.index()];
        table.bytes += batch.get_array_memory_size();
        table.gathered.push(batch);
        if self.tables.iter().map(|table| table.bytes).sum::<usize>() >= self.settings.chunk_bytes {
            self.write_chunks().await?;
        }
        Ok(())
    }

    async fn write_chunks(&mut self) -> Result<()> {
        for table in &mut self.tables {
            let gathered = std::mem::take(&mut table.gathered);
            table.bytes = 0;
            if gathered.is_empty() {
                continue;
            }
            let signal = table.lake.signal();
            let files = write_sorted(table.lake.store(), signal, table.snapshot.promoted(), gathered).await?;
            let after = (table.chunk > 0).then_some(table.chunk);
            table.chunk += 1;
            let txn = AppendTxn { app_id: format!("import/{}/{signal}", self.run), version: table.chunk, after };
            table.snapshot = table.lake.append(&table.snapshot, &files, &txn).await?;
            if let Err(error) = table.lake.checkpoint_if_due(&table.snapshot).await {
                tracing::warn!(table = %signal, %error, "no checkpoint was written");
            }
            self.outcome.files += files.len();
            self.outcome.file_bytes += files.iter().map(|file| file.size).sum::<u64>();
        }
        Ok(())
    }
}

fn decode_request(request: FileRequest, max_future_micros: i64) -> Decoded {
    let now = chrono::Utc::now().timestamp_micros();
    let meta = RequestMeta {
        ingest_time: now,
        latest_time: now.saturating_add(max_future_micros),
        source: match request.encoding {
            Encoding::Json => "import/otlp-json",
            Encoding::Proto => "import/otlp-proto",
        },
        principal: None,
    };
    let decoded = decode(request.signal, request.encoding, &request.body, &meta)
        .map(|decoded| (decoded.batch, decoded.report))
        .map_err(|error| error.to_string());
    (request, decoded)
}
