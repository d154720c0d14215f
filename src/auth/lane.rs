//! The checks of credentials: few at once, none twice, and the same wait for a name that is not known.
//!
//! ```text
//! secret --digest--> the one proven here before? --yes--> in          (an OTLP sender comes thousands of times a second)
//!                        no: wait for a turn of this lane, then one of CHECKS_AT_ONCE --> compute on a blocking thread
//! ```
//! Guarantee: however many wrong secrets come, [`CHECKS_AT_ONCE`] threads compute. Which lane a name waits in follows from a
//! keyed hash of the name, whether or not it is known, so that the wait does not tell. What was proven waits for nobody.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::secret::SecretDigest;
use crate::error::{Error, Result};

/// Checks that compute at once. Each argon2 takes some 20 MiB of memory.
const CHECKS_AT_ONCE: usize = 2;

/// Lanes; those of the names of a flood are slow, the others are not.
const LANES: usize = 64;

/// Requests that wait in one lane.
const MAX_WAITING: usize = 256;

/// Where the secrets of some names are checked, one at a time.
#[derive(Debug)]
pub(super) struct Lane {
    turn: Arc<Semaphore>,
    waiting: Semaphore,
}

/// The secret of a name that was found right last: a credential has one.
#[derive(Debug, Default)]
pub(super) struct Proven(Mutex<Option<SecretDigest>>);

/// Every lane.
#[derive(Debug)]
pub(super) struct Lanes(Vec<Lane>);

impl Default for Lanes {
    fn default() -> Self {
        Self(std::iter::repeat_with(Lane::default).take(LANES).collect())
    }
}

impl Lanes {
    /// The lane of the name with this keyed hash.
    pub(super) fn of(&self, name: &SecretDigest) -> &Lane {
        let number = usize::from(u16::from_le_bytes([name[0], name[1]])) % self.0.len();
        &self.0[number]
    }
}

/// The threads that all lanes share.
#[derive(Debug, Clone)]
pub(super) struct Checks(Arc<Semaphore>);

impl Default for Checks {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CHECKS_AT_ONCE)))
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), waiting: Semaphore::new(MAX_WAITING) }
    }
}

impl Lane {
    /// Whether the secret of this digest is right, which `fits` computes where it is not known.
    ///
    /// # Errors
    /// `Unavailable` where too many wait, or the program stops.
    pub(super) async fn check(
        &self,
        proven: &Arc<Proven>,
        digest: SecretDigest,
        checks: &Checks,
        fits: impl FnOnce() -> Result<bool> + Send + 'static,
    ) -> Result<bool> {
        if proven.is(&digest) {
            return Ok(true);
        }
        let stopped = |_| Error::unavailable("credentials are no longer checked; send it again");
        let waiting = self
            .waiting
            .try_acquire()
            .map_err(|_| Error::unavailable("too many credentials wait to be checked; send it again later"))?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(stopped)?;
        if proven.is(&digest) {
            return Ok(true);
        }
        let permit = Arc::clone(&checks.0).acquire_owned().await.map_err(stopped)?;
        let proven = Arc::clone(proven);
        // The permits go along: a client that leaves does not end the computing.
        let checked = tokio::task::spawn_blocking(move || {
            let right = fits();
            if matches!(right, Ok(true)) {
                *proven.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
            }
            drop((permit, turn));
            right
        });
        let right =
            checked.await.map_err(|error| Error::internal("the check of a credential died").with_source(error))?;
        drop(waiting);
        right
    }
}

impl Proven {
    fn is(&self, digest: &SecretDigest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(digest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_right_secret_is_computed_once_and_wrong_ones_never_more_than_a_few_at_once() {
        let (checks, computed) = (Checks::default(), Arc::new(AtomicUsize::new(0)));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let lanes: Vec<_> = (0..4).map(|_| (Arc::new(Lane::default()), Arc::<Proven>::default())).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..64_usize {
            let ((lane, proven), checks) = (lanes[number % 4].clone(), checks.clone());
            let (computed, now, most) = (Arc::clone(&computed), Arc::clone(&now), Arc::clone(&most));
            tasks.spawn(async move {
                let right = number % 4 == 0;
                let digest = [u8::from(right); 32];
                let fits = move || {
                    computed.fetch_add(1, Ordering::SeqCst);
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(right)
                };
                assert_eq!(lane.check(&proven, digest, &checks, fits).await.unwrap(), right);
            });
        }
        tasks.join_all().await;
        assert_eq!(computed.load(Ordering::SeqCst), 1 + 48);
        assert!(most.load(Ordering::SeqCst) <= CHECKS_AT_ONCE);
    }

    #[tokio::test]
    async fn past_the_bound_a_check_is_refused_and_what_was_proven_still_comes_in() {
        let (lane, proven, checks) = (Lane::default(), Arc::<Proven>::default(), Checks::default());
        assert!(lane.check(&proven, [1; 32], &checks, || Ok(true)).await.unwrap());
        let turn = lane.turn.acquire().await.unwrap();
        let mut waiting: Vec<_> =
            (0..MAX_WAITING).map(|_| Box::pin(lane.check(&proven, [2; 32], &checks, || Ok(false)))).collect();
        for check in &mut waiting {
            assert!(futures::poll!(check).is_pending());
        }
        let refused = lane.check(&proven, [3; 32], &checks, || Ok(true)).await.unwrap_err();
        assert_eq!(refused.kind(), crate::error::ErrorKind::Unavailable);
        assert!(lane.check(&proven, [1; 32], &checks, || panic!("it is proven")).await.unwrap());
        drop(turn);
        assert!(!futures::future::join_all(waiting).await.into_iter().any(Result::unwrap));
    }
}
