//! Requests into sorted files and commits, such that the same content is stored once.
//!
//! Each commit of imported rows carries, for each content in it, the Delta action
//! `txn{appId = import/<sha256 of the content>, version = chunk}`: the table has the content's rows up to that chunk
//! (`gather.rs` says what a chunk is). The commit that ends a content adds [`WHOLE`] to the version. A commit that does
//! not end it also carries `txn{import/<sha256>/time, microseconds}`: the time that stands for now in all of the
//! content's rows, so that they are the same ones when the import goes on later.
//!
//! ```text
//! small contents: gathered together --> one commit a table for all of them
//! a large one:    spilled by date   --> a commit every few chunks
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::RecordBatch;
use futures::StreamExt;
use tempfile::TempDir;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::gather::GatheredTable;
use super::input::{Digesting, Input};
use super::obedience::{Obedience, Staging};
use super::outcome::ImportOutcome;
use super::rejects::RejectedRecord;
use super::requests::{FileFormat, FileRequest, Requests};
use crate::erasure::Held;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{AppendTxn, DataFile, LakeRoot, LakeTable, TableSnapshot, write_readme, write_sorted};
use crate::model::promoted::Promoted;
use crate::model::signal::{Encoding, Signal};
use crate::otlp::{DecodeReport, RequestMeta, decode};

/// Requests read ahead of the decoders, at most.
const READ_AHEAD: usize = 8;

/// The permits that bytes on their way to the decoders take: one a KiB.
const PERMIT_BYTES: usize = 1024;

/// Added to the chunk number in the `txn` of the commit that ends a content: no table lacks any of its rows.
const WHOLE: i64 = 1 << 62;

/// A large content is committed when so many files, or so many bytes, wait for it.
const COMMIT_FILES: usize = 64;
const COMMIT_BYTES: u64 = 1 << 30;

/// How an import gathers.
#[derive(Debug, Clone)]
pub struct ImportSettings {
    /// Bytes of memory for rows and for requests on their way.
    pub max_bytes: usize,
    /// How far past the import a record's time may lie, in microseconds.
    pub max_future_micros: i64,
    /// The promoted columns.
    pub promoted: Vec<Promoted>,
    /// Requests decoded at once.
    pub decoders: usize,
    /// Whose credentials the files came with.
    pub principal: Option<Arc<str>>,
    /// What standing erasures let through all the same.
    pub held: Option<Arc<dyn Held>>,
}

impl Default for ImportSettings {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            max_future_micros: 24 * 3600 * 1_000_000,
            promoted: crate::model::promoted::default_promoted(),
            decoders: std::thread::available_parallelism().map_or(1, usize::from),
            principal: None,
            held: None,
        }
    }
}

/// Imports files into one lake.
#[derive(Debug)]
pub struct Importer {
    settings: ImportSettings,
    tables: [ImportTable; 3],
    /// Contents that wait to be written together, all in memory.
    pending: Vec<Content>,
    /// Every content of this run.
    seen: HashSet<String>,
    obedience: Obedience,
    outcome: ImportOutcome,
}

#[derive(Debug)]
struct ImportTable {
    lake: LakeTable,
    snapshot: TableSnapshot,
}

/// The rows of one input.
#[derive(Debug)]
struct Content {
    app_id: String,
    tables: [GatheredTable; 3],
    /// What each table has of it.
    committed: [Option<i64>; 3],
    /// What stands for now in its rows, in microseconds since 1970.
    time: i64,
    /// Which tables' logs have that time.
    has_time: [bool; 3],
    /// Where it is spilled.
    folder: Option<TempDir>,
}

impl Content {
    fn bytes(&self) -> usize {
        self.tables.iter().map(GatheredTable::bytes).sum()
    }

    /// The table whose last chunk ends the content.
    fn last_table(&self) -> Option<usize> {
        self.tables.iter().rposition(|table| table.chunks() > 0)
    }

    /// What a commit of a table's chunks up to `chunk` says.
    fn txns(&self, table: usize, chunk: i64) -> Vec<AppendTxn> {
        let whole = self.last_table() == Some(table) && self.tables[table].chunks() == chunk;
        let version = if whole { chunk | WHOLE } else { chunk };
        let after = self.committed[table];
        let mut txns = vec![AppendTxn { app_id: self.app_id.clone(), version, after, exclusive: false }];
        if !whole && !self.has_time[table] {
            txns.push(AppendTxn {
                app_id: time_app_id(&self.app_id),
                version: self.time,
                after: None,
                exclusive: false,
            });
        }
        txns
    }
}

/// A request, its place, and its share of the bytes on their way.
type Waiting = (FileRequest, OwnedSemaphorePermit);
type Decoded = (FileRequest, Result<(RecordBatch, DecodeReport), String>, OwnedSemaphorePermit);

impl Importer {
    /// Opens the lake, making what is missing.
    ///
    /// # Errors
    /// As [`LakeTable::load_or_create`].
    pub async fn open(root: &LakeRoot, settings: ImportSettings) -> Result<Self> {
        write_readme(root).await?;
        let obedience = Obedience::begin(root, settings.held.clone()).await?;
        let mut tables = Vec::with_capacity(Signal::ALL.len());
        for signal in Signal::ALL {
            let lake = LakeTable::new(root, signal)?;
            let snapshot = lake.load_or_create(&settings.promoted).await?;
            tables.push(ImportTable { lake, snapshot });
        }
        let tables = tables.try_into().map_err(|_| Error::internal("not one table a signal"))?;
        let outcome = ImportOutcome::default();
        Ok(Self { settings, tables, pending: Vec::new(), seen: HashSet::new(), obedience, outcome })
    }

    /// Reads one input to its end, unless its content is in the lake. `rejected` is called for each record that is
    /// not stored. The rows may wait for [`Self::finish`] to be written.
    ///
    /// # Errors
    /// Where the input or the lake can't be used any further. An input is then stored in part or not at all, and
    /// the same import made again stores the rest.
    pub async fn import(
        &mut self,
        input: &Input,
        format: FileFormat,
        read: Arc<AtomicU64>,
        rejected: impl FnMut(&RejectedRecord<'_>) -> Result<()>,
    ) -> Result<()> {
        let digest = {
            let input = input.clone();
            blocking(move || input.digest()).await?
        };
        let app_id = app_id(&digest);
        let mut committed = [None; 3];
        for (table, committed) in self.tables.iter().zip(&mut committed) {
            *committed = table.lake.committed(&table.snapshot, &app_id).await?;
        }
        let whole = committed.iter().flatten().any(|version| version & WHOLE != 0);
        if !self.seen.insert(app_id.clone()) || whole {
            self.outcome.already.push(input.to_string());
            return Ok(());
        }
        let mut time = None;
        let mut has_time = [false; 3];
        for ((table, committed), has_time) in self.tables.iter().zip(committed).zip(&mut has_time) {
            if committed.is_some() {
                let known = table.lake.committed(&table.snapshot, &time_app_id(&app_id)).await?;
                *has_time = known.is_some();
                time = time.or(known);
            }
        }
        let time = time.unwrap_or_else(|| chrono::Utc::now().timestamp_micros());
        let tables = <[GatheredTable; 3]>::default();
        let mut content = Content { app_id, tables, committed, time, has_time, folder: None };
        self.gather(input, format, read, rejected, &mut content).await?;
        // What is there in part goes on where it stopped, by itself.
        let begun = content
            .committed
            .iter()
            .zip(&content.tables)
            .any(|(committed, table)| committed.is_some_and(|chunk| chunk > 0 && chunk < table.chunks()));
        if content.folder.is_none() && !begun {
            self.pending.push(content);
            return Ok(());
        }
        self.write_pending().await?;
        self.write_large(content).await
    }

    /// Writes what is still gathered, and tells what was done.
    ///
    /// # Errors
    /// Where the lake does not answer.
    pub async fn finish(mut self) -> Result<ImportOutcome> {
        let written = self.write_pending().await;
        self.obedience.end().await;
        written.map(|()| self.outcome)
    }

    /// Reads and decodes an input into `content`.
    async fn gather(
        &mut self,
        input: &Input,
        format: FileFormat,
        read: Arc<AtomicU64>,
        mut rejected: impl FnMut(&RejectedRecord<'_>) -> Result<()>,
        content: &mut Content,
    ) -> Result<()> {
        let opened = input.open(read)?;
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let permits = (self.settings.max_bytes / 4 / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let runtime = tokio::runtime::Handle::current();
        let reading = tokio::task::spawn_blocking(move || {
            let room = Arc::new(Semaphore::new(permits as usize));
            let mut requests = Requests::new(Digesting::new(opened.reader), format);
            let ended = loop {
                let next = match requests.next_request() {
                    Ok(Some(next)) => next,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                };
                let next = match next {
                    Ok(request) => {
                        let share = u32::try_from(request.body.len() / PERMIT_BYTES + 1).unwrap_or(u32::MAX);
                        match runtime.block_on(Arc::clone(&room).acquire_many_owned(share.min(permits))) {
                            Ok(permit) => Ok((request, permit)),
                            Err(_) => break Err(Error::internal("the room for requests is closed")),
                        }
                    }
                    Err(unreadable) => Err(unreadable),
                };
                if sender.blocking_send(next).is_err() {
                    break Ok(());
                }
            };
            (ended, requests.into_reader().finish())
        });
        let (time, max_future) = (content.time, self.settings.max_future_micros);
        let principal = self.settings.principal.clone();
        let mut decoded = ReceiverStream::new(receiver)
            .map(|next| (next, principal.clone()))
            .map(|(next, principal)| async move {
                match next {
                    Ok(waiting) => {
                        let decode = move || Ok(decode_request(waiting, time, max_future, principal.as_deref()));
                        tokio::task::spawn_blocking(decode).await
                    }
                    Err(unreadable) => Ok(Err(unreadable)),
                }
            })
            .buffered(self.settings.decoders.max(1));
        while let Some(next) = decoded.next().await {
            match next.map_err(|error| Error::internal("a decoding thread died").with_source(error))? {
                Ok((request, Ok((batch, report)), _permit)) => {
                    self.report(input, &request, &report, &mut rejected)?;
                    if let Some(table) = content.tables.get_mut(request.signal.index()) {
                        table.add(batch)?;
                    }
                    self.make_room(content).await?;
                }
                Ok((FileRequest { number, signal, .. }, Err(what), _permit)) => {
                    rejected(&unreadable(input, number, Some(signal), &what))?;
                    self.outcome.add_unreadable(format!("{input}:{number}: {what}"));
                }
                Err((number, what)) => {
                    rejected(&unreadable(input, number, None, &what))?;
                    self.outcome.add_unreadable(format!("{input}:{number}: {what}"));
                }
            }
        }
        drop(decoded);
        let (ended, digest) =
            reading.await.map_err(|error| Error::internal("the reading thread died").with_source(error))?;
        match ended {
            Err(error) if error.kind() != ErrorKind::Invalid => return Err(error),
            // Nothing is committed yet. Under the digest it has no longer, what was read would pass for the whole.
            _ if !digest.is_ok_and(|digest| content.app_id == app_id(&digest)) => {
                return Err(Error::unavailable(format!("{input} changed while it was read; import it again")));
            }
            Err(error) => self.outcome.add_unreadable(format!("{input}: {error}")),
            Ok(()) => {}
        }
        Ok(())
    }

    fn report(
        &mut self,
        input: &Input,
        request: &FileRequest,
        report: &DecodeReport,
        rejected: &mut impl FnMut(&RejectedRecord<'_>) -> Result<()>,
    ) -> Result<()> {
        let outcome = self.outcome.of(request.signal);
        outcome.nulled_ids += report.nulled_ids;
        outcome.duplicate_keys += report.duplicate_keys;
        for rejection in &report.rejections {
            *outcome.rejected.entry(rejection.reason.name().to_owned()).or_default() += 1;
            rejected(&RejectedRecord {
                input,
                number: request.number,
                signal: Some(request.signal),
                record: Some(rejection.record),
                reason: rejection.reason.name(),
                detail: &rejection.detail,
                encoding: request.encoding,
                bytes: request.body.get(rejection.bytes.clone()).unwrap_or_default(),
            })?;
        }
        Ok(())
    }

    /// Past the bound: what waits is written, and a content that is too large by itself goes to disk.
    async fn make_room(&mut self, content: &mut Content) -> Result<()> {
        let bound = self.settings.max_bytes / 2;
        let pending: usize = self.pending.iter().map(Content::bytes).sum();
        if pending + content.bytes() < bound {
            return Ok(());
        }
        self.write_pending().await?;
        if content.bytes() < bound { Ok(()) } else { content.spill().await }
    }

    /// Writes the contents that wait: one commit a table for all of them.
    async fn write_pending(&mut self) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        let staging = self.obedience.stage().await;
        for (index, signal) in Signal::ALL.into_iter().enumerate() {
            let (mut batches, mut txns, mut stored) = (Vec::new(), Vec::new(), 0);
            for content in &mut pending {
                let (chunks, rows) = (content.tables[index].chunks(), content.tables[index].rows());
                if chunks == 0 {
                    continue;
                }
                // Another import may have stored it since it was read.
                let table = &self.tables[index];
                content.committed[index] = table.lake.committed(&table.snapshot, &content.app_id).await?;
                if content.committed[index].is_some_and(|chunk| chunk >= chunks) {
                    self.outcome.of(signal).already += rows;
                    continue;
                }
                stored += rows;
                txns.extend(content.txns(index, chunks));
                batches.extend(content.tables[index].take_batches());
            }
            if !txns.is_empty() {
                let (files, erased) = self.write(&staging, index, batches).await?;
                self.commit(index, &files, &txns).await?;
                self.outcome.of(signal).stored += stored.saturating_sub(erased);
            }
        }
        Ok(())
    }

    /// Writes one content that is spilled, or there in part: a commit every few chunks.
    async fn write_large(&mut self, mut content: Content) -> Result<()> {
        content.spill().await?;
        let Some(folder) = content.folder.take() else { return Err(Error::internal("a content without its folder")) };
        for (index, signal) in Signal::ALL.into_iter().enumerate() {
            let chunks = content.tables[index].chunks();
            let (mut files, mut stored): (Vec<DataFile>, u64) = (Vec::new(), 0);
            let mut staging = None;
            let spilled = content.tables[index].chunk_files(&folder.path().join(signal.table()));
            for (chunk, spilled) in (1..).zip(spilled) {
                let (spilled, rows) = blocking(move || spilled.read().map(|rows| (spilled, rows))).await?;
                let count = rows.iter().map(RecordBatch::num_rows).sum::<usize>() as u64;
                if content.committed[index].is_some_and(|done| chunk <= done) {
                    self.outcome.of(signal).already += count;
                    continue;
                }
                let staged = match staging.take() {
                    Some(staged) => staged,
                    None => self.obedience.stage().await,
                };
                let (written, erased) = self.write(&staged, index, rows).await?;
                staging = Some(staged);
                files.extend(written);
                spilled.remove();
                stored += count.saturating_sub(erased);
                let bytes: u64 = files.iter().map(|file| file.size).sum();
                if chunk == chunks || files.len() >= COMMIT_FILES || bytes >= COMMIT_BYTES {
                    self.commit(index, &files, &content.txns(index, chunk)).await?;
                    (content.committed[index], content.has_time[index]) = (Some(chunk), true);
                    self.outcome.of(signal).stored += std::mem::take(&mut stored);
                    files.clear();
                    staging = None;
                }
            }
        }
        Ok(())
    }

    /// Writes the rows that the standing erasures let through, and answers how many they did not. Which chunk a row is in
    /// does not depend on them: an import that goes on later counts its chunks as the first one did.
    async fn write(
        &mut self,
        staging: &Staging,
        table: usize,
        batches: Vec<RecordBatch>,
    ) -> Result<(Vec<DataFile>, u64)> {
        let table = &self.tables[table];
        let (batches, erased) = staging.sift(table.lake.signal(), batches).await?;
        self.outcome.of(table.lake.signal()).erased += erased;
        let files = write_sorted(table.lake.store(), table.lake.signal(), table.snapshot.promoted(), batches).await?;
        self.outcome.files += files.len();
        self.outcome.bytes += files.iter().map(|file| file.size).sum::<u64>();
        Ok((files, erased))
    }

    async fn commit(&mut self, table: usize, files: &[DataFile], txns: &[AppendTxn]) -> Result<()> {
        let table = &mut self.tables[table];
        let before = table.snapshot.version();
        table.snapshot = table.lake.append(&table.snapshot, files, txns).await?;
        if let Err(error) = table.lake.checkpoint_if_due(before, &table.snapshot).await {
            tracing::warn!(table = %table.lake.signal(), %error, "no checkpoint was written");
        }
        Ok(())
    }
}

impl Content {
    /// Moves what is in memory to disk.
    async fn spill(&mut self) -> Result<()> {
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => tempfile::Builder::new().prefix("telestrata-import-").tempdir().map_err(|error| {
                Error::config("no temporary folder can be made (TMPDIR) for rows that do not fit into memory")
                    .with_source(error)
            })?,
        };
        let mut tables = std::mem::take(&mut self.tables);
        let (folder, tables) = blocking(move || {
            for (table, signal) in tables.iter_mut().zip(Signal::ALL) {
                table.spill(&folder.path().join(signal.table()))?;
            }
            Ok((folder, tables))
        })
        .await?;
        (self.folder, self.tables) = (Some(folder), tables);
        Ok(())
    }
}

/// A line or request that could not be read at all.
fn unreadable<'a>(input: &'a Input, number: u64, signal: Option<Signal>, detail: &'a str) -> RejectedRecord<'a> {
    let reason = "unreadable";
    RejectedRecord { input, number, signal, record: None, reason, detail, encoding: Encoding::Json, bytes: &[] }
}

fn app_id(digest: &str) -> String {
    format!("import/{digest}")
}

fn time_app_id(app_id: &str) -> String {
    format!("{app_id}/time")
}

fn decode_request((request, permit): Waiting, time: i64, max_future_micros: i64, principal: Option<&str>) -> Decoded {
    let meta = RequestMeta {
        ingest_time: time,
        latest_time: time.saturating_add(max_future_micros),
        source: match request.encoding {
            Encoding::Json => "import/otlp-json",
            Encoding::Proto => "import/otlp-proto",
        },
        principal,
    };
    let decoded = decode(request.signal, request.encoding, &request.body, &meta)
        .map(|decoded| (decoded.batch, decoded.report))
        .map_err(|error| error.to_string());
    (request, decoded, permit)
}

/// Runs work that blocks or takes long on a thread where it holds up no one.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("a thread of the import died").with_source(error))?
}
