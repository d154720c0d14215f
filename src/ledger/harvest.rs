//! New commits of a table into the ledger.
//!
//! Guarantee: rows and how far they go (`txn ledger/<table>`) are one commit, a compare-and-swap on the ledger's version
//! (invariant 6). After any error the newest version tells how far the ledger is; two that harvest at once do the work
//! twice and commit it once.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::read::read_files;
use super::rows::{columns, fields};
use super::{PARTITION, TABLE};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{DerivedFile, DerivedSnapshot, DerivedTable, LakeRoot, LakeTable, StagedSince, TableCommit};
use crate::model::signal::Signal;

/// Commits that are read at once.
const AHEAD: usize = 16;

/// Pauses before the further tries, in ms.
const PAUSES: [u64; 5] = [0, 100, 400, 1600, 3200];

/// A table's files in the ledger are merged when they are so many.
const MANY: usize = 16;

/// A file of so many bytes is merged no more.
const FULL: u64 = 16 << 20;

/// How far the ledger has a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Harvested {
    /// Every commit up to this version is in that has its place there.
    pub up_to: u64,
    /// Rows that are new.
    pub rows: u64,
}

/// Brings the ledger up to a table's newest version; `None` where there is no such table.
///
/// # Errors
/// `Unavailable` after the last try.
pub async fn harvest(root: &LakeRoot, signal: Signal) -> Result<Option<Harvested>> {
    let table = LakeTable::new(root, signal)?;
    let Some(newest) = table.load().await?.map(|snapshot| snapshot.version()) else { return Ok(None) };
    let ledger = DerivedTable::new(root, TABLE)?;
    let mut staged = None;
    let grace = root.grace();
    let mut outcome = harvest_once(&ledger, &table, newest, grace, &mut staged).await;
    for pause in PAUSES {
        if !matches!(&outcome, Err(error) if error.kind() == ErrorKind::Unavailable) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        outcome = harvest_once(&ledger, &table, newest, grace, &mut staged).await;
    }
    outcome.map(Some)
}

/// Rows that were written and whose commit is not known to be in.
struct Staged {
    /// Since when they wait for it.
    since: StagedSince,
    /// The version after which they begin.
    after: Option<u64>,
    file: Option<DerivedFile>,
}

async fn harvest_once(
    ledger: &DerivedTable,
    table: &LakeTable,
    newest: u64,
    grace: Duration,
    staged: &mut Option<Staged>,
) -> Result<Harvested> {
    let name = table.signal().table();
    let app_id = format!("{}/{name}", TABLE.name);
    let snapshot = ledger.load_or_create().await?;
    let after = ledger.committed(&snapshot, &app_id).await?.and_then(|version| u64::try_from(version).ok());
    if let Some(up_to) = after.filter(|after| *after >= newest) {
        return Ok(Harvested { up_to, rows: 0 });
    }
    if staged.as_ref().is_none_or(|staged| staged.after != after || staged.since.is_stale(grace)) {
        let since = StagedSince::now();
        let commits = commits_after(table, after, newest).await?;
        let file = if commits.is_empty() { None } else { Some(write(ledger, name, &commits).await?) };
        *staged = Some(Staged { since, after, file });
    }
    let added: Vec<DerivedFile> = staged.iter().filter_map(|staged| staged.file.clone()).collect();
    let version = i64::try_from(newest).map_err(|_| Error::internal("a version above 2^63"))?;
    let committed = ledger.commit_as(&snapshot, &added, &[], Some((&app_id, version))).await?;
    let rows = added.first().and_then(DerivedFile::rows).unwrap_or(0);
    if let Err(error) = settle(ledger, snapshot.version(), committed, name).await {
        tracing::warn!(%error, "the ledger's small files are left as they are");
    }
    Ok(Harvested { up_to: newest, rows })
}

/// The commits between two versions that are no plain appends.
async fn commits_after(table: &LakeTable, after: Option<u64>, newest: u64) -> Result<Vec<TableCommit>> {
    let first = after.map_or(0, |after| after + 1);
    let commits = futures::stream::iter(first..=newest).map(|version| async move {
        let commit = table.commit_of(version).await?;
        if commit.is_none() {
            // Another engine cleans up by its own rules.
            let table = table.signal();
            tracing::warn!(%table, version, "a commit is gone before it was in the ledger");
        }
        Ok::<_, Error>(commit)
    });
    let mut commits: Vec<TableCommit> =
        commits.buffered(AHEAD).try_filter_map(|commit| futures::future::ready(Ok(commit))).try_collect().await?;
    commits.retain(|commit| !is_append(commit));
    commits.iter_mut().filter(|commit| !is_ours(commit)).for_each(|commit| commit.operation_parameters = None);
    Ok(commits)
}

/// A flush or an import: there are a thousand a day, and the rows themselves tell of them.
fn is_append(commit: &TableCommit) -> bool {
    commit.job.is_none() && commit.files_removed == 0 && commit.operation.as_deref() == Some("WRITE")
}

/// Whether what it gives as its parameters is known to quote no row.
fn is_ours(commit: &TableCommit) -> bool {
    commit.job.is_some() || matches!(commit.operation.as_deref(), Some("CREATE TABLE" | "ADD COLUMN"))
}

/// A checkpoint where one is due, and many small files into one.
async fn settle(ledger: &DerivedTable, before: u64, snapshot: DerivedSnapshot, table: &str) -> Result<()> {
    let is_small = |file: &&DerivedFile| file.partition == table && file.size < FULL;
    let small: Vec<DerivedFile> = snapshot.files().iter().filter(is_small).cloned().collect();
    let mut newest = snapshot;
    if small.len() >= MANY {
        let mut commits = read_files(ledger.store(), &small).await?;
        commits.sort_by_key(|commit| commit.version);
        let merged = write(ledger, table, &commits).await?;
        newest = ledger.commit(&newest, &[merged], &small).await?;
    }
    ledger.checkpoint_if_due(before, &newest).await
}

async fn write(ledger: &DerivedTable, table: &str, commits: &[TableCommit]) -> Result<DerivedFile> {
    let path = format!("{PARTITION}={table}/{}.parquet", uuid::Uuid::now_v7());
    let bytes = encode(commits)?;
    let versions = || commits.iter().map(|commit| commit.version);
    let stats = json!({
        "numRecords": commits.len(),
        "minValues": { "version": versions().min() },
        "maxValues": { "version": versions().max() },
        "nullCount": { "version": 0 },
    });
    let size = bytes.len() as u64;
    let put = ledger.store().put(&Path::from(path.as_str()), bytes.into()).await;
    put.map_err(|error| Error::unavailable(format!("can't write {}/{path}", TABLE.name)).with_source(error))?;
    Ok(DerivedFile { path, size, partition: table.to_owned(), stats: stats.to_string() })
}

fn encode(commits: &[TableCommit]) -> Result<Vec<u8>> {
    let failed =
        |error: parquet::errors::ParquetError| Error::internal("the ledger can't be encoded").with_source(error);
    let schema = Arc::new(Schema::new(fields()));
    let commits: Vec<&TableCommit> = commits.iter().collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns(&commits))
        .map_err(|error| Error::internal("the ledger's rows do not fit its columns").with_source(error))?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.into_inner().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_have_no_place_and_what_others_say_may_quote_rows() {
        let commit = |operation: &str, job: Option<&str>| TableCommit {
            operation: Some(operation.to_owned()),
            job: job.map(str::to_owned),
            ..TableCommit::default()
        };
        assert!(is_append(&commit("WRITE", None)));
        assert!(!is_append(&TableCommit { files_removed: 1, ..commit("WRITE", None) }));
        assert!(!is_append(&commit("OPTIMIZE", Some("compaction"))));
        assert!(is_ours(&commit("DELETE", Some("erasure"))) && is_ours(&commit("ADD COLUMN", None)));
        assert!(!is_ours(&commit("DELETE", None)));
    }
}
