//! What has been decided but has not happened yet.
//!
//! A whole trace is drawn at once, with all its future times; its records wait here, and leave in the order of those
//! times. So a batch holds pieces of many traces, a log comes before the span it belongs to, and nothing is sent that
//! lies in the future: as from real services.

use super::fleet::{InstanceIndex, Tool};
use super::shape::vocabulary::Operation;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::collections::BTreeMap;

/// A span at its end, with what the metrics want to know about it.
pub(crate) struct EndedSpan {
    pub(crate) instance: InstanceIndex,
    pub(crate) tool: Tool,
    pub(crate) operation: &'static Operation,
    pub(crate) failed: bool,
    /// How many spans it stands for, itself included. Metrics see them all, sampling or not.
    pub(crate) weight: u64,
    pub(crate) span: Span,
}

pub(crate) struct WrittenLog {
    pub(crate) instance: InstanceIndex,
    pub(crate) log: LogRecord,
}

pub(crate) enum Record {
    Span(Box<EndedSpan>),
    Log(Box<WrittenLog>),
}

#[derive(Default)]
pub(crate) struct Pending {
    /// By time; the second number keeps apart, and in order, what happens at the same time.
    by_time: BTreeMap<(u64, u64), Record>,
    pushed: u64,
}

impl Pending {
    pub(crate) fn push(&mut self, unix_nanos: u64, record: Record) {
        self.by_time.insert((unix_nanos, self.pushed), record);
        self.pushed += 1;
    }

    /// The earliest record, if its time has come.
    pub(crate) fn pop_due(&mut self, now_unix_nanos: u64) -> Option<Record> {
        let entry = self.by_time.first_entry()?;
        (entry.key().0 <= now_unix_nanos).then(|| entry.remove())
    }

    /// Time of the last record.
    pub(crate) fn ends_at(&self) -> Option<u64> {
        self.by_time.last_key_value().map(|((unix_nanos, _), _)| *unix_nanos)
    }

    /// How many records were ever pushed.
    pub(crate) const fn pushed(&self) -> u64 {
        self.pushed
    }
}
