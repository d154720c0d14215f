//! The log's limits, as plain data that a configuration file can hold.

use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::WalError;
use super::frame::{MAX_HEAD_BYTES, MAX_PAYLOAD_BYTES};
use super::segment::SEGMENT_HEADER_BYTES;

const MIB: u64 = 1024 * 1024;
const MAX_REPEAT_ENTRIES: usize = 10_000_000;

/// Limits of the log. Each bound has a stated answer when it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalSettings {
    /// A segment file is completed, and the next one begun, before it would grow past this. Default 64 MiB: files are
    /// released whole, so this is how much the log holds on to beyond what is needed. A single larger record still
    /// gets a segment, of its own.
    pub segment_bytes: u64,
    /// Unreleased bytes, pending ones included; at the bound `append` fails with [`WalError::Full`]. Default 4 GiB:
    /// some minutes of heavy intake while a table cannot be flushed. A segment's 64-byte header may exceed it.
    pub max_bytes: u64,
    /// The largest payload of one record; larger ones are refused with [`WalError::TooLarge`]. Default 64 MiB.
    pub max_record_bytes: usize,
    /// Bytes taken from callers and not yet acknowledged; at the bound `append` waits, in order. Default 128 MiB, at
    /// least one largest record with its header. What waiting callers hold themselves is theirs to bound.
    pub max_pending_bytes: usize,
    /// How long the same request, sent again, is acknowledged without being stored again. Default 10 minutes: longer
    /// than an OpenTelemetry collector's default retries (5 minutes). Zero still catches equal ingest times.
    pub repeat_window: Duration,
    /// Requests remembered for `repeat_window`; past it the oldest are forgotten early, and counted in
    /// [`WalStats::repeats_forgotten`](super::WalStats::repeats_forgotten). Default 250,000: about 25 MB of memory, and
    /// 10 minutes of 400 requests a second.
    pub max_repeat_entries: usize,
}

impl Default for WalSettings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * MIB,
            max_bytes: 4 * 1024 * MIB,
            max_record_bytes: 64 << 20,
            max_pending_bytes: 128 << 20,
            repeat_window: Duration::from_mins(10),
            max_repeat_entries: 250_000,
        }
    }
}

impl WalSettings {
    /// Checks the settings against each other.
    ///
    /// # Errors
    /// [`WalError::InvalidSettings`] names the first bad key.
    pub fn validate(&self) -> Result<(), WalError> {
        let refuse = |key, reason| Err(WalError::InvalidSettings { key, reason });
        if self.segment_bytes < 1024 {
            return refuse("segment_bytes", "must be at least 1024");
        }
        if self.max_record_bytes == 0 || self.max_record_bytes > MAX_PAYLOAD_BYTES {
            return refuse("max_record_bytes", "must be between 1 and 1073741824 (1 GiB)");
        }
        let largest_frame = self.max_record_bytes + MAX_HEAD_BYTES;
        if self.max_pending_bytes < largest_frame {
            return refuse("max_pending_bytes", "must be at least max_record_bytes and 9 KiB more");
        }
        if self.max_pending_bytes > Semaphore::MAX_PERMITS {
            return refuse("max_pending_bytes", "is more than can be counted");
        }
        if self.max_bytes < (largest_frame + SEGMENT_HEADER_BYTES) as u64 || self.max_bytes < self.segment_bytes {
            return refuse("max_bytes", "must be at least segment_bytes, and max_record_bytes and 9 KiB more");
        }
        if self.max_repeat_entries > MAX_REPEAT_ENTRIES {
            return refuse("max_repeat_entries", "must be at most 10000000");
        }
        if i64::try_from(self.repeat_window.as_micros()).is_err() {
            return refuse("repeat_window", "must be shorter than 292,000 years");
        }
        Ok(())
    }

    /// The repeat window in the unit of ingest times.
    pub(super) fn repeat_window_micros(&self) -> i64 {
        i64::try_from(self.repeat_window.as_micros()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn defaults_are_valid() {
        WalSettings::default().validate().expect("defaults");
    }

    #[rstest]
    #[case::tiny_segments("segment_bytes", WalSettings { segment_bytes: 1, ..WalSettings::default() })]
    #[case::no_records("max_record_bytes", WalSettings { max_record_bytes: 0, ..WalSettings::default() })]
    #[case::endless_records("max_record_bytes", WalSettings { max_record_bytes: 2 << 30, ..WalSettings::default() })]
    #[case::a_record_never_fits("max_pending_bytes", WalSettings { max_pending_bytes: 64 << 20, ..WalSettings::default() })]
    #[case::smaller_than_a_segment("max_bytes", WalSettings { max_bytes: 65 << 20, segment_bytes: 66 << 20, ..WalSettings::default() })]
    #[case::smaller_than_a_record("max_bytes", WalSettings { max_bytes: 64 << 20, ..WalSettings::default() })]
    #[case::endless_memory("max_repeat_entries", WalSettings { max_repeat_entries: usize::MAX, ..WalSettings::default() })]
    #[case::endless_window("repeat_window", WalSettings { repeat_window: Duration::MAX, ..WalSettings::default() })]
    fn a_bad_setting_is_named(#[case] bad_key: &str, #[case] settings: WalSettings) {
        match settings.validate() {
            Err(WalError::InvalidSettings { key, .. }) => assert_eq!(key, bad_key),
            other => panic!("expected {bad_key} to be refused, got {other:?}"),
        }
    }
}
