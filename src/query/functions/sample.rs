//! `sample`: whole traces, chosen by their ids alone, so that every table, program and day chooses the same.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::description::{Description, is_number, is_text};

/// 2^56, how many values the random part of a trace id has.
const ALL: u64 = 1 << 56;

/// Hex digits of the random part.
const RANDOM_DIGITS: usize = 14;

pub(super) const DESCRIPTION: Description = Description {
    name: "sample",
    forms: &["(trace_id, probability)"],
    meaning: "Whether a trace is among the share `probability` (0 to 1) of all traces, chosen by its id: the same traces in \
        every table, query and OpenTelemetry sampler, and those of a smaller share are among those of a larger one. NULL for a NULL \
        trace id or one that is no hex, so that a WHERE leaves such rows out. Counts over a sample times `1 / probability` estimate \
        those over all, if the ids are random in their last 7 bytes and the sender kept all: where it sampled by the same rule (`adjusted_count`), \
        those that are left are fewer than it seems.",
    source: "OpenTelemetry's consistent probability sampling (OTEP 235) and W3C Trace Context level 2: the last 56 bits of the \
        id against the threshold (1 - p) * 2^56",
    example: "SELECT count(*) * 100 FROM spans WHERE sample(trace_id, 0.01)",
    short: None,
};

/// `sample(trace_id, probability)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sample {
    signature: Signature,
}

impl Default for Sample {
    fn default() -> Self {
        Self { signature: super::any_arguments(Volatility::Immutable) }
    }
}

/// The threshold of a share; `None` where it is no share.
fn threshold(probability: f64) -> Option<u64> {
    // 2^56 is a double, so the product is exact but for its rounding to a whole number.
    (0.0..=1.0).contains(&probability).then(|| ALL - (probability * ALL as f64).round() as u64)
}

fn randomness(trace_id: &str) -> Option<u64> {
    let digits = trace_id.get(trace_id.len().checked_sub(RANDOM_DIGITS)?..)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// What `sample(trace_id, probability)` says of one id; `None` for one that is no hex, or for what is no share.
pub fn is_sampled(trace_id: &str, probability: f64) -> Option<bool> {
    Some(randomness(trace_id)? >= threshold(probability)?)
}

impl ScalarUDFImpl for Sample {
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
        match args {
            [trace_id, probability] if is_text(trace_id) && is_number(probability) => Ok(DataType::Boolean),
            _ => Err(DESCRIPTION.wrong_call(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        super::columnar(&args, |arrays| {
            let ids = cast(&arrays[0], &DataType::Utf8View)?;
            let shares = cast(&arrays[1], &DataType::Float64)?;
            let rows = ids.as_string_view().iter().zip(shares.as_primitive::<Float64Type>());
            let chosen = rows.map(|(id, share)| {
                let Some(share) = share else { return Ok(None) };
                let threshold = threshold(share)
                    .ok_or_else(|| DESCRIPTION.wrong_value(format!("a probability is from 0 to 1, not {share}")))?;
                Ok(id.and_then(randomness).map(|randomness| randomness >= threshold))
            });
            Ok(Arc::new(chosen.collect::<Result<BooleanArray>>()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own examples, and the `th` values of its page on trace state.
    #[rstest::rstest]
    #[case(1.0, 0)]
    #[case(0.5, 0x80_0000_0000_0000)]
    #[case(0.25, 0xc0_0000_0000_0000)]
    #[case(1.0 / 256.0, 0xff_0000_0000_0000)]
    #[case(1.0 / (ALL as f64), ALL - 1)]
    #[case(0.0, ALL)]
    fn a_share_has_its_threshold(#[case] share: f64, #[case] expected: u64) {
        assert_eq!(threshold(share), Some(expected));
    }

    #[test]
    fn one_per_cent_begins_as_the_specification_says() {
        assert_eq!(threshold(0.01).unwrap() >> 36, 0xf_d70a);
        assert_eq!([threshold(-0.1), threshold(1.5), threshold(f64::NAN)], [None; 3]);
    }

    #[rstest::rstest]
    #[case("4bf92f3577b34da6a3ce929d0e0e4736", Some(0xce_929d_0e0e_4736))]
    #[case("4bf92f3577b34da6a3CE929D0E0E4736", Some(0xce_929d_0e0e_4736))]
    #[case("0e0e4736", None)]
    #[case("4bf92f3577b34da6a3ce929d0e0e473g", None)]
    #[case("4bf92f3577b34da6a3+e929d0e0e4736", None)]
    #[case("4bf92f3577b34da6aé929d0e0e4736", None)]
    fn the_last_seven_bytes_are_random(#[case] trace_id: &str, #[case] expected: Option<u64>) {
        assert_eq!(randomness(trace_id), expected);
    }
}
