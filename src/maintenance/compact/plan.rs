//! Which files of a date are merged next.
//!
//! A run (`run.rs`) is read as one sorted stream, however many files it has. Runs are merged with runs of their own mark.
//!
//! - While a day fills, runs of about the same size are merged, [`FAN_IN`] of them into one of the next tier, so that a row
//!   is written again at most once a tier: [`TIERS`] times.
//! - A day that is over ends as one run: the fewest files, none overlapping. What comes late is merged into it once it is
//!   an [`LATE_SHARE`]th of it; until then late runs are merged with one another. So a row is written again only
//!   when its day has grown by an eighth.
//!
//! A merge reads all its runs at once, so how many it takes is bounded by memory; where they do not fit, the smallest are
//! merged first.

use std::sync::Arc;

use crate::lake::LiveFile;
use crate::maintenance::run::Run;

/// Runs of a tier that are merged into one.
pub(super) const FAN_IN: usize = 8;

/// Tiers below the target size.
pub(super) const TIERS: u32 = 4;

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

/// The runs that are merged next, of a date's runs smallest first; none where all is well.
pub(super) fn choose(runs: &[Run], is_over: bool, bounds: Bounds) -> Vec<Run> {
    let chosen = if is_over { of_a_past_day(runs) } else { of_a_filling_day(runs, bounds.target) };
    let mut memory = bounds.memory;
    let fitting = chosen.iter().enumerate().take_while(|(number, run)| {
        let needed = memory_of(run);
        let fits = needed <= memory;
        memory = memory.saturating_sub(needed);
        // Two at least: fewer are no merge, and a day must not stay as it is for ever.
        fits || *number < 2
    });
    let fitting: Vec<Run> = fitting.map(|(_, run)| run.clone()).collect();
    if fitting.len() < 2 { Vec::new() } else { fitting }
}

fn of_a_filling_day(runs: &[Run], target: u64) -> &[Run] {
    // Smallest first, so the runs of a tier are neighbours.
    let mut rest = runs;
    while let Some(run) = rest.first() {
        let tier = tier(run.bytes, target);
        let end = rest.iter().position(|other| self::tier(other.bytes, target) != tier).unwrap_or(rest.len());
        let (same, larger) = rest.split_at(end);
        if tier < TIERS && same.len() >= FAN_IN {
            return same;
        }
        rest = larger;
    }
    &[]
}

/// 0 for the smallest runs, [`TIERS`] for those that are large enough.
fn tier(bytes: u64, target: u64) -> u32 {
    let mut tier = TIERS;
    // Half of the target is large: eight runs of a tier rarely fill one to the brim.
    let mut least = target / 2;
    while tier > 0 && bytes < least {
        tier -= 1;
        least /= FAN_IN as u64;
    }
    tier
}

fn of_a_past_day(runs: &[Run]) -> &[Run] {
    let Some((largest, rest)) = runs.split_last() else { return &[] };
    let late: u64 = rest.iter().map(|run| run.bytes).sum();
    if rest.is_empty() {
        &[]
    } else if late.saturating_mul(LATE_SHARE) >= largest.bytes {
        runs
    } else if rest.len() >= FAN_IN {
        rest
    } else {
        &[]
    }
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
        choose(&flushed(sizes), is_over, BOUNDS).iter().map(|run| run.bytes).collect()
    }

    #[rstest::rstest]
    #[case::too_few(&[MIB; 7], &[])]
    #[case::a_tier_is_full(&[MIB; 8], &[MIB; 8])]
    #[case::of_two_tiers_the_full_one(&[1, 1, 9 * MIB, 9 * MIB, 9 * MIB, 9 * MIB, 9 * MIB, 9 * MIB, 9 * MIB, 9 * MIB], &[9 * MIB; 8])]
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
        let first = choose(&runs, true, bounds);
        assert_eq!(first.iter().map(|run| run.bytes).collect::<Vec<_>>(), [10 * MIB, 10 * MIB]);
        let none = Bounds { memory: 0, ..BOUNDS };
        assert_eq!(choose(&runs, true, none).len(), 2, "two are merged whatever the memory");
    }

    /// Every row is written again at most once a tier while flushes of one size come in for long.
    #[test]
    fn a_row_is_rewritten_at_most_once_a_tier() {
        let target = 4096;
        let mut runs: Vec<(u64, u32)> = Vec::new();
        let mut most = 0;
        for _ in 0..20_000 {
            runs.push((2, 0));
            loop {
                runs.sort_unstable();
                let as_runs = flushed(&runs.iter().map(|run| run.0).collect::<Vec<_>>());
                if runs.len() > 64 {
                    panic!("{} runs are left", runs.len())
                }
                let taken: Vec<u64> =
                    choose(&as_runs, false, Bounds { target, memory: u64::MAX }).iter().map(|run| run.bytes).collect();
                let Some(smallest) = taken.first() else { break };
                let from = runs.iter().position(|run| run.0 == *smallest).unwrap();
                let merged: Vec<_> = runs.drain(from..from + taken.len()).collect();
                let rewritten = merged.iter().map(|run| run.1).max().unwrap() + 1;
                most = most.max(rewritten);
                let bytes = merged.iter().map(|run| run.0).sum();
                if bytes < target {
                    runs.push((bytes, rewritten));
                }
            }
        }
        assert!((2..=TIERS).contains(&most), "{most}");
    }
}
