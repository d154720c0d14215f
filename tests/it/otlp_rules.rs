//! The rules of the data contract, one case a rule: what a sender's record becomes, and which are rejected why.

use arrow::array::{AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use rstest::rstest;
use telestrata::model::{Encoding, Signal};
use telestrata::otlp::{DecodeError, Decoded, RejectReason, RequestMeta, decode};

/// 2023-11-14T22:13:20Z in microseconds; the latest time is a day later.
const INGEST_TIME: i64 = 1_700_000_000_000_000;
const META: RequestMeta<'static> = RequestMeta {
    ingest_time: INGEST_TIME,
    latest_time: INGEST_TIME + 86_400_000_000,
    source: "import/otlp-json",
    principal: None,
};

const GOOD_LOG: &str = r#"{"timeUnixNano":"1600000000000000001","body":{"stringValue":"good"}}"#;
const GOOD_SPAN: &str = r#"{"startTimeUnixNano":"1600000000000000001","name":"good"}"#;

fn logs(records: &str) -> String {
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#)
}

fn spans(records: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{records}]}}]}}]}}"#)
}

fn metrics(metrics: &str) -> String {
    format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metrics}]}}]}}]}}"#)
}

fn accept(signal: Signal, body: &str) -> Decoded {
    decode(signal, Encoding::Json, body.as_bytes(), &META).expect("the request is well-formed")
}

/// A value as text. Times come without their zone, which arrow shows only if it was built to know zones; of lists of
/// structs there is the length.
fn cell(batch: &RecordBatch, column: &str, row: usize) -> String {
    let array = batch.column_by_name(column).expect("the column is in the contract");
    let array = match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => &cast(array, &DataType::Timestamp(*unit, None)).expect("the zone is UTC"),
        DataType::List(_) if ["events", "links", "exemplars"].contains(&column) => {
            return format!("{} elements", array.as_list::<i32>().value_length(row));
        }
        _ => array,
    };
    let options = FormatOptions::default().with_null("NULL");
    ArrayFormatter::try_new(array, &options).expect("the column is shown").value(row).to_string()
}

/// The one row that a record becomes.
fn row(signal: Signal, body: &str) -> RecordBatch {
    let decoded = accept(signal, body);
    assert_eq!(decoded.report.rejections, []);
    assert_eq!(decoded.batch.num_rows(), 1);
    decoded.batch
}

#[rstest]
#[case::own(r#""timeUnixNano":"1600000000123456789","observedTimeUnixNano":"5""#, "2020-09-13T12:26:40.123456", "789")]
#[case::observed(r#""observedTimeUnixNano":"1600000000123456789""#, "2020-09-13T12:26:40.123456", "789")]
#[case::unset(r#""timeUnixNano":"0""#, "2023-11-14T22:13:20", "0")]
#[case::as_number(r#""timeUnixNano":1600000000123456789"#, "2020-09-13T12:26:40.123456", "789")]
#[case::exponent(r#""timeUnixNano":"1.6e18""#, "2020-09-13T12:26:40", "0")]
#[case::first_of_1970(r#""timeUnixNano":"1""#, "1970-01-01T00:00:00", "1")]
#[case::latest(r#""timeUnixNano":"1700086400000000999""#, "2023-11-15T22:13:20", "999")]
fn a_log_has_a_time(#[case] fields: &str, #[case] time: &str, #[case] nanos: &str) {
    let batch = row(Signal::Logs, &logs(&format!("{{{fields}}}")));
    assert_eq!(cell(&batch, "time", 0), time);
    assert_eq!(cell(&batch, "time_nanos", 0), nanos);
    assert_eq!(cell(&batch, "date", 0), time[..10]);
}

#[rstest]
#[case::negative(r#"{"timeUnixNano":"-6795364578871345152"}"#, RejectReason::TimeOutOfRange, "-6795364578871345152")]
#[case::negative_number(
    r#"{"timeUnixNano":-6795364578871345152}"#,
    RejectReason::TimeOutOfRange,
    "-6795364578871345152"
)]
#[case::too_late(r#"{"timeUnixNano":"1700086400000001000"}"#, RejectReason::TimeOutOfRange, "1700086400000001000")]
#[case::observed_too_late(
    r#"{"observedTimeUnixNano":"1800000000000000000"}"#,
    RejectReason::TimeOutOfRange,
    "observed_time_unix_nano"
)]
#[case::observed_beyond_signed(
    r#"{"timeUnixNano":"1","observedTimeUnixNano":"9223372036854775808"}"#,
    RejectReason::TimeOutOfRange,
    "observed_time_unix_nano is 9223372036854775808"
)]
#[case::beyond_unsigned(r#"{"timeUnixNano":"18446744073709551616"}"#, RejectReason::TimeOutOfRange, "time_unix_nano")]
#[case::no_number(r#"{"timeUnixNano":"soon"}"#, RejectReason::InvalidValue, r#"time_unix_nano is "soon""#)]
#[case::bare_nan(r#"{"timeUnixNano":NaN}"#, RejectReason::InvalidValue, "time_unix_nano is NaN")]
#[case::fraction(r#"{"timeUnixNano":1.5}"#, RejectReason::InvalidValue, "time_unix_nano is 1.5")]
#[case::text_for_flags(r#"{"timeUnixNano":"1","flags":true}"#, RejectReason::InvalidValue, "flags is true")]
#[case::number_for_text(r#"{"timeUnixNano":"1","severityText":9}"#, RejectReason::InvalidValue, "severity_text is 9")]
#[case::enum_name(r#"{"timeUnixNano":"1","severityNumber":"LOUD"}"#, RejectReason::InvalidValue, r#""LOUD""#)]
#[case::count(r#"{"timeUnixNano":"1","droppedAttributesCount":-1}"#, RejectReason::NumberOutOfRange, "-1")]
#[case::int(
    r#"{"timeUnixNano":"1","body":{"intValue":"9223372036854775808"}}"#,
    RejectReason::NumberOutOfRange,
    "int_value is \"9223372036854775808\""
)]
#[case::base64(r#"{"timeUnixNano":"1","body":{"bytesValue":"*"}}"#, RejectReason::InvalidValue, "bytes_value")]
#[case::half_surrogate(
    r#"{"timeUnixNano":"1","body":{"stringValue":"\ud800"}}"#,
    RejectReason::InvalidText,
    "string_value"
)]
#[case::in_attribute(
    r#"{"timeUnixNano":"1","attributes":[{"key":"k","value":{"doubleValue":"much"}}]}"#,
    RejectReason::InvalidValue,
    "double_value is \"much\""
)]
fn a_bad_log_is_rejected_alone(#[case] record: &str, #[case] reason: RejectReason, #[case] named: &str) {
    let body = logs(&format!("{GOOD_LOG}, {record} ,{GOOD_LOG}"));
    let decoded = accept(Signal::Logs, &body);
    assert_eq!(decoded.batch.num_rows(), 2);
    assert_eq!(decoded.report.records, 3);
    let [rejection] = decoded.report.rejections.as_slice() else { panic!("{:?}", decoded.report) };
    assert_eq!((rejection.record, rejection.reason), (1, reason));
    assert!(rejection.detail.contains(named), "{}", rejection.detail);
    assert_eq!(&body[rejection.bytes.clone()], record);
}

#[rstest]
#[case::no_start(r#"{"name":"x"}"#, RejectReason::MissingTime)]
#[case::end_too_far(
    r#"{"startTimeUnixNano":"1","endTimeUnixNano":"18446744073709551615"}"#,
    RejectReason::NumberOutOfRange
)]
#[case::event(
    r#"{"startTimeUnixNano":"1","events":[{"timeUnixNano":"18446744073709551615"}]}"#,
    RejectReason::TimeOutOfRange
)]
#[case::link(r#"{"startTimeUnixNano":"1","links":[{"traceState":1}]}"#, RejectReason::InvalidValue)]
#[case::kind(r#"{"startTimeUnixNano":"1","kind":"SPAN_KIND_LOUD"}"#, RejectReason::InvalidValue)]
fn a_bad_span_is_rejected_alone(#[case] span: &str, #[case] reason: RejectReason) {
    let decoded = accept(Signal::Spans, &spans(&format!("{GOOD_SPAN},{span},{GOOD_SPAN}")));
    assert_eq!(decoded.batch.num_rows(), 2);
    let reasons: Vec<_> =
        decoded.report.rejections.iter().map(|rejection| (rejection.record, rejection.reason)).collect();
    assert_eq!(reasons, [(1, reason)]);
}

#[rstest]
#[case::positive("2000000000", "1000000000", "1000000000")]
#[case::negative("1000000000", "2000000000", "-1000000000")]
#[case::none("0", "1000000000", "NULL")]
#[case::zero("1000000000", "1000000000", "0")]
fn a_span_lasts_from_start_to_end(#[case] end: &str, #[case] start: &str, #[case] duration: &str) {
    let span = format!(r#"{{"startTimeUnixNano":"{start}","endTimeUnixNano":"{end}"}}"#);
    assert_eq!(cell(&row(Signal::Spans, &spans(&span)), "duration_nano", 0), duration);
}

#[rstest]
#[case::lower("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c", 0)]
#[case::upper("0AF7651916CD43DD8448EB211C80319C", "0af7651916cd43dd8448eb211c80319c", 0)]
#[case::absent("", "NULL", 0)]
#[case::zero("00000000000000000000000000000000", "NULL", 1)]
#[case::short("0af7", "NULL", 1)]
#[case::long("0af7651916cd43dd8448eb211c80319c00", "NULL", 1)]
#[case::odd("0af7651916cd43dd8448eb211c80319", "NULL", 1)]
#[case::base64("CvdlGRbNQ92ESOshHIAxnA==", "NULL", 1)]
#[case::not_hex("0af7651916cd43dd8448eb211c80319g", "NULL", 1)]
fn ids_are_hex_or_null(#[case] id: &str, #[case] stored: &str, #[case] nulled: u64) {
    let decoded = accept(Signal::Spans, &spans(&format!(r#"{{"startTimeUnixNano":"1","traceId":"{id}"}}"#)));
    assert_eq!(cell(&decoded.batch, "trace_id", 0), stored);
    assert_eq!(decoded.report.nulled_ids, nulled);
    let links = format!(r#"{{"startTimeUnixNano":"1","links":[{{"traceId":"{id}"}}]}}"#);
    assert_eq!(accept(Signal::Spans, &spans(&links)).report.nulled_ids, nulled);
}

#[rstest]
#[case::number(r#""kind":2"#, "SERVER")]
#[case::absent(r#""kind":null"#, "UNSPECIFIED")]
#[case::name(r#""kind":"SPAN_KIND_CONSUMER""#, "CONSUMER")]
#[case::digits(r#""kind":"3""#, "CLIENT")]
#[case::unknown(r#""kind":77"#, "77")]
#[case::negative(r#""kind":-1"#, "-1")]
fn kinds_are_upper_case_or_digits(#[case] field: &str, #[case] kind: &str) {
    let span = format!(r#"{{"startTimeUnixNano":"1",{field}}}"#);
    assert_eq!(cell(&row(Signal::Spans, &spans(&span)), "kind", 0), kind);
}

#[rstest]
#[case::string(r#"{"stringValue":"5"}"#, "5", "NULL")]
#[case::empty_string(r#"{"stringValue":""}"#, "", "NULL")]
#[case::int(r#"{"intValue":"-5"}"#, "-5", r#"{"a":{"k":"i"},"b":"i"}"#)]
#[case::int_as_number(r#"{"intValue":5}"#, "5", r#"{"a":{"k":"i"},"b":"i"}"#)]
#[case::double(r#"{"doubleValue":1}"#, "1.0", r#"{"a":{"k":"d"},"b":"d"}"#)]
#[case::negative_zero(r#"{"doubleValue":-0.0}"#, "-0.0", r#"{"a":{"k":"d"},"b":"d"}"#)]
#[case::exponent(r#"{"doubleValue":1e21}"#, "1e21", r#"{"a":{"k":"d"},"b":"d"}"#)]
#[case::nan(r#"{"doubleValue":"NaN"}"#, "NaN", r#"{"a":{"k":"d"},"b":"d"}"#)]
#[case::infinity(r#"{"doubleValue":"-Infinity"}"#, "-Infinity", r#"{"a":{"k":"d"},"b":"d"}"#)]
#[case::boolean(r#"{"boolValue":false}"#, "false", r#"{"a":{"k":"b"},"b":"b"}"#)]
#[case::bytes(r#"{"bytesValue":"-_8"}"#, "+/8=", r#"{"a":{"k":"x"},"b":"x"}"#)]
#[case::empty("{}", "", r#"{"a":{"k":"e"},"b":"e"}"#)]
#[case::null_inside(r#"{"stringValue":null}"#, "", r#"{"a":{"k":"e"},"b":"e"}"#)]
#[case::array(
    r#"{"arrayValue":{"values":[{"intValue":"1"},{"doubleValue":2},{"stringValue":"\"3"},{},{"boolValue":true}]}}"#,
    r#"[1,2.0,"\"3",null,true]"#,
    r#"{"a":{"k":"a"},"b":"a"}"#
)]
#[case::empty_array(r#"{"arrayValue":{}}"#, "[]", r#"{"a":{"k":"a"},"b":"a"}"#)]
#[case::map_in_the_senders_order(
    r#"{"kvlistValue":{"values":[
        {"key":"b","value":{"intValue":"1"}},{"key":"a","value":{"arrayValue":{"values":[]}}},{"key":"c"}
    ]}}"#,
    r#"{"b":1,"a":[],"c":null}"#,
    r#"{"a":{"k":"m"},"b":"m"}"#
)]
#[case::bytes_inside(
    r#"{"arrayValue":{"values":[{"bytesValue":"AA=="},{"intValue":1},{"doubleValue":1},{}]}}"#,
    r#"{"arrayValue":{"values":[{"bytesValue":"AA=="},{"intValue":"1"},{"doubleValue":1.0},{}]}}"#,
    r#"{"a":{"k":"v"},"b":"v"}"#
)]
#[case::nan_inside(
    r#"{"arrayValue":{"values":[{"doubleValue":"NaN"}]}}"#,
    r#"{"arrayValue":{"values":[{"doubleValue":"NaN"}]}}"#,
    r#"{"a":{"k":"v"},"b":"v"}"#
)]
#[case::equal_keys_inside(
    r#"{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":true}},{"key":"a","value":{"stringValue":"x"}}]}}"#,
    r#"{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":true}},{"key":"a","value":{"stringValue":"x"}}]}}"#,
    r#"{"a":{"k":"v"},"b":"v"}"#
)]
fn values_are_text(#[case] value: &str, #[case] text: &str, #[case] types: &str) {
    let record = format!(r#"{{"body":{value},"attributes":[{{"value":{value},"key":"k"}}]}}"#);
    let batch = row(Signal::Logs, &logs(&record));
    assert_eq!(cell(&batch, "body", 0), text);
    assert_eq!(cell(&batch, "attributes", 0), format!("{{k: {text}}}"));
    assert_eq!(cell(&batch, "value_types", 0), types);
}

#[test]
fn no_body_is_null_and_an_empty_value_is_not() {
    let decoded = accept(Signal::Logs, &logs(r#"{},{"body":{}},{"body":null}"#));
    let bodies: Vec<_> = (0..3).map(|row| cell(&decoded.batch, "body", row)).collect();
    assert_eq!(bodies, ["NULL", "", "NULL"]);
}

#[test]
fn the_types_of_every_map_are_named_in_order() {
    let body = r#"{"resourceLogs":[{
        "scopeLogs":[{"logRecords":[
            {"attributes":[
                {"key":"z","value":{"intValue":1}},
                {"key":"a","value":{"boolValue":true}},
                {"key":"m","value":{"stringValue":""}}
            ]},
            {}
        ],"scope":{"attributes":[{"key":"sc","value":{"doubleValue":1}}]}}],
        "resource":{"attributes":[{"key":"re","value":{"bytesValue":""}}]}
    }]}"#;
    let decoded = accept(Signal::Logs, body);
    assert_eq!(cell(&decoded.batch, "value_types", 0), r#"{"a":{"a":"b","z":"i"},"r":{"re":"x"},"s":{"sc":"d"}}"#);
    assert_eq!(cell(&decoded.batch, "value_types", 1), r#"{"r":{"re":"x"},"s":{"sc":"d"}}"#);
    assert_eq!(cell(&decoded.batch, "attributes", 0), "{a: true, m: , z: 1}");
}

#[test]
fn the_last_of_equal_keys_wins_and_is_counted() {
    let attribute = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
    let list = [("b", "1"), ("a", "2"), ("b", "3"), ("c", "4"), ("b", "5")].map(|(key, value)| attribute(key, value));
    let span =
        format!(r#"{{"startTimeUnixNano":"1","attributes":[{0}],"events":[{{"attributes":[{0}]}}]}}"#, list.join(","));
    let decoded = accept(Signal::Spans, &spans(&span));
    assert_eq!(cell(&decoded.batch, "attributes", 0), "{a: 2, b: 5, c: 4}");
    assert_eq!(decoded.report.duplicate_keys, 4);
}

#[rstest]
#[case::named(r#"{"stringValue":"shop"}"#, "shop")]
#[case::number(r#"{"intValue":"7"}"#, "7")]
#[case::empty(r#"{"stringValue":""}"#, "unknown_service")]
fn a_service_has_a_name(#[case] value: &str, #[case] name: &str) {
    let resource = format!(r#"{{"attributes":[{{"key":"service.name","value":{value}}}]}}"#);
    let body = format!(r#"{{"resourceLogs":[{{"resource":{resource},"scopeLogs":[{{"logRecords":[{{}}]}}]}}]}}"#);
    assert_eq!(cell(&row(Signal::Logs, &body), "service_name", 0), name);
    assert_eq!(cell(&row(Signal::Logs, &logs("{}")), "service_name", 0), "unknown_service");
}

#[test]
fn provenance_comes_from_the_store() {
    let batch = row(Signal::Logs, &logs("{}"));
    assert_eq!(cell(&batch, "source", 0), "import/otlp-json");
    assert_eq!(cell(&batch, "ingest_principal", 0), "NULL");
    assert_eq!(cell(&batch, "ingest_time", 0), "2023-11-14T22:13:20");
}

#[rstest]
#[case::log_flags(Signal::Logs, logs(r#"{"flags":4294967041}"#), "flags", "1")]
#[case::dropped(Signal::Logs, logs(r#"{"droppedAttributesCount":3}"#), "dropped_attributes_count", "3")]
#[case::none_dropped(Signal::Logs, logs(r#"{"droppedAttributesCount":0}"#), "dropped_attributes_count", "NULL")]
#[case::severity_by_name(Signal::Logs, logs(r#"{"severityNumber":"SEVERITY_NUMBER_WARN2"}"#), "severity_number", "14")]
#[case::proto_names(Signal::Logs, logs(r#"{"severity_text":"LOW"}"#), "severity_text", "LOW")]
#[case::escaped_name(Signal::Logs, logs(r#"{"severity\u0054ext":"LOW"}"#), "severity_text", "LOW")]
#[case::escapes(Signal::Logs, logs(r#"{"severityText":"\ud83d\ude00\n"}"#), "severity_text", "😀\n")]
#[case::unknown_fields(
    Signal::Logs,
    logs(r#"{"x":{"y":[1,"]}"]},"z":null,"severityText":"LOW"}"#),
    "severity_text",
    "LOW"
)]
#[case::span_flags(Signal::Spans, spans(r#"{"startTimeUnixNano":1,"flags":769}"#), "flags", "769")]
#[case::sampled(Signal::Spans, spans(r#"{"startTimeUnixNano":1,"traceState":"ot=th:c"}"#), "adjusted_count", "4.0")]
#[case::unsampled(Signal::Spans, spans(r#"{"startTimeUnixNano":1}"#), "adjusted_count", "NULL")]
#[case::status(Signal::Spans, spans(r#"{"startTimeUnixNano":1,"status":{"code":2}}"#), "status_code", "ERROR")]
#[case::no_status(Signal::Spans, spans(r#"{"startTimeUnixNano":1}"#), "status_code", "UNSET")]
#[case::no_events(Signal::Spans, spans(r#"{"startTimeUnixNano":1}"#), "events", "0 elements")]
fn a_field_becomes(#[case] signal: Signal, #[case] body: String, #[case] column: &str, #[case] expected: &str) {
    assert_eq!(cell(&row(signal, &body), column, 0), expected);
}

fn gauge(point: &str) -> String {
    metrics(&format!(r#"{{"gauge":{{"dataPoints":[{point}]}}}}"#))
}

fn histogram(fields: &str) -> String {
    metrics(&format!(r#"{{"histogram":{{"dataPoints":[{{"timeUnixNano":"1",{fields}}}]}}}}"#))
}

fn exponential(fields: &str) -> String {
    metrics(&format!(r#"{{"exponentialHistogram":{{"dataPoints":[{{"timeUnixNano":"1",{fields}}}]}}}}"#))
}

#[rstest]
#[case::int(
    gauge(r#"{"timeUnixNano":1,"asInt":"9007199254740993"}"#),
    &[("value", "9007199254740992.0"), ("value_int", "9007199254740993")]
)]
#[case::double(
    gauge(r#"{"timeUnixNano":1,"asDouble":2}"#),
    &[("value", "2.0"), ("value_int", "NULL"), ("count", "NULL")]
)]
#[case::nan(gauge(r#"{"timeUnixNano":1,"asDouble":"NaN"}"#), &[("value", "NaN")])]
#[case::bare_nan(gauge(r#"{"asDouble": NaN, "timeUnixNano":1}"#), &[("value", "NaN")])]
#[case::bare_infinity(gauge(r#"{"x":[NaN],"y":Infinity,"asDouble":-Infinity,"timeUnixNano":1}"#), &[("value", "-inf")])]
#[case::last_of_the_oneof(
    gauge(r#"{"timeUnixNano":1,"asInt":1,"asDouble":2}"#),
    &[("value", "2.0"), ("value_int", "NULL")]
)]
#[case::nothing(gauge(r#"{"timeUnixNano":1}"#), &[("value", "NULL"), ("value_int", "NULL"), ("flags", "0")])]
#[case::stale(gauge(r#"{"timeUnixNano":1,"asDouble":0,"flags":1}"#), &[("value", "NULL"), ("flags", "1")])]
#[case::gauge_has_no_temporality(
    gauge(r#"{"timeUnixNano":1}"#),
    &[("temporality", "NULL"), ("is_monotonic", "NULL"), ("resolution", "NULL"), ("metric_type", "GAUGE")]
)]
#[case::histogram(
    histogram(r#""count":3,"bucketCounts":[1,"2"],"explicitBounds":[0.5],"sum":"NaN""#),
    &[
        ("count", "3"), ("bucket_counts", "[1, 2]"), ("explicit_bounds", "[0.5]"), ("sum", "NaN"), ("min", "NULL"),
        ("scale", "NULL"), ("temporality", "UNSPECIFIED"), ("quantiles", "NULL"),
    ]
)]
#[case::no_buckets(histogram(r#""count":3"#), &[("bucket_counts", "[]"), ("explicit_bounds", "[]")])]
#[case::one_bucket(
    histogram(r#""count":3,"bucketCounts":[3]"#),
    &[("bucket_counts", "[3]"), ("explicit_bounds", "[]")]
)]
#[case::stale_histogram(
    histogram(r#""count":3,"bucketCounts":[1,2],"flags":1"#),
    &[("count", "NULL"), ("bucket_counts", "NULL"), ("explicit_bounds", "NULL"), ("exemplars", "0 elements")]
)]
#[case::exponential(
    exponential(r#""count":3,"scale":-2,"zeroCount":1,"positive":{"offset":-1,"bucketCounts":[2]}"#),
    &[
        ("scale", "-2"), ("positive_offset", "-1"), ("positive_bucket_counts", "[2]"), ("negative_offset", "NULL"),
        ("negative_bucket_counts", "NULL"), ("zero_threshold", "0.0"),
    ]
)]
#[case::unknown_temporality(
    metrics(r#"{"sum":{"dataPoints":[{"timeUnixNano":1}],"aggregationTemporality":9,"isMonotonic":true}}"#),
    &[("temporality", "9"), ("is_monotonic", "true")]
)]
#[case::summary(
    metrics(r#"{"summary":{"dataPoints":[{"timeUnixNano":1,"quantileValues":[{"quantile":0.5,"value":7}]}]}}"#),
    &[("quantiles", "[{quantile: 0.5, value: 7.0}]"), ("sum", "0.0"), ("count", "0"), ("temporality", "NULL")]
)]
#[case::series(gauge(r#"{"timeUnixNano":1}"#), &[("series_id", "3353803235508927806")])]
fn a_point_becomes(#[case] body: String, #[case] expected: &[(&str, &str)]) {
    let batch = row(Signal::Metrics, &body);
    for (column, expected) in expected {
        assert_eq!(cell(&batch, column, 0), *expected, "{column}");
    }
}

#[rstest]
#[case::no_time(gauge(r#"{"asInt":1}"#), RejectReason::MissingTime)]
#[case::buckets(histogram(r#""bucketCounts":[1,2],"explicitBounds":[1,2]"#), RejectReason::BucketMismatch)]
#[case::bounds_alone(histogram(r#""explicitBounds":[1]"#), RejectReason::BucketMismatch)]
#[case::count(histogram(r#""count":"9223372036854775808""#), RejectReason::NumberOutOfRange)]
#[case::bucket_count(histogram(r#""bucketCounts":["9223372036854775808"]"#), RejectReason::NumberOutOfRange)]
#[case::zero_count(exponential(r#""zeroCount":"9223372036854775808""#), RejectReason::NumberOutOfRange)]
#[case::negative_bucket(
    exponential(r#""negative":{"bucketCounts":["9223372036854775808"]}"#),
    RejectReason::NumberOutOfRange
)]
#[case::start(gauge(r#"{"timeUnixNano":1,"startTimeUnixNano":"18446744073709551615"}"#), RejectReason::TimeOutOfRange)]
#[case::exemplar(
    gauge(r#"{"timeUnixNano":1,"exemplars":[{"timeUnixNano":"18446744073709551615"}]}"#),
    RejectReason::TimeOutOfRange
)]
#[case::metric_name(metrics(r#"{"name":5,"gauge":{"dataPoints":[{"timeUnixNano":1}]}}"#), RejectReason::InvalidValue)]
fn a_bad_point_is_rejected(#[case] body: String, #[case] reason: RejectReason) {
    let decoded = accept(Signal::Metrics, &body);
    let reasons: Vec<_> = decoded.report.rejections.iter().map(|rejection| rejection.reason).collect();
    assert_eq!((decoded.batch.num_rows(), reasons), (0, vec![reason]));
}

#[test]
fn a_metric_of_no_known_kind_is_counted() {
    let decoded = accept(Signal::Metrics, &metrics(r#"{"name":"a"},{"name":"b","intGauge":{}},{"gauge":{}}"#));
    assert_eq!((decoded.report.empty_metrics, decoded.report.records), (2, 0));
}

#[test]
fn entity_references_are_counted() {
    let body = r#"{"resourceLogs":[{"resource":{"entityRefs":[{"type":"host"},{"type":"service"}]}}]}"#;
    assert_eq!(accept(Signal::Logs, body).report.entity_refs, 2);
}

#[test]
fn a_bad_resource_rejects_its_own_records() {
    let group = |url: &str| format!(r#"{{"schemaUrl":{url},"scopeLogs":[{{"logRecords":[{GOOD_LOG},{GOOD_LOG}]}}]}}"#);
    let body = format!(r#"{{"resourceLogs":[{},{},{}]}}"#, group(r#""a""#), group("5"), group(r#""b""#));
    let decoded = accept(Signal::Logs, &body);
    let rejected: Vec<_> = decoded.report.rejections.iter().map(|rejection| rejection.record).collect();
    assert_eq!(rejected, [2, 3]);
    let urls: Vec<_> = (0..4).map(|row| cell(&decoded.batch, "resource_schema_url", row)).collect();
    assert_eq!(urls, ["a", "a", "b", "b"]);
}

/// Nested so many arrays deep, in a log's body.
fn nested(depth: usize) -> AnyValue {
    let wrap = |inner, _| AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![inner] })) };
    (0..depth).fold(AnyValue::default(), wrap)
}

fn nested_json(depth: usize) -> String {
    let (open, close) = (r#"{"arrayValue":{"values":["#.repeat(depth), "]}}".repeat(depth));
    format!("{open}{{}}{close}")
}

fn log_with(body: AnyValue) -> LogRecord {
    LogRecord { body: Some(body), ..LogRecord::default() }
}

fn logs_request(resource: Resource, log_records: Vec<LogRecord>) -> Vec<u8> {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let group = ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![group] }.encode_to_vec()
}

#[rstest]
#[case::deepest(64, 3)]
#[case::too_deep(65, 2)]
#[case::far_too_deep(1_000, 2)]
fn a_value_nests_so_deep_and_no_deeper(#[case] depth: usize, #[case] rows: usize) {
    let records = vec![log_with(nested(0)), log_with(nested(depth)), log_with(nested(1))];
    let proto = logs_request(Resource::default(), records);
    let json = logs(&[0, depth, 1].map(|depth| format!(r#"{{"body":{}}}"#, nested_json(depth))).join(","));
    for (encoding, body) in [(Encoding::Proto, proto.as_slice()), (Encoding::Json, json.as_bytes())] {
        let decoded = decode(Signal::Logs, encoding, body, &META).expect("the request is well-formed");
        assert_eq!(decoded.batch.num_rows(), rows);
        assert!(decoded.report.rejections.iter().all(|rejection| rejection.reason == RejectReason::TooDeep));
    }
}

/// Replaces the marker by bytes of the same length that are not UTF-8.
fn break_text(mut body: Vec<u8>, marker: &str) -> Vec<u8> {
    let at = body.windows(marker.len()).position(|window| window == marker.as_bytes()).expect("the marker is there");
    body[at] = 0xFF;
    body
}

#[rstest]
#[case::key("key-mark", 1)]
#[case::value("value-mark", 1)]
#[case::resource("resource-mark", 3)]
fn text_that_is_not_utf8_rejects_what_it_belongs_to(#[case] marker: &str, #[case] rejected: usize) {
    let attribute = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
        key_strindex: 0,
    };
    let resource = Resource { attributes: vec![attribute("r", "resource-mark")], ..Resource::default() };
    let marked = LogRecord { attributes: vec![attribute("key-mark", "value-mark")], ..LogRecord::default() };
    let records = vec![LogRecord::default(), marked, LogRecord::default()];
    let body = break_text(logs_request(resource, records), marker);
    let decoded = decode(Signal::Logs, Encoding::Proto, &body, &META).expect("the request is well-formed");
    assert_eq!(decoded.report.rejections.len(), rejected);
    assert_eq!(decoded.batch.num_rows(), 3 - rejected);
    assert!(decoded.report.rejections.iter().all(|rejection| rejection.reason == RejectReason::InvalidText));
}

#[test]
fn a_rejected_protobuf_record_can_be_cut_out() {
    let bad = LogRecord { time_unix_nano: u64::MAX, ..LogRecord::default() };
    let body = logs_request(Resource::default(), vec![LogRecord::default(), bad.clone()]);
    let decoded = decode(Signal::Logs, Encoding::Proto, &body, &META).expect("the request is well-formed");
    let [rejection] = decoded.report.rejections.as_slice() else { panic!("{:?}", decoded.report) };
    assert_eq!(LogRecord::decode(&body[rejection.bytes.clone()]).expect("a log record"), bad);
}

#[rstest]
#[case::truncated_tag(&[0x80], 0)]
#[case::field_zero(&[0x00], 0)]
#[case::unknown_wire_type(&[0x0F], 0)]
#[case::length_beyond_the_end(&[0x0A, 0x05, 0x01], 2)]
#[case::huge_length(&[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], 11)]
#[case::varint_for_a_message(&[0x08, 0x01], 1)]
#[case::end_without_group(&[0xBC, 0x3E], 2)]
#[case::endless_group(&[0xBB, 0x3E], 2)]
fn malformed_protobuf_is_refused(#[case] body: &[u8], #[case] at: usize) {
    let error = decode(Signal::Logs, Encoding::Proto, body, &META).expect_err("the request is malformed");
    assert!(matches!(error, DecodeError::Malformed { offset, .. } if offset == at), "{error}");
}

#[rstest]
#[case::nothing("", 0)]
#[case::no_object("[]", 0)]
#[case::open(r#"{"resourceLogs":["#, 17)]
#[case::no_array(r#"{"resourceLogs":{}}"#, 16)]
#[case::number_for_a_group(r#"{"resourceLogs":[5]}"#, 17)]
#[case::trailing_comma(r#"{"resourceLogs":[],}"#, 19)]
#[case::leading_zero(r#"{"x":01}"#, 5)]
#[case::bare_word(r#"{"x":Nan}"#, 5)]
#[case::bad_literal(r#"{"x":nul}"#, 5)]
#[case::control_character("{\"x\":\"\n\"}", 6)]
#[case::open_string(r#"{"x":"y\"#, 7)]
#[case::more_after_it("{} {}", 3)]
#[case::other_signal(r#"{"resourceSpans":[]}"#, 17)]
fn malformed_json_is_refused(#[case] body: &str, #[case] at: usize) {
    let error = decode(Signal::Logs, Encoding::Json, body.as_bytes(), &META).expect_err("the request is malformed");
    assert!(matches!(error, DecodeError::Malformed { offset, .. } if offset == at), "{error}");
}

#[test]
fn json_that_is_not_utf8_is_refused() {
    let error = decode(Signal::Logs, Encoding::Json, b"{\"\xFF", &META).expect_err("the request is malformed");
    assert_eq!(error.to_string(), "malformed request at byte 2: expected UTF-8");
}

#[rstest]
fn an_empty_request_has_no_rows(
    #[values(Signal::Logs, Signal::Spans, Signal::Metrics)] signal: Signal,
    #[values((Encoding::Proto, ""), (Encoding::Json, "{}"), (Encoding::Json, " { } \n"))] request: (Encoding, &str),
) {
    let decoded = decode(signal, request.0, request.1.as_bytes(), &META).expect("the request is well-formed");
    assert_eq!(decoded.batch.num_rows(), 0);
    assert_eq!(decoded.batch.schema(), telestrata::model::schema::contract_schema(signal));
}

#[test]
fn a_small_request_cannot_ask_for_much_memory() {
    let key = "k".repeat(1_000_000);
    let resource = Resource { attributes: vec![KeyValue { key, ..KeyValue::default() }], ..Resource::default() };
    let body = logs_request(resource, vec![LogRecord::default(); 2_000]);
    let error = decode(Signal::Logs, Encoding::Proto, &body, &META).expect_err("2 GB of rows");
    assert!(matches!(error, DecodeError::TooLarge), "{error}");
}

#[test]
fn the_same_request_gives_the_same_batch() {
    let body = spans(&format!(r#"{GOOD_SPAN},{{"startTimeUnixNano":"0"}},{GOOD_SPAN}"#));
    let (first, second) = (accept(Signal::Spans, &body), accept(Signal::Spans, &body));
    assert_eq!(first.batch, second.batch);
    assert_eq!(first.report, second.report);
}
