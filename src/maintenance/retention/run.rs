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

use super::act::MAX_OVERTAKEN;
use super::decisions::{Decided, Decision, Decisions, NewDecision, TraceKey, days};
use super::fates::{Fates, TraceFacts, Why};
use super::judge::{PinnedTable, Seen, Traces, after, before, date_of, decide};
use super::report::{RetentionFailure, RetentionReport, Tally};
use super::rules::{RetentionRules, Stage, TraceRule, is_weighted};
use super::survey::trace_keys;
use super::{REACH_DAYS, TRACES};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, LakeTable, LiveFile, TableSnapshot};
use crate::maintenance::ledger::LedgerEntry;
use crate::maintenance::progress::Progress;
use crate::maintenance::run::{FileName, Mark};
use crate::model::signal::Signal;
use crate::query::{QueryBudget, QueryEngine, SqlObjects};

/// Rows of the dates whose traces are judged at once, but for one date that has more.
const ROWS_AT_ONCE: u64 = 2_000_000;

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

/// What files have in common that are judged together: the mark and, where another engine named them, when it wrote them.
pub(super) type Together = (Mark, Option<i64>);

/// Files that are judged together.
pub(super) fn judged_together(
    files: impl IntoIterator<Item = Arc<LiveFile>>,
) -> BTreeMap<Together, Vec<Arc<LiveFile>>> {
    let mut together: BTreeMap<Together, Vec<Arc<LiveFile>>> = BTreeMap::new();
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
pub(super) struct Work<'r> {
    pub(super) retention: &'r Retention,
    pub(super) today: NaiveDate,
    /// When it began; `None` for a plan.
    pub(super) apply: Option<DateTime<Utc>>,
    /// The tables as they were when it began.
    pub(super) pinned: BTreeMap<Signal, PinnedTable>,
    /// The tables as they are.
    pub(super) newest: BTreeMap<Signal, TableSnapshot>,
    pub(super) traces: Traces<'r>,
    pub(super) decisions: Decisions,
    /// In a plan, what would be decided of the traces of the dates that are near.
    pub(super) planned: Decided,
    pub(super) beyond_end: Arc<HashSet<TraceKey>>,
    /// Traces with held rows, by the date of those.
    pub(super) held: BTreeMap<NaiveDate, HashMap<TraceKey, usize>>,
    /// Bytes that stay, of the dates on which any do.
    pub(super) remaining: BTreeMap<Signal, BTreeMap<NaiveDate, u64>>,
    pub(super) tally: Tally,
    pub(super) report: RetentionReport,
}

impl Work<'_> {
    pub(super) fn rules(&self) -> &RetentionRules {
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
    pub(super) async fn held(&mut self, dates: RangeInclusive<NaiveDate>) -> Result<HashMap<TraceKey, usize>> {
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
            for (together, files) in judged_together(files) {
                let fates = self.fates(signal, date, together, &facts);
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

    /// Judges the rows of a date that are in files of these.
    pub(super) fn fates(&self, signal: Signal, date: NaiveDate, together: Together, facts: &Arc<TraceFacts>) -> Fates {
        let (mark, foreign_since) = together;
        let rules = Arc::clone(&self.retention.rules);
        let date = self.rules().of_date(signal, date, self.today);
        Fates { rules, date, mark, foreign_since, facts: Arc::clone(facts), over_cap: false }
    }

    /// So many bytes of a date go.
    pub(super) fn goes(&mut self, signal: Signal, date: NaiveDate, bytes: u64) {
        if let Some(left) = self.remaining.get_mut(&signal).and_then(|dates| dates.get_mut(&date)) {
            *left = left.saturating_sub(bytes);
        }
    }

    fn fail(&mut self, table: &'static str, date: Option<NaiveDate>, error: &Error) {
        tracing::warn!(table, date = date.map(tracing::field::display), %error, "retention of a date was not done");
        self.report.failures.push(RetentionFailure { table, date, error: error.to_string() });
    }
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
