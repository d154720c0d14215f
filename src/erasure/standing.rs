//! The erasures that a writer obeys, kept up to date, and the rows that they let through.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use super::log::ErasureLog;
use super::set::ErasureSet;
use crate::error::{Error, Result};
use crate::lake::LakeRoot;
use crate::model::signal::Signal;

/// Which rows are held, whoever wants them gone.
pub trait Held: fmt::Debug + Send + Sync {
    /// Tells it of rows of a signal with the contract's columns; `None` where none is.
    ///
    /// # Errors
    /// What evaluating a hold met.
    fn held(&self, signal: Signal, batch: &RecordBatch) -> Result<Option<Vec<bool>>>;
}

/// Rows that were let through.
#[derive(Debug, Clone)]
pub struct Sifted {
    /// They.
    pub batch: RecordBatch,
    /// How many were not.
    pub erased: usize,
}

/// What a writer obeys.
#[derive(Debug)]
pub struct StandingErasures {
    log: ErasureLog,
    held: Option<Arc<dyn Held>>,
    current: ArcSwap<ErasureSet>,
}

impl StandingErasures {
    /// Reads what stands now. A writer registers first, so that whoever installs another one sees it.
    ///
    /// # Errors
    /// As [`ErasureLog::load`].
    pub async fn open(root: &LakeRoot, held: Option<Arc<dyn Held>>) -> Result<Self> {
        let log = ErasureLog::new(root)?;
        let current = ArcSwap::from_pointee(log.load().await?);
        Ok(Self { log, held, current })
    }

    /// The set now.
    pub fn pin(&self) -> Arc<ErasureSet> {
        self.current.load_full()
    }

    /// Takes up what was installed or lifted since. Answers whether there was something.
    ///
    /// # Errors
    /// As [`ErasureLog::load`]; what was known is obeyed further.
    pub async fn refresh(&self) -> Result<bool> {
        if !self.log.has_newer(self.pin().last()).await? {
            return Ok(false);
        }
        self.current.store(Arc::new(self.log.load().await?));
        Ok(true)
    }

    /// The rows of a batch that this set lets through. CPU-bound, in proportion to its attributes.
    ///
    /// # Errors
    /// What evaluating a hold met.
    pub fn sift(&self, set: &ErasureSet, signal: Signal, batch: RecordBatch) -> Result<Sifted> {
        let Some(mut erased) = set.erased(&batch) else { return Ok(Sifted { batch, erased: 0 }) };
        let held = self.held.as_ref().map_or(Ok(None), |held| held.held(signal, &batch))?;
        for (erased, held) in erased.iter_mut().zip(held.into_iter().flatten()) {
            *erased &= !held;
        }
        let kept: BooleanArray = erased.iter().map(|erased| Some(!erased)).collect();
        let rows = filter_record_batch(&batch, &kept)
            .map_err(|error| Error::internal("rows can't be sifted").with_source(error))?;
        Ok(Sifted { erased: batch.num_rows() - rows.num_rows(), batch: rows })
    }
}
