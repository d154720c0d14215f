//! The background work of a server: which jobs there are, with what they work.

use std::sync::Arc;

use crate::config::Config;
use crate::error::Result;
use crate::ingest::Store;
use crate::maintenance::{Background, CompactionJob, LogJob, RetentionJob, Snapshots, TABLES, VacuumJob};
use crate::model::signal::Signal;
use crate::query::{QueryBudget, QueryEngine};

/// Starts every job, and shows them to queries; `None` where the configuration wants none.
///
/// # Errors
/// `Config` where no threads can be started, or no second client of the object store.
pub(super) fn start_background(
    config: &Config,
    store: &Arc<Store>,
    engine: &Arc<QueryEngine>,
) -> Result<Option<Background>> {
    let settings = &config.maintenance;
    if !settings.enabled {
        return Ok(None);
    }
    let metrics = store.metrics();
    let background = Background::new(settings, &config.lake, Arc::clone(metrics))?;
    let states = background.states().clone();
    engine.show_jobs(Arc::new(move || states.rows()));
    let weak = Arc::downgrade(store);
    let snapshots: Snapshots = Arc::new(move |signal| weak.upgrade().map(|store| store.snapshot(signal)));
    for signal in Signal::ALL {
        background.spawn(Box::new(CompactionJob::new(
            signal,
            config.compaction,
            settings.interval,
            store.writer_id(),
            Arc::clone(&snapshots),
            Arc::clone(metrics),
        )));
    }
    if !config.retention.is_empty() {
        let rules = Arc::clone(&config.retention);
        background.spawn(Box::new(RetentionJob::new(rules, judging(&config.query), config.compaction)));
    }
    for table in TABLES {
        background.spawn(Box::new(LogJob::new(table, config.housekeeping)));
        background.spawn(Box::new(VacuumJob::new(table, config.housekeeping)));
    }
    Ok(Some(background))
}

/// What judging traces may use beside the queries of the server: half of their memory, and small caches.
fn judging(query: &QueryBudget) -> QueryBudget {
    QueryBudget {
        max_memory: query.max_memory / 2,
        footer_cache: query.footer_cache / 4,
        small_files: query.small_files / 4,
        ..query.clone()
    }
}
