//! The OTLP messages as data: each field's number, its JSON name and its proto name.
//!
//! opentelemetry-proto 1.11. A message's reader switches on the numbers, whichever the encoding: the protobuf reader
//! finds them in the bytes, the JSON reader looks names up here. Deprecated and profiles-only fields are left out, so
//! they are skipped like unknown ones.

/// One field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) json: &'static str,
    pub(crate) name: &'static str,
}

/// The fields of a message.
pub(crate) type Fields = [Field];

/// The messages around a signal's records. The three signals' ones differ in names only.
#[derive(Debug)]
pub(crate) struct Frame {
    /// `Export*ServiceRequest`.
    pub(crate) request: &'static Fields,
    /// `ResourceLogs`, `ResourceSpans`, `ResourceMetrics`.
    pub(crate) resource_group: &'static Fields,
    /// `ScopeLogs`, `ScopeSpans`, `ScopeMetrics`.
    pub(crate) scope_group: &'static Fields,
}

/// The field numbers of a [`Frame`]'s messages.
pub(crate) mod frame {
    pub(crate) const RESOURCE_GROUPS: u32 = 1;
    /// No protobuf field has the number 0: what JSON names so is a field of another signal's request.
    pub(crate) const OTHER_SIGNAL: u32 = 0;
    pub(crate) const RESOURCE: u32 = 1;
    pub(crate) const SCOPE_GROUPS: u32 = 2;
    pub(crate) const SCOPE: u32 = 1;
    pub(crate) const ITEMS: u32 = 2;
    pub(crate) const SCHEMA_URL: u32 = 3;
}

const fn field(number: u32, json: &'static str, name: &'static str) -> Field {
    Field { number, json, name }
}

pub(crate) const LOGS: Frame = Frame {
    request: &[
        field(frame::RESOURCE_GROUPS, "resourceLogs", "resource_logs"),
        field(frame::OTHER_SIGNAL, "resourceSpans", "resource_spans"),
        field(frame::OTHER_SIGNAL, "resourceMetrics", "resource_metrics"),
    ],
    resource_group: &[
        field(frame::RESOURCE, "resource", "resource"),
        field(frame::SCOPE_GROUPS, "scopeLogs", "scope_logs"),
        field(frame::SCHEMA_URL, "schemaUrl", "schema_url"),
    ],
    scope_group: &[
        field(frame::SCOPE, "scope", "scope"),
        field(frame::ITEMS, "logRecords", "log_records"),
        field(frame::SCHEMA_URL, "schemaUrl", "schema_url"),
    ],
};

pub(crate) const SPANS: Frame = Frame {
    request: &[
        field(frame::RESOURCE_GROUPS, "resourceSpans", "resource_spans"),
        field(frame::OTHER_SIGNAL, "resourceLogs", "resource_logs"),
        field(frame::OTHER_SIGNAL, "resourceMetrics", "resource_metrics"),
    ],
    resource_group: &[
        field(frame::RESOURCE, "resource", "resource"),
        field(frame::SCOPE_GROUPS, "scopeSpans", "scope_spans"),
        field(frame::SCHEMA_URL, "schemaUrl", "schema_url"),
    ],
    scope_group: &[
        field(frame::SCOPE, "scope", "scope"),
        field(frame::ITEMS, "spans", "spans"),
        field(frame::SCHEMA_URL, "schemaUrl", "schema_url"),
    ],
};

pub(crate) const METRICS: Frame = Frame {
    request: &[
        field(frame::RESOURCE_GROUPS, "resourceMetrics", "resource_metrics"),
        field(frame::OTHER_SIGNAL, "resourceLogs", "resource_logs"),
        field(frame::OTHER_SIGNAL, "resourceSpans", "resource_spans"),
    ],
    resource_group: &[
        field(frame::RESOURCE, "resource", "resource"),
        field(frame::SCOPE_GROUPS, "scopeMetrics", "scope_metrics"),
        field(frame::SCHEMA_URL, "schemaUrl", "schema_url"),
    ],
    scope_group: &[
        field(frame::SCOPE, "scope", "scope"),
        field(frame::ITEMS, "metrics", "metrics"),
        field(frame::SCHEMA_URL, "schemaUrl", "schema_url"),
    ],
};

macro_rules! messages {
    ($($message:ident { $($field:ident = $number:literal, $json:literal, $name:literal;)* })*) => {
        $(pub(crate) mod $message {
            use super::{Field, Fields};
            $(pub(crate) const $field: u32 = $number;)*
            pub(crate) const FIELDS: &Fields = &[$(Field { number: $number, json: $json, name: $name }),*];
        })*
    };
}

messages! {
    resource {
        ATTRIBUTES = 1, "attributes", "attributes";
        DROPPED_ATTRIBUTES_COUNT = 2, "droppedAttributesCount", "dropped_attributes_count";
        ENTITY_REFS = 3, "entityRefs", "entity_refs";
    }
    scope {
        NAME = 1, "name", "name";
        VERSION = 2, "version", "version";
        ATTRIBUTES = 3, "attributes", "attributes";
        DROPPED_ATTRIBUTES_COUNT = 4, "droppedAttributesCount", "dropped_attributes_count";
    }

    key_value {
        KEY = 1, "key", "key";
        VALUE = 2, "value", "value";
    }
    any_value {
        STRING = 1, "stringValue", "string_value";
        BOOL = 2, "boolValue", "bool_value";
        INT = 3, "intValue", "int_value";
        DOUBLE = 4, "doubleValue", "double_value";
        ARRAY = 5, "arrayValue", "array_value";
        KVLIST = 6, "kvlistValue", "kvlist_value";
        BYTES = 7, "bytesValue", "bytes_value";
    }
    value_list { VALUES = 1, "values", "values"; }

    log_record {
        TIME_UNIX_NANO = 1, "timeUnixNano", "time_unix_nano";
        SEVERITY_NUMBER = 2, "severityNumber", "severity_number";
        SEVERITY_TEXT = 3, "severityText", "severity_text";
        BODY = 5, "body", "body";
        ATTRIBUTES = 6, "attributes", "attributes";
        DROPPED_ATTRIBUTES_COUNT = 7, "droppedAttributesCount", "dropped_attributes_count";
        FLAGS = 8, "flags", "flags";
        TRACE_ID = 9, "traceId", "trace_id";
        SPAN_ID = 10, "spanId", "span_id";
        OBSERVED_TIME_UNIX_NANO = 11, "observedTimeUnixNano", "observed_time_unix_nano";
        EVENT_NAME = 12, "eventName", "event_name";
    }

    span {
        TRACE_ID = 1, "traceId", "trace_id";
        SPAN_ID = 2, "spanId", "span_id";
        TRACE_STATE = 3, "traceState", "trace_state";
        PARENT_SPAN_ID = 4, "parentSpanId", "parent_span_id";
        NAME = 5, "name", "name";
        KIND = 6, "kind", "kind";
        START_TIME_UNIX_NANO = 7, "startTimeUnixNano", "start_time_unix_nano";
        END_TIME_UNIX_NANO = 8, "endTimeUnixNano", "end_time_unix_nano";
        ATTRIBUTES = 9, "attributes", "attributes";
        DROPPED_ATTRIBUTES_COUNT = 10, "droppedAttributesCount", "dropped_attributes_count";
        EVENTS = 11, "events", "events";
        DROPPED_EVENTS_COUNT = 12, "droppedEventsCount", "dropped_events_count";
        LINKS = 13, "links", "links";
        DROPPED_LINKS_COUNT = 14, "droppedLinksCount", "dropped_links_count";
        STATUS = 15, "status", "status";
        FLAGS = 16, "flags", "flags";
    }
    event {
        TIME_UNIX_NANO = 1, "timeUnixNano", "time_unix_nano";
        NAME = 2, "name", "name";
        ATTRIBUTES = 3, "attributes", "attributes";
        DROPPED_ATTRIBUTES_COUNT = 4, "droppedAttributesCount", "dropped_attributes_count";
    }
    link {
        TRACE_ID = 1, "traceId", "trace_id";
        SPAN_ID = 2, "spanId", "span_id";
        TRACE_STATE = 3, "traceState", "trace_state";
        ATTRIBUTES = 4, "attributes", "attributes";
        DROPPED_ATTRIBUTES_COUNT = 5, "droppedAttributesCount", "dropped_attributes_count";
        FLAGS = 6, "flags", "flags";
    }
    status {
        MESSAGE = 2, "message", "message";
        CODE = 3, "code", "code";
    }

    metric {
        NAME = 1, "name", "name";
        DESCRIPTION = 2, "description", "description";
        UNIT = 3, "unit", "unit";
        GAUGE = 5, "gauge", "gauge";
        SUM = 7, "sum", "sum";
        HISTOGRAM = 9, "histogram", "histogram";
        EXPONENTIAL_HISTOGRAM = 10, "exponentialHistogram", "exponential_histogram";
        SUMMARY = 11, "summary", "summary";
        METADATA = 12, "metadata", "metadata";
    }
    metric_data {
        DATA_POINTS = 1, "dataPoints", "data_points";
        AGGREGATION_TEMPORALITY = 2, "aggregationTemporality", "aggregation_temporality";
        IS_MONOTONIC = 3, "isMonotonic", "is_monotonic";
    }
    number_data_point {
        START_TIME_UNIX_NANO = 2, "startTimeUnixNano", "start_time_unix_nano";
        TIME_UNIX_NANO = 3, "timeUnixNano", "time_unix_nano";
        AS_DOUBLE = 4, "asDouble", "as_double";
        EXEMPLARS = 5, "exemplars", "exemplars";
        AS_INT = 6, "asInt", "as_int";
        ATTRIBUTES = 7, "attributes", "attributes";
        FLAGS = 8, "flags", "flags";
    }
    histogram_data_point {
        START_TIME_UNIX_NANO = 2, "startTimeUnixNano", "start_time_unix_nano";
        TIME_UNIX_NANO = 3, "timeUnixNano", "time_unix_nano";
        COUNT = 4, "count", "count";
        SUM = 5, "sum", "sum";
        BUCKET_COUNTS = 6, "bucketCounts", "bucket_counts";
        EXPLICIT_BOUNDS = 7, "explicitBounds", "explicit_bounds";
        EXEMPLARS = 8, "exemplars", "exemplars";
        ATTRIBUTES = 9, "attributes", "attributes";
        FLAGS = 10, "flags", "flags";
        MIN = 11, "min", "min";
        MAX = 12, "max", "max";
    }
    exponential_histogram_data_point {
        ATTRIBUTES = 1, "attributes", "attributes";
        START_TIME_UNIX_NANO = 2, "startTimeUnixNano", "start_time_unix_nano";
        TIME_UNIX_NANO = 3, "timeUnixNano", "time_unix_nano";
        COUNT = 4, "count", "count";
        SUM = 5, "sum", "sum";
        SCALE = 6, "scale", "scale";
        ZERO_COUNT = 7, "zeroCount", "zero_count";
        POSITIVE = 8, "positive", "positive";
        NEGATIVE = 9, "negative", "negative";
        FLAGS = 10, "flags", "flags";
        EXEMPLARS = 11, "exemplars", "exemplars";
        MIN = 12, "min", "min";
        MAX = 13, "max", "max";
        ZERO_THRESHOLD = 14, "zeroThreshold", "zero_threshold";
    }
    buckets {
        OFFSET = 1, "offset", "offset";
        BUCKET_COUNTS = 2, "bucketCounts", "bucket_counts";
    }
    summary_data_point {
        START_TIME_UNIX_NANO = 2, "startTimeUnixNano", "start_time_unix_nano";
        TIME_UNIX_NANO = 3, "timeUnixNano", "time_unix_nano";
        COUNT = 4, "count", "count";
        SUM = 5, "sum", "sum";
        QUANTILE_VALUES = 6, "quantileValues", "quantile_values";
        ATTRIBUTES = 7, "attributes", "attributes";
        FLAGS = 8, "flags", "flags";
    }
    quantile_value {
        QUANTILE = 1, "quantile", "quantile";
        VALUE = 2, "value", "value";
    }
    exemplar {
        TIME_UNIX_NANO = 2, "timeUnixNano", "time_unix_nano";
        AS_DOUBLE = 3, "asDouble", "as_double";
        SPAN_ID = 4, "spanId", "span_id";
        TRACE_ID = 5, "traceId", "trace_id";
        AS_INT = 6, "asInt", "as_int";
        FILTERED_ATTRIBUTES = 7, "filteredAttributes", "filtered_attributes";
    }
}

/// An enum of OTLP: how the contract writes its values, and how their names begin in proto.
#[derive(Debug)]
pub(crate) struct EnumNames {
    pub(crate) prefix: &'static str,
    /// By number, from 0.
    pub(crate) names: &'static [&'static str],
}

impl EnumNames {
    /// The value's name without prefix, `None` for a number not known here.
    pub(crate) fn name(&self, number: i32) -> Option<&'static str> {
        usize::try_from(number).ok().and_then(|number| self.names.get(number)).copied()
    }

    /// The number of a value's full proto name.
    pub(crate) fn number(&self, full_name: &str) -> Option<i32> {
        let name = full_name.strip_prefix(self.prefix)?;
        self.names.iter().position(|known| *known == name).and_then(|number| i32::try_from(number).ok())
    }
}

pub(crate) const SPAN_KIND: EnumNames =
    EnumNames { prefix: "SPAN_KIND_", names: &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"] };

pub(crate) const STATUS_CODE: EnumNames = EnumNames { prefix: "STATUS_CODE_", names: &["UNSET", "OK", "ERROR"] };

pub(crate) const TEMPORALITY: EnumNames =
    EnumNames { prefix: "AGGREGATION_TEMPORALITY_", names: &["UNSPECIFIED", "DELTA", "CUMULATIVE"] };

pub(crate) const SEVERITY: EnumNames = EnumNames {
    prefix: "SEVERITY_NUMBER_",
    names: &[
        "UNSPECIFIED",
        "TRACE",
        "TRACE2",
        "TRACE3",
        "TRACE4",
        "DEBUG",
        "DEBUG2",
        "DEBUG3",
        "DEBUG4",
        "INFO",
        "INFO2",
        "INFO3",
        "INFO4",
        "WARN",
        "WARN2",
        "WARN3",
        "WARN4",
        "ERROR",
        "ERROR2",
        "ERROR3",
        "ERROR4",
        "FATAL",
        "FATAL2",
        "FATAL3",
        "FATAL4",
    ],
};
