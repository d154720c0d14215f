//! JSON tokens: where strings, numbers, literals and skipped values end.

use std::collections::HashMap;
use std::ops::Range;

use super::number::is_json_number;
use crate::otlp::error::DecodeError;

/// A place in a JSON text.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    pub(super) at: usize,
    /// Where long objects and arrays end that have been skipped, by where they begin. The frame of a request is walked
    /// twice at each level (`walk.rs`); with this its records are skipped once.
    ends: HashMap<usize, usize>,
}

const SPECIAL_DOUBLES: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// How far inside a skipped value ends are remembered: from `scopeMetrics` in to `dataPoints`.
const REMEMBERED_DEPTH: usize = 6;

/// From how many bytes on an end is worth remembering.
const REMEMBERED_BYTES: usize = 1_024;

/// A string's inside, as it is in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawString<'a> {
    pub(super) inside: &'a str,
    /// With the quotes.
    pub(super) quoted: &'a str,
    pub(super) escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(body: &'a [u8]) -> Result<Self, DecodeError> {
        match std::str::from_utf8(body) {
            Ok(text) => Ok(Self { text, at: 0, ends: HashMap::new() }),
            Err(error) => Err(DecodeError::Malformed { offset: error.valid_up_to(), expected: "UTF-8" }),
        }
    }

    pub(super) fn malformed<T>(&self, expected: &'static str) -> Result<T, DecodeError> {
        Err(DecodeError::Malformed { offset: self.at, expected })
    }

    /// The byte that the next token begins with, `None` at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                byte => return byte.copied(),
            }
        }
    }

    /// Takes the next token if it is this one byte.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), DecodeError> {
        if self.take(byte) { Ok(()) } else { self.malformed(expected) }
    }

    pub(super) fn literal(&mut self, literal: &'static str) -> Result<(), DecodeError> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(literal)) {
            self.at += literal.len();
            Ok(())
        } else {
            self.malformed("a JSON value")
        }
    }

    /// Takes `null` if it is next.
    #[inline]
    pub(super) fn take_null(&mut self) -> Result<bool, DecodeError> {
        if self.peek() == Some(b'n') { self.literal("null").map(|()| true) } else { Ok(false) }
    }

    /// The string that begins here.
    #[inline]
    pub(super) fn string(&mut self) -> Result<RawString<'a>, DecodeError> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        let escaped = self.skip_string_inside()?;
        let inside = self.slice(start..self.at - 1)?;
        let quoted = self.slice(start - 1..self.at)?;
        Ok(RawString { inside, quoted, escaped })
    }

    /// Moves past the string's closing quote and tells whether there were escapes.
    #[inline]
    fn skip_string_inside(&mut self) -> Result<bool, DecodeError> {
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let plain = plain_length(rest);
            self.at += plain;
            match rest.get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') if rest.len() > plain + 1 => {
                    escaped = true;
                    self.at += 2;
                }
                Some(b'\\') | None => return self.malformed("the end of a string"),
                Some(_) => return self.malformed("no bare control character in a string"),
            }
        }
    }

    /// The number that begins here, or the bare name of a double that has none, as Python's `json` writes it.
    pub(super) fn number(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        let here = self.text.get(start..).unwrap_or_default();
        if let Some(name) = SPECIAL_DOUBLES.into_iter().find(|name| here.starts_with(name)) {
            self.at += name.len();
            return Ok(name);
        }
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let in_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !in_number(byte)).unwrap_or(rest.len());
        let number = self.slice(start..start + length)?;
        if !is_json_number(number) {
            return self.malformed("a JSON value");
        }
        self.at += length;
        Ok(number)
    }

    /// Moves past a value. Inside an object or array, only brackets and strings are looked at.
    pub(super) fn skip_value(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{' | b'[') => self.skip_nested(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => self.number().map(drop),
        }
    }

    /// Moves past the object or array that begins here. Takes no stack, however deep it nests.
    fn skip_nested(&mut self) -> Result<(), DecodeError> {
        if let Some(end) = self.ends.get(&self.at) {
            self.at = *end;
            return Ok(());
        }
        let mut starts = [0; REMEMBERED_DEPTH];
        let mut depth = 0_usize;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'));
            let Some(plain) = plain else { return self.malformed("the end of an object or array") };
            self.at += plain + 1;
            match rest.get(plain) {
                Some(b'"') => drop(self.skip_string_inside()?),
                Some(b'{' | b'[') => {
                    if let Some(start) = starts.get_mut(depth) {
                        *start = self.at - 1;
                    }
                    depth += 1;
                }
                _ => {
                    depth -= 1;
                    if let Some(start) = starts.get(depth)
                        && self.at - start >= REMEMBERED_BYTES
                    {
                        self.ends.insert(*start, self.at);
                    }
                }
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn slice(&self, range: Range<usize>) -> Result<&'a str, DecodeError> {
        match self.text.get(range) {
            Some(slice) => Ok(slice),
            None => self.malformed("a JSON value"),
        }
    }
}

/// How many bytes there are before a quote, a backslash or a control character. Eight at a time.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    // Not zero if and only if a byte of the word is zero; which one, is found byte by byte.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let (words, _) = bytes.as_chunks::<8>();
    let special = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        let control = word.wrapping_sub(SPACES) & !word & TOPS;
        zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES) | control != 0
    };
    let plain = 8 * words.iter().position(special).unwrap_or(words.len());
    let rest = bytes.get(plain..).unwrap_or_default();
    plain + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_length_is_that_of_a_byte_by_byte_search(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            prop_assert_eq!(plain_length(&bytes), bytes.iter().position(special).unwrap_or(bytes.len()));
        }

        /// What serde_json calls JSON is skipped whole, remembered or not.
        #[test]
        fn skipping_ends_where_the_value_ends(text in "[\\[\\]{}\",:a\\\\ 1]{0,30}", long in any::<bool>()) {
            let more = "x".repeat(if long { 2_000 } else { 0 });
            let value = serde_json::json!({"a": [[text.as_str()], {text.as_str(): 1}, more]});
            let body = format!(" {value} ,");
            let mut scanner = Scanner::new(body.as_bytes()).expect("the text is UTF-8");
            for _ in 0..2 {
                scanner.at = 0;
                scanner.skip_value().expect("the value is JSON");
                prop_assert_eq!(scanner.at, body.len() - 2);
            }
        }
    }
}
