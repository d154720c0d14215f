//! A file's rows counted by their fate, of the few columns that tell it, and what is to be done with the file.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use futures::StreamExt;
use object_store::ObjectStore;

use super::decisions::TraceKey;
use super::fates::{Fates, Lane, Why};
use super::judge::BATCH_ROWS;
use super::report::Tally;
use crate::error::{Error, Result};
use crate::lake::{LiveFile, file_columns};
use crate::model::signal::Signal;

/// What is known of a file's rows.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) file: Arc<LiveFile>,
    /// Rows by their fate.
    counts: BTreeMap<Why, u64>,
    /// Rows by their lane.
    lanes: [u64; Lane::ALL.len()],
    pub(super) rows: u64,
    /// Rows whose count changes.
    weighted: u64,
}

/// What is to be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing: all of it is for the next time.
    Leave,
    /// Every row goes.
    Remove,
    /// Nothing in it changes but its mark.
    Copy(Lane),
    /// Some rows go, change, or are for different lanes.
    Rewrite,
}

impl Survey {
    /// Looks through a file.
    ///
    /// # Errors
    /// What reading or a condition met.
    pub(super) async fn of(fates: &Fates, store: &Arc<dyn ObjectStore>, file: &Arc<LiveFile>) -> Result<Self> {
        let columns = fates.columns();
        let mut survey =
            Self { file: Arc::clone(file), counts: BTreeMap::new(), lanes: [0; Lane::ALL.len()], rows: 0, weighted: 0 };
        let wanted = move |name: &str| columns.contains(name);
        let mut rows = file_columns(store, fates.date.signal, file, BATCH_ROWS, wanted).await?;
        while let Some(batch) = rows.next().await {
            for fate in fates.of(&batch?)? {
                *survey.counts.entry(fate.why).or_default() += 1;
                survey.rows += 1;
                survey.weighted += u64::from(fate.weight > 1.0);
                for (lane, count) in Lane::ALL.iter().zip(&mut survey.lanes) {
                    *count += u64::from(fate.lane == Some(*lane));
                }
            }
        }
        Ok(survey)
    }

    pub(super) fn action(&self, fates: &Fates) -> Action {
        let stays: u64 = self.lanes.iter().sum();
        if stays == 0 {
            return Action::Remove;
        }
        let only = Lane::ALL.iter().zip(self.lanes).find(|(_, count)| *count == self.rows).map(|(lane, _)| *lane);
        match only {
            Some(_) if self.weighted > 0 => Action::Rewrite,
            Some(lane) if fates.mark_of(lane) == fates.mark => Action::Leave,
            Some(lane) => Action::Copy(lane),
            None => Action::Rewrite,
        }
    }

    /// Rows that go.
    pub(super) fn going(&self) -> u64 {
        self.counts.iter().filter(|(why, _)| why.goes()).map(|(_, rows)| rows).sum()
    }

    /// Those of the reasons for which rows go.
    pub(super) fn reasons(&self) -> impl Iterator<Item = Why> {
        self.counts.keys().copied().filter(|why| why.goes())
    }

    /// The part of the file's bytes that so many of its rows take.
    pub(super) fn bytes_of(&self, rows: u64) -> u64 {
        let bytes = u128::from(self.file.size) * u128::from(rows) / u128::from(self.rows.max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    pub(super) fn tell(&self, fates: &Fates, tally: &mut Tally) {
        let date = &fates.date;
        for (why, rows) in &self.counts {
            tally.add(date.signal, *why, date.date, *rows, self.bytes_of(*rows), *rows == self.rows);
        }
    }
}

/// The ids of a file's traces.
///
/// # Errors
/// What reading met.
pub(super) async fn trace_keys(
    store: &Arc<dyn ObjectStore>,
    signal: Signal,
    file: &LiveFile,
    keys: &mut HashSet<TraceKey>,
) -> Result<()> {
    let mut rows = file_columns(store, signal, file, BATCH_ROWS, |name| name == "trace_id").await?;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let ids = batch.column_by_name("trace_id").and_then(|ids| ids.as_string_view_opt());
        let ids = ids.ok_or_else(|| Error::internal("rows without `trace_id`"))?;
        keys.extend((0..ids.len()).filter(|row| ids.is_valid(*row)).map(|row| TraceKey::of(ids.value(row))));
    }
    Ok(())
}
