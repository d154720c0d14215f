//! Vacuum: files that no version of a table needs any more are removed.
//!
//! Guarantees: what the newest version names, or a named snapshot, or a version that was the newest less than the grace
//! ago, is not touched; nor is what no commit has named and a writer may be about to: what was written less than the
//! longest grace ago of this vacuum, its configuration and the writers' cards. Writers keep their side: staged files older
//! than half of their grace are written anew, not committed ([`crate::lake::StagedSince`]). So a vacuum needs no lock, may run beside everything, be killed at any point and be
//! run again. A table without commits is left alone: its log may be lost, and its files all there is.
//!
//! ```text
//! objects of the folder, listed first --> newest version --> what its commits took away, back to the grace
//!            |                                  |                          |       named snapshots
//!            +----------------------------------+---- judge.rs ------------+-------------+
//!                                                        |  goes
//!                                                     removed
//! ```
//! Listed first, so that what is listed and not in the newest version was not committed in between.
//!
//! Cost: a listing of the folder, a read of each writer's card and of each commit of the longest grace, a delete a file (on S3 one for a thousand).

mod judge;
mod report;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectStore;
use object_store::path::Path;

use self::judge::{Known, Verdict};
pub use self::report::{Amount, Unneeded, VacuumReport};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{
    FileNames, LakeRoot, Leftover, NamedSnapshot, NamedSnapshots, TableLog, leftovers, remove_leftover, writers,
};

/// Files of one request to remove them.
const DELETES_AT_ONCE: usize = 1000;

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Only says what would be done.
    Plan,
    /// Does it.
    Apply,
}

/// Vacuums these tables of a lake, and answers what was seen and done of each; those that are not there are left out.
/// `now` is compared with what the store says of when its objects were written: [`safe_now`](crate::lake::safe_now).
///
/// # Errors
/// Where the named snapshots or the writers' cards can't be read. What fails of one table is in its report.
pub async fn vacuum(
    root: &LakeRoot,
    tables: &[&str],
    grace: Duration,
    now: DateTime<Utc>,
    intent: Intent,
) -> Result<Vec<VacuumReport>> {
    let of_writers = writers(root).await?.into_iter().map(|writer| Duration::from_secs(writer.card.grace_s)).max();
    let graces = Graces { removed: grace, staged: grace.max(root.grace()).max(of_writers.unwrap_or_default()) };
    let mut reports = Vec::with_capacity(tables.len());
    for table in tables {
        let staged_grace_s = graces.staged.as_secs();
        let mut report = VacuumReport { table: (*table).to_owned(), staged_grace_s, ..VacuumReport::default() };
        // Read anew for each: one that was made meanwhile counts.
        let snapshots = NamedSnapshots::new(root)?.list().await?;
        match vacuum_table(root, &snapshots, graces, now, intent, &mut report).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => report.error = Some(error.to_string()),
        }
        reports.push(report);
    }
    Ok(reports)
}

/// How long what is not needed stays.
#[derive(Debug, Clone, Copy)]
struct Graces {
    /// What a commit took away.
    removed: Duration,
    /// What no commit has named; no shorter.
    staged: Duration,
}

/// Answers whether there is anything of the table.
async fn vacuum_table(
    root: &LakeRoot,
    snapshots: &[NamedSnapshot],
    graces: Graces,
    now: DateTime<Utc>,
    intent: Intent,
    report: &mut VacuumReport,
) -> Result<bool> {
    let log = TableLog::new(root, &report.table)?;
    let objects = log.objects().await?;
    let staged = leftovers(root, &report.table).await?;
    let Some(newest) = log.newest_files().await? else {
        if objects.is_empty() && staged.is_empty() {
            return Ok(false);
        }
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("{} has files and no commits; restore its _delta_log, or delete the folder", report.table),
        ));
    };
    report.version = Some(newest.version);
    report.live = Amount { files: newest.count, bytes: newest.bytes };
    let (cutoff, staged_cutoff) = (Known::cutoff(now, graces.removed), Known::cutoff(now, graces.staged));
    let Removed { since: removed, before: removed_before, reaches_back } =
        removed_by(&log, newest.version, cutoff, staged_cutoff).await?;
    let mut pinned = Vec::new();
    for snapshot in snapshots {
        if let Some(version) = snapshot.tables.get(&report.table) {
            pinned.push((snapshot.name.clone(), log.files_at(*version).await?.names));
        }
    }
    let known = Known { live: newest.names, pinned, removed, removed_before, reaches_back, staged_cutoff };
    let mut unneeded = Vec::new();
    for object in objects {
        match known.judge(&object) {
            Verdict::Live => {}
            Verdict::Pinned(name) => report.pinned.entry(name).or_default().add(object.size),
            Verdict::JustRemoved => report.just_removed.add(object.size),
            Verdict::Young => report.young.add(object.size),
            Verdict::Goes => {
                report.unneeded.add(object.size);
                unneeded.push(object);
            }
        }
    }
    let old = |leftover: &Leftover| DateTime::<Utc>::from(leftover.modified) < staged_cutoff;
    let (staged, young): (Vec<_>, Vec<_>) = staged.into_iter().partition(old);
    young.iter().for_each(|leftover| report.young.add(leftover.size));
    staged.iter().for_each(|leftover| report.unneeded.add(leftover.size));
    if intent == Intent::Plan {
        report.paths = unneeded
            .into_iter()
            .map(|object| Unneeded {
                path: object.location.to_string(),
                bytes: object.size,
                modified: object.last_modified,
            })
            .chain(staged.into_iter().map(|leftover| Unneeded {
                path: leftover.path.display().to_string(),
                bytes: leftover.size,
                modified: leftover.modified.into(),
            }))
            .collect();
        return Ok(true);
    }
    let unneeded: Vec<(Path, u64)> = unneeded.into_iter().map(|object| (object.location, object.size)).collect();
    let outcome = remove(log.store(), &unneeded, &mut report.removed).await;
    for leftover in staged {
        remove_leftover(&leftover).await?;
        report.removed.add(leftover.size);
    }
    outcome.map(|()| true)
}

/// What commits took away.
#[derive(Debug, Default)]
struct Removed {
    /// Since the cutoff.
    since: FileNames,
    /// Before it, back to the writers' grace.
    before: FileNames,
    /// Whether the log has every commit since the cutoff.
    reaches_back: bool,
}

async fn removed_by(
    log: &TableLog,
    newest: u64,
    cutoff: DateTime<Utc>,
    staged_cutoff: DateTime<Utc>,
) -> Result<Removed> {
    let mut removed = Removed::default();
    let mut commits = log.removes_below(newest);
    while let Some(commit) = commits.try_next().await? {
        let is_before = commit.written < cutoff;
        removed.reaches_back |= is_before || commit.version == 0;
        if commit.written < staged_cutoff {
            break;
        }
        let names = if is_before { &mut removed.before } else { &mut removed.since };
        commit.removed.iter().for_each(|path| names.insert(path));
    }
    Ok(removed)
}

/// Removes files, all that let themselves be removed; answers the first refusal.
async fn remove(store: &Arc<dyn ObjectStore>, files: &[(Path, u64)], removed: &mut Amount) -> Result<()> {
    let (mut gone, mut refused) = (0, None);
    // What one request takes of S3, which refuses all of them together.
    for files in files.chunks(DELETES_AT_ONCE) {
        let sizes: HashMap<&Path, u64> = files.iter().map(|(path, bytes)| (path, *bytes)).collect();
        let paths: Vec<_> = files.iter().map(|(path, _)| Ok(path.clone())).collect();
        let mut outcomes = store.delete_stream(stream::iter(paths).boxed());
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(path) => removed.add(sizes.get(&path).copied().unwrap_or(0)),
                Err(object_store::Error::NotFound { .. }) => gone += 1,
                Err(error) => refused = refused.or(Some(error)),
            }
        }
    }
    match refused {
        None => Ok(()),
        Some(error) => {
            let left = (files.len() as u64).saturating_sub(removed.files + gone);
            let message = format!("{left} files could not be removed; the next vacuum tries again");
            Err(Error::unavailable(message).with_source(error))
        }
    }
}
