//! A table that is one batch, made when it is scanned.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::columns::SystemTable;

type Rows = Box<dyn Fn() -> Result<RecordBatch> + Send + Sync>;

pub(super) struct BatchTable {
    schema: SchemaRef,
    rows: Rows,
}

impl BatchTable {
    /// The table whose rows `rows` makes, with the columns of `table`.
    pub(super) fn provider(
        table: SystemTable,
        rows: impl Fn() -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> Arc<dyn TableProvider> {
        Arc::new(Self { schema: table.schema(), rows: Box::new(rows) })
    }
}

impl fmt::Debug for BatchTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchTable").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for BatchTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = (self.rows)()?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], Arc::clone(&self.schema), projection.cloned())?)
    }
}
