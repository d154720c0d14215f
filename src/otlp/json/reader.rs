//! The cursor over an OTLP/JSON request.

use serde::de::{Deserializer as _, Error, Visitor};

use super::number;
use super::scan::{RawString, Scanner};
use crate::otlp::base64::{decode_base64, push_base64};
use crate::otlp::error::DecodeError;
use crate::otlp::report::RejectReason;
use crate::otlp::schema::{EnumNames, Field, Fields};
use crate::otlp::value::parse_special_double;
use crate::otlp::wire::{Id, State, Text, Wire};

/// How much of a bad value a rejection quotes.
const QUOTED_CHARS: usize = 40;

/// The cursor.
#[derive(Debug)]
pub(crate) struct JsonReader<'a> {
    pub(super) scanner: Scanner<'a>,
    /// The field at hand, for messages to people.
    field: &'static str,
    state: State,
}

/// What a field's value is in the text, when it is not an object or array.
#[derive(Debug, Clone, Copy)]
enum Scalar<'a> {
    String(RawString<'a>),
    Number(&'a str),
    Other(&'static str),
}

impl<'a> JsonReader<'a> {
    /// A cursor at the start of `body`. An error means that it is not UTF-8.
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { scanner: Scanner::new(body)?, field: "value", state: State::default() })
    }

    fn scalar(&mut self) -> Result<Scalar<'a>, DecodeError> {
        match self.scanner.peek() {
            Some(b'"') => self.scanner.string().map(Scalar::String),
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => self.scanner.number().map(Scalar::Number),
            Some(b'{') => self.scanner.skip_value().map(|()| Scalar::Other("an object")),
            Some(b'[') => self.scanner.skip_value().map(|()| Scalar::Other("an array")),
            Some(b't') => self.scanner.literal("true").map(|()| Scalar::Other("true")),
            Some(b'f') => self.scanner.literal("false").map(|()| Scalar::Other("false")),
            Some(b'n') => self.scanner.literal("null").map(|()| Scalar::Other("null")),
            _ => self.scanner.malformed("a JSON value"),
        }
    }

    fn reject(&mut self, reason: RejectReason, scalar: Scalar<'_>, expected: &str) {
        let field = self.field;
        let detail = || match scalar {
            Scalar::String(RawString { quoted: value, .. }) | Scalar::Number(value) => {
                let shown: String = value.chars().take(QUOTED_CHARS).collect();
                let more = if shown.len() < value.len() { "..." } else { "" };
                format!("{field} is {shown}{more}, expected {expected}")
            }
            Scalar::Other(value) => format!("{field} is {value}, expected {expected}"),
        };
        self.state.reject(reason, detail);
    }

    /// An integer from a number or a string, 0 with a problem if it is none of `T`.
    fn integer<T: TryFrom<i128> + Default>(
        &mut self,
        too_large: RejectReason,
        expected: &str,
    ) -> Result<T, DecodeError> {
        let scalar = self.scalar()?;
        let integer = match scalar {
            Scalar::Number(text) => number::integer(text),
            Scalar::String(string) => number::integer(string.inside),
            Scalar::Other(_) => None,
        };
        let Some(integer) = integer else {
            self.reject(RejectReason::InvalidValue, scalar, expected);
            return Ok(T::default());
        };
        match T::try_from(integer) {
            Ok(value) => Ok(value),
            Err(_) => {
                self.reject(too_large, scalar, expected);
                Ok(T::default())
            }
        }
    }

    fn unsigned64(&mut self) -> Result<u64, DecodeError> {
        self.integer(RejectReason::NumberOutOfRange, "an integer from 0 to 2^64-1")
    }

    fn unsigned32(&mut self) -> Result<u32, DecodeError> {
        self.integer(RejectReason::NumberOutOfRange, "an integer from 0 to 2^32-1")
    }

    fn signed64(&mut self) -> Result<i64, DecodeError> {
        self.integer(RejectReason::NumberOutOfRange, "an integer of 64 bits")
    }

    /// Walks the elements of an array; `null` has none.
    fn elements(&mut self, mut visit: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        if self.scanner.take_null()? {
            return Ok(());
        }
        self.scanner.expect(b'[', "an array")?;
        if self.scanner.take(b']') {
            return Ok(());
        }
        loop {
            visit(self)?;
            if !self.scanner.take(b',') {
                return self.scanner.expect(b']', "`,` or `]`");
            }
        }
    }

    /// The field that the next key names, `None` for one not known.
    fn key(&mut self, fields: &'static Fields) -> Result<Option<&'static Field>, DecodeError> {
        let key = self.scanner.string()?;
        let known = |name: &str| fields.iter().find(|field| field.json == name || field.name == name);
        let field = if key.escaped {
            let mut name = String::new();
            unescape(key.quoted, &mut name).ok().and_then(|()| known(&name))
        } else {
            known(key.inside)
        };
        self.scanner.expect(b':', "`:`")?;
        Ok(field)
    }
}

impl<'a> Wire<'a> for JsonReader<'a> {
    type Mark = usize;

    fn state(&self) -> &State {
        &self.state
    }

    fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    fn mark(&self) -> usize {
        self.scanner.at
    }

    fn reset(&mut self, mark: usize) {
        self.scanner.at = mark;
    }

    fn value_start(&mut self) -> Result<usize, DecodeError> {
        self.scanner.peek();
        Ok(self.scanner.at)
    }

    fn position(&self) -> usize {
        self.scanner.at
    }

    fn message(
        &mut self,
        fields: &'static Fields,
        mut visit: impl FnMut(&mut Self, u32) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if self.scanner.take_null()? {
            return Ok(());
        }
        self.scanner.expect(b'{', "an object")?;
        if self.scanner.take(b'}') {
            return Ok(());
        }
        loop {
            match self.key(fields)? {
                _ if self.scanner.take_null()? => {}
                Some(field) => {
                    self.field = field.name;
                    visit(self, field.number)?;
                }
                None => self.scanner.skip_value()?,
            }
            if !self.scanner.take(b',') {
                return self.scanner.expect(b'}', "`,` or `}`");
            }
        }
    }

    fn each(&mut self, visit: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        self.elements(visit)
    }

    fn skip(&mut self) -> Result<(), DecodeError> {
        self.scanner.skip_value()
    }

    fn text(&mut self) -> Result<Text<'a>, DecodeError> {
        let scalar = self.scalar()?;
        match scalar {
            Scalar::String(string) if !string.escaped => Ok(Text::Input(string.inside)),
            Scalar::String(string) => {
                let mut unescaped = Ok(());
                let text = self.state.scratch.make(|out| unescaped = unescape(string.quoted, out));
                if unescaped.is_err() {
                    self.reject(RejectReason::InvalidText, scalar, "escapes that stand for Unicode characters");
                }
                Ok(text)
            }
            Scalar::Number(_) | Scalar::Other(_) => {
                self.reject(RejectReason::InvalidValue, scalar, "a string");
                Ok(Text::default())
            }
        }
    }

    fn base64(&mut self) -> Result<Text<'a>, DecodeError> {
        let scalar = self.scalar()?;
        let bytes = match scalar {
            Scalar::String(string) if !string.escaped => decode_base64(string.inside),
            // An escaped `/` is base64 still.
            Scalar::String(string) => {
                let mut text = String::new();
                unescape(string.quoted, &mut text).ok().and_then(|()| decode_base64(&text))
            }
            Scalar::Number(_) | Scalar::Other(_) => None,
        };
        match bytes {
            Some(bytes) => Ok(self.state.scratch.make(|out| push_base64(out, &bytes))),
            None => {
                self.reject(RejectReason::InvalidValue, scalar, "bytes as base64");
                Ok(Text::default())
            }
        }
    }

    fn id<const N: usize>(&mut self) -> Result<Id<N>, DecodeError> {
        let scalar = self.scalar()?;
        match scalar {
            Scalar::String(string) => Ok(hex_id(string.inside)),
            Scalar::Number(_) | Scalar::Other(_) => {
                self.reject(RejectReason::InvalidValue, scalar, "an id as a string of hex digits");
                Ok(Id::Absent)
            }
        }
    }

    fn boolean(&mut self) -> Result<bool, DecodeError> {
        let scalar = self.scalar()?;
        match scalar {
            Scalar::Other("true") => Ok(true),
            Scalar::Other("false") => Ok(false),
            _ => {
                self.reject(RejectReason::InvalidValue, scalar, "true or false");
                Ok(false)
            }
        }
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        let scalar = self.scalar()?;
        let value = match scalar {
            Scalar::Number(text) | Scalar::String(RawString { inside: text, .. }) => {
                parse_special_double(text).or_else(|| number::double(text))
            }
            Scalar::Other(_) => None,
        };
        if value.is_none() {
            self.reject(RejectReason::InvalidValue, scalar, "a double, NaN, Infinity or -Infinity");
        }
        Ok(value.unwrap_or_default())
    }

    fn time(&mut self) -> Result<u64, DecodeError> {
        self.integer(RejectReason::TimeOutOfRange, "nanoseconds since 1970")
    }

    fn fixed64(&mut self) -> Result<u64, DecodeError> {
        self.unsigned64()
    }

    fn sfixed64(&mut self) -> Result<i64, DecodeError> {
        self.signed64()
    }

    fn fixed32(&mut self) -> Result<u32, DecodeError> {
        self.unsigned32()
    }

    fn uint32(&mut self) -> Result<u32, DecodeError> {
        self.unsigned32()
    }

    fn int64(&mut self) -> Result<i64, DecodeError> {
        self.signed64()
    }

    fn sint32(&mut self) -> Result<i32, DecodeError> {
        self.integer(RejectReason::NumberOutOfRange, "an integer of 32 bits")
    }

    fn enumeration(&mut self, names: &EnumNames) -> Result<i32, DecodeError> {
        if self.scanner.peek() != Some(b'"') {
            return self.integer(RejectReason::NumberOutOfRange, "an integer of 32 bits");
        }
        let string = self.scanner.string()?;
        let number = names.number(string.inside).or_else(|| string.inside.parse().ok());
        if number.is_none() {
            self.reject(RejectReason::InvalidValue, Scalar::String(string), "the number or name of an enum value");
        }
        Ok(number.unwrap_or_default())
    }

    fn doubles(&mut self, out: &mut Vec<f64>) -> Result<(), DecodeError> {
        self.elements(|reader| {
            out.push(reader.double()?);
            Ok(())
        })
    }

    fn fixed64s(&mut self, out: &mut Vec<u64>) -> Result<(), DecodeError> {
        self.elements(|reader| {
            out.push(reader.unsigned64()?);
            Ok(())
        })
    }

    fn uint64s(&mut self, out: &mut Vec<u64>) -> Result<(), DecodeError> {
        self.fixed64s(out)
    }

    fn finish(&mut self) -> Result<(), DecodeError> {
        match self.scanner.peek() {
            None => Ok(()),
            Some(_) => self.scanner.malformed("the end of the request"),
        }
    }
}

/// The id of hex digits in either case.
fn hex_id<const N: usize>(text: &str) -> Id<N> {
    if text.is_empty() {
        return Id::Absent;
    }
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; N];
    if !rest.is_empty() || pairs.len() != N {
        return Id::Invalid;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        match (hex_digit(*high), hex_digit(*low)) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => return Id::Invalid,
        }
    }
    Id::from_bytes(&bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Appends what a JSON string stands for. An error means an escape that stands for nothing, as half a surrogate pair.
fn unescape(quoted: &str, out: &mut String) -> Result<(), serde_json::Error> {
    struct Append<'o>(&'o mut String);

    impl Visitor<'_> for Append<'_> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
            self.0.push_str(text);
            Ok(())
        }
    }

    serde_json::Deserializer::from_str(quoted).deserialize_str(Append(out))
}
