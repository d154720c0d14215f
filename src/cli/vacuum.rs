//! `telestrata vacuum`: files that nobody needs any more, seen or removed, now.

use std::fmt::Write as _;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::Done;
use super::args::LakeArgs;
use super::say::say;
use super::watch::watched;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LogReport, safe_now};
use crate::maintenance::{Amount, HousekeepingSettings, Intent, Progress, TABLES, VacuumReport, keep_log, vacuum};

#[derive(Debug, Args)]
pub(super) struct Vacuum {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what would be removed, and what stays and why; removes nothing
    Plan(Which),
    /// Remove files that no version needs any more, and what of the tables' logs is older than maintenance.log_retention
    Apply(Which),
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    lake: LakeArgs,

    /// This table only
    #[arg(long, value_name = "NAME")]
    table: Option<String>,

    /// How long files stay that no version needs any more [default: vacuum.grace, 24h]
    #[arg(long, value_name = "TIME")]
    grace: Option<String>,

    /// Print JSON, an object for each table; of a plan, with every file
    #[arg(long)]
    json: bool,
}

impl Vacuum {
    pub(super) async fn run(self) -> Result<Done> {
        match self.verb {
            Verb::Plan(which) => which.run(Intent::Plan).await,
            Verb::Apply(which) => which.run(Intent::Apply).await,
        }
    }
}

impl Which {
    async fn run(self, intent: Intent) -> Result<Done> {
        let mut layers = self.lake.layers()?;
        let config = Config::from_layers(&layers)?;
        // The lake keeps the configured one: what writers stage stays for that.
        layers.set_flag("vacuum.grace", self.grace.as_deref());
        let HousekeepingSettings { grace, log_retention } = Config::from_layers(&layers)?.housekeeping;
        let tables = self.tables()?;
        let progress = Progress::default();
        let mut reports = Vec::new();
        for table in tables {
            // A plan writes nothing, not even to learn the store's time.
            let now = match intent {
                Intent::Plan => chrono::Utc::now(),
                Intent::Apply => safe_now(&config.lake).await?,
            };
            progress.phase(format!("{table}: its log"));
            let log = watched(&progress, keep_log(&config.lake, table, log_retention, now, intent)).await;
            progress.phase(format!("{table}: its files"));
            for files in watched(&progress, vacuum(&config.lake, &[table], grace, now, intent)).await? {
                progress.add_files(files.removed.files, files.removed.bytes);
                reports.push(Report::new(files, log.as_ref()));
            }
        }
        if reports.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is nothing to vacuum at {}; name a lake with --lake", config.lake.display()),
            ));
        }
        say(&if self.json { as_json(&reports)? } else { as_text(&reports, intent, grace) })?;
        let failed = reports.iter().any(|report| report.files.error.is_some() || report.log_error.is_some());
        Ok(if failed { Done::Partly } else { Done::Wholly })
    }

    fn tables(&self) -> Result<Vec<&'static str>> {
        let Some(name) = &self.table else { return Ok(TABLES.to_vec()) };
        let known = TABLES.iter().find(|table| *table == name);
        known
            .map(|table| vec![*table])
            .ok_or_else(|| Error::config(format!("`{name}` is no table: {}", TABLES.join(", "))))
    }
}

/// What was seen and done of one table.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    files: VacuumReport,
    log: Option<LogReport>,
    log_error: Option<String>,
}

impl Report {
    fn new(files: VacuumReport, log: Result<&Option<LogReport>, &Error>) -> Self {
        let (log, log_error) = match log {
            Ok(log) => (log.clone(), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self { files, log, log_error }
    }
}

fn as_json(reports: &[Report]) -> Result<String> {
    let mut text = String::new();
    for report in reports {
        let line = serde_json::to_string(report);
        let line = line.map_err(|error| Error::internal("no JSON of a report").with_source(error))?;
        _ = writeln!(text, "{line}");
    }
    Ok(text)
}

fn as_text(reports: &[Report], intent: Intent, grace: Duration) -> String {
    let grace = humantime::format_duration(grace);
    let mut text = String::new();
    for Report { files: report, log, log_error } in reports {
        let (verb, amount) = match intent {
            Intent::Plan => ("would go", report.unneeded),
            Intent::Apply => ("removed", report.removed),
        };
        _ = writeln!(text, "{}: {} {verb}", report.table, shown(amount));
        let mut stays = |amount: Amount, why: &str| {
            if amount.files > 0 {
                _ = writeln!(text, "  {} stay: {why}", shown(amount));
            }
        };
        stays(report.just_removed, &format!("taken out of the table less than {grace} ago"));
        let staged = humantime::format_duration(Duration::from_secs(report.staged_grace_s));
        stays(
            report.young,
            &format!("written less than {staged} ago and named by no commit: a writer may be about to"),
        );
        for (name, amount) in &report.pinned {
            stays(*amount, &format!("snapshot `{name}` has them"));
        }
        if let Some(log) = log {
            let (count, oldest) = (if intent == Intent::Plan { log.unneeded } else { log.removed }, log.oldest);
            if count > 0 {
                _ = writeln!(text, "  of its log, {count} files {verb}; versions from {oldest} on can be opened");
            }
        }
        for error in report.error.iter().chain(log_error) {
            _ = writeln!(text, "  failed: {error}");
        }
    }
    text
}

fn shown(amount: Amount) -> String {
    let plural = if amount.files == 1 { "" } else { "s" };
    format!("{} file{plural} of {}", amount.files, ByteSize(amount.bytes))
}
