//! Rows that nobody has sorted, such as another engine's files, as a sorted stream in bounded memory.
//!
//! What does not fit is spilled to the system's temporary folder by DataFusion's external sort, and gone again with the
//! stream.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan as _, SendableRecordBatchStream};
use datafusion::prelude::SessionConfig;

use crate::error::{Error, Result};

/// The least memory that a sort makes do with: a few batches of usual rows.
const LEAST_MEMORY: usize = 32 << 20;

/// What merging spilled rows has for itself.
const MERGE_MEMORY: usize = 8 << 20;

/// These rows in this order, in batches of at most `batch_rows`. Memory: `memory`, or 32 MiB where that is less; the rows
/// of one batch must fit into it.
///
/// # Errors
/// In the stream: what came in `rows`, a full disk, a batch that does not fit.
pub(super) fn sorted(
    rows: SendableRecordBatchStream,
    order: LexOrdering,
    memory: usize,
    batch_rows: usize,
) -> Result<SendableRecordBatchStream> {
    let failed = |error: DataFusionError| Error::internal("rows can't be sorted").with_source(error);
    let schema = rows.schema();
    let source = Arc::new(Once { schema: Arc::clone(&schema), rows: Mutex::new(Some(rows)) });
    let source = StreamingTableExec::try_new(schema, vec![source], None, [], false, None).map_err(failed)?;
    let sort = SortExec::new(order, Arc::new(source));
    let pool = GreedyMemoryPool::new(memory.max(LEAST_MEMORY));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build_arc().map_err(failed)?;
    let config = SessionConfig::new().with_batch_size(batch_rows).with_sort_spill_reservation_bytes(MERGE_MEMORY);
    let context = TaskContext::default().with_session_config(config).with_runtime(runtime);
    sort.execute(0, Arc::new(context)).map_err(failed)
}

/// A stream as the one partition of a plan, which is executed once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        rows.unwrap_or_else(|| {
            let twice = DataFusionError::Internal("a stream is read once".to_owned());
            let twice = futures::stream::iter([Err(twice)]);
            Box::pin(datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(Arc::clone(&self.schema), twice))
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
    use arrow::compute::SortOptions;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use datafusion::physical_expr::PhysicalSortExpr;
    use datafusion::physical_expr::expressions::Column;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::TryStreamExt;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// Four times as many rows as fit into its memory.
    #[tokio::test]
    async fn what_does_not_fit_into_memory_is_sorted_all_the_same() {
        const BATCHES: i64 = 128;
        const ROWS: i64 = 1024;
        let schema = Arc::new(Schema::new(vec![
            Field::new("key", DataType::Int64, false),
            Field::new("text", DataType::Utf8, false),
        ]));
        let mut random = StdRng::seed_from_u64(1);
        let made = Arc::clone(&schema);
        let batches = (0..BATCHES).map(move |_| {
            let keys: Int64Array = (0..ROWS).map(|_| random.random_range(0..1_000_000)).collect();
            let texts: StringArray = keys.iter().map(|key| key.map(|key| format!("{key:01000}"))).collect();
            let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(texts)];
            Ok(RecordBatch::try_new(Arc::clone(&made), columns).unwrap())
        });
        let rows = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::iter(batches)));
        let key = PhysicalSortExpr::new(Arc::new(Column::new("key", 0)), SortOptions::default());
        let sorted = sorted(rows, LexOrdering::new([key]).unwrap(), 0, ROWS as usize).unwrap();
        let batches: Vec<RecordBatch> = sorted.try_collect().await.unwrap();
        let keys: Vec<i64> =
            batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        assert_eq!(keys.len() as i64, BATCHES * ROWS);
        assert!(keys.is_sorted());
    }
}
