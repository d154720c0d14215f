//! What a rewrite does with rows on their way from the old files to the new.

use arrow::array::RecordBatch;

use crate::error::Result;

/// Keeps rows, drops them, or changes their `adjusted_count`; sees every row once, in the sort order.
pub trait Sieve: Send {
    /// Of these rows (the contract's columns), those that go on: a batch for each lane of the rewrite, in the lanes'
    /// order, each in the sort order. What is in none is dropped.
    ///
    /// # Errors
    /// What a condition meets; nothing is rewritten then.
    fn sift(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>>;

    /// What was held back, a batch for each lane, or nothing at all. Called once, after the last rows.
    ///
    /// # Errors
    /// As [`Sieve::sift`].
    fn finish(&mut self) -> Result<Vec<RecordBatch>> {
        Ok(Vec::new())
    }

    /// What the commit counts of the rows beside what it counts of every rewrite, by the names of its metrics.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// What the files say of it in their footers, as key and value.
    fn footer(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// Whether every row goes on as it is, so that a rewrite changes no data.
    fn keeps_all(&self) -> bool {
        false
    }
}

/// Every row, in one lane.
#[derive(Debug, Clone, Copy)]
pub struct KeepAll;

impl Sieve for KeepAll {
    fn sift(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        Ok(vec![rows])
    }

    fn keeps_all(&self) -> bool {
        true
    }
}
