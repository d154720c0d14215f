//! The erasures that stand at one moment.

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;

use super::key::{Hash, Key};
use super::walk::{Finder, rows_with};

/// Every erasure that stands, up to a number of the log. Immutable.
#[derive(Debug)]
pub struct ErasureSet {
    last: u64,
    key: Option<Key>,
    /// For each attribute, the hashes of its values with the erasure's number.
    by_attribute: BTreeMap<String, HashMap<Hash, u64>>,
}

impl ErasureSet {
    /// None stands.
    pub(super) const fn none(last: u64) -> Self {
        Self { last, key: None, by_attribute: BTreeMap::new() }
    }

    pub(super) fn new(last: u64, key: Key, standing: Vec<(u64, String, Hash)>) -> Self {
        let mut by_attribute: BTreeMap<String, HashMap<Hash, u64>> = BTreeMap::new();
        for (id, attribute, hash) in standing {
            by_attribute.entry(attribute).or_default().insert(hash, id);
        }
        Self { last, key: Some(key), by_attribute }
    }

    /// The number up to which the log was read.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Whether none stands.
    pub fn is_empty(&self) -> bool {
        self.by_attribute.is_empty()
    }

    /// Which rows have an erased value; `None` where no row has.
    pub fn erased(&self, batch: &RecordBatch) -> Option<Vec<bool>> {
        let key = self.key.as_ref().filter(|_| !self.is_empty())?;
        let mut finder = HashFinder { set: self, key, seen: HashMap::new() };
        rows_with(batch, &mut finder)
    }
}

/// Finds erased values by their hash.
struct HashFinder<'a> {
    set: &'a ErasureSet,
    key: &'a Key,
    /// What was found of the last value of an attribute: neighbours share a resource.
    seen: HashMap<&'a str, (String, bool)>,
}

impl Finder for HashFinder<'_> {
    fn entry(&mut self, key: &str, value: &str) -> bool {
        let Some((attribute, hashes)) = self.set.by_attribute.get_key_value(key) else { return false };
        if let Some((last, is_erased)) = self.seen.get(attribute.as_str())
            && last == value
        {
            return *is_erased;
        }
        let is_erased = hashes.contains_key(self.key.hash(key, value).to_hex().as_str());
        self.seen.insert(attribute, (value.to_owned(), is_erased));
        is_erased
    }
}
