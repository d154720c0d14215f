//! `histogram_merge`: many histograms as one, of which a quantile is right, as the mean of their quantiles is not.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::super::description::{Description, Short, is_integer, is_text, is_time};
use super::super::points::{Collected, OneGroup, PointValue, Points, Summary, state_field};
use super::columns::{
    COLUMNS, HistogramBuilder, HistogramColumns, POINT_COLUMNS, are_columns, columns, histogram_fields, histogram_type,
    is_histogram,
};
use super::merged::{Merged, NotMerged};
use super::model::Histogram;

pub(in super::super) const DESCRIPTION: Description = Description {
    name: "histogram_merge",
    forms: &[
        "()",
        "(histogram)",
        "(series_id, time, start_time, temporality, count, sum, min, max, explicit_bounds, bucket_counts, scale, zero_count, zero_threshold, \
         positive_offset, positive_bucket_counts, negative_offset, negative_bucket_counts)",
    ],
    meaning: "An aggregate: the histograms of a group as one, a struct with the names of the columns of `metrics`, whose `count` \
        and `sum` are fields too. `histogram_merge()` takes points, by the names of their columns: DELTA ones are added up, and of \
        each CUMULATIVE series what it grew by, by the rules of `increase`, a point stored twice counting once; it holds the group's points in memory, some 300 bytes each. \
        `histogram_merge(histogram)` adds up what `histogram_delta` gives, point by point, and holds a histogram: the way for buckets \
        of time, whose first growth is not lost, and for many points. Explicit histograms add up in the buckets of those with the \
        fewest bounds, if all others have these bounds too, and are an error that names the bounds if not. Exponential ones add up at the lowest \
        scale, and one at which a side has at most 4,096 buckets, with the widest zero bucket. The two kinds together are an error. `sum`, `min` \
        and `max` are NULL where one of the histograms lacks them. NULL where nothing was counted.",
    source: "OpenTelemetry's metrics data model, Exponential Histogram and Resets and Gaps",
    example: "SELECT histogram_quantile(0.95, histogram_merge()) AS p95 FROM metrics\nWHERE metric_name = 'http.server.request.duration' AND time >= now() - INTERVAL '30 days'",
    short: Some(Short { given: 0, columns: &POINT_COLUMNS }),
};

/// `histogram_merge(...)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct HistogramMerge {
    signature: Signature,
}

impl Default for HistogramMerge {
    fn default() -> Self {
        Self { signature: super::super::any_arguments(Volatility::Immutable) }
    }
}

/// Whether these are the types of a point of a histogram.
pub(in super::super) fn is_histogram_point(types: &[DataType]) -> bool {
    match types {
        [series, time, start, temporality, histogram @ ..] => {
            is_integer(series)
                && is_time(time)
                && is_time(start)
                && is_text(temporality)
                && are_columns(&COLUMNS, histogram)
        }
        _ => false,
    }
}

fn failed(error: NotMerged) -> DataFusionError {
    DESCRIPTION.wrong_value(error)
}

impl AggregateUDFImpl for HistogramMerge {
    fn name(&self) -> &'static str {
        DESCRIPTION.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        DESCRIPTION.documentation()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let fits = match args {
            [histogram] => is_histogram(histogram),
            _ => is_histogram_point(args),
        };
        if fits { Ok(histogram_type()) } else { Err(DESCRIPTION.wrong_call(args)) }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if args.input_fields.len() > 1 {
            return Ok(vec![state_field(args.name, &HistogramPoints)]);
        }
        let element = Arc::new(Field::new_list_field(histogram_type(), true));
        Ok(vec![Arc::new(Field::new(format!("{}[parts]", args.name), DataType::List(element), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.exprs.len() > 1 {
            return Ok(Box::new(OneGroup::new(HistogramPoints)));
        }
        Ok(Box::new(Sum::default()))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        if args.exprs.len() > 1 {
            return Ok(Box::new(Collected::new(HistogramPoints)));
        }
        Ok(Box::new(Sums::default()))
    }
}

/// Points that are histograms.
#[derive(Debug)]
pub(in super::super) struct HistogramPoints;

impl PointValue for HistogramPoints {
    fn fields(&self) -> Vec<Field> {
        histogram_fields().iter().map(|field| field.as_ref().clone()).collect()
    }

    fn columns(&self, args: &[ArrayRef]) -> Result<(Vec<ArrayRef>, BooleanArray)> {
        let Some(first) = args.first() else { return internal_err!("a point lacks its histogram") };
        let given = |wanted: &str| {
            let place = COLUMNS.iter().position(|name| *name == wanted)?;
            args.get(place).cloned()
        };
        let columns = columns(given, first.len())?;
        let histograms = HistogramColumns::of(&columns)?;
        let known = (0..first.len()).map(|row| Some(histograms.at(row).is_some())).collect();
        Ok((columns, known))
    }
}

impl Summary for HistogramPoints {
    fn summarize(&self, points: &Points, groups: &[Range<usize>]) -> Result<ArrayRef> {
        let histograms = HistogramColumns::of(&points.values)?;
        let mut builder = HistogramBuilder::with_capacity(groups.len());
        for group in groups {
            let mut merged = Merged::default();
            if let Some(earliest) = points.earliest(group.clone()) {
                for series in points.series(group.clone()) {
                    let growths = points.growths(series, earliest, |row| histograms.at(row).unwrap_or_default());
                    for growth in growths.into_iter().filter_map(|(_, _, growth)| growth) {
                        merged.add(&growth.by).map_err(failed)?;
                    }
                }
            }
            builder.append(merged.finish().map_err(failed)?.as_ref());
        }
        Ok(Arc::new(builder.finish()?))
    }
}

/// The sums of histograms that are no points, but what points grew by: one for each group.
#[derive(Debug, Default)]
struct Sums(Vec<Merged>);

impl Sums {
    fn add(&mut self, histograms: &ArrayRef, groups: impl Iterator<Item = Option<usize>>) -> Result<()> {
        let histograms = HistogramColumns::of_struct(histograms)?;
        for (row, group) in groups.enumerate() {
            let merged = group.and_then(|group| self.0.get_mut(group));
            if let Some((merged, histogram)) = merged.zip(histograms.at(row)) {
                merged.add(&histogram).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn grow(&mut self, groups: usize) {
        if self.0.len() < groups {
            self.0.resize_with(groups, Merged::default);
        }
    }

    fn merge(&mut self, states: &[ArrayRef], group_indices: &[usize]) -> Result<()> {
        let [state] = states else { return internal_err!("the state of histograms is one list") };
        let lists: &ListArray = state.as_list();
        // A NULL list is an empty one.
        let lengths = lists.offsets().lengths();
        let ends: Vec<usize> = lengths
            .scan(0, |end, length| {
                *end += length;
                Some(*end)
            })
            .collect();
        let start = lists.value_offsets().first().map_or(0, |start| *start as usize);
        let parts = lists.values().slice(start, ends.last().copied().unwrap_or(0));
        let group_of = |part: usize| {
            let row = ends.partition_point(|end| *end <= part);
            lists.is_valid(row).then(|| group_indices.get(row).copied()).flatten()
        };
        self.add(&parts, (0..parts.len()).map(group_of))
    }
}

fn wholes(sums: &[Merged]) -> Result<ArrayRef> {
    let mut builder = HistogramBuilder::with_capacity(sums.len());
    for sum in sums {
        builder.append(sum.finish().map_err(failed)?.as_ref());
    }
    Ok(Arc::new(builder.finish()?))
}

fn parts(sums: &[Merged]) -> Result<ArrayRef> {
    let mut builder = HistogramBuilder::with_capacity(sums.len());
    for part in sums.iter().flat_map(Merged::parts) {
        builder.append(Some(part));
    }
    let element = Arc::new(Field::new_list_field(histogram_type(), true));
    let lengths = OffsetBuffer::from_lengths(sums.iter().map(|sum| sum.parts().len()));
    Ok(Arc::new(ListArray::try_new(element, lengths, Arc::new(builder.finish()?), None)?))
}

fn bytes(sums: &[Merged]) -> usize {
    size_of_val(sums) + sums.iter().flat_map(Merged::parts).map(Histogram::size).sum::<usize>()
}

fn only(values: &[ArrayRef]) -> Result<&ArrayRef> {
    match values {
        [histograms] => Ok(histograms),
        _ => internal_err!("histogram_merge takes one histogram"),
    }
}

impl GroupsAccumulator for Sums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let wanted = |row: usize| opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        let groups = group_indices.iter().enumerate().map(|(row, group)| wanted(row).then_some(*group));
        self.add(only(values)?, groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        wholes(&emit_to.take_needed(&mut self.0))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![parts(&emit_to.take_needed(&mut self.0))?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.grow(total_num_groups);
        self.merge(values, group_indices)
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = only(values)?.len();
        let mut each = Self::default();
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), opt_filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        bytes(&self.0)
    }
}

/// The sum of one group, for an aggregate without GROUP BY.
#[derive(Debug)]
struct Sum(Sums);

impl Default for Sum {
    fn default() -> Self {
        Self(Sums(vec![Merged::default()]))
    }
}

impl Accumulator for Sum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let histograms = only(values)?;
        self.0.add(histograms, std::iter::repeat_n(Some(0), histograms.len()))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&wholes(&self.0.0)?, 0)
    }

    fn size(&self) -> usize {
        bytes(&self.0.0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::try_from_array(&parts(&self.0.0)?, 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |column| column.len());
        self.0.merge(states, &vec![0; rows])
    }
}
