//! Rows of `spans` to spans.

use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prost::Message;

use super::columns::{Checked, Doubles, Fields, Longs, Structs, Text, TextMap, Time};
use super::groups::Item;
use super::requests::{Lost, SignalColumns};
use super::values::{Types, nested_types};
use crate::error::Result;
use crate::otlp::{SPAN_KIND, STATUS_CODE, adjusted_count};

/// The columns of a span's own.
#[derive(Debug)]
pub(super) struct SpanColumns {
    time: Time,
    duration_nano: Longs,
    name: Text,
    kind: Text,
    status_code: Text,
    status_message: Text,
    trace_id: Text,
    span_id: Text,
    parent_span_id: Text,
    trace_state: Text,
    flags: Longs,
    attributes: TextMap,
    dropped_attributes_count: Longs,
    events: Structs<EventColumns>,
    links: Structs<LinkColumns>,
    dropped_events_count: Longs,
    dropped_links_count: Longs,
    adjusted_count: Doubles,
}

#[derive(Debug)]
struct EventColumns {
    time: Time,
    name: Text,
    attributes: TextMap,
    value_types: Text,
    dropped_attributes_count: Longs,
}

#[derive(Debug)]
struct LinkColumns {
    trace_id: Text,
    span_id: Text,
    trace_state: Text,
    flags: Longs,
    attributes: TextMap,
    value_types: Text,
    dropped_attributes_count: Longs,
}

impl SignalColumns for SpanColumns {
    type Item = Span;

    fn of(fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            time: fields.time("time", "time_nanos")?,
            duration_nano: fields.numbers("duration_nano")?,
            name: fields.text("name")?,
            kind: fields.text("kind")?,
            status_code: fields.text("status_code")?,
            status_message: fields.text("status_message")?,
            trace_id: fields.text("trace_id")?,
            span_id: fields.text("span_id")?,
            parent_span_id: fields.text("parent_span_id")?,
            trace_state: fields.text("trace_state")?,
            flags: fields.numbers("flags")?,
            attributes: fields.map("attributes")?,
            dropped_attributes_count: fields.numbers("dropped_attributes_count")?,
            events: fields.structs("events", EventColumns::of)?,
            links: fields.structs("links", LinkColumns::of)?,
            dropped_events_count: fields.numbers("dropped_events_count")?,
            dropped_links_count: fields.numbers("dropped_links_count")?,
            adjusted_count: fields.numbers("adjusted_count")?,
        })
    }

    fn item(&self, row: usize, types: &Types) -> Checked<Span> {
        let start = self.time.record_nanos(row)?;
        let status =
            Status { message: self.status_message.owned(row), code: self.status_code.enumeration(row, &STATUS_CODE)? };
        Ok(Span {
            trace_id: self.trace_id.id::<16>(row)?,
            span_id: self.span_id.id::<8>(row)?,
            parent_span_id: self.parent_span_id.id::<8>(row)?,
            trace_state: self.trace_state.owned(row),
            flags: self.flags.count(row)?,
            name: self.name.owned(row),
            kind: self.kind.enumeration(row, &SPAN_KIND)?,
            start_time_unix_nano: start,
            end_time_unix_nano: end(start, self.duration_nano.get(row))?,
            attributes: self.attributes.attributes(row, &types.attributes)?,
            dropped_attributes_count: self.dropped_attributes_count.count(row)?,
            events: self.events.each(row, EventColumns::event)?,
            dropped_events_count: self.dropped_events_count.count(row)?,
            links: self.links.each(row, LinkColumns::link)?,
            dropped_links_count: self.dropped_links_count.count(row)?,
            status: Some(status).filter(|status| *status != Status::default()),
        })
    }

    /// The sampling threshold in `trace_state` says it again; a count from elsewhere has no field in OTLP.
    fn lost(&self, row: usize) -> Lost {
        let told = self.trace_state.get(row).and_then(adjusted_count);
        Lost {
            adjusted_count: self.adjusted_count.get(row).is_some_and(|count| Some(count) != told),
            resolution: false,
        }
    }
}

/// Start plus duration; 0, which is unset, where there is none.
fn end(start: u64, duration: Option<i64>) -> Checked<u64> {
    let Some(duration) = duration else { return Ok(0) };
    start
        .checked_add_signed(duration)
        .filter(|end| *end != 0)
        .ok_or_else(|| format!("`duration_nano` is {duration}, which leads from {start} to no time that OTLP can hold"))
}

impl EventColumns {
    fn of(fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            time: fields.time("time", "time_nanos")?,
            name: fields.text("name")?,
            attributes: fields.map("attributes")?,
            value_types: fields.text("value_types")?,
            dropped_attributes_count: fields.numbers("dropped_attributes_count")?,
        })
    }

    fn event(&self, at: usize) -> Checked<Event> {
        Ok(Event {
            time_unix_nano: self.time.nanos(at)?,
            name: self.name.owned(at),
            attributes: self.attributes.attributes(at, &nested_types(&self.value_types, at)?)?,
            dropped_attributes_count: self.dropped_attributes_count.count(at)?,
        })
    }
}

impl LinkColumns {
    fn of(fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            trace_id: fields.text("trace_id")?,
            span_id: fields.text("span_id")?,
            trace_state: fields.text("trace_state")?,
            flags: fields.numbers("flags")?,
            attributes: fields.map("attributes")?,
            value_types: fields.text("value_types")?,
            dropped_attributes_count: fields.numbers("dropped_attributes_count")?,
        })
    }

    fn link(&self, at: usize) -> Checked<Link> {
        Ok(Link {
            trace_id: self.trace_id.id::<16>(at)?,
            span_id: self.span_id.id::<8>(at)?,
            trace_state: self.trace_state.owned(at),
            attributes: self.attributes.attributes(at, &nested_types(&self.value_types, at)?)?,
            dropped_attributes_count: self.dropped_attributes_count.count(at)?,
            flags: self.flags.count(at)?,
        })
    }
}

impl Item for Span {
    type Record = Self;

    fn size(&self) -> usize {
        self.encoded_len()
    }

    fn into_record(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::end;

    #[test]
    fn an_end_is_told_by_its_duration() {
        assert_eq!(end(5, None), Ok(0));
        assert_eq!(end(5, Some(0)), Ok(5));
        assert_eq!(end(5, Some(-4)), Ok(1));
        assert!(end(5, Some(-5)).is_err(), "0 would be no end");
        assert!(end(5, Some(-6)).is_err() && end(u64::MAX, Some(1)).is_err());
    }
}
