//! `increase` and `rate`: what the series of a group grew by, in all and a second.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility,
};

use super::description::{Description, Short, is_integer, is_number, is_text, is_time};
use super::points::{Collected, OneGroup, PointValue, Points, Summary, state_field};
use super::series::{Growth, Number};

/// The columns of a point of a sum.
pub(super) const SUM_COLUMNS: &[&str] = &["series_id", "time", "start_time", "temporality", "value", "is_monotonic"];

pub(super) const INCREASE: Description = Description {
    name: "increase",
    forms: &[
        "()",
        "(series_id, time, start_time, temporality, value)",
        "(series_id, time, start_time, temporality, value, is_monotonic)",
    ],
    meaning: "An aggregate: what the counters and sums of a group grew by, added up over its series; double. `increase()` takes the \
        columns of `metrics` by their names. DELTA points are added up; of CUMULATIVE ones each is taken less the one before it in its series, \
        in full where the series began anew: its `start_time` is after the point before, or its value fell. The first point of a \
        series counts in full if the series began within what is looked at (its `start_time` is no earlier than the group's earliest point, or \
        no farther back than the shortest of its steps, if it has two), and is where counting begins otherwise; nothing is extrapolated. So a group by \
        minutes lacks the growth between its minutes: add up `delta_value()` there, which lacks nothing. A sum that is not monotonic may \
        fall. A point that is stored twice counts once (the larger value of two). Gauges, NULL, NaN and infinite values do not count; \
        NULL where no growth is known. Memory: some 50 bytes a point of the group.",
    source: "OpenTelemetry's metrics data model, Resets and Gaps; Prometheus' increase(), without its extrapolation",
    example: "SELECT service_name, increase() AS orders FROM metrics\nWHERE metric_name = 'shop.orders.placed' AND time >= now() - INTERVAL '1 day' GROUP BY service_name",
    short: Some(Short { given: 0, columns: SUM_COLUMNS }),
};

pub(super) const RATE: Description = Description {
    name: "rate",
    forms: &[
        "()",
        "(series_id, time, start_time, temporality, value)",
        "(series_id, time, start_time, temporality, value, is_monotonic)",
    ],
    meaning: "An aggregate: `increase` a second, over the time from the group's earliest point to its latest; double. As in Prometheus, a \
        series that is not seen at one end of that time is taken to go on there as it did, if the end is within 1.1 of its mean step, and for \
        half a step otherwise; not before a start that is known, nor below zero. So series that are sampled at different seconds add up \
        right, and one that lived for an hour of a month does not count as if for the month. NULL where no growth is known.",
    source: "Prometheus' rate(), extrapolation included, with the group's own time as the range",
    example: "SELECT time_bucket('5m', time) AS t, service_name, rate() AS per_second FROM metrics\nWHERE metric_name = 'shop.orders.placed' GROUP BY t, service_name ORDER BY t",
    short: Some(Short { given: 0, columns: SUM_COLUMNS }),
};

/// `increase` or `rate`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Increase {
    signature: Signature,
    total: Total,
}

impl Increase {
    pub(super) fn in_all() -> Self {
        Self { signature: super::any_arguments(Volatility::Immutable), total: Total::InAll }
    }

    pub(super) fn a_second() -> Self {
        Self { signature: super::any_arguments(Volatility::Immutable), total: Total::ASecond }
    }

    fn description(&self) -> &'static Description {
        match self.total {
            Total::InAll => &INCREASE,
            Total::ASecond => &RATE,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Total {
    InAll,
    ASecond,
}

/// Whether these are the types of a point of a sum.
pub(super) fn is_sum_point(types: &[DataType]) -> bool {
    match types {
        [series, time, start, temporality, value, monotonic @ ..] => {
            is_integer(series)
                && is_time(time)
                && is_time(start)
                && is_text(temporality)
                && is_number(value)
                && monotonic.len() <= 1
                && monotonic.iter().all(|monotonic| matches!(monotonic, DataType::Boolean | DataType::Null))
        }
        _ => false,
    }
}

impl AggregateUDFImpl for Increase {
    fn name(&self) -> &'static str {
        self.description().name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.description().documentation()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        if is_sum_point(args) { Ok(DataType::Float64) } else { Err(self.description().wrong_call(args)) }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![state_field(args.name, &self.total)])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup::new(self.total)))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Collected::new(self.total)))
    }
}

/// Points with a finite number, and whether it only grows.
#[derive(Debug)]
pub(super) struct NumberPoints;

impl PointValue for NumberPoints {
    fn fields(&self) -> Vec<Field> {
        vec![Field::new("value", DataType::Float64, true), Field::new("is_monotonic", DataType::Boolean, true)]
    }

    fn columns(&self, args: &[ArrayRef]) -> Result<(Vec<ArrayRef>, BooleanArray)> {
        let [value, monotonic @ ..] = args else { return internal_err!("a point lacks its value") };
        let value = cast(value, &DataType::Float64)?;
        let finite = value.as_primitive::<Float64Type>().iter().map(|value| Some(value.is_some_and(f64::is_finite)));
        let finite: BooleanArray = finite.collect();
        let monotonic = match monotonic.first() {
            Some(monotonic) => cast(monotonic, &DataType::Boolean)?,
            None => Arc::new(BooleanArray::from(vec![true; value.len()])),
        };
        Ok((vec![value, monotonic], finite))
    }
}

/// The numbers of such points.
pub(super) fn number_at(points: &Points) -> Result<impl Fn(usize) -> Number> {
    let [value, monotonic] = points.values.as_slice() else { return internal_err!("a point lacks its value") };
    let (value, monotonic) = (value.as_primitive::<Float64Type>().clone(), monotonic.as_boolean().clone());
    // What does not say so, as a histogram's count, only grows.
    Ok(move |row| Number { value: value.value(row), monotonic: monotonic.is_null(row) || monotonic.value(row) })
}

impl PointValue for Total {
    fn fields(&self) -> Vec<Field> {
        NumberPoints.fields()
    }

    fn columns(&self, args: &[ArrayRef]) -> Result<(Vec<ArrayRef>, BooleanArray)> {
        NumberPoints.columns(args)
    }
}

impl Summary for Total {
    fn summarize(&self, points: &Points, groups: &[Range<usize>]) -> Result<ArrayRef> {
        let number = number_at(points)?;
        let of_group = |group: &Range<usize>| {
            let earliest = points.earliest(group.clone())?;
            let series = points.series(group.clone());
            let grown: Vec<Grown> =
                series.filter_map(|rows| Grown::of(&points.growths(rows, earliest, &number), &number)).collect();
            match self {
                Self::InAll => (!grown.is_empty()).then(|| grown.iter().map(|series| series.by).sum()),
                Self::ASecond => rate(&grown),
            }
        };
        Ok(Arc::new(groups.iter().map(of_group).collect::<Float64Array>()))
    }
}

/// What one series grew by.
#[derive(Debug, Clone, Copy)]
struct Grown {
    by: f64,
    from: i64,
    to: i64,
    steps: usize,
    /// Whether the series is known to have begun at `from`.
    began: bool,
    /// A counter's value at `from`, which it can't have been below zero before.
    zero_at: Option<f64>,
}

impl Grown {
    fn of(growths: &[(usize, i64, Option<Growth<Number>>)], number: impl Fn(usize) -> Number) -> Option<Self> {
        let first_value = number(growths.first()?.0).value;
        let known = growths.iter().filter_map(|(_, time, growth)| Some((*time, growth.as_ref()?)));
        known.fold(None, |series: Option<Self>, (time, growth)| {
            let zero_at = (growth.by.monotonic && !growth.began).then_some(first_value);
            let before =
                series.unwrap_or(Self { by: 0.0, from: growth.from, to: time, steps: 0, began: growth.began, zero_at });
            Some(Self { by: before.by + growth.by.value, to: time, steps: before.steps + 1, ..before })
        })
    }

    fn seconds(&self) -> f64 {
        self.to.saturating_sub(self.from) as f64 / 1e6
    }

    /// What it grew by between these moments, as Prometheus extrapolates it.
    fn extended(&self, from: i64, to: i64) -> f64 {
        let sampled = self.seconds();
        if sampled <= 0.0 {
            return self.by;
        }
        let step = sampled / self.steps as f64;
        let reach = |gap: i64| {
            let gap = gap as f64 / 1e6;
            if gap < step * 1.1 { gap } else { step / 2.0 }
        };
        let to_zero = match self.zero_at {
            Some(value) if value >= 0.0 && self.by > 0.0 => sampled * value / self.by,
            _ => f64::INFINITY,
        };
        let before = if self.began { 0.0 } else { reach(self.from.saturating_sub(from)).min(to_zero) };
        let after = reach(to.saturating_sub(self.to));
        self.by * (sampled + before + after) / sampled
    }
}

fn rate(series: &[Grown]) -> Option<f64> {
    let from = series.iter().map(|series| series.from).min()?;
    let to = series.iter().map(|series| series.to).max()?;
    let seconds = to.saturating_sub(from) as f64 / 1e6;
    (seconds > 0.0).then(|| series.iter().map(|series| series.extended(from, to)).sum::<f64>() / seconds)
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::EmitTo;
    use proptest::prelude::{Just, Strategy};

    use super::*;

    fn grown(by: f64, from: i64, to: i64, steps: usize) -> Grown {
        Grown { by, from: from * 1_000_000, to: to * 1_000_000, steps, began: false, zero_at: None }
    }

    #[test]
    fn one_series_grows_over_its_own_time() {
        assert_eq!(rate(&[grown(120.0, 0, 240, 4)]), Some(0.5));
        assert_eq!(rate(&[]), None);
        assert_eq!(rate(&[grown(5.0, 60, 60, 1)]), None);
    }

    #[test]
    fn series_sampled_at_different_seconds_add_up() {
        // Both at 1 a second, 60 s apart, the one half a minute after the other.
        assert_eq!(rate(&[grown(240.0, 0, 240, 4), grown(240.0, 30, 270, 4)]), Some(2.0));
    }

    #[test]
    fn a_series_that_lived_shorter_counts_for_as_long() {
        // 600 s in all; the second lived 60 of them, so half a step of 30 s is added at both ends: 60 + 15 + 15.
        let rate = rate(&[grown(0.0, 0, 600, 10), grown(60.0, 300, 360, 2)]).unwrap();
        assert!((rate - 90.0 / 600.0).abs() < 1e-12, "{rate}");
    }

    /// Not before its known start, nor below zero.
    #[test]
    fn nothing_grew_before_it_began() {
        let began = Grown { began: true, ..grown(60.0, 300, 360, 2) };
        assert!((began.extended(0, 360_000_000) - 60.0).abs() < 1e-12);
        // 3 of 60 a minute are 3 s.
        let near_zero = Grown { zero_at: Some(3.0), ..grown(60.0, 300, 360, 2) };
        assert!((near_zero.extended(0, 360_000_000) - 63.0).abs() < 1e-12);
    }

    /// Series, minute, start (a minute; none where it is late), whether cumulative, value.
    type Row = (i64, i64, i64, bool, u8);

    fn arguments(rows: &[Row]) -> Vec<ArrayRef> {
        use arrow::array::{Int64Array, StringArray, TimestampMicrosecondArray};
        let time = |minutes: Vec<Option<i64>>| -> ArrayRef {
            let micros = minutes.into_iter().map(|minute| Some(minute? * 60_000_000));
            Arc::new(micros.collect::<TimestampMicrosecondArray>())
        };
        vec![
            Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>()),
            time(rows.iter().map(|row| Some(row.1)).collect()),
            time(rows.iter().map(|row| (row.2 <= row.1).then_some(row.2)).collect()),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| if row.3 { "CUMULATIVE" } else { "DELTA" }))),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| f64::from(row.4)))),
        ]
    }

    fn collected(total: Total, rows: &[Row]) -> Collected<Total> {
        let mut points = Collected::new(total);
        let groups: Vec<usize> = rows.iter().map(|row| (row.0 % 2) as usize).collect();
        points.update_batch(&arguments(rows), &groups, None, 2).unwrap();
        points
    }

    proptest::proptest! {
        /// Whatever the order of rows, however they are parted, and whatever is sent twice.
        #[test]
        fn any_order_and_parts_grow_by_the_same(
            (rows, other, cut) in proptest::collection::vec((0..4_i64, 0..12_i64, 0..14_i64, proptest::bool::weighted(0.9), 0..20_u8), 0..40)
                .prop_flat_map(|rows| {
                    let twice: Vec<Row> = rows.iter().chain(rows.iter().take(5)).copied().collect();
                    let count = twice.len();
                    (Just(rows), Just(twice).prop_shuffle(), 0..=count)
                })
        ) {
            for total in [Total::InAll, Total::ASecond] {
                let straight = collected(total, &rows).evaluate(EmitTo::All).unwrap();
                let (left, right) = other.split_at(cut);
                let mut merged = collected(total, left);
                let state = collected(total, right).state(EmitTo::All).unwrap();
                merged.merge_batch(&state, &[0, 1], 2).unwrap();
                let state = merged.state(EmitTo::First(1)).unwrap();
                let mut whole = Collected::new(total);
                whole.merge_batch(&state, &[0], 2).unwrap();
                whole.merge_batch(&merged.state(EmitTo::All).unwrap(), &[1], 2).unwrap();
                let whole = whole.evaluate(EmitTo::All).unwrap();
                let (straight, whole) = (straight.as_primitive::<Float64Type>(), whole.as_primitive::<Float64Type>());
                proptest::prop_assert_eq!(straight, whole);
            }
        }
    }
}
