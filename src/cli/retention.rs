//! `telestrata retention`: what the rules let go, shown or done.

use std::fmt::Write as _;
use std::sync::Arc;

use bytesize::ByteSize;
use chrono::NaiveDate;
use clap::{Args, Subcommand};

use super::Done;
use super::args::LakeArgs;
use super::say::say;
use super::target::require_lake;
use super::user::user_name;
use super::watch::watched;
use crate::error::{Error, Result};
use crate::lake::safe_now;
use crate::maintenance::{JobKind, LedgerEntry, Progress, Retention as Job, RetentionLine, RetentionReport};
use crate::model::signal::Signal;

#[derive(Debug, Args)]
pub(super) struct Retention {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what would go and what would stay, by rule, touching nothing
    Plan(Plan),
    /// Let go of it
    Apply(Apply),
}

#[derive(Debug, Args)]
struct Plan {
    #[command(flatten)]
    common: Common,

    /// As of this UTC date instead of today
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<NaiveDate>,
}

#[derive(Debug, Args)]
struct Apply {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    lake: LakeArgs,

    /// This table only: logs, spans or metrics
    #[arg(long, value_name = "NAME")]
    table: Option<String>,

    /// Print JSON, one object
    #[arg(long)]
    json: bool,
}

impl Retention {
    pub(super) async fn run(self) -> Result<Done> {
        let (common, report) = match self.what {
            What::Plan(plan) => {
                let today = plan.as_of.unwrap_or_else(|| chrono::Utc::now().date_naive());
                let report = plan.common.run(async |job, tables| job.plan(tables, today).await).await?;
                (plan.common, report)
            }
            What::Apply(apply) => {
                let report = apply
                    .common
                    .run(async |job, tables| {
                        let now = safe_now(&job.root).await?;
                        job.apply(tables, now).await
                    })
                    .await?;
                (apply.common, report)
            }
        };
        common.tell(&report)?;
        Ok(if report.failures.is_empty() { Done::Wholly } else { Done::Partly })
    }
}

impl Common {
    /// Runs a job on these tables, while a line says how far it is.
    async fn run(&self, run: impl AsyncFnOnce(Job, &[Signal]) -> Result<RetentionReport>) -> Result<RetentionReport> {
        let config = self.lake.load()?;
        let tables = match &self.table {
            Some(name) => {
                let known = Signal::from_table(name);
                vec![known.ok_or_else(|| Error::config(format!("`{name}` is no table: logs, spans, metrics")))?]
            }
            None => Signal::ALL.to_vec(),
        };
        if config.retention.is_empty() {
            return Err(Error::config(
                "there is no [[retention]] in the configuration: everything is kept for ever; docs/operations.md has examples",
            ));
        }
        require_lake(&config.lake).await?;
        let progress = Progress::default();
        let job = Job {
            root: config.lake.clone(),
            rules: Arc::clone(&config.retention),
            query: config.query.clone(),
            target_bytes: config.compaction.target_bytes,
            memory: config.compaction.memory,
            entry: LedgerEntry::new(JobKind::Retention, user_name()),
            progress: progress.clone(),
        };
        watched(&progress, Box::pin(run(job, &tables))).await
    }

    fn tell(&self, report: &RetentionReport) -> Result<()> {
        if self.json {
            let line = serde_json::to_string(report);
            return say(&format!(
                "{}\n",
                line.map_err(|error| Error::internal("no JSON of a report").with_source(error))?
            ));
        }
        let mut text = String::new();
        for (goes, verb) in [(true, "goes"), (false, "stays")] {
            for line in report.lines.iter().filter(|line| line.goes == goes) {
                _ = writeln!(text, "{}", told(line, verb));
            }
        }
        if report.traces_decided > 0 {
            let (decided, kept) = (report.traces_decided, report.traces_kept);
            _ = writeln!(text, "traces: {decided} decided, {kept} of them kept");
        }
        let (before, after) = report.commits.iter().fold((0, 0), |(before, after), commit| {
            (before + commit.counts.bytes_before, after + commit.counts.bytes_after)
        });
        if !report.commits.is_empty() {
            let count = report.commits.len();
            _ = writeln!(text, "{count} commits: {} of files became {}", ByteSize(before), ByteSize(after));
        }
        if report.overtaken > 0 {
            _ = writeln!(
                text,
                "given up: {} rewrites, another writer was first; the next run does them",
                report.overtaken
            );
        }
        for failure in &report.failures {
            let date = failure.date.map_or_else(String::new, |date| format!(" {date}"));
            _ = writeln!(text, "failed: {}{date}: {}", failure.table, failure.error);
        }
        say(&text)
    }
}

fn told(line: &RetentionLine, verb: &str) -> String {
    let RetentionLine { table, rows, bytes, files, whole_files, first_date, last_date, reason, rule, .. } = line;
    let rule = rule.as_ref().map_or_else(String::new, |rule| format!(" ({rule})"));
    format!(
        "{table} {first_date} to {last_date}: {verb} {rows} rows, {}, of {files} files ({whole_files} whole): {reason}{rule}",
        ByteSize(*bytes)
    )
}
