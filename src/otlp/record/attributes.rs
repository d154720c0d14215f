//! Lists of attributes: read in the sender's order, then sorted by key, with the last of equal keys kept.

use std::cmp::Ordering;

use crate::otlp::error::DecodeError;
use crate::otlp::schema::key_value;
use crate::otlp::value::{Tape, ValueType, read_any_value};
use crate::otlp::wire::{Scratch, Text, Wire};

/// One attribute, its value as text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) key: Text<'a>,
    pub(crate) value: Text<'a>,
    pub(crate) value_type: ValueType,
    /// The key's first bytes, which tell most keys apart.
    key_prefix: u64,
}

impl<'a> Attribute<'a> {
    fn new(key: Text<'a>, (value, value_type): (Text<'a>, ValueType), scratch: &Scratch) -> Self {
        Self { key, value, value_type, key_prefix: prefix(key.get(scratch)) }
    }

    /// By key, byte for byte.
    #[inline]
    fn cmp(&self, other: &Self, scratch: &Scratch) -> Ordering {
        let by_key = || self.key.get(scratch).cmp(other.key.get(scratch));
        self.key_prefix.cmp(&other.key_prefix).then_with(by_key)
    }
}

/// Up to 8 bytes as a number that sorts as they do; shorter keys are as if zeros followed.
fn prefix(key: &str) -> u64 {
    match key.as_bytes().first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => key.bytes().rev().fold(0, |prefix, byte| prefix >> 8 | u64::from(byte) << 56),
    }
}

/// Attributes of one record, or of several parts of it one after the other.
#[derive(Debug, Default)]
pub(crate) struct AttributeList<'a> {
    entries: Vec<Attribute<'a>>,
}

impl<'a> AttributeList<'a> {
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn entries(&self) -> &[Attribute<'a>] {
        &self.entries
    }

    /// The attributes of a part, from `start` to `end`.
    pub(crate) fn range(&self, start: usize, end: usize) -> &[Attribute<'a>] {
        self.entries.get(start..end).unwrap_or_default()
    }

    /// Sorts what was read from `start` on and keeps the last of equal keys. Returns how many it left out.
    pub(crate) fn close(&mut self, start: usize, scratch: &Scratch) -> u64 {
        let Some(part) = self.entries.get_mut(start..) else { return 0 };
        let ascending = |pair: &[Attribute<'a>]| matches!(pair, [a, b] if a.cmp(b, scratch).is_lt());
        if part.windows(2).all(ascending) {
            return 0;
        }
        // A stable sort, so the last of equal keys stays last.
        part.sort_by(|a, b| a.cmp(b, scratch));
        let before = self.entries.len();
        let mut kept = start;
        for at in start..before {
            let Some(entry) = self.entries.get(at).copied() else { break };
            let replaces =
                kept > start && self.entries.get(kept - 1).is_some_and(|last| last.cmp(&entry, scratch).is_eq());
            if !replaces {
                kept += 1;
            }
            if let Some(slot) = self.entries.get_mut(kept - 1) {
                *slot = entry;
            }
        }
        self.entries.truncate(kept);
        (before - kept).try_into().unwrap_or(u64::MAX)
    }
}

/// Reads attributes. One for the whole request.
#[derive(Debug, Default)]
pub(crate) struct AttributeReader<'a> {
    tape: Tape<'a>,
}

impl<'a> AttributeReader<'a> {
    /// Reads the repeated `KeyValue` at the cursor to the end of a list.
    #[inline]
    pub(crate) fn read<W: Wire<'a>>(&mut self, wire: &mut W, list: &mut AttributeList<'a>) -> Result<(), DecodeError> {
        wire.each(|wire| {
            let mut key = Text::default();
            self.tape.clear();
            wire.message(key_value::FIELDS, |wire, field| {
                match field {
                    key_value::KEY => key = wire.text()?,
                    key_value::VALUE => read_any_value(wire, &mut self.tape, 0, 0)?,
                    _ => wire.skip()?,
                }
                Ok(())
            })?;
            let scratch = &mut wire.state_mut().scratch;
            let value = self.tape.render(scratch);
            list.entries.push(Attribute::new(key, value, scratch));
            Ok(())
        })
    }
}
