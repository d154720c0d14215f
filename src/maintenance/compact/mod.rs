//! Compaction: the small files of a date into large sorted ones.
//!
//! Guarantees: no row is lost, doubled or changed: each merge is proved by reading back what it wrote before the
//! commit names it, and the commit is a compare-and-swap (invariant 6). Whoever else writes meanwhile is not disturbed:
//! who comes second gives up. A date that fails leaves the others to be done.
//!
//! ```text
//! plan.rs        which files of a date are merged next
//! duplicates.rs  exact duplicates dropped on the way
//! mod.rs         date by date: choose --> merge --> prove --> commit, until there is nothing to choose
//! ```

mod duplicates;
mod plan;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::Serialize;

use self::duplicates::{DROPPED, DropDuplicates};
use self::plan::{Bounds, choose};
use super::ledger::LedgerEntry;
use super::progress::Progress;
use super::retention::Age;
use super::rewriter::{Commit, Rewriter, Rewrote};
use super::run::{FileName, Mark, Run, runs};
use super::sieve::KeepAll;
use crate::error::{ErrorKind, Result};
use crate::lake::{FileFooter, LakeTable, LiveFile, TableSnapshot, footer_keys};
use crate::model::signal::Signal;

/// How a lake is compacted.
#[derive(Debug, Clone, Copy)]
pub struct CompactionSettings {
    /// Bytes of a large file.
    pub target_bytes: u64,
    /// Bytes that one merge may have in memory.
    pub memory: u64,
    /// Whether exact duplicates of spans go.
    pub dedup_spans: Dedup,
    /// Whether exact duplicates of logs go.
    pub dedup_logs: Dedup,
    /// Whether a past date that is one run already is written anew where it lacks a column that was promoted since, or
    /// was written before duplicates were to go. Once: what is written has the column and says that they went.
    pub renew: bool,
    /// Dates past this age are judged by the retention rule of traces, which looks at another engine's files itself:
    /// what such a file holds may be weighted, and merged with other rows nobody could tell.
    pub traces_judged: Option<Age>,
}

/// Which rows of a table are dropped as duplicates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dedup {
    /// None.
    #[default]
    Off,
    /// All but the first taken of those that are equal in every column of the contract but provenance.
    Exact,
}

impl FromStr for Dedup {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "exact" => Ok(Self::Exact),
            _ => Err("is neither `off` nor `exact`"),
        }
    }
}

impl CompactionSettings {
    /// With these bounds, every row kept, nothing renewed.
    pub const fn new(target_bytes: u64, memory: u64) -> Self {
        Self {
            target_bytes,
            memory,
            dedup_spans: Dedup::Off,
            dedup_logs: Dedup::Off,
            renew: false,
            traces_judged: None,
        }
    }

    fn dedup(&self, signal: Signal) -> Dedup {
        match signal {
            Signal::Spans => self.dedup_spans,
            Signal::Logs => self.dedup_logs,
            Signal::Metrics => Dedup::Off,
        }
    }
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
    /// Rows that were dropped as exact duplicates.
    pub duplicates_dropped: u64,
    /// Merges that were given up because another writer was first; their files are left for vacuum.
    pub overtaken: u64,
    /// Why the date was not done to its end.
    pub error: Option<String>,
    /// The kind of that error.
    #[serde(skip)]
    pub error_kind: Option<ErrorKind>,
}

/// A date that has something to merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Bytes that its next merge reads.
    pub bytes: u64,
}

impl CompactionSettings {
    /// The dates of a table that have something to merge, where most is gained first; a day before `today` is over.
    pub fn pending(self, snapshot: &TableSnapshot, today: NaiveDate) -> Vec<Pending> {
        let pending = by_date(snapshot).into_iter().filter_map(|(date, files)| {
            let runs = self.own_to_merge(runs(files.into_iter()), date, today);
            let (_, chosen) = next_merge(&runs, is_over(date, today), self.bounds(), &HashSet::new())?;
            Some(Pending { date: date.to_owned(), bytes: chosen.iter().map(|run| run.bytes).sum() })
        });
        pending.collect()
    }

    /// The settings for a table: the rule of traces judges spans and logs.
    #[must_use]
    pub fn of(self, signal: Signal) -> Self {
        Self { traces_judged: self.traces_judged.filter(|_| signal != Signal::Metrics), ..self }
    }

    /// Of a date's runs, those that are compaction's to merge.
    fn own_to_merge(self, mut runs: Vec<Run>, date: &str, today: NaiveDate) -> Vec<Run> {
        let judged = self.traces_judged.and_then(|age| age.last_past(today));
        if judged.is_some_and(|last| date.parse::<NaiveDate>().is_ok_and(|date| date <= last)) {
            runs.retain(|run| run.files.iter().all(|file| FileName::parse(&file.path).is_own));
        }
        runs
    }

    const fn bounds(self) -> Bounds {
        Bounds { target: self.target_bytes, memory: self.memory }
    }
}

/// Merges that may be lost to other writers before a date is left for the next time.
const MAX_OVERTAKEN: u64 = 5;

impl Compactor {
    /// A compactor of a table, in the name of who is in the entry.
    pub fn new(table: LakeTable, settings: CompactionSettings, entry: LedgerEntry, progress: Progress) -> Self {
        let settings = settings.of(table.signal());
        let CompactionSettings { target_bytes, memory, .. } = settings;
        Self { rewriter: Rewriter { table, target_bytes, memory: memory / 2, entry, progress }, settings }
    }

    /// Merges until there is nothing left to merge; a day before `today` is over. Answers what was done, date by date;
    /// dates of which all was well are left out.
    ///
    /// # Errors
    /// Where the table can't be opened. What fails of one date is in its report.
    pub async fn run(&self, today: NaiveDate) -> Result<Vec<DateReport>> {
        let Some(mut snapshot) = self.rewriter.table.load().await? else { return Ok(Vec::new()) };
        let mut reports = Vec::new();
        let dates = if self.settings.renew {
            by_date(&snapshot).into_iter().map(|(date, _)| date.to_owned()).collect()
        } else {
            self.settings.pending(&snapshot, today).into_iter().map(|pending| pending.date).collect::<Vec<_>>()
        };
        for date in dates {
            let report = self.compact_date(&mut snapshot, &date, today).await;
            if report.merges > 0 || report.overtaken > 0 || report.error.is_some() {
                reports.push(report);
            }
        }
        Ok(reports)
    }

    /// Merges until there is nothing left to merge in one date, and brings the snapshot up to what has come of it. Before
    /// each merge the table is looked at anew, a request each: another may have done it.
    ///
    /// Dropped at any point, what is committed is whole.
    pub async fn compact_date(&self, snapshot: &mut TableSnapshot, date: &str, today: NaiveDate) -> DateReport {
        let before = of_date(snapshot, date);
        let mut report = DateReport {
            table: self.rewriter.table.signal().to_string(),
            date: date.to_owned(),
            files_before: before.len() as u64,
            bytes_before: before.iter().map(|file| file.size).sum(),
            ..DateReport::default()
        };
        if let Err(error) = self.compact(snapshot, date, today, &mut report).await {
            report.error = Some(error.to_string());
            report.error_kind = Some(error.kind());
        }
        let after = of_date(snapshot, date);
        report.files_after = after.len() as u64;
        report.bytes_after = after.iter().map(|file| file.size).sum();
        report
    }

    async fn compact(
        &self,
        snapshot: &mut TableSnapshot,
        date: &str,
        today: NaiveDate,
        report: &mut DateReport,
    ) -> Result<()> {
        let (is_over, bounds) = (is_over(date, today), self.settings.bounds());
        let signal = self.rewriter.table.signal();
        while report.overtaken < MAX_OVERTAKEN {
            if let Some(newer) = self.rewriter.table.newer(snapshot).await? {
                *snapshot = newer;
            }
            let files = of_date(snapshot, date);
            let runs = self.settings.own_to_merge(runs(files.iter()), date, today);
            let stale =
                if is_over && self.settings.renew { self.stale(snapshot, &runs).await? } else { HashSet::new() };
            let Some((mark, chosen)) = next_merge(&runs, is_over, bounds, &stale) else { break };
            self.rewriter.progress.phase(format!("{} {date}: merging {} runs", report.table, chosen.len()));
            let rewrote = match self.settings.dedup(signal) {
                Dedup::Off => self.rewriter.rewrite(snapshot, &chosen, &[mark], &mut KeepAll, Commit::Always).await?,
                Dedup::Exact => {
                    let mut sieve = DropDuplicates::new(signal)?;
                    self.rewriter.rewrite(snapshot, &chosen, &[mark], &mut sieve, Commit::Always).await?
                }
            };
            match rewrote {
                Rewrote::Done(counts) | Rewrote::Unchanged(counts) => {
                    report.merges += 1;
                    report.bytes_rewritten += counts.bytes_before;
                    report.rows_rewritten += counts.rows_before;
                    report.duplicates_dropped += counts.rows_before - counts.rows_after;
                }
                Rewrote::Overtaken => report.overtaken += 1,
            }
        }
        Ok(())
    }

    /// The paths of the runs' files that are not as the present configuration would write them.
    async fn stale(&self, snapshot: &TableSnapshot, runs: &[Run]) -> Result<HashSet<String>> {
        let table = &self.rewriter.table;
        let mut stale = HashSet::new();
        for file in runs.iter().flat_map(|run| &run.files) {
            let footer = FileFooter::read(table.store(), file).await?;
            let lacks_column = snapshot.promoted().iter().any(|column| !footer.has_column(&column.name));
            let has_duplicates = self.settings.dedup(table.signal()) == Dedup::Exact
                && footer.entry(footer_keys::DUPLICATES) != Some(DROPPED);
            if lacks_column || has_duplicates {
                stale.insert(file.path.clone());
            }
        }
        Ok(stale)
    }
}

/// The next merge of a date, among runs of one mark.
fn next_merge(runs: &[Run], is_over: bool, bounds: Bounds, stale: &HashSet<String>) -> Option<(Mark, Vec<Run>)> {
    let is_stale = |run: &Run| run.files.iter().any(|file| stale.contains(&file.path));
    let marks: BTreeSet<Mark> = runs.iter().map(|run| run.mark).collect();
    marks.into_iter().find_map(|mark| {
        let of_mark: Vec<Run> = runs.iter().filter(|run| run.mark == mark).cloned().collect();
        let chosen = choose(&of_mark, is_over, bounds, is_stale);
        (!chosen.is_empty()).then_some((mark, chosen))
    })
}

fn is_over(date: &str, today: NaiveDate) -> bool {
    date.parse::<NaiveDate>().is_ok_and(|date| date < today)
}

/// The files by date, the date with the most first: there most is gained.
fn by_date(snapshot: &TableSnapshot) -> Vec<(&str, Vec<&Arc<LiveFile>>)> {
    let mut by_date: BTreeMap<&str, Vec<&Arc<LiveFile>>> = BTreeMap::new();
    for file in snapshot.files().iter() {
        if let Some(date) = file.date.as_deref() {
            by_date.entry(date).or_default().push(file);
        }
    }
    let mut dates: Vec<_> = by_date.into_iter().collect();
    dates.sort_by(|(one, its), (other, others)| (others.len(), other).cmp(&(its.len(), one)));
    dates
}

fn of_date(snapshot: &TableSnapshot, date: &str) -> Vec<Arc<LiveFile>> {
    snapshot.files().iter().filter(|file| file.date.as_deref() == Some(date)).cloned().collect()
}
