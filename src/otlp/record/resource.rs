//! Resources and instrumentation scopes.

use super::attributes::{AttributeList, AttributeReader};
use crate::otlp::error::DecodeError;
use crate::otlp::schema::{resource, scope};
use crate::otlp::wire::{Text, Wire};

/// A resource.
#[derive(Debug, Default)]
pub(crate) struct Resource<'a> {
    pub(crate) attributes: AttributeList<'a>,
    pub(crate) dropped_attributes_count: u32,
    pub(crate) entity_refs: u64,
}

impl<'a> Resource<'a> {
    pub(crate) fn clear(&mut self) {
        self.attributes.clear();
        self.dropped_attributes_count = 0;
        self.entity_refs = 0;
    }

    /// Reads the message at the cursor; pieces of one resource add up.
    pub(crate) fn read<W: Wire<'a>>(
        &mut self,
        wire: &mut W,
        reader: &mut AttributeReader<'a>,
    ) -> Result<(), DecodeError> {
        wire.message(resource::FIELDS, |wire, field| {
            match field {
                resource::ATTRIBUTES => reader.read(wire, &mut self.attributes)?,
                resource::DROPPED_ATTRIBUTES_COUNT => self.dropped_attributes_count = wire.uint32()?,
                resource::ENTITY_REFS => wire.each(|wire| {
                    self.entity_refs += 1;
                    wire.skip()
                })?,
                _ => wire.skip()?,
            }
            Ok(())
        })
    }
}

/// An instrumentation scope.
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) version: Text<'a>,
    pub(crate) attributes: AttributeList<'a>,
    pub(crate) dropped_attributes_count: u32,
}

impl<'a> Scope<'a> {
    pub(crate) fn clear(&mut self) {
        self.name = Text::default();
        self.version = Text::default();
        self.attributes.clear();
        self.dropped_attributes_count = 0;
    }

    /// Reads the message at the cursor; pieces of one scope add up.
    pub(crate) fn read<W: Wire<'a>>(
        &mut self,
        wire: &mut W,
        reader: &mut AttributeReader<'a>,
    ) -> Result<(), DecodeError> {
        wire.message(scope::FIELDS, |wire, field| {
            match field {
                scope::NAME => self.name = wire.text()?,
                scope::VERSION => self.version = wire.text()?,
                scope::ATTRIBUTES => reader.read(wire, &mut self.attributes)?,
                scope::DROPPED_ATTRIBUTES_COUNT => self.dropped_attributes_count = wire.uint32()?,
                _ => wire.skip()?,
            }
            Ok(())
        })
    }
}
