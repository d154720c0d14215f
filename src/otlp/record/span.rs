//! Spans, with their events and links.

use super::attributes::{Attribute, AttributeList, AttributeReader};
use crate::otlp::error::DecodeError;
use crate::otlp::schema::{SPAN_KIND, STATUS_CODE, event, link, span, status};
use crate::otlp::wire::{SpanId, Text, TraceId, Wire};

/// A span.
#[derive(Debug, Default)]
pub(crate) struct Span<'a> {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_span_id: SpanId,
    pub(crate) trace_state: Text<'a>,
    pub(crate) flags: u32,
    pub(crate) name: Text<'a>,
    pub(crate) kind: i32,
    pub(crate) start_time: u64,
    pub(crate) end_time: u64,
    pub(crate) attributes: AttributeList<'a>,
    pub(crate) dropped_attributes_count: u32,
    pub(crate) events: Vec<Event<'a>>,
    pub(crate) dropped_events_count: u32,
    pub(crate) links: Vec<Link<'a>>,
    pub(crate) dropped_links_count: u32,
    pub(crate) status_message: Text<'a>,
    pub(crate) status_code: i32,
    /// The attributes of events and links, each already sorted.
    pub(crate) nested: AttributeList<'a>,
    /// Attributes of events and links left out for a later one of the same key.
    pub(crate) nested_duplicates: u64,
}

/// A span event.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    pub(crate) time: u64,
    pub(crate) name: Text<'a>,
    pub(crate) dropped_attributes_count: u32,
    attributes: (usize, usize),
}

/// A span link.
#[derive(Debug, Default)]
pub(crate) struct Link<'a> {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) trace_state: Text<'a>,
    pub(crate) flags: u32,
    pub(crate) dropped_attributes_count: u32,
    attributes: (usize, usize),
}

impl<'a> Span<'a> {
    pub(crate) fn event_attributes(&self, event: &Event<'_>) -> &[Attribute<'a>] {
        self.nested.range(event.attributes.0, event.attributes.1)
    }

    pub(crate) fn link_attributes(&self, link: &Link<'_>) -> &[Attribute<'a>] {
        self.nested.range(link.attributes.0, link.attributes.1)
    }

    fn clear(&mut self) {
        let mut attributes = std::mem::take(&mut self.attributes);
        let mut nested = std::mem::take(&mut self.nested);
        let mut events = std::mem::take(&mut self.events);
        let mut links = std::mem::take(&mut self.links);
        attributes.clear();
        nested.clear();
        events.clear();
        links.clear();
        *self = Self { attributes, nested, events, links, ..Self::default() };
    }

    /// Reads the message at the cursor in place of what was read before.
    pub(crate) fn read<W: Wire<'a>>(
        &mut self,
        wire: &mut W,
        reader: &mut AttributeReader<'a>,
    ) -> Result<(), DecodeError> {
        self.clear();
        wire.message(span::FIELDS, |wire, field| {
            match field {
                span::TRACE_ID => self.trace_id = wire.id()?,
                span::SPAN_ID => self.span_id = wire.id()?,
                span::TRACE_STATE => self.trace_state = wire.text()?,
                span::PARENT_SPAN_ID => self.parent_span_id = wire.id()?,
                span::NAME => self.name = wire.text()?,
                span::KIND => self.kind = wire.enumeration(&SPAN_KIND)?,
                span::START_TIME_UNIX_NANO => self.start_time = wire.time()?,
                span::END_TIME_UNIX_NANO => self.end_time = wire.time()?,
                span::ATTRIBUTES => reader.read(wire, &mut self.attributes)?,
                span::DROPPED_ATTRIBUTES_COUNT => self.dropped_attributes_count = wire.uint32()?,
                span::EVENTS => wire.each(|wire| self.read_event(wire, reader))?,
                span::DROPPED_EVENTS_COUNT => self.dropped_events_count = wire.uint32()?,
                span::LINKS => wire.each(|wire| self.read_link(wire, reader))?,
                span::DROPPED_LINKS_COUNT => self.dropped_links_count = wire.uint32()?,
                span::STATUS => self.read_status(wire)?,
                span::FLAGS => self.flags = wire.fixed32()?,
                _ => wire.skip()?,
            }
            Ok(())
        })
    }

    fn read_event<W: Wire<'a>>(&mut self, wire: &mut W, reader: &mut AttributeReader<'a>) -> Result<(), DecodeError> {
        let mut read = Event::default();
        let start = self.nested.len();
        wire.message(event::FIELDS, |wire, field| {
            match field {
                event::TIME_UNIX_NANO => read.time = wire.time()?,
                event::NAME => read.name = wire.text()?,
                event::ATTRIBUTES => reader.read(wire, &mut self.nested)?,
                event::DROPPED_ATTRIBUTES_COUNT => read.dropped_attributes_count = wire.uint32()?,
                _ => wire.skip()?,
            }
            Ok(())
        })?;
        self.nested_duplicates += self.nested.close(start, &wire.state().scratch);
        read.attributes = (start, self.nested.len());
        self.events.push(read);
        Ok(())
    }

    fn read_link<W: Wire<'a>>(&mut self, wire: &mut W, reader: &mut AttributeReader<'a>) -> Result<(), DecodeError> {
        let mut read = Link::default();
        let start = self.nested.len();
        wire.message(link::FIELDS, |wire, field| {
            match field {
                link::TRACE_ID => read.trace_id = wire.id()?,
                link::SPAN_ID => read.span_id = wire.id()?,
                link::TRACE_STATE => read.trace_state = wire.text()?,
                link::ATTRIBUTES => reader.read(wire, &mut self.nested)?,
                link::DROPPED_ATTRIBUTES_COUNT => read.dropped_attributes_count = wire.uint32()?,
                link::FLAGS => read.flags = wire.fixed32()?,
                _ => wire.skip()?,
            }
            Ok(())
        })?;
        self.nested_duplicates += self.nested.close(start, &wire.state().scratch);
        read.attributes = (start, self.nested.len());
        self.links.push(read);
        Ok(())
    }

    fn read_status<W: Wire<'a>>(&mut self, wire: &mut W) -> Result<(), DecodeError> {
        wire.message(status::FIELDS, |wire, field| {
            match field {
                status::MESSAGE => self.status_message = wire.text()?,
                status::CODE => self.status_code = wire.enumeration(&STATUS_CODE)?,
                _ => wire.skip()?,
            }
            Ok(())
        })
    }
}
