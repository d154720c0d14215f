//! What is judged, done: the files of a date are surveyed, and removed, copied under a new name or rewritten.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;

use super::fates::{Fates, Lane, Why};
use super::report::{RetentionCommit, reason, rule};
use super::run::Work;
use super::survey::{Action, Survey};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DataFile, LiveFile, StagedSince};
use crate::maintenance::ledger::LedgerEntry;
use crate::maintenance::rewriter::{Commit, Rewriter, Rewrote};
use crate::maintenance::run::{FileName, Mark, Run, runs};
use crate::model::contract::PARTITION;
use crate::model::signal::Signal;

/// Commits that may be lost to other writers before what they are for is left for the next run.
pub(super) const MAX_OVERTAKEN: u64 = 5;

/// What a run of a rewrite has in memory beside its row group.
const INPUT_BYTES: u64 = 24 << 20;

/// A row group's bytes, at most, as far as reading many files at once is concerned.
const ROW_GROUP_BYTES: u64 = 64 << 20;

impl Work<'_> {
    /// Surveys the files of one mark, and removes, copies or rewrites them.
    pub(super) async fn files(&mut self, fates: &Fates, files: Vec<Arc<LiveFile>>) -> Result<()> {
        let (signal, date) = (fates.date.signal, fates.date.date);
        let Some(pinned) = self.pinned.get(&signal) else { return Ok(()) };
        let store = Arc::clone(pinned.table.store());
        let (mut removed, mut copied, mut rewritten) = (Vec::new(), Vec::new(), Vec::new());
        let mut reasons: Vec<Why> = Vec::new();
        for file in files {
            let survey = match Survey::of(fates, &store, &file).await {
                Ok(survey) => survey,
                // Compacted away and vacuumed since.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.report.overtaken += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            survey.tell(fates, &mut self.tally);
            self.goes(signal, date, survey.bytes_of(survey.going()));
            reasons.extend(survey.reasons());
            match survey.action(fates) {
                Action::Leave => {}
                Action::Remove => removed.push(survey.file),
                Action::Copy(lane) => copied.push((survey.file, lane, survey.rows)),
                Action::Rewrite => rewritten.push(survey.file),
            }
        }
        reasons.sort();
        reasons.dedup();
        if self.apply.is_none() {
            return Ok(());
        }
        self.remove(signal, Some(date), removed, &reasons).await?;
        self.copy(fates, copied).await?;
        self.rewrite(fates, rewritten, &reasons).await
    }

    /// Of files, those that are live still.
    fn live(&self, signal: Signal, files: &[Arc<LiveFile>]) -> Vec<Arc<LiveFile>> {
        let Some(snapshot) = self.newest.get(&signal) else { return Vec::new() };
        let live: HashSet<&str> = snapshot.files().iter().map(|file| file.path.as_str()).collect();
        files.iter().filter(|file| live.contains(file.path.as_str())).cloned().collect()
    }

    pub(super) async fn remove(
        &mut self,
        signal: Signal,
        date: Option<NaiveDate>,
        files: Vec<Arc<LiveFile>>,
        reasons: &[Why],
    ) -> Result<()> {
        let rewriter = self.rewriter(signal, reasons)?;
        for _ in 0..MAX_OVERTAKEN {
            let live = self.live(signal, &files);
            if live.is_empty() || self.apply.is_none() {
                return Ok(());
            }
            let snapshot = self.newest.get_mut(&signal).ok_or_else(|| Error::internal("no table"))?;
            let rewrote = rewriter.remove(snapshot, &live).await?;
            if self.done(signal, date, rewrote)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives files that only change their mark another name.
    async fn copy(&mut self, fates: &Fates, copied: Vec<(Arc<LiveFile>, Lane, u64)>) -> Result<()> {
        let (signal, date) = (fates.date.signal, fates.date.date);
        let rewriter = self.rewriter(signal, &[])?;
        // Files of one run stay one.
        let mut names: HashMap<(String, Mark), (uuid::Uuid, usize)> = HashMap::new();
        let mut copied = copied;
        copied.sort_by(|one, other| one.0.path.cmp(&other.0.path));
        let (mut files, mut copies) = (Vec::new(), Vec::new());
        let store = Arc::clone(rewriter.table.store());
        for (file, lane, rows) in copied {
            let (name, mark) = (FileName::parse(&file.path), fates.mark_of(lane));
            let (run, number) = names.entry((name.run.to_owned(), mark)).or_insert_with(|| (uuid::Uuid::now_v7(), 0));
            let path = FileName::path(&format!("{PARTITION}={date}"), *run, *number, mark);
            *number += 1;
            let (from, to) =
                (object_store::path::Path::from(file.path.as_str()), object_store::path::Path::from(path.as_str()));
            let staged = StagedSince::now();
            match object_store::ObjectStoreExt::copy(&store, &from, &to).await {
                Ok(()) => {}
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => {
                    return Err(Error::unavailable(format!("can't copy {} to {path}", file.path)).with_source(error));
                }
            }
            copies.push(DataFile {
                path,
                size: file.size,
                rows: usize::try_from(rows).map_err(|_| Error::internal("more rows than memory"))?,
                date: date.to_string(),
                stats: file.stats.to_json().to_string(),
                staged,
            });
            files.push(file);
        }
        if files.is_empty() {
            return Ok(());
        }
        let snapshot = self.newest.get_mut(&signal).ok_or_else(|| Error::internal("no table"))?;
        let rewrote = rewriter.replace_by_copies(snapshot, &files, &copies).await?;
        self.done(signal, Some(date), rewrote).map(|_| ())
    }

    async fn rewrite(&mut self, fates: &Fates, files: Vec<Arc<LiveFile>>, reasons: &[Why]) -> Result<()> {
        let (signal, date) = (fates.date.signal, fates.date.date);
        let rewriter = self.rewriter(signal, reasons)?;
        let lanes = Lane::ALL.map(|lane| fates.mark_of(lane));
        for _ in 0..MAX_OVERTAKEN {
            let live = self.live(signal, &files);
            let Some(some) = fitting(&runs(live.iter()), self.retention.memory) else { return Ok(()) };
            let snapshot = self.newest.get_mut(&signal).ok_or_else(|| Error::internal("no table"))?;
            let rewrote = rewriter.rewrite(snapshot, &some, &lanes, &mut fates.clone(), Commit::Always).await?;
            let done = self.done(signal, Some(date), rewrote)?;
            if done && some.iter().map(|run| run.files.len()).sum::<usize>() < live.len() {
                return Box::pin(self.rewrite(fates, files, reasons)).await;
            }
            if done {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes the outcome of a commit in; whether it was done.
    fn done(&mut self, signal: Signal, date: Option<NaiveDate>, rewrote: Rewrote) -> Result<bool> {
        match rewrote {
            Rewrote::Done(counts) => {
                self.report.commits.push(RetentionCommit { table: signal.table(), date, counts });
                Ok(true)
            }
            Rewrote::Unchanged(_) => Ok(true),
            Rewrote::Overtaken => {
                self.report.overtaken += 1;
                Ok(false)
            }
        }
    }

    fn rewriter(&self, signal: Signal, reasons: &[Why]) -> Result<Rewriter> {
        let pinned = self.pinned.get(&signal).ok_or_else(|| Error::internal("no table"))?;
        let rules: Vec<String> = reasons.iter().filter_map(|why| rule(signal, *why, self.rules())).collect();
        let said: Vec<String> = reasons.iter().map(|why| reason(signal, *why, self.rules())).collect();
        let entry = &self.retention.entry;
        let entry = match rules.is_empty() {
            true => LedgerEntry { reason: Some("judged, and all of it stays".to_owned()), ..entry.clone() },
            false => {
                let mut rules = rules;
                rules.dedup();
                entry.by_rule(rules.join(", "), Some(said.join("; ")))
            }
        };
        Ok(Rewriter {
            table: pinned.table.clone(),
            target_bytes: self.retention.target_bytes,
            memory: self.retention.memory,
            entry,
            progress: self.retention.progress.clone(),
        })
    }
}

/// The smallest runs that fit into memory, one at least; none where there are none.
fn fitting(runs: &[Run], memory: u64) -> Option<Vec<Run>> {
    let mut left = memory;
    let some = runs.iter().enumerate().take_while(|(number, run)| {
        let largest = run.files.iter().map(|file| file.size).max().unwrap_or(0);
        let needed = largest.min(ROW_GROUP_BYTES) + INPUT_BYTES;
        let fits = needed <= left || *number == 0;
        left = left.saturating_sub(needed);
        fits
    });
    let some: Vec<Run> = some.map(|(_, run)| run.clone()).collect();
    (!some.is_empty()).then_some(some)
}
