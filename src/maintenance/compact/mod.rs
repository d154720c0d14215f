//! Compaction: the small files of a date into large sorted ones.
//!
//! Guarantees: no row is lost, doubled or changed: each merge is proved by reading back what it wrote before the
//! commit names it, and the commit is a compare-and-swap (invariant 6). Whoever else writes meanwhile is not disturbed:
//! who comes second gives up. A date that fails leaves the others to be done.
//!
//! ```text
//! plan.rs   which files of a date are merged next
//! mod.rs    date by date: choose --> merge --> prove --> commit, until there is nothing to choose
//! ```

mod plan;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::plan::{Bounds, Run, choose, runs};
use super::merge::{Merged, Output, merge, proof_of};
use super::proof::Proof;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DataFile, LakeTable, LiveFile, Rewrite, Rewritten, TableSnapshot, remove_staged};

/// How a lake is compacted.
#[derive(Debug, Clone, Copy)]
pub struct CompactionSettings {
    /// Bytes of a large file.
    pub target_bytes: u64,
    /// Bytes that one merge may have in memory.
    pub memory: u64,
}

/// Compacts one table.
#[derive(Debug)]
pub struct Compactor {
    table: LakeTable,
    settings: CompactionSettings,
}

/// What was done to one date of one table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DateReport {
    /// The table.
    pub table: String,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Merges that were committed.
    pub merges: u64,
    /// Live files before and after.
    pub files_before: u64,
    /// Live files after.
    pub files_after: u64,
    /// Bytes of them before.
    pub bytes_before: u64,
    /// Bytes of them after.
    pub bytes_after: u64,
    /// Bytes that merges read, and that is about what they wrote.
    pub bytes_rewritten: u64,
    /// Rows that merges read and wrote; a row counts as often as it was.
    pub rows_rewritten: u64,
    /// Merges that were given up because another writer was first; their files are left for vacuum.
    pub overtaken: u64,
    /// Files that were left alone, since they do not say that they are sorted: another engine wrote them.
    pub unsorted: Vec<String>,
    /// Why the date was not done to its end.
    pub error: Option<String>,
}

/// Merges that may be lost to other writers before a date is left for the next time.
const MAX_OVERTAKEN: u64 = 5;

impl Compactor {
    /// A compactor of a table.
    pub const fn new(table: LakeTable, settings: CompactionSettings) -> Self {
        Self { table, settings }
    }

    /// Merges until there is nothing left to merge; a day before `today` is over. Answers what was done, date by date;
    /// dates of which all was well are left out.
    ///
    /// # Errors
    /// Where the table can't be opened. What fails of one date is in its report.
    pub async fn run(&self, today: NaiveDate, mut done: impl FnMut(&DateReport)) -> Result<Vec<DateReport>> {
        let Some(mut snapshot) = self.table.load().await? else { return Ok(Vec::new()) };
        let mut reports = Vec::new();
        for date in dates(&snapshot) {
            let before = of_date(&snapshot, &date);
            let mut report = DateReport {
                table: self.table.signal().to_string(),
                date: date.clone(),
                files_before: before.len() as u64,
                bytes_before: before.iter().map(|file| file.size).sum(),
                ..DateReport::default()
            };
            if let Err(error) = self.compact(&mut snapshot, &date, today, &mut report).await {
                report.error = Some(error.to_string());
            }
            let after = of_date(&snapshot, &date);
            report.files_after = after.len() as u64;
            report.bytes_after = after.iter().map(|file| file.size).sum();
            if report.merges > 0 || report.overtaken > 0 || report.error.is_some() || !report.unsorted.is_empty() {
                done(&report);
                reports.push(report);
            }
        }
        Ok(reports)
    }

    async fn compact(
        &self,
        snapshot: &mut TableSnapshot,
        date: &str,
        today: NaiveDate,
        report: &mut DateReport,
    ) -> Result<()> {
        let is_over = date.parse::<NaiveDate>().is_ok_and(|date| date < today);
        let bounds = Bounds { target: self.settings.target_bytes, memory: self.settings.memory };
        let mut left_alone: HashSet<String> = HashSet::new();
        while report.overtaken < MAX_OVERTAKEN {
            let files = of_date(snapshot, date);
            let mergeable = runs(files.iter().filter(|file| !left_alone.contains(&file.path)));
            let chosen = choose(&mergeable, is_over, bounds);
            if chosen.is_empty() {
                break;
            }
            let inputs: Vec<Vec<Arc<LiveFile>>> = chosen.iter().map(|run| run.files.clone()).collect();
            let output = Output {
                promoted: snapshot.promoted().to_vec(),
                date: date.to_owned(),
                rows_a_file: rows_a_file(&chosen, self.settings.target_bytes),
            };
            let merged = merge(self.table.store(), self.table.signal(), &inputs, &output).await;
            let (files, proof) = match merged {
                Ok(Merged::Files(files, proof)) => (files, proof),
                Ok(Merged::Unsorted(path)) => {
                    report.unsorted.push(path.clone());
                    left_alone.insert(path);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    // Its files went away meanwhile: the newest version has others.
                    report.overtaken += 1;
                    *snapshot = self.table.refresh(snapshot).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.commit(snapshot, &inputs.concat(), &files, proof, report).await?;
        }
        Ok(())
    }

    /// Commits a merge, once what it wrote has been read back and is what it read.
    async fn commit(
        &self,
        snapshot: &mut TableSnapshot,
        removed: &[Arc<LiveFile>],
        added: &[DataFile],
        before: Proof,
        report: &mut DateReport,
    ) -> Result<()> {
        let after = proof_of(self.table.store(), self.table.signal(), added).await;
        let listed: u64 = removed.iter().map(|file| file.rows.unwrap_or(0)).sum();
        match after {
            Ok(after) if after == before && before.rows == listed => {}
            outcome => {
                for file in added {
                    remove_staged(self.table.store(), &file.path).await;
                }
                let after = outcome?;
                return Err(Error::new(
                    ErrorKind::Damaged,
                    format!(
                        "a merge of {} files was given up: the log has {listed} rows of them, {} were read and {} read \
                         back, with checksums {:032x} and {:032x}; `telestrata check --deep` finds the file",
                        removed.len(),
                        before.rows,
                        after.rows,
                        before.sum,
                        after.sum
                    ),
                ));
            }
        }
        let (bytes_before, bytes_after) =
            (removed.iter().map(|file| file.size).sum::<u64>(), added.iter().map(|file| file.size).sum::<u64>());
        let mut metrics = after_metrics(before);
        metrics.insert("numRemovedFiles".to_owned(), json!(removed.len()));
        metrics.insert("numAddedFiles".to_owned(), json!(added.len()));
        metrics.insert("numRemovedBytes".to_owned(), json!(bytes_before));
        metrics.insert("numAddedBytes".to_owned(), json!(bytes_after));
        let rewrite = Rewrite { removed, added, data_change: false, metrics: &metrics };
        let version = snapshot.version();
        match self.table.rewrite(snapshot, rewrite).await? {
            Rewritten::Done(newest) => {
                report.merges += 1;
                report.bytes_rewritten += bytes_before;
                report.rows_rewritten += before.rows;
                *snapshot = newest;
                if let Err(error) = self.table.checkpoint_if_due(version, snapshot).await {
                    tracing::warn!(table = %self.table.signal(), %error, "a checkpoint failed; the next one is tried in its turn");
                }
            }
            Rewritten::Overtaken(newest) => {
                report.overtaken += 1;
                *snapshot = newest;
            }
        }
        Ok(())
    }
}

/// What the commit says of the rows: they are the same before and after.
fn after_metrics(proof: Proof) -> Map<String, Value> {
    let checksum = format!("{:032x}", proof.sum);
    Map::from_iter([
        ("numRows".to_owned(), json!(proof.rows)),
        ("checksumBefore".to_owned(), json!(checksum)),
        ("checksumAfter".to_owned(), json!(checksum)),
    ])
}

fn dates(snapshot: &TableSnapshot) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for date in snapshot.files().iter().filter_map(|file| file.date.as_deref()) {
        *counts.entry(date).or_default() += 1;
    }
    let mut dates: Vec<(usize, &str)> = counts.into_iter().map(|(date, count)| (count, date)).collect();
    // Where most is gained first.
    dates.sort_by(|one, other| other.cmp(one));
    dates.into_iter().filter(|(count, _)| *count > 1).map(|(_, date)| date.to_owned()).collect()
}

fn of_date(snapshot: &TableSnapshot, date: &str) -> Vec<Arc<LiveFile>> {
    snapshot.files().iter().filter(|file| file.date.as_deref() == Some(date)).cloned().collect()
}

/// Rows of a file so that all have about the same size, none above the target.
fn rows_a_file(runs: &[Run], target: u64) -> u64 {
    let files = || runs.iter().flat_map(|run| &run.files);
    let bytes: u64 = files().map(|file| file.size).sum();
    let rows: u64 = files().map(|file| file.rows.unwrap_or(0)).sum();
    let count = bytes.div_ceil(target.max(1)).max(1);
    rows.div_ceil(count).max(1)
}
