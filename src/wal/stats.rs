//! Counters for `/metrics` and readiness.

use std::time::Duration;

use super::record::WalSeq;

/// The log at one moment. Totals count from the start of this process; the rest is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Bytes on disk that are not released. Does not equal what a replay reads: released records share segments.
    pub unreleased_bytes: u64,
    /// Segment files, the active one included.
    pub segments: usize,
    /// Records taken and not yet acknowledged.
    pub pending_records: usize,
    /// Their bytes.
    pub pending_bytes: u64,
    /// The last record that is durable. Zero before the first.
    pub last_synced_seq: WalSeq,
    /// Total of records made durable.
    pub appended_records: u64,
    /// Total of their bytes, headers included.
    pub appended_bytes: u64,
    /// Total of group commits, each one `fdatasync`. [`Group::sync_time`](super::Group::sync_time) tells each apart.
    pub group_commits: u64,
    /// Total time of their `fdatasync` calls.
    pub sync_time: Duration,
    /// Total of requests acknowledged as repeats, and not stored again.
    pub repeats: u64,
    /// Requests remembered to recognise repeats.
    pub repeat_entries: usize,
    /// Total of requests forgotten before the repeat window had passed, for want of entries, since the log was opened.
    pub repeats_forgotten: u64,
}
