//! A bound on the bytes that background work moves to and from the store, and its stop.
//!
//! Guarantee: in any stretch of time, no more bytes pass than the rate allows for it and one second more, beside the one
//! request that each waits on its own. What is charged without waiting delays what comes after it.
//!
//! It is a leaky bucket by virtual scheduling: kept is the moment at which all that has passed will be paid for; who comes
//! waits until that moment is at most [`BURST`] away.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How much is let through at once after a quiet time, as the time that it is worth.
const BURST: Duration = Duration::from_secs(1);

/// Bounds and counts the bytes of all that share it. A clone is the same throttle.
#[derive(Debug, Clone)]
pub struct Throttle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket: Option<Mutex<Bucket>>,
    stop: CancellationToken,
    moved: Counter,
}

/// The background work was told to stop.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("background work is being stopped")]
pub struct Stopped;

impl Throttle {
    /// So many bytes a second, `None` for no bound, counted into `moved`. What waits or comes after `stop` fails.
    pub fn new(bytes_per_second: Option<NonZeroU64>, stop: CancellationToken, moved: Counter) -> Self {
        let bucket = bytes_per_second.map(|rate| Mutex::new(Bucket { rate, paid: None }));
        Self(Arc::new(Inner { bucket, stop, moved }))
    }

    /// Whether a stop was asked for.
    pub fn is_stopped(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// Lets bytes pass when it is their turn.
    ///
    /// # Errors
    /// When a stop was asked for.
    pub(super) async fn pass(&self, bytes: u64) -> Result<(), Stopped> {
        if self.is_stopped() {
            return Err(Stopped);
        }
        let wait = self.reserve(bytes);
        if wait.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = self.0.stop.cancelled() => Err(Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    /// Lets bytes pass at once; others wait for them.
    pub(super) fn charge(&self, bytes: u64) {
        self.reserve(bytes);
    }

    fn reserve(&self, bytes: u64) -> Duration {
        self.0.moved.inc_by(bytes);
        let Some(bucket) = &self.0.bucket else { return Duration::ZERO };
        bucket.lock().unwrap_or_else(PoisonError::into_inner).reserve(bytes, Instant::now())
    }
}

#[derive(Debug)]
struct Bucket {
    rate: NonZeroU64,
    /// When everything that has passed is paid for.
    paid: Option<Instant>,
}

impl Bucket {
    /// Takes bytes, and answers how long they wait.
    fn reserve(&mut self, bytes: u64, now: Instant) -> Duration {
        let begun = self.paid.map_or(now, |paid| paid.max(now));
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        // A request of centuries is paid for never; what follows is told so by its wait.
        self.paid = Some(begun.checked_add(cost).unwrap_or(begun));
        (begun - now).saturating_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1000;

    fn bucket() -> Bucket {
        Bucket { rate: NonZeroU64::new(RATE).unwrap(), paid: None }
    }

    /// Of any requests, what passes in any stretch of time is bounded, and all of the rate is used.
    #[rstest::rstest]
    #[case::small(&[1, 7, 20, 3])]
    #[case::as_large_as_a_burst(&[1000])]
    #[case::larger_than_a_burst(&[5000, 1])]
    fn what_passes_is_bounded_by_the_rate(#[case] sizes: &[u64]) {
        let start = Instant::now();
        let mut bucket = bucket();
        let mut now = start;
        let mut passed: Vec<(Instant, u64)> = Vec::new();
        // One after another, each as soon as it may.
        for size in sizes.iter().cycle().take(2000) {
            now += bucket.reserve(*size, now);
            passed.push((now, *size));
        }
        let largest = *sizes.iter().max().unwrap();
        for from in (0..passed.len()).step_by(97) {
            let mut sum = 0;
            for (at, size) in &passed[from..] {
                sum += size;
                let allowed = (*at - passed[from].0 + BURST).as_secs_f64() * RATE as f64 + largest as f64 + 1.0;
                assert!(sum as f64 <= allowed, "{sum} bytes where {allowed} are allowed");
            }
        }
        let all: u64 = passed.iter().map(|(_, size)| size).sum();
        let needed = all as f64 / RATE as f64;
        assert!((now - start).as_secs_f64() <= needed, "{:?} for what needs {needed} s", now - start);
    }

    #[test]
    fn a_quiet_time_is_not_saved_up() {
        let mut bucket = bucket();
        let start = Instant::now();
        assert_eq!(bucket.reserve(1, start), Duration::ZERO);
        let later = start + Duration::from_secs(3600);
        assert_eq!(bucket.reserve(RATE, later), Duration::ZERO);
        assert_eq!(bucket.reserve(RATE, later), Duration::ZERO, "the burst");
        assert_eq!(bucket.reserve(RATE, later), Duration::from_secs(1));
        assert_eq!(bucket.reserve(1, later), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_stop_ends_every_wait() {
        let stop = CancellationToken::new();
        let throttle = Throttle::new(NonZeroU64::new(1), stop.clone(), Counter::default());
        throttle.pass(1_000_000).await.unwrap();
        let waiting = tokio::spawn({
            let throttle = throttle.clone();
            async move { throttle.pass(1).await }
        });
        tokio::task::yield_now().await;
        stop.cancel();
        waiting.await.unwrap().unwrap_err();
        throttle.pass(0).await.unwrap_err();
    }
}
