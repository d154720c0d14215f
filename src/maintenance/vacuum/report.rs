//! What a vacuum saw and did, for people and programs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub files: u64,
    /// Bytes of all.
    pub bytes: u64,
}

impl Amount {
    /// Takes a file in.
    pub fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// A file that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unneeded {
    /// Path below the table's folder.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// When it was last written, by the store's clock.
    pub modified: DateTime<Utc>,
}

/// One table's vacuum.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VacuumReport {
    /// The table.
    pub table: String,
    /// Its newest Delta version; `None` where it has no commits, and then nothing was touched.
    pub version: Option<u64>,
    /// What the newest version consists of.
    pub live: Amount,
    /// What nobody needs.
    pub unneeded: Amount,
    /// What was removed of that; 0 in a plan.
    pub removed: Amount,
    /// What stays because no commit is known to have named it, and it was written less than `staged_grace_s` ago.
    pub young: Amount,
    /// How long what no commit has named stays, in seconds: the longest grace of this vacuum and of all writers.
    pub staged_grace_s: u64,
    /// What stays because it was taken out of the table less than the grace ago, or because the log does not reach back
    /// over the grace.
    pub just_removed: Amount,
    /// What stays because of a named snapshot, by the first that has it.
    pub pinned: BTreeMap<String, Amount>,
    /// The files that nobody needs, in a plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Unneeded>,
    /// Why it was not done, or not wholly.
    pub error: Option<String>,
}
