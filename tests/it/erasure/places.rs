//! Where a value is, in every file of a folder: Parquet is decoded, everything else is searched as it is.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The files below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The files below a folder that have the value: in their bytes, or in their rows.
pub fn places_of(value: &str, folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|path| has(value, path)).collect()
}

fn has(value: &str, path: &Path) -> bool {
    // What was deleted since it was listed has nothing.
    let Ok(bytes) = fs::read(path) else { return false };
    if bytes.windows(value.len()).any(|window| window == value.as_bytes()) {
        return true;
    }
    path.extension().is_some_and(|extension| extension == "parquet") && rows_have(value, bytes)
}

fn rows_have(value: &str, bytes: Vec<u8>) -> bool {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
    let options = FormatOptions::default();
    reader.map(Result::unwrap).any(|batch| {
        batch.columns().iter().any(|column| {
            let shown = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
            (0..batch.num_rows()).any(|row| shown.value(row).to_string().contains(value))
        })
    })
}
