//! Checkpoints of a table's log, and the end of its old commits.
//!
//! Guarantees: the newest version can always be opened, and so can every version that was the newest within the retention,
//! and every version that is pinned; no commit goes that the ledger does not have, where one is kept. What goes is below
//! one checkpoint, and the oldest goes first, so that stopped at any point an earlier version either opens whole or not
//! at all. `_last_checkpoint` never names a checkpoint that is gone. That is the protocol's own rule ("Metadata
//! Cleanup" in Delta's PROTOCOL.md), and our deletes: delta-rs's know of no pins and no ledger.
//!
//! ```text
//! versions   0 1 2 3 4 5 6 7 8 9 ...            * checkpoint   p pinned, with a checkpoint of its own
//!            . . p . . . * . . .  ^ the newest of the commits older than the retention
//!            x x   x x x ^ the newest checkpoint at or before that: commits and checkpoints below it go, but p's
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt as _, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};

use super::delta_log::CHECKPOINT_EVERY;
use super::table_log::TableLog;
use crate::error::{Error, Result};

impl KeptLog {
    /// What was committed before this may go.
    fn cutoff(&self) -> DateTime<Utc> {
        before(self.now, self.retention)
    }

    /// What was committed before this should have gone.
    fn overdue(&self) -> DateTime<Utc> {
        before(self.cutoff(), self.retention / OVERDUE)
    }
}

fn before(time: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(span).ok().and_then(|span| time.checked_sub_signed(span)).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// Commits of one request to remove them.
const DELETES_AT_ONCE: usize = 1000;

/// How much older than the retention a commit may become for want of a checkpoint above it: a tenth of the retention.
const OVERDUE: u32 = 10;

/// What a log must keep.
#[derive(Debug, Clone)]
pub struct KeptLog {
    /// What is compared with the store's own times.
    pub now: DateTime<Utc>,
    /// How long every version opens.
    pub retention: Duration,
    /// Up to which version the ledger has the table's commits; `None` where it needs not have them.
    pub ledger: Option<u64>,
    /// Versions that must open.
    pub pinned: BTreeSet<u64>,
}

/// What was done to a log, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LogReport {
    /// Its newest version.
    pub newest: u64,
    /// The earliest version that opens, but for pinned ones.
    pub oldest: u64,
    /// Versions whose checkpoint was written.
    pub checkpoints: Vec<u64>,
    /// Commits and checkpoints that nobody needs.
    pub unneeded: u64,
    /// Their bytes.
    pub unneeded_bytes: u64,
    /// Of them, what was removed.
    pub removed: u64,
}

/// The files of one version.
#[derive(Debug, Default)]
struct Version {
    commit: Option<ObjectMeta>,
    /// Whether it has a whole checkpoint.
    checkpoint: bool,
    files: Vec<ObjectMeta>,
}

impl TableLog {
    /// Writes the checkpoints that are due, of the newest version and of pinned ones; touches nothing else.
    ///
    /// # Errors
    /// What the store answers; the table is as right as before.
    pub async fn checkpoint_where_due(&self, kept: &KeptLog, report: &mut LogReport) -> Result<()> {
        let versions = versions(self.log_objects().await?);
        let Some((newest, _)) = versions.iter().next_back().filter(|(_, version)| version.commit.is_some()) else {
            return Ok(());
        };
        let has = |version: &u64| versions.get(version).is_some_and(|files| files.checkpoint);
        let last = versions.iter().rev().find(|(_, files)| files.checkpoint).map_or(0, |(version, _)| *version);
        let mut due: BTreeSet<u64> = kept.pinned.iter().filter(|version| !has(version)).copied().collect();
        if newest - last >= CHECKPOINT_EVERY {
            due.insert(*newest);
        }
        due.extend(self.overdue(&versions, kept));
        for version in due {
            self.checkpoint(version).await?;
            report.checkpoints.push(version);
        }
        Ok(())
    }

    /// The version whose checkpoint would let commits go that are older than the retention by much: a table that is
    /// hardly written to comes to no checkpoint by itself.
    fn overdue(&self, versions: &BTreeMap<u64, Version>, kept: &KeptLog) -> Option<u64> {
        let last = last_before(versions, kept.cutoff())?;
        let below = versions.range(..=last).rev().find(|(_, files)| files.checkpoint).map(|(version, _)| *version);
        if below == Some(last) {
            return None;
        }
        let first = below.map_or(0, |below| below + 1);
        let (first, commit) =
            versions.range(first..=last).find_map(|(at, files)| Some((*at, files.commit.as_ref()?)))?;
        let lets_go = below.is_some() || first < last;
        (lets_go && commit.last_modified < kept.overdue()).then_some(last)
    }

    /// Says what of the log nobody needs, and removes it if that is wanted. Answers whether there is a log.
    ///
    /// # Errors
    /// What the store answers; what is left goes the next time.
    pub async fn clean_up(&self, kept: &KeptLog, removes: bool, report: &mut LogReport) -> Result<bool> {
        let versions = versions(self.log_objects().await?);
        let Some(newest) = versions.keys().next_back() else { return Ok(false) };
        report.newest = *newest;
        report.oldest = oldest(&versions);
        let Some(cut) = self.cut(&versions, kept).await? else { return Ok(true) };
        let mut unneeded = Vec::new();
        for (version, files) in versions.range(..cut) {
            if !kept.pinned.contains(version) {
                unneeded.extend(files.files.iter());
            }
        }
        report.unneeded = unneeded.len() as u64;
        report.unneeded_bytes = unneeded.iter().map(|object| object.size).sum();
        if !removes {
            return Ok(true);
        }
        report.oldest = cut;
        for some in unneeded.chunks(DELETES_AT_ONCE) {
            let paths: Vec<_> = some.iter().map(|object| Ok(object.location.clone())).collect();
            let mut outcomes = self.store().delete_stream(stream::iter(paths).boxed());
            while let Some(outcome) = outcomes.next().await {
                match outcome {
                    Ok(_) => report.removed += 1,
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(self.failed("has commits that could not be removed", error)),
                }
            }
        }
        Ok(true)
    }

    /// The checkpoint below which the log may go.
    async fn cut(&self, versions: &BTreeMap<u64, Version>, kept: &KeptLog) -> Result<Option<u64>> {
        let Some(mut last) = last_before(versions, kept.cutoff()) else { return Ok(None) };
        if let Some(version) = kept.ledger {
            // What goes is below the cut.
            last = last.min(version + 1);
        }
        if let Some(hint) = self.last_checkpoint().await? {
            last = last.min(hint);
        }
        let mut cut = None;
        for (version, _) in versions.range(..=last).filter(|(_, files)| files.checkpoint) {
            cut = Some(*version);
        }
        // A pinned version without a checkpoint of its own needs the commits down to the one before it.
        let needy = kept.pinned.iter().find(|version| !versions.get(version).is_some_and(|files| files.checkpoint));
        if let Some(needy) = needy {
            let before =
                versions.range(..=*needy).rev().find(|(_, files)| files.checkpoint).map(|(version, _)| *version);
            cut = cut.zip(before).map(|(cut, before)| cut.min(before));
        }
        Ok(cut)
    }

    /// The version that `_last_checkpoint` names.
    async fn last_checkpoint(&self) -> Result<Option<u64>> {
        #[derive(Deserialize)]
        struct Hint {
            version: u64,
        }
        let failed = |error| self.failed("has a _last_checkpoint that can't be read", error);
        let found = match self.store().get(&Path::from("_delta_log/_last_checkpoint")).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let text = found.bytes().await.map_err(failed)?;
        let hint = serde_json::from_slice::<Hint>(&text);
        let table = self.table();
        hint.map(|hint| Some(hint.version)).map_err(|error| {
            Error::unavailable(format!("table `{table}` has a _last_checkpoint that names no version"))
                .with_source(error)
        })
    }
}

/// The newest version of those that, with all before them, are older than the cutoff.
fn last_before(versions: &BTreeMap<u64, Version>, cutoff: DateTime<Utc>) -> Option<u64> {
    let commits = versions.iter().filter_map(|(version, files)| Some((*version, files.commit.as_ref()?.last_modified)));
    commits.take_while(|(_, written)| *written < cutoff).last().map(|(version, _)| version)
}

/// The earliest version from which on every commit is there.
fn oldest(versions: &BTreeMap<u64, Version>) -> u64 {
    let mut oldest = None;
    for (version, files) in versions.iter().rev() {
        if oldest.is_some_and(|oldest| *version + 1 != oldest) || files.commit.is_none() {
            break;
        }
        oldest = Some(*version);
    }
    let oldest = oldest.unwrap_or(0);
    // Commits alone do not open but from the first on.
    let opens = versions.range(oldest..).find(|(version, files)| **version == 0 || files.checkpoint);
    opens.map_or(oldest, |(version, _)| *version)
}

/// The objects of a log by version. What has no version, as `_last_checkpoint`, is in none.
fn versions(objects: Vec<ObjectMeta>) -> BTreeMap<u64, Version> {
    let mut versions: BTreeMap<u64, Version> = BTreeMap::new();
    let mut parts: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for object in objects {
        let Some((number, kind)) = object.location.filename().and_then(|name| name.split_once('.')) else { continue };
        if number.len() != 20 || object.location.parts_count() != 2 {
            continue;
        }
        let Ok(number) = number.parse::<u64>() else { continue };
        let version = versions.entry(number).or_default();
        match kind.split('.').collect::<Vec<_>>().as_slice() {
            ["json"] => version.commit = Some(object.clone()),
            ["checkpoint", "parquet"] => version.checkpoint = true,
            ["checkpoint", _, of, "parquet"] => {
                if let Ok(of) = of.parse::<u64>() {
                    let there = parts.entry((number, of)).or_default();
                    *there += 1;
                    version.checkpoint |= *there == of;
                }
            }
            _ => {}
        }
        version.files.push(object);
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, day: i64) -> ObjectMeta {
        let last_modified = DateTime::UNIX_EPOCH + TimeDelta::days(day);
        ObjectMeta {
            location: Path::from(format!("_delta_log/{name}")),
            last_modified,
            size: 1,
            e_tag: None,
            version: None,
        }
    }

    /// A commit a day from version 0 on, and these checkpoints.
    fn log(commits: std::ops::Range<u64>, checkpoints: &[u64]) -> BTreeMap<u64, Version> {
        let commits = commits.map(|at| object(&format!("{at:020}.json"), i64::try_from(at).unwrap()));
        let checkpoints = checkpoints.iter().map(|at| object(&format!("{at:020}.checkpoint.parquet"), 0));
        versions(commits.chain(checkpoints).chain([object("_last_checkpoint", 0)]).collect())
    }

    #[test]
    fn a_log_is_read_by_version() {
        let mut objects = vec![
            object("00000000000000000007.json", 1),
            object("00000000000000000007.checkpoint.0000000001.0000000002.parquet", 1),
            object("00000000000000000008.checkpoint.0000000001.0000000002.parquet", 1),
            object("00000000000000000008.checkpoint.0000000002.0000000002.parquet", 1),
            object("_commit_x.json.tmp", 1),
        ];
        objects.push(ObjectMeta {
            location: "_delta_log/_sidecars/00000000000000000009.json".into(),
            ..objects[0].clone()
        });
        let versions = versions(objects);
        let seen: Vec<_> = versions
            .iter()
            .map(|(at, files)| (*at, files.commit.is_some(), files.checkpoint, files.files.len()))
            .collect();
        assert_eq!(seen, [(7, true, false, 2), (8, false, true, 2)]);
    }

    #[rstest::rstest]
    #[case::from_the_first(log(0..5, &[]), 0)]
    #[case::from_a_checkpoint(log(3..9, &[4]), 4)]
    #[case::a_pinned_one_far_below_is_none_of_them(log(0..1, &[0]).into_iter().chain(log(7..9, &[7])).collect(), 7)]
    fn the_oldest_version_that_opens(#[case] versions: BTreeMap<u64, Version>, #[case] expected: u64) {
        assert_eq!(oldest(&versions), expected);
    }

    #[test]
    fn what_is_older_than_the_cutoff_ends_at_the_first_that_is_not() {
        let mut versions = log(0..10, &[]);
        let cutoff = DateTime::UNIX_EPOCH + TimeDelta::days(6);
        assert_eq!(last_before(&versions, cutoff), Some(5));
        // A copy of the lake may have new times.
        versions.get_mut(&2).unwrap().commit = Some(object("00000000000000000002.json", 8));
        assert_eq!(last_before(&versions, cutoff), Some(1));
    }
}
