//! The repeat window: which requests were stored lately.
//!
//! The clock is the records' own ingest time, given by callers; the newest record's is "now". A request is a repeat
//! while `now - ingest time of the stored one <= window`. Memory is bounded by a number of entries: past it the oldest
//! are forgotten early, and counted.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;

use super::record::{RecordHeader, RequestId, WalSeq};

/// What is remembered of a stored request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) seq: WalSeq,
    pub(super) request_id: RequestId,
    pub(super) ingest_time_micros: i64,
    pub(super) rejected: u32,
}

impl Stored {
    pub(super) fn of(seq: WalSeq, header: &RecordHeader) -> Self {
        Self {
            seq,
            request_id: header.request_id,
            ingest_time_micros: header.ingest_time_micros,
            rejected: header.rejected,
        }
    }
}

/// Requests stored within the window, by id and in sequence order.
#[derive(Debug)]
pub(super) struct RepeatWindow {
    window_micros: i64,
    max_entries: usize,
    /// Ascending by sequence.
    order: VecDeque<Stored>,
    /// The latest record of each request in `order`.
    latest: HashMap<RequestId, WalSeq>,
    now_micros: i64,
    forgotten: u64,
}

impl RepeatWindow {
    pub(super) fn new(window_micros: i64, max_entries: usize) -> Self {
        Self {
            window_micros,
            max_entries,
            order: VecDeque::new(),
            latest: HashMap::new(),
            now_micros: i64::MIN,
            forgotten: 0,
        }
    }

    /// The record that a request of `now_micros` repeats, if it is still within the window.
    pub(super) fn find(&self, request_id: RequestId, now_micros: i64) -> Option<Stored> {
        let seq = self.latest.get(&request_id)?;
        let index = self.order.binary_search_by_key(seq, |stored| stored.seq).ok()?;
        let stored = self.order.get(index)?;
        self.is_within(stored, now_micros).then_some(*stored)
    }

    /// Adds a record, which makes its ingest time "now". One at or before the last is known already, and ignored.
    pub(super) fn remember(&mut self, stored: Stored) {
        if self.order.back().is_some_and(|last| stored.seq <= last.seq) {
            return;
        }
        self.now_micros = stored.ingest_time_micros;
        self.order.push_back(stored);
        self.latest.insert(stored.request_id, stored.seq);
        while let Some(oldest) = self.order.front() {
            let expired = !self.is_within(oldest, self.now_micros);
            if !expired && self.order.len() <= self.max_entries {
                break;
            }
            self.forgotten += u64::from(!expired);
            self.forget_oldest();
        }
    }

    /// What is remembered of records in a range of sequences, in order.
    pub(super) fn of_range(&self, range: RangeInclusive<WalSeq>) -> Vec<Stored> {
        let start = self.order.partition_point(|stored| stored.seq < *range.start());
        let stored = self.order.iter().skip(start).take_while(|stored| stored.seq <= *range.end());
        stored.filter(|stored| self.is_within(stored, self.now_micros)).copied().collect()
    }

    /// Whether no request taken at `ingest_time_micros` or before can be repeated any more.
    pub(super) fn has_passed(&self, ingest_time_micros: i64) -> bool {
        self.now_micros.saturating_sub(ingest_time_micros) > self.window_micros
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// How many were forgotten before the window had passed.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// A clock that went back makes a difference below zero, which is within.
    fn is_within(&self, stored: &Stored, now_micros: i64) -> bool {
        now_micros.saturating_sub(stored.ingest_time_micros) <= self.window_micros
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front()
            && self.latest.get(&oldest.request_id) == Some(&oldest.seq)
        {
            self.latest.remove(&oldest.request_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(seq: u64, id: u8, ingest_time_micros: i64) -> Stored {
        Stored { seq: WalSeq(seq), request_id: RequestId([id; 16]), ingest_time_micros, rejected: u32::from(id) }
    }

    fn seq_of(window: &RepeatWindow, id: u8, now_micros: i64) -> Option<u64> {
        window.find(RequestId([id; 16]), now_micros).map(|stored| stored.seq.0)
    }

    #[test]
    fn a_request_repeats_until_the_window_has_passed() {
        let mut window = RepeatWindow::new(100, 10);
        window.remember(stored(1, 1, 1000));
        assert_eq!(seq_of(&window, 1, 1100), Some(1));
        assert_eq!(seq_of(&window, 1, 1101), None);
        assert_eq!(seq_of(&window, 1, 900), Some(1), "a clock that went back");
        assert_eq!(seq_of(&window, 2, 1000), None);
    }

    #[test]
    fn one_stored_again_counts_from_then() {
        let mut window = RepeatWindow::new(100, 10);
        window.remember(stored(1, 1, 1000));
        window.remember(stored(2, 1, 1200));
        assert_eq!(seq_of(&window, 1, 1300), Some(2));
        assert_eq!(window.len(), 1, "the first has expired");
        window.remember(stored(2, 9, 9999));
        assert_eq!(seq_of(&window, 9, 1300), None, "a record known already is ignored");
    }

    #[test]
    fn past_the_bound_the_oldest_are_forgotten_and_counted() {
        let mut window = RepeatWindow::new(100, 2);
        (1..=3).for_each(|n| window.remember(stored(u64::from(n), n, 1000)));
        assert_eq!([1, 2, 3].map(|id| seq_of(&window, id, 1000)), [None, Some(2), Some(3)]);
        assert_eq!((window.len(), window.forgotten()), (2, 1));
        window.remember(stored(4, 4, 2000));
        assert_eq!((window.len(), window.forgotten()), (1, 1), "expired ones are not forgotten early");
    }

    #[test]
    fn a_range_gives_what_is_still_within() {
        let mut window = RepeatWindow::new(100, 10);
        (1..=4).for_each(|n| window.remember(stored(u64::from(n), n, 1000 + 50 * i64::from(n))));
        let seqs = |range| window.of_range(range).iter().map(|stored| stored.seq.0).collect::<Vec<_>>();
        assert_eq!(seqs(WalSeq(1)..=WalSeq(3)), [2, 3]);
        assert!(window.has_passed(1050) && !window.has_passed(1100));
    }
}
