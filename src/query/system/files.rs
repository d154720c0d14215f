//! `system.files`: the live files of the pinned snapshots.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::common::Result;

use super::columns::SystemTable;
use crate::lake::{LakeRoot, LiveFile, micros};
use crate::model::signal::Signal;
use crate::query::provider::external;
use crate::query::question::Pinned;

/// A row a file, by table and path.
pub(super) fn files(root: &LakeRoot, pinned: &Pinned) -> Result<RecordBatch> {
    let mut files: Vec<(Signal, String, Arc<LiveFile>)> = Vec::new();
    for (signal, state) in &pinned.0 {
        let folder = folder(root, *signal)?;
        let live = state.snapshot.files().iter();
        files.extend(live.map(|file| (*signal, format!("{folder}{}", file.path), Arc::clone(file))));
    }
    files.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
    let of = || files.iter().map(|(_, _, file)| file.as_ref());
    let long = |value: u64| i64::try_from(value).ok();
    let times = |times: Vec<Option<i64>>| Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"));
    let min = |column: &'static str| of().map(move |file| file.stats.min_values.get(column));
    let max = |column: &'static str| of().map(move |file| file.stats.max_values.get(column));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(files.iter().map(|(signal, ..)| Some(signal.table())).collect::<StringArray>()),
        Arc::new(of().map(|file| Some(file.path.as_str())).collect::<StringArray>()),
        Arc::new(files.iter().map(|(_, location, _)| Some(location.as_str())).collect::<StringArray>()),
        Arc::new(of().map(|file| file.day()).collect::<Date32Array>()),
        Arc::new(of().map(|file| long(file.size)).collect::<Int64Array>()),
        Arc::new(of().map(|file| file.rows.and_then(long)).collect::<Int64Array>()),
        times(of().map(|file| file.modified_ms.checked_mul(1000)).collect()),
        times(min("time").map(|value| value.and_then(micros)).collect()),
        times(max("time").map(|value| value.and_then(micros)).collect()),
        Arc::new(min("service_name").map(|value| value?.as_str()).collect::<StringArray>()),
        Arc::new(max("service_name").map(|value| value?.as_str()).collect::<StringArray>()),
    ];
    Ok(RecordBatch::try_new(SystemTable::Files.schema(), columns)?)
}

/// A table's folder as a Parquet reader takes it, with a slash at its end.
fn folder(root: &LakeRoot, signal: Signal) -> Result<String> {
    match root.local_folder() {
        Some(folder) => Ok(format!("{}/", folder.join(signal.table()).display())),
        None => Ok(root.table_url(signal.table()).map_err(external)?.to_string()),
    }
}
