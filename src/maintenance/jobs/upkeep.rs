//! Vacuum, and logs kept short: a job each for each table, the derived ones too.
//!
//! Servers of one lake all do both; what one has done, the others find done.

use std::time::Duration;

use async_trait::async_trait;

use super::job::{Job, JobContext, Outcome};
use crate::error::Result;
use crate::lake::safe_now;
use crate::maintenance::{HousekeepingSettings, Intent, JobKind, keep_log, vacuum};

/// How often a log is looked after: a listing, and a read of each commit that is not in the ledger yet.
const LOG_EVERY: Duration = Duration::from_secs(600);

/// Vacuums in a grace: a file that nobody needs stays a quarter longer than it must, at most.
const VACUUMS_A_GRACE: u32 = 4;

/// Removes the files of one table that nobody needs any more.
#[derive(Debug)]
pub struct VacuumJob {
    table: &'static str,
    grace: Duration,
}

/// Brings one table's commits into the ledger, writes its checkpoints, and lets old commits go.
#[derive(Debug)]
pub struct LogJob {
    table: &'static str,
    retention: Duration,
}

impl VacuumJob {
    /// A job for a table.
    pub const fn new(table: &'static str, settings: HousekeepingSettings) -> Self {
        Self { table, grace: settings.grace }
    }
}

impl LogJob {
    /// A job for a table.
    pub const fn new(table: &'static str, settings: HousekeepingSettings) -> Self {
        Self { table, retention: settings.log_retention }
    }
}

#[async_trait]
impl Job for VacuumJob {
    fn kind(&self) -> JobKind {
        JobKind::Vacuum
    }

    fn table(&self) -> &'static str {
        self.table
    }

    fn every(&self) -> Duration {
        self.grace / VACUUMS_A_GRACE
    }

    async fn run(&mut self, context: &JobContext) -> Result<Outcome> {
        context.progress.phase(format!("{}: looking for files that nobody needs", self.table));
        let now = safe_now(&context.root).await?;
        let mut outcome = Outcome::default();
        for report in vacuum(&context.root, &[self.table], self.grace, now, Intent::Apply).await? {
            context.progress.add_files(report.removed.files, report.removed.bytes);
            outcome.failures += u64::from(report.error.is_some());
            outcome.error = outcome.error.or(report.error);
        }
        Ok(outcome)
    }
}

#[async_trait]
impl Job for LogJob {
    fn kind(&self) -> JobKind {
        JobKind::LogCleanup
    }

    fn table(&self) -> &'static str {
        self.table
    }

    fn every(&self) -> Duration {
        LOG_EVERY
    }

    async fn run(&mut self, context: &JobContext) -> Result<Outcome> {
        context.progress.phase(format!("{}: its log", self.table));
        let now = safe_now(&context.root).await?;
        let report = keep_log(&context.root, self.table, self.retention, now, Intent::Apply).await?;
        if let Some(report) = report {
            context.progress.add_files(report.removed, report.unneeded_bytes);
        }
        Ok(Outcome::default())
    }
}
