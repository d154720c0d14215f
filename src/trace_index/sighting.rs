//! When an id was seen: the index's row.

use crate::model::signal::Signal;

/// Sightings of one id that are at most this far apart, in seconds, are one row.
const GAP: i64 = 3600;

/// A signal's rows with one key have times from `first` to `last`; there may be other such rows at other times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sighting {
    /// See [`key_of`].
    pub(super) key: i64,
    /// Whose rows.
    pub(super) signal: Signal,
    /// The earliest, in whole seconds since 1970, rounded down.
    pub(super) first: i64,
    /// The latest, rounded down too: a row of that second may be up to a second later.
    pub(super) last: i64,
}

impl Sighting {
    /// Takes `next`, which sorts after this one, into this one; `false` where it is another id's or too far away.
    pub(super) fn absorb(&mut self, next: &Self) -> bool {
        let close = next.key == self.key && next.signal == self.signal && next.first <= self.last.saturating_add(GAP);
        if close {
            self.last = self.last.max(next.last);
        }
        close
    }
}

/// Sorts sightings, and makes one of those that are close together.
pub(super) fn sort_and_merge(sightings: &mut Vec<Sighting>) {
    sightings.sort_unstable();
    sightings.dedup_by(|next, kept| kept.absorb(next));
}

/// The key of a trace id: its last 8 bytes, big-endian. That is where ids are random: W3C Trace Context level 2 asks
/// it of the last 7, ids of 64 bits are padded in front, and AWS X-Ray's begin with the time. A text that is not 32
/// lower-case hex digits, which only another program can have stored, has a hash of itself.
pub(super) fn key_of(trace_id: &str) -> i64 {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = trace_id.as_bytes();
    let parsed = (digits.len() == 32 && digits.iter().all(is_hex))
        .then(|| trace_id.get(16..).and_then(|low| u64::from_str_radix(low, 16).ok()))
        .flatten();
    parsed.unwrap_or_else(|| xxhash_rust::xxh3::xxh3_64(digits)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_random_end_of_an_id() {
        assert_eq!(key_of("4bf92f3577b34da600000000000000ff"), 255);
        assert_eq!(key_of("00000000000000000000000000000001"), 1);
        assert_eq!(key_of("0000000000000000ffffffffffffffff"), -1);
    }

    #[test]
    fn any_text_has_a_key_and_case_matters() {
        let texts =
            ["", "x", "4BF92F3577B34DA600000000000000FF", "4bf92f3577b34da600000000000000f", "ж".repeat(16).as_str()]
                .map(key_of);
        assert!(texts.iter().all(|key| *key != 255));
    }

    #[test]
    fn close_sightings_of_one_id_and_signal_are_one() {
        let seen = |key, signal, first, last| Sighting { key, signal, first, last };
        let mut sightings = vec![
            seen(2, Signal::Logs, 100, 100),
            seen(1, Signal::Logs, GAP + 151, GAP + 160),
            seen(1, Signal::Spans, 120, 130),
            seen(1, Signal::Logs, 100, 150),
            seen(1, Signal::Logs, 110, 120),
            seen(1, Signal::Logs, GAP + 150, GAP + 150),
            seen(1, Signal::Logs, 3 * GAP, 3 * GAP),
        ];
        sort_and_merge(&mut sightings);
        assert_eq!(
            sightings,
            [
                seen(1, Signal::Logs, 100, GAP + 160),
                seen(1, Signal::Logs, 3 * GAP, 3 * GAP),
                seen(1, Signal::Spans, 120, 130),
                seen(2, Signal::Logs, 100, 100),
            ]
        );
    }
}
