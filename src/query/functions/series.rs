//! By how much a series grew from point to point: the one rule behind `increase`, `rate`, `delta_value`,
//! `histogram_delta` and `histogram_merge`.
//!
//! ```text
//! DELTA       a point's value is its growth
//! CUMULATIVE  value - value of the point before
//!             value                             the series began anew: its start_time is after the point before,
//!                                               or the value can't have grown from that one (it fell)
//!             value                             the first point, if the series began within what is looked at: its
//!                                               start_time is no earlier than the earliest point of all, or no
//!                                               farther back than the shortest of its steps (and a tenth), of
//!                                               which there are two, since one may be a gap
//!             unknown                           any other first point: what it grew by was before
//! ```
//! A start_time equal to the point's time is unknown, and marks nothing. Source: OpenTelemetry's metrics data model,
//! "Resets and Gaps"; Prometheus' rate(), which counts a fall, and a start time within the range, likewise.

/// What grows.
pub(super) trait Quantity: Clone {
    /// What it grew by since an earlier value; `None` where it can't have grown from that: it began anew.
    fn since(&self, earlier: &Self) -> Option<Self>;

    /// Of two values of one series and time, whether this one counts; a total order, so that which came first is no
    /// matter.
    fn beats(&self, other: &Self) -> bool;
}

/// A point of a series.
#[derive(Debug, Clone)]
pub(super) struct Point<V> {
    /// Microseconds.
    pub(super) time: i64,
    /// Microseconds.
    pub(super) start: Option<i64>,
    /// CUMULATIVE; else DELTA.
    pub(super) cumulative: bool,
    pub(super) value: V,
}

/// What a series grew by up to a point.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Growth<V> {
    /// Since when, in microseconds.
    pub(super) from: i64,
    /// Whether the series is known to have begun then.
    pub(super) began: bool,
    pub(super) by: V,
}

impl<V> Point<V> {
    /// The start, where it is known.
    fn known_start(&self) -> Option<i64> {
        self.start.filter(|start| *start < self.time)
    }

    /// When the series began anew between the point before and this one.
    fn new_start(&self, before: &Self) -> Option<i64> {
        let start = self.known_start()?;
        // A start at the point before is a beginning unless it is that point's own, unknown, start.
        let anew = start > before.time || (start == before.time && before.known_start().is_some());
        anew.then_some(start)
    }
}

/// What each point of one series grew by, in the order of `points`, which ascend in time; `earliest` is the earliest
/// time of all that is looked at.
pub(super) fn growths<V: Quantity>(points: &[Point<V>], earliest: i64) -> Vec<Option<Growth<V>>> {
    let steps = points.iter().zip(points.iter().skip(1)).map(|(before, after)| after.time.saturating_sub(before.time));
    let step = if points.len() > 2 { steps.min() } else { None };
    let mut before: Option<&Point<V>> = None;
    let mut growths = Vec::with_capacity(points.len());
    for point in points {
        growths.push(growth(point, before.filter(|before| before.cumulative == point.cumulative), step, earliest));
        before = Some(point);
    }
    growths
}

fn growth<V: Quantity>(
    point: &Point<V>,
    before: Option<&Point<V>>,
    step: Option<i64>,
    earliest: i64,
) -> Option<Growth<V>> {
    let in_full = |from: i64, began: bool| Some(Growth { from, began, by: point.value.clone() });
    let start = point.known_start();
    if !point.cumulative {
        let from = start.or(before.map(|before| before.time)).unwrap_or(point.time);
        return in_full(from, start.is_some());
    }
    let Some(before) = before else {
        let start = start?;
        let age = point.time.saturating_sub(start);
        let within = start >= earliest || step.is_some_and(|step| age as f64 <= step as f64 * 1.1);
        return if within { in_full(start, true) } else { None };
    };
    if let Some(start) = point.new_start(before) {
        return in_full(start, true);
    }
    match point.value.since(&before.value) {
        Some(by) => Some(Growth { from: before.time, began: false, by }),
        None => in_full(before.time, false),
    }
}

/// The value of a counter, or of a sum that may also fall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    pub(super) value: f64,
    pub(super) monotonic: bool,
}

impl Quantity for Number {
    fn since(&self, earlier: &Self) -> Option<Self> {
        let fell = self.monotonic && self.value < earlier.value;
        (!fell).then_some(Self { value: self.value - earlier.value, ..*self })
    }

    fn beats(&self, other: &Self) -> bool {
        self.value.total_cmp(&other.value).is_gt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (start, time, value); 0 is no start.
    type Given = (i64, i64, f64);

    fn grown(points: &[Given], cumulative: bool, monotonic: bool, earliest: i64) -> Vec<Option<f64>> {
        let points: Vec<Point<Number>> = points
            .iter()
            .map(|(start, time, value)| Point {
                time: *time,
                start: (*start != 0).then_some(*start),
                cumulative,
                value: Number { value: *value, monotonic },
            })
            .collect();
        growths(&points, earliest).into_iter().map(|growth| growth.map(|growth| growth.by.value)).collect()
    }

    #[rstest::rstest]
    #[case::plain(&[(1, 100, 5.0), (1, 110, 8.0), (1, 120, 8.0)], &[None, Some(3.0), Some(0.0)])]
    #[case::without_start(&[(0, 100, 5.0), (0, 110, 8.0)], &[None, Some(3.0)])]
    #[case::a_fall(&[(0, 100, 5.0), (0, 110, 2.0), (0, 120, 4.0)], &[None, Some(2.0), Some(2.0)])]
    #[case::a_new_start(&[(1, 100, 5.0), (105, 110, 8.0)], &[None, Some(8.0)])]
    #[case::a_new_start_at_the_point_before(&[(1, 100, 5.0), (100, 110, 8.0)], &[None, Some(8.0)])]
    #[case::an_unknown_start(&[(100, 100, 5.0), (100, 110, 8.0)], &[None, Some(3.0)])]
    #[case::an_unknown_start_between(&[(1, 100, 5.0), (110, 110, 8.0), (110, 120, 9.0)], &[None, Some(3.0), Some(1.0)])]
    #[case::an_overlap(&[(1, 100, 5.0), (50, 110, 8.0)], &[None, Some(3.0)])]
    #[case::the_true_first(&[(90, 100, 5.0), (90, 110, 8.0), (90, 120, 8.0)], &[Some(5.0), Some(3.0), Some(0.0)])]
    #[case::a_tenth_late(&[(89, 100, 5.0), (89, 110, 8.0), (89, 999, 9.0)], &[Some(5.0), Some(3.0), Some(1.0)])]
    #[case::farther_back(&[(88, 100, 5.0), (88, 110, 8.0), (88, 120, 8.0)], &[None, Some(3.0), Some(0.0)])]
    #[case::one_step_may_be_a_gap(&[(90, 100, 5.0), (90, 110, 8.0)], &[None, Some(3.0)])]
    #[case::one_point(&[(95, 100, 5.0)], &[None])]
    #[case::across_a_gap(&[(1, 100, 5.0), (1, 9_000, 50.0)], &[None, Some(45.0)])]
    fn a_counter_grows(#[case] points: &[Given], #[case] expected: &[Option<f64>]) {
        assert_eq!(grown(points, true, true, 99), expected);
    }

    #[test]
    fn a_series_that_began_after_the_earliest_point_of_all_counts_in_full() {
        assert_eq!(grown(&[(60, 100, 5.0)], true, true, 50), [Some(5.0)]);
        assert_eq!(grown(&[(40, 100, 5.0)], true, true, 50), [None]);
    }

    #[test]
    fn a_sum_that_may_fall_falls() {
        assert_eq!(grown(&[(1, 100, 5.0), (1, 110, 2.0)], true, false, 99), [None, Some(-3.0)]);
        assert_eq!(grown(&[(1, 100, 5.0), (105, 110, 2.0)], true, false, 99), [None, Some(2.0)]);
    }

    #[test]
    fn a_delta_is_its_own_growth() {
        assert_eq!(grown(&[(90, 100, 5.0), (0, 110, 2.0)], false, true, 99), [Some(5.0), Some(2.0)]);
    }
}
