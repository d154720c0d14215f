//! How each job is doing, for whoever looks: `system.jobs` and `/metrics`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::job::Outcome;
use crate::error::Result;
use crate::maintenance::{JobKind, Progress};
use crate::metrics::{ByJob, Metrics};
use crate::query::JobRow;

/// The jobs of a server. A clone shows the same.
#[derive(Debug, Clone, Default)]
pub struct JobStates(Arc<Mutex<Vec<Arc<JobState>>>>);

/// One of them, written by its task.
#[derive(Debug)]
pub(super) struct JobState {
    labels: ByJob,
    metrics: Arc<Metrics>,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    row: JobRow,
    progress: Progress,
    /// Runs in a row that came to nothing.
    failed_in_a_row: u32,
}

impl JobStates {
    /// A row a job, in the order in which they were started.
    pub fn rows(&self) -> Vec<JobRow> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        states.iter().map(|state| state.row()).collect()
    }

    pub(super) fn add(&self, kind: JobKind, table: &'static str, metrics: Arc<Metrics>) -> Arc<JobState> {
        let labels = ByJob { job: kind.name(), table };
        // So that what never failed is there, and rates of it are right.
        drop(metrics.job_failures.get_or_create(&labels));
        let row = JobRow { job: kind.name(), table: (!table.is_empty()).then_some(table), ..JobRow::default() };
        let shown = Mutex::new(Shown { row, ..Shown::default() });
        let state = Arc::new(JobState { labels, metrics, shown });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&state));
        state
    }
}

impl JobState {
    fn row(&self) -> JobRow {
        let shown = self.lock();
        let phase =
            Some(shown.progress.current_phase()).filter(|phase| shown.row.state == RUNNING && !phase.is_empty());
        JobRow {
            phase,
            rows: shown.progress.rows(),
            files: shown.progress.files(),
            bytes: shown.progress.bytes(),
            ..shown.row.clone()
        }
    }

    pub(super) fn waits(&self, until: DateTime<Utc>) {
        let row = &mut self.lock().row;
        (row.state, row.next_run) = (WAITING, Some(until));
    }

    pub(super) fn is_queued(&self) {
        let row = &mut self.lock().row;
        (row.state, row.next_run) = (QUEUED, None);
    }

    pub(super) fn begins(&self, now: DateTime<Utc>, progress: Progress) {
        let mut shown = self.lock();
        shown.progress = progress;
        (shown.row.state, shown.row.started) = (RUNNING, Some(now));
    }

    /// Nothing is asked for.
    pub(super) fn is_idle(&self) {
        let row = &mut self.lock().row;
        (row.state, row.next_run) = (WAITING, None);
    }

    pub(super) fn is_stopped(&self) {
        let row = &mut self.lock().row;
        (row.state, row.next_run) = (STOPPED, None);
    }

    /// Notes how a run ended, and answers how many in a row have come to nothing.
    pub(super) fn ended(&self, now: DateTime<Utc>, outcome: &Result<Outcome>) -> u32 {
        let mut shown = self.lock();
        shown.row.ended = Some(now);
        shown.row.runs += 1;
        let (failures, error, rewritten) = match outcome {
            Ok(outcome) => (outcome.failures, outcome.error.clone(), outcome.rewritten_bytes),
            Err(error) => (1, Some(error.to_string()), 0),
        };
        shown.failed_in_a_row = if outcome.is_err() { shown.failed_in_a_row.saturating_add(1) } else { 0 };
        shown.row.failures += failures;
        if error.is_none() && outcome.as_ref().is_ok_and(|outcome| !outcome.again) {
            shown.row.last_success = Some(now);
            self.metrics.job_last_success.get_or_create(&self.labels).set(now.timestamp());
        }
        if error.is_some() || outcome.as_ref().is_ok_and(|outcome| !outcome.again) {
            shown.row.last_error = error;
        }
        self.metrics.job_failures.get_or_create(&self.labels).inc_by(failures);
        self.metrics.job_rewritten_bytes.get_or_create(&self.labels).inc_by(rewritten);
        shown.failed_in_a_row
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        // Each change is whole, so a panic elsewhere leaves nothing half done.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const WAITING: &str = "waiting";
const QUEUED: &str = "queued";
const RUNNING: &str = "running";
const STOPPED: &str = "stopped";
