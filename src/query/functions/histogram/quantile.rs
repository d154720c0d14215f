//! `histogram_quantile`: a quantile of what a histogram counted.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::description::{Description, Short, is_number};
use super::columns::{COLUMNS, HistogramColumns, are_columns, columns, is_histogram};

pub(in super::super) const DESCRIPTION: Description = Description {
    name: "histogram_quantile",
    forms: &[
        "(q)",
        "(q, histogram)",
        "(q, explicit_bounds, bucket_counts)",
        "(q, explicit_bounds, bucket_counts, min, max)",
        "(q, scale, zero_count, zero_threshold, positive_offset, positive_bucket_counts, negative_offset, negative_bucket_counts)",
        "(q, scale, zero_count, zero_threshold, positive_offset, positive_bucket_counts, negative_offset, negative_bucket_counts, min, max)",
    ],
    meaning: "The value that a share `q` (0 to 1) of what a histogram counted does not exceed; double. `histogram` is what \
        `histogram_merge` or `histogram_delta` gives; `histogram_quantile(q)` takes the columns of a row of `metrics` by their names. Within \
        an explicit bucket the observations are taken to be spread evenly, from 0 in the first bucket if its bound is above 0 (the answer is \
        that bound if it is not); in the last bucket, which has no upper bound, the answer is its lower bound. Where `min` and `max` \
        are known they are the outer edges of those two buckets, and no answer is beyond them. Within an exponential bucket \
        observations are spread evenly on a logarithmic scale, and within the zero bucket evenly, from 0 where all else is on one side. \
        NULL where nothing was counted, where there is but one bucket and no `min` and `max`, and for a histogram that contradicts itself.",
    source: "Prometheus' histogram_quantile(), classic and native; the use of min and max is this program's",
    example: "SELECT service_name, histogram_quantile(0.99, histogram_merge()) AS p99 FROM metrics\nWHERE metric_name = 'http.server.request.duration' GROUP BY service_name",
    short: Some(Short { given: 1, columns: &COLUMNS }),
};

const EXPLICIT: [&str; 2] = ["explicit_bounds", "bucket_counts"];
const EXPONENTIAL: [&str; 7] = [
    "scale",
    "zero_count",
    "zero_threshold",
    "positive_offset",
    "positive_bucket_counts",
    "negative_offset",
    "negative_bucket_counts",
];

/// `histogram_quantile(q, ...)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct HistogramQuantile {
    signature: Signature,
}

impl Default for HistogramQuantile {
    fn default() -> Self {
        Self { signature: super::super::any_arguments(Volatility::Immutable) }
    }
}

/// The columns that so many arguments are.
fn names(given: usize) -> Option<Vec<&'static str>> {
    let extremes = ["min", "max"];
    Some(match given {
        2 => EXPLICIT.to_vec(),
        4 => EXPLICIT.into_iter().chain(extremes).collect(),
        7 => EXPONENTIAL.to_vec(),
        9 => EXPONENTIAL.into_iter().chain(extremes).collect(),
        13 => COLUMNS.to_vec(),
        _ => return None,
    })
}

fn histograms(args: &[ArrayRef]) -> Result<HistogramColumns> {
    match (args, names(args.len())) {
        ([histogram], _) => HistogramColumns::of_struct(histogram),
        ([first, ..], Some(names)) => {
            let given = |wanted: &str| {
                let place = names.iter().position(|name| *name == wanted)?;
                args.get(place).cloned()
            };
            HistogramColumns::of(&columns(given, first.len())?)
        }
        _ => Err(DESCRIPTION.wrong_call(args.iter().map(|arg| arg.data_type()))),
    }
}

impl ScalarUDFImpl for HistogramQuantile {
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
            [q, histogram] => is_number(q) && is_histogram(histogram),
            [q, columns @ ..] => is_number(q) && names(columns.len()).is_some_and(|names| are_columns(&names, columns)),
            [] => false,
        };
        if fits { Ok(DataType::Float64) } else { Err(DESCRIPTION.wrong_call(args)) }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        super::super::columnar(&args, |arrays| {
            let [q, histogram @ ..] = arrays else { return Err(DESCRIPTION.wrong_call([])) };
            let shares = cast(q, &DataType::Float64)?;
            let histograms = histograms(histogram)?;
            let quantile = |(row, q): (usize, Option<f64>)| {
                let Some(q) = q else { return Ok(None) };
                if !(0.0..=1.0).contains(&q) {
                    return Err(DESCRIPTION.wrong_value(format!("a quantile is from 0 to 1, not {q}")));
                }
                Ok(histograms.at(row).and_then(|histogram| histogram.quantile(q)))
            };
            let quantiles = shares.as_primitive::<Float64Type>().iter().enumerate().map(quantile);
            Ok(Arc::new(quantiles.collect::<Result<Float64Array>>()?))
        })
    }
}
