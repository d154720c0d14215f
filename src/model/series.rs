//! `series_id`: which time series a data point belongs to, as a hash that never changes.
//!
//! A series is a metric (name, type, unit), a resource, a scope (name, version, attributes) and the point's own
//! attributes. Everything that the hash covers is in the row, so anyone can compute it again from the columns. Left
//! out are what may differ between points of one series: temporality, schema URLs, description, metadata, dropped
//! counts.
//!
//! ```text
//! H(x)       XXH3, 64 bits, seed 0
//! str(s)     length of s in bytes as u32 little-endian, then the UTF-8 of s; NULL is as empty
//! attrs(m)   number of entries as u32 little-endian, then for each entry in ascending order of its key:
//!            str(key), the value's type letter as one byte (`s` for a string), str(value as text)
//!
//! metric     H( str(metric_name) str(metric_type) str(unit) )
//! resource   H( attrs(resource_attributes) )
//! scope      H( str(scope_name) str(scope_version) attrs(scope_attributes) )
//! series_id  H( metric resource scope attrs(attributes) )      the first three as u64 little-endian; read as i64
//! ```
//!
//! Type letters and texts are those of "Values as text" (`otlp/value`), so `"1"` and `1` are different series. The
//! length before each text makes the bytes unambiguous. Metric, resource and scope are hashed once for all their
//! points.

use xxhash_rust::xxh3::xxh3_64;

/// One attribute as the hash sees it: key, type letter, value as text.
pub type SeriesAttribute<'t> = (&'t str, u8, &'t str);

/// Hashes the parts of a series. It holds a buffer to be used again.
#[derive(Debug, Default)]
pub struct SeriesHasher {
    bytes: Vec<u8>,
}

impl SeriesHasher {
    /// The metric's part: name, type as in `metric_type`, unit.
    pub fn metric(&mut self, name: &str, metric_type: &str, unit: &str) -> u64 {
        self.bytes.clear();
        for text in [name, metric_type, unit] {
            self.text(text);
        }
        xxh3_64(&self.bytes)
    }

    /// The resource's part. Keys ascend.
    pub fn resource<'t>(&mut self, attributes: impl ExactSizeIterator<Item = SeriesAttribute<'t>>) -> u64 {
        self.bytes.clear();
        self.attributes(attributes);
        xxh3_64(&self.bytes)
    }

    /// The scope's part. Keys ascend.
    pub fn scope<'t>(
        &mut self,
        name: &str,
        version: &str,
        attributes: impl ExactSizeIterator<Item = SeriesAttribute<'t>>,
    ) -> u64 {
        self.bytes.clear();
        self.text(name);
        self.text(version);
        self.attributes(attributes);
        xxh3_64(&self.bytes)
    }

    /// The series id of a point, from the three parts and its own attributes. Keys ascend.
    pub fn series_id<'t>(
        &mut self,
        metric: u64,
        resource: u64,
        scope: u64,
        attributes: impl ExactSizeIterator<Item = SeriesAttribute<'t>>,
    ) -> i64 {
        self.bytes.clear();
        for part in [metric, resource, scope] {
            self.bytes.extend_from_slice(&part.to_le_bytes());
        }
        self.attributes(attributes);
        xxh3_64(&self.bytes).cast_signed()
    }

    fn attributes<'t>(&mut self, attributes: impl ExactSizeIterator<Item = SeriesAttribute<'t>>) {
        self.length(attributes.len());
        for (key, letter, value) in attributes {
            self.text(key);
            self.bytes.push(letter);
            self.text(value);
        }
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn length(&mut self, length: usize) {
        let length = u32::try_from(length).expect("a request's text stays below 2 GiB, which the decoder has checked");
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing one breaks every series already stored. Checked against Python's xxhash.
    #[test]
    fn vectors() {
        let mut hasher = SeriesHasher::default();
        let none = || [].into_iter();
        let metric = hasher.metric("system.cpu.time", "SUM", "s");
        let resource = hasher.resource([("host.name", b's', "a"), ("service.name", b's', "shop")].into_iter());
        let scope = hasher.scope("meter", "1.0", none());
        let point = [("cpu", b'i', "0"), ("state", b's', "idle")];
        let full = hasher.series_id(metric, resource, scope, point.into_iter());
        let (no_metric, no_resource) = (hasher.metric("", "GAUGE", ""), hasher.resource(none()));
        let no_scope = hasher.scope("", "", none());
        let bare = hasher.series_id(no_metric, no_resource, no_scope, none());
        assert_eq!(
            [metric, resource, scope],
            [8_529_216_114_305_245_725, 16_158_896_877_421_014_523, 8_857_233_568_877_252_820]
        );
        assert_eq!(full, -8_350_449_342_990_609_523);
        assert_eq!(
            [no_metric, no_resource, no_scope],
            [15_004_612_409_208_823_486, 5_238_470_482_016_868_669, 14_166_511_957_577_999_600]
        );
        assert_eq!(bare, 3_353_803_235_508_927_806);
    }

    #[test]
    fn neighbours_differ() {
        let mut hasher = SeriesHasher::default();
        let text = hasher.series_id(1, 2, 3, [("a", b's', "1")].into_iter());
        let number = hasher.series_id(1, 2, 3, [("a", b'i', "1")].into_iter());
        let shifted = hasher.series_id(1, 2, 3, [("as", b'1', "")].into_iter());
        assert_ne!(text, number);
        assert_ne!(text, shifted);
        assert_ne!(hasher.metric("ab", "GAUGE", ""), hasher.metric("a", "GAUGE", "b"));
    }
}
