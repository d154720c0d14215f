//! `histogram_merge`: many histograms as one, of which a quantile is right, as the mean of their quantiles is not.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility};

use super::super::description::{Description, Short, is_integer, is_text, is_time};
use super::super::points::{Collected, OneGroup, PointValue, Points, Summary, state_field};
use super::columns::{
    COLUMNS, HistogramBuilder, HistogramColumns, POINT_COLUMNS, are_columns, columns, histogram_fields, histogram_type,
    is_histogram,
};
use super::merged::{Merged, NotMerged};

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

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        args.exprs.len() > 1
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Collected::new(HistogramPoints)))
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
        let mut builder = HistogramBuilder::default();
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

/// The sum of histograms that are no points, but what points grew by.
#[derive(Debug, Default)]
struct Sum(Merged);

impl Sum {
    fn add(&mut self, histograms: &ArrayRef) -> Result<()> {
        let histograms = HistogramColumns::of_struct(histograms)?;
        (0..histograms.len()).filter_map(|row| histograms.at(row)).try_for_each(|one| self.0.add(&one).map_err(failed))
    }
}

fn built<'h>(histograms: impl IntoIterator<Item = Option<&'h super::model::Histogram>>) -> Result<ArrayRef> {
    let mut builder = HistogramBuilder::default();
    for histogram in histograms {
        builder.append(histogram);
    }
    Ok(Arc::new(builder.finish()?))
}

impl Accumulator for Sum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.iter().try_for_each(|values| self.add(values))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let whole = self.0.finish().map_err(failed)?;
        ScalarValue::try_from_array(&built([whole.as_ref()])?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.parts().iter().map(super::model::Histogram::size).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let parts = built(self.0.parts().iter().map(Some))?;
        let element = Arc::new(Field::new_list_field(histogram_type(), true));
        let list = ListArray::try_new(element, OffsetBuffer::from_lengths([parts.len()]), parts, None)?;
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in states {
            let lists: &ListArray = state.as_list();
            for parts in lists.iter().flatten() {
                self.add(&parts)?;
            }
        }
        Ok(())
    }
}
