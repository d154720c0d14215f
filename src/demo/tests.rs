//! What a store may rely on in what the shop sends, checked on whole stretches of simulated time.

use super::metrics::data_point_count;
use super::{Export, Shop, Tick};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as NumberValue;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Exemplar, Metric};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

/// 2026-01-05 08:00:00 UTC, the start of a minute.
const START: u64 = 1_767_600_000_000_000_000;
const SEED: u64 = 7;

type Ids = (Vec<u8>, Vec<u8>);

/// Several minutes of a shop, from opening to closing.
fn day() -> &'static [Tick] {
    static DAY: LazyLock<Vec<Tick>> = LazyLock::new(|| {
        let mut shop = Shop::new(SEED, START).with_records_per_second(100.0);
        let mut ticks: Vec<_> = (0..30).map(|_| shop.advance(Duration::from_secs(7))).collect();
        ticks.push(shop.close());
        ticks
    });
    &DAY
}

fn exports(ticks: &[Tick]) -> impl Iterator<Item = &Export> {
    ticks.iter().flat_map(|tick| &tick.exports)
}

fn spans(ticks: &[Tick]) -> Vec<(&Resource, &Span)> {
    let mut all = Vec::new();
    for export in exports(ticks) {
        if let Export::Traces(request) = export {
            for resource in &request.resource_spans {
                let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
                all.extend(spans.map(|span| (resource.resource.as_ref().expect("set"), span)));
            }
        }
    }
    all
}

fn logs(ticks: &[Tick]) -> Vec<&LogRecord> {
    let requests = exports(ticks).filter_map(|export| match export {
        Export::Logs(request) => Some(request),
        _ => None,
    });
    requests
        .flat_map(|request| &request.resource_logs)
        .flat_map(|resource| &resource.scope_logs)
        .flat_map(|scope| &scope.log_records)
        .collect()
}

/// With a text that tells their resources apart.
fn metrics(ticks: &[Tick]) -> Vec<(String, &Metric)> {
    let requests = exports(ticks).filter_map(|export| match export {
        Export::Metrics(request) => Some(request),
        _ => None,
    });
    let resources = requests.flat_map(|ExportMetricsServiceRequest { resource_metrics }| resource_metrics);
    let mut all = Vec::new();
    for resource in resources {
        let key =
            format!("{:?}", attribute(&resource.resource.as_ref().expect("set").attributes, "service.instance.id"));
        let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
        all.extend(metrics.map(|metric| (key.clone(), metric)));
    }
    all
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a KeyValue> {
    attributes.iter().find(|attribute| attribute.key == key)
}

fn exemplars(metric: &Metric) -> Vec<&Exemplar> {
    match metric.data.as_ref().expect("set") {
        Data::Histogram(histogram) => histogram.data_points.iter().flat_map(|point| &point.exemplars).collect(),
        Data::ExponentialHistogram(histogram) => {
            histogram.data_points.iter().flat_map(|point| &point.exemplars).collect()
        }
        _ => Vec::new(),
    }
}

fn span_ids(ticks: &[Tick]) -> HashSet<Ids> {
    spans(ticks).into_iter().map(|(_, span)| (span.trace_id.clone(), span.span_id.clone())).collect()
}

#[test]
fn the_same_seed_and_start_give_the_same_bytes() {
    let bytes = |seed, start| -> Vec<Vec<u8>> {
        let mut shop = Shop::new(seed, start);
        shop.encoded_requests(5_000).into_iter().map(|request| request.body).collect()
    };
    assert_eq!(bytes(SEED, START), bytes(SEED, START));
    assert_ne!(bytes(SEED, START), bytes(SEED + 1, START));
    assert_ne!(bytes(SEED, START), bytes(SEED, START + 1));
}

#[test]
fn how_time_is_cut_into_ticks_changes_batches_only() {
    let spans_of = |steps: u64| {
        let mut shop = Shop::new(SEED, START).with_records_per_second(100.0);
        let ticks: Vec<_> = (0..steps).map(|_| shop.advance(Duration::from_secs(60 / steps))).collect();
        let mut all: Vec<_> = spans(&ticks).into_iter().map(|(_, span)| format!("{span:?}")).collect();
        all.sort();
        all
    };
    assert_eq!(spans_of(1), spans_of(20));
}

#[test]
fn ids_are_unique_and_every_id_that_is_mentioned_exists() {
    let ticks = day();
    let spans = spans(ticks);
    let known = span_ids(ticks);
    assert_eq!(known.len(), spans.len(), "span ids are unique");
    for (_, span) in &spans {
        assert!(span.trace_id.len() == 16 && span.trace_id.iter().any(|byte| *byte != 0));
        assert!(span.span_id.len() == 8 && span.span_id.iter().any(|byte| *byte != 0));
        assert!(span.start_time_unix_nano < span.end_time_unix_nano);
        if !span.parent_span_id.is_empty() {
            assert!(known.contains(&(span.trace_id.clone(), span.parent_span_id.clone())), "{}", span.name);
        }
        for link in &span.links {
            assert_ne!(link.trace_id, span.trace_id, "a consumer's trace is its own");
            assert!(known.contains(&(link.trace_id.clone(), link.span_id.clone())), "{}", span.name);
        }
    }
    assert!(spans.iter().any(|(_, span)| span.kind() == SpanKind::Consumer && span.links.len() == 1));

    let logs = logs(ticks);
    let (traced, untraced): (Vec<&LogRecord>, Vec<_>) = logs.into_iter().partition(|log| !log.trace_id.is_empty());
    assert!(traced.len() > 20 * untraced.len() && !untraced.is_empty());
    for log in traced {
        assert!(known.contains(&(log.trace_id.clone(), log.span_id.clone())));
    }

    let metrics = metrics(ticks);
    let exemplars: Vec<_> = metrics.iter().flat_map(|(_, metric)| exemplars(metric)).collect();
    assert!(exemplars.len() > 100);
    for exemplar in exemplars {
        assert!(known.contains(&(exemplar.trace_id.clone(), exemplar.span_id.clone())));
    }
}

#[test]
fn spans_of_a_trace_nest_and_logs_lie_inside_their_span() {
    let ticks = day();
    let by_id: HashMap<Ids, &Span> =
        spans(ticks).into_iter().map(|(_, span)| ((span.trace_id.clone(), span.span_id.clone()), span)).collect();
    for span in by_id.values().filter(|span| !span.parent_span_id.is_empty()) {
        let parent = by_id[&(span.trace_id.clone(), span.parent_span_id.clone())];
        assert!(parent.start_time_unix_nano <= span.start_time_unix_nano, "{} in {}", span.name, parent.name);
        assert!(span.end_time_unix_nano <= parent.end_time_unix_nano, "{} in {}", span.name, parent.name);
    }
    for log in logs(ticks).into_iter().filter(|log| !log.trace_id.is_empty()) {
        let span = by_id[&(log.trace_id.clone(), log.span_id.clone())];
        assert!((span.start_time_unix_nano..=span.end_time_unix_nano).contains(&log.time_unix_nano));
    }
}

#[test]
fn counts_add_up_batches_are_bounded_and_nothing_is_sent_before_it_happened() {
    let mut shop = Shop::new(SEED, START).with_batch_records(100);
    let mut last = START;
    for _ in 0..20 {
        let tick = shop.advance(Duration::from_secs(3));
        let one = std::slice::from_ref(&tick);
        assert_eq!(spans(one).len() as u64, tick.counts.spans);
        assert_eq!(logs(one).len() as u64, tick.counts.logs);
        let data_points = metrics(one).into_iter().map(|(_, metric)| data_point_count(metric) as u64).sum::<u64>();
        assert_eq!(data_points, tick.counts.data_points);
        for counts in tick.exports.iter().map(Export::counts) {
            assert!(counts.total() > 0 && counts.spans <= 100 && counts.logs <= 100);
        }
        assert!(last < tick.until_unix_nanos && tick.until_unix_nanos == shop.now_unix_nanos());
        for (_, span) in spans(one) {
            assert!((last..=tick.until_unix_nanos).contains(&span.end_time_unix_nano));
        }
        last = tick.until_unix_nanos;
    }
}

#[test]
fn the_chosen_rate_holds() {
    for rate in [50.0, 400.0] {
        let mut shop = Shop::new(SEED, START).with_records_per_second(rate);
        let counts = shop.advance(Duration::from_secs(600)).counts;
        let got = (counts.spans + counts.logs) as f64 / 600.0;
        assert!((got / rate - 1.0).abs() < 0.15, "{got} records a second instead of {rate}");
    }
}

#[test]
fn cumulative_series_never_fall_and_keep_their_start_while_delta_intervals_touch() {
    let ticks = day();
    /// Last start, last end, last value.
    type Last = HashMap<String, (u64, u64, f64)>;
    let mut last: Last = HashMap::new();
    let mut temporalities = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (resource, metric) in metrics(ticks) {
        names.insert(metric.name.as_str());
        for (attributes, temporality, start, end, value) in monotonic_points(metric) {
            temporalities.insert(temporality.as_str_name());
            let before = last.insert(format!("{resource} {} {attributes:?}", metric.name), (start, end, value));
            match (temporality, before) {
                (AggregationTemporality::Cumulative, before) => {
                    assert_eq!(start, START);
                    if let Some((_, end_before, value_before)) = before {
                        assert!(end_before < end && value_before <= value, "{} {attributes:?}", metric.name);
                    }
                }
                (_, Some((_, end_before, _))) => assert!(end_before <= start && start < end),
                _ => {}
            }
        }
    }
    assert_eq!(temporalities.len(), 2, "both temporalities are there");
    for name in [
        "http.server.request.duration",
        "rpc.client.call.duration",
        "shop.orders.placed",
        "kafka.consumer_group.lag",
        "process.memory.usage",
        "jvm.memory.used",
        "go.goroutine.count",
        "http_request_duration_seconds",
        "gen_ai.client.token.usage",
    ] {
        assert!(names.contains(name), "{name} is missing");
    }
}

type Point<'a> = (&'a [KeyValue], AggregationTemporality, u64, u64, f64);

fn monotonic_points(metric: &Metric) -> Vec<Point<'_>> {
    match metric.data.as_ref().expect("set") {
        Data::Sum(sum) if sum.is_monotonic => {
            let points = sum.data_points.iter().map(|point| {
                let value = match point.value.expect("set") {
                    NumberValue::AsInt(number) => number as f64,
                    NumberValue::AsDouble(number) => number,
                };
                (
                    &point.attributes[..],
                    sum.aggregation_temporality(),
                    point.start_time_unix_nano,
                    point.time_unix_nano,
                    value,
                )
            });
            points.collect()
        }
        Data::Histogram(histogram) => {
            let points = histogram.data_points.iter().map(|point| {
                assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                (
                    &point.attributes[..],
                    histogram.aggregation_temporality(),
                    point.start_time_unix_nano,
                    point.time_unix_nano,
                    point.count as f64,
                )
            });
            points.collect()
        }
        Data::ExponentialHistogram(histogram) => {
            let points = histogram.data_points.iter().map(|point| {
                let buckets = point.positive.as_ref().expect("set");
                assert_eq!(buckets.bucket_counts.iter().sum::<u64>() + point.zero_count, point.count);
                (
                    &point.attributes[..],
                    histogram.aggregation_temporality(),
                    point.start_time_unix_nano,
                    point.time_unix_nano,
                    point.count as f64,
                )
            });
            points.collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn histograms_count_the_requests_that_sampled_spans_stand_for() {
    let ticks = day();
    let weighted: u64 = spans(ticks)
        .into_iter()
        .filter(|(resource, span)| {
            let service = attribute(&resource.attributes, "service.name").expect("set");
            span.kind() == SpanKind::Server && format!("{service:?}").contains("\"frontend\"")
        })
        .map(|(_, span)| if span.trace_state.is_empty() { 1 } else { 4 })
        .sum();
    let mut counted = 0;
    for (_, metric) in metrics(ticks) {
        if metric.name == "http.server.request.duration"
            && let Some(Data::Histogram(histogram)) = &metric.data
            && histogram.aggregation_temporality() == AggregationTemporality::Delta
        {
            counted += histogram.data_points.iter().map(|point| point.count).sum::<u64>();
        }
    }
    assert_eq!(weighted, counted);
}

#[test]
fn the_slow_dependency_shows_in_checkout_and_in_error_logs() {
    let ticks = day();
    let mut charges: BTreeMap<bool, Vec<u64>> = BTreeMap::new();
    let mut orders: BTreeMap<bool, Vec<u64>> = BTreeMap::new();
    for (_, span) in spans(ticks) {
        let in_window = (20..40).contains(&(span.start_time_unix_nano / 1_000_000_000 % 60));
        let took = span.end_time_unix_nano - span.start_time_unix_nano;
        match span.name.as_str() {
            "POST /v1/score" => charges.entry(in_window).or_default().push(took),
            "POST /api/checkout" => orders.entry(in_window).or_default().push(took),
            _ => {}
        }
    }
    let median = |times: &mut Vec<u64>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    for durations in [&mut charges, &mut orders] {
        let calm = median(durations.get_mut(&false).expect("there were calm times"));
        let slow = median(durations.get_mut(&true).expect("there were slow times"));
        assert!(slow > 2 * calm, "{slow} ns in the window, {calm} ns outside");
    }
    let timed_out = spans(ticks).into_iter().find(|(_, span)| {
        span.name == "POST /v1/score" && span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
    });
    let (_, timed_out) = timed_out.expect("some calls time out");
    assert!(timed_out.events.iter().any(|event| event.name == "exception"));
    let same_trace = logs(ticks).into_iter().filter(|log| log.trace_id == timed_out.trace_id);
    assert!(same_trace.filter(|log| log.severity_text.eq_ignore_ascii_case("error")).count() >= 3);
}

#[test]
fn resources_tell_instances_apart() {
    let ticks = day();
    let instances: BTreeSet<_> = spans(ticks)
        .into_iter()
        .map(|(resource, _)| {
            let of = |key| format!("{:?}", attribute(&resource.attributes, key).expect("set").value);
            (of("service.name"), of("service.instance.id"))
        })
        .collect();
    let services: BTreeSet<_> = instances.iter().map(|(service, _)| service).collect();
    assert_eq!(services.len(), 12);
    assert_eq!(instances.len(), 21);
}
