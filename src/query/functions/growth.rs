//! `delta_value` and `histogram_delta`: what a series grew by up to each of its points, beside the point.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{Documentation, PartitionEvaluator, Signature, Volatility, WindowUDFImpl};

use super::description::{Description, Short};
use super::histogram::columns::{HistogramBuilder, HistogramColumns, POINT_COLUMNS, histogram_type};
use super::histogram::merge::{HistogramPoints, is_histogram_point};
use super::increase::{NumberPoints, SUM_COLUMNS, is_sum_point, number_at};
use super::points::{PointValue, Points, points_of, sorted};

pub(super) const DELTA_VALUE: Description = Description {
    name: "delta_value",
    forms: &[
        "() OVER (PARTITION BY series_id)",
        "(series_id, time, start_time, temporality, value) OVER (...)",
        "(series_id, time, start_time, temporality, value, is_monotonic) OVER (...)",
    ],
    meaning: "A window function: what a counter or sum grew by since its series' point before, by the rules of `increase`; double. \
        `delta_value() OVER (PARTITION BY series_id)` takes the columns of `metrics` by their names. The function goes by series and time itself, whatever the \
        window's partition and order: `PARTITION BY series_id` spreads the work, a wider partition only lets more series be seen to have \
        begun within it. \
        A DELTA point's value is passed on. NULL for the first point of a series, unless the series began within what is looked at, \
        for the second of two points of one series and time, for gauges, and for NULL, NaN and infinite values. Sums of it by any \
        bucket of time lack nothing but that first step: ask from a while before the first bucket.",
    source: "as of increase",
    example: "SELECT time_bucket('1m', time) AS t, sum(growth) AS orders\nFROM (SELECT time, delta_value() OVER (PARTITION BY series_id) AS growth FROM metrics WHERE metric_name = 'shop.orders.placed')\nGROUP BY t ORDER BY t",
    short: Some(Short { given: 0, columns: SUM_COLUMNS }),
};

pub(super) const HISTOGRAM_DELTA: Description = Description {
    name: "histogram_delta",
    forms: &[
        "() OVER (PARTITION BY series_id)",
        "(series_id, time, start_time, temporality, count, sum, min, max, explicit_bounds, bucket_counts, scale, zero_count, zero_threshold, \
         positive_offset, positive_bucket_counts, negative_offset, negative_bucket_counts) OVER (...)",
    ],
    meaning: "A window function: `delta_value` of histograms. What a point adds to its series' point before, as one value that \
        `histogram_merge` and `histogram_quantile` take: bucket by bucket, in full where the series began anew or a bucket fell. \
        `min` and `max` of what two CUMULATIVE points differ by are not known.",
    source: "as of increase",
    example: "SELECT time_bucket('1m', time) AS t, histogram_quantile(0.95, histogram_merge(h)) AS p95\nFROM (SELECT time, histogram_delta() OVER (PARTITION BY series_id) AS h FROM metrics WHERE metric_name = 'http.server.request.duration')\nGROUP BY t ORDER BY t",
    short: Some(Short { given: 0, columns: &POINT_COLUMNS }),
};

/// `delta_value` or `histogram_delta`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct GrowthOfPoint {
    signature: Signature,
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Values,
    Histograms,
}

impl GrowthOfPoint {
    pub(super) fn of_values() -> Self {
        Self { signature: super::any_arguments(Volatility::Immutable), of: Of::Values }
    }

    pub(super) fn of_histograms() -> Self {
        Self { signature: super::any_arguments(Volatility::Immutable), of: Of::Histograms }
    }

    fn description(&self) -> &'static Description {
        match self.of {
            Of::Values => &DELTA_VALUE,
            Of::Histograms => &HISTOGRAM_DELTA,
        }
    }
}

impl WindowUDFImpl for GrowthOfPoint {
    fn name(&self) -> &'static str {
        self.description().name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.description().documentation()
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.input_fields().iter().map(|field| field.data_type().clone()).collect();
        let data_type = match self.of {
            Of::Values if is_sum_point(&types) => DataType::Float64,
            Of::Histograms if is_histogram_point(&types) => histogram_type(),
            _ => return Err(self.description().wrong_call(&types)),
        };
        Ok(Arc::new(Field::new(args.name(), data_type, true)))
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        if args.ignore_nulls() {
            return plan_err!("{} takes no IGNORE NULLS", self.name());
        }
        Ok(Box::new(Evaluator { of: self.of }))
    }
}

#[derive(Debug)]
struct Evaluator {
    of: Of,
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        match self.of {
            Of::Values => growth_of_values(values, num_rows),
            Of::Histograms => growth_of_histograms(values, num_rows),
        }
    }
}

/// The points of a partition by series and time, and the row of each.
fn partition(value: &impl PointValue, values: &[ArrayRef]) -> Result<(Points, Vec<u32>)> {
    let (points, keep) = points_of(value, values)?;
    let rows = (0_u32..).zip(keep.iter()).filter(|(_, keep)| *keep == Some(true)).map(|(row, _)| row).collect();
    let order = sorted(&points, |_| 0, rows);
    Ok((Points::new(&points, &order)?, order))
}

fn growth_of_values(values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
    let (points, rows) = partition(&NumberPoints, values)?;
    let number = number_at(&points)?;
    let all = 0..rows.len();
    let Some(earliest) = points.earliest(all.clone()) else {
        return Ok(new_null_array(&DataType::Float64, num_rows));
    };
    let mut grown = vec![None; num_rows];
    for series in points.series(all) {
        for (point, _, growth) in points.growths(series, earliest, &number) {
            grown[rows[point] as usize] = growth.map(|growth| growth.by.value);
        }
    }
    Ok(Arc::new(Float64Array::from(grown)))
}

fn growth_of_histograms(values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
    let (points, rows) = partition(&HistogramPoints, values)?;
    let histograms = HistogramColumns::of(&points.values)?;
    let all = 0..rows.len();
    let Some(earliest) = points.earliest(all.clone()) else {
        return Ok(new_null_array(&histogram_type(), num_rows));
    };
    // The built row of each row of the partition; the first built row is the NULL of all that have none.
    let mut built = vec![0_u32; num_rows];
    let mut builder = HistogramBuilder::with_capacity(rows.len() + 1);
    builder.append(None);
    for series in points.series(all) {
        for (point, _, growth) in points.growths(series, earliest, |row| histograms.at(row).unwrap_or_default()) {
            if let Some(growth) = growth {
                built[rows[point] as usize] = builder.append(Some(&growth.by));
            }
        }
    }
    let structs: ArrayRef = Arc::new(builder.finish()?);
    Ok(take(&structs, &UInt32Array::from(built), None)?)
}
