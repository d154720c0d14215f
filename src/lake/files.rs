//! The live files of a table's snapshot, with the statistics that planning prunes by.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use serde::Deserialize;
use serde_json::Value;

use super::write::DataFile;
use crate::error::{Error, ErrorKind, Result};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What Delta's floor to milliseconds may have taken from a maximum.
pub(crate) const FLOOR_MICROS: i64 = 999;

/// One live file.
#[derive(Debug, Clone)]
pub struct LiveFile {
    /// Path below the table's folder, decoded.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows, `None` where the log does not say.
    pub rows: Option<u64>,
    /// The date partition, `YYYY-MM-DD`; `None` for the NULL partition, which this program never writes.
    pub date: Option<String>,
    /// When it was written, in ms since 1970.
    pub modified_ms: i64,
    /// Minimum, maximum and NULL count by column.
    pub stats: FileStatistics,
}

impl LiveFile {
    /// A file that a commit has just named, or will.
    pub(crate) fn staged(file: &DataFile, modified_ms: i64) -> Self {
        Self {
            path: file.path.clone(),
            size: file.size,
            rows: Some(file.rows as u64),
            date: Some(file.date.clone()),
            modified_ms,
            stats: parse_stats(&file.path, &file.stats),
        }
    }

    /// The date partition in days since 1970.
    pub fn day(&self) -> Option<i32> {
        let date: NaiveDate = self.date.as_deref()?.parse().ok()?;
        i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
    }

    /// The earliest and the latest `time` that its rows can have, in microseconds since 1970: what the statistics say,
    /// widened by what Delta's floor to milliseconds may have taken, else what its date says.
    pub fn times(&self) -> Option<(i64, i64)> {
        let day = self.day().map(|day| i64::from(day) * MICROS_PER_DAY);
        let stated = |values: &HashMap<String, Value>| micros(values.get("time")?);
        let first = stated(&self.stats.min_values).or(day)?;
        let last = stated(&self.stats.max_values).map(|last| last.saturating_add(FLOOR_MICROS));
        Some((first, last.or(day.map(|day| day + MICROS_PER_DAY - 1))?))
    }
}

/// A time of the log's statistics, in microseconds since 1970.
pub(crate) fn micros(value: &Value) -> Option<i64> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|time| time.timestamp_micros())
}

/// Statistics of one file, as its `add` action gives them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileStatistics {
    num_records: Option<u64>,
    /// Column to smallest value.
    pub min_values: HashMap<String, Value>,
    /// Column to largest value.
    pub max_values: HashMap<String, Value>,
    /// Column to number of NULLs.
    pub null_count: HashMap<String, Value>,
}

impl FileStatistics {
    /// As an `add` action has them.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::json!({
            "numRecords": self.num_records,
            "minValues": self.min_values,
            "maxValues": self.max_values,
            "nullCount": self.null_count,
        })
    }
}

/// Every live file of one snapshot.
#[derive(Debug, Clone, Default)]
pub struct LiveFiles {
    files: Vec<Arc<LiveFile>>,
}

impl LiveFiles {
    /// The files of a loaded Delta table.
    ///
    /// # Errors
    /// `Damaged` where a file has a deletion vector, which the protocol of our tables does not allow.
    pub(crate) fn of(state: &deltalake_core::table::state::DeltaTableState) -> Result<Self> {
        let snapshot = state.snapshot();
        let log = snapshot
            .try_log_data()
            .map_err(|error| Error::new(ErrorKind::Damaged, "can't read the table's log").with_source(error))?;
        let mut files = Vec::with_capacity(log.num_files());
        for view in log.iter() {
            let path = view.path().into_owned();
            if view.deletion_vector_descriptor().is_some() {
                return Err(Error::new(
                    ErrorKind::Damaged,
                    format!("file {path} has a deletion vector, written by another engine; rewrite the table without"),
                ));
            }
            let stats = view.stats().map_or_else(FileStatistics::default, |json| parse_stats(&path, &json));
            files.push(Arc::new(LiveFile {
                size: u64::try_from(view.size()).unwrap_or(0),
                rows: stats.num_records,
                date: view.partition_values_map().remove(crate::model::contract::PARTITION).flatten(),
                modified_ms: view.modification_time(),
                stats,
                path,
            }));
        }
        Ok(Self { files })
    }

    /// Some of these files.
    pub(crate) fn only(&self, wanted: impl Fn(&LiveFile) -> bool) -> Self {
        Self { files: self.files.iter().filter(|file| wanted(file)).cloned().collect() }
    }

    /// These files and some that a commit of ours has just added.
    pub(crate) fn with_added(&self, added: &[DataFile], modified_ms: i64) -> Self {
        let mut files = self.files.clone();
        files.extend(added.iter().map(|file| Arc::new(LiveFile::staged(file, modified_ms))));
        Self { files }
    }

    /// The files, in no order that means anything.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<LiveFile>> {
        self.files.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Bytes of all.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// Statistics that can't be read prune nothing, which costs time and is never wrong.
fn parse_stats(path: &str, json: &str) -> FileStatistics {
    serde_json::from_str(json).unwrap_or_else(|error| {
        tracing::warn!(path, %error, "a file's statistics in the Delta log can't be read; it is never pruned");
        FileStatistics::default()
    })
}
