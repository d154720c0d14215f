//! Jobs that take turns: one works at a time, and who came first is next.
//!
//! Compaction has a lane, so that one table at a time has its memory. Retention has another: its first run over years must
//! not keep today's files from being merged; where both want the same files, who commits second gives up. What only looks
//! after files and logs has a third.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::maintenance::JobKind;

/// A lane.
#[derive(Debug)]
pub(super) struct Lane {
    turn: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// The lanes of a server.
#[derive(Debug, Clone, Default)]
pub(super) struct Lanes {
    compaction: Arc<Lane>,
    removal: Arc<Lane>,
    upkeep: Arc<Lane>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), waiting: AtomicUsize::new(0) }
    }
}

impl Lane {
    /// Waits for the turn; it ends when what is answered is dropped. Dropped itself, it waits no more.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        Arc::clone(&self.turn).acquire_owned().await.ok()
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    /// The lane of a kind of job.
    pub(super) fn of(&self, kind: JobKind) -> Arc<Lane> {
        Arc::clone(match kind {
            JobKind::Compaction => &self.compaction,
            JobKind::Retention | JobKind::Erasure => &self.removal,
            JobKind::Vacuum | JobKind::LogCleanup => &self.upkeep,
        })
    }
}
