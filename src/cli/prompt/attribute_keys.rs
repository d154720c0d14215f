//! The attribute keys of recent records, by map: what completion offers inside of `attributes['`.
//!
//! The sample is the newest rows of the newest day, across all services: a span of time that holds about as many rows as
//! are read at most.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int64Type};

use super::super::target::Target;
use crate::error::{Error, Result};
use crate::model::promoted::AttributeMap;
use crate::model::signal::Signal;

/// Rows of a table that are looked at.
const SAMPLE_ROWS: i64 = 20_000;

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// Keys in ascending order, by map in [`AttributeMap::LOOKUP_ORDER`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AttributeKeys([BTreeSet<String>; 3]);

impl AttributeKeys {
    /// The keys of a map, or of all three.
    pub(super) fn of(&self, map: Option<AttributeMap>) -> impl Iterator<Item = &str> {
        AttributeMap::LOOKUP_ORDER
            .into_iter()
            .zip(&self.0)
            .filter(move |(of, _)| map.is_none_or(|map| map == *of))
            .flat_map(|(_, keys)| keys.iter().map(String::as_str))
    }

    #[cfg(test)]
    pub(super) fn new(record: &[&str], scope: &[&str], resource: &[&str]) -> Self {
        Self([record, scope, resource].map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()))
    }
}

/// Asks for the keys of a table's newest rows.
pub(super) async fn attribute_keys(target: &Target, signal: Signal) -> Result<AttributeKeys> {
    let named = |sql: &str| sql.replace("{table}", signal.table());
    let Some(date) = single(target, &named(include_str!("newest_date.sql")), "date").await? else {
        return Ok(AttributeKeys::default());
    };
    let day = Date32Type::to_naive_date_opt(i32::try_from(date).unwrap_or_default());
    let day = day.map_or_else(String::new, |day| day.to_string());
    let on_day = |sql: &str| named(sql).replace("{date}", &day);
    let rows = target.query(&on_day(include_str!("newest_rows.sql"))).await?.collect().await?;
    let (records, newest) = (first(&rows, "records")?.unwrap_or(0), first(&rows, "newest")?.unwrap_or(0));
    let span = (i128::from(DAY_MICROS) * i128::from(SAMPLE_ROWS) / i128::from(records.max(1))).min(DAY_MICROS.into());
    // At most a day.
    let since = newest.saturating_sub(span as i64);
    let since = chrono::DateTime::from_timestamp_micros(since).map_or_else(String::new, |time| time.to_rfc3339());
    let sample = on_day(include_str!("attribute_keys.sql"))
        .replace("{since}", &since)
        .replace("{rows}", &SAMPLE_ROWS.to_string());
    let mut keys = AttributeKeys::default();
    for batch in target.query(&sample).await?.collect().await? {
        for (column, keys) in batch.columns().iter().zip(&mut keys.0) {
            let lists = column.as_list_opt::<i32>().ok_or_else(|| Error::internal("map_keys gave no list"))?;
            let texts = cast(lists.values(), &DataType::Utf8).map_err(|error| unexpected("keys", error))?;
            keys.extend(texts.as_string::<i32>().iter().flatten().map(str::to_owned));
        }
    }
    Ok(keys)
}

/// The one number, date or time that a query answers.
async fn single(target: &Target, sql: &str, column: &str) -> Result<Option<i64>> {
    first(&target.query(sql).await?.collect().await?, column)
}

fn first(batches: &[arrow::array::RecordBatch], column: &str) -> Result<Option<i64>> {
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let values = batch.column_by_name(column).ok_or_else(|| Error::internal(format!("no column `{column}`")))?;
    let plain = match values.data_type() {
        DataType::Date32 => cast(values, &DataType::Int32).and_then(|days| cast(&days, &DataType::Int64)),
        _ => cast(values, &DataType::Int64),
    };
    let plain = plain.map_err(|error| unexpected(column, error))?;
    let plain = plain.as_primitive::<Int64Type>();
    Ok(plain.is_valid(0).then(|| plain.value(0)))
}

fn unexpected(what: &str, error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("`{what}` has an unexpected type")).with_source(error)
}
