//! A name for the newest version of each table at one moment.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound as _, Utc};
use futures::future::try_join_all;

use super::housekeeping::TABLES;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, LakeTable, NamedSnapshot, NamedSnapshots, TableLog, TableSnapshot};
use crate::model::signal::Signal;

/// How often tables are looked at again because one of them went on meanwhile.
const MAX_TRIES: usize = 50;

/// Names the lake as it is: the versions of `logs`, `spans` and `metrics` are those of one moment, and the derived
/// tables' are the newest then. A checkpoint is written at each, so that the log need not be kept for their sake.
///
/// # Errors
/// `Conflict` where the name is taken, `NotFound` where there is no lake, `Unavailable` where the tables went on at each of
/// many tries.
pub async fn create_snapshot(root: &LakeRoot, name: &str, now: DateTime<Utc>) -> Result<NamedSnapshot> {
    let snapshots = NamedSnapshots::new(root)?;
    match snapshots.get(name).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(there) => return Err(there.is_taken()),
    }
    let mut tables = cut(root).await?;
    if tables.is_empty() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("there is no lake at {}; name one with --lake", root.display()),
        ));
    }
    for table in TABLES.into_iter().filter(|table| Signal::from_table(table).is_none()) {
        if let Some(files) = TableLog::new(root, table)?.newest_files().await? {
            tables.insert(table.to_owned(), files.version);
        }
    }
    for (table, version) in &tables {
        TableLog::new(root, table)?.checkpoint(*version).await?;
    }
    let snapshot = NamedSnapshot { name: name.to_owned(), created: now.trunc_subsecs(3), tables };
    snapshots.create(&snapshot).await?;
    Ok(snapshot)
}

/// The newest versions of the signals' tables: those of one moment, since none had a newer one once all were known.
async fn cut(root: &LakeRoot) -> Result<BTreeMap<String, u64>> {
    let tables = Signal::ALL.into_iter().map(|signal| LakeTable::new(root, signal)).collect::<Result<Vec<_>>>()?;
    let mut newest: Vec<Option<TableSnapshot>> = try_join_all(tables.iter().map(LakeTable::load)).await?;
    for _ in 0..MAX_TRIES {
        let newer = try_join_all(tables.iter().zip(&newest).map(|(table, known)| async move {
            match known {
                Some(known) => table.newer(known).await,
                None => table.load().await,
            }
        }));
        let newer = newer.await?;
        if newer.iter().all(Option::is_none) {
            let versions = tables.iter().zip(newest);
            let versions =
                versions.filter_map(|(table, known)| Some((table.signal().table().to_owned(), known?.version())));
            return Ok(versions.collect());
        }
        for (known, newer) in newest.iter_mut().zip(newer) {
            if newer.is_some() {
                *known = newer;
            }
        }
    }
    Err(Error::unavailable("the tables are being committed to all the time; try again in a quieter moment"))
}
