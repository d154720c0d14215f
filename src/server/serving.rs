//! A server, as an erasure sees it: its rows in memory, and its write-ahead log.

use std::sync::Arc;

use async_trait::async_trait;

use crate::buffer::TableState;
use crate::error::Result;
use crate::ingest::Store;
use crate::lake::LakeRoot;
use crate::maintenance::Around;
use crate::model::signal::Signal;

/// This server, as an erasure sees it.
#[derive(Debug)]
pub struct Serving(pub Arc<Store>);

#[async_trait]
impl Around for Serving {
    fn writer(&self) -> Option<String> {
        Some(self.0.writer_id().to_string())
    }

    async fn admit(&self, _: &LakeRoot) -> Result<()> {
        Ok(())
    }

    async fn obey(&self) -> Result<()> {
        self.0.obey().await.map(|_| ())
    }

    async fn flush(&self) -> Result<()> {
        self.0.flush_and_forget().await
    }

    fn pin(&self) -> Vec<(Signal, Arc<TableState>)> {
        self.0.pin()
    }

    async fn follow(&self) {
        self.0.follow().await;
    }
}
