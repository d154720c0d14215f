//! Writes an operation's log lines, tied to its span, and the lines that belong to no trace.

use super::chance::{Chance, SpanId, TraceId};
use super::fleet::{Fleet, InstanceIndex};
use super::pending::{Pending, Record, WrittenLog};
use super::shape::background::BACKGROUND;
use super::shape::vocabulary::{Body, Failure, LogLine, Severity, Value, When};
use super::shopper::Shopper;
use super::tracer::SAMPLED;
use super::values::{Moment, fill, render, text};
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyKind;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};

/// From the call of the logger to its SDK's batch: how much later a record is observed.
const OBSERVED_AFTER_NANOS: u64 = 41_250;

/// The span that writes, at the moment it ends.
pub(crate) struct Writer {
    pub(crate) instance: InstanceIndex,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Set when the failure happened in this very process, whose logger then has the stack trace too.
    pub(crate) thrown_here: Option<&'static Failure>,
}

/// Writes those of an operation's lines whose time has come.
pub(crate) fn write_lines(
    lines: &[LogLine],
    writer: &Writer,
    moment: &Moment<'_>,
    fleet: &Fleet,
    chance: &mut Chance,
    pending: &mut Pending,
) {
    let failed = moment.failure.is_some();
    // Inside the span, so that its interval contains its logs.
    let early = writer.start + (writer.end - writer.start) / 64;
    let late = writer.end - (writer.end - writer.start) / 64;
    for line in lines {
        let (written, time) = match line.when {
            When::Starts(share) => (chance.happens(share), early),
            When::Succeeds(share) => (!failed && chance.happens(share), late),
            When::Fails => (failed, late),
            When::SlowerThanMs(limit) => (!failed && moment.duration_ms > limit, late),
        };
        if !written {
            continue;
        }
        let mut log = log_record(line, time, writer.instance, moment, fleet, chance);
        if let Some(failure) = writer.thrown_here
            && line.severity == Severity::Error
        {
            push_exception(&mut log.attributes, failure);
        }
        log.trace_id = writer.trace_id.to_vec();
        log.span_id = writer.span_id.to_vec();
        log.flags = SAMPLED;
        pending.push(time, Record::Log(Box::new(WrittenLog { instance: writer.instance, log })));
    }
}

/// What an instance logs of its own accord around `time`.
pub(crate) fn write_background(
    instance: InstanceIndex,
    time: u64,
    fleet: &Fleet,
    chance: &mut Chance,
    pending: &mut Pending,
) {
    let service = fleet.get(instance).service.name;
    for background in BACKGROUND.iter().filter(|background| background.services.contains(&service)) {
        if let When::Starts(share) = background.line.when
            && chance.happens(share)
        {
            let shopper = Shopper::arrive(chance);
            let moment = Moment { shopper: &shopper, failure: None, duration_ms: 0.0 };
            let log = log_record(&background.line, time, instance, &moment, fleet, chance);
            pending.push(time, Record::Log(Box::new(WrittenLog { instance, log })));
        }
    }
}

/// `exception.*` as the conventions want it on logs and on span events.
pub(crate) fn push_exception(attributes: &mut Vec<KeyValue>, failure: &Failure) {
    if let Some(exception) = &failure.exception {
        attributes.push(text("exception.type", exception.kind));
        attributes.push(text("exception.message", failure.message));
        attributes.push(text("exception.stacktrace", exception.stacktrace));
    }
}

fn log_record(
    line: &LogLine,
    time: u64,
    instance: InstanceIndex,
    moment: &Moment<'_>,
    fleet: &Fleet,
    chance: &mut Chance,
) -> LogRecord {
    let mut attributes = Vec::with_capacity(line.attributes.len() + 3);
    fill(&mut attributes, line.attributes, moment, chance);
    let body = match line.body {
        Body::Text(template) => AnyKind::StringValue(render(template, &attributes)),
        Body::Map(table) => AnyKind::KvlistValue(map(table, moment, chance)),
    };
    let severity = match moment.failure {
        // Nobody is paged because a card was declined.
        Some(failure) if failure.is_callers_fault() => Severity::Warn,
        _ => line.severity,
    };
    let (number, column) = match severity {
        Severity::Debug => (SeverityNumber::Debug, 0),
        Severity::Info => (SeverityNumber::Info, 1),
        Severity::Warn => (SeverityNumber::Warn, 2),
        Severity::Error => (SeverityNumber::Error, 3),
    };
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time + OBSERVED_AFTER_NANOS,
        severity_number: number.into(),
        severity_text: fleet.get(instance).service.language.toolkit().severities[column].to_owned(),
        body: Some(AnyValue { value: Some(body) }),
        attributes,
        event_name: line.event_name.to_owned(),
        ..LogRecord::default()
    }
}

fn map(table: &'static [(&'static str, Value)], moment: &Moment<'_>, chance: &mut Chance) -> KeyValueList {
    let mut values = Vec::with_capacity(table.len());
    fill(&mut values, table, moment, chance);
    KeyValueList { values }
}
