//! An import's word to the lake: that it writes, and which standing erasures it obeys.
//!
//! Guarantee: what is staged together is sifted by one set of erasures, and committed before the import says that it
//! obeys a later one.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use crate::erasure::{ErasureSet, Held, StandingErasures};
use crate::error::{Error, Result};
use crate::lake::{LakeRoot, Registration, WriterKind};
use crate::model::signal::Signal;

/// How often it is looked for erasures that were installed or lifted.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The registration and the erasures of one import.
#[derive(Debug)]
pub(super) struct Obedience {
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    registration: Registration,
    erasures: StandingErasures,
    /// Held from the first file that is written to its commit.
    staging: Arc<Mutex<()>>,
}

/// Files that are being written for one commit.
#[derive(Debug)]
pub(super) struct Staging {
    shared: Arc<Shared>,
    set: Arc<ErasureSet>,
    _held: OwnedMutexGuard<()>,
}

impl Obedience {
    /// Registers the import, then reads what it has to obey.
    pub(super) async fn begin(root: &LakeRoot, held: Option<Arc<dyn Held>>) -> Result<Self> {
        let registration = Registration::begin(root, &uuid::Uuid::new_v4().to_string(), WriterKind::Import).await?;
        let erasures = match StandingErasures::open(root, held).await {
            Ok(erasures) => erasures,
            Err(error) => {
                registration.end().await;
                return Err(error);
            }
        };
        registration.obeys(erasures.pin().last()).await?;
        let shared = Arc::new(Shared { registration, erasures, staging: Arc::default() });
        let stop = CancellationToken::new();
        let (followed, stopped) = (Arc::downgrade(&shared), stop.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(shared) = followed.upgrade() else { return };
                if let Err(error) = shared.follow().await {
                    tracing::warn!(%error, "the standing erasures can't be followed; it is tried again");
                }
            }
        }));
        Ok(Self { shared, stop })
    }

    /// Begins what goes into one commit, or several that are told as one.
    pub(super) async fn stage(&self) -> Staging {
        let held = Arc::clone(&self.shared.staging).lock_owned().await;
        Staging { set: self.shared.erasures.pin(), shared: Arc::clone(&self.shared), _held: held }
    }

    /// The last commit is done.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        self.shared.registration.end().await;
    }
}

impl Drop for Obedience {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    async fn follow(&self) -> Result<()> {
        self.erasures.refresh().await?;
        let last = self.erasures.pin().last();
        let idle = self.staging.lock().await;
        drop(idle);
        self.registration.obeys(last).await
    }
}

impl Staging {
    /// The rows that are let through, and how many are not.
    pub(super) async fn sift(&self, signal: Signal, batches: Vec<RecordBatch>) -> Result<(Vec<RecordBatch>, u64)> {
        if self.set.is_empty() {
            return Ok((batches, 0));
        }
        let (shared, set) = (Arc::clone(&self.shared), Arc::clone(&self.set));
        let sifted = tokio::task::spawn_blocking(move || {
            batches.into_iter().map(|batch| shared.erasures.sift(&set, signal, batch)).collect::<Result<Vec<_>>>()
        });
        let sifted =
            sifted.await.map_err(|error| Error::internal("a thread of the import died").with_source(error))??;
        let erased = sifted.iter().map(|sifted| sifted.erased as u64).sum();
        Ok((sifted.into_iter().map(|sifted| sifted.batch).filter(|batch| batch.num_rows() > 0).collect(), erased))
    }
}
