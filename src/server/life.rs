//! Who is alive and who must stop.
//!
//! Guarantee: every task of the server is tracked here and ends before [`Life::stop`] returns. A door whose accept
//! loop ended without being told to is in [`Life::dead_doors`], and readiness goes with it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The life of a server, shared by its doors.
#[derive(Debug, Clone, Default)]
pub(super) struct Life {
    stopping: CancellationToken,
    cut_off: CancellationToken,
    tasks: TaskTracker,
    dead_doors: Arc<Mutex<Vec<&'static str>>>,
}

/// Reports a door's death when it is dropped, unless the server is stopping.
#[derive(Debug)]
pub(super) struct Pulse {
    door: &'static str,
    life: Life,
}

impl Life {
    /// Cancelled when no new work is to be begun.
    pub(super) const fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Whether no new work is to be begun.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Runs a task to its end, or to the end of the grace.
    pub(super) fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let cut_off = self.cut_off.clone();
        self.tasks.spawn(cut_off.run_until_cancelled_owned(task))
    }

    /// A pulse for the accept loop of `door`.
    pub(super) fn pulse(&self, door: &'static str) -> Pulse {
        Pulse { door, life: self.clone() }
    }

    /// The doors that no longer take connections although nobody stopped them.
    pub(super) fn dead_doors(&self) -> Vec<&'static str> {
        self.dead_doors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins no new work, waits up to `grace` for what is under way, then cuts it off.
    pub(super) async fn stop(&self, grace: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), ?grace, "cutting off what did not end within the grace");
            self.cut_off.cancel();
            self.tasks.wait().await;
        }
    }

    /// Ends everything at once, without waiting for it.
    pub(super) fn abandon(&self) {
        self.stopping.cancel();
        self.cut_off.cancel();
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if !self.life.is_stopping() {
            tracing::error!(door = self.door, "the door died; restart the server");
            self.life.dead_doors.lock().unwrap_or_else(PoisonError::into_inner).push(self.door);
        }
    }
}

/// HTTP/2 runs each of a connection's streams as a task.
impl<F> hyper::rt::Executor<F> for Life
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        drop(self.spawn(task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_door_that_ends_by_itself_is_dead_and_one_that_is_stopped_is_not() {
        let life = Life::default();
        let pulse = life.pulse("first");
        let panicked = life.spawn(async move {
            let _pulse = pulse;
            panic!("as a door might");
        });
        assert!(panicked.await.is_err());
        assert_eq!(life.dead_doors(), ["first"]);
        let pulse = life.pulse("second");
        life.stop(Duration::ZERO).await;
        drop(pulse);
        assert_eq!(life.dead_doors(), ["first"]);
    }

    #[tokio::test]
    async fn a_stop_cuts_off_what_outlives_the_grace() {
        let life = Life::default();
        let endless = life.spawn(std::future::pending::<()>());
        life.stop(Duration::from_millis(1)).await;
        assert!(endless.await.unwrap().is_none());
    }
}
