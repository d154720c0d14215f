//! Prepared statements, and portals: statements with values, and how far their rows have been fetched.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use tokio::sync::OnceCell;

use super::command::{Command, QueryText};
use super::rows::Rows;
use super::types::{Format, Formats};
use crate::query::Prepared;

/// A prepared statement.
pub(super) struct Statement {
    /// What it asks; `None` for an empty text.
    pub(super) command: Option<Command>,
    /// The types of parameters that the client told, 0 where it did not.
    pub(super) types: Vec<u32>,
    /// What is known of its query once somebody wanted to know.
    pub(super) prepared: OnceCell<Prepared>,
    /// The columns that the client was told before it gave values.
    pub(super) described: OnceLock<SchemaRef>,
    /// The bytes of its text.
    pub(super) bytes: usize,
}

impl Statement {
    pub(super) fn new(command: Option<Command>, types: Vec<u32>, bytes: usize) -> Self {
        Self { command, types, prepared: OnceCell::new(), described: OnceLock::new(), bytes }
    }
}

/// A statement with values, or a cursor.
pub(super) struct Portal {
    pub(super) statement: Arc<Statement>,
    pub(super) params: Vec<ScalarValue>,
    /// The bytes of its values.
    pub(super) bytes: usize,
    /// How its columns are written.
    pub(super) formats: Formats,
    pub(super) state: State,
    /// Set where DECLARE made it.
    pub(super) cursor: Option<Cursor>,
}

/// What DECLARE said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    /// Whether it outlives its transaction.
    pub(super) hold: bool,
}

/// How far a portal is.
pub(super) enum State {
    /// Not begun.
    Fresh,
    /// Its rows are being fetched.
    Open(Box<Rows>),
    /// There are no more rows; the columns that they had.
    Done(SchemaRef),
}

impl Command {
    /// The query whose parameters and rows are this statement's.
    pub(super) fn query(&self) -> Option<&QueryText> {
        match self {
            Self::Query(query) | Self::Declare { query, .. } | Self::Copy { query, .. } => Some(query),
            _ => None,
        }
    }
}

impl Portal {
    /// The columns of its rows, once it is known to have any.
    pub(super) fn schema(&self) -> Option<&SchemaRef> {
        match &self.state {
            State::Open(rows) => Some(rows.described()),
            State::Done(schema) => Some(schema),
            State::Fresh => None,
        }
    }
}

/// How a cursor's columns are written.
pub(super) const fn cursor_formats(binary: bool) -> Formats {
    Formats::All(if binary { Format::Binary } else { Format::Text })
}
