//! What the two encodings have in common, so that each message is described once, in `record/`.
//!
//! A [`Wire`] is a cursor in a request. `message` walks the fields of the message at the cursor and calls back with
//! the number of each known one that is present; the callback takes its value with the method of its type.
//!
//! Two kinds of failure are kept apart. Bytes that can't be walked on are a [`DecodeError`]: the request ends there.
//! A value that its field can't have is a [`Problem`]: it is noted in [`State`], the cursor moves past it, and the
//! record that it belongs to is rejected alone.

use super::error::{DecodeError, Problem};
use super::report::RejectReason;
use super::schema::{EnumNames, Fields};

/// A cursor in a request's bytes, which live for `'a`.
pub(crate) trait Wire<'a>: Sized {
    /// A place to come back to.
    type Mark: Copy;

    /// Text made while reading, and the problem found.
    fn state(&self) -> &State;
    fn state_mut(&mut self) -> &mut State;

    /// Where the cursor is.
    fn mark(&self) -> Self::Mark;
    /// Goes back to where the cursor was.
    fn reset(&mut self, mark: Self::Mark);
    /// Where the value at the cursor begins in the body.
    fn value_start(&mut self) -> Result<usize, DecodeError>;
    /// Where the value just read ended in the body.
    fn position(&self) -> usize;

    /// Walks the message at the cursor. Callbacks take or skip the value of each field that they are given.
    fn message(
        &mut self,
        fields: &'static Fields,
        visit: impl FnMut(&mut Self, u32) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError>;
    /// Walks the elements of a repeated message at the cursor: all there are in JSON, the one at hand in protobuf.
    fn each(&mut self, visit: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError>;
    fn skip(&mut self) -> Result<(), DecodeError>;

    fn text(&mut self) -> Result<Text<'a>, DecodeError>;
    /// Bytes, as base64 with padding.
    fn base64(&mut self) -> Result<Text<'a>, DecodeError>;
    fn id<const N: usize>(&mut self) -> Result<Id<N>, DecodeError>;
    fn boolean(&mut self) -> Result<bool, DecodeError>;
    fn double(&mut self) -> Result<f64, DecodeError>;
    /// A `fixed64` that is a time in nanoseconds.
    fn time(&mut self) -> Result<u64, DecodeError>;
    fn fixed64(&mut self) -> Result<u64, DecodeError>;
    fn sfixed64(&mut self) -> Result<i64, DecodeError>;
    fn fixed32(&mut self) -> Result<u32, DecodeError>;
    fn uint32(&mut self) -> Result<u32, DecodeError>;
    fn int64(&mut self) -> Result<i64, DecodeError>;
    fn sint32(&mut self) -> Result<i32, DecodeError>;
    fn enumeration(&mut self, names: &EnumNames) -> Result<i32, DecodeError>;
    fn doubles(&mut self, out: &mut Vec<f64>) -> Result<(), DecodeError>;
    fn fixed64s(&mut self, out: &mut Vec<u64>) -> Result<(), DecodeError>;
    fn uint64s(&mut self, out: &mut Vec<u64>) -> Result<(), DecodeError>;

    /// Whether the body has more than the request.
    fn finish(&mut self) -> Result<(), DecodeError>;
}

/// What reading leaves beside the values taken: cleared for each record.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) scratch: Scratch,
    problem: Option<Problem>,
}

impl State {
    /// Notes a problem, unless there is one already.
    pub(crate) fn reject(&mut self, reason: RejectReason, detail: impl FnOnce() -> String) {
        if self.problem.is_none() {
            self.problem = Some(Problem::new(reason, detail()));
        }
    }

    /// The problem found since the last call.
    pub(crate) fn take_problem(&mut self) -> Option<Problem> {
        self.problem.take()
    }
}

/// Text that is in the request as it is wanted, or was made in [`Scratch`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text<'a> {
    Input(&'a str),
    Made { start: usize, end: usize },
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self::Input("")
    }
}

impl<'a> Text<'a> {
    #[inline]
    pub(crate) fn get<'s>(self, scratch: &'s Scratch) -> &'s str
    where
        'a: 's,
    {
        match self {
            Self::Input(text) => text,
            Self::Made { start, end } => scratch.0.get(start..end).unwrap_or_default(),
        }
    }
}

/// Text that is not in the request as it is wanted: unescaped, formatted, encoded.
#[derive(Debug, Default)]
pub(crate) struct Scratch(String);

impl Scratch {
    /// Makes a text by appending to the scratch.
    pub(crate) fn make<'a>(&mut self, write: impl FnOnce(&mut String)) -> Text<'a> {
        let start = self.0.len();
        write(&mut self.0);
        Text::Made { start, end: self.0.len() }
    }

    /// Forgets every text made: whoever calls it holds none of them any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A trace or span id as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Id<const N: usize> {
    /// No bytes: OTLP's way of saying that there is none.
    #[default]
    Absent,
    /// The right number of bytes, not all zero.
    Valid([u8; N]),
    /// A wrong length, not hex, or all zero: stored as NULL and counted.
    Invalid,
}

pub(crate) type TraceId = Id<16>;
pub(crate) type SpanId = Id<8>;

impl<const N: usize> Id<N> {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        match <[u8; N]>::try_from(bytes) {
            _ if bytes.is_empty() => Self::Absent,
            Ok(id) if id.iter().any(|byte| *byte != 0) => Self::Valid(id),
            _ => Self::Invalid,
        }
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Valid(id) => Some(id),
            Self::Absent | Self::Invalid => None,
        }
    }

    pub(crate) fn nulled(&self) -> u64 {
        u64::from(*self == Self::Invalid)
    }
}
