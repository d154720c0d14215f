//! What a commit of maintenance says of itself, for `system.history` and for whoever reads the Delta log.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

/// The kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Small files into large ones.
    Compaction,
    /// Rows that a rule lets go.
    Retention,
    /// Rows that a person wants gone.
    Erasure,
    /// Files that no version needs.
    Vacuum,
    /// Checkpoints, and the log's old commits.
    LogCleanup,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Compaction, Self::Retention, Self::Erasure, Self::Vacuum, Self::LogCleanup];

    /// As SQL, metrics and the log call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compaction => "compaction",
            Self::Retention => "retention",
            Self::Erasure => "erasure",
            Self::Vacuum => "vacuum",
            Self::LogCleanup => "log_cleanup",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who did what, and why. Never a value that is erased: commits are kept for long.
#[derive(Debug, Clone)]
pub struct LedgerEntry {
    /// The work.
    pub job: JobKind,
    /// One call of the job, over all its tables and commits.
    pub run: uuid::Uuid,
    /// The operating system's user, a principal, or `telestrata` for a server's own jobs.
    pub by: String,
    /// The rule or request by which rows went.
    pub rule: Option<String>,
    /// Why, in a person's words.
    pub reason: Option<String>,
}

impl LedgerEntry {
    /// The key in `commitInfo`.
    pub const KEY: &'static str = crate::lake::LEDGER_ENTRY;

    /// Who does a server's own jobs.
    pub const SERVER: &'static str = "telestrata";

    /// An entry of a new run.
    pub fn new(job: JobKind, by: impl Into<String>) -> Self {
        Self { job, run: uuid::Uuid::now_v7(), by: by.into(), rule: None, reason: None }
    }

    /// The same run by a rule, and why.
    #[must_use]
    pub fn by_rule(&self, rule: impl Into<String>, reason: Option<String>) -> Self {
        Self { rule: Some(rule.into()), reason, ..self.clone() }
    }

    /// As it is in the commit.
    pub(super) fn to_json(&self) -> Value {
        let mut entry = json!({"job": self.job.name(), "run": self.run.to_string(), "by": self.by});
        for (name, value) in [("rule", &self.rule), ("reason", &self.reason)] {
            if let Some(value) = value {
                entry[name] = json!(value);
            }
        }
        entry
    }
}
