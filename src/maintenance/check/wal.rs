//! The WAL's folder held against what the tables say of its writer.

use std::path::PathBuf;

use super::finding::{Code, Finding};
use super::{Application, Check, TableReport};
use crate::error::{Error, Result};
use crate::model::signal::Signal;
use crate::wal::{WalError, WalLook, WalSeq, look};

/// What is in a WAL's folder, and what the tables hold of it.
#[derive(Debug, Clone)]
pub struct WalReport {
    /// The folder.
    pub folder: PathBuf,
    /// Its writer's id; `None` for a folder without one.
    pub writer_id: Option<String>,
    /// Whether a program has it open, `None` where this machine does not tell.
    pub in_use: Option<bool>,
    /// The highest sequence in use.
    pub last_seq: u64,
    /// Bytes of its segments.
    pub bytes: u64,
    /// Segments.
    pub segments: usize,
    /// For each table its name, what it has committed, and the log's unreleased records for it: those that it holds
    /// already, and those that it does not.
    pub tables: Vec<WalTable>,
}

/// One table's part of a WAL.
#[derive(Debug, Clone)]
pub struct WalTable {
    /// Which.
    pub signal: Signal,
    /// Up to which sequence the table holds every record; `None` where it was never written by this log.
    pub committed: Option<i64>,
    /// Unreleased records that the table holds.
    pub stored: u64,
    /// Records that it does not.
    pub waiting: u64,
}

/// Looks at the WAL's folder. The tables were read before: a running server's log is never behind them.
pub(super) async fn check(what: &Check, tables: &[TableReport]) -> Result<(Option<WalReport>, Vec<Finding>)> {
    let folder = what.wal.clone();
    let committed = |writer: &str, signal: Signal| {
        let id = format!("writer/{writer}/{signal}");
        let table = tables.iter().find(|table| table.signal == signal)?;
        table.applications.iter().find(|application| application.app_id == id).map(|application| application.version)
    };
    // Which records are stored is asked while the log is read, so the sequences are needed first.
    let all: Vec<(String, Signal, i64)> = tables
        .iter()
        .flat_map(|table| table.applications.iter().filter_map(|application| writer_of(application, table.signal)))
        .collect();
    let looked = tokio::task::spawn_blocking(move || {
        look(&folder, |writer, signal| {
            let version = all.iter().find(|(id, of, _)| *id == writer.to_string() && *of == signal)?.2;
            u64::try_from(version).ok().map(WalSeq)
        })
    })
    .await
    .map_err(|error| Error::internal("the look at the write-ahead log died").with_source(error))?;
    let log = match looked {
        Ok(Some(log)) => log,
        Ok(None) => return Ok((None, Vec::new())),
        Err(error) => return Ok((None, vec![unreadable(what, error)?])),
    };
    let report = WalReport {
        folder: what.wal.clone(),
        writer_id: log.writer_id.map(|id| id.to_string()),
        in_use: log.in_use,
        last_seq: log.last_seq.0,
        bytes: log.bytes,
        segments: log.segments,
        tables: what
            .tables
            .iter()
            .map(|signal| WalTable {
                signal: *signal,
                committed: log.writer_id.and_then(|id| committed(&id.to_string(), *signal)),
                stored: log.stored[signal.index()],
                waiting: log.waiting[signal.index()],
            })
            .collect(),
    };
    let findings = compare(&report, &log, tables);
    Ok((Some(report), findings))
}

fn writer_of(application: &Application, signal: Signal) -> Option<(String, Signal, i64)> {
    let writer = application.app_id.strip_prefix("writer/")?.strip_suffix(&format!("/{signal}"))?;
    Some((writer.to_owned(), signal, application.version))
}

/// Damage is a finding; a folder that can't be read is an error.
fn unreadable(what: &Check, error: WalError) -> Result<Finding> {
    match &error {
        WalError::Damaged { path, .. } | WalError::UnknownVersion { path, .. } => {
            Ok(Finding::new(Code::WalDamaged, path.display().to_string(), error.to_string()))
        }
        _ => {
            let folder = what.wal.display();
            Err(Error::unavailable(format!("the write-ahead log in {folder} can't be looked at")).with_source(error))
        }
    }
}

fn compare(report: &WalReport, log: &WalLook, tables: &[TableReport]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let folder = report.folder.display().to_string();
    let mut found = |code, meaning: String| findings.push(Finding::new(code, folder.clone(), meaning));
    for table in &report.tables {
        if let Some(committed) = table.committed
            && u64::try_from(committed).is_ok_and(|committed| committed > report.last_seq)
        {
            found(
                Code::WalBehind,
                format!(
                    "table `{}` holds this log's records up to {committed}, and the log knows of none above {}",
                    table.signal, report.last_seq
                ),
            );
        }
    }
    // Only what some table holds is released. A partial check does not see every table.
    let known = report.tables.iter().any(|table| table.committed.is_some());
    if log.has_released && !known && report.tables.len() == Signal::ALL.len() {
        let writers: usize = tables.iter().map(|table| table.applications.len()).sum();
        found(
            Code::WalForeign,
            format!(
                "the log has released records, and no table knows its writer ({} known): it belongs to another lake, or \
                 the tables were restored from before its first flush",
                writers
            ),
        );
    }
    if report.in_use != Some(true) {
        let waiting: u64 = report.tables.iter().map(|table| table.waiting).sum();
        if waiting > 0 {
            found(Code::WalUnflushed, format!("{waiting} acknowledged requests are in the log and in no table yet"));
        }
        if log.unfinished_bytes > 0 {
            found(Code::WalUnfinished, format!("{} bytes of an unfinished write are at its end", log.unfinished_bytes));
        }
    }
    findings
}
