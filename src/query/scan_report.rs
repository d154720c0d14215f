//! What a query would read, known before it reads anything: each scan of a table, and why it reads no more.
//!
//! Made where files are left out (`provider.rs`), shown by `EXPLAIN`, and the rows of `EXPLAIN ESTIMATE`.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use bytesize::ByteSize;

use crate::lake::LiveFile;

/// One scan of one table.
#[derive(Debug, Clone)]
pub(super) struct ScanReport {
    table: &'static str,
    live_files: usize,
    files: usize,
    bytes: u64,
    /// `None` where the log does not say it of every file.
    rows: Option<u64>,
    left_out_by_time: usize,
    left_out_by_statistics: usize,
    left_out_by_trace_index: usize,
    /// Rows that are in no file yet.
    pub(super) hot_rows: usize,
}

impl ScanReport {
    /// A scan of a table with so many live files.
    pub(super) const fn new(table: &'static str, live_files: usize) -> Self {
        Self {
            table,
            live_files,
            files: live_files,
            bytes: 0,
            rows: None,
            left_out_by_time: 0,
            left_out_by_statistics: 0,
            left_out_by_trace_index: 0,
            hot_rows: 0,
        }
    }

    /// What dates, first and last times have left.
    pub(super) fn kept_by_time(&mut self, files: &[Arc<LiveFile>]) {
        self.left_out_by_time = self.files.saturating_sub(files.len());
        self.keep(files);
    }

    /// What the statistics of other columns have left of that.
    pub(super) fn kept_by_statistics(&mut self, files: &[Arc<LiveFile>]) {
        self.left_out_by_statistics = self.files.saturating_sub(files.len());
        self.keep(files);
    }

    /// What the trace index has left of that.
    pub(super) fn kept_by_trace_index(&mut self, files: &[Arc<LiveFile>]) {
        self.left_out_by_trace_index = self.files.saturating_sub(files.len());
        self.keep(files);
    }

    fn keep(&mut self, files: &[Arc<LiveFile>]) {
        self.files = files.len();
        self.bytes = files.iter().map(|file| file.size).sum();
        self.rows = files.iter().map(|file| file.rows).sum();
    }

    /// One line for people.
    fn line(&self) -> String {
        let rows = self.rows.map_or_else(|| "unknown".to_owned(), |rows| rows.to_string());
        let mut line = format!(
            "{}: {} of {} files, {}, {rows} rows",
            self.table,
            self.files,
            self.live_files,
            ByteSize(self.bytes)
        );
        let reasons = [
            ("date and time", self.left_out_by_time),
            ("other statistics", self.left_out_by_statistics),
            ("the trace index", self.left_out_by_trace_index),
        ];
        for (reason, files) in reasons.iter().filter(|(_, files)| *files > 0) {
            // Writing to a String does not fail.
            let _ = write!(line, "; {files} left out by {reason}");
        }
        if self.hot_rows > 0 {
            let _ = write!(line, "; and {} rows not yet in files", self.hot_rows);
        }
        line
    }
}

/// The scans of one query, in the order in which they were planned.
#[derive(Debug, Default)]
pub(super) struct ScanReports(Mutex<Vec<ScanReport>>);

impl ScanReports {
    /// One more.
    pub(super) fn add(&self, report: ScanReport) {
        self.lock().push(report);
    }

    /// A line for each.
    pub(super) fn text(&self) -> String {
        self.lock().iter().map(ScanReport::line).collect::<Vec<_>>().join("\n")
    }

    /// A row for each.
    ///
    /// # Errors
    /// If the columns do not fit together.
    pub(super) fn rows(&self) -> Result<RecordBatch, ArrowError> {
        let reports = self.lock();
        let numbers = |number: fn(&ScanReport) -> Option<u64>| -> ArrayRef {
            let numbers = reports.iter().map(|report| i64::try_from(number(report)?).ok());
            Arc::new(numbers.collect::<Int64Array>())
        };
        let tables: ArrayRef = Arc::new(reports.iter().map(|report| Some(report.table)).collect::<StringArray>());
        RecordBatch::try_from_iter_with_nullable([
            ("table", tables, false),
            ("files", numbers(|report| Some(report.files as u64)), false),
            ("bytes", numbers(|report| Some(report.bytes)), false),
            ("rows", numbers(|report| report.rows), true),
            ("hot_rows", numbers(|report| Some(report.hot_rows as u64)), false),
            ("live_files", numbers(|report| Some(report.live_files as u64)), false),
            ("left_out_by_time", numbers(|report| Some(report.left_out_by_time as u64)), false),
            ("left_out_by_statistics", numbers(|report| Some(report.left_out_by_statistics as u64)), false),
            ("left_out_by_trace_index", numbers(|report| Some(report.left_out_by_trace_index as u64)), false),
        ])
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<ScanReport>> {
        // A list that a panic left as it was is as good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
