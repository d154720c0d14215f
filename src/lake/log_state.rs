//! A table's newest version as its log states it, whether or not it holds the contract.
//!
//! For looking at a table that [`LakeTable::load`] may refuse. Nothing is written by it.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use super::delta_log::CHECKPOINT_EVERY;
use super::files::LiveFiles;
use super::schema::{differences, promoted_columns};
use super::table::{CONTRACT_PROPERTY, LakeTable};
use crate::error::Result;
use crate::model::contract::{CONTRACT_VERSION, columns};
use crate::model::promoted::Promoted;
use crate::model::schema::table_schema;
use crate::model::signal::Signal;

/// What the log says.
#[derive(Debug)]
pub struct LogState {
    /// The Delta version.
    pub version: u64,
    /// Minimum reader and writer version.
    pub protocol: (i32, i32),
    /// Every table property.
    pub properties: BTreeMap<String, String>,
    /// The contract's version, as the table states it.
    pub contract: Option<String>,
    /// The partition columns.
    pub partitioned_by: Vec<String>,
    /// The promoted columns whose definitions are readable.
    pub promoted: Vec<Promoted>,
    /// What the table should look like in memory: the contract's columns, then its promoted ones.
    pub schema: SchemaRef,
    /// Where the Delta schema differs from that, a sentence each.
    pub differences: Vec<String>,
    /// The live files, or why they can't be told.
    pub files: Result<LiveFiles>,
}

/// The properties that a table of this signal is made with.
pub fn contract_properties(signal: Signal) -> Vec<(String, String)> {
    let statistics: Vec<&str> = columns(signal).filter(|column| column.stats).map(|column| column.name).collect();
    vec![
        ("delta.dataSkippingStatsColumns".to_owned(), statistics.join(",")),
        ("delta.checkpointInterval".to_owned(), CHECKPOINT_EVERY.to_string()),
        (CONTRACT_PROPERTY.to_owned(), CONTRACT_VERSION.to_string()),
    ]
}

impl LakeTable {
    /// The newest version, unchecked; `None` where there is no such table.
    ///
    /// # Errors
    /// `Unavailable` where the log can't be read.
    pub async fn log_state(&self) -> Result<Option<LogState>> {
        let Some(state) = self.newest().await? else { return Ok(None) };
        let signal = self.signal();
        let promoted = promoted_columns(state.schema().as_ref());
        let properties: BTreeMap<String, String> =
            state.metadata().configuration().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Some(LogState {
            version: state.version(),
            protocol: (state.protocol().min_reader_version(), state.protocol().min_writer_version()),
            contract: properties.get(CONTRACT_PROPERTY).cloned(),
            properties,
            partitioned_by: state.metadata().partition_columns().iter().map(ToString::to_string).collect(),
            schema: table_schema(signal, &promoted),
            differences: differences(signal, state.schema().as_ref()),
            promoted,
            files: LiveFiles::of(&state),
        }))
    }
}
