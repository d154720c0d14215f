//! A table's live files held against what is stored.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::READS_AT_ONCE;
use super::finding::{Code, Finding};
use super::footer::{self, Expected};
use super::rows;
use crate::error::{Error, Result};
use crate::lake::{LiveFile, LiveFiles, StoreFile, store_failed};
use crate::model::contract::PARTITION;

/// Stored Parquet files of a table, by path below its folder.
pub(super) type Stored = HashMap<String, u64>;

/// What a table's files are.
#[derive(Debug, Default)]
pub(super) struct FileCheck {
    pub(super) live: usize,
    pub(super) unlisted: Vec<(String, u64)>,
    pub(super) missing: Vec<String>,
    pub(super) findings: Vec<Finding>,
}

/// Lists a table's data files.
pub(super) async fn list(store: &Arc<dyn ObjectStore>, table: &str) -> Result<Stored> {
    let objects = store.list(None).try_filter_map(async |object| {
        let path = object.location.to_string();
        let data = path.ends_with(".parquet") && !path.starts_with("_delta_log/");
        Ok(data.then_some((path, object.size)))
    });
    let listed = objects.try_collect().await;
    listed.map_err(|error| Error::unavailable(format!("table `{table}` can't be listed")).with_source(error))
}

/// Holds live files against stored ones, and against their own footers. `stored` was listed before the snapshot was
/// loaded: what was committed in between is then missing in the listing, and looked for by itself.
pub(super) async fn check(
    store: &Arc<dyn ObjectStore>,
    expected: &Expected,
    files: &LiveFiles,
    mut stored: Stored,
    deep: bool,
) -> Result<FileCheck> {
    let mut check = FileCheck::default();
    let listed: Vec<(Arc<LiveFile>, Option<u64>)> =
        files.iter().map(|file| (Arc::clone(file), stored.remove(Path::from(file.path.as_str()).as_ref()))).collect();
    let reads =
        listed.into_iter().map(|(file, size)| async move { check_file(store, expected, &file, size, deep).await });
    let mut outcomes = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
    while let Some(findings) = outcomes.try_next().await? {
        match findings.iter().find(|finding| finding.code == Code::FileMissing) {
            Some(missing) => check.missing.push(missing.path.clone()),
            None => check.live += 1,
        }
        check.findings.extend(findings);
    }
    check.missing.sort();
    check.unlisted = stored.into_iter().map(|(path, bytes)| (format!("{}/{path}", expected.signal), bytes)).collect();
    check.unlisted.sort();
    check.findings.extend(check.unlisted.iter().map(|(path, bytes)| {
        let meaning = format!("the newest version does not have this file of {}", bytesize::ByteSize(*bytes));
        Finding::new(Code::FileUnlisted, path.clone(), meaning)
    }));
    Ok(check)
}

async fn check_file(
    store: &Arc<dyn ObjectStore>,
    expected: &Expected,
    file: &LiveFile,
    size: Option<u64>,
    deep: bool,
) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = check_partition(expected, file).into_iter().collect();
    let path = Path::from(file.path.as_str());
    let size = match size {
        Some(size) => size,
        None => match store.head(&path).await {
            Ok(object) => object.size,
            Err(object_store::Error::NotFound { .. }) => {
                let meaning = "it is part of its table and not stored".to_owned();
                findings.push(expected.finding(Code::FileMissing, file, meaning));
                return Ok(findings);
            }
            Err(error) => {
                return Err(Error::unavailable(format!("{path} can't be looked for")).with_source(error));
            }
        },
    };
    if size != file.size {
        let meaning = format!("the log says {} bytes, and it has {size}", file.size);
        findings.push(expected.finding(Code::FileSize, file, meaning));
    }
    let unavailable =
        |error| Error::unavailable(format!("{}/{path} can't be read", expected.signal)).with_source(error);
    let mut stored = StoreFile::new(store, path.clone(), size);
    match stored.footer().await {
        Ok(footer) => findings.extend(footer::check(expected, file, &footer)),
        Err(error) if store_failed(&error) => return Err(unavailable(error)),
        Err(error) => {
            findings.push(expected.finding(Code::FileUnreadable, file, format!("its footer can't be read: {error}")));
            return Ok(findings);
        }
    }
    if deep {
        for finding in rows::check(expected, file, stored).await.map_err(unavailable)? {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

/// The partition is a date, and the path says the same, for those who read paths.
fn check_partition(expected: &Expected, file: &LiveFile) -> Option<Finding> {
    let meaning = match file.date.as_deref() {
        None => "its date is NULL".to_owned(),
        Some(date) if date.parse::<chrono::NaiveDate>().is_err() => format!("`{date}` is no date"),
        Some(date) => match file.path.split('/').find_map(|part| part.strip_prefix(PARTITION)?.strip_prefix('=')) {
            Some(folder) if folder != date => format!("the log says that it is of {date}, and its folder {folder}"),
            _ => return None,
        },
    };
    Some(expected.finding(Code::PartitionInvalid, file, meaning))
}
