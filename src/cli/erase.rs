//! `telestrata erase`: rows that a person wants gone.

use std::fmt::Write as _;
use std::io::Read;
use std::sync::Arc;

use bytesize::ByteSize;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::Done;
use super::say::say;
use super::target::{Server, TargetArgs};
use super::user::user_name;
use super::watch::watched;
use crate::config::Config;
use crate::erasure::{ErasureLog, SecretValue, StandingErasure};
use crate::error::{Error, Result};
use crate::maintenance::{EraseReport, EraseRequest, EraseScope, EraseSettings, EraseWhat, Eraser, Offline, Progress};
use crate::model::signal::Signal;
use crate::query::RowFilters;

#[derive(Debug, Args)]
pub(super) struct Erase {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Show what would go and what would stay; touches nothing
    Plan(Asked),
    /// Erase, keep out what still comes, and prove that nothing is left
    Apply(Asked),
    /// List the standing erasures
    List(List),
    /// Let in again what a standing erasure keeps out
    Lift(Lift),
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["attribute", "condition"]))]
struct Asked {
    #[command(flatten)]
    target: TargetArgs,

    /// Rows with this attribute in any of their maps; without =VALUE, the value is read from standard input
    #[arg(long, value_name = "KEY[=VALUE]")]
    attribute: Option<String>,

    /// Rows of which this is true, of each table that it fits, as in "service_name = 'old' and body like '%u42%'"
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,

    /// With --where: this table only
    #[arg(long, value_name = "NAME", requires = "condition", conflicts_with = "attribute")]
    table: Option<TableName>,

    /// What goes with a row: nothing else, or all spans and logs of its trace
    #[arg(long, value_enum, default_value = "record")]
    scope: Scope,

    /// Also rows with the attribute's value anywhere in their text, or in the keys and values of their maps: as a part of
    /// longer words too, so plan first
    #[arg(long, requires = "attribute")]
    also_body: bool,

    /// Why, for the ledger; without the value
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    Record,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TableName {
    Logs,
    Spans,
    Metrics,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    target: TargetArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Lift {
    #[command(flatten)]
    target: TargetArgs,

    /// Its number, as `erase list` has it
    id: u64,
}

impl Erase {
    pub(super) async fn run(self) -> Result<Done> {
        match self.step {
            Step::Plan(asked) => asked.run(false).await,
            Step::Apply(asked) => asked.run(true).await,
            Step::List(list) => list.run().await,
            Step::Lift(lift) => lift.run().await,
        }
    }
}

/// How a process with this configuration erases.
pub(super) fn erase_settings(config: &Config) -> Result<EraseSettings> {
    Ok(EraseSettings {
        target_bytes: config.compaction.target_bytes,
        memory: config.compaction.memory,
        grace: config.housekeeping.grace,
        log_retention: config.housekeeping.log_retention,
        holds: Arc::new(config.retention.holds.clone()),
        filters: Arc::new(RowFilters::new(&config.query, Arc::clone(&config.views))?),
    })
}

impl Asked {
    async fn run(&self, apply: bool) -> Result<Done> {
        let request = self.request()?;
        request.validate()?;
        let progress = Progress::default();
        let report = match &self.target.connect {
            Some(url) => {
                progress.phase("the server erases");
                watched(&progress, by_server(url, &request, apply)).await?
            }
            None => {
                let config = self.target.lake.load()?;
                if !self.target.lake.has_file() {
                    eprintln!(
                        "note: no configuration file is read, so no [[hold]] keeps anything; name it with --config"
                    );
                }
                let (settings, own) = (erase_settings(&config)?, progress.clone());
                let eraser = Eraser::new(config.lake.clone(), settings, Arc::new(Offline), own);
                let erased = async {
                    if apply { eraser.apply(&request, &user_name()).await } else { eraser.plan(&request).await }
                };
                watched(&progress, erased).await?
            }
        };
        if self.json {
            let text = serde_json::to_string(&report);
            say(&(text.map_err(|error| Error::internal("no JSON of a report").with_source(error))? + "\n"))?;
        } else {
            say(&for_people(&report))?;
        }
        Ok(if report.is_partial() { Done::Partly } else { Done::Wholly })
    }

    fn request(&self) -> Result<EraseRequest> {
        let what = match (&self.attribute, &self.condition) {
            (Some(attribute), _) => {
                let (key, value) = match attribute.split_once('=') {
                    Some((key, value)) => (key.to_owned(), value.to_owned()),
                    None => (attribute.clone(), value_from_stdin()?),
                };
                EraseWhat::Attribute { key, value: SecretValue::new(value), also_body: self.also_body }
            }
            (None, Some(condition)) => {
                EraseWhat::Where { condition: SecretValue::new(condition.clone()), table: self.table.map(Signal::from) }
            }
            (None, None) => return Err(Error::config("say what is to be erased: --attribute or --where")),
        };
        let scope = match self.scope {
            Scope::Record => EraseScope::Record,
            Scope::Trace => EraseScope::Trace,
        };
        Ok(EraseRequest { what, scope, reason: self.reason.clone() })
    }
}

impl From<TableName> for Signal {
    fn from(name: TableName) -> Self {
        match name {
            TableName::Logs => Self::Logs,
            TableName::Spans => Self::Spans,
            TableName::Metrics => Self::Metrics,
        }
    }
}

/// A value that is in no command line, and so in no list of processes and no shell's history.
fn value_from_stdin() -> Result<String> {
    let mut value = String::new();
    std::io::stdin()
        .read_to_string(&mut value)
        .map_err(|error| Error::config("the value can't be read from standard input").with_source(error))?;
    Ok(value.strip_suffix('\n').map(str::to_owned).unwrap_or(value))
}

async fn by_server(url: &str, request: &EraseRequest, apply: bool) -> Result<EraseReport> {
    let path = if apply { "/v1/erase/apply" } else { "/v1/erase/plan" };
    let response = Server::new(url)?.post(path, &[], request.to_json()?).await?;
    let report = response.json().await;
    report.map_err(|error| {
        Error::unavailable("the server's answer broke off; make the same request again, it goes on").with_source(error)
    })
}

impl List {
    async fn run(self) -> Result<Done> {
        let erasures: Vec<StandingErasure> = match &self.target.connect {
            Some(url) => serde_json::from_value(Server::new(url)?.get_json("/v1/erase").await?).map_err(|error| {
                Error::unavailable(format!("{url} did not answer with a list; is it a telestrata server?"))
                    .with_source(error)
            })?,
            None => ErasureLog::new(&self.target.lake.load()?.lake)?.list().await?,
        };
        if self.json {
            say(&format!("{}\n", serde_json::json!(erasures)))?;
            return Ok(Done::Wholly);
        }
        let mut text = String::new();
        for StandingErasure { id, attribute, installed, by, reason, lifted_by } in &erasures {
            let since = installed.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            let state = lifted_by.as_ref().map_or_else(String::new, |by| format!(" (lifted by {by})"));
            _ = writeln!(text, "{id:>4}  {attribute}, since {since} by {by}{why}{state}");
        }
        if erasures.is_empty() {
            text.push_str("no erasure stands\n");
        }
        say(&text)?;
        Ok(Done::Wholly)
    }
}

impl Lift {
    async fn run(self) -> Result<Done> {
        match &self.target.connect {
            Some(url) => {
                let body = serde_json::json!({ "id": self.id }).to_string();
                Server::new(url)?.post("/v1/erase/lift", &[], body).await?;
            }
            None => ErasureLog::new(&self.target.lake.load()?.lake)?.lift(self.id, &user_name()).await?,
        }
        say(&format!("erasure {} is lifted; what it kept out comes in again, what it erased stays away\n", self.id))?;
        Ok(Done::Wholly)
    }
}

fn for_people(report: &EraseReport) -> String {
    let mut text = String::new();
    let (verb, standing) = match report.standing {
        _ if !report.applied => ("would be erased; nothing was touched", String::new()),
        Some(id) => ("are erased", format!("; standing erasure {id} keeps out what still comes")),
        None => ("are erased", String::new()),
    };
    _ = writeln!(text, "{}: {} rows {verb}{standing}", report.request, report.rows());
    if let Some(traces) = report.traces {
        _ = writeln!(text, "  of {traces} traces");
    }
    for table in &report.tables {
        if let Some(why) = &table.skipped {
            _ = writeln!(text, "{}: not asked: {why}", table.table);
        }
        for date in &table.dates {
            let size = ByteSize(date.bytes);
            _ = writeln!(text, "{} {}: {} rows, in {} files ({size})", table.table, date.date, date.rows, date.files);
        }
        if table.hot_rows > 0 {
            _ = writeln!(text, "{} in memory: {} rows", table.table, table.hot_rows);
        }
        for (reason, rows) in &table.held {
            _ = writeln!(text, "{} held: {rows} rows stay: {reason}", table.table);
        }
        for error in &table.errors {
            _ = writeln!(text, "{} failed: {error}", table.table);
        }
    }
    for (snapshot, rows) in report.snapshots.iter().filter(|_| !report.applied) {
        _ = writeln!(text, "the snapshot {snapshot} has {rows} rows that match, and keeps them until it is dropped");
    }
    if let Some(proof) = &report.proof {
        let versions: Vec<String> =
            proof.versions.iter().map(|(table, version)| format!("{table} at {version}")).collect();
        _ = writeln!(
            text,
            "proof: of {} rows in {} files and in memory ({}), {} match; {} more match and are held",
            proof.rows,
            proof.files,
            versions.join(", "),
            proof.matching,
            proof.held
        );
    }
    for remainder in &report.remains {
        let until = remainder.until.as_ref().map_or_else(|| "open".to_owned(), |until| format!("until {until}"));
        _ = writeln!(text, "{:<16} {until:<26} {}", remainder.place, remainder.detail);
    }
    text
}
