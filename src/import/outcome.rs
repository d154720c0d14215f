//! What an import has done, for people and for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::signal::Signal;

/// Unreadable lines that are told with where and why; a file of another kind has millions.
const SPELLED_OUT: usize = 100;

/// What an import has done. Its JSON is what `import --json` prints and the server answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportOutcome {
    /// By table; all three are there.
    pub signals: BTreeMap<String, SignalOutcome>,
    /// Lines or requests that could not be read at all: where and why, of the first hundred.
    pub unreadable: Vec<String>,
    /// How many there were.
    pub unreadable_count: u64,
    /// Inputs whose content was in the lake before, by name.
    pub already: Vec<String>,
    /// Files written.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What an import has done for one signal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SignalOutcome {
    /// Records stored.
    pub stored: u64,
    /// Records of an input that an earlier import, which did not get to its end, has stored.
    pub already: u64,
    /// Records that a standing erasure kept out.
    #[serde(default)]
    pub erased: u64,
    /// Records rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Trace and span ids that became NULL.
    pub nulled_ids: u64,
    /// Attribute keys that came twice, of which the last was kept.
    pub duplicate_keys: u64,
}

impl Default for ImportOutcome {
    fn default() -> Self {
        let signals = Signal::ALL.iter().map(|signal| (signal.table().to_owned(), SignalOutcome::default()));
        Self {
            signals: signals.collect(),
            unreadable: Vec::new(),
            unreadable_count: 0,
            already: Vec::new(),
            files: 0,
            bytes: 0,
        }
    }
}

impl ImportOutcome {
    /// The counts of a signal.
    pub(super) fn of(&mut self, signal: Signal) -> &mut SignalOutcome {
        self.signals.entry(signal.table().to_owned()).or_default()
    }

    /// Takes down what could not be read.
    pub(super) fn add_unreadable(&mut self, what: String) {
        self.unreadable_count += 1;
        if self.unreadable.len() < SPELLED_OUT {
            self.unreadable.push(what);
        }
    }

    /// Whether anything was not stored.
    pub fn is_partial(&self) -> bool {
        self.unreadable_count > 0 || self.signals.values().any(|signal| !signal.rejected.is_empty())
    }

    /// Adds what another import did.
    pub fn add(&mut self, other: Self) {
        for (table, counts) in other.signals {
            let mine = self.signals.entry(table).or_default();
            mine.stored += counts.stored;
            mine.already += counts.already;
            mine.erased += counts.erased;
            mine.nulled_ids += counts.nulled_ids;
            mine.duplicate_keys += counts.duplicate_keys;
            for (reason, count) in counts.rejected {
                *mine.rejected.entry(reason).or_default() += count;
            }
        }
        self.unreadable_count += other.unreadable_count;
        self.unreadable.extend(other.unreadable);
        self.unreadable.truncate(SPELLED_OUT);
        self.already.extend(other.already);
        self.files += other.files;
        self.bytes += other.bytes;
    }
}
