//! Plain JSON to a value: the way back of arrays and maps that were stored as text.

use super::number;
use super::reader::JsonReader;
use crate::otlp::error::DecodeError;
use crate::otlp::value::AnyValue;
use crate::otlp::wire::Wire as _;

impl JsonReader<'_> {
    /// The value at the cursor, with at most this many arrays and maps around another.
    ///
    /// Numbers with `.` or exponent are doubles, others integers. `null` is an empty value.
    pub(crate) fn plain_value(&mut self, depth: usize) -> Result<AnyValue, DecodeError> {
        let Some(inner) = depth.checked_sub(1) else { return self.scanner.malformed("values nested less deep") };
        match self.scanner.peek() {
            Some(b'[') => self.plain_array(inner).map(AnyValue::Array),
            Some(b'{') => self.plain_map(inner).map(AnyValue::Map),
            Some(b'"') => self.plain_string().map(AnyValue::String),
            Some(b't') => self.scanner.literal("true").map(|()| AnyValue::Bool(true)),
            Some(b'f') => self.scanner.literal("false").map(|()| AnyValue::Bool(false)),
            Some(b'n') => self.scanner.literal("null").map(|()| AnyValue::Empty),
            _ => self.plain_number(),
        }
    }

    fn plain_array(&mut self, depth: usize) -> Result<Vec<AnyValue>, DecodeError> {
        let mut values = Vec::new();
        self.scanner.expect(b'[', "an array")?;
        if self.scanner.take(b']') {
            return Ok(values);
        }
        loop {
            values.push(self.plain_value(depth)?);
            if !self.scanner.take(b',') {
                self.scanner.expect(b']', "`,` or `]`")?;
                return Ok(values);
            }
        }
    }

    fn plain_map(&mut self, depth: usize) -> Result<Vec<(String, AnyValue)>, DecodeError> {
        let mut entries = Vec::new();
        self.scanner.expect(b'{', "an object")?;
        if self.scanner.take(b'}') {
            return Ok(entries);
        }
        loop {
            let key = self.plain_string()?;
            self.scanner.expect(b':', "`:`")?;
            entries.push((key, self.plain_value(depth)?));
            if !self.scanner.take(b',') {
                self.scanner.expect(b'}', "`,` or `}`")?;
                return Ok(entries);
            }
        }
    }

    fn plain_string(&mut self) -> Result<String, DecodeError> {
        let text = self.text()?;
        Ok(text.get(&self.state().scratch).to_owned())
    }

    fn plain_number(&mut self) -> Result<AnyValue, DecodeError> {
        let text = self.scanner.number()?;
        let value = if text.contains(['.', 'e', 'E']) {
            number::double(text).map(AnyValue::Double)
        } else {
            text.parse().ok().map(AnyValue::Int)
        };
        match value {
            Some(value) => Ok(value),
            None => self.scanner.malformed("a number of 64 bits"),
        }
    }
}
