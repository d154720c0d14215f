//! One run: judge, survey and commit, date by date.
//!
//! ```text
//! live files --+-- no rule is of the date, or judged before ------------------> told, left
//!              +-- the whole date goes, as the log alone can tell ------------> removed
//!              +-- spans and logs --> traces of these dates are judged --> trace_decisions
//!              +-- surveyed by what is decided -------------------------------> removed, copied or rewritten
//! ```
//! Traces are judged some dates ahead of those that are surveyed, since a trace may go on after a date.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use super::caps::dates_over;
use super::decisions::{Decided, Decision, Decisions, NewDecision, TraceKey, days};
use super::fates::{Fates, Lane, TraceFacts, Why};
use super::judge::{PinnedTable, Seen, Traces, after, before, date_of, decide};
use super::report::{RetentionCommit, RetentionFailure, RetentionReport, Tally, reason, rule};
use super::rules::{RetentionRules, Stage, TraceRule, is_weighted};
use super::survey::{Action, Survey, trace_keys};
use super::{REACH_DAYS, TRACES};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DataFile, LakeRoot, LakeTable, LiveFile, StagedSince, TableSnapshot};
use crate::maintenance::ledger::LedgerEntry;
use crate::maintenance::progress::Progress;
use crate::maintenance::rewriter::{Commit, Rewriter, Rewrote};
use crate::maintenance::run::{FileName, Mark, Run, runs};
use crate::model::contract::PARTITION;
use crate::model::signal::Signal;
use crate::query::{QueryBudget, QueryEngine, SqlObjects};

/// Rewrites of one date that may be lost to other writers before it is left for the next run.
const MAX_OVERTAKEN: u64 = 5;

/// Rows of the dates whose traces are judged at once, but for one date that has more.
const ROWS_AT_ONCE: u64 = 2_000_000;

/// What a run of a rewrite has in memory beside its row group.
const INPUT_BYTES: u64 = 24 << 20;

/// A row group's bytes, at most, as far as reading many files at once is concerned.
const ROW_GROUP_BYTES: u64 = 64 << 20;

/// No judgement takes that long.
const MAX_TIME: Duration = Duration::from_secs(24 * 3600);

/// Retention of one lake.
#[derive(Debug, Clone)]
pub struct Retention {
    /// The lake.
    pub root: LakeRoot,
    /// Its rules and holds.
    pub rules: Arc<RetentionRules>,
    /// What a judgement may have in memory; its limits of time, rows and bytes are not heeded.
    pub query: QueryBudget,
    /// Bytes of a large file.
    pub target_bytes: u64,
    /// Bytes that a rewrite's inputs may have in memory.
    pub memory: u64,
    /// Who does it: the job, one id for the run, and the user.
    pub entry: LedgerEntry,
    /// Told of what is done.
    pub progress: Progress,
}

impl Retention {
    /// What a run on the date `today` would do, touching nothing.
    ///
    /// # Errors
    /// Where a table or its decisions can't be opened; what fails of one date is in the report.
    pub async fn plan(&self, tables: &[Signal], today: NaiveDate) -> Result<RetentionReport> {
        self.run(tables, today, None).await
    }

    /// Lets go of what the rules say.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub async fn apply(&self, tables: &[Signal], now: DateTime<Utc>) -> Result<RetentionReport> {
        self.run(tables, now.date_naive(), Some(now)).await
    }

    async fn run(&self, tables: &[Signal], today: NaiveDate, apply: Option<DateTime<Utc>>) -> Result<RetentionReport> {
        if self.rules.is_empty() {
            return Ok(RetentionReport::default());
        }
        let budget = QueryBudget { max_time: MAX_TIME, max_rows: None, max_scan_bytes: None, ..self.query.clone() };
        let runtime = tokio::runtime::Handle::current();
        let engine = QueryEngine::new(self.root.clone(), &budget, Arc::new(SqlObjects::built_in()?), runtime)?;
        let mut pinned = BTreeMap::new();
        for signal in Signal::ALL {
            let table = LakeTable::new(&self.root, signal)?;
            if let Some(snapshot) = table.load().await? {
                pinned.insert(signal, PinnedTable { table, snapshot });
            }
        }
        let of_traces = pinned.iter().filter(|(signal, _)| self.rules.of_traces(**signal).is_some());
        let traces = Traces { tables: of_traces.map(|(_, table)| table.clone()).collect(), engine: &engine };
        let decisions = Decisions::open(&self.root).await?;
        let mut work = Work {
            retention: self,
            today,
            apply,
            newest: pinned.iter().map(|(signal, pinned)| (*signal, pinned.snapshot.clone())).collect(),
            remaining: BTreeMap::new(),
            pinned,
            traces,
            decisions,
            planned: Decided::new(),
            beyond_end: Arc::default(),
            held: BTreeMap::new(),
            tally: Tally::default(),
            report: RetentionReport::default(),
        };
        work.all(tables).await?;
        let Work { tally, mut report, .. } = work;
        report.lines = tally.lines(&self.rules);
        Ok(report)
    }
}

/// Files by their mark; those that another engine named, by when they were written.
fn judged_together(
    files: impl IntoIterator<Item = Arc<LiveFile>>,
) -> BTreeMap<(Mark, Option<i64>), Vec<Arc<LiveFile>>> {
    let mut together: BTreeMap<(Mark, Option<i64>), Vec<Arc<LiveFile>>> = BTreeMap::new();
    for file in files {
        let name = FileName::parse(&file.path);
        let foreign_since = (!name.is_own).then_some(file.modified_ms);
        together.entry((name.mark, foreign_since)).or_default().push(file);
    }
    together
}

/// Files to be looked at, by date and table.
type Todo = BTreeMap<NaiveDate, BTreeMap<Signal, Vec<Arc<LiveFile>>>>;

/// A run under way.
struct Work<'r> {
    retention: &'r Retention,
    today: NaiveDate,
    /// When it began; `None` for a plan.
    apply: Option<DateTime<Utc>>,
    /// The tables as they were when it began.
    pinned: BTreeMap<Signal, PinnedTable>,
    /// The tables as they are.
    newest: BTreeMap<Signal, TableSnapshot>,
    traces: Traces<'r>,
    decisions: Decisions,
    /// In a plan, what would be decided of the traces of the dates that are near.
    planned: Decided,
    beyond_end: Arc<HashSet<TraceKey>>,
    /// Traces with held rows, by the date of those.
    held: BTreeMap<NaiveDate, HashMap<TraceKey, usize>>,
    /// Bytes that stay, of the dates on which any do.
    remaining: BTreeMap<Signal, BTreeMap<NaiveDate, u64>>,
    tally: Tally,
    report: RetentionReport,
}

impl Work<'_> {
    fn rules(&self) -> &RetentionRules {
        &self.retention.rules
    }

    fn trace_rule(&self) -> Option<&TraceRule> {
        self.rules().traces.as_ref()
    }

    /// The last date whose traces have ended.
    fn ended(&self) -> Option<NaiveDate> {
        self.trace_rule()?.borders(self.today).ended
    }

    async fn all(&mut self, signals: &[Signal]) -> Result<()> {
        self.retention.progress.phase("looking for what is past its age");
        let mut todo = self.sort_out(signals).await?;
        let of_traces = self.trace_dates(&todo);
        if let Some(border) = self.ended()
            && of_traces.iter().any(|(date, _)| *date <= border)
        {
            match self.traces.beyond(border).await {
                Ok(ids) => self.beyond_end = Arc::new(ids),
                Err(error) => {
                    // Who goes on past the border is not known, so nothing on this side of it may go.
                    self.fail(TRACES, None, &error);
                    todo = todo.split_off(&after(border, 1));
                }
            }
        }
        for dates in self.chunks(&of_traces) {
            self.retention.progress.phase(format!("judging traces of {} to {}", dates.start(), dates.end()));
            if let Err(error) = self.judge(dates.clone()).await {
                self.fail(TRACES, Some(*dates.start()), &error);
                // What is not judged must not be taken for what goes on.
                todo.retain(|date, _| !dates.contains(date));
            }
            while let Some(date) = todo.keys().next().copied().filter(|date| after(*date, REACH_DAYS) <= *dates.end()) {
                let files = todo.remove(&date).unwrap_or_default();
                self.date(date, files).await;
            }
            self.forget_planned(&todo);
        }
        for (date, files) in todo {
            self.date(date, files).await;
        }
        for signal in signals {
            if let Err(error) = self.cap(*signal).await {
                self.fail(signal.table(), None, &error);
            }
        }
        if let Some(ended) = self.ended()
            && self.apply.is_some()
            && self.report.failures.is_empty()
            && self.report.overtaken == 0
            && let Err(error) = self.decisions.forget(ended).await
        {
            tracing::info!(%error, "decisions that nothing follows any more stay until the next run");
        }
        Ok(())
    }

    /// What has to be looked at; of the rest it is said why not. Whole dates that go go here.
    async fn sort_out(&mut self, signals: &[Signal]) -> Result<Todo> {
        let mut todo = Todo::new();
        for (signal, pinned) in self.pinned.clone() {
            if !signals.contains(&signal) {
                continue;
            }
            let mut going = Vec::new();
            for file in pinned.snapshot.files().iter() {
                let Some(date) = date_of(file) else {
                    let error =
                        Error::new(ErrorKind::Damaged, format!("{} has no date; no rule can be of it", file.path));
                    self.fail(signal.table(), None, &error);
                    continue;
                };
                *self.remaining.entry(signal).or_default().entry(date).or_default() += file.size;
                let rules = self.rules().of_date(signal, date, self.today);
                let rows = file.rows.unwrap_or(0);
                if rules.is_open() {
                    self.tally.add(signal, Why::Unruled, date, rows, file.size, true);
                } else if rules.takes_all(self.rules()) {
                    let ends_twice = self.rules().of_table(signal).is_some_and(|rule| rule.then_after.is_some());
                    let why = if ends_twice { Why::Ended } else { Why::Expired };
                    self.tally.add(signal, why, date, rows, file.size, true);
                    self.goes(signal, date, file.size);
                    going.push((why, Arc::clone(file)));
                } else if rules.has_judged(FileName::parse(&file.path).mark) {
                    self.tally.add(signal, Why::JudgedBefore, date, rows, file.size, true);
                } else {
                    todo.entry(date).or_default().entry(signal).or_default().push(Arc::clone(file));
                }
            }
            if let Some((why, _)) = going.first() {
                let why = *why;
                let files = going.into_iter().map(|(_, file)| file).collect();
                if let Err(error) = self.remove(signal, None, files, &[why]).await {
                    self.fail(signal.table(), None, &error);
                }
            }
        }
        Ok(todo)
    }

    /// The dates on which there are traces to be decided or followed, and the rows of these files.
    fn trace_dates(&self, todo: &Todo) -> Vec<(NaiveDate, u64)> {
        let dates = todo.iter().filter_map(|(date, tables)| {
            let files = tables.iter().filter(|(signal, _)| {
                self.rules()
                    .of_traces(**signal)
                    .is_some_and(|rule| rule.borders(self.today).stage(*date) != Stage::Open)
            });
            let open = files.flat_map(|(_, files)| files).filter(|file| !is_weighted(FileName::parse(&file.path).mark));
            let mut open = open.peekable();
            open.peek()?;
            Some((*date, open.map(|file| file.rows.unwrap_or(0)).sum()))
        });
        dates.collect()
    }

    /// Dates whose traces are judged together.
    fn chunks(&self, dates: &[(NaiveDate, u64)]) -> Vec<RangeInclusive<NaiveDate>> {
        let ended = self.ended();
        let mut chunks: Vec<(NaiveDate, NaiveDate, u64)> = Vec::new();
        for (date, rows) in dates.iter().filter(|(date, _)| ended.is_none_or(|ended| *date > ended)) {
            match chunks.last_mut() {
                Some((_, last, sum)) if *sum + rows <= ROWS_AT_ONCE && *date <= after(*last, REACH_DAYS) => {
                    *last = *date;
                    *sum += rows;
                }
                _ => chunks.push((*date, *date, *rows)),
            }
        }
        chunks.into_iter().map(|(first, last, _)| first..=last).collect()
    }

    /// Decides the traces whose last date is one of these. Where another run decides at the same time, the later one
    /// looks again.
    async fn judge(&mut self, dates: RangeInclusive<NaiveDate>) -> Result<()> {
        let Some(rule) = self.trace_rule().cloned() else { return Ok(()) };
        let held = self.held(before(*dates.start(), REACH_DAYS)..=after(*dates.end(), REACH_DAYS)).await?;
        let seen = self.traces.seen(&dates, &held).await?;
        let keys: HashSet<TraceKey> = seen.iter().map(Seen::key).collect();
        let window = (before(*dates.start(), REACH_DAYS), after(*dates.end(), REACH_DAYS));
        let decided = self.decided(window, |trace, _| keys.contains(&trace)).await?;
        let open: Vec<Seen> = seen.iter().filter(|seen| !decided.contains_key(&seen.key())).cloned().collect();
        let probabilities = self.traces.judge(&rule, &open, &dates).await?;
        let mut tries = 0;
        loop {
            let decided = self.decided(window, |trace, _| keys.contains(&trace)).await?;
            let new = seen.iter().filter_map(|seen| {
                let decision = match decided.get(&seen.key()) {
                    Some(known) if known.last_day >= seen.last_day => return None,
                    // It went on after it was decided.
                    Some(known) => Decision { last_day: seen.last_day, ..*known },
                    None => decide(&seen.trace_id, seen.last_day, probabilities.get(&seen.key()).copied()),
                };
                Some(seen.clone().decided(decision))
            });
            let new: Vec<NewDecision> = new.collect();
            let kept = new.iter().filter(|new| new.decision.kept).count() as u64;
            let count = new.len() as u64;
            match self.apply {
                None => self.planned.extend(new.iter().map(|new| (TraceKey::of(&new.trace_id), new.decision))),
                Some(now) => {
                    let condition = rule.keep_where.as_ref().map_or("", |condition| &condition.text);
                    match self.decisions.append(new, condition, now).await {
                        Ok(()) => {}
                        Err(error) if error.kind() == ErrorKind::Unavailable && tries < MAX_OVERTAKEN => {
                            tracing::info!(%error, "decisions were not taken; looking again");
                            tries += 1;
                            self.decisions.refresh().await?;
                            continue;
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            self.report.traces_decided += count;
            self.report.traces_kept += kept;
            return Ok(());
        }
    }

    /// What is decided of the traces that are wanted, as far as rows of these dates may follow it.
    async fn decided(
        &self,
        dates: (NaiveDate, NaiveDate),
        wanted: impl Fn(TraceKey, Decision) -> bool,
    ) -> Result<Decided> {
        let mut decided = self.decisions.of_dates(dates, &wanted).await?;
        let planned = self.planned.iter().map(|(trace, decision)| (*trace, *decision));
        decided.extend(planned.filter(|(trace, decision)| wanted(*trace, *decision)));
        Ok(decided)
    }

    /// Planned decisions that no date to come can follow.
    fn forget_planned(&mut self, todo: &Todo) {
        if let Some(next) = todo.keys().next().and_then(|next| days(before(*next, REACH_DAYS))) {
            self.planned.retain(|_, decision| decision.last_day >= next);
        }
    }

    /// The traces with held rows on these dates.
    async fn held(&mut self, dates: RangeInclusive<NaiveDate>) -> Result<HashMap<TraceKey, usize>> {
        let mut held = HashMap::new();
        if !Signal::ALL
            .iter()
            .any(|signal| self.rules().of_traces(*signal).is_some() && self.rules().holds.of(*signal).next().is_some())
        {
            return Ok(held);
        }
        // Dates come in ascending order.
        self.held = self.held.split_off(dates.start());
        let mut date = *dates.start();
        let files = self.traces.tables.iter().flat_map(|pinned| pinned.snapshot.files().iter());
        let there: HashSet<NaiveDate> = files.filter_map(|file| date_of(file)).collect();
        while date <= *dates.end() {
            if there.contains(&date) && !self.held.contains_key(&date) {
                let found = self.traces.held(self.rules(), date..=date).await?;
                self.held.insert(date, found);
            }
            held.extend(self.held.get(&date).into_iter().flatten().map(|(trace, hold)| (*trace, *hold)));
            date = after(date, 1);
        }
        Ok(held)
    }

    /// Surveys a date's files and does what that tells.
    async fn date(&mut self, date: NaiveDate, tables: BTreeMap<Signal, Vec<Arc<LiveFile>>>) {
        let facts = match self.facts(date, &tables).await {
            Ok(facts) => Arc::new(facts),
            Err(error) => return self.fail(TRACES, Some(date), &error),
        };
        for (signal, files) in tables {
            self.retention.progress.phase(format!("{signal} {date}"));
            for ((mark, foreign_since), files) in judged_together(files) {
                let fates = Fates {
                    rules: Arc::clone(&self.retention.rules),
                    date: self.rules().of_date(signal, date, self.today),
                    mark,
                    foreign_since,
                    facts: Arc::clone(&facts),
                    over_cap: false,
                };
                if let Err(error) = self.files(&fates, files).await {
                    self.fail(signal.table(), Some(date), &error);
                }
            }
        }
    }

    /// What the judgement of a date's rows follows.
    async fn facts(&mut self, date: NaiveDate, tables: &BTreeMap<Signal, Vec<Arc<LiveFile>>>) -> Result<TraceFacts> {
        let is_open = self.trace_rule().is_none_or(|rule| rule.borders(self.today).stage(date) == Stage::Open);
        if is_open {
            return Ok(TraceFacts::default());
        }
        let mut keys = HashSet::new();
        for (signal, files) in tables.iter().filter(|(signal, _)| self.rules().of_traces(**signal).is_some()) {
            let Some(pinned) = self.pinned.get(signal) else { continue };
            for file in files.iter().filter(|file| !is_weighted(FileName::parse(&file.path).mark)) {
                trace_keys(pinned.table.store(), *signal, file, &mut keys).await?;
            }
        }
        let ended = self.ended().and_then(days);
        let has_ended = self.ended().is_some_and(|border| date <= border);
        let wanted = |trace: TraceKey, decision: Decision| {
            keys.contains(&trace) || (has_ended && Some(decision.last_day) > ended)
        };
        let decided = self.decided((date, date), wanted).await?;
        let held = self.held(before(date, REACH_DAYS)..=after(date, REACH_DAYS)).await?;
        Ok(TraceFacts { decided, beyond_end: Arc::clone(&self.beyond_end), held: Arc::new(held), ended })
    }

    /// Surveys the files of one mark, and removes, copies or rewrites them.
    async fn files(&mut self, fates: &Fates, files: Vec<Arc<LiveFile>>) -> Result<()> {
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

    async fn remove(
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

    /// Takes the oldest dates of a table that has too many bytes.
    async fn cap(&mut self, signal: Signal) -> Result<()> {
        let Some(max_bytes) = self.rules().of_table(signal).and_then(|rule| rule.max_bytes) else { return Ok(()) };
        let Some(snapshot) = self.newest.get(&signal) else { return Ok(()) };
        let live: Vec<Arc<LiveFile>> = snapshot.files().iter().cloned().collect();
        let bytes = match self.apply {
            // A date that goes by its age in the same run is not counted again.
            None => {
                let mut left = self.remaining.remove(&signal).unwrap_or_default();
                left.retain(|_, bytes| *bytes > 0);
                left
            }
            Some(_) => {
                let mut bytes = BTreeMap::new();
                for (date, file) in live.iter().filter_map(|file| Some((date_of(file)?, file))) {
                    *bytes.entry(date).or_default() += file.size;
                }
                bytes
            }
        };
        let on = |date: NaiveDate| live.iter().filter(move |file| date_of(file) == Some(date)).cloned();
        let has_holds = self.rules().holds.of(signal).next().is_some()
            || (self.rules().of_traces(signal).is_some() && self.rules().holds.iter().next().is_some());
        if !has_holds {
            let going = dates_over(&bytes, |_| 0, max_bytes, self.today);
            for date in &going {
                self.tally.look_again(signal, *date);
                let size: u64 = on(*date).map(|file| file.size).sum();
                let left = bytes.get(date).copied().unwrap_or(0);
                // In a plan, what goes by age of the same date is gone already.
                let part =
                    |of: u64| u64::try_from(u128::from(of) * u128::from(left) / u128::from(size.max(1))).unwrap_or(of);
                for file in on(*date) {
                    self.tally.add(signal, Why::OverCap, *date, part(file.rows.unwrap_or(0)), part(file.size), true);
                }
            }
            let files = going.into_iter().flat_map(on).collect();
            return self.remove(signal, None, files, &[Why::OverCap]).await;
        }
        // What is held is found out date by date, the oldest first, until enough goes.
        let mut kept: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        loop {
            let going = dates_over(&bytes, |date| kept.get(&date).copied().unwrap_or(0), max_bytes, self.today);
            let Some(date) = going.into_iter().find(|date| !kept.contains_key(date)) else { return Ok(()) };
            let held = self.held(before(date, REACH_DAYS)..=after(date, REACH_DAYS)).await?;
            let facts = Arc::new(TraceFacts { held: Arc::new(held), ..TraceFacts::default() });
            self.remaining.entry(signal).or_default().insert(date, bytes.get(&date).copied().unwrap_or(0));
            self.tally.look_again(signal, date);
            for ((mark, foreign_since), files) in judged_together(on(date)) {
                let fates = Fates {
                    rules: Arc::clone(&self.retention.rules),
                    date: self.rules().of_date(signal, date, self.today),
                    mark,
                    foreign_since,
                    facts: Arc::clone(&facts),
                    over_cap: true,
                };
                self.files(&fates, files).await?;
            }
            let left = self.remaining.entry(signal).or_default().remove(&date).unwrap_or(0);
            kept.insert(date, left);
        }
    }

    /// So many bytes of a date go.
    fn goes(&mut self, signal: Signal, date: NaiveDate, bytes: u64) {
        if let Some(left) = self.remaining.get_mut(&signal).and_then(|dates| dates.get_mut(&date)) {
            *left = left.saturating_sub(bytes);
        }
    }

    fn fail(&mut self, table: &'static str, date: Option<NaiveDate>, error: &Error) {
        tracing::warn!(table, date = date.map(tracing::field::display), %error, "retention of a date was not done");
        self.report.failures.push(RetentionFailure { table, date, error: error.to_string() });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_to_another_thread<T: Send>(_: T) {}

    #[expect(dead_code, reason = "it is enough that it compiles: a server's jobs are spawned")]
    fn a_run_can_be_spawned(retention: &Retention, now: DateTime<Utc>) {
        goes_to_another_thread(retention.apply(&Signal::ALL, now));
    }
}
