//! Who has rows beside the lake's files while an erasure runs: a server, or nobody.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;

use crate::buffer::TableState;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{LakeRoot, live_writers, safe_now};
use crate::model::signal::Signal;

/// What an erasure needs of the process that it runs in.
#[async_trait]
pub trait Around: Send + Sync {
    /// This process's own id among the lake's writers; `None` where it is none.
    fn writer(&self) -> Option<String>;

    /// Refuses to begin where others may have rows that nobody here can reach.
    ///
    /// # Errors
    /// `Conflict`, saying who and what to do.
    async fn admit(&self, root: &LakeRoot) -> Result<()>;

    /// Obeys every standing erasure of the lake from now on. Answers whether it does already.
    ///
    /// # Errors
    /// What reading them met.
    async fn obey(&self) -> Result<()>;

    /// Brings every row in memory into the lake, and lets go of the write-ahead log.
    ///
    /// # Errors
    /// `Unavailable` where the lake did not answer.
    async fn flush(&self) -> Result<()>;

    /// The tables with their rows in memory.
    fn pin(&self) -> Vec<(Signal, Arc<TableState>)>;

    /// Shows queries what was done.
    async fn follow(&self);
}

/// No server: the lake's files are all there is.
#[derive(Debug, Clone, Copy)]
pub struct Offline;

#[async_trait]
impl Around for Offline {
    fn writer(&self) -> Option<String> {
        None
    }

    async fn admit(&self, root: &LakeRoot) -> Result<()> {
        let now = safe_now(root).await?;
        let live = live_writers(root, now).await?;
        let Some(writer) = live.first() else { return Ok(()) };
        let others = if live.len() > 1 { format!(" and {} more", live.len() - 1) } else { String::new() };
        let door = writer
            .card
            .http
            .as_ref()
            .map_or_else(|| "through it with --connect".to_owned(), |http| format!("through it: --connect {http}"));
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "{}{others} writes this lake, and has rows that are in no file yet: erase {door}; or stop it first; one \
                 that was killed counts for {}s after it was last heard",
                writer.describe(now),
                crate::lake::SILENT_AFTER.num_seconds()
            ),
        ))
    }

    async fn obey(&self) -> Result<()> {
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn pin(&self) -> Vec<(Signal, Arc<TableState>)> {
        Vec::new()
    }

    async fn follow(&self) {}
}

impl crate::erasure::Held for crate::maintenance::hold::Holds {
    fn held(&self, signal: Signal, batch: &RecordBatch) -> Result<Option<Vec<bool>>> {
        let held = Self::held(self, signal, batch)?;
        Ok(held.map(|held| held.into_iter().map(|hold| hold.is_some()).collect()))
    }
}
