//! What an erasure found, did and proved, for people and programs. Never the value.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::lake::instant;

/// The report of a plan or an application.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EraseReport {
    /// What was asked, without the value.
    pub request: String,
    /// Whether it was applied, as opposed to planned.
    pub applied: bool,
    /// The standing erasure's number; `None` for a plan, and where none can stand.
    pub standing: Option<u64>,
    /// The run's id in the ledger; `None` for a plan.
    pub run: Option<String>,
    /// By table.
    pub tables: Vec<TableErasure>,
    /// Traces whose rows go; `None` where records alone were asked for.
    pub traces: Option<u64>,
    /// The last count, over all that is live and in memory; `None` for a plan.
    pub proof: Option<EraseProof>,
    /// Rows that match in the versions that named snapshots pin, by snapshot: what anyone who opens one can read.
    #[serde(default)]
    pub snapshots: BTreeMap<String, u64>,
    /// What still has the value somewhere, and how long.
    pub remains: Vec<Remainder>,
}

/// What an erasure found in one table, and did to it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TableErasure {
    /// Its name.
    pub table: String,
    /// Why it was not asked by itself: the condition does not fit it. Rows of whole traces go all the same.
    pub skipped: Option<String>,
    /// By date, those alone with rows that match.
    pub dates: Vec<DateErasure>,
    /// Rows in memory that match; of an application, those that went without ever being in a file.
    pub hot_rows: u64,
    /// Rows that match and stay, by the reason of the hold.
    pub held: BTreeMap<String, u64>,
    /// What failed, by date; the rest was done.
    pub errors: Vec<String>,
}

/// One date of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateErasure {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Rows that go, or went.
    pub rows: u64,
    /// Files that they are in, or were in.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
}

/// That nothing matches any more, and how that is known.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EraseProof {
    /// When the last table was counted.
    #[serde(with = "instant")]
    pub at: DateTime<Utc>,
    /// The version of each table that was counted.
    pub versions: BTreeMap<String, u64>,
    /// Live files that were counted, all there are.
    pub files: u64,
    /// Rows that were counted, in files and in memory.
    pub rows: u64,
    /// Rows that match and are not held: 0 is the proof.
    pub matching: u64,
    /// Rows that match and are held.
    pub held: u64,
}

/// A place that still has the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remainder {
    /// Which place, a stable name: `replaced-files`, `write-ahead-log`, `log-entries`, `named-snapshots`, `versions`,
    /// `other-writers`, `arrivals`, `copies`.
    pub place: String,
    /// Until when at the latest, RFC 3339; `None` where that is for somebody else to say.
    pub until: Option<String>,
    /// What it is, and what to do.
    pub detail: String,
}

impl EraseReport {
    /// Rows that go, or went, in files and in memory.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.hot_rows + table.dates.iter().map(|date| date.rows).sum::<u64>()).sum()
    }

    /// Whether something was left undone that should have been done.
    pub fn is_partial(&self) -> bool {
        self.tables.iter().any(|table| !table.errors.is_empty())
            || self.proof.as_ref().is_some_and(|proof| proof.matching > 0)
            || self.remains.iter().any(|remainder| remainder.place == "other-writers")
    }
}

impl TableErasure {
    /// Adds a date's rows.
    pub(super) fn add(&mut self, date: &str, rows: u64, files: u64, bytes: u64) {
        let place = self.dates.binary_search_by(|known| known.date.as_str().cmp(date));
        let place = place.unwrap_or_else(|place| {
            self.dates.insert(place, DateErasure { date: date.to_owned(), ..DateErasure::default() });
            place
        });
        let entry = &mut self.dates[place];
        entry.rows += rows;
        entry.files += files;
        entry.bytes += bytes;
    }
}
