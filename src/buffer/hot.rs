//! Hot batches, and how small ones grow together.
//!
//! Requests bring few rows each. Batches merge like the tiers of a log-structured tree: neighbours of like size
//! become one, so that a row is copied a logarithmic number of times and a table has few batches.

use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;

use crate::wal::WalSeq;

/// Batches of more rows are left as they are: a query reads them as fast as larger ones.
const MERGED_ROWS: usize = 2 * 1024;

/// Rows of neighbouring WAL records of one table.
#[derive(Debug, Clone)]
pub struct HotBatch {
    /// The first record it holds rows of.
    pub first: WalSeq,
    /// The last record it holds rows of.
    pub last: WalSeq,
    /// The rows, with the contract's columns and without promoted ones.
    pub batch: RecordBatch,
    /// Bytes in memory.
    pub bytes: usize,
    /// When its oldest row came.
    pub since: Instant,
}

impl HotBatch {
    /// The rows of one record.
    pub fn new(seq: WalSeq, batch: RecordBatch) -> Self {
        let bytes = batch.get_array_memory_size();
        Self { first: seq, last: seq, batch, bytes, since: Instant::now() }
    }

    fn merged(older: &Self, newer: &Self) -> Result<Self, ArrowError> {
        let batch = concat_batches(older.batch.schema_ref(), [&older.batch, &newer.batch])?;
        let bytes = batch.get_array_memory_size();
        Ok(Self { first: older.first, last: newer.last, batch, bytes, since: older.since })
    }
}

/// Appends a batch, then merges it with its elders while they are small and not above twice its rows.
///
/// Batches that end at or before `frozen` are being flushed, and stay as they are.
pub(super) fn push_merged(batches: &mut Vec<HotBatch>, newest: HotBatch, frozen: WalSeq) -> Result<(), ArrowError> {
    let mut newest = newest;
    while let Some(elder) = batches.last() {
        let rows = elder.batch.num_rows() + newest.batch.num_rows();
        if elder.last <= frozen || rows > MERGED_ROWS || elder.batch.num_rows() > 2 * newest.batch.num_rows() {
            break;
        }
        newest = HotBatch::merged(elder, &newest)?;
        batches.pop();
    }
    batches.push(newest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};
    use std::sync::Arc;

    fn batch(rows: i64) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from_iter_values(0..rows))]).unwrap()
    }

    #[test]
    fn many_small_batches_become_few_and_keep_every_row_in_order() {
        let mut batches = Vec::new();
        for seq in 1..=1000 {
            push_merged(&mut batches, HotBatch::new(WalSeq(seq), batch(3)), WalSeq(0)).unwrap();
        }
        assert!(batches.len() < 16, "{} batches", batches.len());
        assert_eq!(batches.iter().map(|hot| hot.batch.num_rows()).sum::<usize>(), 3000);
        let ends: Vec<_> = batches.iter().map(|hot| (hot.first.0, hot.last.0)).collect();
        assert!(ends.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{ends:?}");
    }

    #[test]
    fn what_is_being_flushed_is_not_merged_with_what_came_later() {
        let mut batches = vec![HotBatch::new(WalSeq(1), batch(3))];
        push_merged(&mut batches, HotBatch::new(WalSeq(2), batch(3)), WalSeq(1)).unwrap();
        assert_eq!(batches.len(), 2);
    }
}
