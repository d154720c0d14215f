//! `[[hold]]`: rows that neither retention nor erasure lets go while the hold is in the configuration.

use arrow::array::{BooleanArray, RecordBatch};
use serde_json::{Value, json};

use crate::error::Result;
use crate::model::signal::Signal;
use crate::query::RowFilter;

/// A filter and the reason for it.
#[derive(Debug, Clone)]
pub struct Hold {
    /// Its number among the `[[hold]]`, from 1.
    pub number: usize,
    /// The table.
    pub signal: Signal,
    /// The condition, as it was written.
    pub condition: String,
    /// The same, as it is asked.
    pub filter: RowFilter,
    /// Why, in a person's words; reports repeat it.
    pub reason: String,
}

/// Every hold.
#[derive(Debug, Clone, Default)]
pub struct Holds(Vec<Hold>);

impl Holds {
    /// These holds.
    pub const fn new(holds: Vec<Hold>) -> Self {
        Self(holds)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Hold> {
        self.0.iter()
    }

    /// Those of a table.
    pub fn of(&self, signal: Signal) -> impl Iterator<Item = &Hold> {
        self.0.iter().filter(move |hold| hold.signal == signal)
    }

    /// The hold of this number.
    pub fn numbered(&self, number: usize) -> Option<&Hold> {
        self.0.iter().find(|hold| hold.number == number)
    }

    /// Of each row the number of the first hold that it matches; `None` where the table has no hold, so that nobody
    /// need ask row by row. The batch has the contract's columns.
    ///
    /// # Errors
    /// What a condition meets.
    pub fn held(&self, signal: Signal, rows: &RecordBatch) -> Result<Option<Vec<Option<usize>>>> {
        let mut held: Option<Vec<Option<usize>>> = None;
        for hold in self.of(signal) {
            let matches: BooleanArray = hold.filter.matches(rows)?;
            let held = held.get_or_insert_with(|| vec![None; rows.num_rows()]);
            for (held, matches) in held.iter_mut().zip(matches.values()) {
                if matches && held.is_none() {
                    *held = Some(hold.number);
                }
            }
        }
        Ok(held)
    }

    /// As `config show` tells them.
    pub fn described(&self) -> Value {
        let holds = self.0.iter();
        let holds =
            holds.map(|hold| json!({"table": hold.signal.table(), "where": hold.condition, "reason": hold.reason}));
        Value::Array(holds.collect())
    }
}
