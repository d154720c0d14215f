//! Plans and applies a request, table by table and date by date.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::Utc;

use super::around::Around;
use super::remains::{Aftermath, Done, remains};
use super::report::{EraseProof, EraseReport, TableErasure};
use super::request::{EraseRequest, EraseScope, EraseWhat};
use super::scan::{EraseSieve, Found, Scanner, add_traces, count_rows};
use super::target::{Target, Traces, has_traces};
use crate::erasure::{ErasureLog, Installed};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, LakeTable, LiveFile, NamedSnapshots, TableSnapshot, live_writers, safe_now};
use crate::maintenance::hold::Holds;
use crate::maintenance::{Commit, Desk, JobKind, LedgerEntry, Progress, Rewriter, Rewrote, Run, runs};
use crate::model::promoted::Promoted;
use crate::model::signal::Signal;
use crate::query::RowFilters;

/// Rewrites that others may overtake before a table is given up; the same request made again goes on.
const MAX_OVERTAKEN: u32 = 50;

/// How often rows that came meanwhile are flushed and looked for, before the report says that they come faster.
const MAX_ROUNDS: u32 = 3;

/// How long other writers are waited for, until they obey a standing erasure.
const OBEYED_WITHIN: Duration = Duration::from_secs(30);

/// How often they are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What an erasure is done with.
#[derive(Debug, Clone)]
pub struct EraseSettings {
    /// Bytes of a large file.
    pub target_bytes: u64,
    /// Bytes that sorting another engine's files may have in memory.
    pub memory: u64,
    /// How long replaced files are kept for readers that have them open.
    pub grace: Duration,
    /// How long the tables' logs keep what they no longer need.
    pub log_retention: Duration,
    /// What stays, whoever wants it gone.
    pub holds: Arc<Holds>,
    /// Plans conditions.
    pub filters: Arc<RowFilters>,
}

/// How a server erases: with what, and on whose threads once its background work has begun.
#[derive(Debug, Clone)]
pub struct EraseService {
    /// With what.
    pub settings: EraseSettings,
    /// Empty where no background work runs.
    pub desk: Arc<OnceLock<Desk>>,
}

/// Erases from one lake.
pub struct Eraser {
    root: LakeRoot,
    settings: EraseSettings,
    around: Arc<dyn Around>,
    progress: Progress,
}

impl std::fmt::Debug for Eraser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eraser").field("root", &self.root).finish_non_exhaustive()
    }
}

/// A table and what is wanted of it.
struct Work {
    table: LakeTable,
    snapshot: TableSnapshot,
    target: Arc<Target>,
    /// What is known of live files.
    counted: HashMap<String, Found>,
    /// Files that could not be read or rewritten.
    given_up: HashSet<String>,
    report: TableErasure,
    /// Of the files that were replaced.
    replaced: Aftermath,
}

impl Eraser {
    /// An eraser of a lake, in a process that may have rows of it in memory.
    pub fn new(root: LakeRoot, settings: EraseSettings, around: Arc<dyn Around>, progress: Progress) -> Self {
        Self { root, settings, around, progress }
    }

    /// What would go and what would stay. Touches nothing.
    ///
    /// # Errors
    /// `Invalid` for a request that can't be meant or fits no table, `NotFound` where there is no lake; what reading met.
    pub async fn plan(&self, request: &EraseRequest) -> Result<EraseReport> {
        request.validate()?;
        let (mut works, skipped) = self.open(request).await?;
        let hot = self.around.pin();
        let traces = self.whole_traces(request, &mut works, &hot).await?;
        for work in &mut works {
            let files: Vec<Arc<LiveFile>> = work.snapshot.files().iter().cloned().collect();
            self.progress.phase(format!("{}: counting", work.table.signal()));
            for (file, found) in self.scanner(work).scan(files).await? {
                match found {
                    Ok(found) => {
                        let found = found.unwrap_or_default();
                        work.plan_file(&file, &found, &self.settings.holds);
                        work.counted.insert(file.path.clone(), found);
                    }
                    Err(error) => work.fail(&file, &error),
                }
            }
            let found = self.count_hot(work, &hot)?;
            work.report.hot_rows = found.erasable();
            work.hold(&found, &self.settings.holds);
        }
        let snapshots = self.count_pinned(&mut works).await?;
        Ok(EraseReport {
            request: request.describe(),
            tables: reports(works, skipped),
            traces,
            snapshots,
            ..EraseReport::default()
        })
    }

    /// Does it, and proves it.
    ///
    /// # Errors
    /// `Conflict` where a writer that is out of reach has rows; else as [`Self::plan`]. What fails of one date is in the
    /// report; the rest is done.
    pub async fn apply(&self, request: &EraseRequest, by: &str) -> Result<EraseReport> {
        request.validate()?;
        // Before anything is installed: a request that fits no table is mended first.
        self.open(request).await?;
        self.around.admit(&self.root).await?;
        let standing = self.install(request, by).await?;
        // Whoever has begun since then has read the standing erasure; whoever began before shows now.
        self.around.admit(&self.root).await?;
        let late_writers = self.wait_for_others(standing.map(|standing| standing.id)).await?;
        let rule = standing
            .map_or_else(|| request.describe(), |standing| format!("erasure {}: {}", standing.id, request.describe()));
        let entry = LedgerEntry::new(JobKind::Erasure, by).by_rule(rule, request.reason.clone());
        let sifted = self.count_standing(request)?;
        self.progress.phase("flushing");
        self.around.flush().await?;
        let (mut works, skipped) = self.open(request).await?;
        for work in &mut works {
            work.report.hot_rows = sifted.get(&work.table.signal().index()).copied().unwrap_or(0);
        }
        let traces = self.whole_traces(request, &mut works, &self.around.pin()).await?;
        let mut proof = self.erase(&mut works, &entry).await?;
        for _ in 1..MAX_ROUNDS {
            if proof.hot.erasable() == 0 {
                break;
            }
            self.progress.phase("flushing");
            self.around.flush().await?;
            proof = self.erase(&mut works, &entry).await?;
        }
        self.around.follow().await;
        let snapshots = self.count_pinned(&mut works).await?;
        let mut aftermath = Aftermath::default();
        works.iter().for_each(|work| aftermath.add(&work.replaced));
        let done = Done {
            request,
            standing: standing.map(|standing| standing.id),
            aftermath,
            late_writers,
            by_server: self.around.writer().is_some(),
            proof: &proof.proof,
            snapshots: &snapshots,
        };
        let remains = remains(&self.root, &self.settings, &done).await?;
        Ok(EraseReport {
            request: request.describe(),
            applied: true,
            standing: standing.map(|standing| standing.id),
            run: Some(entry.run.to_string()),
            tables: reports(works, skipped),
            traces,
            proof: Some(proof.proof),
            snapshots,
            remains,
        })
    }

    /// The tables that the request fits, and why it does not fit the others.
    async fn open(&self, request: &EraseRequest) -> Result<(Vec<Work>, Vec<TableErasure>)> {
        let (mut works, mut skipped, mut refused) = (Vec::new(), Vec::new(), None);
        let (mut is_lake, mut fits) = (false, false);
        for signal in Signal::ALL {
            let table = LakeTable::new(&self.root, signal)?;
            let Some(snapshot) = table.load().await? else { continue };
            is_lake = true;
            let promoted: &[Promoted] = snapshot.promoted();
            let report = TableErasure { table: signal.to_string(), ..TableErasure::default() };
            let mut report = report;
            let target = match Target::new(&request.what, signal, promoted, &self.settings.filters) {
                Ok(Some(target)) => {
                    fits = true;
                    Some(target)
                }
                Ok(None) => {
                    report.skipped = Some("not asked for".to_owned());
                    None
                }
                Err(error) => {
                    report.skipped = Some(error.to_string());
                    refused = Some(error);
                    None
                }
            };
            let of_traces = request.scope == EraseScope::Trace && has_traces(signal);
            match target.or_else(|| of_traces.then(|| Target::nothing(signal))) {
                Some(target) => works.push(Work {
                    table,
                    snapshot,
                    target: Arc::new(target),
                    counted: HashMap::new(),
                    given_up: HashSet::new(),
                    report,
                    replaced: Aftermath::default(),
                }),
                None => skipped.push(report),
            }
        }
        if !is_lake {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no lake at {}; name one with --lake", self.root.display()),
            ));
        }
        match refused {
            Some(error) if !fits => Err(error),
            _ => Ok((works, skipped)),
        }
    }

    async fn install(&self, request: &EraseRequest, by: &str) -> Result<Option<Installed>> {
        let EraseWhat::Attribute { key, value, .. } = &request.what else { return Ok(None) };
        self.progress.phase("installing the standing erasure");
        let installed = ErasureLog::new(&self.root)?.install(key, value, by, request.reason.as_deref()).await?;
        self.around.obey().await?;
        Ok(Some(installed))
    }

    /// Rows in memory that the standing erasure lets go at their flush, by table: no file ever has them.
    fn count_standing(&self, request: &EraseRequest) -> Result<HashMap<usize, u64>> {
        let EraseWhat::Attribute { key, value, .. } = &request.what else { return Ok(HashMap::new()) };
        let exact = EraseWhat::Attribute { key: key.clone(), value: value.clone(), also_body: false };
        let mut counts = HashMap::new();
        for (signal, state) in self.around.pin() {
            let promoted = state.snapshot.promoted();
            let Some(target) = Target::new(&exact, signal, promoted, &self.settings.filters)? else { continue };
            for batch in &state.hot {
                let found = count_rows(&target, &self.settings.holds, signal, &batch.batch)?;
                *counts.entry(signal.index()).or_default() += found.erasable();
            }
        }
        Ok(counts)
    }

    /// Waits until every other writer obeys; answers those that do not, or have rows that no standing erasure is about.
    async fn wait_for_others(&self, standing: Option<u64>) -> Result<Vec<String>> {
        let own = self.around.writer();
        let started = tokio::time::Instant::now();
        loop {
            let now = safe_now(&self.root).await?;
            let late: Vec<String> = live_writers(&self.root, now)
                .await?
                .into_iter()
                .filter(|writer| own.as_ref() != Some(&writer.card.writer))
                .filter(|writer| standing.is_none_or(|standing| writer.card.erasures < standing))
                .map(|writer| writer.describe(now))
                .collect();
            if late.is_empty() || standing.is_none() || started.elapsed() >= OBEYED_WITHIN {
                return Ok(late);
            }
            self.progress.phase(format!("waiting for {} other writers", late.len()));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Widens the targets to whole traces, where that was asked for.
    async fn whole_traces(
        &self,
        request: &EraseRequest,
        works: &mut [Work],
        hot: &[(Signal, Arc<crate::buffer::TableState>)],
    ) -> Result<Option<u64>> {
        if request.scope == EraseScope::Record {
            return Ok(None);
        }
        let mut all = Traces::new();
        for work in works.iter().filter(|work| has_traces(work.table.signal())) {
            self.progress.phase(format!("{}: looking for traces", work.table.signal()));
            let files = work.snapshot.files().iter().cloned().collect();
            add_traces(&mut all, self.scanner(work).traces(files).await?)?;
            for (signal, state) in hot.iter().filter(|(signal, _)| *signal == work.table.signal()) {
                debug_assert!(has_traces(*signal));
                for batch in &state.hot {
                    add_traces(&mut all, work.target.traces_of(&batch.batch)?)?;
                }
            }
        }
        let all = Arc::new(all);
        for work in works {
            work.target = Arc::new(work.target.with_traces(&all));
        }
        Ok(Some(all.len() as u64))
    }

    /// Rewrites until every live file was counted and nothing is to go; then counts what is in memory.
    async fn erase(&self, works: &mut [Work], entry: &LedgerEntry) -> Result<Proved> {
        let mut proof = EraseProof::default();
        let mut hot = Found::default();
        for work in works.iter_mut() {
            self.erase_table(work, entry).await?;
            // Pinned before the last look at the table: what has left memory by then is in a file that is counted.
            let pinned = self.around.pin();
            self.erase_table(work, entry).await?;
            hot.add(&self.count_hot(work, &pinned)?);
            proof.versions.insert(work.table.signal().to_string(), work.snapshot.version());
            proof.files += work.snapshot.files().len() as u64;
            let live = work.snapshot.files().iter().filter_map(|file| work.counted.get(&file.path));
            let mut found = Found::default();
            live.for_each(|file| found.add(file));
            work.report.held.clear();
            work.hold(&found, &self.settings.holds);
            proof.rows += found.rows;
            proof.matching += found.erasable();
            proof.held += found.held_rows();
        }
        proof.at = Utc::now();
        proof.rows += hot.rows;
        proof.matching += hot.erasable();
        proof.held += hot.held_rows();
        Ok(Proved { proof, hot })
    }

    /// Rows that match in what named snapshots pin, by snapshot. Their files that are not live any more are read too.
    async fn count_pinned(&self, works: &mut [Work]) -> Result<BTreeMap<String, u64>> {
        let snapshots = NamedSnapshots::new(&self.root)?.list().await?;
        let mut rows = BTreeMap::new();
        for work in works {
            let signal = work.table.signal();
            for snapshot in &snapshots {
                let Some(version) = snapshot.tables.get(signal.table()) else { continue };
                self.progress.phase(format!("{signal}: counting in the snapshot {}", snapshot.name));
                // By now the rest is done: what can't be looked at is in the report, not in its place.
                let pinned = match work.table.load_at(*version).await {
                    Ok(pinned) => pinned,
                    Err(error) => {
                        work.report.errors.push(format!("the snapshot {} can't be opened: {error}", snapshot.name));
                        continue;
                    }
                };
                let is_new = |file: &&Arc<LiveFile>| !work.counted.contains_key(&file.path);
                let new: Vec<Arc<LiveFile>> = pinned.files().iter().filter(is_new).cloned().collect();
                for (file, found) in self.scanner(work).scan(new).await? {
                    match found {
                        Ok(Some(found)) => _ = work.counted.insert(file.path.clone(), found),
                        // The snapshot has just been dropped, or is damaged: nobody can read it there.
                        Ok(None) => {}
                        Err(error) => work.fail(&file, &error),
                    }
                }
                let found = pinned.files().iter().filter_map(|file| work.counted.get(&file.path));
                let matching: u64 = found.map(Found::erasable).sum();
                if matching > 0 {
                    *rows.entry(snapshot.name.clone()).or_default() += matching;
                }
            }
        }
        Ok(rows)
    }

    async fn erase_table(&self, work: &mut Work, entry: &LedgerEntry) -> Result<()> {
        let rewriter = Rewriter {
            table: work.table.clone(),
            target_bytes: self.settings.target_bytes,
            memory: self.settings.memory,
            entry: entry.clone(),
            progress: self.progress.clone(),
        };
        let signal = work.table.signal();
        let mut overtaken = 0;
        let mut gone = HashSet::new();
        loop {
            work.snapshot = work.table.refresh(&work.snapshot).await?;
            let new: Vec<Arc<LiveFile>> =
                work.snapshot.files().iter().filter(|file| !work.counted.contains_key(&file.path)).cloned().collect();
            if !new.is_empty() {
                self.progress.phase(format!("{signal}: counting"));
                for (file, found) in self.scanner(work).scan(new).await? {
                    match found {
                        Ok(Some(found)) => _ = work.counted.insert(file.path.clone(), found),
                        // The next version has others in its place, or the file is missing.
                        Ok(None) if gone.insert(file.path.clone()) => {}
                        Ok(None) => {
                            let missing = format!("{} is not stored; `telestrata check` says what to do", file.path);
                            work.give_up(&file, &Error::new(ErrorKind::Damaged, missing));
                        }
                        Err(error) => work.give_up(&file, &error),
                    }
                }
            }
            let mut is_done = true;
            for (date, files) in work.to_rewrite() {
                self.progress.phase(format!("{signal} {date}: rewriting"));
                match self.erase_date(work, &rewriter, &date, &files).await {
                    Ok(true) => is_done = false,
                    Ok(false) => {
                        is_done = false;
                        overtaken += 1;
                    }
                    Err(error) => files.iter().for_each(|file| work.give_up(file, &error)),
                }
            }
            let has_new = work.snapshot.files().iter().any(|file| !work.counted.contains_key(&file.path));
            if is_done && !has_new {
                return Ok(());
            }
            if overtaken > MAX_OVERTAKEN {
                work.report
                    .errors
                    .push(format!("others rewrite {signal} again and again; make the same request once they are done"));
                return Ok(());
            }
        }
    }

    /// Rewrites files of one date, run by run. Answers `false` where another was first: the table is looked at anew.
    async fn erase_date(
        &self,
        work: &mut Work,
        rewriter: &Rewriter,
        date: &str,
        files: &[Arc<LiveFile>],
    ) -> Result<bool> {
        // Where every row goes, the log alone says so.
        let (whole, parts): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|file| {
            let found = work.counted.get(&file.path);
            found.is_some_and(|found| found.erasable() == found.rows)
        });
        if !whole.is_empty() {
            let outcome = rewriter.remove(&mut work.snapshot, &whole).await?;
            if !work.took(outcome, date, &whole)? {
                return Ok(false);
            }
        }
        for run in runs(parts.iter()) {
            let lanes = [run.mark];
            let mut sieve = EraseSieve {
                signal: work.table.signal(),
                target: Arc::clone(&work.target),
                holds: Arc::clone(&self.settings.holds),
            };
            let run_files = run.files.clone();
            let one: [Run; 1] = [run];
            let outcome = rewriter.rewrite(&mut work.snapshot, &one, &lanes, &mut sieve, Commit::IfChanged).await?;
            if !work.took(outcome, date, &run_files)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn scanner(&self, work: &Work) -> Scanner {
        Scanner {
            store: Arc::clone(work.table.store()),
            signal: work.table.signal(),
            target: Arc::clone(&work.target),
            holds: Arc::clone(&self.settings.holds),
            progress: self.progress.clone(),
        }
    }

    fn count_hot(&self, work: &Work, hot: &[(Signal, Arc<crate::buffer::TableState>)]) -> Result<Found> {
        let signal = work.table.signal();
        let mut found = Found::default();
        for (_, state) in hot.iter().filter(|(of, _)| *of == signal) {
            for batch in &state.hot {
                found.add(&count_rows(&work.target, &self.settings.holds, signal, &batch.batch)?);
            }
        }
        Ok(found)
    }
}

/// A proof, and what of it is in memory.
struct Proved {
    proof: EraseProof,
    hot: Found,
}

impl Work {
    /// The live files with rows that are to go, by date.
    fn to_rewrite(&self) -> BTreeMap<String, Vec<Arc<LiveFile>>> {
        let mut dates: BTreeMap<String, Vec<Arc<LiveFile>>> = BTreeMap::new();
        for file in self.snapshot.files().iter() {
            let is_left = self.given_up.contains(&file.path);
            if !is_left && self.counted.get(&file.path).is_some_and(|found| found.erasable() > 0) {
                dates.entry(file.date.clone().unwrap_or_default()).or_default().push(Arc::clone(file));
            }
        }
        dates
    }

    /// Takes down how a rewrite of files ended. Answers `false` where another was first.
    fn took(&mut self, outcome: Rewrote, date: &str, files: &[Arc<LiveFile>]) -> Result<bool> {
        match outcome {
            Rewrote::Done(counts) => {
                self.report.add(date, counts.rows_before - counts.rows_after, counts.files_before, counts.bytes_before);
                self.replaced.replace(files, self.target.value());
                Ok(true)
            }
            Rewrote::Overtaken => Ok(false),
            Rewrote::Unchanged(_) => Err(Error::internal("a rewrite found nothing of what was counted")),
        }
    }

    fn plan_file(&mut self, file: &LiveFile, found: &Found, holds: &Holds) {
        if found.erasable() > 0 {
            self.report.add(file.date.as_deref().unwrap_or_default(), found.erasable(), 1, file.size);
        }
        self.hold(found, holds);
    }

    fn hold(&mut self, found: &Found, holds: &Holds) {
        for (number, rows) in &found.held {
            let reason = holds.numbered(*number).map_or_else(|| format!("hold {number}"), |hold| hold.reason.clone());
            *self.report.held.entry(reason).or_default() += rows;
        }
    }

    fn fail(&mut self, file: &LiveFile, error: &Error) {
        self.report.errors.push(format!("{} {}: {error}", self.report.table, file.path));
    }

    /// Leaves a file as it is, so that the others are done.
    fn give_up(&mut self, file: &LiveFile, error: &Error) {
        self.fail(file, error);
        let rows = file.rows.unwrap_or(1);
        self.given_up.insert(file.path.clone());
        // What is not known is not proved: of a file that can't be read every row counts as one that matches.
        self.counted.entry(file.path.clone()).or_insert(Found { rows, matching: rows, held: BTreeMap::new() });
    }
}

fn reports(works: Vec<Work>, skipped: Vec<TableErasure>) -> Vec<TableErasure> {
    let mut tables: Vec<TableErasure> = works.into_iter().map(|work| work.report).chain(skipped).collect();
    tables.sort_by_key(|table| Signal::from_table(&table.table).map_or(usize::MAX, Signal::index));
    tables
}
