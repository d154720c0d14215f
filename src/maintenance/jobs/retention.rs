//! Retention while a server runs: what the rules let go, some times a day.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::job::{Job, JobContext, Outcome};
use crate::error::Result;
use crate::lake::safe_now;
use crate::maintenance::{CompactionSettings, JobKind, LedgerEntry, Retention, RetentionRules};
use crate::model::signal::Signal;
use crate::query::QueryBudget;

/// Rules are about whole days; what fails, or comes late, or is overtaken, is done within hours.
const EVERY: Duration = Duration::from_secs(3600);

/// Applies the rules to all tables, since those of traces are about several.
#[derive(Debug)]
pub struct RetentionJob {
    rules: Arc<RetentionRules>,
    query: QueryBudget,
    compaction: CompactionSettings,
}

impl RetentionJob {
    /// A job by these rules, whose rewrites have the memory and the file size of compaction.
    pub const fn new(rules: Arc<RetentionRules>, query: QueryBudget, compaction: CompactionSettings) -> Self {
        Self { rules, query, compaction }
    }
}

#[async_trait]
impl Job for RetentionJob {
    fn kind(&self) -> JobKind {
        JobKind::Retention
    }

    fn table(&self) -> &'static str {
        ""
    }

    fn every(&self) -> Duration {
        EVERY
    }

    async fn run(&mut self, context: &JobContext) -> Result<Outcome> {
        let retention = Retention {
            root: context.root.clone(),
            rules: Arc::clone(&self.rules),
            query: self.query.clone(),
            target_bytes: self.compaction.target_bytes,
            memory: self.compaction.memory,
            entry: LedgerEntry::new(JobKind::Retention, LedgerEntry::SERVER),
            progress: context.progress.clone(),
        };
        let report = retention.apply(&Signal::ALL, safe_now(&context.root).await?).await?;
        let error = report.failures.first().map(|failure| match failure.date {
            Some(date) => format!("{} {date}: {}", failure.table, failure.error),
            None => format!("{}: {}", failure.table, failure.error),
        });
        Ok(Outcome {
            failures: report.failures.len() as u64,
            error,
            again: false,
            rewritten_bytes: report.commits.iter().map(|commit| commit.counts.bytes_before).sum(),
        })
    }
}
