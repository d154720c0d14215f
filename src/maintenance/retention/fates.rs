//! What becomes of each row of a table's date: the one place that says so, for the plan and for the rewrite.
//!
//! ```text
//! a span or log with a trace id, where there is a rule of traces       any other row
//!   held, or its trace is            stays                               held         stays
//!   decided: ended or dropped        goes                                ended        goes
//!   decided: kept                    stays, weighted once                judged       stays where keep_where is true
//!   not decided                      stays for the next time             open         stays
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Float64Type;

use super::decisions::{Decided, TraceKey};
use super::rules::{DateRules, RetentionRules, Stage, WEIGHTED_AGAIN, is_weighted};
use crate::error::{Error, Result};
use crate::maintenance::run::Mark;
use crate::maintenance::sieve::Sieve;
use crate::model::signal::Signal;
use crate::otlp::weighted_count;

/// Why a row goes or stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Why {
    /// Goes: past `after`, and `keep_where` does not keep it.
    Expired,
    /// Goes: past `then_after`.
    Ended,
    /// Goes: its trace was not kept.
    TraceDropped,
    /// Goes: its trace is past `then_after`.
    TraceEnded,
    /// Goes: the table has more than `max_bytes`.
    OverCap,
    /// Stays: `keep_where` keeps it.
    Kept,
    /// Stays: its trace was kept.
    TraceKept,
    /// Stays for now: its trace goes on past the dates that are judged, or came in while they were.
    Undecided,
    /// Stays: the hold of this number.
    Held(usize),
    /// Stays: no rule is of this row yet.
    Unruled,
    /// Stays: judged before by the same rules.
    JudgedBefore,
}

impl Why {
    /// Whether the row goes.
    pub(super) const fn goes(self) -> bool {
        matches!(self, Self::Expired | Self::Ended | Self::TraceDropped | Self::TraceEnded | Self::OverCap)
    }
}

/// Where a row that stays is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Judged for good by these rules.
    Judged,
    /// As it was, to be looked at again: of a trace that is not decided, tomorrow.
    Again,
    /// As it was, until the holds change.
    Held,
    /// With its weight, to be looked at again next time.
    WeightedAgain,
}

impl Lane {
    /// Every lane, in the order of a rewrite.
    pub(super) const ALL: [Self; 4] = [Self::Judged, Self::Again, Self::Held, Self::WeightedAgain];
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fate {
    pub(super) why: Why,
    /// `None` where it goes.
    pub(super) lane: Option<Lane>,
    /// How many its count is to stand for, 1 for no change.
    pub(super) weight: f64,
}

impl Fate {
    const fn goes(why: Why) -> Self {
        Self { why, lane: None, weight: 1.0 }
    }

    const fn stays(why: Why, lane: Lane) -> Self {
        Self { why, lane: Some(lane), weight: 1.0 }
    }
}

/// What the judgement of a date's rows follows.
#[derive(Debug, Clone, Default)]
pub(super) struct TraceFacts {
    /// What was decided of the traces that these rows are of.
    pub(super) decided: Decided,
    /// Traces with rows on both sides of the border at which traces end.
    pub(super) beyond_end: Arc<HashSet<TraceKey>>,
    /// Traces with a held row, and the hold.
    pub(super) held: Arc<HashMap<TraceKey, usize>>,
    /// The last day, since 1970, on which a trace that is past its end had its last row.
    pub(super) ended: Option<i32>,
}

/// Judges the rows of one table's date that are in files of one mark.
#[derive(Debug, Clone)]
pub(super) struct Fates {
    pub(super) rules: Arc<RetentionRules>,
    pub(super) date: DateRules,
    pub(super) mark: Mark,
    /// Of a file that another engine named, when it was written, in ms since 1970: it has lost its mark, if it had one.
    pub(super) foreign_since: Option<i64>,
    pub(super) facts: Arc<TraceFacts>,
    /// All that is not held goes: the table has more than `max_bytes`.
    pub(super) over_cap: bool,
}

impl Fates {
    /// The mark of a lane.
    pub(super) fn mark_of(&self, lane: Lane) -> Mark {
        let is_weighted = is_weighted(self.mark);
        match lane {
            Lane::Judged => self.date.mark(is_weighted || self.date.traces != Stage::Open),
            Lane::Again if is_weighted || self.over_cap => self.mark,
            Lane::Again => self.date.undecided(),
            Lane::Held => self.date.mark(is_weighted),
            Lane::WeightedAgain => WEIGHTED_AGAIN,
        }
    }

    /// The columns that the judgement reads.
    pub(super) fn columns(&self) -> HashSet<String> {
        let signal = self.date.signal;
        let mut columns: HashSet<String> =
            self.rules.holds.of(signal).flat_map(|hold| named(hold.filter.columns())).collect();
        if self.date.table == Stage::Judged
            && let Some(condition) = self.rules.of_table(signal).and_then(|rule| rule.keep_where.as_ref())
        {
            columns.extend(named(condition.filter.columns()));
        }
        if self.rules.of_traces(signal).is_some() {
            columns.insert("trace_id".to_owned());
        }
        columns
    }

    /// What becomes of each of these rows, which have the contract's columns, NULL where [`Self::columns`] has them not.
    ///
    /// # Errors
    /// What a condition meets.
    pub(super) fn of(&self, rows: &RecordBatch) -> Result<Vec<Fate>> {
        let signal = self.date.signal;
        let held = self.rules.holds.held(signal, rows)?;
        let kept = match self.rules.of_table(signal).and_then(|rule| rule.keep_where.as_ref()) {
            Some(condition) if self.date.table == Stage::Judged => Some(condition.filter.matches(rows)?),
            _ => None,
        };
        let traces = if self.rules.of_traces(signal).is_some() { Some(trace_ids(rows)?) } else { None };
        let fates = (0..rows.num_rows()).map(|row| {
            let held = held.as_ref().and_then(|held| held.get(row).copied().flatten());
            let trace = traces.as_ref().and_then(|ids| ids.is_valid(row).then(|| TraceKey::of(ids.value(row))));
            if self.over_cap {
                let held = held.or_else(|| self.facts.held.get(&trace?).copied());
                return held.map_or(Fate::goes(Why::OverCap), |hold| Fate::stays(Why::Held(hold), Lane::Again));
            }
            match trace {
                Some(trace) => self.of_trace(trace, held),
                None => self.of_row(held, kept.as_ref().is_some_and(|kept| kept.value(row))),
            }
        });
        Ok(fates.collect())
    }

    fn of_row(&self, held: Option<usize>, kept: bool) -> Fate {
        match self.date.table {
            Stage::Open => Fate::stays(Why::Unruled, Lane::Judged),
            Stage::Judged if kept => Fate::stays(Why::Kept, Lane::Judged),
            stage => match held {
                Some(hold) => Fate::stays(Why::Held(hold), Lane::Judged),
                None if stage == Stage::Ended && self.ends_twice() => Fate::goes(Why::Ended),
                None => Fate::goes(Why::Expired),
            },
        }
    }

    /// Whether the rule has an `after` and a `then_after`.
    fn ends_twice(&self) -> bool {
        self.rules.of_table(self.date.signal).is_some_and(|rule| rule.then_after.is_some())
    }

    fn of_trace(&self, trace: TraceKey, held: Option<usize>) -> Fate {
        let weighted = is_weighted(self.mark);
        if self.date.traces == Stage::Open {
            return Fate::stays(Why::Unruled, Lane::Judged);
        }
        if let Some(hold) = held.or_else(|| self.facts.held.get(&trace).copied()) {
            let lane = if weighted { Lane::Judged } else { Lane::Held };
            return Fate::stays(Why::Held(hold), lane);
        }
        let has_ended = |last_day: i32| self.facts.ended.is_some_and(|ended| last_day <= ended);
        match self.facts.decided.get(&trace) {
            Some(decision) if has_ended(decision.last_day) => Fate::goes(Why::TraceEnded),
            // On an ended date: it goes on past the border, and goes as a whole when that is past its end.
            Some(decision) if decision.kept => {
                let lane = match self.date.traces {
                    Stage::Ended if weighted => Lane::Again,
                    Stage::Ended => Lane::WeightedAgain,
                    Stage::Open | Stage::Judged => Lane::Judged,
                };
                // What another engine wrote after the decision may hold what the decision's rewrite has weighted: a count
                // is never multiplied twice, rather than always once.
                let by_another = self.foreign_since.is_some_and(|written| decision.decided_ms <= written);
                let weight = if weighted || by_another { 1.0 } else { decision.weight };
                Fate { why: Why::TraceKept, lane: Some(lane), weight }
            }
            Some(_) if !weighted => Fate::goes(Why::TraceDropped),
            _ if self.date.traces == Stage::Ended => {
                if self.facts.beyond_end.contains(&trace) {
                    Fate::stays(Why::Undecided, Lane::Again)
                } else {
                    Fate::goes(Why::TraceEnded)
                }
            }
            // Its file says that it was decided.
            _ if weighted => Fate::stays(Why::TraceKept, Lane::Judged),
            _ => Fate::stays(Why::Undecided, Lane::Again),
        }
    }
}

fn named<'a>(columns: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = String> {
    columns.into_iter().map(str::to_owned)
}

fn trace_ids(rows: &RecordBatch) -> Result<&arrow::array::StringViewArray> {
    rows.column_by_name("trace_id")
        .and_then(|column| column.as_string_view_opt())
        .ok_or_else(|| Error::internal("rows without `trace_id`"))
}

impl Sieve for Fates {
    fn sift(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        let fates = self.of(&rows)?;
        let rows = weighted(self.date.signal, rows, &fates)?;
        let lane = |lane: Lane| {
            let chosen: BooleanArray = fates.iter().map(|fate| Some(fate.lane == Some(lane))).collect();
            filter_record_batch(&rows, &chosen)
                .map_err(|error| Error::internal("rows can't be sifted").with_source(error))
        };
        Lane::ALL.into_iter().map(lane).collect()
    }
}

/// The rows with the counts that their traces' weights make of theirs.
fn weighted(signal: Signal, rows: RecordBatch, fates: &[Fate]) -> Result<RecordBatch> {
    if fates.iter().all(|fate| fate.weight <= 1.0) {
        return Ok(rows);
    }
    let internal = |error| Error::internal("rows can't be weighted").with_source(error);
    let schema = rows.schema();
    let column = schema.index_of("adjusted_count").map_err(internal)?;
    let counts = rows.column(column).as_primitive_opt::<Float64Type>();
    let counts = counts.ok_or_else(|| Error::internal("`adjusted_count` is no double"))?;
    let states = match signal {
        Signal::Spans => rows.column_by_name("trace_state").and_then(|column| column.as_string_view_opt()),
        Signal::Logs | Signal::Metrics => None,
    };
    let changed = fates.iter().enumerate().map(|(row, fate)| {
        let count = counts.is_valid(row).then(|| counts.value(row));
        let state = states.filter(|states| states.is_valid(row)).map_or("", |states| states.value(row));
        if fate.weight > 1.0 { Some(weighted_count(count, state, fate.weight)) } else { count }
    });
    let changed: ArrayRef = Arc::new(changed.collect::<Float64Array>());
    let mut columns = rows.columns().to_vec();
    if let Some(place) = columns.get_mut(column) {
        *place = changed;
    }
    RecordBatch::try_new(schema, columns).map_err(internal)
}

#[cfg(test)]
mod tests {
    use super::super::decisions::{Decision, JUST_NOW};
    use super::*;

    #[rstest::rstest]
    #[case::our_own(None, 1000, 10.0)]
    #[case::theirs_from_before_the_decision(Some(999), 1000, 10.0)]
    #[case::theirs_from_after_it(Some(1000), 1000, 1.0)]
    #[case::theirs_of_a_trace_that_is_decided_now(Some(2000), JUST_NOW, 10.0)]
    fn what_another_engine_wrote_after_a_decision_is_not_weighted_again(
        #[case] foreign_since: Option<i64>,
        #[case] decided_ms: i64,
        #[case] weight: f64,
    ) {
        let day = "2024-01-01".parse().unwrap();
        let mut date = RetentionRules::default().of_date(Signal::Spans, day, day);
        date.traces = Stage::Judged;
        let trace = TraceKey::of("4bf92f3577b34da6a3ce929d0e0e4736");
        let decision = Decision { kept: true, weight: 10.0, last_day: 0, decided_ms };
        let facts = TraceFacts { decided: [(trace, decision)].into(), ..TraceFacts::default() };
        let rules = Arc::new(RetentionRules::default());
        let fates = Fates { rules, date, mark: Mark::NONE, foreign_since, facts: Arc::new(facts), over_cap: false };
        let fate = fates.of_trace(trace, None);
        assert_eq!((fate.why, fate.weight), (Why::TraceKept, weight));
    }
}
