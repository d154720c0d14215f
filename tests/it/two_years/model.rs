//! What a lake must hold, by the rules read out plainly over a list of rows.
//!
//! Nothing here knows of files, marks, decisions in tables or commits; a rule is a loop over rows. Days are numbers: of
//! a record the day of its own time, of `today` the day that is simulated.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::rc::Rc;

use telestrata::model::signal::Signal;

use super::world::{ACCOUNTS, Record, What};

/// One stored copy of a record.
#[derive(Debug, Clone)]
pub struct Row {
    pub record: Rc<Record>,
    /// `adjusted_count`.
    pub adjusted: Option<f64>,
    /// Whether its trace's weight is in that.
    weighted: bool,
}

/// The rules, in days.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Of logs without a trace: after these days only errors and payments stay,
    pub logs_after: u64,
    /// of these severities at least,
    pub severity: u8,
    /// and after these nothing.
    pub logs_end: u64,
    /// Of traces: after these days those with errors, slow ones and a sample stay,
    pub traces_after: u64,
    /// of this share,
    pub sample: f64,
    /// and after these nothing.
    pub traces_end: u64,
    /// Of spans without a trace nothing stays after these.
    pub spans_after: u64,
    /// Nor of metrics after these.
    pub metrics_after: u64,
    /// Bytes of metrics above which the oldest days go.
    pub metrics_bytes: u64,
    /// Whether logs of the case are held.
    pub hold: bool,
}

/// What became of a trace, for good.
#[derive(Debug, Clone, Copy)]
struct Decision {
    /// How many traces it stands for; `None` where it goes.
    kept_as: Option<f64>,
    last_day: u64,
}

/// What took rows away.
pub const RETENTION: &str = "retention";
pub const ERASURE: &str = "erasure";

#[derive(Debug, Default)]
pub struct Model {
    rows: Vec<Row>,
    decided: BTreeMap<String, Decision>,
    erased_users: BTreeSet<String>,
    /// Everything that was ever stored, by its number.
    taken: BTreeMap<u64, Rc<Record>>,
    /// Rows that went, by job and table.
    removed: BTreeMap<(&'static str, &'static str), u64>,
}

fn is_past(day: u64, age: u64, today: u64) -> bool {
    day + age < today
}

/// OpenTelemetry's consistent sampling: the last 56 bits of a trace's id, against the threshold of a share.
fn is_sampled(trace: &str, share: f64) -> bool {
    const ALL: u64 = 1 << 56;
    let random = u64::from_str_radix(&trace[trace.len() - 14..], 16).unwrap();
    random >= ALL - (share * ALL as f64).round() as u64
}

impl Rules {
    /// As a configuration file has them.
    pub fn toml(&self) -> String {
        let Self { logs_after, severity, logs_end, traces_after, sample, traces_end, spans_after, .. } = self;
        let Self { metrics_after, metrics_bytes, .. } = self;
        let mut text = format!(
            "[[retention]]
table = \"logs\"
after = \"{logs_after}d\"
keep_where = \"severity_number >= {severity} or service_name = 'payments'\"
then_after = \"{logs_end}d\"
[[retention]]
table = \"traces\"
after = \"{traces_after}d\"
keep_where = \"error_count > 0 or duration_ms > 2000 or sample(trace_id, {sample})\"
then_after = \"{traces_end}d\"
[[retention]]
table = \"spans\"
after = \"{spans_after}d\"
[[retention]]
table = \"metrics\"
after = \"{metrics_after}d\"
max_bytes = {metrics_bytes}
"
        );
        if self.hold {
            text.push_str(
                "[[hold]]\ntable = \"logs\"\nwhere = \"attributes['case'] = 'A-7'\"\nreason = \"case A-7\"\n",
            );
        }
        text
    }

    fn holds(&self, record: &Record) -> bool {
        self.hold && record.in_case
    }

    fn keeps_lone(&self, record: &Record, today: u64) -> bool {
        let day = record.day();
        match record.what {
            What::Log { severity } => {
                let outlives = severity >= self.severity || record.service == "payments";
                !is_past(day, if outlives { self.logs_end } else { self.logs_after }, today)
            }
            What::Span { .. } => !is_past(day, self.spans_after, today),
            What::Metric { .. } => !is_past(day, self.metrics_after, today),
        }
    }

    /// How many traces one stands for, `None` where it goes. `rows` are those of one trace.
    fn judge(&self, trace: &str, rows: &[&Row]) -> Option<f64> {
        let (mut errors, mut first, mut last) = (0, u64::MAX, 0);
        for row in rows {
            if let What::Span { duration, is_error, .. } = row.record.what {
                errors += u64::from(is_error);
                first = first.min(row.record.time);
                last = last.max(row.record.time + duration);
            }
        }
        let is_slow = last > first && last - first > 2_000_000_000;
        if errors > 0 || is_slow {
            Some(1.0)
        } else if is_sampled(trace, self.sample) {
            Some(1.0 / self.sample)
        } else {
            None
        }
    }
}

/// Whether a row stays; brings its weight up to what its trace stands for.
fn stays(
    row: &mut Row,
    rules: &Rules,
    held: &BTreeSet<String>,
    decided: &BTreeMap<String, Decision>,
    today: u64,
) -> bool {
    let Some(trace) = &row.record.trace else {
        return rules.holds(&row.record) || rules.keeps_lone(&row.record, today);
    };
    // Rules touch dates that are past; until then a row of a trace that is decided stays as it is.
    if held.contains(trace) || !is_past(row.record.day(), rules.traces_after, today) {
        return true;
    }
    let Some(decision) = decided.get(trace) else { return true };
    let Some(stands_for) = decision.kept_as else { return false };
    if !row.weighted && stands_for != 1.0 {
        // Who is among the sender's half is among a quarter by the same bits of the same id: the chances do not
        // multiply.
        let counted = row.adjusted.unwrap_or(1.0);
        row.adjusted = Some(if row.record.is_half { counted.max(stands_for) } else { counted * stands_for });
    }
    row.weighted = true;
    !is_past(decision.last_day, rules.traces_end, today)
}

impl Model {
    /// A record is stored, unless it names who was erased and nothing holds it.
    pub fn take(&mut self, record: &Rc<Record>, rules: &Rules) {
        let is_erased = record.user.as_ref().is_some_and(|user| self.erased_users.contains(user));
        if !is_erased || rules.holds(record) {
            self.taken.insert(record.number, Rc::clone(record));
            let adjusted = record.is_half.then_some(2.0);
            self.rows.push(Row { record: Rc::clone(record), adjusted, weighted: false });
        }
    }

    /// The rules are applied.
    pub fn retain(&mut self, rules: &Rules, today: u64) {
        let held = self.held_traces(rules);
        self.decide(rules, &held, today);
        let (decided, removed) = (&self.decided, &mut self.removed);
        self.rows.retain_mut(|row| {
            let stays = stays(row, rules, &held, decided, today);
            if !stays {
                *removed.entry((RETENTION, row.record.table().table())).or_default() += 1;
            }
            stays
        });
    }

    /// Traces of which a row is held: nothing becomes of them.
    fn held_traces(&self, rules: &Rules) -> BTreeSet<String> {
        let held = self.rows.iter().filter(|row| rules.holds(&row.record));
        held.filter_map(|row| row.record.trace.clone()).collect()
    }

    /// Decides traces whose last day is past, once; what comes later moves that day, and nothing else.
    fn decide(&mut self, rules: &Rules, held: &BTreeSet<String>, today: u64) {
        let mut traces: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            if let Some(trace) = &row.record.trace {
                traces.entry(trace).or_default().push(row);
            }
        }
        for (trace, rows) in traces {
            let last_day = rows.iter().map(|row| row.record.day()).max().unwrap();
            if held.contains(trace) {
                continue;
            }
            if let Some(decision) = self.decided.get_mut(trace) {
                decision.last_day = decision.last_day.max(last_day);
            } else if is_past(last_day, rules.traces_after, today) {
                let kept_as = rules.judge(trace, &rows);
                self.decided.insert(trace.to_owned(), Decision { kept_as, last_day });
            }
        }
    }

    /// What names this user goes, now and later; with whole traces, now, all of the traces that it is in.
    pub fn erase(&mut self, user: &str, whole_traces: bool, rules: &Rules) {
        let names = |row: &&Row| row.record.user.as_deref() == Some(user);
        let traces: BTreeSet<String> = if whole_traces {
            self.rows.iter().filter(names).filter_map(|row| row.record.trace.clone()).collect()
        } else {
            BTreeSet::new()
        };
        let removed = &mut self.removed;
        self.rows.retain(|row| {
            let is_of_trace = row.record.trace.as_ref().is_some_and(|trace| traces.contains(trace));
            let stays = !(names(&row) || is_of_trace) || rules.holds(&row.record);
            if !stays {
                *removed.entry((ERASURE, row.record.table().table())).or_default() += 1;
            }
            stays
        });
        self.erased_users.insert(user.to_owned());
    }

    /// Someone who is in the lake and not erased.
    pub fn a_user(&self) -> Option<String> {
        self.rows.iter().rev().find_map(|row| row.record.user.clone()).filter(|user| !self.erased_users.contains(user))
    }

    /// The days of metrics up to this one go.
    pub fn cap_metrics(&mut self, last: u64) {
        let before = self.rows.len();
        self.rows.retain(|row| row.record.table() != Signal::Metrics || row.record.day() > last);
        *self.removed.entry((RETENTION, Signal::Metrics.table())).or_default() += (before - self.rows.len()) as u64;
    }

    /// What a table holds: numbers and weights, in order.
    pub fn kept(&self, table: Signal) -> Vec<(u64, Option<f64>)> {
        let rows = self.rows.iter().filter(|row| row.record.table() == table);
        let mut kept: Vec<_> = rows.map(|row| (row.record.number, row.adjusted)).collect();
        kept.sort_by(|one, other| one.partial_cmp(other).unwrap());
        kept
    }

    /// The days of which a table has rows.
    pub fn days(&self, table: Signal) -> BTreeSet<u64> {
        self.rows.iter().filter(|row| row.record.table() == table).map(|row| row.record.day()).collect()
    }

    /// Requests of traces that happened on these days, those that failed, and how far an estimate by a sample of the
    /// traces may be off: five standard deviations. A request is a span; nobody who may be erased counts.
    pub fn happened(&self, days: RangeInclusive<u64>, share: f64) -> (f64, f64, f64) {
        let (mut requests, mut errors) = (0.0, 0.0);
        let mut by_trace: BTreeMap<&str, f64> = BTreeMap::new();
        for record in self.taken.values().filter(|record| days.contains(&record.day()) && record.service != ACCOUNTS) {
            if let (What::Span { is_error, .. }, Some(trace)) = (&record.what, &record.trace) {
                let count = if record.is_half { 2.0 } else { 1.0 };
                requests += count;
                errors += if *is_error { count } else { 0.0 };
                *by_trace.entry(trace).or_default() += count;
            }
        }
        // A trace of n requests that a share p of chances keeps as n / p has the variance n * n * (1 - p) / p.
        let variance: f64 = by_trace.values().map(|count| count * count * (1.0 - share) / share).sum();
        (requests, errors, 5.0 * variance.sqrt())
    }

    /// Rows that a job took away from a table.
    pub fn removed(&self, job: &'static str, table: Signal) -> u64 {
        self.removed.get(&(job, table.table())).copied().unwrap_or(0)
    }

    /// A record by its number, if a copy of it is kept.
    pub fn record(&self, number: u64) -> Option<&Record> {
        self.rows.iter().map(|row| &*row.record).find(|record| record.number == number)
    }
}
