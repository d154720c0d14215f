//! One Delta table: opening, creating, refreshing, and appending exactly once.
//!
//! Guarantees: an append that returned is in the log once, however often the store failed on the way (invariants 4
//! and 5); a table whose protocol or schema another program has changed is refused (invariant 8).
//!
//! ```text
//! append(files, txn N):   commit against the snapshot, no retries inside
//!       ^   | error or conflict, ours or another's
//!       |   v
//!       |  reload --> its txn says N is in? --> done
//!       +---- no
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::{Action, Add, Transaction, new_metadata};
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::state::DeltaTableState;
use object_store::ObjectStore;

use super::cloud_store::is_final;
use super::delta_log::{
    CHECKPOINT_EVERY, checkpoint, compare_and_swap, create_table, has_log, has_version, is_commit, log_store,
};
use super::files::{LiveFile, LiveFiles};
use super::location::LakeRoot;
use super::log_state::contract_properties;
use super::schema::{TableColumns, delta_schema, table_columns, with_promoted};
use super::staged::StagedSince;
use super::write::DataFile;
use crate::error::{Error, ErrorKind, Result};
use crate::model::contract::{CONTRACT_VERSION, PARTITION};
use crate::model::promoted::Promoted;
use crate::model::signal::Signal;

/// Pauses before the further tries of a commit, in ms. None at first: who has lost a race needs no rest.
pub(super) const PAUSES: [u64; 8] = [0, 50, 100, 200, 400, 800, 1600, 3200];

/// The longest that an append or a rewrite may go on trying, where the store tries each request again for so long: a
/// reload and a commit a try.
pub fn longest_commit(retry_time: Duration) -> Duration {
    let tries = u32::try_from(PAUSES.len() + 1).unwrap_or(u32::MAX);
    Duration::from_millis(PAUSES.iter().sum()) + retry_time.saturating_mul(2 * tries)
}

/// Table property that carries the contract's version.
pub(super) const CONTRACT_PROPERTY: &str = "telestrata.contractVersion";

/// A Delta table of this lake.
#[derive(Clone)]
pub struct LakeTable {
    signal: Signal,
    log_store: LogStoreRef,
    store: Arc<dyn ObjectStore>,
    grace: Duration,
}

impl std::fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LakeTable").field("signal", &self.signal).finish_non_exhaustive()
    }
}

/// One version of a table: immutable, cheap to share.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    state: DeltaTableState,
    columns: TableColumns,
    files: Arc<LiveFiles>,
    /// Since when it may no longer be the newest.
    seen: StagedSince,
}

impl TableSnapshot {
    /// The Delta version.
    pub fn version(&self) -> u64 {
        self.state.version()
    }

    /// The live files.
    pub const fn files(&self) -> &Arc<LiveFiles> {
        &self.files
    }

    /// The same version with some of its files alone, for a query that is to look at no others.
    pub(crate) fn only(&self, wanted: impl Fn(&LiveFile) -> bool) -> Self {
        Self { files: Arc::new(self.files.only(wanted)), ..self.clone() }
    }

    pub(super) const fn state(&self) -> &DeltaTableState {
        &self.state
    }

    /// Whether the table looks as it did in another version: schema and protocol.
    pub(super) fn has_schema_of(&self, other: &Self) -> bool {
        self.state.schema() == other.state.schema() && self.state.protocol() == other.state.protocol()
    }

    /// The promoted columns.
    pub fn promoted(&self) -> &[Promoted] {
        &self.columns.promoted
    }

    /// The Arrow schema in memory, promoted columns last.
    pub const fn schema(&self) -> &SchemaRef {
        &self.columns.schema
    }
}

/// What makes an append happen once: whose, and up to which sequence.
#[derive(Debug, Clone)]
pub struct AppendTxn {
    /// The Delta application id.
    pub app_id: String,
    /// Everything up to this sequence is in, once the commit is.
    pub version: i64,
    /// What the table had from this application before, `None` for nothing. Anything else that is found there tells
    /// of a second writer with the same id.
    pub after: Option<i64>,
    /// Whether one process alone may commit under this id, so that this very version with other files tells of a second
    /// one too. Not so of an import: what another stored of the same content is as good.
    pub exclusive: bool,
}

impl LakeTable {
    /// The table's handle; touches nothing.
    pub fn new(root: &LakeRoot, signal: Signal) -> Result<Self> {
        Ok(Self {
            signal,
            log_store: log_store(root, signal.table(), is_commit)?,
            store: root.table_store(signal.table())?,
            grace: root.grace(),
        })
    }

    /// Its log.
    pub(super) const fn log(&self) -> &LogStoreRef {
        &self.log_store
    }

    /// The signal it holds.
    pub const fn signal(&self) -> Signal {
        self.signal
    }

    /// The store as seen from the table's folder.
    pub const fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Its newest version, `None` where there is no such table.
    ///
    /// # Errors
    /// `Damaged` for a table that this version must not touch, `Unavailable` where the store does not answer.
    pub async fn load(&self) -> Result<Option<TableSnapshot>> {
        self.newest().await?.map(|state| self.checked(state)).transpose()
    }

    /// An earlier version.
    ///
    /// # Errors
    /// As [`Self::load`]; also where the log does not have the version any more.
    pub async fn load_at(&self, version: u64) -> Result<TableSnapshot> {
        let state = DeltaTableState::try_new(self.log_store.as_ref(), Some(version)).await;
        self.checked(state.map_err(|error| self.unavailable(&format!("can't be read at version {version}"), error))?)
    }

    /// Its newest version, not held against the contract.
    pub(super) async fn newest(&self) -> Result<Option<DeltaTableState>> {
        match DeltaTableState::try_new(self.log_store.as_ref(), None).await {
            Ok(state) => Ok(Some(state)),
            // The kernel takes a missing table for a failure.
            Err(_) if !self.has_log().await? => Ok(None),
            Err(error) => Err(self.unavailable("can't be read", error)),
        }
    }

    async fn has_log(&self) -> Result<bool> {
        has_log(&self.store)
            .await
            .map_err(|error| Error::unavailable(format!("table `{}` can't be listed", self.signal)).with_source(error))
    }

    /// Its newest version; makes the table, or adds promoted columns to it, where it lacks them.
    ///
    /// # Errors
    /// As [`Self::load`]; `Config` where a promoted column is already there with another definition.
    pub async fn load_or_create(&self, promoted: &[Promoted]) -> Result<TableSnapshot> {
        let mut outcome = self.create_or_widen(promoted).await;
        for pause in PAUSES {
            if !self.is_worth_another_try(&outcome, pause).await {
                break;
            }
            outcome = self.create_or_widen(promoted).await;
        }
        outcome
    }

    /// After an error the table may be made or widened all the same, by this call or by another: the next one sees.
    async fn create_or_widen(&self, promoted: &[Promoted]) -> Result<TableSnapshot> {
        let snapshot = match self.load().await? {
            Some(snapshot) => snapshot,
            None => {
                self.create(promoted).await?;
                let made = self.load().await?;
                made.ok_or_else(|| Error::unavailable(format!("table `{}` was made and is not there", self.signal)))?
            }
        };
        let added = missing_promoted(self.signal, &snapshot, promoted)?;
        if added.is_empty() { Ok(snapshot) } else { self.add_promoted(&snapshot, &added).await }
    }

    /// The snapshot brought up to the newest version.
    pub async fn refresh(&self, snapshot: &TableSnapshot) -> Result<TableSnapshot> {
        let mut state = snapshot.state.clone();
        state
            .update(self.log_store.as_ref(), None)
            .await
            .map_err(|error| self.unavailable("can't be refreshed", error))?;
        if state.version() == snapshot.version() {
            return Ok(TableSnapshot { seen: StagedSince::now(), ..snapshot.clone() });
        }
        self.checked(state)
    }

    /// The newest version after a failure. Where the snapshot is that, it is opened anew: the checkpoint and the commits
    /// that it stands on may have been cleaned up, and a refresh to the same version would go on standing on them.
    pub(super) async fn refresh_or_reload(&self, snapshot: &TableSnapshot) -> Result<TableSnapshot> {
        match self.refresh(snapshot).await {
            Ok(newest) if newest.version() > snapshot.version() => Ok(newest),
            refreshed => match self.load().await? {
                Some(newest) if newest.version() >= snapshot.version() => Ok(newest),
                _ => refreshed,
            },
        }
    }

    /// The snapshot, brought up to the newest version where it was last looked at long ago. The next version's commit may
    /// have come and gone again since then: a commit in its place would go through, and nobody would ever see it.
    pub(super) async fn recent(&self, snapshot: &TableSnapshot) -> Result<TableSnapshot> {
        if snapshot.seen.is_stale(self.grace) { self.refresh(snapshot).await } else { Ok(snapshot.clone()) }
    }

    /// The newest version, `None` where the snapshot is that. Finding that out costs a look at one name, a twelfth of
    /// a listing's price: a version above has the next one's name, since nothing takes commits away so soon. Of a
    /// snapshot that was last looked at long ago it is the listing.
    pub async fn newer(&self, snapshot: &TableSnapshot) -> Result<Option<TableSnapshot>> {
        if snapshot.seen.is_stale(self.grace) {
            return self.refresh(snapshot).await.map(Some);
        }
        let unavailable =
            |error| Error::unavailable(format!("table `{}` can't be refreshed", self.signal)).with_source(error);
        if !has_version(&self.store, snapshot.version() + 1).await.map_err(unavailable)? {
            return Ok(None);
        }
        let newest = self.refresh(snapshot).await?;
        Ok((newest.version() > snapshot.version()).then_some(newest))
    }

    /// Up to which sequence an application's appends are in this snapshot. May replay the log: not for queries.
    pub async fn committed(&self, snapshot: &TableSnapshot, app_id: &str) -> Result<Option<i64>> {
        let unreadable = |error| self.unavailable("can't be read", error);
        let log = self.log_store.as_ref();
        if let Ok(version) = snapshot.state.transaction_version(log, app_id).await {
            return Ok(version);
        }
        // The commits that it was made of may have gone, below a checkpoint that it does not know of.
        let state = DeltaTableState::try_new(log, Some(snapshot.version())).await.map_err(unreadable)?;
        state.transaction_version(log, app_id).await.map_err(unreadable)
    }

    /// Appends files once, and answers the snapshot that holds them.
    ///
    /// # Errors
    /// `Unavailable` after the last try; then the files may or may not be in, and the same call may be made again.
    pub async fn append(&self, base: &TableSnapshot, files: &[DataFile], txns: &[AppendTxn]) -> Result<TableSnapshot> {
        let mut snapshot = base.clone();
        let mut outcome = match self.recent(base).await {
            Ok(recent) => {
                snapshot = recent;
                self.append_unless_in(base, &snapshot, files, txns).await
            }
            Err(error) => Err(error),
        };
        for pause in PAUSES {
            if self.is_stale(files) || !self.is_worth_another_try(&outcome, pause).await {
                break;
            }
            outcome = match self.refresh_or_reload(&snapshot).await {
                Ok(newest) => {
                    snapshot = newest;
                    self.append_unless_in(base, &snapshot, files, txns).await
                }
                Err(error) => Err(error),
            };
        }
        outcome
    }

    /// After the pause, where the store did not answer or another's commit came first; never after what is final.
    pub(super) async fn is_worth_another_try<T>(&self, outcome: &Result<T>, pause: u64) -> bool {
        match outcome {
            Err(error) if error.kind() == ErrorKind::Unavailable && !is_final(error) => {
                // Usual where several servers write one table.
                tracing::info!(table = %self.signal, %error, "another writer was first, or the store did not answer; the commit is tried again");
                tokio::time::sleep(Duration::from_millis(pause)).await;
                true
            }
            _ => false,
        }
    }

    /// Commits on top of a version, unless that says that the files are in. Asked at the first try too: the version may
    /// have another's commits in it, which the commit would not run into.
    async fn append_unless_in(
        &self,
        base: &TableSnapshot,
        snapshot: &TableSnapshot,
        files: &[DataFile],
        txns: &[AppendTxn],
    ) -> Result<TableSnapshot> {
        if self.is_committed(snapshot, txns).await? {
            for txn in txns.iter().filter(|txn| txn.exclusive) {
                self.refuse_others(base, snapshot, files, txn).await?;
            }
            return Ok(snapshot.clone());
        }
        self.refuse_stale(files)?;
        self.commit_append(snapshot, files, txns).await
    }

    /// The sequence is in: so must these files be, by a commit since `base`, or it is another process's.
    async fn refuse_others(
        &self,
        base: &TableSnapshot,
        snapshot: &TableSnapshot,
        files: &[DataFile],
        txn: &AppendTxn,
    ) -> Result<()> {
        let is_own = |path: &str| files.iter().any(|file| file.path == path);
        // Not live any more where a compaction was as quick.
        if files.is_empty() || snapshot.files.iter().any(|file| is_own(&file.path)) {
            return Ok(());
        }
        for version in base.version() + 1..=snapshot.version() {
            // Of what has been cleaned up nobody can tell.
            let Some(added) = self.added_by(version).await? else { return Ok(()) };
            if added.iter().any(|path| is_own(path)) {
                return Ok(());
            }
        }
        Err(self.fenced(txn, Some(txn.version)))
    }

    /// Whether files have waited so long for their commit that vacuum may be about to take them.
    pub fn is_stale(&self, files: &[DataFile]) -> bool {
        files.iter().any(|file| file.staged.is_stale(self.grace))
    }

    pub(super) fn refuse_stale(&self, files: &[DataFile]) -> Result<()> {
        if !self.is_stale(files) {
            return Ok(());
        }
        Err(Error::unavailable(format!(
            "table `{}`: files were staged more than half of vacuum.grace ago, and vacuum may be about to take them; they \
             are written anew at the next try; where that takes as long again, raise vacuum.grace",
            self.signal
        )))
    }

    /// Gives up an append that was tried on `base` and on what was newer by then, and whose outcome is not known: it is
    /// in, or never will be once this returns. Answers the newest version, and whether it is in.
    ///
    /// # Errors
    /// `Unavailable` after the last try; `Damaged` where another process commits under the same id.
    pub async fn give_up(
        &self,
        base: &TableSnapshot,
        files: &[DataFile],
        txn: &AppendTxn,
    ) -> Result<(TableSnapshot, bool)> {
        let newest = self.refresh_or_reload(base).await?;
        if self.committed(&newest, &txn.app_id).await? == Some(txn.version) {
            self.refuse_others(base, &newest, files, txn).await?;
            return Ok((newest, true));
        }
        let (snapshot, committed) = self.take_over(&newest, &txn.app_id).await?;
        if committed != Some(txn.version) && committed != txn.after {
            return Err(self.fenced(txn, committed));
        }
        if committed == Some(txn.version) {
            self.refuse_others(base, &snapshot, files, txn).await?;
        }
        Ok((snapshot, committed == Some(txn.version)))
    }

    /// Bars the commits of an earlier life of this application, which may still be on their way to the store: they
    /// were all for the version after `base` or before. When this returns that version is taken, by such a commit, by
    /// another writer's, or by an empty one made here. Answers the newest version, and up to which sequence the
    /// application's appends are in it, for good.
    ///
    /// # Errors
    /// `Unavailable` after the last try.
    pub async fn take_over(&self, base: &TableSnapshot, app_id: &str) -> Result<(TableSnapshot, Option<i64>)> {
        let mut newest = base.clone();
        let mut outcome = self.take_next_version(base, &mut newest, app_id).await;
        for pause in PAUSES {
            if !self.is_worth_another_try(&outcome, pause).await {
                break;
            }
            outcome = self.take_next_version(base, &mut newest, app_id).await;
        }
        outcome.map(|committed| (newest, committed))
    }

    async fn take_next_version(
        &self,
        base: &TableSnapshot,
        newest: &mut TableSnapshot,
        app_id: &str,
    ) -> Result<Option<i64>> {
        *newest = self.refresh(newest).await?;
        if newest.version() == base.version() {
            let state = self.commit(newest, Vec::new(), append_operation(), Vec::new()).await?;
            *newest = self.checked(state)?;
        }
        self.committed(newest, app_id).await
    }

    /// Whether the transactions are in the snapshot. They are committed together: one without another is a stranger's.
    async fn is_committed(&self, snapshot: &TableSnapshot, txns: &[AppendTxn]) -> Result<bool> {
        let mut committed = None;
        for txn in txns {
            let found = self.committed(snapshot, &txn.app_id).await?;
            let is_in = found == Some(txn.version);
            if !is_in && found != txn.after || committed.is_some_and(|committed| committed != is_in) {
                return Err(self.fenced(txn, found));
            }
            committed = Some(is_in);
        }
        Ok(committed.unwrap_or(false))
    }

    fn fenced(&self, txn: &AppendTxn, found: Option<i64>) -> Error {
        Error::new(
            ErrorKind::Damaged,
            format!(
                "table `{}`: `{}` should be at {:?} or, with this process's files, at {} and is at {found:?}: another \
                 process commits under the same id; of a server, its write-ahead log's folder was copied: stop the \
                 one on the copy, and see `A copied write-ahead log` in docs/operations.md; of an import, let it end \
                 and import again",
                self.signal, txn.app_id, txn.after, txn.version
            ),
        )
    }

    async fn commit_append(
        &self,
        snapshot: &TableSnapshot,
        files: &[DataFile],
        txns: &[AppendTxn],
    ) -> Result<TableSnapshot> {
        let now = chrono::Utc::now().timestamp_millis();
        let actions = files.iter().map(|file| add_action(file, now, true)).collect::<Result<Vec<_>>>()?;
        let transactions = txns.iter().map(|txn| Transaction::new(&txn.app_id, txn.version)).collect();
        let state = self.commit(snapshot, actions, append_operation(), transactions).await?;
        if state.version() == snapshot.version() + 1 {
            let files = Arc::new(snapshot.files.with_added(files, now));
            return Ok(TableSnapshot { state, columns: snapshot.columns.clone(), files, seen: StagedSince::now() });
        }
        self.checked(state)
    }

    /// Compare-and-swap on the version: no retry inside, whose conflict rules are not ours.
    async fn commit(
        &self,
        snapshot: &TableSnapshot,
        actions: Vec<Action>,
        operation: DeltaOperation,
        transactions: Vec<Transaction>,
    ) -> Result<DeltaTableState> {
        compare_and_swap(&self.log_store, &snapshot.state, actions, operation, transactions)
            .await
            .map_err(|error| self.unavailable("the commit failed", error))
    }

    async fn create(&self, promoted: &[Promoted]) -> Result<()> {
        let schema = delta_schema(self.signal, promoted)?;
        let metadata = new_metadata(&schema, [PARTITION], contract_properties(self.signal))
            .map_err(|error| Error::internal("no Delta metadata").with_source(error))?;
        create_table(&self.log_store, metadata).await.map_err(|error| self.unavailable("can't be created", error))
    }

    async fn add_promoted(&self, snapshot: &TableSnapshot, added: &[Promoted]) -> Result<TableSnapshot> {
        let metadata = snapshot.state.metadata();
        let schema = with_promoted(snapshot.state.schema().as_ref(), added)?;
        let mut value = serde_json::to_value(metadata)
            .map_err(|error| Error::internal("no JSON of a table's metadata").with_source(error))?;
        let schema = serde_json::to_string(&schema)
            .map_err(|error| Error::internal("no JSON of a schema").with_source(error))?;
        value["schemaString"] = serde_json::Value::String(schema);
        let metadata = serde_json::from_value(value)
            .map_err(|error| Error::internal("no metadata of its JSON").with_source(error))?;
        let fields = added
            .iter()
            .filter_map(|promoted| {
                let schema = with_promoted(snapshot.state.schema().as_ref(), std::slice::from_ref(promoted)).ok()?;
                schema.field(&promoted.name).cloned()
            })
            .collect();
        let operation = DeltaOperation::AddColumn { fields };
        let state = self.commit(snapshot, vec![Action::Metadata(metadata)], operation, Vec::new()).await?;
        self.checked(state)
    }

    /// Writes a checkpoint where this version is due for one.
    ///
    /// Due at the first commit of ours past each multiple of the interval, counted from the version `before` it: the
    /// multiple itself may be another's.
    pub async fn checkpoint_if_due(&self, before: u64, snapshot: &TableSnapshot) -> Result<()> {
        if before / CHECKPOINT_EVERY == snapshot.version() / CHECKPOINT_EVERY {
            return Ok(());
        }
        checkpoint(&self.log_store, snapshot.version())
            .await
            .map_err(|error| self.unavailable("the checkpoint failed", error))
    }

    pub(super) fn checked(&self, state: DeltaTableState) -> Result<TableSnapshot> {
        let refused = |what: String| Error::new(ErrorKind::Damaged, format!("table `{}` {what}", self.signal));
        let protocol = state.protocol();
        if protocol.min_reader_version() > 1 || protocol.min_writer_version() > 2 {
            return Err(refused(format!(
                "is at Delta reader version {} and writer version {}, raised by another engine; this program keeps \
                 tables at 1 and 2: restore the table from before that change",
                protocol.min_reader_version(),
                protocol.min_writer_version()
            )));
        }
        let contract = state.metadata().configuration().get(CONTRACT_PROPERTY).map(String::as_str);
        match contract.map(str::parse::<u32>) {
            Some(Ok(version)) if version > CONTRACT_VERSION => {
                return Err(refused(format!(
                    "was written by a newer version (contract {version}, this program knows {CONTRACT_VERSION}): upgrade"
                )));
            }
            Some(Ok(_)) => {}
            _ => {
                return Err(refused(format!("has no `{CONTRACT_PROPERTY}`: it was not made by telestrata")));
            }
        }
        let columns = table_columns(self.signal, state.schema().as_ref())?;
        let files = Arc::new(LiveFiles::of(&state)?);
        Ok(TableSnapshot { state, columns, files, seen: StagedSince::now() })
    }

    pub(super) fn unavailable(&self, what: &str, error: DeltaTableError) -> Error {
        Error::unavailable(format!("table `{}` {what}", self.signal)).with_source(error)
    }
}

fn missing_promoted(signal: Signal, snapshot: &TableSnapshot, wanted: &[Promoted]) -> Result<Vec<Promoted>> {
    let mut missing = Vec::new();
    for promoted in wanted {
        match snapshot.promoted().iter().find(|there| there.name == promoted.name) {
            Some(there) if there == promoted => {}
            Some(there) => {
                return Err(Error::config(format!(
                    "promoted column `{}` of table `{signal}` is already defined as {}; choose another name",
                    promoted.name,
                    there.comment()
                )));
            }
            None => missing.push(promoted.clone()),
        }
    }
    Ok(missing)
}

fn append_operation() -> DeltaOperation {
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: Some(vec![PARTITION.to_owned()]), predicate: None }
}

pub(super) fn add_action(file: &DataFile, now_ms: i64, data_change: bool) -> Result<Action> {
    let size = i64::try_from(file.size).map_err(|_| Error::internal("a file of more than 2^63 bytes"))?;
    Ok(Action::Add(Add {
        path: file.path.clone(),
        partition_values: HashMap::from([(PARTITION.to_owned(), Some(file.date.clone()))]),
        size,
        modification_time: now_ms,
        data_change,
        stats: Some(file.stats.clone()),
        ..Add::default()
    }))
}
