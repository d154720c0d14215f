//! Trace and span ids, in any spelling that people and tools give them.

use std::fmt::{self, Write as _};

/// Hex digits of a trace id.
const TRACE_DIGITS: usize = 32;

/// Hex digits of a span id.
const SPAN_DIGITS: usize = 16;

/// Characters of a wrong id that its error repeats.
const REPEATED: usize = 80;

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String does not fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// A trace's id as the tables have it: 32 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(String);

/// A span's id as the tables have it: 16 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(String);

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoId {
    /// Of a trace.
    #[error("`{0}` is no trace id: 32 hex digits, or 16 of an older system's")]
    Trace(String),
    /// Of a span.
    #[error("`{0}` is no span id: 16 hex digits")]
    Span(String),
}

impl TraceId {
    /// Reads upper or lower case, with or without dashes, `0x` and leading zeros.
    ///
    /// # Errors
    /// The text is none of these.
    pub fn parse(text: &str) -> Result<Self, NoId> {
        normal(text, TRACE_DIGITS).map(Self).ok_or_else(|| NoId::Trace(start_of(text)))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SpanId {
    /// Reads upper or lower case, with or without dashes, `0x` and leading zeros.
    ///
    /// # Errors
    /// The text is none of these.
    pub fn parse(text: &str) -> Result<Self, NoId> {
        normal(text, SPAN_DIGITS).map(Self).ok_or_else(|| NoId::Span(start_of(text)))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn normal(text: &str, length: usize) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let valid = !digits.is_empty() && digits.len() <= length && digits.chars().all(|c| c.is_ascii_hexdigit());
    valid.then(|| format!("{:0>length$}", digits.to_ascii_lowercase()))
}

fn start_of(text: &str) -> String {
    text.chars().take(REPEATED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("4BF92F3577B34DA6A3CE929D0E0E4736", "4bf92f3577b34da6a3ce929d0e0e4736")]
    #[case("0x4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4736")]
    #[case(" a3ce929d0e0e4736\n", "0000000000000000a3ce929d0e0e4736")]
    fn any_spelling_of_an_id(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(TraceId::parse(text).unwrap().as_str(), expected);
        assert_eq!(SpanId::parse("0XA1").unwrap().as_str(), "00000000000000a1");
    }

    #[rstest::rstest]
    #[case("' or 1=1")]
    #[case("")]
    #[case("0x")]
    #[case("+1")]
    #[case("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    fn what_is_no_id_is_refused(#[case] text: &str) {
        assert_eq!(TraceId::parse(text), Err(NoId::Trace(text.into())));
        assert!(SpanId::parse(text).is_err() && SpanId::parse("4bf92f3577b34da6a").is_err());
    }
}
