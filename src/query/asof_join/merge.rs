//! One pass over two sorted inputs.
//!
//! ```text
//! left   ... (a, 09:00)  (a, 09:07)  (b, 09:01) ...       a batch, row by row
//! right  ... (a, 08:59) | (a, 09:05)  (b, 09:00) ...      passed | ahead
//! ```
//! Before a left row is answered, the right rows that lie before it are passed. Looking back, the last passed is the
//! nearest; looking ahead, the next one is. Either is a match if its keys are the left row's.
//!
//! Memory: the left batch, the right batch, and those right batches that rows not yet put out have matched, of which
//! there are never more than [`MAX_RIGHT_BATCHES`].

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::{BatchCoalescer, interleave};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::{BaselineMetrics, RecordOutput};
use futures::StreamExt;

use super::condition::Nearest;
use super::exec::{AsofJoinExec, Limit, ORDER, Side};

/// Right batches that wait for a left batch to be answered, at most.
const MAX_RIGHT_BATCHES: usize = 8;

/// The join of one partition.
pub(super) struct Merge {
    left: Input,
    right: Input,
    nearest: Nearest,
    limit: Option<Limit>,
    key_rows: Option<RowConverter>,
    time_rows: RowConverter,
    /// The left batch that is being answered, and its next row.
    current: Option<Encoded>,
    row: usize,
    /// The right batch ahead, and how many of its rows are passed.
    head: Option<Arc<Encoded>>,
    passed: usize,
    /// The right batch before, all of which is passed.
    previous: Option<Arc<Encoded>>,
    matches: Matches,
    output: BatchCoalescer,
    metrics: BaselineMetrics,
}

struct Input {
    batches: SendableRecordBatchStream,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    time: Arc<dyn PhysicalExpr>,
    ended: bool,
}

/// A batch with its keys and times in a form that compares bytewise.
struct Encoded {
    batch: RecordBatch,
    keys: Option<Rows>,
    times: Rows,
    /// The farthest right times, of left batches with a limit.
    limits: Option<Rows>,
    /// Rows none of whose keys and times is NULL; `None` for all.
    matchable: Option<NullBuffer>,
}

/// The right rows of the left rows that are not yet put out.
struct Matches {
    /// The left row of the first.
    from: usize,
    batches: Vec<Arc<Encoded>>,
    /// For each row the batch, from 1, and the row; 0 and 0 for no match.
    rows: Vec<(usize, usize)>,
    /// A NULL of each right column.
    nulls: Vec<ArrayRef>,
}

impl Merge {
    pub(super) fn try_new(
        join: &AsofJoinExec,
        left: SendableRecordBatchStream,
        right: SendableRecordBatchStream,
        batch_size: usize,
        metrics: BaselineMetrics,
    ) -> Result<Self> {
        let [left_side, right_side] = join.sides();
        let types = left_side.plan.schema();
        let field = |expr: &Arc<dyn PhysicalExpr>| Ok(SortField::new_with_options(expr.data_type(&types)?, ORDER));
        let keys = left_side.keys.iter().map(field).collect::<Result<Vec<_>>>()?;
        let key_rows = if keys.is_empty() { None } else { Some(RowConverter::new(keys)?) };
        let nulls = join.right_schema().fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        Ok(Self {
            left: Input::of(left_side, left),
            right: Input::of(right_side, right),
            nearest: join.nearest(),
            limit: join.limit().cloned(),
            key_rows,
            time_rows: RowConverter::new(vec![field(&left_side.time)?])?,
            current: None,
            row: 0,
            head: None,
            passed: 0,
            previous: None,
            matches: Matches { from: 0, batches: Vec::new(), rows: Vec::new(), nulls },
            output: BatchCoalescer::new(Arc::clone(join.output()), batch_size)
                .with_biggest_coalesce_batch_size(Some(batch_size / 2)),
            metrics,
        })
    }

    /// The next rows; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let elapsed = self.metrics.elapsed_compute().clone();
        loop {
            if let Some(batch) = self.output.next_completed_batch() {
                return Ok(Some(batch.record_output(&self.metrics)));
            }
            if self.current.is_none() {
                match self.left.next().await? {
                    Some(batch) => {
                        let _timer = elapsed.timer();
                        self.current = Some(self.encode(&self.left, batch, self.limit.as_ref())?);
                        self.row = 0;
                    }
                    None if self.output.get_buffered_rows() == 0 => return Ok(None),
                    None => {
                        self.output.finish_buffered_batch()?;
                        continue;
                    }
                }
            }
            if self.head.is_none()
                && !self.right.ended
                && let Some(batch) = self.right.next().await?
            {
                let _timer = elapsed.timer();
                self.head = Some(Arc::new(self.encode(&self.right, batch, None)?));
                self.passed = 0;
            }
            let _timer = elapsed.timer();
            self.answer()?;
        }
    }

    /// Answers left rows until the left batch is done or the next right batch is needed.
    fn answer(&mut self) -> Result<()> {
        let Some(left) = self.current.take() else { return Ok(()) };
        while self.row < left.batch.num_rows() {
            while let Some(head) = &self.head {
                if !self.lies_before(head, self.passed, &left, self.row) {
                    break;
                }
                self.passed += 1;
                if self.passed == head.batch.num_rows() {
                    self.previous = self.head.take();
                    self.passed = 0;
                }
            }
            if self.head.is_none() && !self.right.ended {
                self.current = Some(left);
                return Ok(());
            }
            let found = self.candidate().filter(|(right, row)| self.is_match(&left, self.row, right, *row));
            match found.map(|(right, row)| (Arc::clone(right), row)) {
                Some((right, row)) => self.matches.push(right, row),
                None => self.matches.push_none(),
            }
            self.row += 1;
            if self.matches.batches.len() == MAX_RIGHT_BATCHES {
                self.put_out(&left)?;
            }
        }
        self.put_out(&left)?;
        self.matches.from = 0;
        Ok(())
    }

    /// Whether a right row is not ahead of a left one.
    fn lies_before(&self, right: &Encoded, right_row: usize, left: &Encoded, left_row: usize) -> bool {
        let keys = right.compare_keys(right_row, left, left_row);
        match keys.then_with(|| right.times.row(right_row).cmp(&left.times.row(left_row))) {
            Ordering::Less => true,
            Ordering::Equal => matches!(self.nearest, Nearest::AtOrBefore | Nearest::After),
            Ordering::Greater => false,
        }
    }

    /// The right row that is the nearest, if its keys are the left row's.
    fn candidate(&self) -> Option<(&Arc<Encoded>, usize)> {
        let head = self.head.as_ref();
        if !self.nearest.is_backward() {
            return Some((head?, self.passed));
        }
        match (head, self.passed.checked_sub(1), self.previous.as_ref()) {
            (Some(head), Some(last), _) => Some((head, last)),
            (_, _, previous) => previous.map(|previous| (previous, previous.batch.num_rows() - 1)),
        }
    }

    fn is_match(&self, left: &Encoded, left_row: usize, right: &Encoded, right_row: usize) -> bool {
        if !left.is_matchable(left_row)
            || !right.is_matchable(right_row)
            || right.compare_keys(right_row, left, left_row).is_ne()
        {
            return false;
        }
        let (Some(limits), Some(limit)) = (&left.limits, &self.limit) else { return true };
        let beyond = right.times.row(right_row).cmp(&limits.row(left_row));
        match beyond {
            Ordering::Equal => limit.inclusive,
            Ordering::Greater => self.nearest.is_backward(),
            Ordering::Less => !self.nearest.is_backward(),
        }
    }

    /// Hands on the answered rows of a left batch.
    fn put_out(&mut self, left: &Encoded) -> Result<()> {
        let answered = left.batch.slice(self.matches.from, self.matches.rows.len());
        if answered.num_rows() == 0 {
            return Ok(());
        }
        let mut columns = answered.columns().to_vec();
        columns.extend(self.matches.take_columns()?);
        self.matches.from = self.row;
        Ok(self.output.push_batch(RecordBatch::try_new(self.schema(), columns)?)?)
    }

    fn schema(&self) -> SchemaRef {
        self.output.schema()
    }

    fn encode(&self, input: &Input, batch: RecordBatch, limit: Option<&Limit>) -> Result<Encoded> {
        let evaluate = |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(&batch)?.into_array(batch.num_rows());
        let keys = input.keys.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        let time = evaluate(&input.time)?;
        let limit = limit.map(|limit| evaluate(&limit.time)).transpose()?;
        let matchable = keys
            .iter()
            .chain([&time])
            .chain(&limit)
            .fold(None, |known, column| NullBuffer::union(known.as_ref(), column.logical_nulls().as_ref()));
        let keys = self.key_rows.as_ref().map(|rows| rows.convert_columns(&keys)).transpose()?;
        let limits = limit.map(|limit| self.time_rows.convert_columns(&[limit])).transpose()?;
        let times = self.time_rows.convert_columns(&[time])?;
        Ok(Encoded { batch, keys, times, limits, matchable })
    }
}

impl Input {
    fn of(side: &Side, batches: SendableRecordBatchStream) -> Self {
        Self { batches, keys: side.keys.clone(), time: Arc::clone(&side.time), ended: false }
    }

    /// The next batch that has rows.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        while !self.ended {
            match self.batches.next().await.transpose()? {
                Some(batch) if batch.num_rows() > 0 => return Ok(Some(batch)),
                Some(_) => {}
                None => self.ended = true,
            }
        }
        Ok(None)
    }
}

impl Encoded {
    fn compare_keys(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        match (&self.keys, &other.keys) {
            (Some(keys), Some(others)) => keys.row(row).cmp(&others.row(other_row)),
            _ => Ordering::Equal,
        }
    }

    fn is_matchable(&self, row: usize) -> bool {
        self.matchable.as_ref().is_none_or(|matchable| matchable.is_valid(row))
    }
}

impl Matches {
    /// Rows come in the order of the right side, so a batch is the last one or new.
    fn push(&mut self, batch: Arc<Encoded>, row: usize) {
        if !self.batches.last().is_some_and(|last| Arc::ptr_eq(last, &batch)) {
            self.batches.push(batch);
        }
        self.rows.push((self.batches.len(), row));
    }

    fn push_none(&mut self) {
        self.rows.push((0, 0));
    }

    /// The right columns of all rows, which are then forgotten.
    fn take_columns(&mut self) -> Result<Vec<ArrayRef>> {
        let rows = std::mem::take(&mut self.rows);
        let batches = std::mem::take(&mut self.batches);
        let column = |(place, null): (usize, &ArrayRef)| {
            if batches.is_empty() {
                return Ok(new_null_array(null.data_type(), rows.len()));
            }
            let matched = batches.iter().map(|right| right.batch.column(place).as_ref());
            let sources: Vec<&dyn Array> = std::iter::once(null.as_ref()).chain(matched).collect();
            Ok(interleave(&sources, &rows)?)
        };
        self.nulls.iter().enumerate().map(column).collect()
    }
}
