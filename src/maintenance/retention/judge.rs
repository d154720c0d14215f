//! Which traces are kept: the rule's condition asked of whole traces.
//!
//! Guarantees: a trace is judged once its last row is past `after`, by all the rows that it has at that moment; what was
//! decided before, or is held, is not judged. Rows of one id whose dates lie more than [`REACH_DAYS`] apart are two traces:
//! how far is looked bounds what a judgement reads.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type};
use chrono::{Days, NaiveDate};
use datafusion::common::ScalarValue;
use futures::StreamExt;

use super::REACH_DAYS;
use super::decisions::{Decision, JUST_NOW, NewDecision, TraceKey, date, days};
use super::rules::{RetentionRules, TraceCondition, TraceRule, is_weighted};
use crate::buffer::TableState;
use crate::error::{Error, Result};
use crate::lake::{LakeTable, LiveFile, TableSnapshot, file_columns};
use crate::maintenance::run::FileName;
use crate::model::signal::Signal;
use crate::query::{Pinned, QueryEngine, Question, Supervision, is_sampled, traces_schema};
use crate::wal::WalSeq;

/// Rows of a part of a judgement, at most: it has their traces in memory.
const ROWS_AT_ONCE: u64 = 4_000_000;

/// Parts of a judgement, at most: two hex digits tell them apart.
const MAX_PARTS: u64 = 256;

/// Rows that are decoded at once.
pub(super) const BATCH_ROWS: usize = 16 << 10;

/// A table as it was when the run began.
#[derive(Debug, Clone)]
pub(super) struct PinnedTable {
    pub(super) table: LakeTable,
    pub(super) snapshot: TableSnapshot,
}

/// The spans and logs of a lake as they were when the run began.
#[derive(Debug, Clone)]
pub(super) struct Traces<'r> {
    pub(super) tables: Vec<PinnedTable>,
    pub(super) engine: &'r QueryEngine,
}

/// A date, so many days before.
pub(super) fn before(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_sub_days(Days::new(days)).unwrap_or(NaiveDate::MIN)
}

/// A date, so many days after.
pub(super) fn after(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX)
}

/// A file's date.
pub(super) fn date_of(file: &LiveFile) -> Option<NaiveDate> {
    file.date.as_deref()?.parse().ok()
}

/// Whether the traces of a file's rows are still to be decided, or its decisions to be followed.
fn is_open(file: &LiveFile) -> bool {
    !is_weighted(FileName::parse(&file.path).mark)
}

/// A trace and the days, since 1970, of its first and last row.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) trace_id: String,
    pub(super) first_day: i32,
    pub(super) last_day: i32,
}

impl Seen {
    pub(super) fn key(&self) -> TraceKey {
        TraceKey::of(&self.trace_id)
    }

    /// Its decision.
    pub(super) fn decided(self, decision: Decision) -> NewDecision {
        NewDecision { trace_id: self.trace_id, first_day: self.first_day, decision }
    }
}

impl Traces<'_> {
    /// What a query sees: the files of these dates whose traces are open.
    fn open_files(&self, dates: &RangeInclusive<NaiveDate>) -> (Pinned, u64) {
        let mut rows = 0;
        let tables = self.tables.iter().map(|pinned| {
            let snapshot = pinned.snapshot.only(|file| {
                let date = date_of(file);
                date.is_some_and(|date| dates.contains(&date)) && is_open(file)
            });
            rows += snapshot.files().iter().map(|file| file.rows.unwrap_or(0)).sum::<u64>();
            let state = TableState { snapshot, committed: WalSeq(0), hot: Vec::new() };
            (pinned.table.signal(), Arc::new(state))
        });
        (Pinned(tables.collect()), rows)
    }

    /// The traces whose last date is one of these and that are not held. Two columns of the dates around are read for it.
    ///
    /// # Errors
    /// What reading met.
    pub(super) async fn seen(
        &self,
        dates: &RangeInclusive<NaiveDate>,
        held: &HashMap<TraceKey, usize>,
    ) -> Result<Vec<Seen>> {
        // One more, so that a trace that crosses one midnight is not looked for twice.
        let mut begin = before(*dates.start(), REACH_DAYS + 1);
        let end = after(*dates.end(), REACH_DAYS);
        loop {
            let mut seen = Vec::new();
            let looked_at = begin..=end;
            self.by_parts(include_str!("seen.sql"), &looked_at, dates, |batch| take_seen(batch, &mut seen)).await?;
            seen.retain(|seen| !held.contains_key(&seen.key()));
            // A trace that began so early may have begun earlier still.
            let first = seen.iter().map(|seen| seen.first_day).min().and_then(date);
            let needed = first.map_or(begin, |first| before(first, REACH_DAYS));
            if needed >= begin || !self.has_files_before(begin) {
                return Ok(seen);
            }
            begin = needed;
        }
    }

    /// With which probability the rule keeps each of these traces, of which every row lies on these dates or before.
    /// One that is never kept is left out.
    ///
    /// # Errors
    /// What reading or the condition met.
    pub(super) async fn judge(
        &self,
        rule: &TraceRule,
        traces: &[Seen],
        dates: &RangeInclusive<NaiveDate>,
    ) -> Result<HashMap<TraceKey, f64>> {
        let mut probabilities = HashMap::new();
        let first = traces.iter().map(|seen| seen.first_day).min().and_then(date);
        let (Some(first), Some(condition)) = (first, &rule.keep_where) else { return Ok(probabilities) };
        let wanted: HashSet<TraceKey> = traces.iter().map(Seen::key).collect();
        let looked_at = first..=*dates.end();
        self.by_parts(include_str!("judge.sql"), &looked_at, dates, |batch| {
            take_probabilities(condition, batch, &wanted, &mut probabilities)
        })
        .await?;
        Ok(probabilities)
    }

    fn has_files_before(&self, begin: NaiveDate) -> bool {
        let files = self.tables.iter().flat_map(|pinned| pinned.snapshot.files().iter());
        files.filter(|file| is_open(file)).any(|file| date_of(file).is_some_and(|date| date < begin))
    }

    /// Asks a question of the open files of some dates, part by part of their ids.
    async fn by_parts(
        &self,
        sql: &str,
        looked_at: &RangeInclusive<NaiveDate>,
        dates: &RangeInclusive<NaiveDate>,
        mut take: impl FnMut(&RecordBatch) -> Result<()> + Send,
    ) -> Result<()> {
        let (pinned, rows) = self.open_files(looked_at);
        let parts = rows.div_ceil(ROWS_AT_ONCE).clamp(1, MAX_PARTS);
        for part in 0..parts {
            let bound = |part: u64| match part * MAX_PARTS / parts {
                0 => String::new(),
                MAX_PARTS => char::MAX.to_string(),
                digits => format!("{digits:02x}"),
            };
            let text = |text: String| ScalarValue::Utf8(Some(text));
            let params = vec![
                ScalarValue::Date32(days(*dates.start())),
                ScalarValue::Date32(days(*dates.end())),
                text(bound(part)),
                text(bound(part + 1)),
            ];
            let question = Question { sql: sql.to_owned(), params, ..Question::default() };
            let mut answer = self.engine.run(pinned.clone(), question, Supervision::default()).await?;
            while let Some(batch) = answer.batches.next().await {
                take(&batch?)?;
            }
        }
        Ok(())
    }

    /// The ids with rows on a date or before, and after it.
    ///
    /// # Errors
    /// What reading met.
    pub(super) async fn beyond(&self, border: NaiveDate) -> Result<HashSet<TraceKey>> {
        let (pinned, _) = self.open_files(&(before(border, REACH_DAYS)..=after(border, REACH_DAYS)));
        let params = vec![ScalarValue::Date32(days(border))];
        let question = Question { sql: include_str!("beyond.sql").to_owned(), params, ..Question::default() };
        let mut answer = self.engine.run(pinned, question, Supervision::default()).await?;
        let mut found = HashSet::new();
        while let Some(batch) = answer.batches.next().await {
            let ids = text_column(&batch?, "trace_id")?;
            found.extend(ids.as_string_view().iter().flatten().map(TraceKey::of));
        }
        Ok(found)
    }

    /// The traces of these dates with a row that is held, and the first hold of each.
    ///
    /// # Errors
    /// What reading or a condition met.
    pub(super) async fn held(
        &self,
        rules: &RetentionRules,
        dates: RangeInclusive<NaiveDate>,
    ) -> Result<HashMap<TraceKey, usize>> {
        let mut held = HashMap::new();
        for pinned in &self.tables {
            let signal = pinned.table.signal();
            let mut columns: HashSet<String> =
                rules.holds.of(signal).flat_map(|hold| hold.filter.columns()).map(str::to_owned).collect();
            if rules.holds.of(signal).next().is_none() {
                continue;
            }
            columns.insert("trace_id".to_owned());
            let files = pinned.snapshot.files().iter();
            for file in files.filter(|file| date_of(file).is_some_and(|date| dates.contains(&date))) {
                let columns = columns.clone();
                let mut rows =
                    file_columns(pinned.table.store(), signal, file, BATCH_ROWS, move |name| columns.contains(name))
                        .await?;
                while let Some(batch) = rows.next().await {
                    take_held(rules, signal, &batch?, &mut held)?;
                }
            }
        }
        Ok(held)
    }
}

fn take_held(
    rules: &RetentionRules,
    signal: Signal,
    batch: &RecordBatch,
    held: &mut HashMap<TraceKey, usize>,
) -> Result<()> {
    let Some(rows) = rules.holds.held(signal, batch)? else { return Ok(()) };
    let ids = text_column(batch, "trace_id")?;
    for (id, hold) in ids.as_string_view().iter().zip(rows) {
        if let (Some(id), Some(hold)) = (id, hold) {
            held.entry(TraceKey::of(id)).or_insert(hold);
        }
    }
    Ok(())
}

fn take_seen(batch: &RecordBatch, seen: &mut Vec<Seen>) -> Result<()> {
    let day = |name: &str| {
        cast(column(batch, name)?, &DataType::Date32)
            .map_err(|error| Error::internal(format!("`{name}` is no date")).with_source(error))
    };
    let (first, last, ids) = (day("first_date")?, day("last_date")?, text_column(batch, "trace_id")?);
    let days = first.as_primitive::<Date32Type>().values().iter().zip(last.as_primitive::<Date32Type>().values());
    for (id, (first_day, last_day)) in ids.as_string_view().iter().zip(days) {
        let Some(id) = id else { continue };
        seen.push(Seen { trace_id: id.to_owned(), first_day: *first_day, last_day: *last_day });
    }
    Ok(())
}

fn take_probabilities(
    condition: &TraceCondition,
    batch: &RecordBatch,
    wanted: &HashSet<TraceKey>,
    probabilities: &mut HashMap<TraceKey, f64>,
) -> Result<()> {
    let internal = |error| Error::internal("a judgement has other columns than the view").with_source(error);
    let schema = traces_schema();
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| cast(column(batch, field.name())?, field.data_type()).map_err(internal))
        .collect::<Result<_>>()?;
    let traces = RecordBatch::try_new(schema, columns).map_err(internal)?;
    let ids = text_column(&traces, "trace_id")?;
    for (id, probability) in ids.as_string_view().iter().zip(condition.probabilities(&traces)?) {
        let (Some(id), Some(probability)) = (id, probability) else { continue };
        let key = TraceKey::of(id);
        if wanted.contains(&key) {
            probabilities.insert(key, probability);
        }
    }
    Ok(())
}

/// A trace that a condition keeps with this probability; `None` for never.
pub(super) fn decide(trace_id: &str, last_day: i32, probability: Option<f64>) -> Decision {
    match probability {
        Some(probability) if probability >= 1.0 => Decision { kept: true, weight: 1.0, last_day, decided_ms: JUST_NOW },
        // An id that is no hex has no chance to be chosen, as in SQL.
        Some(probability) => {
            let kept = is_sampled(trace_id, probability) == Some(true);
            Decision { kept, weight: 1.0 / probability, last_day, decided_ms: JUST_NOW }
        }
        None => Decision { kept: false, weight: 1.0, last_day, decided_ms: JUST_NOW },
    }
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::internal(format!("rows without `{name}`")))
}

fn text_column(batch: &RecordBatch, name: &str) -> Result<ArrayRef> {
    cast(column(batch, name)?, &DataType::Utf8View)
        .map_err(|error| Error::internal(format!("`{name}` is no text")).with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_the_inverse_of_the_chance() {
        // Randomness 0xf0_0000_0000_0000 of 2^56: among the rarest sixteenth, not the rarest twentieth.
        let id = "000000000000000000f0000000000000";
        let decided = |probability| decide(id, 7, probability);
        assert_eq!(decided(Some(1.0)), Decision { kept: true, weight: 1.0, last_day: 7, decided_ms: JUST_NOW });
        assert_eq!(decided(Some(0.0625)), Decision { kept: true, weight: 16.0, last_day: 7, decided_ms: JUST_NOW });
        assert_eq!(decided(Some(0.1)), Decision { kept: true, weight: 10.0, last_day: 7, decided_ms: JUST_NOW });
        assert!(!decided(Some(0.05)).kept);
        assert!(!decided(None).kept);
        assert!(!decide("no hex", 7, Some(0.9)).kept);
    }
}
