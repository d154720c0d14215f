//! Who wrote a table: the Delta `txn` actions of its log, and when each was last seen.
//!
//! The newest checkpoint has every application's last version; commits after it are read on top. When a version of a
//! checkpoint was committed is looked up in the commits before it, as far back as [`COMMITS_BACK`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use serde::Deserialize;

use super::READS_AT_ONCE;
use crate::error::{Error, Result};
use crate::lake::StoreFile;

/// Commits read back from a checkpoint for the time of a version, at most.
const COMMITS_BACK: usize = 1_000;

/// An application that committed with a `txn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its id, `writer/<uuid>/<table>` for a write-ahead log.
    pub app_id: String,
    /// The last version that it committed.
    pub version: i64,
    /// When, by the commit's own word; `None` where that was too long ago to look up.
    pub last_seen: Option<DateTime<Utc>>,
}

/// What a line of a commit may say of applications.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    txn: Option<Txn>,
    commit_info: Option<CommitInfo>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    app_id: String,
    version: i64,
}

#[derive(Debug, Deserialize)]
struct CommitInfo {
    timestamp: Option<i64>,
}

/// Every application of a table whose id `wanted` accepts, by id.
///
/// # Errors
/// `Unavailable` where the log can't be read.
pub(super) async fn applications(
    store: &Arc<dyn ObjectStore>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Application>> {
    let log = Log::list(store).await?;
    let mut found: BTreeMap<String, Application> = BTreeMap::new();
    for txn in log.checkpoint_txns(store).await? {
        if wanted(&txn.app_id) {
            let application = Application { app_id: txn.app_id, version: txn.version, last_seen: None };
            found.insert(application.app_id.clone(), application);
        }
    }
    let after: Vec<&Path> =
        log.commits.iter().filter(|(version, _)| Some(*version) > log.checkpoint).map(|(_, path)| path).collect();
    let mut commits = futures::stream::iter(after).map(|path| read_commit(store, path)).buffered(READS_AT_ONCE);
    while let Some(seen) = commits.try_next().await? {
        for application in seen.into_iter().filter(|seen| wanted(&seen.app_id)) {
            found.insert(application.app_id.clone(), application);
        }
    }
    log.date(store, &mut found).await?;
    Ok(found.into_values().collect())
}

/// The files of a `_delta_log`.
#[derive(Debug, Default)]
struct Log {
    /// By version, ascending.
    commits: Vec<(u64, Path)>,
    /// The version of the newest checkpoint.
    checkpoint: Option<u64>,
    /// Its parts.
    parts: Vec<ObjectMeta>,
}

impl Log {
    async fn list(store: &Arc<dyn ObjectStore>) -> Result<Self> {
        let listing = store.list_with_delimiter(Some(&"_delta_log".into())).await.map_err(unreadable)?;
        let mut log = Self::default();
        let mut checkpoints: HashMap<u64, Vec<ObjectMeta>> = HashMap::new();
        for object in listing.objects {
            let name = object.location.filename().unwrap_or_default().to_owned();
            let Some((version, kind)) = name.split_once('.') else { continue };
            let Ok(version) = version.parse::<u64>() else { continue };
            if kind == "json" {
                log.commits.push((version, object.location));
            } else if kind.starts_with("checkpoint") && kind.ends_with("parquet") {
                checkpoints.entry(version).or_default().push(object);
            }
        }
        log.commits.sort();
        if let Some((version, parts)) = checkpoints.into_iter().max_by_key(|(version, _)| *version) {
            (log.checkpoint, log.parts) = (Some(version), parts);
        }
        Ok(log)
    }

    async fn checkpoint_txns(&self, store: &Arc<dyn ObjectStore>) -> Result<Vec<Txn>> {
        let mut txns = Vec::new();
        for part in &self.parts {
            txns.extend(read_checkpoint(store, part).await.map_err(|error| {
                Error::unavailable(format!("checkpoint {} can't be read", part.location)).with_source(error)
            })?);
        }
        Ok(txns)
    }

    /// Finds when applications of the checkpoint committed their last version.
    async fn date(&self, store: &Arc<dyn ObjectStore>, found: &mut BTreeMap<String, Application>) -> Result<()> {
        let before = self.commits.iter().rev().filter(|(version, _)| Some(*version) <= self.checkpoint);
        let mut commits = futures::stream::iter(before.take(COMMITS_BACK))
            .map(|(_, path)| read_commit(store, path))
            .buffered(READS_AT_ONCE);
        while found.values().any(|application| application.last_seen.is_none()) {
            let Some(seen) = commits.try_next().await? else { break };
            for seen in seen {
                if let Some(application) = found.get_mut(&seen.app_id)
                    && application.version == seen.version
                {
                    application.last_seen = application.last_seen.or(seen.last_seen);
                }
            }
        }
        Ok(())
    }
}

async fn read_commit(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Vec<Application>> {
    let bytes = match store.get(path).await {
        Ok(object) => object.bytes().await.map_err(unreadable)?,
        // Another program cleans the log up meanwhile.
        Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut time = None;
    let mut txns = Vec::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        // Most lines are files.
        if !line.contains("\"txn\"") && !line.contains("\"commitInfo\"") {
            continue;
        }
        let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
        txns.extend(line.txn);
        time = time.or(line.commit_info.and_then(|info| info.timestamp));
    }
    let last_seen = time.and_then(DateTime::from_timestamp_millis);
    Ok(txns.into_iter().map(|txn| Application { app_id: txn.app_id, version: txn.version, last_seen }).collect())
}

async fn read_checkpoint(
    store: &Arc<dyn ObjectStore>,
    part: &ObjectMeta,
) -> Result<Vec<Txn>, parquet::errors::ParquetError> {
    let file = StoreFile::new(store, part.location.clone(), part.size);
    let builder = ParquetRecordBatchStreamBuilder::new(file).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["txn.appId", "txn.version"]);
    let mut batches = builder.with_projection(mask).build()?;
    let mut txns = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        let Some(actions) = batch.column_by_name("txn").and_then(|column| column.as_struct_opt()) else { continue };
        let (Some(ids), Some(versions)) = (actions.column_by_name("appId"), actions.column_by_name("version")) else {
            continue;
        };
        let ids = cast(ids, &DataType::Utf8)?;
        let versions = cast(versions, &DataType::Int64)?;
        let (ids, versions) = (ids.as_string::<i32>(), versions.as_primitive::<Int64Type>());
        for row in (0..batch.num_rows()).filter(|row| actions.is_valid(*row) && ids.is_valid(*row)) {
            txns.push(Txn { app_id: ids.value(row).to_owned(), version: versions.value(row) });
        }
    }
    Ok(txns)
}

fn unreadable(error: object_store::Error) -> Error {
    Error::unavailable("the table's log can't be read").with_source(error)
}
