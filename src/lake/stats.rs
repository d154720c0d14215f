//! A file's statistics, as its `add` action in the Delta log carries them.
//!
//! Only the columns that the contract marks have them: times and numbers that prune, and low-cardinality names.
//! Doubles (NaN), bodies, users and random ids have none. Text is cut to [`MAX_TEXT`] characters: a minimum rounded
//! down, a maximum rounded up. Times carry their microseconds, so that a reader that takes them as they stand is
//! right, and so is one that allows for a floor to milliseconds.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{max, max_string_view, min, min_string_view};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use crate::model::contract::columns;
use crate::model::signal::Signal;

/// Characters of a text minimum or maximum.
const MAX_TEXT: usize = 64;

/// Minimum, maximum and NULL count of one column.
#[derive(Debug, Clone)]
struct ColumnStats {
    name: &'static str,
    nulls: usize,
    range: Range,
}

#[derive(Debug, Clone)]
enum Range {
    None,
    Long(i64, i64),
    Time(i64, i64),
    Text(String, String),
}

/// The statistics of a file in the making.
#[derive(Debug, Clone)]
pub(crate) struct FileStats {
    rows: usize,
    columns: Vec<ColumnStats>,
}

impl FileStats {
    /// Statistics of a file of this signal, of no rows so far.
    pub(crate) fn new(signal: Signal) -> Self {
        let columns = columns(signal)
            .filter(|column| column.stats)
            .map(|column| ColumnStats { name: column.name, nulls: 0, range: Range::None })
            .collect();
        Self { rows: 0, columns }
    }

    /// Takes in the next rows of the file.
    pub(crate) fn update(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows();
        for column in &mut self.columns {
            if let Some(array) = batch.column_by_name(column.name) {
                column.nulls += array.null_count();
                column.range.widen(range_of(array));
            }
        }
    }

    /// Rows so far.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// The JSON of the `add` action's `stats` field (Delta protocol, "Per-file Statistics").
    pub(crate) fn to_json(&self) -> String {
        let mut minima = Map::new();
        let mut maxima = Map::new();
        let mut nulls = Map::new();
        for column in &self.columns {
            nulls.insert(column.name.to_owned(), json!(column.nulls));
            if let Some(minimum) = column.range.minimum() {
                minima.insert(column.name.to_owned(), minimum);
            }
            if let Some(maximum) = column.range.maximum() {
                maxima.insert(column.name.to_owned(), maximum);
            }
        }
        json!({ "numRecords": self.rows, "minValues": minima, "maxValues": maxima, "nullCount": nulls }).to_string()
    }
}

impl Range {
    fn widen(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::None) => {}
            (Self::Long(low, high), Self::Long(other_low, other_high))
            | (Self::Time(low, high), Self::Time(other_low, other_high)) => {
                *low = (*low).min(other_low);
                *high = (*high).max(other_high);
            }
            (Self::Text(low, high), Self::Text(other_low, other_high)) => {
                if other_low < *low {
                    *low = other_low;
                }
                if other_high > *high {
                    *high = other_high;
                }
            }
            (_, other) => *self = other,
        }
    }

    fn minimum(&self) -> Option<Value> {
        match self {
            Self::None => None,
            Self::Long(low, _) => Some(json!(low)),
            Self::Time(low, _) => timestamp(*low),
            Self::Text(low, _) => Some(Value::String(low.chars().take(MAX_TEXT).collect())),
        }
    }

    fn maximum(&self) -> Option<Value> {
        match self {
            Self::None => None,
            Self::Long(_, high) => Some(json!(high)),
            Self::Time(_, high) => timestamp(*high),
            Self::Text(_, high) => round_up(high).map(Value::String),
        }
    }
}

fn range_of(array: &dyn Array) -> Range {
    match array.data_type() {
        DataType::Int32 => {
            let array = array.as_primitive::<Int32Type>();
            min(array).zip(max(array)).map_or(Range::None, |(low, high)| Range::Long(low.into(), high.into()))
        }
        DataType::Int64 => {
            let array = array.as_primitive::<Int64Type>();
            min(array).zip(max(array)).map_or(Range::None, |(low, high)| Range::Long(low, high))
        }
        DataType::Timestamp(_, _) => {
            let array = array.as_primitive::<TimestampMicrosecondType>();
            min(array).zip(max(array)).map_or(Range::None, |(low, high)| Range::Time(low, high))
        }
        DataType::Utf8View => {
            let array = array.as_string_view();
            min_string_view(array)
                .zip(max_string_view(array))
                .map_or(Range::None, |(low, high)| Range::Text(low.to_owned(), high.to_owned()))
        }
        _ => Range::None,
    }
}

fn timestamp(micros: i64) -> Option<Value> {
    let time = DateTime::from_timestamp_micros(micros)?;
    Some(Value::String(time.to_rfc3339_opts(SecondsFormat::Micros, true)))
}

/// The shortest text of at most [`MAX_TEXT`] characters that no text beginning like `text` is above.
fn round_up(text: &str) -> Option<String> {
    if text.chars().count() <= MAX_TEXT {
        return Some(text.to_owned());
    }
    let mut prefix: Vec<char> = text.chars().take(MAX_TEXT).collect();
    while let Some(last) = prefix.pop() {
        // The character after the last before the surrogates is not the next number.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            prefix.push(next);
            return Some(prefix.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_maximum_is_above_what_it_was_cut_from() {
        let text = "é".repeat(MAX_TEXT) + "tail";
        let rounded = round_up(&text).unwrap();
        assert!(rounded > text && rounded.chars().count() == MAX_TEXT);
        assert_eq!(round_up("short").as_deref(), Some("short"));
        let top = "\u{10ffff}".repeat(MAX_TEXT + 1);
        assert_eq!(round_up(&top), None, "nothing is above it, so there is no maximum");
        let edge = "a".to_owned() + &"\u{d7ff}".repeat(MAX_TEXT);
        assert!(round_up(&edge).unwrap() > edge);
    }

    #[test]
    fn times_keep_their_microseconds() {
        assert_eq!(timestamp(1_661_728_496_789_001), Some(json!("2022-08-28T23:14:56.789001Z")));
    }
}
