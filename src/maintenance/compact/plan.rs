//! Which files of a date are merged next.
//!
//! A run (`run.rs`) is read as one sorted stream, however many files it has. Runs are merged with runs of their own mark.
//!
//! - While a day fills, runs of about as many rows are merged: those of a tier, once they are [`FAN_IN`], into one of a
//!   higher tier. A tier is a power of eight in rows, so a row is written again at most once a tier, and no more once its
//!   run is large. Rows, not bytes: a merge of small files has as many rows as they, and far fewer bytes.
//! - A day that is over ends as one run: the fewest files, none overlapping. What comes late is merged into it once it is
//!   an [`LATE_SHARE`]th of its rows; until then late runs are merged with one another, by tiers. So a row of the day's
//!   run is written again only when its day has grown by an eighth.
//! - A past day's one run is written anew where another engine named it, since it may not be sorted; and all of a past
//!   day where a file says nothing of its rows, or for a reason of the caller's.
//!
//! A merge reads all its runs at once, so how many it takes is bounded by memory; where they do not fit, the smallest are
//! merged first.

use std::sync::Arc;

use crate::lake::LiveFile;
use crate::maintenance::rewriter::ROW_BYTES;
use crate::maintenance::run::{FileName, Run};

/// Runs of a tier that are merged into one.
pub(super) const FAN_IN: usize = 8;

/// Tiers at most: eight to this power is more rows than any run has that is not large.
#[cfg(test)]
const TIERS: u32 = 8;

/// Late rows are merged into the day's run when they are this part of it.
const LATE_SHARE: u64 = 8;

/// Rows of a row group: of an input, one is in memory.
const ROW_GROUP_ROWS: u64 = 1 << 20;

/// What an input has in memory beside its row group: decoded batches.
const INPUT_BYTES: u64 = 24 << 20;

/// Bounds of the choice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of a large file.
    pub(super) target: u64,
    /// Bytes that the inputs of a merge may have in memory.
    pub(super) memory: u64,
}

/// The runs that are merged next, of a date's runs; none where all is well. A past day with a run that `is_stale` is
/// written anew, all of it, also where it is one run.
pub(super) fn choose(runs: &[Run], is_over: bool, bounds: Bounds, is_stale: impl Fn(&Run) -> bool) -> Vec<Run> {
    let mut runs: Vec<&Run> = runs.iter().collect();
    runs.sort_by_key(|run| (rows_of(run), run.bytes));
    let is_foreign = |run: &Run| run.files.iter().any(|file| !FileName::parse(&file.path).is_own);
    // Without a count of rows there are no statistics either: every query opens it.
    let is_stale = |run: &Run| is_stale(run) || run.rows().is_none();
    if let ([only], true) = (runs.as_slice(), is_over) {
        return if is_foreign(only) || is_stale(only) { vec![(*only).clone()] } else { Vec::new() };
    }
    let chosen = if !is_over {
        full_tier(&runs, bounds.target)
    } else if runs.iter().any(|run| is_stale(run)) {
        &runs
    } else {
        of_a_past_day(&runs, bounds.target)
    };
    let mut memory = bounds.memory;
    let fitting = chosen.iter().enumerate().take_while(|(number, run)| {
        let needed = memory_of(run);
        let fits = needed <= memory;
        memory = memory.saturating_sub(needed);
        // Two at least: fewer are no merge, and a day must not stay as it is for ever.
        fits || *number < 2
    });
    let fitting: Vec<Run> = fitting.map(|(_, run)| (*run).clone()).collect();
    if fitting.len() < 2 { Vec::new() } else { fitting }
}

/// The runs of the lowest tier that is full, of runs by their rows.
fn full_tier<'a, 'b>(runs: &'a [&'b Run], target: u64) -> &'a [&'b Run] {
    let mut rest = runs;
    while let Some(run) = rest.first() {
        let tier = tier(run, target);
        let end = rest.iter().position(|other| self::tier(other, target) != tier).unwrap_or(rest.len());
        let (same, larger) = rest.split_at(end);
        if tier.is_some() && same.len() >= FAN_IN {
            return same;
        }
        rest = larger;
    }
    &[]
}

/// The power of eight of a run's rows; `None` for a run that is large enough.
fn tier(run: &Run, target: u64) -> Option<u32> {
    // Half of the target is large: eight runs of a tier rarely fill one to the brim.
    (run.bytes < target / 2).then(|| rows_of(run).ilog(FAN_IN as u64))
}

fn rows_of(run: &Run) -> u64 {
    run.rows().unwrap_or(run.bytes / ROW_BYTES).max(1)
}

fn of_a_past_day<'a, 'b>(runs: &'a [&'b Run], target: u64) -> &'a [&'b Run] {
    let Some((largest, rest)) = runs.split_last() else { return &[] };
    let late: u64 = rest.iter().map(|run| rows_of(run)).sum();
    if late.saturating_mul(LATE_SHARE) >= rows_of(largest) { runs } else { full_tier(rest, target) }
}

/// Bytes that a run has in memory while it is read.
fn memory_of(run: &Run) -> u64 {
    let row_group = |file: &Arc<LiveFile>| match file.rows {
        Some(rows) if rows > ROW_GROUP_ROWS => file.size / (rows / ROW_GROUP_ROWS),
        _ => file.size,
    };
    run.files.iter().map(row_group).max().unwrap_or(0) + INPUT_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::FileStatistics;
    use crate::maintenance::run::runs;

    const MIB: u64 = 1 << 20;
    const BOUNDS: Bounds = Bounds { target: 512 * MIB, memory: 4096 * MIB };

    fn file(path: &str, size: u64) -> Arc<LiveFile> {
        Arc::new(LiveFile {
            path: path.to_owned(),
            size,
            rows: Some(size / 50),
            date: Some("2024-01-01".to_owned()),
            modified_ms: 0,
            stats: FileStatistics::default(),
        })
    }

    fn flushed(sizes: &[u64]) -> Vec<Run> {
        let files: Vec<_> =
            sizes.iter().map(|size| file(&format!("{}.parquet", uuid::Uuid::new_v4()), *size)).collect();
        runs(files.iter())
    }

    fn chosen(sizes: &[u64], is_over: bool) -> Vec<u64> {
        choose(&flushed(sizes), is_over, BOUNDS, |_| false).iter().map(|run| run.bytes).collect()
    }

    #[rstest::rstest]
    #[case::too_few(&[MIB; 7], &[])]
    #[case::a_tier_is_full(&[MIB; 8], &[MIB; 8])]
    #[case::of_two_tiers_the_full_one(&[1, 1, 20 * MIB, 20 * MIB, 20 * MIB, 20 * MIB, 20 * MIB, 20 * MIB, 20 * MIB, 20 * MIB], &[20 * MIB; 8])]
    #[case::large_enough(&[300 * MIB; 9], &[])]
    fn a_filling_day_is_merged_by_tiers(#[case] sizes: &[u64], #[case] expected: &[u64]) {
        assert_eq!(chosen(sizes, false), expected);
    }

    #[rstest::rstest]
    #[case::one_is_final(&[MIB], &[])]
    #[case::two_are_not(&[MIB, MIB], &[MIB, MIB])]
    #[case::a_little_that_came_late_waits(&[MIB, 100 * MIB], &[])]
    #[case::an_eighth_does_not(&[15 * MIB, 100 * MIB], &[15 * MIB, 100 * MIB])]
    #[case::late_ones_are_merged_with_one_another(&[MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, 1000 * MIB], &[MIB; 8])]
    fn a_past_day_ends_as_one_run(#[case] sizes: &[u64], #[case] expected: &[u64]) {
        assert_eq!(chosen(sizes, true), expected);
    }

    #[test]
    fn what_does_not_fit_into_memory_begins_with_the_smallest() {
        let runs = flushed(&[10 * MIB, 10 * MIB, 30 * MIB, 40 * MIB]);
        let bounds = Bounds { memory: 100 * MIB, ..BOUNDS };
        let first = choose(&runs, true, bounds, |_| false);
        assert_eq!(first.iter().map(|run| run.bytes).collect::<Vec<_>>(), [10 * MIB, 10 * MIB]);
        let none = Bounds { memory: 0, ..BOUNDS };
        assert_eq!(choose(&runs, true, none, |_| false).len(), 2, "two are merged whatever the memory");
    }

    #[test]
    fn a_past_day_s_one_run_is_written_anew_where_another_engine_named_it_or_it_is_stale() {
        let one = |name: &str| runs([file(name, MIB)].iter());
        let own = one(&format!("date=2024-01-01/{}.parquet", uuid::Uuid::new_v4()));
        let foreign = one("date=2024-01-01/part-00000-c000.snappy.parquet");
        let count = |runs: &[Run], is_over, is_stale| choose(runs, is_over, BOUNDS, |_| is_stale).len();
        assert_eq!((count(&own, true, false), count(&own, true, true), count(&own, false, true)), (0, 1, 0));
        assert_eq!((count(&foreign, true, false), count(&foreign, false, false)), (1, 0));
    }

    /// A day that is flushed into and compacted, with how often the rows of each run were written again, at most.
    struct Day {
        runs: Vec<(Run, u32)>,
        rewritten: u64,
    }

    /// Bytes of a file of so many rows: the footer of a small one is most of it.
    fn bytes(rows: u64) -> u64 {
        (16 << 10) + 40 * rows
    }

    impl Day {
        fn flush(&mut self, rows: u64, is_over: bool) {
            self.push(rows, 0);
            loop {
                let all: Vec<Run> = self.runs.iter().map(|(run, _)| run.clone()).collect();
                let taken = choose(&all, is_over, Bounds { memory: u64::MAX, ..BOUNDS }, |_| false);
                if taken.is_empty() {
                    return;
                }
                let is_taken = |run: &Run| taken.iter().any(|taken| taken.files[0].path == run.files[0].path);
                let merged: Vec<_> = self.runs.extract_if(.., |(run, _)| is_taken(run)).collect();
                let rows = merged.iter().map(|(run, _)| rows_of(run)).sum();
                self.rewritten += rows;
                self.push(rows, merged.iter().map(|(_, times)| times + 1).max().unwrap());
            }
        }

        fn push(&mut self, rows: u64, times: u32) {
            let mut file = file(&format!("{}.parquet", uuid::Uuid::new_v4()), bytes(rows));
            Arc::get_mut(&mut file).unwrap().rows = Some(rows);
            self.runs.extend(runs([file].iter()).into_iter().map(|run| (run, times)));
        }

        fn rows(&self) -> u64 {
            self.runs.iter().map(|(run, _)| rows_of(run)).sum()
        }

        fn most(&self) -> u32 {
            self.runs.iter().map(|(_, times)| *times).max().unwrap()
        }
    }

    /// The bound of docs/decisions/0014, by counting, for flushes from one row to tens of thousands.
    #[rstest::rstest]
    #[case(1, 20_000)]
    #[case(7, 10_000)]
    #[case(100, 5_000)]
    #[case(5_000, 3_000)]
    #[case(60_000, 1_440)]
    fn a_row_is_rewritten_at_most_once_a_tier_and_once_when_its_day_is_over(#[case] rows: u64, #[case] flushes: u64) {
        let mut day = Day { runs: Vec::new(), rewritten: 0 };
        for _ in 0..flushes {
            day.flush(rows, false);
            let small = day.runs.iter().filter(|(run, _)| run.bytes < BOUNDS.target / 2).count();
            assert!(small < FAN_IN * TIERS as usize, "{small} runs are left");
        }
        let tiers = TIERS - rows.ilog(FAN_IN as u64);
        assert!((1..=tiers).contains(&day.most()), "{} of {tiers}", day.most());
        assert!(day.rewritten <= u64::from(tiers) * day.rows());
        day.flush(rows, true);
        assert_eq!(day.runs.len(), 1);
        assert!(day.most() <= tiers + 1, "{}", day.most());
        let ratio = |day: &Day| day.rewritten as f64 / day.rows() as f64;
        println!(
            "{flushes} flushes of {rows} rows: {:.2} rows written again for a row, one at most {}",
            ratio(&day),
            day.most()
        );
        // As much again comes late: six times an eighth more.
        for _ in 0..flushes {
            day.flush(rows, true);
            assert!(day.runs.len() < FAN_IN * TIERS as usize, "{} runs are left", day.runs.len());
        }
        assert!(day.most() <= 2 * (tiers + 1) + 6, "{}", day.most());
        println!("as much again, late: {:.2} rows for a row, one at most {}", ratio(&day), day.most());
    }
}
