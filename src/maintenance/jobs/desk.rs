//! Work that somebody asks for, done as a job is: on the background's threads, when its lane has a turn, shown in
//! `system.jobs`, its bytes through the throttle.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use chrono::Utc;
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::job::{JobContext, Outcome};
use super::states::JobState;
use crate::error::{Error, Result};
use crate::maintenance::Progress;

/// Takes requests for one kind of work.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(super) handle: Handle,
    pub(super) context: JobContext,
    pub(super) state: Arc<JobState>,
    pub(super) cut_off: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Desk {
    /// Does it, to its end or to the server's stop, whether or not the caller waits.
    ///
    /// `system.jobs` shows that a request failed, and not why: the reason may have in it what was asked.
    ///
    /// # Errors
    /// What the work met; `Unavailable` where the server stopped before it was done.
    pub async fn run<T, F>(&self, work: impl FnOnce(JobContext) -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let (context, state) = (self.context.clone(), Arc::clone(&self.state));
        let task = async move {
            state.is_queued();
            let turn = context.lane.turn().await;
            let run = JobContext { now: Utc::now(), progress: Progress::default(), ..context };
            state.begins(run.now, run.progress.clone());
            let done = AssertUnwindSafe(work(run)).catch_unwind().await;
            let done = done.unwrap_or_else(|_| Err(Error::internal("the work panicked; the log says where")));
            drop(turn);
            let shown = match &done {
                Ok(_) => Ok(Outcome::default()),
                Err(error) => Err(Error::new(error.kind(), "it failed; who asked for it was told why")),
            };
            state.ended(Utc::now(), &shown);
            state.is_idle();
            done
        };
        let cut_off = self.cut_off.clone();
        let done = self.tasks.spawn_on(cut_off.run_until_cancelled_owned(task), &self.handle).await;
        let stopped = "the server stopped before the work was done; make the same request when it is back";
        match done {
            Ok(Some(done)) => done,
            Ok(None) => Err(Error::unavailable(stopped)),
            Err(error) if error.is_cancelled() => Err(Error::unavailable(stopped)),
            Err(error) => Err(Error::internal("the work died").with_source(error)),
        }
    }
}
