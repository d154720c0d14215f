//! `bucket_of(value, explicit_bounds, scale, zero_threshold)`: the bounds of a histogram's bucket that a value is in.
//!
//! Explicit buckets are upper-inclusive, the first from -Infinity and the last to Infinity. Exponential ones have the
//! base 2^(2^-scale), are upper-inclusive for positive and mirrored for negative values, and values no farther from 0
//! than the threshold are in the zero bucket (opentelemetry-proto `metrics.proto`, `ExponentialHistogramDataPoint`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Builder, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int32Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

const USAGE: &str = "bucket_of takes a value and a point's explicit_bounds, scale and zero_threshold";

/// A struct of `lower_bound` (exclusive) and `upper_bound` (inclusive), NULL where there is no value or no histogram.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct BucketOf {
    signature: Signature,
}

impl Default for BucketOf {
    fn default() -> Self {
        Self { signature: Signature::any(4, Volatility::Immutable) }
    }
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("lower_bound", DataType::Float64, true),
        Field::new("upper_bound", DataType::Float64, true),
    ])
}

impl ScalarUDFImpl for BucketOf {
    fn name(&self) -> &'static str {
        "bucket_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [_, DataType::List(_), _, _] => Ok(DataType::Struct(fields())),
            _ => plan_err!("{USAGE}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [values, lists, scales, thresholds] = arrays.as_slice() else { return exec_err!("{USAGE}") };
        let double = |array: &ArrayRef| cast(array, &DataType::Float64);
        let (values, thresholds, scales) = (double(values)?, double(thresholds)?, cast(scales, &DataType::Int32)?);
        let (values, thresholds) = (values.as_primitive::<Float64Type>(), thresholds.as_primitive::<Float64Type>());
        let scales = scales.as_primitive::<Int32Type>();
        let lists = lists.as_list::<i32>();
        let bounds = double(lists.values())?;
        let bounds = bounds.as_primitive::<Float64Type>();
        let mut lower = Float64Builder::with_capacity(values.len());
        let mut upper = Float64Builder::with_capacity(values.len());
        for row in 0..values.len() {
            let value = values.is_valid(row).then(|| values.value(row)).filter(|value| !value.is_nan());
            let bucket = value.and_then(|value| {
                if scales.is_valid(row) {
                    let threshold = if thresholds.is_valid(row) { thresholds.value(row) } else { 0.0 };
                    return Some(exponential(value, scales.value(row), threshold));
                }
                let offsets = lists.value_offsets();
                let own = bounds.values().get(offsets[row] as usize..offsets[row + 1] as usize)?;
                lists.is_valid(row).then(|| explicit(value, own))
            });
            lower.append_option(bucket.map(|bucket| bucket.0));
            upper.append_option(bucket.map(|bucket| bucket.1));
        }
        // No validity of its own: DataFusion reads a field without looking whether its struct is NULL.
        let columns: Vec<ArrayRef> = vec![Arc::new(lower.finish()), Arc::new(upper.finish())];
        Ok(ColumnarValue::Array(Arc::new(StructArray::new(fields(), columns, None))))
    }
}

fn explicit(value: f64, bounds: &[f64]) -> (f64, f64) {
    let place = bounds.partition_point(|bound| *bound < value);
    let lower = place.checked_sub(1).and_then(|before| bounds.get(before));
    (lower.copied().unwrap_or(f64::NEG_INFINITY), bounds.get(place).copied().unwrap_or(f64::INFINITY))
}

fn exponential(value: f64, scale: i32, threshold: f64) -> (f64, f64) {
    let size = value.abs();
    if size <= threshold.max(0.0) {
        return (-threshold, threshold);
    }
    let width = f64::from(-scale).exp2();
    let bound = |index: f64| (index * width).exp2();
    // A logarithm is off by a bit at times; the bounds decide.
    let mut index = (size.log2() / width).ceil() - 1.0;
    if size <= bound(index) {
        index -= 1.0;
    } else if size > bound(index + 1.0) {
        index += 1.0;
    }
    let (near, far) = (bound(index), bound(index + 1.0));
    if value > 0.0 { (near, far) } else { (-far, -near) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::in_the_middle(7.0, (5.0, 10.0))]
    #[case::upper_bounds_are_inclusive(5.0, (0.0, 5.0))]
    #[case::below_all(-3.0, (f64::NEG_INFINITY, 0.0))]
    #[case::above_all(11.0, (10.0, f64::INFINITY))]
    fn explicit_buckets(#[case] value: f64, #[case] expected: (f64, f64)) {
        assert_eq!(explicit(value, &[0.0, 5.0, 10.0]), expected);
        assert_eq!(explicit(value, &[]), (f64::NEG_INFINITY, f64::INFINITY));
    }

    /// Scale 0 has the base 2, scale 1 its root, scale -1 its square.
    #[rstest::rstest]
    #[case(3.0, 0, 0.0, (2.0, 4.0))]
    #[case::upper_bounds_are_inclusive(4.0, 0, 0.0, (2.0, 4.0))]
    #[case::just_above(4.000_001, 0, 0.0, (4.0, 8.0))]
    #[case::below_one(0.3, 0, 0.0, (0.25, 0.5))]
    #[case::finer(2.0, 1, 0.0, (std::f64::consts::SQRT_2, 2.0))]
    #[case::coarser(5.0, -1, 0.0, (4.0, 16.0))]
    #[case::negative(-3.0, 0, 0.0, (-4.0, -2.0))]
    #[case::zero(0.0, 3, 0.0, (0.0, 0.0))]
    #[case::within_the_threshold(-0.1, 3, 0.5, (-0.5, 0.5))]
    fn exponential_buckets(
        #[case] value: f64,
        #[case] scale: i32,
        #[case] threshold: f64,
        #[case] expected: (f64, f64),
    ) {
        assert_eq!(exponential(value, scale, threshold), expected);
    }

    #[test]
    fn every_value_is_in_its_bucket() {
        for scale in -10..=20 {
            for step in 1..2000 {
                let value = 1.37_f64.powi(step % 200 - 100) * f64::from(step);
                let (lower, upper) = exponential(value, scale, 0.0);
                assert!(lower < value && value <= upper, "{value} at {scale}: {lower} {upper}");
            }
        }
    }
}
