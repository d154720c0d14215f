//! `system.jobs`: the background work of the server that is asked.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::{DateTime, Utc};
use datafusion::common::Result;

use super::columns::SystemTable;

/// How one job is doing.
#[derive(Debug, Clone, Default)]
pub struct JobRow {
    /// Its kind.
    pub job: &'static str,
    /// Its table, `None` where it works on all.
    pub table: Option<&'static str>,
    /// `waiting`, `queued`, `running` or `stopped`.
    pub state: &'static str,
    /// What it does, while it runs.
    pub phase: Option<String>,
    /// When it runs next, while it waits.
    pub next_run: Option<DateTime<Utc>>,
    /// When its last run began, or the one under way.
    pub started: Option<DateTime<Utc>>,
    /// When its last run ended.
    pub ended: Option<DateTime<Utc>>,
    /// When it last did all that was to be done.
    pub last_success: Option<DateTime<Utc>>,
    /// What is wrong.
    pub last_error: Option<String>,
    /// Since the start: runs that ended.
    pub runs: u64,
    /// Since the start: runs, and parts of runs, that failed.
    pub failures: u64,
    /// Of the last run, or the one under way: rows read.
    pub rows: u64,
    /// Of the same: files done with.
    pub files: u64,
    /// Of the same: their bytes.
    pub bytes: u64,
}

/// Tells how each job is doing.
pub type JobRows = Arc<dyn Fn() -> Vec<JobRow> + Send + Sync>;

/// Where the rows come from; none until it is told, and without a server.
#[derive(Clone, Default)]
pub(in crate::query) struct JobSource(Arc<OnceLock<JobRows>>);

impl fmt::Debug for JobSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobSource").field("is_told", &self.0.get().is_some()).finish()
    }
}

impl JobSource {
    /// Asks these from now on. A second call is without effect.
    pub(in crate::query) fn tell(&self, rows: JobRows) {
        // The first stays: there is one server an engine.
        let _ = self.0.set(rows);
    }

    /// A row a job.
    pub(super) fn batch(&self) -> Result<RecordBatch> {
        let rows = self.0.get().map(|rows| rows()).unwrap_or_default();
        let text = |value: &dyn Fn(&JobRow) -> Option<String>| -> ArrayRef {
            Arc::new(rows.iter().map(value).collect::<StringArray>())
        };
        let time = |value: &dyn Fn(&JobRow) -> Option<DateTime<Utc>>| -> ArrayRef {
            let micros = rows.iter().map(|row| value(row).map(|time| time.timestamp_micros()));
            Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        };
        let long = |value: &dyn Fn(&JobRow) -> u64| -> ArrayRef {
            Arc::new(rows.iter().map(|row| i64::try_from(value(row)).ok()).collect::<Int64Array>())
        };
        let columns = vec![
            text(&|row| Some(row.job.to_owned())),
            text(&|row| row.table.map(str::to_owned)),
            text(&|row| Some(row.state.to_owned())),
            text(&|row| row.phase.clone()),
            time(&|row| row.next_run),
            time(&|row| row.started),
            time(&|row| row.ended),
            time(&|row| row.last_success),
            text(&|row| row.last_error.clone()),
            long(&|row| row.runs),
            long(&|row| row.failures),
            long(&|row| row.rows),
            long(&|row| row.files),
            long(&|row| row.bytes),
        ];
        Ok(RecordBatch::try_new(SystemTable::Jobs.schema(), columns)?)
    }
}
