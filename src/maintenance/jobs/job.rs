//! What a job is to the scheduler.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::lane::Lane;
use crate::error::Result;
use crate::lake::LakeRoot;
use crate::maintenance::{JobKind, Progress};

/// Work that is done again and again.
///
/// A run may be dropped wherever it waits: it must leave its table as it was before or as it is after.
#[async_trait]
pub trait Job: Send {
    /// What it does.
    fn kind(&self) -> JobKind;

    /// The table that it works on, empty where it works on all.
    fn table(&self) -> &'static str;

    /// The time from the end of a run to the next.
    fn every(&self) -> Duration;

    /// Does what is to be done now.
    ///
    /// # Errors
    /// Where it came to nothing; the next run is then later than usual. What goes wrong with a part, while other parts
    /// can be done, is in the outcome.
    async fn run(&mut self, context: &JobContext) -> Result<Outcome>;
}

/// What a run works with.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// The lake; its bytes pass the throttle.
    pub root: LakeRoot,
    /// The time, for every decision of this run.
    pub now: DateTime<Utc>,
    /// Told of what is being done.
    pub progress: Progress,
    /// Cancelled when the server stops; the run then has some seconds left.
    pub stop: CancellationToken,
    pub(super) lane: Arc<Lane>,
}

impl JobContext {
    /// Whether to end the run at the next good moment: the server stops, or another job waits for its turn. With
    /// [`Outcome::again`] the rest is done at this job's next turn.
    pub fn should_end(&self) -> bool {
        self.stop.is_cancelled() || self.lane.is_waited_for()
    }
}

/// How a run ended that came to something.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Parts that failed in this run; they are tried again.
    pub failures: u64,
    /// What is still wrong with a part, of this run or of one before.
    pub error: Option<String>,
    /// Whether there is more to do at once.
    pub again: bool,
    /// Bytes of files that were replaced.
    pub rewritten_bytes: u64,
}
