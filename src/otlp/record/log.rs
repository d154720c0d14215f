//! Log records.

use super::attributes::{AttributeList, AttributeReader};
use crate::otlp::error::DecodeError;
use crate::otlp::schema::{SEVERITY, log_record};
use crate::otlp::value::{Tape, ValueType, read_any_value};
use crate::otlp::wire::{SpanId, Text, TraceId, Wire};

/// A log record.
#[derive(Debug, Default)]
pub(crate) struct LogRecord<'a> {
    pub(crate) time: u64,
    pub(crate) observed_time: u64,
    pub(crate) severity_number: i32,
    pub(crate) severity_text: Text<'a>,
    pub(crate) body: Option<(Text<'a>, ValueType)>,
    pub(crate) attributes: AttributeList<'a>,
    pub(crate) dropped_attributes_count: u32,
    pub(crate) flags: u32,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) event_name: Text<'a>,
    body_tape: Tape<'a>,
}

impl<'a> LogRecord<'a> {
    fn clear(&mut self) {
        let mut attributes = std::mem::take(&mut self.attributes);
        let mut body_tape = std::mem::take(&mut self.body_tape);
        attributes.clear();
        body_tape.clear();
        *self = Self { attributes, body_tape, ..Self::default() };
    }

    /// Reads the message at the cursor in place of what was read before.
    pub(crate) fn read<W: Wire<'a>>(
        &mut self,
        wire: &mut W,
        reader: &mut AttributeReader<'a>,
    ) -> Result<(), DecodeError> {
        self.clear();
        let mut has_body = false;
        wire.message(log_record::FIELDS, |wire, field| {
            match field {
                log_record::TIME_UNIX_NANO => self.time = wire.time()?,
                log_record::OBSERVED_TIME_UNIX_NANO => self.observed_time = wire.time()?,
                log_record::SEVERITY_NUMBER => self.severity_number = wire.enumeration(&SEVERITY)?,
                log_record::SEVERITY_TEXT => self.severity_text = wire.text()?,
                log_record::BODY => {
                    has_body = true;
                    read_any_value(wire, &mut self.body_tape, 0, 0)?;
                }
                log_record::ATTRIBUTES => reader.read(wire, &mut self.attributes)?,
                log_record::DROPPED_ATTRIBUTES_COUNT => self.dropped_attributes_count = wire.uint32()?,
                log_record::FLAGS => self.flags = wire.fixed32()?,
                log_record::TRACE_ID => self.trace_id = wire.id()?,
                log_record::SPAN_ID => self.span_id = wire.id()?,
                log_record::EVENT_NAME => self.event_name = wire.text()?,
                _ => wire.skip()?,
            }
            Ok(())
        })?;
        if has_body {
            self.body = Some(self.body_tape.render(&mut wire.state_mut().scratch));
        }
        Ok(())
    }
}
