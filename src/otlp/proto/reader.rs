//! The cursor over a protobuf request.
//!
//! As protobuf parsers must: fields in any order, unknown ones skipped (groups too), a later scalar replaces an
//! earlier one, pieces of a message are merged, packed and unpacked numbers are taken. Every length is checked against
//! its message before anything is read. A known field of the wrong wire type is malformed: it is another message.

use super::varint;
use crate::otlp::base64::push_base64;
use crate::otlp::error::DecodeError;
use crate::otlp::report::RejectReason;
use crate::otlp::schema::{EnumNames, Fields};
use crate::otlp::wire::{Id, State, Text, Wire};

/// How deep groups may nest in fields that are skipped, as in other protobuf libraries.
const MAX_GROUP_DEPTH: usize = 100;

/// The cursor.
#[derive(Debug)]
pub(crate) struct ProtoReader<'a> {
    body: &'a [u8],
    cursor: Cursor,
    /// The message being walked and the number of the field at hand, for messages to people.
    fields: &'static Fields,
    number: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    at: usize,
    /// Where the message being walked ends.
    end: usize,
    wire_type: WireType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WireType {
    /// Before the request itself, which has no length.
    Request,
    Varint,
    I64,
    Length,
    GroupStart,
    GroupEnd,
    I32,
}

impl<'a> ProtoReader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        let cursor = Cursor { at: 0, end: body.len(), wire_type: WireType::Request };
        Self { body, cursor, fields: &[], number: 0, state: State::default() }
    }

    #[cold]
    fn malformed<T>(&self, expected: &'static str) -> Result<T, DecodeError> {
        Err(DecodeError::Malformed { offset: self.cursor.at, expected })
    }

    #[inline]
    fn expect(&self, wire_type: WireType, expected: &'static str) -> Result<(), DecodeError> {
        if self.cursor.wire_type == wire_type { Ok(()) } else { self.malformed(expected) }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, DecodeError> {
        let rest = self.body.get(self.cursor.at..self.cursor.end).unwrap_or_default();
        match varint::read(rest) {
            Some((value, length)) => {
                self.cursor.at += length;
                Ok(value)
            }
            None => self.malformed("a varint of at most 10 bytes inside its message"),
        }
    }

    #[inline]
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.cursor.at.checked_add(length).filter(|end| *end <= self.cursor.end);
        match end.and_then(|end| self.body.get(self.cursor.at..end)) {
            Some(bytes) => {
                self.cursor.at += length;
                Ok(bytes)
            }
            None => self.malformed("a value that ends inside its message"),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.bytes(N)?.try_into() {
            Ok(array) => Ok(array),
            Err(_) => self.malformed("a value that ends inside its message"),
        }
    }

    #[inline]
    fn delimited(&mut self, expected: &'static str) -> Result<&'a [u8], DecodeError> {
        self.expect(WireType::Length, expected)?;
        let length = self.varint()?;
        match usize::try_from(length) {
            Ok(length) => self.bytes(length),
            Err(_) => self.malformed("a length that fits the request"),
        }
    }

    #[inline]
    fn tag(&mut self) -> Result<(u32, WireType), DecodeError> {
        let at = self.cursor.at;
        let tag = self.varint()?;
        let wire_type = match tag & 7 {
            0 => Some(WireType::Varint),
            1 => Some(WireType::I64),
            2 => Some(WireType::Length),
            3 => Some(WireType::GroupStart),
            4 => Some(WireType::GroupEnd),
            5 => Some(WireType::I32),
            _ => None,
        };
        let number = u32::try_from(tag).ok().map(|tag| tag >> 3).filter(|number| *number != 0);
        match (number, wire_type) {
            (Some(number), Some(wire_type)) => Ok((number, wire_type)),
            _ => Err(DecodeError::Malformed { offset: at, expected: "a field tag" }),
        }
    }

    /// Skips fields up to the end of the group that has just been opened.
    fn skip_group(&mut self) -> Result<(), DecodeError> {
        let mut open = vec![self.number];
        while let Some(innermost) = open.last().copied() {
            let (number, wire_type) = self.tag()?;
            match wire_type {
                WireType::GroupStart if open.len() < MAX_GROUP_DEPTH => open.push(number),
                WireType::GroupStart => return self.malformed("groups nested less deep"),
                WireType::GroupEnd if number == innermost => drop(open.pop()),
                WireType::GroupEnd => return self.malformed("the end of the group that was opened last"),
                _ => {
                    self.cursor.wire_type = wire_type;
                    self.skip()?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn i64_bits(&mut self) -> Result<u64, DecodeError> {
        self.expect(WireType::I64, "a 64-bit value")?;
        Ok(u64::from_le_bytes(self.array()?))
    }

    #[inline]
    fn i32_bits(&mut self) -> Result<u32, DecodeError> {
        self.expect(WireType::I32, "a 32-bit value")?;
        Ok(u32::from_le_bytes(self.array()?))
    }

    #[inline]
    fn varint_value(&mut self) -> Result<u64, DecodeError> {
        self.expect(WireType::Varint, "a varint")?;
        self.varint()
    }

    /// A repeated 64-bit field: one value, or many packed.
    fn repeated_i64_bits<T>(&mut self, out: &mut Vec<T>, convert: impl Fn(u64) -> T) -> Result<(), DecodeError> {
        if self.cursor.wire_type == WireType::I64 {
            out.push(convert(self.i64_bits()?));
            return Ok(());
        }
        let packed = self.delimited("a 64-bit value or packed ones")?;
        let (values, rest) = packed.as_chunks::<8>();
        out.extend(values.iter().map(|value| convert(u64::from_le_bytes(*value))));
        if rest.is_empty() { Ok(()) } else { self.malformed("packed values of 8 bytes each") }
    }

    fn field_name(&self) -> &'static str {
        self.fields.iter().find(|field| field.number == self.number).map_or("field", |field| field.name)
    }
}

impl<'a> Wire<'a> for ProtoReader<'a> {
    type Mark = Cursor;

    fn state(&self) -> &State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    fn mark(&self) -> Cursor {
        self.cursor
    }

    fn reset(&mut self, mark: Cursor) {
        self.cursor = mark;
    }

    fn value_start(&mut self) -> Result<usize, DecodeError> {
        let cursor = self.cursor;
        if cursor.wire_type == WireType::Length {
            self.varint()?;
        }
        let start = self.cursor.at;
        self.cursor = cursor;
        Ok(start)
    }

    fn position(&self) -> usize {
        self.cursor.at
    }

    #[inline]
    fn message(
        &mut self,
        fields: &'static Fields,
        mut visit: impl FnMut(&mut Self, u32) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let outer_end = self.cursor.end;
        if self.cursor.wire_type != WireType::Request {
            let length = self.delimited("a message")?.len();
            self.cursor.end = self.cursor.at;
            self.cursor.at -= length;
        }
        while self.cursor.at < self.cursor.end {
            let (number, wire_type) = self.tag()?;
            self.cursor.wire_type = wire_type;
            self.fields = fields;
            self.number = number;
            visit(self, number)?;
        }
        self.cursor.end = outer_end;
        Ok(())
    }

    #[inline]
    fn each(&mut self, mut visit: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        visit(self)
    }

    #[inline]
    fn skip(&mut self) -> Result<(), DecodeError> {
        match self.cursor.wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::I64 => self.bytes(8).map(drop),
            WireType::I32 => self.bytes(4).map(drop),
            WireType::Length => self.delimited("a length").map(drop),
            WireType::GroupStart => self.skip_group(),
            WireType::GroupEnd | WireType::Request => self.malformed("a field, not the end of a group"),
        }
    }

    #[inline]
    fn text(&mut self) -> Result<Text<'a>, DecodeError> {
        let bytes = self.delimited("a string")?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Text::Input(text)),
            Err(error) => {
                let name = self.field_name();
                let at = error.valid_up_to();
                let detail = || format!("{name} is not UTF-8 from its byte {at} on");
                self.state.reject(RejectReason::InvalidText, detail);
                Ok(Text::default())
            }
        }
    }

    fn base64(&mut self) -> Result<Text<'a>, DecodeError> {
        let bytes = self.delimited("bytes")?;
        Ok(self.state.scratch.make(|out| push_base64(out, bytes)))
    }

    #[inline]
    fn id<const N: usize>(&mut self) -> Result<Id<N>, DecodeError> {
        Ok(Id::from_bytes(self.delimited("an id as bytes")?))
    }

    fn boolean(&mut self) -> Result<bool, DecodeError> {
        Ok(self.varint_value()? != 0)
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_bits(self.i64_bits()?))
    }

    fn time(&mut self) -> Result<u64, DecodeError> {
        self.i64_bits()
    }

    fn fixed64(&mut self) -> Result<u64, DecodeError> {
        self.i64_bits()
    }

    fn sfixed64(&mut self) -> Result<i64, DecodeError> {
        Ok(self.i64_bits()?.cast_signed())
    }

    fn fixed32(&mut self) -> Result<u32, DecodeError> {
        self.i32_bits()
    }

    fn uint32(&mut self) -> Result<u32, DecodeError> {
        Ok(varint::low_32_bits(self.varint_value()?))
    }

    fn int64(&mut self) -> Result<i64, DecodeError> {
        Ok(self.varint_value()?.cast_signed())
    }

    fn sint32(&mut self) -> Result<i32, DecodeError> {
        Ok(varint::unzigzag(varint::low_32_bits(self.varint_value()?)))
    }

    fn enumeration(&mut self, _names: &EnumNames) -> Result<i32, DecodeError> {
        Ok(varint::low_32_bits(self.varint_value()?).cast_signed())
    }

    fn doubles(&mut self, out: &mut Vec<f64>) -> Result<(), DecodeError> {
        self.repeated_i64_bits(out, f64::from_bits)
    }

    fn fixed64s(&mut self, out: &mut Vec<u64>) -> Result<(), DecodeError> {
        self.repeated_i64_bits(out, |value| value)
    }

    fn uint64s(&mut self, out: &mut Vec<u64>) -> Result<(), DecodeError> {
        if self.cursor.wire_type == WireType::Varint {
            out.push(self.varint()?);
            return Ok(());
        }
        let outer_end = self.cursor.end;
        let packed = self.delimited("a varint or packed ones")?.len();
        self.cursor.end = self.cursor.at;
        self.cursor.at -= packed;
        while self.cursor.at < self.cursor.end {
            out.push(self.varint()?);
        }
        self.cursor.end = outer_end;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), DecodeError> {
        if self.cursor.at == self.body.len() { Ok(()) } else { self.malformed("the end of the request") }
    }
}
