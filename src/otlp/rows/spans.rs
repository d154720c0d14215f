//! Spans to rows of `spans`.

use std::sync::Arc;

use arrow::array::Int64Builder;
use arrow::error::ArrowError;

use super::nested::NestedAttributes;
use super::rules::{adjusted_count, dropped, moment, other_time, push_enum, record_time};
use super::shared::SharedRow;
use crate::model::build::{BatchColumns, ListOffsets, NestedText, TextColumn, TimeColumn, Timestamp};
use crate::model::contract::{EVENT, LINK};
use crate::model::{Kind, Signal};
use crate::otlp::error::{DecodeError, Problem};
use crate::otlp::record::{Event, Link, Span};
use crate::otlp::report::RejectReason;
use crate::otlp::schema::{Frame, SPAN_KIND, SPANS, STATUS_CODE};
use crate::otlp::walk::{Context, SignalRows};
use crate::otlp::wire::{Scratch, Wire};

/// The columns that only `spans` has, and the span being read.
#[derive(Debug)]
pub(crate) struct SpanRows<'a> {
    span: Span<'a>,
    duration_nano: Int64Builder,
    name: TextColumn,
    kind: TextColumn,
    status_code: TextColumn,
    status_message: TextColumn,
    trace_id: TextColumn,
    span_id: TextColumn,
    parent_span_id: TextColumn,
    trace_state: TextColumn,
    flags: Int64Builder,
    events: EventColumn,
    links: LinkColumn,
    dropped_events_count: Int64Builder,
    dropped_links_count: Int64Builder,
}

/// What could have been wrong with a span and is not.
struct Checked {
    time: Timestamp,
    duration_nano: Option<i64>,
}

impl SpanRows<'_> {
    pub(crate) fn new() -> Self {
        Self {
            span: Span::default(),
            duration_nano: Int64Builder::new(),
            name: TextColumn::new(),
            kind: TextColumn::new(),
            status_code: TextColumn::new(),
            status_message: TextColumn::new(),
            trace_id: TextColumn::new(),
            span_id: TextColumn::new(),
            parent_span_id: TextColumn::new(),
            trace_state: TextColumn::new(),
            flags: Int64Builder::new(),
            events: EventColumn::new(),
            links: LinkColumn::new(),
            dropped_events_count: Int64Builder::new(),
            dropped_links_count: Int64Builder::new(),
        }
    }

    fn check(&self, context: &Context<'_, '_>) -> Result<Checked, Problem> {
        let span = &self.span;
        let time = record_time("start_time_unix_nano", span.start_time, context.meta().latest_time)?;
        let duration_nano = duration(span.start_time, span.end_time)?;
        for event in &span.events {
            other_time("time_unix_nano of an event", event.time)?;
        }
        Ok(Checked { time, duration_nano })
    }

    fn append(&mut self, checked: &Checked, context: &mut Context<'_, '_>, scratch: &Scratch) {
        let span = &self.span;
        context.report.duplicate_keys += span.nested_duplicates;
        context.report.nulled_ids += span.trace_id.nulled() + span.span_id.nulled() + span.parent_span_id.nulled();
        let trace_state = span.trace_state.get(scratch);
        context.push(
            &SharedRow {
                time: checked.time,
                attributes: span.attributes.entries(),
                dropped_attributes_count: span.dropped_attributes_count,
                body_type: None,
                metadata_types: "",
                adjusted_count: adjusted_count(trace_state),
            },
            scratch,
        );
        self.duration_nano.append_option(checked.duration_nano);
        self.name.push(span.name.get(scratch));
        push_enum(&mut self.kind, &SPAN_KIND, span.kind);
        push_enum(&mut self.status_code, &STATUS_CODE, span.status_code);
        self.status_message.push(span.status_message.get(scratch));
        self.trace_id.push_hex(span.trace_id.bytes());
        self.span_id.push_hex(span.span_id.bytes());
        self.parent_span_id.push_hex(span.parent_span_id.bytes());
        self.trace_state.push(trace_state);
        self.flags.append_value(i64::from(span.flags));
        self.dropped_events_count.append_option(dropped(span.dropped_events_count));
        self.dropped_links_count.append_option(dropped(span.dropped_links_count));

        for event in &span.events {
            self.events.push(event, span, scratch);
        }
        self.events.rows.push(span.events.len());
        for link in &span.links {
            context.report.nulled_ids += link.trace_id.nulled() + link.span_id.nulled();
            self.links.push(link, span, scratch);
        }
        self.links.rows.push(span.links.len());
    }
}

/// End minus start: negative where the end is before the start, `None` where there is no end.
fn duration(start: u64, end: u64) -> Result<Option<i64>, Problem> {
    if end == 0 {
        return Ok(None);
    }
    let detail = || format!("end_time_unix_nano is {end}, too far from the start {start} for a duration of 64 bits");
    let nanos = i64::try_from(i128::from(end) - i128::from(start));
    nanos.map(Some).map_err(|_| Problem::new(RejectReason::NumberOutOfRange, detail()))
}

impl<'a> SignalRows<'a> for SpanRows<'a> {
    const SIGNAL: Signal = Signal::Spans;
    const FRAME: Frame = SPANS;

    fn read_item<W: Wire<'a>>(&mut self, wire: &mut W, context: &mut Context<'a, '_>) -> Result<(), DecodeError> {
        let start = wire.value_start()?;
        self.span.read(wire, context.attribute_reader())?;
        let duplicates = self.span.attributes.close(0, &wire.state().scratch);
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
        columns.put("duration_nano", Arc::new(self.duration_nano.finish()));
        columns.put("name", self.name.finish());
        columns.put("kind", self.kind.finish());
        columns.put("status_code", self.status_code.finish());
        columns.put("status_message", self.status_message.finish());
        columns.put("trace_id", self.trace_id.finish());
        columns.put("span_id", self.span_id.finish());
        columns.put("parent_span_id", self.parent_span_id.finish());
        columns.put("trace_state", self.trace_state.finish());
        columns.put("flags", Arc::new(self.flags.finish()));
        columns.put("events", self.events.finish()?);
        columns.put("links", self.links.finish()?);
        columns.put("dropped_events_count", Arc::new(self.dropped_events_count.finish()));
        columns.put("dropped_links_count", Arc::new(self.dropped_links_count.finish()));
        Ok(())
    }
}

/// The column `events`.
#[derive(Debug)]
struct EventColumn {
    rows: ListOffsets,
    time: TimeColumn,
    name: NestedText,
    attributes: NestedAttributes,
    dropped_attributes_count: Int64Builder,
}

impl EventColumn {
    fn new() -> Self {
        Self {
            rows: ListOffsets::new(),
            time: TimeColumn::new(),
            name: NestedText::new(),
            attributes: NestedAttributes::new(),
            dropped_attributes_count: Int64Builder::new(),
        }
    }

    fn push(&mut self, event: &Event<'_>, span: &Span<'_>, scratch: &Scratch) {
        self.time.push(moment(event.time));
        self.name.push(event.name.get(scratch));
        self.attributes.push(span.event_attributes(event), scratch);
        self.dropped_attributes_count.append_option(dropped(event.dropped_attributes_count));
    }

    fn finish(mut self) -> Result<arrow::array::ArrayRef, ArrowError> {
        let mut fields = BatchColumns::default();
        let (time, time_nanos) = self.time.finish();
        fields.put("time", time);
        fields.put("time_nanos", time_nanos);
        fields.put("name", Arc::new(self.name.finish()));
        self.attributes.put(&mut fields)?;
        fields.put("dropped_attributes_count", Arc::new(self.dropped_attributes_count.finish()));
        self.rows.finish_list(Kind::Struct(EVENT), fields.finish_struct(EVENT)?, None)
    }
}

/// The column `links`.
#[derive(Debug)]
struct LinkColumn {
    rows: ListOffsets,
    trace_id: NestedText,
    span_id: NestedText,
    trace_state: NestedText,
    flags: Int64Builder,
    attributes: NestedAttributes,
    dropped_attributes_count: Int64Builder,
}

impl LinkColumn {
    fn new() -> Self {
        Self {
            rows: ListOffsets::new(),
            trace_id: NestedText::new(),
            span_id: NestedText::new(),
            trace_state: NestedText::new(),
            flags: Int64Builder::new(),
            attributes: NestedAttributes::new(),
            dropped_attributes_count: Int64Builder::new(),
        }
    }

    fn push(&mut self, link: &Link<'_>, span: &Span<'_>, scratch: &Scratch) {
        self.trace_id.push_hex(link.trace_id.bytes());
        self.span_id.push_hex(link.span_id.bytes());
        self.trace_state.push(link.trace_state.get(scratch));
        self.flags.append_value(i64::from(link.flags));
        self.attributes.push(span.link_attributes(link), scratch);
        self.dropped_attributes_count.append_option(dropped(link.dropped_attributes_count));
    }

    fn finish(mut self) -> Result<arrow::array::ArrayRef, ArrowError> {
        let mut fields = BatchColumns::default();
        fields.put("trace_id", Arc::new(self.trace_id.finish()));
        fields.put("span_id", Arc::new(self.span_id.finish()));
        fields.put("trace_state", Arc::new(self.trace_state.finish()));
        fields.put("flags", Arc::new(self.flags.finish()));
        self.attributes.put(&mut fields)?;
        fields.put("dropped_attributes_count", Arc::new(self.dropped_attributes_count.finish()));
        self.rows.finish_list(Kind::Struct(LINK), fields.finish_struct(LINK)?, None)
    }
}
