//! What became of a request: the records that went in, those that did not and why, and what was put right.

use std::fmt;
use std::ops::Range;

use arrow::array::RecordBatch;

/// What the store knows of a request that the request does not say.
#[derive(Debug, Clone, Copy)]
pub struct RequestMeta<'a> {
    /// When this store took it, microseconds since 1970 in UTC.
    pub ingest_time: i64,
    /// The latest time a record may have, inclusive, in the same unit: `ingest_time` plus what is allowed of the
    /// future.
    pub latest_time: i64,
    /// By which way it came: `otlp/grpc`, `otlp/http`, `import/otlp-json`, ...
    pub source: &'a str,
    /// Whose credentials sent it.
    pub principal: Option<&'a str>,
}

/// A decoded request.
#[derive(Debug)]
pub struct Decoded {
    /// The accepted records in the request's order, with the schema of
    /// [`contract_schema`](crate::model::schema::contract_schema).
    pub batch: RecordBatch,
    /// What the batch does not show.
    pub report: DecodeReport,
}

/// What happened to a request's records beside going into the batch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DecodeReport {
    /// Records in the request: accepted ones and rejected ones.
    pub records: usize,
    /// The rejected ones, in the request's order.
    pub rejections: Vec<Rejection>,
    /// Trace and span ids stored as NULL because their length was wrong or all their bytes were zero, in accepted
    /// records, their links and their exemplars.
    pub nulled_ids: u64,
    /// Attributes left out because a later one of the same map has their key; a resource's, scope's and metric's
    /// are counted once, not once a row.
    pub duplicate_keys: u64,
    /// Entity references of resources, which the contract has no place for.
    pub entity_refs: u64,
    /// Metrics whose kind of data is missing or not known here: they have no data points to store.
    pub empty_metrics: u64,
}

/// A record that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Which record, counted from 0 over the whole request.
    pub record: usize,
    /// Why, for counters.
    pub reason: RejectReason,
    /// Why, for people: the field, its value, the rule.
    pub detail: String,
    /// Where the record is in the request: a protobuf message without its length, or a JSON object.
    pub bytes: Range<usize>,
}

/// Why a record was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// A span or data point without a time.
    MissingTime,
    /// The record's time is before 1970 or too far in the future, or another of its times does not fit 64-bit
    /// nanoseconds.
    TimeOutOfRange,
    /// A number does not fit its column.
    NumberOutOfRange,
    /// Text that is not UTF-8.
    InvalidText,
    /// A JSON value of the wrong type, or one that its field can't have.
    InvalidValue,
    /// A histogram whose bucket counts do not go with its bounds.
    BucketMismatch,
    /// A value nested too deep.
    TooDeep,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::MissingTime,
        Self::TimeOutOfRange,
        Self::NumberOutOfRange,
        Self::InvalidText,
        Self::InvalidValue,
        Self::BucketMismatch,
        Self::TooDeep,
    ];

    /// The reason's name in metric labels. It never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingTime => "missing_time",
            Self::TimeOutOfRange => "time_out_of_range",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::InvalidText => "invalid_text",
            Self::InvalidValue => "invalid_value",
            Self::BucketMismatch => "bucket_mismatch",
            Self::TooDeep => "too_deep",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
