//! The data contract, version 1, as data: every column of every signal's table.
//!
//! A column is added by adding its line here and giving it a value where the signal is decoded. Builders,
//! Arrow and Delta schema, sort order, writer settings, statistics and `docs/data-contract.md` follow.

use super::column::{Column, Kind, Layout};
use super::signal::Signal;

/// The version of the contract. A change of it comes with a migration.
pub const CONTRACT_VERSION: u32 = 1;

const LONG_LIST: Kind = Kind::List(&Kind::Long);
const DOUBLE_LIST: Kind = Kind::List(&Kind::Double);

/// First in every table.
const HEAD: &[Column] = &[
    Column::new("date", Kind::Date, "UTC day of `time`; the partition"),
    Column::new("time", Kind::Timestamp, "when it happened: a log's own time, else its observed time, else `ingest_time`; a span's start; a data point's time").unit("us, UTC").with_stats(),
    Column::new("time_nanos", Kind::Short, "what `time` leaves out").unit("ns past `time`, 0 to 999"),
    Column::new("service_name", Kind::Text, "resource `service.name`, `unknown_service` where absent").with_stats(),
];

/// Last in every table, before the promoted columns.
const TAIL: &[Column] = &[
    Column::new("attributes", Kind::TextMap, "the record's own attributes, all of them"),
    Column::new("resource_attributes", Kind::TextMap, "the resource's attributes, all of them"),
    Column::new("scope_attributes", Kind::TextMap, "the instrumentation scope's attributes, all of them"),
    Column::new("scope_name", Kind::Text, "instrumentation scope name"),
    Column::new("scope_version", Kind::Text, "instrumentation scope version"),
    Column::new("resource_schema_url", Kind::Text, "semantic-convention version of the resource"),
    Column::new("scope_schema_url", Kind::Text, "semantic-convention version of the scope and its records"),
    Column::new(
        "dropped_attributes_count",
        Kind::Long,
        "attributes that the sender dropped from the record, NULL for zero",
    ),
    Column::new(
        "resource_dropped_attributes_count",
        Kind::Long,
        "attributes that the sender dropped from the resource, NULL for zero",
    ),
    Column::new(
        "scope_dropped_attributes_count",
        Kind::Long,
        "attributes that the sender dropped from the scope, NULL for zero",
    ),
    Column::new(
        "value_types",
        Kind::Text,
        "compact JSON naming each value that was not a string, NULL where all were; see \"Values as text\"",
    ),
    Column::new("adjusted_count", Kind::Double, "how many records this one stands for after sampling, NULL for 1")
        .unit("records"),
    Column::new("ingest_time", Kind::Timestamp, "when this store took the record").unit("us, UTC").provenance(),
    Column::new("source", Kind::Text, "by which way it came: `otlp/grpc`, `otlp/http`, `import/otlp-json`, ...")
        .provenance(),
    Column::new("ingest_principal", Kind::Text, "whose credentials sent it, NULL without").provenance(),
];

const LOGS: &[Column] = &[
    Column::new("observed_time", Kind::Timestamp, "when the collection system saw the log, NULL where unset")
        .unit("us, UTC"),
    Column::new("observed_time_nanos", Kind::Short, "what `observed_time` leaves out")
        .unit("ns past `observed_time`, 0 to 999"),
    Column::new(
        "severity_number",
        Kind::Int,
        "OTel severity: 1-4 TRACE, 5-8 DEBUG, 9-12 INFO, 13-16 WARN, 17-20 ERROR, 21-24 FATAL; 0 unset",
    )
    .with_stats(),
    Column::new("severity_text", Kind::Text, "the level as the source wrote it"),
    Column::new("body", Kind::Text, "the log's text; JSON where the body was not a string; NULL where there was none")
        .layout(Layout::Dictionary),
    Column::new("event_name", Kind::Text, "name of the event, NULL for a plain log"),
    Column::new("trace_id", Kind::Text, "32 lower-case hex digits, NULL without")
        .layout(Layout::LargeDictionary)
        .with_bloom(),
    Column::new("span_id", Kind::Text, "16 lower-case hex digits, NULL without").layout(Layout::Plain),
    Column::new("flags", Kind::Long, "W3C trace flags, the low 8 bits"),
];

const SPANS: &[Column] = &[
    Column::new(
        "duration_nano",
        Kind::Long,
        "end minus start: negative where the end is before the start, NULL where there was no end",
    )
    .unit("ns")
    .layout(Layout::DeltaPacked)
    .with_stats(),
    Column::new("name", Kind::Text, "span name"),
    Column::new(
        "kind",
        Kind::Text,
        "UNSPECIFIED, INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER; digits of a number not known here",
    ),
    Column::new("status_code", Kind::Text, "UNSET, OK or ERROR; digits of a number not known here").with_stats(),
    Column::new("status_message", Kind::Text, "what the sender said of the status"),
    Column::new("trace_id", Kind::Text, "32 lower-case hex digits").layout(Layout::LargeDictionary).with_bloom(),
    Column::new("span_id", Kind::Text, "16 lower-case hex digits").layout(Layout::Plain),
    Column::new("parent_span_id", Kind::Text, "16 lower-case hex digits, NULL for a root")
        .layout(Layout::LargeDictionary),
    Column::new("trace_state", Kind::Text, "W3C tracestate"),
    Column::new("flags", Kind::Long, "W3C trace flags in bits 0-7, remote-parent flags in bits 8 and 9"),
    Column::new("events", Kind::List(&Kind::Struct(EVENT)), "what happened during the span, in the sender's order"),
    Column::new("links", Kind::List(&Kind::Struct(LINK)), "other spans this one is tied to, in the sender's order"),
    Column::new("dropped_events_count", Kind::Long, "events that the sender dropped, NULL for zero"),
    Column::new("dropped_links_count", Kind::Long, "links that the sender dropped, NULL for zero"),
];

/// One span event.
pub const EVENT: &[Column] = &[
    Column::new("time", Kind::Timestamp, "when").unit("us, UTC"),
    Column::new("time_nanos", Kind::Short, "what `time` leaves out").unit("ns past `time`, 0 to 999"),
    Column::new("name", Kind::Text, "event name"),
    Column::new("attributes", Kind::TextMap, "the event's attributes"),
    Column::new("value_types", Kind::Text, "as in the table"),
    Column::new("dropped_attributes_count", Kind::Long, "NULL for zero"),
];

/// One span link.
pub const LINK: &[Column] = &[
    Column::new("trace_id", Kind::Text, "the other trace").layout(Layout::Plain),
    Column::new("span_id", Kind::Text, "the other span").layout(Layout::Plain),
    Column::new("trace_state", Kind::Text, "the other span's W3C tracestate"),
    Column::new("flags", Kind::Long, "the other span's flags"),
    Column::new("attributes", Kind::TextMap, "the link's attributes"),
    Column::new("value_types", Kind::Text, "as in the table"),
    Column::new("dropped_attributes_count", Kind::Long, "NULL for zero"),
];

const METRICS: &[Column] = &[
    Column::new("metric_name", Kind::Text, "metric name").with_stats(),
    Column::new("metric_type", Kind::Text, "GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM or SUMMARY"),
    Column::new("unit", Kind::Text, "the metric's unit, in UCUM as a rule"),
    Column::new("description", Kind::Text, "the metric's description"),
    Column::new("metric_metadata", Kind::TextMap, "the metric's metadata"),
    Column::new(
        "temporality",
        Kind::Text,
        "UNSPECIFIED, DELTA or CUMULATIVE; NULL where the type has none; digits of a number not known here",
    ),
    Column::new("is_monotonic", Kind::Bool, "whether a sum only rises, NULL where the type is not SUM"),
    Column::new("start_time", Kind::Timestamp, "start of the point's interval, NULL where unset").unit("us, UTC"),
    Column::new("start_time_nanos", Kind::Short, "what `start_time` leaves out").unit("ns past `start_time`, 0 to 999"),
    Column::new("series_id", Kind::Long, "hash of metric, type, unit, resource, scope and attributes; see \"Series\"")
        .layout(Layout::Dictionary)
        .with_stats(),
    Column::new(
        "value",
        Kind::Double,
        "value of a gauge or sum; `value_int` as a double where the point was an integer",
    )
    .unit("`unit`"),
    Column::new("value_int", Kind::Long, "value of a gauge or sum, where the point was an integer").unit("`unit`"),
    Column::new("count", Kind::Long, "observations in a histogram or summary"),
    Column::new("sum", Kind::Double, "sum of the observations").unit("`unit`"),
    Column::new("min", Kind::Double, "smallest observation").unit("`unit`"),
    Column::new("max", Kind::Double, "largest observation").unit("`unit`"),
    Column::new("explicit_bounds", DOUBLE_LIST, "upper bounds of a histogram's buckets but the last, inclusive")
        .unit("`unit`"),
    Column::new("bucket_counts", LONG_LIST, "observations in each bucket of a histogram, one more than bounds"),
    Column::new("scale", Kind::Int, "exponential histogram: the base is 2^(2^-scale)"),
    Column::new("zero_count", Kind::Long, "exponential histogram: observations in the zero bucket"),
    Column::new("zero_threshold", Kind::Double, "exponential histogram: width of the zero bucket").unit("`unit`"),
    Column::new("positive_offset", Kind::Int, "exponential histogram: index of the first positive bucket"),
    Column::new("negative_offset", Kind::Int, "exponential histogram: index of the first negative bucket"),
    Column::new("positive_bucket_counts", LONG_LIST, "exponential histogram: observations in each positive bucket"),
    Column::new("negative_bucket_counts", LONG_LIST, "exponential histogram: observations in each negative bucket"),
    Column::new("quantiles", Kind::List(&Kind::Struct(QUANTILE)), "summary: quantiles and their values"),
    Column::new(
        "exemplars",
        Kind::List(&Kind::Struct(EXEMPLAR)),
        "sample observations, with the traces they were made in",
    ),
    Column::new("flags", Kind::Long, "bit 0: no recorded value (a staleness marker)"),
    Column::new("resolution", Kind::Text, "NULL for a raw point, `5m` for one downsampled to five minutes"),
];

/// One quantile of a summary.
pub const QUANTILE: &[Column] = &[
    Column::new("quantile", Kind::Double, "0 to 1"),
    Column::new("value", Kind::Double, "the value at that quantile").unit("`unit`"),
];

/// One exemplar.
pub const EXEMPLAR: &[Column] = &[
    Column::new("time", Kind::Timestamp, "when it was observed").unit("us, UTC"),
    Column::new("time_nanos", Kind::Short, "what `time` leaves out").unit("ns past `time`, 0 to 999"),
    Column::new("value", Kind::Double, "the observed value; `value_int` as a double where it was an integer")
        .unit("`unit`"),
    Column::new("value_int", Kind::Long, "the observed value, where it was an integer").unit("`unit`"),
    Column::new("trace_id", Kind::Text, "the trace it was observed in, NULL without").layout(Layout::Plain),
    Column::new("span_id", Kind::Text, "the span it was observed in, NULL without").layout(Layout::Plain),
    Column::new("attributes", Kind::TextMap, "attributes that the metric's own leave out"),
    Column::new("value_types", Kind::Text, "as in the table"),
];

/// Every column of a signal's table but the promoted ones, in the order of the files.
pub fn columns(signal: Signal) -> impl Iterator<Item = &'static Column> {
    let own = match signal {
        Signal::Logs => LOGS,
        Signal::Spans => SPANS,
        Signal::Metrics => METRICS,
    };
    HEAD.iter().chain(own).chain(TAIL)
}

/// The columns by which a signal's files are sorted, ascending, NULLs first.
///
/// Exact duplicates of a log or span are neighbours under it.
pub const fn sort_order(signal: Signal) -> &'static [&'static str] {
    match signal {
        Signal::Logs | Signal::Spans => &["service_name", "time", "time_nanos", "trace_id", "span_id"],
        Signal::Metrics => &["metric_name", "service_name", "series_id", "time"],
    }
}

/// The partition column of every table.
pub const PARTITION: &str = "date";

/// `service_name` of a record whose resource names none.
pub const UNKNOWN_SERVICE: &str = "unknown_service";
