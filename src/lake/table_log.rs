//! Any table of a lake as its log and its folder, whatever rows it holds: what housekeeping works on.
//!
//! Guarantee: a table that another engine has raised above reader version 1 and writer version 2 is refused: what its log
//! says of files may then be more than is read here.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake_core::DeltaTableError;
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::table::state::DeltaTableState;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use serde::Deserialize;

use super::delta_log::{checkpoint, has_log, is_commit, log_store};
use super::location::LakeRoot;
use crate::error::{Error, ErrorKind, Result};

/// Commits that are read at once.
const AHEAD: usize = 16;

/// A table's log and folder.
#[derive(Clone)]
pub struct TableLog {
    table: String,
    log_store: LogStoreRef,
    store: Arc<dyn ObjectStore>,
}

impl std::fmt::Debug for TableLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableLog").field("table", &self.table).finish_non_exhaustive()
    }
}

/// The files that one version of a table consists of.
#[derive(Debug, Clone)]
pub struct VersionFiles {
    /// The Delta version.
    pub version: u64,
    /// Their names, as a listing of the table's folder has them.
    pub names: FileNames,
    /// How many there are.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Files by what a listing of the table's folder may call them. A log writes names percent-encoded, and other engines'
/// habits differ: each name is kept in every reading of it.
#[derive(Debug, Clone, Default)]
pub struct FileNames(HashSet<String>);

impl FileNames {
    /// Takes a name as a log has it, decoded or not.
    pub fn insert(&mut self, name: &str) {
        self.0.insert(Path::from(name).to_string());
        self.0.extend(Path::parse(name).map(|path| path.to_string()));
        self.0.extend(Path::from_url_path(name).map(|path| path.to_string()));
    }

    /// Whether a listed object is one of them.
    pub fn contains(&self, listed: &Path) -> bool {
        self.0.contains(listed.as_ref())
    }
}

/// What a commit took away.
#[derive(Debug, Clone)]
pub struct CommitRemoves {
    /// The version that it made.
    pub version: u64,
    /// When its file was written, by the store's clock.
    pub written: DateTime<Utc>,
    /// The files, as the log names them.
    pub removed: Vec<String>,
}

impl TableLog {
    /// The handle of a table; touches nothing.
    pub fn new(root: &LakeRoot, table: &str) -> Result<Self> {
        Ok(Self {
            table: table.to_owned(),
            log_store: log_store(root, table, is_commit)?,
            store: root.table_store(table)?,
        })
    }

    /// Its name, which is that of its folder.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The store as seen from the table's folder.
    pub const fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Every object below the table's folder, its log's among them.
    ///
    /// # Errors
    /// `Unavailable` where the store does not answer.
    pub async fn objects(&self) -> Result<Vec<ObjectMeta>> {
        self.store.list(None).try_collect().await.map_err(|error| self.failed("can't be listed", error))
    }

    /// The objects of its log.
    ///
    /// # Errors
    /// `Unavailable` where the store does not answer.
    pub(super) async fn log_objects(&self) -> Result<Vec<ObjectMeta>> {
        let listed = self.store.list(Some(&"_delta_log".into())).try_collect().await;
        listed.map_err(|error| self.failed("has a log that can't be listed", error))
    }

    /// The files of its newest version; `None` where there is no such table.
    ///
    /// # Errors
    /// `Damaged` for a table that this program must not touch, `Unavailable` where the log can't be read.
    pub async fn newest_files(&self) -> Result<Option<VersionFiles>> {
        match DeltaTableState::try_new(self.log_store.as_ref(), None).await {
            Ok(state) => self.files(&state).map(Some),
            // The kernel takes a missing table for a failure.
            Err(error) => match has_log(&self.store).await {
                Ok(false) => Ok(None),
                Ok(true) => Err(self.failed("can't be read", error)),
                Err(error) => Err(self.failed("can't be listed", error)),
            },
        }
    }

    /// The files of a version.
    ///
    /// # Errors
    /// As [`Self::newest_files`]; also where the log does not have the version any more.
    pub async fn files_at(&self, version: u64) -> Result<VersionFiles> {
        let state = DeltaTableState::try_new(self.log_store.as_ref(), Some(version)).await;
        self.files(&state.map_err(|error| self.failed(&format!("can't be read at version {version}"), error))?)
    }

    fn files(&self, state: &DeltaTableState) -> Result<VersionFiles> {
        let refused = |what: &str| Error::new(ErrorKind::Damaged, format!("table `{}` {what}", self.table));
        let protocol = state.protocol();
        if protocol.min_reader_version() > 1 || protocol.min_writer_version() > 2 {
            return Err(refused("was raised to another Delta protocol by another engine; its files are left alone"));
        }
        let log = state.snapshot().try_log_data();
        let log = log.map_err(|error| refused("has a log that can't be read").with_source(error))?;
        let mut files = VersionFiles { version: state.version(), names: FileNames::default(), count: 0, bytes: 0 };
        for view in log.iter() {
            if view.deletion_vector_descriptor().is_some() {
                return Err(refused("has a deletion vector, written by another engine; its files are left alone"));
            }
            files.names.insert(&view.path());
            files.count += 1;
            files.bytes += u64::try_from(view.size()).unwrap_or(0);
        }
        Ok(files)
    }

    /// What its commits took away, from a version downwards; ends at the first commit that is not there.
    pub fn removes_below(&self, newest: u64) -> BoxStream<'static, Result<CommitRemoves>> {
        let read = {
            let log = self.clone();
            move |version| {
                let log = log.clone();
                async move { log.removes_of(version).await }
            }
        };
        let commits = futures::stream::iter((0..=newest).rev()).map(read).buffered(AHEAD);
        let there = commits.try_take_while(|commit| futures::future::ready(Ok(commit.is_some())));
        there.try_filter_map(|commit| futures::future::ready(Ok(commit))).boxed()
    }

    async fn removes_of(&self, version: u64) -> Result<Option<CommitRemoves>> {
        let path = Path::from(format!("_delta_log/{version:020}.json"));
        let unreadable = |error| self.failed(&format!("has a commit {version} that can't be read"), error);
        let found = match self.store.get(&path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let written = found.meta.last_modified;
        let text = found.bytes().await.map_err(unreadable)?;
        let removed = removes(&text).map_err(|(line, error)| {
            let table = &self.table;
            Error::new(ErrorKind::Damaged, format!("line {line} of {path} of table `{table}` is no action of a commit"))
                .with_source(error)
        })?;
        Ok(Some(CommitRemoves { version, written, removed }))
    }

    /// Writes the checkpoint of a version, unless it is there.
    ///
    /// # Errors
    /// What the store answers; the table is as right as before.
    pub async fn checkpoint(&self, version: u64) -> Result<()> {
        let written = checkpoint(&self.log_store, version).await;
        written.map_err(|error| self.failed(&format!("can't be given a checkpoint at version {version}"), error))
    }

    pub(super) fn failed(&self, what: &str, error: impl Into<DeltaTableError>) -> Error {
        Error::unavailable(format!("table `{}` {what}", self.table)).with_source(error.into())
    }
}

#[derive(Debug, Deserialize)]
struct Action {
    remove: Option<Removed>,
}

#[derive(Debug, Deserialize)]
struct Removed {
    path: String,
}

/// The files that a commit takes away, or the line that is none of its actions.
fn removes(text: &[u8]) -> std::result::Result<Vec<String>, (usize, serde_json::Error)> {
    let mut removed = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let action: Action = serde_json::from_slice(line).map_err(|error| (number + 1, error))?;
        removed.extend(action.remove.map(|remove| remove.path));
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_every_reading_of_its_name() {
        let mut names = FileNames::default();
        for name in ["date=2024-01-01/plain.parquet", "team=a%20b/of-another.parquet", "team=c d/decoded.parquet"] {
            names.insert(name);
        }
        for listed in ["date=2024-01-01/plain.parquet", "team=a b/of-another.parquet", "team=c d/decoded.parquet"] {
            assert!(names.contains(&Path::parse(listed).unwrap()), "{listed}");
        }
        assert!(!names.contains(&Path::from("date=2024-01-01/other.parquet")));
    }

    #[test]
    fn removes_are_read_and_what_is_no_commit_is_told_by_its_line() {
        let text = b"{\"add\":{\"path\":\"a\"}}\n\n{\"remove\":{\"path\":\"b%20c\",\"dataChange\":true}}\n";
        assert_eq!(removes(text).unwrap(), ["b%20c"]);
        assert_eq!(removes(b"{}\n{\"remove\":{}}").unwrap_err().0, 2);
    }
}
