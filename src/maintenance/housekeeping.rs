//! Logs kept short, and their history kept: what a job or `vacuum apply` calls, table by table.
//!
//! ```text
//! ledger::harvest --> checkpoints that are due, of pinned versions too --> old commits go      keep_log
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::retention::DECISIONS;
use super::vacuum::Intent;
use crate::error::Result;
use crate::lake::{KeptLog, LakeRoot, LogReport, NamedSnapshots, TableLog};
use crate::ledger::{self, harvest};
use crate::model::signal::Signal;
use crate::trace_index;

/// How long what is no longer needed stays.
#[derive(Debug, Clone, Copy)]
pub struct HousekeepingSettings {
    /// Files that no version needs any more stay for so long.
    pub grace: Duration,
    /// A table's commits stay for so long, and with them its versions.
    pub log_retention: Duration,
}

/// The tables that housekeeping looks after: the signals' and those that are derived from them.
pub const TABLES: [&str; 6] = [
    Signal::Logs.table(),
    Signal::Spans.table(),
    Signal::Metrics.table(),
    trace_index::TABLE.name,
    DECISIONS.name,
    ledger::TABLE.name,
];

/// Brings one table's log in order: its commits into the ledger, checkpoints where they are due, and what is older than
/// the retention away. `None` where there is no such table. Cancel-safe: dropped at any point, the table is as right as
/// before, and the next call goes on.
///
/// # Errors
/// What the store answers. What was done by then is in the report of the next call.
pub async fn keep_log(
    root: &LakeRoot,
    table: &str,
    retention: Duration,
    now: DateTime<Utc>,
    intent: Intent,
) -> Result<Option<LogReport>> {
    let log = TableLog::new(root, table)?;
    let applies = intent == Intent::Apply;
    let ledger = match Signal::from_table(table) {
        Some(signal) if applies => match harvest(root, signal).await? {
            Some(harvested) => Some(harvested.up_to),
            None => return Ok(None),
        },
        // A plan takes it that the harvest would be made.
        _ => None,
    };
    let snapshots = NamedSnapshots::new(root)?.list().await?;
    let pinned: BTreeSet<u64> = snapshots.iter().filter_map(|snapshot| snapshot.tables.get(table)).copied().collect();
    let kept = KeptLog { now, retention, ledger, pinned };
    let mut report = LogReport::default();
    if applies {
        log.checkpoint_where_due(&kept, &mut report).await?;
    }
    let there = log.clean_up(&kept, applies, &mut report).await?;
    Ok(there.then_some(report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maintenance::{create_snapshot, vacuum};

    /// A job runs them on a runtime of its own.
    #[tokio::test]
    async fn they_can_be_spawned_and_find_nothing_where_there_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = LakeRoot::parse(folder.path().to_str().unwrap(), &crate::lake::CloudAccess::default()).unwrap();
        let (day, now) = (Duration::from_secs(86_400), Utc::now());
        let kept = tokio::spawn({
            let root = root.clone();
            async move { keep_log(&root, "logs", day, now, Intent::Apply).await }
        });
        assert_eq!(kept.await.unwrap().unwrap(), None);
        let vacuumed = tokio::spawn({
            let root = root.clone();
            async move { vacuum(&root, &TABLES, day, now, Intent::Apply).await }
        });
        assert!(vacuumed.await.unwrap().unwrap().is_empty());
        let named = tokio::spawn(async move { create_snapshot(&root, "name", now).await });
        assert_eq!(named.await.unwrap().unwrap_err().kind(), crate::error::ErrorKind::NotFound);
    }
}
