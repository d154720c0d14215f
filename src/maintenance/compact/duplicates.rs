//! Exact duplicates dropped on the way through a merge.
//!
//! Two rows are exact duplicates where they are equal in every column of the contract but provenance (when, by which way
//! and from whom the store took them). Of several the one that was taken first stays. They are neighbours up to rows of
//! the same sort key, which are gathered and told apart by the 128 bits of XXH3 over the row format, as the proof does.
//!
//! Memory: the rows of one sort key. Where these are more than [`MAX_HELD`] different ones (many logs of one service at
//! one instant), those go on, and only their hashes are held: then the first of a later duplicate's likes stays, whenever
//! it was taken.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};
use crate::lake::footer_keys;
use crate::maintenance::sieve::Sieve;
use crate::model::contract::{columns, sort_order};
use crate::model::schema::contract_schema;
use crate::model::signal::Signal;

/// Different rows of one sort key that are held at once.
const MAX_HELD: usize = 64 << 10;

/// What a footer says of the duplicates of a file's run.
pub(super) const DROPPED: &str = "dropped";

/// Which of two duplicates was taken first.
const TAKEN: &str = "ingest_time";

/// Drops exact duplicates.
pub(super) struct DropDuplicates {
    key: Columns,
    identity: Columns,
    /// The rows at the end of what came, all of one key: more of it may follow.
    held: Vec<RecordBatch>,
    held_key: Option<OwnedRow>,
    /// The hashes of rows of that key that have gone on already.
    gone_on: HashSet<u128>,
    dropped: u64,
}

/// Some columns in the row format.
struct Columns {
    converter: RowConverter,
    indices: Vec<usize>,
}

impl Columns {
    fn new(signal: Signal, names: impl Iterator<Item = &'static str>) -> Result<Self> {
        let schema = contract_schema(signal);
        let indices = names.map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let fields = indices.iter().map(|index| SortField::new(schema.field(*index).data_type().clone()));
        Ok(Self { converter: RowConverter::new(fields.collect()).map_err(failed)?, indices })
    }

    fn rows(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns: Vec<ArrayRef> = self.indices.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        self.converter.convert_columns(&columns).map_err(failed)
    }
}

impl DropDuplicates {
    /// For rows of one table.
    ///
    /// # Errors
    /// `Internal` where a column's type has no row format, which a test rules out.
    pub(super) fn new(signal: Signal) -> Result<Self> {
        let identity = columns(signal).filter(|column| !column.provenance).map(|column| column.name);
        Ok(Self {
            key: Columns::new(signal, sort_order(signal).iter().copied())?,
            identity: Columns::new(signal, identity)?,
            held: Vec::new(),
            held_key: None,
            gone_on: HashSet::new(),
            dropped: 0,
        })
    }

    /// The rows that are held, without duplicates; none are held any more.
    fn release(&mut self) -> Result<Option<RecordBatch>> {
        self.held_key = None;
        let held = std::mem::take(&mut self.held);
        let gone_on = std::mem::take(&mut self.gone_on);
        let Some(first) = held.first() else { return Ok(None) };
        let rows = concat_batches(&first.schema(), &held).map_err(failed)?;
        self.without_duplicates(&rows, &gone_on).map(Some)
    }

    /// Rows of one key without duplicates of one another and of those that have gone on.
    fn without_duplicates(&mut self, rows: &RecordBatch, gone_on: &HashSet<u128>) -> Result<RecordBatch> {
        if rows.num_rows() < 2 && gone_on.is_empty() {
            return Ok(rows.clone());
        }
        let mut keep = vec![false; rows.num_rows()];
        self.judge(rows, 0..rows.num_rows(), gone_on, &mut keep)?;
        filter_record_batch(rows, &BooleanArray::from(keep)).map_err(failed)
    }

    /// Marks, of rows of one key, those that stay.
    fn judge(
        &mut self,
        rows: &RecordBatch,
        range: std::ops::Range<usize>,
        gone_on: &HashSet<u128>,
        keep: &mut [bool],
    ) -> Result<()> {
        let count = range.len();
        let group = rows.slice(range.start, count);
        let taken =
            group.column_by_name(TAKEN).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let taken = taken.ok_or_else(|| Error::internal("rows without the time at which they were taken"))?;
        // A row whose time is not known comes last.
        let order = |row: usize| (taken.is_null(row), taken.value(row), row);
        let identities = self.identity.rows(&group)?;
        let mut first: HashMap<u128, usize> = HashMap::with_capacity(count);
        for (row, identity) in identities.iter().enumerate() {
            let hash = xxh3_128(identity.data());
            if gone_on.contains(&hash) {
                continue;
            }
            let earliest = first.entry(hash).or_insert(row);
            if order(row) < order(*earliest) {
                *earliest = row;
            }
        }
        self.dropped += (count - first.len()) as u64;
        for row in first.into_values() {
            if let Some(keep) = keep.get_mut(range.start + row) {
                *keep = true;
            }
        }
        Ok(())
    }

    /// Lets go of duplicates among the held rows, and of the rows themselves where they are many all the same.
    fn relieve(&mut self) -> Result<Option<RecordBatch>> {
        let held: usize = self.held.iter().map(RecordBatch::num_rows).sum();
        let (Some(first), true) = (self.held.first(), held > MAX_HELD) else { return Ok(None) };
        let rows = concat_batches(&first.schema(), &self.held).map_err(failed)?;
        let mut gone_on = std::mem::take(&mut self.gone_on);
        let rows = self.without_duplicates(&rows, &gone_on)?;
        let mut released = None;
        if rows.num_rows() > MAX_HELD / 2 {
            let identities = self.identity.rows(&rows)?;
            gone_on.extend(identities.iter().map(|identity| xxh3_128(identity.data())));
            released = Some(rows);
            self.held.clear();
        } else {
            self.held = vec![rows];
        }
        self.gone_on = gone_on;
        Ok(released)
    }
}

impl Sieve for DropDuplicates {
    fn sift(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        let count = rows.num_rows();
        let keys = self.key.rows(&rows)?;
        let same_as_held = |row: usize| self.held_key.as_ref().is_some_and(|held| held.row() == keys.row(row));
        let end = (0..count).position(|row| !same_as_held(row)).unwrap_or(count);
        if end > 0 {
            self.held.push(rows.slice(0, end));
        }
        if end == count {
            let released = self.relieve()?;
            return Ok(vec![released.unwrap_or_else(|| rows.slice(0, 0))]);
        }
        let released = self.release()?;
        // The groups of equal keys, of which the last is held.
        let mut keep = vec![true; count];
        let mut start = end;
        for row in end + 1..count {
            if keys.row(row) == keys.row(start) {
                continue;
            }
            if row - start > 1 {
                keep[start..row].fill(false);
                self.judge(&rows, start..row, &HashSet::new(), &mut keep)?;
            }
            start = row;
        }
        self.held_key = Some(keys.row(start).owned());
        self.held.push(rows.slice(start, count - start));
        let kept = BooleanArray::from(keep).slice(end, start - end);
        let kept = filter_record_batch(&rows.slice(end, start - end), &kept).map_err(failed)?;
        let out = match released {
            Some(released) => concat_batches(&rows.schema(), [&released, &kept]).map_err(failed)?,
            None => kept,
        };
        Ok(vec![out])
    }

    fn finish(&mut self) -> Result<Vec<RecordBatch>> {
        Ok(self.release()?.into_iter().collect())
    }

    fn footer(&self) -> Vec<(&'static str, &'static str)> {
        vec![(footer_keys::DUPLICATES, DROPPED)]
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![("numDuplicateRows", self.dropped)]
    }
}

fn failed(error: ArrowError) -> Error {
    Error::internal("duplicates can't be told").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{Int64Array, StringArray, TimestampMicrosecondArray, new_null_array};
    use arrow::compute::cast;
    use proptest::prelude::*;

    use super::*;

    /// A span's trace id, name, and when it was taken; NULL in every other column.
    type Row = (u8, u8, i64);

    fn batch(rows: &[Row]) -> RecordBatch {
        let schema = contract_schema(Signal::Spans);
        let column = |field: &arrow::datatypes::FieldRef| -> ArrayRef {
            let made: ArrayRef = match field.name().as_str() {
                "trace_id" => Arc::new(rows.iter().map(|row| Some(row.0.to_string())).collect::<StringArray>()),
                "name" => Arc::new(rows.iter().map(|row| Some(row.1.to_string())).collect::<StringArray>()),
                TAKEN => Arc::new(rows.iter().map(|row| Some(row.2)).collect::<TimestampMicrosecondArray>()),
                "source" => Arc::new(StringArray::from(vec!["otlp/grpc"; rows.len()])),
                "dropped_links_count" => Arc::new(Int64Array::from(vec![7; rows.len()])),
                _ => new_null_array(field.data_type(), rows.len()),
            };
            cast(&made, field.data_type()).unwrap()
        };
        RecordBatch::try_new(Arc::clone(&schema), schema.fields().iter().map(column).collect()).unwrap()
    }

    fn rows(batch: &RecordBatch) -> Vec<Row> {
        let text = |name: &str| {
            let column = cast(batch.column_by_name(name).unwrap(), &arrow::datatypes::DataType::Utf8).unwrap();
            column.as_string::<i32>().iter().map(|text| text.unwrap().parse::<u8>().unwrap()).collect::<Vec<_>>()
        };
        let taken = batch.column_by_name(TAKEN).unwrap().as_primitive::<TimestampMicrosecondType>().values().to_vec();
        text("trace_id")
            .into_iter()
            .zip(text("name"))
            .zip(taken)
            .map(|((trace, name), taken)| (trace, name, taken))
            .collect()
    }

    proptest! {
        /// Whatever the batches are cut into, of equal rows the one that was taken first stays, and the keys' order too.
        #[test]
        fn of_equal_rows_the_first_taken_stays(
            mut sent in proptest::collection::vec((0..4u8, 0..3u8, 0..5i64), 0..40),
            cuts in proptest::collection::vec(0..40usize, 0..6),
        ) {
            sent.sort_by_key(|row| row.0);
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= sent.len()).collect();
            cuts.extend([0, sent.len()]);
            cuts.sort_unstable();
            let mut sieve = DropDuplicates::new(Signal::Spans).unwrap();
            let mut passed = Vec::new();
            for ends in cuts.windows(2) {
                for batch in sieve.sift(batch(&sent[ends[0]..ends[1]])).unwrap() {
                    passed.extend(rows(&batch));
                }
            }
            for batch in sieve.finish().unwrap() {
                passed.extend(rows(&batch));
            }
            let mut first: BTreeMap<(u8, u8), i64> = BTreeMap::new();
            for (trace, name, taken) in &sent {
                let earliest = first.entry((*trace, *name)).or_insert(*taken);
                *earliest = (*earliest).min(*taken);
            }
            prop_assert!(passed.is_sorted_by_key(|row| row.0));
            prop_assert_eq!(sieve.dropped, (sent.len() - first.len()) as u64);
            passed.sort_unstable();
            let expected: Vec<Row> = first.into_iter().map(|((trace, name), taken)| (trace, name, taken)).collect();
            prop_assert_eq!(passed, expected);
        }
    }

    /// More rows of one key than are held: none is there twice, and none is lost.
    #[test]
    fn many_rows_of_one_key_are_told_apart_in_parts() {
        let schema = contract_schema(Signal::Spans);
        let index = schema.index_of("dropped_links_count").unwrap();
        let part = |values: std::ops::Range<i64>| {
            let plain = batch(&vec![(1, 1, 1); values.clone().count()]);
            let mut columns = plain.columns().to_vec();
            columns[index] = Arc::new(values.collect::<Int64Array>());
            RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
        };
        let mut sieve = DropDuplicates::new(Signal::Spans).unwrap();
        let many = MAX_HELD as i64 + 1000;
        let mut passed = Vec::new();
        for start in (0..2 * many).step_by(1000) {
            let start = start % many;
            passed.extend(sieve.sift(part(start..(start + 1000).min(many))).unwrap());
        }
        assert!(passed.iter().any(|batch| batch.num_rows() > 0), "nothing was let go of early: the test shows nothing");
        passed.extend(sieve.finish().unwrap());
        let mut values: Vec<i64> = passed
            .iter()
            .flat_map(|batch| batch.column(index).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
            .collect();
        values.sort_unstable();
        assert!(values.iter().copied().eq(0..many), "{} of {many}", values.len());
    }
}
