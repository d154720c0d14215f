//! What a query counts for, from its text to its end, however it ends.

use std::sync::Arc;
use std::time::Instant;

use super::problem;
use crate::error::Error;
use crate::metrics::{ByOutcome, Metrics};

/// One running query; counted when it is dropped, as `cancelled` where nobody said better.
#[derive(Debug)]
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    started: Instant,
    outcome: &'static str,
}

impl Tally {
    /// Counts a query as running.
    pub(super) fn start(metrics: &Arc<Metrics>) -> Self {
        metrics.running_queries.inc();
        Self { metrics: Arc::clone(metrics), started: Instant::now(), outcome: "cancelled" }
    }

    /// Every row was made.
    pub(super) fn succeeded(mut self) {
        self.outcome = "ok";
    }

    /// The query failed.
    pub(super) fn failed(mut self, error: &Error) {
        self.outcome = problem::name(error.kind());
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.metrics.queries.get_or_create(&ByOutcome { outcome: self.outcome }).inc();
        self.metrics.query_seconds.observe(self.started.elapsed().as_secs_f64());
        // Last: who sees that it no longer runs finds it counted.
        self.metrics.running_queries.dec();
    }
}
