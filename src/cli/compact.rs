//! `telestrata compact`: the small files of each date into large ones, now.

use std::fmt::Write as _;

use bytesize::ByteSize;
use clap::Args;

use super::Done;
use super::args::LakeArgs;
use super::say::say;
use super::target::require_lake;
use super::user::user_name;
use super::watch::watched;
use crate::error::{Error, Result};
use crate::lake::LakeTable;
use crate::maintenance::{CompactionSettings, Compactor, DateReport, JobKind, LedgerEntry, Progress};
use crate::model::signal::Signal;
use crate::trace_index::{INDEXER_SHARE, catch_up};

#[derive(Debug, Args)]
pub(super) struct Compact {
    #[command(flatten)]
    lake: LakeArgs,

    /// This table only: logs, spans or metrics
    #[arg(long, value_name = "NAME")]
    table: Option<String>,

    /// Write past dates anew that lack a column promoted since, or, where compaction.dedup_* says exact, still have their
    /// duplicates; once, also where a date is one run already
    #[arg(long)]
    renew: bool,

    /// Print JSON, an object for each date of which something was done
    #[arg(long)]
    json: bool,
}

impl Compact {
    pub(super) async fn run(self) -> Result<Done> {
        let config = self.lake.load()?;
        let signals = match &self.table {
            Some(name) => {
                let known = Signal::from_table(name);
                vec![known.ok_or_else(|| Error::config(format!("`{name}` is no table: logs, spans, metrics")))?]
            }
            None => Signal::ALL.to_vec(),
        };
        require_lake(&config.lake).await?;
        let entry = LedgerEntry::new(JobKind::Compaction, user_name());
        let today = chrono::Utc::now().date_naive();
        let mut reports = Vec::new();
        let progress = Progress::default();
        for signal in signals {
            let compactor = Compactor::new(
                LakeTable::new(&config.lake, signal)?,
                CompactionSettings { renew: self.renew, ..config.compaction },
                entry.clone(),
                progress.clone(),
            );
            reports.extend(watched(&progress, compactor.run(today)).await?);
        }
        // Ids are looked for in every new file until the index has it.
        progress.phase("the trace index");
        let indexed = catch_up(&config.lake, config.ingest.max_hot_bytes / INDEXER_SHARE);
        if let Err(error) = watched(&progress, indexed).await {
            tracing::warn!(%error, "the trace index was not brought up to the tables; the next compaction or server does it");
        }
        self.tell(&reports)?;
        let failed = reports.iter().any(|report| report.error.is_some());
        Ok(if failed { Done::Partly } else { Done::Wholly })
    }

    fn tell(&self, reports: &[DateReport]) -> Result<()> {
        let mut text = String::new();
        for report in reports {
            if self.json {
                let line = serde_json::to_string(report);
                let line = line.map_err(|error| Error::internal("no JSON of a report").with_source(error))?;
                _ = writeln!(text, "{line}");
                continue;
            }
            let DateReport { table, date, files_before, files_after, bytes_before, bytes_after, .. } = report;
            let (before, after) = (ByteSize(*bytes_before), ByteSize(*bytes_after));
            let was_merged = if report.merges > 0 {
                format!("{files_before} files to {files_after}, {before} to {after}")
            } else {
                format!("{files_before} files as they were")
            };
            _ = writeln!(text, "{table} {date}: {was_merged}");
            if let Some(error) = &report.error {
                _ = writeln!(text, "  failed: {error}");
            }
            if report.duplicates_dropped > 0 {
                _ = writeln!(text, "  dropped: {} exact duplicates", report.duplicates_dropped);
            }
            if report.overtaken > 0 {
                _ = writeln!(text, "  given up: {} merges, another writer was first", report.overtaken);
            }
        }
        if reports.is_empty() && !self.json {
            text.push_str("nothing to compact\n");
        }
        say(&text)
    }
}
