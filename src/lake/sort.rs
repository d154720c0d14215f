//! The order of rows over several batches, without moving them.
//!
//! A comparison of two encoded rows misses the cache twice. So the leading names (of services, of metrics), which are
//! few, become numbers in their order, and of the rest of the key the first bytes stand beside: most comparisons are
//! decided by what is being sorted itself.
//!
//! ```text
//! date, service_name | time, time_nanos, trace_id, span_id      a logs row's key
//! rank of the name   | first 16 bytes, then the whole on a tie
//! ```

use std::collections::HashMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, Rows, SortField};

use super::write::encoding;
use crate::error::Result;

/// A row's key as far as it is compared in place.
struct Key {
    rank: u32,
    prefix: u128,
    row: u32,
}

/// Every row as (batch, row), ascending by the columns `keys`, NULLs first, equal rows in their order of arrival.
///
/// # Errors
/// If a batch lacks a key column.
pub(super) fn sorted_rows(batches: &[RecordBatch], keys: &[&str]) -> Result<Vec<(usize, usize)>> {
    let Some(first) = batches.first() else { return Ok(Vec::new()) };
    let schema = first.schema_ref();
    let mut leading = 0;
    while let Some(key) = keys.get(leading) {
        match schema.field_with_name(key).map_err(encoding)?.data_type() {
            DataType::Date32 | DataType::Utf8View => leading += 1,
            _ => break,
        }
    }
    let (names, rest) = keys.split_at(leading);
    let positions: Vec<(usize, usize)> = batches
        .iter()
        .enumerate()
        .flat_map(|(index, batch)| (0..batch.num_rows()).map(move |row| (index, row)))
        .collect();
    let ranks = ranks(&encode(batches, names)?);
    let rest = encode(batches, rest)?;
    let mut order: Vec<Key> = ranks
        .into_iter()
        .enumerate()
        // A flush holds far fewer than 2^32 rows: each takes hundreds of bytes in memory.
        .map(|(row, rank)| Key { rank, prefix: prefix(rest.row(row).as_ref()), row: row as u32 })
        .collect();
    order.sort_unstable_by(|left, right| {
        (left.rank, left.prefix)
            .cmp(&(right.rank, right.prefix))
            .then_with(|| rest.row(left.row as usize).cmp(&rest.row(right.row as usize)).then(left.row.cmp(&right.row)))
    });
    Ok(order.into_iter().map(|key| positions[key.row as usize]).collect())
}

/// The columns of all batches in the row format, whose bytes compare as the values do.
fn encode(batches: &[RecordBatch], columns: &[&str]) -> Result<Rows> {
    let options = SortOptions { descending: false, nulls_first: true };
    let mut fields = Vec::with_capacity(columns.len());
    for column in columns {
        if let Some(batch) = batches.first() {
            let field = batch.schema_ref().field_with_name(column).map_err(encoding)?;
            fields.push(SortField::new_with_options(field.data_type().clone(), options));
        }
    }
    let converter = RowConverter::new(fields).map_err(encoding)?;
    let total = batches.iter().map(RecordBatch::num_rows).sum();
    let mut rows = converter.empty_rows(total, 64 * total);
    for batch in batches {
        let arrays = columns
            .iter()
            .map(|column| {
                Ok(std::sync::Arc::clone(batch.column(batch.schema_ref().index_of(column).map_err(encoding)?)))
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        converter.append(&mut rows, &arrays).map_err(encoding)?;
    }
    Ok(rows)
}

/// For each row the place of its value among the distinct values.
fn ranks(rows: &Rows) -> Vec<u32> {
    let mut numbers: HashMap<&[u8], u32> = HashMap::new();
    let mut distinct: Vec<&[u8]> = Vec::new();
    let mut last: (&[u8], u32) = (&[], u32::MAX);
    let mut numbered: Vec<u32> = Vec::with_capacity(rows.num_rows());
    for row in rows {
        let bytes = row.data();
        if last.1 == u32::MAX || last.0 != bytes {
            let number = *numbers.entry(bytes).or_insert_with(|| {
                distinct.push(bytes);
                distinct.len() as u32 - 1
            });
            last = (bytes, number);
        }
        numbered.push(last.1);
    }
    let mut sorted: Vec<u32> = (0..distinct.len() as u32).collect();
    sorted.sort_unstable_by_key(|number| distinct[*number as usize]);
    let mut rank_of = vec![0; distinct.len()];
    for (rank, number) in sorted.into_iter().enumerate() {
        rank_of[number as usize] = rank as u32;
    }
    for number in &mut numbered {
        *number = rank_of[*number as usize];
    }
    numbered
}

/// The first 16 bytes as a number that compares as they do.
fn prefix(bytes: &[u8]) -> u128 {
    let mut first = [0; 16];
    for (to, from) in first.iter_mut().zip(bytes) {
        *to = *from;
    }
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Date32Array, Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;
    use std::sync::Arc;

    type Row = (i32, Option<String>, Option<i64>, Option<String>);

    fn batch(rows: &[Row]) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("date", DataType::Date32, true),
            Field::new("service", DataType::Utf8View, true),
            Field::new("time", DataType::Int64, true),
            Field::new("id", DataType::Utf8View, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Date32Array>()),
            Arc::new(rows.iter().map(|row| row.1.clone()).collect::<StringViewArray>()),
            Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.3.clone()).collect::<StringViewArray>()),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_a_plain_sort(
            batches in proptest::collection::vec(proptest::collection::vec(
                (0..3i32, proptest::option::of("[ab]{0,20}"), proptest::option::of(-2..3i64), proptest::option::of("[ab]{0,3}")), 0..12,
            ), 1..4),
        ) {
            let arrow: Vec<RecordBatch> = batches.iter().map(|rows| batch(rows)).collect();
            let order = sorted_rows(&arrow, &["date", "service", "time", "id"]).unwrap();
            let mut plain: Vec<(Row, usize, usize)> = Vec::new();
            for (index, rows) in batches.iter().enumerate() {
                plain.extend(rows.iter().cloned().enumerate().map(|(row, values)| (values, index, row)));
            }
            // Rust's order of Option is NULLs first, too.
            plain.sort();
            let expected: Vec<(usize, usize)> = plain.into_iter().map(|(_, index, row)| (index, row)).collect();
            prop_assert_eq!(order, expected);
        }
    }
}
