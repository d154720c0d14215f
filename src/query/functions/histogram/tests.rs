//! Properties of sums and differences of histograms.

use proptest::prelude::*;

use super::super::series::Quantity;
use super::merged::{Merged, NotMerged};
use super::model::{Buckets, Explicit, Exponential, Histogram, Side, upper_bound};

fn exponential(values: &[f64], scale: i32, zero_threshold: f64) -> Histogram {
    let index = |value: f64| {
        let guess = (value.log2() * f64::from(scale).exp2()).ceil() as i64 - 1;
        // The logarithm may be off by one at a bound.
        (guess - 1..=guess + 1).find(|index| value <= upper_bound(scale, *index)).unwrap()
    };
    let side = |values: Vec<f64>| {
        let indices: Vec<i64> = values.into_iter().map(index).collect();
        let Some(offset) = indices.iter().min().copied() else { return Side::default() };
        let mut counts = vec![0; usize::try_from(indices.iter().max().unwrap() - offset).unwrap() + 1];
        for index in indices {
            counts[usize::try_from(index - offset).unwrap()] += 1;
        }
        Side { offset, counts }
    };
    let of = |sign: f64| values.iter().map(|value| value * sign).filter(|value| *value > zero_threshold).collect();
    Histogram {
        sum: Some(values.iter().sum()),
        buckets: Buckets::Exponential(Exponential {
            scale,
            zero_count: values.iter().filter(|value| value.abs() <= zero_threshold).count() as i64,
            zero_threshold,
            positive: side(of(1.0)),
            negative: side(of(-1.0)),
        }),
        ..Histogram::default()
    }
}

fn merged<'h>(histograms: impl IntoIterator<Item = &'h Histogram>) -> Merged {
    let mut merged = Merged::default();
    for histogram in histograms {
        merged.add(histogram).unwrap();
    }
    merged
}

/// Every bucket that counts, and the rest as it is; floating sums aside.
fn shown(histogram: &Histogram) -> String {
    match &histogram.buckets {
        Buckets::Explicit(explicit) => format!("{explicit:?}"),
        Buckets::Exponential(all) => {
            let side = |side: &Side| side.filled().collect::<Vec<_>>();
            let sides = (side(&all.positive), side(&all.negative));
            format!("{} {} {} {sides:?}", all.scale, all.zero_count, all.zero_threshold)
        }
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![(-9.0..9.0_f64).prop_map(f64::exp), (-9.0..9.0_f64).prop_map(|log| -log.exp()), Just(0.0), Just(4.0)]
}

fn histogram() -> impl Strategy<Value = (Vec<f64>, Histogram)> {
    let threshold = prop_oneof![Just(0.0), Just(0.001), Just(0.01), Just(1.0)];
    (prop::collection::vec(value(), 1..40), -2..8_i32, threshold)
        .prop_map(|(values, scale, threshold)| (values.clone(), exponential(&values, scale, threshold)))
}

proptest! {
    /// In whatever order and parts, and by way of whatever partial states.
    #[test]
    fn any_order_and_parts_add_up_to_the_same(
        (all, order, cut) in prop::collection::vec(histogram(), 1..8).prop_flat_map(|all| {
            let count = all.len();
            (Just(all.clone()), Just(all).prop_shuffle(), 0..=count)
        })
    ) {
        let straight = merged(all.iter().map(|(_, histogram)| histogram)).finish().unwrap().unwrap();
        let (left, right) = order.split_at(cut);
        let parts = [merged(left.iter().map(|(_, h)| h)), merged(right.iter().map(|(_, h)| h))];
        let by_parts = merged(parts.iter().flat_map(Merged::parts)).finish().unwrap().unwrap();
        prop_assert_eq!(shown(&straight), shown(&by_parts));
        let count = all.iter().map(|(values, _)| values.len() as i64).sum::<i64>();
        prop_assert_eq!(straight.count(), Some(count));
    }

    /// A quantile of the sum is in the bucket that holds the exact one.
    #[test]
    fn a_quantile_of_the_sum_is_within_its_bucket(all in prop::collection::vec(histogram(), 1..6), q in 0.0..=1.0_f64) {
        let whole = merged(all.iter().map(|(_, histogram)| histogram)).finish().unwrap().unwrap();
        let mut values: Vec<f64> = all.iter().flat_map(|(values, _)| values.iter().copied()).collect();
        values.sort_by(f64::total_cmp);
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        // A quantile between two observations may be of either.
        let (low, high) = (values[rank.saturating_sub(2)], values[rank.min(values.len() - 1)]);
        let Buckets::Exponential(buckets) = &whole.buckets else { panic!("{whole:?}") };
        let base = upper_bound(buckets.scale, 0) * (1.0 + 1e-9);
        let widen = |value: f64, up: bool| {
            let factor = if (value > 0.0) == up { base } else { 1.0 / base };
            let edge = if up { buckets.zero_threshold } else { -buckets.zero_threshold };
            if value.abs() <= buckets.zero_threshold { edge } else { value * factor }
        };
        let got = whole.quantile(q).unwrap();
        prop_assert!(widen(low, false) <= got && got <= widen(high, true), "{got} of {low} to {high}, {whole:?}");
    }

    /// What a series grew by, added to what it was, is what it is.
    #[test]
    fn growth_is_the_difference((_, before) in histogram(), (_, added) in histogram()) {
        let now = merged([&before, &added]).finish().unwrap().unwrap();
        let growth = now.since(&before).unwrap();
        prop_assert_eq!(growth.count(), added.count());
        let again = merged([&before, &growth]).finish().unwrap().unwrap();
        prop_assert_eq!(again.count(), now.count());
        // The way back is no growth.
        prop_assert!(before.since(&now).is_none());
    }
}

fn explicit(bounds: &[f64], counts: &[i64]) -> Histogram {
    let buckets = Buckets::Explicit(Explicit { bounds: bounds.to_vec(), counts: counts.to_vec() });
    Histogram { buckets, ..Histogram::default() }
}

#[test]
fn explicit_bounds_meet_in_the_fewest() {
    let parts =
        [explicit(&[1.0, 2.0, 3.0], &[1, 2, 3, 4]), explicit(&[2.0], &[10, 20]), explicit(&[1.0, 2.0], &[5, 6, 7])];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]] {
        let whole = merged(order.iter().map(|place| &parts[*place])).finish().unwrap().unwrap();
        assert_eq!(whole.buckets, explicit(&[2.0], &[24, 34]).buckets);
    }
    let apart = merged([&explicit(&[1.0, 2.0], &[1, 1, 1]), &explicit(&[2.0, 3.0], &[1, 1, 1])]).finish();
    assert_eq!(apart.unwrap_err(), NotMerged::Bounds(vec![1.0, 2.0], vec![2.0, 3.0]));
    let kinds = merged([&explicit(&[1.0], &[1, 1]), &exponential(&[1.0], 0, 0.0)]).finish();
    assert_eq!(kinds.unwrap_err(), NotMerged::Kinds);
}

#[test]
fn what_overflows_is_told() {
    let mut merged = merged([&explicit(&[1.0], &[i64::MAX, 0])]);
    assert_eq!(merged.add(&explicit(&[1.0], &[1, 0])), Err(NotMerged::Overflow));
}

/// The farthest buckets there can be come together by a lower scale, without memory for all between them.
#[test]
fn far_buckets_meet_at_a_lower_scale() {
    let at = |offset: i32| {
        let positive = Side { offset: i64::from(offset), counts: vec![1] };
        let buckets = Buckets::Exponential(Exponential { scale: 20, positive, ..Exponential::default() });
        Histogram { buckets, ..Histogram::default() }
    };
    let whole = merged([&at(i32::MIN), &at(i32::MAX), &at(0)]).finish().unwrap().unwrap();
    assert_eq!(whole.count(), Some(3));
    let Buckets::Exponential(buckets) = &whole.buckets else { panic!("{whole:?}") };
    assert!(buckets.positive.counts.len() <= 4_096, "{}", buckets.positive.counts.len());
}

/// The data model's rule: the widest zero bucket takes in what lies within it, and grows to a bucket that it cuts.
#[test]
fn zero_buckets_widen() {
    // Buckets (1, 2], (2, 4], (4, 8], and a zero bucket up to 3.
    let fine = exponential(&[1.5, 3.0, 7.0], 0, 0.0);
    let wide = exponential(&[0.5, 7.0], 0, 3.0);
    let whole = merged([&fine, &wide]).finish().unwrap().unwrap();
    let Buckets::Exponential(buckets) = &whole.buckets else { panic!("{whole:?}") };
    assert_eq!((buckets.zero_count, buckets.zero_threshold), (3, 4.0));
    assert_eq!(buckets.positive.filled().collect::<Vec<_>>(), [(2, 2)]);
}
