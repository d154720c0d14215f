//! Log records to rows of `logs`.

use std::sync::Arc;

use arrow::array::{Int32Builder, Int64Builder};
use arrow::error::ArrowError;

use super::rules::{other_time, record_time};
use super::shared::SharedRow;
use crate::model::Signal;
use crate::model::build::{BatchColumns, TextColumn, TimeColumn, Timestamp};
use crate::otlp::error::{DecodeError, Problem};
use crate::otlp::record::LogRecord;
use crate::otlp::schema::{Frame, LOGS};
use crate::otlp::walk::{Context, SignalRows};
use crate::otlp::wire::{Scratch, Wire};

/// OTLP `LogRecordFlags`: the bits that mean something.
const TRACE_FLAGS_MASK: u32 = 0xFF;

/// The columns that only `logs` has, and the record being read.
#[derive(Debug)]
pub(crate) struct LogRows<'a> {
    record: LogRecord<'a>,
    observed_time: TimeColumn,
    severity_number: Int32Builder,
    severity_text: TextColumn,
    body: TextColumn,
    event_name: TextColumn,
    trace_id: TextColumn,
    span_id: TextColumn,
    flags: Int64Builder,
}

/// What could have been wrong with a record and is not.
struct Checked {
    time: Timestamp,
    observed_time: Option<Timestamp>,
}

impl LogRows<'_> {
    pub(crate) fn new() -> Self {
        Self {
            record: LogRecord::default(),
            observed_time: TimeColumn::new(),
            severity_number: Int32Builder::new(),
            severity_text: TextColumn::new(),
            body: TextColumn::new(),
            event_name: TextColumn::new(),
            trace_id: TextColumn::new(),
            span_id: TextColumn::new(),
            flags: Int64Builder::new(),
        }
    }

    /// A log's time is its own, else when it was observed, else when it came in.
    fn check(&self, context: &Context<'_, '_>) -> Result<Checked, Problem> {
        let record = &self.record;
        let meta = context.meta();
        let time = match (record.time, record.observed_time) {
            (0, 0) => Timestamp::from_micros(meta.ingest_time),
            (0, observed) => record_time("observed_time_unix_nano", observed, meta.latest_time)?,
            (time, _) => record_time("time_unix_nano", time, meta.latest_time)?,
        };
        Ok(Checked { time, observed_time: other_time("observed_time_unix_nano", record.observed_time)? })
    }

    fn append(&mut self, checked: &Checked, context: &mut Context<'_, '_>, scratch: &Scratch) {
        let record = &self.record;
        context.report.nulled_ids += record.trace_id.nulled() + record.span_id.nulled();
        context.push(
            &SharedRow {
                time: checked.time,
                attributes: record.attributes.entries(),
                dropped_attributes_count: record.dropped_attributes_count,
                body_type: record.body.map(|(_, value_type)| value_type),
                metadata_types: "",
                adjusted_count: None,
            },
            scratch,
        );
        self.observed_time.push(checked.observed_time);
        self.severity_number.append_value(record.severity_number);
        self.severity_text.push(record.severity_text.get(scratch));
        match record.body {
            Some((text, _)) => self.body.push_text(text.get(scratch)),
            None => self.body.push_null(),
        }
        self.event_name.push(record.event_name.get(scratch));
        self.trace_id.push_hex(record.trace_id.bytes());
        self.span_id.push_hex(record.span_id.bytes());
        self.flags.append_value(i64::from(record.flags & TRACE_FLAGS_MASK));
    }
}

impl<'a> SignalRows<'a> for LogRows<'a> {
    const SIGNAL: Signal = Signal::Logs;
    const FRAME: Frame = LOGS;

    fn read_item<W: Wire<'a>>(&mut self, wire: &mut W, context: &mut Context<'a, '_>) -> Result<(), DecodeError> {
        let start = wire.value_start()?;
        self.record.read(wire, context.attribute_reader())?;
        let duplicates = self.record.attributes.close(0, &wire.state().scratch);
        match context.problem(wire).map_or_else(|| self.check(context), Err) {
            Ok(checked) => {
                context.charge_row(start, wire)?;
                context.report.duplicate_keys += duplicates;
                self.append(&checked, context, &wire.state().scratch);
            }
            Err(problem) => context.reject(problem, start..wire.position())?,
        }
        context.end_record(wire);
        Ok(())
    }

    fn put(mut self, columns: &mut BatchColumns) -> Result<(), ArrowError> {
        let (observed_time, observed_time_nanos) = self.observed_time.finish();
        columns.put("observed_time", observed_time);
        columns.put("observed_time_nanos", observed_time_nanos);
        columns.put("severity_number", Arc::new(self.severity_number.finish()));
        columns.put("severity_text", self.severity_text.finish());
        columns.put("body", self.body.finish());
        columns.put("event_name", self.event_name.finish());
        columns.put("trace_id", self.trace_id.finish());
        columns.put("span_id", self.span_id.finish());
        columns.put("flags", Arc::new(self.flags.finish()));
        Ok(())
    }
}
