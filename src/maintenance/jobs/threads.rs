//! The threads of background work: few, and of a lower priority than those that take requests and answer queries.

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

/// Added to the process's niceness. Where threads compete for a core, Linux gives one of this niceness about a tenth of
/// what another gets: enough to keep up with what is flushed, too little to be felt.
const NICENESS: i32 = 10;

/// The most that Linux knows.
const NICEST: i32 = 19;

/// Threads that wait for the disk, and encode.
const BLOCKING_THREADS: usize = 16;

/// Stack of a thread: plans and expressions are visited by recursion.
const STACK_BYTES: usize = 64 << 20;

/// A runtime of so many threads that compute, and some that wait for the disk.
///
/// # Errors
/// `Config` where no threads can be started.
pub(super) fn start(cpu_threads: usize) -> Result<Runtime> {
    let lower = lower_priority();
    Builder::new_multi_thread()
        .worker_threads(cpu_threads)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("background")
        .thread_stack_size(STACK_BYTES)
        .on_thread_start(lower)
        .enable_all()
        .build()
        .map_err(|error| Error::config("no threads can be started for background work").with_source(error))
}

/// Lowers the calling thread's priority. Linux has one a thread; elsewhere it would be the process's, and stays.
fn lower_priority() -> impl Fn() + Send + Sync + 'static {
    // Threads inherit the priority of who starts them, which may be one that is lowered already.
    let own = rustix::process::getpriority_process(None).unwrap_or(0);
    let lowered = (own + NICENESS).min(NICEST);
    move || {
        if cfg!(target_os = "linux")
            && let Err(error) = rustix::process::setpriority_process(None, lowered)
        {
            tracing::warn!(%error, "background work runs at the priority of requests");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_that_compute_and_threads_that_wait_have_the_lower_priority_and_others_keep_theirs() {
        let own = rustix::process::getpriority_process(None).unwrap();
        let runtime = start(1).unwrap();
        let lowered = runtime.block_on(async {
            let computes = tokio::spawn(async { rustix::process::getpriority_process(None).unwrap() });
            // Started by a thread whose priority is lowered.
            let waits = tokio::spawn(async {
                tokio::task::spawn_blocking(|| rustix::process::getpriority_process(None).unwrap()).await.unwrap()
            });
            [computes.await.unwrap(), waits.await.unwrap()]
        });
        assert_eq!(lowered, [(own + NICENESS).min(NICEST); 2]);
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), own);
    }
}
