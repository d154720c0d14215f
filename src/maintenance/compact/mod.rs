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

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use serde::Serialize;

use self::plan::{Bounds, choose};
use super::ledger::LedgerEntry;
use super::progress::Progress;
use super::rewriter::{Commit, Rewriter, Rewrote};
use super::run::{Mark, Run, runs};
use super::sieve::KeepAll;
use crate::error::Result;
use crate::lake::{LakeTable, LiveFile, TableSnapshot};

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
    rewriter: Rewriter,
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
    /// A compactor of a table, in the name of who is in the entry.
    pub const fn new(table: LakeTable, settings: CompactionSettings, entry: LedgerEntry, progress: Progress) -> Self {
        let target_bytes = settings.target_bytes;
        Self { rewriter: Rewriter { table, target_bytes, entry, progress }, settings }
    }

    /// Merges until there is nothing left to merge; a day before `today` is over. Answers what was done, date by date;
    /// dates of which all was well are left out.
    ///
    /// # Errors
    /// Where the table can't be opened. What fails of one date is in its report.
    pub async fn run(&self, today: NaiveDate, mut done: impl FnMut(&DateReport)) -> Result<Vec<DateReport>> {
        let Some(mut snapshot) = self.rewriter.table.load().await? else { return Ok(Vec::new()) };
        let mut reports = Vec::new();
        for date in dates(&snapshot) {
            let before = of_date(&snapshot, &date);
            let mut report = DateReport {
                table: self.rewriter.table.signal().to_string(),
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
            let Some((mark, chosen)) = next_merge(mergeable, is_over, bounds) else { break };
            self.rewriter.progress.phase(format!("{} {date}: merging {} runs", report.table, chosen.len()));
            match self.rewriter.rewrite(snapshot, &chosen, &[mark], &mut KeepAll, Commit::Always).await? {
                Rewrote::Done(counts) | Rewrote::Unchanged(counts) => {
                    report.merges += 1;
                    report.bytes_rewritten += counts.bytes_before;
                    report.rows_rewritten += counts.rows_before;
                }
                Rewrote::Overtaken => report.overtaken += 1,
                Rewrote::Unsorted(path) => {
                    report.unsorted.push(path.clone());
                    left_alone.insert(path);
                }
            }
        }
        Ok(())
    }
}

/// The next merge of a date, among runs of one mark.
fn next_merge(runs: Vec<Run>, is_over: bool, bounds: Bounds) -> Option<(Mark, Vec<Run>)> {
    let marks: BTreeSet<Mark> = runs.iter().map(|run| run.mark).collect();
    marks.into_iter().find_map(|mark| {
        let of_mark: Vec<Run> = runs.iter().filter(|run| run.mark == mark).cloned().collect();
        let chosen = choose(&of_mark, is_over, bounds);
        (!chosen.is_empty()).then_some((mark, chosen))
    })
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
