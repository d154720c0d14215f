//! Holds lake, WAL and configuration against each other. Reads; repairs nothing.
//!
//! ```text
//! log (adds, txns, protocol, schema) <--> stored files <--> their footers, with `deep` their rows     table.rs, files.rs,
//!                |                                                                                    footer.rs, rows.rs
//!                +--> txns <--> the WAL's sequences           applications.rs, wal.rs
//!                +--> schema <--> contract, configuration     table.rs
//!                     configuration <--> a running server's   configuration.rs
//! ledger, trace_decisions, trace_index: logs <--> stored files     derived.rs
//! ```
//! Guarantee: it may run beside servers, on their lake and on their WAL, and changes and locks nothing. What is committed
//! or flushed meanwhile is no finding: the order of reading is such that everything only grows towards the later read.
//!
//! Cost: one listing a table, one or two reads of each live file (with `deep`, all of it), the log's
//! commits since the last checkpoint, and the WAL once. A bounded number of reads is under way at a time.

mod applications;
mod configuration;
mod derived;
mod files;
mod finding;
mod footer;
mod range;
mod rows;
mod table;
mod wal;

use std::path::PathBuf;

pub use applications::Application;
pub use configuration::compare_configuration;
pub use finding::{Code, Finding, Severity};
pub use wal::WalReport;

use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, Writer, WriterKind, writers};
use crate::model::promoted::Promoted;
use crate::model::signal::Signal;

/// Reads of the store under way at a time.
const READS_AT_ONCE: usize = 16;

/// What to check.
#[derive(Debug, Clone)]
pub struct Check {
    /// Which signals' tables; of all of them, also the tables that are made from them.
    pub tables: Vec<Signal>,
    /// Whether to read the columns that have statistics, too.
    pub deep: bool,
    /// The WAL's folder; one that does not exist is no finding.
    pub wal: PathBuf,
    /// The configuration's promoted columns.
    pub promoted: Vec<Promoted>,
}

/// What a check saw.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// The tables that are there.
    pub tables: Vec<TableReport>,
    /// The WAL, where there is one.
    pub wal: Option<WalReport>,
    /// Who writes the lake now.
    pub live: Vec<Writer>,
}

/// One table of the lake.
#[derive(Debug, Clone)]
pub struct TableReport {
    /// Which.
    pub signal: Signal,
    /// Its newest Delta version.
    pub version: u64,
    /// Files that are live and stored.
    pub live: usize,
    /// Stored files that no commit names, with their bytes, by paths below the lake's root.
    pub unlisted: Vec<(String, u64)>,
    /// Files that the snapshot names and the store does not have.
    pub missing: Vec<String>,
    /// Who wrote it with a Delta `txn`.
    pub applications: Vec<Application>,
}

impl CheckReport {
    /// Whether something is damaged or has drifted.
    pub fn needs_action(&self) -> bool {
        self.findings.iter().any(|finding| finding.code.severity() < Severity::Note)
    }

    /// Adds findings, and keeps the worst first.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings.sort_by(|left, right| {
            let key = |finding: &Finding| (finding.code.severity(), finding.code, finding.path.clone());
            key(left).cmp(&key(right))
        });
    }
}

/// Checks a lake and the WAL beside it.
///
/// # Errors
/// `NotFound` where there is no such lake, `Unavailable` where the store or the WAL's folder can't be read. What is
/// wrong with the data is a finding, not an error.
pub async fn check(root: &LakeRoot, what: &Check) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    for signal in &what.tables {
        let (table, findings) = table::check(root, *signal, what).await?;
        report.tables.extend(table);
        report.extend(findings);
    }
    if report.tables.is_empty() && report.findings.is_empty() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("there is nothing to check at {}; name a lake with --lake", root.display()),
        ));
    }
    if Signal::ALL.iter().all(|signal| what.tables.contains(signal)) {
        for (spec, worth) in derived::TABLES {
            report.extend(derived::check(root, spec, worth).await?);
        }
    }
    let now = chrono::Utc::now();
    let (live, silent): (Vec<_>, Vec<_>) = writers(root).await?.into_iter().partition(|writer| writer.is_live(now));
    report.live = live;
    // The next import clears away what is left of an earlier one.
    report.extend(silent.iter().filter(|writer| writer.card.kind == WriterKind::Server).map(|writer| {
        let path = format!("_writers/{}.json", writer.card.writer);
        Finding::new(Code::WriterSilent, path, format!("{} was killed, or can't reach the lake", writer.describe(now)))
    }));
    // After the tables: a running server's log is never behind what they were seen to hold.
    let (wal, findings) = wal::check(what, &report.tables).await?;
    report.wal = wal;
    report.extend(findings);
    Ok(report)
}
