//! A table that is made from the signals' tables and can be made from them again: open, but bound to no contract.
//!
//! Guarantees: a commit is a compare-and-swap on the version (invariant 6); the table stays at reader version 1 and
//! writer version 2 (invariant 8). Which rows and why is left to who derives them.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake_core::DeltaTableError;
use deltalake_core::kernel::{Action, Add, Remove, StructType, Transaction, new_metadata};
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::state::DeltaTableState;
use object_store::ObjectStore;

use super::delta_log::{checkpoint, compare_and_swap, create_table, has_log, has_version, is_log_file, log_store};
use super::location::LakeRoot;
use crate::error::{Error, ErrorKind, Result};

/// Versions from one checkpoint to the next: such a table has few commits, and who opens it once reads all since.
const CHECKPOINT_EVERY: u64 = 10;

/// What a derived table looks like.
#[derive(Debug, Clone, Copy)]
pub struct DerivedTableSpec {
    /// Its name, which is that of its folder.
    pub name: &'static str,
    /// Its Delta schema, as JSON.
    pub schema: fn() -> serde_json::Value,
    /// Its one partition column, a text.
    pub partition: &'static str,
    /// The columns that have statistics.
    pub statistics: &'static str,
}

/// A derived Delta table of a lake.
#[derive(Clone)]
pub struct DerivedTable {
    spec: DerivedTableSpec,
    log_store: LogStoreRef,
    store: Arc<dyn ObjectStore>,
}

impl std::fmt::Debug for DerivedTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DerivedTable").field("name", &self.spec.name).finish_non_exhaustive()
    }
}

/// One version of a derived table.
#[derive(Debug, Clone)]
pub struct DerivedSnapshot {
    state: DeltaTableState,
    files: Arc<Vec<DerivedFile>>,
}

/// A file of a derived table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DerivedFile {
    /// Path below the table's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// The value of the partition column.
    pub partition: String,
    /// The Delta statistics, as JSON.
    pub stats: String,
}

impl DerivedFile {
    /// Rows, `None` where the log does not say.
    pub fn rows(&self) -> Option<u64> {
        serde_json::from_str::<serde_json::Value>(&self.stats).ok()?.get("numRecords")?.as_u64()
    }
}

impl DerivedSnapshot {
    /// The Delta version.
    pub fn version(&self) -> u64 {
        self.state.version()
    }

    /// The live files.
    pub fn files(&self) -> &[DerivedFile] {
        &self.files
    }
}

impl DerivedTable {
    /// The table's handle; touches nothing.
    pub fn new(root: &LakeRoot, spec: DerivedTableSpec) -> Result<Self> {
        // Its checkpoints are small, and written by the one who committed their version.
        Ok(Self { spec, log_store: log_store(root, spec.name, is_log_file)?, store: root.table_store(spec.name)? })
    }

    /// The store as seen from the table's folder.
    pub const fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Its newest version, `None` where there is no such table.
    ///
    /// # Errors
    /// `Damaged` for a table that another engine has raised, `Unavailable` where the log can't be read.
    pub async fn load(&self) -> Result<Option<DerivedSnapshot>> {
        match DeltaTableState::try_new(self.log_store.as_ref(), None).await {
            Ok(state) => self.snapshot(state).map(Some),
            // The kernel takes a missing table for a failure.
            Err(error) => match has_log(&self.store).await {
                Ok(false) => Ok(None),
                Ok(true) => Err(self.failed("can't be read", error)),
                Err(error) => Err(self.failed("can't be listed", error)),
            },
        }
    }

    /// Its newest version; makes the table where there is none.
    ///
    /// # Errors
    /// As [`Self::load`]; also where another made it at the same moment: the next call finds it.
    pub async fn load_or_create(&self) -> Result<DerivedSnapshot> {
        if let Some(snapshot) = self.load().await? {
            return Ok(snapshot);
        }
        let schema: StructType = serde_json::from_value((self.spec.schema)())
            .map_err(|error| Error::internal(format!("no Delta schema of `{}`", self.spec.name)).with_source(error))?;
        let properties = [
            ("delta.dataSkippingStatsColumns".to_owned(), self.spec.statistics.to_owned()),
            ("delta.checkpointInterval".to_owned(), CHECKPOINT_EVERY.to_string()),
        ];
        let metadata = new_metadata(&schema, [self.spec.partition], properties)
            .map_err(|error| Error::internal("no Delta metadata").with_source(error))?;
        let created = create_table(&self.log_store, metadata).await;
        match (self.load().await?, created) {
            (Some(snapshot), _) => Ok(snapshot),
            (None, Err(error)) => Err(self.failed("can't be created", error)),
            (None, Ok(())) => Err(Error::unavailable(format!("table `{}` was made and is not there", self.spec.name))),
        }
    }

    /// The snapshot brought up to the newest version.
    pub async fn refresh(&self, snapshot: &DerivedSnapshot) -> Result<DerivedSnapshot> {
        let mut state = snapshot.state.clone();
        state.update(self.log_store.as_ref(), None).await.map_err(|error| self.failed("can't be refreshed", error))?;
        if state.version() == snapshot.version() { Ok(snapshot.clone()) } else { self.snapshot(state) }
    }

    /// Whether there is a version after this one, by a look at one name.
    pub async fn has_newer(&self, snapshot: &DerivedSnapshot) -> Result<bool> {
        let next = snapshot.version() + 1;
        has_version(&self.store, next).await.map_err(|error| self.failed("can't be refreshed", error))
    }

    /// Commits on top of exactly this version: `added` come, `removed`, which must be live in it, go.
    ///
    /// # Errors
    /// `Unavailable`: another's commit came first, or the outcome is not known. A newer version tells.
    pub async fn commit(
        &self,
        base: &DerivedSnapshot,
        added: &[DerivedFile],
        removed: &[DerivedFile],
    ) -> Result<DerivedSnapshot> {
        self.commit_as(base, added, removed, None).await
    }

    /// The same, and says with it how far an application is.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn commit_as(
        &self,
        base: &DerivedSnapshot,
        added: &[DerivedFile],
        removed: &[DerivedFile],
        application: Option<(&str, i64)>,
    ) -> Result<DerivedSnapshot> {
        let now = chrono::Utc::now().timestamp_millis();
        // What replaces other files says again what they said.
        let data_change = removed.is_empty() || added.is_empty();
        let mut actions = Vec::with_capacity(added.len() + removed.len());
        for file in added {
            actions.push(Action::Add(Add {
                path: file.path.clone(),
                partition_values: self.partition_values(file),
                size: self.size(file)?,
                modification_time: now,
                data_change,
                stats: Some(file.stats.clone()),
                ..Add::default()
            }));
        }
        for file in removed {
            actions.push(Action::Remove(Remove {
                path: file.path.clone(),
                data_change,
                deletion_timestamp: Some(now),
                extended_file_metadata: Some(true),
                partition_values: Some(self.partition_values(file)),
                size: Some(self.size(file)?),
                ..Remove::default()
            }));
        }
        let operation = if removed.is_empty() {
            let partition_by = Some(vec![self.spec.partition.to_owned()]);
            DeltaOperation::Write { mode: SaveMode::Append, partition_by, predicate: None }
        } else {
            DeltaOperation::Optimize { predicate: None, target_size: 0 }
        };
        let transactions = application.map(|(id, version)| Transaction::new(id, version)).into_iter().collect();
        let state = compare_and_swap(&self.log_store, &base.state, actions, operation, transactions)
            .await
            .map_err(|error| self.failed("the commit failed", error))?;
        self.snapshot(state)
    }

    /// How far an application is in this snapshot. May replay the log: not for queries.
    pub async fn committed(&self, snapshot: &DerivedSnapshot, app_id: &str) -> Result<Option<i64>> {
        let version = snapshot.state.transaction_version(self.log_store.as_ref(), app_id).await;
        version.map_err(|error| self.failed("can't be read", error))
    }

    /// Writes a checkpoint where a version past `before` is due for one.
    ///
    /// # Errors
    /// What the store answers; the table is as right without.
    pub async fn checkpoint_if_due(&self, before: u64, snapshot: &DerivedSnapshot) -> Result<()> {
        if before / CHECKPOINT_EVERY == snapshot.version() / CHECKPOINT_EVERY {
            return Ok(());
        }
        let written = checkpoint(&self.log_store, snapshot.version()).await;
        written.map_err(|error| self.failed("the checkpoint failed", error))
    }

    fn snapshot(&self, state: DeltaTableState) -> Result<DerivedSnapshot> {
        let damaged = |what: &str| Error::new(ErrorKind::Damaged, format!("table `{}` {what}", self.spec.name));
        let protocol = state.protocol();
        if protocol.min_reader_version() > 1 || protocol.min_writer_version() > 2 {
            return Err(damaged("was raised to another Delta protocol by another engine; delete its folder"));
        }
        let log = state.snapshot().try_log_data();
        let log = log.map_err(|error| damaged("has a log that can't be read").with_source(error))?;
        let mut files = Vec::with_capacity(log.num_files());
        for view in log.iter() {
            if view.deletion_vector_descriptor().is_some() {
                return Err(damaged("has a deletion vector, written by another engine; delete its folder"));
            }
            files.push(DerivedFile {
                path: view.path().into_owned(),
                size: u64::try_from(view.size()).unwrap_or(0),
                partition: view.partition_values_map().remove(self.spec.partition).flatten().unwrap_or_default(),
                stats: view.stats().unwrap_or_default(),
            });
        }
        Ok(DerivedSnapshot { state, files: Arc::new(files) })
    }

    fn partition_values(&self, file: &DerivedFile) -> HashMap<String, Option<String>> {
        HashMap::from([(self.spec.partition.to_owned(), Some(file.partition.clone()))])
    }

    fn size(&self, file: &DerivedFile) -> Result<i64> {
        i64::try_from(file.size).map_err(|_| Error::internal(format!("{} has more than 2^63 bytes", file.path)))
    }

    fn failed(&self, what: &str, error: impl Into<DeltaTableError>) -> Error {
        Error::unavailable(format!("table `{}` {what}", self.spec.name)).with_source(error.into())
    }
}
