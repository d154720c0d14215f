//! A deep check: every row is read, whatever the footer says, and every column of it: what a query or a merge would meet.

use arrow::array::Array;
use futures::TryStreamExt;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::errors::Result;

use super::finding::{Code, Finding};
use super::footer::{Expected, check_range, check_rows};
use super::range::{Range, Value};
use crate::lake::{LiveFile, StoreFile, store_failed};

/// Reads a file, and holds what its columns have against their statistics. A file without some of them is checked by the
/// others.
///
/// # Errors
/// Where the store does not answer; what can't be decoded is a finding.
pub(super) async fn check(expected: &Expected, file: &LiveFile, stored: StoreFile) -> Result<Vec<Finding>> {
    match read(expected, stored).await {
        Ok((rows, ranges)) => {
            let mut findings: Vec<Finding> = check_rows(expected, file, rows).into_iter().collect();
            for (column, range) in ranges {
                findings.extend(check_range(expected, file, column, &range));
            }
            Ok(findings)
        }
        Err(error) if store_failed(&error) => Err(error),
        Err(error) => {
            let meaning = format!("it can't be decoded: {error}");
            Ok(vec![expected.finding(Code::FileUnreadable, file, meaning)])
        }
    }
}

async fn read(expected: &Expected, stored: StoreFile) -> Result<(u64, Vec<(&'static str, Range)>)> {
    let builder = ParquetRecordBatchStreamBuilder::new(stored).await?;
    let mut batches = builder.build()?;
    let mut rows = 0;
    let mut ranges: Vec<(&'static str, Range)> = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows() as u64;
        for column in expected.with_statistics() {
            let Some(array) = batch.column_by_name(column) else { continue };
            let Some(values) = Value::all(array) else { continue };
            let index = match ranges.iter().position(|(name, _)| *name == column) {
                Some(index) => index,
                None => {
                    ranges.push((column, Range { nulls: Some(0), ..Range::default() }));
                    ranges.len() - 1
                }
            };
            if let Some((_, range)) = ranges.get_mut(index) {
                range.nulls = range.nulls.map(|nulls| nulls + array.null_count() as u64);
                range.widen(values.into_iter().flatten());
            }
        }
    }
    Ok((rows, ranges))
}
