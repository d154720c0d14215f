//! What is done to the Delta log of any table of a lake, by delta-rs, with the settings that its traps call for.

use std::sync::Arc;

use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, Metadata, Protocol, Transaction};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::state::DeltaTableState;
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::location::LakeRoot;
use super::whole_objects::{KeptObjects, WholeObjects};
use crate::error::Result;

/// Versions from one checkpoint to the next.
pub(super) const CHECKPOINT_EVERY: u64 = 50;

/// Bytes of commits that a table's handle keeps.
const KEPT_COMMITS: usize = 8 << 20;

/// The log of a table, in which the objects that `is_whole` picks are read by one request each; touches nothing.
pub(super) fn log_store(root: &LakeRoot, table: &str, is_whole: fn(&Path) -> bool) -> Result<LogStoreRef> {
    // Opening and refreshing read each commit more than once, and a checkpoint in a dozen parts.
    let kept = Arc::new(KeptObjects::new(KEPT_COMMITS));
    let top: Arc<dyn ObjectStore> = Arc::new(WholeObjects::new(Arc::clone(root.store()), kept, is_whole));
    let log = Arc::new(PrefixStore::new(Arc::clone(&top), root.table_path(table)?));
    Ok(default_logstore(log, top, &root.table_url(table)?, &StorageConfig::default()))
}

/// Whether there is a commit or a checkpoint in a table's folder. What a crash left before the first commit is no table.
pub(super) async fn has_log(store: &Arc<dyn ObjectStore>) -> object_store::Result<bool> {
    match store.list_with_delimiter(Some(&"_delta_log".into())).await {
        Ok(listing) => Ok(listing.objects.iter().any(|object| is_log_file(&object.location))),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a table has the commit of this version.
pub(super) async fn has_version(store: &Arc<dyn ObjectStore>, version: u64) -> object_store::Result<bool> {
    match store.head(&Path::from(format!("_delta_log/{version:020}.json"))).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Commits exactly on top of a version: no retry inside, whose conflict rules are not ours.
pub(super) async fn compare_and_swap(
    log_store: &LogStoreRef,
    state: &DeltaTableState,
    actions: Vec<Action>,
    operation: DeltaOperation,
    transactions: Vec<Transaction>,
) -> Result<DeltaTableState, DeltaTableError> {
    compare_and_swap_with(log_store, state, actions, operation, transactions, []).await
}

/// The same, with more for the commit to say of itself.
pub(super) async fn compare_and_swap_with(
    log_store: &LogStoreRef,
    state: &DeltaTableState,
    actions: Vec<Action>,
    operation: DeltaOperation,
    transactions: Vec<Transaction>,
    metadata: impl IntoIterator<Item = (String, serde_json::Value)>,
) -> Result<DeltaTableState, DeltaTableError> {
    // Clean-up lists the log at every commit, and its failure would hide a commit that succeeded.
    let properties = CommitProperties::default()
        .with_metadata(metadata)
        .with_max_retries(0)
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false))
        .with_application_transactions(transactions);
    let commit = CommitBuilder::from(properties).with_actions(actions);
    let commit = commit.build(Some(state), Arc::clone(log_store), operation);
    commit.await.map(|done| done.snapshot)
}

/// Makes a table at reader version 1 and writer version 2 (invariant 8); fails where there is one.
pub(super) async fn create_table(log_store: &LogStoreRef, metadata: Metadata) -> Result<(), DeltaTableError> {
    let protocol: Protocol = serde_json::from_value(serde_json::json!({
        "minReaderVersion": 1, "minWriterVersion": 2,
    }))?;
    let operation = DeltaOperation::Create {
        mode: SaveMode::ErrorIfExists,
        location: log_store.config().location().clone(),
        protocol: protocol.clone(),
        metadata: metadata.clone(),
    };
    // No retry: delta-rs would commit our schema again over that of a table made meanwhile.
    let commit = CommitBuilder::from(CommitProperties::default().with_max_retries(0))
        .with_actions(vec![Action::Protocol(protocol), Action::Metadata(metadata)])
        .build(None, Arc::clone(log_store), operation);
    commit.into_prepared_commit_future().await?.await?;
    Ok(())
}

/// Writes the checkpoint of a version.
pub(super) async fn checkpoint(log_store: &LogStoreRef, version: u64) -> Result<(), DeltaTableError> {
    let mut table = DeltaTable::new(Arc::clone(log_store));
    table.load_version(version).await?;
    deltalake_core::checkpoints::create_checkpoint(&table, None).await
}

/// A commit or a checkpoint: its name begins with the version.
pub(super) fn is_log_file(location: &Path) -> bool {
    let name = location.filename().unwrap_or_default();
    let version = name.split('.').next().unwrap_or_default();
    let complete = name.ends_with(".json") || name.ends_with(".parquet");
    complete && version.len() == 20 && version.bytes().all(|byte| byte.is_ascii_digit())
}

/// A commit: written once, under a name that no other content ever has.
pub(super) fn is_commit(location: &Path) -> bool {
    is_log_file(location) && location.extension() == Some("json")
}
