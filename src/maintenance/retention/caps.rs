//! `max_bytes`: the oldest dates go, whole, until a table's files are no more than that; never today's.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::REACH_DAYS;
use super::fates::{Fates, TraceFacts, Why};
use super::judge::{after, before, date_of};
use super::run::{Work, judged_together};
use crate::error::Result;
use crate::lake::LiveFile;
use crate::model::signal::Signal;

impl Work<'_> {
    /// Takes the oldest dates of a table that has too many bytes.
    pub(super) async fn cap(&mut self, signal: Signal) -> Result<()> {
        let Some(max_bytes) = self.rules().of_table(signal).and_then(|rule| rule.max_bytes) else { return Ok(()) };
        let Some(snapshot) = self.newest.get(&signal) else { return Ok(()) };
        let live: Vec<Arc<LiveFile>> = snapshot.files().iter().cloned().collect();
        let bytes = match self.apply {
            // A date that goes by its age in the same run is not counted again.
            None => {
                let mut left = self.remaining.remove(&signal).unwrap_or_default();
                left.retain(|_, bytes| *bytes > 0);
                left
            }
            Some(_) => {
                let mut bytes = BTreeMap::new();
                for (date, file) in live.iter().filter_map(|file| Some((date_of(file)?, file))) {
                    *bytes.entry(date).or_default() += file.size;
                }
                bytes
            }
        };
        let on = |date: NaiveDate| live.iter().filter(move |file| date_of(file) == Some(date)).cloned();
        let has_holds = self.rules().holds.of(signal).next().is_some()
            || (self.rules().of_traces(signal).is_some() && self.rules().holds.iter().next().is_some());
        if !has_holds {
            let going = dates_over(&bytes, |_| 0, max_bytes, self.today);
            for date in &going {
                self.tally.look_again(signal, *date);
                let size: u64 = on(*date).map(|file| file.size).sum();
                let left = bytes.get(date).copied().unwrap_or(0);
                // In a plan, what goes by age of the same date is gone already.
                let part =
                    |of: u64| u64::try_from(u128::from(of) * u128::from(left) / u128::from(size.max(1))).unwrap_or(of);
                for file in on(*date) {
                    self.tally.add(signal, Why::OverCap, *date, part(file.rows.unwrap_or(0)), part(file.size), true);
                }
            }
            let files = going.into_iter().flat_map(on).collect();
            return self.remove(signal, None, files, &[Why::OverCap]).await;
        }
        // What is held is found out date by date, the oldest first, until enough goes.
        let mut kept: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        loop {
            let going = dates_over(&bytes, |date| kept.get(&date).copied().unwrap_or(0), max_bytes, self.today);
            let Some(date) = going.into_iter().find(|date| !kept.contains_key(date)) else { return Ok(()) };
            let held = self.held(before(date, REACH_DAYS)..=after(date, REACH_DAYS)).await?;
            let facts = Arc::new(TraceFacts { held: Arc::new(held), ..TraceFacts::default() });
            self.remaining.entry(signal).or_default().insert(date, bytes.get(&date).copied().unwrap_or(0));
            self.tally.look_again(signal, date);
            for (together, files) in judged_together(on(date)) {
                let fates = Fates { over_cap: true, ..self.fates(signal, date, together, &facts) };
                self.files(&fates, files).await?;
            }
            let left = self.remaining.entry(signal).or_default().remove(&date).unwrap_or(0);
            kept.insert(date, left);
        }
    }
}

/// The dates that go, of the bytes that each has, and of those of them that must stay.
fn dates_over(
    bytes: &BTreeMap<NaiveDate, u64>,
    kept: impl Fn(NaiveDate) -> u64,
    max_bytes: u64,
    today: NaiveDate,
) -> Vec<NaiveDate> {
    let mut total: u64 = bytes.values().sum();
    let mut going = Vec::new();
    for (date, bytes) in bytes.range(..today) {
        if total <= max_bytes {
            break;
        }
        total -= bytes.saturating_sub(kept(*date));
        going.push(*date);
    }
    going
}

#[cfg(test)]
mod tests {
    use super::*;

    fn going(bytes: [u64; 4], max_bytes: u64, kept: u64) -> usize {
        let date = |day: u64| format!("2024-01-0{}", day + 1).parse::<NaiveDate>().unwrap();
        let bytes = (0..).zip(bytes).map(|(day, bytes)| (date(day), bytes)).collect();
        let dates = dates_over(&bytes, |_| kept, max_bytes, date(3));
        assert!(dates.is_sorted());
        dates.len()
    }

    #[rstest::rstest]
    #[case::fits([10, 10, 10, 10], 40, 0, 0)]
    #[case::one_is_enough([10, 10, 10, 10], 39, 0, 1)]
    #[case::two([10, 10, 10, 10], 20, 0, 2)]
    #[case::never_today([10, 10, 10, 1000], 1, 0, 3)]
    #[case::what_is_held_stays([10, 10, 10, 10], 31, 5, 2)]
    fn the_oldest_dates_go(#[case] bytes: [u64; 4], #[case] max: u64, #[case] kept: u64, #[case] expected: usize) {
        assert_eq!(going(bytes, max, kept), expected);
    }
}
