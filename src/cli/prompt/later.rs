//! A value that is fetched behind the prompt, kept for a while, and waited for a moment only.

use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a fetch may take before it is given up.
const FETCH_LIMIT: Duration = Duration::from_secs(10);

/// How long a value is good.
const KEPT: Duration = Duration::from_secs(300);

/// A fetched value.
#[derive(Debug)]
pub(super) struct Later<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: Option<(Arc<T>, Instant)>,
    fetching: bool,
}

impl<T> Default for Later<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { value: None, fetching: false }), changed: Condvar::new() }
    }
}

impl<T: Send + Sync + 'static> Later<T> {
    /// Starts a fetch on `runtime`, unless one is under way or the value is fresh. A fetch that fails leaves what there
    /// was; the next one may do better.
    pub(super) fn fetch<F>(self: &Arc<Self>, runtime: &tokio::runtime::Handle, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = crate::error::Result<T>> + Send + 'static,
    {
        {
            let mut state = self.lock();
            if state.fetching || state.value.as_ref().is_some_and(|(_, since)| since.elapsed() < KEPT) {
                return;
            }
            state.fetching = true;
        }
        let (fetch, later) = (fetch(), Arc::clone(self));
        runtime.spawn(async move {
            let fetched = tokio::time::timeout(FETCH_LIMIT, fetch).await;
            let mut state = later.lock();
            state.fetching = false;
            match fetched {
                Ok(Ok(value)) => state.value = Some((Arc::new(value), Instant::now())),
                Ok(Err(error)) => tracing::debug!(%error, "nothing was fetched for completion"),
                Err(_) => tracing::debug!(limit = ?FETCH_LIMIT, "fetching for completion took too long"),
            }
            later.changed.notify_all();
        });
    }

    /// The value, also an old one. Where there is none yet, a fetch that is under way is waited for, `patience` at most.
    /// Blocks its thread.
    pub(super) fn get(&self, patience: Duration) -> Option<Arc<T>> {
        let waiting = |state: &mut State<T>| state.fetching && state.value.is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), patience, waiting);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.value.as_ref().map(|(value, _)| Arc::clone(value))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_value_is_fetched_once_and_a_failure_is_tried_again() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let later: Arc<Later<u32>> = Arc::default();
        assert_eq!(later.get(PATIENCE), None, "nothing is under way");
        later.fetch(runtime.handle(), || async { Err(Error::invalid("not now")) });
        assert_eq!(later.get(PATIENCE), None);
        later.fetch(runtime.handle(), || async { Ok(1) });
        assert_eq!(later.get(PATIENCE).as_deref(), Some(&1));
        later.fetch(runtime.handle(), || async { Ok(2) });
        assert_eq!(later.get(PATIENCE).as_deref(), Some(&1), "it is fresh");
    }

    #[test]
    fn a_slow_fetch_is_not_waited_for() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let later: Arc<Later<u32>> = Arc::default();
        later.fetch(runtime.handle(), std::future::pending);
        assert_eq!(later.get(Duration::ZERO), None);
        runtime.shutdown_background();
    }
}
