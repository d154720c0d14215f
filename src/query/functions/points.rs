//! The points of many series, brought together from wherever an aggregate meets them.
//!
//! What a series grew by is known only beside its other points, which may be in other files, batches and threads. So
//! the state of an aggregate is its points; the answer is worked out when all are there. That makes it independent of
//! their order, and lets a point that is stored twice count once.
//!
//! ```text
//! update_batch --> points of the batch, in one form --+
//! merge_batch  --> points of another's state ---------+--> sorted by group, series, time --> the summary
//! ```
//! Memory is that of the points, and is accounted to the query.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, StructArray, UInt32Array, new_empty_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{and, cast, concat, filter, is_not_null, take};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::series::{Growth, Point, Quantity, growths};

/// The columns that say which point it is, first among the arguments of each function of points.
pub(super) const POINT_COLUMNS: [&str; 4] = ["series_id", "time", "start_time", "temporality"];

/// What a point has for a value.
pub(super) trait PointValue: fmt::Debug + Send + Sync + 'static {
    /// The columns of a value.
    fn fields(&self) -> Vec<Field>;

    /// Those columns, of the arguments after the point's own, and in which rows there is a value.
    fn columns(&self, args: &[ArrayRef]) -> Result<(Vec<ArrayRef>, BooleanArray)>;
}

/// What is made of the points of a group.
pub(super) trait Summary: PointValue {
    /// The answer for each group.
    fn summarize(&self, points: &Points, groups: &[Range<usize>]) -> Result<ArrayRef>;
}

/// The columns of a point.
pub(super) fn fields(value: &impl PointValue) -> Fields {
    let own = [
        Field::new("series_id", DataType::Int64, true),
        Field::new("time", DataType::Int64, true),
        Field::new("start_time", DataType::Int64, true),
        Field::new("cumulative", DataType::Boolean, true),
    ];
    own.into_iter().chain(value.fields()).collect()
}

/// The one field of an aggregate's state.
pub(super) fn state_field(name: &str, value: &impl PointValue) -> FieldRef {
    let element = Field::new_list_field(DataType::Struct(fields(value)), true);
    Arc::new(Field::new(format!("{name}[points]"), DataType::List(Arc::new(element)), true))
}

/// The points of rows, and which of the rows are points: they have a series, a time, a temporality and a value.
pub(super) fn points_of(value: &impl PointValue, args: &[ArrayRef]) -> Result<(StructArray, BooleanArray)> {
    let [series, time, start, temporality, values @ ..] = args else { return internal_err!("a point lacks columns") };
    let micros = |time: &ArrayRef| -> Result<ArrayRef> {
        Ok(cast(&cast(time, &DataType::Timestamp(TimeUnit::Microsecond, None))?, &DataType::Int64)?)
    };
    let temporality = cast(temporality, &DataType::Utf8View)?;
    let cumulative: BooleanArray = temporality
        .as_string_view()
        .iter()
        .map(|temporality| match temporality {
            Some("CUMULATIVE") => Some(true),
            Some("DELTA") => Some(false),
            _ => None,
        })
        .collect();
    let (values, known) = value.columns(values)?;
    let (series, time) = (cast(series, &DataType::Int64)?, micros(time)?);
    let keep = and(&and(&is_not_null(&series)?, &is_not_null(&time)?)?, &and(&is_not_null(&cumulative)?, &known)?)?;
    let columns = [series, time, micros(start)?, Arc::new(cumulative)].into_iter().chain(values).collect();
    Ok((StructArray::try_new(fields(value), columns, None)?, keep))
}

/// Points sorted by group, series and time.
#[derive(Debug)]
pub(super) struct Points {
    series: Int64Array,
    time: Int64Array,
    start: Int64Array,
    cumulative: BooleanArray,
    /// The columns of the values.
    pub(super) values: Vec<ArrayRef>,
}

/// The order of points by group, series and time.
pub(super) fn sorted(points: &StructArray, group: impl Fn(usize) -> usize, mut rows: Vec<u32>) -> Vec<u32> {
    let column = |place: usize| points.column(place).as_primitive::<Int64Type>().values();
    let (series, time) = (column(0), column(1));
    rows.sort_unstable_by_key(|row| {
        let row = *row as usize;
        (group(row), series[row], time[row], row)
    });
    rows
}

impl Points {
    /// The points in this order.
    pub(super) fn new(points: &StructArray, order: &[u32]) -> Result<Self> {
        let order = UInt32Array::from(order.to_vec());
        let mut columns = points.columns().iter().map(|column| take(column, &order, None));
        let mut next = || match columns.next() {
            Some(column) => Ok(column?),
            None => internal_err!("a point lacks columns"),
        };
        let integers = |column: ArrayRef| column.as_primitive::<Int64Type>().clone();
        Ok(Self {
            series: integers(next()?),
            time: integers(next()?),
            start: integers(next()?),
            cumulative: next()?.as_boolean().clone(),
            values: columns.collect::<std::result::Result<_, _>>()?,
        })
    }

    /// The earliest time among these points.
    pub(super) fn earliest(&self, rows: Range<usize>) -> Option<i64> {
        rows.map(|row| self.time.value(row)).min()
    }

    /// The rows of each series.
    pub(super) fn series(&self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        runs(rows, |left, right| self.series.value(left) == self.series.value(right))
    }

    /// What one series grew by: for each of its times the row that counts, its time, and the growth, where it is known.
    pub(super) fn growths<V: Quantity>(
        &self,
        rows: Range<usize>,
        earliest: i64,
        value: impl Fn(usize) -> V,
    ) -> Vec<(usize, i64, Option<Growth<V>>)> {
        let mut points: Vec<Point<V>> = Vec::with_capacity(rows.len());
        let mut places: Vec<usize> = Vec::with_capacity(rows.len());
        for row in rows {
            let point = Point {
                time: self.time.value(row),
                start: self.start.is_valid(row).then(|| self.start.value(row)),
                cumulative: self.cumulative.value(row),
                value: value(row),
            };
            match (points.last_mut(), places.last_mut()) {
                (Some(last), Some(place)) if last.time == point.time => {
                    if beats(&point, last) {
                        (*last, *place) = (point, row);
                    }
                }
                _ => {
                    points.push(point);
                    places.push(row);
                }
            }
        }
        let growths = growths(&points, earliest);
        places.into_iter().zip(points).zip(growths).map(|((row, point), growth)| (row, point.time, growth)).collect()
    }
}

/// Of two points of one series and time, whether the first counts, whichever came first.
fn beats<V: Quantity>(point: &Point<V>, other: &Point<V>) -> bool {
    match (point.value.beats(&other.value), other.value.beats(&point.value)) {
        (true, _) => true,
        (_, true) => false,
        // Equal values: the earlier start, and any before none.
        _ => {
            (point.cumulative, point.start.is_none(), point.start)
                < (other.cumulative, other.start.is_none(), other.start)
        }
    }
}

/// Runs of neighbours that are the same.
fn runs(rows: Range<usize>, same: impl Fn(usize, usize) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut next = rows.start;
    std::iter::from_fn(move || {
        let start = next;
        if start >= rows.end {
            return None;
        }
        next = (start + 1..rows.end).find(|row| !same(start, *row)).unwrap_or(rows.end);
        Some(start..next)
    })
}

/// The points of all groups, for aggregates with GROUP BY.
#[derive(Debug)]
pub(super) struct Collected<S> {
    summary: S,
    batches: Vec<StructArray>,
    /// The group of each point of the batches.
    groups: Vec<usize>,
    group_count: usize,
    bytes: usize,
}

impl<S: Summary> Collected<S> {
    /// Without points.
    pub(super) fn new(summary: S) -> Self {
        Self { summary, batches: Vec::new(), groups: Vec::new(), group_count: 0, bytes: 0 }
    }

    fn push(&mut self, points: StructArray, groups: impl Iterator<Item = usize>) {
        self.groups.extend(groups);
        if !points.is_empty() {
            // Of what a slice shares with others its own part is counted.
            self.bytes += points.to_data().get_slice_memory_size().unwrap_or_default();
            self.batches.push(points);
        }
    }

    /// The points of the groups that go out, sorted, and the rows of each; the others stay.
    fn emit(&mut self, emit_to: EmitTo) -> Result<(StructArray, Vec<u32>, Vec<Range<usize>>)> {
        let groups = std::mem::take(&mut self.groups);
        let batches = std::mem::take(&mut self.batches);
        let all: ArrayRef = match batches.as_slice() {
            [] => new_empty_array(&DataType::Struct(fields(&self.summary))),
            batches => concat(&batches.iter().map(|batch| batch as &dyn Array).collect::<Vec<_>>())?,
        };
        let all = all.as_struct().clone();
        let count = match emit_to {
            EmitTo::All => self.group_count,
            EmitTo::First(count) => count,
        };
        (self.group_count, self.bytes) = (self.group_count - count, 0);
        let rows = u32::try_from(all.len()).map_err(|_| too_many())?;
        let goes = |row: &u32| groups[*row as usize] < count;
        let (out, stays): (Vec<u32>, Vec<u32>) = (0..rows).partition(goes);
        if !stays.is_empty() {
            let kept = take(&all, &UInt32Array::from(stays.clone()), None)?;
            self.push(kept.as_struct().clone(), stays.iter().map(|row| groups[*row as usize] - count));
        }
        let order = sorted(&all, |row| groups[row], out);
        let mut ranges = Vec::with_capacity(count);
        let mut next = 0;
        for group in 0..count {
            let start = next;
            next += order[start..].partition_point(|row| groups[*row as usize] <= group);
            ranges.push(start..next);
        }
        Ok((all, order, ranges))
    }
}

fn too_many() -> datafusion::common::DataFusionError {
    datafusion::common::DataFusionError::ResourcesExhausted(
        "more than 4 billion points in one aggregate; bound the time, or group by less time".to_owned(),
    )
}

impl<S: Summary> GroupsAccumulator for Collected<S> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.group_count = self.group_count.max(total_num_groups);
        let (points, keep) = kept(&self.summary, values, opt_filter)?;
        let groups =
            group_indices.iter().zip(keep.iter()).filter(|(_, keep)| *keep == Some(true)).map(|(group, _)| *group);
        self.push(points, groups);
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (points, order, groups) = self.emit(emit_to)?;
        self.summary.summarize(&Points::new(&points, &order)?, &groups)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (points, order, groups) = self.emit(emit_to)?;
        let sorted = take(&points, &UInt32Array::from(order), None)?;
        Ok(vec![lists(sorted, groups.iter().map(ExactSizeIterator::len))?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.group_count = self.group_count.max(total_num_groups);
        let [state] = values else { return internal_err!("the state of points is one list") };
        let lists: &ListArray = state.as_list();
        if lists.null_count() == 0 {
            let offsets = lists.value_offsets();
            let (start, end) = (offsets[0] as usize, offsets[lists.len()] as usize);
            let points = lists.values().slice(start, end - start);
            let groups = group_indices
                .iter()
                .enumerate()
                .flat_map(|(row, group)| std::iter::repeat_n(*group, lists.value_length(row) as usize));
            self.push(points.as_struct().clone(), groups);
            return Ok(());
        }
        for (row, group) in group_indices.iter().enumerate().filter(|(row, _)| lists.is_valid(*row)) {
            let points = lists.value(row);
            self.push(points.as_struct().clone(), std::iter::repeat_n(*group, points.len()));
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let (points, keep) = kept(&self.summary, values, opt_filter)?;
        let lengths = keep.iter().map(|keep| usize::from(keep == Some(true)));
        Ok(vec![lists(Arc::new(points), lengths)?])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes + self.groups.capacity() * size_of::<usize>()
    }
}

/// The points among rows, and which rows they are.
fn kept(
    summary: &impl Summary,
    values: &[ArrayRef],
    opt_filter: Option<&BooleanArray>,
) -> Result<(StructArray, BooleanArray)> {
    let (points, keep) = points_of(summary, values)?;
    let keep = match opt_filter {
        Some(wanted) => {
            let wanted: BooleanArray = wanted.iter().map(|wanted| Some(wanted == Some(true))).collect();
            and(&keep, &wanted)?
        }
        None => keep,
    };
    Ok((filter(&points, &keep)?.as_struct().clone(), keep))
}

fn lists(points: ArrayRef, lengths: impl IntoIterator<Item = usize>) -> Result<ArrayRef> {
    let element = Arc::new(Field::new_list_field(points.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(element, OffsetBuffer::from_lengths(lengths), points, None)?))
}

/// The points of one group, for aggregates without GROUP BY.
#[derive(Debug)]
pub(super) struct OneGroup<S>(Collected<S>);

impl<S: Summary> OneGroup<S> {
    /// Without points.
    pub(super) fn new(summary: S) -> Self {
        let mut points = Collected::new(summary);
        points.group_count = 1;
        Self(points)
    }
}

impl<S: Summary> Accumulator for OneGroup<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        self.0.update_batch(values, &vec![0; rows], None, 1)
    }

    /// Keeps the points: a running window asks again.
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (batches, groups, bytes) = (self.0.batches.clone(), self.0.groups.clone(), self.0.bytes);
        let answer = self.0.evaluate(EmitTo::All)?;
        (self.0.batches, self.0.groups, self.0.bytes, self.0.group_count) = (batches, groups, bytes, 1);
        ScalarValue::try_from_array(&answer, 0)
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = self.0.state(EmitTo::All)?;
        self.0.group_count = 1;
        state.iter().map(|state| ScalarValue::try_from_array(state, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |column| column.len());
        self.0.merge_batch(states, &vec![0; rows], 1)
    }
}
