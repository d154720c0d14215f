//! Which stored files no commit names, and which named files are not stored. Reads; repairs nothing.
//!
//! A file without a commit is what a crash between writing and committing leaves. No reader sees it.

use std::collections::HashMap;

use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::lake::{LakeRoot, LakeTable};
use crate::model::signal::Signal;

/// What was found, by paths below the lake's root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileCheck {
    /// Stored files that the newest snapshot does not name, with their bytes: never committed, or replaced since.
    pub unlisted: Vec<(String, u64)>,
    /// Files that the snapshot names and the store does not have: the data is damaged.
    pub missing: Vec<String>,
    /// Files that are both.
    pub live: usize,
}

/// Holds every table's newest snapshot against the stored files.
///
/// # Errors
/// Where a table or the store can't be read.
pub async fn check_files(root: &LakeRoot) -> Result<FileCheck> {
    let mut check = FileCheck::default();
    for signal in Signal::ALL {
        let table = LakeTable::new(root, signal)?;
        // Listed first: what is committed meanwhile is then missing in the listing, and looked for by itself.
        let mut stored: HashMap<String, u64> = table
            .store()
            .list(None)
            .try_filter_map(|object| async move {
                let path = object.location.to_string();
                let data = path.ends_with(".parquet") && !path.starts_with("_delta_log/");
                Ok(data.then_some((path, object.size)))
            })
            .try_collect()
            .await
            .map_err(|error| Error::unavailable(format!("table `{signal}` can't be listed")).with_source(error))?;
        let Some(snapshot) = table.load().await? else { continue };
        for file in snapshot.files().iter() {
            let path = object_store::path::Path::from(file.path.as_str());
            if stored.remove(path.as_ref()).is_some() || exists(&table, &path).await? {
                check.live += 1;
            } else {
                check.missing.push(format!("{signal}/{path}"));
            }
        }
        check.unlisted.extend(stored.into_iter().map(|(path, bytes)| (format!("{signal}/{path}"), bytes)));
    }
    check.unlisted.sort();
    check.missing.sort();
    Ok(check)
}

async fn exists(table: &LakeTable, path: &object_store::path::Path) -> Result<bool> {
    use object_store::ObjectStoreExt as _;
    match table.store().head(path).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(Error::unavailable(format!("{path} can't be looked for")).with_source(error)),
    }
}
