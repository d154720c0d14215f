//! What a resource and a scope give to their rows, encoded once.

use crate::model::build::EncodedMap;
use crate::model::contract::UNKNOWN_SERVICE;
use crate::model::series::SeriesHasher;
use crate::otlp::record::{Attribute, AttributeList, Resource, Scope};
use crate::otlp::value::write_map_types;
use crate::otlp::wire::{Scratch, Text};

const SERVICE_NAME: &str = "service.name";

/// The resource and the scope of the rows at hand.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) service_name: String,
    pub(super) resource: Part,
    pub(super) scope_name: String,
    pub(super) scope_version: String,
    pub(super) scope: Part,
    hasher: SeriesHasher,
}

/// What a resource and a scope both have.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) attributes: EncodedMap,
    /// The part of `value_types`, empty where all values are strings.
    pub(super) types: String,
    pub(super) schema_url: String,
    pub(super) dropped_attributes_count: u32,
    /// Its part of `series_id`.
    pub(super) series_hash: u64,
}

impl Group {
    pub(crate) fn new() -> Self {
        Self {
            service_name: String::new(),
            resource: Part::empty(),
            scope_name: String::new(),
            scope_version: String::new(),
            scope: Part::empty(),
            hasher: SeriesHasher::default(),
        }
    }

    /// Takes over a resource. Returns how many of its attributes are left out for a later one of the same key.
    pub(crate) fn set_resource(&mut self, resource: &mut Resource<'_>, schema_url: Text<'_>, scratch: &Scratch) -> u64 {
        let duplicates = self.resource.set(&mut resource.attributes, schema_url, scratch);
        self.resource.dropped_attributes_count = resource.dropped_attributes_count;
        self.resource.series_hash = self.hasher.resource(series_attributes(resource.attributes.entries(), scratch));
        let named = resource.attributes.entries().iter().find(|attribute| attribute.key.get(scratch) == SERVICE_NAME);
        let name = named.map_or("", |attribute| attribute.value.get(scratch));
        replace(&mut self.service_name, if name.is_empty() { UNKNOWN_SERVICE } else { name });
        duplicates
    }

    /// Takes over a scope. Returns how many of its attributes are left out for a later one of the same key.
    pub(crate) fn set_scope(&mut self, scope: &mut Scope<'_>, schema_url: Text<'_>, scratch: &Scratch) -> u64 {
        let duplicates = self.scope.set(&mut scope.attributes, schema_url, scratch);
        self.scope.dropped_attributes_count = scope.dropped_attributes_count;
        replace(&mut self.scope_name, scope.name.get(scratch));
        replace(&mut self.scope_version, scope.version.get(scratch));
        let attributes = series_attributes(scope.attributes.entries(), scratch);
        self.scope.series_hash = self.hasher.scope(&self.scope_name, &self.scope_version, attributes);
        duplicates
    }

    /// What is copied for each row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.resource.attributes.bytes() + self.scope.attributes.bytes()
    }
}

impl Part {
    fn empty() -> Self {
        let attributes = EncodedMap::new(std::iter::empty());
        Self {
            attributes,
            types: String::new(),
            schema_url: String::new(),
            dropped_attributes_count: 0,
            series_hash: 0,
        }
    }

    fn set(&mut self, attributes: &mut AttributeList<'_>, schema_url: Text<'_>, scratch: &Scratch) -> u64 {
        let duplicates = attributes.close(0, scratch);
        self.attributes = EncodedMap::new(texts(attributes.entries(), scratch));
        self.types.clear();
        write_types(attributes.entries(), scratch, &mut self.types);
        replace(&mut self.schema_url, schema_url.get(scratch));
        duplicates
    }
}

/// Keys and values as a map column takes them.
pub(super) fn texts<'s>(
    attributes: &'s [Attribute<'_>],
    scratch: &'s Scratch,
) -> impl ExactSizeIterator<Item = (&'s str, &'s str)> {
    attributes.iter().map(|attribute| (attribute.key.get(scratch), attribute.value.get(scratch)))
}

/// Writes the part of `value_types` for a map.
pub(super) fn write_types(attributes: &[Attribute<'_>], scratch: &Scratch, out: &mut String) {
    write_map_types(attributes.iter().map(|attribute| (attribute.key.get(scratch), attribute.value_type)), out);
}

/// Attributes as `series_id` hashes them.
pub(super) fn series_attributes<'s>(
    attributes: &'s [Attribute<'_>],
    scratch: &'s Scratch,
) -> impl ExactSizeIterator<Item = (&'s str, u8, &'s str)> {
    attributes
        .iter()
        .map(|attribute| (attribute.key.get(scratch), attribute.value_type.ascii(), attribute.value.get(scratch)))
}

/// Puts text in place of another, in the same memory.
pub(super) fn replace(out: &mut String, text: &str) {
    out.clear();
    out.push_str(text);
}
