//! Two years of a lake in minutes: telemetry of many dates, late and doubled records, every job each day.
//!
//! ```text
//! world.rs     what is sent, from a seed
//! requests.rs  the same as OTLP
//! model.rs     what must be kept, by the rules over a list of rows
//! lake.rs      the product: intake, jobs, files, queries
//! mod.rs       day by day: send, do the jobs, hold the lake against the model
//! ```
//! `TELESTRATA_SIM_DAYS` sets how many days, `TELESTRATA_SIM_SEED` the seed (docs/faults.md).

mod lake;
mod model;
mod questions;
mod requests;
mod world;

use std::time::{Duration, Instant};

use chrono::Days;
use telestrata::maintenance::EraseScope;
use telestrata::model::signal::Signal;

use self::lake::{Lake, TARGET_BYTES};
use self::model::{ERASURE, Model, RETENTION, Rules};
use self::questions::{Span, answers, estimates, removed};
use self::world::{Shape, World};

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Days between those on which questions are asked after every job, and between vacuums.
#[derive(Debug, Clone, Copy)]
struct Paces {
    questions: u64,
    vacuum: u64,
}

/// How often somebody wants to be erased.
const ERASE_EVERY: u64 = 9;

/// Marks that the files of a date have: not judged, judged.
const MARKS: u64 = 2;

/// Runs of a mark that compaction leaves on a date that is over (docs/decisions/0014): one less than it merges, and the large one.
const RUNS_A_MARK: u64 = 8;

/// Files of a date over all dates.
const FILES_A_DAY: u64 = 4;

/// Bytes of a file without rows (its schema, twice), and of a row, at most.
const FILE_BYTES: u64 = 26 << 10;
const ROW_BYTES: u64 = 512;

/// How often rules are planned before they are applied.
const PLAN_EVERY: u64 = 5;

/// How often it is told how far it is.
const LOG_EVERY: u64 = 10;

/// How often a snapshot is pinned.
const PIN_EVERY: u64 = 12;

/// What a named snapshot has to have, and until when.
struct Pin {
    until: u64,
    rows: [Vec<(u64, Option<f64>)>; 3],
}

struct Simulation {
    days: u64,
    paces: Paces,
    lake: Lake,
    model: Model,
    world: World,
    rules: Rules,
    /// Questions and their answers, on days on which they are asked.
    asked: Option<(Span, Vec<(String, String)>)>,
    pinned: Option<(String, Pin)>,
    spent: Vec<(&'static str, Duration)>,
}

impl Simulation {
    async fn day(&mut self, day: u64) {
        let started = Instant::now();
        for part in self.world.day(day) {
            part.iter().for_each(|record| self.model.take(record, &self.rules));
            self.lake.take(&part).await;
        }
        self.spend("intake", started);
        self.check(day, "intake").await;
        self.begin_to_ask(day).await;
        let started = Instant::now();
        self.lake.compact(day).await;
        self.done(day, "compaction", started).await;

        self.change_rules(day).await;
        let started = Instant::now();
        let over = self.days_over_cap(day).await;
        self.lake.retain(day, day.is_multiple_of(PLAN_EVERY)).await;
        self.model.retain(&self.rules, day);
        if let Some(last) = over {
            self.model.cap_metrics(last);
        }
        self.done(day, "retention", started).await;

        if day % ERASE_EVERY == ERASE_EVERY - 1
            && let Some(user) = self.model.a_user()
        {
            let started = Instant::now();
            let whole_traces = day.is_multiple_of(2);
            let scope = if whole_traces { EraseScope::Trace } else { EraseScope::Record };
            let before = self.erased();
            self.model.erase(&user, whole_traces, &self.rules);
            let expected: Vec<u64> = self.erased().iter().zip(before).map(|(after, before)| after - before).collect();
            assert_eq!(self.lake.erase(&user, scope).await, expected, "day {day}: rows of {user} that are erased");
            self.done(day, "erasure", started).await;
        }
        self.tidy(day).await;
        self.bounds(day).await;
    }

    /// Vacuum and log clean-up; now and then a snapshot is pinned, and let go of a few days later.
    async fn tidy(&mut self, day: u64) {
        let started = Instant::now();
        if let Some((name, kept)) = self.pinned.take_if(|(_, kept)| day >= kept.until) {
            for (table, rows) in Signal::ALL.into_iter().zip(&kept.rows) {
                assert_eq!(self.lake.pinned(&name, table).await, *rows, "day {day}: {table} as of snapshot {name}");
            }
            self.lake.unpin(&name).await;
        }
        if day % PIN_EVERY == 3 {
            let name = format!("day-{day}");
            self.lake.pin(&name).await;
            let rows = Signal::ALL.map(|table| self.model.kept(table));
            self.pinned = Some((name, Pin { until: day + PIN_EVERY - 4, rows }));
            self.lake.leave_an_orphan();
        }
        if day.is_multiple_of(self.paces.vacuum) {
            self.lake.tidy().await;
            self.done(day, "vacuum", started).await;
            self.ledger(day).await;
        }
    }

    /// At the end: the store has what the logs name, and the ledger accounts for every row that went.
    async fn close(mut self, day: u64) {
        if let Some((name, _)) = self.pinned.take() {
            self.lake.unpin(&name).await;
        }
        self.lake.close().await;
        self.lake.tidy().await;
        for (table, stored, live) in self.lake.stored_and_live().await {
            assert_eq!(stored, live, "{table}: files in the store, and those that its log names");
        }
        self.ledger(day).await;
        self.rates(day).await;
    }

    /// The ledger accounts for every row that went.
    async fn ledger(&self, day: u64) {
        let told = removed(&self.lake).await;
        for (job, table) in [RETENTION, ERASURE].into_iter().flat_map(|job| Signal::ALL.map(|table| (job, table))) {
            let rows = told.get(&(job.to_owned(), table.to_string())).copied().unwrap_or(0);
            assert_eq!(rows, self.model.removed(job, table), "day {day}: rows of {table} that went by {job}, as told");
        }
    }

    /// Rows that were erased, by table.
    fn erased(&self) -> [u64; 3] {
        Signal::ALL.map(|table| self.model.removed(ERASURE, table))
    }

    /// Rules change as years go by: one is tightened, a hold is lifted.
    async fn change_rules(&mut self, day: u64) {
        if day == self.days / 2 {
            self.rules.severity = 21;
        } else if day == self.days * 2 / 3 {
            self.rules.hold = false;
        } else {
            return;
        }
        self.lake.restart(&self.rules).await;
    }

    /// The last day of metrics that goes since there are too many bytes of those that no age takes: whole days, the oldest
    /// first, never today.
    async fn days_over_cap(&mut self, today: u64) -> Option<u64> {
        let mut bytes = self.lake.live(Signal::Metrics).await.bytes;
        bytes.retain(|day, _| day + self.rules.metrics_after >= today);
        let mut sum: u64 = bytes.values().sum();
        let mut last = None;
        for (day, size) in bytes.range(..today) {
            if sum > self.rules.metrics_bytes {
                sum -= size;
                last = Some(*day);
            }
        }
        last
    }

    /// Some days, answers are noted before the first job, and have to be the same after each.
    async fn begin_to_ask(&mut self, day: u64) {
        self.asked = None;
        let rules = &self.rules;
        // A trace begins at most three days before its last span.
        let open = (day + 4).saturating_sub(rules.traces_after);
        let judged = open.saturating_sub(8);
        let kept = (day + 4).saturating_sub(rules.traces_end.min(rules.logs_end));
        if day % self.paces.questions == self.paces.questions - 1 && judged > 0 {
            let started = Instant::now();
            self.lake.reopen().await;
            let span = Span { kept, judged, open };
            self.asked = Some((span, answers(&self.lake, span).await));
            self.spend("questions", started);
        }
    }

    /// A job is done: the kept set is right, and the answers are what they were.
    async fn done(&mut self, day: u64, job: &'static str, started: Instant) {
        self.spend(job, started);
        self.check(day, job).await;
        let Some((span, before)) = &self.asked else { return };
        let started = Instant::now();
        let after = answers(&self.lake, *span).await;
        for ((question, before), (_, after)) in before.iter().zip(&after) {
            assert_eq!(before, after, "day {day}, before and after {job}: {question}");
        }
        self.spend("questions", started);
    }

    /// What was kept as a sample still tells how much happened: requests and errors of days whose traces are decided.
    async fn rates(&self, day: u64) {
        let first = (day + 4).saturating_sub(self.rules.traces_end);
        let last = day.saturating_sub(self.rules.traces_after + 4);
        let (requests, errors, off) = self.model.happened(first..=last, self.rules.sample);
        let (estimated, failed) = estimates(&self.lake, first, last).await;
        println!(
            "days {first} to {last}: {requests} requests, by views {estimated}; {errors} errors, {failed}; {off:.0} off at most"
        );
        assert!(requests > 0.0 && (estimated - requests).abs() <= off, "{estimated} requests of {requests}, {off}");
        assert!(errors > 0.0 && (failed - errors).abs() <= off, "{failed} errors of {errors}, {off}");
    }

    /// No more files and bytes than the days kept account for.
    async fn bounds(&mut self, day: u64) {
        for table in Signal::ALL {
            let live = self.lake.live(table).await;
            let (days, rows) = (self.model.days(table), self.model.kept(table).len() as u64);
            assert!(live.files.len() <= days.len(), "day {day}: {table} has files of days without rows: {live:?}");
            let files: u64 = live.files.values().sum();
            let bytes: u64 = live.bytes.values().sum();
            for (date, files) in &live.files {
                // Compaction leaves fewer runs of a mark than it merges at once; a run has as many files as it has targets.
                let bound = MARKS * RUNS_A_MARK + live.bytes[date] / TARGET_BYTES;
                assert!(*files <= bound, "day {day}: {table} has {files} files of day {date}, {bound} at most");
            }
            let bound = FILES_A_DAY * days.len() as u64 + MARKS * RUNS_A_MARK;
            assert!(files <= bound, "day {day}: {table} has {files} files of {} days, {bound} at most", days.len());
            let bound = files * FILE_BYTES + rows * ROW_BYTES;
            assert!(
                bytes <= bound,
                "day {day}: {table} has {bytes} bytes of {rows} rows in {files} files, {bound} at most"
            );
            if day % LOG_EVERY == LOG_EVERY - 1 {
                let most = live.files.values().max().unwrap_or(&0);
                println!(
                    "  {table}: {} days, {files} files, at most {most} a day, {rows} rows, {bytes} bytes",
                    days.len()
                );
            }
        }
    }

    fn spend(&mut self, what: &'static str, since: Instant) {
        match self.spent.iter_mut().find(|(name, _)| *name == what) {
            Some((_, spent)) => *spent += since.elapsed(),
            None => self.spent.push((what, since.elapsed())),
        }
    }

    /// The lake holds what the model does: every row, with its weight, as often.
    async fn check(&mut self, day: u64, after: &str) {
        let started = Instant::now();
        for table in Signal::ALL {
            let (kept, expected) = (self.lake.kept(table).await, self.model.kept(table));
            if kept == expected {
                continue;
            }
            let told = |missing: &[(u64, Option<f64>)], from: &[(u64, Option<f64>)]| -> Vec<String> {
                let rows = missing.iter().filter(|row| !from.contains(row)).take(8);
                rows.map(|row| format!("{row:?} {:?}", self.model.record(row.0))).collect()
            };
            panic!(
                "day {day}, after {after}: {table} has {} rows, expected are {}\nlacks {:#?}\nhas {:#?}",
                kept.len(),
                expected.len(),
                told(&expected, &kept),
                told(&kept, &expected)
            );
        }
        self.spend("check", started);
    }
}

/// Planning needs a deep stack, as the program's own threads have.
const STACK_BYTES: usize = 64 << 20;

#[test]
fn two_years_of_days_are_kept_as_the_rules_say() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).thread_stack_size(STACK_BYTES).enable_all().build().unwrap();
    let days = from_env("TELESTRATA_SIM_DAYS", 40);
    let seed = from_env("TELESTRATA_SIM_SEED", 1);
    println!("TELESTRATA_SIM_SEED={seed} TELESTRATA_SIM_DAYS={days}");
    // Records are shared within a thread, so all but the jobs' own tasks stays on this one.
    std::thread::scope(|scope| {
        let simulation = || runtime.block_on(simulate(days, seed));
        std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, simulation).unwrap();
    });
}

async fn simulate(days: u64, seed: u64) {
    let is_long = days > 200;
    let paces = if is_long { Paces { questions: 30, vacuum: 4 } } else { Paces { questions: 8, vacuum: 1 } };
    let shape = Shape { seed, traces_a_day: 10, flushes_a_day: 2, latest: if is_long { 45 } else { 12 } };
    let first_date = chrono::Utc::now().date_naive() - Days::new(days);
    let rules = rules(is_long);
    let mut simulation = Simulation {
        days,
        paces,
        lake: Lake::new(first_date, &rules).await,
        model: Model::default(),
        world: World::new(shape),
        rules,
        asked: None,
        pinned: None,
        spent: Vec::new(),
    };
    for day in 0..days {
        Box::pin(simulation.day(day)).await;
        if day % LOG_EVERY == LOG_EVERY - 1 {
            println!("day {day}: {:.1?}", simulation.spent);
        }
    }
    Box::pin(simulation.close(days - 1)).await;
}

/// In days: what two years need, or what shows in a few weeks.
const fn rules(is_long: bool) -> Rules {
    let ages = if is_long { [30, 400, 14, 400, 60, 200] } else { [10, 22, 5, 22, 14, 16] };
    let [logs_after, logs_end, traces_after, traces_end, spans_after, metrics_after] = ages;
    Rules {
        logs_after,
        severity: 17,
        logs_end,
        traces_after,
        sample: 0.25,
        traces_end,
        spans_after,
        metrics_after,
        metrics_bytes: metrics_after * 60_000,
        hold: true,
    }
}
