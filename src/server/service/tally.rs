//! What a query counts for, from its text to its end, however it ends.

use std::sync::Arc;
use std::time::Instant;

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

    /// It ended by itself.
    pub(super) fn end(mut self, outcome: Result<(), &Error>) {
        self.outcome = outcome.map_or_else(|error| error.kind().name(), |()| "ok");
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
