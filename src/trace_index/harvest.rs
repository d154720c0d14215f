//! A data file's trace ids and when they were seen; of metrics, those of their exemplars.
//!
//! Guarantee: what is answered holds every row that a lookup by id can find in the file, or the file is unfit for the
//! index and goes on being searched itself.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::schema::types::SchemaDescriptor;

use super::run::unreadable;
use super::sighting::{Sighting, key_of, sort_and_merge};
use crate::error::Result;
use crate::lake::{LiveFile, StoreFile};
use crate::model::signal::Signal;

const MICROS: i64 = 1_000_000;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8 << 10;

/// Sightings that are gathered before equal ids are made one for the first time.
const FIRST_MERGE: usize = 64 << 10;

/// What a file gives.
#[derive(Debug)]
pub(super) enum Harvest {
    /// Its sightings, sorted and merged.
    Seen(Vec<Sighting>),
    /// Why the index can't hold them.
    Unfit(String),
}

/// Reads a file's ids and times.
///
/// # Errors
/// `NotFound` where the file is gone, `Damaged` where it is no Parquet, `Unavailable` where the store does not answer.
pub(super) async fn harvest(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    file: &LiveFile,
    max_sightings: usize,
) -> Result<Harvest> {
    let path = Path::from(file.path.as_str());
    let Some(bounds) = file.times() else { return Ok(Harvest::Unfit("its date is unknown".to_owned())) };
    let reader = StoreFile::new(store, path.clone(), file.size);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| unreadable(&path, error))?;
    let Some(leaves) = leaves(signal, builder.parquet_schema()) else {
        return Ok(Harvest::Unfit("it has no `time`".to_owned()));
    };
    let mask = ProjectionMask::leaves(builder.parquet_schema(), leaves);
    let rows = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    let mut rows = rows.map_err(|error| unreadable(&path, error))?;
    let mut seen = Vec::new();
    let mut merge_at = FIRST_MERGE;
    while let Some(batch) = rows.try_next().await.map_err(|error| unreadable(&path, error))? {
        if let Err(why) = take(signal, &batch, bounds, &mut seen) {
            return Ok(Harvest::Unfit(why));
        }
        if seen.len() >= merge_at {
            sort_and_merge(&mut seen);
            if seen.len() > max_sightings {
                return Ok(Harvest::Unfit(format!("it has more than {max_sightings} trace ids")));
            }
            merge_at = (seen.len() * 2).max(FIRST_MERGE);
        }
    }
    sort_and_merge(&mut seen);
    Ok(Harvest::Seen(seen))
}

/// The leaf columns to be read, `None` where there is no time. A file may lack the ids: they are NULL then.
fn leaves(signal: Signal, schema: &SchemaDescriptor) -> Option<Vec<usize>> {
    let wanted = |number: &usize| {
        let path = schema.column(*number).path().parts().to_vec();
        match (signal, path.as_slice()) {
            (_, [time]) if time == "time" => true,
            (Signal::Logs | Signal::Spans, [id]) => id == "trace_id",
            (Signal::Metrics, [exemplars, .., id]) => exemplars == "exemplars" && id == "trace_id",
            _ => false,
        }
    };
    let leaves: Vec<usize> = (0..schema.num_columns()).filter(wanted).collect();
    let is_time = |leaf: &usize| schema.column(*leaf).path().parts() == ["time"];
    leaves.iter().any(is_time).then_some(leaves)
}

/// Adds a batch's sightings; an error says why the file is unfit.
fn take(signal: Signal, batch: &RecordBatch, bounds: (i64, i64), seen: &mut Vec<Sighting>) -> Result<(), String> {
    let times = batch.column_by_name("time").ok_or("it has no `time`")?;
    let times = cast(times, &DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(|error| error.to_string())?;
    let times: &TimestampMicrosecondArray = times.as_primitive::<TimestampMicrosecondType>();
    let mut add = |row: usize, trace_id: &str| -> Result<(), String> {
        if times.is_null(row) {
            return Err("a row with a trace id has no time".to_owned());
        }
        let time = times.value(row);
        if time < bounds.0 || bounds.1 < time {
            return Err("a row lies outside of what the log says of the file's times".to_owned());
        }
        let second = time.div_euclid(MICROS);
        seen.push(Sighting { key: key_of(trace_id), signal, first: second, last: second });
        Ok(())
    };
    if signal == Signal::Metrics {
        let Some(exemplars) = batch.column_by_name("exemplars") else { return Ok(()) };
        let lists = exemplars.as_list_opt::<i32>().ok_or("its exemplars are no list")?;
        let ids = lists.values().as_struct_opt().ok_or("its exemplars are no structs")?.column_by_name("trace_id");
        let ids = texts(ids.ok_or("its exemplars have no trace ids")?)?;
        for (row, ends) in lists.value_offsets().windows(2).enumerate().filter(|(row, _)| lists.is_valid(*row)) {
            let &[start, end] = ends else { continue };
            // Offsets of a list array are never negative.
            for exemplar in (start as usize..end as usize).filter(|exemplar| ids.is_valid(*exemplar)) {
                add(row, ids.value(exemplar))?;
            }
        }
        return Ok(());
    }
    let Some(ids) = batch.column_by_name("trace_id") else { return Ok(()) };
    let ids = texts(ids)?;
    for row in (0..ids.len()).filter(|row| ids.is_valid(*row)) {
        add(row, ids.value(row))?;
    }
    Ok(())
}

fn texts(array: &ArrayRef) -> Result<StringViewArray, String> {
    let texts = cast(array, &DataType::Utf8View).map_err(|error| error.to_string())?;
    Ok(texts.as_string_view().clone())
}
