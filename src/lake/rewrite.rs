//! Files in the place of others: compaction, retention, erasure.
//!
//! Guarantee (invariant 6): a rewrite is in the log whole or not at all, and only on top of a version in which every
//! file that it replaces is live and schema and protocol are what its files were made for. After any error the newest
//! version tells: its files live means done, a replaced one gone means that another was first. A rewrite that only takes
//! files out leaves no name behind: after an error it may be called overtaken though it was done, never the other way
//! round, since a compaction may have carried the rows on.
//!
//! delta-rs's own conflict check lets two compactors double the rows, so its retries are off, and a rewrite that changes no
//! rows repeats the table's metadata: other engines' rewrites that began before it then begin anew.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake_core::kernel::{Action, Remove};
use deltalake_core::protocol::DeltaOperation;
use serde_json::Value;

use super::delta_log::compare_and_swap_with;
use super::files::LiveFile;
use super::table::{LakeTable, PAUSES, TableSnapshot, add_action};
use super::write::DataFile;
use crate::error::{Error, ErrorKind, Result};

/// How a rewrite ended.
#[derive(Debug, Clone)]
pub enum Rewritten {
    /// It is in; the version that has it.
    Done(TableSnapshot),
    /// Another was first: a file that was to be replaced is gone, or the schema has changed. Nothing was done; the
    /// version that tells.
    Overtaken(TableSnapshot),
}

/// What a rewrite does to a table.
#[derive(Debug, Clone, Copy)]
pub struct Rewrite<'a> {
    /// Live files that go.
    pub removed: &'a [Arc<LiveFile>],
    /// Files that come, whole in the store.
    pub added: &'a [DataFile],
    /// Whether rows came or went, as opposed to being written anew.
    pub data_change: bool,
    /// What the commit says of itself, in `commitInfo`: counts, the proof, who and why.
    pub info: &'a serde_json::Map<String, Value>,
}

impl LakeTable {
    /// Commits a rewrite of files of `base`.
    ///
    /// # Errors
    /// `Unavailable` after the last try; then it may or may not be in, and the same call may be made again.
    pub async fn rewrite(&self, base: &TableSnapshot, rewrite: Rewrite<'_>) -> Result<Rewritten> {
        let mut newest = base.clone();
        let mut outcome = match self.recent(base).await {
            Ok(recent) => {
                newest = recent;
                self.rewrite_once(base, &newest, rewrite).await
            }
            Err(error) => Err(error),
        };
        for pause in PAUSES {
            if self.is_stale(rewrite.added) || !self.is_worth_another_try(&outcome, pause).await {
                break;
            }
            outcome = match self.refresh(&newest).await {
                Ok(refreshed) => {
                    newest = refreshed;
                    self.rewrite_once(base, &newest, rewrite).await
                }
                Err(error) => Err(error),
            };
        }
        outcome
    }

    async fn rewrite_once(
        &self,
        base: &TableSnapshot,
        newest: &TableSnapshot,
        rewrite: Rewrite<'_>,
    ) -> Result<Rewritten> {
        let live: HashSet<&str> = newest.files().iter().map(|file| file.path.as_str()).collect();
        let is_live = |path: &str| live.contains(path);
        if !rewrite.added.is_empty() && rewrite.added.iter().all(|file| is_live(&file.path)) {
            return Ok(Rewritten::Done(newest.clone()));
        }
        let same_schema = newest.has_schema_of(base);
        if !same_schema || !rewrite.removed.iter().all(|file| is_live(&file.path)) {
            return Ok(Rewritten::Overtaken(newest.clone()));
        }
        self.refuse_stale(rewrite.added)?;
        let now = chrono::Utc::now().timestamp_millis();
        let mut actions = Vec::with_capacity(rewrite.added.len() + rewrite.removed.len());
        for file in rewrite.removed {
            actions.push(remove_action(file, now, rewrite.data_change)?);
        }
        for file in rewrite.added {
            actions.push(add_action(file, now, rewrite.data_change)?);
        }
        if !rewrite.data_change {
            // To delta-rs a file that went without a change of rows is no conflict: its OPTIMIZE would put the rows of
            // that file in once more (`conflict_checker.rs`). Metadata is a conflict, also where it says what it said.
            actions.push(Action::Metadata(newest.state().metadata().clone()));
        }
        let operation = if rewrite.data_change {
            DeltaOperation::Delete { predicate: None }
        } else {
            DeltaOperation::Optimize { predicate: None, target_size: 0 }
        };
        let info = rewrite.info.clone();
        let state = compare_and_swap_with(self.log(), newest.state(), actions, operation, Vec::new(), info)
            .await
            .map_err(|error| self.unavailable("the commit failed", error))?;
        self.checked(state).map(Rewritten::Done)
    }
}

fn remove_action(file: &LiveFile, now_ms: i64, data_change: bool) -> Result<Action> {
    let size = i64::try_from(file.size)
        .map_err(|_| Error::new(ErrorKind::Internal, format!("{} has more than 2^63 bytes", file.path)))?;
    let partition = (crate::model::contract::PARTITION.to_owned(), file.date.clone());
    Ok(Action::Remove(Remove {
        path: file.path.clone(),
        data_change,
        deletion_timestamp: Some(now_ms),
        extended_file_metadata: Some(true),
        partition_values: Some([partition].into()),
        size: Some(size),
        ..Remove::default()
    }))
}
