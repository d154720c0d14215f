//! What goes and what stays, by rule and reason.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::fates::Why;
use super::rules::{RetentionRules, TableRule};
use crate::maintenance::rewriter::Counts;
use crate::model::signal::Signal;

/// Rows of one table that go, or stay, for one reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetentionLine {
    /// The table.
    pub table: &'static str,
    /// Whether they go.
    pub goes: bool,
    /// The rule or hold, as `[[retention]] number 2`; `None` where no rule is of them.
    pub rule: Option<String>,
    /// Why, in a person's words.
    pub reason: String,
    /// The first of their dates.
    pub first_date: NaiveDate,
    /// The last of them.
    pub last_date: NaiveDate,
    /// Files with such rows.
    pub files: u64,
    /// Those of them that go, or stay, as a whole for this reason.
    pub whole_files: u64,
    /// Rows.
    pub rows: u64,
    /// Their part of the files' bytes.
    pub bytes: u64,
}

/// A commit of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RetentionCommit {
    /// The table.
    pub table: &'static str,
    /// The date, `None` for whole files of many dates.
    pub date: Option<NaiveDate>,
    /// What came of it.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What a run could not do.
#[derive(Debug, Clone, Serialize)]
pub struct RetentionFailure {
    /// The table, `traces` where traces could not be judged.
    pub table: &'static str,
    /// The date, where it is about one.
    pub date: Option<NaiveDate>,
    /// Why.
    pub error: String,
}

/// What a plan shows, or what a run did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RetentionReport {
    /// What goes and what stays.
    pub lines: Vec<RetentionLine>,
    /// Traces that were decided; in a plan, that would be.
    pub traces_decided: u64,
    /// Those of them that are kept.
    pub traces_kept: u64,
    /// Commits, in their order; none in a plan.
    pub commits: Vec<RetentionCommit>,
    /// Rewrites that were given up because another writer was first; the next run does them.
    pub overtaken: u64,
    /// What could not be done.
    pub failures: Vec<RetentionFailure>,
}

/// Sums while a run looks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sums: BTreeMap<(Signal, Why, NaiveDate), Sum>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    files: u64,
    whole_files: u64,
    rows: u64,
    bytes: u64,
}

impl Tally {
    /// Takes in rows of one file.
    pub(super) fn add(&mut self, signal: Signal, why: Why, date: NaiveDate, rows: u64, bytes: u64, is_whole: bool) {
        let sum = self.sums.entry((signal, why, date)).or_default();
        sum.files += 1;
        sum.whole_files += u64::from(is_whole);
        sum.rows += rows;
        sum.bytes += bytes;
    }

    /// Forgets what stays of a date that is looked at once more, because the table has too many bytes.
    pub(super) fn look_again(&mut self, signal: Signal, date: NaiveDate) {
        self.sums.retain(|(of, why, day), _| *of != signal || *day != date || why.goes());
    }

    pub(super) fn lines(&self, rules: &RetentionRules) -> Vec<RetentionLine> {
        let mut lines: BTreeMap<(Signal, Why), RetentionLine> = BTreeMap::new();
        for ((signal, why, date), sum) in &self.sums {
            let line = lines.entry((*signal, *why)).or_insert_with(|| RetentionLine {
                table: signal.table(),
                goes: why.goes(),
                rule: rule(*signal, *why, rules),
                reason: reason(*signal, *why, rules),
                first_date: *date,
                last_date: *date,
                files: 0,
                whole_files: 0,
                rows: 0,
                bytes: 0,
            });
            line.last_date = *date;
            line.files += sum.files;
            line.whole_files += sum.whole_files;
            line.rows += sum.rows;
            line.bytes += sum.bytes;
        }
        lines.into_values().collect()
    }
}

/// The rule that says so.
pub(super) fn rule(signal: Signal, why: Why, rules: &RetentionRules) -> Option<String> {
    let retention = |number: usize| format!("[[retention]] number {number}");
    match why {
        Why::Expired | Why::Ended | Why::OverCap | Why::Kept => {
            rules.of_table(signal).map(|rule| retention(rule.number))
        }
        Why::TraceDropped | Why::TraceEnded | Why::TraceKept | Why::Undecided => {
            rules.traces.as_ref().map(|rule| retention(rule.number))
        }
        Why::Held(hold) => Some(format!("[[hold]] number {hold}")),
        Why::Unruled | Why::JudgedBefore => None,
    }
}

/// Why, in a person's words.
pub(super) fn reason(signal: Signal, why: Why, rules: &RetentionRules) -> String {
    let table = rules.of_table(signal);
    let after = table.and_then(|rule| rule.after).map_or_else(String::new, |age| age.to_string());
    let then_after = |rule: Option<&TableRule>| rule.and_then(|rule| rule.then_after);
    match why {
        Why::Expired if table.is_some_and(|rule| rule.keep_where.is_some()) => {
            format!("past after = {after}, and keep_where does not keep them")
        }
        Why::Expired => format!("past after = {after}"),
        Why::Ended => {
            format!("past then_after = {}", then_after(table).map_or_else(String::new, |age| age.to_string()))
        }
        Why::TraceDropped => "of traces that keep_where does not keep".to_owned(),
        Why::TraceEnded => {
            let rule = rules.traces.as_ref();
            let age =
                rule.map(|rule| rule.then_after.unwrap_or(rule.after)).map_or_else(String::new, |age| age.to_string());
            format!("of traces whose last row is past {age}")
        }
        Why::OverCap => {
            let cap = table.and_then(|rule| rule.max_bytes).unwrap_or(0);
            format!("the oldest dates of a table above max_bytes = {}", bytesize::ByteSize(cap))
        }
        Why::Kept => "kept by keep_where".to_owned(),
        Why::TraceKept => "of traces that are kept".to_owned(),
        Why::Undecided => "of traces that go on past the dates that are judged now".to_owned(),
        Why::Held(hold) => {
            let reason = rules.holds.numbered(hold).map_or("", |hold| &hold.reason);
            format!("held: {reason}")
        }
        Why::Unruled => "no rule is of them at their age".to_owned(),
        Why::JudgedBefore => "judged by these rules before".to_owned(),
    }
}
