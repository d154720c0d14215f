//! `telestrata check`: lake, WAL and configuration held against each other.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::Done;
use super::args::LakeArgs;
use super::say::say;
use super::target::Server;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::lake::LakeRoot;
use crate::maintenance::{Check as What, CheckReport, Severity, TableReport, WalReport, check, compare_configuration};
use crate::model::signal::Signal;

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    lake: LakeArgs,

    /// Folder of the write-ahead log [default: ./telemetry-wal]
    #[arg(long, value_name = "DIR")]
    wal: Option<String>,

    /// Also compare this configuration with the one that the server at this URL runs with
    #[arg(long, value_name = "URL")]
    connect: Option<String>,

    /// Check one table: logs, spans or metrics
    #[arg(long, value_name = "NAME")]
    table: Option<String>,

    /// Also read the columns that have statistics, of every file
    #[arg(long)]
    deep: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Partly done means that something is damaged or has drifted.
    pub(super) async fn run(self) -> Result<Done> {
        let mut layers = self.lake.layers()?;
        layers.set_flag("wal", self.wal.as_deref());
        let config = Config::from_layers(&layers)?;
        let root = config.lake.clone();
        let what = What {
            tables: tables(self.table.as_deref())?,
            deep: self.deep,
            wal: config.wal.clone(),
            promoted: config.ingest.promoted.clone(),
        };
        let mut report = check(&root, &what).await?;
        let server = match &self.connect {
            Some(url) => {
                let answer = Server::new(url)?.get_json("/v1/config").await?;
                report.extend(compare_configuration(&config.described, &answer));
                Some(json!({ "url": url, "version": answer.get("version"), "writer_id": answer.get("writer_id") }))
            }
            None => None,
        };
        let text =
            if self.json { format!("{}\n", to_json(&root, &report, server.as_ref())) } else { to_text(&root, &report) };
        say(&text)?;
        Ok(if report.needs_action() { Done::Partly } else { Done::Wholly })
    }
}

fn tables(name: Option<&str>) -> Result<Vec<Signal>> {
    match name {
        None => Ok(Signal::ALL.to_vec()),
        Some(name) => Signal::from_table(name)
            .map(|signal| vec![signal])
            .ok_or_else(|| Error::config(format!("there is no table `{name}`; name logs, spans or metrics"))),
    }
}

/// Whether a writer's id is the WAL's at hand.
fn is_own(app_id: &str, wal: Option<&WalReport>) -> bool {
    let own = wal.and_then(|wal| wal.writer_id.as_deref());
    own.is_some_and(|own| app_id.strip_prefix("writer/").is_some_and(|rest| rest.starts_with(own)))
}

fn to_json(root: &LakeRoot, report: &CheckReport, server: Option<&Value>) -> Value {
    let tables: Vec<Value> = report
        .tables
        .iter()
        .map(|table| {
            let writers: Vec<Value> = table
                .applications
                .iter()
                .map(|application| {
                    json!({
                        "app_id": application.app_id,
                        "version": application.version,
                        "last_seen": application.last_seen.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
                        "own": is_own(&application.app_id, report.wal.as_ref()),
                    })
                })
                .collect();
            json!({
                "name": table.signal.table(),
                "version": table.version,
                "live": table.live,
                "writers": writers,
            })
        })
        .collect();
    let wal = report.wal.as_ref().map(|wal| {
        let tables: Vec<Value> = wal
            .tables
            .iter()
            .map(|table| {
                json!({
                    "name": table.signal.table(),
                    "committed": table.committed,
                    "stored": table.stored,
                    "waiting": table.waiting,
                })
            })
            .collect();
        json!({
            "folder": wal.folder,
            "writer_id": wal.writer_id,
            "in_use": wal.in_use,
            "last_seq": wal.last_seq,
            "segments": wal.segments,
            "bytes": wal.bytes,
            "tables": tables,
        })
    });
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "severity": finding.code.severity().to_string(),
                "code": finding.code.name(),
                "path": finding.path,
                "meaning": finding.meaning,
                "action": finding.code.action(),
            })
        })
        .collect();
    let unlisted = report.tables.iter().flat_map(|table| &table.unlisted);
    json!({
        "lake": root.display(),
        "live": live(&report.tables),
        "unlisted": unlisted.map(|(path, bytes)| json!({ "path": path, "bytes": bytes })).collect::<Vec<_>>(),
        "missing": report.tables.iter().flat_map(|table| &table.missing).collect::<Vec<_>>(),
        "tables": tables,
        "live_writers": report.live.iter().map(|writer| json!(writer.card)).collect::<Vec<_>>(),
        "wal": wal,
        "server": server,
        "findings": findings,
    })
}

fn live(tables: &[TableReport]) -> usize {
    tables.iter().map(|table| table.live).sum()
}

fn to_text(root: &LakeRoot, report: &CheckReport) -> String {
    let mut text = format!("{} live files at {}\n", live(&report.tables), root.display());
    for table in &report.tables {
        _ = writeln!(text, "{}: version {}, {} files", table.signal, table.version, table.live);
        for application in &table.applications {
            let whose = if is_own(&application.app_id, report.wal.as_ref()) { ", this log's" } else { "" };
            let when = match application.last_seen {
                Some(time) => time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                None => "long ago".to_owned(),
            };
            _ = writeln!(text, "  {} at {}, last seen {when}{whose}", application.app_id, application.version);
        }
    }
    let now = chrono::Utc::now();
    for writer in &report.live {
        _ = writeln!(text, "written by {}", writer.describe(now));
    }
    match &report.wal {
        Some(wal) => {
            let open = match wal.in_use {
                Some(true) => "open in a program",
                Some(false) => "open in no program",
                None => "open or not, this system does not tell",
            };
            let waiting: u64 = wal.tables.iter().map(|table| table.waiting).sum();
            _ = writeln!(
                text,
                "write-ahead log {} at {}: {open}, {} in {} segments, last sequence {}, {waiting} requests in no table yet",
                wal.writer_id.as_deref().unwrap_or("without an id"),
                wal.folder.display(),
                bytesize::ByteSize(wal.bytes),
                wal.segments,
                wal.last_seq
            );
        }
        None => text.push_str("no write-ahead log was looked at\n"),
    }
    for finding in &report.findings {
        let (severity, code) = (finding.code.severity(), finding.code.name());
        _ = writeln!(
            text,
            "{severity:<7}{code:<23}{}\n       {}; {}",
            finding.path,
            finding.meaning,
            finding.code.action()
        );
    }
    let count = |severity| report.findings.iter().filter(|finding| finding.code.severity() == severity).count();
    _ = writeln!(
        text,
        "{} damaged, {} drifted, {} notes",
        count(Severity::Damage),
        count(Severity::Drift),
        count(Severity::Note)
    );
    text
}
