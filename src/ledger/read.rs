//! What the ledger has of a table.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::TABLE;
use super::rows::commits;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DerivedFile, DerivedTable, LakeRoot, TableCommit};

/// Files that are read at once.
const AHEAD: usize = 8;

/// The commits of a table that the ledger has, the newest first; none where there is no ledger yet.
///
/// # Errors
/// `Damaged` for a file that can't be decoded, `Unavailable` where the store does not answer.
pub async fn ledger_commits(root: &LakeRoot, table: &str) -> Result<Vec<TableCommit>> {
    let ledger = DerivedTable::new(root, TABLE)?;
    let Some(snapshot) = ledger.load().await? else { return Ok(Vec::new()) };
    let files: Vec<_> = snapshot.files().iter().filter(|file| file.partition == table).cloned().collect();
    let mut commits = read_files(ledger.store(), &files).await?;
    commits.sort_by_key(|commit| std::cmp::Reverse(commit.version));
    Ok(commits)
}

/// The commits in these files.
pub(super) async fn read_files(store: &Arc<dyn ObjectStore>, files: &[DerivedFile]) -> Result<Vec<TableCommit>> {
    let reads = futures::stream::iter(files.to_vec()).map(|file| {
        let store = Arc::clone(store);
        async move {
            let unavailable =
                |error| Error::unavailable(format!("{}/{} can't be read", TABLE.name, file.path)).with_source(error);
            let found = store.get(&Path::from(file.path.as_str())).await.map_err(unavailable)?;
            decode(&file.path, found.bytes().await.map_err(unavailable)?)
        }
    });
    reads.buffered(AHEAD).try_concat().await
}

fn decode(path: &str, bytes: Bytes) -> Result<Vec<TableCommit>> {
    let damaged = || Error::new(ErrorKind::Damaged, format!("{}/{path} can't be decoded", TABLE.name));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(ParquetRecordBatchReaderBuilder::build);
    let mut rows = Vec::new();
    for batch in reader.map_err(|error| damaged().with_source(error))? {
        let batch = batch.map_err(|error| damaged().with_source(error))?;
        rows.extend(commits(&batch).map_err(|error| damaged().with_source(error))?);
    }
    Ok(rows)
}
