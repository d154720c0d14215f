//! Rows of the tables back to OTLP records.
//!
//! Reads record batches however they came: text as `Utf8`, `LargeUtf8` or `Utf8View`, maps and lists as decoded or
//! as Parquet and DataFusion give them. Columns are found by name, so promoted ones and another order do no harm.
//! `expected_*` give the rows that a request should become, with what the contract says is put right or lost.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prost::Message;
use telestrata::otlp::value::{AnyValue as Stored, ValueType};

/// A row: a record with the resource and scope it came from.
#[derive(Debug, Clone)]
pub struct Row<R> {
    /// `None` never: a missing resource is an empty one.
    pub resource: Resource,
    pub resource_schema_url: String,
    pub scope: InstrumentationScope,
    pub scope_schema_url: String,
    pub record: R,
}

/// By their bytes, so that NaN equals NaN.
impl<R: Message> PartialEq for Row<R> {
    fn eq(&self, other: &Self) -> bool {
        self.resource.encode_to_vec() == other.resource.encode_to_vec()
            && self.scope.encode_to_vec() == other.scope.encode_to_vec()
            && self.record.encode_to_vec() == other.record.encode_to_vec()
            && self.resource_schema_url == other.resource_schema_url
            && self.scope_schema_url == other.scope_schema_url
    }
}

/// The rows of `logs`.
pub fn logs(batch: &RecordBatch) -> Vec<Row<LogRecord>> {
    let table = Fields::of_batch(batch);
    rows(&table, |row, types| LogRecord {
        time_unix_nano: table.nanos("time", row),
        observed_time_unix_nano: table.nanos("observed_time", row),
        severity_number: table.int("severity_number", row).unwrap_or_default(),
        severity_text: table.text("severity_text", row),
        body: table.optional_text("body", row).map(|text| any_value(&text, types.body)),
        attributes: table.attributes("attributes", row, &types.attributes),
        dropped_attributes_count: table.unsigned("dropped_attributes_count", row),
        flags: table.unsigned("flags", row),
        trace_id: table.id("trace_id", row),
        span_id: table.id("span_id", row),
        event_name: table.text("event_name", row),
    })
}

/// The rows of `spans`.
pub fn spans(batch: &RecordBatch) -> Vec<Row<Span>> {
    let table = Fields::of_batch(batch);
    let events = |row| {
        let event = |fields: &Fields, at| Event {
            time_unix_nano: fields.nanos("time", at),
            name: fields.text("name", at),
            attributes: fields.attributes("attributes", at, &fields.types(at).attributes),
            dropped_attributes_count: fields.unsigned("dropped_attributes_count", at),
        };
        table.structs("events", row, event).unwrap_or_default()
    };
    let links = |row| {
        let link = |fields: &Fields, at| Link {
            trace_id: fields.id("trace_id", at),
            span_id: fields.id("span_id", at),
            trace_state: fields.text("trace_state", at),
            attributes: fields.attributes("attributes", at, &fields.types(at).attributes),
            dropped_attributes_count: fields.unsigned("dropped_attributes_count", at),
            flags: fields.unsigned("flags", at),
        };
        table.structs("links", row, link).unwrap_or_default()
    };
    rows(&table, |row, types| {
        let start = table.nanos("time", row);
        let end = table.long("duration_nano", row).map(|duration| start.wrapping_add_signed(duration));
        Span {
            trace_id: table.id("trace_id", row),
            span_id: table.id("span_id", row),
            parent_span_id: table.id("parent_span_id", row),
            trace_state: table.text("trace_state", row),
            flags: table.unsigned("flags", row),
            name: table.text("name", row),
            kind: table.enumeration("kind", row, KINDS).unwrap_or_default(),
            start_time_unix_nano: start,
            end_time_unix_nano: end.unwrap_or_default(),
            attributes: table.attributes("attributes", row, &types.attributes),
            dropped_attributes_count: table.unsigned("dropped_attributes_count", row),
            events: events(row),
            dropped_events_count: table.unsigned("dropped_events_count", row),
            links: links(row),
            dropped_links_count: table.unsigned("dropped_links_count", row),
            status: Some(Status {
                message: table.text("status_message", row),
                code: table.enumeration("status_code", row, STATUS_CODES).unwrap_or_default(),
            }),
        }
    })
}

/// The rows of `metrics`: each a metric with one data point.
pub fn metrics(batch: &RecordBatch) -> Vec<Row<Metric>> {
    let table = Fields::of_batch(batch);
    rows(&table, |row, types| {
        let attributes = table.attributes("attributes", row, &types.attributes);
        let exemplars = exemplars(&table, row);
        let (start_time_unix_nano, time_unix_nano) = (table.nanos("start_time", row), table.nanos("time", row));
        let flags = table.unsigned("flags", row);
        let count = table.long("count", row).unwrap_or_default() as u64;
        let (sum, min, max) = (table.double("sum", row), table.double("min", row), table.double("max", row));
        let aggregation_temporality = table.enumeration("temporality", row, TEMPORALITIES).unwrap_or_default();
        let value = number(&table, row);
        let number_point = |attributes, exemplars| {
            let value = value.map(|value| match value {
                Number::Double(value) => number_data_point::Value::AsDouble(value),
                Number::Int(value) => number_data_point::Value::AsInt(value),
            });
            vec![NumberDataPoint { attributes, start_time_unix_nano, time_unix_nano, exemplars, flags, value }]
        };
        let data = match table.text("metric_type", row).as_str() {
            "GAUGE" => Data::Gauge(Gauge { data_points: number_point(attributes, exemplars) }),
            "SUM" => Data::Sum(Sum {
                data_points: number_point(attributes, exemplars),
                aggregation_temporality,
                is_monotonic: table.boolean("is_monotonic", row).expect("a sum is monotonic or not"),
            }),
            "HISTOGRAM" => Data::Histogram(Histogram {
                data_points: vec![HistogramDataPoint {
                    attributes,
                    start_time_unix_nano,
                    time_unix_nano,
                    count,
                    sum,
                    bucket_counts: table.longs("bucket_counts", row).unwrap_or_default(),
                    explicit_bounds: table.doubles("explicit_bounds", row).unwrap_or_default(),
                    exemplars,
                    flags,
                    min,
                    max,
                }],
                aggregation_temporality,
            }),
            "EXPONENTIAL_HISTOGRAM" => Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![ExponentialHistogramDataPoint {
                    attributes,
                    start_time_unix_nano,
                    time_unix_nano,
                    count,
                    sum,
                    scale: table.int("scale", row).unwrap_or_default(),
                    zero_count: table.long("zero_count", row).unwrap_or_default() as u64,
                    positive: buckets(&table, row, "positive_offset", "positive_bucket_counts"),
                    negative: buckets(&table, row, "negative_offset", "negative_bucket_counts"),
                    flags,
                    exemplars,
                    min,
                    max,
                    zero_threshold: table.double("zero_threshold", row).unwrap_or_default(),
                }],
                aggregation_temporality,
            }),
            "SUMMARY" => Data::Summary(Summary {
                data_points: vec![SummaryDataPoint {
                    attributes,
                    start_time_unix_nano,
                    time_unix_nano,
                    count,
                    sum: sum.unwrap_or_default(),
                    quantile_values: quantiles(&table, row),
                    flags,
                }],
            }),
            other => panic!("metric type {other}"),
        };
        Metric {
            name: table.text("metric_name", row),
            description: table.text("description", row),
            unit: table.text("unit", row),
            metadata: table.attributes("metric_metadata", row, &types.metadata),
            data: Some(data),
        }
    })
}

/// The rows that a logs request should become.
pub fn expected_logs(request: &ExportLogsServiceRequest, ingest_time_nanos: u64) -> Vec<Row<LogRecord>> {
    let mut rows = Vec::new();
    for group in &request.resource_logs {
        for scope in &group.scope_logs {
            for record in &scope.log_records {
                let record = LogRecord {
                    time_unix_nano: [record.time_unix_nano, record.observed_time_unix_nano]
                        .into_iter()
                        .find(|time| *time != 0)
                        .unwrap_or(ingest_time_nanos),
                    attributes: normal_attributes(&record.attributes),
                    body: record.body.as_ref().map(normal_value),
                    flags: record.flags & 0xFF,
                    trace_id: normal_id(&record.trace_id, 16),
                    span_id: normal_id(&record.span_id, 8),
                    ..record.clone()
                };
                rows.push(expected_row(&group.resource, &group.schema_url, &scope.scope, &scope.schema_url, record));
            }
        }
    }
    rows
}

/// The rows that a spans request should become.
pub fn expected_spans(request: &ExportTraceServiceRequest) -> Vec<Row<Span>> {
    let mut rows = Vec::new();
    for group in &request.resource_spans {
        for scope in &group.scope_spans {
            for span in &scope.spans {
                let span = normal_span(span);
                rows.push(expected_row(&group.resource, &group.schema_url, &scope.scope, &scope.schema_url, span));
            }
        }
    }
    rows
}

/// The rows that a metrics request should become.
pub fn expected_metrics(request: &ExportMetricsServiceRequest) -> Vec<Row<Metric>> {
    let mut rows = Vec::new();
    for group in &request.resource_metrics {
        for scope in &group.scope_metrics {
            for metric in scope.metrics.iter().flat_map(one_point_metrics) {
                rows.push(expected_row(&group.resource, &group.schema_url, &scope.scope, &scope.schema_url, metric));
            }
        }
    }
    rows
}

fn expected_row<R>(
    resource: &Option<Resource>,
    resource_schema_url: &str,
    scope: &Option<InstrumentationScope>,
    scope_schema_url: &str,
    record: R,
) -> Row<R> {
    let (resource, scope) = (resource.clone().unwrap_or_default(), scope.clone().unwrap_or_default());
    Row {
        resource: Resource { attributes: normal_attributes(&resource.attributes), entity_refs: Vec::new(), ..resource },
        resource_schema_url: resource_schema_url.to_owned(),
        scope: InstrumentationScope { attributes: normal_attributes(&scope.attributes), ..scope },
        scope_schema_url: scope_schema_url.to_owned(),
        record,
    }
}

/// Keys ascending, the last of equal ones, no value as an empty one.
fn normal_attributes(attributes: &[KeyValue]) -> Vec<KeyValue> {
    let last: BTreeMap<&str, &Option<AnyValue>> =
        attributes.iter().map(|attribute| (attribute.key.as_str(), &attribute.value)).collect();
    let entry = |(key, value): (&str, &Option<AnyValue>)| KeyValue {
        key: key.to_owned(),
        value: Some(value.as_ref().map(normal_value).unwrap_or_default()),
        key_strindex: 0,
    };
    last.into_iter().map(entry).collect()
}

/// In nested maps everything is kept; no value becomes an empty one.
fn normal_value(value: &AnyValue) -> AnyValue {
    let value = match &value.value {
        Some(Any::ArrayValue(array)) => {
            Some(Any::ArrayValue(ArrayValue { values: array.values.iter().map(normal_value).collect() }))
        }
        Some(Any::KvlistValue(map)) => {
            let entry = |entry: &KeyValue| KeyValue {
                key: entry.key.clone(),
                value: Some(entry.value.as_ref().map(normal_value).unwrap_or_default()),
                key_strindex: 0,
            };
            Some(Any::KvlistValue(KeyValueList { values: map.values.iter().map(entry).collect() }))
        }
        Some(Any::StringValueStrindex(_)) => None,
        other => other.clone(),
    };
    AnyValue { value }
}

fn normal_id(id: &[u8], bytes: usize) -> Vec<u8> {
    if id.len() == bytes && id.iter().any(|byte| *byte != 0) { id.to_vec() } else { Vec::new() }
}

fn normal_span(span: &Span) -> Span {
    Span {
        trace_id: normal_id(&span.trace_id, 16),
        span_id: normal_id(&span.span_id, 8),
        parent_span_id: normal_id(&span.parent_span_id, 8),
        attributes: normal_attributes(&span.attributes),
        events: span
            .events
            .iter()
            .map(|event| Event { attributes: normal_attributes(&event.attributes), ..event.clone() })
            .collect(),
        links: span
            .links
            .iter()
            .map(|link| Link {
                trace_id: normal_id(&link.trace_id, 16),
                span_id: normal_id(&link.span_id, 8),
                attributes: normal_attributes(&link.attributes),
                ..link.clone()
            })
            .collect(),
        status: Some(span.status.clone().unwrap_or_default()),
        ..span.clone()
    }
}

/// A metric's points, each in a metric of its own.
fn one_point_metrics(metric: &Metric) -> Vec<Metric> {
    let with = |data| Metric { metadata: normal_attributes(&metric.metadata), data: Some(data), ..metric.clone() };
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(gauge)) => gauge
            .data_points
            .iter()
            .map(|point| with(Data::Gauge(Gauge { data_points: vec![normal_number_point(point)] })))
            .collect(),
        Some(Data::Sum(sum)) => sum
            .data_points
            .iter()
            .map(|point| with(Data::Sum(Sum { data_points: vec![normal_number_point(point)], ..sum.clone() })))
            .collect(),
        Some(Data::Histogram(histogram)) => histogram
            .data_points
            .iter()
            .map(|point| {
                let data_points = vec![normal_histogram_point(point)];
                with(Data::Histogram(Histogram { data_points, ..histogram.clone() }))
            })
            .collect(),
        Some(Data::ExponentialHistogram(histogram)) => histogram
            .data_points
            .iter()
            .map(|point| {
                let data_points = vec![normal_exponential_point(point)];
                with(Data::ExponentialHistogram(ExponentialHistogram { data_points, ..histogram.clone() }))
            })
            .collect(),
        Some(Data::Summary(summary)) => summary
            .data_points
            .iter()
            .map(|point| with(Data::Summary(Summary { data_points: vec![normal_summary_point(point)] })))
            .collect(),
    }
}

fn no_recorded_value(flags: u32) -> bool {
    flags & 1 == 1
}

fn normal_exemplars(exemplars: &[Exemplar]) -> Vec<Exemplar> {
    let normal = |exemplar: &Exemplar| Exemplar {
        filtered_attributes: normal_attributes(&exemplar.filtered_attributes),
        trace_id: normal_id(&exemplar.trace_id, 16),
        span_id: normal_id(&exemplar.span_id, 8),
        ..exemplar.clone()
    };
    exemplars.iter().map(normal).collect()
}

fn normal_number_point(point: &NumberDataPoint) -> NumberDataPoint {
    NumberDataPoint {
        attributes: normal_attributes(&point.attributes),
        exemplars: normal_exemplars(&point.exemplars),
        value: point.value.filter(|_| !no_recorded_value(point.flags)),
        ..point.clone()
    }
}

fn normal_histogram_point(point: &HistogramDataPoint) -> HistogramDataPoint {
    let attributes = normal_attributes(&point.attributes);
    let exemplars = normal_exemplars(&point.exemplars);
    if no_recorded_value(point.flags) {
        let (flags, time_unix_nano) = (point.flags, point.time_unix_nano);
        let start_time_unix_nano = point.start_time_unix_nano;
        HistogramDataPoint { attributes, exemplars, flags, time_unix_nano, start_time_unix_nano, ..Default::default() }
    } else {
        HistogramDataPoint { attributes, exemplars, ..point.clone() }
    }
}

fn normal_exponential_point(point: &ExponentialHistogramDataPoint) -> ExponentialHistogramDataPoint {
    let attributes = normal_attributes(&point.attributes);
    let exemplars = normal_exemplars(&point.exemplars);
    if no_recorded_value(point.flags) {
        ExponentialHistogramDataPoint {
            attributes,
            exemplars,
            flags: point.flags,
            time_unix_nano: point.time_unix_nano,
            start_time_unix_nano: point.start_time_unix_nano,
            ..Default::default()
        }
    } else {
        ExponentialHistogramDataPoint { attributes, exemplars, ..point.clone() }
    }
}

fn normal_summary_point(point: &SummaryDataPoint) -> SummaryDataPoint {
    let attributes = normal_attributes(&point.attributes);
    if no_recorded_value(point.flags) {
        SummaryDataPoint {
            attributes,
            flags: point.flags,
            time_unix_nano: point.time_unix_nano,
            start_time_unix_nano: point.start_time_unix_nano,
            ..Default::default()
        }
    } else {
        SummaryDataPoint { attributes, ..point.clone() }
    }
}

const KINDS: &[&str] = &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUS_CODES: &[&str] = &["UNSET", "OK", "ERROR"];
const TEMPORALITIES: &[&str] = &["UNSPECIFIED", "DELTA", "CUMULATIVE"];

fn rows<R>(table: &Fields, record: impl Fn(usize, &Types) -> R) -> Vec<Row<R>> {
    let row = |row| {
        let types = table.types(row);
        Row {
            resource: Resource {
                attributes: table.attributes("resource_attributes", row, &types.resource),
                dropped_attributes_count: table.unsigned("resource_dropped_attributes_count", row),
                entity_refs: Vec::new(),
            },
            resource_schema_url: table.text("resource_schema_url", row),
            scope: InstrumentationScope {
                name: table.text("scope_name", row),
                version: table.text("scope_version", row),
                attributes: table.attributes("scope_attributes", row, &types.scope),
                dropped_attributes_count: table.unsigned("scope_dropped_attributes_count", row),
            },
            scope_schema_url: table.text("scope_schema_url", row),
            record: record(row, &types),
        }
    };
    (0..table.rows).map(row).collect()
}

#[derive(Clone, Copy)]
enum Number {
    Double(f64),
    Int(i64),
}

fn number(fields: &Fields, row: usize) -> Option<Number> {
    let value = fields.double("value", row);
    match fields.long("value_int", row) {
        Some(int) => {
            assert_eq!(value, Some(int as f64), "value is value_int as a double");
            Some(Number::Int(int))
        }
        None => value.map(Number::Double),
    }
}

fn exemplars(table: &Fields, row: usize) -> Vec<Exemplar> {
    let exemplar = |fields: &Fields, at| Exemplar {
        filtered_attributes: fields.attributes("attributes", at, &fields.types(at).attributes),
        time_unix_nano: fields.nanos("time", at),
        span_id: fields.id("span_id", at),
        trace_id: fields.id("trace_id", at),
        value: number(fields, at).map(|value| match value {
            Number::Double(value) => exemplar::Value::AsDouble(value),
            Number::Int(value) => exemplar::Value::AsInt(value),
        }),
    };
    table.structs("exemplars", row, exemplar).unwrap_or_default()
}

fn quantiles(table: &Fields, row: usize) -> Vec<ValueAtQuantile> {
    let quantile = |fields: &Fields, at| ValueAtQuantile {
        quantile: fields.double("quantile", at).expect("a quantile"),
        value: fields.double("value", at).expect("a value"),
    };
    table.structs("quantiles", row, quantile).unwrap_or_default()
}

fn buckets(table: &Fields, row: usize, offset: &str, counts: &str) -> Option<Buckets> {
    let offset = table.int(offset, row);
    let bucket_counts = table.longs(counts, row);
    assert_eq!(offset.is_some(), bucket_counts.is_some(), "offset and counts go together");
    Some(Buckets { offset: offset?, bucket_counts: bucket_counts? })
}

/// A row's `value_types`, taken apart.
#[derive(Default)]
struct Types {
    attributes: BTreeMap<String, ValueType>,
    body: ValueTypeOrString,
    metadata: BTreeMap<String, ValueType>,
    resource: BTreeMap<String, ValueType>,
    scope: BTreeMap<String, ValueType>,
}

type ValueTypeOrString = Option<ValueType>;

impl Types {
    fn parse(text: &str) -> Self {
        let letter = |letter: &serde_json::Value| {
            let letter = letter.as_str().and_then(|text| text.parse().ok()).expect("one letter");
            ValueType::from_letter(letter).expect("a letter that is known")
        };
        let map = |part: &serde_json::Value| {
            let object = part.as_object().expect("a part is an object");
            assert!(!object.is_empty(), "an empty part is left out");
            object.iter().map(|(key, value)| (key.clone(), letter(value))).collect()
        };
        let parts: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).expect("value_types is JSON");
        assert!(!parts.is_empty(), "value_types is NULL where all are strings");
        let mut types = Self::default();
        for (name, part) in &parts {
            match name.as_str() {
                "a" => types.attributes = map(part),
                "b" => types.body = Some(letter(part)),
                "m" => types.metadata = map(part),
                "r" => types.resource = map(part),
                "s" => types.scope = map(part),
                other => panic!("part {other} of value_types"),
            }
        }
        types
    }
}

fn any_value(text: &str, value_type: ValueTypeOrString) -> AnyValue {
    let value = Stored::from_text(text, value_type.unwrap_or(ValueType::String)).expect("the text is of its type");
    proto_value(value)
}

fn proto_value(value: Stored) -> AnyValue {
    let value = match value {
        Stored::Empty => None,
        Stored::String(value) => Some(Any::StringValue(value)),
        Stored::Int(value) => Some(Any::IntValue(value)),
        Stored::Double(value) => Some(Any::DoubleValue(value)),
        Stored::Bool(value) => Some(Any::BoolValue(value)),
        Stored::Bytes(value) => Some(Any::BytesValue(value)),
        Stored::Array(values) => {
            Some(Any::ArrayValue(ArrayValue { values: values.into_iter().map(proto_value).collect() }))
        }
        Stored::Map(entries) => {
            let entry = |(key, value)| KeyValue { key, value: Some(proto_value(value)), key_strindex: 0 };
            Some(Any::KvlistValue(KeyValueList { values: entries.into_iter().map(entry).collect() }))
        }
    };
    AnyValue { value }
}

/// Columns of a table or fields of a struct by name, text cast to `Utf8`.
struct Fields {
    rows: usize,
    columns: BTreeMap<String, ArrayRef>,
}

impl Fields {
    fn of_batch(batch: &RecordBatch) -> Self {
        let schema = batch.schema();
        let names = schema.fields().iter().map(|field| field.name().clone());
        let columns = names.zip(batch.columns().iter().map(plain_text)).collect();
        Self { rows: batch.num_rows(), columns }
    }

    fn of_struct(array: &StructArray) -> Self {
        let names = array.fields().iter().map(|field| field.name().clone());
        Self { rows: array.len(), columns: names.zip(array.columns().iter().map(plain_text)).collect() }
    }

    fn column(&self, name: &str) -> &ArrayRef {
        self.columns.get(name).unwrap_or_else(|| panic!("no column {name}"))
    }

    fn present(&self, name: &str, row: usize) -> Option<&ArrayRef> {
        Some(self.column(name)).filter(|column| column.is_valid(row))
    }

    fn optional_text(&self, name: &str, row: usize) -> Option<String> {
        self.present(name, row).map(|column| column.as_string::<i32>().value(row).to_owned())
    }

    fn text(&self, name: &str, row: usize) -> String {
        self.optional_text(name, row).unwrap_or_default()
    }

    fn long(&self, name: &str, row: usize) -> Option<i64> {
        self.present(name, row).map(|column| column.as_primitive::<Int64Type>().value(row))
    }

    fn unsigned(&self, name: &str, row: usize) -> u32 {
        self.long(name, row).map(|value| value.try_into().expect("32 bits")).unwrap_or_default()
    }

    fn int(&self, name: &str, row: usize) -> Option<i32> {
        self.present(name, row).map(|column| column.as_primitive::<Int32Type>().value(row))
    }

    fn double(&self, name: &str, row: usize) -> Option<f64> {
        self.present(name, row).map(|column| column.as_primitive::<Float64Type>().value(row))
    }

    fn boolean(&self, name: &str, row: usize) -> Option<bool> {
        self.present(name, row).map(|column| column.as_boolean().value(row))
    }

    /// A time and its `_nanos`, 0 where it is NULL.
    fn nanos(&self, name: &str, row: usize) -> u64 {
        let micros = self.present(name, row).map(|column| column.as_primitive::<TimestampMicrosecondType>().value(row));
        let nanos = self.present(&format!("{name}_nanos"), row);
        let nanos = nanos.map(|column| column.as_primitive::<Int16Type>().value(row));
        assert_eq!(micros.is_some(), nanos.is_some(), "{name} and its nanoseconds go together");
        let (micros, nanos) = (micros.unwrap_or_default(), nanos.unwrap_or_default());
        assert!((0..1_000).contains(&nanos), "{name}_nanos is {nanos}");
        u64::try_from(micros).expect("not before 1970") * 1_000 + nanos as u64
    }

    fn id(&self, name: &str, row: usize) -> Vec<u8> {
        let text = self.text(name, row);
        assert_eq!(text, text.to_lowercase(), "{name} is lower case");
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
        (0..text.len()).step_by(2).map(byte).collect()
    }

    fn enumeration(&self, name: &str, row: usize, names: &[&str]) -> Option<i32> {
        let text = self.optional_text(name, row)?;
        let known = names.iter().position(|known| *known == text).map(|number| number as i32);
        Some(known.unwrap_or_else(|| text.parse().expect("a name or digits")))
    }

    fn types(&self, row: usize) -> Types {
        self.optional_text("value_types", row).map(|text| Types::parse(&text)).unwrap_or_default()
    }

    fn attributes(&self, name: &str, row: usize, types: &BTreeMap<String, ValueType>) -> Vec<KeyValue> {
        let column = self.column(name);
        assert!(column.is_valid(row), "{name} is never NULL");
        let map: &MapArray = column.as_map();
        let entries = map.value(row);
        let (keys, values) = (plain_text(entries.column(0)), plain_text(entries.column(1)));
        let (keys, values) = (keys.as_string::<i32>(), values.as_string::<i32>());
        let entry = |(key, value): (Option<&str>, Option<&str>)| {
            let (key, value) = (key.expect("a key"), value.expect("a value"));
            let value = any_value(value, types.get(key).copied());
            KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }
        };
        let attributes: Vec<KeyValue> = keys.iter().zip(values).map(entry).collect();
        let ascending = attributes.windows(2).all(|pair| pair[0].key < pair[1].key);
        assert!(ascending, "the keys of {name} ascend");
        assert!(types.keys().all(|key| attributes.iter().any(|attribute| attribute.key == *key)), "types of {name}");
        attributes
    }

    fn list(&self, name: &str, row: usize) -> Option<ArrayRef> {
        let column = self.present(name, row)?;
        let list: &ListArray = column.as_list();
        Some(list.value(row))
    }

    fn structs<R>(&self, name: &str, row: usize, element: impl Fn(&Self, usize) -> R) -> Option<Vec<R>> {
        let list = self.list(name, row)?;
        let fields = Self::of_struct(list.as_struct());
        Some((0..fields.rows).map(|at| element(&fields, at)).collect())
    }

    fn doubles(&self, name: &str, row: usize) -> Option<Vec<f64>> {
        self.list(name, row).map(|list| list.as_primitive::<Float64Type>().values().to_vec())
    }

    fn longs(&self, name: &str, row: usize) -> Option<Vec<u64>> {
        let unsigned = |value: &i64| u64::try_from(*value).expect("a count");
        self.list(name, row).map(|list| list.as_primitive::<Int64Type>().values().iter().map(unsigned).collect())
    }
}

/// Text in any of Arrow's layouts as `Utf8`; large lists as lists.
fn plain_text(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(_, _) => {
            cast(array, &DataType::Utf8).expect("text is cast to text")
        }
        DataType::LargeList(element) => {
            cast(array, &DataType::List(element.clone())).expect("a large list is cast to a list")
        }
        _ => ArrayRef::clone(array),
    }
}
