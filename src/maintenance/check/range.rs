//! Smallest and largest values, from the log's JSON and from Arrow arrays, so that one can be held against the other.

use std::cmp::Ordering;
use std::fmt;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use chrono::{DateTime, SecondsFormat};
use serde_json::Value as Json;

/// What Delta's floor to milliseconds may have taken from a maximum.
const FLOOR_MICROS: i64 = 999;

/// A value of a column that has statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Long(i64),
    /// Microseconds since 1970.
    Time(i64),
    Text(String),
}

impl Value {
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Long(left), Self::Long(right)) | (Self::Time(left), Self::Time(right)) => Some(left.cmp(right)),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    /// Whether a minimum in the log holds for a value that is there.
    pub(super) fn is_lower_bound_of(&self, value: &Self) -> bool {
        self.compare(value).is_none_or(Ordering::is_le)
    }

    /// Whether a maximum in the log holds for a value that is there.
    pub(super) fn is_upper_bound_of(&self, value: &Self) -> bool {
        let widened = match self {
            Self::Time(micros) => Self::Time(micros.saturating_add(FLOOR_MICROS)),
            other => other.clone(),
        };
        widened.compare(value).is_none_or(Ordering::is_ge)
    }

    /// Of a statistic in the log; `None` for what can't be read as the column's type.
    pub(super) fn of_json(json: &Json, data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Timestamp(_, _) => {
                Some(Self::Time(DateTime::parse_from_rfc3339(json.as_str()?).ok()?.timestamp_micros()))
            }
            DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(Self::Long(json.as_i64()?)),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::Text(json.as_str()?.to_owned())),
            _ => None,
        }
    }

    /// Every value of an array, `None` for NULLs, and for types that have no statistics here.
    pub(super) fn all(array: &dyn Array) -> Option<Vec<Option<Self>>> {
        match array.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let micros = cast(array, &DataType::Int64).ok()?;
                Some(micros.as_primitive::<Int64Type>().iter().map(|value| value.map(Self::Time)).collect())
            }
            DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                let longs = cast(array, &DataType::Int64).ok()?;
                Some(longs.as_primitive::<Int64Type>().iter().map(|value| value.map(Self::Long)).collect())
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let texts = cast(array, &DataType::Utf8View).ok()?;
                let texts = texts.as_string_view();
                Some(texts.iter().map(|value| value.map(|text| Self::Text(text.to_owned()))).collect())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long(value) => value.fmt(f),
            Self::Time(micros) => match DateTime::from_timestamp_micros(*micros) {
                Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true)),
                None => write!(f, "{micros} us"),
            },
            Self::Text(text) => write!(f, "`{text}`"),
        }
    }
}

/// Smallest, largest and how many NULLs of one column of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) min: Option<Value>,
    pub(super) max: Option<Value>,
    pub(super) nulls: Option<u64>,
}

impl Range {
    /// Takes in the values of a part of the file.
    pub(super) fn widen(&mut self, values: impl IntoIterator<Item = Value>) {
        for value in values {
            if self.min.as_ref().is_none_or(|min| value.compare(min) == Some(Ordering::Less)) {
                self.min = Some(value.clone());
            }
            if self.max.as_ref().is_none_or(|max| value.compare(max) == Some(Ordering::Greater)) {
                self.max = Some(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case::equal(json!("2023-11-14T22:13:20.000001Z"), 1, true, true)]
    #[case::floored_to_milliseconds(json!("2023-11-14T22:13:20.000Z"), 999, true, true)]
    #[case::above_what_a_floor_explains(json!("2023-11-14T22:13:20.000Z"), 1000, true, false)]
    #[case::below(json!("2023-11-14T22:13:20.001Z"), 0, false, true)]
    fn times_in_the_log_may_be_floored(#[case] stated: Json, #[case] past: i64, #[case] min: bool, #[case] max: bool) {
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let stated = Value::of_json(&stated, &data_type).unwrap();
        let there = Value::Time(1_700_000_000_000_000 + past);
        assert_eq!((stated.is_lower_bound_of(&there), stated.is_upper_bound_of(&there)), (min, max));
    }
}
