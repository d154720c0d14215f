//! The rules, and what they say of a table's date: pure, without a clock.
//!
//! ```text
//!            today - after - 1          today - then_after - 1
//! dates  <---------|---------------------------|------------------->  past
//!   open           |          judged           |        ended
//!   all stays      |  what keep_where says     |   nothing is left
//! ```
//! Rules act on whole dates: a date is past an age of N days once every moment of it is N days old or older. Without
//! `keep_where` nothing outlives `after`, so a date goes from open to ended.

use std::fmt;
use std::str::FromStr;

use arrow::array::RecordBatch;
use chrono::{Days as ChronoDays, NaiveDate};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::maintenance::hold::Holds;
use crate::maintenance::run::Mark;
use crate::model::signal::Signal;
use crate::query::RowFilter;

/// More than that is longer than the contract's times reach.
const MAX_DAYS: u32 = 100_000;

/// An age in whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(u32);

impl Age {
    /// The last date that is past this age.
    pub fn last_past(self, today: NaiveDate) -> Option<NaiveDate> {
        today.checked_sub_days(ChronoDays::new(u64::from(self.0) + 1))
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        match days.filter(|days| (1..=MAX_DAYS).contains(days)) {
            Some(days) => Ok(Self(days)),
            None => Err(format!("`{text}` is no number of whole days, 1d to {MAX_DAYS}d; write 30d")),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.0)
    }
}

/// A condition over the rows of a table.
#[derive(Debug, Clone)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// As it is asked.
    pub filter: RowFilter,
}

/// What becomes of the rows of one table as they age.
#[derive(Debug, Clone)]
pub struct TableRule {
    /// Its number among the `[[retention]]`, from 1.
    pub number: usize,
    /// The table.
    pub signal: Signal,
    /// From when on rows go.
    pub after: Option<Age>,
    /// Which rows stay beyond that.
    pub keep_where: Option<Condition>,
    /// From when on those go too.
    pub then_after: Option<Age>,
    /// Bytes of the table's files above which the oldest dates go.
    pub max_bytes: Option<u64>,
}

/// What becomes of whole traces: their spans and logs.
#[derive(Debug, Clone)]
pub struct TraceRule {
    /// Its number among the `[[retention]]`, from 1.
    pub number: usize,
    /// From when on traces are judged, counted from their last date.
    pub after: Age,
    /// Which stay; `None` for none.
    pub keep_where: Option<TraceCondition>,
    /// From when on those go too.
    pub then_after: Option<Age>,
}

/// A condition over the columns of the `traces` view, as steps of chance (`query::sample_steps`).
#[derive(Debug, Clone)]
pub struct TraceCondition {
    /// As it was written.
    pub text: String,
    /// The probability of each step, the largest first, and the condition that it holds for.
    pub steps: Vec<(f64, RowFilter)>,
}

impl TraceCondition {
    /// Of each trace the probability with which the condition keeps it, `None` for never: 1 where it does so without
    /// a sample.
    ///
    /// # Errors
    /// What a condition meets.
    pub fn probabilities(&self, traces: &RecordBatch) -> Result<Vec<Option<f64>>> {
        let mut found = vec![None; traces.num_rows()];
        for (probability, filter) in &self.steps {
            let holds = filter.matches(traces)?;
            for (found, holds) in found.iter_mut().zip(holds.values()) {
                if holds && found.is_none() {
                    *found = Some(*probability);
                }
            }
        }
        Ok(found)
    }
}

/// Where a date stands with a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// No rule touches it yet.
    Open,
    /// Rows stay by `keep_where`.
    Judged,
    /// Rows go.
    Ended,
}

/// A rule's two borders: the last date that is past each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Borders {
    /// Past `after`.
    pub(super) judged: Option<NaiveDate>,
    /// Past `then_after`, or past `after` where nothing outlives that.
    pub(super) ended: Option<NaiveDate>,
}

impl Borders {
    fn new(today: NaiveDate, after: Option<Age>, then_after: Option<Age>, keeps: bool) -> Self {
        let last = |age: Option<Age>| age.and_then(|age| age.last_past(today));
        Self { judged: last(after), ended: last(if keeps { then_after } else { after }) }
    }

    pub(super) fn stage(self, date: NaiveDate) -> Stage {
        if self.ended.is_some_and(|last| date <= last) {
            Stage::Ended
        } else if self.judged.is_some_and(|last| date <= last) {
            Stage::Judged
        } else {
            Stage::Open
        }
    }
}

impl TableRule {
    pub(super) fn borders(&self, today: NaiveDate) -> Borders {
        Borders::new(today, self.after, self.then_after, self.keep_where.is_some())
    }
}

impl TraceRule {
    pub(super) fn borders(&self, today: NaiveDate) -> Borders {
        Borders::new(today, Some(self.after), self.then_after, self.keep_where.is_some())
    }
}

/// Every rule and hold of a lake.
#[derive(Debug, Clone, Default)]
pub struct RetentionRules {
    /// Those of tables, one a table at most.
    pub tables: Vec<TableRule>,
    /// That of traces.
    pub traces: Option<TraceRule>,
    /// What stays whatever they say.
    pub holds: Holds,
}

impl RetentionRules {
    /// Whether there is nothing to do, ever.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.traces.is_none()
    }

    /// The rule of a table.
    pub fn of_table(&self, signal: Signal) -> Option<&TableRule> {
        self.tables.iter().find(|rule| rule.signal == signal)
    }

    /// The rule of the traces that a table has rows of.
    pub(super) fn of_traces(&self, signal: Signal) -> Option<&TraceRule> {
        self.traces.as_ref().filter(|_| signal != Signal::Metrics)
    }

    /// What they say of a table's date.
    pub(super) fn of_date(&self, signal: Signal, date: NaiveDate, today: NaiveDate) -> DateRules {
        let table = self.of_table(signal).map_or(Stage::Open, |rule| rule.borders(today).stage(date));
        let traces = self.of_traces(signal).map_or(Stage::Open, |rule| rule.borders(today).stage(date));
        let mut said = format!("{table:?} {traces:?}");
        if table == Stage::Judged {
            let condition = self.of_table(signal).and_then(|rule| rule.keep_where.as_ref());
            said.push_str(condition.map_or("", |condition| &condition.text));
        }
        // What a hold keeps is looked at again when the holds change.
        let of_traces = traces != Stage::Open;
        let holds = self
            .holds
            .iter()
            .filter(|hold| hold.signal == signal || (of_traces && self.of_traces(hold.signal).is_some()));
        for hold in holds {
            said.push_str(&format!("\n{} {}", hold.signal, hold.condition));
        }
        let undecided = fingerprint(&format!("{said}\nundecided on {today}"));
        DateRules { signal, date, table, traces, fingerprint: fingerprint(&said), undecided }
    }

    /// As `config show` tells them.
    pub fn described(&self) -> Value {
        let ages = |after: Option<Age>, then_after: Option<Age>| {
            [("after", after), ("then_after", then_after)]
                .into_iter()
                .filter_map(|(name, age)| Some((name.to_owned(), json!(age?.to_string()))))
        };
        let tables = self.tables.iter().map(|rule| {
            let mut entry: serde_json::Map<String, Value> = ages(rule.after, rule.then_after).collect();
            entry.insert("table".to_owned(), json!(rule.signal.table()));
            entry.extend(rule.keep_where.iter().map(|keep| ("keep_where".to_owned(), json!(keep.text))));
            entry.extend(rule.max_bytes.iter().map(|bytes| ("max_bytes".to_owned(), json!(bytes))));
            (rule.number, Value::Object(entry))
        });
        let traces = self.traces.iter().map(|rule| {
            let mut entry: serde_json::Map<String, Value> = ages(Some(rule.after), rule.then_after).collect();
            entry.insert("table".to_owned(), json!(TRACES));
            entry.extend(rule.keep_where.iter().map(|keep| ("keep_where".to_owned(), json!(keep.text))));
            (rule.number, Value::Object(entry))
        });
        let mut all: Vec<(usize, Value)> = tables.chain(traces).collect();
        all.sort_by_key(|(number, _)| *number);
        Value::Array(all.into_iter().map(|(_, entry)| entry).collect())
    }
}

/// The name of what the trace rule rules.
pub const TRACES: &str = "traces";

/// What the rules say of one table's date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DateRules {
    pub(super) signal: Signal,
    pub(super) date: NaiveDate,
    pub(super) table: Stage,
    pub(super) traces: Stage,
    fingerprint: u32,
    undecided: u32,
}

/// The lowest bits of a mark: what was judged. The one above says whether the weights of traces are in.
const FINGERPRINT_BITS: u32 = 28;
const WEIGHTED: u32 = 1 << FINGERPRINT_BITS;

/// The mark of rows whose traces' weights are in, and that are looked at again.
pub(super) const WEIGHTED_AGAIN: Mark = Mark::judged(WEIGHTED);

/// Never 0, which is that of no rules.
fn fingerprint(said: &str) -> u32 {
    // Cut off on purpose: a few bits tell rules apart.
    u32::try_from(xxh3_64(said.as_bytes()) >> (64 - FINGERPRINT_BITS)).unwrap_or(0).max(1)
}

impl DateRules {
    /// Whether no rule touches the date yet.
    pub(super) fn is_open(&self) -> bool {
        self.table == Stage::Open && self.traces == Stage::Open
    }

    /// Whether rows go whatever they say, as far as the log tells: nothing is held, and no traces are apart.
    pub(super) fn takes_all(&self, rules: &RetentionRules) -> bool {
        self.table == Stage::Ended
            && rules.of_traces(self.signal).is_none()
            && rules.holds.of(self.signal).next().is_none()
    }

    /// The mark of rows that these rules have judged, with their traces' weights or without.
    pub(super) const fn mark(&self, weighted: bool) -> Mark {
        Mark::judged(self.fingerprint | if weighted { WEIGHTED } else { 0 })
    }

    /// Whether a file with this mark has nothing more to tell these rules.
    pub(super) fn has_judged(&self, mark: Mark) -> bool {
        mark == self.mark(true) || mark == self.mark(false) || mark == self.undecided()
    }

    /// The mark of rows of traces that go on past the dates that are judged today: there is nothing new to be said of them
    /// before tomorrow.
    pub(super) const fn undecided(&self) -> Mark {
        Mark::judged(self.undecided)
    }
}

/// Whether the weights of a file's traces are in.
pub(super) fn is_weighted(mark: Mark) -> bool {
    mark.fingerprint().is_some_and(|fingerprint| fingerprint & WEIGHTED != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[rstest::rstest]
    #[case("1d", Some("2024-02-28"))]
    #[case("30d", Some("2024-01-30"))]
    #[case("400d", Some("2023-01-25"))]
    fn a_date_is_past_once_all_of_it_is(#[case] age: &str, #[case] last: Option<&str>) {
        // Of the 1st of March at any hour: the end of that date is so many days ago or more, the next one's is not.
        let age: Age = age.parse().unwrap();
        assert_eq!(age.last_past(date("2024-03-01")), last.map(date));
    }

    #[rstest::rstest]
    #[case("30")]
    #[case("0d")]
    #[case("12h")]
    #[case("1.5d")]
    #[case("-1d")]
    #[case("1000000d")]
    #[case("30 d")]
    fn an_age_is_whole_days(#[case] text: &str) {
        assert!(text.parse::<Age>().unwrap_err().contains("30d"));
    }

    #[test]
    fn what_is_not_kept_ends_at_once() {
        let today = date("2024-03-01");
        let age = |text: &str| Some(text.parse::<Age>().unwrap());
        let stages = |borders: Borders| ["2024-02-28", "2024-02-20", "2023-12-01"].map(|day| borders.stage(date(day)));
        let keeps = Borders::new(today, age("5d"), age("60d"), true);
        assert_eq!(stages(keeps), [Stage::Open, Stage::Judged, Stage::Ended]);
        assert_eq!(stages(Borders::new(today, age("5d"), None, true)), [Stage::Open, Stage::Judged, Stage::Judged]);
        assert_eq!(stages(Borders::new(today, age("5d"), None, false)), [Stage::Open, Stage::Ended, Stage::Ended]);
        assert_eq!(stages(Borders::new(today, None, None, false)), [Stage::Open; 3]);
    }

    #[test]
    fn a_mark_says_whether_weights_are_in() {
        let rules = RetentionRules::default().of_date(Signal::Logs, date("2024-01-01"), date("2024-03-01"));
        assert!(rules.is_open());
        let (with, without) = (rules.mark(true), rules.mark(false));
        assert!(is_weighted(with) && !is_weighted(without) && !is_weighted(Mark::NONE));
        assert!(rules.has_judged(with) && rules.has_judged(without) && !rules.has_judged(Mark::NONE));
    }
}
