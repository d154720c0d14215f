//! The jobs of a server: a task each, on threads of their own.
//!
//! ```text
//! wait until due --> wait for the lane's turn --> run --> note how it went --+
//!       ^                                                                    |
//!       +---- after `every`; later after failures; at once where more is to be done
//! ```
//! A stop: the store refuses more work of jobs, so that what runs ends with an error and cleans up; what has not ended
//! after [`STOP_GRACE`] is dropped. A run that panics has failed, as any other may.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio::runtime::{Handle, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backoff::pause;
use super::desk::Desk;
use super::job::{Job, JobContext, Outcome};
use super::lane::Lanes;
use super::settings::MaintenanceSettings;
use super::states::{JobState, JobStates};
use super::threads;
use crate::error::{Error, Result};
use crate::lake::{LakeRoot, Throttle};
use crate::maintenance::{JobKind, Progress};
use crate::metrics::Metrics;

/// How long a stop waits for jobs to clean up.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// The longest time from the start to the first run: work that is done once a day is done by a server that is started
/// every day, too.
const FIRST_RUN: Duration = Duration::from_secs(10);

/// The background work of a server. Dropped, it ends at once, which harms no table; [`stop`](Self::stop) cleans up.
#[derive(Debug)]
pub struct Background {
    /// `None` once it is being dropped.
    runtime: Option<Runtime>,
    root: LakeRoot,
    metrics: Arc<Metrics>,
    states: JobStates,
    lanes: Lanes,
    stop: CancellationToken,
    cut_off: CancellationToken,
    tasks: TaskTracker,
}

impl Background {
    /// Threads and a throttle for jobs on a lake; nothing runs yet.
    ///
    /// # Errors
    /// `Config` where no threads can be started, or no second client of the object store.
    pub fn new(settings: &MaintenanceSettings, root: &LakeRoot, metrics: Arc<Metrics>) -> Result<Self> {
        let stop = CancellationToken::new();
        let throttle = Throttle::new(settings.io_bytes_per_second, stop.clone(), metrics.background_bytes.clone());
        Ok(Self {
            root: root.throttled(&throttle)?,
            runtime: Some(threads::start(settings.cpu_threads)?),
            metrics,
            states: JobStates::default(),
            lanes: Lanes::default(),
            stop,
            cut_off: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// The lake, with every byte through the throttle.
    pub const fn root(&self) -> &LakeRoot {
        &self.root
    }

    /// The threads, for what a job starts elsewhere; `None` once it is being dropped.
    pub fn handle(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }

    /// How each job is doing.
    pub const fn states(&self) -> &JobStates {
        &self.states
    }

    /// Runs a job again and again until the stop.
    pub fn spawn(&self, job: Box<dyn Job>) {
        let Some(handle) = self.handle() else { return };
        let state = self.states.add(job.kind(), job.table(), Arc::clone(&self.metrics));
        let context = JobContext {
            root: self.root.clone(),
            now: Utc::now(),
            progress: Progress::default(),
            stop: self.stop.clone(),
            lane: self.lanes.of(job.kind()),
        };
        let work = keep_running(job, context, Arc::clone(&state));
        let cut_off = self.cut_off.clone();
        let task = async move {
            // Dropped by the cut-off, with all that it holds.
            let _ = cut_off.run_until_cancelled_owned(work).await;
            state.is_stopped();
        };
        self.tasks.spawn_on(task, handle);
    }

    /// Where work of a kind can be asked for; `None` once this is being dropped. Once a kind: each is a row in `system.jobs`.
    pub fn desk(&self, kind: JobKind) -> Option<Desk> {
        let handle = self.handle()?.clone();
        let state = self.states.add(kind, "", Arc::clone(&self.metrics));
        state.is_idle();
        let context = JobContext {
            root: self.root.clone(),
            now: Utc::now(),
            progress: Progress::default(),
            stop: self.stop.clone(),
            lane: self.lanes.of(kind),
        };
        Some(Desk { handle, context, state, cut_off: self.cut_off.clone(), tasks: self.tasks.clone() })
    }

    /// Ends every job within seconds. The threads stay until this is dropped: connections that they serve may be in use.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_GRACE, self.tasks.wait()).await.is_err() {
            tracing::info!(jobs = self.tasks.len(), "background work did not end by itself and is cut off");
            self.cut_off.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.cancel();
        self.cut_off.cancel();
        // A runtime that waits for its threads must not be dropped in async code.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn keep_running(mut job: Box<dyn Job>, context: JobContext, state: Arc<JobState>) {
    let stop = context.stop.clone();
    let mut wait = job.every().min(FIRST_RUN);
    loop {
        state.waits(later(Utc::now(), wait));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        state.is_queued();
        let turn = tokio::select! {
            () = stop.cancelled() => return,
            turn = context.lane.turn() => turn,
        };
        let run = JobContext { now: Utc::now(), progress: Progress::default(), ..context.clone() };
        state.begins(run.now, run.progress.clone());
        let outcome = AssertUnwindSafe(job.run(&run)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("the job panicked; the log says where")));
        drop(turn);
        if stop.is_cancelled() {
            // What ended because of the stop has not failed.
            return;
        }
        wait = next_wait(job.as_ref(), &outcome, state.ended(Utc::now(), &outcome));
    }
}

/// How long until the next run.
fn next_wait(job: &dyn Job, outcome: &Result<Outcome>, failed_in_a_row: u32) -> Duration {
    match outcome {
        Ok(Outcome { again: true, .. }) => Duration::ZERO,
        Ok(Outcome { again: false, .. }) => job.every(),
        Err(error) => {
            let wait = pause(job.every(), failed_in_a_row);
            tracing::warn!(job = %job.kind(), table = job.table(), %error, ?wait, "a background job failed and is tried again");
            wait
        }
    }
}

fn later(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    let wait = chrono::Duration::from_std(wait).unwrap_or(chrono::Duration::MAX);
    now.checked_add_signed(wait).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests;
